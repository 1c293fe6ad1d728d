#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "harness/monitor.h"
#include "harness/run.h"
#include "tuner/trial.h"

/* From how many CPUs on the harness may choose to spin: its calibration then matters. */
#define SPIN_CPUS 4

static void relay_progress(void *ctx, const struct pb_progress *progress)
{
    const struct pb_trial_request *request = ctx;

    request->run_progress(request->progress_ctx, progress);
}

static enum pb_answer answer_of(const char *name)
{
    for (int i = 0; i < PB_ANSWER_COUNT; i++) {
        if (strcmp(pb_answer_name((enum pb_answer)i), name) == 0) {
            return (enum pb_answer)i;
        }
    }
    return PB_ANSWER_NO_DATA;
}

static void read_objective(const cJSON *row, struct pb_trial_objective *o)
{
    const cJSON *limit = pb_json_at(row, "limit");
    bool band = cJSON_IsArray(limit);

    o->answer = answer_of(pb_json_str(row, "answer", ""));
    o->measured = pb_json_num(row, "measured", PB_NO_NUMBER);
    o->limit =
        band ? pb_json_num(row, "limit.0", PB_NO_NUMBER) : pb_json_num(row, "limit", PB_NO_NUMBER);
    o->limit_high = band ? pb_json_num(row, "limit.1", PB_NO_NUMBER) : PB_NO_NUMBER;
    o->bad_ratio = pb_json_num(row, "bad_ratio", PB_NO_NUMBER);
    o->bad_limit = pb_json_num(row, "bad_limit", PB_NO_NUMBER);
    o->bad_low = pb_json_num(row, "bad_low", PB_NO_NUMBER);
    o->bad_high = pb_json_num(row, "bad_high", PB_NO_NUMBER);
    if (isnan(o->measured) && o->answer == PB_ANSWER_FAIL) {
        o->measured = HUGE_VAL; /* null in run.json */
    }
}

/* The first serious warning says why a run cannot be trusted. */
static void read_why_invalid(const cJSON *json, struct pb_trial_result *result)
{
    const cJSON *warning = NULL;

    snprintf(result->invalid_why, sizeof(result->invalid_why), "%s",
             pb_json_str(json, "reason", "the measurement cannot be trusted"));
    cJSON_ArrayForEach(warning, pb_json_at(json, "warnings"))
    {
        const char *name = pb_json_str(warning, "id", "");

        if (pb_json_bool(warning, "serious", false)) {
            snprintf(result->invalid_why, sizeof(result->invalid_why), "%s",
                     pb_json_str(warning, "text", name));
            return;
        }
    }
}

static void read_result(const cJSON *json, struct pb_trial_result *result)
{
    const cJSON *row = NULL;

    cJSON_ArrayForEach(row, pb_json_at(json, "objectives"))
    {
        if (result->objective_count < PB_OBJECTIVES_MAX) {
            read_objective(row, &result->objectives[result->objective_count++]);
        }
    }
    result->p50_ns = pb_json_int(json, "totals.latency.p50_ns", 0);
    result->p99_ns = pb_json_int(json, "totals.latency.p99_ns", 0);
    result->mean_workers = pb_json_num(json, "totals.mean_workers", PB_NO_NUMBER);
    result->throughput_per_s = pb_json_num(json, "totals.throughput_per_s", PB_NO_NUMBER);
    result->utilization_ratio = pb_json_num(json, "totals.utilization_ratio", PB_NO_NUMBER);
    result->peak_rss_bytes = pb_json_int(json, "resources.peak_rss_bytes", -1);
    result->requests = (uint64_t)pb_json_int(json, "totals.sent", 0);
}

/* A failure to run is the candidate's own fault unless the machine could not store or hold it. */
static bool candidates_fault(enum pb_status status, const struct pb_error *err)
{
    if (status == PB_ESYS) {
        return err->sys_errno == EAGAIN || err->sys_errno == 0;
    }
    return status == PB_ETIMEDOUT || status == PB_EINVAL || status == PB_EPARSE;
}

