#include "tuner/report.h"

#include <math.h>

#include "base/stats.h"

#define CONFIDENCE 0.95

struct pb_runs pb_report_runs(const struct pb_tuner *tuner, size_t candidate, bool confirmation,
                              bool stress)
{
    struct pb_runs runs;

    runs.count =
        pb_bench_results(tuner, candidate, confirmation, stress, runs.entries, PB_TUNE_PAIRS_MAX);
    return runs;
}

struct pb_pooled pb_report_pool(const struct pb_tuner *tuner, const struct pb_runs *runs, size_t i)
{
    const struct pb_trial_result *results[PB_TUNE_PAIRS_MAX];

    for (size_t r = 0; r < runs->count; r++) {
        results[r] = &runs->entries[r]->result;
    }
    return pb_pool_objective(&tuner->scenario->objectives[i], i, results, runs->count);
}

double pb_report_p50(const struct pb_trial_result *run)
{
    return (double)run->p50_ns;
}

double pb_report_p99(const struct pb_trial_result *run)
{
    return (double)run->p99_ns;
}

double pb_report_throughput(const struct pb_trial_result *run)
{
    return run->throughput_per_s;
}

double pb_report_utilization(const struct pb_trial_result *run)
{
    return run->utilization_ratio;
}

double pb_report_mean_workers(const struct pb_trial_result *run)
{
    return run->mean_workers;
}

double pb_report_memory(const struct pb_trial_result *run)
{
    return run->peak_rss_bytes >= 0 ? (double)run->peak_rss_bytes : PB_NO_NUMBER;
}

void pb_report_objective(const struct pb_tuner *tuner, size_t i, cJSON *row)
{
    const struct pb_objective *objective = &tuner->scenario->objectives[i];
    bool named = objective->phase >= 0 && (size_t)objective->phase < tuner->scenario->phase_count;

    pb_fill_text(tuner->fill, row, "expression", objective->expression);
    pb_fill_text(tuner->fill, row, "phase",
                 named ? tuner->scenario->phases[objective->phase].name : "all");
}

/* Paired change of the recommended setting against the original, as a ratio of medians with the
 * Hodges-Lehmann interval of the log ratios. */
struct change {
    double estimate, low, high, confidence;
};

static struct change change_of(const struct pb_tuner *tuner, const double *now, const double *use,
                               size_t n)
{
    struct change change = { PB_NO_NUMBER, PB_NO_NUMBER, PB_NO_NUMBER, PB_NO_NUMBER };
    struct pb_interval interval = { 0 };
    double logs[PB_TUNE_PAIRS_MAX], estimate = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(now[i] > 0) || !(use[i] > 0)) {
            return change;
        }
        logs[i] = log(use[i] / now[i]);
    }
    enum pb_status status =
        n > 0 ? pb_hodges_lehmann(logs, n, CONFIDENCE, &estimate, &interval) : PB_EINVAL;

    if (status != PB_OK) {
        tuner->fill->lost = tuner->fill->lost || status == PB_ENOMEM;
        return change;
    }
    change.estimate = exp(estimate) - 1;
    if (interval.confidence > 0) {
        change.low = exp(interval.low) - 1;
        change.high = exp(interval.high) - 1;
        change.confidence = interval.confidence;
    }
    return change;
}

static void add_change(const struct pb_tuner *tuner, cJSON *row, struct change change)
{
    pb_fill_number(tuner->fill, row, "change_ratio", change.estimate);
    pb_fill_number(tuner->fill, row, "ci_low", change.low);
    pb_fill_number(tuner->fill, row, "ci_high", change.high);
    pb_fill_number(tuner->fill, row, "confidence", change.confidence);
}

/* Runs of the confirmation on the same seeds, the original's and the recommended setting's. */
struct paired {
    struct pb_runs now, use;
};

static struct paired pair_up(const struct pb_tuner *tuner)
{
    struct pb_runs now = pb_report_runs(tuner, 0, true, false);
    struct pb_runs use = pb_report_runs(tuner, tuner->incumbent, true, false);
    struct paired paired = { .now.count = 0 };

    for (size_t i = 0; i < use.count; i++) {
        for (size_t j = 0; j < now.count; j++) {
            if (use.entries[i]->seed == now.entries[j]->seed) {
                paired.use.entries[paired.use.count++] = use.entries[i];
                paired.now.entries[paired.now.count++] = now.entries[j];
            }
        }
    }
    return paired;
}

static cJSON *objective_row(const struct pb_tuner *tuner, const struct paired *paired, size_t i)
{
    const struct pb_objective *objective = &tuner->scenario->objectives[i];
    struct pb_pooled now = pb_report_pool(tuner, &paired->now, i),
                     use = pb_report_pool(tuner, &paired->use, i);
    double a[PB_TUNE_PAIRS_MAX] = { 0 }, b[PB_TUNE_PAIRS_MAX] = { 0 };
    const struct pb_ruling *ruling = &tuner->candidates[tuner->incumbent].ruling;
    cJSON *row = cJSON_CreateObject();

    for (size_t p = 0; p < paired->now.count; p++) {
        a[p] = paired->now.entries[p]->result.objectives[i].measured;
        b[p] = paired->use.entries[p]->result.objectives[i].measured;
    }
    pb_report_objective(tuner, i, row);
    pb_fill_text(tuner->fill, row, "level", pb_objective_binds(objective) ? "fail" : "warn");
    pb_fill_text(tuner->fill, row, "metric", pb_metric_name(objective->metric));
    pb_fill_number(tuner->fill, row, "limit", use.limit);
    pb_fill_number(tuner->fill, row, "limit_high",
                   objective->op == PB_OP_IN ? use.limit_high : PB_NO_NUMBER);
    pb_fill_number(tuner->fill, row, "now", now.measured);
    pb_fill_number(tuner->fill, row, "use", use.measured);
    pb_fill_text(tuner->fill, row, "answer_now", pb_answer_name(now.answer));
    pb_fill_text(tuner->fill, row, "answer_use", pb_answer_name(use.answer));
    add_change(tuner, row, change_of(tuner, a, b, paired->now.count));
    pb_fill_bool(tuner->fill, row, "binds", ruling->objective == (int)i);
    return row;
}

