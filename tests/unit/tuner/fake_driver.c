#include "unit/tuner/fake_driver.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/portable_math.h"
#include "base/queueing.h"
#include "base/rng.h"
#include "base/stats.h"
#include "support/test.h"

#define FRESH_SEEDS 15000 /* between the series of the search and of the confirmation */

static bool declared(const struct pb_scenario *scenario, const struct pb_override *setting)
{
    for (size_t i = 0; i < scenario->tune.vary_count; i++) {
        const struct pb_vary *vary = &scenario->tune.vary[i];

        for (size_t v = 0; v < vary->count && strcmp(vary->path, setting->path) == 0; v++) {
            if (strcmp(vary->values[v], setting->value) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int64_t value_of(const struct pb_trial_request *request, const char *path, int64_t written)
{
    for (size_t i = 0; i < request->setting_count; i++) {
        if (strcmp(request->setting[i].path, path) == 0) {
            return strtoll(request->setting[i].value, NULL, 10);
        }
    }
    return written;
}

static uint64_t hash_setting(const struct pb_trial_request *request)
{
    uint64_t hash = 1469598103934665603U;

    for (size_t i = 0; i < request->setting_count; i++) {
        for (const char *c = request->setting[i].value; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * 1099511628211U;
        }
        hash = (hash ^ 10) * 1099511628211U;
    }
    return hash;
}

/* Standard normal from (seed, what). */
static double normal(int64_t seed, uint64_t what)
{
    struct pb_rng_key key = { (uint64_t)seed, 0, PB_STREAM_TUNER };

    return pb_normal_quantile(pb_rng_uniform(&key, what, 0));
}

/* Truth of one setting: share of requests later than `limit_s`, and the p99. */
static double late_share(const struct fake *fake, const struct pb_trial_request *request,
                         int64_t workers, double limit_s, double *ret_p99_s)
{
    double rate = fake->rate_per_s * request->load_factor, mu = 1 / fake->service_s;
    double slower = exp(fake->noise * normal(request->seed, (uint64_t)workers));

    if (fake->scramble) {
        *ret_p99_s = 0.001;
        return hash_setting(request) % 3 == 0 ? 0 : 0.5;
    }
    if (fake->table) {
        *ret_p99_s = 0.001;
        return fake->fixed_bad[workers];
    }
    if (workers < 1 || rate >= (double)workers * mu) {
        *ret_p99_s = 60;
        return 0.9;
    }
    *ret_p99_s = slower * pb_mmc_response_quantile_s((size_t)workers, rate, mu, 0.99);
    return 1 - pb_mmc_response_cdf((size_t)workers, rate, mu, limit_s / slower);
}

static void judge(const struct fake *fake, const struct pb_objective *objective, double bad,
                  double p99_s, struct pb_trial_objective *o)
{
    double allowed = 1 - objective->quantile;
    struct pb_interval interval = pb_clopper_pearson(bad * fake->requests, fake->requests, 0.95);

    *o = (struct pb_trial_objective){ .measured = p99_s * 1e9,
                                      .limit = objective->limit,
                                      .limit_high = (double)NAN,
                                      .bad_ratio = bad,
                                      .bad_limit = allowed,
                                      .bad_low = interval.low,
                                      .bad_high = interval.high };
    o->answer = interval.high <= allowed ? PB_ANSWER_PASS
                : interval.low > allowed ? PB_ANSWER_FAIL
                                         : PB_ANSWER_INCONCLUSIVE;
}

static enum pb_status fake_run(void *ctx, const struct pb_trial_request *request,
                               struct pb_trial_result *ret_result, struct pb_error *err)
{
    struct fake *fake = ctx;
    const struct pb_scenario *scenario = request->scenario;
    int64_t size = value_of(request, "pool.size", scenario->pool.size);
    int64_t overflow = value_of(request, "pool.max_overflow", scenario->pool.max_overflow);
    struct pb_trial_result result = { .valid = true, .objective_count = scenario->objective_count };
    bool faulty = fake->fault != FAKE_FINE && size == fake->fault_size;
    bool fresh = request->seed >= scenario->seed + FRESH_SEEDS;
    double p99_s = 0;

    fake->runs++;
    fake->last_size = size;
    for (size_t i = 0; i < request->setting_count; i++) {
        fake->outside = fake->outside || !declared(scenario, &request->setting[i]);
    }
    if (fake->stop != NULL && fake->runs == fake->stop_after) {
        atomic_store(fake->stop, SIGINT);
        return pb_fail(err, PB_ECANCELED, "stopped");
    }
    if (fake->end != PB_OK && fake->runs > fake->end_after) {
        return pb_fail(err, fake->end, "the world ended");
    }
    if (faulty && fake->fault == FAKE_CRASHES) {
        result.crashed = true;
        (void)snprintf(result.crashed_why, sizeof(result.crashed_why), "no worker came up");
    }
    if ((faulty && fake->fault == FAKE_INVALID) ||
        (fake->invalid_every > 0 && fake->runs % fake->invalid_every == 0)) {
        result.valid = false;
        (void)snprintf(result.invalid_why, sizeof(result.invalid_why), "CPU time was stolen");
    }
    for (size_t i = 0; i < scenario->objective_count; i++) {
        const struct pb_objective *objective = &scenario->objectives[i];
        double bad = late_share(fake, request, size + overflow - request->workers_lost,
                                objective->limit / 1e9, &p99_s);

        if (faulty && (fake->fault == FAKE_SLOW || (fake->fault == FAKE_FRESH_BAD && fresh))) {
            bad = 1;
        }
        judge(fake, objective, bad, p99_s, &result.objectives[i]);
    }
    result.p50_ns = (int64_t)(p99_s * 3e8);
    result.p99_ns = (int64_t)(p99_s * 1e9);
    result.mean_workers = (double)size;
    result.throughput_per_s = fake->rate_per_s;
    result.utilization_ratio = fake->rate_per_s * fake->service_s / (double)(size + overflow);
    result.peak_rss_bytes = 1000000 * size;
    result.elapsed_ns = 10 * PB_NS_PER_S;
    result.requests = (uint64_t)fake->requests;
    *ret_result = result;
    return PB_OK;
}

static int64_t fake_estimate_ns(void *ctx, const struct pb_scenario *scenario)
{
    (void)ctx;
    (void)scenario;
    return 10 * PB_NS_PER_S;
}

const struct pb_trial_driver fake_driver = { .name = "fake",
                                             .run = fake_run,
                                             .estimate_ns = fake_estimate_ns };

struct pb_scenario *fake_scenario(const char *folder, const char *text)
{
    struct pb_problems problems = { 0 };
    struct pb_scenario *scenario = NULL;
    char *path = pb_path_join(folder, "fake.json");
    char line[300] = "";

    PB_ASSERT_OK(pb_file_replace(path, text, strlen(text), NULL));
    if (pb_scenario_load(path, NULL, 0, &scenario, &problems) != PB_OK) {
        pb_problems_line(&problems, 0, line, sizeof(line));
        ck_abort_msg("%s\n%s", line, text);
    }
    pb_problems_done(&problems);
    free(path);
    return scenario;
}

cJSON *fake_tune(const struct pb_scenario *scenario, struct fake *fake,
                 struct pb_tune_options *options, enum pb_status status, char **ret_folder)
{
    struct pb_error err = { 0 };
    cJSON *json = NULL;
    char *folder = NULL;

    options->driver = &fake_driver;
    options->driver_ctx = fake;
    enum pb_status got = pb_tune(scenario, options, &json, &folder, &err);

    ck_assert_msg(got == status, "want %s, got %s: %s", pb_status_name(status), pb_status_name(got),
                  err.text);
    ck_assert(!fake->outside);
    if (ret_folder != NULL) {
        *ret_folder = folder;
    } else {
        free(folder);
    }
    return json;
}

double fake_limit_ns(const struct fake *fake, size_t size)
{
    double mu = 1 / fake->service_s;
    double above = pb_mmc_response_quantile_s(size, fake->rate_per_s, mu, 0.99);
    double below = fake->rate_per_s < (double)(size - 1) * mu
                       ? pb_mmc_response_quantile_s(size - 1, fake->rate_per_s, mu, 0.99)
                       : 2 * above;

    return 1e9 * sqrt(above * below);
}

void fake_text(char *text, size_t bytes, int size, double limit_ns, const char *tune)
{
    int n = snprintf(text, bytes,
                     "{ \"rate\": 400, \"duration\": \"10s\", \"seed\": 7,\n"
                     "  \"workload\": { \"service\": \"10ms\" },\n"
                     "  \"pool\": { \"size\": %d },\n"
                     "  \"slo\": [ \"latency.p99 < %.0fns\" ],\n"
                     "  \"tune\": %s }\n",
                     size, limit_ns, tune);

    ck_assert_int_lt(n, (int)bytes);
}

int64_t fake_size(const cJSON *json)
{
    const cJSON *recommended = cJSON_GetObjectItemCaseSensitive(json, "recommended");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(recommended, "pool.size");

    return cJSON_IsNumber(size) ? (int64_t)size->valuedouble : -1;
}
