/*
 * base/dist.h - distributions of durations, as a table of kinds.
 *
 * A distribution is plain data; sampling is by inversion from uniforms that the caller draws, with
 * base/portable_math.h, and is rounded once to whole nanoseconds: bit-identical everywhere.
 * Parameters are nanoseconds unless said otherwise.  Pure functions: thread-safe.
 */
#ifndef PB_BASE_DIST_H
#define PB_BASE_DIST_H

#include <stdint.h>

#include "poolbench/error.h"

enum pb_dist_kind {
    PB_DIST_CONSTANT,
    PB_DIST_UNIFORM,
    PB_DIST_EXPONENTIAL,
    PB_DIST_LOGNORMAL,
    PB_DIST_COUNT
};

#define PB_DIST_PARAMS 3

/* Made by the pb_dist_... functions below only. */
struct pb_dist {
    enum pb_dist_kind kind;
    double p[PB_DIST_PARAMS]; /* constant: value; uniform: min, max; exponential: mean;
                                 lognormal: mu, sigma of ln(ns) */
};

/* "constant", "uniform", ... ; static storage. */
const char *pb_dist_name(enum pb_dist_kind kind);

/* All fail with PB_EINVAL and a message that says what would be valid.  Values up to 1 h. */
PB_MUST_USE enum pb_status pb_dist_constant(double value_ns, struct pb_dist *ret_dist,
                                            struct pb_error *err);
PB_MUST_USE enum pb_status pb_dist_uniform(double min_ns, double max_ns, struct pb_dist *ret_dist,
                                           struct pb_error *err);
PB_MUST_USE enum pb_status pb_dist_exponential(double mean_ns, struct pb_dist *ret_dist,
                                               struct pb_error *err);
/* By mean and p99: needs 1 < p99/mean < 14.97 (exp(z^2/2), z = 2.3263) and takes the smaller root.
 */
PB_MUST_USE enum pb_status pb_dist_lognormal_mean_p99(double mean_ns, double p99_ns,
                                                      struct pb_dist *ret_dist,
                                                      struct pb_error *err);
PB_MUST_USE enum pb_status pb_dist_lognormal_p50_p99(double p50_ns, double p99_ns,
                                                     struct pb_dist *ret_dist,
                                                     struct pb_error *err);
PB_MUST_USE enum pb_status pb_dist_lognormal_median_sigma(double median_ns, double sigma,
                                                          struct pb_dist *ret_dist,
                                                          struct pb_error *err);

/* One value from one uniform in (0, 1): the quantile function, 0 .. 1 h in ns (clamped). */
int64_t pb_dist_sample_ns(const struct pb_dist *dist, double u);
double pb_dist_mean_ns(const struct pb_dist *dist);
double pb_dist_variance_ns2(const struct pb_dist *dist);
/* P(X <= x). */
double pb_dist_cdf(const struct pb_dist *dist, double x_ns);
double pb_dist_quantile_ns(const struct pb_dist *dist, double q); /* 0 < q < 1 */

#endif
