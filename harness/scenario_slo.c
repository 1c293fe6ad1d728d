#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "harness/scenario_internal.h"

#define ABORT_FOR_DEFAULT_NS PB_NS_PER_S
#define ABORT_FOR_MIN_NS     (10 * PB_NS_PER_MS)
#define ABORT_FOR_MAX_NS     (3600 * PB_NS_PER_S)

/* Adding a preset: rows here; its name is found by itself. */
static const struct preset_row {
    const char *preset;
    const char *expression;
    enum pb_level level;
    const char *why;
} preset_rows[] = {
    { "standard", "latency.p50 < 50ms", PB_LEVEL_FAIL, NULL },
    { "standard", "latency.p99 < 100ms", PB_LEVEL_FAIL, NULL },
    { "standard", "throughput > 1000/s", PB_LEVEL_FAIL, "of each pool" },
    { "standard", "utilization in 60%..80%", PB_LEVEL_WARN, "busy enough, with room for peaks" },
    { "standard", "error_rate < 0.1%", PB_LEVEL_FAIL, "client errors aside" },
    { "standard", "recovery_time < 500ms", PB_LEVEL_FAIL, NULL },
    { "standard", "worker.memory < 50MB", PB_LEVEL_FAIL, NULL },
    { "standard", "worker.cpu < 10%", PB_LEVEL_FAIL, NULL },
    { "web", "99% ok within 100ms", PB_LEVEL_FAIL, NULL },
    { "web", "error_rate < 0.1%", PB_LEVEL_FAIL, NULL },
    { "web", "throughput > 99% of offered", PB_LEVEL_FAIL, NULL },
};

const char *pb_slo_preset_row(size_t i, const char **ret_preset, enum pb_level *ret_level)
{
    if (i >= PB_ARRAY_LEN(preset_rows)) {
        return NULL;
    }
    *ret_preset = preset_rows[i].preset;
    *ret_level = preset_rows[i].level;
    return preset_rows[i].expression;
}

