#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/foreign.h"
#include "support/alloc.h"
#include "support/test.h"

/* A pool without threads: tasks wait in a list until the test runs them by hand. */
#define TASKS_MAX 2000

struct hand_pool {
    struct pb_driver_config config;
    struct pb_driver_task *tasks[TASKS_MAX];
    size_t first, count;
    uint32_t size;
    bool closed;
};

/* What the tests look at; a test is a process of its own. */
static struct rig {
    struct hand_pool *pool;
    enum pb_driver_answer answer;
    bool refuse_open, refuse_resize;
    uint64_t outcomes[PB_OUTCOME_COUNT];
    uint64_t runs, returned;
    uint32_t ups, downs;
    struct pb_completion last;
    uint64_t last_index;
    void (*in_run)(struct pb_work *work);
    enum pb_outcome work_ends;
    struct pb_foreign *foreign;
    struct pb_foreign_sender *sender;
} rig;

static bool hand_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                      size_t why_size)
{
    if (rig.refuse_open) {
        (void)snprintf(ret_why, why_size, "not today");
        return false;
    }
    rig.pool = calloc(1, sizeof(*rig.pool));
    if (!rig.pool) {
        (void)snprintf(ret_why, why_size, "no memory");
        return false;
    }
    rig.pool->config = *config;
    rig.pool->size = config->size;
    *ret_pool = rig.pool;
    return true;
}

static enum pb_driver_answer hand_submit(void *opaque, struct pb_driver_task *task)
{
    struct hand_pool *pool = opaque;

    if (rig.answer == PB_DRIVER_OK) {
        ck_assert_uint_lt(pool->count, TASKS_MAX);
        pool->tasks[pool->count++] = task;
    }
    return rig.answer;
}

static bool hand_resize(void *opaque, uint32_t size)
{
    struct hand_pool *pool = opaque;

    if (!rig.refuse_resize) {
        pool->size = size;
    }
    return !rig.refuse_resize;
}

static void hand_close(void *opaque)
{
    free(opaque);
    rig.pool = NULL;
}

static struct pb_pool_driver driver = { .version = PB_POOL_DRIVER_VERSION,
                                        .name = "hand",
                                        .summary = "run by hand",
                                        .open = hand_open,
                                        .submit = hand_submit,
                                        .resize = hand_resize,
                                        .close = hand_close };

static struct pb_driver_task *next_task(void)
{
    ck_assert_uint_lt(rig.pool->first, rig.pool->count);
    return rig.pool->tasks[rig.pool->first++];
}

static void run_next(uint32_t slot)
{
    struct pb_driver_task *task = next_task();

    task->run(task, slot);
}

static enum pb_outcome on_run(void *ctx, struct pb_work *work)
{
    (void)ctx;
    rig.runs++;
    if (rig.in_run) {
        void (*in_run)(struct pb_work *) = rig.in_run;

        rig.in_run = NULL; /* once */
        in_run(work);
    }
    return rig.work_ends;
}

static void on_done(void *ctx, const struct pb_completion *completion)
{
    (void)ctx;
    rig.outcomes[completion->outcome]++;
    rig.last = *completion;
    rig.last_index = completion->request->index;
    ck_assert_int_ge(completion->done_ns, completion->started_ns);
}

static void on_returned(void *ctx, const struct pb_request *request, uint32_t worker,
                        int64_t started_ns, int64_t returned_ns)
{
    (void)ctx, (void)request, (void)worker;
    ck_assert_int_ge(returned_ns, started_ns);
    rig.returned++;
}

static void on_event(void *ctx, const struct pb_pool_event *event)
{
    (void)ctx;
    rig.ups += event->kind == PB_POOL_WORKER_UP;
    rig.downs += event->kind == PB_POOL_WORKER_DOWN;
}

static struct pb_pool_config config_of(uint32_t size)
{
    struct pb_pool_config config;

    pb_pool_config_default(&config);
    config.size = size;
    config.max_stuck = 0;
    config.run = on_run;
    config.done = on_done;
    config.returned = on_returned;
    config.event = on_event;
    return config;
}

