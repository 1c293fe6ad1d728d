#include <sched.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/* The timer sleeps at least so long, however short the timeouts are. */
#define TIMER_REST_NS (20 * PB_NS_PER_US)
/* And looks so often while requests wait that outlive later ones. */
#define TIMER_LOWERED_NS PB_NS_PER_MS

/* Tells `done` and counts, as pb_report does; without the lock meanwhile, so that `done` may wait
 * for whoever is about to cancel something. */
static void report_unlocked(struct pb_pool *pool, const struct pb_completion *completion)
    PB_REQUIRES(pool->timer_lock);
static void report_unlocked(struct pb_pool *pool, const struct pb_completion *completion)
{
    if (pool->config.done) {
        pb_mutex_unlock(&pool->timer_lock);
        pool->config.done(pool->config.ctx, completion);
        pb_mutex_lock(&pool->timer_lock);
    }
    pb_count_one(&pool->timer_tally.outcomes[completion->outcome]);
}

void pb_report_queued(struct pb_pool *pool, const struct pb_request *request,
                      enum pb_outcome outcome, int64_t now_ns)
{
    struct pb_completion completion = { .request = request,
                                        .outcome = outcome,
                                        .done_ns =
                                            now_ns > request->sent_ns ? now_ns : request->sent_ns,
                                        .worker = PB_NO_WORKER,
                                        .decider = PB_DECIDER_TIMER,
                                        .cpu_ns = -1 };

    pb_count_one(&pool->timer_tally.released);
    report_unlocked(pool, &completion);
}

/* The place of a decided request is given back before its slot is free, when its worker is gone and
 * no longer in the limit. */
static void release_place(struct pb_pool *pool, struct pb_worker *worker)
    PB_REQUIRES(pool->timer_lock);
static void release_place(struct pb_pool *pool, struct pb_worker *worker)
{
    pb_mutex_lock(&pool->lock);
    if (worker->group->state == PB_GROUP_GONE && atomic_load(&worker->claimed_ns) != 0 &&
        !worker->gone_running) {
        worker->gone_running = true;
        pb_count_one(&pool->timer_tally.released);
    }
    pb_mutex_unlock(&pool->lock);
}

/* Tries to decide what `worker` runs now, in state `running`. */
static bool claim_state(struct pb_pool *pool, struct pb_worker *worker, uint32_t running,
                        enum pb_outcome outcome, int64_t now_ns) PB_REQUIRES(pool->timer_lock);
static bool claim_state(struct pb_pool *pool, struct pb_worker *worker, uint32_t running,
                        enum pb_outcome outcome, int64_t now_ns)
{
    uint32_t expected = running;

    if ((running & PB_RUN_MASK) != PB_RUN_RUNNING ||
        !atomic_compare_exchange_strong(&worker->run_state, &expected,
                                        (running & ~PB_RUN_MASK) | PB_RUN_CLAIMED)) {
        return false;
    }
    /* Ours: the worker does not touch `current`, or leave, before it sees RELEASED. */
    int64_t started_ns = atomic_load_explicit(&worker->started_ns, memory_order_relaxed);
    struct pb_completion completion = { .request = &worker->current,
                                        .outcome = outcome,
                                        .started_ns = started_ns,
                                        .done_ns = now_ns > started_ns ? now_ns : started_ns,
                                        .worker = worker->slot,
                                        .decider = PB_DECIDER_TIMER,
                                        .overflow = atomic_load(&worker->group->overflow),
                                        .cpu_ns = -1 };

    atomic_store(&worker->claimed_ns, now_ns);
    release_place(pool, worker);
    pb_token_set(&worker->token);
    report_unlocked(pool, &completion);
    /* release: pairs with the acquire in come_back; our reading of `current` is over. */
    atomic_store_explicit(&worker->run_state, (running & ~PB_RUN_MASK) | PB_RUN_RELEASED,
                          memory_order_release);
    pb_futex_wake(&worker->run_state);
    return true;
}

bool pb_claim(struct pb_pool *pool, struct pb_worker *worker, enum pb_outcome outcome,
              int64_t now_ns)
{
    return claim_state(pool, worker, atomic_load(&worker->run_state), outcome, now_ns);
}

/* Queued requests past their checkout deadline; when the next one is due. */
static int64_t expire_queued(struct pb_pool *pool, int64_t now_ns) PB_REQUIRES(pool->timer_lock);
static int64_t expire_queued(struct pb_pool *pool, int64_t now_ns)
{
    int64_t timeout_ns = pb_timeout_now_ns(&pool->settings.checkout), sent_ns;
    struct pb_request request;
    uint64_t ticket;
    bool cancelled;

    while (pb_ring_peek(&pool->ring, &ticket, &sent_ns)) {
        if (now_ns - sent_ns < timeout_ns) {
            return sent_ns + timeout_ns;
        }
        if (!pb_timeout_is_over(pool, &pool->settings.checkout, sent_ns, now_ns - sent_ns)) {
            /* Sent before the timeout was lowered: those behind it may be due before it is. */
            return now_ns + TIMER_LOWERED_NS;
        }
        if (pb_ring_take(&pool->ring, ticket, &request, &cancelled)) {
            pb_report_queued(pool, &request,
                             cancelled ? PB_OUTCOME_CANCELLED : PB_OUTCOME_CHECKOUT_TIMEOUT,
                             now_ns);
        }
    }
    /* What comes later is due later; what is being written just now, hardly sooner. */
    return now_ns + (pb_ring_length(&pool->ring) > 0 ? PB_NS_PER_MS / 10 : timeout_ns);
}

