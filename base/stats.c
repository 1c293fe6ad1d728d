#include "base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "poolbench/macros.h"

/* Below six values no pair of order statistics holds the median with 95 %: 1 - 2/2^5 is 94 %. */
#define MEDIAN_MIN_VALUES 6

static void free_doubles(double **x)
{
    free(*x);
}

struct running {
    double mean;
    double squares; /* sum of squared differences from the mean */
};

/* Welford, "Note on a method for calculating corrected sums of squares and products",
 * Technometrics 4 (1962): no cancellation, whatever the mean. */
static struct running welford(const double *x, size_t n)
{
    struct running sums = { 0, 0 };

    for (size_t i = 0; i < n; i++) {
        double off = x[i] - sums.mean;

        sums.mean += off / (double)(i + 1);
        sums.squares += off * (x[i] - sums.mean);
    }
    return sums;
}

double pb_mean(const double *x, size_t n)
{
    return n > 0 ? welford(x, n).mean : (double)NAN;
}

double pb_stddev(const double *x, size_t n)
{
    return n > 1 ? sqrt(welford(x, n).squares / (double)(n - 1)) : 0;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

void pb_sort(double *x, size_t n)
{
    if (n > 1) {
        qsort(x, n, sizeof(*x), compare_doubles);
    }
}

/* n q is a hair over a whole number for many decimal q (100 x 0.07): that hair is not a rank. */
double pb_quantile_sorted(const double *sorted, size_t n, double q)
{
    double position = (double)n * q;
    double rank = ceil(position - position * 1e-12);

    if (n == 0) {
        return (double)NAN;
    }
    if (!(rank > 1)) {
        return sorted[0];
    }
    return rank >= (double)n ? sorted[n - 1] : sorted[(size_t)rank - 1];
}

double pb_median_sorted(const double *sorted, size_t n)
{
    if (n == 0) {
        return (double)NAN;
    }
    return n % 2 == 1 ? sorted[n / 2] : 0.5 * sorted[n / 2 - 1] + 0.5 * sorted[n / 2];
}

/* P(B <= k), B binomial (n, q), by the incomplete beta function: exact for any n. */
static double binomial_cdf(double k, double n, double q)
{
    if (k < 0) {
        return 0;
    }
    return k >= n ? 1 : pb_beta_inc(n - k, k + 1, 1 - q);
}

/* The smallest k with P(B <= k) >= p.  A p that is met exactly but for rounding is met. */
static double binomial_quantile(double p, double n, double q)
{
    double low = -1, high = n; /* P(B <= low) < p <= P(B <= high) */

    while (high - low > 1) {
        double middle = floor(0.5 * (low + high));

        if (binomial_cdf(middle, n, q) >= p * (1 - 1e-12)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

void pb_order_interval(size_t n, double q, double confidence, size_t *ret_low, size_t *ret_high,
                       double *ret_confidence)
{
    double tail = 0.5 * (1 - confidence), count = (double)n;
    double low = binomial_quantile(tail, count, q);
    double high = binomial_quantile(1 - tail, count, q) + 1;

    *ret_low = (size_t)low;
    *ret_high = (size_t)high;
    *ret_confidence = binomial_cdf(high - 1, count, q) - binomial_cdf(low - 1, count, q);
}

enum pb_status pb_median_interval(const double *x, size_t n, double confidence,
                                  struct pb_interval *ret_interval)
{
    size_t low, high;
    double real_confidence;

    pb_order_interval(n, 0.5, confidence, &low, &high, &real_confidence);
    if (n < MEDIAN_MIN_VALUES || low == 0 || high > n) {
        *ret_interval = (struct pb_interval){ (double)NAN, (double)NAN, 0 };
        return PB_OK;
    }
    PB_CLEANUP(free_doubles) double *sorted = malloc(n * sizeof(*sorted));

    if (!sorted) {
        return PB_ENOMEM;
    }
    memcpy(sorted, x, n * sizeof(*sorted));
    pb_sort(sorted, n);
    *ret_interval = (struct pb_interval){ sorted[low - 1], sorted[high - 1], real_confidence };
    return PB_OK;
}

/* Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
 * binomial", Biometrika 26 (1934). */
struct pb_interval pb_clopper_pearson(double k, double n, double confidence)
{
    struct pb_interval interval = { 0, 1, 0 };
    double tail = 0.5 * (1 - confidence);

    if (!(n > 0)) {
        return interval;
    }
    if (k > 0) {
        interval.low = pb_beta_inc_inv(fmin(k, n), fmax(n - k, 0) + 1, tail);
    }
    if (k < n) {
        interval.high = pb_beta_inc_inv(fmax(k, 0) + 1, fmin(n - k, n), 1 - tail);
    }
    interval.confidence = confidence;
    return interval;
}

/* Kish, "Survey sampling" (1965), ratio of cluster totals r = sum b / sum t:
 * var(r) = m / (m - 1) x sum (b - r t)^2 / (sum t)^2, against r (1 - r) / sum t. */
double pb_design_effect(const double *bad, const double *total, size_t clusters)
{
    double bad_sum = 0, total_sum = 0, squares = 0;

    for (size_t i = 0; i < clusters; i++) {
        bad_sum += bad[i];
        total_sum += total[i];
    }
    double ratio = bad_sum / total_sum;

    if (clusters < 2 || !(total_sum > 0) || !(ratio > 0 && ratio < 1)) {
        return 1;
    }
    for (size_t i = 0; i < clusters; i++) {
        double off = bad[i] - ratio * total[i];

        squares += off * off;
    }
    double m = (double)clusters;
    double variance = m / (m - 1) * squares / (total_sum * total_sum);

    return fmax(1, variance / (ratio * (1 - ratio) / total_sum));
}

double pb_ks_uniform(const double *sorted_u, size_t n)
{
    double distance = 0, count = (double)n;

    for (size_t i = 0; i < n; i++) {
        double above = (double)(i + 1) / count - sorted_u[i];
        double below = sorted_u[i] - (double)i / count;

        distance = fmax(distance, fmax(above, below));
    }
    return distance;
}

/* Kolmogorov's limit 2 sum (-1)^(j-1) exp(-2 j^2 t^2); for small t its theta transform, which
 * converges there: 1 - sqrt(2 pi) / t sum exp(-(2 j - 1)^2 pi^2 / (8 t^2)). */
static double kolmogorov_tail(double t)
{
    double sum = 0;

    if (t < 0.04) {
        return 1;
    }
    if (t < 1.18) {
        for (int j = 1; j <= 19; j += 2) {
            sum += exp(-j * j * M_PI * M_PI / (8 * t * t));
        }
        return 1 - sqrt(2 * M_PI) / t * sum;
    }
    for (int j = 1, sign = 1; j <= 10; j++, sign = -sign) {
        sum += sign * exp(-2 * j * j * t * t);
    }
    return 2 * sum;
}

/* Stephens, "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without
 * extensive tables", JRSS B 32 (1970). */
double pb_ks_pvalue(double d, size_t n)
{
    double root = sqrt((double)n);

    return n > 0 ? kolmogorov_tail((root + 0.12 + 0.11 / root) * d) : 1;
}
