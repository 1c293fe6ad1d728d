#include <stdlib.h>
#include <string.h>

#include "harness/load_internal.h"
#include "harness/pacing.h"

/*
 * A request between two attempts.  The deciding thread takes a place for it from its lane's store,
 * fills it and puts it into the retry thread's inbox; that thread keeps a heap by the instant at
 * which each is due, sends it, and hands the place back to the lane that it came from.  Nobody
 * takes a lock, and memory is asked for 64 requests at a time, only while more wait than ever
 * before.
 *
 * Whether a request is still under way can be told at any time: `accepted` is counted before the
 * pool counts the attempt's end, `settled` after the pool has accepted the next attempt.
 */

#define CHUNK_RETRIES 64
#define CHUNKS_MAX    8192 /* half a million requests, 64 MiB */

struct pb_retry {
    _Alignas(PB_CACHELINE) struct pb_inbox_item item; /* in an inbox; first */
    /* In the heap: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), which needs no memory
     * of its own.  In a store: the next free one is `sibling`. */
    struct pb_retry *sibling, *child;
    int64_t due_ns;
    struct pb_user *user;
    uint64_t session;
    uint32_t lane;        /* whose store it belongs to */
    struct pb_record row; /* of the attempt that ended */
};

struct pb_retry_chunk {
    struct pb_retry retries[CHUNK_RETRIES];
    struct pb_retry_chunk *next;
};

/* --- On deciding threads --- */

bool pb_retry_wanted(struct pb_load *load, const struct pb_request *request,
                     enum pb_outcome outcome)
{
    const struct pb_retries *retries = &load->config.scenario->retries;

    return (retries->on & 1U << outcome) != 0 && request->attempt < (uint32_t)retries->max &&
           !atomic_load_explicit(&load->retrier->closing, memory_order_relaxed) &&
           !pb_load_stopping(load);
}

static void store(struct pb_retry_lane *lane, struct pb_retry *retry)
{
    retry->sibling = lane->free;
    lane->free = retry;
}

static void grow(struct pb_retrier *retrier, uint32_t number)
{
    struct pb_retry_lane *lane = &retrier->lanes[number];
    struct pb_retry_chunk *chunk = NULL;

    if (atomic_fetch_add_explicit(&retrier->chunks, 1, memory_order_relaxed) < CHUNKS_MAX) {
        chunk = aligned_alloc(PB_CACHELINE, sizeof(*chunk));
    }
    if (!chunk) {
        atomic_fetch_sub_explicit(&retrier->chunks, 1, memory_order_relaxed);
        return;
    }
    chunk->next = lane->chunks;
    lane->chunks = chunk;
    for (size_t i = 0; i < CHUNK_RETRIES; i++) {
        chunk->retries[i].lane = number;
        store(lane, &chunk->retries[i]);
    }
}

struct pb_retry *pb_retry_take(struct pb_load *load, uint32_t number)
{
    struct pb_retrier *retrier = load->retrier;
    struct pb_retry_lane *lane = &retrier->lanes[number];

    if (!lane->free) {
        for (struct pb_inbox_item *item = pb_inbox_take(&lane->used); item;) {
            struct pb_inbox_item *next = item->next;

            store(lane, (struct pb_retry *)item);
            item = next;
        }
    }
    if (!lane->free) {
        grow(retrier, number);
    }
    struct pb_retry *retry = lane->free;

    if (retry) {
        lane->free = retry->sibling;
    } else {
        atomic_fetch_add_explicit(&retrier->given_up, 1, memory_order_relaxed);
    }
    return retry;
}

void pb_retry_put(struct pb_load *load, struct pb_retry *retry, const struct pb_record *row,
                  const struct pb_request *request)
{
    int64_t done_ns = atomic_load_explicit(&load->start_ns, memory_order_relaxed) +
                      row->intended_ns + pb_record_latency_ns(row);

    retry->row = *row;
    retry->user = request->data;
    retry->session = request->session;
    retry->due_ns = done_ns + pb_schedule_backoff_ns(load->config.schedule, request->phase,
                                                     request->index, request->attempt + 1);
    atomic_fetch_add(&load->retrier->accepted, 1);
    pb_inbox_put(&load->retrier->inbox, &retry->item);
}

/* --- The heap --- */

static struct pb_retry *meld(struct pb_retry *a, struct pb_retry *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    struct pb_retry *first = b->due_ns < a->due_ns ? b : a, *later = first == a ? b : a;

    later->sibling = first->child;
    first->child = later;
    return first;
}

