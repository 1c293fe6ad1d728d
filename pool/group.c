#include <errno.h>

#include "pool/pool_internal.h"

#define STACK_BYTES ((size_t)256 << 10)

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
    uint32_t serving = present + pool->finishing;

    /* More than allowed: a smaller pool's workers that finish what they run. */
    atomic_store(&pool->limit, (uint64_t)(allowed > serving ? allowed : serving) * pool->threads +
                                   pool->settings.queue_limit);
    atomic_store(&pool->can_grow, present < allowed);
}

struct pb_worker_id pb_group_id(const struct pb_group *group)
{
    return (struct pb_worker_id){ .worker = group->number,
                                  .incarnation = group->incarnation,
                                  .overflow = atomic_load(&group->overflow) };
}

static uint64_t all_runs(const struct pb_group *group)
{
    uint64_t runs = 0;

    for (uint32_t lane = 0; lane < group->pool->threads; lane++) {
        /* Stale by a request at most, except to those who know that the thread has left. */
        runs += atomic_load_explicit(&group->lanes[lane].runs, memory_order_relaxed);
    }
    return runs;
}

static int64_t all_busy_ns(const struct pb_group *group)
{
    int64_t busy_ns = 0;

    for (uint32_t lane = 0; lane < group->pool->threads; lane++) {
        busy_ns += atomic_load_explicit(&group->lanes[lane].busy_ns, memory_order_relaxed);
    }
    return busy_ns;
}

uint64_t pb_group_runs(const struct pb_group *group)
{
    return all_runs(group) - group->runs_before;
}

int64_t pb_group_busy_ns(const struct pb_group *group)
{
    return all_busy_ns(group) - group->busy_before_ns;
}

uint32_t pb_group_load(const struct pb_group *group)
{
    uint32_t load = 0;

    for (uint32_t lane = 0; lane < group->pool->threads; lane++) {
        load += (atomic_load(&group->lanes[lane].run_state) & PB_RUN_MASK) != PB_RUN_NONE;
    }
    return load;
}

void pb_group_event(struct pb_group *group, enum pb_pool_event_kind kind, const char *reason,
                    int64_t since_ns)
{
    struct pb_pool *pool = group->pool;

    if (pool->config.event) {
        struct pb_pool_event event = {
            .kind = kind,
            .at_ns = pb_pool_now_ns(pool),
            .since_ns = since_ns,
            .worker = group->number,
            .incarnation = group->incarnation,
            .overflow = atomic_load_explicit(&group->overflow, memory_order_relaxed),
            .replacement = group->replacement,
            .reason = reason,
            .health = (enum pb_health)atomic_load(&group->health),
            .requests = kind == PB_POOL_WORKER_DOWN ? pb_group_runs(group) : 0,
            .busy_ns = kind == PB_POOL_WORKER_DOWN ? pb_group_busy_ns(group) : 0,
            .replaces = group->replaces,
            .replaces_incarnation = group->replaces_incarnation,
            .pid = atomic_load(&group->pid),
        };

        pool->config.event(pool->config.ctx, &event);
    }
}

/* Makes a worker's place ready for the next one. */
static void renew_locked(struct pb_pool *pool, struct pb_group *group, bool heir)
    PB_REQUIRES(pool->lock);
static void renew_locked(struct pb_pool *pool, struct pb_group *group, bool heir)
{
    struct pb_owed owed = { .failures = pool->restarts.demand_failures, .replaces = PB_NO_WORKER };

    group->state = PB_GROUP_STARTING;
    group->decided_ns = pb_pool_now_ns(pool);
    group->hook_due_ns = pb_now_ns() + pool->config.init_timeout_ns;
    group->preparing = false;
    group->leave_reason = group->lost_early = NULL;
    group->ready_ns = 0;
    group->was_up = group->is_made = group->finishing = false;
    group->threads = group->present = 0;
    group->made = NULL;
    group->replacement = !heir && pb_take_owed_locked(pool, group->decided_ns, &owed);
    group->began_on_demand = !heir && !group->replacement;
    group->failures = owed.failures;
    group->replaces = owed.replaces;
    group->replaces_incarnation = owed.replaces_incarnation;
    group->runs_before = all_runs(group);
    group->busy_before_ns = all_busy_ns(group);
    pb_recycle_begin_locked(group);
    atomic_store(&group->pid, 0);
    atomic_store(&group->succeeded, false);
    atomic_store(&group->health, PB_HEALTH_STARTING);
    atomic_store(&group->gate, PB_GATE_CLOSED);
    atomic_store(&group->overflow, pool->alive + pool->starting >= pool->settings.size);
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        struct pb_worker *worker = &group->lanes[lane];

        worker->gone_running = worker->stuck = false;
        atomic_store(&worker->must_leave, PB_LEAVE_NOT);
        atomic_store(&worker->word, PB_WORD_NONE);
    }
}

/* A place for a worker; as an heir's it is not counted.  NULL: there is none. */
static struct pb_group *reserve_locked(struct pb_pool *pool, bool heir) PB_REQUIRES(pool->lock);
static struct pb_group *reserve_locked(struct pb_pool *pool, bool heir)
{
    struct pb_group *group = NULL;

