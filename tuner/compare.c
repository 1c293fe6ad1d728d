#include <math.h>

#include "base/stats.h"
#include "tuner/tuner_internal.h"

double pb_median_of(const struct pb_trial_entry *const *entries, size_t count,
                    double (*value)(const struct pb_trial_result *run))
{
    double x[PB_TUNE_PAIRS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < count && n < PB_TUNE_PAIRS_MAX; i++) {
        double v = value(&entries[i]->result);

        if (!isnan(v)) {
            x[n++] = v;
        }
    }
    if (n == 0) {
        return PB_NO_NUMBER;
    }
    pb_sort(x, n);
    return pb_median_sorted(x, n);
}

/* Runs of two candidates on the same seeds, side by side. */
struct pairs {
    const struct pb_trial_result *now[PB_TUNE_PAIRS_MAX], *next[PB_TUNE_PAIRS_MAX];
    size_t count;
};

static struct pairs pair_runs(const struct pb_tuner *tuner, size_t next, size_t now)
{
    const struct pb_trial_entry *a[PB_TUNE_PAIRS_MAX], *b[PB_TUNE_PAIRS_MAX];
    size_t n = pb_bench_results(tuner, now, false, tuner->plan.stressed, a, PB_TUNE_PAIRS_MAX);
    size_t m = pb_bench_results(tuner, next, false, tuner->plan.stressed, b, PB_TUNE_PAIRS_MAX);
    struct pairs pairs = { .count = 0 };

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            if (a[i]->seed == b[j]->seed) {
                pairs.now[pairs.count] = &a[i]->result;
                pairs.next[pairs.count++] = &b[j]->result;
                break;
            }
        }
    }
    return pairs;
}

/* -1: `next` is smaller beyond noise, 1: larger, 0: neither. */
static int compare_pairs(const double *now, const double *next, size_t n, double delta)
{
    if (pb_pairs_smaller(now, next, n, delta)) {
        return -1;
    }
    return pb_pairs_smaller(next, now, n, delta) ? 1 : 0;
}

static int compare_measured_cost(const struct pb_tuner *tuner, const struct pairs *pairs)
{
    double now[PB_TUNE_PAIRS_MAX], next[PB_TUNE_PAIRS_MAX];

    for (size_t i = 0; i < pairs->count; i++) {
        now[i] = pb_bench_measured_cost(tuner, pairs->now[i]);
        next[i] = pb_bench_measured_cost(tuner, pairs->next[i]);
    }
    return compare_pairs(now, next, pairs->count, tuner->delta_cost);
}

/* By the margin that is left, as its complement: the share of the limit in use. */
static int compare_margin(const struct pb_tuner *tuner, const struct pairs *pairs)
{
    double now[PB_TUNE_PAIRS_MAX], next[PB_TUNE_PAIRS_MAX];

    for (size_t i = 0; i < pairs->count; i++) {
        now[i] = 1 - pb_trial_margin(tuner->scenario, pairs->now[i]);
        next[i] = 1 - pb_trial_margin(tuner->scenario, pairs->next[i]);
    }
    return compare_pairs(now, next, pairs->count, tuner->delta_margin);
}

static int compare_mean_workers(const struct pb_tuner *tuner, const struct pairs *pairs)
{
    double now[PB_TUNE_PAIRS_MAX], next[PB_TUNE_PAIRS_MAX];

    for (size_t i = 0; i < pairs->count; i++) {
        now[i] = pairs->now[i]->mean_workers;
        next[i] = pairs->next[i]->mean_workers;
    }
    return compare_pairs(now, next, pairs->count, tuner->delta_cost);
}

static int compare_workers(const struct pb_tuner *tuner, size_t next, size_t now)
{
    int64_t a = pb_space_workers(&tuner->space, &tuner->candidates[next].point);
    int64_t b = pb_space_workers(&tuner->space, &tuner->candidates[now].point);

    return (a > b) - (a < b);
}

static int compare_changes(const struct pb_tuner *tuner, size_t next, size_t now)
{
    const struct pb_point *original = &tuner->candidates[0].point;
    size_t a = pb_space_changes(&tuner->space, original, &tuner->candidates[next].point);
    size_t b = pb_space_changes(&tuner->space, original, &tuner->candidates[now].point);

    return (a > b) - (a < b);
}

bool pb_better(const struct pb_tuner *tuner, size_t next, size_t now)
{
    struct pairs pairs = pair_runs(tuner, next, now);
    int order = tuner->plan.cost_known ? compare_workers(tuner, next, now)
                                       : compare_measured_cost(tuner, &pairs);

    if (order == 0) {
        order = compare_margin(tuner, &pairs);
    }
    if (order == 0) {
        order = compare_mean_workers(tuner, &pairs);
    }
    if (order == 0) {
        order = compare_changes(tuner, next, now);
    }
    return order < 0;
}

int pb_cheaper_first(const struct pb_tuner *tuner, size_t a, size_t b)
{
    int order = compare_workers(tuner, a, b);

    return order != 0 ? order : compare_changes(tuner, a, b);
}
