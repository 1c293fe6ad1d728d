#include <sys/prctl.h>

#include "support/alloc.h"
#include "support/drive.h"

/* In every phase: sent = sum of outcomes, here and in the pool and in the log. */
static void assert_accounts_balance(const struct pb_drive *drive)
{
    uint64_t sent = 0, outcomes[PB_OUTCOME_COUNT] = { 0 };
    const struct pb_scenario *scenario = drive->schedule.scenario;

    for (uint32_t p = 0; p < scenario->phase_count; p++) {
        ck_assert_uint_gt(drive->load.sent[p], 0);
        ck_assert_uint_eq(drive->load.sent[p], pb_drive_ended(drive, p));
        if (scenario->phases[p].arrival != PB_ARRIVAL_CLOSED) {
            ck_assert_uint_eq(drive->load.sent[p], drive->schedule.planned[p]);
        }
        ck_assert_uint_eq(drive->load.unsent[p], 0);
        sent += drive->load.sent[p];
        for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
            outcomes[o] += drive->load.outcomes[p][o];
        }
    }
    ck_assert_uint_eq(drive->pool.submitted, sent);
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        ck_assert_uint_eq(drive->pool.outcomes[o], outcomes[o]);
    }
    ck_assert_uint_eq(drive->pool.rescued_wakeups, 0);
    ck_assert_uint_eq(drive->pool.queued + drive->pool.running, 0);
}

/* Each request has one row, its parts are whole, and of each worker that was left behind by a
 * decision there is a return. */
static void assert_rows_balance(const struct pb_drive *drive)
{
    uint64_t rows[PB_PHASES_MAX][PB_OUTCOME_COUNT] = { { 0 } };
    size_t left_behind = 0, returns = 0;

    for (size_t i = 0; i < drive->row_count; i++) {
        const struct pb_record *row = &drive->rows[i];

        ck_assert_int_ge(row->lag_ns, 0);
        ck_assert_int_ge(row->wait_ns, 0);
        ck_assert_int_ge(row->service_ns, 0);
        if (row->flags & PB_RECORD_RETURN) {
            returns++;
            continue;
        }
        ck_assert(row->flags & PB_RECORD_LAST);
        rows[row->phase][pb_record_outcome(row)]++;
        left_behind += row->worker != PB_RECORD_NO_WORKER &&
                       pb_record_outcome(row) >= PB_OUTCOME_OPERATION_TIMEOUT;
    }
    ck_assert_uint_eq(returns, left_behind);
    ck_assert_mem_eq(rows, drive->load.outcomes, sizeof(rows));
}

/* Twice what two workers carry, a tiny queue, 1 ms timeouts, every fate, deaf work among it. */
static void make_hostile(struct pb_scenario *scenario)
{
    pb_test_scenario_init(scenario, 2);
    scenario->workload = &pb_workload_synthetic;
    scenario->pool.max_overflow = 1;
    scenario->pool.overflow_ttl_ns = 3 * PB_NS_PER_MS;
    scenario->pool.queue_limit = 3;
    scenario->pool.checkout_timeout_ns = scenario->pool.operation_timeout_ns = PB_NS_PER_MS;
    scenario->pool.stuck_after_ns = 5 * PB_NS_PER_MS;
    scenario->pool.max_stuck = 8;
    struct pb_operation *operation = &scenario->operations[0];

    PB_ASSERT_OK(pb_dist_exponential(700e3, &operation->service, NULL));
    operation->cpu_share = 0.02;
    operation->error_rate = operation->client_error_rate = 0.1;
    operation->hang_rate = 0.02;
    scenario->operations[1] = *operation;
    scenario->operations[1].weight = 0.01;
    scenario->operations[1].hang_rate = 0.1;
    scenario->operations[1].ignore_cancel = true;
    scenario->operation_count = 2;
}