static void open_pool(uint32_t abilities, const struct pb_pool_config *config)
{
    rig = (struct rig){ .work_ends = PB_OUTCOME_OK };
    driver.abilities = abilities;
    PB_ASSERT_OK(pb_foreign_open(&driver, config, &rig.foreign, NULL));
    PB_ASSERT_OK(pb_foreign_attach(rig.foreign, &rig, &rig.sender));
}

static void open_sized(uint32_t abilities, uint32_t size)
{
    struct pb_pool_config config = config_of(size);

    open_pool(abilities, &config);
}

static enum pb_status send(uint64_t index)
{
    const struct pb_request request = { .index = index };

    return pb_foreign_submit(rig.sender, &request);
}

static void send_many(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        PB_ASSERT_OK(send(i));
    }
}

static void close_pool(void)
{
    PB_ASSERT_STATUS(PB_OK, pb_foreign_close(rig.foreign, 0));
    ck_assert_ptr_null(rig.pool);
    ck_assert_uint_eq(rig.ups, rig.downs);
}

static uint64_t ended(void)
{
    uint64_t sum = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        sum += rig.outcomes[o];
    }
    return sum;
}

PB_TEST(foreign_each_task_ends_once_with_what_the_work_returned)
{
    static const enum pb_outcome ends[] = { PB_OUTCOME_OK, PB_OUTCOME_CLIENT_ERROR,
                                            PB_OUTCOME_ERROR, PB_OUTCOME_WORKER_LOST };
    struct pb_pool_stats stats;

    open_sized(0, 2);
    send_many(PB_ARRAY_LEN(ends));
    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(4, stats.submitted);
    ck_assert_uint_eq(4, stats.queued);
    ck_assert_uint_eq(2, stats.alive);
    for (size_t i = 0; i < PB_ARRAY_LEN(ends); i++) {
        rig.work_ends = ends[i];
        run_next(PB_DRIVER_NO_SLOT);
        ck_assert_uint_eq(i, rig.last_index);
        ck_assert_int_gt(rig.last.started_ns, 0);
        ck_assert_uint_eq(rig.last.worker, rig.last.decider);
    }
    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(1, stats.outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, stats.outcomes[PB_OUTCOME_CLIENT_ERROR]);
    /* A pool that knows no lost workers has none: anything else is an error. */
    ck_assert_uint_eq(2, stats.outcomes[PB_OUTCOME_ERROR]);
    ck_assert_uint_eq(0, stats.queued + stats.running + stats.busy + stats.stuck);
    ck_assert_uint_eq(4, ended());
    ck_assert_uint_eq(0, pb_foreign_unreturned(rig.foreign));
    ck_assert(pb_foreign_wait_idle(rig.foreign, 0));
    close_pool();
}

PB_TEST(foreign_tasks_are_used_again_and_grow_when_many_wait)
{
    open_sized(0, 1);
    for (int round = 0; round < 3; round++) {
        rig.pool->first = rig.pool->count = 0;
        send_many(1500);
        for (int i = 0; i < 1500; i++) {
            run_next(0);
        }
    }
    ck_assert_uint_eq(4500, rig.outcomes[PB_OUTCOME_OK]);
    close_pool();
}

PB_TEST(foreign_full_is_a_rejection_of_a_driver_that_can)
{
    open_sized(PB_CAN_QUEUE_LIMIT, 1);
    rig.answer = PB_DRIVER_FULL;
    PB_ASSERT_OK(send(7));
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_REJECTED]);
    ck_assert_uint_eq(PB_NO_WORKER, rig.last.worker);
    ck_assert_uint_eq(PB_DECIDER_SUBMITTER, rig.last.decider);
    ck_assert_ptr_eq(&rig, rig.last.submitter);
    struct pb_pool_stats stats;

    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(1, stats.submitted);
    ck_assert_uint_eq(1, stats.outcomes[PB_OUTCOME_REJECTED]);
    ck_assert_uint_eq(0, stats.queued);
    ck_assert_ptr_null(pb_foreign_fault(rig.foreign));
    close_pool();
}

