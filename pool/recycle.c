#include "base/rng.h"
#include "pool/pool_internal.h"

/*
 * Workers that are replaced though they are well: after so many requests, so long a time, with so
 * much memory.  The replacement, the worker's heir, is started ahead, comes up and stands by,
 * uncounted, until the worker has gone; then it takes its place in the counts.  So there are never
 * more workers at work than there should be, and hardly ever fewer.  With no slot for an heir the
 * worker goes first, and is replaced as a killed one is.
 */

/* How often a worker's memory is looked at. */
#define MEMORY_EVERY_NS (PB_NS_PER_S / 2)
/* A worker that has had its requests takes no more for so long, if others do; then, with its heir
 * still not there, it serves on. */
#define PATIENCE_NS PB_NS_PER_S

static const char for_requests[] = "max_requests", for_age[] = "max_age",
                  for_memory[] = "max_memory";

static bool recycles(const struct pb_pool *pool)
{
    const struct pb_recycle *recycle = &pool->config.recycle;

    return recycle->max_requests > 0 || recycle->max_age_ns > 0 || recycle->max_memory_bytes > 0;
}

/* A limit, raised by up to the share `jitter` of it; 0: none. */
static int64_t draw(const struct pb_group *group, uint32_t which, int64_t limit)
{
    const struct pb_pool_config *config = &group->pool->config;
    struct pb_rng_key key = { .seed = config->seed, .phase = which, .stream = PB_STREAM_RECYCLE };
    double u = pb_rng_uniform(&key, group->number, group->incarnation & 0xffffffU);

    return limit + (int64_t)(u * config->recycle.jitter * (double)limit);
}

void pb_recycle_begin_locked(struct pb_group *group)
{
    const struct pb_recycle *recycle = &group->pool->config.recycle;

    group->heir = group->elder = NULL;
    group->stands_by = false;
    group->due_for = NULL;
    group->heir_after_ns = group->memory_after_ns = INT64_MIN;
    group->max_runs = (uint64_t)draw(group, 0, recycle->max_requests);
    group->max_age_ns = draw(group, 1, recycle->max_age_ns);
    group->max_memory_bytes = draw(group, 2, recycle->max_memory_bytes);
}

/* After so many requests the heir is started. */
static uint64_t runs_ahead(const struct pb_group *group)
{
    return group->max_runs - (group->max_runs + 9) / 10;
}

/* Sets after how many requests of its own the slot looks again: at 90 %, at the limit; where
 * several slots share in it, when this one will have done its part of what is left. */
static void look_again(struct pb_worker *worker, uint64_t total)
{
    const struct pb_group *group = worker->group;
    uint32_t threads = group->pool->threads;
    uint64_t target = total < runs_ahead(group) ? runs_ahead(group) : group->max_runs;
    uint64_t left = total < target ? (target - total + threads - 1) / threads : 1;

    worker->ask_at_runs = atomic_load_explicit(&worker->runs, memory_order_relaxed) + left;
}

void pb_recycle_enter(struct pb_worker *worker)
{
    worker->ask_at_runs = UINT64_MAX;
    if (worker->group->max_runs > 0) {
        look_again(worker, pb_group_runs(worker->group));
    }
}

/* --- Heirs --- */

/* May one more be recycled?  No more than half of the workers, but one, are to be missing. */
static bool has_turn_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);
static bool has_turn_locked(const struct pb_pool *pool)
{
    uint32_t size = pool->settings.size, most = size / 2 > 1 ? size / 2 : 1;
    uint32_t missing = size > pool->alive ? size - pool->alive : 0;

    return pool->heirs + missing < most;
}

static bool has_slot_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);
static bool has_slot_locked(const struct pb_pool *pool)
{
    for (uint32_t i = 0; i < pool->group_count; i++) {
        if (pool->groups[i].state == PB_GROUP_FREE) {
            return true;
        }
    }
    return false;
}

void pb_heir_begins_locked(struct pb_pool *pool, struct pb_group *heir, struct pb_group *elder)
{
    heir->elder = elder;
    heir->replacement = true;
    heir->replaces = elder->number;
    heir->replaces_incarnation = elder->incarnation;
    atomic_store(&heir->overflow, atomic_load(&elder->overflow));
    elder->heir = heir;
    pool->heirs++;
}

static struct pb_group *unlink_locked(struct pb_pool *pool, struct pb_group *elder)
    PB_REQUIRES(pool->lock);
static struct pb_group *unlink_locked(struct pb_pool *pool, struct pb_group *elder)
{
    struct pb_group *heir = elder->heir;

    heir->elder = elder->heir = NULL;
    pool->heirs--;
    pb_cond_broadcast(&pool->changed);
    return heir;
}

bool pb_heir_failed_locked(struct pb_pool *pool, struct pb_group *heir)
{
    if (!heir->elder) {
        return false;
    }
    heir->elder->heir_after_ns = pb_pool_now_ns(pool) + pool->config.restart_max_delay_ns;
    (void)unlink_locked(pool, heir->elder);
    return true;
}

bool pb_inherit_locked(struct pb_pool *pool, struct pb_group *elder)
{
    if (!elder->heir) {
        return false;
    }
    struct pb_group *heir = unlink_locked(pool, elder);

    atomic_store(&heir->overflow, atomic_load(&elder->overflow));
    pool->overflow_started += atomic_load(&heir->overflow);
    pool->starting++;
    return true;
}

