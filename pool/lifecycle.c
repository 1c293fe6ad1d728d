#include <errno.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/* A hook that makes or warms a worker may run: by `due_ns` it has to end.  False: the pool stops,
 * or the worker has been given up. */
static bool enter_hook(struct pb_group *group, int64_t due_ns, bool preparing)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    bool may =
        group->state == PB_GROUP_STARTING && !atomic_load(&pool->stopping) && !group->lost_early;

    group->hook_due_ns = may ? due_ns : 0;
    group->preparing = may && preparing;
    pb_mutex_unlock(&pool->lock);
    return may;
}

/* It ended; false: too late, the worker has been given up. */
static bool leave_hook(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    group->hook_due_ns = 0;
    group->preparing = false;
    /* Whoever asks does so under the lock, while hook_due_ns says that there is a hook. */
    pb_token_reset(&group->lanes[0].token);
    bool in_time = group->state == PB_GROUP_STARTING;

    pb_mutex_unlock(&pool->lock);
    return in_time;
}

/* The first reason is the pool's. */
static void note_birth_error_locked(struct pb_pool *pool, const struct pb_error *err)
    PB_REQUIRES(pool->lock);
static void note_birth_error_locked(struct pb_pool *pool, const struct pb_error *err)
{
    if (pool->birth && pool->birth_error.status == PB_OK) {
        pool->birth_error = *err;
    }
}

static void note_birth_error(struct pb_pool *pool, const struct pb_error *err)
{
    pb_mutex_lock(&pool->lock);
    note_birth_error_locked(pool, err);
    pb_mutex_unlock(&pool->lock);
}

/* The start hook's error is that of pb_pool_new. */
static const char *start_failed(struct pb_group *group, enum pb_status status, struct pb_error *err)
{
    err->status = status;
    if (err->text[0] == '\0') {
        (void)pb_fail(err, status, "pool: worker %u cannot be started", group->number);
    }
    note_birth_error(group->pool, err);
    (void)leave_hook(group);
    return status == PB_ETIMEDOUT ? "start_timeout" : "start_failed";
}

/* NULL: it is made; else why not. */
static const char *make(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    struct pb_worker_id id = pb_group_id(group);
    struct pb_error err = { .text = "" };
    int64_t due_ns = pb_now_ns() + pool->config.init_timeout_ns;

    if (pool->hooks.start) {
        if (!enter_hook(group, due_ns, false)) {
            return "stopped";
        }
        enum pb_status status = pool->hooks.start(pool->config.ctx, &id, &group->lanes[0].token,
                                                  due_ns, &group->made, &err);

        if (status != PB_OK) {
            return start_failed(group, status, &err);
        }
    }
    if (pool->hooks.pid) {
        atomic_store(&group->pid, pool->hooks.pid(pool->config.ctx, &id, group->made));
    }
    pb_mutex_lock(&pool->lock);
    group->is_made = true;
    pb_mutex_unlock(&pool->lock);
    return leave_hook(group) ? NULL : "start_timeout";
}

static void wait_for_my_turn(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    while (group->turn > pool->turn && !group->lost_early && !atomic_load(&pool->stopping)) {
        pb_cond_wait(&pool->changed, &pool->lock);
    }
    pb_mutex_unlock(&pool->lock);
}

/* It serves afterwards, also when this failed. */
static void warm(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    struct pb_worker_id id = pb_group_id(group);

    if (!pool->hooks.prepare) {
        return;
    }
    wait_for_my_turn(group);

    int64_t due_ns = pb_now_ns() + pool->config.prepare_timeout_ns;

    if (!enter_hook(group, due_ns, true)) {
        return;
    }
    enum pb_status status =
        pool->hooks.prepare(pool->config.ctx, &id, group->made, &group->lanes[0].token, due_ns);

    if (leave_hook(group)) { /* else it was counted as failed when it was given up */
        pb_mutex_lock(&pool->lock);
        pool->prepared += status == PB_OK;
        pool->prepare_failures += status != PB_OK;
        pb_mutex_unlock(&pool->lock);
    }
}

static bool add_siblings(struct pb_group *group)
{
    for (uint32_t lane = 1; lane < group->pool->threads; lane++) {
        int rc = pb_group_add_thread(group, lane);

        if (rc != 0) {
            struct pb_error err;

            errno = rc;
            (void)pb_fail(&err, PB_ESYS, "pool: thread %u of worker %u cannot be created", lane,
                          group->number);
            note_birth_error(group->pool, &err);
            return false;
        }
    }
    return true;
}

static void open_gate(struct pb_group *group, enum pb_gate gate)
{
    atomic_store(&group->gate, gate);
    pb_futex_wake(&group->gate);
}

/* Why it must not come up though it was made; NULL: it may. */
static const char *obstacle(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    const char *why = group->lost_early                   ? group->lost_early
                      : group->state != PB_GROUP_STARTING ? "start_timeout"
                      : atomic_load(&pool->stopping)      ? "stopped"
                                                          : NULL;

    pb_mutex_unlock(&pool->lock);
    return why;
}

