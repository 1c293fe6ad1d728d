#include <sched.h>

#include "unit/pool/hook_rig.h"

/* How soon who is lost is followed. */

/* Each worker is lost with its first request; ok requests are a success. */
static enum pb_outcome die_or_not(void *ctx, struct pb_work *work)
{
    struct pb_rig *rig = ctx;

    pb_mutex_lock(&rig->lock);
    enum pb_outcome result = rig->requests[work->request->index].result;

    rig->started++;
    pb_mutex_unlock(&rig->lock);
    return result;
}

static void start(struct pb_hook_rig *h)
{
    pb_hook_rig_init(h, 1, 10);
    h->rig.config.run = die_or_not;
    h->rig.config.restart_delay_ns = 100;
    h->rig.config.restart_max_delay_ns = 350;
    h->rig.config.restart_window_ns = 10000;
    pb_hook_rig_start(h);
}

/* Submits a request that loses its worker. */
static void lose(struct pb_hook_rig *h, uint64_t index)
{
    h->rig.requests[index].result = PB_OUTCOME_WORKER_LOST;
    pb_rig_submit(&h->rig, index);
    pb_rig_wait_event(&h->rig, PB_POOL_WORKER_DOWN, (uint32_t)index + 1);
}

/* After `delay_ns`, and not a nanosecond before it, one more worker comes up. */
static void comes_after(struct pb_hook_rig *h, int64_t delay_ns)
{
    uint32_t up = pb_rig_events(&h->rig, PB_POOL_WORKER_UP);

    if (delay_ns > 0) {
        pb_rig_advance(&h->rig, delay_ns - 1);
        pb_pool_tick(h->rig.pool);
        ck_assert_uint_eq(up, pb_hook_rig_count(h, &h->starts));
        pb_rig_advance(&h->rig, 1);
    }
    pb_rig_wait_event(&h->rig, PB_POOL_WORKER_UP, up + 1);
}

PB_TEST(workers_without_a_success_are_followed_later_and_later)
{
    struct pb_hook_rig h;

    start(&h);
    pb_pool_tick(h.rig.pool);
    for (uint64_t i = 0; i < 5; i++) {
        static const int64_t delays_ns[] = { 0, 100, 200, 350, 350 };

        lose(&h, i);
        if (delays_ns[i] > 0) {
            comes_after(&h, delays_ns[i]);
        } else {
            pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
        }
    }
    pb_hook_rig_stop(&h);
}

PB_TEST(a_success_is_followed_at_once_again)
{
    struct pb_hook_rig h;

    start(&h);
    lose(&h, 0);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
    lose(&h, 1);
    comes_after(&h, 100);
    h.rig.requests[20].result = PB_OUTCOME_OK;
    pb_rig_submit(&h.rig, 20);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FIRST_OK, 1);
    lose(&h, 2); /* after a success */
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 4);
    lose(&h, 3); /* the first without */
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 5);
    lose(&h, 4); /* the second */
    comes_after(&h, 100);
    pb_hook_rig_stop(&h);
}

PB_TEST(killing_workers_is_no_fault_of_theirs)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 0);
    h.rig.config.max_restarts = 1;
    pb_hook_rig_start(&h);
    for (uint32_t i = 0; i < 5; i++) {
        PB_ASSERT_OK(pb_pool_kill_worker(h.rig.pool, 0, NULL));
        pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, i + 2);
        while (pb_rig_stats(&h.rig).alive == 0) {
            (void)sched_yield();
        }
    }
    pb_hook_rig_stop(&h);
}

PB_TEST(too_many_restarts_wait_until_the_window_has_passed)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 2, 10);
    h.rig.config.run = die_or_not;
    h.rig.config.restart_delay_ns = 0;
    h.rig.config.max_restarts = 3;
    h.rig.config.restart_window_ns = 1000;
    pb_hook_rig_start(&h);
    for (uint64_t i = 0; i < 3; i++) {
        lose(&h, i);
        pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, (uint32_t)i + 3);
        pb_rig_advance(&h.rig, 10);
    }
    lose(&h, 3); /* one more than allowed, 30 after the first */
    pb_rig_advance(&h.rig, 969);
    pb_pool_tick(h.rig.pool);
    ck_assert_uint_eq(5, pb_rig_events(&h.rig, PB_POOL_WORKER_UP));
    ck_assert_uint_eq(5, pb_hook_rig_count(&h, &h.starts));
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).alive); /* it goes on with what it has */
    h.rig.requests[20].result = PB_OUTCOME_OK;
    pb_rig_submit(&h.rig, 20);
    pb_rig_wait_ended(&h.rig, 5);
    pb_rig_advance(&h.rig, 1);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 6);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_start_that_always_fails_is_tried_with_patience)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 10);
    h.rig.config.lazy = true;
    h.rig.config.checkout_timeout_ns = INT64_MAX / 4;
    h.rig.config.restart_delay_ns = 100;
    h.rig.config.restart_max_delay_ns = 400;
    h.fail_starts = UINT32_MAX;
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 2); /* at once, and at once again */
    for (int i = 0; i < 50; i++) {
        pb_pool_tick(h.rig.pool);
    }
    ck_assert_uint_eq(2, pb_hook_rig_count(&h, &h.starts));
    pb_rig_advance(&h.rig, 100);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 3);
    pb_rig_advance(&h.rig, 199);
    ck_assert_uint_eq(3, pb_hook_rig_count(&h, &h.starts));
    pb_rig_advance(&h.rig, 1);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 4);
    ck_assert_uint_eq(4, pb_rig_stats(&h.rig).workers_failed);
    ck_assert_uint_eq(0, pb_rig_stats(&h.rig).workers_started);
    pb_mutex_lock(&h.rig.lock);
    h.fail_starts = 0;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_advance(&h.rig, 400);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 1);
    pb_rig_wait_started(&h.rig, 1);
    pb_hook_rig_stop(&h);
}
