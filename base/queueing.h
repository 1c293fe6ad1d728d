/*
 * base/queueing.h - closed forms of queueing theory, for plans and for checking the machinery.
 *
 * a = offered load in erlangs (arrival rate x mean service), c = servers.  Pure functions.
 */
#ifndef PB_BASE_QUEUEING_H
#define PB_BASE_QUEUEING_H

#include <stddef.h>

/* P(blocked) in M/G/c/c (Erlang 1917), by the stable recursion B(k) = aB/(k + aB). */
double pb_erlang_b(size_t c, double a);
/* P(wait > 0) in M/M/c, a < c; 1 when a >= c. */
double pb_erlang_c(size_t c, double a);
/* M/M/c, service rate mu (1/s): P(wait > t), quantile of the wait, mean wait (s). */
double pb_mmc_wait_tail(size_t c, double lambda, double mu, double t_s);
double pb_mmc_wait_quantile_s(size_t c, double lambda, double mu, double q);
double pb_mmc_wait_mean_s(size_t c, double lambda, double mu);
/* M/M/c: P(response <= t) and quantile of the response time (wait + service). */
double pb_mmc_response_cdf(size_t c, double lambda, double mu, double t_s);
double pb_mmc_response_quantile_s(size_t c, double lambda, double mu, double q);
/* Allen and Cunneen's approximation of the mean wait in G/G/c (s): M/M/c x (ca2 + cs2) / 2. */
double pb_allen_cunneen_wait_s(size_t c, double lambda, double mean_service_s, double ca2,
                               double cs2);

#endif
