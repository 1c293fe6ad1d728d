/*
 * plots/limits.h - the objectives of a result as lines to draw.
 */
#ifndef PB_PLOTS_LIMITS_H
#define PB_PLOTS_LIMITS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define PB_LIMITS_MAX 64

/* An upper bound of a latency quantile, judged in one phase or in "all". */
struct pb_limit {
    double quantile; /* 0..1 */
    double ms;
    const char *phase;
    char text[64]; /* "p99 < 50 ms" */
};

/* The latency objectives among .objectives[], smallest quantile first; how many. */
size_t pb_limits_latency(const cJSON *result, struct pb_limit *ret_limits);
/* The first band or bound of utilisation: false when there is none; a missing end is NAN. */
bool pb_limits_busy(const cJSON *result, double *ret_low, double *ret_high);

#endif