static void crash(struct pb_trial_result *result, const char *why)
{
    result->crashed = true;
    snprintf(result->crashed_why, sizeof(result->crashed_why), "%.150s", why);
}

/* Whatever was measured with it, an aborted run did not get to its end. */
static void read_ending(const struct pb_run_result *run, struct pb_trial_result *result)
{
    char why[160];

    result->valid = run->verdict != PB_VERDICT_UNTRUSTED;
    if (!result->valid) {
        read_why_invalid(run->json, result);
    }
    if (cJSON_IsObject(pb_json_at(run->json, "aborted"))) {
        snprintf(why, sizeof(why), "stopped by the abort rule \"%.100s\"",
                 pb_json_str(run->json, "aborted.rule", "?"));
        crash(result, why);
    }
}

/* On few CPUs the harness always sleeps, so that every trial is paced alike without calibration. */
static bool skip_calibration(const struct pb_scenario *scenario)
{
    struct pb_machine machine;

    if (scenario->pacing != PB_PACING_AUTO) {
        return scenario->pacing == PB_PACING_SLEEP;
    }
    pb_machine_read(&machine);
    return machine.cpus_usable < SPIN_CPUS;
}

static enum pb_status run_scenario(const struct pb_scenario *scenario,
                                   const struct pb_trial_request *request,
                                   struct pb_trial_result *result, struct pb_error *err)
{
    struct pb_trial_request context = *request;
    struct pb_run_options options = {
        .results = request->folder,
        .place = request->place,
        .seed = request->seed,
        .load_factor = request->load_factor,
        .lose_workers = request->workers_lost,
        .stop = request->stop,
        .progress = request->run_progress != NULL ? relay_progress : NULL,
        .progress_ctx = &context,
        .skip_calibration = skip_calibration(scenario),
    };
    struct pb_run_result run = { 0 };
    struct pb_error failure = { 0 };
    enum pb_status status = pb_run(scenario, &options, &run, &failure);

    if (status != PB_OK) {
        if (candidates_fault(status, &failure)) {
            crash(result, failure.text);
            return PB_OK;
        }
        if (err != NULL) {
            *err = failure;
        }
        return status;
    }
    if (run.verdict == PB_VERDICT_INTERRUPTED) {
        pb_run_result_done(&run);
        return pb_fail(err, PB_ECANCELED, "stopped during a trial");
    }
    read_result(run.json, result);
    read_ending(&run, result);
    pb_run_result_done(&run);
    return PB_OK;
}

static enum pb_status trial_real_run(void *ctx, const struct pb_trial_request *request,
                                     struct pb_trial_result *ret_result, struct pb_error *err)
{
    struct pb_trial_result result = { 0 };
    struct pb_scenario *candidate = NULL;
    struct pb_problems problems = { 0 };
    int64_t start_ns = pb_now_ns();
    enum pb_status status = pb_scenario_with(request->scenario, request->setting,
                                             request->setting_count, &candidate, &problems);

    (void)ctx;
    if (status == PB_OK) {
        status = run_scenario(candidate, request, &result, err);
    } else if (status != PB_ENOMEM) {
        char line[200] = "not a valid scenario";

        if (pb_problems_any(&problems)) {
            pb_problems_line(&problems, 0, line, sizeof(line));
        }
        crash(&result, line);
        status = PB_OK;
    }
    pb_scenario_free(candidate);
    pb_problems_done(&problems);
    PB_TRY(status);
    result.elapsed_ns = pb_now_ns() - start_ns;
    *ret_result = result;
    return PB_OK;
}

static int64_t trial_real_estimate_ns(void *ctx, const struct pb_scenario *scenario)
{
    (void)ctx;
    return pb_run_estimate_ns(scenario);
}

const struct pb_trial_driver *pb_trial_real(void)
{
    static const struct pb_trial_driver driver = { .name = "real",
                                                   .run = trial_real_run,
                                                   .estimate_ns = trial_real_estimate_ns };

    return &driver;
}
