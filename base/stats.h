/*
 * base/stats.h - the statistics that verdicts and the tuner need, each with its source.
 *
 * Quantile definition everywhere: the q-quantile of n values is x_(ceil(n q)), 1-based (Hyndman and
 * Fan type 1, as HdrHistogram).  Inputs are borrowed; functions that need sorted data say so.
 * Pure functions: thread-safe.  docs/statistics.md has the formulas and the reference vectors.
 */
#ifndef PB_BASE_STATS_H
#define PB_BASE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

struct pb_interval {
    double low;
    double high;
    double confidence; /* the real one, at least what was asked; 0: no interval can be given */
};

double pb_mean(const double *x, size_t n);   /* NaN for n of 0, as with the quantiles */
double pb_stddev(const double *x, size_t n); /* Welford 1962; n - 1; 0 for n < 2 */
void pb_sort(double *x, size_t n);
double pb_quantile_sorted(const double *sorted, size_t n, double q);
double pb_median_sorted(const double *sorted, size_t n); /* mean of the middle two when even */

/* 1-based orders of the distribution-free interval of the q-quantile of n i.i.d. values
 * (David and Nagaraja 2003, 7.1); exact for any n.  Order 0 or n + 1: unbounded. */
void pb_order_interval(size_t n, double q, double confidence, size_t *ret_low, size_t *ret_high,
                       double *ret_confidence);
/* The same applied to the median of run-level values (need not be sorted).  n < 6, or too few for
 * this confidence: confidence 0, ends NaN.  PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_median_interval(const double *x, size_t n, double confidence,
                                              struct pb_interval *ret_interval);

/* Clopper and Pearson 1934, two-sided, for k of n; k and n may be fractional (effective sizes).
 * n of 0: [0, 1] with confidence 0. */
struct pb_interval pb_clopper_pearson(double k, double n, double confidence);
/* Design effect of a ratio estimated from clusters (windows): variance of the ratio estimator over
 * the clusters divided by the binomial variance (Kish 1965); at least 1; 1 where it is undefined.
 * bad[i] of total[i] in cluster i. */
double pb_design_effect(const double *bad, const double *total, size_t clusters);

/* Exact two-sided signed-rank test of Wilcoxon 1945 with ties (doubled ranks, dynamic programming);
 * zeros are dropped and counted.  Above 50 values the normal approximation with corrections for
 * ties and continuity.  p is 1 when nothing is left.  PB_EINVAL: a value is not finite; PB_ENOMEM.
 */
struct pb_signed_rank {
    double v; /* sum of positive ranks */
    double p_two_sided;
    double p_greater; /* one-sided: the median difference is > 0 */
    size_t zeros;
};
PB_MUST_USE enum pb_status pb_signed_rank_test(const double *d, size_t n,
                                               struct pb_signed_rank *ret_test);
/* Hodges and Lehmann 1963 estimate (median of the Walsh averages) with its exact interval, above 50
 * values by normal approximation.  No such interval (n < 6 at 95 %): confidence 0, ends NaN.
 * PB_EINVAL: n is 0 or a value is not finite; PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_hodges_lehmann(const double *d, size_t n, double confidence,
                                             double *ret_estimate,
                                             struct pb_interval *ret_interval);

/* Regularised incomplete beta I_x(a, b), a and b > 0: Lentz's continued fraction. */
double pb_beta_inc(double a, double b, double x);
double pb_beta_inc_inv(double a, double b, double p); /* the x with I_x(a, b) = p; relative 1e-12 */
double pb_normal_cdf(double x);
double pb_student_t_quantile(double p, double df);
/* One-sample Kolmogorov-Smirnov distance of sorted u against uniform(0, 1). */
double pb_ks_uniform(const double *sorted_u, size_t n);
/* Its asymptotic p-value with Stephens' small-sample correction. */
double pb_ks_pvalue(double d, size_t n);

#endif
