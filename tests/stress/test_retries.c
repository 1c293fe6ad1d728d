/* Requests that are tried again, through the real generator, pool and recorder. */
#include <math.h>

#include "support/alloc.h"
#include "support/drive.h"

#define ALL_BUT_FINAL 0x7cu /* error to worker_lost */

static int by_request(const void *a, const void *b)
{
    const struct pb_record *x = a, *y = b;

    if (x->phase != y->phase) {
        return x->phase < y->phase ? -1 : 1;
    }
    if (x->index != y->index) {
        return x->index < y->index ? -1 : 1;
    }
    if (x->attempt != y->attempt) {
        return x->attempt < y->attempt ? -1 : 1;
    }
    /* An attempt, then the row that ended its request, then its worker's return. */
    int rank_x = (x->flags & PB_RECORD_END ? 1 : 0) + (x->flags & PB_RECORD_RETURN ? 2 : 0);
    int rank_y = (y->flags & PB_RECORD_END ? 1 : 0) + (y->flags & PB_RECORD_RETURN ? 2 : 0);

    return rank_x - rank_y;
}

/* What the rows say of the run. */
struct ledger {
    uint64_t attempts[PB_PHASES_MAX];
    uint64_t requests[PB_PHASES_MAX];
    uint64_t outcomes[PB_PHASES_MAX][PB_OUTCOME_COUNT];
    uint64_t retried, abandoned, returns, left_behind;
};

/* One request's rows, in order: its attempts follow each other, each after its pause, and all parts
 * add up to the last one's latency. */
static void check_request(const struct pb_drive *drive, const struct pb_record *rows, size_t count,
                          struct ledger *ledger)
{
    const struct pb_retries *retries = &drive->schedule.scenario->retries;
    const struct pb_record *before = NULL, *last = NULL;
    int64_t parts_ns = 0;

    for (size_t i = 0; i < count; i++) {
        const struct pb_record *row = &rows[i];

        if (row->flags & PB_RECORD_RETURN) {
            ledger->returns++;
            continue;
        }
        ck_assert_ptr_null(last);
        last = row->flags & PB_RECORD_LAST ? row : NULL;
        ck_assert_int_eq(row->intended_ns, rows[0].intended_ns);
        ck_assert_int_ge(row->wait_ns, 0);
        ck_assert_int_ge(row->service_ns, 0);
        if (row->flags & PB_RECORD_END) {
            ck_assert_ptr_nonnull(last);
            ck_assert_ptr_nonnull(before);
            ck_assert_int_eq(pb_record_latency_ns(row), pb_record_latency_ns(before));
            ck_assert_int_eq(pb_record_outcome(row), pb_record_outcome(before));
            ck_assert_uint_eq(row->attempt, before->attempt);
            ledger->abandoned++;
            continue;
        }
        ck_assert_uint_eq(row->attempt, before ? before->attempt + 1U : 0);
        ck_assert_int_eq((row->flags & PB_RECORD_RETRY) != 0, row->attempt > 0);
        if (before) {
            int64_t pause_ns =
                pb_schedule_backoff_ns(&drive->schedule, row->phase, row->index, row->attempt);
            int64_t lag_ns = row->lag_ns - pb_record_latency_ns(before) - pause_ns;

            ck_assert((retries->on & 1U << pb_record_outcome(before)) != 0);
            ck_assert_int_ge(lag_ns, 0);
            parts_ns += pause_ns + lag_ns;
        } else {
            parts_ns += row->lag_ns;
        }
        parts_ns += row->wait_ns + row->service_ns;
        ledger->attempts[row->phase]++;
        ledger->retried += row->attempt == 1;
        ledger->left_behind += row->worker != PB_RECORD_NO_WORKER &&
                               pb_record_outcome(row) >= PB_OUTCOME_OPERATION_TIMEOUT;
        before = row;
    }
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(parts_ns, pb_record_latency_ns(last));
    ledger->requests[last->phase]++;
    ledger->outcomes[last->phase][pb_record_outcome(last)]++;
}

