#include "unit/pool/pool_rig.h"

PB_TEST(requests_start_in_the_order_they_were_sent)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 50);
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 50; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, 50);
    for (uint32_t i = 0; i < 50; i++) {
        ck_assert_uint_eq(i, rig.requests[i].start_number);
    }
    pb_rig_stop(&rig);
}

/* Three workers fall asleep one after the other; the worker that gets the next request, as 0, 1 or
 * 2 in that order. */
static uint32_t who_is_next(struct pb_rig *rig)
{
    pb_rig_start(rig);
    for (uint64_t i = 0; i < 3; i++) {
        pb_rig_submit(rig, i);
    }
    pb_rig_wait_started(rig, 3);
    for (uint64_t i = 0; i < 3; i++) {
        pb_rig_let_go(rig, i, PB_OUTCOME_OK);
        pb_rig_wait_parked(rig, (uint32_t)i + 1);
    }
    pb_rig_submit(rig, 3);
    pb_rig_wait_started(rig, 4);
    for (uint32_t i = 0; i < 3; i++) {
        if (rig->requests[i].worker == rig->requests[3].worker) {
            return i;
        }
    }
    return 3;
}

PB_TEST(lifo_takes_the_worker_idle_for_the_shortest_time)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_LIFO;
    ck_assert_uint_eq(2, who_is_next(&rig));
    pb_rig_stop(&rig);
}

PB_TEST(fifo_takes_the_worker_idle_for_the_longest_time)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_FIFO;
    ck_assert_uint_eq(0, who_is_next(&rig));
    pb_rig_stop(&rig);
}

/* Runs request `index` alone, for `busy_ns`; the worker that ran it. */
static uint32_t run_alone(struct pb_rig *rig, uint64_t index, int64_t busy_ns)
{
    pb_rig_wait_parked(rig, rig->config.size);
    pb_rig_submit(rig, index);
    pb_rig_wait_started(rig, (uint32_t)index + 1);
    atomic_fetch_add(&rig->at_ns, busy_ns);
    pb_rig_let_go(rig, index, PB_OUTCOME_OK);
    pb_rig_wait_parked(rig, rig->config.size);
    return rig->requests[index].worker;
}

PB_TEST(round_robin_takes_one_idle_worker_after_the_other)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_ROUND_ROBIN;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 9; i++) {
        ck_assert_uint_eq(i % 3, run_alone(&rig, i, 1));
    }
    pb_rig_stop(&rig);
}

PB_TEST(round_robin_passes_over_busy_workers)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_ROUND_ROBIN;
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 3);
    for (uint64_t i = 0; i < 2; i++) {
        pb_rig_submit(&rig, i);
        pb_rig_wait_started(&rig, (uint32_t)i + 1);
    }
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_parked(&rig, 2);
    pb_rig_submit(&rig, 2);
    pb_rig_wait_started(&rig, 3);
    ck_assert_uint_eq(2, rig.requests[2].worker);
    pb_rig_submit(&rig, 3); /* 1 is busy */
    pb_rig_wait_started(&rig, 4);
    ck_assert_uint_eq(0, rig.requests[3].worker);
    pb_rig_stop(&rig);
}

PB_TEST(least_loaded_takes_the_worker_with_the_least_busy_time)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_LEAST_LOADED;
    pb_rig_start(&rig);
    ck_assert_uint_eq(0, run_alone(&rig, 0, 100));
    ck_assert_uint_eq(1, run_alone(&rig, 1, 300));
    ck_assert_uint_eq(2, run_alone(&rig, 2, 50));
    ck_assert_uint_eq(2, run_alone(&rig, 3, 20));
    ck_assert_uint_eq(2, run_alone(&rig, 4, 40));
    ck_assert_uint_eq(0, run_alone(&rig, 5, 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_strategy_changes_under_load)
{
    struct pb_rig rig;
    struct pb_pool_change to = PB_POOL_NO_CHANGE;

    pb_rig_init(&rig, 3, 0);
    rig.config.strategy = PB_STRATEGY_LIFO;
    pb_rig_start(&rig);
    uint32_t first = run_alone(&rig, 0, 1);

    ck_assert_uint_eq(first, run_alone(&rig, 1, 1));
    to.strategy = PB_STRATEGY_ROUND_ROBIN;
    PB_ASSERT_OK(pb_pool_reconfigure(rig.pool, &to, NULL, NULL));
    for (uint64_t i = 2; i < 5; i++) {
        ck_assert_uint_eq(i - 2, run_alone(&rig, i, 1));
    }
    pb_rig_stop(&rig);
}

PB_TEST(a_waiting_request_goes_to_the_first_free_worker)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 2);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_submit(&rig, 2);
    pb_rig_submit(&rig, 3);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_started(&rig, 3);
    ck_assert_uint_eq(rig.requests[1].worker, rig.requests[2].worker);
    pb_rig_let_go(&rig, 2, PB_OUTCOME_OK);
    pb_rig_wait_started(&rig, 4);
    ck_assert_uint_eq(rig.requests[1].worker, rig.requests[3].worker);
    pb_rig_stop(&rig);
}
