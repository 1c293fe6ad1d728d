#include <math.h>

#include "base/clock.h"
#include "harness/judge_internal.h"

/* Beyond so many times the run's length "more seconds would decide" is no advice. */
#define MORE_FACTOR_MAX 1000.0
#define MORE_STEPS      73 /* 1.1^73 is over 1000 */

/* --- From an interval, or a point, to an answer --- */

static enum pb_answer answer_of(const struct pb_objective_result *r, enum pb_op op, double low,
                                double high)
{
    bool pass, fail;

    switch (op) {
    case PB_OP_LESS:
        pass = high < r->limit;
        fail = low >= r->limit;
        break;
    case PB_OP_GREATER:
        pass = low > r->limit;
        fail = high <= r->limit;
        break;
    case PB_OP_IN:
        pass = low >= r->limit && high <= r->limit_high;
        fail = high < r->limit || low > r->limit_high;
        break;
    default:
        return PB_ANSWER_NO_DATA;
    }
    return pass ? PB_ANSWER_PASS : fail ? PB_ANSWER_FAIL : PB_ANSWER_INCONCLUSIVE;
}

/* How far `measured` is from the limit that it is nearest to. */
static double distance(const struct pb_objective_result *r, enum pb_op op)
{
    double near = fabs(r->limit - r->measured);

    return op == PB_OP_IN ? fmin(near, fabs(r->limit_high - r->measured)) : near;
}

/* Judges `measured` by its interval, or as a point when it has none. */
void pb_answer_by_interval(struct pb_asked *a)
{
    struct pb_objective_result *r = a->result;
    enum pb_op op = a->objective->op;
    double low = isnan(r->ci_low) ? r->measured : r->ci_low;
    double high = isnan(r->ci_high) ? r->measured : r->ci_high;

    if (isnan(r->measured)) {
        r->answer = PB_ANSWER_NO_DATA;
        return;
    }
    r->answer = answer_of(r, op, low, high);
    if (r->answer == PB_ANSWER_INCONCLUSIVE && distance(r, op) > 0) {
        /* The interval shrinks with the square root of the time. */
        double factor = pow((high - low) / 2 / distance(r, op), 2);

        if (factor < MORE_FACTOR_MAX) {
            r->more_seconds = fmax(1, (factor - 1) * (double)a->part.duration_ns / PB_NS_PER_S);
        }
    }
}

/* --- Shares of bad requests --- */

/* Clopper and Pearson on the effective size; without a bad request the one-sided bound
 * 1 - 0.05^(1/n) (STATISTICS: nothing can lie below zero). */
static struct pb_interval share_interval(double bad, double n)
{
    return bad > 0 ? pb_clopper_pearson(bad, n, PB_CONFIDENCE)
                   : pb_clopper_pearson(0, n, 2 * PB_CONFIDENCE - 1);
}

/* By how much longer the run should be for the share's interval to leave the limit. */
static double more_seconds(const struct pb_asked *a, double bad, double n)
{
    double limit = a->result->bad_limit;

    for (int step = 1; step <= MORE_STEPS; step++) {
        double factor = pow(1.1, step);
        struct pb_interval ci = share_interval(bad * factor, n * factor);

        if (ci.high < limit || ci.low > limit) {
            return fmax(1, (factor - 1) * (double)a->part.duration_ns / PB_NS_PER_S);
        }
    }
    return PB_NAN;
}

/* Judges by `bad` of `count` requests against `bad_limit`. */
void pb_answer_by_share(struct pb_asked *a, uint64_t bad, uint64_t count, double deff)
{
    struct pb_objective_result *r = a->result;
    /* With none bad, or all, the windows show no variation: taken as independent. */
    double effective = (double)count / (bad == 0 || bad == count ? 1 : deff);

    r->count = count;
    if (count == 0) {
        r->answer = PB_ANSWER_NO_DATA;
        return;
    }
    r->bad_ratio = (double)bad / (double)count;
    r->effective_count = effective;

    double k = r->bad_ratio * effective;
    struct pb_interval ci = share_interval(k, effective);

    r->bad_low = ci.low;
    r->bad_high = ci.high;
    if (r->bad_limit <= 0) { /* "none at all" is a fact about this run, not an estimate */
        r->answer = bad == 0 ? PB_ANSWER_PASS : PB_ANSWER_FAIL;
    } else if (ci.high < r->bad_limit) {
        r->answer = PB_ANSWER_PASS;
    } else if (ci.low > r->bad_limit) {
        r->answer = PB_ANSWER_FAIL;
    } else {
        r->answer = PB_ANSWER_INCONCLUSIVE;
        r->more_seconds = more_seconds(a, k, effective);
    }
}
