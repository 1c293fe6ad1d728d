#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "harness/output.h"
#include "made_evidence.h"
#include "support/test.h"

/* A mix of all outcomes over three phases, one of them a warm-up. */
static void every_outcome(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->outcome = (enum pb_outcome)(index % 17 < PB_OUTCOME_COUNT ? index % 17 : 0);
    fate->wait_ns = (int64_t)(index % 7) * MS;
    fate->lag_ns = 3000 + (int64_t)phase;
}

static struct made *mixed(void)
{
    struct made *made = made_new();

    made_phase(made, "warm, \"up\"", PB_ARRIVAL_CONSTANT, 50, 2 * S, false);
    made_phase(made, "steady", PB_ARRIVAL_POISSON, 100, 10 * S, true);
    made_phase(made, "spike", PB_ARRIVAL_POISSON, 300, 8 * S, true);
    made_latency(made, 0.99, 50 * MS, 1);
    made_latency(made, 0.5, 50 * MS, PB_PHASE_ALL);
    made_objective(made, "utilization in 10%..90%", PB_METRIC_UTILIZATION, PB_OP_IN, 0.1)
        ->limit_high = 0.9;
    return made;
}

/* The document as a script sees it: printed and parsed again. */
static cJSON *document(struct made *made, made_fate_fn fate)
{
    (void)made_judge(made, fate);
    cJSON *json = pb_run_json(&made->evidence, &made->judgement);
    char *text = pb_json_print(json, true);
    cJSON *again = cJSON_Parse(text);

    ck_assert_ptr_nonnull(again);
    free(text);
    cJSON_Delete(json);
    return again;
}

static double sum_of_outcomes(const cJSON *part)
{
    double sum = 0;
    int count = 0;
    const cJSON *outcome;

    cJSON_ArrayForEach(outcome, pb_json_at(part, "outcomes"))
    {
        ck_assert(cJSON_IsNumber(outcome));
        sum += outcome->valuedouble;
        count++;
    }
    ck_assert_int_eq(count, PB_OUTCOME_COUNT);
    return sum;
}

PB_TEST(run_json_adds_up_per_phase_and_in_total)
{
    struct made *made = mixed();
    cJSON *json = document(made, every_outcome);
    double sent = 0, ok = 0;
    const cJSON *phase;

    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        ck_assert_double_gt(pb_json_num(phase, "sent", 0), 0);
        ck_assert_double_eq(pb_json_num(phase, "sent", -1), sum_of_outcomes(phase));
        ck_assert_double_eq(pb_json_num(phase, "sent", -1), pb_json_num(phase, "planned", -2));
        ck_assert_double_eq(pb_json_num(phase, "latency.count", -1),
                            pb_json_num(phase, "outcomes.ok", -2));
        if (pb_json_bool(phase, "record", false)) {
            sent += pb_json_num(phase, "sent", 0);
            ok += pb_json_num(phase, "outcomes.ok", 0);
        }
    }
    ck_assert_int_eq(cJSON_GetArraySize(pb_json_at(json, "phases")), 3);
    ck_assert_double_eq(pb_json_num(json, "totals.sent", -1), sent);
    ck_assert_double_eq(pb_json_num(json, "totals.outcomes.ok", -1), ok);
    ck_assert_double_eq(sum_of_outcomes(pb_json_at(json, "totals")), sent);
    cJSON_Delete(json);
    made_free(made);
}

