#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "harness/scenario.h"
#include "support/alloc.h"
#include "support/load_text.h"
#include "support/test.h"
#include "workload/workload.h"

static const char smallest[] =
    "{ \"rate\": \"1000/s\", \"duration\": \"30s\",\n"
    "  \"pool\": { \"size\": 8 }, \"workload\": { \"service\": { \"p50\": \"3.5ms\", \"p99\": "
    "\"25ms\" } },\n"
    "  \"slo\": [ \"latency.p99 < 50ms\", \"error_rate < 0.1%\" ] }\n";

static const char full[] =
    "{\n"
    "  \"name\": \"checkout-spike\", \"description\": \"a flash sale\", \"seed\": 42,\n"
    "  \"pool\": { \"profile\": \"thread\", \"size\": 8, \"max_overflow\": 6, \"overflow_ttl\": "
    "\"200ms\", \"queue_limit\": 500,\n"
    "            \"checkout_timeout\": \"250ms\", \"operation_timeout\": \"200ms\" },\n"
    "  \"workload\": { \"type\": \"synthetic\", \"service\": { \"distribution\": \"lognormal\", "
    "\"mean\": \"5ms\", \"p99\": \"25ms\" },\n"
    "                \"cpu_share\": 0.04, \"error_rate\": \"0.01%\" },\n"
    "  \"phases\": [\n"
    "    { \"name\": \"warmup\", \"duration\": \"2s\", \"arrival\": \"constant\", \"rate\": 200, "
    "\"record\": false },\n"
    "    { \"name\": \"steady\", \"duration\": \"10s\", \"arrival\": \"poisson\", \"rate\": 1000 },\n"
    "    { \"name\": \"spike\",  \"duration\": \"3s\",  \"arrival\": \"poisson\", \"rate\": 2000 }\n"
    "  ],\n"
    "  \"faults\": [ { \"at\": \"steady+4s\", \"kill_worker\": 2 } ],\n"
    "  \"slo\": [ \"latency.p99 < 100ms\", \"error_rate < 0.2%\", \"recovery_time < 500ms\",\n"
    "           { \"expr\": \"steady: utilization in 40%..80%\", \"level\": \"warn\", \"why\": "
    "\"capacity rule\" } ],\n"
    "  \"abort\": [ \"error_rate > 20% for 2s\" ],\n"
    "  \"tune\": { \"vary\": { \"pool.size\": \"2..32\", \"pool.max_overflow\": \"0..16\",\n"
    "                      \"pool.checkout_timeout\": [\"50ms\", \"100ms\", \"250ms\", \"1s\"] },\n"
    "            \"minimize\": \"workers\", \"headroom\": \"20%\", \"survive\": 1, \"budget\": { "
    "\"time\": \"15m\" } }\n"
    "}\n";

PB_TEST(the_smallest_scenario_has_a_warm_up_and_a_main_phase)
{
    struct pb_scenario *scenario = pb_test_scenario(smallest);

    ck_assert(scenario->short_form);
    ck_assert_uint_eq(2, scenario->phase_count);
    ck_assert_str_eq("warmup", scenario->phases[0].name);
    ck_assert_int_eq(3 * PB_NS_PER_S, scenario->phases[0].duration_ns);
    ck_assert(!scenario->phases[0].record);
    ck_assert_int_eq(0, scenario->phases[0].start_ns);
    ck_assert_str_eq("main", scenario->phases[1].name);
    ck_assert_int_eq(3 * PB_NS_PER_S, scenario->phases[1].start_ns);
    ck_assert_int_eq(30 * PB_NS_PER_S, scenario->phases[1].duration_ns);
    ck_assert(scenario->phases[1].record);
    PB_ASSERT_NEAR(1000, scenario->phases[0].rate, 0);
    ck_assert_int_eq(PB_ARRIVAL_POISSON, scenario->phases[1].arrival);
    ck_assert_int_eq(8, scenario->pool.size);
    ck_assert_int_eq(1000, scenario->pool.queue_limit);
    ck_assert_int_eq(1, scenario->seed);
    ck_assert_uint_eq(2, scenario->objective_count);
    ck_assert_int_eq(1, scenario->objectives[0].phase);
    ck_assert_int_eq(3, scenario->objectives[0].line);
    PB_ASSERT_NEAR(5e7, scenario->objectives[0].limit, 0);
    PB_ASSERT_NEAR(0.99, scenario->objectives[0].quantile, 0);
    ck_assert_int_eq(33 * PB_NS_PER_S, pb_scenario_duration_ns(scenario));
    pb_scenario_free(scenario);
}

