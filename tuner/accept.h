/*
 * tuner/accept.h - the decision rules: does a candidate meet the objectives, and is it better?
 *
 * The unit of evidence is the run.  Only objectives of level fail bind.  Pure functions.
 */
#ifndef PB_TUNER_ACCEPT_H
#define PB_TUNER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/scenario.h"
#include "tuner/trial.h"

enum pb_decision {
    PB_DECISION_OPEN,         /* more runs are needed */
    PB_DECISION_MEETS,        /* every binding objective holds */
    PB_DECISION_FAILS,        /* one is broken beyond doubt */
    PB_DECISION_UNCLEAR,      /* the runs that may be spent on it did not decide */
    PB_DECISION_CRASHED,      /* a run could not be made with it */
    PB_DECISION_UNMEASURABLE, /* no run could be trusted */
    PB_DECISION_COUNT
};
/* "open", "meets", "fails", "unclear", "crashed", "unmeasurable"; static storage. */
const char *pb_decision_name(enum pb_decision decision);

/* How one objective fares over several runs. */
struct pb_pooled {
    enum pb_answer answer;
    double measured; /* median over runs; NaN: nothing */
    double limit, limit_high;
    double bad, low, high, bad_limit; /* pooled bad ratio, its lower and upper 95 % bounds (each
                                         one-sided); NaN: not a ratio */
    double margin; /* median over runs of the distance to the limit as a share of the
                      limit, > 0 is good; NaN: nothing measured */
};

struct pb_ruling {
    enum pb_decision decision;
    int objective; /* the one that decides, or the tightest; -1: none */
    double margin; /* of the tightest binding objective, median over runs; NaN: none */
    char reason[240];
};

/* This objective can stop a candidate. */
bool pb_objective_binds(const struct pb_objective *objective);
/* Pools objective `i` over `n` valid runs.
 * Ratios: the mean bad ratio; its bounds are the wider of the runs' own intervals combined
 * (independent: half-widths add in quadrature, over n) and Student's over the runs (n >= 4).  A run
 * whose own interval lies beyond the limit fails the objective at once.  Others: PASS or FAIL only
 * when every run agrees. */
struct pb_pooled pb_pool_objective(const struct pb_objective *objective, size_t i,
                                   const struct pb_trial_result *const *runs, size_t n);
/* Rules on a candidate after `n` valid runs; before `min_runs` it may fail but not meet. */
void pb_rule(const struct pb_scenario *scenario, const struct pb_trial_result *const *runs,
             size_t n, size_t min_runs, struct pb_ruling *ret_ruling);

/* Distance of one measurement to its limit as a share of it; > 0 is good; NaN: nothing measured. */
double pb_objective_margin(const struct pb_objective *objective,
                           const struct pb_trial_objective *measured);
/* The smallest over the binding objectives of one run; NaN: none. */
double pb_trial_margin(const struct pb_scenario *scenario, const struct pb_trial_result *run);

/* Is `next` smaller than `now` (pairs of positive values) beyond noise: in every pair, and in the
 * median by more than the share `delta`?  False for n = 0. */
bool pb_pairs_smaller(const double *now, const double *next, size_t n, double delta);

/* A value of this objective's metric in its own unit: "25.1 ms", "0.047 %".  `text` has
 * PB_QUANTITY_TEXT bytes. */
char *pb_objective_value(const struct pb_objective *objective, double value, char *text);
/* "steady: latency.p99 < 50ms", cut at `size`. */
void pb_objective_text(const struct pb_scenario *scenario, const struct pb_objective *objective,
                       char *text, size_t size);

#endif
