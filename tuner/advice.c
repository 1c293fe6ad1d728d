#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "tuner/tuner_internal.h"

/* Under this share of CPU in the work, a pool's size does not depend on the machine's cores. */
#define WAIT_BOUND_RATIO 0.1

static void add_note(const struct pb_tuner *tuner, cJSON *notes, const char *topic,
                     const char *text)
{
    cJSON *row = cJSON_CreateObject();

    pb_fill_text(tuner->fill, row, "topic", topic);
    pb_fill_text(tuner->fill, row, "text", text);
    pb_fill_item(tuner->fill, notes, NULL, row);
}

/* " at 1.2x load with 1 worker lost", or "". */
static void stress_text(const struct pb_tuner *tuner, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    if (tuner->plan.load_factor > 1) {
        int n = snprintf(text, size, " at %.3gx load", tuner->plan.load_factor);

        len = n > 0 ? (size_t)n : 0;
    }
    if (tuner->plan.workers_lost > 0 && len < size) {
        snprintf(text + len, size - len, " with %" PRIu32 " worker%s lost",
                 tuner->plan.workers_lost, tuner->plan.workers_lost == 1 ? "" : "s");
    }
}

static int64_t workers_of(const struct pb_tuner *tuner, size_t number)
{
    return pb_space_workers(&tuner->space, &tuner->candidates[number].point);
}

/* The setting whose failure says most: without an answer the one that came closest; else, of those
 * not good enough though cheaper, the nearest below what is recommended.  -1: none. */
static int telling_failure(const struct pb_tuner *tuner)
{
    bool feasible = tuner->candidates[tuner->incumbent].ruling.decision == PB_DECISION_MEETS;
    int best = -1;

    for (size_t i = 0; i < tuner->candidate_count; i++) {
        const struct pb_ruling *ruling = &tuner->candidates[i].ruling;

        if (ruling->objective < 0 || ruling->decision == PB_DECISION_MEETS) {
            continue;
        }
        if (feasible) {
            bool cheaper = pb_cheaper_first(tuner, i, tuner->incumbent) < 0;

            if (cheaper && (best < 0 || pb_cheaper_first(tuner, i, (size_t)best) > 0)) {
                best = (int)i;
            }
        } else if (best < 0 || ruling->margin > tuner->candidates[best].ruling.margin) {
            best = (int)i;
        }
    }
    return best;
}

cJSON *pb_advice_binding(const struct pb_tuner *tuner)
{
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    const struct pb_trial_result *runs[PB_TUNE_PAIRS_MAX];
    int number = telling_failure(tuner);

    if (number < 0) {
        return cJSON_CreateNull();
    }
    const struct pb_candidate *candidate = &tuner->candidates[number];
    size_t i = (size_t)candidate->ruling.objective;
    const struct pb_objective *objective = &tuner->scenario->objectives[i];
    size_t n = pb_bench_results(tuner, (size_t)number, false, tuner->plan.stressed, entries,
                                PB_TUNE_PAIRS_MAX);
    cJSON *binding = cJSON_CreateObject();

    for (size_t r = 0; r < n; r++) {
        runs[r] = &entries[r]->result;
    }
    struct pb_pooled pooled = pb_pool_objective(objective, i, runs, n);

    pb_fill_text(tuner->fill, binding, "expression", objective->expression);
    pb_fill_text(tuner->fill, binding, "phase",
                 objective->phase >= 0 ? tuner->scenario->phases[objective->phase].name : "all");
    pb_fill_number(tuner->fill, binding, "limit", pooled.limit);
    pb_fill_number(tuner->fill, binding, "measured", pooled.measured);
    pb_fill_item(tuner->fill, binding, "setting", pb_space_json(&tuner->space, &candidate->point));
    pb_fill_text(tuner->fill, binding, "answer", pb_answer_name(pooled.answer));
    return binding;
}

/* "size 7: latency.p99 < 50ms broke: ..." of a candidate, "" for none. */
static void failure_text(const struct pb_tuner *tuner, int number, char *text, size_t size)
{
    char name[160];

    text[0] = '\0';
    if (number >= 0) {
        pb_space_text(&tuner->space, &tuner->candidates[number].point, name, sizeof(name));
        snprintf(text, size, "%s: %s", name, tuner->candidates[number].ruling.reason);
    }
}

