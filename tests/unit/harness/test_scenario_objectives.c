#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/aggregate.h"
#include "harness/scenario.h"
#include "support/load_text.h"
#include "support/test.h"

static const char phases[] =
    "{ \"phases\": [ { \"name\": \"warmup\", \"duration\": \"1s\", \"rate\": 10, \"record\": false },"
    "{ \"name\": \"steady\", \"duration\": \"2s\", \"rate\": 100 },"
    "{ \"name\": \"steady: late\", \"duration\": \"2s\", \"rate\": 100 } ] }";

struct wanted {
    const char *text;
    enum pb_metric metric;
    enum pb_stat stat;
    double quantile;
    enum pb_op op;
    double limit, limit_high;
    int phase;
    bool all_phases;
    const char *expression;
};

static const struct wanted good[] = {
    { "latency.p99 < 100ms", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.99, PB_OP_LESS, 1e8, 0,
      PB_PHASE_ALL, true, "latency.p99 < 100ms" },
    { "  latency.p99.9<=1.5s ", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.999, PB_OP_LESS, 1.5e9, 0,
      PB_PHASE_ALL, true, "latency.p99.9<=1.5s" },
    { "latency.p999 < 1s", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.999, PB_OP_LESS, 1e9, 0,
      PB_PHASE_ALL, true, "latency.p999 < 1s" },
    { "latency.p5 < 1s", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.05, PB_OP_LESS, 1e9, 0,
      PB_PHASE_ALL, true, "latency.p5 < 1s" },
    { "99% ok within 100ms", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.99, PB_OP_LESS, 1e8, 0,
      PB_PHASE_ALL, true, "99% ok within 100ms" },
    { "steady: 99.9% ok within 2s", PB_METRIC_LATENCY, PB_STAT_QUANTILE, 0.999, PB_OP_LESS, 2e9, 0,
      1, false, "99.9% ok within 2s" },
    { "queue_wait.mean < 5ms", PB_METRIC_QUEUE_WAIT, PB_STAT_MEAN, 0, PB_OP_LESS, 5e6, 0,
      PB_PHASE_ALL, true, "queue_wait.mean < 5ms" },
    { "service.max < 5ms", PB_METRIC_SERVICE, PB_STAT_MAX, 0, PB_OP_LESS, 5e6, 0, PB_PHASE_ALL,
      true, "service.max < 5ms" },
    { "all: error_rate < 0.1%", PB_METRIC_ERROR_RATE, PB_STAT_QUANTILE, 0, PB_OP_LESS, 0.001, 0,
      PB_PHASE_ALL, false, "error_rate < 0.1%" },
    { "utilization in 60%..80%", PB_METRIC_UTILIZATION, PB_STAT_QUANTILE, 0, PB_OP_IN, 0.6, 0.8,
      PB_PHASE_ALL, true, "utilization in 60%..80%" },
    { "steady: utilization in 0.6 .. 0.8", PB_METRIC_UTILIZATION, PB_STAT_QUANTILE, 0, PB_OP_IN,
      0.6, 0.8, 1, false, "utilization in 0.6 .. 0.8" },
    { "steady: late: throughput > 1k/s", PB_METRIC_THROUGHPUT, PB_STAT_QUANTILE, 0, PB_OP_GREATER,
      1000, 0, 2, false, "throughput > 1k/s" },
    { "throughput > 99% of offered", PB_METRIC_THROUGHPUT, PB_STAT_QUANTILE, 0, PB_OP_GREATER, 0.99,
      0, PB_PHASE_ALL, true, "throughput > 99% of offered" },
    { "recovery_time < 500ms", PB_METRIC_RECOVERY_TIME, PB_STAT_QUANTILE, 0, PB_OP_LESS, 5e8, 0,
      PB_PHASE_ALL, true, "recovery_time < 500ms" },
    { "worker.memory < 50MB", PB_METRIC_WORKER_MEMORY, PB_STAT_QUANTILE, 0, PB_OP_LESS, 5e7, 0,
      PB_PHASE_ALL, true, "worker.memory < 50MB" },
    { "worker.cpu < 10%", PB_METRIC_WORKER_CPU, PB_STAT_QUANTILE, 0, PB_OP_LESS, 0.1, 0,
      PB_PHASE_ALL, true, "worker.cpu < 10%" },
    { "mean_workers < 9.5", PB_METRIC_MEAN_WORKERS, PB_STAT_QUANTILE, 0, PB_OP_LESS, 9.5, 0,
      PB_PHASE_ALL, true, "mean_workers < 9.5" },
    { "memory < 64MiB", PB_METRIC_MEMORY, PB_STAT_QUANTILE, 0, PB_OP_LESS, 67108864, 0,
      PB_PHASE_ALL, true, "memory < 64MiB" },
};

