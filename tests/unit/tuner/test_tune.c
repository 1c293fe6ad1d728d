#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "support/alloc.h"
#include "support/test.h"
#include "unit/tuner/fake_driver.h"

static struct fake noisy(void)
{
    return (struct fake){
        .rate_per_s = 400, .service_s = 0.01, .requests = 4000, .noise = 0.03, .invalid_every = 11
    };
}

static struct pb_scenario *sample_scenario(const char *folder)
{
    struct fake fake = noisy();
    char text[1000];

    fake_text(text, sizeof(text), 16, fake_limit_ns(&fake, 6),
              "{ \"vary\": { \"pool.size\": \"2..32\", \"pool.checkout_timeout\": [\"1s\", \"5s\"] "
              "}, \"headroom\": \"10%\" }");
    return fake_scenario(folder, text);
}

static char *read_file(const char *folder, const char *name, size_t *ret_len)
{
    char *path = pb_path_join(folder, name), *data = NULL;
    struct pb_error err = { 0 };
    enum pb_status status = pb_file_read(path, (size_t)64 << 20, &data, ret_len, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
    free(path);
    return data;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = pb_path_join(folder, name);
    bool exists = pb_path_exists(path);

    free(path);
    return exists;
}

/* What must be the same whenever the tune was interrupted. */
static char *comparable(const cJSON *json)
{
    cJSON *copy = cJSON_Duplicate(json, true);
    char *text;

    cJSON_DeleteItemFromObject(copy, "id");
    cJSON_DeleteItemFromObject(copy, "folder");
    text = pb_json_print(copy, true);
    cJSON_Delete(copy);
    return text;
}

PB_TEST(a_tune_leaves_its_folder)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct pb_scenario *scenario = sample_scenario(options.results);
    struct fake fake = noisy();
    char *folder = NULL, *stored, *printed;
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, &folder);
    size_t len = 0;

    ck_assert_ptr_nonnull(strstr(folder, "/fake-tune-"));
    ck_assert(has_file(folder, "scenario.json"));
    ck_assert(has_file(folder, "trials"));
    stored = read_file(folder, "recommendation.json", &len);
    printed = pb_json_print(json, true);
    ck_assert_str_eq(printed, stored);
    ck_assert_int_eq(pb_json_int(json, "real_runs.total", -1), fake.runs);
    ck_assert_int_eq(pb_json_int(json, "real_runs.total", -1),
                     pb_json_int(json, "real_runs.noise_floor", 0) +
                         pb_json_int(json, "real_runs.race", 0) +
                         pb_json_int(json, "real_runs.confirmation", 0));
    ck_assert_int_eq(6, pb_json_int(json, "evidence.pairs", 0));
    ck_assert(!isnan(pb_json_num(json, "evidence.metrics.1.ci_low", (double)NAN)));
    free(stored);
    free(printed);
    free(folder);
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

/* Makes a folder that holds the first `len` bytes of a journal. */
static char *cut_folder(const char *results, const char *from, const char *journal, size_t len)
{
    char name[64], *folder, *path, *scenario;
    size_t scenario_len = 0;

    (void)snprintf(name, sizeof(name), "fake-tune-20261121T031502Z-%06zx", len);
    folder = pb_path_join(results, name);
    PB_ASSERT_OK(pb_dir_make(folder, NULL));
    path = pb_path_join(folder, "journal.jsonl");
    PB_ASSERT_OK(pb_file_replace(path, journal, len, NULL));
    free(path);
    scenario = read_file(from, "scenario.json", &scenario_len);
    path = pb_path_join(folder, "scenario.json");
    PB_ASSERT_OK(pb_file_replace(path, scenario, scenario_len, NULL));
    free(path);
    free(scenario);
    return folder;
}