static void reason_improved(const struct pb_tuner *tuner, char *text, size_t size)
{
    bool held = tuner->candidates[0].ruling.decision == PB_DECISION_MEETS;
    char stress[80], cause[320] = "";

    stress_text(tuner, stress, sizeof(stress));
    if (!held) {
        snprintf(cause, sizeof(cause), "; the present setting does not: %s",
                 tuner->candidates[0].ruling.reason);
    } else if (tuner->plan.cost_known) {
        snprintf(cause, sizeof(cause), ", with %" PRId64 " worker%s instead of %" PRId64,
                 workers_of(tuner, tuner->incumbent),
                 workers_of(tuner, tuner->incumbent) == 1 ? "" : "s", workers_of(tuner, 0));
    }
    snprintf(text, size, "every objective holds%s, confirmed on %" PRIu32 " pairs of fresh runs%s",
             stress, tuner->plan.pairs, cause);
}

static void reason_already_best(const struct pb_tuner *tuner, char *text, size_t size)
{
    char failure[420], stress[80];

    stress_text(tuner, stress, sizeof(stress));
    failure_text(tuner, telling_failure(tuner), failure, sizeof(failure));
    snprintf(text, size,
             "every objective holds%s with the present setting, and nothing cheaper %s%s%s", stress,
             failure[0] != '\0' ? "does (" : "is in the declared range", failure,
             failure[0] != '\0' ? ")" : "");
}

static void reason_infeasible(const struct pb_tuner *tuner, char *text, size_t size)
{
    char failure[420], stress[80];

    stress_text(tuner, stress, sizeof(stress));
    failure_text(tuner, telling_failure(tuner), failure, sizeof(failure));
    snprintf(text, size,
             "no setting in the declared range meets every objective%s: %zu of %" PRIu64
             " were measured; the closest is %s",
             stress, tuner->candidate_count, tuner->space.settings,
             failure[0] != '\0' ? failure : "not known, for no run could be made");
}

static void reason_unconfirmed(const struct pb_tuner *tuner, char *text, size_t size)
{
    const struct pb_candidate *best = &tuner->candidates[tuner->incumbent];
    bool meets = best->ruling.decision == PB_DECISION_MEETS;
    char failure[420];

    failure_text(tuner, telling_failure(tuner), failure, sizeof(failure));
    if (tuner->exhausted) {
        char time[PB_QUANTITY_TEXT];

        snprintf(text, size, "the budget (%s, %" PRIu32 " runs) ended before %s",
                 pb_format_duration(tuner->plan.budget_time_ns, time), tuner->plan.budget_runs,
                 meets ? "the best setting so far could be confirmed"
                       : "a setting was found that meets every objective");
    } else if (best->dropped) {
        snprintf(text, size, "what looked best did not hold on fresh seeds: %s", best->why);
    } else if (!meets && failure[0] == '\0' && best->ruling.reason[0] == '\0') {
        snprintf(text, size, "stopped before any setting was judged");
    } else if (!meets) {
        snprintf(text, size,
                 "no setting could be shown to meet every objective, nor all be ruled out; the "
                 "closest is %s",
                 failure[0] != '\0' ? failure : best->ruling.reason);
    } else {
        snprintf(text, size, "stopped before the best setting so far was confirmed");
    }
}

void pb_advice_reason(const struct pb_tuner *tuner, const char *answer, char *text, size_t size)
{
    if (strcmp(answer, "improved") == 0) {
        reason_improved(tuner, text, size);
    } else if (strcmp(answer, "already_best") == 0) {
        reason_already_best(tuner, text, size);
    } else if (strcmp(answer, "infeasible") == 0) {
        reason_infeasible(tuner, text, size);
    } else {
        reason_unconfirmed(tuner, text, size);
    }
}

/* P(service > t) over the mix of operations. */
static double service_tail(const struct pb_scenario *scenario, double t_ns)
{
    double late = 0, weights = 0;

    for (size_t i = 0; i < scenario->operation_count; i++) {
        const struct pb_operation *operation = &scenario->operations[i];

        late += operation->weight * (1 - pb_dist_cdf(&operation->service, t_ns));
        weights += operation->weight;
    }
    return weights > 0 ? late / weights : 0;
}

