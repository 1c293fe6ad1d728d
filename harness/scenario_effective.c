#include <stdio.h>
#include <string.h>

#include "harness/scenario_internal.h"
#include "workload/workload.h"

/* Puts `value` (taken) at a dotted path of objects, making those on the way. */
static void put(struct pb_binder *binder, cJSON *tree, const char *path, cJSON *value)
{
    const char *dot = strchr(path, '.');
    char key[PB_PATH_MAX];

    if (!value) {
        pb_bind_no_memory(binder);
        return;
    }
    if (!dot) {
        if (!cJSON_AddItemToObject(tree, path, value)) {
            pb_bind_no_memory(binder);
            cJSON_Delete(value);
        }
        return;
    }
    (void)snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
    cJSON *child = cJSON_GetObjectItemCaseSensitive(tree, key);

    if (!child) {
        child = cJSON_AddObjectToObject(tree, key);
    }
    if (!child) {
        pb_bind_no_memory(binder);
        cJSON_Delete(value);
        return;
    }
    put(binder, child, dot + 1, value);
}

/* A field that is optional and was left out has a value outside its range, or no text. */
static bool absent(const struct pb_field *field, union pb_value value)
{
    if (field->type == PB_FIELD_TEXT) {
        return value.text == NULL;
    }
    return !field->def && (double)value.integer < field->min;
}

/* Rows that say nothing of this scenario: they are of worker processes, or of commands alone. */
static bool pointless(const struct pb_binder *binder, const struct pb_field *field)
{
    if (!pb_scenario_holds(binder->scenario, field->path)) {
        return true;
    }
    if (strcmp(field->path, "workload.wire") == 0) {
        return binder->scenario->workload != &pb_workload_command;
    }
    if (strcmp(field->path, "workload.max_memory") == 0 ||
        strcmp(field->path, "workload.max_files") == 0) {
        return binder->scenario->pool.profile != PB_PROFILE_PROCESS;
    }
    return field->home == PB_HOME_OPERATION && binder->scenario->workload == &pb_workload_command;
}

static void put_field(struct pb_binder *binder, cJSON *tree, const struct pb_field *field,
                      const void *home, const char *path)
{
    union pb_value value = pb_value_load(field, home);

    if (strcmp(field->path, "pool.max_stuck") == 0 && value.integer < 0) {
        value.integer = binder->scenario->pool.size;
    }
    if (!absent(field, value) && !pointless(binder, field)) {
        put(binder, tree, path, pb_value_json(field, value));
    }
}

static void put_copy(struct pb_binder *binder, cJSON *tree, const char *path)
{
    const cJSON *node = pb_tree_find(binder->root, path);

    if (node) {
        put(binder, tree, path, cJSON_Duplicate(node, true));
    }
}

static void put_phase_field(struct pb_binder *binder, cJSON *tree, const struct pb_phase *phase,
                            const char *name)
{
    const struct pb_field *field = pb_field_under("phases[].", name);

    put(binder, tree, name, pb_value_json(field, pb_value_load(field, phase)));
}

static void put_phase(struct pb_binder *binder, cJSON *tree, size_t number)
{
    const struct pb_phase *phase = &binder->scenario->phases[number];
    const struct pb_arrival_kind *kind = pb_arrival_kind(phase->arrival);
    const cJSON *node = binder->phase_nodes[number] ? binder->phase_nodes[number] : binder->root;
    const cJSON *think = cJSON_GetObjectItemCaseSensitive(node, "think");

    put_phase_field(binder, tree, phase, "name");
    put_phase_field(binder, tree, phase, "duration");
    put(binder, tree, "arrival", cJSON_CreateString(kind->name));
    for (size_t i = 0; i < PB_ARRIVAL_PARAMS && kind->params[i]; i++) {
        put_phase_field(binder, tree, phase, kind->params[i]);
    }
    if (phase->arrival == PB_ARRIVAL_CLOSED && think) {
        put(binder, tree, "think", cJSON_Duplicate(think, true));
    }
    if (kind->shaped) {
        put(binder, tree, "spacing", cJSON_CreateString(phase->even ? "even" : "poisson"));
    }
    put_phase_field(binder, tree, phase, "record");
    put_phase_field(binder, tree, phase, "drain");
}

static void put_phases(struct pb_binder *binder, cJSON *tree)
{
    cJSON *list = cJSON_AddArrayToObject(tree, "phases");

    for (size_t i = 0; list && i < binder->scenario->phase_count; i++) {
        cJSON *item = cJSON_CreateObject();

        if (!item || !cJSON_AddItemToArray(list, item)) {
            pb_bind_no_memory(binder);
            cJSON_Delete(item);
            return;
        }
        put_phase(binder, item, i);
    }
    if (!list) {
        pb_bind_no_memory(binder);
    }
}

