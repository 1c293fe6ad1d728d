#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "harness/scenario_internal.h"

#define SHOWN_VALUE_MAX 60 /* bytes of an override's value in a message */

void pb_bind_no_memory(struct pb_binder *binder)
{
    binder->status = PB_ENOMEM;
}

char *pb_bind_copy_text(struct pb_binder *binder, const char *text)
{
    char *copy = strdup(text);

    if (!copy) {
        pb_bind_no_memory(binder);
    }
    return copy;
}

void pb_bind_done(struct pb_binder *binder)
{
    cJSON_Delete(binder->root);
    free(binder->copied);
    free(binder->written);
}

/* --- Where a value came from --- */

static size_t count_nodes(const cJSON *node)
{
    const cJSON *child;
    size_t count = 1;

    cJSON_ArrayForEach(child, node)
    {
        count += count_nodes(child);
    }
    return count;
}

static void pair_nodes(struct pb_binder *binder, const cJSON *copy, const cJSON *original)
{
    binder->copied[binder->copied_count++] = (struct pb_node_source){ copy, original };
    copy = copy->child;
    original = original->child;
    for (; copy && original; copy = copy->next, original = original->next) {
        pair_nodes(binder, copy, original);
    }
}

static int compare_sources(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct pb_node_source *)a)->node;
    uintptr_t right = (uintptr_t)((const struct pb_node_source *)b)->node;

    return left < right ? -1 : left > right;
}

void pb_bind_copy(struct pb_binder *binder)
{
    const struct pb_json *document = binder->scenario->document;
    const cJSON *original = document ? pb_json_root(document) : NULL;

    binder->root = original ? cJSON_Duplicate(original, true) : cJSON_CreateObject();
    if (!binder->root) {
        pb_bind_no_memory(binder);
        return;
    }
    if (!original) {
        return;
    }
    binder->copied = calloc(count_nodes(original), sizeof(*binder->copied));
    if (!binder->copied) {
        pb_bind_no_memory(binder);
        return;
    }
    pair_nodes(binder, binder->root, original);
    qsort(binder->copied, binder->copied_count, sizeof(*binder->copied), compare_sources);
}

void pb_bind_written(struct pb_binder *binder, const cJSON *node, size_t override)
{
    const cJSON *child;

    if (binder->written_count == binder->written_size) {
        size_t size = binder->written_size ? 2 * binder->written_size : 16;
        struct pb_node_override *more = realloc(binder->written, size * sizeof(*more));

        if (!more) {
            pb_bind_no_memory(binder);
            return;
        }
        binder->written = more;
        binder->written_size = size;
    }
    binder->written[binder->written_count++] = (struct pb_node_override){ node, override };
    cJSON_ArrayForEach(child, node)
    {
        pb_bind_written(binder, child, override);
    }
}

/* A replaced value's address may serve again for a written one, so the latest entry wins, and the
 * overrides are asked before the file. */
const struct pb_override *pb_bind_override_of(const struct pb_binder *binder, const cJSON *node)
{
    for (size_t i = binder->written_count; i-- > 0;) {
        if (binder->written[i].node == node) {
            return &binder->scenario->overrides[binder->written[i].override];
        }
    }
    return NULL;
}

static bool position_of(const struct pb_binder *binder, const cJSON *node, bool key,
                        struct pb_json_pos *ret_pos)
{
    struct pb_node_source wanted = { .node = node };

    if (!node || binder->copied_count == 0) {
        return false;
    }
    const struct pb_node_source *found = bsearch(&wanted, binder->copied, binder->copied_count,
                                                 sizeof(*binder->copied), compare_sources);

    return found && pb_json_position(binder->scenario->document, found->original, key, ret_pos);
}

int pb_bind_line(const struct pb_binder *binder, const cJSON *node)
{
    struct pb_json_pos pos;

    if (pb_bind_override_of(binder, node)) {
        return 0;
    }
    return position_of(binder, node, false, &pos) ? pos.line : 0;
}

/* --- Problems --- */

const char *pb_bind_source(const struct pb_override *override)
{
    return override->origin == PB_ORIGIN_ENVIRONMENT ? "POOLBENCH_SET"
           : override->origin == PB_ORIGIN_TUNER     ? "tuner"
                                                     : "--set";
}

static void override_problem(struct pb_binder *binder, const struct pb_override *override,
                             const char *path, const char *text)
{
    char where[PB_PATH_MAX + SHOWN_VALUE_MAX + 32];

    (void)snprintf(where, sizeof(where), "%s %.*s=%.*s%s", pb_bind_source(override),
                   PB_PATH_MAX - 1, override->path, SHOWN_VALUE_MAX, override->value,
                   strlen(override->value) > SHOWN_VALUE_MAX ? "..." : "");
    if (strcmp(path, override->path) == 0) {
        pb_problems_add(binder->problems, where, 0, 0, "%s", text);
    } else {
        pb_problems_add(binder->problems, where, 0, 0, "%s: %s", path, text);
    }
}

static void add_problem(struct pb_binder *binder, const cJSON *node, bool key, const char *path,
                        const char *text)
{
    const struct pb_override *override = node ? pb_bind_override_of(binder, node) : NULL;
    const struct pb_json *document = binder->scenario->document;
    struct pb_json_pos pos = { .line = 0 };

    binder->mistaken = true;
    if (override) {
        override_problem(binder, override, path, text);
        return;
    }
    (void)position_of(binder, node, key, &pos);
    pb_problems_add(binder->problems, document ? pb_json_where(document) : "scenario", pos.line,
                    pos.column, "%s%s%s", path, *path ? ": " : "", text);
}

