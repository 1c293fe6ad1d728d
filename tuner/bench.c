#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tuner/tuner_internal.h"

#define SEED_MASK ((INT64_C(1) << 53) - 1)

const char *pb_stage_name(enum pb_stage stage)
{
    static const char *const names[] = { "noise floor", "search", "confirmation" };

    _Static_assert(PB_ARRAY_LEN(names) == PB_STAGE_COUNT, "a name for each stage");
    return names[stage];
}

enum pb_status pb_bench_candidate(struct pb_tuner *tuner, const struct pb_point *point,
                                  size_t *ret_candidate, struct pb_error *err)
{
    for (size_t i = 0; i < tuner->candidate_count; i++) {
        if (pb_space_same(&tuner->space, &tuner->candidates[i].point, point)) {
            *ret_candidate = i;
            return PB_OK;
        }
    }
    if (tuner->candidate_count == tuner->candidate_size) {
        size_t size = tuner->candidate_size == 0 ? 16 : 2 * tuner->candidate_size;
        struct pb_candidate *grown = realloc(tuner->candidates, size * sizeof(*grown));

        if (grown == NULL) {
            return pb_fail(err, PB_ENOMEM, "no memory for another candidate");
        }
        tuner->candidates = grown;
        tuner->candidate_size = size;
    }
    struct pb_candidate *made = &tuner->candidates[tuner->candidate_count];

    *made = (struct pb_candidate){ .point = *point };
    made->ruling = (struct pb_ruling){ PB_DECISION_OPEN, -1, PB_NO_NUMBER, "" };
    *ret_candidate = tuner->candidate_count++;
    return PB_OK;
}

/* Expected length of the next trial: what the trials so far took, or the driver's estimate. */
static int64_t next_trial_ns(const struct pb_tuner *tuner)
{
    if (tuner->numbered > 0) {
        return tuner->elapsed_ns / tuner->numbered;
    }
    return tuner->driver->estimate_ns(tuner->options->driver_ctx, tuner->scenario);
}

bool pb_bench_affords(struct pb_tuner *tuner, uint32_t runs)
{
    const struct pb_tune_plan *plan = &tuner->plan;
    bool fits = tuner->numbered + runs <= plan->budget_runs &&
                tuner->elapsed_ns + runs * next_trial_ns(tuner) <= plan->budget_time_ns;

    tuner->exhausted = tuner->exhausted || !fits;
    return fits;
}

uint32_t pb_bench_reserve(const struct pb_tuner *tuner)
{
    return 2 * tuner->plan.pairs + tuner->plan.stress_runs;
}

int64_t pb_bench_seed(const struct pb_tuner *tuner, int64_t series, uint32_t k)
{
    return (tuner->scenario->seed + series + k) & SEED_MASK;
}

void pb_bench_tell(const struct pb_tuner *tuner, const char *text)
{
    const struct pb_tune_options *options = tuner->options;
    struct pb_tune_progress progress = { .stage = pb_stage_name(tuner->stage),
                                         .text = text,
                                         .runs_done = tuner->numbered,
                                         .elapsed_ns = tuner->elapsed_ns };
    uint32_t expected = tuner->stage == PB_STAGE_CONFIRMATION
                            ? tuner->stage_runs[PB_STAGE_CONFIRMATION]
                            : tuner->plan.floor_runs + 6 * tuner->plan.min_runs;

    if (options->progress == NULL) {
        return;
    }
    expected = tuner->stage == PB_STAGE_CONFIRMATION
                   ? tuner->numbered - expected + pb_bench_reserve(tuner)
                   : expected + pb_bench_reserve(tuner);
    progress.runs_expected = expected > progress.runs_done ? expected : progress.runs_done;
    progress.runs_expected = progress.runs_expected < tuner->plan.budget_runs
                                 ? progress.runs_expected
                                 : tuner->plan.budget_runs;
    progress.expected_ns = (int64_t)progress.runs_expected * next_trial_ns(tuner);
    options->progress(options->ctx, &progress);
}

