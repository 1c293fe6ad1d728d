#include "tuner/accept.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "base/stats.h"

#define RUNS_MAX 64
/* Rulings are one-sided at 95 %; the runs' own intervals are two-sided at 95 %, so that their
 * half-widths shrink by the ratio of the normal quantiles. */
#define CONFIDENCE 0.95
#define ONE_SIDED  (1.6448536269514722 / 1.9599639845400545)
/* Between fewer runs than this the spread says next to nothing (Student's factor explodes). */
#define SPREAD_RUNS 4

const char *pb_decision_name(enum pb_decision decision)
{
    static const char *const names[] = { "open",    "meets",   "fails",
                                         "unclear", "crashed", "unmeasurable" };

    _Static_assert(PB_ARRAY_LEN(names) == PB_DECISION_COUNT, "a name for each decision");
    return names[decision];
}

bool pb_objective_binds(const struct pb_objective *objective)
{
    return objective->level == PB_LEVEL_FAIL;
}

double pb_objective_margin(const struct pb_objective *objective,
                           const struct pb_trial_objective *measured)
{
    double limit = measured->limit, high = measured->limit_high, value = measured->measured;

    if (isnan(value) || isnan(limit)) {
        return PB_NO_NUMBER;
    }
    switch (objective->op) {
    case PB_OP_LESS:
        return limit > 0 ? (limit - value) / limit : -value;
    case PB_OP_GREATER:
        return limit > 0 ? (value - limit) / limit : value;
    case PB_OP_IN:
        break;
    }
    return high > limit ? fmin(value - limit, high - value) / (high - limit) : PB_NO_NUMBER;
}

double pb_trial_margin(const struct pb_scenario *scenario, const struct pb_trial_result *run)
{
    double margin = PB_NO_NUMBER;

    for (size_t i = 0; i < run->objective_count; i++) {
        if (pb_objective_binds(&scenario->objectives[i]) &&
            run->objectives[i].answer != PB_ANSWER_NOT_APPLICABLE) {
            /* fmin passes over a NaN. */
            margin =
                fmin(margin, pb_objective_margin(&scenario->objectives[i], &run->objectives[i]));
        }
    }
    return margin;
}

static double median_of(double *x, size_t n)
{
    if (n == 0) {
        return PB_NO_NUMBER;
    }
    pb_sort(x, n);
    return pb_median_sorted(x, n);
}

static bool is_ratio(const struct pb_trial_objective *o)
{
    return !isnan(o->bad_ratio) && !isnan(o->bad_limit) && !isnan(o->bad_low) &&
           !isnan(o->bad_high);
}

/* Answers of the runs, counted. */
struct tally {
    size_t answers[PB_ANSWER_COUNT];
    size_t ratios;      /* runs with an interval of their bad ratio */
    bool clear_failure; /* one run's interval lies beyond the limit */
};

static struct tally count_answers(size_t i, const struct pb_trial_result *const *runs, size_t n)
{
    struct tally tally = { { 0 }, 0, false };

    for (size_t r = 0; r < n; r++) {
        const struct pb_trial_objective *o = &runs[r]->objectives[i];

        tally.answers[o->answer]++;
        if (is_ratio(o)) {
            tally.ratios++;
            tally.clear_failure =
                tally.clear_failure || (o->answer == PB_ANSWER_FAIL && o->bad_low > o->bad_limit);
        }
    }
    return tally;
}

/* Mean bad ratio and its interval; see the header. */
static void pool_ratios(size_t i, const struct pb_trial_result *const *runs, size_t n,
                        struct pb_pooled *pooled)
{
    double x[RUNS_MAX], below = 0, above = 0, count = (double)n;

    for (size_t r = 0; r < n; r++) {
        const struct pb_trial_objective *o = &runs[r]->objectives[i];

        x[r] = o->bad_ratio;
        below += (o->bad_ratio - o->bad_low) * (o->bad_ratio - o->bad_low);
        above += (o->bad_high - o->bad_ratio) * (o->bad_high - o->bad_ratio);
    }
    double between = 0;

    if (n >= 3) {
        between =
            pb_student_t_quantile((1 + CONFIDENCE) / 2, count - 1) * pb_stddev(x, n) / sqrt(count);
    }
    pooled->bad = pb_mean(x, n);
    pooled->low = fmax(0, pooled->bad - fmax(ONE_SIDED * sqrt(below) / count, between));
    pooled->high = fmin(1, pooled->bad + fmax(ONE_SIDED * sqrt(above) / count, between));
    pooled->bad_limit = runs[0]->objectives[i].bad_limit;
}

