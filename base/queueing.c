#include "base/queueing.h"

#include <math.h>

double pb_erlang_b(size_t c, double a)
{
    double blocked = 1;

    if (!(a > 0)) {
        return c == 0 ? 1 : 0;
    }
    for (size_t k = 1; k <= c; k++) {
        blocked = a * blocked / ((double)k + a * blocked);
    }
    return blocked;
}

/* C = B / (1 - rho (1 - B)). */
double pb_erlang_c(size_t c, double a)
{
    double servers = (double)c;

    if (a >= servers) {
        return 1;
    }
    double blocked = pb_erlang_b(c, a);

    return blocked / (1 - a / servers * (1 - blocked));
}

/* The rate at which the wait's tail falls (1/s); not positive: no steady state. */
static double spare_rate(size_t c, double lambda, double mu)
{
    return (double)c * mu - lambda;
}

double pb_mmc_wait_tail(size_t c, double lambda, double mu, double t_s)
{
    double spare = spare_rate(c, lambda, mu);

    if (t_s < 0 || !(spare > 0)) {
        return 1;
    }
    return pb_erlang_c(c, lambda / mu) * exp(-spare * t_s);
}

double pb_mmc_wait_quantile_s(size_t c, double lambda, double mu, double q)
{
    double spare = spare_rate(c, lambda, mu);

    if (!(spare > 0)) {
        return HUGE_VAL;
    }
    return fmax(0, log(pb_erlang_c(c, lambda / mu) / (1 - q)) / spare);
}

double pb_mmc_wait_mean_s(size_t c, double lambda, double mu)
{
    double spare = spare_rate(c, lambda, mu);

    return spare > 0 ? pb_erlang_c(c, lambda / mu) / spare : HUGE_VAL;
}

/* P(response > t) = exp(-mu t) + C mu (exp(-s t) - exp(-mu t)) / (mu - s), s = c mu - lambda; the
 * quotient is written so that it also holds where s meets mu. */
static double response_tail(double delayed, double spare, double mu, double t_s)
{
    double slower = fmin(mu, spare), apart = fabs(mu - spare);
    double quotient = apart * t_s > 1e-300 ? -expm1(-apart * t_s) / apart : t_s;

    return exp(-mu * t_s) + delayed * mu * exp(-slower * t_s) * quotient;
}

double pb_mmc_response_cdf(size_t c, double lambda, double mu, double t_s)
{
    double spare = spare_rate(c, lambda, mu);

    if (!(t_s > 0) || !(spare > 0)) {
        return 0;
    }
    return 1 - response_tail(pb_erlang_c(c, lambda / mu), spare, mu, t_s);
}

double pb_mmc_response_quantile_s(size_t c, double lambda, double mu, double q)
{
    double spare = spare_rate(c, lambda, mu);

    if (!(spare > 0)) {
        return HUGE_VAL;
    }
    double delayed = pb_erlang_c(c, lambda / mu);
    double low_s = 0, high_s = 1 / fmin(mu, spare);

    if (!(q > 0 && q < 1)) {
        return q == 0 ? 0 : q == 1 ? HUGE_VAL : (double)NAN;
    }
    while (response_tail(delayed, spare, mu, high_s) > 1 - q) {
        low_s = high_s;
        high_s *= 2;
    }
    for (;;) {
        double middle_s = 0.5 * (low_s + high_s);

        if (!(middle_s > low_s && middle_s < high_s)) {
            return high_s;
        }
        if (response_tail(delayed, spare, mu, middle_s) > 1 - q) {
            low_s = middle_s;
        } else {
            high_s = middle_s;
        }
    }
}

/* Allen, "Probability, statistics and queueing theory" (1990), 5.3. */
double pb_allen_cunneen_wait_s(size_t c, double lambda, double mean_service_s, double ca2,
                               double cs2)
{
    return pb_mmc_wait_mean_s(c, lambda, 1 / mean_service_s) * 0.5 * (ca2 + cs2);
}
