#include <errno.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"

/* How often the keeper looks even when nobody asks: bounds how late a stuck worker is noticed. */
#define KEEP_EVERY_NS  (20 * PB_NS_PER_MS)
#define STARVED_NS     (10 * PB_NS_PER_MS)
#define RETRY_START_NS (100 * PB_NS_PER_MS)
#define STACK_BYTES    ((size_t)256 << 10)

void pb_ask_keeper(struct pb_pool *pool)
{
    /* seq_cst: who finds it 1 is before the keeper's storing 0, and so before the keeper's look. */
    if (atomic_load(&pool->want) == 0 && atomic_exchange(&pool->want, 1) == 0) {
        pb_futex_wake(&pool->want);
    }
}

uint32_t pb_workers_allowed_locked(const struct pb_pool *pool)
{
    const struct pb_settings *settings = &pool->settings;
    uint32_t workers = settings->size + settings->max_overflow;
    uint32_t lost = pool->gone > pool->config.max_stuck ? pool->gone - pool->config.max_stuck : 0;

    return workers > lost ? workers - lost : 0;
}

void pb_update_limit_locked(struct pb_pool *pool)
{
    uint32_t allowed = pb_workers_allowed_locked(pool), present = pool->alive + pool->starting;

    /* More than allowed: a smaller pool's workers that finish what they run. */
    atomic_store(&pool->limit,
                 (uint64_t)(allowed > present ? allowed : present) + pool->settings.queue_limit);
    atomic_store(&pool->can_grow, present < allowed);
}

static struct pb_worker *reserve_slot(struct pb_pool *pool)
{
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->slots && !worker; i++) {
        if (pool->workers[i].state == PB_SLOT_FREE) {
            worker = &pool->workers[i];
        }
    }
    if (worker) {
        worker->state = PB_SLOT_STARTING;
        worker->decided_ns = pb_pool_now_ns(pool);
        worker->leave_reason = NULL;
        worker->gone_running = false;
        worker->replacement = pool->owed > 0;
        pool->owed -= pool->owed > 0;
        atomic_store(&worker->overflow, pool->alive + pool->starting >= pool->settings.size);
        atomic_store(&worker->must_leave, false);
        atomic_store(&worker->word, PB_WORD_NONE);
        pool->starting++;
        pool->workers_started++;
        if (worker->slot >= atomic_load(&pool->slots_used)) {
            atomic_store(&pool->slots_used, worker->slot + 1);
        }
        pool->overflow_started += atomic_load(&worker->overflow);
        pb_update_limit_locked(pool);
    }
    pb_mutex_unlock(&pool->lock);
    return worker;
}

/* Overflow is by count: when a core worker goes, an overflow worker takes its place. */
static void relabel_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
static void relabel_locked(struct pb_pool *pool)
{
    for (uint32_t i = 0; i < pool->slots; i++) {
        struct pb_worker *worker = &pool->workers[i];

        if ((worker->state == PB_SLOT_ALIVE || worker->state == PB_SLOT_STARTING) &&
            atomic_load(&worker->overflow)) {
            atomic_store(&worker->overflow, false);
            return;
        }
    }
}

void pb_leaves_alive_locked(struct pb_pool *pool, const struct pb_worker *worker)
{
    pool->alive--;
    if (!atomic_load(&worker->overflow)) {
        relabel_locked(pool);
    }
}

static void give_slot_back(struct pb_worker *worker)
{
    struct pb_pool *pool = worker->pool;

    pb_mutex_lock(&pool->lock);
    worker->state = PB_SLOT_FREE;
    pool->starting--;
    pool->workers_started--;
    pool->overflow_started -= atomic_load(&worker->overflow);
    pool->owed += worker->replacement;
    pool->workers_failed++;
    if (!atomic_load(&worker->overflow)) {
        relabel_locked(pool);
    }
    pb_update_limit_locked(pool);
    pb_mutex_unlock(&pool->lock);
    pb_worker_event(worker, PB_POOL_WORKER_FAILED, "no thread", 0);
}

enum pb_status pb_start_worker(struct pb_pool *pool)
{
    struct pb_worker *worker = reserve_slot(pool);
    pthread_attr_t attr;

    if (!worker) {
        return PB_EFULL;
    }
    int rc = pthread_attr_init(&attr);

