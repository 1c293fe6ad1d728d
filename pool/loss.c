#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/* The places of requests that others decided are given back now: their worker does not count any
 * more.  What is undecided keeps its place until it ends. */
static void release_places_locked(struct pb_pool *pool, struct pb_group *group)
    PB_REQUIRES(pool->timer_lock) PB_REQUIRES(pool->lock);
static void release_places_locked(struct pb_pool *pool, struct pb_group *group)
{
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        struct pb_worker *worker = &group->lanes[lane];

        if (atomic_load(&worker->claimed_ns) != 0 && !worker->gone_running) {
            worker->gone_running = true;
            pb_count_one(&pool->timer_tally.released);
        }
    }
}

static void tell_to_leave(struct pb_group *group, enum pb_leave how)
{
    for (uint32_t lane = 0; lane < group->pool->threads; lane++) {
        atomic_store(&group->lanes[lane].must_leave, how);
    }
}

void pb_group_gone_locked(struct pb_pool *pool, struct pb_group *group, const char *reason,
                          enum pb_leave how, bool at_fault)
{
    group->state = PB_GROUP_GONE;
    group->leave_reason = reason;
    tell_to_leave(group, how);
    pb_health_stop_locked(group);
    pool->gone++;
    if (!pb_leaves_alive_locked(pool, group)) {
        pb_owe_locked(pool, group, at_fault);
    }
    release_places_locked(pool, group);
    pb_update_limit_locked(pool);
}

void pb_group_finish_locked(struct pb_pool *pool, struct pb_group *group, const char *reason)
{
    group->state = PB_GROUP_LEAVING;
    group->leave_reason = reason;
    group->finishing = true;
    tell_to_leave(group, PB_LEAVE_AFTER);
    pb_leaves_alive_locked(pool, group);
    pool->finishing++;
    pb_update_limit_locked(pool);
}

void pb_group_wake(struct pb_group *group)
{
    for (uint32_t lane = 0; lane < group->pool->threads; lane++) {
        if (pb_idle_remove(group->pool, &group->lanes[lane])) {
            pb_send_word(&group->lanes[lane], PB_WORD_LEAVE);
        }
    }
}

/* Everybody of a worker that is gone leaves now: those asleep are told, the others' requests are
 * taken. */
static void strike(struct pb_pool *pool, struct pb_group *group) PB_REQUIRES(pool->timer_lock);
static void strike(struct pb_pool *pool, struct pb_group *group)
{
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        struct pb_worker *worker = &group->lanes[lane];

        if (pb_idle_remove(pool, worker)) {
            pb_send_word(worker, PB_WORD_LEAVE);
        } else {
            pb_take_its_request(pool, worker);
        }
    }
}

static void lose_locked(struct pb_pool *pool, struct pb_group *group, const char *reason,
                        bool at_fault) PB_REQUIRES(pool->timer_lock) PB_REQUIRES(pool->lock);
static void lose_locked(struct pb_pool *pool, struct pb_group *group, const char *reason,
                        bool at_fault)
{
    pb_group_gone_locked(pool, group, reason, PB_LEAVE_NOW, at_fault);
    atomic_store(&group->health, PB_HEALTH_DEAD);
    pool->lost++;
    group->pins++; /* it is not down before its loss has been told */
}

/* Its loss has been marked: tells it, takes what it runs, and lets it end. */
static void bury(struct pb_pool *pool, struct pb_group *group, const char *reason, bool kill)
{
    pb_group_event(group, PB_POOL_WORKER_LOST, reason, 0);
    if (kill && pool->hooks.kill) {
        struct pb_worker_id id = pb_group_id(group);

        pool->hooks.kill(pool->config.ctx, &id, group->made);
    }
    pb_mutex_lock(&pool->timer_lock);
    strike(pool, group);
    pb_mutex_unlock(&pool->timer_lock);
    pb_group_unpin(group);
    pb_ask_keeper(pool);
    pb_tell_empty(pool);
}

/* The `ordinal`-th alive worker; NULL: fewer are alive. */
static struct pb_group *nth_alive_locked(struct pb_pool *pool, uint32_t ordinal)
    PB_REQUIRES(pool->lock);
static struct pb_group *nth_alive_locked(struct pb_pool *pool, uint32_t ordinal)
{
    for (uint32_t i = 0; i < pool->group_count; i++) {
        if (pool->groups[i].state == PB_GROUP_ALIVE && ordinal-- == 0) {
            return &pool->groups[i];
        }
    }
    return NULL;
}

enum pb_status pb_pool_kill_worker(struct pb_pool *pool, uint32_t ordinal, uint32_t *ret_slot)
{
    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    pb_mutex_lock(&pool->timer_lock);
    pb_mutex_lock(&pool->lock);
    struct pb_group *group = nth_alive_locked(pool, ordinal);

    if (group) {
        lose_locked(pool, group, "killed", false);
    }
    pb_mutex_unlock(&pool->lock);
    pb_mutex_unlock(&pool->timer_lock);
    if (!group) {
        return PB_ENOENT;
    }
    if (ret_slot) {
        *ret_slot = group->lanes[0].slot;
    }
    pb_ask_keeper(pool); /* the replacement first */
    bury(pool, group, "killed", true);
    return PB_OK;
}

enum pb_status pb_pool_worker_lost(struct pb_pool *pool, uint32_t worker, uint32_t incarnation,
                                   const char *reason)
{
    const char *why = reason ? reason : "lost";

    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    if (worker >= pool->group_count) {
        return PB_ENOENT;
    }
    struct pb_group *group = &pool->groups[worker];

    pb_mutex_lock(&pool->timer_lock);
    pb_mutex_lock(&pool->lock);
    bool same = group->incarnation == incarnation;
    bool alive = same && group->state == PB_GROUP_ALIVE;
    bool coming = same && group->state == PB_GROUP_STARTING;

    if (alive) {
        lose_locked(pool, group, why, true);
    } else if (coming && !group->lost_early) {
        group->lost_early = why;
        if (group->hook_due_ns != 0) {
            pb_token_set(&group->lanes[0].token);
        }
        pb_cond_broadcast(&pool->changed); /* it may wait for its turn */
    }
    pb_mutex_unlock(&pool->lock);
    pb_mutex_unlock(&pool->timer_lock);
    if (alive) {
        pb_ask_keeper(pool);
        bury(pool, group, why, false);
    }
    return alive || coming ? PB_OK : PB_ENOENT;
}

void pb_group_is_lost(struct pb_group *group, const char *reason)
{
    struct pb_pool *pool = group->pool;
    const char *why = reason ? reason : "lost";

    pb_mutex_lock(&pool->timer_lock);
    pb_mutex_lock(&pool->lock);
    bool first = group->state == PB_GROUP_ALIVE;

    if (first) {
        lose_locked(pool, group, why, true);
    } else {
        tell_to_leave(group, PB_LEAVE_NOW);
    }
    pb_mutex_unlock(&pool->lock);
    pb_mutex_unlock(&pool->timer_lock);
    if (first) {
        pb_ask_keeper(pool);
        pb_group_event(group, PB_POOL_WORKER_LOST, why, 0);
        /* What its other threads run is theirs to report. */
        pb_group_wake(group);
        pb_group_unpin(group);
    }
}
