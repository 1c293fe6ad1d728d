#include "pool/futex.h"
#include "pool/pool_internal.h"

/*
 * The idle list is in order of time: the oldest entry has been idle for longest.  Its lock is held
 * for a few instructions, and only by threads that are about to sleep, have just woken, or are
 * about to wake somebody: all of which cost a system call anyway.
 */

static void unlink_locked(struct pb_pool *pool, struct pb_worker *worker)
    PB_REQUIRES(pool->idle_lock);
static void unlink_locked(struct pb_pool *pool, struct pb_worker *worker)
{
    if (worker->idle_prev) {
        worker->idle_prev->idle_next = worker->idle_next;
    } else {
        pool->idle_oldest = worker->idle_next;
    }
    if (worker->idle_next) {
        worker->idle_next->idle_prev = worker->idle_prev;
    } else {
        pool->idle_newest = worker->idle_prev;
    }
    worker->idle_next = worker->idle_prev = NULL;
    worker->idle_listed = false;
    pb_idle_mark_locked(pool, worker->slot, false);
    atomic_fetch_sub(&pool->idle_count, 1);
}

static void list_myself(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;
    int64_t now_ns = pb_pool_now_ns(pool);

    pb_mutex_lock(&pool->idle_lock);
    worker->idle_since_ns = now_ns;
    worker->idle_prev = pool->idle_newest;
    worker->idle_next = NULL;
    if (pool->idle_newest) {
        pool->idle_newest->idle_next = worker;
    } else {
        pool->idle_oldest = worker;
    }
    pool->idle_newest = worker;
    worker->idle_listed = true;
    pb_idle_mark_locked(pool, worker->slot, true);
    atomic_fetch_add(&pool->idle_count, 1);
    pb_mutex_unlock(&pool->idle_lock);
}

bool pb_idle_remove(struct pb_pool *pool, struct pb_worker *worker)
{
    pb_mutex_lock(&pool->idle_lock);
    bool listed = worker->idle_listed;

    if (listed) {
        unlink_locked(pool, worker);
    }
    pb_mutex_unlock(&pool->idle_lock);
    return listed;
}

bool pb_idle_take_group(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    bool all = true;

    pb_mutex_lock(&pool->idle_lock);
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        all = all && group->lanes[lane].idle_listed;
    }
    for (uint32_t lane = 0; all && lane < pool->threads; lane++) {
        unlink_locked(pool, &group->lanes[lane]);
    }
    pb_mutex_unlock(&pool->idle_lock);
    return all;
}

struct pb_worker *pb_idle_take_spare(struct pb_group *group, uint32_t keep)
{
    struct pb_pool *pool = group->pool;
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->idle_lock);
    if (atomic_load(&pool->idle_count) > keep) {
        worker = pb_idle_of_worker_locked(pool, group->number);
    }
    if (worker) {
        unlink_locked(pool, worker);
    }
    pb_mutex_unlock(&pool->idle_lock);
    return worker;
}

/* Since when all slots of the worker are idle; INT64_MAX: not all of them are. */
static int64_t idle_since_locked(struct pb_pool *pool, const struct pb_group *group)
    PB_REQUIRES(pool->idle_lock);
static int64_t idle_since_locked(struct pb_pool *pool, const struct pb_group *group)
{
    int64_t since_ns = INT64_MIN;

    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        const struct pb_worker *worker = &group->lanes[lane];

        if (!worker->idle_listed) {
            return INT64_MAX;
        }
        since_ns = worker->idle_since_ns > since_ns ? worker->idle_since_ns : since_ns;
    }
    return since_ns;
}

struct pb_group *pb_idle_take_expired(struct pb_pool *pool, int64_t idle_before_ns,
                                      int64_t *ret_oldest_ns)
{
    struct pb_group *taken = NULL;
    int64_t oldest_ns = INT64_MAX;

    pb_mutex_lock(&pool->idle_lock);
    /* Each worker is met once, at its first slot; with one slot each, the first one met is the
     * oldest. */
    for (struct pb_worker *worker = pool->idle_oldest; worker; worker = worker->idle_next) {
        int64_t since_ns = worker->lane == 0 ? idle_since_locked(pool, worker->group) : INT64_MAX;

        if (since_ns < oldest_ns) {
            oldest_ns = since_ns;
            taken = worker->group;
        }
        if (taken && pool->threads == 1) {
            break;
        }
    }
    if (oldest_ns > idle_before_ns) {
        taken = NULL;
    }
    for (uint32_t lane = 0; taken && lane < pool->threads; lane++) {
        unlink_locked(pool, &taken->lanes[lane]);
    }
    pb_mutex_unlock(&pool->idle_lock);
    *ret_oldest_ns = oldest_ns;
    return taken;
}

