#include <sched.h>

#include "unit/pool/hook_rig.h"

/* Idle workers are asked whether they are well. */

#define INTERVAL (10 * PB_NS_PER_S)

struct clinic {
    struct pb_hook_rig h; /* first */
    /* Under rig.lock. */
    uint32_t sick;  /* this worker, in its first incarnation, is not well */
    bool hold;      /* checks wait until their token asks, or for `let_go` */
    uint32_t asked; /* checks begun */
    uint32_t asking, most_asking;
    uint32_t asked_of[16];
    uint32_t of_busy;
};

static bool check(void *ctx, const struct pb_worker_id *id, void *state, struct pb_token *token,
                  int64_t deadline_ns)
{
    struct clinic *c = ctx;
    struct pb_rig *rig = &c->h.rig;

    pb_mutex_lock(&rig->lock);
    c->h.wrong += state != &c->h.prepared_by[id->worker] || deadline_ns <= 0;
    c->asked++;
    c->asked_of[id->worker]++;
    c->asking++;
    c->most_asking = c->asking > c->most_asking ? c->asking : c->most_asking;
    pb_cond_broadcast(&rig->changed);
    while (c->hold && !c->h.let_go && (c->h.deaf || !pb_token_cancelled(token))) {
        (void)pb_cond_wait_until(&rig->changed, &rig->lock, pb_now_ns() + PB_NS_PER_MS);
    }
    c->asking--;
    bool well = id->worker != c->sick || id->incarnation > 0;

    pb_mutex_unlock(&rig->lock);
    return well;
}

static void plan_clinic(struct clinic *c, uint32_t size)
{
    *c = (struct clinic){ .sick = UINT32_MAX };
    pb_hook_rig_init(&c->h, size, 10);
    c->h.hooks.check = check;
    c->h.rig.config.health_check_interval_ns = INTERVAL;
}

static void open_clinic(struct clinic *c, uint32_t size)
{
    plan_clinic(c, size);
    pb_hook_rig_start(&c->h);
    pb_rig_wait_parked(&c->h.rig, size);
}

static void set_sick(struct clinic *c, uint32_t worker)
{
    pb_mutex_lock(&c->h.rig.lock);
    c->sick = worker;
    pb_mutex_unlock(&c->h.rig.lock);
}

static uint64_t checks_done(struct clinic *c)
{
    return pb_rig_stats(&c->h.rig).health_checks;
}

/* One interval passes, and all workers are asked. */
static void round_of_checks(struct clinic *c, uint32_t workers)
{
    uint64_t before = checks_done(c);
    int64_t deadline_ns = pb_rig_deadline();

    pb_rig_advance(&c->h.rig, INTERVAL * 11 / 10 + 1);
    while (checks_done(c) < before + workers && pb_now_ns() < deadline_ns) {
        pb_pool_tick(c->h.rig.pool);
        (void)sched_yield();
    }
    ck_assert_uint_eq(before + workers, checks_done(c));
}