/* Counters, pool and rows agree, request by request; every request has one end. */
static void check_all(struct pb_drive *drive, struct ledger *ledger)
{
    uint64_t attempts = 0, pool_outcomes = 0;

    *ledger = (struct ledger){ .retried = 0 };
    qsort(drive->rows, drive->row_count, sizeof(*drive->rows), by_request);
    for (size_t i = 0, end; i < drive->row_count; i = end) {
        for (end = i + 1; end < drive->row_count &&
                          drive->rows[end].phase == drive->rows[i].phase &&
                          drive->rows[end].index == drive->rows[i].index;) {
            end++;
        }
        check_request(drive, &drive->rows[i], end - i, ledger);
    }
    for (uint32_t p = 0; p < drive->schedule.scenario->phase_count; p++) {
        ck_assert_uint_eq(drive->load.sent[p], pb_drive_ended(drive, p));
        ck_assert_uint_eq(drive->load.sent[p], ledger->requests[p]);
        ck_assert_uint_eq(drive->load.attempts[p], ledger->attempts[p]);
        attempts += ledger->attempts[p];
    }
    ck_assert_mem_eq(ledger->outcomes, drive->load.outcomes, sizeof(ledger->outcomes));
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        pool_outcomes += drive->pool.outcomes[o];
    }
    ck_assert_uint_eq(drive->pool.submitted, attempts);
    ck_assert_uint_eq(pool_outcomes, attempts);
    ck_assert_uint_eq(drive->load.waiting, 0);
    ck_assert_uint_eq(drive->load.given_up, 0);
    ck_assert_uint_eq(drive->pool.rescued_wakeups, 0);
}

/* Overload, timeouts, errors, hangs, deaf work, killed workers, a stall. */
static void make_hostile(struct pb_scenario *scenario)
{
    struct pb_operation *operation = &scenario->operations[0];

    pb_test_scenario_init(scenario, 2);
    scenario->workload = &pb_workload_synthetic;
    scenario->pool.max_overflow = 1;
    scenario->pool.overflow_ttl_ns = 3 * PB_NS_PER_MS;
    scenario->pool.queue_limit = 3;
    scenario->pool.checkout_timeout_ns = 2 * PB_NS_PER_MS;
    scenario->pool.operation_timeout_ns = 2 * PB_NS_PER_MS;
    scenario->pool.stuck_after_ns = 5 * PB_NS_PER_MS;
    scenario->pool.max_stuck = 8;
    PB_ASSERT_OK(pb_dist_exponential(500e3, &operation->service, NULL));
    operation->error_rate = 0.2;
    operation->hang_rate = 0.02;
    operation->client_error_rate = 0.05;
    scenario->operations[1] = *operation;
    scenario->operations[1].weight = 0.01;
    scenario->operations[1].ignore_cancel = true;
    scenario->operation_count = 2;
    scenario->retries = (struct pb_retries){ .max = 3,
                                             .delay_ns = PB_NS_PER_MS,
                                             .max_delay_ns = 3 * PB_NS_PER_MS,
                                             .backoff = 2,
                                             .jitter = 0.5,
                                             .on = ALL_BUT_FINAL };
}

static void add_faults(struct pb_scenario *scenario)
{
    static const int64_t kills_ms[] = { 20, 40, 60, 80, 230, 260, 290, 420, 450, 480 };

    for (size_t i = 0; i < PB_ARRAY_LEN(kills_ms); i++) {
        scenario->faults[scenario->fault_count++] =
            (struct pb_fault){ .kind = PB_FAULT_KILL_WORKER,
                               .at_ns = kills_ms[i] * PB_NS_PER_MS,
                               .worker = -1,
                               .text = pb_test_phase_name };
    }
}

static void drive_hostile(uint32_t generators, uint64_t seed)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = generators, .record = true, .seed = seed };
    struct ledger ledger;

    make_hostile(&scenario);
    add_faults(&scenario);
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 3000.0, 200 * PB_NS_PER_MS)->drain = true;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 200 * PB_NS_PER_MS)->users = 9;
    PB_ASSERT_OK(pb_dist_exponential(300e3, &scenario.phases[1].think, NULL));
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 1000.0, 150 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(ledger.returns, ledger.left_behind);
    ck_assert_uint_gt(ledger.retried, 50);
    ck_assert_uint_eq(ledger.abandoned, 0); /* the drain waits for all attempts */
    ck_assert_uint_gt(drive.retry_lag.count, ledger.retried - 1);
    pb_drive_done(&drive);
}

PB_TEST(retries_keep_the_accounts_under_hostile_load_with_one_generator)
{
    drive_hostile(1, 5);
}

PB_TEST(retries_keep_the_accounts_under_hostile_load_with_three_generators)
{
    drive_hostile(3, 6);
}

/* Every attempt fails, and the pool has room for all. */
static void make_failing(struct pb_scenario *scenario, uint32_t workers)
{
    pb_test_scenario_init(scenario, workers);
    scenario->workload = &pb_workload_synthetic;
    scenario->operations[0].error_rate = 1;
    scenario->retries = (struct pb_retries){ .max = 4,
                                             .delay_ns = 2 * PB_NS_PER_MS,
                                             .max_delay_ns = PB_NS_PER_S,
                                             .backoff = 1,
                                             .on = 1U << PB_OUTCOME_ERROR };
}

