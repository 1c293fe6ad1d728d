/* What is tried again, and after which pauses.  The mistakes are in tests/data/broken. */
#include <math.h>

#include "base/clock.h"
#include "harness/schedule.h"
#include "support/load_text.h"
#include "support/scenario.h"

#define HEAD "{ \"rate\": 100, \"duration\": \"1s\""

PB_TEST(without_retries_nothing_is_tried_again)
{
    struct pb_scenario *scenario = pb_test_scenario(HEAD " }");

    ck_assert_int_eq(0, scenario->retries.max);
    ck_assert_int_eq(0, pb_retries_pauses_ns(&scenario->retries));
    ck_assert_double_eq(1, pb_scenario_expected_attempts(scenario));
    pb_scenario_free(scenario);
}

PB_TEST(retries_take_their_defaults)
{
    struct pb_scenario *scenario = pb_test_scenario(HEAD ", \"retries\": { \"max\": 3 } }");
    const struct pb_retries *retries = &scenario->retries;
    char text[64];

    ck_assert_int_eq(3, retries->max);
    ck_assert_int_eq(10 * PB_NS_PER_MS, retries->delay_ns);
    ck_assert_double_eq(2, retries->backoff);
    ck_assert_double_eq(0, retries->jitter);
    ck_assert_int_eq(3600 * PB_NS_PER_S, retries->max_delay_ns);
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        bool final =
            o == PB_OUTCOME_OK || o == PB_OUTCOME_CLIENT_ERROR || o == PB_OUTCOME_CANCELLED;

        ck_assert_int_eq(!final, (retries->on & 1U << o) != 0);
    }
    ck_assert_int_eq(70 * PB_NS_PER_MS, pb_retries_pauses_ns(retries));
    ck_assert(pb_scenario_get(scenario, "retries.delay", text, sizeof(text)));
    ck_assert_str_eq("10ms", text);
    pb_scenario_free(scenario);
}

PB_TEST(retries_take_what_is_written_and_write_it_again)
{
    struct pb_scenario *scenario = pb_test_scenario(
        HEAD ", \"retries\": { \"max\": 5, \"delay\": \"3ms\", \"backoff\": 1.5, \"max_delay\": "
             "\"5ms\", \"jitter\": \"25%\", \"on\": [ \"rejected\", \"client_error\" ] } }");
    char *text = pb_json_print(scenario->effective, false);
    struct pb_scenario *again = pb_test_scenario(text);

    for (int i = 0; i < 2; i++) {
        const struct pb_retries *retries = i ? &again->retries : &scenario->retries;

        ck_assert_int_eq(5, retries->max);
        ck_assert_uint_eq(1U << PB_OUTCOME_REJECTED | 1U << PB_OUTCOME_CLIENT_ERROR, retries->on);
        ck_assert_double_eq(0.25, retries->jitter);
        ck_assert_int_eq(3000000, pb_retries_pause_ns(retries, 1));
        ck_assert_int_eq(4500000, pb_retries_pause_ns(retries, 2));
        ck_assert_int_eq(5000000, pb_retries_pause_ns(retries, 3));
        ck_assert_int_eq(5000000, pb_retries_pause_ns(retries, 100));
    }
    free(text);
    pb_scenario_free(scenario);
    pb_scenario_free(again);
}

/* 100 pauses that grow a hundredfold each: capped, not overflown. */
PB_TEST(pauses_stop_growing_at_their_cap)
{
    struct pb_retries retries = { .max = PB_RETRIES_MAX,
                                  .delay_ns = PB_NS_PER_S,
                                  .max_delay_ns = 3600 * PB_NS_PER_S,
                                  .backoff = 100 };

    ck_assert_int_eq(3600 * PB_NS_PER_S, pb_retries_pause_ns(&retries, PB_RETRIES_MAX));
    ck_assert_int_eq((1 + 100 + 98 * 3600) * PB_NS_PER_S, pb_retries_pauses_ns(&retries));
    retries.delay_ns = 0;
    ck_assert_int_eq(0, pb_retries_pause_ns(&retries, PB_RETRIES_MAX));
}

