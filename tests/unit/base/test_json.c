#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "support/test.h"

static struct pb_json *parsed(const char *text)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;
    char line[600] = "";
    enum pb_status status = pb_json_parse(text, strlen(text), "t.json", &json, &problems);

    if (pb_problems_any(&problems)) {
        pb_problems_line(&problems, 0, line, sizeof(line));
    }
    ck_assert_msg(status == PB_OK, "%s: %s", text, line);
    ck_assert_uint_eq(0, problems.count);
    pb_problems_done(&problems);
    return json;
}

PB_TEST(comments_and_trailing_commas_pass)
{
    struct pb_json *json = parsed("// first\n"
                                  "{ /* a \"comment\" { [ */ \"a\": [1, 2, /* x */ 3, ], // end\n"
                                  "  \"b\": \"// no comment /* nor this */ ,]\",\n"
                                  "  \"url\": \"http://x/*y*/\", /**/ /***/ \"n\": 1/**/\n"
                                  "}\n// last");
    char *text = pb_json_print(pb_json_root(json), false);

    ck_assert_str_eq("{\"a\":[1,2,3],\"b\":\"// no comment /* nor this */ ,]\","
                     "\"url\":\"http://x/*y*/\",\"n\":1}",
                     text);
    free(text);
    pb_json_free(json);
}

