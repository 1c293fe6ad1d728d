#include <sched.h>

#include "pool/pool_internal.h"

/* A searcher's pauses double from 1 to 32: about 2 us in all. */
#define POLL_PAUSE_MAX 32
/* Looks at a request whose producer has not written it yet, before letting it run. */
#define UNPUBLISHED_LOOKS 64

/*
 * On one CPU nothing can arrive while a searcher polls.  Instead it may let others run, once, with
 * its token: they then submit without waking anybody, and a burst costs two context switches rather
 * than two a request.  That is worth it where requests come faster than a wake-up takes; where they
 * do not, they would wait for their sender to rest rather than run at once, so that it is tried
 * again only now and then.
 */
#define YIELD_NS         (2 * PB_NS_PER_US) /* about what a wake-up costs; a request's share */
#define YIELD_MISSES_MAX 4
#define YIELD_TRIAL_MIN  256 /* searches between two trials; doubled with each that fails */
#define YIELD_TRIAL_MAX  16384

bool pb_find_work(struct pb_worker *worker, bool searching, bool *ret_cancelled)
{
    struct pb_pool *pool = worker->pool;
    int rounds = searching ? pool->poll_rounds : 0, unpublished = 0;

    for (int round = 0;;) {
        enum pb_pop pop =
            pb_ring_pop(&pool->ring, &worker->ticket, &worker->current, ret_cancelled);

        if (pop == PB_POP_GOT) {
            return true;
        }
        worker->free_since_ns = 0; /* it waits */
        if (pop == PB_POP_UNPUBLISHED && unpublished++ < UNPUBLISHED_LOOKS) {
            __builtin_ia32_pause();
        } else if (pop == PB_POP_UNPUBLISHED) {
            /* Its producer was interrupted between two instructions: let it run. */
            (void)sched_yield();
            unpublished = 0;
        } else if (round++ >= rounds ||
                   atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
            return false;
        } else {
            for (int i = 0; i < (1 << (round < 5 ? round : 5)) && i < POLL_PAUSE_MAX; i++) {
                __builtin_ia32_pause();
            }
        }
    }
}

/* Relaxed throughout: all of it runs on one CPU, and a count lost is no harm. */
static uint32_t peek(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void poke(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

bool pb_yield_is_due(struct pb_yield *yield)
{
    if (peek(&yield->misses) < YIELD_MISSES_MAX) {
        return true;
    }
    uint32_t wait = peek(&yield->trial_in);

    poke(&yield->trial_in, wait > 0 ? wait - 1 : 0);
    return wait == 0;
}

void pb_yield_judge(struct pb_yield *yield, uint64_t found, int64_t took_ns)
{
    uint32_t misses = peek(&yield->misses), trial = peek(&yield->trial);

    if (found > 0 && took_ns / YIELD_NS <= (int64_t)found) {
        poke(&yield->misses, 0);
        poke(&yield->trial, 0);
        return;
    }
    trial = trial < YIELD_TRIAL_MIN ? YIELD_TRIAL_MIN : trial;
    if (misses < YIELD_MISSES_MAX) {
        poke(&yield->misses, misses + 1);
    } else if (trial < YIELD_TRIAL_MAX) {
        trial *= 2;
    }
    poke(&yield->trial, trial);
    poke(&yield->trial_in, trial);
}

bool pb_become_searcher(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;
    bool yields = pool->poll_rounds == 0;
    uint32_t none = 0;

    if (atomic_load(&pool->searchers) != 0 || (yields && !pb_yield_is_due(&pool->yield)) ||
        !atomic_compare_exchange_strong(&pool->searchers, &none, 1)) {
        return false;
    }
    if (yields) {
        int64_t before_ns = pb_worker_now_ns(worker);

        (void)sched_yield();
        pb_yield_judge(&pool->yield, pb_ring_length(&pool->ring),
                       pb_worker_now_ns(worker) - before_ns);
    }
    return true;
}

/* It was woken in case the other one's request blocks, and runs at once if it does; if it does not,
 * the other one may be through with all that waits before the two have changed places. */
void pb_follow(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;

    if (pool->poll_rounds == 0 && peek(&pool->yield.misses) < YIELD_MISSES_MAX) {
        (void)sched_yield();
    }
}
