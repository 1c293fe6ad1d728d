#include <stdio.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/* A stall is slept out in naps, so that stopping the pool need not wait for its end. */
#define STALL_NAP_NS (20 * PB_NS_PER_MS)

void pb_report(struct pb_pool *pool, const struct pb_completion *completion, struct pb_tally *tally)
{
    if (pool->config.done) {
        pool->config.done(pool->config.ctx, completion);
    }
    pb_count_one(&tally->outcomes[completion->outcome]);
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
    bool counted = worker->gone_running, stays = worker->group->state == PB_GROUP_ALIVE;
    bool was_stuck = worker->stuck;

    worker->gone_running = worker->stuck = false;
    atomic_store(&worker->claimed_ns, 0);
    /* Whoever asked had done so before it stored RELEASED, and nobody else asks a run. */
    pb_token_reset(&worker->token);
    pb_mutex_unlock(&pool->lock);
    if (!counted) {
        pb_count_one(&worker->tally.released);
    }
    if (was_stuck) {
        pb_group_event(worker->group, PB_POOL_WORKER_BACK, "back", 0);
    }
    return stays;
}

/* `first_ok` is this thread's own: the worker's is not looked at again and again. */
static void note_first_ok(struct pb_worker *worker, int64_t started_ns, bool *first_ok)
{
    if (!*first_ok) {
        *first_ok = true;
        if (!atomic_exchange(&worker->group->succeeded, true)) {
            pb_group_event(worker->group, PB_POOL_WORKER_FIRST_OK, "first_ok", started_ns);
        }
    }
}

/* Tells what became of the request that this worker has run and decided. */
static void report_run(struct pb_worker *worker, const struct pb_work *work,
                       enum pb_outcome outcome, int64_t done_ns, bool *first_ok)
{
    struct pb_pool *pool = worker->pool;

    if ((unsigned)outcome > PB_OUTCOME_ERROR && outcome != PB_OUTCOME_WORKER_LOST) {
        outcome = PB_OUTCOME_ERROR;
    }
    /* First the place, then the news of it: who hears may send the next. */
    pb_count_one(&worker->tally.released);
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
    if (outcome == PB_OUTCOME_OK) {
        note_first_ok(worker, work->started_ns, first_ok);
    }
}

/* From the return of `run` to the outcome, and to what follows from it.  False: the worker must
 * leave.  hot */
static bool end_run(struct pb_worker *worker, struct pb_work *work, enum pb_outcome outcome,
                    uint32_t running, bool *first_ok)
{
    int64_t done_ns = pb_worker_now_ns(worker);
    uint32_t expected = running, none = (running & ~PB_RUN_MASK) | PB_RUN_NONE;
    bool lost = work->lost || outcome == PB_OUTCOME_WORKER_LOST, stays = !lost;

    done_ns = done_ns > work->started_ns ? done_ns : work->started_ns;

    /* The decision: from here on no timeout, cancel or kill can have this request. */
    bool mine = atomic_compare_exchange_strong(&worker->run_state, &expected, none);

    atomic_store_explicit(&worker->ticket, 0, memory_order_release);
    atomic_store_explicit(&worker->runs,
                          atomic_load_explicit(&worker->runs, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (lost) { /* first: the replacement starts while this one's end is told */
        pb_group_is_lost(worker->group, work->lost_reason);
    }
    if (mine) {
        report_run(worker, work, outcome, done_ns, first_ok);
    } else {
        stays = come_back(worker, work->started_ns, done_ns) && stays;
        atomic_store_explicit(&worker->run_state, none, memory_order_release);
    }
    atomic_store_explicit(&worker->busy_ns,
                          atomic_load_explicit(&worker->busy_ns, memory_order_relaxed) + done_ns -
                              work->started_ns,
                          memory_order_relaxed);
    return stays;
}

/* Runs one request from start to outcome.  False: the worker must leave.  hot */
static bool run_one(struct pb_worker *worker, int64_t started_ns, bool *first_ok)
{
    struct pb_pool *pool = worker->pool;
    const struct pb_group *group = worker->group;
    struct pb_work work = { .request = &worker->current,
                            .token = &worker->token,
                            .started_ns = started_ns,
                            .worker = worker->slot,
                            .overflow =
                                atomic_load_explicit(&group->overflow, memory_order_relaxed),
                            .state = group->made,
                            .lane = worker->lane,
                            .incarnation = group->incarnation,
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
    return end_run(worker, &work, outcome, running, first_ok);
}

/* The session of the request about to run is this worker's now. */
static void note_session(struct pb_worker *worker, int64_t now_ns)
{
    struct pb_affinity_worker me = { .number = worker->group->number,
                                     .incarnation = worker->group->incarnation };

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
    if (atomic_load(&worker->must_leave) == PB_LEAVE_NOW) {
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

/* Nothing asks this worker to look whether it has to go.  hot */
static inline bool goes_on(const struct pb_worker *worker)
{
    return atomic_load_explicit(&worker->must_leave, memory_order_relaxed) == PB_LEAVE_NOT &&
           atomic_load_explicit(&worker->runs, memory_order_relaxed) < worker->ask_at_runs;
}

static inline void stop_searching(struct pb_worker *worker, bool *searching)
{
    if (*searching) {
        *searching = false;
        pb_stop_searching(worker->pool);
    }
}

/* Asleep until somebody sends a word; false: leave. */
static bool sleep_and_obey(struct pb_worker *worker, bool *ret_searching)
{
    enum pb_word word = pb_park(worker);

    *ret_searching = word == PB_WORD_WAKE;
    return word == PB_WORD_CHECK ? pb_check_health(worker) : word == PB_WORD_WAKE;
}

static void work_until_told_to_leave(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;
    bool searching = false, first_ok = false, cancelled = false, stays = true;

    worker->free_since_ns = 0; /* the slot's last thread may have left it */
    while (stays && !atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
        if (!goes_on(worker)) {
            stop_searching(worker, &searching);
            worker->free_since_ns = 0;
            stays = pb_may_stay(worker);
            continue;
        }
        if (atomic_load_explicit(&pool->stall_until_ns, memory_order_relaxed) != 0) {
            pb_tell_empty(pool);
            wait_out_stall(worker);
            worker->free_since_ns = 0;
        }
        if (pb_find_work(worker, searching, &cancelled)) {
            stop_searching(worker, &searching);
            stays = serve(worker, cancelled, &first_ok);
        } else if (!searching && pb_become_searcher(worker)) {
            searching = true;
        } else {
            stop_searching(worker, &searching);
            stays = sleep_and_obey(worker, &searching);
        }
    }
    stop_searching(worker, &searching);
}

void *pb_worker_main(void *arg)
{
    struct pb_worker *worker = arg;
    char name[16];

    (void)snprintf(name, sizeof(name), "%.7s-work-%02u", worker->pool->name,
                   (unsigned)(uint8_t)(worker->slot % 100));
    (void)pthread_setname_np(pthread_self(), name);
    if (pb_come_up(worker)) {
        pb_recycle_enter(worker);
        work_until_told_to_leave(worker);
    }
    pb_leave(worker);
    return NULL;
}
