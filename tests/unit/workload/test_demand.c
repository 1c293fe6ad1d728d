#include "support/test.h"
#include "workload/demand.h"

PB_TEST(a_demand_is_read_as_it_was_printed)
{
    struct pb_demand demand = { .service_ns = 9007199254740992,
                                .cpu_ns = 2,
                                .memory_bytes = 1073741824,
                                .leak_bytes = 4096,
                                .fate = PB_FATE_CLIENT_ERROR,
                                .ignore_cancel = true };
    struct pb_demand again;
    char text[PB_DEMAND_TEXT];
    bool measure = false;

    PB_ASSERT_OK(pb_demand_parse(pb_demand_print(&demand, true, text), &again, &measure, NULL));
    ck_assert_int_eq(demand.service_ns, again.service_ns);
    ck_assert_int_eq(2, again.cpu_ns);
    ck_assert_int_eq(demand.memory_bytes, again.memory_bytes);
    ck_assert_int_eq(demand.leak_bytes, again.leak_bytes);
    ck_assert_int_eq(PB_FATE_CLIENT_ERROR, again.fate);
    ck_assert(again.ignore_cancel && measure);
}

PB_TEST(the_longest_demand_fits)
{
    struct pb_demand demand = { .service_ns = INT64_MIN,
                                .cpu_ns = INT64_MIN,
                                .memory_bytes = INT64_MIN,
                                .leak_bytes = INT64_MAX,
                                .fate = PB_FATE_CLIENT_ERROR };
    char text[PB_DEMAND_TEXT];

    pb_demand_print(&demand, false, text);
    ck_assert_int_eq('}', text[strlen(text) - 1]);
}

PB_TEST(what_a_demand_does_not_say_is_nothing)
{
    struct pb_demand demand;
    bool measure = true;

    PB_ASSERT_OK(pb_demand_parse("{\"later\":1}", &demand, &measure, NULL));
    ck_assert_int_eq(0, demand.service_ns);
    ck_assert_int_eq(PB_FATE_OK, demand.fate);
    ck_assert(!measure && !demand.ignore_cancel);
}

PB_TEST(a_mistaken_demand_is_refused_by_name)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "null", "object" },
        { "{", "object" },
        { "{\"service_ns\":-1}", "service_ns" },
        { "{\"cpu_ns\":\"5ms\"}", "cpu_ns" },
        { "{\"memory_bytes\":1e300}", "memory_bytes" },
        { "{\"leak_bytes\":-1}", "leak_bytes" },
        { "{\"fate\":\"none\"}", "fate" },
        { "{\"fate\":1}", "fate" },
        { "{\"ignore_cancel\":1}", "ignore_cancel" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        struct pb_demand demand = { .cpu_ns = 77 };
        struct pb_error err = { .text = "" };
        bool measure = false;

        ck_assert_int_eq(PB_EPARSE, pb_demand_parse(cases[i].text, &demand, &measure, &err));
        ck_assert_msg(strstr(err.text, cases[i].word) != NULL, "%s: %s", cases[i].text, err.text);
        ck_assert_int_eq(77, demand.cpu_ns);
    }
}
