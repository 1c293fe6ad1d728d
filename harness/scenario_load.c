#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/driver.h"
#include "harness/scenario_internal.h"

static const char *const origin_names[] = {
    [PB_ORIGIN_DEFAULT] = "default",
    [PB_ORIGIN_PRESET] = "preset",
    [PB_ORIGIN_FILE] = "file",
    [PB_ORIGIN_ENVIRONMENT] = "environment",
    [PB_ORIGIN_COMMAND_LINE] = "command line",
    [PB_ORIGIN_TUNER] = "tuner",
};

const char *pb_origin_name(enum pb_origin origin)
{
    return origin_names[origin];
}

/* --- Release --- */

static void free_tune(struct pb_tune *tune)
{
    for (size_t i = 0; i < tune->vary_count; i++) {
        for (size_t v = 0; v < tune->vary[i].count; v++) {
            free(tune->vary[i].values[v]);
        }
        free(tune->vary[i].values);
        free(tune->vary[i].path);
    }
}

static void free_overrides(struct pb_override *overrides, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(overrides[i].path);
        free(overrides[i].value);
        free(overrides[i].replaced);
    }
    free(overrides);
}

static void free_lists(struct pb_scenario *scenario)
{
    for (size_t i = 0; i < scenario->operation_count; i++) {
        free(scenario->operations[i].name);
        free(scenario->operations[i].command);
        free(scenario->operations[i].args);
    }
    for (size_t i = 0; i < scenario->phase_count; i++) {
        free(scenario->phases[i].name);
    }
    for (size_t i = 0; i < scenario->fault_count; i++) {
        free(scenario->faults[i].text);
    }
    for (size_t i = 0; i < scenario->change_count; i++) {
        free(scenario->changes[i].text);
    }
    for (size_t i = 0; i < scenario->objective_count; i++) {
        pb_objective_done(&scenario->objectives[i]);
    }
    for (size_t i = 0; i < scenario->abort_count; i++) {
        free(scenario->aborts[i].expression);
        pb_objective_done(&scenario->aborts[i].rule);
    }
}

void pb_scenario_free(struct pb_scenario *scenario)
{
    if (!scenario) {
        return;
    }
    free(scenario->name);
    free(scenario->description);
    free(scenario->path);
    free_lists(scenario);
    pb_scenario_worker_done(&scenario->worker);
    free(scenario->pool.driver);
    pb_driver_close(scenario->driver);
    free_tune(&scenario->tune);
    free_overrides(scenario->overrides, scenario->override_count);
    pb_json_free(scenario->document);
    cJSON_Delete(scenario->effective);
    free(scenario);
}

static void drop_scenario(struct pb_scenario **scenario)
{
    pb_scenario_free(*scenario);
}

/* --- Binding the parts --- */

/* "scenarios/spike.json" -> "spike"; bytes that a name must not have become underscores. */
static char *name_of_file(struct pb_binder *binder, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *base = slash ? slash + 1 : path;
    char name[PB_NAME_MAX + 1];

    if (!path || strcmp(path, "-") == 0) {
        return pb_bind_copy_text(binder, path ? "stdin" : "adhoc");
    }
    size_t len = strlen(base), ending = strlen(".json");

    if (len > ending && strcmp(base + len - ending, ".json") == 0) {
        len -= ending;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(len < PB_NAME_MAX ? len : PB_NAME_MAX), base);
    if (pb_name_check(name, NULL) != PB_OK) {
        for (char *c = name; *c; c++) {
            bool plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                         (*c >= 'A' && *c <= 'Z') || (c != name && strchr(".-_", *c));

            if (!plain) {
                *c = '_';
            }
        }
    }
    return pb_bind_copy_text(binder, *name ? name : "scenario");
}

static void check_tags(struct pb_binder *binder, const struct pb_spot *spot)
{
    const cJSON *tags = pb_spot_get(spot, "tags"), *schema = pb_spot_get(spot, "$schema"), *tag;

    if (tags && !cJSON_IsArray(tags)) {
        pb_bind_problem(binder, tags, "tags", "must be a list of words, not %s",
                        pb_node_kind(tags));
    }
    cJSON_ArrayForEach(tag, tags)
    {
        if (!cJSON_IsString(tag)) {
            pb_bind_problem(binder, tag, "tags", "must be words in quotes, not %s",
                            pb_node_kind(tag));
        }
    }
    if (schema && !cJSON_IsString(schema)) {
        pb_bind_problem(binder, schema, "$schema", "must be text, not %s", pb_node_kind(schema));
    }
}

static void bind_top(struct pb_binder *binder)
{
    struct pb_scenario *scenario = binder->scenario;
    struct pb_spot spot;

    pb_spot_init(&spot, binder->root, "", "");
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, scenario, false);
    check_tags(binder, &spot);
    if (!scenario->name) {
        scenario->name = name_of_file(binder, scenario->path);
    }
}

/* What refers to phases is not read without any: it would blame the wrong place. */
static void bind_references(struct pb_binder *binder)
{
    if (binder->scenario->phase_count > 0) {
        pb_bind_faults(binder);
        pb_bind_driver_faults(binder);
        pb_bind_slo(binder);
        pb_bind_aborts(binder);
    }
}

