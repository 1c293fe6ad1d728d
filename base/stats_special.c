/* The special functions behind base/stats.h. */
#include <math.h>

#include "base/portable_math.h"
#include "base/stats.h"

#define HALF_LOG_2PI   0.91893853320467274178
#define FRACTION_TERMS 1000000 /* it takes about sqrt(a + b): the bound is for NaN alone */
#define INVERSE_STEPS  400

/* ln z! - Stirling's approximation of it: 1/(12 z) - 1/(360 z^3) + ... */
static double stirling_error(double z)
{
    if (z < 16) {
        int sign; /* plain lgamma would write a global */

        return lgamma_r(z + 1, &sign) - (z + 0.5) * log(z) + z - HALF_LOG_2PI;
    }
    double s = 1 / (z * z);

    return (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) / z;
}

/* k ln(k / m) + m - k without cancellation when k is near m. */
static double deviance(double k, double m)
{
    double v = (k - m) / (k + m);

    if (fabs(v) >= 0.1) {
        return k * log(k / m) + m - k;
    }
    double sum = (k - m) * v, term = 2 * k * v;

    for (int j = 3; j < 60; j += 2) {
        double before = sum;

        term *= v * v;
        sum += term / j;
        if (sum == before) {
            break;
        }
    }
    return sum;
}

/* x^a (1 - x)^b / B(a, b), accurate also for a + b in the millions, where differences of lgamma
 * lose half of the digits: Loader, "Fast and accurate computation of binomial probabilities"
 * (2000). */
static double beta_power(double a, double b, double x)
{
    double n = a + b;
    double exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) -
                      deviance(a, n * x) - deviance(b, n * (1 - x));

    return sqrt(a / n * b / (2 * M_PI)) * exp(exponent);
}

/* Keeps Lentz's method away from division by zero. */
static double not_zero(double x)
{
    return fabs(x) < 1e-300 ? 1e-300 : x;
}

/* DLMF 8.17.22, evaluated by the method of Lentz as modified by Thompson and Barnett 1986. */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), value = d;

    for (int m = 1; m < FRACTION_TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

        d = 1 / not_zero(1 + even * d);
        c = not_zero(1 + even / c);
        value *= c * d;
        d = 1 / not_zero(1 + odd * d);
        c = not_zero(1 + odd / c);
        value *= c * d;
        if (!(fabs(c * d - 1) > 4e-16)) {
            break;
        }
    }
    return value;
}

double pb_beta_inc(double a, double b, double x)
{
    if (isnan(x) || !(a > 0) || !(b > 0)) {
        return (double)NAN;
    }
    if (x <= 0) {
        return 0;
    }
    if (x >= 1) {
        return 1;
    }
    double power = beta_power(a, b, x);

    /* The fraction converges fast on its own side of the mean. */
    if (x < (a + 1) / (a + b + 2)) {
        return power / a * beta_fraction(a, b, x);
    }
    return 1 - power / b * beta_fraction(b, a, 1 - x);
}

/* Between the bounds: geometric, because solutions may be tiny. */
static double between(double low, double high)
{
    return low > 0 ? sqrt(low) * sqrt(high) : high * 0x1p-10;
}

/* Newton's method within a bracket that only shrinks. */
double pb_beta_inc_inv(double a, double b, double p)
{
    double low = 0, high = 1, x = a / (a + b);

    if (!(p > 0 && p < 1)) {
        return p == 0 || p == 1 ? p : (double)NAN;
    }
    for (int step = 0; step < INVERSE_STEPS; step++) {
        double miss = pb_beta_inc(a, b, x) - p;

        if (miss > 0) {
            high = x;
        } else {
            low = x;
        }
        double next = x - miss * x * (1 - x) / beta_power(a, b, x);

        if (!(next > low && next < high)) {
            next = miss == 0 ? x : between(low, high);
        }
        if (fabs(next - x) <= 0x1p-52 * x) {
            return next;
        }
        x = next;
    }
    return x;
}

double pb_normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

/* df / (df + t^2) has a beta distribution (df/2, 1/2).  Near the middle the complement, which is
 * small there, is solved for. */
double pb_student_t_quantile(double p, double df)
{
    double outside = 2 * fmin(p, 1 - p), t;

    if (!(p > 0 && p < 1) || !(df > 0)) {
        return (double)NAN;
    }
    if (isinf(df)) {
        return pb_normal_quantile(p);
    }
    if (outside > 0.5) {
        double x = pb_beta_inc_inv(0.5, 0.5 * df, 2 * fabs(p - 0.5));

        t = sqrt(df * x / (1 - x));
    } else {
        double x = pb_beta_inc_inv(0.5 * df, 0.5, outside);

        t = sqrt(df * (1 - x) / x);
    }
    return p < 0.5 ? -t : t;
}
