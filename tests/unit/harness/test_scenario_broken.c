/* Every broken scenario in tests/data/broken is refused with the line beside it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "harness/scenario.h"
#include "support/load_text.h"
#include "support/test.h"

#define FOLDER   "tests/data/broken/"
#define AT_LEAST 40

static void check_one(const char *name)
{
    char path[300], line[640], *expected = NULL;
    size_t len = 0;
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    (void)snprintf(path, sizeof(path), FOLDER "%.*s.expect", (int)strcspn(name, "."), name);
    PB_ASSERT_OK(pb_file_read(path, 4096, &expected, &len, NULL));
    expected[strcspn(expected, "\n")] = '\0';
    (void)snprintf(path, sizeof(path), FOLDER "%s", name);

    enum pb_status status = pb_scenario_load(path, NULL, 0, &scenario, &problems);

    ck_assert_msg(status == PB_EINVAL || status == PB_EPARSE, "%s: %s", name,
                  pb_status_name(status));
    ck_assert_ptr_null(scenario);
    ck_assert_uint_gt(problems.count, 0);
    pb_problems_line(&problems, 0, line, sizeof(line));
    ck_assert_msg(strncmp(line, path, strlen(path)) == 0, "%s: no place in: %s", name, line);
    ck_assert_msg(strstr(line, expected) != NULL, "%s\n  wanted: %s\n  got:    %s", name, expected,
                  line);
    for (size_t i = 0; i < problems.count; i++) {
        pb_problems_line(&problems, i, line, sizeof(line));
        ck_assert_msg(!strpbrk(line, "\n\r\x1b"), "%s: more than a line", name);
    }
    pb_problems_done(&problems);
    free(expected);
}

PB_TEST(broken_scenarios_are_refused_with_the_line_beside_them)
{
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    int count = 0;

    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0) {
            check_one(entry->d_name);
            count++;
        }
    }
    closedir(folder);
    ck_assert_int_ge(count, AT_LEAST);
}

/* Exact places, whatever the wording. */
PB_TEST(a_problem_names_the_line_and_column_of_its_cause)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        { "{ \"rate\": 1, \"duration\": \"1s\", \"pool\": { \"sise\": 1 } }", ":1:42: " },
        { "{\n\t\"rate\": 0,\n\t\"duration\": \"1s\"\n}", ":2:10: " },
        { "// note\n/* two\nlines */ { \"rate\": 1, \"duration\": 5 }", ":3:35: " },
        { "{ \"rate\": 1, \"duration\": \"1s\", \"description\": \"\xC3\xA9\", \"seed\": -1 }",
          ":1:61: " },
        { "{ \"rate\": 1, \"duration\": \"1s\",\n\n  \"slo\": [ \"error_rate < 1%\",\n    \"x < 1\" ]}",
          ":4:5: " },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        const char *got = pb_test_refusal(cases[i].text, NULL, 0);

        ck_assert_msg(strncmp(got, cases[i].place, strlen(cases[i].place)) == 0, "wanted %s got %s",
                      cases[i].place, got);
    }
}

PB_TEST(all_mistakes_are_reported_at_once_and_in_the_order_of_the_file)
{
    static const char text[] = "{ \"slo\": [ \"latency.p99 < 5\" ],\n"
                               "  \"tune\": { \"headroom\": \"-1%\" },\n"
                               "  \"workload\": { \"service\": \"fast\" },\n"
                               "  \"pool\": { \"size\": 0,\n"
                               "            \"sise\": 3 },\n"
                               "  \"rate\": 10, \"duration\": \"1s\", \"seed\": 1.5 }\n";
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    PB_ASSERT_STATUS(PB_EINVAL, pb_test_load(text, NULL, 0, &scenario, &problems));
    ck_assert_uint_eq(6, problems.count);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(i + 1, problems.items[i].line);
    }
    pb_problems_done(&problems);
}

PB_TEST(ten_megabytes_of_brackets_are_refused_in_one_line)
{
    size_t len = (size_t)10 << 20;
    char *text = malloc(len + 1);

    ck_assert_ptr_nonnull(text);
    memset(text, '[', len);
    text[len] = '\0';
    ck_assert_ptr_nonnull(strstr(pb_test_refusal(text, NULL, 0), "nest"));
    free(text);
}

PB_TEST(very_many_mistakes_are_counted_and_soon_done)
{
    enum {
        MEMBERS = 20000
    };
    char *text = malloc(MEMBERS * 16 + 64), *at = text;
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    ck_assert_ptr_nonnull(text);
    at += sprintf(at, "{\"rate\":1,\"duration\":\"1s\"");
    for (int i = 0; i < MEMBERS; i++) {
        at += sprintf(at, ",\"q%d\":1", i);
    }
    (void)sprintf(at, "}");
    PB_ASSERT_STATUS(PB_EINVAL, pb_test_load(text, NULL, 0, &scenario, &problems));
    ck_assert_uint_eq(PB_PROBLEMS_MAX, problems.count);
    ck_assert_uint_eq(MEMBERS - PB_PROBLEMS_MAX, problems.dropped);
    pb_problems_done(&problems);
    free(text);
}

PB_TEST(a_missing_file_is_one_problem)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    ck_assert_int_ne(PB_OK,
                     pb_scenario_load("tests/data/no-such.json", NULL, 0, &scenario, &problems));
    ck_assert_uint_eq(1, problems.count);
    ck_assert_ptr_null(scenario);
    pb_problems_done(&problems);
}
