#include "harness/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "harness/backend.h"
#include "harness/output.h"
#include "harness/run_internal.h"

/* Thread CPU time costs a system call: measured on every request where the work dwarfs it. */
#define CPU_ALWAYS_FROM_NS (50 * PB_NS_PER_US)
#define CPU_ONE_IN         64

/* The scenario as it is used goes first: with it and the log a killed run can still be read. */
static enum pb_status store_scenario(struct pb_run_state *run, struct pb_error *err)
{
    if (!run->folder.temporary) {
        return PB_OK;
    }
    cJSON *used = cJSON_Duplicate(run->scenario->effective, true);
    cJSON *seed = cJSON_GetObjectItemCaseSensitive(used, "seed");

    if (seed) {
        cJSON_SetNumberValue(seed, (double)run->schedule.seed); /* a set's runs differ in it */
    }
    char *text = used ? pb_json_print(used, true) : NULL;

    cJSON_Delete(used);
    if (!text) {
        return pb_fail(err, PB_ENOMEM, "no memory to print the scenario");
    }
    enum pb_status status = pb_folder_write(&run->folder, "scenario.json", text, strlen(text), err);

    free(text);
    return status;
}

static enum pb_status prepare(struct pb_run_state *run, struct pb_error *err)
{
    const struct pb_run_options *options = run->options;
    uint64_t seed = (uint64_t)(options->seed >= 0 ? options->seed : run->scenario->seed);
    double factor = options->load_factor > 0 ? options->load_factor : 1;

    pb_schedule_init(&run->schedule, run->scenario, seed, factor);
    if (options->results) {
        PB_TRY(pb_folder_create(options->results,
                                options->place ? options->place : run->scenario->name,
                                options->place ? NULL : "", pb_wall_now_ns(), &run->folder, err));
    }
    PB_TRY(store_scenario(run, err));
    return pb_calibrate(run->scenario, factor, options->skip_calibration, options->stop,
                        &run->calibration, err);
}

static unsigned log_columns(const struct pb_scenario *scenario, uint32_t cpu_every)
{
    unsigned columns = PB_COLUMN_DEMAND;

    columns |= scenario->phase_count > 1 ? (unsigned)PB_COLUMN_PHASE : 0;
    columns |= scenario->operation_count > 1 ? (unsigned)PB_COLUMN_OPERATION : 0;
    columns |= scenario->retries.max > 0 ? (unsigned)PB_COLUMN_ATTEMPT : 0;
    columns |= cpu_every > 0 ? (unsigned)PB_COLUMN_CPU : 0;
    return columns;
}

static enum pb_status open_log(struct pb_run_state *run, uint32_t cpu_every, struct pb_error *err)
{
    if (!run->folder.temporary || run->scenario->keep != PB_KEEP_REQUESTS) {
        return PB_OK;
    }
    char *path = pb_path_join(run->folder.temporary, "requests.pbr");
    struct pb_reqlog_info info = { .seed = run->schedule.seed,
                                   .schedule_hash = run->schedule.hash,
                                   .start_wall_ns = pb_wall_now_ns(),
                                   .columns = log_columns(run->scenario, cpu_every) };

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to open the request log");
    }
    enum pb_status status = pb_reqlog_create(path, &info, &run->log, err);

    free(path);
    return status;
}

static uint32_t choose_cpu_every(const struct pb_scenario *scenario)
{
    if (pb_scenario_mean_service_ns(scenario) <= 0) {
        return 0;
    }
    return pb_scenario_mean_service_ns(scenario) >= (double)CPU_ALWAYS_FROM_NS ? 1 : CPU_ONE_IN;
}

static enum pb_status init_watch(struct pb_run_state *run)
{
    struct pb_pool_config config;

    pb_scenario_pool_config(run->scenario, &config);

    uint32_t slots = pb_pool_config_slots(&config);

    PB_TRY(pb_watch_init(run, slots));
    return pb_run_workers_init(run, slots / config.threads_per_worker, config.threads_per_worker);
}

static enum pb_status make_parts(struct pb_run_state *run, struct pb_error *err)
{
    struct pb_load_config config = { .scenario = run->scenario,
                                     .schedule = &run->schedule,
                                     .spin = run->calibration.pacing.spin,
                                     .generators = run->calibration.generators,
                                     .cpu_every = choose_cpu_every(run->scenario),
                                     .lose_workers = run->options->lose_workers,
                                     .stop = &run->stop,
                                     .event = pb_watch_load_event,
                                     .pool_event = pb_watch_pool_event,
                                     .ctx = run };
    struct pb_recorder_config recording = { .lanes = pb_load_lanes(&config),
                                            .tick = pb_watch_tick,
                                            .ctx = run };

