#include <math.h>

#include "base/queueing.h"
#include "support/test.h"

PB_TEST(erlang_b_and_c_meet_the_table)
{
    static const struct {
        size_t c;
        double a, b_want, c_want;
    } want[] = {
        { 1, .5, .3333333333, .5 },           { 2, 1.5, .3103448276, .6428571429 },
        { 3, 2, .2105263158, .4444444444 },   { 5, 4, .1990668740, .5541125541 },
        { 10, 8, .1216610643, .4091801508 },  { 20, 18, .1092128459, .5507690048 },
        { 50, 45, .0541044722, .3638644672 }, { 100, 90, .0269573805, .2169404809 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        PB_ASSERT_NEAR(want[i].b_want, pb_erlang_b(want[i].c, want[i].a), 1e-10);
        PB_ASSERT_NEAR(want[i].c_want, pb_erlang_c(want[i].c, want[i].a), 1e-10);
    }
}

PB_TEST(erlang_formulas_hold_at_the_edges)
{
    ck_assert(pb_erlang_b(0, 3) == 1 && pb_erlang_b(4, 0) == 0 && pb_erlang_b(0, 0) == 1);
    ck_assert(pb_erlang_c(4, 0) == 0 && pb_erlang_c(4, 4) == 1 && pb_erlang_c(4, 9) == 1);
    ck_assert(pb_erlang_c(0, 0) == 1);
    double b = pb_erlang_b(65536, 65000);

    ck_assert(b > 0 && b < 0.01); /* no overflow in sight */
}

/* Closed forms with 30 digits: 4 servers, mu 1, load 0.75 is where the two rates of the response
 * meet and the textbook formula divides by zero. */
PB_TEST(mmc_quantiles_and_means_meet_their_references)
{
    static const struct {
        double rho, response_p99, wait_mean, wait_p99;
    } want[] = {
        { .5, 4.76424843762136, 0.0869565217391304, 1.42798516558942 },
        { .7, 5.49255749640952, 0.357211931860448, 3.13172143009083 },
        { .75, 6.00630817656179, 0.509433962264151, 3.9307151384403 },
        { .8, 6.893203748883, 0.745540589734256, 5.11047616842251 },
        { .9, 12.1931674361991, 1.96938316073841, 10.9164995786406 },
        { .95, 23.5668651365811, 4.45709497588837, 22.4511473833363 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        double lambda = 4 * want[i].rho;

        PB_ASSERT_NEAR(want[i].response_p99, pb_mmc_response_quantile_s(4, lambda, 1, 0.99), 1e-11);
        PB_ASSERT_NEAR(want[i].wait_mean, pb_mmc_wait_mean_s(4, lambda, 1), 1e-12);
        PB_ASSERT_NEAR(want[i].wait_p99, pb_mmc_wait_quantile_s(4, lambda, 1, 0.99), 1e-11);
        /* In milliseconds instead of seconds. */
        PB_ASSERT_NEAR(want[i].response_p99 / 1000,
                       pb_mmc_response_quantile_s(4, lambda * 1000, 1000, 0.99), 1e-14);
    }
}

PB_TEST(mmc_quantiles_invert_their_distributions)
{
    for (double q = 0.01; q < 1; q += 0.01) {
        for (double lambda = 0.5; lambda < 8; lambda += 0.5) {
            double response_s = pb_mmc_response_quantile_s(8, lambda, 1, q);
            double wait_s = pb_mmc_wait_quantile_s(8, lambda, 1, q);

            PB_ASSERT_NEAR(q, pb_mmc_response_cdf(8, lambda, 1, response_s), 1e-13);
            if (wait_s > 0) {
                PB_ASSERT_NEAR(1 - q, pb_mmc_wait_tail(8, lambda, 1, wait_s), 1e-13);
            } else {
                ck_assert(pb_mmc_wait_tail(8, lambda, 1, 0) <= 1 - q + 1e-13);
            }
        }
    }
}

/* One server: response is exponential with rate mu - lambda. */
PB_TEST(mmc_with_one_server_is_mm1)
{
    for (double t = 0.1; t < 20; t += 0.7) {
        PB_ASSERT_NEAR(1 - exp(-0.3 * t), pb_mmc_response_cdf(1, 0.7, 1, t), 1e-14);
        PB_ASSERT_NEAR(0.7 * exp(-0.3 * t), pb_mmc_wait_tail(1, 0.7, 1, t), 1e-14);
    }
    PB_ASSERT_NEAR(0.7 / 0.3, pb_mmc_wait_mean_s(1, 0.7, 1), 1e-12);
}

PB_TEST(mmc_overloaded_never_ends)
{
    ck_assert(pb_mmc_wait_mean_s(4, 4, 1) == HUGE_VAL);
    ck_assert(pb_mmc_wait_quantile_s(4, 5, 1, 0.5) == HUGE_VAL);
    ck_assert(pb_mmc_response_quantile_s(4, 5, 1, 0.5) == HUGE_VAL);
    ck_assert(pb_mmc_wait_tail(4, 5, 1, 100) == 1);
    ck_assert(pb_mmc_response_cdf(4, 5, 1, 100) == 0);
    ck_assert(pb_mmc_response_quantile_s(4, 2, 1, 1) == HUGE_VAL);
    ck_assert(pb_mmc_response_quantile_s(4, 2, 1, 0) == 0);
}

/* M/M/c itself with both coefficients 1; M/D/1 waits half of M/M/1 (Pollaczek and Khinchine). */
PB_TEST(allen_cunneen_contains_the_known_cases)
{
    PB_ASSERT_NEAR(pb_mmc_wait_mean_s(4, 3, 1), pb_allen_cunneen_wait_s(4, 3, 1, 1, 1), 1e-14);
    PB_ASSERT_NEAR(0.7 / 0.3 / 2, pb_allen_cunneen_wait_s(1, 0.7, 1, 1, 0), 1e-14);
}
