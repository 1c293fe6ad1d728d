#include <pthread.h>
#include <sched.h>

#include "unit/pool/hook_rig.h"

/* What hooks make of workers: start, stop, kill, pid. */

static enum pb_outcome look_at_work(void *ctx, struct pb_work *work)
{
    struct pb_hook_rig *h = ctx;

    pb_mutex_lock(&h->rig.lock);
    h->wrong += work->state != &h->prepared_by[work->worker / 2];
    h->wrong += work->lane != work->worker % 2 || work->incarnation != 0;
    h->wrong += h->prepared_by[work->worker / 2] != 1; /* warmed before it serves */
    pb_mutex_unlock(&h->rig.lock);
    return PB_OUTCOME_OK;
}

PB_TEST(work_sees_what_the_start_hook_made)
{
    struct pb_hook_rig h;
    struct pb_worker_stats rows[3];

    pb_hook_rig_init(&h, 3, 100);
    h.rig.config.threads_per_worker = 2;
    h.rig.config.run = look_at_work;
    pb_hook_rig_start(&h);
    ck_assert_uint_eq(3, h.starts);
    ck_assert_uint_eq(3, pb_pool_workers(h.rig.pool, rows, 3));
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(1000 + i, rows[i].pid);
        ck_assert_int_eq(1000 + pb_rig_event(&h.rig, PB_POOL_WORKER_UP, i).worker,
                         pb_rig_event(&h.rig, PB_POOL_WORKER_UP, i).pid);
    }
    for (uint64_t i = 0; i < 100; i++) {
        pb_rig_submit(&h.rig, i);
    }
    pb_rig_wait_ended(&h.rig, 100);
    pb_hook_rig_stop(&h);
    ck_assert_str_eq("stopped", h.stop_reason);
}

PB_TEST(a_failed_start_fails_the_pool_with_its_own_words)
{
    struct pb_hook_rig h;
    struct pb_error err = { .text = "" };

    pb_hook_rig_init(&h, 3, 0);
    h.fail_starts = 1;
    PB_ASSERT_STATUS(PB_EPARSE, pb_pool_new(&h.rig.config, &h.rig.pool, &err));
    ck_assert_ptr_null(h.rig.pool);
    ck_assert_msg(strstr(err.text, "said something odd"), "%s", err.text);
    ck_assert_uint_eq(h.made, h.stops);
    ck_assert_uint_eq(pb_rig_events(&h.rig, PB_POOL_WORKER_UP),
                      pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    ck_assert_uint_eq(1, pb_rig_events(&h.rig, PB_POOL_WORKER_FAILED));
    ck_assert_str_eq("start_failed", pb_rig_event(&h.rig, PB_POOL_WORKER_FAILED, 0).reason);
}

PB_TEST(a_start_that_hangs_is_asked_to_stop_and_fails_the_pool)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 2, 0);
    h.hold_starts = 1;
    h.rig.config.init_timeout_ns = 1;
    PB_ASSERT_STATUS(PB_EPARSE, pb_pool_new(&h.rig.config, &h.rig.pool, NULL));
    ck_assert_uint_eq(1, h.held_and_asked);
    ck_assert_uint_eq(h.made, h.stops);
}

PB_TEST(freeing_a_pool_does_not_wait_for_a_start)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 10);
    h.rig.config.lazy = true;
    h.hold_starts = 1; /* with half a minute to go */
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0);
    pb_hook_rig_wait(&h, &h.starting, 1);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).queued);

    struct pb_worker_stats row;

    ck_assert_uint_eq(1, pb_pool_workers(h.rig.pool, &row, 1));
    ck_assert_int_eq(PB_HEALTH_STARTING, row.health);
    ck_assert_int_eq(0, row.ready_ns);
    PB_ASSERT_OK(pb_pool_free(h.rig.pool, 20 * PB_NS_PER_S));
    ck_assert_uint_eq(1, h.held_and_asked);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_FAILED)); /* it was told to */
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&h.rig, 0));
    ck_assert_uint_eq(h.made, h.stops);
}

PB_TEST(a_start_that_listens_to_nobody_is_given_up_and_followed)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 10);
    h.rig.config.lazy = true;
    h.rig.config.init_timeout_ns = 50 * PB_NS_PER_MS;
    h.rig.config.stuck_after_ns = PB_NS_PER_MS;
    h.rig.config.checkout_timeout_ns = INT64_MAX / 4;
    h.hold_starts = 1;
    h.deaf = true;
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 1);
    ck_assert_str_eq("start_timeout", pb_rig_event(&h.rig, PB_POOL_WORKER_FAILED, 0).reason);
    /* The next ones do not hang; on a busy machine a thread may be late all the same. */
    for (int64_t until_ns = pb_rig_deadline();
         pb_rig_started(&h.rig) == 0 && pb_now_ns() < until_ns;) {
        pb_rig_advance(&h.rig, PB_NS_PER_MS);
        (void)sched_yield();
    }
    pb_rig_wait_started(&h.rig, 1);
    ck_assert_uint_ne(0, h.rig.requests[0].worker);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).stuck);
    pb_hook_rig_stop(&h);
}

PB_TEST(killing_a_worker_calls_its_hook_and_tells_its_loss_before_its_end)
{
    struct pb_hook_rig h;
    uint32_t lost_at = 0, down_at = 0;

    pb_hook_rig_init(&h, 2, 0);
    pb_hook_rig_start(&h);
    h.hold_stops = true;
    PB_ASSERT_OK(pb_pool_kill_worker(h.rig.pool, 1, NULL));
    ck_assert_uint_eq(1, pb_hook_rig_count(&h, &h.kills));
    /* Replaced before it has been unmade. */
    pb_hook_rig_wait(&h, &h.stopping, 1);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 3);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));

    struct pb_pool_event lost = pb_rig_event(&h.rig, PB_POOL_WORKER_LOST, 0);

    ck_assert_str_eq("killed", lost.reason);
    ck_assert_int_eq(1001, lost.pid);
    ck_assert_int_eq(PB_HEALTH_DEAD, lost.health);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).lost);
    pb_mutex_lock(&h.rig.lock);
    h.hold_stops = false;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    for (uint32_t i = 0; i < h.rig.event_count; i++) {
        lost_at = h.rig.events[i].kind == PB_POOL_WORKER_LOST ? i : lost_at;
        down_at = h.rig.events[i].kind == PB_POOL_WORKER_DOWN && down_at == 0 ? i : down_at;
    }
    ck_assert_uint_lt(lost_at, down_at);
    ck_assert_str_eq("killed", h.stop_reason);
    ck_assert_uint_eq(1, h.last_stopped.worker);
    pb_hook_rig_stop(&h);
}
