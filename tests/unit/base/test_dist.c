#include <math.h>

#include "base/dist.h"
#include "base/rng.h"
#include "support/test.h"

#define MS 1e6

/* One of each kind, and each form of the lognormal. */
static size_t all_kinds(struct pb_dist dists[static 6])
{
    PB_ASSERT_OK(pb_dist_constant(5 * MS, &dists[0], NULL));
    PB_ASSERT_OK(pb_dist_uniform(1 * MS, 3 * MS, &dists[1], NULL));
    PB_ASSERT_OK(pb_dist_exponential(5 * MS, &dists[2], NULL));
    PB_ASSERT_OK(pb_dist_lognormal_mean_p99(5 * MS, 25 * MS, &dists[3], NULL));
    PB_ASSERT_OK(pb_dist_lognormal_p50_p99(3.5 * MS, 25 * MS, &dists[4], NULL));
    PB_ASSERT_OK(pb_dist_lognormal_median_sigma(2 * MS, 0.5, &dists[5], NULL));
    return 6;
}

PB_TEST(dist_lognormal_keeps_the_numbers_it_was_made_of)
{
    static const double ratios[] = { 1.001, 1.5, 5, 12, 14.9 };

    for (size_t i = 0; i < PB_ARRAY_LEN(ratios); i++) {
        struct pb_dist dist;

        PB_ASSERT_OK(pb_dist_lognormal_mean_p99(4 * MS, ratios[i] * 4 * MS, &dist, NULL));
        PB_ASSERT_NEAR(4 * MS, pb_dist_mean_ns(&dist), 1e-5);
        PB_ASSERT_NEAR(ratios[i] * 4 * MS, pb_dist_quantile_ns(&dist, 0.99), 1e-5);
        ck_assert(dist.p[1] <= 2.3263478740408408); /* the smaller root */
    }
    struct pb_dist dist;

    PB_ASSERT_OK(pb_dist_lognormal_p50_p99(3.5 * MS, 25 * MS, &dist, NULL));
    PB_ASSERT_NEAR(3.5 * MS, pb_dist_quantile_ns(&dist, 0.5), 1e-6);
    PB_ASSERT_NEAR(25 * MS, pb_dist_quantile_ns(&dist, 0.99), 1e-5);
}

PB_TEST(dist_quantile_is_the_inverse_of_cdf)
{
    struct pb_dist dists[6];
    size_t count = all_kinds(dists);

    for (size_t i = 1; i < count; i++) {
        for (double q = 0.001; q < 1; q += 0.001) {
            PB_ASSERT_NEAR(q, pb_dist_cdf(&dists[i], pb_dist_quantile_ns(&dists[i], q)), 1e-14);
        }
    }
    ck_assert(pb_dist_cdf(&dists[0], 4.9 * MS) == 0 && pb_dist_cdf(&dists[0], 5 * MS) == 1);
    for (size_t i = 0; i < count; i++) {
        ck_assert(pb_dist_cdf(&dists[i], -1) == 0);
        PB_ASSERT_NEAR(1, pb_dist_cdf(&dists[i], 3.6e12), 1e-9);
    }
}

PB_TEST(dist_samples_have_the_stated_moments)
{
    struct pb_dist dists[6];
    const struct pb_rng_key key = { 3, 0, PB_STREAM_SERVICE };
    size_t count = all_kinds(dists);
    const int n = 200000;

    for (size_t i = 0; i < count; i++) {
        double mean_ns = pb_dist_mean_ns(&dists[i]), variance = pb_dist_variance_ns2(&dists[i]);
        double sum = 0, squares = 0;

        for (int k = 0; k < n; k++) {
            double u = pb_rng_uniform(&key, (uint64_t)k, 0);
            double x = (double)pb_dist_sample_ns(&dists[i], u) - mean_ns;

            sum += x;
            squares += x * x;
        }
        PB_ASSERT_NEAR(0, sum / n, 5 * sqrt(variance / n));
        PB_ASSERT_NEAR(variance, squares / n, 0.1 * variance);
    }
}

