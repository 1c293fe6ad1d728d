#include "stress/pool_ledger.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "pool/pool_internal.h"

static enum pb_outcome run_request(void *ctx, struct pb_work *work)
{
    struct pb_ledger *ledger = ctx;
    uint64_t n = work->request->index;

    if (ledger->hang_one_in && n % ledger->hang_one_in == 3) {
        (void)pb_token_sleep_until(work->token, work->started_ns + 20 * PB_NS_PER_MS);
    } else if (ledger->work_ns > 0) {
        int64_t until_ns = work->started_ns + ledger->work_ns;

        if (ledger->ignore_token) {
            pb_clock_sleep_until(pb_clock_real(), until_ns);
        } else {
            (void)pb_token_sleep_until(work->token, until_ns);
        }
    }
    return ledger->fail_one_in && n % ledger->fail_one_in == 1 ? PB_OUTCOME_ERROR : PB_OUTCOME_OK;
}

/* On the pool's threads nothing is asserted, only counted: pb_ledger_check does the rest. */
static void must_hold(struct pb_ledger *ledger, bool holds)
{
    if (!holds) {
        atomic_fetch_add(&ledger->wrong, 1);
    }
}

static void note_lateness(struct pb_ledger *ledger, int64_t late_ns)
{
    int64_t seen_ns = atomic_load(&ledger->late_ns);

    must_hold(ledger, late_ns >= 0);
    while (late_ns > seen_ns &&
           !atomic_compare_exchange_weak(&ledger->late_ns, &seen_ns, late_ns)) {
    }
}

static void note_event(void *ctx, const struct pb_pool_event *event)
{
    struct pb_ledger *ledger = ctx;

    must_hold(ledger, event->kind != PB_POOL_WORKER_DOWN || strcmp(event->reason, "stopped") != 0 ||
                          atomic_load(&ledger->may_stop));
}

static void note_done(void *ctx, const struct pb_completion *completion)
{
    struct pb_ledger *ledger = ctx;

    atomic_fetch_add(&ledger->ended[completion->request->index], 1);
    atomic_fetch_add(&ledger->outcomes[completion->outcome], 1);
    must_hold(ledger, completion->done_ns >= completion->request->sent_ns);
    if (completion->outcome == PB_OUTCOME_CHECKOUT_TIMEOUT && ledger->checkout_ns > 0) {
        note_lateness(ledger,
                      completion->done_ns - completion->request->sent_ns - ledger->checkout_ns);
    }
    must_hold(ledger, completion->started_ns == 0 ||
                          (completion->started_ns >= completion->request->sent_ns &&
                           completion->done_ns >= completion->started_ns));
}

static void note_returned(void *ctx, const struct pb_request *request, uint32_t worker,
                          int64_t started_ns, int64_t returned_ns)
{
    struct pb_ledger *ledger = ctx;

    (void)request;
    (void)worker;
    must_hold(ledger, returned_ns >= started_ns);
    atomic_fetch_add(&ledger->returned, 1);
}

void pb_ledger_init(struct pb_ledger *ledger)
{
    *ledger = (struct pb_ledger){ .ended = calloc(PB_LEDGER_MAX, 1) };
    ck_assert_ptr_nonnull(ledger->ended);
}

void pb_ledger_done(struct pb_ledger *ledger)
{
    free(ledger->ended);
    ledger->ended = NULL;
}

void pb_ledger_config(struct pb_ledger *ledger, struct pb_pool_config *ret_config)
{
    pb_pool_config_default(ret_config);
    ret_config->run = run_request;
    ret_config->done = note_done;
    ret_config->returned = note_returned;
    ret_config->event = note_event;
    ret_config->ctx = ledger;
}

static uint64_t sum_outcomes(struct pb_ledger *ledger)
{
    uint64_t sum = 0;

    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        sum += atomic_load(&ledger->outcomes[i]);
    }
    return sum;
}

uint64_t pb_ledger_outcome(struct pb_ledger *ledger, enum pb_outcome outcome)
{
    return atomic_load(&ledger->outcomes[outcome]);
}

/* A decided request's worker may still be on its way back; then its place is free, too. */
static void check_places(struct pb_pool *pool)
{
    int64_t deadline_ns = pb_in_seconds(20);

    while (pb_released(pool) < pb_ring_accepted(&pool->ring) && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(pb_ring_accepted(&pool->ring), pb_released(pool));
}

void pb_ledger_check(struct pb_ledger *ledger, struct pb_pool *pool, uint64_t sent)
{
    struct pb_pool_stats stats;
    uint64_t lost = 0, twice = 0;

    pb_pool_snapshot(pool, &stats);
    for (uint64_t i = 0; i < sent; i++) {
        lost += atomic_load(&ledger->ended[i]) == 0;
        twice += atomic_load(&ledger->ended[i]) > 1;
    }
    ck_assert_uint_eq(0, lost);
    ck_assert_uint_eq(0, twice);
    ck_assert_uint_eq(0, atomic_load(&ledger->wrong));
    ck_assert_uint_eq(sent, sum_outcomes(ledger));
    ck_assert_uint_eq(sent, stats.submitted);
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        ck_assert_uint_eq(atomic_load(&ledger->outcomes[i]), stats.outcomes[i]);
    }
    ck_assert_uint_eq(0, stats.rescued_wakeups);
    ck_assert_uint_eq(0, stats.queued);
    ck_assert_uint_eq(0, stats.running);
    check_places(pool);
}

void pb_ledger_end(struct pb_ledger *ledger, struct pb_pool *pool, uint64_t sent)
{
    PB_ASSERT_OK(pb_pool_drain(pool, pb_in_seconds(20)));
    pb_ledger_check(ledger, pool, sent);
    atomic_store(&ledger->may_stop, true);
    PB_ASSERT_OK(pb_pool_free(pool, 20 * PB_NS_PER_S));
    ck_assert_uint_eq(0, atomic_load(&ledger->wrong));
    pb_ledger_done(ledger);
}

void *pb_producer_main(void *arg)
{
    struct pb_producer *p = arg;
    struct pb_submitter *submitter;

    PB_ASSERT_OK(pb_pool_attach(p->pool, NULL, &submitter));
    for (uint64_t i = 0; i < p->count; i++) {
        struct pb_request request = { .index = p->first + i };
        uint64_t ticket = UINT64_MAX;

        PB_ASSERT_OK(pb_submit(submitter, &request, &ticket));
        if (p->tickets) {
            p->tickets[p->first + i] = ticket;
        }
        if (p->gap_ns > 0 && i % 8 == 0) {
            pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + p->gap_ns);
        }
    }
    return NULL;
}

void pb_produce(struct pb_pool *pool, int threads, uint64_t each, int64_t gap_ns)
{
    pthread_t ids[8];
    struct pb_producer producers[8];

    for (int i = 0; i < threads; i++) {
        producers[i] = (struct pb_producer){ pool, (uint64_t)i * each, each, gap_ns, NULL };
        ck_assert_int_eq(0, pthread_create(&ids[i], NULL, pb_producer_main, &producers[i]));
    }
    for (int i = 0; i < threads; i++) {
        ck_assert_int_eq(0, pthread_join(ids[i], NULL));
    }
}

int64_t pb_in_seconds(double seconds)
{
    return pb_now_ns() + (int64_t)(seconds * 1e9);
}
