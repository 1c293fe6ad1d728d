#include "harness/recover.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "harness/folder.h"
#include "harness/judge.h"
#include "harness/output.h"
#include "harness/recompute.h"

#define SET_RUNS_MAX 1000

static void free_evidence(struct pb_evidence **evidence)
{
    free(*evidence);
}

static void free_judgement(struct pb_judgement **judgement)
{
    free(*judgement);
}

static void delete_json(cJSON **json)
{
    cJSON_Delete(*json);
}

/* What the log alone can tell.  The machine's and the workers' figures went with the process. */
static void fill_evidence(const struct pb_recomputed *log, const struct pb_folder *folder,
                          struct pb_schedule *schedule, struct pb_evidence *evidence)
{
    const double unknown = (double)__builtin_nanf("");

    pb_schedule_init(schedule, log->scenario, (uint64_t)log->scenario->seed, 1);
    evidence->scenario = log->scenario;
    evidence->schedule = schedule;
    evidence->aggregate = log->aggregate;
    evidence->load_factor = 1;
    evidence->generators = 1;
    evidence->ending = PB_INTERRUPTED;
    evidence->signal = SIGKILL;
    evidence->aborted_rule = -1;
    evidence->start_wall_ns = log->start_wall_ns;
    evidence->monitor = (struct pb_monitor_summary){ .steal_ratio = unknown,
                                                     .foreign_cpu_ratio = unknown,
                                                     .process_cpus = unknown,
                                                     .workers_cpus = unknown,
                                                     .pressure_ratio = unknown,
                                                     .peak_rss_bytes = -1,
                                                     .rss_start_bytes = -1 };
    for (size_t i = 0; i < log->scenario->phase_count; i++) {
        const struct pb_phase_aggregate *phase = &log->aggregate->phases[i];

        evidence->load.sent[i] = phase->sent;
        evidence->load.attempts[i] = phase->attempts;
        evidence->load.unsent[i] =
            schedule->planned[i] > phase->sent ? schedule->planned[i] - phase->sent : 0;
        for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
            evidence->load.outcomes[i][o] = phase->outcomes[o];
            evidence->pool.outcomes[o] += phase->outcomes[o];
        }
        evidence->pool.submitted += phase->sent;
        if (phase->sent > 0) {
            evidence->elapsed_ns = log->last_ns;
        }
    }
    for (size_t i = 0; i < PB_FAULTS_MAX; i++) {
        evidence->faults[i] = PB_NO_FAULT_RESULT;
    }
    pb_losses_sum(NULL, 0, &evidence->recovery);
    pb_workers_summary_init(&evidence->workers);
    for (size_t i = 0; i < PB_CHANGES_MAX; i++) {
        evidence->changes[i].made_ns = -1;
    }
    (void)snprintf(evidence->id, sizeof(evidence->id), "%s", folder->id);
}

static enum pb_status finish_run(struct pb_folder *folder, struct pb_error *err)
{
    PB_CLEANUP(pb_recomputed_done) struct pb_recomputed log = { 0 };
    PB_CLEANUP(free_evidence) struct pb_evidence *evidence = calloc(1, sizeof(*evidence));
    PB_CLEANUP(free_judgement) struct pb_judgement *judgement = calloc(1, sizeof(*judgement));
    PB_CLEANUP(delete_json) cJSON *json = NULL;
    struct pb_schedule schedule;

    if (!evidence || !judgement) {
        return pb_fail(err, PB_ENOMEM, "no memory to recover");
    }
    PB_TRY(pb_recompute(folder->temporary, &log, err));
    if (log.rows == 0) {
        return PB_ENOENT;
    }
    /* Where the copy of the scenario will stand, which is all that is left of it. */
    free(log.scenario->path);
    log.scenario->path = pb_path_join(folder->path, "scenario.json");
    fill_evidence(&log, folder, &schedule, evidence);
    if (pb_judge(evidence, judgement) == PB_OK) {
        json = pb_run_json(evidence, judgement);
    }
    if (!json) {
        return pb_fail(err, PB_ENOMEM, "no memory to recover");
    }
    return pb_run_store(folder, evidence, json, err);
}

