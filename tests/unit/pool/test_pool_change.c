#include <sched.h>

#include "unit/pool/pool_rig.h"

/* pb_pool_reconfigure: what changes at once, what waits for whom. */

static struct pb_pool_config change(struct pb_rig *rig, struct pb_pool_change change)
{
    struct pb_pool_config effective;

    PB_ASSERT_OK(pb_pool_reconfigure(rig->pool, &change, &effective, NULL));
    pb_pool_tick(rig->pool);
    return effective;
}

static struct pb_pool_config resize(struct pb_rig *rig, int64_t size)
{
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    to.size = size;
    return change(rig, to);
}

PB_TEST(a_pool_grows_at_once_and_owes_nobody)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 10);
    rig.config.max_size = 4;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 1);
    ck_assert_uint_eq(4, resize(&rig, 4).size);
    pb_rig_wait_started(&rig, 4);
    ck_assert_uint_eq(4, pb_rig_stats(&rig).workers_started);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).overflow_started);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_CONFIGURED));
    ck_assert_uint_eq(PB_NO_WORKER, pb_rig_event(&rig, PB_POOL_CONFIGURED, 0).worker);
    pb_rig_stop(&rig);
}

PB_TEST(a_shrinking_pool_lets_its_longest_idle_workers_go)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 4, 10);
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 4);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    uint32_t busy = rig.requests[0].worker;

    ck_assert_uint_eq(2, resize(&rig, 2).size);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 2);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_str_eq("resized", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, i).reason);
        ck_assert_uint_ne(busy, pb_rig_event(&rig, PB_POOL_WORKER_DOWN, i).worker);
    }
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 0));
    pb_rig_wait_parked(&rig, 2);
    pb_rig_stop(&rig);
}

/* Nobody need ever be idle under load. */
static void shrink_while_all_are_busy(uint32_t threads)
{
    struct pb_rig rig;
    uint32_t slots = 4 * threads;

    pb_rig_init(&rig, 4, 100);
    rig.config.threads_per_worker = threads;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < slots + 100; i++) { /* the pool is full */
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, slots);
    ck_assert_uint_eq(2, resize(&rig, 2).size);
    ck_assert_uint_eq(2 * threads, pb_rig_stats(&rig).alive);
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    for (uint64_t i = 0; i < slots; i++) {
        pb_rig_let_go(&rig, i, PB_OUTCOME_OK);
    }
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 2);
    ck_assert_str_eq("resized", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    pb_rig_wait_started(&rig, slots + 2 * threads);
    pb_rig_let_others_run();
    ck_assert_uint_eq(slots + 2 * threads, pb_rig_started(&rig)); /* as many at a time as now fit */
    ck_assert_uint_eq(0, pb_rig_stats(&rig).outcomes[PB_OUTCOME_REJECTED]);
    /* 100 - 2 * threads wait: so many places are free in the queue. */
    for (uint64_t i = 0; i < 2 * threads + 1; i++) {
        pb_rig_submit(&rig, slots + 100 + i);
    }
    ck_assert_uint_eq(1, pb_rig_stats(&rig).outcomes[PB_OUTCOME_REJECTED]);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, slots + 100 + 2 * threads + 1);
    pb_rig_stop(&rig);
}

PB_TEST(a_shrinking_pool_lets_busy_workers_finish)
{
    shrink_while_all_are_busy(1);
    shrink_while_all_are_busy(3);
}

PB_TEST(a_smaller_size_makes_overflow_workers_that_go_when_idle_for_long)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 10);
    rig.config.max_overflow = 2;
    rig.config.overflow_ttl_ns = 1000;
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 3);
    (void)resize(&rig, 1);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    pb_rig_advance(&rig, 1000);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 2);
    ck_assert_str_eq("idle", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).alive);
    pb_rig_stop(&rig);
}

PB_TEST(what_goes_beyond_the_room_is_cut_to_it_and_comes_back)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 2, 10);
    rig.config.max_overflow = 2;
    rig.config.max_size = 6;
    rig.config.max_queue_limit = 20;
    pb_rig_start(&rig);
    ck_assert_uint_eq(6 + 2, pb_pool_slots(rig.pool));
    to.size = 5;
    to.queue_limit = 1000;
    struct pb_pool_config now = change(&rig, to);

    ck_assert_uint_eq(5, now.size);
    ck_assert_uint_eq(1, now.max_overflow);
    ck_assert_uint_eq(20, now.queue_limit);
    ck_assert_uint_eq(6, resize(&rig, 1024).size);
    now = resize(&rig, 3);
    ck_assert_uint_eq(3, now.size);
    ck_assert_uint_eq(2, now.max_overflow);
    pb_rig_stop(&rig);
}

