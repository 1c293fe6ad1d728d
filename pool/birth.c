#include <errno.h>

#include "pool/pool_internal.h"
#include "pool/token.h"

/* In which turn core worker `i` is warmed. */
static uint32_t turn_of(const struct pb_pool_config *config, uint32_t i)
{
    switch (config->prepare) {
    case PB_PREPARE_SEQUENTIAL:
        return i;
    case PB_PREPARE_STAGED:
        return i / ((config->size + 2) / 3); /* three batches of ceil(size / 3) */
    case PB_PREPARE_PARALLEL:
    case PB_PREPARE_COUNT:
        break;
    }
    return 0;
}

/* Is anybody being started; in a turn that has come? */
static bool are_starting_locked(const struct pb_pool *pool, bool *ret_in_turn)
    PB_REQUIRES(pool->lock);
static bool are_starting_locked(const struct pb_pool *pool, bool *ret_in_turn)
{
    bool some = false;

    *ret_in_turn = false;
    for (uint32_t i = 0; i < pool->group_count; i++) {
        if (pool->groups[i].state == PB_GROUP_STARTING) {
            some = true;
            *ret_in_turn = *ret_in_turn || pool->groups[i].turn <= pool->turn;
        }
    }
    return some;
}

/* Calls turn after turn until everybody is up, warmed or given up; false: somebody did not come
 * up. */
static bool see_them_up(struct pb_pool *pool)
{
    bool in_turn;

    pb_mutex_lock(&pool->lock);
    while (pool->birth_error.status == PB_OK && are_starting_locked(pool, &in_turn)) {
        if (!in_turn) {
            pool->turn++;
            pb_cond_broadcast(&pool->changed);
            continue;
        }
        pb_mutex_unlock(&pool->lock);
        int64_t look_again_ns = pb_find_overdue(pool);

        pb_mutex_lock(&pool->lock);
        if (pool->birth_error.status == PB_OK && are_starting_locked(pool, &in_turn) && in_turn) {
            (void)pb_cond_wait_until(&pool->changed, &pool->lock, look_again_ns);
        }
    }
    bool up = pool->birth_error.status == PB_OK;

    pool->turn = PB_POOL_MAX_SIZE;
    pool->birth = false;
    pb_mutex_unlock(&pool->lock);
    return up;
}

enum pb_status pb_start_core(struct pb_pool *pool, struct pb_error *err)
{
    if (pool->config.lazy) {
        return PB_OK;
    }
    pb_mutex_lock(&pool->lock);
    pool->birth = true;
    pb_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->config.size; i++) {
        if (pb_start_worker(pool, turn_of(&pool->config, i)) != PB_OK) {
            return pb_fail(err, PB_ESYS, "pool: worker thread %u of %u cannot be created", i + 1,
                           pool->config.size);
        }
    }
    if (!see_them_up(pool)) {
        struct pb_error birth_error;

        pb_mutex_lock(&pool->lock);
        birth_error = pool->birth_error;
        pb_mutex_unlock(&pool->lock);
        if (err) {
            *err = birth_error;
        }
        return birth_error.status;
    }
    return PB_OK;
}

/* A start or a prepare that does not even listen to its token: the worker is given up, like one
 * that is stuck, and another one starts in its place. */
static const char *abandon_locked(struct pb_pool *pool, struct pb_group *group)
    PB_REQUIRES(pool->lock);
static const char *abandon_locked(struct pb_pool *pool, struct pb_group *group)
{
    const char *why = group->preparing ? "prepare_timeout" : "start_timeout";

    if (!group->preparing && pool->birth && pool->birth_error.status == PB_OK) {
        (void)pb_fail(&pool->birth_error, PB_ETIMEDOUT, "pool: worker %u was not ready in time",
                      group->number);
    }
    pool->prepare_failures += group->preparing;
    pool->workers_failed++;
    pb_never_came_locked(pool, group, true);
    group->hook_due_ns = 0;
    group->state = PB_GROUP_GONE;
    group->leave_reason = why;
    atomic_store(&group->health, PB_HEALTH_DEAD);
    pool->gone++;
    pb_update_limit_locked(pool);
    pb_cond_broadcast(&pool->changed);
    return why;
}

int64_t pb_find_overdue(struct pb_pool *pool)
{
    int64_t now_ns = pb_now_ns(), next_ns = INT64_MAX;

    pb_mutex_lock(&pool->lock);
    bool some = pool->starting + pool->heirs > 0;

    pb_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; some && i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];
        const char *abandoned = NULL;

        pb_mutex_lock(&pool->lock);
        if (group->state == PB_GROUP_STARTING && group->hook_due_ns != 0) {
            int64_t due_ns = group->hook_due_ns, over_ns = due_ns + pool->config.stuck_after_ns;

            if (now_ns >= due_ns) {
                pb_token_set(&group->lanes[0].token);
                due_ns = over_ns;
            }
            if (now_ns >= over_ns) {
                abandoned = abandon_locked(pool, group);
            } else {
                next_ns = due_ns < next_ns ? due_ns : next_ns;
            }
        }
        pb_mutex_unlock(&pool->lock);
        if (abandoned) {
            pb_group_event(group, PB_POOL_WORKER_FAILED, abandoned, 0);
        }
    }
    return next_ns;
}

void pb_stop_starts(struct pb_pool *pool)
{
    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];

        if (group->state == PB_GROUP_STARTING && group->hook_due_ns != 0) {
            pb_token_set(&group->lanes[0].token);
        }
        pb_health_stop_locked(group);
    }
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
}