static void drive_hostile(uint32_t generators)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = generators, .record = true, .seed = 5 };

    make_hostile(&scenario);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 4000.0, 200 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 6000.0, 200 * PB_NS_PER_MS)->drain = true;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 200 * PB_NS_PER_MS)->users = 9;
    PB_ASSERT_OK(pb_dist_exponential(300e3, &scenario.phases[2].think, NULL));
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 100.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    assert_rows_balance(&drive);
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        bool expected = o != PB_OUTCOME_WORKER_LOST && o != PB_OUTCOME_CANCELLED;

        ck_assert_msg(!expected || drive.pool.outcomes[o] > 0, "no request ended %s",
                      pb_outcome_name((enum pb_outcome)o));
    }
    ck_assert_int_lt(drive.drain_ns, 1500 * PB_NS_PER_MS);
    pb_drive_done(&drive);
}

PB_TEST(accounts_balance_under_hostile_load_with_one_generator)
{
    drive_hostile(1);
}

PB_TEST(accounts_balance_under_hostile_load_with_three_generators)
{
    drive_hostile(3);
}

PB_TEST(deaf_work_ends_with_the_drain)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };

    pb_test_scenario_init(&scenario, 1);
    scenario.workload = &pb_workload_synthetic;
    scenario.operations[0].hang_rate = 1.0;
    scenario.operations[0].ignore_cancel = true;
    scenario.pool.operation_timeout_ns = 100 * PB_NS_PER_MS;
    scenario.pool.checkout_timeout_ns = 100 * PB_NS_PER_MS;
    scenario.pool.max_stuck = 0;
    scenario.pool.stuck_after_ns = 60 * PB_NS_PER_S;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 50 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    assert_rows_balance(&drive);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT], 1);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_CHECKOUT_TIMEOUT], 4);
    ck_assert_uint_eq(drive.row_count, 6); /* five requests, and the worker's return */
    pb_drive_done(&drive);
}

static void stop_at_phase_end(void *ctx, const struct pb_load_event *event)
{
    if (event->kind == PB_LOAD_PHASE_END) {
        atomic_store((_Atomic int *)ctx, 2);
    }
}

PB_TEST(what_outlasts_the_drain_is_cancelled_with_its_age)
{
    struct pb_scenario scenario;
    _Atomic int stop = 0;
    struct pb_drive drive = {
        .record = true, .stop = &stop, .on_event = stop_at_phase_end, .ctx = &stop
    };

    pb_test_scenario_init(&scenario, 1);
    scenario.workload = &pb_workload_synthetic;
    scenario.operations[0].hang_rate = 1.0;
    scenario.pool.checkout_timeout_ns = 60 * PB_NS_PER_S;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 50 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    assert_rows_balance(&drive);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_CANCELLED], 5);
    /* One second after the stop, not thirty. */
    ck_assert_int_ge(drive.drain_ns, 900 * PB_NS_PER_MS);
    ck_assert_int_lt(drive.drain_ns, 2 * PB_NS_PER_S);
    for (size_t i = 0; i < drive.row_count; i++) {
        if (!(drive.rows[i].flags & PB_RECORD_RETURN)) {
            ck_assert_int_ge(pb_record_latency_ns(&drive.rows[i]), 900 * PB_NS_PER_MS);
        }
    }
    pb_drive_done(&drive);
}

/* A stop in the second of three phases. */
static void stop_in_second_phase(void *ctx, const struct pb_load_event *event)
{
    if (event->kind == PB_LOAD_PHASE_START && event->number == 1) {
        atomic_store((_Atomic int *)ctx, 2);
    }
}

PB_TEST(a_stop_leaves_the_rest_unsent_and_counts_it)
{
    for (uint32_t generators = 1; generators <= 3; generators += 2) {
        struct pb_scenario scenario;
        _Atomic int stop = 0;
        struct pb_drive drive = {
            .generators = generators, .stop = &stop, .on_event = stop_in_second_phase, .ctx = &stop
        };

        pb_test_scenario_init(&scenario, 2);
        pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 1000.0, 100 * PB_NS_PER_MS);
        pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 1.0, 100 * PB_NS_PER_S);
        pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 100.0, 100 * PB_NS_PER_S);
        int64_t began_ns = pb_now_ns();

        pb_drive_run(&drive, &scenario);
        ck_assert_int_lt(pb_now_ns() - began_ns, 20 * PB_NS_PER_S);
        for (uint32_t p = 0; p < 3; p++) {
            ck_assert_uint_eq(drive.load.sent[p] + drive.load.unsent[p], drive.schedule.planned[p]);
            ck_assert_uint_eq(drive.load.sent[p], pb_drive_ended(&drive, p));
        }
        /* With several generators another one may be late when the first begins the next phase. */
        ck_assert_uint_le(drive.load.sent[0], 100);
        ck_assert_uint_ge(drive.load.sent[0], generators == 1 ? 100 : 1);
        ck_assert_uint_eq(drive.load.sent[2], 0);
        ck_assert_uint_gt(drive.load.unsent[1], 90);
    }
}

