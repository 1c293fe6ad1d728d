#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/stats.h"
#include "support/alloc.h"
#include "support/test.h"

/* Hollander and Wolfe, depression scale, as in R's ?wilcox.test. */
static const double before[] = { 1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30 };
static const double after[] = { .878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29 };

static void differences(double d[static 9])
{
    for (int i = 0; i < 9; i++) {
        d[i] = before[i] - after[i];
    }
}

PB_TEST(signed_rank_meets_its_reference)
{
    struct pb_signed_rank test;
    double d[9];

    differences(d);
    PB_ASSERT_OK(pb_signed_rank_test(d, 9, &test));
    PB_ASSERT_NEAR(40, test.v, 0);
    PB_ASSERT_NEAR(0.0390625, test.p_two_sided, 1e-15);
    PB_ASSERT_NEAR(0.01953125, test.p_greater, 1e-15);
    ck_assert_uint_eq(0, test.zeros);
}

PB_TEST(signed_rank_smallest_p_is_that_of_all_signs_equal)
{
    static const struct {
        size_t n;
        double p;
    } want[] = { { 6, 0.03125 }, { 10, 0.001953125 }, { 50, 0x1p-49 } };
    double d[50];
    struct pb_signed_rank test;

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        for (size_t k = 0; k < want[i].n; k++) {
            d[k] = -(double)(k + 1);
        }
        PB_ASSERT_OK(pb_signed_rank_test(d, want[i].n, &test));
        PB_ASSERT_NEAR(want[i].p, test.p_two_sided, 1e-12 * want[i].p);
        PB_ASSERT_NEAR(1, test.p_greater, 1e-12);
    }
}

/* Tables of the critical values at 5 %, two-sided: p is under 5 % at T and not at T + 1. */
PB_TEST(signed_rank_critical_values_are_those_of_the_tables)
{
    static const int want[][2] = { { 6, 0 }, { 8, 3 }, { 10, 8 }, { 12, 13 } };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        for (int extra = 0; extra <= 1; extra++) {
            int n = want[i][0], left = want[i][1] + extra;
            double d[12];
            struct pb_signed_rank test;

            for (int rank = n; rank >= 1; rank--) { /* positive ranks that add up to `left` */
                int positive = rank <= left;

                left -= positive ? rank : 0;
                d[rank - 1] = positive ? rank : -rank;
            }
            PB_ASSERT_OK(pb_signed_rank_test(d, (size_t)n, &test));
            PB_ASSERT_NEAR(want[i][1] + extra, test.v, 0);
            ck_assert_int_eq(extra == 0, test.p_two_sided <= 0.05);
        }
    }
}

/* All 2^n sign patterns written out, for samples full of ties. */
PB_TEST(signed_rank_with_ties_equals_enumeration)
{
    static const double sizes[] = { 1, 1, 2, 2, 2, 3, 5, 5, 8 };
    static const double ranks[] = { 1.5, 1.5, 4, 4, 4, 6, 7.5, 7.5, 9 };
    const unsigned patterns = 1u << 9;
    struct pb_signed_rank test;

    for (unsigned signs = 0; signs < patterns; signs += 7) {
        double d[11] = { 0 }, v = 0;
        unsigned at_least = 0, at_most = 0;

        for (int i = 0; i < 9; i++) {
            d[i + 1] = (signs >> i & 1u) != 0 ? sizes[i] : -sizes[i];
            v += (signs >> i & 1u) != 0 ? ranks[i] : 0;
        }
        for (unsigned other = 0; other < patterns; other++) {
            double w = 0;

            for (int i = 0; i < 9; i++) {
                w += (other >> i & 1u) != 0 ? ranks[i] : 0;
            }
            at_least += w >= v;
            at_most += w <= v;
        }
        double smaller = fmin(at_least, at_most) / patterns;

        PB_ASSERT_OK(pb_signed_rank_test(d, 11, &test)); /* two zeros, first and last */
        ck_assert_uint_eq(2, test.zeros);
        PB_ASSERT_NEAR(v, test.v, 0);
        PB_ASSERT_NEAR(fmin(1, 2 * smaller), test.p_two_sided, 1e-14);
        PB_ASSERT_NEAR((double)at_least / patterns, test.p_greater, 1e-14);
    }
}

