#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/alloc.h"
#include "support/threads.h"
#include "unit/pool/pool_rig.h"

PB_TEST(the_figures_of_a_pool_add_up)
{
    struct pb_rig rig;
    struct pb_pool_stats stats;

    pb_rig_init(&rig, 2, 2);
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 6; i++) {
        pb_rig_submit(&rig, i); /* two run, two wait, two are rejected */
    }
    pb_rig_wait_started(&rig, 2);
    atomic_fetch_add(&rig.at_ns, 100);
    stats = pb_rig_stats(&rig);
    ck_assert_uint_eq(6, stats.submitted);
    ck_assert_uint_eq(2, stats.outcomes[PB_OUTCOME_REJECTED]);
    ck_assert_uint_eq(2, stats.queued);
    ck_assert_uint_eq(2, stats.running);
    ck_assert_uint_eq(2, stats.alive);
    ck_assert_uint_eq(2, stats.busy);
    ck_assert_int_eq(200, stats.busy_ns);
    ck_assert_int_eq(200, stats.alive_ns);

    pb_rig_let_go(&rig, 0, PB_OUTCOME_ERROR);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_CLIENT_ERROR);
    pb_rig_let_go(&rig, 2, PB_OUTCOME_OK);
    pb_rig_let_go(&rig, 3, PB_OUTCOME_REJECTED); /* not for a run to say: an error */
    PB_ASSERT_OK(pb_pool_drain(rig.pool, pb_rig_deadline()));
    pb_rig_wait_parked(&rig, 2);
    atomic_fetch_add(&rig.at_ns, 100);
    stats = pb_rig_stats(&rig);
    ck_assert_uint_eq(6, stats.submitted);
    ck_assert_uint_eq(1, stats.outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, stats.outcomes[PB_OUTCOME_CLIENT_ERROR]);
    ck_assert_uint_eq(2, stats.outcomes[PB_OUTCOME_ERROR]);
    ck_assert_uint_eq(2, stats.outcomes[PB_OUTCOME_REJECTED]);
    ck_assert_uint_eq(0, stats.queued);
    ck_assert_uint_eq(0, stats.running);
    ck_assert_uint_eq(0, stats.busy);
    ck_assert_int_eq(200, stats.busy_ns);
    ck_assert_int_eq(400, stats.alive_ns);
    ck_assert_uint_eq(0, stats.rescued_wakeups);
    pb_rig_stop(&rig);
}

PB_TEST(several_pools_live_side_by_side)
{
    struct pb_rig a, b;

    pb_rig_init(&a, 1, 0);
    pb_rig_init(&b, 2, 0);
    pb_rig_start(&a);
    pb_rig_start(&b);
    pb_rig_submit(&a, 0);
    pb_rig_submit(&a, 1);
    pb_rig_submit(&b, 0);
    pb_rig_submit(&b, 1);
    pb_rig_wait_started(&b, 2);
    ck_assert_uint_eq(1, pb_rig_stats(&a).outcomes[PB_OUTCOME_REJECTED]);
    ck_assert_uint_eq(0, pb_rig_stats(&b).outcomes[PB_OUTCOME_REJECTED]);
    PB_ASSERT_OK(pb_pool_cancel(b.pool, b.requests[0].ticket));
    pb_rig_stop(&a);
    ck_assert_uint_eq(2, b.running); /* it goes on, and so does the work of the cancelled one */
    pb_rig_stop(&b);
}

static enum pb_outcome submit_from_run(void *ctx, struct pb_work *work)
{
    struct pb_rig *rig = ctx;

    if (work->request->index < 50) {
        pb_rig_submit(rig, work->request->index + 1);
    }
    return PB_OUTCOME_OK;
}

PB_TEST(running_work_may_submit)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 1);
    rig.config.run = submit_from_run;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_ended(&rig, 51);
    ck_assert(pb_pool_wait_idle(rig.pool, pb_rig_deadline()));
    ck_assert_uint_eq(51, pb_rig_stats(&rig).outcomes[PB_OUTCOME_OK]);
    pb_rig_stop(&rig);
}

