#include <math.h>

#include "base/portable_math.h"
#include "base/rng.h"
#include "support/test.h"

#define DRAWS 100000

static const struct pb_rng_key inputs = { 2024, 0, 0 };

/* Distance in units of the last place of `want`; two infinities or two NaN are equal. */
static double ulps(double want, double got)
{
    if (got == want || (isnan(got) && isnan(want))) {
        return 0;
    }
    return fabs(got - want) / (nextafter(fabs(want), HUGE_VAL) - fabs(want));
}

#define ASSERT_ULPS(want, got, x) \
    ck_assert_msg(ulps(want, got) <= 2, "%s at %a: want %a, got %a", #got, x, want, got)

PB_TEST(portable_exp_agrees_with_the_library)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 0, u);
        double x = (2 * u[0] - 1) * (u[1] < 0.5 ? 745 : u[1] < 0.8 ? 3 : 1e-6);

        ASSERT_ULPS(exp(x), pb_exp(x), x);
    }
    for (double x = -746; x <= 711; x += 0.25) {
        ASSERT_ULPS(exp(x), pb_exp(x), x);
    }
    ck_assert(pb_exp(0) == 1);
    ck_assert(pb_exp(HUGE_VAL) == HUGE_VAL && pb_exp(-HUGE_VAL) == 0 && isnan(pb_exp((double)NAN)));
}

PB_TEST(portable_log_agrees_with_the_library)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 1, u);
        double x = exp((2 * u[0] - 1) * 744); /* subnormal numbers too */
        double near_1 = 1 + (2 * u[0] - 1) * (u[1] < 0.5 ? 0.5 : 1e-8);

        ASSERT_ULPS(log(x), pb_log(x), x);
        ASSERT_ULPS(log(near_1), pb_log(near_1), near_1);
    }
    ck_assert(pb_log(1) == 0 && pb_log(0) == -HUGE_VAL && pb_log(HUGE_VAL) == HUGE_VAL);
    ck_assert(isnan(pb_log(-1)) && isnan(pb_log((double)NAN)));
    ASSERT_ULPS(log(0x1p-1074), pb_log(0x1p-1074), 0x1p-1074);
}

PB_TEST(portable_log1p_agrees_with_the_library)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 2, u);
        double x = 2 * u[0] - 1;
        double wide = exp((2 * u[1] - 1) * 700);
        double tiny = x * exp(-60 * u[1]);

        ASSERT_ULPS(log1p(x), pb_log1p(x), x);
        ASSERT_ULPS(log1p(wide), pb_log1p(wide), wide);
        ASSERT_ULPS(log1p(tiny), pb_log1p(tiny), tiny);
    }
    ck_assert(pb_log1p(0) == 0 && pb_log1p(-1) == -HUGE_VAL && isnan(pb_log1p(-2)));
    ck_assert(pb_log1p(HUGE_VAL) == HUGE_VAL);
}

PB_TEST(portable_sine_and_cosine_agree_with_the_library)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 3, u);
        double x = (2 * u[0] - 1) * (u[1] < 0.3 ? 1e9 : u[1] < 0.6 ? 10 : 1e-3);
        double near_zero_of_one = floor(u[0] * 6e8) * 1.5707963267948966;

        ASSERT_ULPS(sin(x), pb_sin(x), x);
        ASSERT_ULPS(cos(x), pb_cos(x), x);
        ASSERT_ULPS(sin(near_zero_of_one), pb_sin(near_zero_of_one), near_zero_of_one);
        ASSERT_ULPS(cos(near_zero_of_one), pb_cos(near_zero_of_one), near_zero_of_one);
    }
    ck_assert(pb_sin(0) == 0 && pb_cos(0) == 1);
    ck_assert(isnan(pb_sin(1.1e9)) && isnan(pb_cos((double)NAN)));
}

/* Where the quantile is right, its residual in p, divided by the density, is its error in x. */
PB_TEST(portable_normal_quantile_inverts_the_distribution)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 4, u);
        double p = u[1] < 0.5 ? u[0] * 0.5 : exp(-u[0] * 700);
        double x = pb_normal_quantile(p);
        double residual = 0.5 * erfc(-x * sqrt(0.5)) - p;
        double density = exp(-0.5 * x * x) * 0.3989422804014327;

        /* erfc amplifies the rounding of its argument by x^2. */
        ck_assert_msg(fabs(residual / density) <= 1e-15 * (2 + fabs(x) + 1 / (fabs(x) + 0.1)),
                      "p %a: x %a is off by %g", p, x, residual / density);
        ck_assert(pb_normal_quantile(0.5 + (0.5 - u[0] * 0.5)) >= 0);
    }
}

PB_TEST(portable_normal_quantile_meets_its_references)
{
    /* Wichura 1988, table; the others by 50-digit arithmetic. */
    static const struct {
        double p, x;
    } want[] = {
        { 0.25, -0.6744897501960817 },
        { 0.001, -3.090232306167814 },
        { 1e-20, -9.262340089798408 },
        { 0.99, 2.3263478740408408 },
        { 0.975, 1.9599639845400543 },
        { 1e-300, -37.04709629936120 },
        { 0.5, 0 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(want); i++) {
        PB_ASSERT_NEAR(want[i].x, pb_normal_quantile(want[i].p), 2e-15 * fabs(want[i].x));
    }
    ck_assert(pb_normal_quantile(0) == -HUGE_VAL && pb_normal_quantile(1) == HUGE_VAL);
    ck_assert(isnan(pb_normal_quantile(-0.1)) && isnan(pb_normal_quantile(1.1)));
}

static void mix(uint64_t *hash, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    *hash = (*hash ^ bits) * UINT64_C(0x100000001b3); /* FNV-1a over words */
    *hash ^= *hash >> 29;
}

/* One number for every build: gcc and clang, -O0 to -O3, sanitizers. */
PB_TEST(portable_math_is_the_same_to_the_last_bit_in_every_build)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint64_t i = 0; i < DRAWS; i++) {
        double u[2];

        pb_rng_uniform2(&inputs, i, 5, u);
        mix(&hash, pb_exp((2 * u[0] - 1) * 745));
        mix(&hash, pb_exp(2 * u[1] - 1));
        mix(&hash, pb_log(pb_exp((2 * u[0] - 1) * 700)));
        mix(&hash, pb_log1p(2 * u[1] - 1));
        mix(&hash, pb_sin((2 * u[0] - 1) * 1e9));
        mix(&hash, pb_cos((2 * u[1] - 1) * 100));
        mix(&hash, pb_normal_quantile(u[0]));
        mix(&hash, pb_normal_quantile(pb_exp(-700 * u[1])));
    }
    ck_assert_msg(hash == UINT64_C(0x7bea011ab866126a), "the hash is 0x%016" PRIx64, hash);
}