static void many(double d[static 70])
{
    for (int i = 1; i <= 70; i++) {
        d[i - 1] = (i * 37 % 23 - 9) / 4.0;
    }
}

/* The formulas once more, with 40 digits, outside this program. */
PB_TEST(signed_rank_above_50_is_normal_with_its_corrections)
{
    double d[70];
    struct pb_signed_rank test;

    many(d);
    PB_ASSERT_OK(pb_signed_rank_test(d, 70, &test));
    ck_assert_uint_eq(3, test.zeros);
    PB_ASSERT_NEAR(1522, test.v, 0);
    PB_ASSERT_NEAR(0.016784448096835, test.p_two_sided, 1e-14);
    PB_ASSERT_NEAR(0.0083922240484176, test.p_greater, 1e-14);
}

PB_TEST(signed_rank_says_nothing_about_nothing)
{
    static const double zeros[] = { 0, 0, -0.0 };
    struct pb_signed_rank test;

    PB_ASSERT_OK(pb_signed_rank_test(zeros, 3, &test));
    ck_assert(test.p_two_sided == 1 && test.p_greater == 1 && test.v == 0 && test.zeros == 3);
    PB_ASSERT_OK(pb_signed_rank_test(zeros, 0, &test));
    ck_assert(test.p_two_sided == 1);
    static const double bad[] = { 1, (double)NAN };

    PB_ASSERT_STATUS(PB_EINVAL, pb_signed_rank_test(bad, 2, &test));
}

PB_TEST(hodges_lehmann_meets_its_reference)
{
    struct pb_interval interval;
    double d[9], estimate;

    differences(d);
    PB_ASSERT_OK(pb_hodges_lehmann(d, 9, 0.95, &estimate, &interval));
    PB_ASSERT_NEAR(0.46, estimate, 1e-12);
    PB_ASSERT_NEAR(0.01, interval.low, 1e-12);
    PB_ASSERT_NEAR(0.786, interval.high, 1e-12);
    PB_ASSERT_NEAR(1 - 2 * 10.0 / 512, interval.confidence, 1e-12); /* P(V <= 5) = 10/512 */
}