static cJSON *metric_row(const struct pb_tuner *tuner, const struct paired *paired,
                         const char *name, const char *unit,
                         double (*value)(const struct pb_trial_result *run))
{
    double a[PB_TUNE_PAIRS_MAX] = { 0 }, b[PB_TUNE_PAIRS_MAX] = { 0 };
    cJSON *row = cJSON_CreateObject();

    for (size_t p = 0; p < paired->now.count; p++) {
        a[p] = value(&paired->now.entries[p]->result);
        b[p] = value(&paired->use.entries[p]->result);
    }
    pb_fill_text(tuner->fill, row, "name", name);
    pb_fill_text(tuner->fill, row, "unit", unit);
    pb_fill_number(tuner->fill, row, "now",
                   pb_median_of(paired->now.entries, paired->now.count, value));
    pb_fill_number(tuner->fill, row, "use",
                   pb_median_of(paired->use.entries, paired->use.count, value));
    add_change(tuner, row, change_of(tuner, a, b, paired->now.count));
    return row;
}

static void add_stress(const struct pb_tuner *tuner, cJSON *evidence)
{
    struct pb_runs runs = pb_report_runs(tuner, tuner->incumbent, true, true);
    const struct pb_trial_result *results[PB_TUNE_PAIRS_MAX];
    struct pb_ruling ruling;

    if (!tuner->plan.stressed || runs.count == 0) {
        pb_fill_item(tuner->fill, evidence, "stress", cJSON_CreateNull());
        return;
    }
    for (size_t i = 0; i < runs.count; i++) {
        results[i] = &runs.entries[i]->result;
    }
    pb_rule(tuner->scenario, results, runs.count, 1, &ruling);
    cJSON *stress = pb_fill_object(tuner->fill, evidence, "stress");

    pb_fill_number(tuner->fill, stress, "runs", (double)runs.count);
    pb_fill_number(tuner->fill, stress, "load_factor", tuner->plan.load_factor);
    pb_fill_number(tuner->fill, stress, "workers_lost", tuner->plan.workers_lost);
    pb_fill_number(tuner->fill, stress, "p99_ns",
                   pb_median_of(runs.entries, runs.count, pb_report_p99));
    pb_fill_number(tuner->fill, stress, "utilization_ratio",
                   pb_median_of(runs.entries, runs.count, pb_report_utilization));
    pb_fill_text(tuner->fill, stress, "answer",
                 ruling.decision == PB_DECISION_MEETS   ? "PASS"
                 : ruling.decision == PB_DECISION_FAILS ? "FAIL"
                                                        : "INCONCLUSIVE");
    cJSON *array = pb_fill_array(tuner->fill, stress, "objectives");

    for (size_t i = 0; i < tuner->scenario->objective_count; i++) {
        struct pb_pooled pooled = pb_report_pool(tuner, &runs, i);
        cJSON *row = cJSON_CreateObject();

        pb_report_objective(tuner, i, row);
        pb_fill_number(tuner->fill, row, "measured", pooled.measured);
        pb_fill_number(tuner->fill, row, "limit", pooled.limit);
        pb_fill_number(tuner->fill, row, "limit_high",
                       tuner->scenario->objectives[i].op == PB_OP_IN ? pooled.limit_high
                                                                     : PB_NO_NUMBER);
        pb_fill_text(tuner->fill, row, "answer", pb_answer_name(pooled.answer));
        pb_fill_item(tuner->fill, array, NULL, row);
    }
}

void pb_report_evidence(const struct pb_tuner *tuner, cJSON *document)
{
    static const struct {
        const char *name, *unit;
        double (*value)(const struct pb_trial_result *run);
    } metrics[] = {
        { "latency.p50", "ns", pb_report_p50 },
        { "latency.p99", "ns", pb_report_p99 },
        { "throughput", "per_s", pb_report_throughput },
        { "utilization", "ratio", pb_report_utilization },
        { "mean_workers", "workers", pb_report_mean_workers },
    };
    struct paired paired = pair_up(tuner);
    cJSON *evidence, *objectives, *rows;

    if (paired.now.count == 0) {
        pb_fill_item(tuner->fill, document, "evidence", cJSON_CreateNull());
        return;
    }
    evidence = pb_fill_object(tuner->fill, document, "evidence");
    pb_fill_number(tuner->fill, evidence, "pairs",
                   tuner->incumbent == 0 ? 0 : (double)paired.now.count);
    pb_fill_bool(tuner->fill, evidence, "fresh_seeds", true);
    objectives = pb_fill_array(tuner->fill, evidence, "objectives");
    for (size_t i = 0; i < tuner->scenario->objective_count; i++) {
        pb_fill_item(tuner->fill, objectives, NULL, objective_row(tuner, &paired, i));
    }
    rows = pb_fill_array(tuner->fill, evidence, "metrics");
    for (size_t i = 0; i < PB_ARRAY_LEN(metrics); i++) {
        pb_fill_item(tuner->fill, rows, NULL,
                     metric_row(tuner, &paired, metrics[i].name, metrics[i].unit,
                                metrics[i].value));
    }
    add_stress(tuner, evidence);
}