/* The shortest limit that the work itself keeps with the share `bad` late, by bisection (ns). */
static double service_limit_ns(const struct pb_scenario *scenario, double bad)
{
    double low = 0, high = 3.6e12;

    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;

        if (service_tail(scenario, middle) > bad) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* Objectives that the work alone breaks, whatever the pool. */
static void note_service(const struct pb_tuner *tuner, cJSON *notes)
{
    const struct pb_scenario *scenario = tuner->scenario;
    char text[400], late[PB_QUANTITY_TEXT], bad[PB_QUANTITY_TEXT], limit[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < scenario->objective_count; i++) {
        const struct pb_objective *o = &scenario->objectives[i];
        double tail;

        if (!pb_objective_binds(o) || o->metric != PB_METRIC_LATENCY || o->op != PB_OP_LESS ||
            o->stat != PB_STAT_QUANTILE) {
            continue;
        }
        tail = service_tail(scenario, o->limit);
        if (tail > 1 - o->quantile) {
            snprintf(text, sizeof(text),
                     "No pool can meet %s: the work alone takes longer for %s of the requests and "
                     "%s may be late. Make the work faster, or allow at least %s.",
                     o->expression, pb_format_percent(tail, late),
                     pb_format_percent(1 - o->quantile, bad),
                     pb_format_duration((int64_t)service_limit_ns(scenario, 1 - o->quantile),
                                        limit));
            add_note(tuner, notes, "change", text);
        }
    }
}

/* Highest rate of the recorded open phases, load factor included; 0: none is open. */
static double peak_rate(const struct pb_tuner *tuner)
{
    double peak = 0;

    for (size_t i = 0; i < tuner->scenario->phase_count; i++) {
        const struct pb_phase *phase = &tuner->scenario->phases[i];

        if (phase->record && phase->duration_ns > 0 && pb_phase_expected(phase) > 0) {
            peak = fmax(peak, pb_phase_expected(phase) * 1e9 / (double)phase->duration_ns);
        }
    }
    return peak * tuner->plan.load_factor;
}

/* Workers that the declared range reaches at most, less those lost. */
static int64_t most_workers(const struct pb_tuner *tuner)
{
    const struct pb_space *space = &tuner->space;
    struct pb_point point = tuner->candidates[0].point;

    for (size_t i = 0; i < space->count; i++) {
        if (pb_space_is_cost(space, i)) {
            point.index[i] = (uint32_t)space->dims[i].count - 1;
        }
    }
    return pb_space_workers(space, &point) - tuner->plan.workers_lost;
}

static void note_load(const struct pb_tuner *tuner, cJSON *notes)
{
    double rate = peak_rate(tuner);
    double erlangs = rate * pb_scenario_mean_service_ns(tuner->scenario) / 1e9;
    int64_t most = most_workers(tuner);
    char text[400], most_rate[PB_QUANTITY_TEXT];

    if (rate <= 0 || erlangs < (double)most) {
        return;
    }
    snprintf(text, sizeof(text),
             "The load needs %.3g workers at all times and the declared range ends at %" PRId64
             ": widen it to about %.0f, make the work faster, or send less than %s.",
             erlangs, most, ceil(erlangs + sqrt(erlangs)) + tuner->plan.workers_lost,
             pb_format_rate(rate * (double)most / erlangs / tuner->plan.load_factor, most_rate));
    add_note(tuner, notes, "change", text);
}

static void note_transfer(const struct pb_tuner *tuner, cJSON *notes)
{
    double service = pb_scenario_mean_service_ns(tuner->scenario);
    double cpu = pb_scenario_mean_cpu_ns(tuner->scenario);
    char text[300], a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    if (!(service > 0)) {
        return;
    }
    if (cpu < WAIT_BOUND_RATIO * service) {
        snprintf(text, sizeof(text),
                 "Does it transfer? The work waits (%s of CPU in %s): yes, to any machine with "
                 "%.2g cores to spare.",
                 pb_format_duration((int64_t)cpu, a), pb_format_duration((int64_t)service, b),
                 fmax(0.1, 1.5 * peak_rate(tuner) * cpu / 1e9));
    } else {
        snprintf(text, sizeof(text),
                 "Does it transfer? The work computes (%s of CPU in %s): the right size depends on "
                 "the cores of this machine; tune again on another.",
                 pb_format_duration((int64_t)cpu, a), pb_format_duration((int64_t)service, b));
    }
    add_note(tuner, notes, "transfer", text);
}

static void note_noise(const struct pb_tuner *tuner, cJSON *notes)
{
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    size_t n = pb_bench_results(tuner, 0, false, tuner->plan.stressed, entries, PB_TUNE_PAIRS_MAX);
    int64_t low = INT64_MAX, high = 0;
    char text[240], a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < n; i++) {
        low = entries[i]->result.p99_ns < low ? entries[i]->result.p99_ns : low;
        high = entries[i]->result.p99_ns > high ? entries[i]->result.p99_ns : high;
    }
    if (n >= 2) {
        snprintf(
            text, sizeof(text),
            "Noise: %zu runs of the present setting gave p99 from %s to %s; smaller differences "
            "decide nothing.",
            n, pb_format_duration(low, a), pb_format_duration(high, b));
        add_note(tuner, notes, "noise", text);
    }
}