PB_TEST(expected_attempts_follow_from_the_declared_errors)
{
    struct pb_scenario *scenario = pb_test_scenario(
        HEAD ", \"retries\": { \"max\": 2 }, \"workload\": { \"client_error_rate\": 0.3, "
             "\"operations\": [ { \"name\": \"a\", \"weight\": 3, \"error_rate\": 0.5 }, "
             "{ \"name\": \"b\" } ] } }");

    /* 1 + 1/2 + 1/4 for three of four, 1 for the other: client errors are not tried again. */
    ck_assert_double_eq_tol((3 * 1.75 + 1) / 4, pb_scenario_expected_attempts(scenario), 1e-12);
    pb_scenario_free(scenario);
}

/* Uniform between the pause less its share and the pause: mean within 4 standard errors; the same
 * for the same seed, request and attempt, and for no other. */
PB_TEST(jitter_takes_up_to_its_share_off_and_comes_from_the_seed)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule, other;
    const int64_t pause_ns = 40 * PB_NS_PER_MS;
    int64_t low_ns = INT64_MAX, high_ns = 0;
    double sum = 0;
    int same = 0;
    enum {
        DRAWS = 20000
    };

    pb_test_scenario_init(&scenario, 1);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 10.0, PB_NS_PER_S);
    scenario.retries = (struct pb_retries){ .max = 3,
                                            .delay_ns = 20 * PB_NS_PER_MS,
                                            .max_delay_ns = PB_NS_PER_S,
                                            .backoff = 2,
                                            .jitter = 0.5 };
    pb_schedule_init(&schedule, &scenario, 7, 1.0);
    pb_schedule_init(&other, &scenario, 8, 1.0);
    for (uint64_t i = 0; i < DRAWS; i++) {
        int64_t got_ns = pb_schedule_backoff_ns(&schedule, 0, i, 2);

        ck_assert_int_eq(got_ns, pb_schedule_backoff_ns(&schedule, 0, i, 2));
        low_ns = got_ns < low_ns ? got_ns : low_ns;
        high_ns = got_ns > high_ns ? got_ns : high_ns;
        sum += (double)got_ns;
        same += got_ns == pb_schedule_backoff_ns(&other, 0, i, 2);
        same += got_ns == 2 * pb_schedule_backoff_ns(&schedule, 0, i, 1);
    }
    ck_assert_int_ge(low_ns, pause_ns / 2);
    ck_assert_int_le(high_ns, pause_ns);
    ck_assert_double_eq_tol(sum / DRAWS, 0.75 * (double)pause_ns,
                            4 * 0.5 * (double)pause_ns / sqrt(12.0 * DRAWS));
    ck_assert_int_lt(same, 10);
    /* Without jitter there is nothing to draw. */
    scenario.retries.jitter = 0;
    ck_assert_int_eq(pause_ns, pb_schedule_backoff_ns(&schedule, 0, 5, 2));
}

/* Each attempt asks for something else, of the same operation. */
PB_TEST(an_attempt_draws_its_own_demand)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    struct pb_demand first, second;
    int same = 0;

    pb_test_scenario_init(&scenario, 1);
    PB_ASSERT_OK(pb_dist_exponential(1e6, &scenario.operations[0].service, NULL));
    scenario.operations[1] = scenario.operations[0];
    scenario.operation_count = 2;
    pb_schedule_init(&schedule, &scenario, 3, 1.0);
    for (uint64_t i = 0; i < 200; i++) {
        pb_schedule_demand(&schedule, 0, i, 0, &first);
        pb_schedule_demand(&schedule, 0, i, 1, &second);
        ck_assert_uint_eq(first.operation, second.operation);
        same += first.service_ns == second.service_ns;
    }
    ck_assert_int_lt(same, 3);
}
