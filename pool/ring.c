#include "pool/ring.h"

#include <sched.h>
#include <stdlib.h>

#define CELL_LOOKS 64

enum pb_status pb_ring_init(struct pb_ring *ring, uint64_t capacity)
{
    uint64_t size = 2;

    while (size < capacity) {
        size *= 2;
    }
    ring->mask = size - 1;
    ring->cells = aligned_alloc(PB_CACHELINE, size * sizeof(*ring->cells));
    ring->cancelled = calloc(size, sizeof(*ring->cancelled));
    if (!ring->cells || !ring->cancelled) {
        pb_ring_done(ring);
        return PB_ENOMEM;
    }
    for (uint64_t i = 0; i < size; i++) {
        atomic_init(&ring->cells[i].sequence, i);
        atomic_init(&ring->cells[i].sent_ns, 0);
    }
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->head, 0);
    return PB_OK;
}

void pb_ring_mark_cancelled(struct pb_ring *ring, uint64_t ticket)
{
    _Atomic uint64_t *mark = &ring->cancelled[ticket & ring->mask];
    uint64_t seen = atomic_load(mark);

    /* A later request's mark stays: it may still be in the ring, this one cannot. */
    while (seen < ticket + 1 && !atomic_compare_exchange_weak(mark, &seen, ticket + 1)) {
    }
}

void pb_ring_wait_for_cell(const struct pb_ring *ring, uint64_t p)
{
    const struct pb_cell *cell = &ring->cells[p & ring->mask];

    for (int looks = 0; atomic_load_explicit(&cell->sequence, memory_order_acquire) != p;) {
        if (looks++ < CELL_LOOKS) {
            __builtin_ia32_pause();
        } else {
            (void)sched_yield(); /* interrupted while it copied: let it run */
            looks = 0;
        }
    }
}

void pb_ring_done(struct pb_ring *ring)
{
    free(ring->cells);
    free(ring->cancelled);
    ring->cells = NULL;
    ring->cancelled = NULL;
}
