#include <stdio.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"

/* A stall is slept out in naps, so that stopping the pool need not wait for its end. */
#define STALL_NAP_NS (20 * PB_NS_PER_MS)

void pb_report(struct pb_pool *pool, const struct pb_completion *completion, struct pb_tally *tally)
{
    if (pool->config.done) {
        pool->config.done(pool->config.ctx, completion);
    }
    pb_count_one(&tally->outcomes[completion->outcome]);
}

void pb_worker_event(struct pb_worker *worker, enum pb_pool_event_kind kind, const char *reason,
                     int64_t since_ns)
{
    struct pb_pool *pool = worker->pool;

    if (pool->config.event) {
        struct pb_pool_event event = {
            .kind = kind,
            .at_ns = pb_pool_now_ns(pool),
            .since_ns = since_ns,
            .worker = worker->slot,
            .incarnation = worker->incarnation,
            .overflow = atomic_load_explicit(&worker->overflow, memory_order_relaxed),
            .replacement = worker->replacement,
            .reason = reason,
        };

        pool->config.event(pool->config.ctx, &event);
    }
}

/* A request that this worker decides without running it. */
static void report_unstarted(struct pb_worker *worker, enum pb_outcome outcome, int64_t now_ns)
{
    struct pb_completion completion = { .request = &worker->current,
                                        .outcome = outcome,
                                        .done_ns = now_ns,
                                        .worker = PB_NO_WORKER,
                                        .decider = worker->slot,
                                        .cpu_ns = -1 };

    atomic_store_explicit(&worker->ticket, 0, memory_order_release);
    pb_count_one(&worker->tally.released);
    pb_report(worker->pool, &completion, &worker->tally);
}

/* A stalled pool: nothing starts or finishes before the stall is over. */
static void wait_out_stall(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;
    int64_t until_ns = atomic_load(&pool->stall_until_ns);

    while (until_ns != 0 && pb_pool_now_ns(pool) < until_ns && !atomic_load(&pool->stopping)) {
        int64_t nap_until_ns = pb_now_ns() + STALL_NAP_NS;

        if (pool->real_time && until_ns < nap_until_ns) {
            nap_until_ns = until_ns;
        }
        pb_clock_sleep_until(pb_clock_real(), nap_until_ns);
        until_ns = atomic_load(&pool->stall_until_ns);
    }
    /* Over: later requests need not look at the clock for it. */
    (void)atomic_compare_exchange_strong(&pool->stall_until_ns, &until_ns, 0);
}

/* Another thread decided this request: wait until it has read the copy, then tell that the worker
 * is back.  False: the worker was killed, or became stuck, and must leave. */
static bool come_back(struct pb_worker *worker, int64_t started_ns, int64_t returned_ns)
{
    struct pb_pool *pool = worker->pool;
    uint32_t state;

    while (((state = atomic_load_explicit(&worker->run_state, memory_order_acquire)) &
            PB_RUN_MASK) == PB_RUN_CLAIMED) {
        pb_futex_wait(&worker->run_state, state, INT64_MAX);
    }
    if (pool->config.returned) {
        pool->config.returned(pool->config.ctx, &worker->current, worker->slot, started_ns,
                              returned_ns);
    }
    pb_mutex_lock(&pool->lock);
    bool counted = worker->gone_running, stays = worker->state == PB_SLOT_ALIVE;
    bool was_stuck = worker->state == PB_SLOT_GONE && !atomic_load(&worker->must_leave);

    worker->gone_running = false;
    atomic_store(&worker->claimed_ns, 0);
    atomic_store(&worker->token.set, 0);
    pb_mutex_unlock(&pool->lock);
    if (!counted) {
        pb_count_one(&worker->tally.released);
    }
    if (was_stuck) {
        pb_worker_event(worker, PB_POOL_WORKER_BACK, "back", 0);
    }
    return stays;
}

static void note_first_ok(struct pb_worker *worker, int64_t started_ns, bool *first_ok)
{
    if (!*first_ok) {
        *first_ok = true;
        pb_worker_event(worker, PB_POOL_WORKER_FIRST_OK, "first_ok", started_ns);
    }
}

