#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "base/rng.h"
#include "support/test.h"

/*
 * Threads against each other.  Every request carries its number; `done` marks it once.  A request
 * marked twice or never is what these tests look for.
 */

#define REQUESTS_MAX 200000

struct ledger {
    _Atomic uint8_t *ended; /* by number: how often `done` was called */
    _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
    _Atomic uint64_t returned;
    int64_t work_ns;      /* how long a request takes */
    uint32_t hang_one_in; /* that many wait for their token; 0: none */
    uint32_t fail_one_in;
    bool ignore_token;
};

static enum pb_outcome run_request(void *ctx, struct pb_work *work)
{
    struct ledger *ledger = ctx;
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

static void note_done(void *ctx, const struct pb_completion *completion)
{
    struct ledger *ledger = ctx;

    atomic_fetch_add(&ledger->ended[completion->request->index], 1);
    atomic_fetch_add(&ledger->outcomes[completion->outcome], 1);
    ck_assert_int_ge(completion->done_ns, completion->request->sent_ns);
    if (completion->started_ns != 0) {
        ck_assert_int_ge(completion->started_ns, completion->request->sent_ns);
    }
}

static void note_returned(void *ctx, const struct pb_request *request, uint32_t worker,
                          int64_t started_ns, int64_t returned_ns)
{
    (void)request;
    (void)worker;
    ck_assert_int_ge(returned_ns, started_ns);
    atomic_fetch_add(&((struct ledger *)ctx)->returned, 1);
}

static void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){ .ended = calloc(REQUESTS_MAX, 1) };
    ck_assert_ptr_nonnull(ledger->ended);
}

static void base_config(struct pb_pool_config *config, struct ledger *ledger)
{
    pb_pool_config_default(config);
    config->run = run_request;
    config->done = note_done;
    config->returned = note_returned;
    config->ctx = ledger;
}

static uint64_t sum_outcomes(struct ledger *ledger)
{
    uint64_t sum = 0;

    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        sum += atomic_load(&ledger->outcomes[i]);
    }
    return sum;
}

/* Every request below `sent` ended exactly once, and pool, ledger and truth agree. */
static void check_ledger(struct ledger *ledger, struct pb_pool *pool, uint64_t sent)
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
    ck_assert_uint_eq(sent, sum_outcomes(ledger));
    ck_assert_uint_eq(sent, stats.submitted);
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        ck_assert_uint_eq(atomic_load(&ledger->outcomes[i]), stats.outcomes[i]);
    }
    ck_assert_uint_eq(0, stats.rescued_wakeups);
    ck_assert_uint_eq(0, stats.queued);
    ck_assert_uint_eq(0, stats.running);
}

struct producer {
    struct pb_pool *pool;
    uint64_t first, count;
    int64_t gap_ns;
    uint64_t *tickets; /* may be NULL */
};

static void *produce(void *arg)
{
    struct producer *p = arg;
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

static void run_producers(struct pb_pool *pool, int threads, uint64_t each, int64_t gap_ns)
{
    pthread_t ids[8];
    struct producer producers[8];

    for (int i = 0; i < threads; i++) {
        producers[i] = (struct producer){ pool, (uint64_t)i * each, each, gap_ns, NULL };
        ck_assert_int_eq(0, pthread_create(&ids[i], NULL, produce, &producers[i]));
    }
    for (int i = 0; i < threads; i++) {
        ck_assert_int_eq(0, pthread_join(ids[i], NULL));
    }
}

static int64_t in_seconds(double seconds)
{
    return pb_now_ns() + (int64_t)(seconds * 1e9);
}

PB_TEST(pool_loses_nothing_with_three_submitters_and_no_work)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    ledger_init(&ledger);
    base_config(&config, &ledger);
    config.size = 4;
    config.queue_limit = 100;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 3, 20000, 0);
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(20)));
    check_ledger(&ledger, pool, 60000);
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
}

