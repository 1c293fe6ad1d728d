#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/quantity.h"
#include "harness/scenario_internal.h"

#define ON_DEFAULT                                                                            \
    (1U << PB_OUTCOME_ERROR | 1U << PB_OUTCOME_REJECTED | 1U << PB_OUTCOME_CHECKOUT_TIMEOUT | \
     1U << PB_OUTCOME_OPERATION_TIMEOUT | 1U << PB_OUTCOME_WORKER_LOST)

/* Which outcome a word means; PB_OUTCOME_COUNT: none that can be tried again, and a problem. */
static enum pb_outcome read_outcome(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const char *word = cJSON_GetStringValue(node), *names[PB_OUTCOME_COUNT];

    if (!word) {
        pb_bind_problem(binder, node, path, "must be an outcome such as \"error\", not %s",
                        pb_node_kind(node));
        return PB_OUTCOME_COUNT;
    }
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        names[o] = pb_outcome_name((enum pb_outcome)o);
        if (strcmp(word, names[o]) != 0) {
            continue;
        }
        if (o != PB_OUTCOME_OK && o != PB_OUTCOME_CANCELLED) {
            return (enum pb_outcome)o;
        }
        pb_bind_problem(binder, node, path, "%s is final: %s", word,
                        o == PB_OUTCOME_OK ? "there is nothing to try again"
                                           : "only the end of a run cancels requests");
        return PB_OUTCOME_COUNT;
    }
    const char *near = pb_nearest(word, names, PB_OUTCOME_COUNT);

    pb_bind_problem(binder, node, path, "\"%.40s\" is no outcome; did you mean \"%s\"?", word,
                    near ? near : "error");
    return PB_OUTCOME_COUNT;
}

static void bind_on(struct pb_binder *binder, const cJSON *list)
{
    struct pb_retries *retries = &binder->scenario->retries;
    const cJSON *node;
    size_t number = 0;

    retries->on = list ? 0 : ON_DEFAULT;
    if (list && !cJSON_IsArray(list)) {
        pb_bind_problem(binder, list, "retries.on",
                        "must be a list of outcomes such as [\"error\", \"rejected\"], not %s",
                        pb_node_kind(list));
        return;
    }
    if (list && cJSON_GetArraySize(list) == 0) {
        pb_bind_problem(binder, list, "retries.on",
                        "is empty, so that nothing is tried again; say so with \"max\": 0");
    }
    cJSON_ArrayForEach(node, list)
    {
        char path[PB_PATH_MAX];

        (void)snprintf(path, sizeof(path), "retries.on[%zu]", number++);
        enum pb_outcome outcome = read_outcome(binder, node, path);

        if (outcome != PB_OUTCOME_COUNT && (retries->on & 1U << outcome) != 0) {
            pb_bind_problem(binder, node, path, "%s is there twice", pb_outcome_name(outcome));
        }
        retries->on |= outcome != PB_OUTCOME_COUNT ? 1U << outcome : 0;
    }
}

void pb_bind_retries(struct pb_binder *binder)
{
    struct pb_retries *retries = &binder->scenario->retries;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(binder->root, "retries");
    struct pb_spot spot;
    char delay[PB_QUANTITY_TEXT], longest[PB_QUANTITY_TEXT];

    if (node && !pb_bind_is_object(binder, node, "retries")) {
        return;
    }
    pb_spot_init(&spot, node, "retries.", "retries");
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, binder->scenario, false);
    bind_on(binder, pb_spot_get(&spot, "on"));
    if (node && !pb_spot_get(&spot, "max")) {
        pb_bind_problem(binder, node, "retries.max",
                        "is missing; write for example \"max\": 3, which makes four attempts at "
                        "most");
    }
    if (!binder->mistaken && retries->max_delay_ns < retries->delay_ns) {
        pb_bind_problem(binder, pb_spot_get(&spot, "max_delay"), "retries.max_delay",
                        "%s is less than delay, %s",
                        pb_format_duration_exact(retries->max_delay_ns, longest),
                        pb_format_duration_exact(retries->delay_ns, delay));
    }
}

int64_t pb_retries_pause_ns(const struct pb_retries *retries, uint32_t attempt)
{
    double pause_ns = (double)retries->delay_ns, longest_ns = (double)retries->max_delay_ns;

    /* A power by multiplication, and so the same on every machine. */
    for (uint32_t k = 1; k < attempt && pause_ns < longest_ns; k++) {
        pause_ns *= retries->backoff;
    }
    return (int64_t)(pause_ns < longest_ns ? pause_ns : longest_ns);
}

int64_t pb_retries_pauses_ns(const struct pb_retries *retries)
{
    int64_t sum_ns = 0;

    for (uint32_t attempt = 1; attempt <= (uint32_t)retries->max; attempt++) {
        sum_ns += pb_retries_pause_ns(retries, attempt); /* at most 100 of an hour */
    }
    return sum_ns;
}

double pb_scenario_expected_attempts(const struct pb_scenario *scenario)
{
    const struct pb_retries *retries = &scenario->retries;
    double sum = 0, weights = 0;

    for (size_t i = 0; i < scenario->operation_count; i++) {
        const struct pb_operation *operation = &scenario->operations[i];
        double again = 0, attempts = 1, all = 1;

        again += retries->on & 1U << PB_OUTCOME_ERROR ? operation->error_rate : 0;
        again += retries->on & 1U << PB_OUTCOME_CLIENT_ERROR ? operation->client_error_rate : 0;
        again += retries->on & 1U << PB_OUTCOME_OPERATION_TIMEOUT ? operation->hang_rate : 0;
        for (int64_t k = 0; k < retries->max; k++) {
            all *= again;
            attempts += all;
        }
        sum += operation->weight * attempts;
        weights += operation->weight;
    }
    return weights > 0 ? sum / weights : 1;
}