PB_TEST(the_full_scenario_is_read_as_it_is_written)
{
    struct pb_scenario *scenario = pb_test_scenario(full);

    ck_assert_str_eq("checkout-spike", scenario->name);
    ck_assert_int_eq(42, scenario->seed);
    ck_assert(scenario->workload == &pb_workload_synthetic);
    ck_assert_int_eq(6, scenario->pool.max_overflow);
    ck_assert_int_eq(200 * PB_NS_PER_MS, scenario->pool.overflow_ttl_ns);
    ck_assert_int_eq(-1, scenario->pool.max_stuck);
    ck_assert_uint_eq(1, scenario->operation_count);
    PB_ASSERT_NEAR(5e6, pb_scenario_mean_service_ns(scenario), 1);
    PB_ASSERT_NEAR(2e5, pb_scenario_mean_cpu_ns(scenario), 1);
    PB_ASSERT_NEAR(0.0001, scenario->operations[0].error_rate, 1e-18);
    ck_assert_uint_eq(3, scenario->phase_count);
    ck_assert_uint_eq(1, scenario->fault_count);
    ck_assert_int_eq(6 * PB_NS_PER_S, scenario->faults[0].at_ns);
    ck_assert_int_eq(2, scenario->faults[0].worker);
    ck_assert_str_eq("kill_worker 2 at steady+4s", scenario->faults[0].text);
    /* Two objectives in each of two recorded phases, one of the whole run, one of a phase. */
    ck_assert_uint_eq(6, scenario->objective_count);
    ck_assert(scenario->objectives[4].whole_run);
    ck_assert_int_eq(PB_PHASE_ALL, scenario->objectives[4].phase);
    ck_assert_int_eq(1, scenario->objectives[5].phase);
    ck_assert_int_eq(PB_LEVEL_WARN, scenario->objectives[5].level);
    ck_assert_str_eq("capacity rule", scenario->objectives[5].why);
    ck_assert_str_eq("utilization in 40%..80%", scenario->objectives[5].expression);
    ck_assert_uint_eq(1, scenario->abort_count);
    ck_assert_int_eq(2 * PB_NS_PER_S, scenario->aborts[0].for_ns);
    ck_assert_uint_eq(3, scenario->tune.vary_count);
    ck_assert_uint_eq(31, scenario->tune.vary[0].count);
    ck_assert_str_eq("32", scenario->tune.vary[0].values[30]);
    ck_assert_uint_eq(4, scenario->tune.vary[2].count);
    PB_ASSERT_NEAR(0.2, scenario->tune.headroom, 0);
    ck_assert_int_eq(900 * PB_NS_PER_S, scenario->tune.budget_time_ns);
    pb_scenario_free(scenario);
}

