#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "harness/scenario_internal.h"

#define STEPS_MAX 8

/* A path cut into its parts: members of objects by key, elements of lists by number. */
struct step {
    char key[PB_PATH_MAX]; /* "": an element */
    int element;
};

struct route {
    struct step steps[STEPS_MAX];
    size_t count;
    char prefix[PB_PATH_MAX]; /* of the last step, in the table */
};

/* --- "Did you mean" --- */

/* The field whose last part is, or is nearest to, the last part of `path`; NULL: none. */
static const char *nearest_leaf(const char *path)
{
    const char *paths[160], *leaves[160], *dot = strrchr(path, '.');
    const struct pb_field *field;
    size_t count = 0;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL && count < PB_ARRAY_LEN(paths); i++) {
        const char *last = strrchr(field->path, '.');

        if (!strchr(field->path, '[')) {
            paths[count] = field->path;
            leaves[count++] = last ? last + 1 : field->path;
        }
    }
    const char *near = pb_nearest(path, paths, count);

    if (near) {
        return near;
    }
    near = pb_nearest(dot ? dot + 1 : path, leaves, count);
    for (size_t i = 0; near && i < count; i++) {
        if (leaves[i] == near) {
            return paths[i];
        }
    }
    return NULL;
}

static void refuse_name(struct pb_binder *binder, size_t number, const char *prefix,
                        const char *key, size_t before)
{
    const char *path = binder->scenario->overrides[number].path, *near;
    struct pb_names names;

    if (pb_later_field(prefix, key)) {
        pb_bind_override_problem(binder, number, PB_LATER_MESSAGE);
        return;
    }
    pb_names_under(prefix, &names);
    near = pb_nearest(key, names.items, names.count);
    if (near) {
        pb_bind_override_problem(binder, number, "unknown field; did you mean \"%.*s%s\"?",
                                 (int)before, path, near);
    } else if ((near = nearest_leaf(path)) != NULL) {
        pb_bind_override_problem(binder, number, "unknown field; did you mean \"%s\"?", near);
    } else {
        pb_bind_override_problem(binder, number, "unknown field; poolbench fields lists them");
    }
}

/* --- Cutting the path --- */

static bool known(const char *prefix, const char *key)
{
    struct pb_names names;

    pb_names_under(prefix, &names);
    return pb_names_have(&names, key);
}

/* Number of the element that `rest` begins with, by its name or number; -1: none. */
static int find_element(const cJSON *list, const char *rest, size_t *ret_len)
{
    const cJSON *item;
    int number = 0, best = -1;
    size_t best_len = 0;

    cJSON_ArrayForEach(item, list)
    {
        char digits[16];
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));

        (void)snprintf(digits, sizeof(digits), "%d", number);
        name = name ? name : digits;
        size_t len = strlen(name);

        if (len > best_len && strncmp(rest, name, len) == 0 &&
            (rest[len] == '.' || rest[len] == '\0')) {
            best = number;
            best_len = len;
        }
        number++;
    }
    *ret_len = best_len;
    return best;
}

