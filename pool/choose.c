#include "pool/pool_internal.h"

/*
 * Which idle slot gets the next wake-up.  The list is in order of time, for lifo and fifo; a bit a
 * slot says who is on it, for the strategies that go by number.  All of it under idle_lock.
 */

#define WORD_BITS 64U

void pb_idle_mark_locked(struct pb_pool *pool, uint32_t slot, bool idle)
{
    uint64_t bit = UINT64_C(1) << (slot % WORD_BITS);

    if (idle) {
        pool->idle_bits[slot / WORD_BITS] |= bit;
    } else {
        pool->idle_bits[slot / WORD_BITS] &= ~bit;
    }
}

/* The first idle slot in [from, to); `to`: there is none. */
static uint32_t next_idle_locked(const struct pb_pool *pool, uint32_t from, uint32_t to)
    PB_REQUIRES(pool->idle_lock);
static uint32_t next_idle_locked(const struct pb_pool *pool, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint64_t rest = pool->idle_bits[from / WORD_BITS] >> (from % WORD_BITS);

        if (rest != 0) {
            uint32_t slot = from + (uint32_t)__builtin_ctzll(rest);

            return slot < to ? slot : to;
        }
        from += WORD_BITS - from % WORD_BITS;
    }
    return to;
}

static struct pb_worker *next_by_number_locked(struct pb_pool *pool) PB_REQUIRES(pool->idle_lock);
static struct pb_worker *next_by_number_locked(struct pb_pool *pool)
{
    uint32_t threads = pool->config.threads_per_worker;
    uint32_t start = (pool->last_chosen / threads + 1) * threads;
    uint32_t slot = next_idle_locked(pool, start, pool->slots);

    if (slot == pool->slots) {
        slot = next_idle_locked(pool, 0, pool->slots);
    }
    if (slot == pool->slots) {
        return NULL;
    }
    pool->last_chosen = slot;
    return &pool->workers[slot];
}

/* How much a worker has to do, and has done. */
struct pb_burden {
    uint32_t running;
    int64_t busy_ns;
};

static struct pb_burden burden_locked(const struct pb_pool *pool, uint32_t first)
    PB_REQUIRES(pool->idle_lock);
static struct pb_burden burden_locked(const struct pb_pool *pool, uint32_t first)
{
    uint32_t end = first + pool->config.threads_per_worker;
    struct pb_burden burden = { .running = pool->config.threads_per_worker };

    for (uint32_t slot = first; slot < end; slot++) {
        burden.busy_ns += atomic_load_explicit(&pool->workers[slot].busy_ns, memory_order_relaxed);
        burden.running -= pool->workers[slot].idle_listed;
    }
    return burden;
}

static struct pb_worker *least_loaded_locked(struct pb_pool *pool) PB_REQUIRES(pool->idle_lock);
static struct pb_worker *least_loaded_locked(struct pb_pool *pool)
{
    uint32_t threads = pool->config.threads_per_worker;
    struct pb_worker *best = NULL;
    struct pb_burden least = { 0 };
    uint32_t slot = 0;

    while ((slot = next_idle_locked(pool, slot, pool->slots)) < pool->slots) {
        uint32_t first = slot - slot % threads;
        struct pb_burden burden = burden_locked(pool, first);

        if (!best || burden.running < least.running ||
            (burden.running == least.running && burden.busy_ns < least.busy_ns)) {
            best = &pool->workers[slot];
            least = burden;
        }
        slot = first + threads;
    }
    return best;
}

struct pb_worker *pb_idle_choose_locked(struct pb_pool *pool)
{
    switch (
        (enum pb_strategy)atomic_load_explicit(&pool->settings.strategy, memory_order_relaxed)) {
    case PB_STRATEGY_LIFO:
        return pool->idle_newest;
    case PB_STRATEGY_FIFO:
        return pool->idle_oldest;
    case PB_STRATEGY_ROUND_ROBIN:
        return next_by_number_locked(pool);
    case PB_STRATEGY_LEAST_LOADED:
        return least_loaded_locked(pool);
    case PB_STRATEGY_COUNT:
        break;
    }
    return pool->idle_newest;
}

struct pb_worker *pb_idle_of_worker_locked(struct pb_pool *pool, uint32_t number)
{
    uint32_t first = number * pool->config.threads_per_worker;
    uint32_t end = first + pool->config.threads_per_worker;
    uint32_t slot = next_idle_locked(pool, first, end);

    return slot < end ? &pool->workers[slot] : NULL;
}
