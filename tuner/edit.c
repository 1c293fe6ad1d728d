#include "tuner/edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

#define SEGMENT_BYTES 128
#define NOWHERE       ((size_t)-1)

/* A text under edit. */
struct subject {
    const char *text;
    size_t len;
    const struct pb_json *json;
};

/* Cuts the first segment off `path` into `segment`; the rest, NULL at the end. */
static const char *next_segment(const char *path, char segment[static SEGMENT_BYTES])
{
    const char *dot = strchr(path, '.');
    size_t len = dot != NULL ? (size_t)(dot - path) : strlen(path);

    len = len < SEGMENT_BYTES ? len : SEGMENT_BYTES - 1;
    memcpy(segment, path, len);
    segment[len] = '\0';
    return dot != NULL ? dot + 1 : NULL;
}

/* The child that a segment names, NULL when there is none. */
static const cJSON *child_of(const cJSON *node, const char *segment)
{
    const cJSON *item = NULL;

    if (cJSON_IsObject(node)) {
        return cJSON_GetObjectItemCaseSensitive(node, segment);
    }
    cJSON_ArrayForEach(item, node)
    {
        if (strcmp(pb_json_str(item, "name", ""), segment) == 0) {
            return item;
        }
    }
    return pb_json_at(node, segment);
}

static void add_quoted(struct pb_buf *out, const char *name)
{
    cJSON *string = cJSON_CreateString(name);
    char *text = pb_json_print(string, false);

    pb_buf_puts(out, text != NULL ? text : "\"\"");
    free(text);
    cJSON_Delete(string);
}

/* "size": 8   or   "pool": { "size": 8 } */
static void add_member(struct pb_buf *out, const char *path, const char *value)
{
    char segment[SEGMENT_BYTES];
    const char *rest = next_segment(path, segment);

    add_quoted(out, segment);
    if (rest == NULL) {
        pb_buf_printf(out, ": %s", value);
        return;
    }
    pb_buf_puts(out, ": { ");
    add_member(out, rest, value);
    pb_buf_puts(out, " }");
}

/* What stands between the last member of an object and its closing brace. */
struct tail {
    size_t comma;    /* of a trailing comma, or NOWHERE */
    size_t line_end; /* of the last member's line when the brace is on a later one, or NOWHERE */
};

/* The end of a comment that starts at `at`; `at` itself when none does. */
static size_t skip_comment(const char *text, size_t at, size_t to)
{
    const char *end = NULL;

    if (at + 1 >= to || text[at] != '/') {
        return at;
    }
    if (text[at + 1] == '/') {
        end = memchr(text + at, '\n', to - at);
        return end != NULL ? (size_t)(end - text) : to;
    }
    if (text[at + 1] == '*') {
        end = memmem(text + at + 2, to - at - 2, "*/", 2);
        return end != NULL ? (size_t)(end - text) + 2 : to;
    }
    return at;
}

static struct tail read_tail(const char *text, size_t from, size_t to)
{
    struct tail tail = { NOWHERE, NOWHERE };
    size_t at = from;

    while (at < to) {
        size_t after = skip_comment(text, at, to);

        if (after != at) {
            at = after;
            continue;
        }
        if (text[at] == ',' && tail.comma == NOWHERE) {
            tail.comma = at;
        } else if (text[at] == '\n' && tail.line_end == NOWHERE) {
            tail.line_end = at > from && text[at - 1] == '\r' ? at - 1 : at;
        }
        at++;
    }
    return tail;
}

/* The blanks at the beginning of the line on which `at` stands. */
static size_t indent_of(const char *text, size_t at, size_t *ret_start)
{
    size_t start = at, len = 0;

    while (start > 0 && text[start - 1] != '\n') {
        start--;
    }
    while (text[start + len] == ' ' || text[start + len] == '\t') {
        len++;
    }
    *ret_start = start;
    return len;
}

/* Adds a member on a line of its own, after the last one's line. */
static void append_line(const struct subject *subject, size_t key_at, size_t value_end,
                        struct tail tail, const char *member, struct pb_buf *out)
{
    const char *text = subject->text;
    size_t start = 0, indent = indent_of(text, key_at, &start);

    pb_buf_add(out, text, value_end);
    pb_buf_puts(out, tail.comma == NOWHERE ? "," : "");
    pb_buf_add(out, text + value_end, tail.line_end - value_end);
    pb_buf_puts(out, text[tail.line_end] == '\r' ? "\r\n" : "\n");
    pb_buf_add(out, text + start, indent);
    pb_buf_puts(out, member);
    /* Where the last member had a comma, the new last one has it too. */
    pb_buf_puts(out, tail.comma != NOWHERE ? "," : "");
    pb_buf_add(out, text + tail.line_end, subject->len - tail.line_end);
}

