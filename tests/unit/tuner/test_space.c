#include <stdlib.h>

#include "support/test.h"
#include "tuner/space.h"
#include "unit/tuner/fake_driver.h"

static struct pb_scenario *with_tune(const char *tune)
{
    char text[1000];

    fake_text(text, sizeof(text), 16, 50e6, tune);
    return fake_scenario(pb_test_folder(), text);
}

PB_TEST(space_orders_quantities_and_finds_the_original)
{
    struct pb_scenario *scenario = with_tune(
        "{ \"vary\": { \"pool.checkout_timeout\": [\"1s\", \"50ms\", \"5000ms\"], \"pool.size\": "
        "\"4..20\", \"pool.strategy\": [\"fifo\", \"lifo\"] } }");
    struct pb_space space;
    char text[200];

    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));
    ck_assert_uint_eq(3 * 17 * 2, space.settings);
    ck_assert(space.dims[0].ordered && !space.dims[2].ordered);
    ck_assert_str_eq("50ms", space.dims[0].values[0]);

    struct pb_point original = pb_space_original(&space);

    ck_assert_uint_eq(2, original.index[0]); /* the default, 5 s */
    ck_assert_uint_eq(12, original.index[1]);
    ck_assert_uint_eq(1, original.index[2]);
    ck_assert(pb_space_inside(&space, &original));
    ck_assert_int_eq(16, pb_space_workers(&space, &original));
    pb_space_text(&space, &original, text, sizeof(text));
    ck_assert_str_eq("checkout_timeout 5s, size 16, strategy lifo", text);
    pb_space_done(&space);
    pb_scenario_free(scenario);
}

PB_TEST(space_keeps_a_value_that_is_not_declared)
{
    struct pb_scenario *scenario = with_tune("{ \"vary\": { \"pool.size\": [4, 8, 12] } }");
    struct pb_override overrides[PB_VARY_MAX];
    struct pb_space space;

    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));

    struct pb_point original = pb_space_original(&space);
    struct pb_point nearest = pb_space_nearest(&space, &original);
    cJSON *json = pb_space_json(&space, &original);

    ck_assert_uint_eq(PB_AS_WRITTEN, original.index[0]);
    ck_assert(!pb_space_inside(&space, &original));
    ck_assert_uint_eq(0, pb_space_overrides(&space, &original, overrides));
    ck_assert_int_eq(16, pb_space_workers(&space, &original));
    ck_assert_double_eq(16, cJSON_GetObjectItem(json, "pool.size")->valuedouble);
    ck_assert_uint_eq(2, nearest.index[0]);
    ck_assert_uint_eq(1, pb_space_overrides(&space, &nearest, overrides));
    ck_assert_str_eq("12", overrides[0].value);
    cJSON_Delete(json);
    pb_space_done(&space);
    pb_scenario_free(scenario);
}

PB_TEST(space_bounds_a_step)
{
    struct pb_scenario *scenario = with_tune("{ \"vary\": { \"pool.size\": \"1..64\" } }");
    struct pb_space space;

    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));
    /* Index i is size i + 1: 16 reaches 8 and 24; 3 reaches 1 and 5. */
    ck_assert_uint_eq(7, pb_space_reach(&space, 0, 15, false));
    ck_assert_uint_eq(23, pb_space_reach(&space, 0, 15, true));
    ck_assert_uint_eq(0, pb_space_reach(&space, 0, 2, false));
    ck_assert_uint_eq(4, pb_space_reach(&space, 0, 2, true));
    ck_assert_uint_eq(63, pb_space_reach(&space, 0, 63, true));

    struct pb_point from = { { 15 } }, near = { { 7 } }, far = { { 6 } };

    ck_assert(pb_space_within_step(&space, &from, &near));
    ck_assert(!pb_space_within_step(&space, &from, &far));
    pb_space_done(&space);
    scenario->tune.max_change = 3;
    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));
    ck_assert_uint_eq(12, pb_space_reach(&space, 0, 15, false));
    pb_space_done(&space);
    pb_scenario_free(scenario);
}

PB_TEST(space_takes_the_steps_of_a_coarse_list)
{
    struct pb_scenario *scenario = with_tune("{ \"vary\": { \"pool.size\": [4, 64, 8] } }");
    struct pb_space space;

    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));
    ck_assert_uint_eq(1, pb_space_reach(&space, 0, 2, false));
    pb_space_done(&space);
    scenario->tune.max_change = 10;
    PB_ASSERT_OK(pb_space_init(scenario, &space, NULL));
    ck_assert_uint_eq(2, pb_space_reach(&space, 0, 2, false)); /* said to be too far */
    pb_space_done(&space);
    pb_scenario_free(scenario);
}
