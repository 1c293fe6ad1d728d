#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/driver.h"
#include "tuner/report.h"

static cJSON *setting_of(const struct pb_tuner *tuner, size_t candidate)
{
    return pb_space_json(&tuner->space, &tuner->candidates[candidate].point);
}

const char *pb_recommend_answer(const struct pb_tuner *tuner)
{
    const struct pb_candidate *best = &tuner->candidates[tuner->incumbent];
    bool open = tuner->search_cut || tuner->exhausted;

    if (best->ruling.decision == PB_DECISION_MEETS) {
        if (!tuner->confirmed || (tuner->incumbent == 0 && tuner->search_cut)) {
            return "unconfirmed";
        }
        return tuner->incumbent == 0 ? "already_best" : "improved";
    }
    for (size_t i = 0; i < tuner->candidate_count; i++) {
        enum pb_decision decision = tuner->candidates[i].ruling.decision;

        open = open || decision == PB_DECISION_OPEN || decision == PB_DECISION_UNCLEAR ||
               decision == PB_DECISION_UNMEASURABLE || decision == PB_DECISION_MEETS;
    }
    return open ? "unconfirmed" : "infeasible";
}

static void add_changed(const struct pb_tuner *tuner, cJSON *document)
{
    cJSON *array = pb_fill_array(tuner->fill, document, "changed");
    cJSON *from = setting_of(tuner, 0), *to = setting_of(tuner, tuner->incumbent), *item = NULL;

    tuner->fill->lost = tuner->fill->lost || from == NULL || to == NULL;
    cJSON_ArrayForEach(item, to)
    {
        const cJSON *before = cJSON_GetObjectItemCaseSensitive(from, item->string);

        if (cJSON_Compare(before, item, true)) {
            continue;
        }
        cJSON *row = cJSON_CreateObject();

        pb_fill_text(tuner->fill, row, "path", item->string);
        pb_fill_item(tuner->fill, row, "from", cJSON_Duplicate(before, true));
        pb_fill_item(tuner->fill, row, "to", cJSON_Duplicate(item, true));
        pb_fill_item(tuner->fill, array, NULL, row);
    }
    cJSON_Delete(from);
    cJSON_Delete(to);
}

/* What is minimised, of one setting: known, or the median over its runs at the stress. */
static double cost_of(const struct pb_tuner *tuner, size_t candidate)
{
    struct pb_runs runs = pb_report_runs(tuner, candidate, false, tuner->plan.stressed);

    switch ((enum pb_minimize)tuner->scenario->tune.minimize) {
    case PB_MINIMIZE_MEAN_WORKERS:
        return pb_median_of(runs.entries, runs.count, pb_report_mean_workers);
    case PB_MINIMIZE_LATENCY_P99:
        return pb_median_of(runs.entries, runs.count, pb_report_p99);
    case PB_MINIMIZE_MEMORY:
        return pb_median_of(runs.entries, runs.count, pb_report_memory);
    case PB_MINIMIZE_WORKERS:
    case PB_MINIMIZE_COUNT:
        break;
    }
    return (double)pb_space_workers(&tuner->space, &tuner->candidates[candidate].point);
}

static void add_cost(const struct pb_tuner *tuner, cJSON *document)
{
    enum pb_minimize minimize = (enum pb_minimize)tuner->scenario->tune.minimize;
    double now = cost_of(tuner, 0), use = cost_of(tuner, tuner->incumbent);
    cJSON *cost = pb_fill_object(tuner->fill, document, "cost");

    pb_fill_text(tuner->fill, cost, "unit",
                 minimize == PB_MINIMIZE_LATENCY_P99 ? "ns"
                 : minimize == PB_MINIMIZE_MEMORY    ? "bytes"
                                                     : "workers");
    pb_fill_number(tuner->fill, cost, "now", now);
    pb_fill_number(tuner->fill, cost, "use", use);
    pb_fill_number(tuner->fill, cost, "change", use - now);
    pb_fill_number(tuner->fill, cost, "change_ratio", now > 0 ? (use - now) / now : PB_NO_NUMBER);
}

static void add_space(const struct pb_tuner *tuner, cJSON *document)
{
    cJSON *space, *array;

    pb_fill_text(tuner->fill, document, "search", tuner->swept ? "exhaustive" : "coordinate");
    space = pb_fill_object(tuner->fill, document, "space");
    pb_fill_number(tuner->fill, space, "settings", (double)tuner->space.settings);
    pb_fill_number(tuner->fill, space, "tried", (double)tuner->candidate_count);
    array = pb_fill_array(tuner->fill, space, "vary");
    for (size_t i = 0; i < tuner->space.count; i++) {
        const struct pb_dimension *dim = &tuner->space.dims[i];
        cJSON *row = cJSON_CreateObject();

        pb_fill_text(tuner->fill, row, "path", dim->path);
        pb_fill_number(tuner->fill, row, "count", (double)dim->count);
        pb_fill_text(tuner->fill, row, "first", dim->values[0]);
        pb_fill_text(tuner->fill, row, "last", dim->values[dim->count - 1]);
        pb_fill_item(tuner->fill, array, NULL, row);
    }
}