static void refuse_element(struct pb_binder *binder, size_t number, const cJSON *list,
                           const char *key, const char *rest)
{
    const char *names[PB_FAULTS_MAX];
    char wanted[PB_PATH_MAX];
    const cJSON *item;
    size_t count = 0;

    cJSON_ArrayForEach(item, list)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));

        if (name && count < PB_ARRAY_LEN(names)) {
            names[count++] = name;
        }
    }
    (void)snprintf(wanted, sizeof(wanted), "%.*s", (int)strcspn(rest, "."), rest);
    if (!list) {
        pb_bind_override_problem(binder, number, "the scenario has no %s", key);
        return;
    }
    const char *near = pb_nearest(wanted, names, count);

    pb_bind_override_problem(binder, number, "there is no \"%s\" in %s%s%s%s", wanted, key,
                             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool add_step(struct route *route, const char *key, size_t len, int element)
{
    if (route->count == STEPS_MAX || len >= PB_PATH_MAX) {
        return false;
    }
    struct step *step = &route->steps[route->count++];

    (void)snprintf(step->key, sizeof(step->key), "%.*s", (int)len, key);
    step->element = element;
    return true;
}

static bool is_list(const char *prefix, const char *key)
{
    return (*prefix == '\0' && (strcmp(key, "phases") == 0 || strcmp(key, "faults") == 0 ||
                                strcmp(key, "changes") == 0)) ||
           (strcmp(prefix, "workload.") == 0 &&
            (strcmp(key, "operations") == 0 || strcmp(key, "prepare") == 0));
}

/* The table's prefix for what stands under prefix + key. */
static void descend(char *prefix, const char *key, bool list)
{
    char above[PB_PATH_MAX / 2];

    if (strcmp(key, "think") == 0 ||
        (strcmp(key, "service") == 0 && strncmp(prefix, "workload.", strlen("workload.")) == 0)) {
        (void)snprintf(prefix, PB_PATH_MAX, "workload.service.");
        return;
    }
    (void)snprintf(above, sizeof(above), "%.120s", prefix);
    (void)snprintf(prefix, PB_PATH_MAX, "%s%.100s%s.", above, key, list ? "[]" : "");
}

/* Takes the name or number of an element of the list `*at` off `*rest`; `*at` becomes the element.
 */
static bool find_item(struct pb_binder *binder, size_t number, const char *list, const cJSON **at,
                      const char **rest, struct route *route)
{
    size_t len = 0;
    int element = find_element(*at, *rest, &len);

    if (element >= 0 && (*rest)[len] == '\0') {
        struct pb_names names;

        descend(route->prefix, list, true);
        pb_names_under(route->prefix, &names);
        pb_bind_override_problem(binder, number, "\"%s\" in %s has fields: write for example %s.%s",
                                 *rest, list, binder->scenario->overrides[number].path,
                                 names.items[1]);
        return false;
    }
    if (element < 0 || !add_step(route, "", 0, element)) {
        refuse_element(binder, number, *at, list, *rest);
        return false;
    }
    *at = cJSON_GetArrayItem(*at, element);
    *rest += len + 1;
    return true;
}

/* Cuts `path`; false, with a problem, when it leads nowhere. */
static bool find_route(struct pb_binder *binder, size_t number, const char *path,
                       struct route *route)
{
    const cJSON *at = binder->root;
    const char *rest = path;

    memset(route, 0, sizeof(*route));
    for (;;) {
        /* What varies is called by its whole path; a variable has any name. */
        bool whole =
            strcmp(route->prefix, "tune.vary.") == 0 || strcmp(route->prefix, "workload.env.") == 0;
        size_t len = whole ? strlen(rest) : strcspn(rest, ".");
        char key[PB_PATH_MAX];

        (void)snprintf(key, sizeof(key), "%.*s", (int)len, rest);
        if ((!whole && !known(route->prefix, key)) || !add_step(route, rest, len, 0)) {
            refuse_name(binder, number, route->prefix, key, (size_t)(rest - path));
            return false;
        }
        if (rest[len] == '\0') {
            return true;
        }
        bool list = is_list(route->prefix, key);

        rest += len + 1;
        at = cJSON_GetObjectItemCaseSensitive(at, key);
        if (list && !find_item(binder, number, key, &at, &rest, route)) {
            return false;
        }
        descend(route->prefix, key, list);
    }
}

/* --- Writing --- */

static cJSON *simple_value(struct pb_binder *binder, size_t number, const struct pb_field *field)
{
    const char *text = binder->scenario->overrides[number].value;
    struct pb_error err = { .status = PB_OK };
    union pb_value value = { .integer = 0 };

    if (field->type == PB_FIELD_INTEGER || field->type == PB_FIELD_BOOL) {
        if (pb_value_parse(field, text, &value, &err) != PB_OK) {
            pb_bind_override_problem(binder, number, "%s", err.text);
            return NULL;
        }
        return pb_value_json(field, value);
    }
    if (field->type == PB_FIELD_COMPLEX) {
        char *end;
        double plain = strtod(text, &end);

        if (end != text && *end == '\0' && isfinite(plain)) {
            return cJSON_CreateNumber(plain);
        }
    }
    return cJSON_CreateString(text);
}

static cJSON *json_value(struct pb_binder *binder, size_t number)
{
    const struct pb_override *override = &binder->scenario->overrides[number];
    struct pb_json *json = NULL;
    char where[PB_PATH_MAX];

    (void)snprintf(where, sizeof(where), "%s %.200s", pb_bind_source(override), override->path);
    enum pb_status status =
        pb_json_parse(override->value, strlen(override->value), where, &json, binder->problems);

    if (status != PB_OK) {
        binder->mistaken = true;
        binder->status = status == PB_ENOMEM ? status : binder->status;
        return NULL;
    }
    cJSON *copy = cJSON_Duplicate(pb_json_root(json), true);

    pb_json_free(json);
    if (!copy) {
        pb_bind_no_memory(binder);
    }
    return copy;
}

static cJSON *make_value(struct pb_binder *binder, size_t number, const struct pb_field *field)
{
    const char *text = binder->scenario->overrides[number].value;
    bool json = (*text == '{' || *text == '[') && !(field && field->type == PB_FIELD_TEXT);

    if (json) {
        return json_value(binder, number);
    }
    return field ? simple_value(binder, number, field) : cJSON_CreateString(text);
}

/* Puts `value` (taken also on failure) at `key` of an object; the value that stood there is
 * released. */
static bool put(cJSON *object, const char *key, cJSON *value)
{
    bool old = cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
    bool done = old ? cJSON_ReplaceItemInObjectCaseSensitive(object, key, value)
                    : cJSON_AddItemToObject(object, key, value);

    if (!done) {
        cJSON_Delete(value);
    }
    /* cJSON does not look whether it could copy the key of a replacement. */
    return done && value->string;
}

/* The object that holds the last step; missing ones, and texts in their places, are made objects.
 */
static cJSON *reach(struct pb_binder *binder, const struct route *route, size_t number)
{
    cJSON *at = binder->root;

    for (size_t i = 0; i + 1 < route->count; i++) {
        const struct step *step = &route->steps[i];
        bool list = i + 1 < route->count && route->steps[i + 1].key[0] == '\0';
        cJSON *next = step->key[0] ? cJSON_GetObjectItemCaseSensitive(at, step->key)
                                   : cJSON_GetArrayItem(at, step->element);

        if (!list && !cJSON_IsObject(next)) {
            next = cJSON_CreateObject();
            if (!next || !put(at, step->key, next)) {
                pb_bind_no_memory(binder);
                return NULL;
            }
            pb_bind_written(binder, next, number);
        }
        at = next;
    }
    return at;
}

static void write_value(struct pb_binder *binder, size_t number, const struct route *route)
{
    struct pb_override *override = &binder->scenario->overrides[number];
    const char *key = route->steps[route->count - 1].key;
    cJSON *value = make_value(binder, number, pb_field_under(route->prefix, key));
    cJSON *object = value ? reach(binder, route, number) : NULL;

    if (!object) {
        binder->status = binder->mistaken ? binder->status : PB_ENOMEM;
        cJSON_Delete(value);
        return;
    }
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(object, key);

    if (old && (override->replaced = pb_node_text(old)) == NULL) {
        pb_bind_no_memory(binder);
    }
    if (!put(object, key, value)) {
        pb_bind_no_memory(binder);
        return;
    }
    pb_bind_written(binder, value, number);
}

/* --- The short form's paths --- */

/* "rate" of a scenario with phases is that of its one recorded phase. */
static bool redirect_to_phase(struct pb_binder *binder, size_t number, const cJSON *phases,
                              char *path)
{
    const struct pb_override *override = &binder->scenario->overrides[number];
    const cJSON *item;
    const char *name = NULL;
    int recorded = 0;

    cJSON_ArrayForEach(item, phases)
    {
        if (!cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "record"))) {
            name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
            recorded++;
        }
    }
    if (recorded != 1 || !name) {
        pb_bind_override_problem(
            binder, number,
            "needs exactly one recorded phase, here are %d; write --set phases.NAME.%s=%.60s",
            recorded, override->path, override->value);
        return false;
    }
    (void)snprintf(path, PB_PATH_MAX, "phases.%.100s.%s", name, override->path);
    return true;
}