PB_TEST(what_a_file_leaves_out_has_the_documented_default)
{
    struct pb_scenario *scenario = pb_test_scenario("{\"rate\": 5, \"duration\": \"2s\"}");
    struct pb_pool_config config, wanted;

    pb_pool_config_default(&wanted);
    pb_scenario_pool_config(scenario, &config);
    ck_assert_uint_eq(wanted.size, config.size);
    ck_assert_uint_eq(wanted.max_overflow, config.max_overflow);
    ck_assert_uint_eq(wanted.queue_limit, config.queue_limit);
    ck_assert_uint_eq(wanted.max_stuck, config.max_stuck);
    ck_assert_int_eq(wanted.strategy, config.strategy);
    ck_assert_int_eq(wanted.overflow_ttl_ns, config.overflow_ttl_ns);
    ck_assert_int_eq(wanted.overflow_after_ns, config.overflow_after_ns);
    ck_assert_int_eq(wanted.checkout_timeout_ns, config.checkout_timeout_ns);
    ck_assert_int_eq(wanted.operation_timeout_ns, config.operation_timeout_ns);
    ck_assert_int_eq(wanted.init_timeout_ns, config.init_timeout_ns);
    ck_assert_int_eq(wanted.stuck_after_ns, config.stuck_after_ns);
    ck_assert_int_eq(PB_NS_PER_S, scenario->phases[0].duration_ns);
    ck_assert_str_eq("default", scenario->operations[0].name);
    PB_ASSERT_NEAR(1, scenario->operations[0].weight, 0);
    pb_scenario_free(scenario);
}

PB_TEST(what_a_pool_is_told_reaches_its_config)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 5, \"duration\": \"2s\", \"seed\": 7, \"sessions\": 100, \"pool\": {"
        "  \"profile\": \"process\", \"size\": 4, \"max_overflow\": 2, \"min_size\": 2,"
        "  \"max_size\": 9, \"threads_per_worker\": 3, \"strategy\": \"least_loaded\","
        "  \"prepare\": \"staged\", \"prepare_timeout\": \"7s\", \"health_check_timeout\": \"2s\","
        "  \"max_health_failures\": 5, \"max_restarts\": 6, \"restart_window\": \"8s\","
        "  \"restart_delay\": \"20ms\", \"restart_max_delay\": \"3s\", \"kill_after\": \"300ms\","
        "  \"affinity_ttl\": \"1m\", \"recycle\": { \"max_requests\": 100, \"max_age\": \"1h\","
        "  \"max_memory\": \"64MiB\", \"jitter\": \"20%\" } } }");
    struct pb_pool_config config;
    char text[40];

    pb_scenario_pool_config(scenario, &config);
    ck_assert_int_eq(PB_PROFILE_PROCESS, scenario->pool.profile);
    ck_assert_int_eq(100, scenario->sessions);
    ck_assert_int_eq(300 * PB_NS_PER_MS, scenario->pool.kill_after_ns);
    ck_assert_uint_eq(11, config.max_size); /* and two of overflow */
    ck_assert_uint_eq(3, config.threads_per_worker);
    ck_assert_uint_eq((size_t)3 * (11 + 4), pb_pool_config_slots(&config));
    ck_assert_int_eq(PB_STRATEGY_LEAST_LOADED, config.strategy);
    ck_assert_int_eq(PB_PREPARE_STAGED, config.prepare);
    ck_assert_int_eq(7 * PB_NS_PER_S, config.prepare_timeout_ns);
    ck_assert_int_eq(30 * PB_NS_PER_S, config.health_check_interval_ns);
    ck_assert_int_eq(2 * PB_NS_PER_S, config.health_check_timeout_ns);
    ck_assert_uint_eq(5, config.max_health_failures);
    ck_assert_uint_eq(6, config.max_restarts);
    ck_assert_int_eq(8 * PB_NS_PER_S, config.restart_window_ns);
    ck_assert_int_eq(20 * PB_NS_PER_MS, config.restart_delay_ns);
    ck_assert_int_eq(3 * PB_NS_PER_S, config.restart_max_delay_ns);
    ck_assert_int_eq(60 * PB_NS_PER_S, config.affinity_ttl_ns);
    ck_assert_int_eq(100, config.recycle.max_requests);
    ck_assert_int_eq(3600 * PB_NS_PER_S, config.recycle.max_age_ns);
    ck_assert_int_eq(64 << 20, config.recycle.max_memory_bytes);
    PB_ASSERT_NEAR(0.2, config.recycle.jitter, 1e-12);
    ck_assert_uint_eq(7, config.seed);
    ck_assert(pb_scenario_get(scenario, "pool.health_check_interval", text, sizeof(text)));
    ck_assert_str_eq("30s", text);
    ck_assert(pb_scenario_get(scenario, "pool.recycle.max_requests", text, sizeof(text)));
    ck_assert_str_eq("100", text);
    pb_scenario_free(scenario);
}