static const struct refusal {
    const char *text;
    const char *line;
} refusals[] = {
    { "", "t:1:1: holds no value: expected one, such as { }" },
    { " \n ", "t:1:1: holds no value: expected one, such as { }" },
    { "// only\n", "t:1:1: holds no value: expected one, such as { }" },
    { "{} x", "t:1:4: expected the end of the text, not 'x'" },
    { "{}{}", "t:1:3: expected the end of the text, not '{'" },
    { "{\n \"a\": 1\n \"b\": 2}", "t:3:2: expected a comma or } before \"b\"" },
    { "[1 2]", "t:1:4: expected a comma or ], not '2'" },
    { "[1}", "t:1:3: expected a comma or ], not '}'" },
    { "{\"a\":1]", "t:1:7: expected a comma or }, not ']'" },
    { "[,]", "t:1:2: expected a value, not ','" },
    { "[1,,2]", "t:1:4: expected a value, not ','" },
    { "{,}", "t:1:2: expected a name in double quotes, or }, not ','" },
    { "{\"a\":1,,}", "t:1:8: expected a name in double quotes, not ','" },
    { "{\"a\"}", "t:1:5: expected a colon behind the name, not '}'" },
    { "{\"a\" 1}", "t:1:6: expected a colon behind the name, not '1'" },
    { "{\"a\":}", "t:1:6: expected a value, not '}'" },
    { "{\"a\":", "t:1:6: the text ends inside the { of line 1, column 1: expected }" },
    { "[\n[1,\n", "t:3:1: the text ends inside the [ of line 2, column 1: expected ]" },
    { "{\"a\"", "t:1:5: the text ends here: expected a colon behind the name" },
    { "{a: 1}", "t:1:2: a name needs double quotes, not 'a'" },
    { "{'a': 1}", "t:1:2: a name needs double quotes, not ''a''" },
    { "{\"a\": b}",
      "t:1:7: 'b' is not a value: a text needs double quotes, others are true, false, null" },
    { "[True]",
      "t:1:2: 'True' is not a value: a text needs double quotes, others are true, false, null" },
    { "[NaN]",
      "t:1:2: 'NaN' is not a value: a text needs double quotes, others are true, false, null" },
    { "[nullx]",
      "t:1:2: 'nullx' is not a value: a text needs double quotes, others are true, false, null" },
    { "{\"rate\": 100ms}", "t:1:10: a number with a unit needs double quotes: write \"100ms\"" },
    { "{\"rate\": 1000/s}", "t:1:10: a number with a unit needs double quotes: write \"1000/s\"" },
    { "[5%]", "t:1:2: a number with a unit needs double quotes: write \"5%\"" },
    { "[01]", "t:1:2: '01' is not a number: write it like 12, -0.5 or 1e3" },
    { "[-]", "t:1:2: '-' is not a number: write it like 12, -0.5 or 1e3" },
    { "[+1]", "t:1:2: '+1' is not a number: write it like 12, -0.5 or 1e3" },
    { "[.5]", "t:1:2: '.5' is not a number: write it like 12, -0.5 or 1e3" },
    { "[5.]", "t:1:2: '5.' is not a number: write it like 12, -0.5 or 1e3" },
    { "[1e]", "t:1:2: a number with a unit needs double quotes: write \"1e\"" },
    { "[1.2.3]", "t:1:2: '1.2.3' is not a number: write it like 12, -0.5 or 1e3" },
    { "[1e999]", "t:1:2: this number is too large: at most 1.79e308 can be read" },
    { "[-1e999]", "t:1:2: this number is too large: at most 1.79e308 can be read" },
    { "[1000000000000000000000000000000000000000000000000000000000000000]",
      "t:1:2: this number has 64 characters: at most 63 are read" },
    { "[\"a\n\"]", "t:1:2: this string is not closed on its line: it ends with a double quote" },
    { "[\"a", "t:1:2: this string is not closed on its line: it ends with a double quote" },
    { "[\"a\\\"]", "t:1:2: this string is not closed on its line: it ends with a double quote" },
    { "[\"\\", "t:1:3: unknown escape: valid are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX" },
    { "[\"x\\q\"]",
      "t:1:4: unknown escape: valid are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX" },
    { "[\"\\u12g4\"]", "t:1:3: \\u needs four hexadecimal digits, such as \\u00e9" },
    { "[\"\\u12", "t:1:3: \\u needs four hexadecimal digits, such as \\u00e9" },
    { "[\"\\u0000\"]", "t:1:3: \\u0000 is not allowed: a text cannot hold a NUL character" },
    { "{\"a\\u0000b\": 1}", "t:1:4: \\u0000 is not allowed: a text cannot hold a NUL character" },
    { "[\"\\ud800\"]", "t:1:3: this high surrogate has no low one behind it: write a pair such as "
                       "\\ud83d\\ude00, or the character itself" },
    { "[\"\\ud800\\u0041\"]", "t:1:3: this high surrogate has no low one behind it: write a pair "
                              "such as \\ud83d\\ude00, or the character itself" },
    { "[\"\\udc00\"]", "t:1:3: this low surrogate has no high one before it: write a pair such as "
                       "\\ud83d\\ude00, or the character itself" },
    { "[\"a\tb\"]", "t:1:4: control character in a string: write \\t, \\r or \\u00XX instead" },
    { "[\"\xC0\xAF\"]", "t:1:3: this is not valid UTF-8: save the file as UTF-8" },
    { "[\"\xE0\x80\xAF\"]", "t:1:3: this is not valid UTF-8: save the file as UTF-8" },
    { "[\"\xED\xA0\x80\"]", "t:1:3: this is not valid UTF-8: save the file as UTF-8" },
    { "[\"\xF4\x90\x80\x80\"]", "t:1:3: this is not valid UTF-8: save the file as UTF-8" },
    { "[\"\xE9t\xE9\"]", "t:1:3: this is not valid UTF-8: save the file as UTF-8" },
    { "// \xE9t\xE9\n[]", "t:1:4: this comment is not valid UTF-8: save the file as UTF-8" },
    { "\xFF\xFE[", "t:1:1: this is UTF-16: save the file as UTF-8" },
    { "[] /* open", "t:1:4: this comment is never closed: it ends with */" },
    { "[\n\n/*/\n]", "t:3:1: this comment is never closed: it ends with */" },
    { "# hash\n{}", "t:1:1: expected a value: a string, a number, true, false, null, [ or {; a "
                    "comment begins with // or /*" },
    { "{ # hash\n}", "t:1:3: expected a name in double quotes, or }; a comment begins with // or "
                     "/*" },
    { "{\"rate\":1,\n \"rate\":2}",
      "t:2:2: \"rate\" is given twice: the other stands in line 1, column 2" },
    { "{\"a\":{\"x\":1,\"\\u0078\":2}}",
      "t:1:13: \"x\" is given twice: the other stands in line 1, column 7" },
    { "{\"\":1,\"\":2}", "t:1:7: \"\" is given twice: the other stands in line 1, column 2" },
    { "\xE2\x80\x9Cx\xE2\x80\x9D", "t:1:1: '\xE2\x80\x9C"
                                   "x\xE2\x80\x9D' is not a value: a text needs double quotes, "
                                   "others are true, false, null" },
    { "\x01", "t:1:1: expected a value: a string, a number, true, false, null, [ or {, not "
              "'\\x01'" },
};

