/*
 * Any bytes are either refused with a line that has its place, or become a tree whose values know
 * their place and which survives being printed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_places(const struct pb_json *json, const cJSON *value, size_t text_len)
{
    struct pb_json_pos pos = { 0 }, key = { 0 };

    must(pb_json_position(json, value, false, &pos));
    must(pos.line >= 1 && pos.column >= 1 && pos.length >= 1);
    must(pos.offset + pos.length <= text_len);
    must(pb_json_position(json, value, true, &key) == (value->string != NULL));
    must(!value->string || key.offset + key.length < pos.offset);
    for (const cJSON *child = value->child; child; child = child->next) {
        struct pb_json_pos inner = { 0 };

        must(pb_json_position(json, child, false, &inner));
        must(inner.offset > pos.offset && inner.offset + inner.length < pos.offset + pos.length);
        check_places(json, child, text_len);
    }
}

/* What is printed parses, and prints the same again. */
static void check_round_trip(const struct pb_json *json, bool indented)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_json *again = NULL;
    char *text = pb_json_print(pb_json_root(json), indented);

    must(text != NULL);
    must(pb_json_parse(text, strlen(text), "printed", &again, &problems) == PB_OK);
    char *second = pb_json_print(pb_json_root(again), indented);

    must(second != NULL && strcmp(text, second) == 0);
    free(text);
    free(second);
    pb_json_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;
    enum pb_status status = pb_json_parse((const char *)data, size, "input", &json, &problems);

    if (status == PB_OK) {
        size_t len = 0;

        must(!pb_problems_any(&problems));
        must(size == 0 || memcmp(pb_json_text(json, &len), data, size) == 0);
        check_places(json, pb_json_root(json), len);
        check_round_trip(json, false);
        check_round_trip(json, true);
    } else {
        must(status == PB_EPARSE && pb_problems_any(&problems) && !json);
        for (size_t i = 0; i < problems.count; i++) {
            char line[700];

            must(problems.items[i].line >= 1 && problems.items[i].column >= 1);
            pb_problems_line(&problems, i, line, sizeof(line));
            must(strpbrk(line, "\n\r\x1b") == NULL);
        }
    }
    pb_problems_done(&problems);
    pb_json_free(json);
    return 0;
}
