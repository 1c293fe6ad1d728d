/*
 * harness/calibrate.h - what the instrument itself adds, measured before a run: how to wait on this
 * machine, and the latency of the same pool when the work is nothing.
 */
#ifndef PB_HARNESS_CALIBRATE_H
#define PB_HARNESS_CALIBRATE_H

#include <stdatomic.h>

#include "poolbench/error.h"

#include "harness/pacing.h"
#include "harness/scenario.h"

struct pb_calibration {
    struct pb_pacing_choice pacing;
    struct pb_lateness null_floor; /* count 0: not measured */
    uint32_t generators;
};

/* CPUs that the scenario's work and arrivals are planned to use at the busiest phase. */
double pb_planned_cpus(const struct pb_scenario *scenario, double load_factor);
/* Generator threads: what the scenario says, else one for every 400 000 planned requests a second,
 * at most half the usable CPUs, at least one. */
uint32_t pb_choose_generators(const struct pb_scenario *scenario, double load_factor);

/* Probes pacing (50 ms) and drives the scenario's own pool with the null workload for 300 ms at up
 * to 1000/s.  With `quick` neither: sleep, one estimate of nothing.  `stop` ends it early. */
PB_MUST_USE enum pb_status pb_calibrate(const struct pb_scenario *scenario, double load_factor,
                                        bool quick, const _Atomic int *stop,
                                        struct pb_calibration *ret_calibration,
                                        struct pb_error *err);

#endif