/* benchstat's documentation, taken as pairs: the relative change is exp(estimate) - 1. */
PB_TEST(hodges_lehmann_of_benchstat_examples)
{
    static const struct {
        double old[10], new[10];
        double change, low, high;
    } want[] = {
        { { 1726, 1723, 1707, 1707, 1713, 1729, 1736, 1707, 1705, 1774 },
          { 1423, 1416, 1411, 1413, 1412, 1426, 1422, 1424, 1447, 1425 },
          -.175210149,
          -.181405432,
          -.165787932 },
        { { 3069, 3075, 3069, 3067, 3207, 3064, 3064, 3058, 3059, 3062 },
          { 3075, 3065, 3059, 3065, 3060, 3081, 3186, 3135, 3087, 3062 },
          .002443306,
          -.010965900,
          .018054867 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        struct pb_interval interval;
        double d[10], estimate;

        for (int k = 0; k < 10; k++) {
            d[k] = log(want[i].new[k] / want[i].old[k]);
        }
        PB_ASSERT_OK(pb_hodges_lehmann(d, 10, 0.95, &estimate, &interval));
        PB_ASSERT_NEAR(want[i].change, expm1(estimate), 1e-9);
        PB_ASSERT_NEAR(want[i].low, expm1(interval.low), 1e-9);
        PB_ASSERT_NEAR(want[i].high, expm1(interval.high), 1e-9);
        ck_assert(interval.confidence >= 0.95 && interval.confidence < 0.96);
    }
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Against all averages written down and sorted; k is R's qsignrank(0.025, n). */
PB_TEST(hodges_lehmann_equals_sorting_all_averages)
{
    static const size_t k_of[][2] = { { 6, 1 },  { 7, 3 },   { 8, 4 },   { 9, 6 },
                                      { 10, 9 }, { 12, 14 }, { 20, 53 }, { 50, 435 } };
    double averages[1275], d[50];

    for (size_t i = 0; i < PB_ARRAY_LEN(k_of); i++) {
        const struct pb_rng_key key = { 5, (uint32_t)i, 0 };
        size_t n = k_of[i][0], k = k_of[i][1], count = 0;
        struct pb_interval interval;
        double estimate;

        for (size_t a = 0; a < n; a++) {
            d[a] = floor(pb_rng_uniform(&key, a, 0) * 41 - 20) / 8; /* ties and both signs */
        }
        for (size_t a = 0; a < n; a++) {
            for (size_t b = 0; b <= a; b++) {
                averages[count++] = (d[a] + d[b]) / 2;
            }
        }
        qsort(averages, count, sizeof(double), compare);
        PB_ASSERT_OK(pb_hodges_lehmann(d, n, 0.95, &estimate, &interval));
        PB_ASSERT_NEAR((averages[(count - 1) / 2] + averages[count / 2]) / 2, estimate, 0);
        PB_ASSERT_NEAR(averages[k - 1], interval.low, 0);
        PB_ASSERT_NEAR(averages[count - k], interval.high, 0);
        ck_assert(interval.confidence >= 0.95);
    }
}

PB_TEST(hodges_lehmann_above_50_meets_its_reference)
{
    struct pb_interval interval;
    double d[70], estimate;

    many(d);
    PB_ASSERT_OK(pb_hodges_lehmann(d, 70, 0.95, &estimate, &interval));
    PB_ASSERT_NEAR(0.5, estimate, 0);
    PB_ASSERT_NEAR(0.125, interval.low, 0); /* k = 908, the exact one too */
    PB_ASSERT_NEAR(0.875, interval.high, 0);
    PB_ASSERT_NEAR(0.950060424222, interval.confidence, 1e-11);
}

PB_TEST(hodges_lehmann_gives_no_interval_from_too_few)
{
    static const double d[] = { 1, 2, 3, 4, 5 };
    struct pb_interval interval = { 7, 7, 7 };
    double estimate = 7;

    PB_ASSERT_STATUS(PB_EINVAL, pb_hodges_lehmann(d, 0, 0.95, &estimate, &interval));
    ck_assert(estimate == 7 && interval.low == 7);
    for (size_t n = 1; n <= 5; n++) {
        PB_ASSERT_OK(pb_hodges_lehmann(d, n, 0.95, &estimate, &interval));
        PB_ASSERT_NEAR(((double)n + 1) / 2, estimate, 0);
        ck_assert(interval.confidence == 0 && isnan(interval.low) && isnan(interval.high));
    }
}

PB_TEST(rank_statistics_without_memory_say_so_and_change_nothing)
{
    double d[9];

    differences(d);
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_signed_rank test = { .v = 7 };
        enum pb_status status = pb_signed_rank_test(d, 9, &test);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        PB_ASSERT_NEAR(status == PB_OK ? 40 : 7, test.v, 0);
    }
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_interval interval = { 7, 7, 7 };
        double estimate = 7;
        enum pb_status status = pb_hodges_lehmann(d, 9, 0.95, &estimate, &interval);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_int_eq(status == PB_OK, estimate != 7 && interval.low != 7);
    }
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_interval interval = { 7, 7, 7 };
        enum pb_status status = pb_median_interval(d, 9, 0.95, &interval);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_int_eq(status == PB_OK, interval.low != 7);
    }
}
