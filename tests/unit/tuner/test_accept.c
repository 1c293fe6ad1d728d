#include <math.h>

#include "base/quantity.h"
#include "support/test.h"
#include "tuner/accept.h"

/* One objective on p99 (1 % may be late) and, when `two`, one on throughput without interval. */
static void make_scenario(struct pb_scenario *scenario, bool two)
{
    static char late[] = "latency.p99 < 50ms", rate[] = "throughput > 900/s";

    *scenario = (struct pb_scenario){ .objective_count = two ? 2 : 1, .phase_count = 1 };
    scenario->objectives[0] = (struct pb_objective){
        .expression = late, .metric = PB_METRIC_LATENCY, .quantile = 0.99, .limit = 50e6
    };
    scenario->objectives[1] = (struct pb_objective){
        .expression = rate, .metric = PB_METRIC_THROUGHPUT, .op = PB_OP_GREATER, .limit = 900
    };
}

static struct pb_trial_result late_run(enum pb_answer answer, double bad, double low, double high)
{
    struct pb_trial_result run = { .valid = true, .objective_count = 1 };

    run.objectives[0] = (struct pb_trial_objective){
        .answer = answer,
        .measured = 40e6,
        .limit = 50e6,
        .limit_high = (double)NAN,
        .bad_ratio = bad,
        .bad_limit = 0.01,
        .bad_low = low,
        .bad_high = high,
    };
    return run;
}

static struct pb_ruling rule_on(const struct pb_scenario *scenario,
                                const struct pb_trial_result *runs, size_t n, size_t min_runs)
{
    const struct pb_trial_result *pointers[8];
    struct pb_ruling ruling;

    for (size_t i = 0; i < n; i++) {
        pointers[i] = &runs[i];
    }
    pb_rule(scenario, pointers, n, min_runs, &ruling);
    return ruling;
}

PB_TEST(a_clear_failure_of_one_run_rejects_at_once)
{
    struct pb_scenario scenario;
    struct pb_trial_result runs[3] = { late_run(PB_ANSWER_FAIL, 0.03, 0.02, 0.04),
                                       late_run(PB_ANSWER_PASS, 0.001, 0, 0.002),
                                       late_run(PB_ANSWER_PASS, 0.001, 0, 0.002) };

    make_scenario(&scenario, false);
    ck_assert_int_eq(PB_DECISION_FAILS, rule_on(&scenario, runs, 1, 2).decision);
    ck_assert_int_eq(PB_DECISION_FAILS, rule_on(&scenario, runs, 3, 2).decision);
    ck_assert_int_eq(PB_DECISION_MEETS, rule_on(&scenario, runs + 1, 2, 2).decision);
}

PB_TEST(undecided_runs_decide_together)
{
    struct pb_scenario scenario;
    struct pb_trial_result runs[6];

    make_scenario(&scenario, false);
    for (size_t i = 0; i < PB_ARRAY_LEN(runs); i++) {
        runs[i] = late_run(PB_ANSWER_INCONCLUSIVE, 0.008, 0.005, 0.012);
    }
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 1, 2).decision);
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 2, 2).decision);
    ck_assert_int_eq(PB_DECISION_MEETS, rule_on(&scenario, runs, 6, 2).decision);
    /* But not when the runs differ more than they themselves know. */
    for (size_t i = 0; i < PB_ARRAY_LEN(runs); i += 2) {
        runs[i].objectives[0].bad_ratio = 0.011;
        runs[i].objectives[0].bad_high = 0.015;
        runs[i + 1].objectives[0].bad_ratio = 0.005;
        runs[i + 1].objectives[0].bad_high = 0.009;
    }
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 6, 2).decision);
}

