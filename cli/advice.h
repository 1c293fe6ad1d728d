/*
 * cli/advice.h - the arithmetic that can be done before any load: lines of advice about a scenario.
 */
#ifndef PB_CLI_ADVICE_H
#define PB_CLI_ADVICE_H

#include <stdio.h>

#include "harness/scenario.h"

/* Offered work of a phase in erlangs at its mean and its highest rate (closed: users / cycle). */
struct pb_phase_load {
    double mean_rate_per_s, peak_rate_per_s;
    double mean_erlangs, peak_erlangs;
    double mean_cpus;
};
void pb_phase_load(const struct pb_scenario *scenario, size_t phase,
                   struct pb_phase_load *ret_load);

/* Prints which pool it is about: "sizes poolbench's own thread pool", "sizes the pool of driver
 * glib (...)". */
void pb_print_pool(FILE *out, const struct pb_scenario *scenario);
/* The part of pb_advise that is about the pool's own settings. */
void pb_advise_pool(FILE *out, const struct pb_scenario *scenario);
/* Prints a line for everything worth knowing before the load starts; nothing when all is well. */
void pb_advise(FILE *out, const struct pb_scenario *scenario);

#endif
