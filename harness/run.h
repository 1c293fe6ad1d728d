/*
 * harness/run.h - one execution of a scenario, from preparation to the stored folder; and run sets.
 */
#ifndef PB_HARNESS_RUN_H
#define PB_HARNESS_RUN_H

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/judge.h"
#include "harness/scenario.h"

/* What the live line shows; handed to `progress` about four times a second. */
struct pb_progress {
    uint32_t run, runs; /* 1-based */
    const char *stage;  /* "calibrating", "running", "draining", "writing" */
    const char *phase;  /* name; "" outside a phase */
    bool recorded;
    int64_t elapsed_ns, total_ns; /* of this run */
    uint64_t sent, ok, bad;       /* so far; bad: not ok and no client error */
    double rate_per_s;            /* sent in the last second */
    int64_t p99_ns;               /* of the last whole window; 0: none yet */
    uint64_t queued;
    uint32_t busy, alive;
};

struct pb_run_options {
    const char *results; /* folder of results; NULL: nothing is stored */
    /* Place the run here instead of results/<id> (trials, runs of a set): the folder's name in
     * `results`; NULL: a name of its own. */
    const char *place;
    int64_t seed;       /* -1: the scenario's */
    double load_factor; /* 0 or 1: as written */
    uint32_t lose_workers;
    const _Atomic int *stop; /* set to a signal's number to interrupt; may be NULL */
    void (*progress)(void *ctx,
                     const struct pb_progress *progress); /* may be NULL; collector's thread */
    void *progress_ctx;
    uint32_t run, runs;    /* for the progress only; 0: 1 of 1 */
    bool skip_calibration; /* pacing by sleep, no null pool: for tests and trials after the first */
};

struct pb_run_result {
    cJSON *json;  /* the document of run.json or set.json */
    char *folder; /* path; NULL: not stored */
    enum pb_verdict verdict;
    int signal; /* when interrupted */
};

/* Executes the scenario once.  PB_OK: there is a result, whatever its verdict.  PB_ESYS, PB_ENOMEM,
 * ...: it could not run or could not be stored; nothing is left behind. */
PB_MUST_USE enum pb_status pb_run(const struct pb_scenario *scenario,
                                  const struct pb_run_options *options,
                                  struct pb_run_result *ret_result, struct pb_error *err);
/* `runs` executions with seeds seed, seed + 1, ...: one folder holding run-01/ ... and set.json. */
PB_MUST_USE enum pb_status pb_run_set(const struct pb_scenario *scenario, uint32_t runs,
                                      const struct pb_run_options *options,
                                      struct pb_run_result *ret_result, struct pb_error *err);
void pb_run_result_done(struct pb_run_result *result);
/* How long a run takes, calibration and worst-case drain apart (ns). */
int64_t pb_run_estimate_ns(const struct pb_scenario *scenario);

#endif