static int64_t expire_running(struct pb_pool *pool, int64_t now_ns) PB_REQUIRES(pool->timer_lock);
static int64_t expire_running(struct pb_pool *pool, int64_t now_ns)
{
    int64_t timeout_ns = pb_timeout_now_ns(&pool->settings.operation);
    int64_t next_ns = now_ns + timeout_ns;
    uint32_t used = atomic_load(&pool->slots_used);

    for (uint32_t i = 0; i < used; i++) {
        struct pb_worker *worker = &pool->workers[i];
        uint32_t state = atomic_load_explicit(&worker->run_state, memory_order_acquire);
        int64_t started_ns = atomic_load_explicit(&worker->started_ns, memory_order_relaxed);
        int64_t due_ns = started_ns + timeout_ns;

        if ((state & PB_RUN_MASK) != PB_RUN_RUNNING) {
            continue;
        }
        if (due_ns <= now_ns) { /* unless it was sent before the timeout was lowered */
            int64_t sent_ns = atomic_load_explicit(&worker->sent_ns, memory_order_relaxed);

            due_ns = started_ns + pb_timeout_of(pool, &pool->settings.operation, sent_ns);
        }
        if (now_ns < due_ns) {
            next_ns = due_ns < next_ns ? due_ns : next_ns;
        } else if (claim_state(pool, worker, state, PB_OUTCOME_OPERATION_TIMEOUT, now_ns)) {
            pb_ask_keeper(pool); /* it watches whether the worker comes back */
        }
    }
    return next_ns;
}

int64_t pb_expire(struct pb_pool *pool)
{
    int64_t now_ns = pb_pool_now_ns(pool);
    int64_t queued_ns = expire_queued(pool, now_ns), running_ns = expire_running(pool, now_ns);

    pb_tell_empty(pool);
    return queued_ns < running_ns ? queued_ns : running_ns;
}

void *pb_timer_main(void *arg)
{
    struct pb_pool *pool = arg;

    (void)pthread_setname_np(pthread_self(), "pb-timer");
    pb_mutex_lock(&pool->timer_lock);
    while (!atomic_load(&pool->stopping)) {
        int64_t next_ns = pb_expire(pool), soonest_ns = pb_now_ns() + TIMER_REST_NS;

        if (!atomic_load(&pool->stopping)) {
            (void)pb_cond_wait_until(&pool->timer_cond, &pool->timer_lock,
                                     next_ns > soonest_ns ? next_ns : soonest_ns);
        }
    }
    pb_mutex_unlock(&pool->timer_lock);
    return NULL;
}

/* Decides the request with `ticket` if `worker` runs it, or is about to. */
static bool cancel_on(struct pb_pool *pool, struct pb_worker *worker, uint64_t ticket)
    PB_REQUIRES(pool->timer_lock);
static bool cancel_on(struct pb_pool *pool, struct pb_worker *worker, uint64_t ticket)
{
    for (;;) {
        uint32_t state = atomic_load(&worker->run_state);

        if (atomic_load(&worker->ticket) != ticket + 1) {
            return false;
        }
        if (atomic_load(&worker->run_state) != state) {
            continue; /* the two did not belong together */
        }
        switch ((enum pb_run_phase)(state & PB_RUN_MASK)) {
        case PB_RUN_RUNNING:
            if (claim_state(pool, worker, state, PB_OUTCOME_CANCELLED, pb_pool_now_ns(pool))) {
                return true;
            }
            break;
        case PB_RUN_CLAIMED:
        case PB_RUN_RELEASED:
            return false; /* decided by somebody else */
        case PB_RUN_NONE:
            (void)sched_yield(); /* a few instructions from its start, or from its end */
            break;
        }
    }
}

enum pb_status pb_pool_cancel(struct pb_pool *pool, uint64_t ticket)
{
    bool cancelled = false;

    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    if (ticket >= pb_ring_accepted(&pool->ring)) {
        return PB_ENOENT;
    }
    /* Queued: the mark is seen by whoever takes it, after moving `head`.  seq_cst on both sides. */
    pb_ring_mark_cancelled(&pool->ring, ticket);
    if (atomic_load(&pool->ring.head) <= ticket) {
        return PB_OK;
    }
    /* Taken: a worker that has not decided it yet has it announced. */
    uint32_t used = atomic_load(&pool->slots_used);

    pb_mutex_lock(&pool->timer_lock);
    for (uint32_t i = 0; i < used && !cancelled; i++) {
        cancelled = cancel_on(pool, &pool->workers[i], ticket);
    }
    pb_mutex_unlock(&pool->timer_lock);
    if (!cancelled) {
        return PB_ENOENT;
    }
    pb_ask_keeper(pool); /* it watches whether the worker comes back */
    pb_tell_empty(pool);
    return PB_OK;
}

void pb_pool_stall(struct pb_pool *pool, int64_t until_ns)
{
    atomic_store(&pool->stall_until_ns, until_ns);
}

void pb_take_its_request(struct pb_pool *pool, struct pb_worker *worker)
{
    uint32_t state;

    /* The worker moves `head`, then looks at must_leave; must_leave was set, now we look at `head`,
     * which makes its ticket known: so one sees the other. */
    (void)atomic_load(&pool->ring.head);
    while (((state = atomic_load(&worker->run_state)) & PB_RUN_MASK) == PB_RUN_NONE &&
           atomic_load(&worker->ticket) != 0) {
        (void)sched_yield(); /* a few instructions from its start, or from its end */
    }
    (void)claim_state(pool, worker, state, PB_OUTCOME_WORKER_LOST, pb_pool_now_ns(pool));
}