static void append_inline(const struct subject *subject, size_t value_end, struct tail tail,
                          const char *member, struct pb_buf *out)
{
    size_t at = tail.comma != NOWHERE ? tail.comma + 1 : value_end;

    pb_buf_add(out, subject->text, at);
    pb_buf_printf(out, "%s %s", tail.comma != NOWHERE ? "" : ",", member);
    pb_buf_add(out, subject->text + at, subject->len - at);
}

static bool insert_member(const struct subject *subject, const cJSON *object, const char *member,
                          struct pb_buf *out)
{
    const cJSON *last = object->child;
    struct pb_json_pos outer, key, value;

    if (!pb_json_position(subject->json, object, false, &outer)) {
        return false;
    }
    if (last == NULL) { /* {} becomes { "size": 8 } */
        pb_buf_add(out, subject->text, outer.offset + 1);
        pb_buf_printf(out, " %s ", member);
        pb_buf_add(out, subject->text + outer.offset + 1, subject->len - outer.offset - 1);
        return true;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    if (!pb_json_position(subject->json, last, true, &key) ||
        !pb_json_position(subject->json, last, false, &value)) {
        return false;
    }
    size_t value_end = value.offset + value.length;
    struct tail tail = read_tail(subject->text, value_end, outer.offset + outer.length - 1);
    bool comma_below = tail.comma != NOWHERE && tail.comma > tail.line_end;

    if (tail.line_end == NOWHERE || comma_below) {
        append_inline(subject, value_end, tail, member, out);
    } else {
        append_line(subject, key.offset, value_end, tail, member, out);
    }
    return true;
}

static bool replace_value(const struct subject *subject, const cJSON *node, const char *value,
                          struct pb_buf *out)
{
    struct pb_json_pos pos;

    if (!pb_json_position(subject->json, node, false, &pos)) {
        return false;
    }
    size_t end = pos.offset + pos.length;

    pb_buf_add(out, subject->text, pos.offset);
    pb_buf_puts(out, value);
    pb_buf_add(out, subject->text + end, subject->len - end);
    return true;
}

/* Walks down the path as far as the document goes and edits there. */
static enum pb_status edit_at(const struct subject *subject, const char *where,
                              const struct pb_edit *edit, struct pb_buf *out, struct pb_error *err)
{
    const char *path = edit->path, *value = edit->value;
    PB_CLEANUP(pb_buf_done) struct pb_buf member = { 0 };
    const cJSON *node = pb_json_root(subject->json), *child = node;
    const char *rest = path, *here;
    char segment[SEGMENT_BYTES];
    bool done;

    do {
        here = rest;
        node = child;
        if (!cJSON_IsObject(node) && !cJSON_IsArray(node)) {
            return pb_fail(err, PB_EINVAL, "%s: '%s' cannot be set: what is around it is no object",
                           where, path);
        }
        rest = next_segment(here, segment);
        child = child_of(node, segment);
    } while (child != NULL && rest != NULL);
    if (child != NULL) {
        done = replace_value(subject, child, value, out);
    } else if (cJSON_IsObject(node)) {
        add_member(&member, here, value);
        done = insert_member(subject, node, pb_buf_text(&member), out);
    } else {
        return pb_fail(err, PB_EINVAL, "%s: '%s' cannot be set: there is no element '%s'", where,
                       path, segment);
    }
    if (!done) {
        return pb_fail(err, PB_EINVAL, "%s: '%s' cannot be set: its place is not known", where,
                       path);
    }
    PB_TRY(pb_buf_status(&member));
    return pb_buf_status(out);
}

enum pb_status pb_edit_set(const char *text, size_t len, const char *where,
                           const struct pb_edit *edit, struct pb_buf *out, struct pb_error *err)
{
    struct pb_problems problems = { 0 };
    struct pb_json *json = NULL;
    enum pb_status status = pb_json_parse(text, len, where, &json, &problems);

    if (status == PB_OK) {
        status = edit_at(&(struct subject){ text, len, json }, where, edit, out, err);
    } else {
        char line[200] = "not readable";

        if (pb_problems_any(&problems)) {
            pb_problems_line(&problems, 0, line, sizeof(line));
        }
        (void)pb_fail(err, status, "%s", line);
    }
    pb_json_free(json);
    pb_problems_done(&problems);
    return status;
}
