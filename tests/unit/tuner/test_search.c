#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/rng.h"
#include "support/test.h"
#include "unit/tuner/fake_driver.h"

#define SIZES "{ \"vary\": { \"pool.size\": \"2..32\" } }"

static struct fake exact(void)
{
    /* 400 a second of 10 ms: 4 erlangs. */
    return (struct fake){ .rate_per_s = 400, .service_s = 0.01, .requests = 1e9 };
}

/* Tunes from `start` with the limit that makes `right` the smallest size. */
static cJSON *tune_for(struct fake *fake, int start, size_t right, const char *tune)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    char text[1000];

    fake_text(text, sizeof(text), start, fake_limit_ns(fake, right), tune);
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, fake, &options, PB_OK, NULL);

    pb_scenario_free(scenario);
    return json;
}

static void expect(const cJSON *json, const char *answer, int64_t size)
{
    ck_assert_msg(strcmp(answer, pb_json_str(json, "answer", "")) == 0 && fake_size(json) == size,
                  "want %s at %d, got %s at %d: %s", answer, (int)size,
                  pb_json_str(json, "answer", ""), (int)fake_size(json),
                  pb_json_str(json, "reason", ""));
}

PB_TEST(finds_the_smallest_size_from_above_and_from_below)
{
    static const int starts[] = { 2, 5, 8, 16, 32 };

    for (size_t i = 0; i < PB_ARRAY_LEN(starts); i++) {
        for (size_t right = 5; right <= 11; right += 2) {
            struct fake fake = exact();
            cJSON *json = tune_for(&fake, starts[i], right, SIZES);

            expect(json, starts[i] == (int)right ? "already_best" : "improved", (int64_t)right);
            ck_assert_uint_le(fake.runs, 45);
            cJSON_Delete(json);
        }
    }
}

PB_TEST(finds_the_size_within_one_under_noise)
{
    for (int64_t seed = 1; seed <= 12; seed++) {
        struct fake fake = exact();
        struct pb_tune_options options = { .results = pb_test_folder() };
        char text[1000];

        fake.noise = 0.03;
        fake.requests = 4000;
        fake_text(text, sizeof(text), 16, fake_limit_ns(&fake, 6), SIZES);
        struct pb_scenario *scenario = fake_scenario(options.results, text);

        scenario->seed = seed * 1000;
        cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

        ck_assert_msg(llabs((long long)fake_size(json) - 6) <= 1, "seed %d: size %d, %s: %s",
                      (int)seed, (int)fake_size(json), pb_json_str(json, "answer", ""),
                      pb_json_str(json, "reason", ""));
        ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
        cJSON_Delete(json);
        pb_scenario_free(scenario);
    }
}

/* 3 % between the limit and what any number of workers can reach is less than the runs can tell:
 * an honest "unconfirmed" is right, a setting that fails is not. */
PB_TEST(never_recommends_what_fails_under_noise)
{
    for (int64_t seed = 1; seed <= 12; seed++) {
        struct fake fake = exact();
        struct pb_tune_options options = { .results = pb_test_folder() };
        char text[1000];

        fake.noise = 0.03;
        fake.requests = 4000;
        fake_text(text, sizeof(text), 16, fake_limit_ns(&fake, 7), SIZES);
        struct pb_scenario *scenario = fake_scenario(options.results, text);

        scenario->seed = seed * 1000;
        cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

        ck_assert_int_ge(fake_size(json), 6);
        cJSON_Delete(json);
        pb_scenario_free(scenario);
    }
}

PB_TEST(steps_between_accepted_settings_are_bounded)
{
    struct fake fake = exact();
    cJSON *json =
        tune_for(&fake, 32, 6, "{ \"vary\": { \"pool.size\": \"2..32\" }, \"max_change\": 3 }");
    int64_t last = 32, accepted = 0;

    expect(json, "improved", 6);
    /* Cheapest first: walking back up the accepted ones must never jump by more than 3. */
    const cJSON *rows = pb_json_at(json, "settings");

    for (int i = cJSON_GetArraySize(rows) - 1; i >= 0; i--) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);

        if (pb_json_bool(row, "accepted", false)) {
            int64_t size = pb_json_int(row, "workers", 0);

            ck_assert_int_le(last - size, 3);
            last = size;
            accepted++;
        }
    }
    ck_assert_int_ge(accepted, 9);
    cJSON_Delete(json);
}