PB_TEST(every_mistake_has_its_place_and_its_remedy)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(refusals); i++) {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;
        char line[600] = "(no line)";
        const char *text = refusals[i].text;

        ck_assert_msg(pb_json_parse(text, strlen(text), "t", &json, &problems) == PB_EPARSE, "%s",
                      text);
        ck_assert_ptr_null(json);
        if (pb_problems_any(&problems)) {
            pb_problems_line(&problems, 0, line, sizeof(line));
        }
        ck_assert_str_eq(refusals[i].line, line);
        pb_problems_done(&problems);
    }
}

PB_TEST(mistakes_inside_values_are_reported_together)
{
    const char *text = "{ \"a\": 10ms,\n  b: \"\\q\",\n  \"c\": [nope, 01] }";
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;
    static const int lines[] = { 1, 2, 2, 3, 3 };

    PB_ASSERT_STATUS(PB_EPARSE, pb_json_parse(text, strlen(text), "t", &json, &problems));
    ck_assert_uint_eq(PB_ARRAY_LEN(lines), problems.count);
    for (size_t i = 0; i < problems.count; i++) {
        ck_assert_int_eq(lines[i], problems.items[i].line);
    }
    pb_problems_done(&problems);
}

PB_TEST(a_nul_byte_inside_the_text_is_refused)
{
    static const char *const texts[] = { "[1,\0 2]", "[\"a\0\"]", "{}\0 {" };
    static const size_t lens[] = { 7, 6, 5 };

    for (size_t i = 0; i < PB_ARRAY_LEN(texts); i++) {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;

        PB_ASSERT_STATUS(PB_EPARSE, pb_json_parse(texts[i], lens[i], "t", &json, &problems));
        pb_problems_done(&problems);
    }
}

/* `count` times `piece`. */
static char *repeated(const char *piece, size_t count, size_t *ret_len)
{
    size_t len = strlen(piece);
    char *text = malloc(len * count + 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * len, piece, len);
    }
    text[len * count] = '\0';
    *ret_len = len * count;
    return text;
}

PB_TEST_TIMEOUT(ten_megabytes_of_anything_end_in_few_lines, 300)
{
    static const char *const pieces[] = { "[",    "{\"a\":", "[1,",      "\"",       "\\",
                                          "/*",   "\xFF",    "-",        "{",        "0,",
                                          "//\n", "[],",     "\xE2\x80", "\"\\ud800" };

    for (size_t i = 0; i < PB_ARRAY_LEN(pieces); i++) {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;
        size_t len;
        char *text = repeated(pieces[i], 10000000 / strlen(pieces[i]), &len);

        PB_ASSERT_STATUS(PB_EPARSE, pb_json_parse(text, len, "t", &json, &problems));
        ck_assert_uint_ge(problems.count, 1);
        ck_assert_uint_le(problems.count, 3);
        pb_problems_done(&problems);
        free(text);
    }
}

PB_TEST(nesting_ends_at_its_limit)
{
    char text[2 * (PB_JSON_DEPTH + 1) + 1];

    for (int depth = PB_JSON_DEPTH; depth <= PB_JSON_DEPTH + 1; depth++) {
        struct pb_problems problems = { .count = 0 };
        struct pb_json *json = NULL;
        bool fits = depth <= PB_JSON_DEPTH;

        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        PB_ASSERT_STATUS(fits ? PB_OK : PB_EPARSE,
                         pb_json_parse(text, (size_t)depth * 2, "t", &json, &problems));
        ck_assert_int_eq(!fits, pb_problems_any(&problems));
        if (!fits) {
            ck_assert_int_eq(PB_JSON_DEPTH + 1, problems.items[0].column);
        }
        pb_json_free(json);
        pb_problems_done(&problems);
    }
}

PB_TEST(too_many_values_and_bytes_are_refused)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;
    size_t len;
    char *text = repeated("1,", 1000001, &len);

    text[0] = '[';
    text[1] = ' ';
    PB_ASSERT_STATUS(PB_EPARSE, pb_json_parse(text, len, "t", &json, &problems));
    ck_assert_str_eq("too many values: at most 1000000 are read", problems.items[0].text);
    free(text);
    PB_ASSERT_STATUS(PB_EPARSE, pb_json_parse("", PB_JSON_MAX_BYTES + 1, "t", &json, &problems));
    pb_problems_done(&problems);
}

