#include <pthread.h>
#include <sched.h>

#include "unit/pool/pool_rig.h"

PB_TEST(checkout_timeout_comes_at_its_instant_and_not_before)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.checkout_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_advance(&rig, 40);
    pb_rig_submit(&rig, 2);
    pb_rig_advance(&rig, 59);
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(0, rig.requests[2].ends);

    const struct pb_completion *end = &rig.requests[1].end;

    ck_assert_int_eq(PB_RIG_START + 100, end->done_ns);
    ck_assert_int_eq(0, end->started_ns);
    ck_assert_uint_eq(PB_NO_WORKER, end->worker);
    ck_assert_uint_eq(PB_DECIDER_TIMER, end->decider);
    ck_assert_int_eq(-1, end->cpu_ns);
    pb_rig_advance(&rig, 40);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 2));
    pb_rig_stop(&rig);
}

PB_TEST(the_checkout_clock_starts_when_the_request_was_sent)
{
    struct pb_rig rig;
    struct pb_request request = { .index = 1, .sent_ns = PB_RIG_START - 99 };

    pb_rig_init(&rig, 1, 5);
    rig.config.checkout_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(pb_pool_submit(rig.pool, &request, NULL));
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_worker_does_not_start_what_waited_too_long)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.checkout_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    atomic_fetch_add(&rig.at_ns, 100); /* nobody ticks */
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(rig.requests[0].worker, rig.requests[1].end.decider);
    ck_assert_uint_eq(PB_NO_WORKER, rig.requests[1].end.worker);
    ck_assert_uint_eq(1, pb_rig_started(&rig));
    pb_rig_stop(&rig);
}

PB_TEST(operation_timeout_comes_at_its_instant_and_not_before)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.operation_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_advance(&rig, 99);
    ck_assert_uint_eq(0, rig.requests[0].ends);
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));

    const struct pb_completion *end = &rig.requests[0].end;

    ck_assert_int_eq(PB_RIG_START, end->started_ns);
    ck_assert_int_eq(PB_RIG_START + 100, end->done_ns);
    ck_assert_uint_eq(rig.requests[0].worker, end->worker);
    ck_assert_uint_eq(PB_DECIDER_TIMER, end->decider);

    /* The worker is still at it; what it finds in the end is told to nobody. */
    ck_assert_uint_eq(1, pb_rig_stats(&rig).busy);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).running);
    ck_assert_uint_eq(0, pb_rig_returned(&rig));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_ERROR);
    pb_rig_wait_returned(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));

    /* The operation clock of what waited starts with its run. */
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, 99);
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_advance(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_timed_out_run_is_asked_to_stop_and_the_next_one_is_not)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.operation_timeout_ns = 100;
    rig.obey = true;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_advance(&rig, 100);
    pb_rig_wait_returned(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_CLIENT_ERROR);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_CLIENT_ERROR, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_run_that_ends_before_anybody_looks_keeps_its_outcome)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.operation_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    atomic_fetch_add(&rig.at_ns, 500);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 1);
    pb_pool_tick(rig.pool);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 0));
    ck_assert_int_eq(PB_RIG_START + 500, rig.requests[0].end.done_ns);
    pb_rig_stop(&rig);
}

/* `done` waits for a thread that cancels something else. */

struct other {
    struct pb_rig *rig;
    enum pb_status status;
    _Atomic bool over;
};

static void *cancel_request_1(void *arg)
{
    struct other *other = arg;

    other->status = pb_pool_cancel(other->rig->pool, other->rig->requests[1].ticket);
    atomic_store(&other->over, true);
    return NULL;
}

static void wait_for_the_canceller(struct pb_rig *rig, const struct pb_completion *completion)
{
    struct other other = { .rig = rig };
    int64_t deadline_ns = pb_rig_deadline();
    pthread_t thread;

    if (completion->outcome != PB_OUTCOME_OPERATION_TIMEOUT ||
        pthread_create(&thread, NULL, cancel_request_1, &other) != 0) {
        return;
    }
    while (!atomic_load(&other.over) && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    ck_assert_msg(atomic_load(&other.over), "the canceller waits for us");
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    ck_assert_int_eq(PB_OK, other.status);
}

PB_TEST(who_hears_of_a_timeout_holds_no_lock_of_the_pool)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 5);
    rig.config.operation_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    atomic_fetch_add(&rig.at_ns, 50);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    rig.on_done = wait_for_the_canceller;
    pb_rig_advance(&rig, 50);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig);
}
