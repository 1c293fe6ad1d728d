#include "harness/load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "harness/driver.h"
#include "harness/load_internal.h"
#include "harness/load_workers.h"
#include "harness/pacing.h"

#define DRAIN_MAX_NS        (30 * PB_NS_PER_S)
#define DRAIN_MARGIN_NS     (1 * PB_NS_PER_S)
#define DRAIN_STOPPED_NS    (1 * PB_NS_PER_S)
#define COME_BACK_WITHIN_NS (1 * PB_NS_PER_S)

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static const struct pb_pool_driver *driver_of(const struct pb_load *load)
{
    const struct pb_driver *driver = load->config.scenario->driver;

    return driver ? driver->table : NULL;
}

void pb_load_pool_config(const struct pb_load_config *config, struct pb_pool_config *ret_config)
{
    pb_scenario_pool_config(config->scenario, ret_config);
    ret_config->size =
        config->lose_workers < ret_config->size ? ret_config->size - config->lose_workers : 1;
}

uint32_t pb_load_lanes(const struct pb_load_config *config)
{
    struct pb_pool_config pool;

    pb_load_pool_config(config, &pool);
    return pb_pool_config_slots(&pool) + 1 + config->generators +
           (config->scenario->retries.max > 0);
}

int32_t pb_load_slot_tid(const struct pb_load *load, uint32_t slot)
{
    return slot < load->slots
               ? atomic_load_explicit(&load->slot_states[slot].tid, memory_order_relaxed)
               : 0;
}

bool pb_load_stopping(struct pb_load *load)
{
    if (load->config.stop && atomic_load_explicit(load->config.stop, memory_order_relaxed) != 0) {
        atomic_store_explicit(&load->stopped, true, memory_order_relaxed);
        return true;
    }
    return atomic_load_explicit(&load->failed, memory_order_relaxed);
}

static void *zeroed_lines(size_t bytes)
{
    void *memory = bytes ? aligned_alloc(PB_CACHELINE, bytes) : NULL;

    if (memory) {
        memset(memory, 0, bytes);
    }
    return memory;
}

static enum pb_status make_memory(struct pb_load *load)
{
    load->counts = zeroed_lines(sizeof(*load->counts) * load->lanes * load->phases);
    load->slot_states = zeroed_lines(sizeof(*load->slot_states) * load->slots);
    load->generators = zeroed_lines(sizeof(*load->generators) * load->config.generators);
    if (!load->counts || !load->slot_states || !load->generators) {
        return PB_ENOMEM;
    }
    for (uint32_t g = 0; g < load->config.generators; g++) {
        load->generators[g].load = load;
        load->generators[g].number = g;
        load->generators[g].lane = load->slots + 1 + g;
    }
    PB_TRY(pb_users_new(load));
    PB_TRY(pb_retrier_new(load));
    return pb_mishaps_new(load, load->slots / load->threads);
}

/* Long enough for all attempts of a request.  Bounded one by one: timeouts may be as long as they
 * like. */
static int64_t drain_limit(const struct pb_scenario *scenario)
{
    int64_t checkout_ns, operation_ns;

    pb_scenario_longest_timeouts(scenario, &checkout_ns, &operation_ns);
    int64_t attempt_ns = earlier(checkout_ns, DRAIN_MAX_NS) + earlier(operation_ns, DRAIN_MAX_NS);
    int64_t all_ns = attempt_ns * (scenario->retries.max + 1) +
                     earlier(pb_retries_pauses_ns(&scenario->retries), DRAIN_MAX_NS);

    return earlier(all_ns + DRAIN_MARGIN_NS, DRAIN_MAX_NS);
}

/* The pool's threads inherit the timer slack of the thread that makes the pool: precise waits for
 * all of them, at the cost of one call. */
