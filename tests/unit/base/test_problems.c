#include <stdio.h>

#include "base/problems.h"
#include "support/test.h"

PB_TEST(a_problem_is_one_line)
{
    struct pb_problems problems = { .count = 0 };
    char line[200];

    ck_assert(!pb_problems_any(&problems));
    pb_problems_add(&problems, "spike.json", 7, 13, "pool.%s: unknown field", "sise");
    pb_problems_add(&problems, "--set", 0, 0, "x");
    pb_problems_add(&problems, NULL, 0, 0, "no such thing");
    pb_problems_add(&problems, "a\nb", 1, 2, "has '%s'", "\x1b[31m\nnew");
    ck_assert(pb_problems_any(&problems));
    pb_problems_line(&problems, 0, line, sizeof(line));
    ck_assert_str_eq("spike.json:7:13: pool.sise: unknown field", line);
    pb_problems_line(&problems, 1, line, sizeof(line));
    ck_assert_str_eq("--set: x", line);
    pb_problems_line(&problems, 2, line, sizeof(line));
    ck_assert_str_eq("no such thing", line);
    pb_problems_line(&problems, 3, line, sizeof(line));
    ck_assert_str_eq("a\\nb:1:2: has '\\x1b[31m\\nnew'", line);
    pb_problems_done(&problems);
    ck_assert(!pb_problems_any(&problems));
    pb_problems_done(&problems);
}

PB_TEST(problems_beyond_the_last_line_are_counted)
{
    struct pb_problems problems = { .count = 0 };
    char line[20];

    for (int i = 0; i < PB_PROBLEMS_MAX + 7; i++) {
        pb_problems_add(&problems, "f", i + 1, 1, "p");
    }
    ck_assert_uint_eq(PB_PROBLEMS_MAX, problems.count);
    ck_assert_uint_eq(7, problems.dropped);
    pb_problems_line(&problems, PB_PROBLEMS_MAX - 1, line, sizeof(line));
    ck_assert_str_eq("f:50:1: p", line);
    pb_problems_done(&problems);
    ck_assert_uint_eq(0, problems.dropped);
}

PB_TEST(a_long_text_is_cut_between_characters)
{
    struct pb_problems problems = { .count = 0 };
    char text[2001], line[700], small[8];

    for (size_t i = 0; i < 1000; i++) {
        memcpy(text + 2 * i, "\xC3\xA9", 2);
    }
    text[2000] = '\0';
    pb_problems_add(&problems, "f", 0, 0, "x%s", text);
    pb_problems_line(&problems, 0, line, sizeof(line));
    ck_assert_uint_eq(strlen("f: x") + 2 * 239 + strlen("..."), strlen(line));
    ck_assert_str_eq("\xC3\xA9...", line + strlen(line) - 5);
    ck_assert_ptr_null(strstr(line, "\\x"));

    pb_problems_line(&problems, 0, small, sizeof(small)); /* "f: x", one character, half another */
    ck_assert_str_eq("f: x\xC3\xA9", small);
    pb_problems_line(&problems, 0, small, 1);
    ck_assert_str_eq("", small);
    pb_problems_done(&problems);
}
