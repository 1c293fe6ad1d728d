#include "base/rng.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/*
 * Asking idle workers whether they are well.  The keeper takes a slot that is due off the idle list
 * and sends it PB_WORD_CHECK; its own thread runs the hook.  Somebody stays idle meanwhile, so that
 * a request does not wait for a check, unless there is nobody else or the check is late by a whole
 * interval.
 */

static int64_t next_check_ns(struct pb_group *group, int64_t now_ns)
{
    const struct pb_pool_config *config = &group->pool->config;
    struct pb_rng_key key = { .seed = config->seed,
                              .phase = group->number,
                              .stream = PB_STREAM_HEALTH };
    double u = pb_rng_uniform(&key, group->checks++, group->incarnation & 0xffffffU);

    return now_ns + (int64_t)((0.9 + 0.2 * u) * (double)config->health_check_interval_ns);
}

void pb_health_begin_locked(struct pb_group *group, int64_t now_ns)
{
    group->checks = 0;
    group->check_failures = 0;
    group->checking = NULL;
    group->check_after_ns = next_check_ns(group, now_ns);
}

void pb_health_stop_locked(struct pb_group *group)
{
    if (group->checking) {
        pb_token_set(&group->checking->token);
    }
}

/* False: it is on its way out. */
static bool begin_check(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    bool may = group->state == PB_GROUP_ALIVE && !atomic_load(&pool->stopping);

    if (may) {
        group->check_until_ns = pb_now_ns() + pool->config.health_check_timeout_ns;
    } else {
        group->checking = NULL;
    }
    pb_mutex_unlock(&pool->lock);
    return may;
}

/* Health after a check.  Unhealthy, it is gone, and replaced; what its other slots run they finish.
 */
static enum pb_health judge_locked(struct pb_pool *pool, struct pb_group *group, bool well)
    PB_REQUIRES(pool->timer_lock) PB_REQUIRES(pool->lock);
static enum pb_health judge_locked(struct pb_pool *pool, struct pb_group *group, bool well)
{
    pool->health_checks++;
    pool->health_failures += !well;
    group->check_failures = well ? 0 : group->check_failures + 1;
    if (group->check_failures >= pool->config.max_health_failures) {
        pool->unhealthy++;
        pb_group_gone_locked(pool, group, "health", PB_LEAVE_AFTER, true);
        return PB_HEALTH_UNHEALTHY;
    }
    group->check_after_ns = next_check_ns(group, pb_pool_now_ns(pool));
    return well ? PB_HEALTH_HEALTHY : PB_HEALTH_DEGRADED;
}

/* False: the worker leaves. */
static bool end_check(struct pb_worker *worker, bool well)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;
    enum pb_health before = (enum pb_health)atomic_load(&group->health), after = before;

    pb_mutex_lock(&pool->timer_lock);
    pb_mutex_lock(&pool->lock);
    group->checking = NULL;
    /* Whoever asks does so under the lock, while `checking` says that there is a check. */
    pb_token_reset(&worker->token);
    bool counts = group->state == PB_GROUP_ALIVE && !atomic_load(&pool->stopping);

    if (counts) {
        after = judge_locked(pool, group, well);
        atomic_store(&group->health, after);
    }
    bool stays = group->state == PB_GROUP_ALIVE;

    pb_mutex_unlock(&pool->lock);
    pb_mutex_unlock(&pool->timer_lock);
    if (after != before) {
        pb_group_event(group, PB_POOL_WORKER_HEALTH, well ? "check passed" : "check failed", 0);
    }
    if (!stays) {
        pb_group_wake(group);
        pb_ask_keeper(pool);
    }
    return stays;
}

bool pb_check_health(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;
    struct pb_worker_id id = pb_group_id(group);

    if (!begin_check(worker)) {
        return true; /* it leaves, if it must, at its next look */
    }
    return end_check(worker, pool->hooks.check(pool->config.ctx, &id, group->made, &worker->token,
                                               group->check_until_ns));
}

/* A check past its deadline is asked to stop; one that does not listen is like a worker that does
 * not come back. */
static bool find_overdue_locked(struct pb_pool *pool, struct pb_group *group)
    PB_REQUIRES(pool->timer_lock) PB_REQUIRES(pool->lock);
static bool find_overdue_locked(struct pb_pool *pool, struct pb_group *group)
{
    int64_t now_ns = pb_now_ns();

    if (!group->checking || now_ns < group->check_until_ns) {
        return false;
    }
    pb_token_set(&group->checking->token);
    if (now_ns - group->check_until_ns < pool->config.stuck_after_ns ||
        group->state != PB_GROUP_ALIVE) {
        return false;
    }
    pool->health_checks++;
    pool->health_failures++;
    pool->unhealthy++;
    pb_group_gone_locked(pool, group, "health", PB_LEAVE_AFTER, true);
    atomic_store(&group->health, PB_HEALTH_UNHEALTHY);
    group->pins++; /* it is not down before this has been told */
    return true;
}

static void find_overdue(struct pb_pool *pool, struct pb_group *group)
{
    pb_mutex_lock(&pool->timer_lock);
    pb_mutex_lock(&pool->lock);
    bool found = find_overdue_locked(pool, group);

    pb_mutex_unlock(&pool->lock);
    pb_mutex_unlock(&pool->timer_lock);
    if (found) {
        pb_group_event(group, PB_POOL_WORKER_HEALTH, "check hangs", 0);
        pb_group_wake(group);
        pb_group_unpin(group);
    }
}

/* The slot that is to check the worker now; NULL: none.  `asking`: workers that are being asked. */
static struct pb_worker *slot_to_check(struct pb_group *group, uint32_t asking, int64_t now_ns)
{
    struct pb_pool *pool = group->pool;
    struct pb_worker *worker = NULL;

    pb_mutex_lock(&pool->lock);
    if (group->state == PB_GROUP_ALIVE && !group->checking && now_ns >= group->check_after_ns) {
        bool late = now_ns - group->check_after_ns >= pool->config.health_check_interval_ns;

        /* More stay idle than are being asked. */
        worker = pb_idle_take_spare(group, late || pool->alive == 1 ? 0 : asking + 1);
    }
    if (worker) {
        group->checking = worker;
        group->check_until_ns = INT64_MAX; /* until it begins */
    }
    pb_mutex_unlock(&pool->lock);
    return worker;
}

void pb_check_idle(struct pb_pool *pool, int64_t now_ns)
{
    uint32_t asking = 0;

    if (pool->config.health_check_interval_ns <= 0 || !pool->hooks.check) {
        return;
    }
    for (uint32_t i = 0; i < pool->group_count; i++) {
        find_overdue(pool, &pool->groups[i]);
        pb_mutex_lock(&pool->lock);
        asking += pool->groups[i].checking != NULL;
        pb_mutex_unlock(&pool->lock);
    }
    for (uint32_t i = 0; i < pool->group_count && !atomic_load(&pool->stopping); i++) {
        struct pb_worker *worker = slot_to_check(&pool->groups[i], asking, now_ns);

        if (worker) {
            asking++;
            pb_send_word(worker, PB_WORD_CHECK);
        }
    }
}
