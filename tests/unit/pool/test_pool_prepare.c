#include <pthread.h>
#include <sched.h>

#include "unit/pool/hook_rig.h"

/* Workers are warmed, each once, before they serve. */

static void *start_main(void *arg)
{
    pb_hook_rig_start(arg);
    return NULL;
}

/* Starts a pool whose first `batch` workers hang while they are warmed: nobody else may begin
 * before they are let go. */
static void warm_up(struct pb_hook_rig *h, uint32_t size, enum pb_prepare how, uint32_t batch)
{
    int64_t deadline_ns = pb_rig_deadline();
    pthread_t thread;

    pb_hook_rig_init(h, size, 0);
    h->rig.config.prepare = how;
    h->hold_prepares = batch;
    ck_assert_int_eq(0, pthread_create(&thread, NULL, start_main, h));
    while (pb_hook_rig_count(h, &h->prepares) < batch && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    pb_rig_let_others_run();
    ck_assert_uint_eq(batch, pb_hook_rig_count(h, &h->prepares));
    pb_mutex_lock(&h->rig.lock);
    h->let_go = true;
    pb_mutex_unlock(&h->rig.lock);
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    for (uint32_t i = 0; i < size; i++) {
        ck_assert_uint_eq(1, h->prepared_by[i]);
        ck_assert_uint_ge(h->prepared_before[i], i / batch * batch);
    }
    ck_assert_uint_le(h->most_preparing, batch);
    ck_assert_uint_eq(size, h->prepares);
    ck_assert_uint_eq(size, pb_rig_stats(&h->rig).prepared);
    ck_assert_uint_eq(0, pb_rig_stats(&h->rig).prepare_failures);
    ck_assert_uint_eq(size, pb_rig_events(&h->rig, PB_POOL_WORKER_UP));
}

PB_TEST(parallel_warms_each_worker_once_and_all_at_a_time)
{
    struct pb_hook_rig h;

    warm_up(&h, 9, PB_PREPARE_PARALLEL, 9);
    pb_hook_rig_stop(&h);
}

PB_TEST(sequential_warms_one_after_the_other)
{
    struct pb_hook_rig h;

    warm_up(&h, 7, PB_PREPARE_SEQUENTIAL, 1);
    for (uint32_t i = 0; i < 7; i++) {
        ck_assert_uint_eq(i, h.prepared_before[i]);
    }
    pb_hook_rig_stop(&h);
}

/* Three batches of ceil(n / 3): nobody of a batch begins before the one before it has ended. */
static void staged(uint32_t size)
{
    struct pb_hook_rig h;

    warm_up(&h, size, PB_PREPARE_STAGED, (size + 2) / 3);
    pb_hook_rig_stop(&h);
}

PB_TEST(staged_warms_nine_in_three_batches)
{
    staged(9);
}

PB_TEST(staged_warms_ten_in_three_batches)
{
    staged(10);
}

PB_TEST(staged_warms_two_and_one)
{
    staged(2);
    staged(1);
}

PB_TEST(a_worker_that_fails_to_warm_serves_all_the_same)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 2, 0);
    h.fail_prepares = true;
    pb_hook_rig_start(&h);
    ck_assert_uint_eq(2, pb_rig_stats(&h.rig).prepare_failures);
    ck_assert_uint_eq(0, pb_rig_stats(&h.rig).prepared);
    ck_assert_uint_eq(2, pb_rig_stats(&h.rig).alive);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_hook_rig_stop(&h);
}

static void one_hangs(enum pb_prepare how)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 4, 0);
    h.rig.config.prepare = how;
    h.rig.config.prepare_timeout_ns = 1;
    h.rig.config.stuck_after_ns = 100 * PB_NS_PER_S; /* it listens, but on a busy machine late */
    h.hold_prepares = 1;
    pb_hook_rig_start(&h);
    ck_assert_uint_eq(4, pb_rig_stats(&h.rig).alive);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).prepare_failures);
    ck_assert_uint_eq(3, pb_rig_stats(&h.rig).prepared);
    ck_assert_uint_eq(1, h.held_and_asked);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_worker_that_hangs_while_it_is_warmed_is_asked_to_stop)
{
    one_hangs(PB_PREPARE_PARALLEL);
    one_hangs(PB_PREPARE_SEQUENTIAL);
    one_hangs(PB_PREPARE_STAGED);
}

PB_TEST(a_worker_that_hangs_and_does_not_listen_is_left_behind_and_replaced)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 3, 10);
    h.rig.config.prepare = PB_PREPARE_SEQUENTIAL;
    h.rig.config.prepare_timeout_ns = PB_NS_PER_MS;
    h.rig.config.stuck_after_ns = PB_NS_PER_MS;
    h.hold_prepares = 1;
    h.deaf = true;
    pb_hook_rig_start(&h); /* not one of the others was kept waiting for ever */
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 1);
    ck_assert_str_eq("prepare_timeout", pb_rig_event(&h.rig, PB_POOL_WORKER_FAILED, 0).reason);
    ck_assert_uint_ge(pb_rig_stats(&h.rig).prepare_failures, 1);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_hook_rig_stop(&h);
}

PB_TEST(overflow_and_replacements_are_warmed_before_they_serve)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 0);
    h.rig.config.max_overflow = 1;
    h.rig.config.prepare = PB_PREPARE_SEQUENTIAL;
    pb_hook_rig_start(&h);
    h.hold_prepares = 1;
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_rig_submit(&h.rig, 1);
    pb_hook_rig_wait(&h, &h.preparing, 1); /* the overflow worker */
    pb_rig_let_others_run();
    ck_assert_uint_eq(1, pb_rig_started(&h.rig));
    ck_assert_uint_eq(1, pb_rig_events(&h.rig, PB_POOL_WORKER_UP));
    pb_mutex_lock(&h.rig.lock);
    h.let_go = true;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&h.rig, 2);
    PB_ASSERT_OK(pb_pool_kill_worker(h.rig.pool, 0, NULL));
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 3);
    ck_assert_uint_eq(3, pb_rig_stats(&h.rig).prepared);
    pb_hook_rig_stop(&h);
}
