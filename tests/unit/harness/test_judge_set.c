#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "harness/output.h"
#include "support/test.h"

#define RUNS_MAX 8

struct made_set {
    cJSON *runs[RUNS_MAX];
    const char *folders[RUNS_MAX];
    size_t count;
    cJSON *json;
};

/* A run's document with what a set looks at.  `answer` of its one latency objective; `p99_ms`: its
 * measured value, 0: infinite; `bad`: share of bad requests, limit 1 %. */
static void add_run(struct made_set *set, const char *verdict, const char *answer, double p99_ms,
                    double bad)
{
    char text[1200], measured[32];
    size_t i = set->count++;

    (void)snprintf(measured, sizeof(measured), "%.0f", p99_ms * 1e6);
    (void)snprintf(
        text, sizeof(text),
        "{\"schema\":1,\"id\":\"run-0%zu\",\"verdict\":\"%s\",\"reason\":\"because %zu\","
        "\"elapsed_ns\":1000,\"signal\":null,\"aborted\":null,\"seed\":%zu,"
        "\"schedule_hash\":\"00\",\"objectives\":[{\"expression\":\"latency.p99 < 50ms\","
        "\"level\":\"fail\",\"phase\":\"main\",\"op\":\"<\",\"unit\":\"ns\",\"answer\":\"%s\","
        "\"measured\":%s,\"limit\":50000000,\"ci_low\":1,\"ci_high\":2,\"bad_ratio\":%g,"
        "\"bad_limit\":0.01,\"count\":100}],\"phases\":[{\"name\":\"main\",\"sent\":100,"
        "\"outcomes\":{\"ok\":%zu,\"error\":%zu},\"latency\":{\"count\":%zu,\"p99_ns\":%s,"
        "\"min_ns\":%zu,\"max_ns\":%zu}}],\"totals\":{\"sent\":100,\"peak_queue\":%zu,"
        "\"latency\":{\"p50_ns\":5,\"p99_ns\":%s}},\"resources\":{\"steal_ratio\":%s},"
        "\"warnings\":[%s],\"faults\":[{\"fault\":\"x\"}]}",
        i + 1, verdict, i + 1, i + 7, answer, p99_ms > 0 ? measured : "null", bad, 100 - i, i,
        100 - i, p99_ms > 0 ? measured : "null", 10 - i, 100 + i, i, p99_ms > 0 ? measured : "null",
        i == 0 ? "null" : "0.5",
        i % 2 == 1 ? "{\"id\":\"steal\",\"text\":\"t\",\"serious\":true},"
                     "{\"id\":\"steal\",\"text\":\"u\",\"serious\":true}"
                   : "");
    set->runs[i] = cJSON_Parse(text);
    ck_assert_msg(set->runs[i] != NULL, "%s", text);
    set->folders[i] = "run-xx";
}

static cJSON *judge(struct made_set *set)
{
    set->json = pb_set_json(NULL, (const cJSON *const *)set->runs, set->folders, set->count);
    ck_assert_ptr_nonnull(set->json);
    return set->json;
}

static void done(struct made_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        cJSON_Delete(set->runs[i]);
    }
    cJSON_Delete(set->json);
}

PB_TEST(two_to_five_runs_decide_only_when_all_agree)
{
    struct made_set all = { .count = 0 }, split = { .count = 0 }, broken = { .count = 0 };

    for (int i = 0; i < 3; i++) {
        add_run(&all, "pass", "PASS", 20 + i, 0.001);
        add_run(&broken, "fail", "FAIL", 80 + i, 0.1);
    }
    add_run(&split, "pass", "PASS", 20, 0.001);
    add_run(&split, "fail", "FAIL", 80, 0.1);
    ck_assert_str_eq(pb_json_str(judge(&all), "verdict", ""), "pass");
    ck_assert_str_eq(pb_json_str(judge(&broken), "verdict", ""), "fail");
    ck_assert_str_eq(pb_json_str(judge(&split), "verdict", ""), "inconclusive");
    ck_assert_str_eq(pb_json_str(split.json, "objectives.0.answer", ""), "INCONCLUSIVE");
    ck_assert_int_eq(pb_json_int(split.json, "objectives.0.more_runs", 0), 4);
    ck_assert_str_eq(pb_json_str(split.json, "objectives.0.answers.1", ""), "FAIL");
    ck_assert(cJSON_IsNull(pb_json_at(all.json, "objectives.0.ci_low"))); /* under six runs */
    PB_ASSERT_NEAR(21e6, pb_json_num(all.json, "objectives.0.measured", 0), 1);
    done(&all);
    done(&split);
    done(&broken);
}

