/* Faults that stay with a worker, through the real generator and pool, on threads. */
#include <unistd.h>

#include "support/alloc.h"
#include "support/drive.h"

/* Six quick workers, one after the other, so that each gets its share. */
static void make_calm(struct pb_scenario *scenario, uint32_t workers)
{
    pb_test_scenario_init(scenario, workers);
    scenario->workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_constant(200e3, &scenario->operations[0].service, NULL));
    scenario->pool.strategy = PB_STRATEGY_ROUND_ROBIN;
    scenario->pool.queue_limit = 100000;
    scenario->pool.checkout_timeout_ns = 20 * PB_NS_PER_S;
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

/* What was told of fault `number`; NULL: nothing of this kind. */
static const struct pb_load_event *told(const struct pb_drive *drive, enum pb_load_event_kind kind,
                                        uint32_t number)
{
    const struct pb_load_event *found = NULL;

    for (uint32_t i = 0; i < drive->event_count; i++) {
        if (drive->events[i].kind == kind && drive->events[i].number == number) {
            ck_assert_msg(!found || kind == PB_LOAD_FAULT_HIT, "event %d of %u twice", kind,
                          number);
            found = found ? found : &drive->events[i];
        }
    }
    return found;
}

/* Every request has one end, in the pool's books and in the load's. */
static void assert_conserved(const struct pb_drive *drive)
{
    uint64_t ended = 0, sent = 0;

    for (uint32_t p = 0; p < drive->schedule.scenario->phase_count; p++) {
        ck_assert_uint_eq(drive->load.sent[p], pb_drive_ended(drive, p));
        sent += drive->load.attempts[p];
    }
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        ended += drive->pool.outcomes[o];
    }
    ck_assert_uint_eq(drive->pool.submitted, sent);
    ck_assert_uint_eq(ended, sent);
    ck_assert_uint_eq(drive->pool.rescued_wakeups, 0);
}

/* Requests by worker, of those that began in a stretch (from the run's start), and how many ended
 * with an outcome. */
static void count_rows(const struct pb_drive *drive, int64_t from_ns, int64_t to_ns,
                       enum pb_outcome outcome, unsigned *ret_all, unsigned *ret_with)
{
    for (size_t i = 0; i < drive->row_count; i++) {
        const struct pb_record *row = &drive->rows[i];
        int64_t start_ns = row->intended_ns + row->lag_ns + row->wait_ns;

        if (row->worker < 16 && !(row->flags & PB_RECORD_RETURN) && start_ns >= from_ns &&
            start_ns + row->service_ns < to_ns) {
            ret_all[row->worker]++;
            ret_with[row->worker] += pb_record_outcome(row) == outcome;
        }
    }
}

PB_TEST(a_failing_worker_fails_for_its_time_and_alone)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    unsigned all[16] = { 0 }, failed[16] = { 0 }, after[16] = { 0 }, failed_after[16] = { 0 };

    make_calm(&scenario, 3);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 100 * PB_NS_PER_MS, 1)->for_ns = 200 * PB_NS_PER_MS;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 2000.0, 500 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);

    const struct pb_load_event *begin = told(&drive, PB_LOAD_FAULT, 0);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);

    ck_assert(begin && end);
    ck_assert_uint_eq(1, begin->slot);
    ck_assert_uint_eq(1, begin->workers);
    ck_assert_int_ge(end->at_ns, 300 * PB_NS_PER_MS);
    count_rows(&drive, begin->at_ns + PB_NS_PER_MS, 300 * PB_NS_PER_MS, PB_OUTCOME_ERROR, all,
               failed);
    count_rows(&drive, end->at_ns, INT64_MAX, PB_OUTCOME_ERROR, after, failed_after);
    ck_assert_uint_gt(all[1], 0);
    ck_assert_uint_eq(all[1], failed[1]);
    ck_assert_uint_eq(0, failed[0] + failed[2]);
    ck_assert_uint_eq(0, failed_after[0] + failed_after[1] + failed_after[2]);
    pb_drive_done(&drive);
}