PB_TEST(a_drained_pool_takes_nothing_more)
{
    struct pb_rig rig;
    struct pb_request request = { .index = 5 };
    uint64_t ticket = 77;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    PB_ASSERT_OK(pb_pool_drain(rig.pool, 0));
    PB_ASSERT_STATUS(PB_ECLOSED, pb_pool_submit(rig.pool, &request, &ticket));
    ck_assert_uint_eq(77, ticket);
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    ck_assert_uint_eq(0, pb_rig_stats(&rig).submitted);
    PB_ASSERT_OK(pb_pool_drain(rig.pool, pb_rig_deadline()));
    pb_rig_stop(&rig);
}

PB_TEST(a_drain_past_its_deadline_cancels_queued_and_running_requests)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 3; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_pool_drain(rig.pool, 0));
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, i));
    }
    ck_assert_uint_eq(0, rig.requests[0].end.worker);
    ck_assert_uint_eq(PB_NO_WORKER, rig.requests[1].end.worker);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_returned(&rig, 1);
    ck_assert_uint_eq(1, pb_rig_started(&rig));
    pb_rig_stop(&rig);
}

static void *free_main(void *arg)
{
    struct pb_rig *rig = arg;

    return pb_pool_free(rig->pool, INT64_MAX) == PB_OK ? rig : NULL;
}

PB_TEST(freeing_waits_for_work_as_long_as_it_was_told_to)
{
    struct pb_rig rig;
    pthread_t thread;
    void *result;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    ck_assert_int_eq(0, pthread_create(&thread, NULL, free_main, &rig));
    pb_rig_wait_ended(&rig, 1); /* cancelled, but the work goes on */
    pb_rig_let_others_run();
    pb_rig_let_all_go(&rig);
    ck_assert_int_eq(0, pthread_join(thread, &result));
    ck_assert_ptr_eq(&rig, result);
    ck_assert_uint_eq(1, pb_rig_returned(&rig));
}

PB_TEST(a_pool_whose_work_hangs_is_left_to_it)
{
    static struct pb_rig rig; /* the work uses it to the end */

    PB_ASSERT_OK(pb_pool_free(NULL, 0));
    pb_rig_init(&rig, 3, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_pool_free(rig.pool, 0));
    ck_assert_int_eq(PB_OUTCOME_CANCELLED, pb_rig_outcome(&rig, 0));
    pb_rig_let_all_go(&rig);
    pb_rig_wait_returned(&rig, 1);
    /* Its last event comes from memory that must still be there. */
    while (pb_rig_events(&rig, PB_POOL_WORKER_DOWN) < 3) {
        (void)sched_yield();
    }
}

PB_TEST(a_stalled_pool_starts_and_finishes_nothing)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 5);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_wait_parked(&rig, 1); /* who is just about to look for work does not see the stall */
    pb_pool_stall(rig.pool, PB_RIG_START + 1000);
    pb_rig_submit(&rig, 1);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_let_others_run();
    ck_assert_uint_eq(1, pb_rig_started(&rig));
    ck_assert_uint_eq(0, pb_rig_ended(&rig));
    pb_rig_advance(&rig, 1000);
    pb_rig_wait_started(&rig, 2);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_RIG_START + 1000, rig.requests[0].end.done_ns);
    ck_assert_int_eq(PB_RIG_START + 1000, rig.requests[1].end.started_ns);
    pb_rig_stop(&rig);
}

PB_TEST(timeouts_do_not_wait_for_a_stall)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.checkout_timeout_ns = 100;
    rig.config.operation_timeout_ns = 100;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_pool_stall(rig.pool, INT64_MAX);
    pb_rig_submit(&rig, 1);
    pb_rig_advance(&rig, 100);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    pb_rig_stop(&rig); /* nor does this */
}

static void stall_after_the_first(struct pb_rig *rig, const struct pb_pool_event *event)
{
    if (event->kind == PB_POOL_WORKER_FIRST_OK) {
        pb_pool_stall(rig->pool, INT64_MAX);
    }
}