PB_TEST(without_an_interval_runs_must_agree)
{
    struct pb_scenario scenario;
    struct pb_trial_result runs[2] = { late_run(PB_ANSWER_PASS, 0.001, 0, 0.002),
                                       late_run(PB_ANSWER_PASS, 0.001, 0, 0.002) };

    make_scenario(&scenario, true);
    for (size_t i = 0; i < 2; i++) {
        runs[i].objective_count = 2;
        runs[i].objectives[1] = (struct pb_trial_objective){ .answer = PB_ANSWER_FAIL,
                                                             .measured = 850,
                                                             .limit = 900,
                                                             .bad_ratio = (double)NAN,
                                                             .bad_low = (double)NAN,
                                                             .bad_high = (double)NAN,
                                                             .bad_limit = (double)NAN };
    }
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 1, 2).decision);
    ck_assert_int_eq(PB_DECISION_FAILS, rule_on(&scenario, runs, 2, 2).decision);
    ck_assert_int_eq(1, rule_on(&scenario, runs, 2, 2).objective);
    runs[1].objectives[1].answer = PB_ANSWER_PASS;
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 2, 2).decision);
    scenario.objectives[1].level = PB_LEVEL_WARN;
    ck_assert_int_eq(PB_DECISION_MEETS, rule_on(&scenario, runs, 2, 2).decision);
}

PB_TEST(no_data_is_never_a_pass)
{
    struct pb_scenario scenario;
    struct pb_trial_result runs[2] = { late_run(PB_ANSWER_PASS, 0.001, 0, 0.002),
                                       late_run(PB_ANSWER_NO_DATA, (double)NAN, (double)NAN,
                                                (double)NAN) };

    make_scenario(&scenario, false);
    ck_assert_int_eq(PB_DECISION_UNCLEAR, rule_on(&scenario, runs, 2, 2).decision);
    ck_assert_int_eq(PB_DECISION_OPEN, rule_on(&scenario, runs, 0, 2).decision);
    runs[0].objectives[0].answer = PB_ANSWER_NOT_APPLICABLE;
    runs[1] = runs[0];
    ck_assert_int_eq(PB_DECISION_UNCLEAR, rule_on(&scenario, runs, 2, 2).decision);
}

PB_TEST(margins_point_the_right_way)
{
    struct pb_objective less = { .op = PB_OP_LESS }, more = { .op = PB_OP_GREATER },
                        band = { .op = PB_OP_IN };
    struct pb_trial_objective seen = { .measured = 40, .limit = 50, .limit_high = (double)NAN };

    PB_ASSERT_NEAR(0.2, pb_objective_margin(&less, &seen), 1e-12);
    PB_ASSERT_NEAR(-0.2, pb_objective_margin(&more, &seen), 1e-12);
    seen = (struct pb_trial_objective){ .measured = 0.65, .limit = 0.6, .limit_high = 0.8 };
    PB_ASSERT_NEAR(0.25, pb_objective_margin(&band, &seen), 1e-12);
    seen.measured = (double)NAN;
    ck_assert(isnan(pb_objective_margin(&less, &seen)));
}

PB_TEST(better_beyond_noise_means_every_pair)
{
    const double now[] = { 10, 20, 30 }, next[] = { 9, 18, 27 }, mixed[] = { 5, 10, 31 };

    ck_assert(pb_pairs_smaller(now, next, 3, 0.03));
    ck_assert(!pb_pairs_smaller(now, next, 3, 0.15));
    ck_assert(!pb_pairs_smaller(now, mixed, 3, 0.03));
    ck_assert(!pb_pairs_smaller(now, next, 0, 0.03));
    ck_assert(!pb_pairs_smaller(next, now, 3, 0.03));
}

PB_TEST(values_are_told_in_their_unit)
{
    struct pb_objective latency = { .metric = PB_METRIC_LATENCY },
                        errors = { .metric = PB_METRIC_ERROR_RATE };
    char text[PB_QUANTITY_TEXT];

    ck_assert_str_eq("25.1 ms", pb_objective_value(&latency, 25.1e6, text));
    ck_assert_str_eq("never", pb_objective_value(&latency, 1e300, text));
    ck_assert_str_eq("nothing", pb_objective_value(&latency, (double)NAN, text));
    ck_assert_str_eq("0.047 %", pb_objective_value(&errors, 0.00047, text));
}
