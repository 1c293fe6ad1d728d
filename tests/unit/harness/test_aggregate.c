#include <stdlib.h>

#include "base/clock.h"
#include "harness/aggregate.h"
#include "support/test.h"

#define MS PB_NS_PER_MS
#define S  PB_NS_PER_S

/* Warm-up 1 s, two recorded phases of 4 s and 5 s; p99 < 10 ms twice, p50 < 2 ms. */
static struct pb_scenario *new_scenario(void)
{
    struct pb_scenario *s = calloc(1, sizeof(*s));

    ck_assert_ptr_nonnull(s);
    s->phase_count = 3;
    s->phases[0] = (struct pb_phase){ .start_ns = 0, .duration_ns = S, .record = false };
    s->phases[1] = (struct pb_phase){ .start_ns = S, .duration_ns = 4 * S, .record = true };
    s->phases[2] = (struct pb_phase){ .start_ns = 5 * S, .duration_ns = 5 * S, .record = true };
    s->objective_count = 4;
    for (size_t i = 0; i < 4; i++) {
        s->objectives[i] = (struct pb_objective){ .metric = PB_METRIC_LATENCY,
                                                  .stat = i == 3 ? PB_STAT_MEAN : PB_STAT_QUANTILE,
                                                  .op = PB_OP_LESS,
                                                  .limit = i == 2 ? 2e6 : 1e7 };
    }
    s->abort_count = 1;
    s->aborts[0].rule = s->objectives[0];
    s->aborts[0].rule.op = PB_OP_GREATER;
    s->aborts[0].rule.limit = 7e7;
    return s;
}

static struct pb_aggregate *new_aggregate(const struct pb_scenario *scenario)
{
    struct pb_aggregate *aggregate = NULL;

    PB_ASSERT_OK(pb_aggregate_new(scenario, &aggregate));
    return aggregate;
}

static struct pb_record row(uint8_t phase, int64_t intended_ns, int64_t wait_ns, int64_t service_ns,
                            enum pb_outcome outcome)
{
    return (struct pb_record){ .phase = phase,
                               .intended_ns = intended_ns,
                               .wait_ns = wait_ns,
                               .service_ns = service_ns,
                               .cpu_ns = -1,
                               .worker = 0,
                               .flags = (uint8_t)(PB_RECORD_LAST | outcome) };
}

static void add(struct pb_aggregate *aggregate, struct pb_record record)
{
    pb_aggregate_add(aggregate, &record);
}

static void free_both(struct pb_aggregate *aggregate, struct pb_scenario *scenario)
{
    pb_aggregate_free(aggregate);
    free(scenario);
}

PB_TEST(aggregate_counts_each_request_once_in_its_phase)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        for (int i = 0; i <= o; i++) {
            add(a, row(1, S + i * MS, 0, MS / 2, (enum pb_outcome)o));
        }
    }
    uint64_t sum = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        ck_assert_uint_eq((uint64_t)o + 1, a->phases[1].outcomes[o]);
        sum += a->phases[1].outcomes[o];
    }
    ck_assert_uint_eq(sum, a->phases[1].sent);
    ck_assert_uint_eq(0, a->phases[0].sent);
    ck_assert_int_eq(1, a->phases[1].latency.total); /* of ok requests */
    ck_assert_int_eq((int64_t)sum, a->phases[1].lag_all.total);
    /* 50 ms a window is the least; 10 s in 20 windows are 500 ms each. */
    ck_assert_int_eq(500 * MS, a->window_ns);
    ck_assert_uint_eq(sum, a->windows[2].intended);
    ck_assert_uint_eq(sum - 1 - 2, a->windows[2].not_ok); /* client errors aside */
    free_both(a, scenario);
}

PB_TEST(aggregate_counts_what_is_late_for_each_limit)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    const struct pb_late_counter *ten, *two;

    ck_assert_uint_eq(3, a->late_count); /* different limits of quantiles */
    ck_assert_ptr_nonnull(pb_aggregate_late(a, 70 * MS));
    ck_assert_ptr_null(pb_aggregate_late(a, 3 * MS));
    ten = pb_aggregate_late(a, 10 * MS);
    two = pb_aggregate_late(a, 2 * MS);
    ck_assert(ten && two);
    add(a, row(1, S, 0, 10 * MS, PB_OUTCOME_OK));
    add(a, row(1, S, 0, 10 * MS + 1, PB_OUTCOME_OK));
    add(a, row(1, S, 0, MS, PB_OUTCOME_REJECTED)); /* fast, but not served */
    add(a, row(1, S, 0, 90 * MS, PB_OUTCOME_CLIENT_ERROR));
    add(a, row(0, 0, 0, 90 * MS, PB_OUTCOME_OK)); /* the warm-up: in no window's count */
    ck_assert_uint_eq(2, ten->bad[1]);
    ck_assert_uint_eq(3, two->bad[1]);
    ck_assert_uint_eq(1, ten->bad[0]);
    ck_assert_uint_eq(2, ten->window_bad[2]);
    ck_assert_uint_eq(0, ten->window_bad[0]);
    free_both(a, scenario);
}

