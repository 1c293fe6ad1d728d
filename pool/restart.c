#include <stdlib.h>
#include <string.h>

#include "pool/pool_internal.h"

/*
 * Who goes is followed: at once after a worker that had a success; else the wait doubles with each
 * end without one, along the line of its predecessors.  Starts for demand follow nobody, and share
 * one line.  Ends without a success are also counted over a window, all lines together.
 */

enum pb_status pb_restarts_init(struct pb_pool *pool)
{
    struct pb_restarts *restarts = &pool->restarts;

    restarts->owed = calloc(pool->group_count, sizeof(*restarts->owed));
    if (!restarts->owed) {
        return PB_ENOMEM;
    }
    if (pool->config.max_restarts > 0) {
        restarts->ends_size = pool->config.max_restarts + 1;
        restarts->ends_ns = calloc(restarts->ends_size, sizeof(*restarts->ends_ns));
        if (!restarts->ends_ns) {
            return PB_ENOMEM;
        }
    }
    return PB_OK;
}

void pb_restarts_done(struct pb_pool *pool)
{
    free(pool->restarts.owed);
    free(pool->restarts.ends_ns);
}

static int64_t delay_ns(const struct pb_pool_config *config, uint32_t failures)
{
    int64_t delay = config->restart_delay_ns;

    if (failures <= 1) {
        return 0;
    }
    for (uint32_t i = 2; i < failures && delay < config->restart_max_delay_ns; i++) {
        delay *= 2;
    }
    return delay < config->restart_max_delay_ns ? delay : config->restart_max_delay_ns;
}

int64_t pb_starts_blocked_until_locked(const struct pb_pool *pool)
{
    const struct pb_restarts *restarts = &pool->restarts;

    if (restarts->ends_size == 0 || restarts->ends_count < restarts->ends_size) {
        return INT64_MIN;
    }
    /* The oldest of max_restarts + 1 ends: while it is in the window, so are all of them. */
    return restarts->ends_ns[restarts->ends_next] + pool->config.restart_window_ns;
}

static void note_end_locked(struct pb_pool *pool, int64_t now_ns) PB_REQUIRES(pool->lock);
static void note_end_locked(struct pb_pool *pool, int64_t now_ns)
{
    struct pb_restarts *restarts = &pool->restarts;

    if (restarts->ends_size > 0) {
        restarts->ends_ns[restarts->ends_next] = now_ns;
        restarts->ends_next = (restarts->ends_next + 1) % restarts->ends_size;
        restarts->ends_count += restarts->ends_count < restarts->ends_size;
        pool->starts_held += pb_starts_blocked_until_locked(pool) > now_ns;
    }
}

void pb_owe_locked(struct pb_pool *pool, const struct pb_group *group, bool at_fault)
{
    struct pb_restarts *restarts = &pool->restarts;
    struct pb_owed owed = { .due_ns = INT64_MIN }; /* at once */

    /* Who never came up leaves the place of its predecessor as open as it was. */
    owed.replaces = group->was_up ? group->number : group->replaces;
    owed.replaces_incarnation = group->was_up ? group->incarnation : group->replaces_incarnation;
    if (!atomic_load(&group->succeeded)) {
        owed.failures = group->failures + at_fault;
        if (at_fault) {
            int64_t now_ns = pb_pool_now_ns(pool);

            owed.due_ns = now_ns + delay_ns(&pool->config, owed.failures);
            note_end_locked(pool, now_ns);
        }
    }
    /* Each stands for a worker that is not there: so there is room. */
    if (restarts->owed_count < pool->group_count) {
        restarts->owed[restarts->owed_count++] = owed;
    }
}

void pb_demand_ended_locked(struct pb_pool *pool, bool came_up, bool at_fault)
{
    struct pb_restarts *restarts = &pool->restarts;

    if (came_up) {
        restarts->demand_failures = 0;
    } else if (at_fault) {
        int64_t now_ns = pb_pool_now_ns(pool);

        restarts->demand_failures++;
        restarts->demand_due_ns = now_ns + delay_ns(&pool->config, restarts->demand_failures);
        note_end_locked(pool, now_ns);
    }
}

static uint32_t first_due_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);
static uint32_t first_due_locked(const struct pb_pool *pool)
{
    const struct pb_restarts *restarts = &pool->restarts;
    uint32_t first = 0;

    for (uint32_t i = 1; i < restarts->owed_count; i++) {
        if (restarts->owed[i].due_ns < restarts->owed[first].due_ns) {
            first = i;
        }
    }
    return first;
}

int64_t pb_owed_due_locked(const struct pb_pool *pool)
{
    const struct pb_restarts *restarts = &pool->restarts;

    return restarts->owed_count > 0 ? restarts->owed[first_due_locked(pool)].due_ns : INT64_MAX;
}

bool pb_take_owed_locked(struct pb_pool *pool, int64_t now_ns, struct pb_owed *ret_owed)
{
    struct pb_restarts *restarts = &pool->restarts;
    uint32_t first = first_due_locked(pool);

    if (restarts->owed_count == 0 || restarts->owed[first].due_ns > now_ns) {
        return false;
    }
    *ret_owed = restarts->owed[first];
    restarts->owed[first] = restarts->owed[--restarts->owed_count];
    return true;
}

void pb_trim_owed_locked(struct pb_pool *pool, uint64_t room)
{
    struct pb_restarts *restarts = &pool->restarts;

    while (restarts->owed_count > room) {
        uint32_t last = 0;

        for (uint32_t i = 1; i < restarts->owed_count; i++) {
            last = restarts->owed[i].due_ns > restarts->owed[last].due_ns ? i : last;
        }
        restarts->owed[last] = restarts->owed[--restarts->owed_count];
    }
}
