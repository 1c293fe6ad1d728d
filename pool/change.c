#include "pool/pool_internal.h"

/*
 * Settings that change while the pool is loaded.  Workers and submitters read the few that they
 * need as relaxed atomics of one line that hardly ever changes; the rest is the keeper's, under
 * `lock`.
 */

void pb_settings_init(struct pb_pool *pool)
{
    const struct pb_pool_config *config = &pool->config;
    struct pb_settings *settings = &pool->settings;

    atomic_init(&settings->checkout.now_ns, config->checkout_timeout_ns);
    atomic_init(&settings->operation.now_ns, config->operation_timeout_ns);
    atomic_init(&settings->strategy, (uint32_t)config->strategy);
    settings->size = config->size;
    settings->max_overflow = settings->asked_overflow = config->max_overflow;
    settings->queue_limit = config->queue_limit;
    settings->overflow_ttl_ns = config->overflow_ttl_ns;
    settings->overflow_after_ns = config->overflow_after_ns;
}

int64_t pb_timeout_of(struct pb_pool *pool, const struct pb_timeout *timeout, int64_t sent_ns)
{
    pb_mutex_lock(&pool->lock);
    int64_t timeout_ns = atomic_load_explicit(&timeout->now_ns, memory_order_relaxed);

    for (uint32_t i = timeout->past_count; i > 0; i--) {
        if (sent_ns < timeout->past[i - 1].sent_before_ns) {
            timeout_ns = timeout->past[i - 1].timeout_ns;
        }
    }
    pb_mutex_unlock(&pool->lock);
    return timeout_ns;
}

/* Lowered, it is for requests sent from now on; raised, for all.  With more steps down than are
 * kept the two oldest become one, the longer: late, but never early. */
static void set_timeout_locked(struct pb_pool *pool, struct pb_timeout *timeout, int64_t new_ns,
                               int64_t now_ns) PB_REQUIRES(pool->lock);
static void set_timeout_locked(struct pb_pool *pool, struct pb_timeout *timeout, int64_t new_ns,
                               int64_t now_ns)
{
    int64_t old_ns = atomic_load_explicit(&timeout->now_ns, memory_order_relaxed);

    (void)pool; /* for the lock annotation */
    while (timeout->past_count > 0 && timeout->past[timeout->past_count - 1].timeout_ns <= new_ns) {
        timeout->past_count--;
    }
    if (new_ns < old_ns) {
        if (timeout->past_count == PB_PAST_TIMEOUTS) {
            timeout->past[1].timeout_ns = timeout->past[0].timeout_ns;
            for (uint32_t i = 1; i < PB_PAST_TIMEOUTS; i++) {
                timeout->past[i - 1] = timeout->past[i];
            }
            timeout->past_count--;
        }
        timeout->past[timeout->past_count++] =
            (struct pb_past_timeout){ .sent_before_ns = now_ns, .timeout_ns = old_ns };
    }
    atomic_store_explicit(&timeout->now_ns, new_ns, memory_order_relaxed);
}

static enum pb_status check_change(const struct pb_pool *pool, const struct pb_pool_change *change,
                                   struct pb_error *err)
{
    const struct {
        const char *name;
        int64_t value, min, max;
    } ranges[] = {
        { "size", change->size, 1, PB_POOL_MAX_SIZE / pool->config.threads_per_worker },
        { "max_overflow", change->max_overflow, 0, PB_POOL_MAX_SIZE },
        { "queue_limit", change->queue_limit, 0, PB_POOL_MAX_QUEUE_LIMIT },
        { "overflow_ttl_ns", change->overflow_ttl_ns, 0, INT64_MAX / 4 },
        { "overflow_after_ns", change->overflow_after_ns, 0, INT64_MAX / 4 },
        { "checkout_timeout_ns", change->checkout_timeout_ns, 1, INT64_MAX / 4 },
        { "operation_timeout_ns", change->operation_timeout_ns, 1, INT64_MAX / 4 },
        { "strategy", change->strategy, 0, PB_STRATEGY_COUNT - 1 },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(ranges); i++) {
        if (ranges[i].value >= 0 &&
            (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)) {
            return pb_fail(err, PB_EINVAL, "pool: %s cannot become %lld: it must be %lld..%lld",
                           ranges[i].name, (long long)ranges[i].value, (long long)ranges[i].min,
                           (long long)ranges[i].max);
        }
    }
    return PB_OK;
}

static uint32_t changed(int64_t wanted, uint32_t now, uint32_t room)
{
    uint32_t value = wanted >= 0 ? (uint32_t)wanted : now;

    return value < room ? value : room;
}

/* Size first; overflow gets what room is left. */
static void set_counts_locked(struct pb_pool *pool, const struct pb_pool_change *change)
    PB_REQUIRES(pool->lock);
