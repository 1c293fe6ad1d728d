/* Changes of the pool at their times.  The mistakes are in tests/data/broken. */
#include "base/clock.h"
#include "harness/measures.h"
#include "support/load_text.h"
#include "support/scenario.h"

#define HEAD                                                               \
    "{ \"pool\": { \"size\": 4, \"max_overflow\": 1, \"queue_limit\": 10," \
    " \"min_size\": 2, \"max_size\": 20 }, \"phases\": ["                  \
    " { \"name\": \"day\", \"duration\": \"4s\", \"rate\": 10 },"          \
    " { \"name\": \"rush\", \"duration\": \"4s\", \"rate\": 10 } ], \"changes\": "

PB_TEST(changes_are_read_in_the_order_of_their_instants)
{
    struct pb_scenario *scenario = pb_test_scenario(
        HEAD
        "[ { \"at\": \"rush+1s\", \"set\": { \"pool.size\": 8, \"pool.strategy\": \"fifo\" } },"
        " { \"at\": \"500ms\", \"set\": { \"pool.checkout_timeout\": \"50ms\" } } ] }");

    ck_assert_uint_eq(2, scenario->change_count);
    ck_assert_int_eq(500 * PB_NS_PER_MS, scenario->changes[0].at_ns);
    ck_assert_int_eq(50 * PB_NS_PER_MS, scenario->changes[0].set.checkout_timeout_ns);
    ck_assert_int_eq(-1, scenario->changes[0].set.size);
    ck_assert_int_eq(5 * PB_NS_PER_S, scenario->changes[1].at_ns);
    ck_assert_int_eq(8, scenario->changes[1].set.size);
    ck_assert_int_eq(PB_STRATEGY_FIFO, scenario->changes[1].set.strategy);
    ck_assert_str_eq("pool.size 8, pool.strategy fifo at rush+1s", scenario->changes[1].text);
    pb_scenario_free(scenario);
}

PB_TEST(the_pool_has_room_for_its_changes)
{
    struct pb_scenario *scenario = pb_test_scenario(
        HEAD
        "[ { \"at\": \"1s\", \"set\": { \"pool.max_overflow\": 30 } },"
        " { \"at\": \"2s\", \"set\": { \"pool.size\": 12, \"pool.queue_limit\": 500 } },"
        " { \"at\": \"3s\", \"set\": { \"pool.max_overflow\": 0, \"pool.queue_limit\": 1 } } ] "
        "}");
    struct pb_pool_config config;

    pb_scenario_pool_config(scenario, &config);
    ck_assert_uint_eq(4, config.size);
    ck_assert_uint_eq(42, config.max_size);
    ck_assert_uint_eq(500, config.max_queue_limit);
    pb_scenario_free(scenario);
}

PB_TEST(sizes_stay_within_their_bounds)
{
    struct pb_scenario *scenario =
        pb_test_scenario(HEAD "[ { \"at\": \"1s\", \"set\": { \"pool.size\": 1 } },"
                              " { \"at\": \"2s\", \"set\": { \"pool.size\": 64 } } ] }");

    ck_assert_int_eq(2, scenario->changes[0].set.size);
    ck_assert_str_eq("pool.size 1 (raised to min_size) at 1s", scenario->changes[0].text);
    ck_assert_int_eq(20, scenario->changes[1].set.size);
    ck_assert_str_eq("pool.size 64 (cut to max_size) at 2s", scenario->changes[1].text);
    pb_scenario_free(scenario);
}

PB_TEST(a_phase_has_the_workers_of_its_changes)
{
    struct pb_scenario *scenario =
        pb_test_scenario(HEAD "[ { \"at\": \"2s\", \"set\": { \"pool.size\": 8 } },"
                              " { \"at\": \"rush\", \"set\": { \"pool.max_overflow\": 2 } } ] }");

    ck_assert_int_eq(7, pb_scenario_slots_in(scenario, 0)); /* 5, then 9 */
    ck_assert_int_eq(10, pb_scenario_slots_in(scenario, 1));
    pb_scenario_free(scenario);
}

PB_TEST(slot_time_follows_the_changes_that_were_made)
{
    struct pb_scenario *scenario =
        pb_test_scenario(HEAD "[ { \"at\": \"1s\", \"set\": { \"pool.size\": 8 } },"
                              " { \"at\": \"2s\", \"set\": { \"pool.size\": 2 } },"
                              " { \"at\": \"3s\", \"set\": { \"pool.size\": 16 } } ] }");
    struct pb_evidence *evidence = calloc(1, sizeof(*evidence));

    ck_assert_ptr_nonnull(evidence);
    evidence->scenario = scenario;
    evidence->changes[0] = (struct pb_change_result){ 1000, .after = { .size = 8 } };
    evidence->changes[1] =
        (struct pb_change_result){ 2000, .after = { .size = 2 }, .refused = "no" };
    evidence->changes[2].made_ns = -1;

    struct pb_slot_time time = pb_evidence_slot_time(evidence, 500, 3000);

    PB_ASSERT_NEAR(4 * 500 + 8 * 2000, time.core_ns, 1e-9);
    PB_ASSERT_NEAR(5 * 500 + 8 * 2000, time.all_ns, 1e-9);
    time = pb_evidence_slot_time(evidence, 1500, 1600);
    PB_ASSERT_NEAR(800, time.core_ns, 1e-9);
    free(evidence);
    pb_scenario_free(scenario);
}
