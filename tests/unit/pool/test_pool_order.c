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
