#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/scenario.h"
#include "support/load_text.h"
#include "support/test.h"

/* A scenario of one phase "p" of 10 s with these members. */
static struct pb_scenario *phase_of(const char *members)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "{ \"phases\": [ { \"name\": \"p\", \"duration\": \"10s\", %s } ] }", members);
    return pb_test_scenario(text);
}

static void check_expected(const char *members, double wanted)
{
    struct pb_scenario *scenario = phase_of(members);

    PB_ASSERT_NEAR(wanted, pb_phase_expected(&scenario->phases[0]), 1e-9 * fabs(wanted));
    pb_scenario_free(scenario);
}

PB_TEST(the_requests_of_a_phase_are_the_integral_of_its_rate)
{
    check_expected("\"rate\": 7", 70);
    check_expected("\"arrival\": \"constant\", \"rate\": \"120/m\"", 20);
    check_expected("\"arrival\": \"ramp\", \"from\": 0, \"to\": 100", 500);
    check_expected("\"arrival\": \"step\", \"from\": 10, \"to\": 30, \"steps\": 5", 200);
    check_expected("\"arrival\": \"sine\", \"mean\": 9, \"amplitude\": 9, \"period\": \"5s\"", 90);
    /* A quarter of the wave: 10 x 10 + 5 x 40 / (2 pi). */
    check_expected("\"arrival\": \"sine\", \"mean\": 10, \"amplitude\": 5, \"period\": \"40s\"",
                   100 + 200 / (2 * acos(-1)));
    /* Bursts at 3 s, 6 s and 9 s; the last is cut to 1 s. */
    check_expected("\"arrival\": \"burst\", \"base\": 1, \"peak\": 11, \"every\": \"3s\", "
                   "\"length\": \"2s\"",
                   10 + 10 * 5);
    /* The first burst would begin with the phase's end. */
    check_expected("\"arrival\": \"burst\", \"base\": 1, \"peak\": 11, \"every\": \"10s\", "
                   "\"length\": \"2s\"",
                   10);
    check_expected("\"arrival\": \"closed\", \"users\": 3", -1);
}

PB_TEST(the_parameters_of_an_arrival_arrive)
{
    struct pb_scenario *scenario = phase_of(
        "\"arrival\": \"burst\", \"base\": \"1k/s\", \"peak\": 2000, \"every\": \"2s\", \"length\": "
        "\"200ms\", \"spacing\": \"even\", \"drain\": true");
    const struct pb_phase *phase = &scenario->phases[0];

    ck_assert_int_eq(PB_ARRIVAL_BURST, phase->arrival);
    PB_ASSERT_NEAR(1000, phase->base, 0);
    PB_ASSERT_NEAR(2000, phase->peak, 0);
    ck_assert_int_eq(2 * PB_NS_PER_S, phase->every_ns);
    ck_assert_int_eq(200 * PB_NS_PER_MS, phase->length_ns);
    ck_assert(phase->even);
    ck_assert(phase->drain);
    ck_assert(phase->record);
    pb_scenario_free(scenario);

    scenario = phase_of("\"users\": 20, \"think\": { \"distribution\": \"uniform\", \"min\": "
                        "\"1ms\", \"max\": \"3ms\" }");
    phase = &scenario->phases[0];
    ck_assert_int_eq(PB_ARRIVAL_CLOSED, phase->arrival);
    ck_assert_int_eq(20, phase->users);
    PB_ASSERT_NEAR(2e6, pb_dist_mean_ns(&phase->think), 1);
    pb_scenario_free(scenario);
}

PB_TEST(phases_begin_where_the_one_before_ends)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"phases\": [ { \"name\": \"a\", \"duration\": \"1s\", \"rate\": 1 },"
        "{ \"name\": \"b\", \"duration\": \"1500ms\", \"rate\": 1 },"
        "{ \"name\": \"c\", \"duration\": \"1s\", \"rate\": 1 } ],"
        "\"faults\": [ { \"at\": \"c\", \"stall\": \"1ms\" }, { \"at\": \"b + 250ms\", \"stall\": "
        "\"1ms\" }, { \"at\": \"500ms\", \"kill_worker\": \"any\" } ] }");

    ck_assert_int_eq(2500 * PB_NS_PER_MS, scenario->phases[2].start_ns);
    ck_assert_uint_eq(3, scenario->fault_count);
    ck_assert_int_eq(500 * PB_NS_PER_MS, scenario->faults[0].at_ns);
    ck_assert_int_eq(PB_FAULT_KILL_WORKER, scenario->faults[0].kind);
    ck_assert_int_eq(-1, scenario->faults[0].worker);
    ck_assert_int_eq(1250 * PB_NS_PER_MS, scenario->faults[1].at_ns);
    ck_assert_int_eq(2500 * PB_NS_PER_MS, scenario->faults[2].at_ns);
    ck_assert_str_eq("stall 1ms at c", scenario->faults[2].text);
    pb_scenario_free(scenario);
}