static void check_good(const struct pb_scenario *scenario, const struct wanted *wanted)
{
    struct pb_objective got;
    struct pb_error err = { .status = PB_OK };
    bool all_phases = false;
    enum pb_status status = pb_objective_parse(wanted->text, scenario, &got, &all_phases, &err);

    ck_assert_msg(status == PB_OK, "%s: %s", wanted->text, err.text);
    ck_assert_int_eq(wanted->metric, got.metric);
    ck_assert_int_eq(wanted->stat, got.stat);
    ck_assert_int_eq(wanted->op, got.op);
    ck_assert_int_eq(wanted->phase, got.phase);
    ck_assert_int_eq(wanted->all_phases, all_phases);
    PB_ASSERT_NEAR(wanted->quantile, got.quantile, 0);
    PB_ASSERT_NEAR(wanted->limit, got.limit, 0);
    PB_ASSERT_NEAR(wanted->limit_high, got.limit_high, 0);
    ck_assert_str_eq(wanted->expression, got.expression);
    ck_assert_int_eq(strstr(wanted->text, "offered") != NULL, got.of_offered);
    pb_objective_done(&got);
}

PB_TEST(objectives_of_the_documented_grammar_are_read)
{
    struct pb_scenario *scenario = pb_test_scenario(phases);

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        check_good(scenario, &good[i]);
    }
    pb_scenario_free(scenario);
}

PB_TEST(an_objective_that_means_nothing_is_refused_with_a_reason)
{
    static const struct {
        const char *text, *reason;
    } bad[] = {
        { "", "an objective has 1..200 bytes" },
        { "latency", "latency of what? write latency.p99" },
        { "error_rate", "after error_rate comes" },
        { "latency < 5ms", "latency of what? write latency.p99" },
        { "latency.p < 5ms", "what follows the dot" },
        { "latency.p0 < 5ms", "what follows the dot" },
        { "latency.p100 < 5ms", "what follows the dot" },
        { "latency.p99. < 5ms", "what follows the dot" },
        { "latency.p998 < 5ms", "what follows the dot" },
        { "latency.p99 = 5ms", "comes <, > or in" },
        { "latency.p99 < 0ms", "a limit of 0" },
        { "latency.p99 < 5", "no unit" },
        { "latency.p99 < 5ms please", "not a duration" },
        { "latencyp99 < 5ms", "did you mean \"latency.p99\"" },
        { "eror_rate < 5%", "did you mean \"error_rate\"" },
        { "bananas < 5", "is not a metric; metrics are" },
        { "error_rate < 150%", "never that much" },
        { "error_rate.p99 < 1%", "is not a metric" },
        { "utilization in 80%..60%", "the lower end comes first" },
        { "utilization in 60%", "not a range" },
        { "throughput > 99% of offred", "of offered" },
        { "throughput > 120% of offered", "more than 100%" },
        { "error_rate < 99% of offered", "not a ratio" },
        { "99% ok in 5ms", "ok within" },
        { "100% ok within 5ms", "between 0% and 100%" },
        { "stedy: latency.p99 < 5ms", "did you mean \"steady\"" },
        { "warmup: latency.p99 < 5ms", "not recorded" },
        { "steady: recovery_time < 5ms", "concerns the whole run" },
        { "peak_queue < many", "not a number" },
    };
    struct pb_scenario *scenario = pb_test_scenario(phases);

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        struct pb_objective got = { .expression = NULL };
        struct pb_error err = { .status = PB_OK };
        bool all_phases = false;

        ck_assert_msg(pb_objective_parse(bad[i].text, scenario, &got, &all_phases, &err) != PB_OK,
                      "accepted: %s", bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].reason) != NULL, "%s\n  wanted: %s\n  got: %s",
                      bad[i].text, bad[i].reason, err.text);
        ck_assert_ptr_null(got.expression);
    }
    pb_scenario_free(scenario);
}

PB_TEST(an_objective_without_a_phase_is_one_for_each_recorded_phase)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"phases\": [ { \"name\": \"w\", \"duration\": \"1s\", \"rate\": 1, \"record\": false },"
        "{ \"name\": \"a\", \"duration\": \"1s\", \"rate\": 1 },"
        "{ \"name\": \"b\", \"duration\": \"1s\", \"rate\": 1 } ],"
        "\"slo\": [ \"error_rate < 1%\", \"all: latency.p99 < 1s\", \"peak_queue < 9\","
        "\"b: latency.p50 < 1s\" ] }");
    const int wanted[] = { 1, 2, PB_PHASE_ALL, PB_PHASE_ALL, 2 };

    ck_assert_uint_eq(PB_ARRAY_LEN(wanted), scenario->objective_count);
    for (size_t i = 0; i < PB_ARRAY_LEN(wanted); i++) {
        ck_assert_int_eq(wanted[i], scenario->objectives[i].phase);
        ck_assert(!scenario->objectives[i].from_preset);
    }
    ck_assert(!scenario->objectives[2].whole_run);
    ck_assert(scenario->objectives[3].whole_run);
    pb_scenario_free(scenario);
}

