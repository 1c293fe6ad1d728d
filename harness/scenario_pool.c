#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/scenario_internal.h"

#define PROCESS_CHECK_INTERVAL_NS (30 * PB_NS_PER_S)

static void bind_preset(struct pb_binder *binder, const struct pb_spot *spot)
{
    const cJSON *node = pb_spot_get(spot, "preset");
    const struct pb_field *field = pb_field_find("pool.preset");

    if (node && pb_bind_choice(binder, node, field, "pool.preset") >= 0) {
        binder->preset = pb_preset_find(node->valuestring);
    }
}

static void bind_recycle(struct pb_binder *binder, const struct pb_spot *pool)
{
    const cJSON *node = pb_spot_get(pool, "recycle");
    struct pb_spot spot;

    if (node && !pb_bind_is_object(binder, node, "pool.recycle")) {
        return;
    }
    pb_spot_init(&spot, node, "pool.recycle.", "pool.recycle");
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, binder->scenario, false);
    if (binder->scenario->pool.recycle.max_memory_bytes > 0 &&
        binder->scenario->pool.profile == PB_PROFILE_THREAD) {
        pb_bind_problem(binder, pb_spot_get(&spot, "max_memory"), "pool.recycle.max_memory",
                        "needs \"profile\": \"process\": threads share one memory");
    }
}

static void check_sizes(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;

    if (pool->max_size > 0 && pool->min_size > pool->max_size) {
        pb_bind_problem(binder, pb_spot_get(spot, "min_size"), "pool.min_size",
                        "%lld is more than max_size %lld", (long long)pool->min_size,
                        (long long)pool->max_size);
    } else if (pool->size < pool->min_size) {
        pb_bind_problem(binder, pb_spot_get(spot, "size"), "pool.size",
                        "%lld is less than min_size %lld", (long long)pool->size,
                        (long long)pool->min_size);
    } else if (pool->max_size > 0 && pool->size > pool->max_size) {
        pb_bind_problem(binder, pb_spot_get(spot, "size"), "pool.size",
                        "%lld is more than max_size %lld", (long long)pool->size,
                        (long long)pool->max_size);
    }
}

/* A pool's slots are counted in the thousand: each kind of worker has room for so many threads. */
static void check_threads(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;
    const struct {
        const char *name;
        int64_t workers;
    } kinds[] = {
        { "size", pool->size },
        { "max_size", pool->max_size },
        { "max_overflow", pool->max_overflow },
        { "max_stuck", pool->max_stuck },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(kinds); i++) {
        if (kinds[i].workers * pool->threads_per_worker > PB_POOL_MAX_SIZE) {
            pb_bind_problem(binder, pb_spot_get(spot, "threads_per_worker"),
                            "pool.threads_per_worker",
                            "%s %lld times %lld is more than the %d requests that can run at once",
                            kinds[i].name, (long long)kinds[i].workers,
                            (long long)pool->threads_per_worker, PB_POOL_MAX_SIZE);
            return;
        }
    }
}

static void check_times(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;

    /* The tuner may try such a pair; it then finds out that overflow never opens. */
    if (!binder->tuning && pool->max_overflow > 0 && pool->overflow_after_ns > 0 &&
        pool->overflow_after_ns >= pool->checkout_timeout_ns && pool->checkout_timeout_ns > 0) {
        pb_bind_problem(binder, pb_spot_get(spot, "overflow_after"), "pool.overflow_after",
                        "is not less than checkout_timeout: a request gives up before overflow "
                        "opens for it");
    }
    if (pool->restart_delay_ns > pool->restart_max_delay_ns) {
        pb_bind_problem(binder, pb_spot_get(spot, "restart_delay"), "pool.restart_delay",
                        "is more than restart_max_delay: the pause only grows");
    }
    if (pool->health_check_interval_ns > 0 && pool->profile == PB_PROFILE_THREAD) {
        pb_bind_problem(binder, pb_spot_get(spot, "health_check_interval"),
                        "pool.health_check_interval",
                        "needs \"profile\": \"process\": a thread has nothing that could be asked");
    }
}

void pb_bind_pool(struct pb_binder *binder)
{
    struct pb_scenario_pool *pool = &binder->scenario->pool;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(binder->root, "pool");
    struct pb_spot spot;

    if (node && !pb_bind_is_object(binder, node, "pool")) {
        return;
    }
    pb_spot_init(&spot, node, "pool.", "pool");
    (void)pb_bind_check_names(binder, &spot);
    bind_preset(binder, &spot);
    pool->max_stuck = -1;
    pool->health_check_interval_ns = -1;
    pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, binder->scenario, false);
    pb_bind_profile(binder, &spot);
    bind_recycle(binder, &spot);
    pb_bind_driver(binder, &spot);
    if (pool->health_check_interval_ns < 0) {
        pool->health_check_interval_ns =
            pool->profile == PB_PROFILE_PROCESS ? PROCESS_CHECK_INTERVAL_NS : 0;
    }
    if (!binder->mistaken) {
        check_sizes(binder, &spot);
        check_threads(binder, &spot);
        check_times(binder, &spot);
    }
}
