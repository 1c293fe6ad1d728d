#include "base/dist.h"

#include <math.h>

#include "poolbench/macros.h"

#include "base/portable_math.h"

#define LIMIT_NS  3.6e12               /* 1 h, the longest duration */
#define Z99       0x1.29c5c4630ff0fp+1 /* 0.99 quantile of the standard normal distribution */
#define MAX_SIGMA 10.0

static double constant_quantile(const double *p, double q)
{
    (void)q;
    return p[0];
}

static double constant_mean(const double *p)
{
    return p[0];
}

static double constant_variance(const double *p)
{
    (void)p;
    return 0;
}

static double constant_cdf(const double *p, double x)
{
    return x >= p[0] ? 1 : 0;
}

static double uniform_quantile(const double *p, double q)
{
    return p[0] + q * (p[1] - p[0]);
}

static double uniform_mean(const double *p)
{
    return p[0] + 0.5 * (p[1] - p[0]);
}

static double uniform_variance(const double *p)
{
    return (p[1] - p[0]) * (p[1] - p[0]) / 12;
}

static double uniform_cdf(const double *p, double x)
{
    if (x >= p[1]) {
        return 1;
    }
    return x <= p[0] ? 0 : (x - p[0]) / (p[1] - p[0]);
}

static double exponential_quantile(const double *p, double q)
{
    return -p[0] * pb_log1p(-q);
}

static double exponential_mean(const double *p)
{
    return p[0];
}

static double exponential_variance(const double *p)
{
    return p[0] * p[0];
}

static double exponential_cdf(const double *p, double x)
{
    return x > 0 ? -expm1(-x / p[0]) : 0;
}

static double lognormal_quantile(const double *p, double q)
{
    return pb_exp(p[0] + p[1] * pb_normal_quantile(q));
}

static double lognormal_mean(const double *p)
{
    return pb_exp(p[0] + 0.5 * p[1] * p[1]);
}

static double lognormal_variance(const double *p)
{
    double mean = lognormal_mean(p);

    return expm1(p[1] * p[1]) * mean * mean;
}

static double lognormal_cdf(const double *p, double x)
{
    return x > 0 ? 0.5 * erfc((p[0] - log(x)) / (p[1] * sqrt(2))) : 0;
}

/* Adding one: a constant in enum pb_dist_kind, a row here, a function that makes and checks it. */
static const struct dist_kind {
    const char *name;
    double (*quantile)(const double *p, double q);
    double (*mean)(const double *p);
    double (*variance)(const double *p);
    double (*cdf)(const double *p, double x);
} kinds[] = {
    [PB_DIST_CONSTANT] = { "constant", constant_quantile, constant_mean, constant_variance,
                           constant_cdf },
    [PB_DIST_UNIFORM] = { "uniform", uniform_quantile, uniform_mean, uniform_variance,
                          uniform_cdf },
    [PB_DIST_EXPONENTIAL] = { "exponential", exponential_quantile, exponential_mean,
                              exponential_variance, exponential_cdf },
    [PB_DIST_LOGNORMAL] = { "lognormal", lognormal_quantile, lognormal_mean, lognormal_variance,
                            lognormal_cdf },
};
_Static_assert(PB_ARRAY_LEN(kinds) == PB_DIST_COUNT, "a row for every kind");

const char *pb_dist_name(enum pb_dist_kind kind)
{
    return (unsigned)kind < PB_DIST_COUNT ? kinds[kind].name : "unknown";
}

/* Durations: over 0, or from 0, up to 1 h; NaN is refused too. */
static enum pb_status check_positive(const char *what, double ns, struct pb_error *err)
{
    if (ns > 0 && ns <= LIMIT_NS) {
        return PB_OK;
    }
    return pb_fail(err, PB_EINVAL, "%s is %.9g ns: it must be over 0 and at most 1h", what, ns);
}

static enum pb_status check_not_negative(const char *what, double ns, struct pb_error *err)
{
    if (ns >= 0 && ns <= LIMIT_NS) {
        return PB_OK;
    }
    return pb_fail(err, PB_EINVAL, "%s is %.9g ns: it must be 0 to 1h", what, ns);
}

enum pb_status pb_dist_constant(double value_ns, struct pb_dist *ret_dist, struct pb_error *err)
{
    PB_TRY(check_not_negative("the constant value", value_ns, err));
    *ret_dist = (struct pb_dist){ PB_DIST_CONSTANT, { value_ns } };
    return PB_OK;
}

