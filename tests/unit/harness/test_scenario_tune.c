#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/scenario.h"
#include "support/load_text.h"
#include "support/test.h"

/* The candidates of one path, joined with blanks, into `text`. */
static void candidates(const char *path, const char *values, char *text, size_t size,
                       size_t *ret_count)
{
    char file[512];
    size_t used = 0;

    (void)snprintf(file, sizeof(file),
                   "{ \"rate\": 1, \"duration\": \"1s\", \"tune\": { \"vary\": { \"%s\": %s } } }",
                   path, values);
    struct pb_scenario *scenario = pb_test_scenario(file);
    const struct pb_vary *vary = &scenario->tune.vary[0];

    ck_assert_uint_eq(1, scenario->tune.vary_count);
    ck_assert_str_eq(path, vary->path);
    ck_assert_str_eq(path, vary->field->path);
    ck_assert_int_eq(values[0] == '"', vary->range);
    *text = '\0';
    for (size_t i = 0; i < vary->count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", vary->values[i]);
    }
    *ret_count = vary->count;
    pb_scenario_free(scenario);
}

static void check_candidates(const char *path, const char *values, const char *wanted)
{
    char text[512];
    size_t count = 0;

    candidates(path, values, text, sizeof(text), &count);
    ck_assert_str_eq(wanted, text);
}

PB_TEST(integer_ranges_are_taken_whole)
{
    char text[16];
    size_t count = 0;

    check_candidates("pool.size", "\"2..6\"", "2 3 4 5 6");
    check_candidates("pool.size", "\"4 .. 4\"", "4");
    candidates("pool.size", "\"1..1024\"", text, sizeof(text), &count);
    ck_assert_uint_eq(1024, count);
    candidates("pool.max_overflow", "\"0..1024\"", text, sizeof(text), &count);
    ck_assert_uint_eq(1025, count);
}

PB_TEST(wide_ranges_and_durations_are_on_the_grid_with_both_ends)
{
    check_candidates("pool.queue_limit", "\"0..3000\"",
                     "0 1 2 5 10 20 50 100 200 500 1000 2000 3000");
    check_candidates("pool.queue_limit", "\"7..2k\"", "7 10 20 50 100 200 500 1000 2000");
    check_candidates("pool.checkout_timeout", "\"50ms..1s\"", "50ms 100ms 200ms 500ms 1s");
    check_candidates("pool.checkout_timeout", "\"30ms..70ms\"", "30ms 50ms 70ms");
    check_candidates("pool.checkout_timeout", "\"1s..1m\"", "1s 2s 5s 10s 20s 50s 1m");
    check_candidates("pool.overflow_ttl", "\"0..1s\"",
                     "0 1ms 2ms 5ms 10ms 20ms 50ms 100ms 200ms 500ms 1s");
    check_candidates("pool.overflow_after", "\"0..3us\"", "0 1us 2us 3us");
}

PB_TEST(lists_keep_their_order_and_one_way_of_writing)
{
    check_candidates("pool.size", "[8, 2, 4]", "8 2 4");
    check_candidates("pool.checkout_timeout", "[\"1000ms\", \"0.25s\"]", "1s 250ms");
    check_candidates("pool.strategy", "[\"fifo\", \"lifo\"]", "fifo lifo");
}

PB_TEST(a_candidate_that_is_no_value_of_its_field_is_refused)
{
    static const struct {
        const char *vary, *reason;
    } bad[] = {
        { "\"pool.size\": \"2..2000\"", "2000 is out of range: it must be in 1..1024" },
        { "\"pool.size\": [2, 2]", "2 stands in the list twice" },
        { "\"pool.checkout_timeout\": [\"1s\", \"1000ms\"]", "1s stands in the list twice" },
        { "\"pool.size\": [2, 2.5]", "2.5 is not a whole number" },
        { "\"pool.size\": []", "not an empty one" },
        { "\"pool.size\": 4", "not a number" },
        { "\"pool.size\": \"4\"", "is not a range" },
        { "\"pool.strategy\": \"lifo..fifo\"", "takes a list of values" },
        { "\"pool.strategy\": [\"lifo\", \"most_loaded\"]", "is not one of lifo, fifo" },
        { "\"pool.threads_per_worker\": [1, 16], \"pool.size\": \"2..100\"",
          "tries 100 workers of 16 threads: at most 1024 requests can run at once" },
        { "\"pool.checkout_timeout\": \"1..5s\"", "has no unit" },
        { "\"pool.lazy\": [true]", "is not tunable" },
        { "\"phases.main.rate\": [1]", "is not tunable" },
        { "\"workload.cpu_share\": [1]", "is not tunable" },
        { "\"pool.sizes\": [1]", "did you mean \"pool.size\"" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        char file[512];

        (void)snprintf(file, sizeof(file),
                       "{ \"rate\": 1, \"duration\": \"1s\", \"tune\": { \"vary\": { %s } } }",
                       bad[i].vary);
        const char *got = pb_test_refusal(file, NULL, 0);

        ck_assert_msg(strstr(got, bad[i].reason) != NULL, "%s\n  wanted: %s\n  got: %s",
                      bad[i].vary, bad[i].reason, got);
    }
}

PB_TEST(no_candidate_is_beyond_the_sizes_that_the_pool_may_have)
{
    static const struct {
        const char *pool, *reason;
    } bad[] = {
        { "\"min_size\": 4", "tries size 2, and pool.min_size is 4" },
        { "\"max_size\": 16", "tries size 32, and pool.max_size is 16" },
    };
    char file[512];

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        (void)snprintf(file, sizeof(file),
                       "{ \"rate\": 1, \"duration\": \"1s\", \"pool\": { \"size\": 8, %s }, "
                       "\"tune\": { \"vary\": { \"pool.size\": \"2..32\" } } }",
                       bad[i].pool);
        const char *got = pb_test_refusal(file, NULL, 0);

        ck_assert_msg(strstr(got, bad[i].reason) != NULL, "wanted: %s\n got: %s", bad[i].reason,
                      got);
    }
}

PB_TEST(the_goal_and_the_budget_are_read)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 1, \"duration\": \"1s\", \"tune\": { \"minimize\": \"latency.p99\", "
        "\"headroom\": 0.5, \"survive\": 2, \"max_change\": 3, \"budget\": { \"time\": \"2m\", "
        "\"runs\": 60 } } }");
    const struct pb_tune *tune = &scenario->tune;

    ck_assert_int_eq(PB_MINIMIZE_LATENCY_P99, tune->minimize);
    PB_ASSERT_NEAR(0.5, tune->headroom, 0);
    ck_assert_int_eq(2, tune->survive);
    ck_assert_int_eq(3, tune->max_change);
    ck_assert_int_eq(120 * PB_NS_PER_S, tune->budget_time_ns);
    ck_assert_int_eq(60, tune->budget_runs);
    ck_assert_uint_eq(0, tune->vary_count);
    pb_scenario_free(scenario);
}