/* (max - min) / median; NaN under two runs. */
static double spread_of(const struct pb_runs *runs,
                        double (*value)(const struct pb_trial_result *run))
{
    double median = pb_median_of(runs->entries, runs->count, value);
    double low = HUGE_VAL, high = -HUGE_VAL;

    for (size_t i = 0; i < runs->count; i++) {
        low = fmin(low, value(&runs->entries[i]->result));
        high = fmax(high, value(&runs->entries[i]->result));
    }
    return runs->count >= 2 && median > 0 ? (high - low) / median : PB_NO_NUMBER;
}

/* The largest bad ratio of a run minus the smallest, over the objectives that bind. */
static double bad_spread(const struct pb_tuner *tuner, const struct pb_runs *runs)
{
    double widest = PB_NO_NUMBER;

    for (size_t o = 0; o < tuner->scenario->objective_count; o++) {
        double low = PB_NO_NUMBER, high = PB_NO_NUMBER;

        for (size_t i = 0; i < runs->count; i++) {
            low = fmin(low, runs->entries[i]->result.objectives[o].bad_ratio);
            high = fmax(high, runs->entries[i]->result.objectives[o].bad_ratio);
        }
        if (pb_objective_binds(&tuner->scenario->objectives[o])) {
            widest = fmax(widest, high - low);
        }
    }
    return widest;
}

static void add_counts(const struct pb_tuner *tuner, cJSON *document)
{
    struct pb_runs floor_runs = pb_report_runs(tuner, 0, false, tuner->plan.stressed);
    cJSON *noise = pb_fill_object(tuner->fill, document, "noise_floor");
    cJSON *real = pb_fill_object(tuner->fill, document, "real_runs");
    cJSON *twin = pb_fill_object(tuner->fill, document, "twin");
    cJSON *budget = pb_fill_object(tuner->fill, document, "budget");

    pb_fill_number(tuner->fill, noise, "runs", (double)floor_runs.count);
    pb_fill_number(tuner->fill, noise, "p99_median_ns",
                   pb_median_of(floor_runs.entries, floor_runs.count, pb_report_p99));
    pb_fill_number(tuner->fill, noise, "p99_spread_ratio", spread_of(&floor_runs, pb_report_p99));
    pb_fill_number(tuner->fill, noise, "bad_spread", bad_spread(tuner, &floor_runs));
    pb_fill_number(tuner->fill, real, "noise_floor", tuner->stage_runs[PB_STAGE_NOISE_FLOOR]);
    pb_fill_number(tuner->fill, real, "race", tuner->stage_runs[PB_STAGE_SEARCH]);
    pb_fill_number(tuner->fill, real, "confirmation", tuner->stage_runs[PB_STAGE_CONFIRMATION]);
    pb_fill_number(tuner->fill, real, "invalid", tuner->invalid);
    pb_fill_number(tuner->fill, real, "total", tuner->numbered);
    pb_fill_number(tuner->fill, twin, "trials", 0);
    pb_fill_item(tuner->fill, twin, "error_p50_ratio", cJSON_CreateNull());
    pb_fill_item(tuner->fill, twin, "error_p99_ratio", cJSON_CreateNull());
    pb_fill_number(tuner->fill, budget, "time_ns", (double)tuner->plan.budget_time_ns);
    pb_fill_number(tuner->fill, budget, "runs", tuner->plan.budget_runs);
    pb_fill_bool(tuner->fill, budget, "exhausted", tuner->exhausted);
    pb_fill_number(tuner->fill, document, "elapsed_ns", (double)tuner->elapsed_ns);
}

/* The verdict on a setting in the words of an objective. */
static const char *setting_answer(const struct pb_candidate *candidate)
{
    switch (candidate->ruling.decision) {
    case PB_DECISION_MEETS:
        return candidate->dropped ? "FAIL" : "PASS";
    case PB_DECISION_FAILS:
    case PB_DECISION_CRASHED:
        return "FAIL";
    case PB_DECISION_UNMEASURABLE:
        return "NO DATA";
    case PB_DECISION_OPEN:
    case PB_DECISION_UNCLEAR:
    case PB_DECISION_COUNT:
        break;
    }
    return "INCONCLUSIVE";
}

