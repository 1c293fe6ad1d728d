#include "pool/pool_internal.h"
#include "support/threads.h"
#include "unit/pool/pool_rig.h"

PB_TEST(overflow_workers_start_on_demand_up_to_their_number)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.max_overflow = 2;
    pb_rig_start(&rig);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_UP));
    for (uint64_t i = 0; i < 6; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3);
    pb_rig_wait_started(&rig, 3);
    pb_pool_tick(rig.pool);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(3, pb_rig_stats(&rig).alive);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).overflow_started);
    ck_assert_uint_eq(2, rig.overflow_running);
    ck_assert_str_eq("start", pb_rig_event(&rig, PB_POOL_WORKER_UP, 0).reason);
    ck_assert_str_eq("overflow", pb_rig_event(&rig, PB_POOL_WORKER_UP, 1).reason);
    ck_assert(pb_rig_event(&rig, PB_POOL_WORKER_UP, 2).overflow);
    pb_rig_stop(&rig);
}

PB_TEST(no_worker_starts_for_a_request_that_an_idle_one_will_take)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 5);
    rig.config.max_overflow = 2;
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 2); /* one on its way to sleep would take it as well, unseen */
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_pool_tick(rig.pool);
    pb_rig_wait_started(&rig, 2);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).workers_started);
    pb_rig_stop(&rig);
}

PB_TEST(overflow_after_opens_only_for_a_request_that_waited_so_long)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.max_overflow = 2;
    rig.config.overflow_after_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    ck_assert(atomic_load(&rig.pool->can_grow));
    pb_rig_advance(&rig, 99);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).workers_started);
    ck_assert(!atomic_load(&rig.pool->can_grow)); /* submitters need not ask again */
    pb_rig_advance(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).overflow_started);
    pb_pool_tick(rig.pool);
    ck_assert(atomic_load(&rig.pool->can_grow)); /* one more would be possible */
    pb_rig_stop(&rig);
}

/* Four workers, of which the two beyond `size` came later; asleep one by one, 10 ns apart, in the
 * order of the requests. */
static void four_asleep(struct pb_rig *rig)
{
    pb_rig_init(rig, 2, 5);
    rig->config.max_overflow = 2;
    rig->config.overflow_ttl_ns = 1000;
    pb_rig_start(rig);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(rig, i);
        if (i > 1) {
            pb_rig_wait_event(rig, PB_POOL_WORKER_UP, (uint32_t)i + 1);
        }
        pb_rig_wait_started(rig, (uint32_t)i + 1);
    }
    for (uint64_t i = 0; i < 4; i++) {
        atomic_fetch_add(&rig->at_ns, 10);
        pb_rig_let_go(rig, i, PB_OUTCOME_OK);
        pb_rig_wait_parked(rig, (uint32_t)i + 1);
    }
}

PB_TEST(overflow_goes_when_idle_for_its_ttl_the_longest_idle_first)
{
    struct pb_rig rig;

    four_asleep(&rig); /* at +10, +20, +30, +40 */
    pb_rig_advance(&rig, 969);
    ck_assert_uint_eq(4, pb_rig_stats(&rig).alive);
    pb_rig_advance(&rig, 1); /* + 1010 */
    ck_assert_uint_eq(3, pb_rig_stats(&rig).alive);
    pb_rig_advance(&rig, 9);
    ck_assert_uint_eq(3, pb_rig_stats(&rig).alive);
    pb_rig_advance(&rig, 1);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    pb_rig_advance(&rig, 5000);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive); /* the core stays */
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 2);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_str_eq("idle", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, i).reason);
    }
    pb_rig_stop(&rig);
}

PB_TEST(overflow_is_by_count_not_by_who_came_last)
{
    struct pb_rig rig;

    four_asleep(&rig);
    pb_rig_advance(&rig, 5000);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 2);
    /* The two that started as core had been idle for longest: the other two are core now. */
    ck_assert_uint_lt(pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).worker, 2);
    ck_assert_uint_lt(pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 1).worker, 2);
    pb_rig_submit(&rig, 4);
    pb_rig_submit(&rig, 5);
    pb_rig_wait_started(&rig, 6);
    ck_assert_uint_eq(0, rig.overflow_running);
    pb_rig_stop(&rig);
}

