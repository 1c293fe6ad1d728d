/* Scenarios whose workers are processes: the program, what it is asked for, and what is stored of
 * it. */
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "harness/scenario.h"
#include "pool/process.h"
#include "support/alloc.h"
#include "support/load_text.h"
#include "workload/workload.h"

static const char whole[] =
    "{ \"rate\": 100, \"duration\": \"1s\",\n"
    "  \"workload\": { \"type\": \"command\", \"command\": [ \"workers/echo.sh\", \"-x\" ],\n"
    "    \"wire\": \"lines\", \"env\": { \"A\": \"1\", \"B\": \"two=2\" }, \"args\": { \"ms\": 5 },\n"
    "    \"settings\": { \"model\": \"m\" }, \"max_memory\": \"64MiB\", \"max_files\": 20,\n"
    "    \"prepare\": [ { \"command\": \"load\", \"args\": [ 1 ], \"timeout\": \"2s\" },\n"
    "                 { \"command\": \"load\" } ],\n"
    "    \"operations\": [ { \"name\": \"read\", \"weight\": 3 },\n"
    "                    { \"name\": \"slow\", \"command\": \"sleep\", \"args\": null } ] } }";

PB_TEST(a_command_is_read_with_all_that_belongs_to_it)
{
    struct pb_scenario *scenario = pb_test_scenario(whole);
    const struct pb_scenario_worker *worker = &scenario->worker;

    ck_assert_ptr_eq(&pb_workload_command, scenario->workload);
    ck_assert_int_eq(PB_PROFILE_PROCESS, scenario->pool.profile);
    ck_assert_str_eq("/tmp/workers/echo.sh", worker->argv[0]);
    ck_assert_str_eq("-x", worker->argv[1]);
    ck_assert_ptr_null(worker->argv[2]);
    ck_assert_int_eq(PB_WIRE_LINES, worker->wire);
    ck_assert_str_eq("A=1", worker->env[0]);
    ck_assert_str_eq("B=two=2", worker->env[1]);
    ck_assert_ptr_null(worker->env[2]);
    ck_assert_str_eq("/tmp", worker->folder);
    ck_assert_str_eq("{\"model\":\"m\"}", worker->settings);
    ck_assert_int_eq(64 << 20, worker->max_memory_bytes);
    ck_assert_int_eq(20, worker->max_files);
    pb_scenario_free(scenario);
}

PB_TEST(each_operation_says_what_the_worker_is_asked_for)
{
    struct pb_scenario *scenario = pb_test_scenario(whole);
    const struct pb_operation *operations = scenario->operations;

    ck_assert_uint_eq(2, scenario->operation_count);
    ck_assert_str_eq("read", operations[0].command);
    ck_assert_str_eq("{\"ms\":5}", operations[0].args);
    ck_assert_str_eq("sleep", operations[1].command);
    ck_assert_str_eq("null", operations[1].args);
    ck_assert(pb_scenario_mean_service_ns(scenario) <= 0);
    pb_scenario_free(scenario);
}

PB_TEST(commands_that_prepare_a_worker_have_a_timeout_each)
{
    struct pb_scenario *scenario = pb_test_scenario(whole);
    const struct pb_prepare_command *prepare = scenario->worker.prepare;

    ck_assert_uint_eq(2, scenario->worker.prepare_count);
    ck_assert_str_eq("load", prepare[0].command);
    ck_assert_str_eq("[1]", prepare[0].args);
    ck_assert_int_eq(INT64_C(2000000000), prepare[0].timeout_ns);
    ck_assert_str_eq("load", prepare[1].command);
    ck_assert_ptr_null(prepare[1].args);
    ck_assert_int_eq(INT64_C(10000000000), prepare[1].timeout_ns);
    pb_scenario_free(scenario);
}

PB_TEST(a_single_request_is_called_default_and_a_program_without_a_slash_is_left_to_the_path)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 1, \"duration\": \"1s\", \"workload\": { \"type\": \"command\", \"command\": "
        "[ \"python3\", \"w.py\" ], \"folder\": \"sub\", \"args\": \"x\" } }");

    ck_assert_str_eq("python3", scenario->worker.argv[0]);
    ck_assert_str_eq("/tmp/sub", scenario->worker.folder);
    ck_assert_str_eq("default", scenario->operations[0].command);
    ck_assert_str_eq("\"x\"", scenario->operations[0].args);
    ck_assert_ptr_null(scenario->worker.env);
    ck_assert_ptr_null(scenario->worker.settings);
    pb_scenario_free(scenario);
}