static void push(struct pb_retrier *retrier, struct pb_retry *retry)
{
    retry->sibling = retry->child = NULL;
    retrier->heap = meld(retrier->heap, retry);
}

/* Children are joined in pairs from left to right, the pairs from right to left. */
static struct pb_retry *pop(struct pb_retrier *retrier)
{
    struct pb_retry *first = retrier->heap, *pairs = NULL, *rest = NULL;

    for (struct pb_retry *child = first->child; child;) {
        struct pb_retry *a = child, *b = a->sibling;

        child = b ? b->sibling : NULL;
        a->sibling = NULL;
        if (b) {
            b->sibling = NULL;
        }
        a = meld(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs) {
        struct pb_retry *next = pairs->sibling;

        pairs->sibling = NULL;
        rest = meld(rest, pairs);
        pairs = next;
    }
    retrier->heap = rest;
    return first;
}

static void empty_inbox(struct pb_retrier *retrier)
{
    struct pb_inbox_item *item = pb_inbox_take(&retrier->inbox);

    while (item) {
        struct pb_inbox_item *next = item->next;

        push(retrier, (struct pb_retry *)item);
        item = next;
    }
}

/* --- The retry thread --- */

static void settle(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    atomic_fetch_add(&retrier->settled, 1);
    if (atomic_load(&retrier->watchers) > 0) {
        pb_mutex_lock(&load->lock);
        pb_cond_broadcast(&load->changed);
        pb_mutex_unlock(&load->lock);
    }
}

/* The request ends as the attempt that it waits after. */
static void abandon(struct pb_load *load, struct pb_retry *retry)
{
    struct pb_retrier *retrier = load->retrier;
    struct pb_record row = retry->row;

    row.flags |= PB_RECORD_LAST | PB_RECORD_END;
    if (load->config.recorder) {
        pb_recorder_put(load->config.recorder, retrier->lane, &row);
    }
    /* Its user, if it has one, would send nothing more. */
    pb_load_end_request(load, retrier->lane, row.phase, pb_record_outcome(&row), NULL, 0);
    settle(load);
}

/* False: the pool takes none. */
static bool send(struct pb_load *load, struct pb_retry *retry, int64_t now_ns)
{
    struct pb_retrier *retrier = load->retrier;
    const struct pb_request request = {
        .intended_ns =
            retry->row.intended_ns + atomic_load_explicit(&load->start_ns, memory_order_relaxed),
        .sent_ns = now_ns,
        .index = retry->row.index,
        .phase = retry->row.phase,
        .attempt = retry->row.attempt + 1U,
        .session = retry->session,
        .data = retry->user,
    };
    _Atomic uint64_t *sent = &retrier->sent[request.phase];

    pb_count_up(sent); /* first, so that no reader sees more outcomes than attempts */
    if (pb_backend_submit(&retrier->sender, &request) != PB_OK) {
        atomic_store_explicit(sent, atomic_load_explicit(sent, memory_order_relaxed) - 1,
                              memory_order_relaxed);
        atomic_store(&load->failed, true);
        return false;
    }
    pb_hist_record(&retrier->lag, now_ns - retry->due_ns);
    pb_inbox_put(&retrier->lanes[retry->lane].used, &retry->item);
    settle(load);
    return true;
}

static void send_due(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    while (retrier->heap && !pb_load_stopping(load)) {
        int64_t now_ns = pb_now_ns();

        if (retrier->heap->due_ns > now_ns) {
            return;
        }
        struct pb_retry *retry = pop(retrier);

        if (!send(load, retry, now_ns)) {
            push(retrier, retry);
            return;
        }
        empty_inbox(retrier);
    }
}

static void *retrier_main(void *ctx)
{
    struct pb_load *load = ctx;
    struct pb_retrier *retrier = load->retrier;

    pb_pacing_prepare_thread();
    while (!atomic_load(&retrier->closing)) {
        empty_inbox(retrier);
        send_due(load);

        int64_t until_ns = pb_now_ns() + PB_LOAD_STOP_POLL_NS;
        bool sooner = retrier->heap && retrier->heap->due_ns < until_ns && !pb_load_stopping(load);

        pb_inbox_sleep(&retrier->inbox, sooner ? retrier->heap->due_ns : until_ns);
    }
    return NULL;
}

/* --- Life --- */

enum pb_status pb_retrier_new(struct pb_load *load)
{
    size_t lanes_bytes = sizeof(struct pb_retry_lane) * load->lanes;

