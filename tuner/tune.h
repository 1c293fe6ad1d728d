/*
 * tuner/tune.h - finds, confirms and recommends settings; the front of the tuner.
 *
 * The search knows trials only (tuner/trial.h).  Every step is journalled before the next begins.
 */
#ifndef PB_TUNER_TUNE_H
#define PB_TUNER_TUNE_H

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "harness/scenario.h"
#include "tuner/trial.h"

/* Told after each step: one line for a person, and how far it is. */
struct pb_tune_progress {
    const char *stage; /* "noise floor", "search", "confirmation" */
    const char *text;  /* "size 8: p99 25.1 ms, PASS -> accepted"; "" while a trial runs */
    uint32_t runs_done, runs_expected;
    int64_t elapsed_ns, expected_ns;
};

struct pb_tune_options {
    const char *results;     /* folder of results */
    const char *resume;      /* an unfinished tune folder to go on with; NULL: start afresh */
    int64_t time_limit_ns;   /* 0: the scenario's budget */
    bool quick;              /* fewer repeats; the answer is marked provisional */
    const _Atomic int *stop; /* a signal's number */
    void (*progress)(void *ctx, const struct pb_tune_progress *progress);
    /* The trials' own runs report here (may be NULL). */
    void (*run_progress)(void *ctx, const void *run_progress);
    void *ctx;
    /* Which trials to use; NULL: real runs (pb_trial_real). */
    const struct pb_trial_driver *driver;
    void *driver_ctx;
};

struct pb_tune_estimate {
    uint64_t settings; /* in the whole space */
    uint32_t runs_min, runs_max;
    int64_t time_min_ns, time_max_ns;
    bool coordinate; /* too many settings for the budget: searched by coordinate steps */
};

/* What a tune would take.  PB_EINVAL when the scenario says nothing to vary or has no objectives.
 */
PB_MUST_USE enum pb_status pb_tune_estimate(const struct pb_scenario *scenario,
                                            const struct pb_tune_options *options,
                                            struct pb_tune_estimate *ret_estimate,
                                            struct pb_error *err);
/* Tunes.  PB_OK: `ret_json` is the document of recommendation.json and `ret_folder` the tune folder
 * (both the caller's).  PB_ECANCELED: interrupted; the folder can be resumed and `ret_json` holds
 * the best so far, marked unconfirmed. */
PB_MUST_USE enum pb_status pb_tune(const struct pb_scenario *scenario,
                                   const struct pb_tune_options *options, cJSON **ret_json,
                                   char **ret_folder, struct pb_error *err);

#endif
