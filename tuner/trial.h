/*
 * tuner/trial.h - one evaluation of a candidate setting, whoever makes it: a real run of our pool,
 * a run against an external system, or the twin.  The search sees nothing else.
 */
#ifndef PB_TUNER_TRIAL_H
#define PB_TUNER_TRIAL_H

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "harness/judge.h"
#include "harness/scenario.h"

#define PB_NO_NUMBER ((double)NAN)

struct pb_trial_request {
    const struct pb_scenario *scenario; /* the original; borrowed, like all here */
    const struct pb_override *setting;  /* path -> value, origin tuner */
    size_t setting_count;
    int64_t seed;
    double load_factor; /* 1.2: 20 % more load */
    uint32_t workers_lost;
    const char *folder; /* where the run's folder goes ("results/x-tune-.../trials") */
    const char *place;  /* its name there ("007") */
    const _Atomic int *stop;
    void (*run_progress)(void *ctx, const void *run_progress); /* may be NULL */
    void *progress_ctx;
};

/* How one objective fared in a trial. */
struct pb_trial_objective {
    enum pb_answer answer;
    double measured, limit, limit_high;             /* in the objective's unit; NaN: none */
    double bad_ratio, bad_limit, bad_low, bad_high; /* NaN: not a ratio */
};

struct pb_trial_result {
    bool valid; /* false: the measurement cannot be trusted; repeat it, never use it */
    char invalid_why[320];
    bool crashed; /* the run could not be made, or not to its end, with this setting */
    char crashed_why[160];
    size_t objective_count; /* as in the scenario */
    struct pb_trial_objective objectives[PB_OBJECTIVES_MAX];
    int64_t p50_ns, p99_ns; /* of ok requests, recorded phases */
    double mean_workers, throughput_per_s, utilization_ratio;
    int64_t peak_rss_bytes;
    int64_t elapsed_ns;
    uint64_t requests;
};

struct pb_trial_driver {
    const char *name; /* "real", "twin", "system" */
    /* PB_OK with a result, also an invalid or crashed one.  PB_ECANCELED: stopped.  Other statuses
     * end the tuning. */
    enum pb_status (*run)(void *ctx, const struct pb_trial_request *request,
                          struct pb_trial_result *ret_result, struct pb_error *err);
    /* Expected time of one trial, ns. */
    int64_t (*estimate_ns)(void *ctx, const struct pb_scenario *scenario);
};

/* Real runs through harness/run.h. */
const struct pb_trial_driver *pb_trial_real(void);

#endif
