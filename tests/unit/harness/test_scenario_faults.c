/* What goes wrong in a scenario, as it is read.  The mistakes are in tests/data/broken. */
#include "base/clock.h"
#include "support/load_text.h"

#define THREADS "{ \"rate\": 100, \"duration\": \"10s\", \"faults\": "
#define PROCESSES \
    "{ \"pool\": { \"profile\": \"process\" }, \"rate\": 100, \"duration\": \"10s\", \"faults\": "

PB_TEST(each_kind_of_fault_is_read_and_described)
{
    struct pb_scenario *scenario = pb_test_scenario(
        PROCESSES
        "[ { \"at\": \"1s\", \"stall\": \"10ms\" }, { \"at\": \"2s\", \"kill_worker\": \"all\" }, "
        "{ \"at\": \"3s\", \"stop_worker\": 3, \"for\": \"200ms\" }, "
        "{ \"at\": \"4s\", \"hang_worker\": \"any\" }, "
        "{ \"at\": \"main+4s\", \"slow_worker\": 0, \"factor\": 2.5, \"for\": \"1m\" }, "
        "{ \"at\": \"6s\", \"fail_worker\": \"all\", \"probability\": \"20%\" }, "
        "{ \"at\": \"7s\", \"leak_worker\": 1, \"bytes\": \"64KiB\", \"for\": \"2s\" }, "
        "{ \"at\": \"8s\", \"corrupt_worker\": 9 } ] }");
    static const struct {
        const char *text;
        int64_t worker, for_ns;
    } wanted[PB_FAULT_COUNT] = {
        [PB_FAULT_STALL] = { "stall 10ms at 1s", 0, 0 },
        [PB_FAULT_KILL_WORKER] = { "kill_worker all at 2s", PB_FAULT_ALL, 0 },
        [PB_FAULT_STOP_WORKER] = { "stop_worker 3 for 200ms at 3s", 3, 200 * PB_NS_PER_MS },
        [PB_FAULT_HANG_WORKER] = { "hang_worker any at 4s", PB_FAULT_ANY, 0 },
        [PB_FAULT_SLOW_WORKER] = { "slow_worker 0 x2.50 for 1m at main+4s", 0, 60 * PB_NS_PER_S },
        [PB_FAULT_FAIL_WORKER] = { "fail_worker all 20 % at 6s", PB_FAULT_ALL, 0 },
        [PB_FAULT_LEAK_WORKER] = { "leak_worker 1 64 KiB for 2s at 7s", 1, 2 * PB_NS_PER_S },
        [PB_FAULT_CORRUPT_WORKER] = { "corrupt_worker 9 at 8s", 9, 0 },
    };

    ck_assert_uint_eq(PB_FAULT_COUNT, scenario->fault_count);
    for (int k = 0; k < PB_FAULT_COUNT; k++) {
        const struct pb_fault *fault = &scenario->faults[k];

        ck_assert_int_eq(k, fault->kind);
        ck_assert_str_eq(wanted[k].text, fault->text);
        ck_assert_int_eq(wanted[k].worker, fault->worker);
        ck_assert_int_eq(wanted[k].for_ns, fault->for_ns);
        ck_assert_ptr_nonnull(strstr(fault->text, pb_fault_kind_name((enum pb_fault_kind)k)));
    }
    ck_assert_int_eq(10 * PB_NS_PER_MS, scenario->faults[PB_FAULT_STALL].stall_ns);
    ck_assert_double_eq(2.5, scenario->faults[PB_FAULT_SLOW_WORKER].factor);
    ck_assert_double_eq(0.2, scenario->faults[PB_FAULT_FAIL_WORKER].probability);
    ck_assert_double_eq(1, scenario->faults[PB_FAULT_CORRUPT_WORKER].probability);
    ck_assert_int_eq(65536, scenario->faults[PB_FAULT_LEAK_WORKER].bytes);
    pb_scenario_free(scenario);
}

/* What is set beside the file goes through the same checks. */
PB_TEST(a_fault_can_be_changed_beside_the_file)
{
    static const char text[] =
        THREADS "[ { \"at\": \"1s\", \"slow_worker\": 1, \"factor\": 2 } ] }";
    struct pb_override override = { .path = (char[]){ "faults.0.factor" },
                                    .value = (char[]){ "7" },
                                    .origin = PB_ORIGIN_COMMAND_LINE };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_OK(pb_test_load(text, &override, 1, &scenario, &problems));
    ck_assert_double_eq(7, scenario->faults[0].factor);
    pb_scenario_free(scenario);
    override.value = (char[]){ "0.5" };
    ck_assert_ptr_nonnull(strstr(pb_test_refusal(text, &override, 1), "--set faults.0.factor=0.5"));
}

PB_TEST(what_may_be_lost_can_be_recovered_from)
{
    static const struct {
        const char *text;
        bool loses;
    } cases[] = {
        { THREADS "[ { \"at\": \"1s\", \"kill_worker\": 0 } ] }", true },
        { THREADS "[ { \"at\": \"1s\", \"hang_worker\": 0 } ] }", false }, /* stuck, not lost */
        { PROCESSES "[ { \"at\": \"1s\", \"hang_worker\": 0 } ] }", true },
        { PROCESSES "[ { \"at\": \"1s\", \"stop_worker\": 0 } ] }", true },
        { PROCESSES "[ { \"at\": \"1s\", \"corrupt_worker\": 0 } ] }", true },
        { PROCESSES "[ { \"at\": \"1s\", \"slow_worker\": 0, \"factor\": 2 } ] }", false },
        { PROCESSES "[ { \"at\": \"1s\", \"stall\": \"1s\" } ] }", false },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        struct pb_scenario *scenario = pb_test_scenario(cases[i].text);

        ck_assert_msg(pb_scenario_kills_workers(scenario) == cases[i].loses, "%s", cases[i].text);
        pb_scenario_free(scenario);
    }
}

PB_TEST(the_effective_scenario_has_the_same_faults)
{
    struct pb_scenario *scenario = pb_test_scenario(
        THREADS
        "[ { \"at\": \"2s\", \"fail_worker\": \"any\", \"for\": \"1s\", \"probability\": 0.25 "
        "}, { \"at\": \"1s\", \"leak_worker\": \"all\", \"bytes\": 4096 } ] }");
    char *text = pb_json_print(scenario->effective, false);
    struct pb_scenario *again = pb_test_scenario(text);

    ck_assert_uint_eq(2, again->fault_count);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_str_eq(scenario->faults[i].text, again->faults[i].text);
    }
    ck_assert_str_eq("leak_worker all 4 KiB at 1s", again->faults[0].text);
    free(text);
    pb_scenario_free(scenario);
    pb_scenario_free(again);
}
