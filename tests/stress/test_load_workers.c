/* A load on real worker processes (tests/programs/test_worker.c): whatever they do, every request
 * has its outcome and nothing of them stays. */
#include "support/child.h"
#include "support/drive.h"

static char command_echo[] = "echo", command_exit[] = "exit", command_hang[] = "hang",
            command_hold[] = "hold", command_sleep[] = "sleep", command_error[] = "server_error",
            five[] = "5", three[] = "3", frames[] = "frames";

/* `size` children with `threads` requests each at a time, asked for echo alone. */
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
    scenario->pool.kill_after_ns = 20 * PB_NS_PER_MS;
    scenario->worker.argv = argv;
    scenario->operations[0].command = command_echo;
    scenario->operations[0].args = five;
    pb_test_add_phase(scenario, PB_ARRIVAL_CONSTANT, 200.0, 500 * PB_NS_PER_MS);
}

/* One request in `weight` + 1 asks for something else. */
static void mix_in(struct pb_scenario *scenario, char *command, char *args, double weight)
{
    scenario->operations[0].weight = weight;
    scenario->operations[1] = scenario->operations[0];
    scenario->operations[1].weight = 1;
    scenario->operations[1].command = command;
    scenario->operations[1].args = args;
    scenario->operation_count = 2;
}

static void drive_it(struct pb_drive *drive, const struct pb_scenario *scenario)
{
    int fds = pb_child_open_fds();

    drive->record = true;
    drive->seed = 3;
    pb_drive_run(drive, scenario);
    ck_assert_uint_eq(100, drive->load.sent[0]);
    ck_assert_uint_eq(100, pb_drive_ended(drive, 0));
    ck_assert_uint_eq(0, drive->pool.rescued_wakeups);
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
    pb_drive_done(drive);
}

PB_TEST(worker_processes_serve_and_leave_nothing_behind)
{
    for (int64_t threads = 1; threads <= 4; threads += 3) {
        struct pb_scenario scenario;
        struct pb_drive drive = { .generators = 1 };

        make_scenario(&scenario, 3, threads);
        drive_it(&drive, &scenario);
        ck_assert_uint_eq(100, drive.load.outcomes[0][PB_OUTCOME_OK]);
        ck_assert_uint_eq(3, drive.pool.workers_started);
    }
}

PB_TEST(a_worker_that_exits_loses_the_requests_that_it_had)
{
    for (int64_t threads = 1; threads <= 4; threads += 3) {
        struct pb_scenario scenario;
        struct pb_drive drive = { .generators = 1 };

        make_scenario(&scenario, 3, threads);
        mix_in(&scenario, command_exit, three, 19);
        drive_it(&drive, &scenario);

        uint64_t lost = drive.load.outcomes[0][PB_OUTCOME_WORKER_LOST];

        ck_assert_uint_gt(lost, 0);
        ck_assert_uint_eq(100, drive.load.outcomes[0][PB_OUTCOME_OK] + lost);
        ck_assert_uint_gt(drive.pool.lost, 0);
    }
}

PB_TEST(a_worker_that_hangs_is_killed_and_replaced)
{
    for (int64_t threads = 1; threads <= 4; threads += 3) {
        struct pb_scenario scenario;
        struct pb_drive drive = { .generators = 1 };

        make_scenario(&scenario, 3, threads);
        /* One thing at a time, it hangs as a whole; else it goes on with the others. */
        mix_in(&scenario, threads == 1 ? command_hang : command_hold, five, 19);
        scenario.pool.operation_timeout_ns = 30 * PB_NS_PER_MS;
        drive_it(&drive, &scenario);

        uint64_t late = drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT];
        uint64_t lost = drive.load.outcomes[0][PB_OUTCOME_WORKER_LOST];

        ck_assert_uint_gt(late, 0);
        ck_assert_uint_eq(100, drive.load.outcomes[0][PB_OUTCOME_OK] + late + lost);
        ck_assert_uint_gt(drive.pool.workers_started, 3);
    }
}