PB_TEST(foreign_answers_that_were_not_promised_end_the_sending)
{
    static const enum pb_driver_answer answers[] = { PB_DRIVER_FULL, PB_DRIVER_FAILED };

    for (size_t i = 0; i < PB_ARRAY_LEN(answers); i++) {
        open_sized(0, 1);
        rig.answer = answers[i];
        PB_ASSERT_STATUS(PB_ECLOSED, send(0));
        ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
        rig.answer = PB_DRIVER_OK;
        PB_ASSERT_STATUS(PB_ECLOSED, send(1));
        ck_assert_uint_eq(0, ended());
        close_pool();
    }
}

PB_TEST(foreign_expired_tasks_are_checkout_timeouts)
{
    open_sized(PB_CAN_CHECKOUT_TIMEOUT, 1);
    send_many(1);
    struct pb_driver_task *task = next_task();

    task->expire(task);
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_CHECKOUT_TIMEOUT]);
    ck_assert_uint_eq(PB_NO_WORKER, rig.last.worker);
    ck_assert_int_eq(0, rig.last.started_ns);
    ck_assert_uint_eq(0, rig.runs);
    ck_assert_ptr_null(pb_foreign_fault(rig.foreign));
    close_pool();
}

PB_TEST(foreign_expiring_without_that_ability_is_the_drivers_fault)
{
    open_sized(0, 1);
    send_many(1);
    struct pb_driver_task *task = next_task();

    task->expire(task);
    ck_assert_uint_eq(1, ended());
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    close_pool();
}

static void overrun_myself(struct pb_work *work)
{
    struct pb_driver_task *task = rig.pool->tasks[0];

    ck_assert(!pb_token_cancelled(work->token));
    task->overrun(task, task->turn - 1); /* of an earlier one: nothing happens */
    ck_assert(!pb_token_cancelled(work->token));
    task->overrun(task, task->turn);
    ck_assert(pb_token_cancelled(work->token));
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_OPERATION_TIMEOUT]);
    ck_assert_uint_eq(work->worker, rig.last.worker);
    ck_assert_uint_eq(PB_DECIDER_TIMER, rig.last.decider);
    ck_assert_uint_eq(0, rig.returned);
}

PB_TEST(foreign_overrun_decides_and_the_work_comes_back_later)
{
    open_sized(PB_CAN_OPERATION_TIMEOUT, 1);
    send_many(2);
    rig.in_run = overrun_myself;
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(1, rig.returned);
    ck_assert_uint_eq(1, ended());
    /* The seat's token is as new for the next one. */
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, rig.returned);
    close_pool();
}

static void drain_now(struct pb_work *work)
{
    struct pb_pool_stats stats;

    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_foreign_drain(rig.foreign, 0));
    ck_assert_uint_eq(3, rig.outcomes[PB_OUTCOME_CANCELLED]);
    ck_assert(pb_token_cancelled(work->token));
    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(1, stats.stuck);
    ck_assert_uint_eq(3, pb_foreign_unreturned(rig.foreign));
}

PB_TEST(foreign_drain_decides_what_waits_and_what_runs)
{
    open_sized(0, 2);
    send_many(3);
    rig.in_run = drain_now;
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(1, rig.returned);
    PB_ASSERT_STATUS(PB_ECLOSED, send(3));
    /* The pool still runs the other two: they are over. */
    ck_assert_uint_eq(2, pb_foreign_unreturned(rig.foreign));
    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_foreign_close(rig.foreign, 0));
    run_next(PB_DRIVER_NO_SLOT);
    struct pb_driver_task *task = next_task();

    task->expire(task);
    ck_assert_uint_eq(1, rig.runs);
    ck_assert_uint_eq(3, ended());
    ck_assert_ptr_null(pb_foreign_fault(rig.foreign));
    PB_ASSERT_OK(pb_foreign_drain(rig.foreign, 0));
    close_pool();
}

/* On another seat of the same thread, as a pool's thread would not: for the numbering. */
static void run_one_more(struct pb_work *work)
{
    uint32_t first = work->worker;

    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_ne(first, rig.last.worker);
    ck_assert_uint_lt(rig.last.worker, 2);
}

PB_TEST(foreign_seats_are_for_one_task_at_a_time)
{
    open_sized(0, 2);
    send_many(2);
    rig.in_run = run_one_more;
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(2, rig.outcomes[PB_OUTCOME_OK]);
    ck_assert_ptr_null(pb_foreign_fault(rig.foreign));
    close_pool();
}