PB_TEST(threads_are_not_asked_for_their_health)
{
    struct pb_scenario *scenario = pb_test_scenario("{\"rate\": 5, \"duration\": \"2s\"}");
    struct pb_pool_config config;

    pb_scenario_pool_config(scenario, &config);
    ck_assert_int_eq(0, config.health_check_interval_ns);
    ck_assert_uint_eq(0, config.max_size);
    ck_assert_uint_eq(1, config.threads_per_worker);
    pb_scenario_free(scenario);
}

PB_TEST(a_scenario_without_a_file_is_its_overrides)
{
    struct pb_override overrides[] = {
        { (char[]){ "pool.size" }, (char[]){ "4" }, PB_ORIGIN_COMMAND_LINE, NULL },
        { (char[]){ "workload.service" }, (char[]){ "5ms" }, PB_ORIGIN_COMMAND_LINE, NULL },
        { (char[]){ "rate" }, (char[]){ "500" }, PB_ORIGIN_COMMAND_LINE, NULL },
        { (char[]){ "duration" }, (char[]){ "10s" }, PB_ORIGIN_COMMAND_LINE, NULL },
    };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_OK(pb_scenario_load(NULL, overrides, PB_ARRAY_LEN(overrides), &scenario, &problems));
    ck_assert_str_eq("adhoc", scenario->name);
    ck_assert_ptr_null(scenario->path);
    ck_assert_int_eq(4, scenario->pool.size);
    PB_ASSERT_NEAR(500, scenario->phases[1].rate, 0);
    PB_ASSERT_NEAR(5e6, pb_scenario_mean_service_ns(scenario), 0);
    pb_scenario_free(scenario);
}

/* The name falls back to the file's; bytes that a name must not have are replaced. */
PB_TEST(a_scenario_is_named_after_its_file)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/a'b`c.json", pb_test_folder());
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("{\"rate\": 5, \"duration\": \"2s\"}", file), 0);
    ck_assert_int_eq(0, fclose(file));
    PB_ASSERT_OK(pb_scenario_load(path, NULL, 0, &scenario, &problems));
    ck_assert_str_eq("a_b_c", scenario->name);
    pb_scenario_free(scenario);
}

static char *effective_text(const struct pb_scenario *scenario)
{
    char *text = pb_json_print(scenario->effective, true);

    ck_assert_ptr_nonnull(text);
    return text;
}

static void check_round_trip(const char *text)
{
    struct pb_scenario *first = pb_test_scenario(text), *second;
    char *once = effective_text(first), *twice;

    second = pb_test_scenario(once);
    if (strstr(text, "\"name\": \"checkout") == NULL) {
        ck_assert_str_eq(first->name, second->name);
    }
    twice = effective_text(second);
    ck_assert_str_eq(once, twice);
    ck_assert_uint_eq(first->objective_count, second->objective_count);
    ck_assert_uint_eq(first->phase_count, second->phase_count);
    free(once);
    free(twice);
    pb_scenario_free(first);
    pb_scenario_free(second);
}