PB_TEST(a_busy_overflow_worker_stays)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.max_overflow = 1;
    rig.config.overflow_ttl_ns = 0;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, PB_NS_PER_S);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_parked(&rig, 1);
    pb_pool_tick(rig.pool); /* ttl 0: goes as soon as it is idle */
    ck_assert_uint_eq(1, pb_rig_stats(&rig).alive);
    pb_rig_stop(&rig);
}

PB_TEST(a_lazy_pool_starts_with_nobody_and_grows_to_its_size_and_stays)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 5);
    rig.config.lazy = true;
    rig.config.overflow_ttl_ns = 0;
    pb_rig_start(&rig);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).workers_started);
    for (uint64_t i = 0; i < 3; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).workers_started);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).overflow_started);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_parked(&rig, 2);
    pb_rig_advance(&rig, PB_NS_PER_S);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    pb_rig_stop(&rig);
}

PB_TEST(a_lazy_pool_starts_no_more_than_it_needs)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 5, 5);
    rig.config.lazy = true;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 1);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_parked(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_pool_tick(rig.pool);
    pb_rig_wait_started(&rig, 2);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).workers_started);
    pb_rig_stop(&rig);
}

/* Stuck workers. */

static void time_out_0(struct pb_rig *rig)
{
    rig->config.operation_timeout_ns = 100;
    rig->config.stuck_after_ns = 50;
    pb_rig_start(rig);
    pb_rig_submit(rig, 0);
    pb_rig_wait_started(rig, 1);
    pb_rig_advance(rig, 100);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(rig, 0));
}

PB_TEST(a_worker_that_does_not_come_back_is_stuck_and_replaced)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    time_out_0(&rig);
    pb_rig_advance(&rig, 49);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).stuck);
    pb_rig_advance(&rig, 1);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).stuck);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_STUCK));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    ck_assert(pb_rig_event(&rig, PB_POOL_WORKER_UP, 1).replacement);

    /* Its request holds no place any more; and none is freed twice when it is back. */
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).busy);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_BACK));
    ck_assert_str_eq("stuck", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).stuck);
    pb_rig_submit(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 2));
    pb_rig_stop(&rig);
}

PB_TEST(a_worker_that_comes_back_in_time_is_not_stuck)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    time_out_0(&rig);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_parked(&rig, 1);
    pb_rig_advance(&rig, 1000);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_STUCK));
    ck_assert_uint_eq(1, pb_rig_stats(&rig).workers_started);
    pb_rig_stop(&rig);
}

PB_TEST(beyond_max_stuck_the_pool_gets_smaller)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 0);
    rig.config.max_stuck = 1;
    rig.config.operation_timeout_ns = 100;
    rig.config.stuck_after_ns = 50;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, 100);
    pb_rig_advance(&rig, 50);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).stuck);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3);
    pb_rig_submit(&rig, 2);
    pb_rig_wait_started(&rig, 3);
    pb_rig_submit(&rig, 3);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 3));
    /* One of them comes back: its slot is free for another replacement. */
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 4);
    pb_rig_submit(&rig, 4);
    pb_rig_wait_started(&rig, 4);
    pb_rig_stop(&rig);
}

PB_TEST(when_no_thread_can_be_had_the_pool_tries_again)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.max_overflow = 1;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_thread_fail_from(1);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_FAILED));
    pb_pool_tick(rig.pool); /* not at once */
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_FAILED));
    ck_assert_uint_eq(1, pb_rig_stats(&rig).workers_failed);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).overflow_started);
    pb_thread_fail_off();
    pb_rig_advance(&rig, PB_NS_PER_S);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).overflow_started);
    pb_rig_stop(&rig);
}