/* The members that `proposed` and `measured` share. */
static cJSON *trial_line(const struct pb_tuner *tuner, const char *type,
                         const struct pb_trial_entry *entry, uint32_t attempt)
{
    const struct pb_tune_plan *plan = &tuner->plan;
    cJSON *line = cJSON_CreateObject();

    tuner->fill->lost = false;
    pb_fill_text(tuner->fill, line, "type", type);
    pb_fill_number(tuner->fill, line, "trial", entry->number);
    pb_fill_text(tuner->fill, line, "stage", pb_stage_name(entry->stage));
    pb_fill_item(tuner->fill, line, "setting",
                 pb_space_json(&tuner->space, &tuner->candidates[entry->candidate].point));
    pb_fill_number(tuner->fill, line, "seed", (double)entry->seed);
    pb_fill_number(tuner->fill, line, "load_factor", entry->stress ? plan->load_factor : 1);
    pb_fill_number(tuner->fill, line, "workers_lost", entry->stress ? plan->workers_lost : 0);
    pb_fill_number(tuner->fill, line, "attempt", attempt);
    return line;
}

/* Makes the trial itself. */
static enum pb_status run_driver(struct pb_tuner *tuner, const struct pb_trial_entry *entry,
                                 struct pb_trial_result *ret_result, struct pb_error *err)
{
    const struct pb_tune_options *options = tuner->options;
    struct pb_override overrides[PB_VARY_MAX];
    char place[16];

    if (options->stop != NULL && atomic_load(options->stop) != 0) {
        return pb_fail(err, PB_ECANCELED, "stopped by signal %d", atomic_load(options->stop));
    }
    snprintf(place, sizeof(place), "%03" PRIu32, entry->number);
    /* What a killed trial of this number may have left. */
    PB_CLEANUP(pb_free_text) char *leftover = pb_path_join(tuner->trials, place);

    if (leftover == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    PB_TRY(pb_dir_remove(leftover, err));
    struct pb_trial_request request = {
        .scenario = tuner->scenario,
        .setting = overrides,
        .setting_count = pb_space_overrides(&tuner->space,
                                            &tuner->candidates[entry->candidate].point, overrides),
        .seed = entry->seed,
        .load_factor = entry->stress ? tuner->plan.load_factor : 1,
        .workers_lost = entry->stress ? tuner->plan.workers_lost : 0,
        .folder = tuner->trials,
        .place = place,
        .stop = options->stop,
        .run_progress = options->run_progress,
        .progress_ctx = options->ctx,
    };

    return tuner->driver->run(options->driver_ctx, &request, ret_result, err);
}

static void delete_json(cJSON **json)
{
    cJSON_Delete(*json);
}

/* The result from the journal, or made now and written to it. */
static enum pb_status measure(struct pb_tuner *tuner, struct pb_trial_entry *entry,
                              uint32_t attempt, struct pb_error *err)
{
    struct pb_trial_result made = { 0 };
    const cJSON *known;

    PB_TRY(pb_bench_line(tuner, trial_line(tuner, "proposed", entry, attempt), err));
    known = pb_journal_take(tuner->journal, "measured");
    if (known != NULL) {
        return pb_trial_from_json(known, tuner->scenario->objective_count, &entry->result, err);
    }
    pb_bench_tell(tuner, "");
    PB_TRY(run_driver(tuner, entry, &made, err));
    PB_CLEANUP(delete_json) cJSON *line = trial_line(tuner, "measured", entry, attempt);

    pb_trial_to_json(&made, tuner->fill, line);
    if (tuner->fill->lost) {
        return pb_fail(err, PB_ENOMEM, "no memory for a line of the journal");
    }
    /* What a resumed search will read is what this one goes by. */
    PB_TRY(pb_trial_from_json(line, tuner->scenario->objective_count, &entry->result, err));
    return pb_bench_line(tuner, cJSON_Duplicate(line, true), err);
}

static enum pb_status keep_entry(struct pb_tuner *tuner, struct pb_trial_entry *entry,
                                 struct pb_error *err)
{
    if (tuner->trial_count == tuner->trial_size) {
        size_t size = tuner->trial_size == 0 ? 32 : 2 * tuner->trial_size;
        struct pb_trial_entry **grown = realloc(tuner->trials_done, size * sizeof(void *));

        if (grown == NULL) {
            return pb_fail(err, PB_ENOMEM, "no memory for another trial");
        }
        tuner->trials_done = grown;
        tuner->trial_size = size;
    }
    tuner->trials_done[tuner->trial_count++] = entry;
    return PB_OK;
}

/* One attempt, counted.  PB_OK also when it cannot be trusted. */
static enum pb_status attempt_trial(struct pb_tuner *tuner, struct pb_trial_entry *entry,
                                    uint32_t attempt, struct pb_error *err)
{
    entry->number = tuner->numbered + 1;
    PB_TRY(measure(tuner, entry, attempt, err));
    tuner->numbered++;
    tuner->elapsed_ns += entry->result.elapsed_ns;
    tuner->stage_runs[tuner->stage]++;
    return PB_OK;
}

static const struct pb_trial_entry *find_entry(const struct pb_tuner *tuner, size_t candidate,
                                               int64_t seed, bool stress)
{
    for (size_t i = 0; i < tuner->trial_count; i++) {
        const struct pb_trial_entry *entry = tuner->trials_done[i];

        if (entry->candidate == candidate && entry->seed == seed && entry->stress == stress) {
            return entry;
        }
    }
    return NULL;
}

static enum pb_status run_until_valid(struct pb_tuner *tuner, struct pb_trial_entry *entry,
                                      bool *ret_usable, struct pb_error *err)
{
    *ret_usable = false;
    for (uint32_t attempt = 1; attempt <= 1 + tuner->plan.invalid_max; attempt++) {
        if (!pb_bench_affords(tuner, 1)) {
            break;
        }
        PB_TRY(attempt_trial(tuner, entry, attempt, err));
        if (entry->result.valid || entry->result.crashed) {
            *ret_usable = true;
            return PB_OK;
        }
        tuner->invalid++;
        tuner->candidates[entry->candidate].invalid++;
        char text[400];

        /* The finding; its remedy stands in the journal and, once, in the notes. */
        const char *why = entry->result.invalid_why, *end = strstr(why, ". ");

        snprintf(text, sizeof(text), "run not used, the measurement cannot be trusted: %.*s",
                 end ? (int)(end - why) : (int)strlen(why), why);
        pb_bench_tell(tuner, text);
    }
    return PB_OK;
}

enum pb_status pb_bench_run(struct pb_tuner *tuner, size_t candidate, int64_t seed, bool stress,
                            const struct pb_trial_entry **ret_entry, struct pb_error *err)
{
    const struct pb_trial_entry *known = find_entry(tuner, candidate, seed, stress);
    struct pb_trial_entry *entry = NULL;
    bool usable = false;

    if (known != NULL) {
        *ret_entry = known;
        return PB_OK;
    }
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a trial");
    }
    *entry = (struct pb_trial_entry){
        .stage = tuner->stage, .candidate = candidate, .seed = seed, .stress = stress
    };
    enum pb_status status = run_until_valid(tuner, entry, &usable, err);