/* Half of the requests, the same ones for the same seed. */
PB_TEST(which_requests_fail_is_drawn_from_the_seed)
{
    struct pb_scenario scenario;
    struct pb_drive drives[2] = { { .record = true, .seed = 4 }, { .record = true, .seed = 4 } };
    unsigned failed = 0;
    enum {
        REQUESTS = 1000
    };
    static uint8_t outcome[2][REQUESTS];

    make_calm(&scenario, 2);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 0, PB_FAULT_ALL)->probability = 0.5;
    /* The first requests may come before the fault, whose thread begins with theirs. */
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 50.0, 600 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 4000.0, 250 * PB_NS_PER_MS);
    for (int d = 0; d < 2; d++) {
        pb_drive_run(&drives[d], &scenario);
        assert_conserved(&drives[d]);
        for (size_t i = 0; i < drives[d].row_count; i++) {
            const struct pb_record *row = &drives[d].rows[i];

            if (row->phase == 1) {
                outcome[d][row->index] = (uint8_t)pb_record_outcome(row);
            }
        }
        pb_drive_done(&drives[d]);
    }
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert_uint_eq(outcome[0][i], outcome[1][i]);
        failed += outcome[0][i] == PB_OUTCOME_ERROR;
    }
    ck_assert_uint_gt(failed, 400);
    ck_assert_uint_lt(failed, 600);
}

PB_TEST(a_slow_worker_takes_so_many_times_as_long)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    unsigned slow = 0;

    make_calm(&scenario, 3);
    struct pb_fault *fault = add_fault(&scenario, PB_FAULT_SLOW_WORKER, 50 * PB_NS_PER_MS, 2);

    fault->factor = 20;
    fault->for_ns = 200 * PB_NS_PER_MS;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 400.0, 400 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_OK], drive.load.sent[0]);
    const struct pb_load_event *begin = told(&drive, PB_LOAD_FAULT, 0);

    for (size_t i = 0; i < drive.row_count; i++) {
        const struct pb_record *row = &drive.rows[i];
        int64_t start_ns = row->intended_ns + row->lag_ns + row->wait_ns;

        if (row->worker == 2 && start_ns > begin->at_ns + PB_NS_PER_MS &&
            start_ns + 200000 < 250 * PB_NS_PER_MS) {
            ck_assert(row->service_ns >= 4 * PB_NS_PER_MS ||
                      start_ns + row->service_ns >= 250 * PB_NS_PER_MS);
            slow++;
        }
    }
    ck_assert_uint_gt(slow, 0);
    pb_drive_done(&drive);
}

/* A thread that hangs is left behind as stuck, replaced, and its fault is over then; the one that
 * hangs for a while comes back. */
PB_TEST(a_hanging_thread_is_replaced_and_the_load_goes_on)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };

    make_calm(&scenario, 3);
    scenario.pool.operation_timeout_ns =
        PB_NS_PER_S; /* long enough for the others on any machine */
    scenario.pool.stuck_after_ns = 30 * PB_NS_PER_MS;
    scenario.pool.max_stuck = 3;
    add_fault(&scenario, PB_FAULT_HANG_WORKER, 50 * PB_NS_PER_MS, 0);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 200.0, 2 * PB_NS_PER_S);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_uint_eq(1, drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT]);
    ck_assert_uint_eq(drive.load.sent[0] - 1, drive.load.outcomes[0][PB_OUTCOME_OK]);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);

    ck_assert_ptr_nonnull(end);
    ck_assert_int_ge(end->at_ns, 1030 * PB_NS_PER_MS);
    pb_drive_done(&drive);
}

PB_TEST(a_worker_that_hangs_for_a_while_comes_back)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    int64_t longest_ns = 0;

    make_calm(&scenario, 2);
    add_fault(&scenario, PB_FAULT_HANG_WORKER, 50 * PB_NS_PER_MS, PB_FAULT_ANY)->for_ns =
        500 * PB_NS_PER_MS;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 700 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_uint_eq(drive.load.sent[0], drive.load.outcomes[0][PB_OUTCOME_OK]);
    for (size_t i = 0; i < drive.row_count; i++) {
        longest_ns = drive.rows[i].service_ns > longest_ns ? drive.rows[i].service_ns : longest_ns;
    }
    ck_assert_int_ge(longest_ns, 100 * PB_NS_PER_MS);
    pb_drive_done(&drive);
}