PB_TEST(aggregate_parts_of_a_request_go_to_their_histograms)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    struct pb_record r = row(2, 6 * S, 300, 500, PB_OUTCOME_OK);

    r.lag_ns = 200;
    r.cpu_ns = 77;
    add(a, r);
    ck_assert_int_eq(1000, a->phases[2].latency.max);
    ck_assert_int_eq(200, a->phases[2].send_lag.max);
    ck_assert_int_eq(300, a->phases[2].queue_wait.max);
    ck_assert_int_eq(500, a->phases[2].service.max);
    ck_assert_int_eq(77, a->phases[2].cpu_sum_ns);
    ck_assert_uint_eq(1, a->phases[2].cpu_count);
    ck_assert_ptr_nonnull(a->windows[12].latency);
    ck_assert_uint_eq(1, a->windows[12].latency->total);
    free_both(a, scenario);
}

PB_TEST(aggregate_of_retries_counts_attempts_and_outcomes_apart)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    struct pb_record first = row(1, S, 0, MS, PB_OUTCOME_ERROR), second = first;

    first.flags = PB_OUTCOME_ERROR; /* not the last */
    second.flags = PB_RECORD_LAST | PB_RECORD_RETRY | PB_OUTCOME_OK;
    second.lag_ns = 5 * MS;
    second.attempt = 1;
    add(a, first);
    add(a, second);
    ck_assert_uint_eq(1, a->phases[1].sent);
    ck_assert_uint_eq(2, a->phases[1].attempts);
    ck_assert_uint_eq(1, a->phases[1].outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(0, a->phases[1].outcomes[PB_OUTCOME_ERROR]);
    ck_assert_int_eq(1, a->phases[1].lag_all.total);
    ck_assert_int_eq(0, a->phases[1].lag_all.max);
    ck_assert_int_eq(6 * MS, a->phases[1].latency.max); /* from the first intention */
    ck_assert_int_eq(0, a->phases[1].send_lag.total);   /* it was not ok at once */
    ck_assert_uint_eq(1, a->phases[1].attempt_outcomes[PB_OUTCOME_ERROR]);
    ck_assert_uint_eq(1, a->phases[1].attempt_outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(1, a->phases[1].retried);
    ck_assert_uint_eq(1, a->windows[2].sent);
    ck_assert_uint_eq(1, a->windows[2].retries);
    free_both(a, scenario);
}

PB_TEST(aggregate_takes_a_request_that_the_end_kept_from_its_next_attempt_once)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    struct pb_record attempt = row(1, S, 0, MS, PB_OUTCOME_ERROR), end = attempt;

    attempt.flags = PB_OUTCOME_ERROR;
    end.flags = PB_RECORD_END | PB_RECORD_LAST | PB_OUTCOME_ERROR;
    add(a, attempt);
    ck_assert_uint_eq(0, a->phases[1].sent);
    int64_t busy_ns = a->phases[1].busy_ns;

    add(a, end);
    ck_assert_uint_eq(1, a->phases[1].sent);
    ck_assert_uint_eq(1, a->phases[1].outcomes[PB_OUTCOME_ERROR]);
    ck_assert_uint_eq(1, a->phases[1].attempts);
    ck_assert_uint_eq(1, a->phases[1].attempt_outcomes[PB_OUTCOME_ERROR]);
    ck_assert_uint_eq(1, a->phases[1].abandoned);
    ck_assert_int_gt(busy_ns, 0);
    ck_assert_int_eq(busy_ns, a->phases[1].busy_ns);
    free_both(a, scenario);
}

