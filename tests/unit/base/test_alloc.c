#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/problems.h"
#include "support/alloc.h"
#include "support/test.h"

PB_TEST(each_allocation_fails_in_its_turn)
{
    int runs = 0, failures = 0;

    PB_FOR_EACH_FAILING_ALLOC
    {
        /* volatile: a compiler may leave out a block that nobody looks at. */
        void *volatile one = malloc(1), *volatile two = calloc(1, 1);
        char *volatile three = strdup("x");

        runs++;
        failures += !one + !two + !three;
        ck_assert_int_eq(!one || !two || !three, pb_alloc_failed());
        free(one);
        free(two);
        free(three);
    }
    ck_assert_int_eq(8, runs);                 /* 3 failing and 1 whole, twice */
    ck_assert_int_eq(3 + 2 + 1 + 3, failures); /* all from the n-th on, then only the n-th */
}

PB_TEST(every_kind_of_allocation_can_fail)
{
    char *text = NULL, *path = NULL;
    void *block = NULL;

    pb_alloc_fail_at(1);
    errno = 0;
    ck_assert_ptr_null(realloc(NULL, 1));
    ck_assert_int_eq(ENOMEM, errno);
    ck_assert_ptr_null(aligned_alloc(64, 64));
    ck_assert_int_eq(ENOMEM, posix_memalign(&block, 64, 64));
    ck_assert_ptr_null(strndup("abc", 2));
    ck_assert_int_eq(-1, asprintf(&text, "%d", 1));
    path = realpath("/", NULL);
    ck_assert_ptr_null(path);
    ck_assert_ptr_null(cJSON_CreateObject());
    pb_alloc_fail_off();
    ck_assert_int_eq(1, asprintf(&text, "%d", 1));
    ck_assert_str_eq("1", text);
    free(text);
}

PB_TEST(a_buffer_without_memory_says_so)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_buf buf = { 0 };

        for (int i = 0; i < 300; i++) {
            pb_buf_printf(&buf, "%d ", i);
        }
        enum pb_status status = pb_buf_status(&buf);
        char *text = pb_buf_detach(&buf);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_int_eq(pb_alloc_failed(), text == NULL);
        free(text);
        pb_buf_done(&buf);
    }
}

PB_TEST(a_problem_without_memory_is_still_a_problem)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_problems problems = { .count = 0 };
        char line[200];

        pb_problems_add(&problems, "file", 1, 2, "text");
        ck_assert_uint_eq(1, problems.count);
        pb_problems_line(&problems, 0, line, sizeof(line));
        if (pb_alloc_failed()) {
            ck_assert_msg(strstr(line, "out of memory") || strcmp(line, "text") == 0, "%s", line);
        } else {
            ck_assert_str_eq("file:1:2: text", line);
        }
        pb_problems_done(&problems);
    }
}

PB_TEST(json_without_memory_is_no_mistake_of_the_user)
{
    static const char text[] = "{\"a\": [1, 2, {\"b\": \"text\"}], /* c */ \"d\": {\"e\": null,},}";

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;
        enum pb_status status = pb_json_parse(text, sizeof(text) - 1, "t", &json, &problems);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_int_eq(pb_alloc_failed(), json == NULL);
        ck_assert_uint_eq(pb_alloc_failed() ? 1 : 0, problems.count);
        pb_problems_done(&problems);
        if (json) {
            /* In the run that had enough memory for parsing, printing has its turn. */
            char *printed = pb_json_print(pb_json_root(json), true);

            ck_assert_int_eq(pb_alloc_failed(), printed == NULL);
            free(printed);
        }
        pb_json_free(json);
    }
}

PB_TEST(a_mistake_without_memory_is_never_a_success)
{
    static const char text[] = "{\"a\": 1, \"a\": 1e999, \"b\": 10ms}";

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;
        enum pb_status status = pb_json_parse(text, sizeof(text) - 1, "t", &json, &problems);

        ck_assert(status == PB_EPARSE || (pb_alloc_failed() && status == PB_ENOMEM));
        ck_assert_uint_ge(problems.count, 1);
        ck_assert_ptr_null(json);
        pb_problems_done(&problems);
    }
}

PB_TEST(files_without_memory_are_whole_or_absent)
{
    const char *folder = pb_test_folder();
    char path[100], deep[120];

    (void)snprintf(path, sizeof(path), "%s/file", folder);
    PB_FOR_EACH_FAILING_ALLOC
    {
        char *data = NULL;
        size_t len = 0;
        enum pb_status status = pb_file_replace(path, "text", 4, NULL);

        if (status == PB_OK) {
            status = pb_file_read(path, 100, &data, &len, NULL);
        }
        ck_assert_int_eq(!pb_alloc_failed(), status == PB_OK);
        ck_assert_int_eq(status == PB_OK, data != NULL);
        free(data);
    }
    (void)snprintf(deep, sizeof(deep), "%s/a/b", folder);
    PB_FOR_EACH_FAILING_ALLOC
    {
        enum pb_status status = pb_dir_make(deep, NULL);

        if (status == PB_OK) {
            status = pb_dir_remove(deep, NULL);
        }
        ck_assert_int_eq(!pb_alloc_failed(), status == PB_OK);
    }
    PB_FOR_EACH_FAILING_ALLOC
    {
        char *joined = pb_path_join("a", "b");

        ck_assert_int_eq(pb_alloc_failed(), joined == NULL);
        free(joined);
    }
}
