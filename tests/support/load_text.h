/*
 * tests/support/load_text.h - scenarios loaded from text in a test.
 */
#ifndef PB_TESTS_SUPPORT_LOAD_TEXT_H
#define PB_TESTS_SUPPORT_LOAD_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/scenario.h"
#include "support/test.h"

/* Writes `text` to a fresh file and loads it as "pb-XXXXXX.json" with overrides. */
static inline enum pb_status pb_test_load(const char *text, const struct pb_override *overrides,
                                          size_t count, struct pb_scenario **ret_scenario,
                                          struct pb_problems *problems)
{
    char path[] = "/tmp/pb-XXXXXX.json";
    int fd = mkstemps(path, 5);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((ssize_t)strlen(text), write(fd, text, strlen(text)));
    ck_assert_int_eq(0, close(fd));
    enum pb_status status = pb_scenario_load(path, overrides, count, ret_scenario, problems);

    ck_assert_int_eq(0, unlink(path));
    return status;
}

/* The scenario of a text that must be good. */
static inline struct pb_scenario *pb_test_scenario(const char *text)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;
    char line[640] = "";
    enum pb_status status = pb_test_load(text, NULL, 0, &scenario, &problems);

    if (problems.count > 0) {
        pb_problems_line(&problems, 0, line, sizeof(line));
    }
    ck_assert_msg(status == PB_OK, "%s: %s", pb_status_name(status), line);
    return scenario;
}

/* The first problem of a text that must be refused, from behind the file's name: ":2:3: ...".
 * Static storage. */
static inline const char *pb_test_refusal(const char *text, const struct pb_override *overrides,
                                          size_t count)
{
    static char line[640];
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;
    enum pb_status status = pb_test_load(text, overrides, count, &scenario, &problems);

    ck_assert_msg(status == PB_EINVAL || status == PB_EPARSE, "accepted: %s", text);
    ck_assert_ptr_null(scenario);
    ck_assert_uint_gt(problems.count, 0);
    pb_problems_line(&problems, 0, line, sizeof(line));
    pb_problems_done(&problems);

    const char *colon = strncmp(line, "/tmp/", 5) == 0 ? strchr(line, ':') : line;

    return colon ? colon : line;
}

#endif
