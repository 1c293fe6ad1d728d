#include <sched.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"

#define CANCEL_LOOKS 1000

void pb_report_queued(struct pb_pool *pool, const struct pb_request *request,
                      enum pb_outcome outcome, int64_t now_ns)
{
    struct pb_completion completion = { .request = request,
                                        .outcome = outcome,
                                        .done_ns = now_ns,
                                        .worker = PB_NO_WORKER,
                                        .decider = PB_DECIDER_TIMER,
                                        .cpu_ns = -1 };

    pb_report(pool, &completion, &pool->timer_tally);
    pb_count_one(&pool->timer_tally.released);
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
    /* Ours: the worker does not touch `current` before it sees RELEASED. */
    int64_t started_ns = atomic_load_explicit(&worker->started_ns, memory_order_relaxed);
    struct pb_completion completion = { .request = &worker->current,
                                        .outcome = outcome,
                                        .started_ns = started_ns,
                                        .done_ns = now_ns > started_ns ? now_ns : started_ns,
                                        .worker = worker->slot,
                                        .decider = PB_DECIDER_TIMER,
                                        .overflow = atomic_load(&worker->overflow),
                                        .cpu_ns = -1 };

    atomic_store(&worker->claimed_ns, now_ns);
    atomic_store_explicit(&worker->token.set, 1, memory_order_release);
    pb_futex_wake(&worker->token.set);
    pb_report(pool, &completion, &pool->timer_tally);
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
    int64_t timeout_ns = pool->config.checkout_timeout_ns, sent_ns;
    struct pb_request request;
    uint64_t ticket;
    bool cancelled;

