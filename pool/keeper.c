#include "pool/futex.h"
#include "pool/pool_internal.h"

/* How often the keeper looks even when nobody asks: bounds how late a stuck worker is noticed. */
#define KEEP_EVERY_NS  (20 * PB_NS_PER_MS)
#define STARVED_NS     (10 * PB_NS_PER_MS)
#define RETRY_START_NS (100 * PB_NS_PER_MS)

void pb_ask_keeper(struct pb_pool *pool)
{
    /* seq_cst: who finds it 1 is before the keeper's storing 0, and so before the keeper's look. */
    if (atomic_load(&pool->want) == 0 && atomic_exchange(&pool->want, 1) == 0) {
        pb_futex_wake(&pool->want);
    }
}

/* What may be started now. */
enum pb_growth {
    PB_GROWTH_NONE,
    PB_GROWTH_NOW,
    PB_GROWTH_LATER,
    PB_GROWTH_OVERFLOW /* now, if somebody waits for it for long enough */
};

static enum pb_growth not_before(int64_t due_ns, int64_t now_ns, enum pb_growth wanted,
                                 int64_t *next_ns)
{
    if (due_ns <= now_ns) {
        return wanted;
    }
    *next_ns = due_ns < *next_ns ? due_ns : *next_ns;
    return PB_GROWTH_LATER;
}

/* Requests that wait and that nobody is about to take. */
static uint64_t unserved(const struct pb_pool *pool)
{
    uint64_t before = pb_ring_length(&pool->ring);
    uint64_t coming = (uint64_t)atomic_load(&pool->idle_count) + atomic_load(&pool->searchers);
    /* Once more: who was coming may have come, and a request with him gone. */
    uint64_t after = pb_ring_length(&pool->ring), queued = before < after ? before : after;

    return queued > coming ? queued - coming : 0;
}

/* By the counts.  Whoever is owed but not yet due keeps a place. */
static enum pb_growth growth_locked(struct pb_pool *pool, uint64_t waiting, int64_t now_ns,
                                    int64_t *next_ns) PB_REQUIRES(pool->lock);
static enum pb_growth growth_locked(struct pb_pool *pool, uint64_t waiting, int64_t now_ns,
                                    int64_t *next_ns)
{
    uint32_t workers = pool->alive + pool->starting, allowed = pb_workers_allowed_locked(pool);
    uint32_t owed = pool->restarts.owed_count, size = pool->settings.size;
    int64_t blocked_ns = pb_starts_blocked_until_locked(pool), owed_ns = pb_owed_due_locked(pool);
    int64_t demand_ns = pool->restarts.demand_due_ns;
    bool demand = waiting > (uint64_t)pool->starting * pool->threads;

    if (workers >= allowed) {
        return PB_GROWTH_NONE;
    }
    if (owed > 0 && not_before(owed_ns, now_ns, PB_GROWTH_NOW, next_ns) == PB_GROWTH_NOW) {
        return not_before(blocked_ns, now_ns, PB_GROWTH_NOW, next_ns);
    }
    demand_ns = demand_ns > blocked_ns ? demand_ns : blocked_ns;
    if (workers + owed < size && (!pool->config.lazy || demand)) {
        return not_before(demand_ns, now_ns, PB_GROWTH_NOW, next_ns);
    }
    if (workers + owed >= size && workers + owed < allowed && demand) {
        return not_before(demand_ns, now_ns, PB_GROWTH_OVERFLOW, next_ns);
    }
    return owed > 0 ? PB_GROWTH_LATER : PB_GROWTH_NONE;
}