enum pb_status pb_dist_uniform(double min_ns, double max_ns, struct pb_dist *ret_dist,
                               struct pb_error *err)
{
    PB_TRY(check_not_negative("the uniform min", min_ns, err));
    PB_TRY(check_not_negative("the uniform max", max_ns, err));
    if (min_ns > max_ns) {
        return pb_fail(err, PB_EINVAL,
                       "the uniform min (%.9g ns) is over the max (%.9g ns): it must not be",
                       min_ns, max_ns);
    }
    *ret_dist = (struct pb_dist){ PB_DIST_UNIFORM, { min_ns, max_ns } };
    return PB_OK;
}

enum pb_status pb_dist_exponential(double mean_ns, struct pb_dist *ret_dist, struct pb_error *err)
{
    PB_TRY(check_positive("the exponential mean", mean_ns, err));
    *ret_dist = (struct pb_dist){ PB_DIST_EXPONENTIAL, { mean_ns } };
    return PB_OK;
}

/* Samples are cut at 1 h: a mean beyond it would be a promise that they cannot keep. */
static enum pb_status make_lognormal(double mu, double sigma, struct pb_dist *ret_dist,
                                     struct pb_error *err)
{
    struct pb_dist dist = { PB_DIST_LOGNORMAL, { mu, sigma } };
    double mean_ns = lognormal_mean(dist.p);

    if (!(sigma > 0 && sigma <= MAX_SIGMA)) {
        return pb_fail(err, PB_EINVAL, "the lognormal sigma is %.6g: it must be over 0, at most %g",
                       sigma, MAX_SIGMA);
    }
    if (!(mean_ns <= LIMIT_NS)) {
        return pb_fail(err, PB_EINVAL,
                       "this lognormal has a mean of %.3g s: it must be at most 1h; lower sigma or "
                       "p99",
                       mean_ns * 1e-9);
    }
    *ret_dist = dist;
    return PB_OK;
}

/* p99/mean = exp(z s - s^2/2), a quadratic in s; its smaller root, written without cancellation. */
enum pb_status pb_dist_lognormal_mean_p99(double mean_ns, double p99_ns, struct pb_dist *ret_dist,
                                          struct pb_error *err)
{
    PB_TRY(check_positive("the lognormal mean", mean_ns, err));
    PB_TRY(check_positive("the lognormal p99", p99_ns, err));
    double log_ratio = pb_log(p99_ns / mean_ns);
    double discriminant = Z99 * Z99 - 2 * log_ratio;

    if (!(log_ratio > 0 && discriminant > 0)) {
        return pb_fail(err, PB_EINVAL,
                       "p99/mean is %.4g: for a lognormal it must be over 1 and under 14.97; "
                       "or give p50 and p99",
                       p99_ns / mean_ns);
    }
    double sigma = 2 * log_ratio / (Z99 + sqrt(discriminant));

    return make_lognormal(pb_log(mean_ns) - 0.5 * sigma * sigma, sigma, ret_dist, err);
}

enum pb_status pb_dist_lognormal_p50_p99(double p50_ns, double p99_ns, struct pb_dist *ret_dist,
                                         struct pb_error *err)
{
    PB_TRY(check_positive("the lognormal p50", p50_ns, err));
    PB_TRY(check_positive("the lognormal p99", p99_ns, err));
    if (!(p99_ns > p50_ns)) {
        return pb_fail(err, PB_EINVAL,
                       "the p99 (%.9g ns) is not over the p50 (%.9g ns): for equal ones use "
                       "constant",
                       p99_ns, p50_ns);
    }
    return make_lognormal(pb_log(p50_ns), pb_log(p99_ns / p50_ns) / Z99, ret_dist, err);
}

enum pb_status pb_dist_lognormal_median_sigma(double median_ns, double sigma,
                                              struct pb_dist *ret_dist, struct pb_error *err)
{
    PB_TRY(check_positive("the lognormal median", median_ns, err));
    return make_lognormal(pb_log(median_ns), sigma, ret_dist, err);
}

int64_t pb_dist_sample_ns(const struct pb_dist *dist, double u)
{
    double x = kinds[dist->kind].quantile(dist->p, u);

    if (x >= LIMIT_NS) {
        return (int64_t)LIMIT_NS;
    }
    return x > 0 ? (int64_t)(x + 0.5) : 0;
}

double pb_dist_mean_ns(const struct pb_dist *dist)
{
    return kinds[dist->kind].mean(dist->p);
}

double pb_dist_variance_ns2(const struct pb_dist *dist)
{
    return kinds[dist->kind].variance(dist->p);
}

double pb_dist_cdf(const struct pb_dist *dist, double x_ns)
{
    return kinds[dist->kind].cdf(dist->p, x_ns);
}

double pb_dist_quantile_ns(const struct pb_dist *dist, double q)
{
    return kinds[dist->kind].quantile(dist->p, q);
}
