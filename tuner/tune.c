#include "tuner/tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/stats.h"
#include "base/version.h"
#include "harness/run.h"
#include "harness/schedule.h"
#include "tuner/tuner_internal.h"

/* What a scenario without a budget may spend. */
#define BUDGET_TIME_NS       (15 * 60 * PB_NS_PER_S)
#define BUDGET_RUNS          60
#define QUICK_BUDGET_TIME_NS (5 * 60 * PB_NS_PER_S)
#define QUICK_BUDGET_RUNS    30
/* Differences smaller than this are not worth a change, however certain. */
#define SMALLEST_DELTA 0.03

static struct pb_tune_plan make_plan(const struct pb_scenario *scenario,
                                     const struct pb_tune_options *options)
{
    const struct pb_tune *tune = &scenario->tune;
    bool quick = options->quick;
    struct pb_tune_plan plan = {
        .floor_runs = quick ? 2 : 3,
        .min_runs = quick ? 1 : 2,
        .max_runs = quick ? 3 : 6,
        .invalid_max = 3,
        .pairs = quick ? 2 : 6, /* six: the fewest whose interval reaches 95 % */
        .confirm_tries = quick ? 2 : 3,
        .budget_runs = quick ? QUICK_BUDGET_RUNS : BUDGET_RUNS,
        .budget_time_ns = quick ? QUICK_BUDGET_TIME_NS : BUDGET_TIME_NS,
        .load_factor = 1 + tune->headroom,
        .workers_lost = (uint32_t)tune->survive,
        .stressed = tune->headroom > 0 || tune->survive > 0,
        .cost_known = tune->minimize == PB_MINIMIZE_WORKERS,
    };

    plan.stress_runs = plan.stressed ? (quick ? 1 : 3) : 0;
    if (tune->budget_runs > 0) {
        plan.budget_runs = (uint32_t)fmin((double)tune->budget_runs, 100000);
    }
    if (tune->budget_time_ns > 0) {
        plan.budget_time_ns = tune->budget_time_ns;
    }
    if (options->time_limit_ns > 0) {
        plan.budget_time_ns = options->time_limit_ns;
    }
    return plan;
}

static const struct pb_trial_driver *driver_of(const struct pb_tune_options *options)
{
    return options->driver != NULL ? options->driver : pb_trial_real();
}

static enum pb_status check_objectives(const struct pb_scenario *scenario, struct pb_error *err)
{
    for (size_t i = 0; i < scenario->objective_count; i++) {
        if (pb_objective_binds(&scenario->objectives[i])) {
            return PB_OK;
        }
    }
    return pb_fail(err, PB_EINVAL,
                   "nothing to tune for: the scenario has no objective of level fail; add for "
                   "example \"slo\": [ \"latency.p99 < 100ms\" ]");
}

enum pb_status pb_tune_estimate(const struct pb_scenario *scenario,
                                const struct pb_tune_options *options,
                                struct pb_tune_estimate *ret_estimate, struct pb_error *err)
{
    struct pb_tune_plan plan = make_plan(scenario, options);
    struct pb_space space;
    uint32_t confirm = 2 * plan.pairs + plan.stress_runs;

    PB_TRY(check_objectives(scenario, err));
    PB_TRY(pb_space_init(scenario, &space, err));
    int64_t run_ns = driver_of(options)->estimate_ns(options->driver_ctx, scenario);
    int64_t fitting = run_ns > 0 ? plan.budget_time_ns / run_ns : plan.budget_runs;
    uint32_t most = fitting < plan.budget_runs ? (uint32_t)fitting : plan.budget_runs;
    uint64_t sweep = plan.floor_runs + confirm + space.settings * plan.min_runs;
    /* The shortest: the original is the best, and the next cheaper setting fails at once. */
    uint32_t least = plan.floor_runs + 1 + plan.min_runs + plan.stress_runs;

    *ret_estimate = (struct pb_tune_estimate){
        .settings = space.settings,
        .runs_min = least < most ? least : most,
        .runs_max = sweep < most ? (uint32_t)sweep : most,
        .coordinate = space.settings > most || sweep > most,
    };
    ret_estimate->time_min_ns = ret_estimate->runs_min * run_ns;
    ret_estimate->time_max_ns = ret_estimate->runs_max * run_ns;
    pb_space_done(&space);
    return PB_OK;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv). */