PB_TEST(run_json_has_every_key_that_scripts_rely_on)
{
    static const char *const keys[] = { "schema",
                                        "source",
                                        "id",
                                        "verdict",
                                        "reason",
                                        "started_at",
                                        "elapsed_ns",
                                        "signal",
                                        "aborted",
                                        "seed",
                                        "schedule_hash",
                                        "pool.size",
                                        "pool.strategy",
                                        "pool.checkout_timeout_ns",
                                        "objectives.0.expression",
                                        "objectives.0.level",
                                        "objectives.0.phase",
                                        "objectives.0.answer",
                                        "objectives.0.measured",
                                        "objectives.0.limit",
                                        "objectives.0.bad_ratio",
                                        "objectives.0.bad_limit",
                                        "objectives.0.ci_low",
                                        "objectives.0.ci_high",
                                        "objectives.0.unit",
                                        "objectives.0.margin_ratio",
                                        "objectives.2.limit.1",
                                        "phases.1.name",
                                        "phases.1.start_ns",
                                        "phases.1.end_ns",
                                        "phases.1.duration_ns",
                                        "phases.1.arrival",
                                        "phases.1.unsent",
                                        "phases.1.backlog",
                                        "totals.offered_rate_per_s",
                                        "totals.achieved_rate_per_s",
                                        "totals.throughput_per_s",
                                        "totals.error_ratio",
                                        "totals.utilization_ratio",
                                        "totals.core_utilization_ratio",
                                        "totals.mean_workers",
                                        "totals.peak_workers",
                                        "totals.peak_queue",
                                        "warnings",
                                        "faults",
                                        "resources.process_cpus",
                                        "resources.peak_rss_bytes",
                                        "resources.steal_ratio",
                                        "instrument.pacing",
                                        "instrument.null_floor",
                                        "instrument.recorder_stall_ns",
                                        "instrument.rescued_wakeups",
                                        "instrument.generators",
                                        "environment.kernel",
                                        "environment.cpus_usable",
                                        "program.version",
                                        "program.revision",
                                        "scenario.name",
                                        "settings",
                                        "settings_from",
                                        "overrides" };
    static const char *const times[] = { "latency", "queue_wait", "service", "send_lag" };
    static const char *const stats[] = { "count",  "min_ns", "mean_ns", "p50_ns",  "p75_ns",
                                         "p90_ns", "p95_ns", "p99_ns",  "p999_ns", "max_ns" };
    struct made *made = mixed();
    cJSON *json = document(made, every_outcome);
    char path[64];

    for (size_t i = 0; i < PB_ARRAY_LEN(keys); i++) {
        ck_assert_msg(pb_json_at(json, keys[i]) != NULL, "no %s", keys[i]);
    }
    for (size_t t = 0; t < PB_ARRAY_LEN(times); t++) {
        for (size_t s = 0; s < PB_ARRAY_LEN(stats); s++) {
            (void)snprintf(path, sizeof(path), "totals.%s.%s", times[t], stats[s]);
            ck_assert_msg(cJSON_IsNumber(pb_json_at(json, path)), "no %s", path);
        }
    }
    ck_assert_uint_eq(strlen(pb_json_str(json, "schedule_hash", "")), 16);
    cJSON_Delete(json);
    made_free(made);
}

PB_TEST(rates_and_ratios_are_what_the_definitions_say)
{
    struct made *made = made_new();

    made_phase(made, "main", PB_ARRIVAL_CONSTANT, 100, 20 * S, true);
    cJSON *json = document(made, NULL);

    PB_ASSERT_NEAR(100, pb_json_num(json, "totals.offered_rate_per_s", 0), 0.1);
    PB_ASSERT_NEAR(100, pb_json_num(json, "totals.achieved_rate_per_s", 0), 0.1);
    PB_ASSERT_NEAR(0.125, pb_json_num(json, "totals.utilization_ratio", 0), 1e-3);
    PB_ASSERT_NEAR(0.125, pb_json_num(json, "totals.core_utilization_ratio", 0), 1e-3);
    PB_ASSERT_NEAR(4, pb_json_num(json, "totals.mean_workers", 0), 1e-9);
    PB_ASSERT_NEAR(0.5, pb_json_num(json, "totals.offered_workers", 0), 1e-2);
    ck_assert_double_eq(pb_json_num(json, "totals.error_ratio", -1), 0);
    PB_ASSERT_NEAR(5e6, pb_json_num(json, "totals.latency.p99_ns", 0), 5e4);
    cJSON_Delete(json);
    made_free(made);
}

static void all_rejected(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    (void)phase;
    (void)index;
    fate->outcome = PB_OUTCOME_REJECTED;
}

PB_TEST(what_was_not_measured_is_null)
{
    struct made *made = mixed();
    cJSON *json = document(made, all_rejected);

    ck_assert(cJSON_IsNull(pb_json_at(json, "totals.latency.p99_ns")));
    ck_assert(cJSON_IsNull(pb_json_at(json, "totals.latency.mean_ns")));
    ck_assert_double_eq(pb_json_num(json, "totals.latency.count", -1), 0);
    ck_assert(cJSON_IsNull(pb_json_at(json, "objectives.0.measured"))); /* infinite */
    ck_assert_str_eq(pb_json_str(json, "objectives.0.answer", ""), "FAIL");
    ck_assert(cJSON_IsNull(pb_json_at(json, "resources.pressure_ratio")));
    ck_assert(cJSON_IsNull(pb_json_at(json, "instrument.null_floor")));
    ck_assert(cJSON_IsNull(pb_json_at(json, "signal")));
    ck_assert_double_eq(pb_json_num(json, "totals.error_ratio", -1), 1);
    cJSON_Delete(json);
    made_free(made);
}