    if (status == PB_OK && usable) {
        status = keep_entry(tuner, entry, err);
    }
    if (status != PB_OK || !usable) {
        free(entry);
        entry = NULL;
    }
    PB_TRY(status);
    *ret_entry = entry;
    return PB_OK;
}

size_t pb_bench_results(const struct pb_tuner *tuner, size_t candidate, bool confirmation,
                        bool stress, const struct pb_trial_entry **ret_entries, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < tuner->trial_count; i++) {
        const struct pb_trial_entry *entry = tuner->trials_done[i];

        if (entry->candidate == candidate && !entry->result.crashed && entry->stress == stress &&
            (entry->stage == PB_STAGE_CONFIRMATION) == confirmation && count < size) {
            ret_entries[count++] = entry;
        }
    }
    return count;
}

static void rule(struct pb_tuner *tuner, struct pb_candidate *candidate, size_t number,
                 uint32_t min_runs)
{
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    const struct pb_trial_result *runs[PB_TUNE_PAIRS_MAX];
    size_t n =
        pb_bench_results(tuner, number, false, tuner->plan.stressed, entries, PB_TUNE_PAIRS_MAX);

    for (size_t i = 0; i < n; i++) {
        runs[i] = &entries[i]->result;
    }
    pb_rule(tuner->scenario, runs, n, min_runs, &candidate->ruling);
    if (candidate->ruling.decision == PB_DECISION_OPEN && n >= tuner->plan.max_runs) {
        candidate->ruling.decision = PB_DECISION_UNCLEAR;
    }
    candidate->judged = candidate->ruling.decision != PB_DECISION_OPEN;
}

static void give_up(struct pb_candidate *candidate, enum pb_decision decision, const char *why)
{
    candidate->ruling.decision = decision;
    candidate->judged = true;
    snprintf(candidate->ruling.reason, sizeof(candidate->ruling.reason), "%s", why);
}