static cJSON *setting_row(const struct pb_tuner *tuner, size_t number, bool recommends)
{
    const struct pb_candidate *candidate = &tuner->candidates[number];
    struct pb_runs runs = pb_report_runs(tuner, number, false, tuner->plan.stressed);
    cJSON *row = cJSON_CreateObject(), *array;

    pb_fill_item(tuner->fill, row, "setting", setting_of(tuner, number));
    pb_fill_number(tuner->fill, row, "workers",
                   (double)pb_space_workers(&tuner->space, &candidate->point));
    pb_fill_number(tuner->fill, row, "cost", cost_of(tuner, number));
    pb_fill_number(tuner->fill, row, "runs", (double)runs.count);
    pb_fill_number(tuner->fill, row, "invalid", candidate->invalid);
    pb_fill_number(tuner->fill, row, "load_factor", tuner->plan.load_factor);
    pb_fill_number(tuner->fill, row, "workers_lost", tuner->plan.workers_lost);
    pb_fill_number(tuner->fill, row, "utilization_ratio",
                   pb_median_of(runs.entries, runs.count, pb_report_utilization));
    pb_fill_number(tuner->fill, row, "p50_ns",
                   pb_median_of(runs.entries, runs.count, pb_report_p50));
    pb_fill_number(tuner->fill, row, "p99_ns",
                   pb_median_of(runs.entries, runs.count, pb_report_p99));
    pb_fill_number(tuner->fill, row, "mean_workers",
                   pb_median_of(runs.entries, runs.count, pb_report_mean_workers));
    pb_fill_number(tuner->fill, row, "throughput_per_s",
                   pb_median_of(runs.entries, runs.count, pb_report_throughput));
    pb_fill_text(tuner->fill, row, "answer", setting_answer(candidate));
    pb_fill_bool(tuner->fill, row, "accepted", candidate->accepted && !candidate->dropped);
    pb_fill_bool(tuner->fill, row, "original", number == 0);
    pb_fill_bool(tuner->fill, row, "recommended", recommends && number == tuner->incumbent);
    array = pb_fill_array(tuner->fill, row, "objectives");
    for (size_t i = 0; i < tuner->scenario->objective_count; i++) {
        struct pb_pooled pooled = pb_report_pool(tuner, &runs, i);
        cJSON *item = cJSON_CreateObject();

        pb_report_objective(tuner, i, item);
        pb_fill_number(tuner->fill, item, "measured", pooled.measured);
        pb_fill_text(tuner->fill, item, "answer", pb_answer_name(pooled.answer));
        pb_fill_item(tuner->fill, array, NULL, item);
    }
    pb_fill_text(tuner->fill, row, "reason", candidate->why);
    return row;
}

/* Rate of requests that the recorded phases ask for on average, at the stress. */
static double offered_rate(const struct pb_tuner *tuner)
{
    double requests = 0;
    int64_t duration_ns = 0;

    for (size_t i = 0; i < tuner->scenario->phase_count; i++) {
        const struct pb_phase *phase = &tuner->scenario->phases[i];

        if (phase->record && pb_phase_expected(phase) >= 0) {
            requests += pb_phase_expected(phase);
            duration_ns += phase->duration_ns;
        }
    }
    return duration_ns > 0 ? tuner->plan.load_factor * requests * 1e9 / (double)duration_ns
                           : PB_NO_NUMBER;
}

static cJSON *carries_row(const struct pb_tuner *tuner, size_t number)
{
    struct pb_runs runs = pb_report_runs(tuner, number, false, tuner->plan.stressed);
    cJSON *row = cJSON_CreateObject();

    pb_fill_item(tuner->fill, row, "setting", setting_of(tuner, number));
    pb_fill_number(tuner->fill, row, "load_factor", tuner->plan.load_factor);
    pb_fill_number(tuner->fill, row, "workers_lost", tuner->plan.workers_lost);
    pb_fill_number(tuner->fill, row, "rate_per_s", offered_rate(tuner));
    pb_fill_number(tuner->fill, row, "utilization_ratio",
                   pb_median_of(runs.entries, runs.count, pb_report_utilization));
    pb_fill_number(tuner->fill, row, "p99_ns",
                   pb_median_of(runs.entries, runs.count, pb_report_p99));
    pb_fill_text(tuner->fill, row, "answer", setting_answer(&tuner->candidates[number]));
    pb_fill_bool(tuner->fill, row, "measured", true);
    return row;
}

