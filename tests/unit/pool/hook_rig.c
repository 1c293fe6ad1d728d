#include "unit/pool/hook_rig.h"

#include <sched.h>

/* Holds a hook until it is let go, or asked by its token; true: it was asked. */
static bool hold(struct pb_hook_rig *h, const struct pb_token *token)
{
    struct pb_rig *rig = &h->rig;
    bool asked = false;

    pb_mutex_lock(&rig->lock);
    while (!h->let_go && !asked) {
        (void)pb_cond_wait_until(&rig->changed, &rig->lock, pb_now_ns() + PB_NS_PER_MS);
        asked = !h->deaf && pb_token_cancelled(token);
    }
    h->held_and_asked += asked;
    pb_mutex_unlock(&rig->lock);
    return asked;
}

static enum pb_status hook_start(void *ctx, const struct pb_worker_id *id, struct pb_token *token,
                                 int64_t deadline_ns, void **ret_state, struct pb_error *err)
{
    struct pb_hook_rig *h = ctx;

    pb_mutex_lock(&h->rig.lock);
    bool fails = h->fail_starts > 0, held = h->hold_starts > 0;

    h->starts++;
    h->starting++;
    h->fail_starts -= fails && h->fail_starts != UINT32_MAX;
    h->hold_starts -= held;
    h->wrong += deadline_ns <= 0;
    pb_cond_broadcast(&h->rig.changed);
    pb_mutex_unlock(&h->rig.lock);
    if (held && hold(h, token)) {
        fails = true;
    }
    pb_mutex_lock(&h->rig.lock);
    h->starting--;
    h->made += !fails;
    pb_mutex_unlock(&h->rig.lock);
    if (fails) {
        return pb_fail(err, PB_EPARSE, "worker %u said something odd", id->worker);
    }
    *ret_state = &h->prepared_by[id->worker];
    return PB_OK;
}

static enum pb_status hook_prepare(void *ctx, const struct pb_worker_id *id, void *state,
                                   struct pb_token *token, int64_t deadline_ns)
{
    struct pb_hook_rig *h = ctx;
    bool failed = false;

    pb_mutex_lock(&h->rig.lock);
    bool held = h->hold_prepares > 0;

    h->hold_prepares -= held;
    h->wrong += state != &h->prepared_by[id->worker] || deadline_ns <= 0;
    h->prepared_by[id->worker]++;
    h->prepared_before[id->worker] = h->prepared;
    h->prepares++;
    h->preparing++;
    h->most_preparing = h->preparing > h->most_preparing ? h->preparing : h->most_preparing;
    pb_cond_broadcast(&h->rig.changed);
    pb_mutex_unlock(&h->rig.lock);
    if (held) {
        failed = hold(h, token);
    }
    pb_mutex_lock(&h->rig.lock);
    h->preparing--;
    h->prepared++;
    failed = failed || h->fail_prepares;
    pb_mutex_unlock(&h->rig.lock);
    return failed ? PB_ETIMEDOUT : PB_OK;
}

static void hook_stop(void *ctx, const struct pb_worker_id *id, void *state, const char *reason)
{
    struct pb_hook_rig *h = ctx;

    pb_mutex_lock(&h->rig.lock);
    h->wrong += state != &h->prepared_by[id->worker];
    h->stopping++;
    while (h->hold_stops && !h->let_go) {
        (void)pb_cond_wait_until(&h->rig.changed, &h->rig.lock, pb_now_ns() + PB_NS_PER_MS);
    }
    h->stopping--;
    h->stops++;
    h->last_stopped = *id;
    h->stop_reason = reason;
    pb_mutex_unlock(&h->rig.lock);
}

static void hook_kill(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct pb_hook_rig *h = ctx;

    pb_mutex_lock(&h->rig.lock);
    h->wrong += state != &h->prepared_by[id->worker];
    h->kills++;
    pb_mutex_unlock(&h->rig.lock);
}

static int64_t hook_pid(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct pb_hook_rig *h = ctx;

    pb_mutex_lock(&h->rig.lock);
    h->wrong += state != &h->prepared_by[id->worker];
    pb_mutex_unlock(&h->rig.lock);
    return 1000 + 100 * (int64_t)id->incarnation + id->worker;
}

void pb_hook_rig_init(struct pb_hook_rig *h, uint32_t size, uint32_t queue_limit)
{
    *h = (struct pb_hook_rig){ .hooks = { .start = hook_start,
                                          .prepare = hook_prepare,
                                          .stop = hook_stop,
                                          .kill = hook_kill,
                                          .pid = hook_pid } };
    pb_rig_init(&h->rig, size, queue_limit);
    h->rig.config.hooks = &h->hooks;
}

void pb_hook_rig_start(struct pb_hook_rig *h)
{
    pb_rig_start(&h->rig);
    h->hooks = (struct pb_worker_hooks){ .start = NULL }; /* the pool has a copy */
}

void pb_hook_rig_stop(struct pb_hook_rig *h)
{
    pb_mutex_lock(&h->rig.lock);
    h->let_go = true;
    pb_cond_broadcast(&h->rig.changed);
    pb_mutex_unlock(&h->rig.lock);
    pb_rig_stop(&h->rig);
    ck_assert_uint_eq(h->made, h->stops);
    ck_assert_uint_eq(0, h->wrong);
}

uint32_t pb_hook_rig_count(struct pb_hook_rig *h, const uint32_t *counter)
{
    pb_mutex_lock(&h->rig.lock);
    uint32_t count = *counter;

    pb_mutex_unlock(&h->rig.lock);
    return count;
}

void pb_hook_rig_wait(struct pb_hook_rig *h, const uint32_t *counter, uint32_t count)
{
    int64_t deadline_ns = pb_rig_deadline();

    while (pb_hook_rig_count(h, counter) < count && pb_now_ns() < deadline_ns) {
        pb_pool_tick(h->rig.pool);
        (void)sched_yield();
    }
    ck_assert_uint_ge(pb_hook_rig_count(h, counter), count);
}