PB_TEST(says_infeasible_where_nothing_can_hold)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct fake fake = exact();
    char text[1000];

    /* Exponential service of 10 ms alone has a p99 of 46 ms. */
    fake_text(text, sizeof(text), 8, 20e6, "{ \"vary\": { \"pool.size\": \"2..64\" } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    expect(json, "infeasible", -1);
    ck_assert(cJSON_IsNull(pb_json_at(json, "recommended")));
    ck_assert_str_eq("latency.p99 < 20000000ns", pb_json_str(json, "binding.expression", ""));
    ck_assert_ptr_nonnull(strstr(pb_json_str(json, "reason", ""), "closest"));
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(says_what_would_have_to_change)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct fake fake = exact();
    char text[1000];

    fake.rate_per_s = 4000;
    (void)snprintf(text, sizeof(text),
                   "{ \"rate\": 4000, \"duration\": \"10s\", \"workload\": { \"service\": \"10ms\" "
                   "}, \"pool\": { \"size\": 4 }, \"slo\": [ \"latency.p99 < 5ms\" ], \"tune\": { "
                   "\"vary\": { \"pool.size\": \"2..8\" } } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);
    char *notes = pb_json_print(pb_json_at(json, "notes"), false);

    expect(json, "infeasible", -1);
    ck_assert_str_eq("exhaustive", pb_json_str(json, "search", ""));
    ck_assert_ptr_nonnull(strstr(notes, "the work alone takes longer"));
    ck_assert_ptr_nonnull(strstr(notes, "needs 40 workers"));
    free(notes);
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(judges_at_headroom_and_with_workers_lost)
{
    struct fake fake = exact(), stressed = exact();
    cJSON *json;

    stressed.rate_per_s = 600;
    /* What 600/s needs with one more for the one lost: 9 + 1. */
    struct pb_tune_options options = { .results = pb_test_folder() };
    char text[1000];

    fake_text(text, sizeof(text), 20, fake_limit_ns(&stressed, 9),
              "{ \"vary\": { \"pool.size\": \"2..32\" }, \"headroom\": \"50%\", \"survive\": 1 }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);

    json = fake_tune(scenario, &fake, &options, PB_OK, NULL);
    expect(json, "improved", 10);
    PB_ASSERT_NEAR(1.5, pb_json_num(json, "evidence.stress.load_factor", 0), 1e-12);
    ck_assert_str_eq("PASS", pb_json_str(json, "evidence.stress.answer", ""));
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(a_candidate_with_a_fault_is_rolled_back)
{
    static const enum fake_fault faults[] = { FAKE_CRASHES, FAKE_SLOW, FAKE_INVALID,
                                              FAKE_FRESH_BAD };

    for (size_t i = 0; i < PB_ARRAY_LEN(faults); i++) {
        struct fake fake = exact();

        fake.fault = faults[i];
        fake.fault_size = 7; /* what would be right */
        cJSON *json = tune_for(&fake, 16, 7, SIZES);
        char *discarded = pb_json_print(pb_json_at(json, "discarded"), false);

        ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
        ck_assert_int_eq(8, fake_size(json));
        ck_assert_ptr_nonnull(strstr(discarded, "{\"pool.size\":7}"));
        free(discarded);
        cJSON_Delete(json);
    }
}

PB_TEST(an_incumbent_with_a_fault_is_left)
{
    struct fake fake = exact();

    fake.fault = FAKE_CRASHES;
    fake.fault_size = 16;
    cJSON *json = tune_for(&fake, 16, 7, SIZES);

    expect(json, "improved", 7);
    cJSON_Delete(json);
}

PB_TEST(invalid_runs_are_repeated_and_never_used)
{
    struct fake fake = exact();

    fake.invalid_every = 3;
    cJSON *json = tune_for(&fake, 16, 7, SIZES);
    const cJSON *row;

    expect(json, "improved", 7);
    ck_assert_int_gt(pb_json_int(json, "real_runs.invalid", 0), 3);
    cJSON_ArrayForEach(row, pb_json_at(json, "settings"))
    {
        ck_assert_int_le(pb_json_int(row, "runs", 0), 6);
    }
    cJSON_Delete(json);
}

PB_TEST(nothing_is_recommended_when_no_run_can_be_trusted)
{
    struct fake fake = exact();

    fake.invalid_every = 1;
    cJSON *json = tune_for(&fake, 16, 7, "{ \"vary\": { \"pool.size\": \"14..18\" } }");

    ck_assert_str_eq("unconfirmed", pb_json_str(json, "answer", ""));
    ck_assert_int_eq(0, cJSON_GetArraySize(pb_json_at(json, "changed")));
    cJSON_Delete(json);
}

PB_TEST(an_exhaustive_search_finds_a_size_behind_a_gap)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct fake fake = exact();
    char text[1000];

    /* 4 and 7 up hold, 5 and 6 do not: a CPU-bound pool can look like this. */
    fake.table = true;
    for (size_t i = 0; i < 7; i++) {
        fake.fixed_bad[i] = i == 4 ? 0 : 0.2;
    }
    fake_text(text, sizeof(text), 8, 50e6, "{ \"vary\": { \"pool.size\": \"2..10\" } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    expect(json, "improved", 4);
    ck_assert_str_eq("exhaustive", pb_json_str(json, "search", ""));
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(a_size_whose_larger_neighbour_fails_is_said_to_be_so)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    struct fake fake = exact();
    char text[1000];

    fake.table = true;
    for (size_t i = 0; i < 65; i++) {
        fake.fixed_bad[i] = i == 2 || i >= 16 ? 0 : 0.2;
    }
    fake_text(text, sizeof(text), 4, 50e6, "{ \"vary\": { \"pool.size\": \"2..64\" } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    /* From 4 upward 16 is found first; nothing below it is reachable by monotone thinking, and the
     * answer says how it was searched. */
    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    ck_assert_str_eq("coordinate", pb_json_str(json, "search", ""));
    ck_assert(fake_size(json) == 2 || fake_size(json) == 16);
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(overflow_that_buys_nothing_is_given_up)
{
    struct fake fake = exact();
    struct pb_tune_options options = { .results = pb_test_folder() };
    char text[1000];

    fake_text(
        text, sizeof(text), 12, fake_limit_ns(&fake, 7),
        "{ \"vary\": { \"pool.overflow_ttl\": [\"1s\"], \"pool.size\": \"2..16\", \"pool.max_overflow\": \"0..8\", "
        "\"pool.checkout_timeout\": [\"1s\", \"100ms\", \"5s\"] } }");
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    ck_assert_int_eq(7, pb_json_int(json, "cost.use", 0));
    /* What changes nothing is not changed. */
    ck_assert_int_eq(1, cJSON_GetArraySize(pb_json_at(json, "changed")));
    ck_assert_str_eq("pool.overflow_ttl", pb_json_str(json, "dead_settings.0.path", ""));
    cJSON_Delete(json);
    pb_scenario_free(scenario);
}

PB_TEST(a_measured_cost_is_followed_downhill)
{
    struct fake fake = exact();
    cJSON *json = tune_for(&fake, 16, 7,
                           "{ \"vary\": { \"pool.size\": \"2..32\" }, \"minimize\": \"memory\" }");

    expect(json, "improved", 7);
    ck_assert_str_eq("bytes", pb_json_str(json, "cost.unit", ""));
    cJSON_Delete(json);

    fake = exact();
    json = tune_for(&fake, 6, 6,
                    "{ \"vary\": { \"pool.size\": \"2..32\" }, \"minimize\": \"latency.p99\" }");
    ck_assert_str_eq("improved", pb_json_str(json, "answer", ""));
    ck_assert_int_gt(fake_size(json), 6);
    cJSON_Delete(json);
}

PB_TEST(the_budget_is_kept)
{
    struct fake fake = exact();
    cJSON *json =
        tune_for(&fake, 32, 7,
                 "{ \"vary\": { \"pool.size\": \"2..32\" }, \"budget\": { \"runs\": 6 } }");

    ck_assert_uint_le(fake.runs, 6);
    ck_assert_str_eq("unconfirmed", pb_json_str(json, "answer", ""));
    ck_assert(pb_json_bool(json, "budget.exhausted", false));
    cJSON_Delete(json);

    fake = exact();
    json =
        tune_for(&fake, 32, 7,
                 "{ \"vary\": { \"pool.size\": \"2..32\" }, \"budget\": { \"time\": \"200s\" } }");
    ck_assert_uint_le(fake.runs, 20);
    cJSON_Delete(json);
}

PB_TEST(quick_spends_less_and_says_provisional)
{
    struct pb_tune_options options = { .results = pb_test_folder(), .quick = true };
    struct fake fake = exact(), slow = exact();
    char text[1000];

    fake_text(text, sizeof(text), 16, fake_limit_ns(&fake, 7), SIZES);
    struct pb_scenario *scenario = fake_scenario(options.results, text);
    cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL);

    expect(json, "improved", 7);
    ck_assert(pb_json_bool(json, "provisional", false));
    cJSON_Delete(json);
    options.quick = false;
    cJSON_Delete(fake_tune(scenario, &slow, &options, PB_OK, NULL));
    ck_assert_uint_lt(fake.runs, slow.runs);
    pb_scenario_free(scenario);
}

static uint64_t draw(uint64_t space, uint32_t what, uint64_t bound)
{
    struct pb_rng_key key = { space, what, PB_STREAM_TUNER };

    return pb_rng_below(&key, 0, bound);
}

/* A scenario with a random space around a random setting, which may lie outside of it. */
static void random_text(uint64_t space, char *text, size_t bytes)
{
    static const char *const lists[] = { "[\"50ms\", \"1s\"]", "[\"2s\", \"100ms\", \"5s\"]",
                                         "\"10ms..1s\"" };
    static const char *const goals[] = { "workers", "mean_workers", "memory", "latency.p99" };
    char tune[600];
    uint64_t low = 1 + draw(space, 1, 20), over = draw(space, 3, 4);

    (void)snprintf(tune, sizeof(tune),
                   "{ \"vary\": { \"pool.size\": \"%d..%d\", \"pool.max_overflow\": \"%d..%d\", "
                   "\"pool.checkout_timeout\": %s }, \"minimize\": \"%s\", \"survive\": %d, "
                   "\"headroom\": %s, \"max_change\": %d, \"budget\": { \"runs\": %d } }",
                   (int)low, (int)(low + draw(space, 2, 40)), (int)over,
                   (int)(over + draw(space, 4, 9)), lists[draw(space, 5, PB_ARRAY_LEN(lists))],
                   goals[draw(space, 6, PB_ARRAY_LEN(goals))], (int)draw(space, 7, 2),
                   draw(space, 8, 2) == 0 ? "0" : "0.2", (int)(1 + draw(space, 9, 5)),
                   (int)(10 + draw(space, 10, 70)));
    fake_text(text, bytes, (int)(1 + draw(space, 11, 40)), 40e6 + 1e6 * (double)draw(space, 12, 60),
              tune);
}

PB_TEST_TIMEOUT(never_leaves_the_declared_range, 300)
{
    struct pb_tune_options options = { .results = pb_test_folder() };
    unsigned improved = 0, infeasible = 0;

    for (uint64_t space = 0; space < 400; space++) {
        struct fake fake = exact();
        char text[1200];

        fake.scramble = space % 3 == 0;
        fake.noise = space % 2 == 0 ? 0 : 0.05;
        fake.requests = space % 2 == 0 ? 1e9 : 2000;
        fake.invalid_every = space % 7 == 0 ? 4 : 0;
        random_text(space, text, sizeof(text));
        struct pb_scenario *scenario = fake_scenario(options.results, text);
        cJSON *json = fake_tune(scenario, &fake, &options, PB_OK, NULL); /* asserts the range */
        const char *answer = pb_json_str(json, "answer", "");

        improved += strcmp(answer, "improved") == 0;
        infeasible += strcmp(answer, "infeasible") == 0;
        ck_assert_uint_le(fake.runs, (unsigned)scenario->tune.budget_runs);
        cJSON_Delete(json);
        pb_scenario_free(scenario);
    }
    /* The spaces are not all of one kind. */
    ck_assert_uint_gt(improved, 25);
    ck_assert_uint_gt(infeasible, 8);
}