static void run_next_here(struct pb_work *work)
{
    run_next(work->worker);
}

PB_TEST(foreign_slot_given_twice_is_the_drivers_fault)
{
    open_sized(0, 2);
    send_many(2);
    rig.in_run = run_next_here;
    run_next(1);
    ck_assert_uint_eq(2, ended());
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    close_pool();
}

PB_TEST(foreign_slot_beyond_all_is_the_drivers_fault)
{
    open_sized(0, 2);
    send_many(1);
    run_next(2);
    ck_assert_uint_eq(1, ended());
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    close_pool();
}

PB_TEST(foreign_more_tasks_at_once_than_slots_end_the_run)
{
    open_sized(0, 1);
    send_many(2);
    rig.in_run = run_next_here;
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, rig.outcomes[PB_OUTCOME_CANCELLED]);
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    close_pool();
}

PB_TEST(foreign_task_run_twice_is_the_drivers_fault)
{
    open_sized(0, 1);
    send_many(1);
    run_next(PB_DRIVER_NO_SLOT);
    rig.pool->first = 0;
    run_next(PB_DRIVER_NO_SLOT);
    ck_assert_uint_eq(1, ended());
    ck_assert_uint_eq(1, rig.runs);
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    ck_assert_uint_eq(0, pb_foreign_unreturned(rig.foreign));
    close_pool();
}

PB_TEST(foreign_driver_is_given_what_it_can_and_no_more)
{
    struct pb_pool_config config = config_of(3);
    const uint32_t all = PB_CAN_QUEUE_LIMIT | PB_CAN_OVERFLOW | PB_CAN_CHECKOUT_TIMEOUT |
                         PB_CAN_OPERATION_TIMEOUT | PB_CAN_STRATEGY;

    config.max_overflow = 2;
    open_pool(all, &config);
    ck_assert_uint_eq(3, rig.pool->config.size);
    ck_assert_uint_eq(2, rig.pool->config.max_overflow);
    ck_assert_uint_eq(5, rig.pool->config.slots);
    ck_assert_uint_eq(config.queue_limit, rig.pool->config.queue_limit);
    ck_assert_int_eq(config.checkout_timeout_ns, rig.pool->config.checkout_timeout_ns);
    ck_assert_int_eq(config.operation_timeout_ns, rig.pool->config.operation_timeout_ns);
    ck_assert_int_eq(config.overflow_ttl_ns, rig.pool->config.overflow_ttl_ns);
    ck_assert(rig.pool->config.lifo);
    close_pool();
    open_pool(0, &config);
    ck_assert_uint_eq(3, rig.pool->config.size);
    ck_assert_uint_eq(0, rig.pool->config.max_overflow);
    ck_assert_uint_eq(0, rig.pool->config.queue_limit);
    ck_assert_int_eq(0, rig.pool->config.checkout_timeout_ns);
    ck_assert_int_eq(0, rig.pool->config.operation_timeout_ns);
    ck_assert(!rig.pool->config.lifo);
    close_pool();
}

PB_TEST(foreign_overflow_threads_count_as_the_driver_tells)
{
    struct pb_pool_config config = config_of(1);
    struct pb_pool_stats stats;

    config.max_overflow = 1;
    open_pool(PB_CAN_OVERFLOW, &config);
    rig.pool->config.told(rig.pool->config.teller, true);
    rig.pool->config.told(rig.pool->config.teller, true); /* more than it may: not counted */
    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(2, stats.alive);
    ck_assert_uint_eq(1, stats.overflow_started);
    send_many(2);
    run_next(0);
    ck_assert(!rig.last.overflow);
    run_next(1);
    ck_assert(rig.last.overflow);
    rig.pool->config.told(rig.pool->config.teller, false);
    rig.pool->config.told(rig.pool->config.teller, false);
    pb_foreign_snapshot(rig.foreign, &stats);
    ck_assert_uint_eq(1, stats.alive);
    ck_assert_uint_eq(2, stats.peak_alive);
    close_pool();
}

