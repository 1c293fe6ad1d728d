#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/scenario.h"
#include "support/alloc.h"
#include "support/load_text.h"
#include "support/test.h"

static const char phased[] =
    "{ \"pool\": { \"size\": 8 },\n"
    "  \"workload\": { \"service\": \"2ms\", \"operations\": [ { \"name\": \"read\" } ] },\n"
    "  \"phases\": [ { \"name\": \"warmup\", \"duration\": \"1s\", \"rate\": 10, \"record\": false },\n"
    "              { \"name\": \"v1.2 peak\", \"duration\": \"2s\", \"rate\": 100 } ],\n"
    "  \"faults\": [ { \"at\": \"2s\", \"stall\": \"1s\" } ] }\n";
static const char short_form[] = "{ \"rate\": 10, \"duration\": \"2s\" }";

/* Writable copies: the struct owns its strings elsewhere. */
struct setting {
    char path[80], value[80];
    enum pb_origin origin;
};

static enum pb_status load(const char *text, struct setting *settings, size_t count,
                           struct pb_scenario **ret_scenario, struct pb_problems *problems)
{
    struct pb_override overrides[8];

    for (size_t i = 0; i < count; i++) {
        overrides[i] =
            (struct pb_override){ settings[i].path, settings[i].value, settings[i].origin, NULL };
    }
    return pb_test_load(text, overrides, count, ret_scenario, problems);
}

static struct pb_scenario *load_with(const char *text, const char *path, const char *value)
{
    struct setting setting = { .origin = PB_ORIGIN_COMMAND_LINE };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;
    char line[640] = "";

    (void)snprintf(setting.path, sizeof(setting.path), "%s", path);
    (void)snprintf(setting.value, sizeof(setting.value), "%s", value);
    enum pb_status status = load(text, &setting, 1, &scenario, &problems);

    if (problems.count > 0) {
        pb_problems_line(&problems, 0, line, sizeof(line));
    }
    ck_assert_msg(status == PB_OK, "%s=%s: %s", path, value, line);
    return scenario;
}

static void check_refused(const char *text, const char *path, const char *value, const char *wanted)
{
    struct pb_override override = { NULL, NULL, PB_ORIGIN_COMMAND_LINE, NULL };

    override.path = strdup(path);
    override.value = strdup(value);
    ck_assert_str_eq(wanted, pb_test_refusal(text, &override, 1));
    free(override.path);
    free(override.value);
}

