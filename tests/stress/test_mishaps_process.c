/* Faults that stay with a worker, on real worker processes (tests/programs/test_worker.c): stopped,
 * hanging, garbled; whatever befalls them, every request has its outcome and nothing of them stays.
 */
#include "support/child.h"
#include "support/drive.h"

static char command_echo[] = "echo", five[] = "5", frames[] = "frames";

static void make_scenario(struct pb_scenario *scenario, uint32_t size, int64_t threads)
{
    static char *argv[3];
    static char program[4096];

    (void)snprintf(program, sizeof(program), "%s", pb_child_program());
    argv[0] = program;
    argv[1] = frames;
    pb_test_scenario_init(scenario, size);
    scenario->workload = &pb_workload_command;
    scenario->pool.profile = PB_PROFILE_PROCESS;
    scenario->pool.threads_per_worker = threads;
    scenario->pool.strategy = PB_STRATEGY_ROUND_ROBIN;
    scenario->pool.kill_after_ns = 20 * PB_NS_PER_MS;
    scenario->pool.checkout_timeout_ns = 20 * PB_NS_PER_S;
    scenario->worker.argv = argv;
    scenario->operations[0].command = command_echo;
    scenario->operations[0].args = five;
}

static struct pb_fault *add_fault(struct pb_scenario *scenario, enum pb_fault_kind kind,
                                  int64_t at_ns, int64_t worker)
{
    struct pb_fault *fault = &scenario->faults[scenario->fault_count++];

    *fault = (struct pb_fault){ .kind = kind,
                                .at_ns = at_ns,
                                .worker = worker,
                                .factor = 1,
                                .probability = 1,
                                .text = pb_test_phase_name };
    return fault;
}

static void drive_it(struct pb_drive *drive, const struct pb_scenario *scenario)
{
    int fds = pb_child_open_fds();

    drive->record = true;
    drive->seed = 3;
    pb_drive_run(drive, scenario);
    for (uint32_t p = 0; p < scenario->phase_count; p++) {
        ck_assert_uint_gt(drive->load.sent[p], 0);
        ck_assert_uint_eq(drive->load.sent[p], pb_drive_ended(drive, p));
    }
    ck_assert_uint_eq(0, drive->pool.rescued_wakeups);
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

static const struct pb_load_event *told(const struct pb_drive *drive, enum pb_load_event_kind kind,
                                        uint32_t number)
{
    for (uint32_t i = 0; i < drive->event_count; i++) {
        if (drive->events[i].kind == kind && drive->events[i].number == number) {
            return &drive->events[i];
        }
    }
    return NULL;
}

static void assert_hit(const struct pb_drive *drive, uint32_t number, uint32_t workers)
{
    const struct pb_load_event *begin = told(drive, PB_LOAD_FAULT, number);

    ck_assert(begin && begin->workers == workers);
}

static int64_t longest_service_ns(const struct pb_drive *drive)
{
    int64_t longest_ns = 0;

    for (size_t i = 0; i < drive->row_count; i++) {
        longest_ns =
            drive->rows[i].service_ns > longest_ns ? drive->rows[i].service_ns : longest_ns;
    }
    return longest_ns;
}

PB_TEST(a_process_stopped_for_a_while_goes_on)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 1 };

    make_scenario(&scenario, 2, 1);
    add_fault(&scenario, PB_FAULT_STOP_WORKER, 100 * PB_NS_PER_MS, 1)->for_ns = 500 * PB_NS_PER_MS;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 1200 * PB_NS_PER_MS);
    drive_it(&drive, &scenario);
    ck_assert_uint_eq(drive.load.sent[0], drive.load.outcomes[0][PB_OUTCOME_OK]);
    ck_assert_uint_eq(2, drive.pool.workers_started);
    assert_hit(&drive, 0, 1);
    ck_assert_ptr_nonnull(told(&drive, PB_LOAD_FAULT_END, 0));
    ck_assert_int_ge(longest_service_ns(&drive), 100 * PB_NS_PER_MS);
    /* It serves again while the load goes on. */
    const struct pb_load_event *begin = told(&drive, PB_LOAD_FAULT, 0);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);
    unsigned again = 0;

    for (size_t i = 0; begin && end && i < drive.row_count; i++) {
        const struct pb_record *row = &drive.rows[i];

        again += row->worker == begin->slot &&
                 row->intended_ns + row->lag_ns + row->wait_ns > end->at_ns;
    }
    ck_assert_uint_gt(again, 0);
    pb_drive_done(&drive);
}

/* It cannot even be asked to end: only SIGKILL reaches a stopped process. */
PB_TEST(a_process_stopped_for_good_is_killed_and_replaced)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 1 };

    make_scenario(&scenario, 3, 1);
    scenario.pool.operation_timeout_ns =
        PB_NS_PER_S; /* long enough for the others on any machine */
    add_fault(&scenario, PB_FAULT_STOP_WORKER, 100 * PB_NS_PER_MS, PB_FAULT_ANY);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 2 * PB_NS_PER_S);
    drive_it(&drive, &scenario);
    ck_assert_uint_eq(1, drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT]);
    ck_assert_uint_eq(drive.load.sent[0] - 1, drive.load.outcomes[0][PB_OUTCOME_OK]);
    ck_assert_uint_eq(4, drive.pool.workers_started);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);

    ck_assert_ptr_nonnull(end);
    ck_assert_int_ge(end->at_ns, PB_NS_PER_S);
    pb_drive_done(&drive);
}