PB_TEST(a_worker_is_replaced_after_exactly_three_failed_checks)
{
    struct clinic c;
    struct pb_rig *rig = &c.h.rig;

    open_clinic(&c, 2);
    set_sick(&c, 1);
    round_of_checks(&c, 2);
    ck_assert_int_eq(PB_HEALTH_DEGRADED, pb_rig_event(rig, PB_POOL_WORKER_HEALTH, 0).health);
    ck_assert_uint_eq(1, pb_rig_event(rig, PB_POOL_WORKER_HEALTH, 0).worker);
    round_of_checks(&c, 2);
    ck_assert_uint_eq(1, pb_rig_events(rig, PB_POOL_WORKER_HEALTH)); /* as before */
    ck_assert_uint_eq(2, pb_rig_stats(rig).workers_started);
    round_of_checks(&c, 2);
    pb_rig_wait_event(rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_int_eq(PB_HEALTH_UNHEALTHY, pb_rig_event(rig, PB_POOL_WORKER_HEALTH, 1).health);
    ck_assert_str_eq("health", pb_rig_event(rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(1, pb_rig_event(rig, PB_POOL_WORKER_DOWN, 0).worker);
    pb_rig_wait_event(rig, PB_POOL_WORKER_UP, 3);
    ck_assert(pb_rig_event(rig, PB_POOL_WORKER_UP, 2).replacement);
    ck_assert_uint_eq(1, pb_rig_stats(rig).unhealthy);
    ck_assert_uint_eq(3, pb_rig_stats(rig).health_failures);
    ck_assert_uint_eq(6, pb_rig_stats(rig).health_checks);
    pb_hook_rig_stop(&c.h);
}

PB_TEST(two_failures_and_a_success_leave_a_worker_where_it_is)
{
    struct clinic c;

    open_clinic(&c, 2);
    for (int i = 0; i < 3; i++) {
        set_sick(&c, 0);
        round_of_checks(&c, 2);
        round_of_checks(&c, 2);
        set_sick(&c, UINT32_MAX);
        round_of_checks(&c, 2);
    }
    ck_assert_uint_eq(0, pb_rig_events(&c.h.rig, PB_POOL_WORKER_DOWN));
    ck_assert_uint_eq(6, pb_rig_events(&c.h.rig, PB_POOL_WORKER_HEALTH));
    ck_assert_int_eq(PB_HEALTH_HEALTHY, pb_rig_event(&c.h.rig, PB_POOL_WORKER_HEALTH, 5).health);
    ck_assert_uint_eq(6, pb_rig_stats(&c.h.rig).health_failures);
    pb_hook_rig_stop(&c.h);
}

PB_TEST(not_all_idle_workers_are_asked_at_once_and_requests_do_not_wait)
{
    struct clinic c;

    open_clinic(&c, 4);
    c.hold = true;
    pb_rig_advance(&c.h.rig, INTERVAL * 11 / 10 + 1);
    pb_hook_rig_wait(&c.h, &c.asked, 2);
    for (int i = 0; i < 5; i++) {
        pb_pool_tick(c.h.rig.pool);
    }
    pb_rig_wait_parked(&c.h.rig, 2);
    ck_assert_uint_eq(2, pb_hook_rig_count(&c.h, &c.asking));
    for (uint64_t i = 0; i < 2; i++) {
        pb_rig_submit(&c.h.rig, i);
    }
    pb_rig_wait_started(&c.h.rig, 2);
    ck_assert_uint_eq(2, pb_hook_rig_count(&c.h, &c.asking));
    pb_hook_rig_stop(&c.h);
    ck_assert_uint_eq(2, c.most_asking);
}

PB_TEST(checks_of_workers_come_at_their_interval)
{
    struct clinic c;

    open_clinic(&c, 3);
    pb_rig_advance(&c.h.rig, INTERVAL * 9 / 10 - 1);
    pb_rig_let_others_run();
    ck_assert_uint_eq(0, checks_done(&c));
    pb_rig_advance(&c.h.rig, INTERVAL / 5 + 2);
    pb_hook_rig_wait(&c.h, &c.asked, 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(1, c.asked_of[i]);
    }
    pb_hook_rig_stop(&c.h);
}

PB_TEST(a_busy_worker_is_not_asked)
{
    struct clinic c;

    open_clinic(&c, 1);
    pb_rig_submit(&c.h.rig, 0);
    pb_rig_wait_started(&c.h.rig, 1);
    pb_rig_advance(&c.h.rig, 2 * INTERVAL);
    pb_rig_let_others_run();
    ck_assert_uint_eq(0, pb_hook_rig_count(&c.h, &c.asked));
    pb_rig_let_go(&c.h.rig, 0, PB_OUTCOME_OK);
    pb_hook_rig_wait(&c.h, &c.asked, 1);
    pb_hook_rig_stop(&c.h);
}

PB_TEST(a_check_that_hangs_costs_the_worker_its_place)
{
    struct clinic c;

    plan_clinic(&c, 2);
    c.hold = c.h.deaf = true;
    c.h.rig.config.health_check_timeout_ns = 1;
    c.h.rig.config.stuck_after_ns = 1;
    pb_hook_rig_start(&c.h);
    pb_rig_wait_parked(&c.h.rig, 2);
    pb_rig_advance(&c.h.rig, INTERVAL * 11 / 10 + 1);
    pb_hook_rig_wait(&c.h, &c.asked, 1);
    pb_rig_wait_event(&c.h.rig, PB_POOL_WORKER_HEALTH, 1);
    ck_assert_int_eq(PB_HEALTH_UNHEALTHY, pb_rig_event(&c.h.rig, PB_POOL_WORKER_HEALTH, 0).health);
    pb_rig_wait_event(&c.h.rig, PB_POOL_WORKER_UP, 3);
    ck_assert_uint_eq(0, pb_rig_events(&c.h.rig, PB_POOL_WORKER_DOWN));
    pb_mutex_lock(&c.h.rig.lock);
    c.h.let_go = true;
    pb_mutex_unlock(&c.h.rig.lock);
    pb_rig_wait_event(&c.h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_str_eq("health", pb_rig_event(&c.h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    pb_hook_rig_stop(&c.h);
}

PB_TEST(a_pool_is_freed_during_a_check)
{
    struct clinic c;

    open_clinic(&c, 1);
    c.hold = true;
    pb_rig_advance(&c.h.rig, INTERVAL * 11 / 10 + 1);
    pb_hook_rig_wait(&c.h, &c.asked, 1);
    PB_ASSERT_OK(pb_pool_free(c.h.rig.pool, 20 * PB_NS_PER_S));
    ck_assert_uint_eq(c.h.made, c.h.stops);
}

PB_TEST(a_worker_lost_during_its_check_is_replaced_once)
{
    struct clinic c;

    open_clinic(&c, 1);
    c.hold = true;
    set_sick(&c, 0);
    pb_rig_advance(&c.h.rig, INTERVAL * 11 / 10 + 1);
    pb_hook_rig_wait(&c.h, &c.asked, 1);
    PB_ASSERT_OK(pb_pool_worker_lost(c.h.rig.pool, 0, 0, "exited"));
    pb_rig_wait_event(&c.h.rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_wait_event(&c.h.rig, PB_POOL_WORKER_UP, 2);
    ck_assert_str_eq("exited", pb_rig_event(&c.h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(2, pb_rig_stats(&c.h.rig).workers_started);
    ck_assert_uint_eq(0, pb_rig_stats(&c.h.rig).unhealthy);
    pb_hook_rig_stop(&c.h);
}