/* However well its whole runs went, the set was not measured to its end. */
static void mark_interrupted(cJSON *json, size_t count)
{
    char reason[120];

    if (strcmp(pb_json_str(json, "verdict", ""), pb_verdict_name(PB_VERDICT_INTERRUPTED)) == 0) {
        return; /* a run says so and knows more */
    }
    (void)snprintf(
        reason, sizeof(reason),
        "Stopped by SIGKILL (recovered) after %zu whole %s; the numbers describe what ran.", count,
        count == 1 ? "run" : "runs");
    cJSON_ReplaceItemInObjectCaseSensitive(json, "verdict",
                                           cJSON_CreateString(
                                               pb_verdict_name(PB_VERDICT_INTERRUPTED)));
    cJSON_ReplaceItemInObjectCaseSensitive(json, "reason", cJSON_CreateString(reason));
    cJSON_ReplaceItemInObjectCaseSensitive(json, "signal", cJSON_CreateNumber(SIGKILL));
}

/* A set: its whole runs, in order, into set.json. */
static enum pb_status finish_set(struct pb_folder *folder, struct pb_error *err)
{
    struct pb_json *runs[SET_RUNS_MAX];
    const cJSON *roots[SET_RUNS_MAX];
    const char *places[SET_RUNS_MAX];
    char names[SET_RUNS_MAX][16];
    PB_CLEANUP(delete_json) cJSON *json = NULL;
    struct pb_scenario *scenario = NULL;
    struct pb_problems problems = { 0 };
    size_t count = 0;

    for (bool more = true; more && count < SET_RUNS_MAX;) {
        char file[64];

        (void)snprintf(names[count], sizeof(names[count]), "run-%02zu", count + 1);
        (void)snprintf(file, sizeof(file), "%.15s/run.json", names[count]);
        char *path = pb_path_join(folder->temporary, file);

        more = path && pb_json_read(path, &runs[count], &problems) == PB_OK;
        free(path);
        if (more) {
            roots[count] = pb_json_root(runs[count]);
            places[count] = names[count];
            count++;
        }
    }
    char *path = pb_path_join(folder->temporary, "run-01/scenario.json");
    enum pb_status status = count > 0 ? PB_OK : PB_ENOENT;

    if (status == PB_OK && path && pb_scenario_load(path, NULL, 0, &scenario, &problems) == PB_OK) {
        json = pb_set_json(scenario, roots, places, count);
    }
    if (json) {
        mark_interrupted(json, count);
        cJSON_ReplaceItemInObjectCaseSensitive(json, "id", cJSON_CreateString(folder->id));
    }
    char *text = json ? pb_json_print(json, true) : NULL;

    if (status == PB_OK) {
        status = text ? pb_folder_write(folder, "set.json", text, strlen(text), err) : PB_ENOMEM;
    }
    if (status == PB_OK) {
        status = pb_folder_commit(folder, err);
    }
    free(text);
    free(path);
    pb_scenario_free(scenario);
    pb_problems_done(&problems);
    for (size_t i = 0; i < count; i++) {
        pb_json_free(runs[i]);
    }
    return status;
}

static bool is_set(const struct pb_folder *folder)
{
    char *path = pb_path_join(folder->temporary, "scenario.json");
    bool run = path && pb_path_exists(path);

    free(path);
    return !run;
}

static void recover_one(const char *results, const char *id, struct pb_recovery *recovery)
{
    struct pb_folder folder = { .lock_fd = -1 };
    struct pb_error ignored;
    struct pb_recovery inner = { 0 };
    enum pb_status status;

    if (pb_folder_adopt(results, id, &folder, &ignored) != PB_OK) {
        return; /* its process lives */
    }
    if (is_set(&folder)) {
        status = pb_recover(folder.temporary, &inner, &ignored);
        status = status == PB_OK ? finish_set(&folder, &ignored) : status;
    } else {
        status = finish_run(&folder, &ignored);
    }
    recovery->recovered += status == PB_OK;
    recovery->discarded += status != PB_OK;
    pb_folder_discard(&folder);
}

enum pb_status pb_recover(const char *results, struct pb_recovery *ret_recovery,
                          struct pb_error *err)
{
    struct pb_recovery recovery = { 0 };
    char **ids = NULL;
    size_t count = 0;

    if (pb_folder_temporaries(results, &ids, &count) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory to look for unfinished runs");
    }
    for (size_t i = 0; i < count; i++) {
        recover_one(results, ids[i], &recovery);
        free(ids[i]);
    }
    free(ids);
    *ret_recovery = recovery;
    return PB_OK;
}