static enum pb_growth wanted_growth(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    uint64_t waiting = unserved(pool), ticket;
    int64_t sent_ns;

    if (atomic_load(&pool->stopping)) {
        return PB_GROWTH_NONE;
    }
    pb_mutex_lock(&pool->lock);
    enum pb_growth growth = growth_locked(pool, waiting, now_ns, next_ns);
    int64_t after_ns = pool->settings.overflow_after_ns;

    pb_mutex_unlock(&pool->lock);
    if (growth != PB_GROWTH_OVERFLOW || after_ns == 0) {
        return growth == PB_GROWTH_OVERFLOW ? PB_GROWTH_NOW : growth;
    }
    if (!pb_ring_peek(&pool->ring, &ticket, &sent_ns)) {
        return PB_GROWTH_NONE;
    }
    return not_before(sent_ns + after_ns, now_ns, PB_GROWTH_NOW, next_ns);
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
        enum pb_status status = pb_start_worker(pool, 0);

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

/* A worker that has been idle for long enough goes; false: there is none, or not yet. */
static bool retire_idle(struct pb_pool *pool, int64_t now_ns, int64_t ttl_ns, const char *reason,
                        int64_t *next_ns)
{
    int64_t oldest_ns;
    struct pb_group *group = pb_idle_take_expired(pool, now_ns - ttl_ns, &oldest_ns);

    if (!group) {
        if (oldest_ns != INT64_MAX && oldest_ns + ttl_ns < *next_ns) {
            *next_ns = oldest_ns + ttl_ns;
        }
        return false;
    }
    pb_mutex_lock(&pool->lock);
    if (group->state == PB_GROUP_ALIVE) { /* else killed a moment ago, and leaves for that */
        group->state = PB_GROUP_LEAVING;
        group->leave_reason = reason;
        pb_leaves_alive_locked(pool, group);
        pb_update_limit_locked(pool);
    }
    pb_mutex_unlock(&pool->lock);
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        pb_send_word(&group->lanes[lane], PB_WORD_LEAVE);
    }
    return true;
}

/* The alive worker with the fewest requests running; of several the last. */
static struct pb_group *least_busy_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
static struct pb_group *least_busy_locked(struct pb_pool *pool)
{
    struct pb_group *best = NULL;
    uint32_t least = UINT32_MAX;

    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];
        uint32_t load = group->state == PB_GROUP_ALIVE ? pb_group_load(group) : UINT32_MAX;

        if (load != UINT32_MAX && load <= least) {
            least = load;
            best = group;
        }
    }
    return best;
}

/* One worker too many goes; false: there is none, or not yet. */
static bool retire_one(struct pb_pool *pool, int64_t now_ns, int64_t *next_ns)
{
    struct pb_group *busy = NULL;

    pb_mutex_lock(&pool->lock);
    bool too_many = pool->alive > pool->settings.size;
    /* Beyond all that there may be: the pool was made smaller. */
    bool surplus = pool->alive > pool->settings.size + pool->settings.max_overflow;
    int64_t ttl_ns = surplus ? 0 : pool->settings.overflow_ttl_ns;

    pb_mutex_unlock(&pool->lock);
    if (!too_many) {
        return false;
    }
    if (retire_idle(pool, now_ns, ttl_ns, surplus ? "resized" : "idle", next_ns)) {
        return true;
    }
    if (surplus) {
        /* Nobody is idle, and under load nobody need be: one goes when its request has ended. */
        pb_mutex_lock(&pool->lock);
        busy = least_busy_locked(pool);
        if (busy) {
            pb_group_finish_locked(pool, busy, "resized");
        }
        pb_mutex_unlock(&pool->lock);
    }
    if (busy) {
        pb_group_wake(busy);
    }
    return busy != NULL;
}

/* Marks a slot that should have been back long ago.  Its worker does not count as alive any longer,
 * and is replaced; what its other slots run they finish, and then leave. */
static bool mark_stuck(struct pb_pool *pool, struct pb_worker *worker, int64_t now_ns)
    PB_REQUIRES(pool->timer_lock);
static bool mark_stuck(struct pb_pool *pool, struct pb_worker *worker, int64_t now_ns)
{
    int64_t claimed_ns = atomic_load(&worker->claimed_ns);

    if (claimed_ns == 0 || now_ns - claimed_ns < pool->config.stuck_after_ns) {
        return false;
    }
    pb_mutex_lock(&pool->lock);
    bool stuck =
        worker->group->state == PB_GROUP_ALIVE && atomic_load(&worker->claimed_ns) == claimed_ns;

    if (stuck) {
        worker->stuck = true;
        pb_group_gone_locked(pool, worker->group, "stuck", PB_LEAVE_AFTER, true);
        atomic_store(&worker->group->health, PB_HEALTH_UNHEALTHY);
        worker->group->pins++; /* it is not down before this has been told */
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
            pb_group_event(worker->group, PB_POOL_WORKER_STUCK, "stuck", 0);
            pb_group_wake(worker->group);
            pb_group_unpin(worker->group);
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
    (void)pb_find_overdue(pool); /* to the round */
    find_stuck(pool, now_ns);
    grow(pool, now_ns, &next_ns);
    while (retire_one(pool, now_ns, &next_ns)) {
    }
    pb_recycle(pool, now_ns);
    pb_check_idle(pool, now_ns);
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