PB_TEST(an_empty_pool_is_empty_also_when_it_stalls)
{
    struct pb_rig rig;
    struct pb_rig_waiter waiter;

    pb_rig_init(&rig, 1, 5);
    rig.on_event = stall_after_the_first;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_waiter_start(&waiter, &rig);
    pb_rig_let_all_go(&rig);
    ck_assert(pb_rig_waiter_join(&waiter));
    pb_rig_stop(&rig);
}

PB_TEST(ticking_a_pool_on_the_real_clock_does_nothing)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    rig.config.clock = NULL;
    rig.all_go = true;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 100; i++) {
        pb_rig_submit(&rig, i);
        pb_pool_tick(rig.pool);
    }
    (void)pb_pool_wait_idle(rig.pool, pb_rig_deadline());
    pb_rig_stop(&rig);
}

/* After fork(): the child has the memory, but none of the threads. */
static int in_the_child(struct pb_rig *rig, struct pb_submitter *submitter)
{
    struct pb_request request = { .index = 0 };
    struct pb_submitter *another = NULL;
    struct pb_pool_stats stats;
    int wrong = 0;

    alarm(30); /* a lock that is held for ever must not keep the test */
    wrong += pb_submit(submitter, &request, NULL) != PB_ECLOSED;
    wrong += pb_pool_submit(rig->pool, &request, NULL) != PB_ECLOSED;
    wrong += pb_pool_attach(rig->pool, NULL, &another) != PB_ECLOSED;
    wrong += pb_pool_cancel(rig->pool, 0) != PB_ECLOSED;
    wrong += pb_pool_kill_worker(rig->pool, 0, NULL) != PB_ECLOSED;
    wrong += pb_pool_drain(rig->pool, INT64_MAX) != PB_ECLOSED;
    wrong += pb_pool_wait_idle(rig->pool, INT64_MAX);
    pb_pool_tick(rig->pool);
    pb_pool_stall(rig->pool, 1);
    pb_pool_snapshot(rig->pool, &stats);
    wrong += stats.alive != 0;
    wrong += pb_pool_free(rig->pool, INT64_MAX) != PB_ECLOSED;
    return wrong;
}

PB_TEST(a_forked_child_finds_the_pool_closed)
{
    struct pb_rig rig;
    struct pb_submitter *submitter;
    int status;

    pb_rig_init(&rig, 2, 5);
    pb_rig_start(&rig);
    PB_ASSERT_OK(pb_pool_attach(rig.pool, NULL, &submitter));
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 1);
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(in_the_child(&rig, submitter));
    }
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(0, WEXITSTATUS(status));
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive); /* and the parent goes on */
    pb_rig_stop(&rig);
}

PB_TEST(a_pool_without_memory_says_so_and_leaves_nothing)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_rig rig;
        struct pb_error err = { .text = "" };

        pb_rig_init(&rig, 2, 5);
        enum pb_status status = pb_pool_new(&rig.config, &rig.pool, &err);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        if (status == PB_OK) {
            pb_rig_stop(&rig);
        } else {
            ck_assert_str_ne("", err.text);
            ck_assert_ptr_null(rig.pool);
        }
    }
}

PB_TEST(attaching_without_memory_says_so)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_submitter *submitter;
        enum pb_status status = pb_pool_attach(rig.pool, NULL, &submitter);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
    }
    pb_rig_stop(&rig);
}

/* Two workers, then, on the real clock, the timer and the keeper. */
PB_TEST(a_pool_without_threads_says_so_and_leaves_nothing)
{
    for (long n = 1; n <= 5; n++) {
        struct pb_rig rig;
        struct pb_error err = { .text = "" };

        pb_rig_init(&rig, 2, 5);
        rig.config.clock = NULL;
        pb_thread_fail_from(n);
        enum pb_status status = pb_pool_new(&rig.config, &rig.pool, &err);

        pb_thread_fail_off();
        ck_assert_int_eq(n <= 4 ? PB_ESYS : PB_OK, status);
        if (status == PB_OK) {
            pb_rig_stop(&rig);
        } else {
            ck_assert_int_eq(EAGAIN, err.sys_errno);
            ck_assert_uint_eq(pb_rig_events(&rig, PB_POOL_WORKER_UP),
                              pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
        }
    }
}