static enum pb_answer pooled_answer(const struct tally *tally, const struct pb_pooled *pooled,
                                    size_t n)
{
    const size_t *answers = tally->answers;

    if (n == 0 || answers[PB_ANSWER_NO_DATA] > 0) {
        return PB_ANSWER_NO_DATA;
    }
    if (answers[PB_ANSWER_NOT_APPLICABLE] == n) {
        return PB_ANSWER_NOT_APPLICABLE;
    }
    if (tally->clear_failure || answers[PB_ANSWER_FAIL] == n) {
        return PB_ANSWER_FAIL;
    }
    if (tally->ratios == n) {
        if (pooled->low > pooled->bad_limit) {
            return PB_ANSWER_FAIL;
        }
        return pooled->high <= pooled->bad_limit ? PB_ANSWER_PASS : PB_ANSWER_INCONCLUSIVE;
    }
    return answers[PB_ANSWER_PASS] == n ? PB_ANSWER_PASS : PB_ANSWER_INCONCLUSIVE;
}

struct pb_pooled pb_pool_objective(const struct pb_objective *objective, size_t i,
                                   const struct pb_trial_result *const *runs, size_t n)
{
    struct pb_pooled pooled = { PB_ANSWER_NO_DATA, PB_NO_NUMBER, PB_NO_NUMBER,
                                PB_NO_NUMBER,      PB_NO_NUMBER, PB_NO_NUMBER,
                                PB_NO_NUMBER,      PB_NO_NUMBER, PB_NO_NUMBER };
    double measured[RUNS_MAX], margins[RUNS_MAX];
    size_t values = 0, distances = 0;

    n = n < RUNS_MAX ? n : RUNS_MAX;
    for (size_t r = 0; r < n; r++) {
        const struct pb_trial_objective *o = &runs[r]->objectives[i];
        double margin = pb_objective_margin(objective, o);

        pooled.limit = o->limit;
        pooled.limit_high = o->limit_high;
        if (!isnan(o->measured)) {
            measured[values++] = o->measured;
        }
        if (!isnan(margin)) {
            margins[distances++] = margin;
        }
    }
    struct tally tally = count_answers(i, runs, n);

    if (n > 0 && tally.ratios == n) {
        pool_ratios(i, runs, n, &pooled);
    }
    pooled.answer = pooled_answer(&tally, &pooled, n);
    pooled.measured = median_of(measured, values);
    pooled.margin = median_of(margins, distances);
    return pooled;
}

char *pb_objective_value(const struct pb_objective *objective, double value, char *text)
{
    if (isnan(value)) {
        memcpy(text, "nothing", sizeof("nothing"));
        return text;
    }
    switch (objective->metric) {
    case PB_METRIC_LATENCY:
    case PB_METRIC_QUEUE_WAIT:
    case PB_METRIC_SERVICE:
    case PB_METRIC_SEND_LAG:
    case PB_METRIC_RECOVERY_TIME:
        /* A quantile of which too few requests ended ok is infinite. */
        if (value >= 9e18) {
            memcpy(text, "never", sizeof("never"));
            return text;
        }
        return pb_format_duration((int64_t)value, text);
    case PB_METRIC_ERROR_RATE:
    case PB_METRIC_UTILIZATION:
    case PB_METRIC_CORE_UTILIZATION:
    case PB_METRIC_WORKER_CPU:
        return pb_format_percent(value, text);
    case PB_METRIC_THROUGHPUT:
    case PB_METRIC_ACHIEVED_RATE:
        return objective->of_offered ? pb_format_percent(value, text) : pb_format_rate(value, text);
    case PB_METRIC_WORKER_MEMORY:
    case PB_METRIC_MEMORY:
        return pb_format_size((int64_t)value, text);
    case PB_METRIC_PEAK_WORKERS:
    case PB_METRIC_PEAK_QUEUE:
    case PB_METRIC_MEAN_WORKERS:
    case PB_METRIC_COUNT:
        break;
    }
    return pb_format_number(value, text);
}

void pb_objective_text(const struct pb_scenario *scenario, const struct pb_objective *objective,
                       char *text, size_t size)
{
    bool named = objective->phase >= 0 && !objective->whole_run &&
                 (size_t)objective->phase < scenario->phase_count && scenario->phase_count > 1;

    snprintf(text, size, "%s%s%s", named ? scenario->phases[objective->phase].name : "",
             named ? ": " : "", objective->expression);
}

