#include "base/portable_math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/*
 * Every function is a range reduction and a polynomial, evaluated in the order written: IEEE 754
 * rounds + - * / and sqrt correctly, so the result is one and the same double everywhere.  The
 * series are Taylor's, long enough for the reduced range; constants such as 1.0 / 6 are rounded
 * once by the compiler, correctly too.
 */

/* ln 2 in two parts: k x LN2_HIGH (33 bits) is exact for |k| < 2^20. */
#define LN2_HIGH 0x1.62e42fefp-1
#define LN2_LOW  0x1.473de6af278edp-34
#define SQRT2    0x1.6a09e667f3bcdp+0

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* 2^k for a normal result, -1022 <= k <= 1023. */
static double power_of_two(int k)
{
    return of_bits((uint64_t)(k + 1023) << 52);
}

/* y x 2^k for y in [0.5, 2], rounded once. */
static double scale(double y, int k)
{
    if (k > 1022) {
        return y * power_of_two(k - 2) * 4;
    }
    if (k < -1020) {
        return y * power_of_two(k + 200) * 0x1p-200;
    }
    return y * power_of_two(k);
}

/* c[0] + c[1] x + ... + c[count - 1] x^(count - 1). */
static double polynomial(const double *c, int count, double x)
{
    double sum = c[count - 1];

    for (int i = count - 2; i >= 0; i--) {
        sum = sum * x + c[i];
    }
    return sum;
}

double pb_exp(double x)
{
    /* exp(r) = 1 + r + r^2 (1/2! + r/3! + ...), |r| <= ln(2) / 2. */
    static const double c[] = {
        1.0 / 2,       1.0 / 6,         1.0 / 24,         1.0 / 120,
        1.0 / 720,     1.0 / 5040,      1.0 / 40320,      1.0 / 362880,
        1.0 / 3628800, 1.0 / 39916800., 1.0 / 479001600., 1.0 / 6227020800.
    };

    if (!(x < 710)) {
        return x > 0 ? HUGE_VAL : x; /* x for NaN */
    }
    if (x < -746) {
        return 0;
    }
    int k = (int)(x * 0x1.71547652b82fep+0 + (x < 0 ? -0.5 : 0.5));
    double high = x - k * LN2_HIGH;
    double low = k * LN2_LOW;
    double r = high - low;
    double rounded_off = (high - r) - low;

    return scale(1 + (r + (rounded_off + r * r * polynomial(c, 12, r))), k);
}

/* ln(2^k (1 + f) + 2^k correction), sqrt(1/2) <= 1 + f <= sqrt(2).  With s = f / (2 + f):
 * ln(1 + f) = 2 (s + s^3/3 + s^5/5 + ...) = f - (f^2/2 - s (f^2/2 + R)),
 * R = 2 (s^2/3 + s^4/5 + ...): f, which is exact, is added last. */
static double log_of_parts(int k, double f, double correction)
{
    static const double c[] = { 2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23, 2.0 / 25 };
    double s = f / (2 + f);
    double s2 = s * s;
    double half_square = 0.5 * f * f;
    double tail = s * (half_square + s2 * polynomial(c, 12, s2));

    return k * LN2_HIGH - ((half_square - (tail + (k * LN2_LOW + correction))) - f);
}

/* x = 2^k m with sqrt(1/2) < m <= sqrt(2), for finite x > 0. */
static double split(double x, int *ret_k)
{
    int k = 0;

    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits = bits_of(x);
    double m = of_bits((bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));

    k += (int)(bits >> 52) - 1023;
    if (m > SQRT2) {
        m *= 0.5;
        k++;
    }
    *ret_k = k;
    return m;
}

double pb_log(double x)
{
    int k;

    if (!(x > 0)) {
        return x == 0 ? -HUGE_VAL : (double)NAN;
    }
    if (x > 0x1.fffffffffffffp+1023) {
        return x;
    }
    double m = split(x, &k);

    return log_of_parts(k, m - 1, 0);
}

double pb_log1p(double x)
{
    int k;

    if (!(x > -1)) {
        return x == -1 ? -HUGE_VAL : (double)NAN;
    }
    if (x > -0x1p-30 && x < 0x1p-30) {
        return x - 0.5 * x * x;
    }
    if (x > -0.25 && x < 0.4) {
        return log_of_parts(0, x, 0);
    }
    if (x > 0x1p54) {
        return pb_log(x);
    }
    /* What rounding 1 + x lost comes back as its share of the sum. */
    double u = 1 + x;
    double lost = x >= 1 ? 1 - (u - x) : x - (u - 1);
    double m = split(u, &k);

    return log_of_parts(k, m - 1, lost / u);
}