static int by_index(const void *a, const void *b)
{
    const struct pb_record *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

PB_TEST(closed_users_think_from_done_to_intended)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 2, .record = true, .seed = 9 };
    const uint64_t users = 5;

    pb_test_scenario_init(&scenario, 2);
    scenario.workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_exponential(1e6, &scenario.operations[0].service, NULL));
    struct pb_phase *phase =
        pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 300 * PB_NS_PER_MS);

    phase->users = (int64_t)users;
    PB_ASSERT_OK(pb_dist_exponential(2e6, &phase->think, NULL));
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    qsort(drive.rows, drive.row_count, sizeof(*drive.rows), by_index);
    ck_assert_uint_gt(drive.row_count, 200);
    for (size_t i = 0; i < drive.row_count; i++) {
        const struct pb_record *row = &drive.rows[i], *before = NULL;

        for (size_t j = 0; j < i && row->index >= users; j++) {
            before = drive.rows[j].index == row->index - users ? &drive.rows[j] : before;
        }
        int64_t from_ns = before ? before->intended_ns + pb_record_latency_ns(before) : 0;
        int64_t think_ns = before ? pb_schedule_think_ns(&drive.schedule, 0, row->index)
                                  : pb_schedule_user_start_ns(&drive.schedule, 0, row->index);

        ck_assert(before || row->index < users);
        ck_assert_int_eq(row->intended_ns, from_ns + think_ns);
        ck_assert_int_lt(row->intended_ns + row->lag_ns, phase->duration_ns);
    }
    pb_drive_done(&drive);
}

/* A workload that notes what it sees of each request. */
#define SEEN_MAX 4096
struct seen {
    _Atomic int64_t started_ns[SEEN_MAX];
    _Atomic int wrong_slack;
};

static enum pb_status open_seen(uint32_t slots, void **ret_state, struct pb_error *err)
{
    (void)slots;
    (void)err;
    *ret_state = calloc(1, sizeof(struct seen));
    return *ret_state ? PB_OK : PB_ENOMEM;
}

static enum pb_outcome run_seen(void *state, const struct pb_demand *demand, struct pb_work *work,
                                bool measure_cpu, const _Atomic int64_t *give_up_ns)
{
    struct seen *seen = state;

    (void)demand;
    (void)measure_cpu;
    (void)give_up_ns;
    if (prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL) != 1) {
        atomic_fetch_add(&seen->wrong_slack, 1);
    }
    (void)pb_token_sleep_until(work->token, work->started_ns + 2 * PB_NS_PER_MS);
    return atomic_load(&seen->wrong_slack) == 0 ? PB_OUTCOME_OK : PB_OUTCOME_ERROR;
}

PB_TEST(every_worker_waits_with_the_finest_timer_slack)
{
    static const struct pb_workload_kind kind = {
        .name = "seen",
        .summary = "notes",
        .open = open_seen,
        .run = run_seen,
        .close = free,
    };
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 1 };

    pb_test_scenario_init(&scenario, 2);
    scenario.workload = &kind;
    scenario.pool.max_overflow = 3;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 2000.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    ck_assert_uint_gt(drive.pool.overflow_started, 0);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_OK], 200);
}