PB_TEST(each_form_of_a_distribution_is_read)
{
    static const struct {
        const char *service;
        enum pb_dist_kind kind;
        double mean_ns;
    } cases[] = {
        { "\"5ms\"", PB_DIST_CONSTANT, 5e6 },
        { "0", PB_DIST_CONSTANT, 0 },
        { "{ \"distribution\": \"constant\", \"value\": \"2ms\" }", PB_DIST_CONSTANT, 2e6 },
        { "{ \"distribution\": \"uniform\", \"min\": \"0\", \"max\": \"2ms\" }", PB_DIST_UNIFORM,
          1e6 },
        { "{ \"distribution\": \"exponential\", \"mean\": \"3ms\" }", PB_DIST_EXPONENTIAL, 3e6 },
        { "{ \"mean\": \"5ms\", \"p99\": \"25ms\" }", PB_DIST_LOGNORMAL, 5e6 },
        { "{ \"distribution\": \"lognormal\", \"p50\": \"1ms\", \"p99\": \"1ms\" }", PB_DIST_COUNT,
          0 },
        { "{ \"distribution\": \"lognormal\", \"median\": \"1ms\", \"sigma\": 0.5 }",
          PB_DIST_LOGNORMAL, 1133148.453 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "{ \"rate\": 1, \"duration\": \"1s\", \"workload\": { \"service\": %s } }",
                       cases[i].service);
        if (cases[i].kind == PB_DIST_COUNT) {
            ck_assert_ptr_nonnull(strstr(pb_test_refusal(text, NULL, 0), "workload.service: "));
            continue;
        }
        struct pb_scenario *scenario = pb_test_scenario(text);

        ck_assert_int_eq(cases[i].kind, scenario->operations[0].service.kind);
        PB_ASSERT_NEAR(cases[i].mean_ns, pb_scenario_mean_service_ns(scenario), 0.01);
        pb_scenario_free(scenario);
    }
}

PB_TEST(operations_inherit_what_they_do_not_say)
{
    struct pb_scenario *scenario = pb_test_scenario(
        "{ \"rate\": 1, \"duration\": \"1s\", \"workload\": { \"service\": \"2ms\", \"cpu_share\": "
        "0.5, \"error_rate\": \"1%\", \"operations\": ["
        "{ \"name\": \"read\", \"weight\": 3 },"
        "{ \"name\": \"write\", \"service\": \"10ms\", \"cpu_share\": 0, \"error_rate\": 0, "
        "\"ignore_cancel\": true } ] } }");
    const struct pb_operation *read = &scenario->operations[0], *write = read + 1;

    ck_assert_uint_eq(2, scenario->operation_count);
    ck_assert_str_eq("read", read->name);
    ck_assert_str_eq("write", write->name);
    PB_ASSERT_NEAR(3, read->weight, 0);
    PB_ASSERT_NEAR(1, write->weight, 0);
    PB_ASSERT_NEAR(0.5, read->cpu_share, 0);
    PB_ASSERT_NEAR(0, write->cpu_share, 0);
    PB_ASSERT_NEAR(0.01, read->error_rate, 0);
    PB_ASSERT_NEAR(0, write->error_rate, 0);
    ck_assert(!read->ignore_cancel);
    ck_assert(write->ignore_cancel);
    PB_ASSERT_NEAR(4e6, pb_scenario_mean_service_ns(scenario), 1e-6);
    PB_ASSERT_NEAR(0.75e6, pb_scenario_mean_cpu_ns(scenario), 1e-6);
    pb_scenario_free(scenario);
}
