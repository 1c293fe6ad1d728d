#include <math.h>
#include <stdio.h>

#include "tuner/tuner_internal.h"

/*
 * Coordinate steps from the original setting, every step measured, only what is better accepted:
 *
 *   1. Where the original does not meet the objectives, one dimension after the other is bracketed
 *      until something does.
 *   2. Where the cost is the number of workers, size and overflow are shrunk by bisection between
 *      the incumbent and the largest value known to fail; latency is not monotone in the size of a
 *      CPU-bound pool, so that the neighbours of what was found are measured too.  Other
 *      dimensions matter only when they carry a cheaper setting, and are asked just that.
 *   3. Measured costs (mean workers, p99, memory) are followed downhill with halving steps.
 *   4. A space that is small against the budget is then swept: every setting that could still be
 *      better is judged, which is what makes the answer exhaustive.
 */

#define ROUNDS_MAX 4

static const struct pb_candidate *candidate_at(const struct pb_tuner *tuner, size_t number)
{
    return &tuner->candidates[number];
}

/* The sentence of a candidate that becomes the incumbent. */
static void say_accepted(const struct pb_tuner *tuner, size_t number, char *text, size_t size)
{
    int64_t now = pb_space_workers(&tuner->space, &candidate_at(tuner, tuner->incumbent)->point);
    int64_t next = pb_space_workers(&tuner->space, &candidate_at(tuner, number)->point);
    const char *gain = "better than the incumbent beyond noise";

    if (!pb_search_meets(tuner, tuner->incumbent)) {
        gain = candidate_at(tuner, tuner->incumbent)->ruling.decision == PB_DECISION_FAILS
                   ? "the incumbent does not meet the objectives"
                   : "the incumbent could not be shown to meet the objectives";
    } else if (tuner->plan.cost_known && next < now) {
        gain = "fewer workers than the incumbent";
    }
    snprintf(text, size, "%s; %s", candidate_at(tuner, number)->ruling.reason, gain);
}

static enum pb_status accept(struct pb_tuner *tuner, size_t number, struct pb_error *err)
{
    char text[400];

    say_accepted(tuner, number, text, sizeof(text));
    PB_TRY(pb_bench_note(tuner, &(struct pb_note){ "accepted", number, "from", tuner->incumbent },
                         text, err));
    tuner->candidates[number].accepted = true;
    tuner->incumbent = number;
    return PB_OK;
}

static enum pb_status roll_back(struct pb_tuner *tuner, size_t number, struct pb_error *err)
{
    const struct pb_candidate *candidate = candidate_at(tuner, number);
    char text[400];

    if (candidate->ruling.decision == PB_DECISION_MEETS) {
        snprintf(text, sizeof(text), "%s; %s", candidate->ruling.reason,
                 candidate->too_far ? "but it is farther than max_change from the incumbent"
                                    : "but it is no better than the incumbent");
    } else if (candidate->ruling.decision == PB_DECISION_OPEN) {
        snprintf(text, sizeof(text), "the budget ended before it was decided");
    } else {
        snprintf(text, sizeof(text), "%s", candidate->ruling.reason);
    }
    return pb_bench_note(tuner, &(struct pb_note){ "rolled_back", number, "to", tuner->incumbent },
                         text, err);
}

/* May this candidate replace the incumbent? */
static bool acceptable(struct pb_tuner *tuner, size_t number)
{
    const struct pb_point *from = &tuner->candidates[tuner->incumbent].point;
    struct pb_candidate *candidate = &tuner->candidates[number];

    if (!pb_search_meets(tuner, number)) {
        return false;
    }
    if (!pb_search_meets(tuner, tuner->incumbent)) {
        return true; /* climbing out: each step was bounded from the one measured before */
    }
    if (!pb_better(tuner, number, tuner->incumbent)) {
        return false;
    }
    candidate->too_far = !pb_space_within_step(&tuner->space, from, &candidate->point);
    return !candidate->too_far;
}