PB_TEST(a_draining_phase_delays_the_next_one_and_nothing_is_lost)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 2, .record = true };

    pb_test_scenario_init(&scenario, 1);
    scenario.workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_constant(10e6, &scenario.operations[0].service, NULL));
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 400.0, 50 * PB_NS_PER_MS)->drain = true;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 40.0, 50 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    ck_assert_uint_eq(drive.event_count, 4);
    ck_assert_int_eq(drive.events[0].at_ns, 0);
    ck_assert_int_eq(drive.events[1].kind, PB_LOAD_PHASE_END);
    ck_assert_int_eq(drive.events[1].at_ns, 50 * PB_NS_PER_MS);
    /* 20 requests of 10 ms on one worker: about 15 are there at the end, and the oldest of them
     * runs. */
    ck_assert_uint_ge(drive.events[1].backlog, 12);
    ck_assert_int_ge(drive.events[1].backlog_oldest_ns, 25 * PB_NS_PER_MS);
    ck_assert_int_lt(drive.events[1].backlog_oldest_ns, 50 * PB_NS_PER_MS);
    ck_assert_int_eq(drive.events[2].kind, PB_LOAD_PHASE_START);
    ck_assert_int_ge(drive.events[2].at_ns, 200 * PB_NS_PER_MS);
    ck_assert_uint_eq(drive.events[2].backlog, 0);
    for (size_t i = 0; i < drive.row_count; i++) {
        if (drive.rows[i].phase == 1) {
            ck_assert_int_ge(drive.rows[i].intended_ns, drive.events[2].at_ns);
        }
    }
    pb_drive_done(&drive);
}

PB_TEST(faults_strike_at_their_times)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    const struct pb_load_event *stall = NULL, *kill = NULL;

    pb_test_scenario_init(&scenario, 2);
    scenario.workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_constant(3e6, &scenario.operations[0].service, NULL));
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 400 * PB_NS_PER_MS);
    scenario.faults[0] = (struct pb_fault){ .kind = PB_FAULT_STALL,
                                            .at_ns = 100 * PB_NS_PER_MS,
                                            .stall_ns = 50 * PB_NS_PER_MS };
    scenario.faults[1] = (struct pb_fault){ .kind = PB_FAULT_KILL_WORKER,
                                            .at_ns = 251 * PB_NS_PER_MS,
                                            .worker = -1 };
    scenario.faults[2] = (struct pb_fault){ .kind = PB_FAULT_KILL_WORKER,
                                            .at_ns = 500 * PB_NS_PER_MS }; /* after the end */
    scenario.fault_count = 3;
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    /* The phase's two, the stall's beginning and end, the kill, and whom it hit. */
    ck_assert_uint_eq(drive.event_count, 6);
    for (uint32_t i = 0; i < drive.event_count; i++) {
        if (drive.events[i].kind == PB_LOAD_FAULT) {
            *(drive.events[i].number == 0 ? &stall : &kill) = &drive.events[i];
        }
    }
    ck_assert(stall && kill);
    ck_assert_int_ge(stall->at_ns, 100 * PB_NS_PER_MS);
    ck_assert_int_ge(kill->at_ns, 251 * PB_NS_PER_MS);
    ck_assert_uint_lt(kill->slot, 2);
    ck_assert_uint_le(drive.load.outcomes[0][PB_OUTCOME_WORKER_LOST], 1);
    for (size_t i = 0; i < drive.row_count; i++) {
        const struct pb_record *row = &drive.rows[i];
        int64_t done_ns = row->intended_ns + pb_record_latency_ns(row);
        int64_t started_ns = done_ns - row->service_ns;
        /* What began just before the order was given may begin a moment after it. */
        int64_t from_ns = stall->at_ns + PB_NS_PER_MS, to_ns = 150 * PB_NS_PER_MS;

        ck_assert(done_ns < from_ns || done_ns >= to_ns);
        ck_assert(started_ns < from_ns || started_ns >= to_ns);
    }
    pb_drive_done(&drive);
}

PB_TEST(surviving_runs_on_fewer_workers)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .lose_workers = 2 };

    pb_test_scenario_init(&scenario, 3);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 1000.0, 20 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_accounts_balance(&drive);
    ck_assert_uint_eq(drive.pool.peak_alive, 1);
}

PB_TEST(a_load_without_memory_is_refused_whole)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    pb_test_scenario_init(&scenario, 2);
    scenario.workload = &pb_workload_synthetic;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, PB_NS_PER_MS);
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    struct pb_load_config config = { .scenario = &scenario,
                                     .schedule = &schedule,
                                     .generators = 2 };

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_load *load = NULL;
        enum pb_status status = pb_load_new(&config, &load, NULL);

        ck_assert_int_eq(status, pb_alloc_failed() ? PB_ENOMEM : PB_OK);
        ck_assert(status == PB_OK || !load);
        pb_load_free(load);
    }
}
