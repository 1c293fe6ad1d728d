#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario_internal.h"
#include "workload/workload.h"

#define SUM_SLACK 1e-9 /* of probabilities: 0.1 + 0.2 + 0.7 is 1 */

static void check_probabilities(struct pb_binder *binder, const struct pb_operation *operation,
                                const cJSON *node, const char *path)
{
    double sum = operation->error_rate + operation->client_error_rate + operation->hang_rate;

    if (sum > 1 + SUM_SLACK) {
        pb_bind_problem(binder, node, path,
                        "error_rate, client_error_rate and hang_rate add up to %.4g, more than 1",
                        sum);
    }
}

static void bind_type(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_field *field = pb_field_find("workload.type");
    const cJSON *node = pb_spot_get(spot, "type"), *service = pb_spot_get(spot, "service");
    const char *name = field->def;

    if (node) {
        int choice = pb_bind_choice(binder, node, field, "workload.type");

        if (choice < 0) {
            return;
        }
        name = field->choices[choice];
    }
    binder->scenario->workload = pb_workload_kind_find(name);
    if (binder->scenario->workload != &pb_workload_null) {
        return;
    }
    /* Asking on the command line for the null workload in place of the file's is fine. */
    if (service && !pb_bind_override_of(binder, node)) {
        pb_bind_name_problem(binder, service, "workload.service",
                             "a null workload does nothing: leave it out, or take type synthetic");
    }
}

static void bind_demand(struct pb_binder *binder, const struct pb_spot *spot,
                        struct pb_operation *operation)
{
    const cJSON *service = pb_spot_get(spot, "service");
    char path[PB_PATH_MAX];

    if (service) {
        (void)pb_bind_dist(binder, service, pb_spot_path(spot, "service", path),
                           &operation->service);
    }
    check_probabilities(binder, operation, spot->object, spot->shown);
}

static bool name_taken(const struct pb_scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->operation_count; i++) {
        if (scenario->operations[i].name && strcmp(scenario->operations[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void bind_operation(struct pb_binder *binder, const struct pb_spot *workload,
                           const cJSON *node, size_t number)
{
    struct pb_scenario *scenario = binder->scenario;
    struct pb_operation *operation = &scenario->operations[scenario->operation_count];
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(node, "name");
    const char *text = cJSON_GetStringValue(name);
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    (void)snprintf(shown, sizeof(shown), "workload.operations[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    if (text) {
        (void)snprintf(shown, sizeof(shown), "workload.operations.%.80s", text);
    }
    pb_spot_init(&spot, node, "workload.operations[].", shown);
    (void)pb_bind_check_names(binder, &spot);
    if (!name) {
        pb_bind_problem(binder, node, shown, "an operation needs a name");
    } else if (text && name_taken(scenario, text)) {
        pb_bind_problem(binder, name, shown, "another operation has this name");
    }
    *operation = binder->base;
    pb_bind_check_request(binder, workload, &spot);
    pb_bind_fields(binder, &spot, PB_HOME_OPERATION, operation, true);
    spot.prefix = "workload.";
    pb_bind_fields(binder, &spot, PB_HOME_OPERATION, operation, true);
    bind_demand(binder, &spot, operation);
    pb_bind_request(binder, &spot, workload, operation);
    scenario->operation_count++;
}

static void bind_mix(struct pb_binder *binder, const struct pb_spot *workload, const cJSON *mix)
{
    const cJSON *node;
    size_t number = 0;
    double sum = 0;

    if (!cJSON_IsArray(mix) || cJSON_GetArraySize(mix) == 0) {
        pb_bind_problem(binder, mix, "workload.operations",
                        "must be a list of operations such as { \"name\": \"read\", \"weight\": 3 "
                        "}, not %s",
                        cJSON_IsArray(mix) ? "an empty one" : pb_node_kind(mix));
        return;
    }
    if (cJSON_GetArraySize(mix) > PB_OPERATIONS_MAX) {
        pb_bind_problem(binder, mix, "workload.operations", "has %d operations, at most %d fit",
                        cJSON_GetArraySize(mix), PB_OPERATIONS_MAX);
        return;
    }
    cJSON_ArrayForEach(node, mix)
    {
        bind_operation(binder, workload, node, number++);
    }
    for (size_t i = 0; i < binder->scenario->operation_count; i++) {
        sum += binder->scenario->operations[i].weight;
    }
    if (!binder->mistaken && sum <= 0) {
        pb_bind_problem(binder, mix, "workload.operations",
                        "every weight is 0: at least one must be more");
    }
}

static void bind_single(struct pb_binder *binder, const struct pb_spot *workload)
{
    struct pb_scenario *scenario = binder->scenario;

    scenario->operations[0] = binder->base;
    scenario->operations[0].name = pb_bind_copy_text(binder, "default");
    scenario->operation_count = 1;
    pb_bind_request(binder, workload, workload, &scenario->operations[0]);
}

/* `weight` is of operations only, but its default holds for the one operation too. */
static void bind_base(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_field *service = pb_field_find("workload.service");
    struct pb_operation *base = &binder->base;
    union pb_value value = { .integer = 0 };

    base->weight = 1;
    if (pb_value_parse(pb_field_find("workload.service.value"), service->def, &value, NULL) ==
        PB_OK) {
        base->service = pb_bind_constant(value.integer);
    }
    pb_bind_fields(binder, spot, PB_HOME_OPERATION, base, false);
    bind_type(binder, spot);
    bind_demand(binder, spot, base);
}

void pb_bind_workload(struct pb_binder *binder)
{
    struct pb_scenario *scenario = binder->scenario;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(binder->root, "workload");
    struct pb_spot spot;

    pb_spot_init(&spot, node, "workload.", "workload");
    scenario->workload = &pb_workload_synthetic;
    if (node && pb_bind_is_object(binder, node, "workload")) {
        (void)pb_bind_check_names(binder, &spot);
    } else {
        spot.object = NULL;
    }
    bind_base(binder, &spot);
    pb_bind_worker(binder, &spot);

    const cJSON *mix = pb_spot_get(&spot, "operations");

    if (mix) {
        bind_mix(binder, &spot, mix);
    } else {
        bind_single(binder, &spot);
    }
    for (size_t i = 0; i < scenario->operation_count; i++) {
        if (scenario->workload == &pb_workload_null) {
            scenario->operations[i].service = pb_bind_constant(0);
        }
    }
}