    while (pb_ring_peek(&pool->ring, &ticket, &sent_ns)) {
        if (now_ns - sent_ns < timeout_ns) {
            return sent_ns + timeout_ns;
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
    int64_t timeout_ns = pool->config.operation_timeout_ns, next_ns = now_ns + timeout_ns;

    for (uint32_t i = 0; i < pool->slots; i++) {
        struct pb_worker *worker = &pool->workers[i];
        uint32_t state = atomic_load_explicit(&worker->run_state, memory_order_acquire);
        int64_t started_ns = atomic_load_explicit(&worker->started_ns, memory_order_relaxed);

        if ((state & PB_RUN_MASK) != PB_RUN_RUNNING) {
            continue;
        }
        if (now_ns - started_ns < timeout_ns) {
            next_ns = started_ns + timeout_ns < next_ns ? started_ns + timeout_ns : next_ns;
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
        int64_t next_ns = pb_expire(pool);

        if (!atomic_load(&pool->stopping)) {
            (void)pb_cond_wait_until(&pool->timer_cond, &pool->timer_lock, next_ns);
        }
    }
    pb_mutex_unlock(&pool->timer_lock);
    return NULL;
}

/* A request seen on a worker: decide it if it still runs there.  1 yes, 0 not here, -1 not yet to
 * be seen, look again. */
static int cancel_on(struct pb_pool *pool, struct pb_worker *worker, uint64_t ticket,
                     int64_t now_ns) PB_REQUIRES(pool->timer_lock);
static int cancel_on(struct pb_pool *pool, struct pb_worker *worker, uint64_t ticket,
                     int64_t now_ns)
{
    uint32_t state = atomic_load(&worker->run_state);

    if (atomic_load(&worker->ticket) != ticket + 1) {
        return 0;
    }
    if ((state & PB_RUN_MASK) == PB_RUN_RUNNING) {
        /* The state was read before the ticket was found unchanged: it is this request's run. */
        return claim_state(pool, worker, state, PB_OUTCOME_CANCELLED, now_ns) ? 1 : -1;
    }
    return -1;
}

enum pb_status pb_pool_cancel(struct pb_pool *pool, uint64_t ticket)
{
    enum pb_status status = PB_ENOENT;

    if (ticket >= pb_ring_accepted(&pool->ring)) {
        return PB_ENOENT;
    }
    /* Queued: the mark is seen by whoever pops it. */
    atomic_store(&pool->ring.cancelled[ticket & pool->ring.mask], ticket + 1);
    if (atomic_load(&pool->ring.head) <= ticket) {
        return PB_OK;
    }
    /* Popped, perhaps a moment ago: the worker may not have published its run yet. */
    pb_mutex_lock(&pool->timer_lock);
    for (int look = 0; look < CANCEL_LOOKS && status != PB_OK; look++) {
        int found = 0;

        for (uint32_t i = 0; i < pool->slots && found == 0; i++) {
            found = cancel_on(pool, &pool->workers[i], ticket, pb_pool_now_ns(pool));
        }
        if (found == 0 && look > 2) {
            break;
        }
        if (found > 0) {
            status = PB_OK;
            pb_ask_keeper(pool);
        } else {
            (void)sched_yield();
        }
    }
    pb_mutex_unlock(&pool->timer_lock);
    return status;
}

void pb_pool_stall(struct pb_pool *pool, int64_t until_ns)
{
    atomic_store(&pool->stall_until_ns, until_ns);
}

/* Takes the worker out of the count; false: it is not alive any more. */
static bool mark_killed(struct pb_pool *pool, struct pb_worker *worker, bool *ret_running)
    PB_REQUIRES(pool->timer_lock);
static bool mark_killed(struct pb_pool *pool, struct pb_worker *worker, bool *ret_running)
{
    pb_mutex_lock(&pool->lock);
    bool alive = worker->state == PB_SLOT_ALIVE;

    if (alive) {
        /* Claimed under timer_lock, which we hold: the answer cannot change before the claim. */
        *ret_running = (atomic_load(&worker->run_state) & PB_RUN_MASK) != PB_RUN_NONE;
        worker->state = PB_SLOT_GONE;
        worker->leave_reason = "killed";
        atomic_store(&worker->must_leave, true);
        pool->alive--;
        pool->gone++;
        pool->owed++;
        pb_update_limit_locked(pool);
    }
    pb_mutex_unlock(&pool->lock);
    return alive;
}

/* Gives the place of a killed worker's request back, if it really holds one that we decided. */
static void release_place(struct pb_pool *pool, struct pb_worker *worker)
    PB_REQUIRES(pool->timer_lock);
static void release_place(struct pb_pool *pool, struct pb_worker *worker)
{
    pb_mutex_lock(&pool->lock);
    if (atomic_load(&worker->claimed_ns) != 0 && !worker->gone_running) {
        worker->gone_running = true;
        pb_count_one(&pool->timer_tally.released);
    }
    pb_mutex_unlock(&pool->lock);
}

static struct pb_worker *nth_alive(struct pb_pool *pool, uint32_t ordinal)
{
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->slots && !worker; i++) {
        if (pool->workers[i].state == PB_SLOT_ALIVE && ordinal-- == 0) {
            worker = &pool->workers[i];
        }
    }
    pb_mutex_unlock(&pool->lock);
    return worker;
}

enum pb_status pb_pool_kill_worker(struct pb_pool *pool, uint32_t ordinal, uint32_t *ret_slot)
{
    bool running = false;

    pb_mutex_lock(&pool->timer_lock);
    struct pb_worker *worker = nth_alive(pool, ordinal);
    bool killed = worker && mark_killed(pool, worker, &running);

    if (killed) {
        /* Idle: told by a message.  Running: its request is lost, and it sees on return that it
         * must leave.  Between the two: it sees must_leave before it parks or takes the next
         * request. */
        if (pb_claim(pool, worker, PB_OUTCOME_WORKER_LOST, pb_pool_now_ns(pool)) || running) {
            release_place(pool, worker);
        }
        if (pb_idle_remove(pool, worker)) {
            pb_send_word(worker, PB_WORD_LEAVE);
        }
        if (ret_slot) {
            *ret_slot = worker->slot;
        }
    }
    pb_mutex_unlock(&pool->timer_lock);
    if (!killed) {
        return PB_ENOENT;
    }
    pb_ask_keeper(pool);
    pb_tell_empty(pool);
    return PB_OK;
}