PB_TEST(pool_loses_nothing_when_idle_between_bursts)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    ledger_init(&ledger);
    base_config(&config, &ledger);
    config.size = 3;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 2, 4000, 100 * PB_NS_PER_US);
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(20)));
    check_ledger(&ledger, pool, 8000);
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
}

PB_TEST(pool_loses_nothing_pinned_to_one_cpu)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    cpu_set_t one, before;

    ck_assert_int_eq(0, sched_getaffinity(0, sizeof(before), &before));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(one), &one));
    ledger_init(&ledger);
    base_config(&config, &ledger);
    config.size = 4;
    config.queue_limit = 64;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 2, 10000, 50 * PB_NS_PER_US);
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(20)));
    check_ledger(&ledger, pool, 20000);
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(before), &before));
}

PB_TEST(timeouts_race_completions_without_loss)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    ledger_init(&ledger);
    ledger.work_ns = PB_NS_PER_MS; /* as long as the timeout: both sides win often */
    base_config(&config, &ledger);
    config.size = 6;
    config.queue_limit = 20;
    config.operation_timeout_ns = PB_NS_PER_MS;
    config.checkout_timeout_ns = PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 2, 3000, 500 * PB_NS_PER_US);
    (void)pb_pool_wait_idle(pool, in_seconds(5));
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(20)));
    check_ledger(&ledger, pool, 6000);
    ck_assert_uint_gt(atomic_load(&ledger.outcomes[PB_OUTCOME_OPERATION_TIMEOUT]), 0);
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
    ck_assert_uint_eq(atomic_load(&ledger.outcomes[PB_OUTCOME_OPERATION_TIMEOUT]),
                      atomic_load(&ledger.returned));
}

/* A thread that kills, stalls and cancels while two others submit. */
PB_TEST(chaos_of_kills_stalls_cancels_hangs_and_timeouts_loses_nothing)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    pthread_t ids[2];
    struct producer producers[2];
    uint64_t *tickets = calloc(REQUESTS_MAX, sizeof(*tickets));
    struct pb_rng_key key = { .seed = 7, .stream = PB_STREAM_FAULT };

    ledger_init(&ledger);
    ledger.work_ns = 300 * PB_NS_PER_US;
    ledger.hang_one_in = 17;
    ledger.fail_one_in = 11;
    base_config(&config, &ledger);
    config.size = 4;
    config.max_overflow = 4;
    config.overflow_ttl_ns = 2 * PB_NS_PER_MS;
    config.queue_limit = 50;
    config.checkout_timeout_ns = 3 * PB_NS_PER_MS;
    config.operation_timeout_ns = 5 * PB_NS_PER_MS;
    config.stuck_after_ns = 10 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    for (int i = 0; i < 2; i++) {
        producers[i] =
            (struct producer){ pool, (uint64_t)i * 8000, 8000, 500 * PB_NS_PER_US, tickets };
        ck_assert_int_eq(0, pthread_create(&ids[i], NULL, produce, &producers[i]));
    }
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t n = pb_rng_below(&key, i, 16000);

        (void)!pb_pool_kill_worker(pool, (uint32_t)(n % 8), NULL);
        (void)!pb_pool_cancel(pool, n);
        if (i % 50 == 0) {
            pb_pool_stall(pool, pb_now_ns() + 5 * PB_NS_PER_MS);
        }
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(0, pthread_join(ids[i], NULL));
    }
    (void)!pb_pool_drain(pool, in_seconds(10));
    check_ledger(&ledger, pool, 16000);
    ck_assert_uint_gt(atomic_load(&ledger.outcomes[PB_OUTCOME_WORKER_LOST]), 0);
    ck_assert_uint_gt(atomic_load(&ledger.outcomes[PB_OUTCOME_OK]), 0);
    PB_ASSERT_OK(pb_pool_free(pool, 2 * PB_NS_PER_S));
    free(tickets);
}