/* Says in one sentence what an objective did. */
static void give_reason(const struct pb_scenario *scenario, const struct pb_pooled *pooled,
                        size_t n, struct pb_ruling *ruling)
{
    const struct pb_objective *objective = &scenario->objectives[ruling->objective];
    const char *verb = pooled->answer == PB_ANSWER_PASS      ? "holds"
                       : pooled->answer == PB_ANSWER_FAIL    ? "broke"
                       : pooled->answer == PB_ANSWER_NO_DATA ? "had no data"
                                                             : "is undecided";
    char name[90], value[PB_QUANTITY_TEXT], bad[PB_QUANTITY_TEXT], limit[PB_QUANTITY_TEXT];
    char share[80] = "";

    pb_objective_text(scenario, objective, name, sizeof(name));
    if (!isnan(pooled->bad) && objective->metric != PB_METRIC_ERROR_RATE) {
        snprintf(share, sizeof(share), ", %s late of %s allowed",
                 pb_format_percent(pooled->bad, bad), pb_format_percent(pooled->bad_limit, limit));
    }
    if (pooled->answer == PB_ANSWER_NO_DATA) {
        snprintf(ruling->reason, sizeof(ruling->reason), "%s %s", name, verb);
        return;
    }
    snprintf(ruling->reason, sizeof(ruling->reason), "%s %s: measured %s%.60s in %zu run%s", name,
             verb, pb_objective_value(objective, pooled->measured, value), share, n,
             n == 1 ? "" : "s");
}

/* The more an answer stops a candidate, the higher. */
static int severity(enum pb_answer answer)
{
    switch (answer) {
    case PB_ANSWER_FAIL:
        return 3;
    case PB_ANSWER_NO_DATA:
        return 2;
    case PB_ANSWER_INCONCLUSIVE:
        return 1;
    case PB_ANSWER_PASS:
    case PB_ANSWER_NOT_APPLICABLE:
    case PB_ANSWER_COUNT:
        break;
    }
    return 0;
}

static enum pb_decision decide(const struct pb_pooled *worst, size_t n, size_t min_runs)
{
    /* Without an interval of its own one run does not condemn a setting. */
    bool clear = !isnan(worst->low) || n >= min_runs;

    switch (worst->answer) {
    case PB_ANSWER_FAIL:
        return clear ? PB_DECISION_FAILS : PB_DECISION_OPEN;
    case PB_ANSWER_NO_DATA:
        return n >= min_runs ? PB_DECISION_UNCLEAR : PB_DECISION_OPEN;
    case PB_ANSWER_PASS:
        return n >= min_runs ? PB_DECISION_MEETS : PB_DECISION_OPEN;
    case PB_ANSWER_INCONCLUSIVE:
    case PB_ANSWER_NOT_APPLICABLE:
    case PB_ANSWER_COUNT:
        break;
    }
    return PB_DECISION_OPEN;
}

void pb_rule(const struct pb_scenario *scenario, const struct pb_trial_result *const *runs,
             size_t n, size_t min_runs, struct pb_ruling *ret_ruling)
{
    struct pb_ruling ruling = { PB_DECISION_OPEN, -1, PB_NO_NUMBER, "" };
    struct pb_pooled worst = { .answer = PB_ANSWER_NOT_APPLICABLE };

    for (size_t i = 0; i < scenario->objective_count; i++) {
        struct pb_pooled pooled = pb_pool_objective(&scenario->objectives[i], i, runs, n);

        if (!pb_objective_binds(&scenario->objectives[i]) ||
            pooled.answer == PB_ANSWER_NOT_APPLICABLE) {
            continue;
        }
        ruling.margin = fmin(ruling.margin, pooled.margin);
        bool tighter =
            severity(pooled.answer) == severity(worst.answer) && !(pooled.margin >= worst.margin);

        if (ruling.objective < 0 || severity(pooled.answer) > severity(worst.answer) || tighter) {
            ruling.objective = (int)i;
            worst = pooled;
        }
    }
    if (ruling.objective >= 0 && n > 0) {
        ruling.decision = decide(&worst, n, min_runs);
        give_reason(scenario, &worst, n, &ruling);
    } else if (n >= min_runs) {
        ruling.decision = PB_DECISION_UNCLEAR;
        snprintf(ruling.reason, sizeof(ruling.reason), "no objective applied to it");
    }
    *ret_ruling = ruling;
}

bool pb_pairs_smaller(const double *now, const double *next, size_t n, double delta)
{
    double ratios[RUNS_MAX];

    n = n < RUNS_MAX ? n : RUNS_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!(now[i] > 0) || !(next[i] < now[i])) {
            return false;
        }
        ratios[i] = next[i] / now[i];
    }
    return n > 0 && median_of(ratios, n) < 1 - delta;
}