/* Intended in phase 1, waits and runs across the border into phase 2. */
PB_TEST(aggregate_shares_time_out_by_the_real_times)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    int64_t busy_ns = 0, wait_ns = 0;

    add(a, row(1, 4700 * MS, 200 * MS, 1700 * MS, PB_OUTCOME_OK));
    ck_assert_int_eq(100 * MS, a->phases[1].busy_ns);
    ck_assert_int_eq(1600 * MS, a->phases[2].busy_ns);
    ck_assert_int_eq(200 * MS, a->phases[1].wait_ns);
    ck_assert_int_eq(0, a->phases[2].wait_ns);
    ck_assert_uint_eq(0, a->phases[1].done_in_phase);
    ck_assert_uint_eq(1, a->phases[2].done_in_phase);
    ck_assert_uint_eq(1, a->phases[2].ok_in_phase);
    ck_assert_int_eq(100 * MS, a->windows[9].busy_ns);
    ck_assert_int_eq(500 * MS, a->windows[10].busy_ns);
    ck_assert_int_eq(100 * MS, a->windows[13].busy_ns);
    ck_assert_uint_eq(1, a->windows[13].done[PB_OUTCOME_OK]);
    for (uint32_t i = 0; i < a->window_count; i++) {
        busy_ns += a->windows[i].busy_ns;
        wait_ns += a->windows[i].wait_ns;
    }
    ck_assert_int_eq(1700 * MS, busy_ns);
    ck_assert_int_eq(200 * MS, wait_ns);
    free_both(a, scenario);
}

/* A request times out after 100 ms; its worker comes back after 700 ms. */
PB_TEST(aggregate_counts_a_late_return_once_in_either_order)
{
    for (int order = 0; order < 2; order++) {
        struct pb_scenario *scenario = new_scenario();
        struct pb_aggregate *a = new_aggregate(scenario);
        struct pb_record timeout = row(1, 2 * S, 10 * MS, 100 * MS, PB_OUTCOME_OPERATION_TIMEOUT);
        struct pb_record back = timeout, before = row(1, 2 * S, 0, 10 * MS, PB_OUTCOME_OK);
        struct pb_record after = row(1, 2710 * MS, 0, 5 * MS, PB_OUTCOME_OK);

        back.flags = PB_RECORD_RETURN | PB_OUTCOME_OPERATION_TIMEOUT;
        back.service_ns = 700 * MS;
        add(a, before);
        if (order == 0) {
            add(a, timeout);
        }
        add(a, back);
        add(a, after);
        if (order == 1) { /* the timer's lane was swept after the worker's */
            add(a, timeout);
        }
        ck_assert_int_eq((10 + 700 + 5) * MS, a->phases[1].busy_ns);
        ck_assert_uint_eq(3, a->phases[1].sent); /* the return is no request */
        ck_assert_uint_eq(3, a->phases[1].attempts);
        free_both(a, scenario);
    }
}

PB_TEST(aggregate_moves_later_phases_when_a_drain_takes_time)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);

    pb_aggregate_phase_times(a, 1, S, 5500 * MS);
    ck_assert_int_eq(5500 * MS, a->phases[2].start_ns);
    ck_assert_int_eq(10500 * MS, a->phases[2].end_ns);
    pb_aggregate_phase_times(a, 2, 6 * S, 11 * S);
    add(a, row(1, 4900 * MS, 0, 900 * MS, PB_OUTCOME_OK)); /* ends between the two */
    ck_assert_int_eq(600 * MS, a->phases[1].busy_ns);
    ck_assert_int_eq(0, a->phases[2].busy_ns);
    ck_assert_uint_eq(0, a->phases[1].done_in_phase + a->phases[2].done_in_phase);
    free_both(a, scenario);
}

PB_TEST(aggregate_takes_lives_of_workers_and_samples)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);

    pb_aggregate_alive(a, -5, 10 * S, false);
    pb_aggregate_alive(a, 4 * S, 5250 * MS, true);
    ck_assert_int_eq(S, a->phases[0].alive_ns);
    ck_assert_int_eq(5 * S, a->phases[1].alive_ns);
    ck_assert_int_eq(5250 * MS, a->phases[2].alive_ns);
    ck_assert_int_eq(250 * MS, a->windows[10].overflow_alive_ns);
    ck_assert_int_eq(750 * MS, a->windows[10].alive_ns);
    pb_aggregate_sample(a, 5 * S, 7, 3);
    pb_aggregate_sample(a, 5 * S + 1, 4, 9);
    ck_assert_uint_eq(7, a->phases[2].peak_queue);
    ck_assert_uint_eq(9, a->windows[10].peak_alive);
    ck_assert_uint_eq(0, a->phases[1].peak_queue);
    free_both(a, scenario);
}

PB_TEST(aggregate_total_is_of_the_recorded_phases)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    struct pb_phase_aggregate total;

    for (int i = 1; i <= 100; i++) {
        add(a, row((uint8_t)(i % 3), (i % 3) * 5 * S, 0, i * MS, PB_OUTCOME_OK));
    }
    a->phases[2].backlog = 17;
    PB_ASSERT_OK(pb_aggregate_total(a, &total));
    ck_assert_uint_eq(a->phases[1].sent + a->phases[2].sent, total.sent);
    ck_assert_uint_eq(67, total.outcomes[PB_OUTCOME_OK]);
    ck_assert_int_eq(67, total.latency.total);
    ck_assert_int_eq(100 * MS, total.latency.max);
    ck_assert_int_eq(S, total.start_ns);
    ck_assert_int_eq(9 * S, total.end_ns - total.start_ns);
    ck_assert_uint_eq(17, total.backlog);
    pb_phase_aggregate_done(&total);
    ck_assert_int_eq(34, a->phases[1].latency.total); /* and the phase's own are intact */
    free_both(a, scenario);
}