const char *pb_stand_by(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    const char *why = NULL;

    pb_mutex_lock(&pool->lock);
    group->ready_ns = pb_pool_now_ns(pool);
    group->was_up = true;
    group->stands_by = group->elder != NULL;
    if (group->stands_by) {
        pb_cond_broadcast(&pool->changed);
        pb_ask_keeper(pool);
    }
    while (group->elder && !group->lost_early && !atomic_load(&pool->stopping)) {
        pb_cond_wait(&pool->changed, &pool->lock);
    }
    if (group->stands_by) {
        why = group->lost_early              ? group->lost_early
              : atomic_load(&pool->stopping) ? "stopped"
                                             : NULL;
    }
    group->stands_by = false;
    pb_mutex_unlock(&pool->lock);
    return why;
}

/* An heir that was started ahead for a worker whose time has not come is the heir of one whose time
 * has; false: there is none. */
static bool take_over_heir_locked(struct pb_group *group) PB_REQUIRES(group->pool->lock);
static bool take_over_heir_locked(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    for (uint32_t i = 0; pool->heirs > 0 && i < pool->group_count; i++) {
        struct pb_group *other = &pool->groups[i];

        if (other->heir && !other->due_for) {
            pb_heir_begins_locked(pool, unlink_locked(pool, other), group);
            return true;
        }
    }
    return false;
}

/* --- Whose time has come --- */

/* Waits, for a bounded time, for what lets a worker go that has had its requests; false: it serves
 * on. */
static bool wait_for_heir_locked(struct pb_group *group) PB_REQUIRES(group->pool->lock);
static bool wait_for_heir_locked(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    int64_t deadline_ns = pb_now_ns() + PATIENCE_NS;
    bool alone = pool->alive < 2, in_time = !alone;

    while (group->state == PB_GROUP_ALIVE && !atomic_load(&pool->stopping)) {
        if (group->heir && group->heir->stands_by) {
            return true;
        }
        if (!group->heir) {
            if (take_over_heir_locked(group)) {
                continue;
            }
            if (!has_turn_locked(pool) || pb_pool_now_ns(pool) < group->heir_after_ns) {
                return false;
            }
            if (!has_slot_locked(pool)) {
                return true;
            }
        }
        if (!in_time) {
            return false;
        }
        in_time = pb_cond_wait_until(&pool->changed, &pool->lock, deadline_ns);
    }
    return false;
}

bool pb_recycle_is_due_locked(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;
    uint64_t total = pb_group_runs(group);

    if (group->max_runs > 0) {
        look_again(worker, total);
        if (total >= group->max_runs && !group->due_for) {
            group->due_for = for_requests;
            pb_ask_slots_locked(group); /* the others are to take no more, either */
        }
        if (total >= runs_ahead(group) && !group->heir) {
            pb_ask_keeper(pool);
        }
    }
    if (group->due_for == for_requests) {
        return wait_for_heir_locked(group);
    }
    return group->due_for && group->heir && group->heir->stands_by;
}

static void look_at_memory(struct pb_group *group, int64_t now_ns)
{
    struct pb_pool *pool = group->pool;

    if (group->max_memory_bytes <= 0 || !pool->hooks.memory_bytes ||
        now_ns < group->memory_after_ns || !pb_group_pin(group)) {
        return;
    }
    struct pb_worker_id id = pb_group_id(group);
    int64_t bytes = pool->hooks.memory_bytes(pool->config.ctx, &id, group->made);

    pb_group_unpin(group);
    group->memory_after_ns = now_ns + MEMORY_EVERY_NS;
    pb_mutex_lock(&pool->lock);
    if (bytes > group->max_memory_bytes && group->state == PB_GROUP_ALIVE && !group->due_for) {
        group->due_for = for_memory;
    }
    pb_mutex_unlock(&pool->lock);
}

enum next_step {
    STEP_NONE,
    STEP_START_HEIR,
    STEP_LET_GO
};

static enum next_step next_step_locked(struct pb_group *group, int64_t now_ns)
    PB_REQUIRES(group->pool->lock);
static enum next_step next_step_locked(struct pb_group *group, int64_t now_ns)
{
    const struct pb_pool *pool = group->pool;
    uint64_t total = pb_group_runs(group);

    if (group->state != PB_GROUP_ALIVE) {
        return STEP_NONE;
    }
    if (!group->due_for && group->max_age_ns > 0 && now_ns - group->ready_ns >= group->max_age_ns) {
        group->due_for = for_age;
    }
    if (!group->due_for && group->max_runs > 0 && total >= group->max_runs) {
        group->due_for = for_requests;
    }
    if (group->heir || (group->due_for && take_over_heir_locked(group))) {
        return group->due_for && group->heir->stands_by ? STEP_LET_GO : STEP_NONE;
    }
    if ((!group->due_for && (group->max_runs == 0 || total < runs_ahead(group))) ||
        now_ns < group->heir_after_ns || !has_turn_locked(pool)) {
        return STEP_NONE;
    }
    if (has_slot_locked(pool)) {
        return STEP_START_HEIR;
    }
    return group->due_for ? STEP_LET_GO : STEP_NONE;
}

void pb_recycle(struct pb_pool *pool, int64_t now_ns)
{
    for (uint32_t i = 0; recycles(pool) && i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];

        look_at_memory(group, now_ns);
        pb_mutex_lock(&pool->lock);
        enum next_step step =
            atomic_load(&pool->stopping) ? STEP_NONE : next_step_locked(group, now_ns);

        pb_mutex_unlock(&pool->lock);
        if (step == STEP_START_HEIR && pb_start_heir(group) != PB_OK) {
            return; /* no slot after all, or no thread: in a later round */
        }
        if (step == STEP_LET_GO) {
            pb_let_go(group);
        }
    }
}