PB_TEST(drain_past_its_deadline_cancels_the_rest_and_counts_it)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    ledger_init(&ledger);
    ledger.work_ns = 200 * PB_NS_PER_MS;
    base_config(&config, &ledger);
    config.size = 2;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 1, 50, 0);
    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_pool_drain(pool, in_seconds(0.02)));
    check_ledger(&ledger, pool, 50);
    ck_assert_uint_eq(50, atomic_load(&ledger.outcomes[PB_OUTCOME_CANCELLED]));

    struct pb_request late = { .index = 60 };

    PB_ASSERT_STATUS(PB_ECLOSED, pb_pool_submit(pool, &late, NULL));
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
}

PB_TEST(stuck_workers_are_replaced_and_leave_when_they_come_back)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct pb_pool_stats stats;

    ledger_init(&ledger);
    ledger.work_ns = 150 * PB_NS_PER_MS;
    ledger.ignore_token = true;
    base_config(&config, &ledger);
    config.size = 2;
    config.max_stuck = 2;
    config.queue_limit = 10;
    config.operation_timeout_ns = 5 * PB_NS_PER_MS;
    config.stuck_after_ns = 10 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 1, 4, 0);
    ck_assert(pb_pool_wait_idle(pool, in_seconds(5)));
    /* Four requests on two workers: the second two ran on the replacements. */
    ck_assert_uint_eq(4, atomic_load(&ledger.outcomes[PB_OUTCOME_OPERATION_TIMEOUT]));
    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_ge(stats.workers_started, 4);
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(5)));
    PB_ASSERT_OK(pb_pool_free(pool, 2 * PB_NS_PER_S));
    ck_assert_uint_eq(4, atomic_load(&ledger.returned));
}

static int count_entries(const char *folder)
{
    char command[64];
    int count = 0;
    FILE *pipe;

    (void)snprintf(command, sizeof(command), "ls %s | wc -l", folder);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_int_eq(1, fscanf(pipe, "%d", &count));
    (void)pclose(pipe);
    return count;
}

PB_TEST(pools_made_and_freed_leave_no_thread_and_no_descriptor)
{
    struct ledger ledger;
    struct pb_pool_config config;
    int threads = count_entries("/proc/self/task"), descriptors = count_entries("/proc/self/fd");

    ledger_init(&ledger);
    base_config(&config, &ledger);
    config.size = 8;
    for (uint64_t i = 0; i < 50; i++) {
        struct pb_pool *pool;
        struct pb_request request = { .index = i };

        PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
        PB_ASSERT_OK(pb_pool_submit(pool, &request, NULL));
        PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
    }
    ck_assert_uint_eq(50, sum_outcomes(&ledger));
    ck_assert_int_eq(threads, count_entries("/proc/self/task"));
    ck_assert_int_eq(descriptors, count_entries("/proc/self/fd"));
}

PB_TEST(overflow_grows_with_demand_and_goes_after_its_ttl)
{
    struct ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct pb_pool_stats stats;
    int64_t limit_ns = in_seconds(5);

    ledger_init(&ledger);
    ledger.work_ns = 50 * PB_NS_PER_MS;
    base_config(&config, &ledger);
    config.size = 2;
    config.max_overflow = 20;
    config.overflow_ttl_ns = 30 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    run_producers(pool, 1, 22, 0);
    ck_assert(pb_pool_wait_idle(pool, in_seconds(5)));
    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_gt(stats.peak_alive, 2);
    ck_assert_uint_le(stats.peak_alive, 22);
    ck_assert_uint_gt(stats.overflow_started, 0);
    do {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 5 * PB_NS_PER_MS);
        pb_pool_snapshot(pool, &stats);
    } while (stats.alive > 2 && pb_now_ns() < limit_ns);
    ck_assert_uint_eq(2, stats.alive);
    PB_ASSERT_OK(pb_pool_drain(pool, in_seconds(1)));
    check_ledger(&ledger, pool, 22);
    PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
}