PB_TEST(six_runs_are_judged_by_the_interval_over_runs)
{
    struct made_set good = { .count = 0 }, mixed = { .count = 0 }, bad = { .count = 0 };

    for (int i = 0; i < 6; i++) {
        /* No run alone could decide; together they do: all six lie under the limit. */
        add_run(&good, "inconclusive", "INCONCLUSIVE", 40 + i, 0.004 + 0.0005 * i);
        add_run(&mixed, "inconclusive", "INCONCLUSIVE", 40 + i, i == 0 ? 0.011 : 0.004);
        add_run(&bad, "inconclusive", "INCONCLUSIVE", 60 + i, 0.011 + 0.001 * i);
    }
    ck_assert_str_eq(pb_json_str(judge(&good), "verdict", ""), "pass");
    PB_ASSERT_NEAR(40e6, pb_json_num(good.json, "objectives.0.ci_low", 0), 1);
    PB_ASSERT_NEAR(45e6, pb_json_num(good.json, "objectives.0.ci_high", 0), 1);
    PB_ASSERT_NEAR(0.0065, pb_json_num(good.json, "objectives.0.bad_high", 0), 1e-9);
    ck_assert_str_eq(pb_json_str(judge(&mixed), "verdict", ""), "inconclusive");
    ck_assert_str_eq(pb_json_str(judge(&bad), "verdict", ""), "fail");
    done(&good);
    done(&mixed);
    done(&bad);
}

PB_TEST(a_set_without_data_in_one_run_has_no_data)
{
    struct made_set set = { .count = 0 };

    for (int i = 0; i < 7; i++) {
        add_run(&set, i == 3 ? "inconclusive" : "pass", i == 3 ? "NO DATA" : "PASS", 20, 0);
    }
    ck_assert_str_eq(pb_json_str(judge(&set), "objectives.0.answer", ""), "NO DATA");
    ck_assert_str_eq(pb_json_str(set.json, "verdict", ""), "inconclusive");
    done(&set);
}

PB_TEST(an_infinite_value_counts_as_the_worst)
{
    struct made_set set = { .count = 0 };

    for (int i = 0; i < 6; i++) {
        add_run(&set, "fail", "FAIL", i < 4 ? 0 : 20, i < 4 ? 0.5 : 0.02);
    }
    ck_assert_str_eq(pb_json_str(judge(&set), "verdict", ""), "fail");
    ck_assert(cJSON_IsNull(pb_json_at(set.json, "objectives.0.measured")));
    PB_ASSERT_NEAR(20e6, pb_json_num(set.json, "objectives.0.ci_low", 0), 1);
    ck_assert(cJSON_IsNull(pb_json_at(set.json, "objectives.0.ci_high")));
    ck_assert_ptr_nonnull(strstr(pb_json_str(set.json, "reason", ""), "median never"));
    done(&set);
}

PB_TEST(counts_are_sums_quantiles_medians_and_extremes_extremes)
{
    struct made_set set = { .count = 0 };

    add_run(&set, "pass", "PASS", 20, 0);
    add_run(&set, "pass", "PASS", 30, 0);
    add_run(&set, "pass", "PASS", 26, 0);
    judge(&set);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.sent", 0), 300);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.outcomes.ok", 0), 297);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.outcomes.error", 0), 3);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.latency.p99_ns", 0), 26000000);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.latency.min_ns", 0), 8);
    ck_assert_int_eq(pb_json_int(set.json, "phases.0.latency.max_ns", 0), 102);
    ck_assert_int_eq(pb_json_int(set.json, "totals.peak_queue", 0), 2);
    ck_assert_int_eq(pb_json_int(set.json, "objectives.0.count", 0), 300);
    ck_assert_int_eq(pb_json_int(set.json, "elapsed_ns", 0), 3000);
    /* Unknown in the first run, 0.5 in the others. */
    PB_ASSERT_NEAR(0.5, pb_json_num(set.json, "resources.steal_ratio", 0), 0);
    ck_assert_str_eq(pb_json_str(set.json, "phases.0.name", ""), "main");
    ck_assert_int_eq(cJSON_GetArraySize(pb_json_at(set.json, "runs")), 3);
    ck_assert_int_eq(pb_json_int(set.json, "runs.2.seed", 0), 9);
    ck_assert_int_eq(cJSON_GetArraySize(pb_json_at(set.json, "warnings")), 1);
    ck_assert_int_eq(pb_json_int(set.json, "warnings.0.runs.0", 0), 2);
    ck_assert_ptr_null(pb_json_at(set.json, "faults"));
    done(&set);
}

PB_TEST(one_untrusted_or_interrupted_run_decides_the_set)
{
    struct made_set untrusted = { .count = 0 }, cut = { .count = 0 };

    add_run(&untrusted, "fail", "FAIL", 80, 0.1);
    add_run(&untrusted, "untrusted", "FAIL", 80, 0.1);
    add_run(&cut, "untrusted", "PASS", 20, 0);
    add_run(&cut, "interrupted", "PASS", 20, 0);
    ck_assert_str_eq(pb_json_str(judge(&untrusted), "verdict", ""), "untrusted");
    ck_assert_str_eq(pb_json_str(untrusted.json, "reason", ""), "Run 2: because 2");
    ck_assert_str_eq(pb_json_str(judge(&cut), "verdict", ""), "interrupted");
    done(&untrusted);
    done(&cut);
}

PB_TEST(a_set_of_one_run_says_what_the_run_says)
{
    struct made_set set = { .count = 0 };

    add_run(&set, "inconclusive", "INCONCLUSIVE", 49, 0.009);
    judge(&set);
    ck_assert_str_eq(pb_json_str(set.json, "verdict", ""), "inconclusive");
    ck_assert_str_eq(pb_json_str(set.json, "reason", ""), "because 1");
    ck_assert_int_eq(pb_json_int(set.json, "objectives.0.ci_high", 0), 2);
    done(&set);
}