enum pb_status pb_bench_judge(struct pb_tuner *tuner, size_t number, uint32_t min_runs,
                              struct pb_error *err)
{
    uint32_t reserve = tuner->stage == PB_STAGE_SEARCH ? pb_bench_reserve(tuner) : 0;
    uint32_t least = min_runs < tuner->plan.max_runs ? min_runs : tuner->plan.max_runs;
    enum pb_decision before = tuner->candidates[number].ruling.decision;

    if (before == PB_DECISION_CRASHED || before == PB_DECISION_UNMEASURABLE) {
        return PB_OK;
    }
    rule(tuner, &tuner->candidates[number], number, least);
    for (uint32_t block = 0; block < tuner->plan.max_runs; block++) {
        const struct pb_trial_entry *entry = NULL;
        int64_t seed = pb_bench_seed(tuner, PB_TUNE_SEARCH_SEED, block);
        bool known = find_entry(tuner, number, seed, tuner->plan.stressed) != NULL;

        if (tuner->candidates[number].judged) {
            break;
        }
        if (!known && !pb_bench_affords(tuner, 1 + reserve)) {
            break;
        }
        PB_TRY(pb_bench_run(tuner, number, seed, tuner->plan.stressed, &entry, err));
        struct pb_candidate *candidate = &tuner->candidates[number];

        if (entry == NULL && !pb_bench_affords(tuner, 1)) {
            break;
        }
        if (entry == NULL) {
            give_up(candidate, PB_DECISION_UNMEASURABLE,
                    "no run with it could be trusted, however often it was repeated");
        } else if (entry->result.crashed) {
            give_up(candidate, PB_DECISION_CRASHED, entry->result.crashed_why);
        } else {
            rule(tuner, candidate, number, least);
        }
    }
    if (!tuner->candidates[number].judged) {
        /* The budget ended: what was seen stands. */
        rule(tuner, &tuner->candidates[number], number, tuner->plan.min_runs);
    }
    return PB_OK;
}

double pb_bench_measured_cost(const struct pb_tuner *tuner, const struct pb_trial_result *run)
{
    switch ((enum pb_minimize)tuner->scenario->tune.minimize) {
    case PB_MINIMIZE_MEAN_WORKERS:
        return run->mean_workers;
    case PB_MINIMIZE_LATENCY_P99:
        return (double)run->p99_ns;
    case PB_MINIMIZE_MEMORY:
        return (double)run->peak_rss_bytes;
    case PB_MINIMIZE_WORKERS:
    case PB_MINIMIZE_COUNT:
        break;
    }
    return PB_NO_NUMBER;
}

enum pb_status pb_bench_line(struct pb_tuner *tuner, cJSON *line, struct pb_error *err)
{
    if (tuner->fill->lost) {
        cJSON_Delete(line);
        line = NULL; /* the journal says what that means */
    }
    return pb_journal_note(tuner->journal, line, err);
}

enum pb_status pb_bench_note(struct pb_tuner *tuner, const struct pb_note *note, const char *reason,
                             struct pb_error *err)
{
    struct pb_candidate *about = &tuner->candidates[note->candidate];
    cJSON *line = cJSON_CreateObject();
    char text[400], name[120];

    tuner->fill->lost = false;
    pb_fill_text(tuner->fill, line, "type", note->type);
    pb_fill_item(tuner->fill, line, "setting", pb_space_json(&tuner->space, &about->point));
    if (note->key != NULL) {
        pb_fill_item(tuner->fill, line, note->key,
                     pb_space_json(&tuner->space, &tuner->candidates[note->other].point));
    }
    pb_fill_text(tuner->fill, line, "reason", reason);
    PB_TRY(pb_bench_line(tuner, line, err));
    /* A confirmation speaks of other runs than those that a setting's row is made of. */
    if (strcmp(note->type, "confirmed") != 0) {
        snprintf(about->why, sizeof(about->why), "%s", reason);
    }
    pb_space_text(&tuner->space, &about->point, name, sizeof(name));
    snprintf(text, sizeof(text), "%s -> %s: %s", name,
             strcmp(note->type, "rolled_back") == 0 ? "rolled back" : note->type, reason);
    pb_bench_tell(tuner, text);
    return PB_OK;
}
