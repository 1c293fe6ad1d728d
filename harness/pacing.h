/*
 * harness/pacing.h - how to wait for an instant on this machine, chosen by measurement.
 *
 * Sleeping with a timer slack of 1 ns is a few us late and cheap; sleeping until shortly before and
 * then spinning is 0.1 us late where a core is free, and milliseconds late where none is.
 */
#ifndef PB_HARNESS_PACING_H
#define PB_HARNESS_PACING_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/scenario.h"

struct pb_lateness {
    int64_t p50_ns, p99_ns, max_ns;
    uint64_t count;
};

struct pb_pacing_choice {
    bool spin;
    char why[120];               /* "sleep: 2 CPUs, spinning needs 4", for the result */
    struct pb_lateness sleep;    /* probed at start, 50 ms */
    struct pb_lateness spinning; /* count 0: not probed */
};

/* Sets the calling thread's timer slack to 1 ns; every waiting thread of the harness calls it. */
void pb_pacing_prepare_thread(void);
/* Returns at or after `instant_ns`, with the clock read that ended the wait. hot */
int64_t pb_pacing_wait(int64_t instant_ns, bool spin);
/* Measures bare waits: `count` of them, `interval_ns` apart. */
void pb_pacing_probe(bool spin, uint32_t count, int64_t interval_ns, struct pb_lateness *ret);
/* Decides by DESIGN.md: spin only with >= 4 CPUs and a planned CPU demand (in CPUs) of at most
 * CPUs - 2, or when the scenario says "pacing": "spin".  Probes for 50 ms. */
void pb_pacing_choose(const struct pb_scenario *scenario, double planned_cpus,
                      struct pb_pacing_choice *ret_choice);

#endif
