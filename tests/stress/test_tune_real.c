#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "support/test.h"
#include "tuner/apply.h"
#include "tuner/tune.h"

/* 200 a second, evenly, of 20 ms keep 4 workers busy: 3 drown, 5 carry it without a queue. */
static const char text[] =
    "{ \"seed\": 3, \"pool\": { \"size\": 8, \"checkout_timeout\": \"300ms\" },\n"
    "  \"workload\": { \"service\": \"20ms\" },\n"
    "  \"phases\": [ { \"name\": \"main\", \"duration\": \"1s\", \"arrival\": \"constant\", "
    "\"rate\": 200 } ],\n"
    "  \"slo\": [ \"latency.p99 < 80ms\" ],\n"
    "  \"tune\": { \"vary\": { \"pool.size\": \"1..12\" }, \"budget\": { \"runs\": 30 } } }\n";

static struct pb_scenario *load(const char *path)
{
    struct pb_problems problems = { 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_OK(pb_scenario_load(path, NULL, 0, &scenario, &problems));
    return scenario;
}

PB_TEST_TIMEOUT(a_real_tune_finds_applies_and_undoes, 180)
{
    struct pb_tune_options options = { .results = pb_test_folder(), .quick = true };
    char *path = pb_path_join(options.results, "even.json"), *folder = NULL, *backup = NULL;
    struct pb_error err = { 0 };
    cJSON *json = NULL;

    PB_ASSERT_OK(pb_file_replace(path, text, strlen(text), NULL));
    struct pb_scenario *scenario = load(path);
    enum pb_status status = pb_tune(scenario, &options, &json, &folder, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
    char *first = pb_path_join(folder, "trials/001/run.json");

    ck_assert(pb_path_exists(first));
    if (strcmp(pb_json_str(json, "answer", ""), "improved") == 0) {
        const cJSON *recommended = cJSON_GetObjectItem(json, "recommended");
        double size = cJSON_GetObjectItem(recommended, "pool.size")->valuedouble;

        /* A busy machine may need one or two more than 5 and says so truly; one that drowns, or no
         * fewer than now, is wrong anywhere. */
        ck_assert_msg(size >= 4 && size < 8, "size %g", size);
        PB_ASSERT_OK(pb_apply(recommended, path, &backup, NULL));
        free(backup);
        pb_scenario_free(scenario);
        scenario = load(path);
        ck_assert_int_eq((int)size, scenario->pool.size);
        PB_ASSERT_OK(pb_rollback(path, &backup, NULL));
    } else {
        /* On a machine too busy to measure on, saying so is right. */
        ck_assert_msg(pb_json_int(json, "real_runs.invalid", 0) > 0, "%s though every run counted",
                      pb_json_str(json, "answer", ""));
    }
    free(backup);
    free(first);
    free(folder);
    free(path);
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST_TIMEOUT(a_setting_that_cannot_run_crashes_its_trial_alone, 60)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    char *path = pb_path_join(options.results, "even.json"), *trials;
    struct pb_override setting = { .path = (char[]){ "pool.size" },
                                   .value = (char[]){ "0" },
                                   .origin = PB_ORIGIN_TUNER };
    struct pb_trial_result result;

    PB_ASSERT_OK(pb_file_replace(path, text, strlen(text), NULL));
    trials = pb_path_join(options.results, "trials");
    struct pb_scenario *scenario = load(path);
    struct pb_trial_request request = { .scenario = scenario,
                                        .setting = &setting,
                                        .setting_count = 1,
                                        .seed = 1,
                                        .load_factor = 1,
                                        .folder = trials,
                                        .place = "001" };

    PB_ASSERT_OK(pb_trial_real()->run(NULL, &request, &result, NULL));
    ck_assert(result.crashed);
    ck_assert_str_ne("", result.crashed_why);
    setting.value[0] = '6';
    PB_ASSERT_OK(pb_trial_real()->run(NULL, &request, &result, NULL));
    ck_assert(!result.crashed);
    ck_assert_uint_eq(200, result.requests);
    ck_assert_uint_eq(1, result.objective_count);
    PB_ASSERT_NEAR(6, result.mean_workers, 0.5);
    PB_ASSERT_NEAR(20e6, (double)result.p50_ns, 5e6);
    pb_scenario_free(scenario);
    free(trials);
    free(path);
}