static bool redirect_to_short(struct pb_binder *binder, size_t number, char *path)
{
    const char *given = binder->scenario->overrides[number].path;
    const char *field = given + strlen("phases.main.");

    if (strncmp(given, "phases.main.", strlen("phases.main.")) != 0 || !pb_short_field(field)) {
        pb_bind_override_problem(
            binder, number,
            "the short form has rate, duration, arrival, users and think; for more write phases");
        return false;
    }
    (void)snprintf(path, PB_PATH_MAX, "%s", field);
    return true;
}

static bool is_utf8(const char *text)
{
    size_t len = strlen(text), at = 0, bytes = 1;

    while (at < len && bytes > 0) {
        bytes = pb_utf8_decode(text + at, len - at, NULL);
        at += bytes;
    }
    return at == len;
}

static void apply(struct pb_binder *binder, size_t number)
{
    const char *given = binder->scenario->overrides[number].path;
    const cJSON *phases = cJSON_GetObjectItemCaseSensitive(binder->root, "phases");
    char path[PB_PATH_MAX];
    struct route route;

    if (strlen(given) >= PB_PATH_MAX / 2) {
        pb_bind_override_problem(binder, number, "a path has at most %d bytes",
                                 PB_PATH_MAX / 2 - 1);
        return;
    }
    if (!is_utf8(given) || !is_utf8(binder->scenario->overrides[number].value)) {
        pb_bind_override_problem(binder, number, "is not valid UTF-8");
        return;
    }
    (void)snprintf(path, sizeof(path), "%s", given);
    if (phases && pb_short_field(given) && !redirect_to_phase(binder, number, phases, path)) {
        return;
    }
    if (!phases && strncmp(given, "phases.", strlen("phases.")) == 0 &&
        !redirect_to_short(binder, number, path)) {
        return;
    }
    if (find_route(binder, number, path, &route)) {
        write_value(binder, number, &route);
    }
}

void pb_override_apply(struct pb_binder *binder)
{
    const struct pb_scenario *scenario = binder->scenario;

    for (size_t i = 0; i < scenario->override_count && binder->status == PB_OK; i++) {
        binder->tuning = binder->tuning || scenario->overrides[i].origin == PB_ORIGIN_TUNER;
        apply(binder, i);
    }
}