PB_TEST(a_run_cut_short_is_judged_on_what_took_place)
{
    struct made *made = made_new();

    made_phase(made, "first", PB_ARRIVAL_CONSTANT, 100, 10 * S, true);
    made_phase(made, "second", PB_ARRIVAL_CLOSED, 0, 10 * S, true);
    made->scenario.phases[1].users = 1;
    PB_ASSERT_OK(pb_dist_constant(1e9, &made->scenario.phases[1].think, NULL));
    made_run(made, NULL);
    made->evidence.ending = PB_INTERRUPTED;
    made->evidence.signal = SIGINT;
    made->evidence.elapsed_ns = 10 * S;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    cJSON *json = pb_run_json(&made->evidence, &made->judgement);

    ck_assert_int_eq(pb_json_int(json, "signal", 0), SIGINT);
    ck_assert_int_eq(pb_json_int(json, "phases.1.duration_ns", -1), 0);
    ck_assert(cJSON_IsNull(pb_json_at(json, "phases.1.offered_rate_per_s")));
    ck_assert_int_eq(pb_json_int(json, "totals.duration_ns", -1), 10 * S);
    PB_ASSERT_NEAR(100, pb_json_num(json, "totals.offered_rate_per_s", 0), 0.2);
    cJSON_Delete(json);
    made_free(made);
}

static unsigned count_char(const char *text, char c)
{
    unsigned count = 0;

    for (; *text && *text != '\n'; text++) {
        count += *text == c;
    }
    return count;
}

PB_TEST(timeline_has_a_line_for_each_window_and_quotes_names)
{
    struct made *made = mixed();
    PB_CLEANUP(pb_buf_done) struct pb_buf csv = { 0 };

    made_run(made, every_outcome);
    pb_timeline_csv(&made->evidence, &csv);
    PB_ASSERT_OK(pb_buf_status(&csv));

    const char *text = pb_buf_text(&csv);
    static const char header[] =
        "start_s,length_s,phase,offered_per_s,sent,ok,client_error,error,rejected,checkout_timeout,"
        "operation_timeout,worker_lost,cancelled,p50_ns,p95_ns,p99_ns,busy_ratio,queue_mean,"
        "queue_peak,workers_mean,overflow_mean,workers_peak,retries\n";

    ck_assert(strncmp(text, header, strlen(header)) == 0);
    ck_assert_ptr_nonnull(strstr(text, "\n0,1,\"warm, \"\"up\"\"\",50,50,"));
    ck_assert_ptr_nonnull(strstr(text, ",steady,"));

    unsigned lines = 0;

    for (const char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        lines++;
        /* The quoted name holds a comma of its own. */
        ck_assert_uint_eq(count_char(line, ','), count_char(header, ',') + (lines <= 2));
    }
    ck_assert_uint_eq(lines, made->aggregate->window_count);
    made_free(made);
}

PB_TEST(events_are_one_json_object_a_line)
{
    struct made *made = mixed();
    struct pb_event events[] = {
        { .at_ns = 0, .kind = "phase_start", .detail = "warm, \"up\"", .number = 0 },
        { .at_ns = 5, .kind = "interrupted", .detail = "cut \xc3", .number = -1 },
    };
    PB_CLEANUP(pb_buf_done) struct pb_buf lines = { 0 };

    made_run(made, NULL);
    made->evidence.events = events;
    made->evidence.event_count = 2;
    pb_events_jsonl(&made->evidence, &lines);
    PB_ASSERT_OK(pb_buf_status(&lines));
    ck_assert_str_eq(
        pb_buf_text(&lines),
        "{\"at_ns\":0,\"event\":\"phase_start\",\"detail\":\"warm, \\\"up\\\"\","
        "\"number\":0}\n"
        "{\"at_ns\":5,\"event\":\"interrupted\",\"detail\":\"cut ?\",\"number\":null}\n");
    made_free(made);
}

PB_TEST(interval_log_has_a_line_for_each_recorded_phase)
{
    struct made *made = mixed();
    PB_CLEANUP(pb_buf_done) struct pb_buf log = { 0 };

    made_run(made, NULL);
    PB_ASSERT_OK(pb_latency_hlog(&made->evidence, &log));
    ck_assert_ptr_nonnull(strstr(pb_buf_text(&log), "\nTag=steady,2."));
    ck_assert_ptr_nonnull(strstr(pb_buf_text(&log), "\nTag=spike,12."));
    ck_assert_ptr_null(strstr(pb_buf_text(&log), "Tag=warm"));
    made_free(made);
}
