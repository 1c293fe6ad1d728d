#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "harness/scenario_internal.h"

#define KINDS "stall or kill_worker"

/* "6s", or a phase's name with "+1s" or nothing behind it. */
static bool parse_at(struct pb_binder *binder, const cJSON *node, const char *path,
                     int64_t *ret_at_ns)
{
    const struct pb_scenario *scenario = binder->scenario;
    const char *text = cJSON_GetStringValue(node), *rest = NULL;
    struct pb_error err = { .status = PB_OK };
    int64_t offset_ns = 0;

    if (!text) {
        pb_bind_problem(binder, node, path,
                        "must be an instant such as \"6s\" or \"spike+1s\", not %s",
                        pb_node_kind(node));
        return false;
    }
    text += strspn(text, " \t");
    int phase = pb_phase_prefix(scenario, text, "+", &rest);

    if (phase < 0 && !strchr("0123456789-.", *text)) {
        char name[PB_NAME_MAX + 1];

        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "+ "), text);
        const char *near = pb_phase_nearest(scenario, name);

        pb_bind_problem(binder, node, path, "there is no phase \"%s\"%s%s%s", name,
                        near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        return false;
    }
    if (phase >= 0 && *rest == '+') {
        text = rest + 1;
    }
    if ((phase < 0 || *rest == '+') && pb_parse_duration(text, &offset_ns, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return false;
    }
    *ret_at_ns = offset_ns + (phase >= 0 ? scenario->phases[phase].start_ns : 0);
    return true;
}

void pb_bind_at(struct pb_binder *binder, const struct pb_spot *spot, int64_t *ret_at_ns)
{
    const cJSON *node = pb_spot_get(spot, "at");
    int64_t total_ns = pb_scenario_duration_ns(binder->scenario);
    char path[PB_PATH_MAX], lasts[PB_QUANTITY_TEXT];

    pb_spot_path(spot, "at", path);
    if (!node) {
        pb_bind_problem(binder, spot->object, path,
                        "is missing; write for example \"at\": \"6s\" or \"at\": \"spike+1s\"");
        return;
    }
    if (parse_at(binder, node, path, ret_at_ns) && total_ns > 0 && *ret_at_ns >= total_ns) {
        pb_bind_problem(binder, node, path,
                        "is after the end: the phases last %s, warm-up included",
                        pb_format_duration_exact(total_ns, lasts));
    }
}

static void bind_stall(struct pb_binder *binder, const cJSON *node, const char *path,
                       struct pb_fault *fault)
{
    union pb_value value = { .integer = 0 };
    struct pb_error err = { .status = PB_OK };

    fault->kind = PB_FAULT_STALL;
    if (pb_value_read(pb_field_find("faults[].stall"), node, &value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
    }
    fault->stall_ns = value.integer;
}

static void bind_kill(struct pb_binder *binder, const cJSON *node, const char *path,
                      struct pb_fault *fault)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;
    double number = cJSON_IsNumber(node) ? node->valuedouble : -1;
    int64_t workers = pool->size + pool->max_overflow;

    fault->kind = PB_FAULT_KILL_WORKER;
    fault->worker = -1;
    if (cJSON_IsString(node) && strcmp(node->valuestring, "any") == 0) {
        return;
    }
    if (number < 0 || number != floor(number) || number >= 2 * PB_POOL_MAX_SIZE) {
        pb_bind_problem(binder, node, path,
                        "must be a worker's number, counted from 0, or \"any\"");
        return;
    }
    /* A smaller pool that the tuner tries may well lack the worker: then nothing is killed. */
    if ((int64_t)number >= workers && !binder->tuning && pool->size > 0) {
        pb_bind_problem(binder, node, path,
                        "there is no worker %.0f: size and max_overflow make %lld, numbered from 0",
                        number, (long long)workers);
    }
    fault->worker = (int64_t)number;
}

static char *describe(struct pb_binder *binder, const struct pb_spot *spot,
                      const struct pb_fault *fault)
{
    const char *at = cJSON_GetStringValue(pb_spot_get(spot, "at"));
    char text[160], duration[PB_QUANTITY_TEXT];

    if (fault->kind == PB_FAULT_STALL) {
        (void)snprintf(text, sizeof(text), "stall %s at %.100s",
                       pb_format_duration_exact(fault->stall_ns, duration), at ? at : "?");
    } else if (fault->worker < 0) {
        (void)snprintf(text, sizeof(text), "kill_worker any at %.100s", at ? at : "?");
    } else {
        (void)snprintf(text, sizeof(text), "kill_worker %lld at %.100s", (long long)fault->worker,
                       at ? at : "?");
    }
    return pb_bind_copy_text(binder, text);
}

static void bind_fault(struct pb_binder *binder, const cJSON *node, size_t number)
{
    struct pb_fault *fault = &binder->scenario->faults[number];
    struct pb_spot spot;
    char shown[PB_PATH_MAX], path[PB_PATH_MAX];

    (void)snprintf(shown, sizeof(shown), "faults[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    pb_spot_init(&spot, node, "faults[].", shown);
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_at(binder, &spot, &fault->at_ns);

    const cJSON *stall = pb_spot_get(&spot, "stall"), *kill = pb_spot_get(&spot, "kill_worker");

    if (!stall == !kill) {
        pb_bind_problem(binder, node, shown, "a fault says exactly one of " KINDS ", not %s",
                        stall ? "both" : "none");
    } else if (stall) {
        bind_stall(binder, stall, pb_spot_path(&spot, "stall", path), fault);
    } else {
        bind_kill(binder, kill, pb_spot_path(&spot, "kill_worker", path), fault);
    }
    fault->text = describe(binder, &spot, fault);
}

/* By insertion: faults at one instant keep the file's order. */
static void sort_faults(struct pb_scenario *scenario)
{
    for (size_t i = 1; i < scenario->fault_count; i++) {
        struct pb_fault fault = scenario->faults[i];
        size_t at = i;

        for (; at > 0 && scenario->faults[at - 1].at_ns > fault.at_ns; at--) {
            scenario->faults[at] = scenario->faults[at - 1];
        }
        scenario->faults[at] = fault;
    }
}

void pb_bind_faults(struct pb_binder *binder)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "faults"), *node;

    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        pb_bind_problem(binder, list, "faults",
                        "must be a list such as [{ \"at\": \"6s\", \"kill_worker\": 0 }], not %s",
                        pb_node_kind(list));
        return;
    }
    if (cJSON_GetArraySize(list) > PB_FAULTS_MAX) {
        pb_bind_problem(binder, list, "faults", "has %d faults, at most %d fit",
                        cJSON_GetArraySize(list), PB_FAULTS_MAX);
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        bind_fault(binder, node, binder->scenario->fault_count++);
    }
    sort_faults(binder->scenario);
}
