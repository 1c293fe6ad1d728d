/*
 * pool/ring.h - the pool's one queue: a bounded multi-producer, multi-consumer ring of requests by
 * value.
 *
 * After D. Vyukov, "Bounded MPMC queue" (1024cores.net): each cell has a sequence number that says
 * whose turn it is; a producer owns position p after moving `tail` from p to p + 1, a consumer
 * after moving `head`.  One cell is one cache line and holds the whole request, so that one line
 * crosses cores per request.  `tail` doubles as the count of all requests ever accepted, and its
 * top bit closes the ring: a producer that has not moved `tail` by then never will.
 */
#ifndef PB_POOL_RING_H
#define PB_POOL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"

#define PB_RING_CLOSED (UINT64_C(1) << 63)

struct pb_cell {
    _Alignas(
        PB_CACHELINE) _Atomic uint64_t sequence; /* p: free for push p; p + 1: holds request p */
    struct pb_request request;
    /* The request's sent_ns once more, readable without owning the cell. */
    _Atomic int64_t sent_ns;
};
_Static_assert(sizeof(struct pb_cell) == PB_CACHELINE, "one cell is one cache line");

struct pb_ring {
    /* Constant after _init. */
    struct pb_cell *cells;
    _Atomic uint64_t *cancelled; /* by cell: ticket + 1 of a cancelled request */
    uint64_t mask;
    /* Written by producers. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t tail;
    /* Written by consumers. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t head;
};

/* Room for at least `capacity` requests.  PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_ring_init(struct pb_ring *ring, uint64_t capacity);
void pb_ring_done(struct pb_ring *ring);
/* Marks the request with `ticket` as cancelled, for whoever takes it out. */
void pb_ring_mark_cancelled(struct pb_ring *ring, uint64_t ticket);
/* Waits until the last consumer of the cell of position `p` has copied its request out. */
void pb_ring_wait_for_cell(const struct pb_ring *ring, uint64_t p);

/* Requests ever accepted. */
static inline uint64_t pb_ring_accepted(const struct pb_ring *ring)
{
    /* seq_cst: with `idle_count` this is the Dekker pair that keeps wake-ups from being lost. */
    return atomic_load(&ring->tail) & ~PB_RING_CLOSED;
}

/* Requests in the ring, or about to be: an estimate under concurrency, never negative. */
static inline uint64_t pb_ring_length(const struct pb_ring *ring)
{
    uint64_t head = atomic_load(&ring->head), accepted = pb_ring_accepted(ring);

    return accepted > head ? accepted - head : 0;
}

/* Keeps the compiler from joining the copy of one field with its neighbours'. */
#define PB_ONE_FIELD(value) __asm__("" : "+r"(value))

/* `request` as sent at `sent_ns`, field by field: its maker has only just written it so, and a load
 * wider than the stores that it reads from waits until these have left the store buffer. */
static inline void pb_ring_fill(struct pb_request *cell, const struct pb_request *request,
                                int64_t sent_ns)
{
    int64_t intended_ns = request->intended_ns;
    uint64_t index = request->index, session = request->session;
    uint32_t phase = request->phase, attempt = request->attempt;
    void *data = request->data;

    PB_ONE_FIELD(intended_ns);
    PB_ONE_FIELD(index);
    PB_ONE_FIELD(phase);
    PB_ONE_FIELD(attempt);
    PB_ONE_FIELD(session);
    PB_ONE_FIELD(data);
    *cell = (struct pb_request){ .intended_ns = intended_ns,
                                 .sent_ns = sent_ns,
                                 .index = index,
                                 .phase = phase,
                                 .attempt = attempt,
                                 .session = session,
                                 .data = data };
}

/* Publishes `request` at position `p`, which the caller won by moving `tail`.  hot */
static inline void pb_ring_publish(struct pb_ring *ring, uint64_t p,
                                   const struct pb_request *request, int64_t sent_ns)
{
    struct pb_cell *cell = &ring->cells[p & ring->mask];

    /* The cell is free: the caller was admitted, and admission is below the ring's size.  Its last
     * consumer may still be copying: wait for that one line. */
    if (atomic_load_explicit(&cell->sequence, memory_order_acquire) != p) {
        pb_ring_wait_for_cell(ring, p);
    }
    pb_ring_fill(&cell->request, request, sent_ns);
    atomic_store_explicit(&cell->sent_ns, sent_ns, memory_order_relaxed);
    /* release: pairs with the acquire in pb_ring_pop and pb_ring_peek. */
    atomic_store_explicit(&cell->sequence, p + 1, memory_order_release);
}

enum pb_pop {
    PB_POP_EMPTY,
    PB_POP_UNPUBLISHED,
    PB_POP_GOT
};

/* Takes the oldest request.  Unpublished: its producer has moved `tail` but not written yet.
 * `announce` (may be NULL) holds the request's ticket + 1 before `head` says that it left the ring,
 * and 0 when there was none: who finds it gone from the ring finds it announced.  For a moment it
 * may also name a request that somebody else was faster to take.  hot */
static inline enum pb_pop pb_ring_pop(struct pb_ring *ring, _Atomic uint64_t *announce,
                                      struct pb_request *ret_request, bool *ret_cancelled)
{
    uint64_t p = atomic_load_explicit(&ring->head, memory_order_relaxed);