    if (rc == 0) {
        (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
        rc = pthread_create(&worker->thread, &attr, pb_worker_main, worker);
        (void)pthread_attr_destroy(&attr);
    }
    if (rc != 0) {
        give_slot_back(worker);
        errno = rc;
        return PB_ESYS;
    }
    return PB_OK;
}

static struct pb_worker *an_ended_one(struct pb_pool *pool)
{
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->slots && pool->ended > 0 && !worker; i++) {
        if (pool->workers[i].state == PB_SLOT_ENDED) {
            worker = &pool->workers[i];
        }
    }
    pb_mutex_unlock(&pool->lock);
    return worker;
}

void pb_join_ended(struct pb_pool *pool)
{
    struct pb_worker *worker;

    while ((worker = an_ended_one(pool))) {
        /* It has nothing left to do but return: this waits for a moment at most. */
        (void)pthread_join(worker->thread, NULL);
        /* timer_lock: a killer may still have the worker in its hands. */
        pb_mutex_lock(&pool->timer_lock);
        pb_mutex_lock(&pool->lock);
        pool->ended--;
        worker->state = PB_SLOT_FREE;
        worker->incarnation++;
        pb_mutex_unlock(&pool->lock);
        pb_mutex_unlock(&pool->timer_lock);
    }
}

/* What the next worker to start would be for. */
enum pb_growth {
    PB_GROWTH_NONE,
    PB_GROWTH_NOW,
    PB_GROWTH_LATER
};

static enum pb_growth wanted_growth(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    uint64_t queued = pb_ring_length(&pool->ring), ticket;
    uint64_t coming = (uint64_t)atomic_load(&pool->idle_count) + atomic_load(&pool->searchers);
    int64_t sent_ns;

    pb_mutex_lock(&pool->lock);
    uint32_t workers = pool->alive + pool->starting, size = pool->settings.size;
    uint32_t allowed = pb_workers_allowed_locked(pool);
    int64_t after_ns = pool->settings.overflow_after_ns;
    bool owed = pool->owed > 0 && workers < allowed;
    bool demand = queued > coming + pool->starting;

    pb_mutex_unlock(&pool->lock);
    if (atomic_load(&pool->stopping)) {
        return PB_GROWTH_NONE;
    }
    if (owed || (workers < size && workers < allowed && (!pool->config.lazy || demand))) {
        return PB_GROWTH_NOW;
    }
    if (!demand || workers < size || workers >= allowed) {
        return PB_GROWTH_NONE;
    }
    /* Overflow opens for a request that has waited long enough (0: at once). */
    if (after_ns > 0) {
        if (!pb_ring_peek(&pool->ring, &ticket, &sent_ns)) {
            return PB_GROWTH_NONE;
        }
        if (now_ns - sent_ns < after_ns) {
            int64_t due_ns = sent_ns + after_ns;

            *next_ns = due_ns < *next_ns ? due_ns : *next_ns;
            return PB_GROWTH_LATER;
        }
    }
    return PB_GROWTH_NOW;
}

/* Starts what is wanted.  False: a worker is wanted, but not before `*next_ns`, or not before
 * another one has left. */
static bool start_wanted(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    enum pb_growth wanted;

    if (now_ns < pool->retry_start_ns) {
        *next_ns = pool->retry_start_ns < *next_ns ? pool->retry_start_ns : *next_ns;
        return false;
    }
    while ((wanted = wanted_growth(pool, now_ns, next_ns)) == PB_GROWTH_NOW) {
        enum pb_status status = pb_start_worker(pool);

        if (status != PB_OK) {
            /* No slot: one frees when a worker comes back.  No thread: the machine may recover. */
            pool->retry_start_ns = status == PB_ESYS ? now_ns + RETRY_START_NS : 0;
            return false;
        }
    }
    return wanted == PB_GROWTH_NONE;
}

static void grow(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    pb_mutex_lock(&pool->lock);
    pb_update_limit_locked(pool);
    pb_mutex_unlock(&pool->lock);
    if (!start_wanted(pool, now_ns, next_ns)) {
        /* Known: submitters need not ask with every request. */
        atomic_store(&pool->can_grow, false);
    }
}