static void check_at(const struct pb_json *json, const char *path, bool key, int line, int column,
                     const char *words)
{
    struct pb_json_pos pos = { 0 };
    size_t len;
    const char *text = pb_json_text(json, &len);

    ck_assert(pb_json_position(json, pb_json_at(pb_json_root(json), path), key, &pos));
    ck_assert_msg(pos.line == line && pos.column == column, "%s: %d:%d", path, pos.line,
                  pos.column);
    ck_assert_uint_le(pos.offset + pos.length, len);
    ck_assert_msg(pos.length == strlen(words) && strncmp(text + pos.offset, words, pos.length) == 0,
                  "%s: want %s, got %.*s", path, words, (int)pos.length, text + pos.offset);
}

PB_TEST(every_value_and_key_knows_its_place)
{
    struct pb_json *json = parsed("\xEF\xBB\xBF{ // c\r\n"
                                  "  \"a\": 12, /* \n */ \"b\": [ true, { \"c\" :\"x\\n\" }, ],\n"
                                  "  \"\xC3\xA9\": null, \"pool.size\": 8 }");
    struct pb_json_pos pos;
    cJSON foreign = { 0 };

    check_at(json, "a", true, 2, 3, "\"a\"");
    check_at(json, "a", false, 2, 8, "12");
    check_at(json, "b", false, 3, 10, "[ true, { \"c\" :\"x\\n\" }, ]");
    check_at(json, "b.0", false, 3, 12, "true");
    check_at(json, "b.1.c", true, 3, 20, "\"c\"");
    check_at(json, "b.1.c", false, 3, 25, "\"x\\n\"");
    check_at(json, "\xC3\xA9", false, 4, 9, "null");
    check_at(json, "pool.size", false, 4, 28, "8");
    ck_assert(pb_json_position(json, pb_json_root(json), false, &pos));
    ck_assert_int_eq(1, pos.line);
    ck_assert_int_eq(1, pos.column);
    ck_assert_uint_eq(3, pos.offset);
    ck_assert(!pb_json_position(json, pb_json_root(json), true, &pos));
    ck_assert(!pb_json_position(json, pb_json_at(pb_json_root(json), "b.0"), true, &pos));
    ck_assert(!pb_json_position(json, &foreign, false, &pos));
    ck_assert(!pb_json_position(json, NULL, false, &pos));
    ck_assert_str_eq("t.json", pb_json_where(json));
    pb_json_free(json);
    pb_json_free(NULL);
}

PB_TEST(lookups_fall_back)
{
    struct pb_json *json =
        parsed("{\"n\": 1.5, \"big\": 1e300, \"neg\": -1e300, \"t\": true, \"f\": false, "
               "\"s\": \"x\", \"z\": null, \"l\": [1, [2, 3]], \"r\": {\"pool.size\": 8, "
               "\"pool\": {\"max\": 9}}, \"N\": 7}");
    const cJSON *root = pb_json_root(json);

    ck_assert(pb_json_num(root, "n", -1) == 1.5);
    ck_assert(pb_json_num(root, "s", -1) == -1);
    ck_assert(pb_json_num(root, "z", -1) == -1);
    ck_assert(pb_json_num(root, "gone", -1) == -1);
    ck_assert_int_eq(2, pb_json_int(root, "n", -1));
    ck_assert_int_eq(INT64_MAX, pb_json_int(root, "big", -1));
    ck_assert_int_eq(INT64_MIN, pb_json_int(root, "neg", -1));
    ck_assert_int_eq(7, pb_json_int(root, "N", -1));
    ck_assert_int_eq(3, pb_json_int(root, "l.1.1", -1));
    ck_assert_int_eq(-1, pb_json_int(root, "l.1.2", -1));
    ck_assert_int_eq(-1, pb_json_int(root, "l.x", -1));
    ck_assert_int_eq(-1, pb_json_int(root, "l.0x", -1));
    ck_assert_int_eq(-1, pb_json_int(root, "l.-1", -1));
    ck_assert_int_eq(-1, pb_json_int(root, "l.", -1));
    ck_assert_int_eq(8, pb_json_int(root, "r.pool.size", -1));
    ck_assert_int_eq(9, pb_json_int(root, "r.pool.max", -1));
    ck_assert_str_eq("x", pb_json_str(root, "s", "-"));
    ck_assert_str_eq("-", pb_json_str(root, "n", "-"));
    ck_assert(pb_json_bool(root, "t", false));
    ck_assert(!pb_json_bool(root, "f", true));
    ck_assert(pb_json_bool(root, "n", true));
    ck_assert_ptr_null(pb_json_at(NULL, "a"));
    ck_assert_ptr_null(pb_json_at(root, "n.x"));
    pb_json_free(json);
}