PB_TEST(a_change_out_of_range_changes_nothing)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;
    struct pb_pool_config effective = { .size = 77 };
    struct pb_error err = { .text = "" };

    pb_rig_init(&rig, 2, 10);
    pb_rig_start(&rig);
    to.queue_limit = 5;
    to.size = 0;
    PB_ASSERT_STATUS(PB_EINVAL, pb_pool_reconfigure(rig.pool, &to, &effective, &err));
    ck_assert_str_eq("pool: size cannot become 0: it must be 1..1024", err.text);
    ck_assert_uint_eq(77, effective.size);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_CONFIGURED));
    to = PB_POOL_NO_CHANGE;
    ck_assert_uint_eq(10, change(&rig, to).queue_limit);
    to.checkout_timeout_ns = 0;
    PB_ASSERT_STATUS(PB_EINVAL, pb_pool_reconfigure(rig.pool, &to, NULL, NULL));
    pb_rig_stop(&rig);
}

PB_TEST(queue_limit_changes_for_whoever_submits_next)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 1, 3);
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(&rig, i);
    }
    to.queue_limit = 1;
    (void)change(&rig, to);
    pb_rig_submit(&rig, 4);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 4));
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, 5); /* none of those that were waiting is turned away */
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, i));
    }
    pb_rig_stop(&rig);
}

PB_TEST(a_lowered_checkout_timeout_is_for_requests_sent_afterwards)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 1, 10);
    rig.config.checkout_timeout_ns = 1000;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1); /* due at 1000 */
    pb_rig_advance(&rig, 10);
    to.checkout_timeout_ns = 100;
    ck_assert_int_eq(100, change(&rig, to).checkout_timeout_ns);
    pb_rig_submit(&rig, 2); /* due at 110, told when the one before it has gone */
    pb_rig_advance(&rig, 989);
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 2));
    pb_rig_submit(&rig, 3);
    pb_rig_advance(&rig, 99);
    ck_assert_uint_eq(2, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 3));
    pb_rig_stop(&rig);
}

PB_TEST(a_worker_takes_no_request_past_its_lowered_timeout)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 1, 10);
    rig.config.checkout_timeout_ns = 1000;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    to.checkout_timeout_ns = 100;
    pb_rig_advance(&rig, 1);
    (void)change(&rig, to);
    pb_rig_submit(&rig, 2);
    pb_rig_advance(&rig, 500);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, 3);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 1));
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 2));
    pb_rig_stop(&rig);
}

PB_TEST(a_raised_checkout_timeout_is_for_those_waiting_too)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 1, 10);
    rig.config.checkout_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    to.checkout_timeout_ns = 200;
    (void)change(&rig, to);
    pb_rig_advance(&rig, 199);
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(an_operation_timeout_is_that_of_the_time_of_sending)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 2, 10);
    rig.config.operation_timeout_ns = 1000;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_advance(&rig, 1);
    to.operation_timeout_ns = 100;
    (void)change(&rig, to);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, 99);
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(1, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 899);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    pb_rig_stop(&rig);
}

PB_TEST(many_steps_down_never_time_out_early)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 1, 30);
    rig.config.checkout_timeout_ns = 10000;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    /* Requests 1..20: number i may wait for 10000 - 400 (i - 1). */
    for (int64_t i = 1; i <= 20; i++) {
        pb_rig_submit(&rig, (uint64_t)i);
        pb_rig_advance(&rig, 1);
        to.checkout_timeout_ns = 10000 - 400 * i;
        (void)change(&rig, to);
    }
    pb_rig_advance(&rig, 9000);
    ck_assert_uint_eq(0, pb_rig_ended(&rig)); /* the oldest is first, and may wait */
    pb_rig_advance(&rig, 1000);
    pb_rig_wait_ended(&rig, 20);
    for (uint64_t i = 1; i <= 20; i++) {
        ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, i));
    }
    pb_rig_stop(&rig);
}
