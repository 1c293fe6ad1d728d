#include <math.h>
#include <stddef.h>

#include "harness/judge_internal.h"

static const struct pb_hist *hist_of(const struct pb_asked *a)
{
    const struct pb_phase_aggregate *aggregate = a->part.aggregate;

    static const size_t offsets[] = {
        [PB_METRIC_LATENCY] = offsetof(struct pb_phase_aggregate, latency),
        [PB_METRIC_QUEUE_WAIT] = offsetof(struct pb_phase_aggregate, queue_wait),
        [PB_METRIC_SERVICE] = offsetof(struct pb_phase_aggregate, service),
        [PB_METRIC_SEND_LAG] = offsetof(struct pb_phase_aggregate, send_lag),
    };

    return (const struct pb_hist *)(const void *)((const char *)aggregate +
                                                  offsets[a->objective->metric]);
}

/* Requests not ok or later than the objective's limit. */
static uint64_t count_late(const struct pb_asked *a)
{
    int64_t limit_ns = llround(a->objective->limit);
    const struct pb_aggregate *aggregate = a->part.evidence->aggregate;
    const struct pb_late_counter *late = pb_aggregate_late(aggregate, limit_ns);
    const struct pb_scenario *scenario = a->part.evidence->scenario;
    const struct pb_hist *hist = hist_of(a);
    uint64_t sum = 0;

    if (a->objective->metric != PB_METRIC_LATENCY) {
        return (uint64_t)(hist->total - pb_hist_count_le(hist, limit_ns));
    }
    if (!late) {
        return pb_part_not_ok(&a->part) +
               (uint64_t)(hist->total - pb_hist_count_le(hist, limit_ns));
    }
    if (a->part.phase != PB_PHASE_ALL) {
        return late->bad[a->part.phase];
    }
    for (size_t i = 0; i < scenario->phase_count; i++) {
        sum += scenario->phases[i].record ? late->bad[i] : 0;
    }
    return sum;
}

/* The interval of the quantile itself, for the eye: order statistics at the effective number of ok
 * requests (David and Nagaraja 2003, 7.1), read from the histogram. */
static void quantile_interval(struct pb_asked *a, double q)
{
    const struct pb_hist *hist = hist_of(a);
    double deff = pb_part_design_effect(a->judging, &a->part, PB_CLUSTER_OVER,
                                        pb_hist_quantile(&a->part.aggregate->latency, q));
    double n = fmax(1, floor((double)hist->total / deff));
    size_t low = 0, high = 0;
    double confidence;

    pb_order_interval((size_t)n, q, PB_CONFIDENCE, &low, &high, &confidence);
    if (low >= 1) {
        a->result->ci_low = (double)pb_hist_quantile(hist, (double)low / n);
    }
    if ((double)high <= n) {
        a->result->ci_high = (double)pb_hist_quantile(hist, (double)high / n);
    }
}

static void judge_quantile(struct pb_asked *a)
{
    struct pb_objective_result *r = a->result;
    const struct pb_hist *hist = hist_of(a);
    double q = a->objective->quantile;
    bool latency = a->objective->metric == PB_METRIC_LATENCY;
    uint64_t count = latency ? pb_part_counted(&a->part) : (uint64_t)hist->total;

    r->count = count;
    if (count == 0) {
        return;
    }
    /* Requests that never ended ok rank behind all others. */
    if (ceil((double)count * q) > (double)hist->total) {
        r->measured = PB_INF;
    } else {
        r->measured = (double)pb_hist_quantile(hist, q);
        quantile_interval(a, q);
    }
    if (a->objective->op != PB_OP_LESS) {
        if (isinf(r->measured)) {
            r->ci_low = PB_INF;
        }
        pb_answer_by_interval(a);
        return;
    }
    enum pb_cluster_kind kind = latency ? PB_CLUSTER_LATE : PB_CLUSTER_OVER;
    /* The other times have no windows of their own; they hang together as the latency does. */
    int64_t limit_ns =
        latency ? llround(a->objective->limit) : pb_hist_quantile(&a->part.aggregate->latency, q);

    r->bad_limit = round((1 - q) * 1e12) / 1e12; /* 0.01, not 0.010000000000000009 */
    pb_answer_by_share(a, count_late(a), count,
                       pb_part_design_effect(a->judging, &a->part, kind, limit_ns));
}

static double hist_variance(const struct pb_hist *hist)
{
    struct pb_hist_iter iter;
    double mean = pb_hist_mean(hist), squares = 0;

    pb_hist_iter_init(&iter, hist);
    while (pb_hist_iter_next(&iter)) {
        double middle = ((double)iter.low + (double)iter.value) / 2;

        squares += (double)iter.count * (middle - mean) * (middle - mean);
    }
    return hist->total > 1 ? squares / (double)(hist->total - 1) : 0;
}

/* The mean of ok requests; its variance is that of independent requests times the design effect of
 * the slowest tenth, which carries most of a mean's variance. */
static void judge_mean(struct pb_asked *a)
{
    struct pb_objective_result *r = a->result;
    const struct pb_hist *hist = hist_of(a);

    r->count = (uint64_t)hist->total;
    if (hist->total == 0) {
        return;
    }
    double deff = pb_part_design_effect(a->judging, &a->part, PB_CLUSTER_OVER,
                                        pb_hist_quantile(&a->part.aggregate->latency, 0.9));
    double half = 1.959964 * sqrt(hist_variance(hist) * deff / (double)hist->total);

    r->measured = pb_hist_mean(hist);
    r->effective_count = (double)hist->total / deff;
    r->ci_low = fmax((double)hist->min, r->measured - half);
    r->ci_high = fmin((double)hist->max, r->measured + half);
    pb_answer_by_interval(a);
}

/* The smallest or largest value is what it is: no interval. */
static void judge_extreme(struct pb_asked *a)
{
    struct pb_objective_result *r = a->result;
    const struct pb_hist *hist = hist_of(a);
    bool max = a->objective->stat == PB_STAT_MAX;
    bool latency = a->objective->metric == PB_METRIC_LATENCY;
    uint64_t not_ok = latency ? pb_part_not_ok(&a->part) : 0;

    r->count = (uint64_t)hist->total + not_ok;
    if (r->count == 0) {
        return;
    }
    if (hist->total == 0 || (max && not_ok > 0)) {
        r->measured = PB_INF;
    } else {
        r->measured = (double)(max ? hist->max : hist->min);
    }
    pb_answer_by_interval(a);
}

void pb_judge_time(struct pb_asked *a)
{
    switch (a->objective->stat) {
    case PB_STAT_QUANTILE:
        judge_quantile(a);
        break;
    case PB_STAT_MEAN:
        judge_mean(a);
        break;
    case PB_STAT_MIN:
    case PB_STAT_MAX:
        judge_extreme(a);
        break;
    }
}
