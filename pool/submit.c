#include "pool/pool_internal.h"

/* A rejection is decided here and now, by the submitting thread. */
static struct pb_completion rejection(const struct pb_submitter *submitter,
                                      const struct pb_request *request)
{
    return (struct pb_completion){ .request = request,
                                   .outcome = PB_OUTCOME_REJECTED,
                                   .done_ns = request->sent_ns,
                                   .worker = PB_NO_WORKER,
                                   .decider = PB_DECIDER_SUBMITTER,
                                   .submitter = submitter->user,
                                   .cpu_ns = -1 };
}

/* Whether position `tail` is within the limit.  The cached sum of places given back can only be too
 * small, so that a request is never refused before the counters were read afresh. */
static bool admitted(struct pb_submitter *submitter, uint64_t tail)
{
    struct pb_pool *pool = submitter->pool;
    int64_t limit = (int64_t)atomic_load_explicit(&pool->limit, memory_order_relaxed);

    if ((int64_t)(tail - submitter->released_seen) < limit) {
        return true;
    }
    submitter->released_seen = pb_released(pool);
    return (int64_t)(tail - submitter->released_seen) < limit;
}

/* Somebody must look at what was just pushed: an idle worker, else perhaps a new one. */
static inline void rouse(struct pb_pool *pool, uint64_t session, int64_t sent_ns)
{
    /* seq_cst: after `tail` was moved.  A worker that parks moves idle_count, then reads `tail`. */
    if (atomic_load(&pool->idle_count) > 0 ||
        atomic_load_explicit(&pool->can_grow, memory_order_relaxed)) {
        if (session == 0) {
            pb_wake_for_work(pool);
        } else {
            pb_wake_for_session(pool, session, sent_ns);
        }
    }
}

/* PB_EFULL: not admitted, nothing happened.  hot */
static inline enum pb_status push(struct pb_submitter *submitter, const struct pb_request *request,
                                  int64_t sent_ns, uint64_t *ret_ticket)
{
    struct pb_pool *pool = submitter->pool;
    uint64_t tail = atomic_load_explicit(&pool->ring.tail, memory_order_relaxed);

    do {
        if (tail & PB_RING_CLOSED) {
            return PB_ECLOSED;
        }
        if (!admitted(submitter, tail)) {
            return PB_EFULL;
        }
        /* seq_cst: the Dekker partner of idle_count; a success proves that `tail` was not stale. */
    } while (!atomic_compare_exchange_weak(&pool->ring.tail, &tail, tail + 1));

    pb_ring_publish(&pool->ring, tail, request, sent_ns);
    if (ret_ticket) {
        *ret_ticket = tail;
    }
    rouse(pool, request->session, sent_ns);
    return PB_OK;
}

static inline int64_t sent_ns_of(struct pb_submitter *submitter, const struct pb_request *request)
{
    return request->sent_ns != 0 ? request->sent_ns : pb_submitter_now_ns(submitter);
}

static void reject(struct pb_submitter *submitter, const struct pb_request *request,
                   int64_t sent_ns)
{
    struct pb_request sent = *request;
    struct pb_completion completion = rejection(submitter, &sent);

    sent.sent_ns = completion.done_ns = sent_ns;
    pb_report(submitter->pool, &completion, &submitter->tally);
}

enum pb_status pb_submit(struct pb_submitter *submitter, const struct pb_request *request,
                         uint64_t *ret_ticket)
{
    if (pb_pool_is_dead(submitter->pool)) {
        return PB_ECLOSED;
    }
    int64_t sent_ns = sent_ns_of(submitter, request);
    enum pb_status status = push(submitter, request, sent_ns, ret_ticket);

    if (status == PB_EFULL) {
        reject(submitter, request, sent_ns);
        return PB_OK;
    }
    return status;
}

enum pb_status pb_pool_submit(struct pb_pool *pool, const struct pb_request *request,
                              uint64_t *ret_ticket)
{
    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    struct pb_request sent = *request;

    pb_mutex_lock(&pool->common_lock);
    sent.sent_ns = sent_ns_of(pool->common, request);
    enum pb_status status = push(pool->common, &sent, sent.sent_ns, ret_ticket);

    if (status == PB_EFULL) {
        pb_count_one(&pool->common->tally.outcomes[PB_OUTCOME_REJECTED]);
    }
    pb_mutex_unlock(&pool->common_lock);
    if (status == PB_EFULL) {
        struct pb_completion completion = rejection(pool->common, &sent);

        /* Without the lock: `done` may submit again. */
        if (pool->config.done) {
            pool->config.done(pool->config.ctx, &completion);
        }
        return PB_OK;
    }
    return status;
}