static void put_service(struct pb_binder *binder, cJSON *tree, const struct pb_field *field)
{
    const cJSON *node = pb_tree_find(binder->root, field->path);

    if (binder->scenario->workload == &pb_workload_synthetic) {
        put(binder, tree, field->path,
            node ? cJSON_Duplicate(node, true) : cJSON_CreateString(field->def));
    }
}

/* With the program's whole path: the file may be stored anywhere. */
static void put_command(struct pb_binder *binder, cJSON *tree, const struct pb_field *field)
{
    char *const *argv = binder->scenario->worker.argv;
    int count = 0;

    while (argv && argv[count]) {
        count++;
    }
    if (argv) {
        put(binder, tree, field->path, cJSON_CreateStringArray((const char *const *)argv, count));
    }
}

/* Without what only another type takes: that is left over from the file. */
static void put_operations(struct pb_binder *binder, cJSON *tree, const struct pb_field *field)
{
    const char *const *foreign = pb_bind_foreign(binder);
    cJSON *operation;

    put_copy(binder, tree, field->path);
    cJSON *list =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, "workload"),
                                         "operations");

    cJSON_ArrayForEach(operation, list)
    {
        for (size_t i = 0; foreign[i]; i++) {
            cJSON_DeleteItemFromObjectCaseSensitive(operation, foreign[i]);
        }
    }
}

/* What the file says of another type, or of another profile, than was asked for beside it. */
static bool left_over(const struct pb_binder *binder, const char *path)
{
    if (strcmp(path, "workload.prepare") == 0) {
        return binder->scenario->pool.profile != PB_PROFILE_PROCESS;
    }
    return (strcmp(path, "workload.env") == 0 || strcmp(path, "workload.settings") == 0 ||
            strcmp(path, "workload.args") == 0) &&
           binder->scenario->workload != &pb_workload_command;
}

/* The outcomes that are tried again, also where the file left them to the default. */
static void put_retried(struct pb_binder *binder, cJSON *tree, const struct pb_field *field)
{
    cJSON *list = cJSON_CreateArray();

    for (int o = 0; list && o < PB_OUTCOME_COUNT; o++) {
        if (binder->scenario->retries.on & 1U << o) {
            cJSON *item = cJSON_CreateString(pb_outcome_name((enum pb_outcome)o));

            if (!item || !cJSON_AddItemToArray(list, item)) {
                pb_bind_no_memory(binder);
                cJSON_Delete(item);
            }
        }
    }
    put(binder, tree, field->path, list);
}

static void put_complex(struct pb_binder *binder, cJSON *tree, const struct pb_field *field)
{
    if (strcmp(field->path, "phases") == 0) {
        put_phases(binder, tree);
    } else if (strcmp(field->path, "workload.type") == 0) {
        put(binder, tree, field->path, cJSON_CreateString(binder->scenario->workload->name));
    } else if (strcmp(field->path, "workload.service") == 0) {
        put_service(binder, tree, field);
    } else if (strcmp(field->path, "workload.operations") == 0) {
        put_operations(binder, tree, field);
    } else if (strcmp(field->path, "workload.command") == 0) {
        put_command(binder, tree, field);
    } else if (strcmp(field->path, "retries.on") == 0) {
        put_retried(binder, tree, field);
    } else if (!left_over(binder, field->path) && !strchr(field->path, '[') &&
               field->path[0] != '$' && !pb_short_field(field->path) &&
               strncmp(field->path, "workload.service.", strlen("workload.service.")) != 0) {
        put_copy(binder, tree, field->path);
    }
}

/* Names of the pool's settings that do not hold, as a note that the loader lets stand. */
static void put_not_held(struct pb_binder *binder, cJSON *tree)
{
    cJSON *list = cJSON_CreateArray();
    const struct pb_field *field;

    for (size_t i = 0; list && (field = pb_field_at(i)) != NULL; i++) {
        if (!pb_scenario_holds(binder->scenario, field->path)) {
            cJSON *name = cJSON_CreateString(field->path + strlen("pool."));

            if (!name || !cJSON_AddItemToArray(list, name)) {
                cJSON_Delete(name);
                pb_bind_no_memory(binder);
            }
        }
    }
    put(binder, tree, "pool." PB_NOT_BY_DRIVER, list);
}

/* In the table's order, so that it reads as a scenario file, and is one. */
void pb_bind_effective(struct pb_binder *binder)
{
    const struct pb_field *field;
    cJSON *tree = cJSON_CreateObject();

    if (!tree) {
        pb_bind_no_memory(binder);
        return;
    }
    binder->scenario->effective = tree;
    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (field->type == PB_FIELD_COMPLEX) {
            put_complex(binder, tree, field);
        } else if (field->home == PB_HOME_SCENARIO) {
            put_field(binder, tree, field, binder->scenario, field->path);
        } else if (field->home == PB_HOME_OPERATION && !strchr(field->path, '[')) {
            put_field(binder, tree, field, &binder->base, field->path);
        }
    }
    if (binder->scenario->driver) {
        put_not_held(binder, tree);
    }
}