/* sum + term, exactly, as high + low (Knuth's two-sum). */
static void add_exactly(double term, double *high, double *low)
{
    double sum = *high + term;
    double part = sum - *high;
    double lost = (*high - (sum - part)) + (term - part);

    *high = sum;
    *low += lost;
}

/* x = n pi/2 + *ret_r + *ret_low with |r| <= pi/4; returns n modulo 4.  pi/2 is in parts of 23
 * bits, so that n (30 bits) times each is exact: Cody and Waite 1980. */
static unsigned reduce(double x, double *ret_r, double *ret_low)
{
    static const double half_pi[] = { 0x1.921fb4p+0, 0x1.4442dp-24, 0x1.846988p-48, 0x1.8cc514p-72,
                                      0x1.80dc1cd129025p-95 };
    int64_t n = (int64_t)(x * 0x1.45f306dc9c883p-1 + (x < 0 ? -0.5 : 0.5));
    double high = x, low = 0;

    for (int i = 0; i < 5; i++) {
        add_exactly(-(double)n * half_pi[i], &high, &low);
    }
    *ret_r = high + low;
    *ret_low = (high - *ret_r) + low;
    return (unsigned)(n & 3);
}

/* sin(r + low), |r| <= pi/4: r - r^3/3! + ..., and low cos(r) for the rest. */
static double sin_reduced(double r, double low)
{
    static const double c[] = {
        -1.0 / 6,         1.0 / 120,         -1.0 / 5040,           1.0 / 362880,
        -1.0 / 39916800., 1.0 / 6227020800., -1.0 / 1307674368000., 1.0 / 355687428096000.
    };
    double r2 = r * r;

    return r + (r * r2 * polynomial(c, 8, r2) + low * (1 - 0.5 * r2));
}

/* cos(r + low): 1 - r^2/2 + (r^4/4! - ...); what rounding 1 - r^2/2 lost is added back. */
static double cos_reduced(double r, double low)
{
    static const double c[] = {
        1.0 / 24,         -1.0 / 720,          1.0 / 40320,           -1.0 / 3628800,
        1.0 / 479001600., -1.0 / 87178291200., 1.0 / 20922789888000., -1.0 / 6402373705728000.
    };
    double r2 = r * r;
    double half = 0.5 * r2;
    double w = 1 - half;

    return w + (((1 - w) - half) + (r2 * r2 * polynomial(c, 8, r2) - r * low));
}

/* sin(x + quarters pi/2). */
static double sin_shifted(double x, unsigned quarters)
{
    double r, low;

    if (!(x >= -1e9 && x <= 1e9)) {
        return (double)NAN;
    }
    unsigned quadrant = (reduce(x, &r, &low) + quarters) & 3;
    double value = (quadrant & 1) != 0 ? cos_reduced(r, low) : sin_reduced(r, low);

    return (quadrant & 2) != 0 ? -value : value;
}

double pb_sin(double x)
{
    return sin_shifted(x, 0);
}

double pb_cos(double x)
{
    return sin_shifted(x, 1);
}

/* Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics
 * 37 (1988), PPND16: a ratio of polynomials for each of three ranges, from the middle outwards. */
static const struct {
    double above[8];
    double below[8];
} normal_ratios[3] = {
    { { 3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
        3.3430575583588128105e+4, 2.5090809287301226727e+3 },
      { 1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
        2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
        5.2264952788528545610e+3 } },
    { { 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
        3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
        2.27238449892691845833e-2, 7.74545014278341407640e-4 },
      { 1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
        1.05075007164441684324e-9 } },
    { { 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7 },
      { 1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
        2.04426310338993978564e-15 } },
};

static double normal_ratio(int range, double r)
{
    return polynomial(normal_ratios[range].above, 8, r) /
           polynomial(normal_ratios[range].below, 8, r);
}

double pb_normal_quantile(double p)
{
    double q = p - 0.5;

    if (!(p > 0 && p < 1)) {
        return p == 0 ? -HUGE_VAL : p == 1 ? HUGE_VAL : (double)NAN;
    }
    if (q >= -0.425 && q <= 0.425) {
        return q * normal_ratio(0, 0.180625 - q * q);
    }
    double r = sqrt(-pb_log(q < 0 ? p : 1 - p));
    double x = r <= 5 ? normal_ratio(1, r - 1.6) : normal_ratio(2, r - 5);

    return q < 0 ? -x : x;
}
