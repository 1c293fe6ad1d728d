#include <stdlib.h>

#include "support/test.h"
#include "tuner/edit.h"

static void expect_edit(const char *before, const char *path, const char *value, const char *after)
{
    struct pb_error err = { 0 };
    char *text = NULL;
    size_t len = 0;
    enum pb_status status =
        pb_edit_set(before, strlen(before), "s.json", path, value, &text, &len, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
    ck_assert_str_eq(after, text);
    ck_assert_uint_eq(strlen(text), len);
    free(text);
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

PB_TEST(edit_refuses_what_has_no_place)
{
    static const char text[] = "{ \"pool\": 5, \"phases\": [] }";
    struct pb_error err = { 0 };
    char *edited = NULL;
    size_t len = 0;

    PB_ASSERT_STATUS(PB_EINVAL, pb_edit_set(text, strlen(text), "s.json", "pool.size", "1", &edited,
                                            &len, &err));
    PB_ASSERT_STATUS(PB_EINVAL, pb_edit_set(text, strlen(text), "s.json", "phases.steady.rate", "1",
                                            &edited, &len, &err));
    PB_ASSERT_STATUS(PB_EPARSE,
                     pb_edit_set("{ \"a\" }", 7, "s.json", "a", "1", &edited, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "s.json:1:"));
    ck_assert_ptr_null(edited);
}