PB_TEST(a_load_that_is_stopped_before_it_sends_leaves_nothing)
{
    static const _Atomic int stop = 1;
    struct pb_scenario scenario;
    struct pb_drive drive = { .stop = &stop };
    int fds = pb_child_open_fds();

    make_scenario(&scenario, 2, 1);
    scenario.operations[0].command = command_hang;
    pb_drive_run(&drive, &scenario);
    ck_assert_uint_eq(drive.load.sent[0], pb_drive_ended(&drive, 0));
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

/* Drives by hand, to look at what was warmed. */
static struct pb_load_prepare_stats warm(const struct pb_scenario *scenario)
{
    struct pb_schedule schedule;
    struct pb_load_config config = { .scenario = scenario, .schedule = &schedule, .generators = 1 };
    struct pb_load_prepare_stats stats;
    struct pb_load *load = NULL;
    struct pb_error err = { .text = "" };

    pb_schedule_init(&schedule, scenario, 1, 1.0);
    ck_assert_msg(pb_load_new(&config, &load, &err) == PB_OK, "%s", err.text);
    pb_load_prepared(load, &stats);
    pb_load_free(load);
    ck_assert_int_eq(0, pb_child_count());
    return stats;
}

PB_TEST(every_worker_is_warmed_once_whatever_the_strategy)
{
    for (int64_t strategy = 0; strategy < PB_PREPARE_COUNT; strategy++) {
        struct pb_scenario scenario;

        make_scenario(&scenario, 5, 1);
        scenario.pool.prepare = strategy;
        scenario.worker.prepare[0] =
            (struct pb_prepare_command){ command_sleep, five, PB_NS_PER_S * 20 };
        scenario.worker.prepare[1] =
            (struct pb_prepare_command){ command_error, NULL, PB_NS_PER_S * 20 };
        scenario.worker.prepare_count = 2;

        struct pb_load_prepare_stats stats = warm(&scenario);

        ck_assert_uint_eq(5, stats.total_workers);
        ck_assert_uint_eq(0, stats.successful_workers);
        ck_assert_uint_eq(5, stats.commands[0].count);
        ck_assert_uint_eq(0, stats.commands[0].failures);
        ck_assert_uint_eq(5, stats.commands[1].count);
        ck_assert_uint_eq(5, stats.commands[1].failures);
        ck_assert_int_ge(stats.commands[0].max_ns, 5 * PB_NS_PER_MS);
        ck_assert_int_ge(stats.commands[0].sum_ns, 25 * PB_NS_PER_MS);
        ck_assert_int_ge(stats.duration_ns,
                         (strategy == PB_PREPARE_SEQUENTIAL ? 25 : 5) * PB_NS_PER_MS);
        ck_assert_uint_eq(0, stats.later_workers);
    }
}

PB_TEST(a_worker_late_in_warming_has_failed_and_serves)
{
    struct pb_scenario scenario;

    make_scenario(&scenario, 1, 1);
    scenario.pool.kill_after_ns = 20 * PB_NS_PER_S;
    scenario.worker.prepare[0] = (struct pb_prepare_command){ command_sleep, five, PB_NS_PER_MS };
    scenario.worker.prepare_count = 1;

    struct pb_load_prepare_stats stats = warm(&scenario);

    ck_assert_uint_eq(1, stats.total_workers);
    ck_assert_uint_eq(0, stats.successful_workers);
    ck_assert_uint_eq(1, stats.commands[0].failures);
}

PB_TEST(a_program_that_does_not_start_is_no_load)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    struct pb_load_config config = { .scenario = &scenario,
                                     .schedule = &schedule,
                                     .generators = 1 };
    char nothing[] = "/no/such/program", *argv[] = { nothing, NULL };
    struct pb_load *load = NULL;
    struct pb_error err = { .text = "" };
    int fds = pb_child_open_fds();

    make_scenario(&scenario, 3, 1);
    scenario.worker.argv = argv;
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    ck_assert_int_eq(PB_EINVAL, pb_load_new(&config, &load, &err));
    ck_assert_ptr_null(load);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot start '/no/such/program': no such program"));
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}
