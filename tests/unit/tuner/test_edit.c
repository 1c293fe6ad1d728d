#include <stdlib.h>

#include "support/test.h"
#include "tuner/edit.h"

static void expect_edit(const char *before, const char *path, const char *value, const char *after)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    struct pb_error err = { 0 };
    enum pb_status status =
        pb_edit_set(before, strlen(before), "s.json", &(struct pb_edit){ path, value }, &out, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
    ck_assert_str_eq(after, pb_buf_text(&out));
}

PB_TEST(edit_replaces_a_value_alone)
{
    expect_edit("{ \"pool\": { \"size\": 8, // cores\n \"max_overflow\":6 }, }", "pool.size", "12",
                "{ \"pool\": { \"size\": 12, // cores\n \"max_overflow\":6 }, }");
    expect_edit("{\"pool\":{\"checkout_timeout\" : \"1s\"}}", "pool.checkout_timeout", "\"250ms\"",
                "{\"pool\":{\"checkout_timeout\" : \"250ms\"}}");
}

PB_TEST(edit_adds_a_member_in_the_style_of_its_object)
{
    expect_edit("{ \"pool\": { \"size\": 8 } }", "pool.max_overflow", "2",
                "{ \"pool\": { \"size\": 8, \"max_overflow\": 2 } }");
    expect_edit("{ \"pool\": { \"size\": 8, } }", "pool.max_overflow", "2",
                "{ \"pool\": { \"size\": 8, \"max_overflow\": 2 } }");
    expect_edit("{\n  \"pool\": {\n    \"size\": 8 // eight\n  }\n}\n", "pool.max_overflow", "2",
                "{\n  \"pool\": {\n    \"size\": 8, // eight\n    \"max_overflow\": 2\n  }\n}\n");
    expect_edit("{\n  \"pool\": {\n    \"size\": 8, // eight\n  }\n}\n", "pool.max_overflow", "2",
                "{\n  \"pool\": {\n    \"size\": 8, // eight\n    \"max_overflow\": 2,\n  }\n}\n");
    expect_edit("{\r\n\t\"rate\": 5\r\n}", "pool.size", "2",
                "{\r\n\t\"rate\": 5,\r\n\t\"pool\": { \"size\": 2 }\r\n}");
}

PB_TEST(edit_is_not_misled_by_comments)
{
    expect_edit("{ \"pool\": { \"size\": 8 /* , } \n */ } }", "pool.max_overflow", "2",
                "{ \"pool\": { \"size\": 8, \"max_overflow\": 2 /* , } \n */ } }");
    expect_edit("{ \"a\": 1 // x, y\n , }", "b", "2", "{ \"a\": 1 // x, y\n , \"b\": 2 }");
    expect_edit("{ // \"size\": 1\n \"size\": 2 }", "size", "3",
                "{ // \"size\": 1\n \"size\": 3 }");
    expect_edit("{ \"pool\": { /* none */ } }", "pool.size", "2",
                "{ \"pool\": { \"size\": 2  /* none */ } }");
}

PB_TEST(edit_makes_missing_objects)
{
    expect_edit("{}", "pool.size", "2", "{ \"pool\": { \"size\": 2 } }");
    expect_edit("{ \"rate\": 5 }", "a.b.c", "true",
                "{ \"rate\": 5, \"a\": { \"b\": { \"c\": true } } }");
}

PB_TEST(edit_finds_elements_by_name)
{
    expect_edit(
        "{ \"phases\": [ { \"name\": \"x\", \"rate\": 1 }, { \"name\": \"y\", \"rate\": 2 } ] }",
        "phases.y.rate", "9",
        "{ \"phases\": [ { \"name\": \"x\", \"rate\": 1 }, { \"name\": \"y\", \"rate\": 9 } ] }");
}

static enum pb_status try_edit(const char *text, const char *path, struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    return pb_edit_set(text, strlen(text), "s.json", &(struct pb_edit){ path, "1" }, &out, err);
}

PB_TEST(edit_refuses_what_has_no_place)
{
    static const char text[] = "{ \"pool\": 5, \"phases\": [] }";
    struct pb_error err = { 0 };

    PB_ASSERT_STATUS(PB_EINVAL, try_edit(text, "pool.size", &err));
    PB_ASSERT_STATUS(PB_EINVAL, try_edit(text, "phases.steady.rate", &err));
    PB_ASSERT_STATUS(PB_EPARSE, try_edit("{ \"a\" }", "a", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "s.json:1:"));
}