void pb_bind_problem(struct pb_binder *binder, const cJSON *node, const char *path, const char *fmt,
                     ...)
{
    char text[480];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    add_problem(binder, node, false, path, text);
}

void pb_bind_name_problem(struct pb_binder *binder, const cJSON *node, const char *path,
                          const char *fmt, ...)
{
    char text[480];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    add_problem(binder, node, true, path, text);
}

void pb_bind_override_problem(struct pb_binder *binder, size_t number, const char *fmt, ...)
{
    const struct pb_override *override = &binder->scenario->overrides[number];
    char text[480];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    binder->mistaken = true;
    override_problem(binder, override, override->path, text);
}

/* --- Objects --- */

void pb_spot_init(struct pb_spot *spot, const cJSON *object, const char *prefix, const char *shown)
{
    spot->object = object;
    spot->prefix = prefix;
    (void)snprintf(spot->shown, sizeof(spot->shown), "%s", shown);
}

const cJSON *pb_spot_get(const struct pb_spot *spot, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(spot->object, name);
}

char *pb_spot_path(const struct pb_spot *spot, const char *name, char *text)
{
    (void)snprintf(text, PB_PATH_MAX, "%.140s%s%.100s", spot->shown, *spot->shown ? "." : "", name);
    return text;
}

bool pb_bind_is_object(struct pb_binder *binder, const cJSON *node, const char *path)
{
    if (!cJSON_IsObject(node)) {
        pb_bind_problem(binder, node, path, "must be an object { ... }, not %s",
                        pb_node_kind(node));
        return false;
    }
    return true;
}

/* Members that every object may have: notes for people and for other programs. */
static bool free_name(const char *name)
{
    return strncmp(name, "x-", 2) == 0 || strcmp(name, "description") == 0;
}

static void unknown_name(struct pb_binder *binder, const cJSON *node, const char *path,
                         const struct pb_names *names)
{
    const char *near = pb_nearest(node->string, names->items, names->count);
    char list[400] = "";
    size_t used = 0;

    if (near) {
        pb_bind_name_problem(binder, node, path, "unknown field; did you mean \"%s\"?", near);
        return;
    }
    for (size_t i = 0; i < names->count && used < sizeof(list); i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "",
                                 names->items[i]);
    }
    pb_bind_name_problem(binder, node, path, "unknown field; here may stand %s", list);
}

bool pb_bind_check_names(struct pb_binder *binder, const struct pb_spot *spot)
{
    struct pb_names names;
    char path[PB_PATH_MAX];
    const cJSON *child;
    bool good = true;

    pb_names_under(spot->prefix, &names);
    cJSON_ArrayForEach(child, spot->object)
    {
        if (free_name(child->string) || pb_names_have(&names, child->string)) {
            continue;
        }
        good = false;
        pb_spot_path(spot, child->string, path);
        if (pb_later_field(spot->prefix, child->string)) {
            pb_bind_name_problem(binder, child, path, PB_LATER_MESSAGE);
        } else {
            unknown_name(binder, child, path, &names);
        }
    }
    return good;
}

static void bind_default(struct pb_binder *binder, const struct pb_field *field, void *target)
{
    const char *text = pb_preset_value(binder->preset, field->path);
    union pb_value value;

    text = text ? text : field->def;
    /* Presets and defaults stand in tables; a test reads each of them. */
    if (text && pb_value_parse(field, text, &value, NULL) == PB_OK &&
        pb_value_store(field, value, target) != PB_OK) {
        pb_bind_no_memory(binder);
    }
}

static void bind_value(struct pb_binder *binder, const struct pb_field *field, const cJSON *node,
                       const char *path, void *target)
{
    struct pb_error err = { .status = PB_OK };
    union pb_value value = { .integer = 0 };

    if (pb_value_read(field, node, &value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
    } else if (pb_value_store(field, value, target) != PB_OK) {
        pb_bind_no_memory(binder);
    }
}

void pb_bind_fields(struct pb_binder *binder, const struct pb_spot *spot, enum pb_field_home home,
                    void *target, bool inherit)
{
    const struct pb_field *field;
    size_t len = strlen(spot->prefix);

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        char path[PB_PATH_MAX];
        const char *name = field->path + len;

        if (field->home != home || strncmp(field->path, spot->prefix, len) != 0 ||
            strpbrk(name, ".[")) {
            continue;
        }
        const cJSON *node = pb_spot_get(spot, name);

        if (node) {
            bind_value(binder, field, node, pb_spot_path(spot, name, path), target);
        } else if (!inherit) {
            bind_default(binder, field, target);
        }
    }
}

int pb_bind_choice(struct pb_binder *binder, const cJSON *node, const struct pb_field *field,
                   const char *path)
{
    struct pb_field choice = *field;
    struct pb_error err = { .status = PB_OK };
    union pb_value value = { .integer = 0 };

    choice.type = PB_FIELD_CHOICE;
    if (pb_value_read(&choice, node, &value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return -1;
    }
    return (int)value.integer;
}