/* Exact values, so that a change of the generator, of the mathematics or of the rounding shows. */
PB_TEST(dist_samples_never_change)
{
    struct pb_dist dists[6];
    const struct pb_rng_key key = { 42, 1, PB_STREAM_SERVICE };
    size_t count = all_kinds(dists);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint64_t k = 0; k < 20000; k++) {
        for (size_t i = 0; i < count; i++) {
            uint64_t ns = (uint64_t)pb_dist_sample_ns(&dists[i], pb_rng_uniform(&key, k, 0));

            hash = (hash ^ ns) * UINT64_C(0x100000001b3);
            hash ^= hash >> 29;
        }
    }
    ck_assert_msg(hash == UINT64_C(0x09e2a94ea19d8362), "the hash is 0x%016" PRIx64, hash);
}

PB_TEST(dist_samples_are_rounded_once_and_clamped)
{
    struct pb_dist dist;

    PB_ASSERT_OK(pb_dist_uniform(0, 10, &dist, NULL));
    ck_assert_int_eq(2, pb_dist_sample_ns(&dist, 0.2));
    ck_assert_int_eq(3, pb_dist_sample_ns(&dist, 0.26));
    ck_assert_int_eq(10, pb_dist_sample_ns(&dist, 0.96));
    PB_ASSERT_OK(pb_dist_exponential(3.6e12, &dist, NULL));
    ck_assert_int_eq(INT64_C(3600000000000), pb_dist_sample_ns(&dist, 0.99));
    ck_assert_int_eq(0, pb_dist_sample_ns(&dist, 0x1p-54));
    PB_ASSERT_OK(pb_dist_constant(0, &dist, NULL));
    ck_assert_int_eq(0, pb_dist_sample_ns(&dist, 0.5));
}

#define ASSERT_REFUSED(words, call)                                            \
    do {                                                                       \
        PB_ASSERT_STATUS(PB_EINVAL, call);                                     \
        ck_assert_msg(strstr(err.text, words), "%s: \"%s\"", #call, err.text); \
        ck_assert_msg(dist.p[0] == 77, "%s: the result was touched", #call);   \
    } while (0)

PB_TEST(dist_refuses_what_cannot_be)
{
    struct pb_dist dist = { PB_DIST_CONSTANT, { 77, 0, 0 } };
    struct pb_error err;
    const double nan = (double)NAN;

    ASSERT_REFUSED("0 to 1h", pb_dist_constant(-1, &dist, &err));
    ASSERT_REFUSED("0 to 1h", pb_dist_constant(3.7e12, &dist, &err));
    ASSERT_REFUSED("0 to 1h", pb_dist_constant(nan, &dist, &err));
    ASSERT_REFUSED("over the max", pb_dist_uniform(2, 1, &dist, &err));
    ASSERT_REFUSED("uniform max", pb_dist_uniform(2, HUGE_VAL, &dist, &err));
    ASSERT_REFUSED("over 0", pb_dist_exponential(0, &dist, &err));
    ASSERT_REFUSED("under 14.97", pb_dist_lognormal_mean_p99(1 * MS, 15 * MS, &dist, &err));
    ASSERT_REFUSED("over 1 ", pb_dist_lognormal_mean_p99(1 * MS, 1 * MS, &dist, &err));
    ASSERT_REFUSED("over 0", pb_dist_lognormal_mean_p99(nan, 1 * MS, &dist, &err));
    ASSERT_REFUSED("use constant", pb_dist_lognormal_p50_p99(1 * MS, 1 * MS, &dist, &err));
    ASSERT_REFUSED("mean of", pb_dist_lognormal_median_sigma(1e9, 5, &dist, &err));
    ASSERT_REFUSED("sigma", pb_dist_lognormal_p50_p99(1, 3.6e12, &dist, &err));
    ASSERT_REFUSED("sigma", pb_dist_lognormal_median_sigma(1 * MS, 0, &dist, &err));
    ASSERT_REFUSED("sigma", pb_dist_lognormal_median_sigma(1 * MS, nan, &dist, &err));
}

PB_TEST(dist_every_kind_has_a_name)
{
    for (int kind = 0; kind < PB_DIST_COUNT; kind++) {
        ck_assert_str_ne("unknown", pb_dist_name((enum pb_dist_kind)kind));
    }
    ck_assert_str_eq("lognormal", pb_dist_name(PB_DIST_LOGNORMAL));
}