static enum pb_status make_pool(struct pb_load *load, struct pb_pool_config *pool,
                                struct pb_error *err)
{
    int slack_ns = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);

    pb_load_set_callbacks(load, pool);
    pb_pacing_prepare_thread();
    enum pb_status status = pb_backend_open(&load->backend, driver_of(load), pool, err);

    if (slack_ns > 0) {
        (void)prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns, 0UL, 0UL, 0UL);
    }
    PB_TRY(status);
    for (uint32_t g = 0; g < load->config.generators; g++) {
        struct pb_generator *generator = &load->generators[g];

        if (pb_backend_attach(&load->backend, &generator->lane, &generator->sender) != PB_OK) {
            return pb_fail(err, PB_ENOMEM, "no memory for a generator");
        }
    }
    if (pb_retrier_attach(load) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for retries");
    }
    return PB_OK;
}

static enum pb_status make_parts(struct pb_load *load, struct pb_error *err)
{
    struct pb_pool_config pool;

    pb_load_pool_config(&load->config, &pool);
    load->slots = pb_pool_config_slots(&pool);
    load->threads = pool.threads_per_worker;
    load->lanes = pb_load_lanes(&load->config);
    load->phases = (uint32_t)load->config.scenario->phase_count;
    load->drain_limit_ns = drain_limit(load->config.scenario);
    if (make_memory(load) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for the load generator");
    }
    if (load->config.scenario->pool.profile == PB_PROFILE_PROCESS) {
        PB_TRY(pb_load_workers_new(load->config.scenario, &load->workers, err));
        pool.hooks = pb_load_workers_hooks(load->workers);
    } else {
        PB_TRY(load->kind->open(load->slots, &load->workload, err));
    }
    PB_TRY(make_pool(load, &pool, err));
    if (load->workers) {
        pb_load_workers_opened(load->workers, &load->backend);
    }
    return PB_OK;
}

enum pb_status pb_load_new(const struct pb_load_config *config, struct pb_load **ret_load,
                           struct pb_error *err)
{
    struct pb_load *load =
        zeroed_lines((sizeof(*load) + PB_CACHELINE - 1) / PB_CACHELINE * PB_CACHELINE);

    if (!load) {
        return pb_fail(err, PB_ENOMEM, "no memory for the load generator");
    }
    load->config = *config;
    load->kind = config->scenario->workload;
    atomic_init(&load->give_up_ns, INT64_MAX);
    pb_mutex_init(&load->lock);
    pb_mutex_init(&load->timer_lane);
    pb_cond_init(&load->changed);
    enum pb_status status = make_parts(load, err);

    if (status != PB_OK) {
        pb_load_free(load);
        return status;
    }
    *ret_load = load;
    return PB_OK;
}

int64_t pb_load_start_ns(const struct pb_load *load)
{
    return atomic_load(&load->start_ns);
}

struct pb_backend *pb_load_backend(struct pb_load *load)
{
    return &load->backend;
}

/* How long workers may take to come back from what nobody waits for any more. */
static int64_t come_back_within_ns(const struct pb_load *load)
{
    return COME_BACK_WITHIN_NS + (load->workers ? pb_load_workers_patience_ns(load->workers) : 0);
}

/* Workers that ignored their tokens come back soon after give_up_ns; their last rows are waited
 * for, then the recorder is left alone for good. */
static void close_recorder(struct pb_load *load, int64_t deadline_ns)
{
    pb_mutex_lock(&load->lock);
    while (load->away > 0 && pb_now_ns() < deadline_ns) {
        (void)pb_cond_wait_until(&load->changed, &load->lock, deadline_ns);
    }
    load->closed = true;
    pb_mutex_unlock(&load->lock);
}

/* Waits until the pool is empty; less long once a stop was asked for, be it meanwhile.  Returns the
 * instant at which waiting ends. */