static void set_counts_locked(struct pb_pool *pool, const struct pb_pool_change *change)
{
    struct pb_settings *settings = &pool->settings;

    settings->size = changed(change->size, settings->size, pool->room_workers);
    settings->asked_overflow =
        changed(change->max_overflow, settings->asked_overflow, PB_POOL_MAX_SIZE);
    settings->max_overflow =
        changed(-1, settings->asked_overflow, pool->room_workers - settings->size);
    settings->queue_limit = changed(change->queue_limit, settings->queue_limit, pool->room_queue);
    if (change->overflow_ttl_ns >= 0) {
        settings->overflow_ttl_ns = change->overflow_ttl_ns;
    }
    if (change->overflow_after_ns >= 0) {
        settings->overflow_after_ns = change->overflow_after_ns;
    }
    if (change->strategy >= 0) {
        atomic_store_explicit(&settings->strategy, (uint32_t)change->strategy,
                              memory_order_relaxed);
    }
}

static void set_timeouts_locked(struct pb_pool *pool, const struct pb_pool_change *change)
    PB_REQUIRES(pool->lock);
static void set_timeouts_locked(struct pb_pool *pool, const struct pb_pool_change *change)
{
    int64_t now_ns = pb_pool_now_ns(pool);

    if (change->checkout_timeout_ns > 0) {
        set_timeout_locked(pool, &pool->settings.checkout, change->checkout_timeout_ns, now_ns);
    }
    if (change->operation_timeout_ns > 0) {
        set_timeout_locked(pool, &pool->settings.operation, change->operation_timeout_ns, now_ns);
    }
}

/* So many overflow workers as are alive beyond size. */
static void relabel_all_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
static void relabel_all_locked(struct pb_pool *pool)
{
    uint32_t core = 0;

    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];

        if (pb_group_counts_locked(group)) {
            atomic_store(&group->overflow, core >= pool->settings.size);
            core++;
        }
    }
}

/* What follows from other counts. */
static void settle_counts_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
static void settle_counts_locked(struct pb_pool *pool)
{
    uint32_t allowed = pb_workers_allowed_locked(pool), present = pool->alive + pool->starting;
    uint32_t missing = allowed > present ? allowed - present : 0;

    /* Nobody stands in for a worker that is not wanted any more. */
    pb_trim_owed_locked(pool, missing);
    relabel_all_locked(pool);
    pb_update_limit_locked(pool);
}

static void effective_locked(const struct pb_pool *pool, struct pb_pool_config *ret_effective)
    PB_REQUIRES(pool->lock);
static void effective_locked(const struct pb_pool *pool, struct pb_pool_config *ret_effective)
{
    const struct pb_settings *settings = &pool->settings;

    *ret_effective = pool->config;
    ret_effective->size = settings->size;
    ret_effective->max_overflow = settings->max_overflow;
    ret_effective->queue_limit = settings->queue_limit;
    ret_effective->overflow_ttl_ns = settings->overflow_ttl_ns;
    ret_effective->overflow_after_ns = settings->overflow_after_ns;
    ret_effective->checkout_timeout_ns = atomic_load(&settings->checkout.now_ns);
    ret_effective->operation_timeout_ns = atomic_load(&settings->operation.now_ns);
    ret_effective->strategy = (enum pb_strategy)atomic_load(&settings->strategy);
}

static void tell_configured(struct pb_pool *pool)
{
    if (pool->config.event) {
        struct pb_pool_event event = { .kind = PB_POOL_CONFIGURED,
                                       .at_ns = pb_pool_now_ns(pool),
                                       .worker = PB_NO_WORKER,
                                       .reason = "reconfigured" };

        pool->config.event(pool->config.ctx, &event);
    }
}

enum pb_status pb_pool_reconfigure(struct pb_pool *pool, const struct pb_pool_change *change,
                                   struct pb_pool_config *ret_effective, struct pb_error *err)
{
    struct pb_pool_config effective;

    if (pb_pool_is_dead(pool)) {
        return pb_fail(err, PB_ECLOSED, "pool: it belongs to the process before the fork");
    }
    PB_TRY(check_change(pool, change, err));
    pb_mutex_lock(&pool->lock);
    set_counts_locked(pool, change);
    set_timeouts_locked(pool, change);
    settle_counts_locked(pool);
    effective_locked(pool, &effective);
    pb_mutex_unlock(&pool->lock);

    /* A timer that sleeps until a longer timeout is over looks again. */
    pb_mutex_lock(&pool->timer_lock);
    pb_cond_broadcast(&pool->timer_cond);
    pb_mutex_unlock(&pool->timer_lock);
    tell_configured(pool);
    pb_ask_keeper(pool);
    if (ret_effective) {
        *ret_effective = effective;
    }
    return PB_OK;
}
