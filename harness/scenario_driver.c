#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/driver.h"
#include "harness/scenario_internal.h"

#define NO_LIMIT_NS (INT64_C(24) * 3600 * PB_NS_PER_S)

/* What a pool needs to be able to for a setting to hold.  A field of the pool that has no row here
 * is of the built-in pool alone. */
static const struct {
    const char *path;
    uint32_t needs; /* PB_CAN_...; 0: every pool has it */
} needs[] = {
    { "pool.driver", 0 },
    { "pool.preset", 0 },
    { "pool.profile", 0 },
    { "pool.size", 0 },
    { "pool.min_size", 0 },
    { "pool.max_size", 0 },
    { "pool.max_overflow", PB_CAN_OVERFLOW },
    { "pool.overflow_ttl", PB_CAN_OVERFLOW },
    { "pool.queue_limit", PB_CAN_QUEUE_LIMIT },
    { "pool.checkout_timeout", PB_CAN_CHECKOUT_TIMEOUT },
    { "pool.operation_timeout", PB_CAN_OPERATION_TIMEOUT },
    { "pool.strategy", PB_CAN_STRATEGY },
};

/* What a pool without the ability does anyway: it may be said. */
static const struct {
    const char *path, *value;
} harmless[] = {
    { "pool.max_overflow", "0" },
    { "pool.overflow_after", "0" },
    { "pool.lazy", "false" },
    { "pool.threads_per_worker", "1" },
    { "pool.affinity_ttl", "0" },
    { "pool.health_check_interval", "0" },
    { "pool.recycle.max_requests", "0" },
    { "pool.recycle.max_age", "0" },
    { "pool.recycle.max_memory", "0" },
    { "pool.recycle.jitter", "0" },
};

bool pb_scenario_holds(const struct pb_scenario *scenario, const char *path)
{
    if (!scenario->driver || strncmp(path, "pool.", strlen("pool.")) != 0) {
        return true;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(needs); i++) {
        if (strcmp(needs[i].path, path) == 0) {
            return (needs[i].needs & ~scenario->driver->table->abilities) == 0;
        }
    }
    return false;
}

static bool is_harmless(const char *path, const char *value)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(harmless); i++) {
        if (strcmp(harmless[i].path, path) == 0 && strcmp(harmless[i].value, value) == 0) {
            return true;
        }
    }
    return false;
}

/* --- Which driver --- */

/* "./mypool.so" is seen from the scenario file's folder; from the current one on a command line. */
static void find_path(struct pb_binder *binder, const cJSON *node)
{
    char **name = &binder->scenario->pool.driver;

    if (!strchr(*name, '/')) {
        return;
    }
    if (pb_bind_override_of(binder, node)) {
        char *whole = realpath(*name, NULL);

        if (whole) {
            free(*name);
            *name = whole;
        } /* else loading it says that there is none */
        return;
    }
    pb_bind_whole_path(binder, name);
}

static bool open_driver(struct pb_binder *binder, const cJSON *node)
{
    struct pb_scenario *scenario = binder->scenario;
    struct pb_error err = { .status = PB_OK };

    if (!scenario->pool.driver || strcmp(scenario->pool.driver, PB_DRIVER_BUILTIN) == 0) {
        return false;
    }
    find_path(binder, node);
    if (binder->status != PB_OK) {
        return false;
    }
    if (pb_driver_open(scenario->pool.driver, &scenario->driver, &err) == PB_ENOMEM) {
        pb_bind_no_memory(binder);
    } else if (!scenario->driver) {
        pb_bind_problem(binder, node, "pool.driver", "%s", err.text);
    }
    return scenario->driver != NULL;
}

/* --- What it cannot do --- */

static void refuse_node(struct pb_binder *binder, const cJSON *node, const char *path)
{
    char *text = pb_node_text(node);

    if (!text) {
        pb_bind_no_memory(binder);
    } else if (!is_harmless(path, text)) {
        pb_bind_name_problem(binder, node, path,
                             "not by driver %s: leave it out, or drive the builtin pool",
                             binder->scenario->driver->table->name);
    }
    free(text);
}

/* What the file, or somebody beside it, says of a field; else what the preset says. */
static void check_field(struct pb_binder *binder, const struct pb_spot *pool, const char *path)
{
    const char *preset = pb_preset_value(binder->preset, path);
    const cJSON *node = pb_tree_find(binder->root, path);

    if (pb_scenario_holds(binder->scenario, path)) {
        return;
    }
    if (node) {
        refuse_node(binder, node, path);
    } else if (preset && !is_harmless(path, preset)) {
        pb_bind_problem(binder, pb_spot_get(pool, "preset"), "pool.preset",
                        "sets %s, which is not by driver %s", path,
                        binder->scenario->driver->table->name);
    }
}