/* The load is over and its workers stand still: they end all the same. */
PB_TEST(processes_that_are_still_stopped_at_the_end_are_ended)
{
    for (int i = 0; i < 2; i++) {
        struct pb_scenario scenario;
        struct pb_drive drive = { .generators = 1 };

        make_scenario(&scenario, 2, 1);
        scenario.pool.operation_timeout_ns = PB_NS_PER_S;
        add_fault(&scenario, PB_FAULT_STOP_WORKER, 150 * PB_NS_PER_MS, PB_FAULT_ALL)->for_ns =
            i == 0 ? 0 : 60 * PB_NS_PER_S;
        pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 200.0, 170 * PB_NS_PER_MS);
        drive_it(&drive, &scenario);
        assert_hit(&drive, 0, 2);
        pb_drive_done(&drive);
    }
}

PB_TEST(a_process_that_hangs_is_replaced)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 1 };

    make_scenario(&scenario, 3, 1);
    scenario.pool.operation_timeout_ns = PB_NS_PER_S;
    add_fault(&scenario, PB_FAULT_HANG_WORKER, 100 * PB_NS_PER_MS, 0);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 2 * PB_NS_PER_S);
    drive_it(&drive, &scenario);
    ck_assert_uint_eq(1, drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT]);
    ck_assert_uint_eq(drive.load.sent[0] - 1, drive.load.outcomes[0][PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, drive.pool.lost);
    ck_assert_ptr_nonnull(told(&drive, PB_LOAD_FAULT_END, 0));
    pb_drive_done(&drive);
}

PB_TEST(garbage_loses_the_worker_and_the_next_one_is_sound)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 1 };

    make_scenario(&scenario, 2, 1);
    add_fault(&scenario, PB_FAULT_CORRUPT_WORKER, 100 * PB_NS_PER_MS, PB_FAULT_ALL);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 200.0, 500 * PB_NS_PER_MS);
    drive_it(&drive, &scenario);
    ck_assert_uint_eq(2, drive.load.outcomes[0][PB_OUTCOME_WORKER_LOST]);
    ck_assert_uint_eq(drive.load.sent[0] - 2, drive.load.outcomes[0][PB_OUTCOME_OK]);
    ck_assert_uint_eq(4, drive.pool.workers_started);
    ck_assert_ptr_nonnull(told(&drive, PB_LOAD_FAULT_END, 0));
    pb_drive_done(&drive);
}

static void drive_chaos(int64_t threads, bool retries)
{
    static const enum pb_fault_kind kinds[] = { PB_FAULT_KILL_WORKER, PB_FAULT_STOP_WORKER,
                                                PB_FAULT_HANG_WORKER, PB_FAULT_CORRUPT_WORKER,
                                                PB_FAULT_SLOW_WORKER, PB_FAULT_FAIL_WORKER };
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 2 };

    make_scenario(&scenario, 3, threads);
    scenario.pool.max_overflow = 1;
    scenario.pool.queue_limit = 20;
    scenario.pool.operation_timeout_ns = 40 * PB_NS_PER_MS;
    scenario.pool.checkout_timeout_ns = 100 * PB_NS_PER_MS;
    if (retries) {
        scenario.retries = (struct pb_retries){ .max = 2,
                                                .delay_ns = 5 * PB_NS_PER_MS,
                                                .max_delay_ns = PB_NS_PER_S,
                                                .backoff = 2,
                                                .jitter = 1,
                                                .on = 0x7c };
    }
    for (int i = 0; i < 36; i++) {
        struct pb_fault *fault = add_fault(&scenario, kinds[i % 6], (50 + 20 * i) * PB_NS_PER_MS,
                                           i % 8 == 0 ? PB_FAULT_ALL : PB_FAULT_ANY);

        fault->for_ns = i % 4 == 0 ? 0 : (10 + 3 * i) * PB_NS_PER_MS;
        fault->factor = 4;
        fault->probability = 0.3;
    }
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 400.0, 450 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 450 * PB_NS_PER_MS)->users = 6;
    PB_ASSERT_OK(pb_dist_constant(2e6, &scenario.phases[1].think, NULL));
    drive_it(&drive, &scenario);
    ck_assert_ptr_nonnull(told(&drive, PB_LOAD_FAULT, 35));
    ck_assert_uint_gt(drive.load.outcomes[0][PB_OUTCOME_OK], 0);
    pb_drive_done(&drive);
}

PB_TEST(processes_under_all_faults_at_once_lose_no_request)
{
    drive_chaos(1, true);
}

PB_TEST(processes_of_three_requests_under_all_faults_at_once_lose_no_request)
{
    drive_chaos(3, false);
}