    for (;;) {
        struct pb_cell *cell = &ring->cells[p & ring->mask];
        uint64_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);

        if (sequence == p + 1) {
            if (announce) {
                /* relaxed: the CAS makes it known, to whoever reads `head` behind p. */
                atomic_store_explicit(announce, p + 1, memory_order_relaxed);
            }
            if (atomic_compare_exchange_weak(&ring->head, &p, p + 1)) {
                *ret_request = cell->request;
                *ret_cancelled = atomic_load(&ring->cancelled[p & ring->mask]) == p + 1;
                /* release: the next producer of this cell may overwrite it. */
                atomic_store_explicit(&cell->sequence, p + ring->mask + 1, memory_order_release);
                return PB_POP_GOT;
            }
        } else if ((int64_t)(sequence - (p + 1)) < 0) {
            if (announce) {
                atomic_store_explicit(announce, 0, memory_order_relaxed);
            }
            return pb_ring_accepted(ring) > p ? PB_POP_UNPUBLISHED : PB_POP_EMPTY;
        } else {
            p = atomic_load_explicit(&ring->head, memory_order_relaxed);
        }
    }
}

/* When the oldest request was sent; false: none, or not yet published. */
static inline bool pb_ring_peek(struct pb_ring *ring, uint64_t *ret_ticket, int64_t *ret_sent_ns)
{
    for (;;) {
        uint64_t p = atomic_load(&ring->head);
        struct pb_cell *cell = &ring->cells[p & ring->mask];

        if (atomic_load_explicit(&cell->sequence, memory_order_acquire) != p + 1) {
            return false;
        }
        int64_t sent_ns = atomic_load_explicit(&cell->sent_ns, memory_order_acquire);

        /* Taken meanwhile: the cell may have held a later request already. */
        if (atomic_load(&ring->head) == p) {
            *ret_ticket = p;
            *ret_sent_ns = sent_ns;
            return true;
        }
    }
}

/* Takes the oldest request if it is still the one with `ticket`: what was peeked then belongs to
 * it. */
static inline bool pb_ring_take(struct pb_ring *ring, uint64_t ticket,
                                struct pb_request *ret_request, bool *ret_cancelled)
{
    struct pb_cell *cell = &ring->cells[ticket & ring->mask];
    uint64_t p = ticket;

    if (!atomic_compare_exchange_strong(&ring->head, &p, ticket + 1)) {
        return false;
    }
    *ret_request = cell->request;
    *ret_cancelled = atomic_load(&ring->cancelled[ticket & ring->mask]) == ticket + 1;
    atomic_store_explicit(&cell->sequence, ticket + ring->mask + 1, memory_order_release);
    return true;
}

#endif
