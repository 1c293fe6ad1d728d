#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json_internal.h"

/* One value of the tree and where it came from. */
struct place {
    const cJSON *value;
    size_t parent; /* its index in document order; SIZE_MAX for the root */
    size_t order;
    struct pb_json_mark mark;
};

struct pb_json {
    char *where;
    char *text;
    size_t len;
    cJSON *root;
    struct place *places; /* sorted by `value` */
    size_t count;
};

void pb_json_free(struct pb_json *json)
{
    if (!json) {
        return;
    }
    cJSON_Delete(json->root);
    free(json->places);
    free(json->text);
    free(json->where);
    free(json);
}

static void free_json(struct pb_json **json)
{
    pb_json_free(*json);
}

/* A copy with a NUL behind it. */
static char *copy_text(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

/* Pairs `value` and all below it with the marks, which stand in the same order. */
static void place_value(struct pb_json *json, const struct pb_json_marks *marks, const cJSON *value,
                        size_t parent)
{
    size_t order = json->count++;

    if (order >= marks->count) {
        return;
    }
    json->places[order] = (struct place){ value, parent, order, marks->items[order] };
    for (const cJSON *child = value->child; child; child = child->next) {
        place_value(json, marks, child, order);
    }
}

static int by_value(const void *a, const void *b)
{
    const cJSON *left = ((const struct place *)a)->value, *right = ((const struct place *)b)->value;

    return (left > right) - (left < right);
}

static const char *key_of(const struct place *place)
{
    return place->value->string ? place->value->string : "";
}

/* Members of one object stand together, equal keys side by side in document order. */
static int by_parent_and_key(const void *a, const void *b)
{
    const struct place *left = a, *right = b;

    if (left->parent != right->parent) {
        return left->parent < right->parent ? -1 : 1;
    }
    int keys = strcmp(key_of(left), key_of(right));

    return keys != 0 ? keys : (left->order > right->order) - (left->order < right->order);
}

/* What only the tree can tell: equal keys, however they were escaped, and numbers that a double
 * cannot hold. */
static enum pb_status check_places(struct pb_json *json, struct pb_problems *problems)
{
    enum pb_status status = PB_OK;

    qsort(json->places, json->count, sizeof(*json->places), by_parent_and_key);
    for (size_t i = 0; i < json->count; i++) {
        const struct place *place = &json->places[i], *before = i > 0 ? place - 1 : NULL;
        const struct pb_json_pos *at = &place->mark.value;

        if (cJSON_IsNumber(place->value) && !isfinite(place->value->valuedouble)) {
            pb_problems_add(problems, json->where, at->line, at->column,
                            "this number is too large: at most 1.79e308 can be read");
            status = PB_EPARSE;
        }
        if (before && before->parent == place->parent && place->value->string &&
            strcmp(key_of(before), key_of(place)) == 0) {
            pb_problems_add(problems, json->where, place->mark.key.line, place->mark.key.column,
                            "\"%.60s\" is given twice: the other stands in line %d, column %d",
                            key_of(place), before->mark.key.line, before->mark.key.column);
            status = PB_EPARSE;
        }
    }
    return status;
}

static enum pb_status build_tree(struct pb_json *json, const char *blanked,
                                 const struct pb_json_marks *marks, struct pb_problems *problems)
{
    json->places = calloc(marks->count, sizeof(*json->places));
    if (!json->places) {
        return PB_ENOMEM;
    }
    json->root = cJSON_ParseWithLength(blanked, json->len);
    /* The scan has refused whatever cJSON does not take, so that only memory is left to fail. */
    if (!json->root) {
        return PB_ENOMEM;
    }
    place_value(json, marks, json->root, SIZE_MAX);
    if (json->count != marks->count) {
        json->count = 0;
        pb_problems_add(problems, json->where, 0, 0, "the parts of this text do not fit together");
        return PB_EPARSE;
    }
    PB_TRY(check_places(json, problems));
    qsort(json->places, json->count, sizeof(*json->places), by_value);
    return PB_OK;
}

static enum pb_status scan_and_build(struct pb_json *json, struct pb_problems *problems)
{
    PB_CLEANUP(pb_json_marks_done) struct pb_json_marks marks = { 0 };
    PB_CLEANUP(pb_text_free) char *blanked = copy_text(json->text, json->len);

    if (!blanked) {
        return PB_ENOMEM;
    }
    PB_TRY(pb_json_scan(blanked, json->len, json->where, &marks, problems));
    return build_tree(json, blanked, &marks, problems);
}

enum pb_status pb_json_parse(const char *text, size_t len, const char *where,
                             struct pb_json **ret_json, struct pb_problems *problems)
{
    if (len > PB_JSON_MAX_BYTES) {
        pb_problems_add(problems, where, 0, 0, "has %zu bytes: at most %zu are read", len,
                        PB_JSON_MAX_BYTES);
        return PB_EPARSE;
    }
    PB_CLEANUP(free_json) struct pb_json *json = calloc(1, sizeof(*json));
    enum pb_status status = PB_ENOMEM;

    if (json) {
        json->where = strdup(where);
        json->text = copy_text(text, len);
        json->len = len;
    }
    if (json && json->where && json->text) {
        status = scan_and_build(json, problems);
    }
    if (status == PB_ENOMEM) {
        pb_problems_add(problems, where, 0, 0, "out of memory");
    }
    if (status == PB_OK) {
        *ret_json = json;
        json = NULL;
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 ignores cleanup attributes */
    return status;
}

enum pb_status pb_json_read(const char *path, struct pb_json **ret_json,
                            struct pb_problems *problems)
{
    PB_CLEANUP(pb_text_free) char *text = NULL;
    size_t len = 0;
    struct pb_error err;
    const char *where = strcmp(path, "-") == 0 ? "standard input" : path;
    enum pb_status status =
        where == path ? pb_file_read(path, PB_JSON_MAX_BYTES, &text, &len, &err)
                      : pb_fd_read_all(STDIN_FILENO, where, PB_JSON_MAX_BYTES, &text, &len, &err);

    if (status != PB_OK) {
        /* The error begins with the path already. */
        pb_problems_add(problems, NULL, 0, 0, "%s", err.text);
        return status;
    }
    return pb_json_parse(text, len, where, ret_json, problems);
}

const cJSON *pb_json_root(const struct pb_json *json)
{
    return json->root;
}

const char *pb_json_text(const struct pb_json *json, size_t *ret_len)
{
    *ret_len = json->len;
    return json->text;
}

const char *pb_json_where(const struct pb_json *json)
{
    return json->where;
}

bool pb_json_position(const struct pb_json *json, const cJSON *value, bool key,
                      struct pb_json_pos *ret_pos)
{
    struct place wanted = { .value = value };
    const struct place *place =
        bsearch(&wanted, json->places, json->count, sizeof(*json->places), by_value);

    if (!place || (key && place->mark.key.line == 0)) {
        return false;
    }
    *ret_pos = key ? place->mark.key : place->mark.value;
    return true;
}