    if (init_watch(run) != PB_OK || pb_aggregate_new(run->scenario, &run->aggregate) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory to prepare the run");
    }
    PB_TRY(open_log(run, config.cpu_every, err));
    recording.aggregate = run->aggregate;
    recording.log = run->log;
    if (pb_recorder_new(&recording, &run->recorder) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for the recorder");
    }
    config.recorder = run->recorder;
    PB_TRY(pb_monitor_start(&run->monitor, err));
    PB_TRY(pb_load_new(&config, &run->load, err));
    pb_monitor_also(run->monitor, pb_run_workers_tick, run);
    return PB_OK;
}

/* Drives the load from the first request to the last outcome. */
static enum pb_status drive(struct pb_run_state *run, struct pb_evidence *evidence,
                            struct pb_error *err)
{
    evidence->start_wall_ns = pb_wall_now_ns();
    atomic_store(&run->running, true);
    PB_TRY(pb_recorder_start(run->recorder, err));
    PB_TRY(pb_load_run(run->load, err));
    pb_monitor_also(run->monitor, NULL, NULL);
    pb_run_workers_tick(run, pb_now_ns()); /* before the workers leave */
    pb_load_drain(run->load);
    pb_run_workers_tick(run, pb_now_ns()); /* who had which request is known now */
    PB_TRY(pb_load_check(run->load, err));
    evidence->start_ns = pb_load_start_ns(run->load);
    evidence->elapsed_ns = pb_now_ns() - evidence->start_ns;
    pb_recorder_stop(run->recorder);
    pb_monitor_stop(run->monitor, &evidence->monitor);
    pb_backend_snapshot(pb_load_backend(run->load), &evidence->pool);
    evidence->unreturned = pb_backend_unreturned(pb_load_backend(run->load));
    pb_load_snapshot(run->load, &evidence->load);
    pb_load_retry_lag(run->load, &evidence->retry_lag);
    pb_load_prepared(run->load, &evidence->prepare);
    evidence->worker_log = pb_load_worker_log(run->load);
    pb_recorder_snapshot(run->recorder, &evidence->recorder);
    return PB_OK;
}

static void note_warmup_lag(const struct pb_run_state *run, struct pb_evidence *evidence)
{
    for (size_t i = 0; i < run->scenario->phase_count && !run->scenario->phases[i].record; i++) {
        const struct pb_phase_aggregate *phase = &run->aggregate->phases[i];

        if (phase->sent > 0) {
            evidence->warmup_lag =
                (struct pb_lateness){ .p50_ns = pb_hist_quantile(&phase->lag_all, 0.5),
                                      .p99_ns = pb_hist_quantile(&phase->lag_all, 0.99),
                                      .max_ns = phase->lag_all.max,
                                      .count = (uint64_t)phase->lag_all.total };
        }
    }
}

static void note_ending(struct pb_run_state *run, struct pb_evidence *evidence)
{
    int signal = run->options->stop ? atomic_load(run->options->stop) : 0;

    evidence->aborted_rule = -1;
    if (signal != 0) {
        evidence->ending = PB_INTERRUPTED;
        evidence->signal = signal;
        pb_watch_note_event(run, evidence->elapsed_ns, "interrupted", "", signal);
    } else if (run->aborted_rule >= 0) {
        evidence->ending = PB_ABORTED;
        evidence->aborted_rule = run->aborted_rule;
        evidence->aborted_at_ns = run->aborted_at_ns;
    }
}

static void collect_evidence(struct pb_run_state *run, struct pb_evidence *evidence)
{
    evidence->scenario = run->scenario;
    evidence->schedule = &run->schedule;
    evidence->aggregate = run->aggregate;
    evidence->pacing = run->calibration.pacing;
    evidence->null_floor = run->calibration.null_floor;
    evidence->generators = run->calibration.generators;
    evidence->load_factor = run->schedule.load_factor;
    evidence->workers_lost = run->options->lose_workers;
    pb_machine_read(&evidence->machine);
    if (run->folder.id) {
        size_t len = strlen(run->folder.id);

        len = len < sizeof(evidence->id) - 1 ? len : sizeof(evidence->id) - 1;
        memcpy(evidence->id, run->folder.id, len);
        evidence->id[len] = '\0';
    }
    note_ending(run, evidence);
    pb_watch_finish(run, evidence->elapsed_ns, evidence);
    note_warmup_lag(run, evidence);
}

