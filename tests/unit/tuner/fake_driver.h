/*
 * tests/unit/tuner/fake_driver.h - a trial driver whose truth is known: M/M/c in closed form, with
 * noise that is a pure function of seed and setting, and faults on request.
 */
#ifndef PB_TESTS_FAKE_DRIVER_H
#define PB_TESTS_FAKE_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/scenario.h"
#include "tuner/trial.h"
#include "tuner/tune.h"

enum fake_fault {
    FAKE_FINE,
    FAKE_CRASHES,  /* the run cannot be made */
    FAKE_SLOW,     /* every request is late */
    FAKE_INVALID,  /* the measurement is never to be trusted */
    FAKE_FRESH_BAD /* late, but only on the seeds of the confirmation */
};

struct fake {
    double rate_per_s, service_s;
    double noise;       /* standard deviation of ln(latency) between runs */
    double requests;    /* behind each interval */
    int64_t fault_size; /* of the pool that has the fault; 0: none */
    enum fake_fault fault;
    uint32_t invalid_every; /* every so many-th run is invalid; 0: none */
    double fixed_bad[65];   /* by pool size, when `table`: the truth by decree */
    bool table;
    bool scramble;     /* an arbitrary truth: a hash of the whole setting */
    _Atomic int *stop; /* set to SIGINT after `stop_after` runs */
    uint32_t stop_after;
    enum pb_status end; /* returned by every run after `end_after`, PB_OK: never */
    uint32_t end_after;
    uint32_t runs; /* made so far */
    int64_t last_size;
    bool outside; /* a setting left the declared range */
};

extern const struct pb_trial_driver fake_driver;

/* A scenario of this text in `folder`, loaded; fails the test when it is not valid. */
struct pb_scenario *fake_scenario(const char *folder, const char *text);
/* Tunes with the fake; fails the test unless `status` is returned.  The caller frees `ret_folder`
 * (may be NULL). */
cJSON *fake_tune(const struct pb_scenario *scenario, struct fake *fake,
                 struct pb_tune_options *options, enum pb_status status, char **ret_folder);
/* The limit (ns) between what `size` and `size` - 1 workers give: the geometric mean of the p99. */
double fake_limit_ns(const struct fake *fake, size_t size);
/* { "rate": ..., "pool": { "size": SIZE }, "slo": [ "latency.p99 < LIMIT" ], "tune": TUNE } */
void fake_text(char *text, size_t bytes, int size, double limit_ns, const char *tune);
/* Recommended value of pool.size, -1: none. */
int64_t fake_size(const cJSON *json);

#endif