static void check_fields(struct pb_binder *binder, const struct pb_spot *pool)
{
    const char *driver = binder->scenario->driver->table->name;
    const cJSON *strategy = pb_spot_get(pool, "strategy");
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (strncmp(field->path, "pool.", strlen("pool.")) == 0) {
            check_field(binder, pool, field->path);
        }
    }
    if (binder->scenario->pool.profile == PB_PROFILE_PROCESS) {
        pb_bind_problem(binder, pb_spot_get(pool, "profile"), "pool.profile",
                        "driver %s runs threads: processes are by the builtin pool alone", driver);
    }
    if (strategy && pb_scenario_holds(binder->scenario, "pool.strategy") &&
        binder->scenario->pool.strategy > PB_STRATEGY_FIFO) {
        pb_bind_problem(binder, strategy, "pool.strategy", "driver %s knows lifo and fifo alone",
                        driver);
    }
}

void pb_bind_driver_size(struct pb_binder *binder, const cJSON *node, const char *path,
                         int64_t size)
{
    const struct pb_driver *driver = binder->scenario->driver;

    if (driver && driver->table->max_size > 0 && size > driver->table->max_size) {
        pb_bind_problem(binder, node, path, "driver %s has at most %u threads, not %lld",
                        driver->table->name, (unsigned)driver->table->max_size, (long long)size);
    }
}

/* Without a limit, for all who reckon with the limits. */
static void lift_limits(struct pb_scenario *scenario)
{
    struct pb_scenario_pool *pool = &scenario->pool;

    if (!pb_scenario_holds(scenario, "pool.queue_limit")) {
        pool->queue_limit = PB_POOL_MAX_QUEUE_LIMIT;
    }
    if (!pb_scenario_holds(scenario, "pool.max_overflow")) {
        pool->max_overflow = 0;
    }
    if (!pb_scenario_holds(scenario, "pool.checkout_timeout")) {
        pool->checkout_timeout_ns = NO_LIMIT_NS;
    }
    if (!pb_scenario_holds(scenario, "pool.operation_timeout")) {
        pool->operation_timeout_ns = NO_LIMIT_NS;
    }
    pool->overflow_after_ns = 0;
}

void pb_bind_driver(struct pb_binder *binder, const struct pb_spot *pool)
{
    if (!open_driver(binder, pb_spot_get(pool, "driver"))) {
        return;
    }
    check_fields(binder, pool);
    pb_bind_driver_size(binder, pb_spot_get(pool, "size"), "pool.size",
                        binder->scenario->pool.size);
    lift_limits(binder->scenario);
}

/* A driver's threads are its own: poolbench does not know which worker is which. */
static void refuse_fault(struct pb_binder *binder, const cJSON *fault, size_t number,
                         enum pb_fault_kind kind)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(fault, pb_fault_kind_name(kind));
    char path[PB_PATH_MAX];

    if (node) {
        (void)snprintf(path, sizeof(path), "faults[%zu].%s", number, pb_fault_kind_name(kind));
        pb_bind_name_problem(binder, node, path,
                             "driver %s %s: leave it out, or drive the builtin pool",
                             binder->scenario->driver->table->name,
                             kind == PB_FAULT_KILL_WORKER
                                 ? "cannot lose a worker"
                                 : "has no workers that can be told apart");
    }
}

void pb_bind_driver_faults(struct pb_binder *binder)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "faults"), *fault;
    size_t number = 0;

    if (!binder->scenario->driver || binder->mistaken) {
        return;
    }
    cJSON_ArrayForEach(fault, list)
    {
        for (int k = PB_FAULT_KILL_WORKER; k < PB_FAULT_COUNT; k++) {
            refuse_fault(binder, fault, number, (enum pb_fault_kind)k);
        }
        number++;
    }
}

bool pb_bind_driver_varies(struct pb_binder *binder, const cJSON *node, const char *path)
{
    if (!pb_scenario_holds(binder->scenario, node->string)) {
        pb_bind_name_problem(binder, node, path,
                             "not by driver %s: leave it out, or drive the builtin pool",
                             binder->scenario->driver->table->name);
        return false;
    }
    return true;
}