PB_TEST(any_field_can_be_set_beside_the_file)
{
    static const struct {
        const char *path, *value, *get;
    } cases[] = {
        { "pool.size", "12", "12" },
        { "pool.queue_limit", "2k", "2000" },
        { "pool.lazy", "true", "true" },
        { "pool.strategy", "fifo", "fifo" },
        { "pool.checkout_timeout", "1500ms", "1500ms" },
        { "phases.v1.2 peak.rate", "500", "500" },
        { "phases.v1.2 peak.rate", "2k/s", "2000" },
        { "phases.warmup.duration", "3s", "3s" },
        { "phases.warmup.record", "true", "true" },
        { "workload.service", "5ms", "5ms" },
        { "workload.error_rate", "1%", "0.01" },
        { "workload.memory", "4KiB", "4096" },
        { "workload.operations.read.weight", "3", "3" },
        { "faults.0.stall", "2s", "2s" },
        { "seed", "77", "77" },
        { "description", "[draft]", "[draft]" },
        { "tune.headroom", "20%", "0.2" },
        { "tune.budget.time", "90s", "90s" },
        { "tune.vary.pool.size", "2..4", "2..4" },
        { "tune.vary.pool.strategy", "[\"lifo\", \"fifo\"]", "[\"lifo\",\"fifo\"]" },
        { "slo", "web", "web" },
        { "slo", "[\"error_rate < 1%\"]", "[\"error_rate < 1%\"]" },
        { "abort", "error_rate > 5%", "error_rate > 5%" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        struct pb_scenario *scenario = load_with(phased, cases[i].path, cases[i].value);
        char text[80];

        ck_assert_msg(pb_scenario_get(scenario, cases[i].path, text, sizeof(text)), "%s",
                      cases[i].path);
        /* 1500ms is written in the shortest way that reads back the same. */
        ck_assert_msg(strcmp(text, cases[i].get) == 0 || strcmp(text, "1.5s") == 0,
                      "%s: wanted %s got %s", cases[i].path, cases[i].get, text);
        ck_assert_int_eq(PB_ORIGIN_COMMAND_LINE, pb_scenario_origin(scenario, cases[i].path));
        pb_scenario_free(scenario);
    }
}

PB_TEST(rate_and_duration_find_the_one_recorded_phase)
{
    struct pb_scenario *scenario = load_with(phased, "rate", "7");

    PB_ASSERT_NEAR(7, scenario->phases[1].rate, 0);
    PB_ASSERT_NEAR(10, scenario->phases[0].rate, 0);
    ck_assert_int_eq(PB_ORIGIN_COMMAND_LINE, pb_scenario_origin(scenario, "phases.v1.2 peak.rate"));
    ck_assert_str_eq("100", scenario->overrides[0].replaced);
    pb_scenario_free(scenario);

    scenario = load_with(short_form, "rate", "7");
    PB_ASSERT_NEAR(7, scenario->phases[0].rate, 0);
    PB_ASSERT_NEAR(7, scenario->phases[1].rate, 0);
    pb_scenario_free(scenario);

    scenario = load_with(short_form, "phases.main.duration", "20s");
    ck_assert_int_eq(20 * PB_NS_PER_S, scenario->phases[1].duration_ns);
    ck_assert_int_eq(2 * PB_NS_PER_S, scenario->phases[0].duration_ns);
    ck_assert_int_eq(PB_ORIGIN_COMMAND_LINE, pb_scenario_origin(scenario, "duration"));
    ck_assert_int_eq(PB_ORIGIN_FILE, pb_scenario_origin(scenario, "rate"));
    pb_scenario_free(scenario);
}

PB_TEST(parts_of_a_distribution_can_be_set)
{
    struct setting settings[] = { { "workload.service.p50", "1ms", PB_ORIGIN_COMMAND_LINE },
                                  { "workload.service.p99", "9ms", PB_ORIGIN_COMMAND_LINE } };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_OK(load(phased, settings, 2, &scenario, &problems));
    ck_assert_int_eq(PB_DIST_LOGNORMAL, scenario->operations[0].service.kind);
    PB_ASSERT_NEAR(1e6, pb_dist_quantile_ns(&scenario->operations[0].service, 0.5), 1);
    ck_assert_ptr_null(scenario->overrides[0].replaced);
    pb_scenario_free(scenario);
}

PB_TEST(the_later_origin_wins_and_tells_what_it_replaced)
{
    struct setting settings[] = { { "pool.size", "3", PB_ORIGIN_COMMAND_LINE },
                                  { "pool.size", "2", PB_ORIGIN_ENVIRONMENT },
                                  { "pool.max_overflow", "4", PB_ORIGIN_ENVIRONMENT } };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL, *other = NULL;

    PB_ASSERT_OK(load(phased, settings, 3, &scenario, &problems));
    ck_assert_int_eq(3, scenario->pool.size);
    ck_assert_uint_eq(3, scenario->override_count);
    ck_assert_int_eq(PB_ORIGIN_ENVIRONMENT, scenario->overrides[0].origin);
    ck_assert_str_eq("8", scenario->overrides[0].replaced);
    ck_assert_ptr_null(scenario->overrides[1].replaced);
    ck_assert_str_eq("2", scenario->overrides[2].replaced);
    ck_assert_int_eq(PB_ORIGIN_COMMAND_LINE, pb_scenario_origin(scenario, "pool.size"));
    ck_assert_int_eq(PB_ORIGIN_ENVIRONMENT, pb_scenario_origin(scenario, "pool.max_overflow"));
    ck_assert_int_eq(PB_ORIGIN_DEFAULT, pb_scenario_origin(scenario, "pool.lazy"));

    struct pb_override tuned = { settings[0].path, (char[]){ "5" }, PB_ORIGIN_TUNER, NULL };

    PB_ASSERT_OK(pb_scenario_with(scenario, &tuned, 1, &other, &problems));
    ck_assert_int_eq(5, other->pool.size);
    ck_assert_int_eq(4, other->pool.max_overflow);
    ck_assert_int_eq(3, scenario->pool.size);
    ck_assert_str_eq("3", other->overrides[3].replaced);
    ck_assert_int_eq(PB_ORIGIN_TUNER, pb_scenario_origin(other, "pool.size"));
    pb_scenario_free(scenario);
    pb_scenario_free(other);
}

PB_TEST(the_tuner_may_try_a_pool_that_lacks_the_worker_to_kill)
{
    static const char text[] = "{ \"rate\": 10, \"duration\": \"2s\", \"pool\": { \"size\": 4 }, "
                               "\"faults\": [ { \"at\": \"1s\", \"kill_worker\": 3 } ] }";
    struct pb_scenario *scenario = pb_test_scenario(text), *other = NULL;
    struct pb_problems problems = { .count = 0 };
    struct pb_override tuned = { (char[]){ "pool.size" }, (char[]){ "2" }, PB_ORIGIN_TUNER, NULL };

    PB_ASSERT_OK(pb_scenario_with(scenario, &tuned, 1, &other, &problems));
    pb_scenario_free(scenario);
    pb_scenario_free(other);
    check_refused(text, "pool.size", "2",
                  ":1:97: faults[0].kill_worker: there is no worker 3: size and max_overflow make "
                  "2, numbered from 0");
}

PB_TEST(a_wrong_override_is_named_with_what_would_be_right)
{
    check_refused(phased, "pool.sise", "4",
                  "--set pool.sise=4: unknown field; did you mean \"pool.size\"?");
    check_refused(phased, "sise", "4", "--set sise=4: unknown field; did you mean \"pool.size\"?");
    check_refused(phased, "pool.size", "0",
                  "--set pool.size=0: 0 is out of range: it must be in 1..1024");
    check_refused(
        phased, "pool.size", "2.5",
        "--set pool.size=2.5: \"2.5\" is not a whole number: write it like 12, 30k or 2M");
    check_refused(phased, "pool.lazy", "1", "--set pool.lazy=1: \"1\" must be true or false");
    check_refused(phased, "phases.v1.2 peek.rate", "4",
                  "--set phases.v1.2 peek.rate=4: there is no \"v1\" in phases");
    check_refused(phased, "phases.warmpu.rate", "4",
                  "--set phases.warmpu.rate=4: there is no \"warmpu\" in phases; did you mean "
                  "\"warmup\"?");
    check_refused(phased, "phases.warmup", "4",
                  "--set phases.warmup=4: \"warmup\" in phases has fields: write for example "
                  "phases.warmup.duration");
    check_refused(phased, "phases.warmup.rte", "4",
                  "--set phases.warmup.rte=4: unknown field; did you mean \"phases.warmup.rate\"?");
    check_refused(phased, "retries", "4", "--set retries=4: must be an object { ... }, not text");
    check_refused(phased, "pool.size.max", "4",
                  "--set pool.size.max=4: unknown field; did you mean \"pool.size\"?");
    check_refused(phased, "", "4", "--set =4: unknown field; poolbench fields lists them");
    check_refused(short_form, "phases.warmup.rate", "4",
                  "--set phases.warmup.rate=4: the short form has rate, duration, arrival, users "
                  "and think; for more write phases");
    check_refused(short_form, "name", "a\xFF", "--set name=a\\xff: is not valid UTF-8");
}

PB_TEST(a_wrong_environment_setting_is_named_so)
{
    struct pb_override override = { (char[]){ "pool.size" }, (char[]){ "0" }, PB_ORIGIN_ENVIRONMENT,
                                    NULL };

    ck_assert_str_eq("POOLBENCH_SET pool.size=0: 0 is out of range: it must be in 1..1024",
                     pb_test_refusal(phased, &override, 1));
}

PB_TEST(overriding_without_memory_fails_cleanly)
{
    struct pb_scenario *base = pb_test_scenario(phased);

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_override more[] = {
            { (char[]){ "slo" }, (char[]){ "[\"web\"]" }, PB_ORIGIN_COMMAND_LINE, NULL },
            { (char[]){ "workload.service.value" }, (char[]){ "3ms" }, PB_ORIGIN_COMMAND_LINE,
              NULL },
            { (char[]){ "workload.service.distribution" }, (char[]){ "constant" },
              PB_ORIGIN_COMMAND_LINE, NULL },
        };
        struct pb_problems problems = { .count = 0 };
        struct pb_scenario *scenario = NULL;
        enum pb_status status = pb_scenario_with(base, more, 3, &scenario, &problems);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        pb_scenario_free(scenario);
        pb_problems_done(&problems);
    }
    pb_scenario_free(base);
}