/* One worker too many that has been idle for long enough; false: none, or not yet. */
static bool retire_one(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    int64_t oldest_ns;

    pb_mutex_lock(&pool->lock);
    bool too_many = pool->alive > pool->settings.size;
    /* Beyond all that there may be: the pool was made smaller. */
    bool surplus = pool->alive > pool->settings.size + pool->settings.max_overflow;
    int64_t ttl_ns = surplus ? 0 : pool->settings.overflow_ttl_ns;

    pb_mutex_unlock(&pool->lock);
    if (!too_many) {
        return false;
    }
    struct pb_worker *worker = pb_idle_take_expired(pool, now_ns - ttl_ns, &oldest_ns);

    if (!worker) {
        if (oldest_ns != INT64_MAX && oldest_ns + ttl_ns < *next_ns) {
            *next_ns = oldest_ns + ttl_ns;
        }
        return false;
    }
    pb_mutex_lock(&pool->lock);
    if (worker->state == PB_SLOT_ALIVE) { /* else killed a moment ago, and leaves for that */
        worker->state = PB_SLOT_LEAVING;
        worker->leave_reason = surplus ? "resized" : "idle";
        pb_leaves_alive_locked(pool, worker);
        pb_update_limit_locked(pool);
    }
    pb_mutex_unlock(&pool->lock);
    pb_send_word(worker, PB_WORD_LEAVE);
    return true;
}

/* Marks a worker that should have been back long ago.  It no longer counts as alive. */
static bool mark_stuck(struct pb_pool *pool, struct pb_worker *worker, int64_t now_ns)
    PB_REQUIRES(pool->timer_lock);
static bool mark_stuck(struct pb_pool *pool, struct pb_worker *worker, int64_t now_ns)
{
    int64_t claimed_ns = atomic_load(&worker->claimed_ns);

    if (claimed_ns == 0 || now_ns - claimed_ns < pool->config.stuck_after_ns) {
        return false;
    }
    pb_mutex_lock(&pool->lock);
    bool stuck = worker->state == PB_SLOT_ALIVE && atomic_load(&worker->claimed_ns) == claimed_ns;

    if (stuck) {
        worker->state = PB_SLOT_GONE;
        worker->leave_reason = "stuck";
        worker->gone_running = true;
        pb_count_one(&pool->timer_tally.released);
        pb_leaves_alive_locked(pool, worker);
        pool->gone++;
        pool->owed++;
        pb_update_limit_locked(pool);
    }
    pb_mutex_unlock(&pool->lock);
    return stuck;
}

static void find_stuck(struct pb_pool *pool, int64_t now_ns)
{
    uint32_t used = atomic_load(&pool->slots_used);

    for (uint32_t i = 0; i < used; i++) {
        struct pb_worker *worker = &pool->workers[i];

        if (atomic_load_explicit(&worker->claimed_ns, memory_order_relaxed) == 0) {
            continue;
        }
        pb_mutex_lock(&pool->timer_lock);
        bool stuck = mark_stuck(pool, worker, now_ns);

        pb_mutex_unlock(&pool->timer_lock);
        if (stuck) {
            pb_worker_event(worker, PB_POOL_WORKER_STUCK, "stuck", 0);
        }
    }
}

/* The check on ourselves: one and the same request waiting, an idle worker and nobody searching
 * cannot last.  If it does, a wake-up was lost, which is a bug; the pool goes on, and the count
 * says so. */
static void rescue(struct pb_pool *pool, int64_t now_ns)
{
    uint64_t ticket;
    int64_t sent_ns;

    if (!pb_ring_peek(&pool->ring, &ticket, &sent_ns) || atomic_load(&pool->idle_count) == 0 ||
        atomic_load(&pool->searchers) > 0) {
        pool->starved_since_ns = 0;
    } else if (pool->starved_since_ns == 0 || ticket != pool->starved_ticket) {
        pool->starved_since_ns = now_ns;
        pool->starved_ticket = ticket;
    } else if (now_ns - pool->starved_since_ns > STARVED_NS) {
        pool->starved_since_ns = 0;
        pb_mutex_lock(&pool->lock);
        pool->rescued_wakeups++;
        pb_mutex_unlock(&pool->lock);
        pb_wake_for_work(pool);
    }
}

int64_t pb_keep(struct pb_pool *pool)
{
    int64_t now_ns = pb_pool_now_ns(pool), next_ns = now_ns + KEEP_EVERY_NS;

    pb_join_ended(pool);
    find_stuck(pool, now_ns);
    grow(pool, now_ns, &next_ns);
    while (retire_one(pool, now_ns, &next_ns)) {
    }
    rescue(pool, now_ns);
    return next_ns;
}

void *pb_keeper_main(void *arg)
{
    struct pb_pool *pool = arg;

    (void)pthread_setname_np(pthread_self(), "pb-keeper");
    while (!atomic_load(&pool->stopping)) {
        atomic_store(&pool->want, 0);
        int64_t next_ns = pb_keep(pool);

        if (!atomic_load(&pool->stopping)) {
            pb_futex_wait(&pool->want, 0, next_ns);
        }
    }
    return NULL;
}