static bool is_preset(const char *name)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(preset_rows); i++) {
        if (strcmp(preset_rows[i].preset, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Puts one objective, ready but for its strings, into the list with copies of them. */
static void add_objective(struct pb_binder *binder, const struct pb_objective *made, int phase)
{
    struct pb_scenario *scenario = binder->scenario;
    struct pb_objective *objective = &scenario->objectives[scenario->objective_count++];

    *objective = *made;
    objective->phase = phase;
    objective->expression = pb_bind_copy_text(binder, made->expression);
    objective->why = made->why ? pb_bind_copy_text(binder, made->why) : NULL;
}

/* An objective without a phase is judged in each recorded one. */
static void expand(struct pb_binder *binder, const struct pb_objective *made, bool all_phases,
                   const cJSON *node, const char *path)
{
    struct pb_scenario *scenario = binder->scenario;
    bool each = all_phases && !made->whole_run;
    size_t recorded = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        recorded += scenario->phases[i].record ? 1 : 0;
    }
    if (scenario->objective_count + (each ? recorded : 1) > PB_OBJECTIVES_MAX) {
        pb_bind_problem(binder, node, path,
                        "too many objectives: at most %d, counted once for each recorded phase",
                        PB_OBJECTIVES_MAX);
        return;
    }
    if (!each) {
        add_objective(binder, made, made->phase);
    }
    for (size_t i = 0; each && i < scenario->phase_count; i++) {
        if (scenario->phases[i].record) {
            add_objective(binder, made, (int)i);
        }
    }
}

/* What a user wrote must have a subject here; of a preset's objectives the judge says so. */
static enum pb_status check_subject(const struct pb_scenario *scenario,
                                    const struct pb_objective *objective, struct pb_error *err)
{
    bool processes = scenario->pool.profile == PB_PROFILE_PROCESS;

    /* Processes may also die by themselves. */
    if (objective->metric == PB_METRIC_RECOVERY_TIME && !processes &&
        !pb_scenario_kills_workers(scenario)) {
        return pb_fail(err, PB_EINVAL,
                       "recovery_time needs a fault to recover from: write for example \"faults\": "
                       "[{ \"at\": \"6s\", \"kill_worker\": \"any\" }]");
    }
    if (!processes && (objective->metric == PB_METRIC_WORKER_MEMORY ||
                       objective->metric == PB_METRIC_WORKER_CPU)) {
        return pb_fail(err, PB_EINVAL,
                       "%s is of worker processes, and these are threads: take memory, or %s",
                       pb_metric_name(objective->metric), "leave it out");
    }
    if (objective->stat == PB_STAT_QUANTILE && pb_metric_kind(objective->metric)->with_stat &&
        objective->op != PB_OP_LESS) {
        return pb_fail(err, PB_EINVAL, "an objective says what must hold: a percentile of %s is <",
                       pb_metric_name(objective->metric));
    }
    return PB_OK;
}

/* The preset that a text which is no objective may have meant; NULL: none. */
static const char *nearest_preset(const char *text)
{
    const char *names[PB_ARRAY_LEN(preset_rows)];

    for (size_t i = 0; i < PB_ARRAY_LEN(preset_rows); i++) {
        names[i] = preset_rows[i].preset;
    }
    return pb_nearest(text, names, PB_ARRAY_LEN(names));
}

static void refuse_expression(struct pb_binder *binder, const cJSON *node, const char *path,
                              const struct pb_error *err)
{
    if (err->status == PB_ENOMEM) {
        pb_bind_no_memory(binder);
    } else {
        pb_bind_problem(binder, node, path, "%s", err->text);
    }
}

/* `extra` carries level and why. */
static void bind_expression(struct pb_binder *binder, const cJSON *node, const char *path,
                            const struct pb_objective *extra)
{
    struct pb_objective made = { .level = PB_LEVEL_FAIL };
    struct pb_error err = { .status = PB_OK };
    bool all_phases = false;

    if (pb_objective_parse(node->valuestring, binder->scenario, &made, &all_phases, &err) !=
        PB_OK) {
        const char *near = nearest_preset(node->valuestring);

        if (near) {
            pb_bind_problem(binder, node, path, "\"%.40s\" is not a preset; did you mean \"%s\"?",
                            node->valuestring, near);
        } else {
            refuse_expression(binder, node, path, &err);
        }
        return;
    }
    made.level = extra->level;
    made.why = extra->why;
    made.line = pb_bind_line(binder, node);
    if (check_subject(binder->scenario, &made, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
    } else {
        expand(binder, &made, all_phases, node, path);
    }
    free(made.expression);
}

static void bind_preset(struct pb_binder *binder, const cJSON *node, const char *path)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(preset_rows); i++) {
        const struct preset_row *row = &preset_rows[i];
        struct pb_objective made = { .level = PB_LEVEL_FAIL };
        bool all_phases = false;
        char *why = NULL;

        if (strcmp(row->preset, node->valuestring) != 0) {
            continue;
        }
        if (pb_objective_parse(row->expression, binder->scenario, &made, &all_phases, NULL) !=
            PB_OK) {
            pb_bind_no_memory(binder);
            return;
        }
        why = row->why ? pb_bind_copy_text(binder, row->why) : NULL;
        made.level = row->level;
        made.why = why;
        made.from_preset = true;
        expand(binder, &made, all_phases, node, path);
        pb_objective_done(&made);
    }
}

static void bind_object(struct pb_binder *binder, const cJSON *node, const char *path)
{
    struct pb_objective extra = { .level = PB_LEVEL_FAIL };
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    pb_spot_init(&spot, node, "slo[].", path);
    (void)pb_bind_check_names(binder, &spot);

    const cJSON *expr = pb_spot_get(&spot, "expr"), *level = pb_spot_get(&spot, "level");
    const cJSON *why = pb_spot_get(&spot, "why");

    if (level && pb_bind_choice(binder, level, pb_field_find("slo[].level"),
                                pb_spot_path(&spot, "level", shown)) == PB_LEVEL_WARN) {
        extra.level = PB_LEVEL_WARN;
    }
    if (why && !cJSON_IsString(why)) {
        pb_bind_problem(binder, why, pb_spot_path(&spot, "why", shown), "must be %s, not %s",
                        pb_value_wanted(PB_FIELD_TEXT), pb_node_kind(why));
    }
    extra.why = cJSON_GetStringValue(why);
    if (!cJSON_IsString(expr)) {
        pb_bind_problem(binder, expr ? expr : node, pb_spot_path(&spot, "expr", shown),
                        "must be an objective such as \"latency.p99 < 100ms\", not %s",
                        expr ? pb_node_kind(expr) : "left out");
        return;
    }
    bind_expression(binder, expr, pb_spot_path(&spot, "expr", shown), &extra);
}

static void bind_item(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const struct pb_objective plain = { .level = PB_LEVEL_FAIL };

    if (cJSON_IsString(node) && is_preset(node->valuestring)) {
        bind_preset(binder, node, path);
    } else if (cJSON_IsString(node)) {
        bind_expression(binder, node, path, &plain);
    } else if (cJSON_IsObject(node)) {
        bind_object(binder, node, path);
    } else {
        pb_bind_problem(binder, node, path,
                        "must be a preset, an objective such as \"latency.p99 < 100ms\", or a list "
                        "of them, not %s",
                        pb_node_kind(node));
    }
}

void pb_bind_slo(struct pb_binder *binder)
{
    const cJSON *slo = cJSON_GetObjectItemCaseSensitive(binder->root, "slo"), *node;
    char path[PB_PATH_MAX];
    size_t number = 0;

    if (!slo) {
        return;
    }
    if (!cJSON_IsArray(slo)) {
        bind_item(binder, slo, "slo");
        return;
    }
    cJSON_ArrayForEach(node, slo)
    {
        (void)snprintf(path, sizeof(path), "slo[%zu]", number++);
        bind_item(binder, node, path);
    }
}

/* --- Rules that end a run early --- */

static enum pb_status parse_abort(const struct pb_scenario *scenario, const char *text,
                                  struct pb_abort *ret_abort, struct pb_error *err)
{
    const char *stretch = NULL;
    char condition[256];
    int64_t for_ns = ABORT_FOR_DEFAULT_NS;
    bool all_phases = false;

    for (const char *at = strstr(text, " for "); at; at = strstr(at + 1, " for ")) {
        stretch = at;
    }
    if (stretch) {
        PB_TRY(pb_parse_duration(stretch + strlen(" for "), &for_ns, err));
    }
    if (for_ns < ABORT_FOR_MIN_NS || for_ns > ABORT_FOR_MAX_NS) {
        return pb_fail(err, PB_EINVAL, "a rule looks back over 10ms..1h");
    }
    (void)snprintf(condition, sizeof(condition), "%.*s",
                   (int)(stretch ? (size_t)(stretch - text) : strlen(text)), text);
    PB_TRY(pb_objective_parse(condition, scenario, &ret_abort->rule, &all_phases, err));
    ret_abort->for_ns = for_ns;
    if (!all_phases) {
        return pb_fail(err, PB_EINVAL, "a rule watches the whole run: write it without a phase");
    }
    return PB_OK;
}

static enum pb_status check_abort(const struct pb_objective *rule, struct pb_error *err)
{
    if (!pb_metric_kind(rule->metric)->abortable || rule->stat != PB_STAT_QUANTILE) {
        return pb_fail(err, PB_EINVAL,
                       "a rule watches error_rate, a latency percentile, throughput or "
                       "achieved_rate, not %s",
                       pb_metric_name(rule->metric));
    }
    if (rule->op == PB_OP_IN || rule->of_offered) {
        return pb_fail(err, PB_EINVAL,
                       "a rule compares with < or > and a number, as in \"error_rate > 20%% for "
                       "2s\"");
    }
    if (rule->metric == PB_METRIC_LATENCY && rule->op != PB_OP_GREATER) {
        return pb_fail(err, PB_EINVAL,
                       "the run ends when a rule holds: write a latency rule with >");
    }
    return PB_OK;
}

static void bind_abort(struct pb_binder *binder, const cJSON *node, const char *path)
{
    struct pb_scenario *scenario = binder->scenario;
    struct pb_abort *rule = &scenario->aborts[scenario->abort_count];
    struct pb_error err = { .status = PB_OK };

    if (!cJSON_IsString(node)) {
        pb_bind_problem(binder, node, path,
                        "must be a rule such as \"error_rate > 20%% for 2s\", not %s",
                        pb_node_kind(node));
        return;
    }
    if (scenario->abort_count == PB_ABORTS_MAX) {
        pb_bind_problem(binder, node, path, "too many rules, at most %d fit", PB_ABORTS_MAX);
        return;
    }
    scenario->abort_count++;
    rule->expression = pb_bind_copy_text(binder, node->valuestring);
    if (parse_abort(scenario, node->valuestring, rule, &err) != PB_OK ||
        check_abort(&rule->rule, &err) != PB_OK) {
        refuse_expression(binder, node, path, &err);
    }
}

void pb_bind_aborts(struct pb_binder *binder)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "abort"), *node;
    char path[PB_PATH_MAX];
    size_t number = 0;

    if (list && !cJSON_IsArray(list)) {
        bind_abort(binder, list, "abort");
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        (void)snprintf(path, sizeof(path), "abort[%zu]", number++);
        bind_abort(binder, node, path);
    }
}