PB_TEST(aggregate_chooses_windows_by_the_length_of_the_run)
{
    static const int64_t expected[][2] = {
        { 500 * MS, 50 * MS }, { 2 * S, 100 * MS }, { 19 * S, 950 * MS }, { 20 * S, S },
        { 600 * S, S },        { 601 * S, 2 * S },  { 3600 * S, 6 * S },
    };
    struct pb_scenario *scenario = new_scenario();

    scenario->phase_count = 1;
    for (size_t i = 0; i < PB_ARRAY_LEN(expected); i++) {
        scenario->phases[0].duration_ns = expected[i][0];
        struct pb_aggregate *a = new_aggregate(scenario);

        ck_assert_int_eq(expected[i][1], a->window_ns);
        pb_aggregate_free(a);
    }
    free(scenario);
}

PB_TEST(aggregate_past_its_last_window_makes_them_longer_and_loses_nothing)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    uint64_t intended = 0, done = 0, hist = 0, bad = 0;
    int64_t busy_ns = 0;

    for (int i = 0; i < 700; i++) { /* 700 s in windows of 0.5 s */
        add(a, row(2, i * S, 0, 50 * MS, PB_OUTCOME_OK));
    }
    ck_assert_int_eq(2 * S, a->window_ns);
    ck_assert_uint_eq(350, a->window_count);
    for (uint32_t i = 0; i < a->window_count; i++) {
        ck_assert_uint_eq(2, a->windows[i].intended);
        intended += a->windows[i].intended;
        done += a->windows[i].done[PB_OUTCOME_OK];
        busy_ns += a->windows[i].busy_ns;
        hist += a->windows[i].latency->total;
        bad += pb_aggregate_late(a, 10 * MS)->window_bad[i];
    }
    ck_assert_uint_eq(700, intended);
    ck_assert_uint_eq(700, done);
    ck_assert_uint_eq(700, hist);
    ck_assert_uint_eq(700, bad);
    ck_assert_int_eq(700 * 50 * MS, busy_ns);
    free_both(a, scenario);
}

PB_TEST(aggregate_survives_rows_of_another_scenario)
{
    struct pb_scenario *scenario = new_scenario();
    struct pb_aggregate *a = new_aggregate(scenario);
    const int64_t far_ns = INT64_C(1) << 60; /* the most that the log's reader lets pass */
    struct pb_record wild = row(2, far_ns, far_ns, far_ns, PB_OUTCOME_OK);

    add(a, row(3, 0, 0, MS, PB_OUTCOME_OK));
    ck_assert_uint_eq(1, a->foreign_rows);
    wild.lag_ns = far_ns;
    wild.worker = UINT16_MAX - 1;
    add(a, wild);
    wild.intended_ns = wild.lag_ns = wild.wait_ns = wild.service_ns = -far_ns;
    add(a, wild);
    ck_assert_uint_eq(2, a->phases[2].sent);
    free_both(a, scenario);
}

PB_TEST(small_hist_is_within_its_error)
{
    struct pb_small_hist *hist = calloc(1, sizeof(*hist));

    ck_assert_ptr_nonnull(hist);
    ck_assert_int_eq(0, pb_small_hist_quantile(hist, 0.5));
    for (int64_t ns = 1024; ns < PB_HIST_HIGHEST_NS; ns += ns / 50) {
        memset(hist, 0, sizeof(*hist));
        pb_small_hist_record(hist, ns);
        PB_ASSERT_NEAR((double)ns, (double)pb_small_hist_quantile(hist, 0.99), (double)ns * 0.016);
    }
    memset(hist, 0, sizeof(*hist));
    for (int64_t i = 1; i <= 100; i++) {
        pb_small_hist_record(hist, i * MS);
    }
    PB_ASSERT_NEAR(50e6, (double)pb_small_hist_quantile(hist, 0.5), 50e6 * 0.016);
    PB_ASSERT_NEAR(99e6, (double)pb_small_hist_quantile(hist, 0.99), 99e6 * 0.016);
    pb_small_hist_record(hist, -1);
    pb_small_hist_record(hist, INT64_MAX);
    ck_assert_uint_eq(102, hist->total);
    free(hist);
}