static void bind_parts(struct pb_binder *binder)
{
    static void (*const parts[])(struct pb_binder *) = { bind_top,         pb_bind_pool,
                                                         pb_bind_workload, pb_bind_phases,
                                                         pb_bind_retries,  bind_references,
                                                         pb_bind_tune,     pb_bind_changes };
    bool mistaken = binder->mistaken;

    /* A part checks for contradictions only when it has no simpler mistake, whatever others have.
     */
    for (size_t i = 0; i < PB_ARRAY_LEN(parts) && binder->status == PB_OK; i++) {
        binder->mistaken = false;
        parts[i](binder);
        mistaken = mistaken || binder->mistaken;
    }
    binder->mistaken = mistaken;
}

static void bind_all(struct pb_binder *binder)
{
    pb_bind_copy(binder);
    if (binder->status == PB_OK && !cJSON_IsObject(binder->root)) {
        (void)pb_bind_is_object(binder, binder->root, "");
        return;
    }
    if (binder->status == PB_OK) {
        pb_override_apply(binder);
    }
    bind_parts(binder);
    if (binder->status == PB_OK && !binder->mistaken) {
        pb_bind_effective(binder);
    }
}

/* Whether `later` stands before `earlier` in the file.  Problems without a place come first. */
static bool out_of_order(const struct pb_problem *earlier, const struct pb_problem *later)
{
    return later->line < earlier->line ||
           (later->line == earlier->line && later->column < earlier->column);
}

/* The parts are read in an order of their own; people read a file from its top. */
static void sort_problems(struct pb_problems *problems, size_t first)
{
    for (size_t i = first + 1; i < problems->count; i++) {
        struct pb_problem problem = problems->items[i];
        size_t at = i;

        for (; at > first && out_of_order(&problems->items[at - 1], &problem); at--) {
            problems->items[at] = problems->items[at - 1];
        }
        problems->items[at] = problem;
    }
}

static enum pb_status bind_scenario(struct pb_scenario *scenario, struct pb_problems *problems)
{
    size_t first = problems->count;
    PB_CLEANUP(pb_bind_done)
    struct pb_binder binder = { .scenario = scenario, .problems = problems };

    bind_all(&binder);
    free(binder.base.name);
    sort_problems(problems, first);
    if (binder.status != PB_OK) {
        pb_problems_add(problems, NULL, 0, 0, "out of memory");
        return binder.status;
    }
    return binder.mistaken ? PB_EINVAL : PB_OK;
}

/* --- Overrides --- */

/* Appends a copy behind those of its origin, so that a later origin wins. */
static enum pb_status add_override(struct pb_scenario *scenario, const struct pb_override *override)
{
    size_t at = scenario->override_count;
    char *path = strdup(override->path), *value = strdup(override->value);

    if (!path || !value) {
        free(path);
        free(value);
        return PB_ENOMEM;
    }
    for (; at > 0 && scenario->overrides[at - 1].origin > override->origin; at--) {
        scenario->overrides[at] = scenario->overrides[at - 1];
    }
    scenario->overrides[at] = (struct pb_override){ path, value, override->origin, NULL };
    scenario->override_count++;
    return PB_OK;
}

/* A scenario that has nothing yet but its overrides. */
static enum pb_status new_scenario(const struct pb_scenario *base, const struct pb_override *more,
                                   size_t count, struct pb_scenario **ret_scenario)
{
    PB_CLEANUP(drop_scenario) struct pb_scenario *scenario = calloc(1, sizeof(*scenario));
    size_t old = base ? base->override_count : 0;

    if (!scenario) {
        return PB_ENOMEM;
    }
    scenario->overrides = calloc(old + count + 1, sizeof(*scenario->overrides));
    if (!scenario->overrides) {
        return PB_ENOMEM;
    }
    for (size_t i = 0; i < old; i++) {
        PB_TRY(add_override(scenario, &base->overrides[i]));
    }
    for (size_t i = 0; i < count; i++) {
        PB_TRY(add_override(scenario, &more[i]));
    }
    *ret_scenario = scenario;
    scenario = NULL;
    return PB_OK;
}

enum pb_status pb_scenario_load(const char *path, const struct pb_override *overrides, size_t count,
                                struct pb_scenario **ret_scenario, struct pb_problems *problems)
{
    PB_CLEANUP(drop_scenario) struct pb_scenario *scenario = NULL;

    PB_TRY(new_scenario(NULL, overrides, count, &scenario));
    if (path) {
        PB_TRY(pb_json_read(path, &scenario->document, problems));
        scenario->path = strdup(path);
        if (!scenario->path) {
            return PB_ENOMEM;
        }
    }
    PB_TRY(bind_scenario(scenario, problems));
    *ret_scenario = scenario;
    scenario = NULL;
    return PB_OK;
}

enum pb_status pb_scenario_with(const struct pb_scenario *base, const struct pb_override *overrides,
                                size_t count, struct pb_scenario **ret_scenario,
                                struct pb_problems *problems)
{
    PB_CLEANUP(drop_scenario) struct pb_scenario *scenario = NULL;

    PB_TRY(new_scenario(base, overrides, count, &scenario));
    if (base->document) {
        size_t len = 0;
        const char *text = pb_json_text(base->document, &len);

        PB_TRY(
            pb_json_parse(text, len, pb_json_where(base->document), &scenario->document, problems));
    }
    if (base->path) {
        scenario->path = strdup(base->path);
        if (!scenario->path) {
            return PB_ENOMEM;
        }
    }
    PB_TRY(bind_scenario(scenario, problems));
    *ret_scenario = scenario;
    scenario = NULL;
    return PB_OK;
}