    for (uint32_t i = 0; i < pool->group_count && !group; i++) {
        if (pool->groups[i].state == PB_GROUP_FREE) {
            group = &pool->groups[i];
        }
    }
    if (group) {
        uint32_t used = (group->number + 1) * pool->threads;

        renew_locked(pool, group, heir);
        pool->starting += !heir;
        pool->workers_started++;
        pool->overflow_started += !heir && atomic_load(&group->overflow);
        if (used > atomic_load(&pool->slots_used)) {
            atomic_store(&pool->slots_used, used);
        }
        pb_update_limit_locked(pool);
    }
    return group;
}

/* Overflow is by count: when a core worker goes, an overflow worker takes its place. */
void pb_relabel_locked(struct pb_pool *pool, const struct pb_group *gone)
{
    if (atomic_load(&gone->overflow)) {
        return;
    }
    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];

        if (pb_group_counts_locked(group) && atomic_load(&group->overflow)) {
            atomic_store(&group->overflow, false);
            return;
        }
    }
}

bool pb_leaves_alive_locked(struct pb_pool *pool, struct pb_group *group)
{
    bool inherited = pb_inherit_locked(pool, group);

    pool->alive--;
    if (!inherited) {
        pb_relabel_locked(pool, group);
    }
    pb_cond_broadcast(&pool->changed);
    return inherited;
}

void pb_never_came_locked(struct pb_pool *pool, struct pb_group *group, bool at_fault)
{
    pool->workers_started -= !group->was_up;
    if (pb_heir_failed_locked(pool, group)) {
        return;
    }
    pool->starting--;
    pool->overflow_started -= atomic_load(&group->overflow);
    if (group->began_on_demand) {
        pb_demand_ended_locked(pool, false, at_fault);
    } else {
        pb_owe_locked(pool, group, at_fault);
    }
    pb_relabel_locked(pool, group);
    pb_update_limit_locked(pool);
}

int pb_group_add_thread(struct pb_group *group, uint32_t lane)
{
    struct pb_pool *pool = group->pool;
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);

    if (rc != 0) {
        return rc;
    }
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    /* Counted first: it may leave before pthread_create returns. */
    pb_mutex_lock(&pool->lock);
    group->present++;
    pb_mutex_unlock(&pool->lock);
    rc = pthread_create(&group->lanes[lane].thread, &attr, pb_worker_main, &group->lanes[lane]);
    pb_mutex_lock(&pool->lock);
    if (rc == 0) {
        group->threads++;
    } else {
        group->present--;
    }
    pb_mutex_unlock(&pool->lock);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

static enum pb_status start(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    int rc = pb_group_add_thread(group, 0);

    if (rc != 0) {
        pb_mutex_lock(&pool->lock);
        pb_never_came_locked(pool, group, false);
        group->state = PB_GROUP_FREE;
        pool->workers_failed++;
        pb_mutex_unlock(&pool->lock);
        pb_group_event(group, PB_POOL_WORKER_FAILED, "no thread", 0);
        errno = rc;
        return PB_ESYS;
    }
    return PB_OK;
}

enum pb_status pb_start_worker(struct pb_pool *pool, uint32_t turn)
{
    pb_mutex_lock(&pool->lock);
    struct pb_group *group = reserve_locked(pool, false);

    if (group) {
        group->turn = turn;
    }
    pb_mutex_unlock(&pool->lock);
    return group ? start(group) : PB_EFULL;
}

enum pb_status pb_start_heir(struct pb_group *elder)
{
    struct pb_pool *pool = elder->pool;
    struct pb_group *group = NULL;

    pb_mutex_lock(&pool->lock);
    if (elder->state == PB_GROUP_ALIVE && !elder->heir) {
        group = reserve_locked(pool, true);
    }
    if (group) {
        group->turn = 0;
        pb_heir_begins_locked(pool, group, elder);
    }
    pb_mutex_unlock(&pool->lock);
    return group ? start(group) : PB_EFULL;
}

static struct pb_group *an_ended_one(struct pb_pool *pool, uint32_t *ret_threads)
{
    struct pb_group *group = NULL;

    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->group_count && pool->ended > 0 && !group; i++) {
        if (pool->groups[i].state == PB_GROUP_ENDED) {
            group = &pool->groups[i];
            *ret_threads = group->threads;
        }
    }
    pb_mutex_unlock(&pool->lock);
    return group;
}

void pb_join_ended(struct pb_pool *pool)
{
    struct pb_group *group;
    uint32_t threads;

    while ((group = an_ended_one(pool, &threads))) {
        for (uint32_t lane = 0; lane < threads; lane++) {
            /* It has nothing left to do but return: this waits for a moment at most. */
            (void)pthread_join(group->lanes[lane].thread, NULL);
        }
        /* timer_lock: whoever decides for others may still look at its slots. */
        pb_mutex_lock(&pool->timer_lock);
        pb_mutex_lock(&pool->lock);
        pool->ended--;
        group->state = PB_GROUP_FREE;
        group->incarnation++;
        pb_mutex_unlock(&pool->lock);
        pb_mutex_unlock(&pool->timer_lock);
    }
}

bool pb_group_pin(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    bool is_made = group->is_made;

    group->pins += is_made;
    pb_mutex_unlock(&pool->lock);
    return is_made;
}

void pb_group_unpin(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    if (--group->pins == 0) {
        pb_cond_broadcast(&pool->changed);
    }
    pb_mutex_unlock(&pool->lock);
}