/* A log that the disk refused is told in the result, not fatal: the counters are exact all the
 * same. */
static void close_log(struct pb_run_state *run, struct pb_evidence *evidence)
{
    struct pb_error log_error = { 0 };

    if (!run->log) {
        return;
    }
    enum pb_status status = pb_reqlog_close(run->log, &log_error);

    run->log = NULL;
    if (status != PB_OK && evidence->recorder.log_status == PB_OK) {
        evidence->recorder.log_status = status;
        evidence->recorder.log_error = log_error;
    }
}

static enum pb_status judge_and_store(struct pb_run_state *run, const struct pb_evidence *evidence,
                                      struct pb_run_result *result, struct pb_error *err)
{
    struct pb_judgement *judgement = calloc(1, sizeof(*judgement));
    enum pb_status status = judgement ? pb_judge(evidence, judgement) : PB_ENOMEM;

    if (status == PB_OK) {
        result->verdict = judgement->verdict;
        result->signal = evidence->signal;
        result->json = pb_run_json(evidence, judgement);
        status = result->json ? PB_OK : PB_ENOMEM;
    }
    free(judgement);
    if (status != PB_OK) {
        return pb_fail(err, status, "no memory to judge the run");
    }
    if (run->folder.temporary) {
        PB_TRY(pb_run_store(&run->folder, evidence, result->json, err));
        result->folder = strdup(run->folder.path);
        if (!result->folder) {
            return pb_fail(err, PB_ENOMEM, "no memory for the folder's name");
        }
    }
    return PB_OK;
}

static void run_cleanup(struct pb_run_state **state)
{
    struct pb_run_state *run = *state;

    if (!run) {
        return;
    }
    if (run->recorder) {
        pb_recorder_stop(run->recorder); /* its thread looks at the load */
    }
    pb_monitor_free(run->monitor); /* so does its */
    pb_load_free(run->load);
    pb_recorder_free(run->recorder);
    if (pb_reqlog_close(run->log, NULL) != PB_OK) {
        run->log = NULL; /* released all the same; why it failed was told before */
    }
    pb_aggregate_free(run->aggregate);
    pb_run_workers_done(run);
    if (run->slots > 0) {
        pb_watch_done(run);
    }
    pb_folder_discard(&run->folder);
    free(run);
}

static void evidence_cleanup(struct pb_evidence **evidence)
{
    if (*evidence) {
        free((*evidence)->worker_log);
    }
    free(*evidence);
}

enum pb_status pb_run(const struct pb_scenario *scenario, const struct pb_run_options *options,
                      struct pb_run_result *ret_result, struct pb_error *err)
{
    PB_CLEANUP(run_cleanup) struct pb_run_state *run = calloc(1, sizeof(*run));
    PB_CLEANUP(evidence_cleanup) struct pb_evidence *evidence = calloc(1, sizeof(*evidence));
    struct pb_run_result result = { .verdict = PB_VERDICT_UNTRUSTED };

    if (!run || !evidence) {
        return pb_fail(err, PB_ENOMEM, "no memory to prepare the run");
    }
    run->scenario = scenario;
    run->options = options;
    run->folder.lock_fd = -1;

    pb_watch_stage(run, "calibrating");
    PB_TRY(prepare(run, err));
    PB_TRY(make_parts(run, err));
    PB_TRY(drive(run, evidence, err));
    close_log(run, evidence);
    collect_evidence(run, evidence);
    pb_watch_stage(run, "writing");

    enum pb_status status = judge_and_store(run, evidence, &result, err);

    if (status != PB_OK) {
        pb_run_result_done(&result);
        return status;
    }
    *ret_result = result;
    return PB_OK;
}

void pb_run_result_done(struct pb_run_result *result)
{
    cJSON_Delete(result->json);
    free(result->folder);
    *result = (struct pb_run_result){ 0 };
}

int64_t pb_run_estimate_ns(const struct pb_scenario *scenario)
{
    /* The measured drain of a healthy run is a few service times: a second covers it and the
     * writing. */
    return pb_scenario_duration_ns(scenario) + 1500 * PB_NS_PER_MS;
}
