#include <stdio.h>
#include <string.h>

#include "harness/scenario_internal.h"

#define MIX    "workload.operations[]."
#define DEMAND "workload.service."

/* Objects of a list, which a path calls by name or number: "phases.steady.rate". */
static const char *const lists[] = { "phases", "workload.operations", "workload.prepare", "faults",
                                     "changes" };

static const struct pb_field *find_exact(const char *path)
{
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (strcmp(field->path, path) == 0) {
            return field;
        }
    }
    return NULL;
}

/* An operation may say again what the workload says, except what the whole workload is and what
 * its workers are. */
static bool inherited(const char *name)
{
    static const char *const whole[] = {
        "type", "operations", "command", "wire",      "folder",
        "env",  "settings",   "prepare", "max_files", "max_memory"
    };
    size_t len = strcspn(name, ".[");

    for (size_t i = 0; i < PB_ARRAY_LEN(whole); i++) {
        if (strlen(whole[i]) == len && strncmp(whole[i], name, len) == 0) {
            return false;
        }
    }
    return true;
}

const struct pb_field *pb_field_under(const char *prefix, const char *name)
{
    char path[PB_PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s%s", prefix, name);

    if (len < 0 || (size_t)len >= sizeof(path)) {
        return NULL;
    }
    const struct pb_field *field = find_exact(path);

    if (!field && strcmp(prefix, MIX) == 0 && inherited(name)) {
        return pb_field_under("workload.", name);
    }
    /* A think time is written as a service time is. */
    if (!field && strncmp(name, "think.", strlen("think.")) == 0) {
        return pb_field_under(DEMAND, name + strlen("think."));
    }
    return field;
}

const struct pb_field *pb_field_find(const char *path)
{
    const struct pb_field *field = pb_field_under("", path);

    for (size_t i = 0; !field && i < PB_ARRAY_LEN(lists); i++) {
        size_t len = strlen(lists[i]);
        char prefix[PB_PATH_MAX];

        if (strncmp(path, lists[i], len) != 0 || path[len] != '.') {
            continue;
        }
        (void)snprintf(prefix, sizeof(prefix), "%s[].", lists[i]);
        /* The element's name may itself have dots in it. */
        for (const char *dot = strchr(path + len + 1, '.'); dot && !field;
             dot = strchr(dot + 1, '.')) {
            field = pb_field_under(prefix, dot + 1);
        }
    }
    return field;
}

bool pb_names_have(const struct pb_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_name(struct pb_names *names, const char *name, size_t len)
{
    char *text = names->text[names->count];

    /* A test checks that the table fits. */
    if (names->count == PB_NAMES_MAX || len >= PB_NAME_BYTES) {
        return;
    }
    (void)snprintf(text, PB_NAME_BYTES, "%.*s", (int)len, name);
    if (!pb_names_have(names, text)) {
        names->items[names->count++] = text;
    }
}

static void add_names(struct pb_names *names, const char *prefix)
{
    const struct pb_field *field;
    size_t prefix_len = strlen(prefix);

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (strncmp(field->path, prefix, prefix_len) == 0) {
            const char *name = field->path + prefix_len;

            add_name(names, name, strcspn(name, ".["));
        }
    }
}

void pb_names_under(const char *prefix, struct pb_names *ret_names)
{
    ret_names->count = 0;
    add_names(ret_names, prefix);
    if (strcmp(prefix, MIX) != 0) {
        return;
    }
    struct pb_names all = { .count = 0 };

    add_names(&all, "workload.");
    for (size_t i = 0; i < all.count; i++) {
        if (inherited(all.items[i])) {
            add_name(ret_names, all.items[i], strlen(all.items[i]));
        }
    }
}

bool pb_later_word(const char *path, const char *word)
{
    const struct pb_later *later;

    for (size_t i = 0; (later = pb_later_at(i)) != NULL; i++) {
        if (strcmp(later->path, path) == 0 && later->word && strcmp(later->word, word) == 0) {
            return true;
        }
    }
    return false;
}

bool pb_later_field(const char *prefix, const char *name)
{
    const struct pb_later *later;
    size_t len = strlen(prefix);

    for (size_t i = 0; (later = pb_later_at(i)) != NULL; i++) {
        if (!later->word && strncmp(later->path, prefix, len) == 0 &&
            strcmp(later->path + len, name) == 0) {
            return true;
        }
    }
    return strcmp(prefix, MIX) == 0 && inherited(name) && pb_later_field("workload.", name);
}

const cJSON *pb_tree_find(const cJSON *root, const char *path)
{
    const cJSON *child, *best = NULL;
    size_t best_len = 0, number = 0;

    if (*path == '\0') {
        return root;
    }
    cJSON_ArrayForEach(child, root)
    {
        char digits[24];
        const cJSON *named = cJSON_GetObjectItemCaseSensitive(child, "name");
        const char *name = cJSON_IsObject(root) ? child->string : cJSON_GetStringValue(named);

        (void)snprintf(digits, sizeof(digits), "%zu", number++);
        if (!name) {
            name = digits;
        }
        size_t len = strlen(name);

        if (strncmp(path, name, len) == 0 && (path[len] == '.' || path[len] == '\0') &&
            (!best || len > best_len)) {
            best = child;
            best_len = len;
        }
    }
    if (!best) {
        return NULL;
    }
    return path[best_len] == '.' ? pb_tree_find(best, path + best_len + 1) : best;
}
