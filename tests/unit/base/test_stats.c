#include <math.h>

#include "base/rng.h"
#include "base/stats.h"
#include "support/test.h"

static const double json_old[] = { 1726, 1723, 1707, 1707, 1713, 1729, 1736, 1707, 1705, 1774 };

/* NIST StRD, NumAcc4: certified mean 10000000.2, standard deviation 0.1. */
PB_TEST(stats_moments_survive_a_large_mean)
{
    double x[1001] = { 10000000.2 };

    for (int i = 0; i < 500; i++) {
        x[2 * i + 1] = 10000000.1;
        x[2 * i + 2] = 10000000.3;
    }
    PB_ASSERT_NEAR(10000000.2, pb_mean(x, 1001), 1e-8);
    PB_ASSERT_NEAR(0.1, pb_stddev(x, 1001), 1e-8);
    ck_assert(isnan(pb_mean(x, 0)));
    ck_assert(pb_stddev(x, 1) == 0);
}

/* R, quantile(type = 1). */
PB_TEST(stats_quantiles_are_of_type_1)
{
    static const double want[][2] = {
        { 0.1, 1705 }, { 0.5, 1713 }, { 0.9, 1736 }, { 0.99, 1774 }, { 0, 1705 }, { 1, 1774 },
    };
    double x[PB_ARRAY_LEN(json_old)];

    memcpy(x, json_old, sizeof(x));
    pb_sort(x, 10);
    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        PB_ASSERT_NEAR(want[i][1], pb_quantile_sorted(x, 10, want[i][0]), 0);
    }
    PB_ASSERT_NEAR(1718, pb_median_sorted(x, 10), 0);
    PB_ASSERT_NEAR(1713, pb_median_sorted(x, 9), 0);
    ck_assert(isnan(pb_quantile_sorted(x, 0, 0.5)) && isnan(pb_median_sorted(x, 0)));
}

/* For every n and percent, x_(k) with k the smallest whole number that is >= n percent / 100. */
PB_TEST(stats_quantile_ranks_do_not_stumble_over_decimals)
{
    double x[200];

    for (int i = 0; i < 200; i++) {
        x[i] = i + 1;
    }
    for (int n = 1; n <= 200; n++) {
        for (int percent = 1; percent <= 100; percent++) {
            int rank = (n * percent + 99) / 100;

            PB_ASSERT_NEAR(rank, pb_quantile_sorted(x, (size_t)n, percent / 100.0), 0);
        }
    }
}

/* Exact binomial sums with 30 digits. */
PB_TEST(stats_order_interval_meets_its_references)
{
    static const struct {
        size_t n;
        double q;
        size_t low, high;
        double confidence;
    } want[] = {
        { 100, 0.9, 84, 96, 0.955690107191 },
        { 1000, 0.99, 983, 997, 0.976094763498 },
        { 10000, 0.99, 9880, 9920, 0.955754682807 },
        { 5, 0.5, 0, 6, 1 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        size_t low, high;
        double confidence;

        pb_order_interval(want[i].n, want[i].q, 0.95, &low, &high, &confidence);
        ck_assert_uint_eq(want[i].low, low);
        ck_assert_uint_eq(want[i].high, high);
        PB_ASSERT_NEAR(want[i].confidence, confidence, 1e-12);
    }
}

/* The smallest n with a finite upper end. */
PB_TEST(stats_order_interval_knows_when_it_has_an_upper_end)
{
    static const struct {
        double q;
        size_t n;
    } want[] = { { 0.5, 6 },    { 0.9, 36 },     { 0.95, 72 },
                 { 0.99, 368 }, { 0.999, 3688 }, { 0.9999, 36887 } };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        size_t low, high;
        double confidence;

        pb_order_interval(want[i].n, want[i].q, 0.95, &low, &high, &confidence);
        ck_assert_uint_le(high, want[i].n);
        pb_order_interval(want[i].n - 1, want[i].q, 0.95, &low, &high, &confidence);
        ck_assert_uint_eq(want[i].n, high); /* (n - 1) + 1: unbounded */
    }
}

PB_TEST(stats_median_interval_takes_the_symmetric_orders)
{
    static const struct {
        size_t n;
        double low, high, confidence;
    } want[] = {
        { 6, 1, 6, 0.969 },   { 8, 1, 8, 0.992 },   { 9, 2, 8, 0.961 },   { 10, 2, 9, 0.979 },
        { 12, 3, 10, 0.961 }, { 15, 4, 12, 0.965 }, { 20, 6, 15, 0.959 },
    };
    double x[20];
    struct pb_interval interval;

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        for (size_t k = 0; k < want[i].n; k++) {
            x[k] = (double)((k * 7) % want[i].n + 1);
        }
        PB_ASSERT_OK(pb_median_interval(x, want[i].n, 0.95, &interval));
        PB_ASSERT_NEAR(want[i].low, interval.low, 0);
        PB_ASSERT_NEAR(want[i].high, interval.high, 0);
        PB_ASSERT_NEAR(want[i].confidence, interval.confidence, 5e-4);
    }
    /* benchstat's own example. */
    static const double six[] = { 2, -10, 3, 6, 4, 5 };

    PB_ASSERT_OK(pb_median_interval(six, 6, 0.95, &interval));
    PB_ASSERT_NEAR(-10, interval.low, 0);
    PB_ASSERT_NEAR(6, interval.high, 0);
    PB_ASSERT_NEAR(0.96875, interval.confidence, 1e-14);
}