static void hash_text(uint64_t *hash, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        *hash = (*hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    *hash = (*hash ^ '\n') * UINT64_C(0x100000001b3);
}

/* What a tune depends on besides the schedule: settings, objectives and the space. */
static uint64_t scenario_hash(const struct pb_scenario *scenario)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char text[256];

    for (size_t i = 0; pb_field_at(i) != NULL; i++) {
        if (pb_scenario_get(scenario, pb_field_at(i)->path, text, sizeof(text))) {
            hash_text(&hash, pb_field_at(i)->path);
            hash_text(&hash, text);
        }
    }
    for (size_t i = 0; i < scenario->objective_count; i++) {
        const struct pb_objective *objective = &scenario->objectives[i];

        snprintf(text, sizeof(text), "%d %d %.17g %.17g", (int)objective->level, objective->phase,
                 objective->limit, objective->limit_high);
        hash_text(&hash, objective->expression);
        hash_text(&hash, text);
    }
    for (size_t i = 0; i < scenario->tune.vary_count; i++) {
        hash_text(&hash, scenario->tune.vary[i].path);
        for (size_t v = 0; v < scenario->tune.vary[i].count; v++) {
            hash_text(&hash, scenario->tune.vary[i].values[v]);
        }
    }
    return hash;
}

static void add_hash(cJSON *object, const char *key, uint64_t hash)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    cJSON_AddStringToObject(object, key, text);
}

/* Line 1 of a journal.  NULL: no memory. */
static cJSON *header_line(const struct pb_tuner *tuner)
{
    const struct pb_tune_options *options = tuner->options;
    struct pb_schedule schedule;
    char created[21];
    cJSON *line = cJSON_CreateObject(), *chosen;
    struct pb_point original = pb_space_original(&tuner->space);

    pb_schedule_init(&schedule, tuner->scenario, (uint64_t)tuner->scenario->seed, 1);
    pb_wall_format(pb_wall_now_ns(), created);
    cJSON_AddStringToObject(line, "type", "header");
    cJSON_AddNumberToObject(line, "schema", PB_TUNE_SCHEMA);
    cJSON_AddStringToObject(line, "scenario", tuner->scenario->name);
    add_hash(line, "scenario_hash", scenario_hash(tuner->scenario));
    add_hash(line, "schedule_hash", schedule.hash);
    cJSON_AddStringToObject(line, "driver", tuner->driver->name);
    cJSON_AddStringToObject(line, "version", PB_VERSION);
    cJSON_AddStringToObject(line, "created", created);
    cJSON_AddItemToObject(line, "original", pb_space_json(&tuner->space, &original));
    cJSON_AddStringToObject(line, "minimize",
                            pb_minimize_name((enum pb_minimize)tuner->scenario->tune.minimize));
    cJSON_AddNumberToObject(line, "load_factor", tuner->plan.load_factor);
    cJSON_AddNumberToObject(line, "workers_lost", tuner->plan.workers_lost);
    chosen = cJSON_AddObjectToObject(line, "options");
    cJSON_AddBoolToObject(chosen, "quick", options->quick);
    return cJSON_AddNumberToObject(chosen, "time_limit_ns", (double)options->time_limit_ns) != NULL
               ? line
               : (cJSON_Delete(line), NULL);
}

/* A resumed tune must be the same tune: all of the header but when and by what version. */
static enum pb_status check_header(const struct pb_tuner *tuner, const cJSON *stored,
                                   struct pb_error *err)
{
    static const char *const keys[] = {
        "schema",   "scenario_hash", "schedule_hash", "driver",
        "original", "minimize",      "load_factor",   "workers_lost"
    };
    cJSON *mine = header_line(tuner);

    if (mine == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the journal's header");
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(keys); i++) {
        if (!cJSON_Compare(pb_json_at(stored, keys[i]), pb_json_at(mine, keys[i]), true)) {
            cJSON_Delete(mine);
            return pb_fail(err, PB_EINVAL,
                           "'%s' was tuned for another scenario (%s differs): resume with the one "
                           "it was started with, or start a new tune",
                           tuner->folder, keys[i]);
        }
    }
    cJSON_Delete(mine);
    return PB_OK;
}

/* The effective scenario, with the name that the file's name would otherwise give it. */
static char *scenario_text(const struct pb_scenario *scenario)
{
    cJSON *copy = cJSON_Duplicate(scenario->effective, true);
    char *text = NULL;

    if (copy != NULL && cJSON_GetObjectItemCaseSensitive(copy, "name") == NULL) {
        cJSON_AddStringToObject(copy, "name", scenario->name);
    }
    if (copy != NULL) {
        text = pb_json_print(copy, true);
    }
    cJSON_Delete(copy);
    return text;
}