PB_TEST(numbers_are_printed_so_that_they_read_back_the_same)
{
    static const struct {
        double value;
        const char *text;
    } shown[] = {
        { 0, "0" },
        { -0.0, "0" },
        { 1, "1" },
        { -12, "-12" },
        { 9007199254740991.0, "9007199254740991" },
        { -9007199254740992.0, "-9007199254740992" },
        { 0.1, "0.1" },
        { 1.0 / 3, "0.3333333333333333" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1e-7, "1e-07" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 5e-324, "5e-324" },
        { 1763694902123456789.0, "1.7636949021234568e+18" },
        { (double)NAN, "null" },
        { (double)INFINITY, "null" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(shown); i++) {
        cJSON *number = cJSON_CreateNumber(shown[i].value);
        char *text = pb_json_print(number, false);

        ck_assert_str_eq(shown[i].text, text);
        ck_assert(!isfinite(shown[i].value) || strtod(text, NULL) == shown[i].value);
        free(text);
        cJSON_Delete(number);
    }
}

PB_TEST(what_is_printed_parses_to_the_same)
{
    struct pb_json *json =
        parsed("{\"a\\\"\\\\\\n\\u0001\\u007f\": [1, [], {}, {\"b\": null}],"
               "\"t\": true, \"f\": false, \"\xF0\x9F\x98\x80\": \"\\ud83d\\ude00\"}");
    char *flat = pb_json_print(pb_json_root(json), false);
    char *indented = pb_json_print(pb_json_root(json), true);

    ck_assert_str_eq("{\"a\\\"\\\\\\n\\u0001\\u007f\":[1,[],{},{\"b\":null}],\"t\":true,"
                     "\"f\":false,\"\xF0\x9F\x98\x80\":\"\xF0\x9F\x98\x80\"}",
                     flat);
    struct pb_json *again = parsed(indented);

    ck_assert(cJSON_Compare(pb_json_root(json), pb_json_root(again), true));
    ck_assert_ptr_nonnull(
        strstr(indented, "\n    [],\n    {},\n    {\n      \"b\": null\n    }\n"));
    free(flat);
    free(indented);
    pb_json_free(json);
    pb_json_free(again);
}

PB_TEST(text_that_is_not_utf8_is_printed_as_valid_json)
{
    cJSON *text = cJSON_CreateString("a\xFF\xE2\x82z");
    char *printed = pb_json_print(text, false);

    ck_assert_str_eq("\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"", printed);
    free(printed);
    cJSON_Delete(text);
}

PB_TEST(a_file_is_read_or_one_line_says_why_not)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;
    const char *folder = pb_test_folder();
    char *path = pb_path_join(folder, "a.json");
    char line[600];

    PB_ASSERT_STATUS(PB_ENOENT, pb_json_read(path, &json, &problems));
    pb_problems_line(&problems, 0, line, sizeof(line));
    ck_assert_int_eq(0, strncmp(path, line, strlen(path)));
    ck_assert_str_eq(": no such file", line + strlen(path));
    PB_ASSERT_STATUS(PB_EINVAL, pb_json_read(folder, &json, &problems));
    ck_assert_uint_eq(2, problems.count);
    pb_problems_done(&problems);

    PB_ASSERT_OK(pb_file_replace(path, "{\"a\": 1}\n", 9, NULL));
    PB_ASSERT_OK(pb_json_read(path, &json, &problems));
    ck_assert_int_eq(1, pb_json_int(pb_json_root(json), "a", 0));
    ck_assert_str_eq(path, pb_json_where(json));
    pb_json_free(json);
    free(path);
}
