#include "pool/pool_internal.h"

/* Everybody looks over all slots now and then. */
#define MAX_SLOTS (4 * PB_POOL_MAX_SIZE)

void pb_pool_config_default(struct pb_pool_config *ret_config)
{
    *ret_config = (struct pb_pool_config){
        .size = 10,
        .queue_limit = 1000,
        .max_stuck = 10,
        .threads_per_worker = 1,
        .strategy = PB_STRATEGY_LIFO,
        .overflow_ttl_ns = 1 * PB_NS_PER_S,
        .checkout_timeout_ns = 5 * PB_NS_PER_S,
        .operation_timeout_ns = 60 * PB_NS_PER_S,
        .init_timeout_ns = 30 * PB_NS_PER_S,
        .stuck_after_ns = 1 * PB_NS_PER_S,
        .prepare = PB_PREPARE_PARALLEL,
        .prepare_timeout_ns = 30 * PB_NS_PER_S,
        .health_check_timeout_ns = 5 * PB_NS_PER_S,
        .max_health_failures = 3,
        .restart_delay_ns = 10 * PB_NS_PER_MS,
        .restart_max_delay_ns = 1 * PB_NS_PER_S,
        .restart_window_ns = 10 * PB_NS_PER_S,
        .max_restarts = 100,
    };
}

struct range {
    const char *name;
    int64_t value, min, max;
};

static enum pb_status check_ranges(const struct range *ranges, size_t count, struct pb_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max) {
            return pb_fail(err, PB_EINVAL, "pool: %s is %lld: it must be %lld..%lld",
                           ranges[i].name, (long long)ranges[i].value, (long long)ranges[i].min,
                           (long long)ranges[i].max);
        }
    }
    return PB_OK;
}

static enum pb_status check_counts(const struct pb_pool_config *config, struct pb_error *err)
{
    const struct range ranges[] = {
        { "size", config->size, 1, PB_POOL_MAX_SIZE },
        { "max_overflow", config->max_overflow, 0, PB_POOL_MAX_SIZE },
        { "queue_limit", config->queue_limit, 0, PB_POOL_MAX_QUEUE_LIMIT },
        { "max_stuck", config->max_stuck, 0, PB_POOL_MAX_SIZE },
        { "max_size", config->max_size, 0, INT64_C(2) * PB_POOL_MAX_SIZE },
        { "max_queue_limit", config->max_queue_limit, 0, PB_POOL_MAX_QUEUE_LIMIT },
        { "threads_per_worker", config->threads_per_worker, 1, PB_POOL_MAX_THREADS },
        { "strategy", (int64_t)config->strategy, 0, PB_STRATEGY_COUNT - 1 },
        { "prepare", (int64_t)config->prepare, 0, PB_PREPARE_COUNT - 1 },
        { "max_health_failures", config->max_health_failures, 1, PB_POOL_MAX_QUEUE_LIMIT },
        { "max_restarts", config->max_restarts, 0, PB_POOL_MAX_QUEUE_LIMIT },
    };

    return check_ranges(ranges, PB_ARRAY_LEN(ranges), err);
}

static enum pb_status check_times(const struct pb_pool_config *config, struct pb_error *err)
{
    const struct range ranges[] = {
        { "overflow_ttl_ns", config->overflow_ttl_ns, 0, INT64_MAX / 4 },
        { "overflow_after_ns", config->overflow_after_ns, 0, INT64_MAX / 4 },
        { "checkout_timeout_ns", config->checkout_timeout_ns, 1, INT64_MAX / 4 },
        { "operation_timeout_ns", config->operation_timeout_ns, 1, INT64_MAX / 4 },
        { "init_timeout_ns", config->init_timeout_ns, 1, INT64_MAX / 4 },
        { "affinity_ttl_ns", config->affinity_ttl_ns, 0, INT64_MAX / 4 },
        { "stuck_after_ns", config->stuck_after_ns, 1, INT64_MAX / 4 },
        { "prepare_timeout_ns", config->prepare_timeout_ns, 1, INT64_MAX / 4 },
        { "health_check_interval_ns", config->health_check_interval_ns, 0, INT64_MAX / 4 },
        { "health_check_timeout_ns", config->health_check_timeout_ns, 1, INT64_MAX / 4 },
        { "recycle.max_requests", config->recycle.max_requests, 0, INT64_MAX / 4 },
        { "recycle.max_age_ns", config->recycle.max_age_ns, 0, INT64_MAX / 4 },
        { "recycle.max_memory_bytes", config->recycle.max_memory_bytes, 0, INT64_MAX / 4 },
        { "restart_delay_ns", config->restart_delay_ns, 0, INT64_MAX / 4 },
        { "restart_max_delay_ns", config->restart_max_delay_ns, 0, INT64_MAX / 4 },
        { "restart_window_ns", config->restart_window_ns, 0, INT64_MAX / 4 },
    };

    return check_ranges(ranges, PB_ARRAY_LEN(ranges), err);
}

enum pb_status pb_config_check(const struct pb_pool_config *config, struct pb_error *err)
{
    PB_TRY(check_counts(config, err));
    PB_TRY(check_times(config, err));
    if (pb_pool_config_slots(config) > MAX_SLOTS ||
        config->size * config->threads_per_worker > PB_POOL_MAX_SIZE) {
        return pb_fail(
            err, PB_EINVAL,
            "pool: %u workers of %u threads, %u slots in all, are too many: it must be at "
            "most %d threads of core workers, and %d slots",
            config->size, config->threads_per_worker, pb_pool_config_slots(config),
            PB_POOL_MAX_SIZE, MAX_SLOTS);
    }
    if (!(config->recycle.jitter >= 0 && config->recycle.jitter <= 1)) {
        return pb_fail(err, PB_EINVAL, "pool: recycle.jitter is %g: it must be 0..1",
                       config->recycle.jitter);
    }
    if (!config->run) {
        return pb_fail(err, PB_EINVAL, "pool: run is NULL: it must be a function");
    }
    return PB_OK;
}

uint32_t pb_pool_config_slots(const struct pb_pool_config *config)
{
    uint32_t workers = config->size + config->max_overflow;

    return config->threads_per_worker *
           ((config->max_size > workers ? config->max_size : workers) + config->max_stuck);
}
