#include "pool/ring.h"

#include <stdlib.h>

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

void pb_ring_done(struct pb_ring *ring)
{
    free(ring->cells);
    free(ring->cancelled);
    ring->cells = NULL;
    ring->cancelled = NULL;
}