PB_TEST_TIMEOUT(killed_anywhere_it_resumes_to_the_same_answer, 120)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct pb_scenario *scenario = sample_scenario(options.results);
    struct fake fake = noisy();
    char *folder = NULL;
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, &folder);
    size_t len = 0;
    char *journal = read_file(folder, "journal.jsonl", &len), *want = comparable(json);
    unsigned cuts = 0;

    fake.invalid_every = 0; /* a fault by count of runs is no function of the trial */
    cJSON_Delete(json);
    free(want);
    free(journal);
    free(folder);
    fake = noisy();
    fake.invalid_every = 0;
    json = fake_tune(scenario, &fake, &options, PB_OK, &folder);
    journal = read_file(folder, "journal.jsonl", &len);
    want = comparable(json);
    uint32_t all_runs = fake.runs;

    for (size_t at = strcspn(journal, "\n") + 1; at <= len; cuts++) {
        /* After a whole line, and in the middle of the next one. */
        size_t next = at + strcspn(journal + at, "\n") + 1;
        size_t end = cuts % 2 == 0 || at == len ? at : at + (next - at) / 2;
        char *cut = cut_folder(options.results, folder, journal, end), *again, *got;
        size_t again_len = 0;

        options.resume = cut;
        fake.runs = 0;
        cJSON *resumed = fake_tune(scenario, &fake, &options, PB_OK, NULL);

        got = comparable(resumed);
        again = read_file(cut, "journal.jsonl", &again_len);
        ck_assert_str_eq(want, got);
        ck_assert_str_eq(journal, again);
        ck_assert_uint_le(fake.runs, all_runs);
        ck_assert(at < len || fake.runs == 0);
        free(again);
        free(got);
        free(cut);
        cJSON_Delete(resumed);
        at = at == len ? len + 1 : next;
    }
    ck_assert_uint_gt(cuts, 40);
    free(journal);
    free(want);
    free(folder);
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(stopped_it_says_so_and_can_be_resumed)
{
    _Atomic int stop = 0;
    struct pb_tune_options options = { .results = pb_test_folder(), .stop = &stop };
    struct pb_scenario *scenario = sample_scenario(options.results);
    struct fake fake = noisy();
    char *folder = NULL;

    fake.invalid_every = 0;
    fake.stop = &stop;
    fake.stop_after = 9;
    cJSON *json = fake_tune(scenario, &fake, &options, PB_ECANCELED, &folder);

    ck_assert_str_eq("unconfirmed", pb_json_str(json, "answer", ""));
    ck_assert(pb_json_bool(json, "interrupted", false));
    ck_assert(!has_file(folder, "recommendation.json"));
    cJSON_Delete(json);
    atomic_store(&stop, 0);
    fake.stop = NULL;
    options.resume = folder;
    json = fake_tune(scenario, &fake, &options, PB_OK, NULL);
    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    ck_assert(has_file(folder, "recommendation.json"));
    cJSON_Delete(json);
    free(folder);
    pb_scenario_free(scenario);
}

PB_TEST(the_copy_of_the_scenario_resumes_too)
{
    _Atomic int stop = 0;
    struct pb_tune_options options = { .results = pb_test_folder(), .stop = &stop };
    struct pb_scenario *scenario = sample_scenario(options.results), *copy = NULL;
    struct pb_problems problems = { 0 };
    struct fake fake = noisy();
    char *folder = NULL;

    fake.invalid_every = 0;
    fake.stop = &stop;
    fake.stop_after = 5;
    cJSON_Delete(fake_tune(scenario, &fake, &options, PB_ECANCELED, &folder));
    char *path = pb_path_join(folder, "scenario.json");

    PB_ASSERT_OK(pb_scenario_load(path, NULL, 0, &copy, &problems));
    ck_assert_str_eq("fake", copy->name);
    atomic_store(&stop, 0);
    fake.stop = NULL;
    options.resume = folder;
    cJSON *json = fake_tune(copy, &fake, &options, PB_OK, NULL);

    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    ck_assert_str_eq(scenario->path, pb_json_str(json, "scenario_path", ""));
    ck_assert_int_eq(0, cJSON_GetArraySize(pb_json_at(json, "dead_settings")));
    cJSON_Delete(json);
    pb_scenario_free(copy);
    free(path);
    free(folder);
    pb_scenario_free(scenario);
}

PB_TEST(another_scenario_is_not_resumed)
{
    _Atomic int stop = 0;
    struct pb_tune_options options = { .results = pb_test_folder(), .stop = &stop };
    struct pb_scenario *scenario = sample_scenario(options.results), *other;
    struct fake fake = noisy();
    char *folder = NULL, text[1000];

    fake.stop = &stop;
    fake.stop_after = 5;
    cJSON_Delete(fake_tune(scenario, &fake, &options, PB_ECANCELED, &folder));
    atomic_store(&stop, 0);
    fake.stop = NULL;
    options.resume = folder;
    fake_text(text, sizeof(text), 15, 80e6, "{ \"vary\": { \"pool.size\": \"2..32\" } }");
    other = fake_scenario(options.results, text);
    ck_assert_ptr_null(fake_tune(other, &fake, &options, PB_EINVAL, NULL));
    pb_scenario_free(other);
    free(folder);
    pb_scenario_free(scenario);
}

PB_TEST(an_error_of_the_world_ends_the_tune_and_it_can_be_resumed)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct pb_scenario *scenario = sample_scenario(options.results);
    struct fake fake = noisy();

    fake.invalid_every = 0;
    fake.end = PB_ESYS;
    fake.end_after = 6;
    ck_assert_ptr_null(fake_tune(scenario, &fake, &options, PB_ESYS, NULL));
    fake.end = PB_OK;
    struct pb_tune_options again = { .results = options.results, .resume = "fake-tune-" };
    cJSON *json = fake_tune(scenario, &fake, &again, PB_OK, NULL);

    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