/* Nobody comes back before the run gives them up. */
PB_TEST(workers_that_hang_for_good_hold_no_drain_up_beyond_its_limit)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };

    make_calm(&scenario, 2);
    scenario.pool.checkout_timeout_ns = scenario.pool.operation_timeout_ns = 50 * PB_NS_PER_MS;
    scenario.pool.max_stuck = 0;
    add_fault(&scenario, PB_FAULT_HANG_WORKER, 20 * PB_NS_PER_MS, PB_FAULT_ALL);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_uint_ge(drive.load.outcomes[0][PB_OUTCOME_OPERATION_TIMEOUT], 2);
    ck_assert_uint_gt(drive.load.outcomes[0][PB_OUTCOME_CHECKOUT_TIMEOUT], 0);
    pb_drive_done(&drive);
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(2, fscanf(file, "%llu %llu", &total, &resident));
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void note_resident(void *ctx, const struct pb_load_event *event)
{
    uint64_t *resident = ctx;

    if (event->kind == PB_LOAD_PHASE_END) {
        resident[1] = resident_bytes(); /* the last phase's stays */
    } else if (event->kind == PB_LOAD_PHASE_START && event->number == 0) {
        resident[0] = resident_bytes();
    }
}

/* 100 requests of 1 MiB each on the one worker that has it; ASan sees to it that nothing stays. */
PB_TEST(a_leaking_worker_keeps_memory_until_it_is_replaced)
{
    struct pb_scenario scenario;
    uint64_t resident[2] = { 0 };
    struct pb_drive drive = { .on_event = note_resident, .ctx = resident };

    make_calm(&scenario, 1);
    add_fault(&scenario, PB_FAULT_LEAK_WORKER, 0, 0)->bytes = 1 << 20;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 250.0, 400 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 20.0, PB_NS_PER_S);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_uint_gt(resident[1], resident[0] + (50 << 20));
    /* Killed, it gives the memory back, and its follower does not leak. */
    struct pb_drive again = { .on_event = note_resident, .ctx = resident };

    add_fault(&scenario, PB_FAULT_KILL_WORKER, 380 * PB_NS_PER_MS, 0);
    pb_drive_run(&again, &scenario);
    ck_assert_ptr_nonnull(told(&again, PB_LOAD_FAULT_END, 0));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while, to see whether it is used \
                              */
    ck_assert_uint_lt(resident[1], resident[0] + (50 << 20));
#endif
}

PB_TEST(a_fault_ends_with_its_worker_and_the_next_one_is_sound)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    unsigned all[16] = { 0 }, failed[16] = { 0 }, failures = 0;

    make_calm(&scenario, 2);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 20 * PB_NS_PER_MS, PB_FAULT_ALL);
    add_fault(&scenario, PB_FAULT_KILL_WORKER, 300 * PB_NS_PER_MS, 1);
    add_fault(&scenario, PB_FAULT_KILL_WORKER, 900 * PB_NS_PER_MS, PB_FAULT_ALL);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 1100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);

    ck_assert_ptr_nonnull(end);
    ck_assert_int_ge(end->at_ns, 900 * PB_NS_PER_MS); /* with the last of the two */
    ck_assert_uint_eq(2, told(&drive, PB_LOAD_FAULT, 0)->workers);
    ck_assert_uint_eq(2, told(&drive, PB_LOAD_FAULT, 2)->workers);
    ck_assert_ptr_null(told(&drive, PB_LOAD_FAULT_END, 1));
    count_rows(&drive, end->at_ns + PB_NS_PER_MS, INT64_MAX, PB_OUTCOME_ERROR, all, failed);
    for (int i = 0; i < 16; i++) {
        failures += failed[i];
    }
    ck_assert_uint_eq(0, failures);
    ck_assert_uint_gt(drive.load.outcomes[0][PB_OUTCOME_ERROR], 0);
    pb_drive_done(&drive);
}

/* There is no worker 5: the event says that none was hit, and nothing happens. */
PB_TEST(a_fault_that_finds_no_worker_says_so)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = false };

    make_calm(&scenario, 2);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 10 * PB_NS_PER_MS, 5);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    ck_assert_uint_eq(PB_NO_WORKER, told(&drive, PB_LOAD_FAULT, 0)->slot);
    ck_assert_uint_eq(0, told(&drive, PB_LOAD_FAULT, 0)->workers);
    ck_assert_ptr_null(told(&drive, PB_LOAD_FAULT_END, 0));
    ck_assert_uint_eq(drive.load.sent[0], drive.load.outcomes[0][PB_OUTCOME_OK]);
}