static int64_t wait_for_the_last(struct pb_load *load)
{
    int64_t deadline_ns = pb_now_ns() + load->drain_limit_ns, now_ns;
    bool stopping = false;

    atomic_store(&load->give_up_ns, deadline_ns);
    while ((now_ns = pb_now_ns()) < deadline_ns) {
        if (!stopping && pb_load_stopping(load)) {
            stopping = true;
            deadline_ns = earlier(deadline_ns, now_ns + DRAIN_STOPPED_NS);
            atomic_store(&load->give_up_ns, deadline_ns);
        }
        if (pb_load_wait_empty(load, earlier(deadline_ns, now_ns + PB_LOAD_STOP_POLL_NS))) {
            break;
        }
    }
    return deadline_ns;
}

void pb_load_drain(struct pb_load *load)
{
    int64_t deadline_ns = wait_for_the_last(load);

    pb_retrier_close(load);
    enum pb_status drained = pb_backend_drain(&load->backend, deadline_ns);

    (void)drained; /* PB_ETIMEDOUT: some were cancelled, which their outcomes say */
    pb_retrier_abandon(load);
    atomic_store(&load->give_up_ns, pb_now_ns());
    close_recorder(load, pb_now_ns() + come_back_within_ns(load));
}

void pb_load_snapshot(struct pb_load *load, struct pb_load_stats *ret_stats)
{
    struct pb_load_stats stats = { .behind = 0 };
    bool stopped = atomic_load(&load->stopped);

    for (uint32_t p = 0; p < load->phases; p++) {
        for (uint32_t lane = 0; lane < load->lanes; lane++) {
            for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
                /* acquire: pairs with the release in pb_count_up. */
                stats.outcomes[p][o] +=
                    atomic_load_explicit(&pb_load_counts(load, lane, p)->outcomes[o],
                                         memory_order_acquire);
            }
        }
        for (uint32_t g = 0; g < load->config.generators; g++) {
            stats.sent[p] +=
                atomic_load_explicit(&load->generators[g].sent[p], memory_order_relaxed);
        }
        stats.attempts[p] = stats.sent[p];
        if (load->retrier) {
            stats.attempts[p] +=
                atomic_load_explicit(&load->retrier->sent[p], memory_order_relaxed);
        }
        if (stopped && load->config.schedule->planned[p] > stats.sent[p]) {
            stats.unsent[p] = load->config.schedule->planned[p] - stats.sent[p];
        }
    }
    for (uint32_t g = 0; g < load->config.generators; g++) {
        stats.behind += atomic_load_explicit(&load->generators[g].behind, memory_order_relaxed);
    }
    if (load->retrier) {
        /* Settled ones first: what is accepted meanwhile makes the difference too large only. */
        uint64_t settled = atomic_load(&load->retrier->settled);

        stats.waiting = atomic_load(&load->retrier->accepted) - settled;
        stats.given_up = atomic_load_explicit(&load->retrier->given_up, memory_order_relaxed);
    }
    *ret_stats = stats;
}

void pb_load_prepared(struct pb_load *load, struct pb_load_prepare_stats *ret_stats)
{
    *ret_stats = (struct pb_load_prepare_stats){ .total_workers = 0 };
    if (load->workers) {
        pb_load_workers_prepared(load->workers, ret_stats);
    }
}

char *pb_load_worker_log(struct pb_load *load)
{
    return load->workers ? pb_load_workers_log(load->workers) : NULL;
}

void pb_load_free(struct pb_load *load)
{
    if (!load) {
        return;
    }
    atomic_store(&load->give_up_ns, pb_now_ns());
    pb_retrier_close(load);
    if (pb_backend_close(&load->backend, come_back_within_ns(load)) == PB_ETIMEDOUT) {
        return; /* a worker that never came back uses all this: leaked on purpose, as the pool */
    }
    pb_load_workers_free(load->workers);
    if (load->workload) {
        load->kind->close(load->workload);
    }
    pb_mishaps_free(load);
    pb_retrier_free(load);
    pb_users_free(load);
    free(load->generators);
    free(load->slot_states);
    free(load->counts);
    pb_cond_done(&load->changed);
    pb_mutex_done(&load->timer_lane);
    pb_mutex_done(&load->lock);
    free(load);
}