PB_TEST(a_request_is_tried_so_often_and_counted_once)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    struct ledger ledger;

    make_failing(&scenario, 2);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(drive.load.sent[0], 50);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_ERROR], 50);
    ck_assert_uint_eq(drive.load.attempts[0], 250);
    for (size_t i = 0; i < drive.row_count; i++) {
        ck_assert(drive.rows[i].attempt < 4 ||
                  pb_record_latency_ns(&drive.rows[i]) >= 8 * PB_NS_PER_MS);
    }
    pb_drive_done(&drive);
}

PB_TEST(an_outcome_that_is_not_listed_is_final)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    struct ledger ledger;

    make_failing(&scenario, 2);
    scenario.retries.on = ALL_BUT_FINAL & ~(1U << PB_OUTCOME_ERROR);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 50 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(drive.load.attempts[0], drive.load.sent[0]);
    ck_assert_uint_eq(drive.retry_lag.count, 0);
    pb_drive_done(&drive);
}

/* A user sends its next request a think time after the last attempt of the one before. */
PB_TEST(a_closed_user_comes_back_at_the_end_of_the_request)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    struct ledger ledger;

    make_failing(&scenario, 2);
    scenario.retries.max = 2;
    struct pb_phase *phase =
        pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 500 * PB_NS_PER_MS);

    phase->users = 3;
    PB_ASSERT_OK(pb_dist_constant(1e6, &phase->think, NULL));
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_gt(drive.load.sent[0], 6);
    for (size_t i = 0; i < drive.row_count; i++) {
        for (size_t j = 0; j < drive.row_count; j++) {
            const struct pb_record *row = &drive.rows[i], *before = &drive.rows[j];

            if (row->attempt == 0 && before->index + 3 == row->index &&
                (before->flags & PB_RECORD_LAST)) {
                ck_assert_int_eq(row->intended_ns,
                                 before->intended_ns + pb_record_latency_ns(before) + PB_NS_PER_MS);
            }
        }
    }
    pb_drive_done(&drive);
}

/* A pool that rejects nearly all; thousands wait for their next attempt at a time. */
PB_TEST(many_requests_wait_for_their_next_attempt_at_a_time)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .generators = 2, .record = true };
    struct ledger ledger;

    pb_test_scenario_init(&scenario, 1);
    scenario.workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_constant(50e6, &scenario.operations[0].service, NULL));
    scenario.pool.queue_limit = 0;
    scenario.retries = (struct pb_retries){ .max = 2,
                                            .delay_ns = 250 * PB_NS_PER_MS,
                                            .max_delay_ns = PB_NS_PER_S,
                                            .backoff = 1,
                                            .jitter = 1,
                                            .on = 1U << PB_OUTCOME_REJECTED };
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 20000.0, 200 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(drive.load.sent[0], 4000);
    ck_assert_uint_gt(drive.load.attempts[0], 11000);
    ck_assert_uint_gt(drive.events[1].backlog,
                      1000); /* those between two attempts are in the system */
    pb_drive_done(&drive);
}

static void stop_at_phase_end(void *ctx, const struct pb_load_event *event)
{
    if (event->kind == PB_LOAD_PHASE_END) {
        atomic_store((_Atomic int *)ctx, 2);
    }
}

PB_TEST(after_a_stop_nothing_is_tried_again_and_requests_end_as_their_last_attempt)
{
    struct pb_scenario scenario;
    _Atomic int stop = 0;
    struct pb_drive drive = {
        .record = true, .stop = &stop, .on_event = stop_at_phase_end, .ctx = &stop
    };
    struct ledger ledger;

    make_failing(&scenario, 2);
    scenario.retries.delay_ns = scenario.retries.max_delay_ns = 10 * PB_NS_PER_S;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(drive.load.sent[0], 50);
    ck_assert_uint_eq(drive.load.attempts[0], 50);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_ERROR], 50);
    ck_assert_uint_ge(ledger.abandoned, 10); /* those that end just after the stop end for good */
    ck_assert_int_lt(drive.drain_ns, 5 * PB_NS_PER_S);
    pb_drive_done(&drive);
}

/* Timeouts of 100 ms and two pauses of 200 ms: the drain's limit would be over long before without
 * retries, and still the last attempt comes. */
PB_TEST(the_drain_waits_for_all_attempts)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    struct ledger ledger;

    make_failing(&scenario, 1);
    scenario.retries.max = 2;
    scenario.retries.delay_ns = 600 * PB_NS_PER_MS;
    scenario.pool.checkout_timeout_ns = scenario.pool.operation_timeout_ns = 100 * PB_NS_PER_MS;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 20 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    check_all(&drive, &ledger);
    ck_assert_uint_eq(ledger.abandoned, 0);
    ck_assert_uint_eq(drive.load.attempts[0], 3 * drive.load.sent[0]);
    ck_assert_int_ge(drive.drain_ns, 1100 * PB_NS_PER_MS);
    pb_drive_done(&drive);
}

PB_TEST(a_load_with_retries_and_without_memory_is_refused_whole)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    make_failing(&scenario, 2);
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
