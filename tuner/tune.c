#include "tuner/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/stats.h"
#include "tuner/tuner_internal.h"

/* Differences smaller than this are not worth a change, however certain. */
#define SMALLEST_DELTA 0.03

static enum pb_status prepare(struct pb_tuner *tuner, struct pb_tune_options *options,
                              struct pb_error *err)
{
    size_t original = 0;
    struct pb_point point;

    PB_TRY(pb_plan_check(tuner->scenario, err));
    PB_TRY(pb_space_init(tuner->scenario, &tuner->space, err));
    if (options->resume == NULL) {
        PB_TRY(pb_tune_folder_make(tuner, err));
    } else {
        PB_TRY(pb_tune_folder_find(tuner, options, err));
    }
    PB_TRY(pb_tune_folder_open(tuner, options, err));
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
    char text[400], name[120];

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
    tuner->fill->lost = false;
    pb_fill_text(tuner->fill, line, "type", "incumbent");
    pb_fill_item(tuner->fill, line, "setting",
                 pb_space_json(&tuner->space, &tuner->candidates[0].point));
    pb_fill_bool(tuner->fill, line, "meets", ruling->decision == PB_DECISION_MEETS);
    pb_fill_text(tuner->fill, line, "reason", ruling->reason);
    snprintf(tuner->candidates[0].why, sizeof(tuner->candidates[0].why), "%s", ruling->reason);
    PB_TRY(pb_bench_line(tuner, line, err));
    pb_space_text(&tuner->space, &tuner->candidates[0].point, name, sizeof(name));
    snprintf(text, sizeof(text), "%s (now): %s", name, ruling->reason);
    pb_bench_tell(tuner, text);
    return PB_OK;
}

/* recommendation.json, the last file of a tune folder. */
static enum pb_status store(struct pb_tuner *tuner, const cJSON *document, struct pb_error *err)
{
    PB_CLEANUP(pb_free_text) char *text = pb_json_print(document, true);
    PB_CLEANUP(pb_free_text) char *path = pb_path_join(tuner->folder, "recommendation.json");
    cJSON *line = cJSON_CreateObject();

    tuner->fill->lost = false;
    pb_fill_text(tuner->fill, line, "type", "finished");
    pb_fill_text(tuner->fill, line, "answer", pb_recommend_answer(tuner));
    PB_TRY(pb_bench_line(tuner, line, err));
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
    free(tuner->scenario_path);
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
    struct pb_fill fill = { false };
    PB_CLEANUP(tuner_done)
    struct pb_tuner tuner = { .scenario = scenario,
                              .options = &chosen,
                              .fill = &fill,
                              .driver = pb_plan_driver(options),
                              .plan = pb_plan_make(scenario, options) };

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