PB_TEST(presets_of_objectives_are_marked_and_need_no_subject)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 10, \"duration\": \"1s\", \"slo\": [ \"standard\", \"web\", \"memory < 1GB\" ] "
        "}");

    ck_assert_uint_eq(8 + 3 + 1, scenario->objective_count);
    for (size_t i = 0; i < 11; i++) {
        ck_assert(scenario->objectives[i].from_preset);
        ck_assert_int_eq(0, scenario->objectives[i].line);
        ck_assert_int_eq(i == 3 ? PB_LEVEL_WARN : PB_LEVEL_FAIL, scenario->objectives[i].level);
    }
    ck_assert(!scenario->objectives[11].from_preset);
    ck_assert_int_eq(1, scenario->objectives[11].line);
    ck_assert_int_eq(PB_METRIC_WORKER_CPU, scenario->objectives[7].metric);
    pb_scenario_free(scenario);
}

PB_TEST(more_objectives_than_fit_are_refused)
{
    char text[4096];
    size_t used =
        (size_t)snprintf(text, sizeof(text), "{ \"rate\": 10, \"duration\": \"1s\", \"slo\": [ ");

    for (int i = 0; i < PB_OBJECTIVES_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\"memory < %dGB\"",
                                 i ? "," : "", i + 1);
    }
    (void)snprintf(text + used, sizeof(text) - used, " ] }");
    struct pb_scenario *scenario = pb_test_scenario(text);

    ck_assert_uint_eq(PB_OBJECTIVES_MAX, scenario->objective_count);
    pb_scenario_free(scenario);
    (void)snprintf(text + used, sizeof(text) - used, ", \"error_rate < 1%%\" ] }");
    ck_assert_ptr_nonnull(strstr(pb_test_refusal(text, NULL, 0), "too many objectives"));
}

/* Each limit of an objective or abort rule has its counter of late requests. */
PB_TEST(as_many_different_latency_limits_as_can_be_are_counted)
{
    char text[8192];
    size_t used =
        (size_t)snprintf(text, sizeof(text), "{ \"rate\": 10, \"duration\": \"1s\", \"slo\": [ ");

    for (int i = 0; i < PB_OBJECTIVES_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\"latency.p99 < %dms\"",
                                 i ? "," : "", i + 1);
    }
    used += (size_t)snprintf(text + used, sizeof(text) - used, " ], \"abort\": [ ");
    for (int i = 0; i < PB_ABORTS_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\"latency.p99 > %ds\"",
                                 i ? "," : "", i + 1);
    }
    (void)snprintf(text + used, sizeof(text) - used, " ] }");
    struct pb_scenario *scenario = pb_test_scenario(text);
    struct pb_aggregate *aggregate = NULL;

    PB_ASSERT_OK(pb_aggregate_new(scenario, &aggregate));
    ck_assert_uint_eq(PB_OBJECTIVES_MAX + PB_ABORTS_MAX, aggregate->late_count);
    ck_assert_ptr_nonnull(pb_aggregate_late(aggregate, 64 * PB_NS_PER_MS));
    ck_assert_ptr_nonnull(pb_aggregate_late(aggregate, 16 * PB_NS_PER_S));
    pb_aggregate_free(aggregate);
    pb_scenario_free(scenario);
}

PB_TEST(abort_rules_say_what_ends_a_run)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 10, \"duration\": \"1s\", \"abort\": [ \"error_rate > 20% for 2s\","
        "\"latency.p99 > 1s for 500ms\", \"throughput < 100/s\" ] }");

    ck_assert_uint_eq(3, scenario->abort_count);
    ck_assert_str_eq("error_rate > 20% for 2s", scenario->aborts[0].expression);
    ck_assert_int_eq(2 * PB_NS_PER_S, scenario->aborts[0].for_ns);
    ck_assert_int_eq(PB_OP_GREATER, scenario->aborts[0].rule.op);
    PB_ASSERT_NEAR(0.2, scenario->aborts[0].rule.limit, 0);
    ck_assert_int_eq(500 * PB_NS_PER_MS, scenario->aborts[1].for_ns);
    PB_ASSERT_NEAR(0.99, scenario->aborts[1].rule.quantile, 0);
    ck_assert_int_eq(PB_NS_PER_S, scenario->aborts[2].for_ns);
    ck_assert_int_eq(PB_OP_LESS, scenario->aborts[2].rule.op);
    pb_scenario_free(scenario);
}
