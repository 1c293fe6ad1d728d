#include <math.h>

#include "base/clock.h"
#include "harness/judge_internal.h"

#define WINDOWS_ENOUGH 5

/* Values of the histogram over `ns`.  Its x_(k) grows with k: bisect for the last one within. */
static double count_over(const struct pb_small_hist *hist, int64_t ns)
{
    uint32_t within = 0, beyond = hist->total + 1;

    while (beyond - within > 1) {
        uint32_t k = within + (beyond - within) / 2;

        if (pb_small_hist_quantile(hist, (k - 0.5) / hist->total) <= ns) {
            within = k;
        } else {
            beyond = k;
        }
    }
    return (double)(hist->total - within);
}

static double sum_done(const struct pb_window *window)
{
    double sum = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        sum += window->done[o];
    }
    return sum;
}

/* The numerator and denominator of one window. */
static void take_window(const struct pb_part *part, enum pb_cluster_kind kind, int64_t limit_ns,
                        uint32_t w, double ret[static 2])
{
    const struct pb_aggregate *aggregate = part->evidence->aggregate;
    const struct pb_window *window = &aggregate->windows[w];
    const struct pb_late_counter *late;
    double length_s = (double)aggregate->window_ns / (double)PB_NS_PER_S;

    ret[0] = 0;
    ret[1] = window->intended;
    switch (kind) {
    case PB_CLUSTER_LATE:
        late = pb_aggregate_late(aggregate, limit_ns);
        ret[0] = late ? late->window_bad[w] : window->not_ok;
        break;
    case PB_CLUSTER_NOT_OK:
        ret[0] = window->not_ok;
        break;
    case PB_CLUSTER_OVER:
        ret[0] = window->latency ? count_over(window->latency, limit_ns) : 0;
        ret[1] = window->latency ? window->latency->total : 0;
        break;
    case PB_CLUSTER_OK_RATE:
        ret[0] = window->done[PB_OUTCOME_OK];
        ret[1] = length_s;
        break;
    case PB_CLUSTER_DONE_RATE:
        ret[0] = sum_done(window);
        ret[1] = length_s;
        break;
    case PB_CLUSTER_OK_SHARE:
        ret[0] = window->done[PB_OUTCOME_OK];
        break;
    case PB_CLUSTER_BUSY:
        ret[0] = (double)window->busy_ns;
        ret[1] = (double)window->alive_ns;
        break;
    case PB_CLUSTER_CORE_BUSY:
        ret[0] = (double)window->busy_ns;
        ret[1] = pb_evidence_slot_time(part->evidence, w * aggregate->window_ns,
                                       (w + 1) * aggregate->window_ns)
                     .core_ns;
        break;
    case PB_CLUSTER_ALIVE:
        ret[0] = (double)window->alive_ns / (double)pb_evidence_threads(part->evidence);
        ret[1] = (double)aggregate->window_ns;
        break;
    }
}

static void add_window(const struct pb_part *part, enum pb_cluster_kind kind, int64_t limit_ns,
                       uint32_t w, struct pb_clusters *clusters)
{
    double pair[2];

    take_window(part, kind, limit_ns, w, pair);
    if (pair[1] > 0) {
        clusters->num[clusters->count] = pair[0];
        clusters->den[clusters->count] = pair[1];
        clusters->count++;
    }
}

void pb_clusters_take(const struct pb_part *part, enum pb_cluster_kind kind, int64_t limit_ns,
                      struct pb_clusters *ret_clusters)
{
    ret_clusters->count = 0;
    for (uint32_t w = 0; w < part->evidence->aggregate->window_count; w++) {
        if (pb_part_has_window(part, w)) {
            add_window(part, kind, limit_ns, w, ret_clusters);
        }
    }
}

/* Touched by a fault, or by its aftermath of up to one window.  A fault is part of the scenario,
 * not of chance: what it makes late would be late in the next run too. */
static bool touched_by_fault(const struct pb_evidence *evidence, uint32_t w)
{
    int64_t window_ns = evidence->aggregate->window_ns;

    for (size_t i = 0; i < evidence->scenario->fault_count; i++) {
        int64_t injected_ns = evidence->faults[i].injected_ns;

        if (injected_ns >= 0 && (w + 1) * window_ns > injected_ns &&
            w * window_ns < pb_fault_over_ns(evidence, i) + window_ns) {
            return true;
        }
    }
    return false;
}

/* Design effect over the windows that no fault touched, and how many there are. */
static double design_effect(const struct pb_part *part, enum pb_cluster_kind kind, int64_t limit_ns,
                            size_t *ret_count)
{
    struct pb_clusters clusters = { .count = 0 };

    for (uint32_t w = 0; w < part->evidence->aggregate->window_count; w++) {
        if (pb_part_has_window(part, w) && !touched_by_fault(part->evidence, w)) {
            add_window(part, kind, limit_ns, w, &clusters);
        }
    }
    *ret_count = clusters.count;
    return pb_design_effect(clusters.num, clusters.den, clusters.count);
}

double pb_part_design_effect(const struct pb_judging *judging, const struct pb_part *part,
                             enum pb_cluster_kind kind, int64_t limit_ns)
{
    size_t count = 0;
    double own = design_effect(part, kind, limit_ns, &count);
    struct pb_part all;

    if (count >= WINDOWS_ENOUGH || part->phase == PB_PHASE_ALL) {
        return own;
    }
    /* Four windows hardly show how requests hang together; the rest of the run knows more. */
    pb_judging_part(judging, PB_PHASE_ALL, &all);
    return fmax(own, design_effect(&all, kind, limit_ns, &count));
}

double pb_clusters_half_width(const struct pb_clusters *clusters)
{
    size_t n = clusters->count;
    double num = 0, den = 0, squares = 0;

    if (n < 3) {
        return PB_NAN;
    }
    for (size_t i = 0; i < n; i++) {
        num += clusters->num[i];
        den += clusters->den[i];
    }
    for (size_t i = 0; i < n; i++) {
        double off = clusters->num[i] - num / den * clusters->den[i];

        squares += off * off;
    }
    double variance = (double)n / (double)(n - 1) * squares / (den * den);

    return pb_student_t_quantile(0.5 + PB_CONFIDENCE / 2, (double)(n - 1)) * sqrt(variance);
}
