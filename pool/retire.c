#include "pool/pool_internal.h"

/*
 * Workers that go, to be replaced, though nothing is wrong with them.  None is busy when it goes:
 * one that is asleep is sent home, one at work is asked (PB_LEAVE_ASK) and goes between two
 * requests, so that its place in the limit goes with it.
 */

/* LEAVING, recycled.  Whoever calls this sends those asleep home. */
static void retire_locked(struct pb_pool *pool, struct pb_group *group) PB_REQUIRES(pool->lock);
static void retire_locked(struct pb_pool *pool, struct pb_group *group)
{
    group->state = PB_GROUP_LEAVING;
    group->leave_reason = group->due_for;
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        atomic_store(&group->lanes[lane].must_leave, PB_LEAVE_AFTER);
    }
    group->finishing = pool->threads > 1; /* its other slots may have something to finish */
    pool->finishing += group->finishing;
    pool->recycled++;
    if (!pb_leaves_alive_locked(pool, group)) {
        pb_owe_locked(pool, group, false);
    }
    pb_update_limit_locked(pool);
}

void pb_ask_slots_locked(struct pb_group *group)
{
    for (uint32_t lane = 0; lane < group->pool->threads && group->state == PB_GROUP_ALIVE; lane++) {
        uint32_t none = PB_LEAVE_NOT;

        (void)atomic_compare_exchange_strong(&group->lanes[lane].must_leave, &none, PB_LEAVE_ASK);
    }
}

bool pb_may_stay(struct pb_worker *worker)
{
    struct pb_group *group = worker->group;
    struct pb_pool *pool = group->pool;
    uint32_t asked = PB_LEAVE_ASK;

    pb_mutex_lock(&pool->lock);
    (void)atomic_compare_exchange_strong(&worker->must_leave, &asked, PB_LEAVE_NOT);
    if (group->state == PB_GROUP_ALIVE && !atomic_load(&pool->stopping)) {
        if (pb_recycle_is_due_locked(worker) && group->state == PB_GROUP_ALIVE) {
            retire_locked(pool, group);
        }
    }
    bool stays = group->state == PB_GROUP_ALIVE && !atomic_load(&pool->stopping);

    pb_mutex_unlock(&pool->lock);
    if (!stays) {
        pb_group_wake(group);
        pb_ask_keeper(pool);
    }
    return stays;
}

void pb_let_go(struct pb_group *group)
{
    struct pb_pool *pool = group->pool;
    bool idle = pb_idle_take_group(group);

    pb_mutex_lock(&pool->lock);
    if (!idle) {
        pb_ask_slots_locked(group);
    } else if (group->state == PB_GROUP_ALIVE) { /* else killed a moment ago */
        retire_locked(pool, group);
    }
    pb_mutex_unlock(&pool->lock);
    for (uint32_t lane = 0; idle && lane < pool->threads; lane++) {
        pb_send_word(&group->lanes[lane], PB_WORD_LEAVE);
    }
}