PB_TEST(stats_median_interval_is_not_invented_from_too_few)
{
    static const double x[] = { 1, 2, 3, 4, 5, 6 };
    struct pb_interval interval;

    for (size_t n = 0; n <= 5; n++) {
        PB_ASSERT_OK(pb_median_interval(x, n, 0.95, &interval));
        ck_assert(interval.confidence == 0 && isnan(interval.low) && isnan(interval.high));
    }
    PB_ASSERT_OK(pb_median_interval(x, 6, 0.99, &interval)); /* [1, 6] holds it with 96.9 % only */
    ck_assert(interval.confidence == 0);
}

PB_TEST(stats_clopper_pearson_meets_its_references)
{
    struct pb_interval interval = pb_clopper_pearson(5, 1000, 0.95);

    PB_ASSERT_NEAR(0.001625419517562760, interval.low, 1e-15);
    PB_ASSERT_NEAR(0.011629470559812148, interval.high, 1e-14);
    ck_assert(interval.confidence == 0.95);
    interval = pb_clopper_pearson(0, 1000, 0.95);
    ck_assert(interval.low == 0);
    PB_ASSERT_NEAR(1 - pow(0.025, 1e-3), interval.high, 1e-14);
    interval = pb_clopper_pearson(1000, 1000, 0.95);
    PB_ASSERT_NEAR(pow(0.025, 1e-3), interval.low, 1e-14);
    ck_assert(interval.high == 1);
    interval = pb_clopper_pearson(0.5, 2000.75, 0.95);
    PB_ASSERT_NEAR(0.025, pb_beta_inc(0.5, 2001.25, interval.low), 1e-12);
    PB_ASSERT_NEAR(0.975, pb_beta_inc(1.5, 2000.25, interval.high), 1e-12);
    interval = pb_clopper_pearson(0, 0, 0.95);
    ck_assert(interval.low == 0 && interval.high == 1 && interval.confidence == 0);
}

PB_TEST(stats_design_effect_is_1_for_even_clusters_and_grows_with_bursts)
{
    static const double total[] = { 100, 100, 100, 100 };
    static const double even[] = { 5, 5, 5, 5 };
    static const double burst[] = { 20, 0, 0, 0 };
    static const double none[] = { 0, 0, 0, 0 };

    PB_ASSERT_NEAR(1, pb_design_effect(even, total, 4), 0);
    /* r = 0.05: 4/3 (15^2 + 3 x 5^2) / 400^2, against 0.05 x 0.95 / 400. */
    PB_ASSERT_NEAR(4.0 / 3 * 300 / 160000 / (0.05 * 0.95 / 400), pb_design_effect(burst, total, 4),
                   1e-12);
    PB_ASSERT_NEAR(1, pb_design_effect(none, total, 4), 0);
    PB_ASSERT_NEAR(1, pb_design_effect(total, total, 4), 0);
    PB_ASSERT_NEAR(1, pb_design_effect(burst, total, 1), 0);
    PB_ASSERT_NEAR(1, pb_design_effect(none, none, 4), 0);
}

PB_TEST(stats_ks_distance_is_the_largest_gap)
{
    static const double u[] = { 0.1, 0.2, 0.7 };

    PB_ASSERT_NEAR(2.0 / 3 - 0.2, pb_ks_uniform(u, 3), 1e-15);
    PB_ASSERT_NEAR(0, pb_ks_uniform(u, 0), 0);
    static const double late[] = { 0.9 };

    PB_ASSERT_NEAR(0.9, pb_ks_uniform(late, 1), 1e-15);
}

/* Kolmogorov's tail with 14 digits; critical values at 5 % of n = 10 and 20 from the exact tables
 * (Massey 1951), which Stephens' correction meets to a thousandth. */
PB_TEST(stats_ks_p_values_meet_their_references)
{
    static const double want[][2] = {
        { 0.3, 0.99999069419867 },
        { 0.5, 0.96394524366488 },
        { 1.0, 0.26999967167735 },
        { 1.3581, 0.049999630431667 },
    };
    const double root = 1e4;

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        double d = want[i][0] / (root + 0.12 + 0.11 / root);

        PB_ASSERT_NEAR(want[i][1], pb_ks_pvalue(d, 100000000), 1e-13);
    }
    PB_ASSERT_NEAR(0.05, pb_ks_pvalue(0.40925, 10), 1e-3);
    PB_ASSERT_NEAR(0.05, pb_ks_pvalue(0.29408, 20), 1e-3);
    PB_ASSERT_NEAR(1, pb_ks_pvalue(0, 10), 0);
    PB_ASSERT_NEAR(1, pb_ks_pvalue(0.5, 0), 0);
}

/* A uniform sample must be called uniform as often as promised: 5 % refused, five sigma. */
PB_TEST(stats_ks_p_values_keep_their_promise)
{
    int refused = 0;
    double u[50];

    for (uint32_t round = 0; round < 2000; round++) {
        const struct pb_rng_key key = { 11, round, PB_STREAM_ARRIVAL };

        for (uint64_t i = 0; i < 50; i++) {
            u[i] = pb_rng_uniform(&key, i, 0);
        }
        pb_sort(u, 50);
        refused += pb_ks_pvalue(pb_ks_uniform(u, 50), 50) < 0.05;
    }
    PB_ASSERT_NEAR(100, refused, 5 * 9.75);
}
