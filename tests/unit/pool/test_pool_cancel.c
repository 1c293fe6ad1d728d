#include <pthread.h>
#include <sched.h>

#include "unit/pool/pool_rig.h"

static enum pb_status cancel(struct pb_rig *rig, uint64_t index)
{
    return pb_pool_cancel(rig->pool, rig->requests[index].ticket);
}

PB_TEST(cancelling_a_queued_request_keeps_it_from_running)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 3; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(cancel(&rig, 1));
    PB_ASSERT_OK(cancel(&rig, 1));
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, 3);
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(PB_NO_WORKER, rig.requests[1].end.worker);
    ck_assert_int_eq(0, rig.requests[1].end.started_ns);
    ck_assert_uint_eq(PB_NO_WORKER, rig.requests[1].worker);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 2));
    PB_ASSERT_STATUS(PB_ENOENT, cancel(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_cancelled_request_that_times_out_in_the_queue_is_cancelled)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    PB_ASSERT_OK(cancel(&rig, 1));
    pb_rig_advance(&rig, rig.config.checkout_timeout_ns);
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(cancelling_a_running_request_decides_it_now_and_asks_the_work_to_stop)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.obey = true;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(cancel(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 0));
    ck_assert_uint_eq(rig.requests[0].worker, rig.requests[0].end.worker);
    PB_ASSERT_STATUS(PB_ENOENT, cancel(&rig, 0));
    pb_rig_wait_returned(&rig, 1);
    pb_rig_wait_parked(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(what_is_decided_or_unknown_cannot_be_cancelled)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_cancel(rig.pool, 0));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_cancel(rig.pool, UINT64_MAX));
    pb_rig_submit(&rig, 0);
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_cancel(rig.pool, rig.requests[0].ticket + 1));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 1);
    PB_ASSERT_STATUS(PB_ENOENT, cancel(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 0));
    pb_rig_stop(&rig);
}

PB_TEST(cancelling_a_timed_out_request_whose_worker_hangs_answers_at_once)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_advance(&rig, rig.config.operation_timeout_ns);
    PB_ASSERT_STATUS(PB_ENOENT, cancel(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    pb_rig_stop(&rig);
}

/* Requests 0 and 2 share a cell of the ring, and the place for their marks. */
PB_TEST(a_late_cancel_of_an_old_request_does_not_undo_that_of_a_new_one)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 1);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_submit(&rig, 2);
    PB_ASSERT_OK(cancel(&rig, 2));
    PB_ASSERT_STATUS(PB_ENOENT, cancel(&rig, 0));
    pb_rig_let_all_go(&rig);
    pb_rig_wait_ended(&rig, 3);
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 2));
    pb_rig_stop(&rig);
}

/* A worker that has taken a request and not started it yet. */

struct canceller {
    struct pb_rig *rig;
    _Atomic bool over;
    enum pb_status status;
};

static void *cancel_main(void *arg)
{
    struct canceller *canceller = arg;

    canceller->status = cancel(canceller->rig, 0);
    atomic_store(&canceller->over, true);
    return NULL;
}

PB_TEST(a_request_between_queue_and_worker_can_be_cancelled)
{
    struct pb_rig rig;
    struct canceller canceller = { .rig = &rig };
    struct pb_request request = { .index = 0, .sent_ns = PB_RIG_START };
    struct pb_rig_turn turn = { 0 };
    pthread_t thread;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 1);
    atomic_store(&rig.hold_clock, true); /* the next thing a worker asks after it took one */
    PB_ASSERT_OK(pb_pool_submit(rig.pool, &request, &rig.requests[0].ticket));
    while (atomic_load(&rig.at_clock) == 0) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(0, pb_rig_stats(&rig).queued);
    ck_assert_int_eq(0, pthread_create(&thread, NULL, cancel_main, &canceller));
    while (!atomic_load(&canceller.over) && pb_rig_yield(&turn)) { /* it cannot know yet */
    }
    ck_assert(!atomic_load(&canceller.over));
    atomic_store(&rig.hold_clock, false);
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    PB_ASSERT_OK(canceller.status);
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 0));
    pb_rig_stop(&rig);
}

PB_TEST(cancelling_the_last_request_is_heard_by_who_waits_for_an_empty_pool)
{
    struct pb_rig rig;
    struct pb_rig_waiter waiter;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_waiter_start(&waiter, &rig);
    PB_ASSERT_OK(cancel(&rig, 0)); /* the worker does not come back */
    ck_assert(pb_rig_waiter_join(&waiter));
    pb_rig_stop(&rig);
}