static void note_search(const struct pb_tuner *tuner, cJSON *notes)
{
    char text[300], time[PB_QUANTITY_TEXT];

    if (tuner->not_monotone) {
        add_note(tuner, notes, "monotone",
                 "The next larger size does not meet the objectives though this one does: the work "
                 "competes for the cores, so measure again before growing the pool.");
    }
    if (tuner->exhausted) {
        snprintf(text, sizeof(text),
                 "The budget (%s, %" PRIu32 " runs) ended before everything was tried; give more "
                 "with tune.budget.",
                 pb_format_duration(tuner->plan.budget_time_ns, time), tuner->plan.budget_runs);
        add_note(tuner, notes, "budget", text);
    }
    if (!tuner->swept && tuner->space.settings > tuner->candidate_count) {
        snprintf(text, sizeof(text),
                 "Searched by coordinate steps: %zu of %" PRIu64 " settings were measured.",
                 tuner->candidate_count, tuner->space.settings);
        add_note(tuner, notes, "search", text);
    }
}

/* Many runs that could not be used are the machine's fault, and take the budget away. */
static void note_invalid(const struct pb_tuner *tuner, cJSON *notes)
{
    char text[240];

    if (tuner->invalid > 0 && 4 * tuner->invalid >= tuner->numbered) {
        snprintf(text, sizeof(text),
                 "The machine was too busy to measure: %" PRIu32 " of %" PRIu32
                 " runs were not used. Stop other work on it, or lower the rate, and tune again.",
                 tuner->invalid, tuner->numbered);
        add_note(tuner, notes, "trust", text);
    }
}

static void note_less(const struct pb_tuner *tuner, const char *answer, cJSON *notes)
{
    char failure[420], text[480];

    failure_text(tuner, telling_failure(tuner), failure, sizeof(failure));
    if (failure[0] != '\0' && strcmp(answer, "improved") == 0) {
        snprintf(text, sizeof(text), "Why not less: %s.", failure);
        add_note(tuner, notes, "why_not_less", text);
    }
}

cJSON *pb_advice_notes(const struct pb_tuner *tuner, const char *answer)
{
    cJSON *notes = cJSON_CreateArray();

    note_less(tuner, answer, notes);
    if (tuner->candidates[tuner->incumbent].ruling.decision != PB_DECISION_MEETS) {
        note_service(tuner, notes);
        note_load(tuner, notes);
    }
    note_noise(tuner, notes);
    note_invalid(tuner, notes);
    note_search(tuner, notes);
    note_transfer(tuner, notes);
    return notes;
}

/* Only what somebody chose, other than the default, is worth a word. */
static void add_dead(const struct pb_tuner *tuner, const char *path, int64_t value_ns,
                     const char *why, cJSON *dead)
{
    const struct pb_field *field = pb_field_find(path);
    int64_t default_ns = 0;
    bool said = field != NULL && field->def != NULL &&
                pb_parse_duration(field->def, &default_ns, NULL) == PB_OK && value_ns != default_ns;
    cJSON *row;

    for (size_t i = 0; i < tuner->space.count; i++) {
        said = said || strcmp(tuner->space.dims[i].path, path) == 0;
    }
    if (!said) {
        return;
    }
    row = cJSON_CreateObject();
    pb_fill_text(tuner->fill, row, "path", path);
    pb_fill_text(tuner->fill, row, "reason", why);
    pb_fill_item(tuner->fill, dead, NULL, row);
}

cJSON *pb_advice_dead(const struct pb_tuner *tuner)
{
    static const char why[] = "max_overflow is 0: there are no temporary workers";
    const struct pb_point *point = &tuner->candidates[tuner->incumbent].point;
    int dim = tuner->space.overflow_dim;
    const struct pb_scenario_pool *pool = &tuner->scenario->pool;
    double overflow = (double)pool->max_overflow;
    cJSON *dead = cJSON_CreateArray();

    if (dim >= 0 && point->index[dim] != PB_AS_WRITTEN) {
        overflow = tuner->space.dims[dim].numbers[point->index[dim]];
    }
    if (overflow <= 0) {
        add_dead(tuner, "pool.overflow_ttl", pool->overflow_ttl_ns, why, dead);
        add_dead(tuner, "pool.overflow_after", pool->overflow_after_ns, why, dead);
    }
    return dead;
}