/* Every fifth allocation of a whole tune fails in turn: a document is right or not
 * there. */
PB_TEST_TIMEOUT(without_memory_it_fails_or_is_right, 120)
{
    struct pb_tune_options options = { .results = pb_test_folder(), .driver = &fake_driver };
    struct fake fake = noisy();
    char text[1000], *want;
    bool failed = true;

    fake.invalid_every = 0;
    fake_text(text, sizeof(text), 8, fake_limit_ns(&fake, 6),
              "{ \"vary\": { \"pool.size\": \"5..8\" }, \"budget\": { \"runs\": 24 } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    want = comparable(json);
    cJSON_Delete(json);
    options.driver_ctx = &fake;
    for (long n = 1; failed; n += 5) {
        struct pb_error err = { 0 };
        char *folder = NULL, *got;

        json = NULL;
        pb_alloc_fail_once(n);
        enum pb_status status = pb_tune(scenario, &options, &json, &folder, &err);

        failed = pb_alloc_failed();
        pb_alloc_fail_off();
        ck_assert_msg(status == PB_OK || (status == PB_ENOMEM && json == NULL && failed),
                      "allocation %ld: %s: %s", n, pb_status_name(status), err.text);
        if (json != NULL) {
            size_t same = 0;

            got = comparable(json);
            while (want[same] != '\0' && want[same] == got[same]) {
                same++;
            }
            ck_assert_msg(want[same] == got[same], "allocation %ld: want %.120s, got %.120s", n,
                          want + same, got + same);
            free(got);
        }
        cJSON_Delete(json);
        free(folder);
    }
    free(want);
    pb_scenario_free(scenario);
}

struct told {
    unsigned lines, ticks;
};

static void on_progress(void *ctx, const struct pb_tune_progress *progress)
{
    struct told *told = ctx;

    if (progress->text[0] != '\0') {
        told->lines++;
    } else {
        told->ticks++;
    }
    ck_assert_uint_le(progress->runs_done, progress->runs_expected);
}

PB_TEST(progress_is_told)
{
    struct told told = { 0, 0 };
    struct pb_tune_options options = { .results = pb_test_folder(),
                                       .progress = on_progress,
                                       .ctx = &told };
    struct pb_scenario *scenario = sample_scenario(options.results);
    struct fake fake = noisy();

    cJSON_Delete(fake_tune(scenario, &fake, &options, PB_OK, NULL));
    ck_assert_uint_eq(told.ticks, fake.runs);
    ck_assert_uint_gt(told.lines, 4);
    pb_scenario_free(scenario);
}

PB_TEST(nothing_to_vary_or_to_meet_is_refused)
{
    struct pb_tune_options options = { .results = pb_test_folder(), .driver = &fake_driver };
    struct pb_tune_estimate estimate;
    struct pb_error err = { 0 };
    struct pb_scenario *scenario =
        fake_scenario(options.results,
                      "{ \"rate\": 10, \"duration\": \"1s\", \"slo\": [ \"latency.p99 < 1s\" ] }");

    PB_ASSERT_STATUS(PB_EINVAL, pb_tune_estimate(scenario, &options, &estimate, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "vary"));
    pb_scenario_free(scenario);
    scenario = fake_scenario(options.results,
                             "{ \"rate\": 10, \"duration\": \"1s\", \"tune\": { \"vary\": { "
                             "\"pool.size\": \"1..4\" } } }");
    PB_ASSERT_STATUS(PB_EINVAL, pb_tune_estimate(scenario, &options, &estimate, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "objective"));
    pb_scenario_free(scenario);
}

PB_TEST(the_estimate_knows_the_space_and_the_budget)
{
    struct pb_tune_options options = { .results = pb_test_folder(), .driver = &fake_driver };
    struct pb_tune_estimate estimate;
    struct pb_scenario *scenario = sample_scenario(options.results);

    PB_ASSERT_OK(pb_tune_estimate(scenario, &options, &estimate, NULL));
    ck_assert_uint_eq(62, estimate.settings);
    ck_assert(estimate.coordinate);
    ck_assert_uint_le(estimate.runs_min, estimate.runs_max);
    ck_assert_uint_eq(60, estimate.runs_max);
    ck_assert_int_eq(600000000000, estimate.time_max_ns);
    options.time_limit_ns = 100000000000;
    PB_ASSERT_OK(pb_tune_estimate(scenario, &options, &estimate, NULL));
    ck_assert_uint_eq(10, estimate.runs_max);
    pb_scenario_free(scenario);
}