/* Tells what became of the request that this worker has run and decided. */
static void report_run(struct pb_worker *worker, const struct pb_work *work,
                       enum pb_outcome outcome, int64_t done_ns)
{
    struct pb_pool *pool = worker->pool;

    if (pool->config.done) {
        struct pb_completion completion = { .request = &worker->current,
                                            .outcome = outcome,
                                            .started_ns = work->started_ns,
                                            .done_ns = done_ns,
                                            .worker = worker->slot,
                                            .decider = worker->slot,
                                            .overflow = work->overflow,
                                            .demand_ns = work->demand_ns,
                                            .cpu_ns = work->cpu_ns,
                                            .operation = work->operation };

        pool->config.done(pool->config.ctx, &completion);
    } else {
        /* Nothing between this request and the next: one clock read does for both. */
        worker->free_since_ns = done_ns;
    }
    pb_count_one(&worker->tally.outcomes[outcome]);
}

/* Runs one request from start to outcome.  False: the worker must leave.  hot */
static bool run_one(struct pb_worker *worker, int64_t started_ns, bool *first_ok)
{
    struct pb_pool *pool = worker->pool;
    struct pb_work work = { .request = &worker->current,
                            .token = &worker->token,
                            .started_ns = started_ns,
                            .worker = worker->slot,
                            .overflow =
                                atomic_load_explicit(&worker->overflow, memory_order_relaxed),
                            .cpu_ns = -1 };
    uint32_t generation =
        atomic_load_explicit(&worker->run_state, memory_order_relaxed) >> PB_RUN_BITS;
    uint32_t running = ((generation + 1) << PB_RUN_BITS) | PB_RUN_RUNNING;

    atomic_store_explicit(&worker->started_ns, started_ns, memory_order_relaxed);
    atomic_store_explicit(&worker->sent_ns, worker->current.sent_ns, memory_order_relaxed);
    /* release: whoever claims this run (acquire) sees `current` and the times. */
    atomic_store_explicit(&worker->run_state, running, memory_order_release);

    enum pb_outcome outcome = pool->config.run(pool->config.ctx, &work);

    if (atomic_load_explicit(&pool->stall_until_ns, memory_order_relaxed) != 0) {
        wait_out_stall(worker);
    }
    int64_t done_ns = pb_worker_now_ns(worker);
    uint32_t expected = running;
    bool stays = true;

    done_ns = done_ns > started_ns ? done_ns : started_ns;

    /* The decision: from here on no timeout, cancel or kill can have this request. */
    bool mine = atomic_compare_exchange_strong(&worker->run_state, &expected,
                                               (running & ~PB_RUN_MASK) | PB_RUN_NONE);

    atomic_store_explicit(&worker->ticket, 0, memory_order_release);
    if (mine) {
        outcome = (unsigned)outcome <= PB_OUTCOME_ERROR ? outcome : PB_OUTCOME_ERROR;
        /* First the place, then the news of it: who hears may send the next. */
        pb_count_one(&worker->tally.released);
        report_run(worker, &work, outcome, done_ns);
        if (outcome == PB_OUTCOME_OK) {
            note_first_ok(worker, started_ns, first_ok);
        }
    } else {
        stays = come_back(worker, started_ns, done_ns);
        atomic_store_explicit(&worker->run_state, (running & ~PB_RUN_MASK) | PB_RUN_NONE,
                              memory_order_release);
    }
    atomic_store_explicit(&worker->busy_ns,
                          atomic_load_explicit(&worker->busy_ns, memory_order_relaxed) + done_ns -
                              started_ns,
                          memory_order_relaxed);
    return stays;
}

/* The session of the request about to run is this worker's now. */
static void note_session(struct pb_worker *worker, int64_t now_ns)
{
    struct pb_affinity_worker me = { .number =
                                         worker->slot / worker->pool->config.threads_per_worker,
                                     .incarnation = worker->incarnation };

    switch (pb_affinity_note(worker->pool->affinity, worker->current.session,
                             worker->current.sent_ns, now_ns, me)) {
    case PB_AFFINITY_HIT:
        pb_count_one(&worker->affinity_hits);
        break;
    case PB_AFFINITY_MISS:
        pb_count_one(&worker->affinity_misses);
        break;
    case PB_AFFINITY_NEW:
        break;
    }
}