/* Candidates ordered cheapest first, by insertion: there are dozens. */
static size_t *cheapest_first(const struct pb_tuner *tuner)
{
    size_t *order = calloc(tuner->candidate_count + 1, sizeof(*order));

    for (size_t i = 0; order != NULL && i < tuner->candidate_count; i++) {
        size_t at = i;

        while (at > 0 && pb_cheaper_first(tuner, order[at - 1], i) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return order;
}

static void add_settings(const struct pb_tuner *tuner, bool recommends, cJSON *document)
{
    cJSON *settings = pb_fill_array(tuner->fill, document, "settings");
    cJSON *carries = pb_fill_array(tuner->fill, document, "carries");
    cJSON *discarded = pb_fill_array(tuner->fill, document, "discarded");
    size_t *order = cheapest_first(tuner);

    for (size_t i = 0; order != NULL && i < tuner->candidate_count; i++) {
        size_t number = order[i];
        bool kept = number == tuner->incumbent && recommends;

        pb_fill_item(tuner->fill, settings, NULL, setting_row(tuner, number, recommends));
        if (pb_report_runs(tuner, number, false, tuner->plan.stressed).count > 0) {
            pb_fill_item(tuner->fill, carries, NULL, carries_row(tuner, number));
        }
        if (!kept && number != 0) {
            cJSON *row = cJSON_CreateObject();

            pb_fill_item(tuner->fill, row, "setting", setting_of(tuner, number));
            pb_fill_text(tuner->fill, row, "reason", tuner->candidates[number].why);
            pb_fill_item(tuner->fill, discarded, NULL, row);
        }
    }
    tuner->fill->lost = tuner->fill->lost || order == NULL;
    free(order);
}

static void add_identity(const struct pb_tuner *tuner, const char *answer, bool interrupted,
                         cJSON *document)
{
    char reason[720];

    pb_advice_reason(tuner, answer, reason, sizeof(reason));
    pb_fill_number(tuner->fill, document, "schema", PB_TUNE_SCHEMA);
    pb_fill_text(tuner->fill, document, "kind", "recommendation");
    pb_fill_text(tuner->fill, document, "scenario", tuner->scenario->name);
    if (tuner->scenario_path != NULL) {
        pb_fill_text(tuner->fill, document, "scenario_path", tuner->scenario_path);
    } else {
        pb_fill_item(tuner->fill, document, "scenario_path", cJSON_CreateNull());
    }
    pb_fill_text(tuner->fill, document, "driver",
                 tuner->scenario->driver ? tuner->scenario->driver->table->name
                                         : PB_DRIVER_BUILTIN);
    pb_fill_text(tuner->fill, document, "id", tuner->id);
    pb_fill_text(tuner->fill, document, "folder", tuner->folder);
    pb_fill_text(tuner->fill, document, "answer", answer);
    pb_fill_text(tuner->fill, document, "reason", reason);
    pb_fill_bool(tuner->fill, document, "provisional", tuner->plan.provisional);
    pb_fill_bool(tuner->fill, document, "interrupted", interrupted);
}

cJSON *pb_recommend(const struct pb_tuner *tuner, bool interrupted)
{
    const char *answer = interrupted ? "unconfirmed" : pb_recommend_answer(tuner);
    bool recommends = strcmp(answer, "infeasible") != 0;
    cJSON *document = cJSON_CreateObject(), *stress;

    tuner->fill->lost = document == NULL;

    add_identity(tuner, answer, interrupted, document);
    pb_fill_item(tuner->fill, document, "recommended",
                 recommends ? setting_of(tuner, tuner->incumbent) : cJSON_CreateNull());
    pb_fill_item(tuner->fill, document, "original", setting_of(tuner, 0));
    add_changed(tuner, document);
    pb_fill_text(tuner->fill, document, "minimize",
                 pb_minimize_name((enum pb_minimize)tuner->scenario->tune.minimize));
    add_cost(tuner, document);
    stress = pb_fill_object(tuner->fill, document, "stress");
    pb_fill_number(tuner->fill, stress, "load_factor", tuner->plan.load_factor);
    pb_fill_number(tuner->fill, stress, "workers_lost", tuner->plan.workers_lost);
    add_space(tuner, document);
    add_counts(tuner, document);
    pb_report_evidence(tuner, document);
    pb_fill_item(tuner->fill, document, "binding", pb_advice_binding(tuner));
    add_settings(tuner, recommends, document);
    pb_fill_item(tuner->fill, document, "notes", pb_advice_notes(tuner, answer));
    pb_fill_item(tuner->fill, document, "dead_settings", pb_advice_dead(tuner));
    if (tuner->fill->lost) {
        cJSON_Delete(document);
        return NULL;
    }
    return document;
}