PB_TEST(without_a_file_paths_are_seen_from_the_current_folder)
{
    static char paths[][20] = { "rate", "duration", "workload.type", "workload.command" };
    static char values[][20] = { "1", "1s", "command", "[\"./bin/w\"]" };
    struct pb_override overrides[4];
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;
    char here[4096], program[5000];

    for (size_t i = 0; i < 4; i++) {
        overrides[i] = (struct pb_override){ .path = paths[i],
                                             .value = values[i],
                                             .origin = PB_ORIGIN_COMMAND_LINE };
    }
    PB_ASSERT_OK(pb_scenario_load(NULL, overrides, 4, &scenario, &problems));
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    (void)snprintf(program, sizeof(program), "%s/bin/w", here);
    ck_assert_str_eq(program, scenario->worker.argv[0]);
    ck_assert_str_eq(here, scenario->worker.folder);
    pb_scenario_free(scenario);
}

/* Loads what would be stored. */
static struct pb_scenario *again(const struct pb_scenario *scenario)
{
    char *text = pb_json_print(scenario->effective, true);
    struct pb_scenario *loaded;

    ck_assert_ptr_nonnull(text);
    loaded = pb_test_scenario(text);
    free(text);
    return loaded;
}

PB_TEST(what_is_stored_of_a_command_is_the_same_scenario_wherever_it_lies)
{
    struct pb_scenario *scenario = pb_test_scenario(whole), *loaded;

    ck_assert_str_eq("process", pb_json_str(scenario->effective, "pool.profile", ""));
    ck_assert_ptr_null(pb_json_at(scenario->effective, "workload.cpu_share"));
    loaded = again(scenario);
    ck_assert_str_eq("/tmp/workers/echo.sh", loaded->worker.argv[0]);
    ck_assert_str_eq("/tmp", loaded->worker.folder);
    ck_assert_str_eq("B=two=2", loaded->worker.env[1]);
    ck_assert_str_eq("sleep", loaded->operations[1].command);
    ck_assert_uint_eq(2, loaded->worker.prepare_count);
    ck_assert(cJSON_Compare(pb_json_at(scenario->effective, "workload"),
                            pb_json_at(loaded->effective, "workload"), true));
    pb_scenario_free(loaded);
    pb_scenario_free(scenario);
}

PB_TEST(a_type_given_beside_the_file_leaves_over_what_the_file_says_of_its_own)
{
    static char type[] = "workload.type", synthetic[] = "synthetic";
    struct pb_override override = { .path = type,
                                    .value = synthetic,
                                    .origin = PB_ORIGIN_COMMAND_LINE };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL, *loaded;

    PB_ASSERT_OK(pb_test_load(whole, &override, 1, &scenario, &problems));
    ck_assert_int_eq(PB_PROFILE_THREAD, scenario->pool.profile);
    ck_assert_ptr_null(scenario->worker.argv);
    ck_assert_ptr_null(scenario->worker.folder);
    ck_assert_ptr_null(scenario->operations[1].command);
    loaded = again(scenario);
    pb_scenario_free(loaded);
    pb_scenario_free(scenario);
}

PB_TEST(variables_may_be_set_beside_the_file)
{
    static char path[] = "workload.env.C.D", value[] = "three";
    struct pb_override override = { .path = path,
                                    .value = value,
                                    .origin = PB_ORIGIN_COMMAND_LINE };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_OK(pb_test_load(whole, &override, 1, &scenario, &problems));
    ck_assert_str_eq("C.D=three", scenario->worker.env[2]);
    pb_scenario_free(scenario);
}

PB_TEST(a_command_read_without_memory_fails_cleanly)
{
    for (long n = 1; n < 1500; n += 3) {
        struct pb_problems problems = { .count = 0 };
        struct pb_scenario *scenario = NULL;

        pb_alloc_fail_once(n);
        enum pb_status status = pb_test_load(whole, NULL, 0, &scenario, &problems);
        bool failed = pb_alloc_failed();

        pb_alloc_fail_off();
        ck_assert_msg((status != PB_OK) == failed, "allocation %ld: %s", n, pb_status_name(status));
        pb_scenario_free(scenario);
        pb_problems_done(&problems);
    }
}