/* What to do with a request just popped.  False: the worker must leave. */
static bool serve(struct pb_worker *worker, bool cancelled, bool *first_ok)
{
    struct pb_pool *pool = worker->pool;
    const struct pb_request *request = &worker->current;
    int64_t now_ns = worker->free_since_ns != 0 ? worker->free_since_ns : pb_worker_now_ns(worker);

    worker->free_since_ns = 0;
    /* Sent while it worked, or by another thread's clock. */
    now_ns = now_ns > request->sent_ns ? now_ns : request->sent_ns;

    if (cancelled) {
        report_unstarted(worker, PB_OUTCOME_CANCELLED, now_ns);
        return true;
    }
    if (pb_timeout_is_over(pool, &pool->settings.checkout, request->sent_ns,
                           now_ns - request->sent_ns)) {
        report_unstarted(worker, PB_OUTCOME_CHECKOUT_TIMEOUT, now_ns);
        return true;
    }
    if (atomic_load(&worker->must_leave)) {
        /* Killed with the request in its hands.  The killer, who did not see it announced, will
         * not look again; who did sees this run, and decides. */
        report_unstarted(worker, PB_OUTCOME_WORKER_LOST, now_ns);
        return false;
    }
    if (request->session != 0 && pool->affinity) {
        note_session(worker, now_ns);
    }
    return run_one(worker, now_ns, first_ok);
}

static void work_until_told_to_leave(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;
    bool searching = false, first_ok = false, cancelled = false, stays = true;

    while (stays && !atomic_load_explicit(&pool->stopping, memory_order_relaxed) &&
           !atomic_load_explicit(&worker->must_leave, memory_order_relaxed)) {
        if (atomic_load_explicit(&pool->stall_until_ns, memory_order_relaxed) != 0) {
            pb_tell_empty(pool);
            wait_out_stall(worker);
            worker->free_since_ns = 0;
        }
        if (pb_find_work(worker, searching, &cancelled)) {
            if (searching) {
                searching = false;
                pb_stop_searching(pool);
            }
            stays = serve(worker, cancelled, &first_ok);
        } else if (!searching && pb_become_searcher(worker)) {
            searching = true;
        } else {
            if (searching) {
                pb_stop_searching(pool);
            }
            stays = searching = pb_park(worker);
        }
    }
    if (searching) {
        pb_stop_searching(pool);
    }
}

static void say_hello(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;

    pb_worker_event(worker, PB_POOL_WORKER_UP,
                    worker->replacement              ? "replacement"
                    : atomic_load(&worker->overflow) ? "overflow"
                                                     : "start",
                    worker->decided_ns);
    pb_mutex_lock(&pool->lock);
    worker->state = PB_SLOT_ALIVE;
    worker->ready_ns = pb_pool_now_ns(pool);
    pool->starting--;
    pool->alive++;
    if (pool->alive > pool->peak_alive) {
        pool->peak_alive = pool->alive;
    }
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
}

static void say_goodbye(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;

    pb_mutex_lock(&pool->lock);
    const char *reason = worker->leave_reason ? worker->leave_reason : "stopped";

    pb_mutex_unlock(&pool->lock);
    pb_worker_event(worker, PB_POOL_WORKER_DOWN, reason, 0);
    pb_mutex_lock(&pool->lock);
    if (worker->state == PB_SLOT_ALIVE) {
        pool->alive--;
    } else if (worker->state == PB_SLOT_GONE) {
        pool->gone--;
        pb_update_limit_locked(pool);
    }
    worker->alive_before_ns += pb_pool_now_ns(pool) - worker->ready_ns;
    worker->state = PB_SLOT_ENDED;
    pool->ended++;
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    pb_ask_keeper(pool);
}

void *pb_worker_main(void *arg)
{
    struct pb_worker *worker = arg;
    char name[16];

    (void)snprintf(name, sizeof(name), "%.7s-work-%02u", worker->pool->name,
                   (unsigned)(uint8_t)(worker->slot % 100));
    (void)pthread_setname_np(pthread_self(), name);
    say_hello(worker);
    work_until_told_to_leave(worker);
    say_goodbye(worker);
    return NULL;
}