static enum pb_status fill_folder(const struct pb_tuner *tuner, struct pb_folder *folder,
                                  struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf line = { 0 };
    PB_CLEANUP(pb_free_text) char *scenario = scenario_text(tuner->scenario);
    cJSON *header = header_line(tuner);
    enum pb_status status =
        header != NULL && scenario != NULL ? pb_journal_format(header, &line) : PB_ENOMEM;

    cJSON_Delete(header);
    if (status != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for the journal's header");
    }
    PB_TRY(pb_folder_write(folder, "journal.jsonl", pb_buf_text(&line), line.len, err));
    PB_TRY(pb_folder_write(folder, "scenario.json", scenario, strlen(scenario), err));
    return pb_folder_commit(folder, err);
}

/* A new tune folder: its journal holds the header from the moment it can be seen. */
static enum pb_status make_folder(struct pb_tuner *tuner, struct pb_error *err)
{
    struct pb_folder folder = { .lock_fd = -1 };
    enum pb_status status;

    PB_TRY(pb_folder_create(tuner->options->results, tuner->scenario->name, "tune",
                            pb_wall_now_ns(), &folder, err));
    status = fill_folder(tuner, &folder, err);
    if (status == PB_OK) {
        tuner->folder = strdup(folder.path);
        status = tuner->folder != NULL ? PB_OK : pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    pb_folder_discard(&folder);
    return status;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Opens the journal of tuner->folder and takes its header. */
static enum pb_status open_journal(struct pb_tuner *tuner, struct pb_tune_options *options,
                                   struct pb_error *err)
{
    PB_CLEANUP(pb_free_text) char *path = pb_path_join(tuner->folder, "journal.jsonl");

    tuner->trials = pb_path_join(tuner->folder, "trials");
    tuner->id = strdup(last_part(tuner->folder));
    if (path == NULL || tuner->trials == NULL || tuner->id == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    PB_TRY(pb_journal_open(path, &tuner->journal, err));
    const cJSON *header = pb_journal_take(tuner->journal, "header");

    if (header == NULL) {
        return pb_fail(err, PB_ECORRUPT, "'%s' has no header: start a new tune", path);
    }
    options->quick = pb_json_bool(header, "options.quick", false);
    options->time_limit_ns = pb_json_int(header, "options.time_limit_ns", 0);
    tuner->plan = make_plan(tuner->scenario, options);
    PB_TRY(check_header(tuner, header, err));
    PB_TRY(pb_dir_make(tuner->trials, err));
    pb_folder_sweep(tuner->trials);
    return PB_OK;
}

/* The folder to go on with: a path, or a prefix of a name below the results. */
static enum pb_status find_folder(struct pb_tuner *tuner, const struct pb_tune_options *options,
                                  struct pb_error *err)
{
    struct pb_folder_entry entry;

    PB_TRY(pb_folder_find(options->results, options->resume, &entry, err));
    tuner->folder = strdup(entry.path);
    pb_folder_entry_done(&entry);
    return tuner->folder != NULL ? PB_OK : pb_fail(err, PB_ENOMEM, "no memory for a path");
}

static enum pb_status prepare(struct pb_tuner *tuner, struct pb_tune_options *options,
                              struct pb_error *err)
{
    size_t original = 0;
    struct pb_point point;

    PB_TRY(check_objectives(tuner->scenario, err));
    PB_TRY(pb_space_init(tuner->scenario, &tuner->space, err));
    if (options->resume == NULL) {
        PB_TRY(make_folder(tuner, err));
    } else {
        PB_TRY(find_folder(tuner, options, err));
    }
    PB_TRY(open_journal(tuner, options, err));
    point = pb_space_original(&tuner->space);
    return pb_bench_candidate(tuner, &point, &original, err);
}

/* (max - min) / median of a number over the original's runs; 0 for fewer than two. */
static double spread(const struct pb_trial_entry *const *entries, size_t n,
                     double (*value)(const struct pb_tuner *tuner,
                                     const struct pb_trial_result *run),
                     const struct pb_tuner *tuner)
{
    double x[PB_TUNE_PAIRS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        double v = value(tuner, &entries[i]->result);

        if (!isnan(v)) {
            x[count++] = v;
        }
    }
    if (count < 2) {
        return 0;
    }
    pb_sort(x, count);
    double median = pb_median_sorted(x, count);

    return median > 0 ? (x[count - 1] - x[0]) / median : 0;
}

static double used_share(const struct pb_tuner *tuner, const struct pb_trial_result *run)
{
    return 1 - pb_trial_margin(tuner->scenario, run);
}

/* The original setting, repeated: what differs between its runs is noise. */
static enum pb_status noise_floor(struct pb_tuner *tuner, struct pb_error *err)
{
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    const struct pb_ruling *ruling;
    cJSON *line;

    tuner->stage = PB_STAGE_NOISE_FLOOR;
    for (uint32_t i = 0; i < tuner->plan.floor_runs && pb_bench_affords(tuner, 1); i++) {
        const struct pb_trial_entry *entry = NULL;

        PB_TRY(pb_bench_run(tuner, 0, pb_bench_seed(tuner, PB_TUNE_SEARCH_SEED, i),
                            tuner->plan.stressed, &entry, err));
        if (entry == NULL || entry->result.crashed) {
            break;
        }
    }
    PB_TRY(pb_bench_judge(tuner, 0, tuner->plan.min_runs, err));
    size_t n = pb_bench_results(tuner, 0, false, tuner->plan.stressed, entries, PB_TUNE_PAIRS_MAX);

    tuner->delta_cost = fmax(SMALLEST_DELTA, spread(entries, n, pb_bench_measured_cost, tuner));
    tuner->delta_margin = fmax(SMALLEST_DELTA, spread(entries, n, used_share, tuner));
    ruling = &tuner->candidates[0].ruling;
    line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "type", "incumbent");
    cJSON_AddItemToObject(line, "setting",
                          pb_space_json(&tuner->space, &tuner->candidates[0].point));
    cJSON_AddBoolToObject(line, "meets", ruling->decision == PB_DECISION_MEETS);
    cJSON_AddStringToObject(line, "reason", ruling->reason);
    snprintf(tuner->candidates[0].why, sizeof(tuner->candidates[0].why), "%s", ruling->reason);
    PB_TRY(pb_journal_note(tuner->journal, line, err));
    pb_bench_tell(tuner, ruling->reason);
    return PB_OK;
}

/* recommendation.json, the last file of a tune folder. */
static enum pb_status store(struct pb_tuner *tuner, const cJSON *document, struct pb_error *err)
{
    PB_CLEANUP(pb_free_text) char *text = pb_json_print(document, true);
    PB_CLEANUP(pb_free_text) char *path = pb_path_join(tuner->folder, "recommendation.json");
    cJSON *line = cJSON_CreateObject();

    cJSON_AddStringToObject(line, "type", "finished");
    cJSON_AddStringToObject(line, "answer", pb_recommend_answer(tuner));
    PB_TRY(pb_journal_note(tuner->journal, line, err));
    if (text == NULL || path == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the recommendation");
    }
    return pb_file_replace(path, text, strlen(text), err);
}

static void tuner_done(struct pb_tuner *tuner)
{
    for (size_t i = 0; i < tuner->trial_count; i++) {
        free(tuner->trials_done[i]);
    }
    free(tuner->trials_done);
    free(tuner->candidates);
    pb_journal_free(tuner->journal);
    pb_space_done(&tuner->space);
    free(tuner->folder);
    free(tuner->trials);
    free(tuner->id);
}

static enum pb_status tune_steps(struct pb_tuner *tuner, struct pb_error *err)
{
    PB_TRY(noise_floor(tuner, err));
    PB_TRY(pb_search(tuner, err));
    return pb_confirm(tuner, err);
}

enum pb_status pb_tune(const struct pb_scenario *scenario, const struct pb_tune_options *options,
                       cJSON **ret_json, char **ret_folder, struct pb_error *err)
{
    struct pb_tune_options chosen = *options;
    PB_CLEANUP(tuner_done)
    struct pb_tuner tuner = { .scenario = scenario,
                              .options = &chosen,
                              .driver = driver_of(options),
                              .plan = make_plan(scenario, options) };

    PB_TRY(prepare(&tuner, &chosen, err));
    enum pb_status status = tune_steps(&tuner, err);

    if (status != PB_OK && status != PB_ECANCELED) {
        return status;
    }
    cJSON *document = pb_recommend(&tuner, status == PB_ECANCELED);

    if (document == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the recommendation");
    }
    enum pb_status stored = status == PB_OK ? store(&tuner, document, err) : PB_OK;

    if (stored != PB_OK) {
        cJSON_Delete(document);
        return stored;
    }
    *ret_json = document;
    *ret_folder = tuner.folder;
    tuner.folder = NULL;
    return status;
}
