#include <math.h>

#include "base/stats.h"
#include "support/test.h"

/* All references by arithmetic with 40 digits. */
PB_TEST(beta_inc_meets_its_references)
{
    static const struct {
        double a, b, x, want;
    } cases[] = {
        { 2, 3, 0.3, 0.3483 },
        { 0.5, 0.5, 0.1, 0.20483276469913345754 },
        { 10, 0.5, 0.99, 0.65792817515678432735 },
        { 0.01, 5, 1e-8, 0.84921382846241301378 },
        { 996, 5, 0.99, 0.028686399999004562038 },
        { 50, 1000, 0.04, 0.11905186267011281895 },
        { 200000, 1000, 0.995, 0.4330145762045209252 },
        { 1000000, 300, 0.9997, 0.4902532845802457274 },
        { 3.5, 100000, 1e-4, 0.99443301642907023439 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        double got = pb_beta_inc(cases[i].a, cases[i].b, cases[i].x);
        /* With shapes in the hundred thousands the last bit of x is worth 1e-12 of p. */
        double tolerance = cases[i].a + cases[i].b > 1e5 ? 1e-11 : 1e-13;

        PB_ASSERT_NEAR(cases[i].want, got, tolerance * cases[i].want);
    }
    ck_assert(pb_beta_inc(2, 3, 0) == 0 && pb_beta_inc(2, 3, 1) == 1);
    ck_assert(isnan(pb_beta_inc(0, 3, 0.5)) && isnan(pb_beta_inc(2, 3, (double)NAN)));
}

PB_TEST(beta_inc_inv_meets_its_references)
{
    static const struct {
        double a, b, p, want;
    } cases[] = {
        { 2, 3, 0.3, 0.27238394207510534103 },
        { 0.5, 0.5, 0.001, 2.4673990709169441803e-6 },
        { 5, 996, 0.025, 0.001625419517562760305 },
        { 6, 995, 0.975, 0.011629470559812147696 },
        { 1, 1000, 0.975, 0.0036820838968656712011 },
        { 100, 3, 1e-6, 0.82742774598647545225 },
        { 1.5, 2000.25, 0.025, 0.000053933883069826727082 },
        { 0.5, 20, 0.0001, 3.9763811270001782988e-10 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        double got = pb_beta_inc_inv(cases[i].a, cases[i].b, cases[i].p);

        PB_ASSERT_NEAR(cases[i].want, got, 1e-12 * cases[i].want);
    }
    ck_assert(pb_beta_inc_inv(2, 3, 0) == 0 && pb_beta_inc_inv(2, 3, 1) == 1);
    ck_assert(isnan(pb_beta_inc_inv(2, 3, 1.5)));
}

PB_TEST(beta_inc_inv_goes_back_over_a_wide_grid)
{
    static const double shapes[] = { 0.05, 0.7, 1, 3.3, 40, 2500, 3e5 };
    static const double tails[] = { 1e-9, 0.005, 0.025, 0.3, 0.5, 0.8, 0.975, 0.99999 };

    for (size_t i = 0; i < PB_ARRAY_LEN(shapes); i++) {
        for (size_t k = 0; k < PB_ARRAY_LEN(shapes); k++) {
            for (size_t m = 0; m < PB_ARRAY_LEN(tails); m++) {
                double x = pb_beta_inc_inv(shapes[i], shapes[k], tails[m]);
                /* One unit of the last place of x may move p by more than 1e-12 where the density
                 * is steep: allow for exactly that. */
                double below = pb_beta_inc(shapes[i], shapes[k], x * (1 - 1e-12));
                double above = pb_beta_inc(shapes[i], shapes[k], fmin(1, x * (1 + 1e-12)));

                ck_assert_msg(below <= tails[m] * (1 + 1e-10) && above >= tails[m] * (1 - 1e-10),
                              "a %g b %g p %g: x %.17g is between %.15g and %.15g", shapes[i],
                              shapes[k], tails[m], x, below, above);
            }
        }
    }
}

PB_TEST(student_t_quantile_meets_its_references)
{
    static const struct {
        double p, df, want;
    } cases[] = {
        { 0.975, 4, 2.7764451051977934898 },
        { 0.975, 5, 2.5705818356363147828 },
        { 0.975, 9, 2.2621571627982049992 },
        { 0.975, 19, 2.0930240544083093201 },
        { 0.975, 29, 2.0452296421327038745 },
        { 0.995, 1, 63.656741162871524447 },
        { 0.6, 3, 0.27667066233268984701 },
        { 0.5001, 7, 0.00025974603090254503631 },
        { 0.0005, 2.5, -18.277893528130647639 },
        { 0.975, 1000, 1.9623390808264081039 },
        { 0.5, 3, 0 },
        { 0.025, 9, -2.2621571627982049992 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        double tolerance = 1e-12 * fabs(cases[i].want);

        PB_ASSERT_NEAR(cases[i].want, pb_student_t_quantile(cases[i].p, cases[i].df), tolerance);
    }
    PB_ASSERT_NEAR(1.9599639845400543, pb_student_t_quantile(0.975, HUGE_VAL), 1e-14);
    ck_assert(isnan(pb_student_t_quantile(0, 5)) && isnan(pb_student_t_quantile(0.5, 0)));
}

PB_TEST(normal_cdf_meets_its_references)
{
    PB_ASSERT_NEAR(0.5, pb_normal_cdf(0), 0);
    PB_ASSERT_NEAR(0.975, pb_normal_cdf(1.9599639845400543), 1e-15);
    PB_ASSERT_NEAR(1e-20, pb_normal_cdf(-9.262340089798408), 1e-33);
    PB_ASSERT_NEAR(1, pb_normal_cdf(40), 0);
}
