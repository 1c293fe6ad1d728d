#include "harness/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario_internal.h"

char *pb_path_normal(const struct pb_scenario *scenario, const char *path, char *text)
{
    const char *name = NULL;
    int recorded = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        if (scenario->phases[i].record) {
            name = scenario->phases[i].name;
            recorded++;
        }
    }
    if (pb_short_field(path) && recorded == 1) {
        (void)snprintf(text, PB_PATH_MAX, "phases.%s.%s", name, path);
    } else {
        (void)snprintf(text, PB_PATH_MAX, "%s", path);
    }
    return text;
}

bool pb_scenario_get(const struct pb_scenario *scenario, const char *path, char *text, size_t size)
{
    char normal[PB_PATH_MAX];
    const cJSON *node = pb_tree_find(scenario->effective, pb_path_normal(scenario, path, normal));
    char *value = node ? pb_node_text(node) : NULL;

    if (!value) {
        return false;
    }
    (void)snprintf(text, size, "%s", value);
    free(value);
    return true;
}

/* Whether one path is the other, or leads through it. */
static bool related(const char *a, const char *b)
{
    size_t len = strlen(a), other = strlen(b);

    if (len > other) {
        return related(b, a);
    }
    return strncmp(a, b, len) == 0 && (b[len] == '\0' || b[len] == '.');
}

static bool in_file(const struct pb_scenario *scenario, const char *path)
{
    const cJSON *root = scenario->document ? pb_json_root(scenario->document) : NULL;
    const char *main_phase = "phases.main.";

    if (scenario->short_form && strncmp(path, main_phase, strlen(main_phase)) == 0) {
        path += strlen(main_phase);
    }
    return root && pb_tree_find(root, path);
}

enum pb_origin pb_scenario_origin(const struct pb_scenario *scenario, const char *path)
{
    char normal[PB_PATH_MAX], other[PB_PATH_MAX];
    const cJSON *preset = pb_tree_find(scenario->effective, "pool.preset");

    pb_path_normal(scenario, path, normal);
    for (size_t i = scenario->override_count; i-- > 0;) {
        if (related(normal, pb_path_normal(scenario, scenario->overrides[i].path, other))) {
            return scenario->overrides[i].origin;
        }
    }
    if (in_file(scenario, normal)) {
        return PB_ORIGIN_FILE;
    }
    if (preset && pb_preset_value(pb_preset_find(preset->valuestring), normal)) {
        return PB_ORIGIN_PRESET;
    }
    return PB_ORIGIN_DEFAULT;
}

int64_t pb_scenario_duration_ns(const struct pb_scenario *scenario)
{
    int64_t sum_ns = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        sum_ns += scenario->phases[i].duration_ns;
    }
    return sum_ns;
}

/* Mean over the mix of service x (cpu_share with `cpu`), ns. */
static double mean_demand_ns(const struct pb_scenario *scenario, bool cpu)
{
    double sum = 0, weights = 0;

    for (size_t i = 0; i < scenario->operation_count; i++) {
        const struct pb_operation *operation = &scenario->operations[i];

        weights += operation->weight;
        sum += operation->weight * pb_dist_mean_ns(&operation->service) *
               (cpu ? operation->cpu_share : 1);
    }
    return weights > 0 ? sum / weights : 0;
}

double pb_scenario_mean_service_ns(const struct pb_scenario *scenario)
{
    return mean_demand_ns(scenario, false);
}

double pb_scenario_mean_cpu_ns(const struct pb_scenario *scenario)
{
    return mean_demand_ns(scenario, true);
}

bool pb_scenario_kills_workers(const struct pb_scenario *scenario)
{
    for (size_t i = 0; i < scenario->fault_count; i++) {
        enum pb_fault_kind kind = scenario->faults[i].kind;

        /* A thread that hangs is stuck, not lost. */
        if (kind == PB_FAULT_KILL_WORKER ||
            (scenario->pool.profile == PB_PROFILE_PROCESS && pb_fault_kind_loses(kind))) {
            return true;
        }
    }
    return false;
}

void pb_scenario_pool_config(const struct pb_scenario *scenario, struct pb_pool_config *ret_config)
{
    const struct pb_scenario_pool *pool = &scenario->pool;
    int64_t workers, queue_limit;

    pb_pool_config_default(ret_config);
    ret_config->size = (uint32_t)pool->size;
    ret_config->max_overflow = (uint32_t)pool->max_overflow;
    ret_config->queue_limit = (uint32_t)pool->queue_limit;
    ret_config->max_stuck = (uint32_t)(pool->max_stuck >= 0 ? pool->max_stuck : pool->size);
    ret_config->strategy = (enum pb_strategy)pool->strategy;
    ret_config->lazy = pool->lazy;
    ret_config->overflow_ttl_ns = pool->overflow_ttl_ns;
    ret_config->overflow_after_ns = pool->overflow_after_ns;
    ret_config->checkout_timeout_ns = pool->checkout_timeout_ns;
    ret_config->operation_timeout_ns = pool->operation_timeout_ns;
    ret_config->init_timeout_ns = pool->init_timeout_ns;
    ret_config->stuck_after_ns = pool->stuck_after_ns;
    ret_config->threads_per_worker = (uint32_t)pool->threads_per_worker;
    pb_scenario_room(scenario, &workers, &queue_limit);
    ret_config->max_size = workers > pool->size + pool->max_overflow ? (uint32_t)workers : 0;
    ret_config->max_queue_limit = queue_limit > pool->queue_limit ? (uint32_t)queue_limit : 0;
    ret_config->prepare = (enum pb_prepare)pool->prepare;
    ret_config->prepare_timeout_ns = pool->prepare_timeout_ns;
    ret_config->health_check_interval_ns = pool->health_check_interval_ns;
    ret_config->health_check_timeout_ns = pool->health_check_timeout_ns;
    ret_config->max_health_failures = (uint32_t)pool->max_health_failures;
    ret_config->recycle = pool->recycle;
    ret_config->max_restarts = (uint32_t)pool->max_restarts;
    ret_config->restart_window_ns = pool->restart_window_ns;
    ret_config->restart_delay_ns = pool->restart_delay_ns;
    ret_config->restart_max_delay_ns = pool->restart_max_delay_ns;
    ret_config->affinity_ttl_ns = pool->affinity_ttl_ns;
    ret_config->seed = (uint64_t)scenario->seed;
}

double pb_phase_peak_rate(const struct pb_phase *phase)
{
    switch (phase->arrival) {
    case PB_ARRIVAL_CONSTANT:
    case PB_ARRIVAL_POISSON:
        return phase->rate;
    case PB_ARRIVAL_RAMP:
    case PB_ARRIVAL_STEP:
        return fmax(phase->from, phase->to);
    case PB_ARRIVAL_SINE:
        return phase->mean + phase->amplitude;
    case PB_ARRIVAL_BURST:
        return fmax(phase->base, phase->peak);
    case PB_ARRIVAL_CLOSED:
    case PB_ARRIVAL_COUNT:
        break;
    }
    return -1;
}