/* NULL: it counts as alive from here on; else why not. */
static const char *say_hello(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    atomic_store(&group->health, PB_HEALTH_HEALTHY);
    pb_group_event(group, PB_POOL_WORKER_UP,
                   group->replacement              ? "replacement"
                   : atomic_load(&group->overflow) ? "overflow"
                                                   : "start",
                   group->decided_ns);
    const char *why = pb_stand_by(group);

    if (why) {
        return why;
    }
    pb_mutex_lock(&pool->lock);
    group->state = PB_GROUP_ALIVE;
    pb_health_begin_locked(group, group->ready_ns);
    pool->starting--;
    pool->alive++;
    if (pool->alive > pool->peak_alive) {
        pool->peak_alive = pool->alive;
    }
    if (group->began_on_demand) {
        pb_demand_ended_locked(pool, true, false);
    }
    const char *lost = group->lost_early; /* while its coming was told */

    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    open_gate(group, PB_GATE_OPEN);
    if (lost) {
        pb_group_is_lost(group, lost);
    }
    return NULL;
}

/* It does not come up, or was lost as it stood by, for the reason `why`. */
static void give_up(struct pb_group *group, const char *why)
{
    struct pb_pool *pool = group->pool;
    bool stopping = atomic_load(&pool->stopping);
    struct pb_error err;

    (void)pb_fail(&err, PB_ECLOSED, "pool: worker %u did not come up: %s", group->number, why);
    pb_mutex_lock(&pool->lock);
    bool mine = group->state == PB_GROUP_STARTING; /* else told already, when it was late */
    bool lost = group->was_up;

    if (mine) {
        note_birth_error_locked(pool, &err);
        pb_never_came_locked(pool, group, !stopping);
        group->state = PB_GROUP_LEAVING;
        group->leave_reason = why;
        pool->workers_failed += !stopping && !lost;
        pool->lost += !stopping && lost;
    }
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    atomic_store(&group->health, PB_HEALTH_DEAD);
    if (mine && !stopping) {
        pb_group_event(group, lost ? PB_POOL_WORKER_LOST : PB_POOL_WORKER_FAILED, why,
                       group->decided_ns);
    }
    open_gate(group, PB_GATE_FAILED);
    pb_ask_keeper(pool);
}

static bool wait_at_gate(struct pb_group *group)
{
    while (atomic_load(&group->gate) == PB_GATE_CLOSED) {
        pb_futex_wait(&group->gate, PB_GATE_CLOSED, INT64_MAX);
    }
    return atomic_load(&group->gate) == PB_GATE_OPEN;
}

bool pb_come_up(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;

    if (worker->lane > 0) {
        return wait_at_gate(group);
    }
    const char *why = make(group);

    if (!why) {
        warm(group);
        why = add_siblings(group) ? obstacle(group) : "no thread";
    }
    if (!why) {
        why = say_hello(group);
    }
    if (why) {
        give_up(group, why);
    }
    return !why;
}

/* False: others of this worker are still there.  Else the caller is to unmake it. */
static bool am_i_last(struct pb_group *group, bool *ret_made, const char **ret_reason)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    bool last = group->present == 1;

    if (last) {
        if (group->state == PB_GROUP_ALIVE) { /* the pool stops */
            group->state = PB_GROUP_LEAVING;
            pool->alive--;
        }
        while (group->pins > 0) {
            pb_cond_wait(&pool->changed, &pool->lock);
        }
        *ret_made = group->is_made;
        *ret_reason = group->leave_reason ? group->leave_reason : "stopped";
        group->is_made = false;
    } else {
        group->present--;
    }
    pb_mutex_unlock(&pool->lock);
    return last;
}

static void end(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;

    pb_mutex_lock(&pool->lock);
    group->present = 0;
    if (group->state == PB_GROUP_GONE || group->finishing) {
        pool->gone -= group->state == PB_GROUP_GONE;
        pool->finishing -= group->finishing;
        pb_update_limit_locked(pool);
    }
    if (group->was_up) {
        group->alive_before_ns += (pb_pool_now_ns(pool) - group->ready_ns) * pool->threads;
    }
    group->state = PB_GROUP_ENDED;
    pool->ended++;
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    pb_ask_keeper(pool);
}

void pb_leave(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;
    const char *reason = NULL;
    bool is_made = false;

    if (!am_i_last(group, &is_made, &reason)) {
        return;
    }
    if (is_made && pool->hooks.stop) {
        struct pb_worker_id id = pb_group_id(group);

        pool->hooks.stop(pool->config.ctx, &id, group->made, reason);
    }
    if (group->was_up) {
        atomic_store(&group->health, PB_HEALTH_DEAD);
        pb_group_event(group, PB_POOL_WORKER_DOWN, reason, 0);
    }
    end(group);
}