PB_TEST(foreign_size_changes_where_the_driver_can)
{
    struct pb_pool_config config = config_of(2), effective;
    struct pb_pool_change change = PB_POOL_NO_CHANGE;
    struct pb_error err;

    config.max_size = 6;
    open_pool(PB_CAN_RESIZE, &config);
    change.size = 4;
    PB_ASSERT_OK(pb_foreign_reconfigure(rig.foreign, &change, &effective, &err));
    ck_assert_uint_eq(4, rig.pool->size);
    ck_assert_uint_eq(4, effective.size);
    ck_assert_uint_eq(4, rig.ups);
    change.size = 100;
    PB_ASSERT_OK(pb_foreign_reconfigure(rig.foreign, &change, &effective, &err));
    ck_assert_uint_eq(6, effective.size);
    change.size = 1;
    PB_ASSERT_OK(pb_foreign_reconfigure(rig.foreign, &change, NULL, &err));
    ck_assert_uint_eq(5, rig.downs);
    rig.refuse_resize = true;
    change.size = 3;
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_foreign_reconfigure(rig.foreign, &change, NULL, &err));
    ck_assert_str_eq("driver hand did not change its size to 3", err.text);
    change.size = 0;
    PB_ASSERT_STATUS(PB_EINVAL, pb_foreign_reconfigure(rig.foreign, &change, NULL, &err));
    change = PB_POOL_NO_CHANGE;
    PB_ASSERT_OK(pb_foreign_reconfigure(rig.foreign, &change, &effective, &err));
    ck_assert_uint_eq(1, effective.size);
    change.queue_limit = 5;
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_foreign_reconfigure(rig.foreign, &change, NULL, &err));
    close_pool();
    open_pool(0, &config);
    change = PB_POOL_NO_CHANGE;
    change.size = 3;
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_foreign_reconfigure(rig.foreign, &change, NULL, &err));
    close_pool();
}

PB_TEST(foreign_pool_that_does_not_open_says_why)
{
    struct pb_pool_config config = config_of(5);
    struct pb_foreign *foreign = NULL;
    struct pb_error err;

    rig = (struct rig){ .refuse_open = true };
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_foreign_open(&driver, &config, &foreign, &err));
    ck_assert_str_eq("driver hand cannot open a pool of 5 threads: not today", err.text);
    driver.max_size = 4;
    PB_ASSERT_STATUS(PB_EINVAL, pb_foreign_open(&driver, &config, &foreign, &err));
    ck_assert_str_eq("driver hand has at most 4 threads, not 5", err.text);
    ck_assert_ptr_null(foreign);
    driver.max_size = 0;
}

PB_TEST(foreign_pool_survives_each_failing_allocation)
{
    struct pb_pool_config config = config_of(2);

    driver.abilities = 0;
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_foreign *foreign = NULL;
        struct pb_foreign_sender *sender = NULL;

        rig = (struct rig){ .work_ends = PB_OUTCOME_OK };
        enum pb_status status = pb_foreign_open(&driver, &config, &foreign, NULL);

        if (status == PB_OK) {
            status = pb_foreign_attach(foreign, NULL, &sender);
        }
        ck_assert(pb_alloc_failed() == (status != PB_OK));
        pb_foreign_close(foreign, 0);
    }
}

PB_TEST(foreign_no_memory_for_a_task_ends_the_sending)
{
    open_sized(0, 1);
    send_many(256);
    pb_alloc_fail_at(1);
    PB_ASSERT_STATUS(PB_ECLOSED, send(256));
    pb_alloc_fail_off();
    ck_assert_ptr_nonnull(pb_foreign_fault(rig.foreign));
    for (int i = 0; i < 256; i++) {
        run_next(0);
    }
    ck_assert_uint_eq(256, rig.outcomes[PB_OUTCOME_OK]);
    close_pool();
}

PB_TEST(foreign_workers_are_shown_as_they_were_used)
{
    struct pb_worker_stats rows[4];

    open_sized(0, 3);
    send_many(3);
    run_next(1);
    run_next(1);
    run_next(2);
    ck_assert_uint_eq(3, pb_foreign_workers(rig.foreign, rows, PB_ARRAY_LEN(rows)));
    ck_assert_uint_eq(0, rows[0].requests);
    ck_assert_uint_eq(2, rows[1].requests);
    ck_assert_uint_eq(1, rows[2].requests);
    ck_assert_uint_eq(2, rows[2].worker);
    close_pool();
}