    if (load->config.scenario->retries.max == 0) {
        return PB_OK;
    }
    struct pb_retrier *retrier = aligned_alloc(PB_CACHELINE, sizeof(*retrier));

    if (!retrier) {
        return PB_ENOMEM;
    }
    memset(retrier, 0, sizeof(*retrier));
    load->retrier = retrier;
    retrier->load = load;
    retrier->lane = load->lanes - 1;
    retrier->lanes = aligned_alloc(PB_CACHELINE, lanes_bytes);
    if (!retrier->lanes) {
        return PB_ENOMEM;
    }
    memset(retrier->lanes, 0, lanes_bytes);
    return pb_hist_init(&retrier->lag, PB_HIST_HIGHEST_NS, PB_HIST_DIGITS);
}

enum pb_status pb_retrier_attach(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    return retrier ? pb_backend_attach(&load->backend, &retrier->lane, &retrier->sender) : PB_OK;
}

enum pb_status pb_retrier_start(struct pb_load *load, struct pb_error *err)
{
    struct pb_retrier *retrier = load->retrier;

    if (retrier) {
        PB_TRY(pb_load_start_thread(&retrier->thread, retrier_main, load, "pb-retry", err));
        retrier->started = true;
    }
    return PB_OK;
}

void pb_retrier_close(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    if (retrier) {
        atomic_store(&retrier->closing, true);
        pb_inbox_wake(&retrier->inbox);
        if (retrier->started) {
            (void)pthread_join(retrier->thread, NULL);
            retrier->started = false;
        }
    }
}

void pb_retrier_abandon(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    if (retrier) {
        empty_inbox(retrier);
        while (retrier->heap) {
            abandon(load, pop(retrier));
        }
    }
}

void pb_retrier_free(struct pb_load *load)
{
    struct pb_retrier *retrier = load->retrier;

    if (!retrier) {
        return;
    }
    for (uint32_t i = 0; retrier->lanes && i < load->lanes; i++) {
        while (retrier->lanes[i].chunks) {
            struct pb_retry_chunk *next = retrier->lanes[i].chunks->next;

            free(retrier->lanes[i].chunks);
            retrier->lanes[i].chunks = next;
        }
    }
    pb_hist_done(&retrier->lag);
    free(retrier->lanes);
    free(retrier);
    load->retrier = NULL;
}

/* --- Looking at it --- */

/* The pool is empty, yet requests are between two attempts: until one is not. */
static void wait_for_settling(struct pb_load *load, uint64_t settled, int64_t deadline_ns)
{
    struct pb_retrier *retrier = load->retrier;
    bool in_time = true;

    atomic_fetch_add(&retrier->watchers, 1);
    pb_mutex_lock(&load->lock);
    while (in_time && atomic_load(&retrier->settled) == settled) {
        in_time = pb_cond_wait_until(&load->changed, &load->lock, deadline_ns);
    }
    pb_mutex_unlock(&load->lock);
    atomic_fetch_sub(&retrier->watchers, 1);
}

bool pb_load_wait_empty(struct pb_load *load, int64_t deadline_ns)
{
    struct pb_retrier *retrier = load->retrier;

    do {
        /* In this order: nothing is between two attempts from the second look on unless the third
         * sees that something was accepted meanwhile. */
        uint64_t accepted = retrier ? atomic_load(&retrier->accepted) : 0;
        uint64_t settled = retrier ? atomic_load(&retrier->settled) : 0;

        if (!pb_backend_wait_idle(&load->backend, deadline_ns)) {
            return false;
        }
        /* After a stop nothing is sent any more: what waits is not waited for. */
        if (!retrier || pb_load_stopping(load) ||
            (accepted == settled && atomic_load(&retrier->accepted) == accepted)) {
            return true;
        }
        if (accepted != settled) {
            wait_for_settling(load, settled, deadline_ns);
        }
    } while (pb_now_ns() < deadline_ns);
    return false;
}

void pb_load_retry_lag(const struct pb_load *load, struct pb_lateness *ret_lag)
{
    const struct pb_hist *lag = load->retrier ? &load->retrier->lag : NULL;

    *ret_lag = (struct pb_lateness){ .count = 0 };
    if (lag && lag->total > 0) {
        *ret_lag = (struct pb_lateness){ .p50_ns = pb_hist_quantile(lag, 0.5),
                                         .p99_ns = pb_hist_quantile(lag, 0.99),
                                         .max_ns = lag->max,
                                         .count = (uint64_t)lag->total };
    }
}
