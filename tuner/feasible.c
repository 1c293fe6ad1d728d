#include <math.h>

#include "tuner/tuner_internal.h"

static bool finished(const struct pb_tuner *tuner)
{
    return tuner->exhausted || pb_search_meets(tuner, tuner->incumbent);
}

/* More than the objective allows sits idle: fewer workers are wanted, not more. */
static bool too_many(const struct pb_tuner *tuner, size_t number)
{
    const struct pb_ruling *ruling = &tuner->candidates[number].ruling;
    const struct pb_trial_entry *entries[1];

    if (ruling->objective < 0 ||
        pb_bench_results(tuner, number, false, tuner->plan.stressed, entries, 1) == 0) {
        return false;
    }
    const struct pb_objective *objective = &tuner->scenario->objectives[ruling->objective];
    const struct pb_trial_objective *seen = &entries[0]->result.objectives[ruling->objective];

    enum pb_metric metric = objective->metric;

    if (metric == PB_METRIC_UTILIZATION || metric == PB_METRIC_CORE_UTILIZATION) {
        return objective->op != PB_OP_LESS && seen->measured < seen->limit;
    }
    return objective->op == PB_OP_LESS &&
           (metric == PB_METRIC_MEMORY || metric == PB_METRIC_PEAK_WORKERS ||
            metric == PB_METRIC_MEAN_WORKERS);
}

/* Where the next measurement of a bracketing goes; `here` when nothing is left. */
static uint32_t bracket_next(const struct pb_space *space, size_t dim, uint32_t here, int64_t low,
                             int64_t high)
{
    int64_t last = (int64_t)space->dims[dim].count;

    if (high - low <= 1) {
        return here;
    }
    if (low >= 0 && high < last) {
        return (uint32_t)((low + high) / 2);
    }
    return pb_space_reach(space, dim, here, high >= last);
}

/* Looks along an ordered dimension for a setting that meets the objectives, from `start` toward
 * where they are missed less; the step grows with the size. */
static enum pb_status bracket(struct pb_tuner *tuner, size_t dim, size_t start, bool downward,
                              struct pb_error *err)
{
    struct pb_point base = tuner->candidates[start].point;
    int64_t low = -1, high = (int64_t)tuner->space.dims[dim].count;
    size_t number = start;

    while (!finished(tuner)) {
        uint32_t here = tuner->candidates[number].point.index[dim], next;

        if (downward || too_many(tuner, number)) {
            high = here;
        } else {
            low = here;
        }
        next = bracket_next(&tuner->space, dim, here, low, high);
        if (next == here) {
            break;
        }
        PB_TRY(pb_search_propose_along(tuner, &base, dim, next, &number, err));
    }
    return PB_OK;
}

/* Bracketing upward, then downward: a CPU-bound pool may be too large. */
static enum pb_status bracket_both(struct pb_tuner *tuner, size_t dim, size_t start,
                                   struct pb_error *err)
{
    PB_TRY(bracket(tuner, dim, start, false, err));
    return bracket(tuner, dim, start, true, err);
}

/* The candidate that came closest, by its margin: what another dimension is tried from. */
static size_t closest(const struct pb_tuner *tuner)
{
    size_t best = 0;

    for (size_t i = 1; i < tuner->candidate_count; i++) {
        double margin = tuner->candidates[i].ruling.margin;

        if (pb_space_inside(&tuner->space, &tuner->candidates[i].point) && !isnan(margin) &&
            !(tuner->candidates[best].ruling.margin >= margin)) {
            best = i;
        }
    }
    return best;
}

/* Names and timeouts have no direction of their own: every value is asked. */
static enum pb_status try_each(struct pb_tuner *tuner, size_t dim, size_t from,
                               struct pb_error *err)
{
    struct pb_point base = tuner->candidates[from].point;

    for (uint32_t i = 0; i < tuner->space.dims[dim].count && !finished(tuner); i++) {
        size_t number = 0;

        PB_TRY(pb_search_propose_along(tuner, &base, dim, i, &number, err));
    }
    return PB_OK;
}

enum pb_status pb_search_feasible(struct pb_tuner *tuner, size_t start, struct pb_error *err)
{
    size_t order[PB_VARY_MAX];

    pb_space_order(&tuner->space, order);
    for (size_t i = 0; i < tuner->space.count && !finished(tuner); i++) {
        size_t from = closest(tuner);

        from = pb_space_inside(&tuner->space, &tuner->candidates[from].point) ? from : start;
        PB_TRY(pb_space_is_cost(&tuner->space, order[i]) ? bracket_both(tuner, order[i], from, err)
                                                         : try_each(tuner, order[i], from, err));
    }
    return PB_OK;
}