/* Of two of a kind on one worker the later one counts; the earlier is over. */
PB_TEST(the_later_of_two_faults_of_a_kind_counts)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };

    make_calm(&scenario, 1);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 50 * PB_NS_PER_MS, 0);
    add_fault(&scenario, PB_FAULT_FAIL_WORKER, 100 * PB_NS_PER_MS, 0)->probability = 0;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 400 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    const struct pb_load_event *end = told(&drive, PB_LOAD_FAULT_END, 0);
    unsigned all[16] = { 0 }, failed[16] = { 0 };

    ck_assert_ptr_nonnull(end);
    count_rows(&drive, end->at_ns + PB_NS_PER_MS, INT64_MAX, PB_OUTCOME_ERROR, all, failed);
    ck_assert_uint_gt(all[0], 0);
    ck_assert_uint_eq(0, failed[0]);
    pb_drive_done(&drive);
}

/* Everything at once on a pool that is too small, with retries: the books stay right. */
static void drive_chaos(uint32_t threads, uint64_t seed)
{
    static const enum pb_fault_kind kinds[] = { PB_FAULT_KILL_WORKER, PB_FAULT_HANG_WORKER,
                                                PB_FAULT_SLOW_WORKER, PB_FAULT_FAIL_WORKER,
                                                PB_FAULT_LEAK_WORKER };
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true, .generators = 2, .seed = seed };

    make_calm(&scenario, 4);
    scenario.pool.threads_per_worker = threads;
    scenario.pool.max_overflow = 2;
    scenario.pool.queue_limit = 20;
    scenario.pool.max_stuck = 4;
    scenario.pool.operation_timeout_ns = scenario.pool.checkout_timeout_ns = 10 * PB_NS_PER_MS;
    scenario.pool.stuck_after_ns = 10 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_dist_exponential(1e6, &scenario.operations[0].service, NULL));
    scenario.retries = (struct pb_retries){ .max = 2,
                                            .delay_ns = 2 * PB_NS_PER_MS,
                                            .max_delay_ns = PB_NS_PER_S,
                                            .backoff = 2,
                                            .jitter = 1,
                                            .on = 0x7c };
    for (int i = 0; i < 50; i++) {
        struct pb_fault *fault = add_fault(&scenario, kinds[i % 5], (20 + 10 * i) * PB_NS_PER_MS,
                                           i % 7 == 0 ? PB_FAULT_ALL : PB_FAULT_ANY);

        fault->for_ns = i % 3 == 0 ? 0 : (5 + i) * PB_NS_PER_MS;
        fault->factor = 3;
        fault->probability = 0.3;
        fault->bytes = 4096;
    }
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 3000.0, 300 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 300 * PB_NS_PER_MS)->users = 12;
    pb_drive_run(&drive, &scenario);
    assert_conserved(&drive);
    ck_assert_ptr_nonnull(told(&drive, PB_LOAD_FAULT, 49));
    ck_assert_uint_gt(drive.load.outcomes[0][PB_OUTCOME_OK], 0);
    pb_drive_done(&drive);
}

PB_TEST(nothing_is_lost_under_all_faults_at_once)
{
    drive_chaos(1, 1);
}

PB_TEST(nothing_is_lost_under_all_faults_at_once_with_workers_of_two_threads)
{
    drive_chaos(2, 2);
}

PB_TEST(a_load_with_faults_and_without_memory_is_refused_whole)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    make_calm(&scenario, 2);
    add_fault(&scenario, PB_FAULT_HANG_WORKER, 0, 0);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, PB_NS_PER_MS);
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    struct pb_load_config config = { .scenario = &scenario,
                                     .schedule = &schedule,
                                     .generators = 1 };

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_load *load = NULL;
        enum pb_status status = pb_load_new(&config, &load, NULL);

        ck_assert_int_eq(status, pb_alloc_failed() ? PB_ENOMEM : PB_OK);
        ck_assert(status == PB_OK || !load);
        pb_load_free(load);
    }
}