/* An idle slot of worker `preferred` (PB_NO_WORKER: none is), else by strategy. */
static struct pb_worker *take_idle(struct pb_pool *pool, uint32_t preferred)
{
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->idle_lock);
    if (preferred != PB_NO_WORKER) {
        worker = pb_idle_of_worker_locked(pool, preferred);
    }
    if (!worker) {
        worker = pb_idle_choose_locked(pool);
    }
    if (worker) {
        unlink_locked(pool, worker);
    }
    pb_mutex_unlock(&pool->idle_lock);
    return worker;
}

void pb_send_word(struct pb_worker *worker, enum pb_word word)
{
    /* release: pairs with the acquire in pb_park. */
    atomic_store_explicit(&worker->word, (uint32_t)word, memory_order_release);
    pb_futex_wake(&worker->word);
}

/*
 * One searcher for each waiting request is enough, and more than there are CPUs could not run: each
 * wakes the next when it finds work and more is left.  The token is taken here on behalf of one
 * named worker, who alone gives it back: when it finds work, when it finds none, and when it
 * leaves.
 */
static void wake(struct pb_pool *pool, uint32_t preferred, enum pb_word word)
{
    uint32_t searchers = atomic_load(&pool->searchers);

    do {
        if (atomic_load(&pool->idle_count) == 0) {
            if (atomic_load_explicit(&pool->can_grow, memory_order_relaxed)) {
                pb_ask_keeper(pool);
            }
            return;
        }
        if (searchers >= pool->max_searchers || searchers >= pb_ring_length(&pool->ring)) {
            return;
        }
    } while (!atomic_compare_exchange_weak(&pool->searchers, &searchers, searchers + 1));

    struct pb_worker *worker = take_idle(pool, preferred);

    if (worker) {
        pb_send_word(worker, word);
    } else {
        pb_stop_searching(pool);
    }
}

void pb_wake_for_work(struct pb_pool *pool)
{
    wake(pool, PB_NO_WORKER, PB_WORD_WAKE);
}

void pb_wake_for_session(struct pb_pool *pool, uint64_t session, int64_t sent_ns)
{
    struct pb_affinity_worker worker = { .number = PB_NO_WORKER };

    if (pool->affinity && atomic_load(&pool->idle_count) > 0) {
        (void)pb_affinity_find(pool->affinity, session, sent_ns, &worker);
    }
    wake(pool, worker.number, PB_WORD_WAKE);
}

void pb_stop_searching(struct pb_pool *pool)
{
    atomic_fetch_sub(&pool->searchers, 1);
    /* A producer that saw this token did not wake anybody: look for it.  seq_cst on both sides. */
    if (pb_ring_length(&pool->ring) > 0) {
        wake(pool, PB_NO_WORKER, PB_WORD_FOLLOW);
    }
}

enum pb_word pb_park(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;

    list_myself(worker);
    /* A push since the last look saw nobody idle: this look is for it.  `idle_count` went up before
     * `tail` is read here; the producer moved `tail` before it read `idle_count`. */
    if (pb_ring_length(&pool->ring) > 0 || atomic_load(&pool->stopping) ||
        atomic_load(&worker->must_leave) != PB_LEAVE_NOT) {
        /* First the token: who looks for somebody who will come finds one or the other. */
        atomic_fetch_add(&pool->searchers, 1);
        if (pb_idle_remove(pool, worker)) {
            return PB_WORD_WAKE;
        }
        pb_stop_searching(pool);
    }
    pb_tell_empty(pool);
    /* Listed, or taken off the list by somebody who now owes a message. */
    for (;;) {
        uint32_t word = atomic_load_explicit(&worker->word, memory_order_acquire);

        if (word != PB_WORD_NONE) {
            atomic_store_explicit(&worker->word, PB_WORD_NONE, memory_order_relaxed);
            if (word == PB_WORD_FOLLOW) {
                pb_follow(worker);
                word = PB_WORD_WAKE;
            }
            return (enum pb_word)word;
        }
        pb_futex_wait(&worker->word, PB_WORD_NONE, INT64_MAX);
    }
}