enum pb_status pb_search_propose(struct pb_tuner *tuner, const struct pb_point *point,
                                 size_t *ret_number, struct pb_error *err)
{
    size_t number = 0;

    PB_TRY(pb_bench_candidate(tuner, point, &number, err));
    bool known = tuner->candidates[number].judged;

    *ret_number = number;
    if (number == tuner->incumbent) {
        return PB_OK;
    }
    PB_TRY(pb_bench_judge(tuner, number, tuner->plan.min_runs, err));
    if (acceptable(tuner, number)) {
        return accept(tuner, number, err);
    }
    return known ? PB_OK : roll_back(tuner, number, err);
}

enum pb_status pb_search_propose_along(struct pb_tuner *tuner, const struct pb_point *base,
                                       size_t dim, uint32_t index, size_t *ret_number,
                                       struct pb_error *err)
{
    struct pb_point point = *base;

    point.index[dim] = index;
    return pb_search_propose(tuner, &point, ret_number, err);
}

/* Nothing more can be measured. */
static bool finished(const struct pb_tuner *tuner)
{
    return tuner->exhausted;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* One past the largest index of `dim` below the incumbent's that is known to break an objective,
 * all else being as in the incumbent; 0: none is.  A crash says nothing about smaller ones. */
static uint32_t known_failure(const struct pb_tuner *tuner, size_t dim)
{
    const struct pb_point *here = &candidate_at(tuner, tuner->incumbent)->point;
    uint32_t failing = 0;

    for (size_t i = 0; i < tuner->candidate_count; i++) {
        struct pb_point point = candidate_at(tuner, i)->point;
        uint32_t index = point.index[dim];

        point.index[dim] = here->index[dim];
        enum pb_decision decision = candidate_at(tuner, i)->ruling.decision;
        bool failed = decision == PB_DECISION_FAILS || decision == PB_DECISION_UNCLEAR;

        if (candidate_at(tuner, i)->judged && failed && index < here->index[dim] &&
            pb_space_same(&tuner->space, &point, here)) {
            failing = larger(failing, index + 1);
        }
    }
    return failing;
}

/* Bisects one dimension of the incumbent downward, to the largest value known not to do. */
static enum pb_status shrink(struct pb_tuner *tuner, size_t dim, struct pb_error *err)
{
    uint32_t failing = known_failure(tuner, dim);

    while (!finished(tuner)) {
        struct pb_point base = candidate_at(tuner, tuner->incumbent)->point;
        uint32_t here = base.index[dim];
        uint32_t reach = pb_space_reach(&tuner->space, dim, here, false);
        uint32_t target = failing == 0 ? reach : larger(reach, (failing - 1 + here) / 2);
        size_t number = 0;

        if (here <= failing || target == here) {
            break;
        }
        PB_TRY(pb_search_propose_along(tuner, &base, dim, target, &number, err));
        if (number != tuner->incumbent) {
            failing = target + 1;
        }
    }
    return PB_OK;
}

/* Measures the setting one value above the incumbent's: both must hold where latency is monotone.
 * Where the larger one does not, the incumbent has to prove itself once more. */
static enum pb_status check_above(struct pb_tuner *tuner, size_t dim, struct pb_error *err)
{
    struct pb_point point = candidate_at(tuner, tuner->incumbent)->point;
    size_t best = tuner->incumbent, above = 0;

    if (point.index[dim] + 1 >= tuner->space.dims[dim].count || finished(tuner)) {
        return PB_OK;
    }
    point.index[dim]++;
    PB_TRY(pb_search_propose(tuner, &point, &above, err));
    if (pb_search_meets(tuner, above) ||
        candidate_at(tuner, above)->ruling.decision == PB_DECISION_OPEN) {
        return PB_OK;
    }
    PB_TRY(pb_bench_judge(tuner, best, tuner->plan.max_runs, err));
    tuner->not_monotone = pb_search_meets(tuner, best);
    return PB_OK;
}

/* The cheapest candidate that met the objectives and may still be recommended; the original when
 * none did. */
static size_t best_standing(const struct pb_tuner *tuner)
{
    size_t best = 0;

    for (size_t i = 1; i < tuner->candidate_count; i++) {
        const struct pb_candidate *candidate = candidate_at(tuner, i);
        bool stands = candidate->accepted && pb_search_meets(tuner, i);

        if (stands && (!pb_search_meets(tuner, best) || pb_better(tuner, i, best))) {
            best = i;
        }
    }
    return best;
}

/* After more evidence an accepted setting may stand no longer: back to the best that does. */
static enum pb_status retreat(struct pb_tuner *tuner, struct pb_error *err)
{
    size_t fallen = tuner->incumbent;

    if (pb_search_meets(tuner, fallen) || fallen == 0) {
        return PB_OK;
    }
    tuner->candidates[fallen].accepted = false;
    tuner->incumbent = best_standing(tuner);
    return roll_back(tuner, fallen, err);
}

/* One fewer worker with another value of a dimension that costs nothing. */
static enum pb_status try_carrying(struct pb_tuner *tuner, size_t dim, uint32_t value,
                                   size_t cost_dim, struct pb_error *err)
{
    struct pb_point base = candidate_at(tuner, tuner->incumbent)->point;
    size_t number = 0;

    if (base.index[cost_dim] == 0 || base.index[dim] == value) {
        return PB_OK;
    }
    base.index[cost_dim]--;
    PB_TRY(pb_search_propose_along(tuner, &base, dim, value, &number, err));
    return number == tuner->incumbent ? shrink(tuner, cost_dim, err) : PB_OK;
}

/* Does a value of this dimension carry a cheaper pool? */
static enum pb_status carry(struct pb_tuner *tuner, size_t dim, size_t cost_dim,
                            struct pb_error *err)
{
    for (uint32_t i = 0; i < tuner->space.dims[dim].count && !finished(tuner); i++) {
        PB_TRY(try_carrying(tuner, dim, i, cost_dim, err));
    }
    return PB_OK;
}

/* A step down, and where that was no better a step up, each within reach. */
static enum pb_status step_both(struct pb_tuner *tuner, size_t dim, uint32_t step,
                                struct pb_error *err)
{
    struct pb_point base = candidate_at(tuner, tuner->incumbent)->point;
    uint32_t here = base.index[dim], last = (uint32_t)tuner->space.dims[dim].count - 1;
    uint32_t down =
        larger(pb_space_reach(&tuner->space, dim, here, false), here > step ? here - step : 0);
    uint32_t up = smaller(pb_space_reach(&tuner->space, dim, here, true),
                          step < last - here ? here + step : last);
    size_t number = 0;

    PB_TRY(pb_search_propose_along(tuner, &base, dim, down, &number, err));
    if (candidate_at(tuner, tuner->incumbent)->point.index[dim] != here) {
        return PB_OK;
    }
    return pb_search_propose_along(tuner, &base, dim, up, &number, err);
}

/* Follows a measured cost, or the margin, downhill along an ordered dimension. */
static enum pb_status descend(struct pb_tuner *tuner, size_t dim, struct pb_error *err)
{
    uint32_t step = larger(1, (uint32_t)tuner->space.dims[dim].count / 4);

    while (step > 0 && !finished(tuner)) {
        size_t before = tuner->incumbent;

        PB_TRY(step_both(tuner, dim, step, err));
        step = tuner->incumbent == before ? step / 2 : step;
    }
    return PB_OK;
}

static enum pb_status try_each(struct pb_tuner *tuner, size_t dim, struct pb_error *err)
{
    for (uint32_t i = 0; i < tuner->space.dims[dim].count && !finished(tuner); i++) {
        struct pb_point base = candidate_at(tuner, tuner->incumbent)->point;
        size_t number = 0;

        PB_TRY(pb_search_propose_along(tuner, &base, dim, i, &number, err));
    }
    return PB_OK;
}

/* The dimension whose shrinking saves workers; -1: none is varied. */
static int cost_dimension(const struct pb_tuner *tuner)
{
    return tuner->space.size_dim >= 0 ? tuner->space.size_dim : tuner->space.overflow_dim;
}

static enum pb_status improve_dimension(struct pb_tuner *tuner, size_t dim, struct pb_error *err)
{
    int cost_dim = cost_dimension(tuner);

    if (tuner->plan.cost_known && pb_space_is_cost(&tuner->space, dim)) {
        PB_TRY(shrink(tuner, dim, err));
        PB_TRY(check_above(tuner, dim, err));
        return retreat(tuner, err);
    }
    if (tuner->plan.cost_known && cost_dim >= 0) {
        return carry(tuner, dim, (size_t)cost_dim, err);
    }
    return tuner->space.dims[dim].ordered ? descend(tuner, dim, err) : try_each(tuner, dim, err);
}

/* Cost dimensions first: they need no luck. */
static enum pb_status improve_round(struct pb_tuner *tuner, struct pb_error *err)
{
    size_t order[PB_VARY_MAX];

    pb_space_order(&tuner->space, order);
    for (size_t i = 0; i < tuner->space.count && !finished(tuner); i++) {
        PB_TRY(improve_dimension(tuner, order[i], err));
    }
    return PB_OK;
}

/* Rounds until one changes nothing.  An original that stands outside stays when nothing inside the
 * declared range was better. */
static enum pb_status improve(struct pb_tuner *tuner, struct pb_error *err)
{
    size_t before = tuner->candidate_count; /* no candidate */

    for (int round = 0; round < ROUNDS_MAX && tuner->incumbent != before; round++) {
        before = tuner->incumbent;
        if (!pb_search_meets(tuner, before) || finished(tuner) ||
            !pb_space_inside(&tuner->space, &candidate_at(tuner, before)->point)) {
            break;
        }
        PB_TRY(improve_round(tuner, err));
    }
    return PB_OK;
}

/* The next setting of the sweep: not judged yet, and the cheapest of those; false: none is left. */
static bool next_unswept(const struct pb_tuner *tuner, uint64_t *ret_setting)
{
    const struct pb_point *now = &candidate_at(tuner, tuner->incumbent)->point;
    int64_t least = INT64_MAX, limit = INT64_MAX;

    if (tuner->plan.cost_known && pb_search_meets(tuner, tuner->incumbent)) {
        limit = pb_space_workers(&tuner->space, now);
    }
    for (uint64_t i = 0; i < tuner->space.settings; i++) {
        struct pb_point point = pb_space_at(&tuner->space, i);
        int64_t workers = pb_space_workers(&tuner->space, &point);
        bool judged = false;

        for (size_t c = 0; c < tuner->candidate_count && !judged; c++) {
            judged = candidate_at(tuner, c)->judged &&
                     pb_space_same(&tuner->space, &candidate_at(tuner, c)->point, &point);
        }
        if (!judged && workers <= limit && workers < least) {
            least = workers;
            *ret_setting = i;
        }
    }
    return least != INT64_MAX;
}

/* Settings and runs are both small here: sweeping was checked against the budget. */
static enum pb_status sweep(struct pb_tuner *tuner, struct pb_error *err)
{
    uint64_t setting = 0;

    while (!finished(tuner) && next_unswept(tuner, &setting)) {
        struct pb_point point = pb_space_at(&tuner->space, setting);
        size_t number = 0;

        PB_TRY(pb_search_propose(tuner, &point, &number, err));
    }
    tuner->swept = !finished(tuner);
    return PB_OK;
}

/* The first point inside the declared range: the original itself, or the nearest declared one. */
static enum pb_status enter_space(struct pb_tuner *tuner, size_t *ret_start, struct pb_error *err)
{
    struct pb_point start = pb_space_nearest(&tuner->space, &candidate_at(tuner, 0)->point);

    if (pb_space_inside(&tuner->space, &candidate_at(tuner, 0)->point)) {
        *ret_start = 0;
        return PB_OK;
    }
    return pb_search_propose(tuner, &start, ret_start, err);
}

enum pb_status pb_search(struct pb_tuner *tuner, struct pb_error *err)
{
    size_t start = 0;

    tuner->stage = PB_STAGE_SEARCH;
    PB_TRY(enter_space(tuner, &start, err));
    if (!pb_search_meets(tuner, tuner->incumbent)) {
        PB_TRY(pb_search_feasible(tuner, start, err));
    }
    PB_TRY(improve(tuner, err));
    if (tuner->plan.exhaustive) {
        PB_TRY(sweep(tuner, err));
    }
    tuner->search_cut = tuner->exhausted;
    return PB_OK;
}
