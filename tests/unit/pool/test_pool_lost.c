#include <sched.h>

#include "unit/pool/hook_rig.h"

/* Workers that die: told by their run function, or by whoever watches them. */

/* Ends as the rig says; with ERROR the worker is lost besides, and says why. */
static enum pb_outcome run_and_die(void *ctx, struct pb_work *work)
{
    struct pb_rig *rig = ctx;
    struct pb_rig_request *request = &rig->requests[work->request->index];

    pb_mutex_lock(&rig->lock);
    request->worker = work->worker;
    request->start_number = rig->started++;
    pb_cond_broadcast(&rig->changed);
    while (!rig->all_go && !request->let_go) {
        (void)pb_cond_wait_until(&rig->changed, &rig->lock, pb_now_ns() + PB_NS_PER_MS);
    }
    enum pb_outcome result = request->result;

    pb_mutex_unlock(&rig->lock);
    if (result == PB_OUTCOME_ERROR) {
        work->lost = true;
        work->lost_reason = "killed by SIGSEGV";
    }
    return result;
}

static void start(struct pb_hook_rig *h, uint32_t size, uint32_t threads)
{
    pb_hook_rig_init(h, size, 0);
    h->rig.config.threads_per_worker = threads;
    h->rig.config.run = run_and_die;
    pb_hook_rig_start(h);
}

static void check_replaced(struct pb_hook_rig *h, const char *reason)
{
    pb_rig_wait_event(&h->rig, PB_POOL_WORKER_UP, 2);
    ck_assert_uint_eq(1, pb_rig_events(&h->rig, PB_POOL_WORKER_LOST));
    ck_assert_str_eq(reason, pb_rig_event(&h->rig, PB_POOL_WORKER_LOST, 0).reason);

    struct pb_pool_event up = pb_rig_event(&h->rig, PB_POOL_WORKER_UP, 1);

    ck_assert(up.replacement);
    ck_assert_uint_eq(1, up.worker + up.incarnation); /* a spare place, or the old one again */
    ck_assert_int_eq(1000 + 100 * (int64_t)up.incarnation + up.worker, up.pid);
    ck_assert_uint_eq(1, pb_rig_stats(&h->rig).lost);
}

PB_TEST(a_run_that_returns_worker_lost_ends_its_worker)
{
    struct pb_hook_rig h;

    start(&h, 1, 1);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    h.hold_stops = true; /* the replacement does not wait for the burial */
    pb_rig_let_go(&h.rig, 0, PB_OUTCOME_WORKER_LOST);
    pb_rig_wait_ended(&h.rig, 1);
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&h.rig, 0));
    ck_assert_uint_eq(0, h.rig.requests[0].end.decider); /* the worker's thread itself */
    check_replaced(&h, "lost");
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    pb_mutex_lock(&h.rig.lock);
    h.let_go = true;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_str_eq("lost", pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(1, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).requests);
    ck_assert_uint_eq(0, h.kills);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_run_that_loses_its_worker_keeps_its_own_outcome)
{
    struct pb_hook_rig h;

    start(&h, 1, 1);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_rig_let_go(&h.rig, 0, PB_OUTCOME_ERROR);
    pb_rig_wait_ended(&h.rig, 1);
    ck_assert_int_eq(PB_OUTCOME_ERROR, pb_rig_outcome(&h.rig, 0));
    check_replaced(&h, "killed by SIGSEGV");
    pb_hook_rig_stop(&h);
}

/* A process that did not answer in time: the timer has decided, the run says that it is lost. */
PB_TEST(a_worker_lost_after_its_request_timed_out_is_replaced_at_once)
{
    struct pb_hook_rig h;

    start(&h, 1, 1);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_rig_advance(&h.rig, h.rig.config.operation_timeout_ns);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&h.rig, 0));
    h.hold_stops = true;
    pb_rig_let_go(&h.rig, 0, PB_OUTCOME_ERROR);
    check_replaced(&h, "killed by SIGSEGV");
    pb_rig_wait_returned(&h.rig, 1);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_STUCK));
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_BACK));
    /* Its place has been given back once. */
    pb_rig_submit(&h.rig, 1);
    pb_rig_submit(&h.rig, 2);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&h.rig, 2));
    pb_rig_wait_started(&h.rig, 2);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_worker_lost_while_idle_is_replaced)
{
    struct pb_hook_rig h;

    start(&h, 1, 2);
    pb_rig_wait_parked(&h.rig, 2);
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_worker_lost(h.rig.pool, 0, 1, "x"));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_worker_lost(h.rig.pool, 1, 0, "x"));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_worker_lost(h.rig.pool, 99, 0, "x"));
    PB_ASSERT_OK(pb_pool_worker_lost(h.rig.pool, 0, 0, "exited with code 3"));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_worker_lost(h.rig.pool, 0, 0, "x"));
    check_replaced(&h, "exited with code 3");
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_wait_parked(&h.rig, 2);
    pb_hook_rig_stop(&h);
}

PB_TEST(what_a_worker_runs_that_somebody_says_is_lost_is_lost)
{
    struct pb_hook_rig h;

    start(&h, 1, 2);
    pb_rig_submit(&h.rig, 0);
    pb_rig_submit(&h.rig, 1);
    pb_rig_wait_started(&h.rig, 2);
    PB_ASSERT_OK(pb_pool_worker_lost(h.rig.pool, 0, 0, NULL));
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&h.rig, 0));
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&h.rig, 1));
    check_replaced(&h, "lost");
    pb_hook_rig_stop(&h);
}

PB_TEST(the_other_threads_of_a_lost_worker_end_their_requests_themselves)
{
    struct pb_hook_rig h;

    start(&h, 1, 3);
    pb_rig_submit(&h.rig, 0);
    pb_rig_submit(&h.rig, 1);
    pb_rig_wait_started(&h.rig, 2);
    pb_rig_let_go(&h.rig, 0, PB_OUTCOME_ERROR);
    pb_rig_wait_ended(&h.rig, 1);
    check_replaced(&h, "killed by SIGSEGV");
    ck_assert_uint_eq(1, pb_rig_ended(&h.rig)); /* nobody else decides for the second */
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    pb_rig_let_go(&h.rig, 1, PB_OUTCOME_WORKER_LOST);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&h.rig, 1));
    ck_assert_uint_eq(1, pb_rig_events(&h.rig, PB_POOL_WORKER_LOST));
    ck_assert_uint_eq(2, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).requests);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_worker_lost_before_it_was_up_never_comes_up)
{
    struct pb_hook_rig h;

    pb_hook_rig_init(&h, 1, 10);
    h.rig.config.lazy = true;
    h.hold_prepares = 1;
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0);
    pb_hook_rig_wait(&h, &h.preparing, 1);
    PB_ASSERT_OK(pb_pool_worker_lost(h.rig.pool, 0, 0, "exited with code 3"));
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 1);
    ck_assert_str_eq("exited with code 3", pb_rig_event(&h.rig, PB_POOL_WORKER_FAILED, 0).reason);
    ck_assert_uint_eq(1, h.held_and_asked);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 1);
    ck_assert_uint_eq(1, pb_rig_event(&h.rig, PB_POOL_WORKER_UP, 0).incarnation +
                             pb_rig_event(&h.rig, PB_POOL_WORKER_UP, 0).worker);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    pb_rig_wait_started(&h.rig, 1);
    pb_hook_rig_stop(&h);
}