PB_TEST(the_effective_settings_are_a_scenario_that_says_the_same)
{
    check_round_trip(smallest);
    check_round_trip(full);
    check_round_trip("{ \"users\": 4, \"think\": { \"distribution\": \"exponential\", \"mean\": "
                     "\"2ms\" }, \"duration\": \"2s\", \"workload\": { \"type\": \"null\" }, "
                     "\"pool\": { \"preset\": \"dspex\", \"lazy\": true, \"max_stuck\": 2 } }");
    check_round_trip(
        "{ \"phases\": [ { \"name\": \"a b.c\", \"duration\": \"1s\", \"arrival\": \"sine\", "
        "\"mean\": 10, \"amplitude\": 10, \"period\": \"500ms\", \"spacing\": \"even\" },"
        "{ \"name\": \"b\", \"duration\": \"1s\", \"arrival\": \"burst\", \"base\": 1, \"peak\": 9, "
        "\"every\": \"100ms\", \"length\": \"10ms\", \"drain\": true } ], \"tags\": [\"x\"],"
        "\"workload\": { \"operations\": [ { \"name\": \"r\", \"weight\": 3 }, { \"name\": \"w\", "
        "\"service\": \"1ms\" } ] }, \"slo\": [ \"standard\", \"web\" ],"
        "\"faults\": [ { \"at\": \"b\", \"stall\": \"10ms\" }, { \"at\": \"a b.c + 1ms\", "
        "\"kill_worker\": \"any\" } ] }");
}

PB_TEST(an_effective_value_is_found_by_its_path)
{
    struct pb_scenario *scenario = pb_test_scenario(full);
    char text[64];

    ck_assert(pb_scenario_get(scenario, "pool.size", text, sizeof(text)));
    ck_assert_str_eq("8", text);
    ck_assert(pb_scenario_get(scenario, "pool.checkout_timeout", text, sizeof(text)));
    ck_assert_str_eq("250ms", text);
    ck_assert(pb_scenario_get(scenario, "pool.init_timeout", text, sizeof(text)));
    ck_assert_str_eq("30s", text);
    ck_assert(pb_scenario_get(scenario, "phases.spike.rate", text, sizeof(text)));
    ck_assert_str_eq("2000", text);
    ck_assert(pb_scenario_get(scenario, "tune.vary.pool.size", text, sizeof(text)));
    ck_assert_str_eq("2..32", text);
    ck_assert(!pb_scenario_get(scenario, "pool.sise", text, sizeof(text)));
    ck_assert(!pb_scenario_get(scenario, "rate", text, sizeof(text)));
    pb_scenario_free(scenario);

    scenario = pb_test_scenario(smallest);
    ck_assert(pb_scenario_get(scenario, "rate", text, sizeof(text)));
    ck_assert_str_eq("1000", text);
    ck_assert(pb_scenario_get(scenario, "duration", text, sizeof(text)));
    ck_assert_str_eq("30s", text);
    pb_scenario_free(scenario);
}

PB_TEST(a_preset_fills_what_the_file_leaves_out)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{\"rate\": 5, \"duration\": \"2s\", \"pool\": {\"preset\": \"dspex\", \"size\": 3}}");

    ck_assert_int_eq(3, scenario->pool.size);
    ck_assert_int_eq(10, scenario->pool.max_overflow);
    ck_assert_int_eq(PB_ORIGIN_FILE, pb_scenario_origin(scenario, "pool.size"));
    ck_assert_int_eq(PB_ORIGIN_PRESET, pb_scenario_origin(scenario, "pool.max_overflow"));
    ck_assert_int_eq(PB_ORIGIN_DEFAULT, pb_scenario_origin(scenario, "pool.stuck_after"));
    ck_assert_int_eq(PB_ORIGIN_FILE, pb_scenario_origin(scenario, "rate"));
    pb_scenario_free(scenario);
}

PB_TEST(loading_without_memory_fails_cleanly_wherever_it_runs_out)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/full.json", pb_test_folder());
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(full, file), 0);
    ck_assert_int_eq(0, fclose(file));
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_override override = { (char[]){ "pool.size" }, (char[]){ "4" },
                                        PB_ORIGIN_COMMAND_LINE, NULL };
        struct pb_problems problems = { .count = 0 };
        struct pb_scenario *scenario = NULL;
        enum pb_status status = pb_scenario_load(path, &override, 1, &scenario, &problems);

        if (!pb_alloc_failed()) {
            ck_assert_int_eq(PB_OK, status);
        } else {
            ck_assert_int_eq(PB_ENOMEM, status);
        }
        ck_assert((status == PB_OK) == (scenario != NULL));
        pb_scenario_free(scenario);
        pb_problems_done(&problems);
    }
}
