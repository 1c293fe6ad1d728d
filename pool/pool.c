#include "poolbench/pool.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cpus.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

/* Everybody looks over all slots now and then. */
#define MAX_SLOTS (4 * PB_POOL_MAX_SIZE)
/* A pool that could not be made waits so long for its hooks to unmake what there is. */
#define UNMAKE_NS   (30 * PB_NS_PER_S)
#define POLL_ROUNDS 12 /* pauses of 1, 2, 4 ... 32 units: about 2 us */

static void *zeroed(size_t align, size_t bytes)
{
    void *memory = aligned_alloc(align, (bytes + align - 1) / align * align);

    if (memory) {
        memset(memory, 0, bytes);
    }
    return memory;
}

/* A page that reads as zeros in a forked child: how every call there knows that no thread came
 * along. */
static enum pb_status make_living_page(struct pb_pool *pool)
{
    uint32_t *page =
        mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        return PB_ENOMEM;
    }
    (void)madvise(page, sizeof(*page), MADV_WIPEONFORK);
    *page = 1;
    pool->living = page;
    return PB_OK;
}

static void init_locks(struct pb_pool *pool)
{
    pb_mutex_init(&pool->idle_lock);
    pb_mutex_init(&pool->timer_lock);
    pb_cond_init(&pool->timer_cond);
    pb_mutex_init(&pool->lock);
    pb_cond_init(&pool->changed);
    pb_mutex_init(&pool->common_lock);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void number_workers(struct pb_pool *pool)
{
    for (uint32_t i = 0; i < pool->group_count; i++) {
        struct pb_group *group = &pool->groups[i];

        group->pool = pool;
        group->number = i;
        group->lanes = &pool->workers[(size_t)i * pool->threads];
    }
    for (uint32_t i = 0; i < pool->slots; i++) {
        struct pb_worker *worker = &pool->workers[i];

        worker->pool = pool;
        worker->group = &pool->groups[i / pool->threads];
        worker->slot = i;
        worker->lane = i % pool->threads;
        worker->token.clock = pool->clock;
        pb_fast_clock_init(&worker->fast_clock, pool->fast_clock);
    }
}

static enum pb_status make_memory(struct pb_pool *pool)
{
    const struct pb_pool_config *config = &pool->config;

    pool->room_workers = larger(config->max_size, config->size + config->max_overflow);
    pool->room_queue = larger(config->max_queue_limit, config->queue_limit);
    pool->threads = config->threads_per_worker;
    pool->slots = pb_pool_config_slots(config);
    pool->group_count = pool->slots / pool->threads;
    pool->workers = zeroed(PB_CACHELINE, pool->slots * sizeof(*pool->workers));
    pool->groups = zeroed(PB_CACHELINE, pool->group_count * sizeof(*pool->groups));
    pool->last_chosen = pool->slots - 1; /* the next one is the first */
    pool->idle_bits = calloc(pool->slots / 64 + 1, sizeof(*pool->idle_bits));
    if (config->affinity_ttl_ns > 0) {
        pool->affinity = pb_affinity_new(config->affinity_ttl_ns);
    }
    if (!pool->workers || !pool->groups || !pool->idle_bits ||
        (config->affinity_ttl_ns > 0 && !pool->affinity)) {
        return PB_ENOMEM;
    }
    number_workers(pool);
    PB_TRY(pb_restarts_init(pool));
    /* In the limit are, besides the room for workers, those that are finishing. */
    PB_TRY(pb_ring_init(&pool->ring, (uint64_t)pool->slots + pool->room_queue));
    PB_TRY(make_living_page(pool));
    return pb_pool_attach(pool, NULL, &pool->common);
}

static void free_memory(struct pb_pool *pool)
{
    while (pool->submitters) {
        struct pb_submitter *next = pool->submitters->next;

        free(pool->submitters);
        pool->submitters = next;
    }
    if (pool->living) {
        (void)munmap(pool->living, sizeof(*pool->living));
    }
    pb_ring_done(&pool->ring);
    pb_restarts_done(pool);
    for (uint32_t i = 0; pool->workers && i < pool->slots; i++) {
        pb_token_close(&pool->workers[i].token);
    }
    free(pool->groups);
    free(pool->workers);
    free(pool->idle_bits);
    pb_affinity_free(pool->affinity);
    pb_mutex_done(&pool->common_lock);
    pb_cond_done(&pool->changed);
    pb_mutex_done(&pool->lock);
    pb_cond_done(&pool->timer_cond);
    pb_mutex_done(&pool->timer_lock);
    pb_mutex_done(&pool->idle_lock);
    free(pool);
}

static enum pb_status start_services(struct pb_pool *pool, struct pb_error *err)
{
    if (!pool->real_time) {
        return PB_OK;
    }
    int rc = pthread_create(&pool->timer_thread, NULL, pb_timer_main, pool);

    pool->timer_running = rc == 0;
    if (rc == 0) {
        rc = pthread_create(&pool->keeper_thread, NULL, pb_keeper_main, pool);
        pool->keeper_running = rc == 0;
    }
    if (rc != 0) {
        errno = rc;
        return pb_fail(err, PB_ESYS, "pool: its timer or keeper thread cannot be created");
    }
    return PB_OK;
}

static void take_config(struct pb_pool *pool, const struct pb_pool_config *config)
{
    pool->config = *config;
    if (config->hooks) {
        pool->hooks = *config->hooks;
    }
    pool->config.hooks = &pool->hooks; /* the caller's need not stay */
    pool->clock = config->clock ? config->clock : pb_clock_real();
    pool->real_time = pool->clock == pb_clock_real();
    pool->fast_clock = pool->real_time && pb_fast_clock_usable();
    pool->max_searchers = (uint32_t)pb_usable_cpus();
    pool->poll_rounds = pool->max_searchers > 1 ? POLL_ROUNDS : 0;
    (void)snprintf(pool->name, sizeof(pool->name), "%s", config->name ? config->name : "pb");
    pool->config.name = pool->name;
    init_locks(pool);
    pb_settings_init(pool);
}

enum pb_status pb_pool_new(const struct pb_pool_config *config, struct pb_pool **ret_pool,
                           struct pb_error *err)
{
    PB_TRY(pb_config_check(config, err));

    struct pb_pool *pool = zeroed(PB_CACHELINE, sizeof(*pool));

    if (!pool) {
        return pb_fail(err, PB_ENOMEM, "pool: no memory");
    }
    take_config(pool, config);

    enum pb_status status = make_memory(pool);

    if (status != PB_OK) {
        free_memory(pool);
        return pb_fail(err, status, "pool: no memory");
    }
    pb_mutex_lock(&pool->lock);
    pb_update_limit_locked(pool);
    pb_mutex_unlock(&pool->lock);
    status = pb_start_core(pool, err);
    if (status == PB_OK) {
        status = start_services(pool, err);
    }
    if (status != PB_OK) {
        int64_t wait_ns = config->init_timeout_ns + config->stuck_after_ns;

        (void)pb_pool_free(pool, wait_ns > UNMAKE_NS ? wait_ns : UNMAKE_NS);
        return status;
    }
    *ret_pool = pool;
    return PB_OK;
}

uint32_t pb_pool_slots(const struct pb_pool *pool)
{
    return pool->slots;
}

enum pb_status pb_pool_attach(struct pb_pool *pool, void *user, struct pb_submitter **ret_submitter)
{
    struct pb_submitter *submitter;

    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    submitter = zeroed(PB_CACHELINE, sizeof(*submitter));
    if (!submitter) {
        return PB_ENOMEM;
    }
    submitter->pool = pool;
    submitter->user = user;
    pb_fast_clock_init(&submitter->fast_clock, pool->fast_clock);
    pb_mutex_lock(&pool->lock);
    submitter->next = pool->submitters;
    pool->submitters = submitter;
    pb_mutex_unlock(&pool->lock);
    *ret_submitter = submitter;
    return PB_OK;
}

/* Decides everything that is left as cancelled.  A request between queue and worker is met when its
 * run is published, so this looks until nothing is undecided. */
static void cancel_the_rest(struct pb_pool *pool)
{
    struct pb_request request;
    bool marked;

    while (pb_undecided(pool) > 0) {
        pb_mutex_lock(&pool->timer_lock);
        while (pb_ring_pop(&pool->ring, NULL, &request, &marked) == PB_POP_GOT) {
            pb_report_queued(pool, &request, PB_OUTCOME_CANCELLED, pb_pool_now_ns(pool));
        }
        for (uint32_t i = 0; i < pool->slots; i++) {
            (void)pb_claim(pool, &pool->workers[i], PB_OUTCOME_CANCELLED, pb_pool_now_ns(pool));
        }
        pb_mutex_unlock(&pool->timer_lock);
        (void)sched_yield();
    }
    pb_tell_empty(pool);
}

enum pb_status pb_pool_drain(struct pb_pool *pool, int64_t deadline_ns)
{
    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    /* From here on no submitter can move `tail`: what was accepted is all there is. */
    (void)atomic_fetch_or(&pool->ring.tail, PB_RING_CLOSED);
    bool empty = pb_pool_wait_idle(pool, deadline_ns);

    if (!empty) {
        cancel_the_rest(pool);
    }
    return empty ? PB_OK : PB_ETIMEDOUT;
}

/* Tells every worker to leave, asleep or awake. */
static void dismiss(struct pb_pool *pool)
{
    atomic_store(&pool->stopping, true);
    for (uint32_t i = 0; i < pool->group_count; i++) {
        pb_group_wake(&pool->groups[i]);
    }
    pb_stop_starts(pool);
    pb_mutex_lock(&pool->timer_lock);
    pb_cond_broadcast(&pool->timer_cond);
    pb_mutex_unlock(&pool->timer_lock);
    pb_ask_keeper(pool);
    if (pool->timer_running) {
        (void)pthread_join(pool->timer_thread, NULL);
    }
    if (pool->keeper_running) {
        (void)pthread_join(pool->keeper_thread, NULL);
    }
}

static bool all_ended_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);
static bool all_ended_locked(const struct pb_pool *pool)
{
    for (uint32_t i = 0; i < pool->group_count; i++) {
        if (pool->groups[i].state != PB_GROUP_FREE && pool->groups[i].state != PB_GROUP_ENDED) {
            return false;
        }
    }
    return true;
}

static void wait_for_the_end(struct pb_pool *pool, int64_t wait_ns)
{
    int64_t now_ns = pb_now_ns();
    int64_t deadline_ns = wait_ns < INT64_MAX - now_ns ? now_ns + wait_ns : INT64_MAX;

    pb_mutex_lock(&pool->lock);
    while (!all_ended_locked(pool) &&
           pb_cond_wait_until(&pool->changed, &pool->lock, deadline_ns)) {
    }
    pb_mutex_unlock(&pool->lock);
}

/* Threads that have not come back are on their own; true: there are some. */
static bool let_go_of_the_rest(struct pb_pool *pool)
{
    bool some = false;

    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->group_count; i++) {
        const struct pb_group *group = &pool->groups[i];

        if (group->state == PB_GROUP_FREE) {
            continue;
        }
        for (uint32_t lane = 0; lane < group->threads; lane++) {
            (void)pthread_detach(group->lanes[lane].thread);
        }
        some = true;
    }
    pb_mutex_unlock(&pool->lock);
    return some;
}

enum pb_status pb_pool_free(struct pb_pool *pool, int64_t stuck_wait_ns)
{
    if (!pool) {
        return PB_OK;
    }
    if (pb_pool_is_dead(pool)) {
        return PB_ECLOSED;
    }
    enum pb_status drained = pb_pool_drain(pool, pb_now_ns());

    (void)drained; /* what was left has its outcome: cancelled */
    dismiss(pool);

    wait_for_the_end(pool, stuck_wait_ns);
    pb_join_ended(pool);
    if (let_go_of_the_rest(pool)) {
        return PB_ETIMEDOUT; /* somebody still works in this memory: it is left to them */
    }
    free_memory(pool);
    return PB_OK;
}

void pb_pool_tick(struct pb_pool *pool)
{
    if (pool->real_time || pb_pool_is_dead(pool)) {
        return;
    }
    pb_mutex_lock(&pool->timer_lock);
    (void)pb_expire(pool);
    pb_mutex_unlock(&pool->timer_lock);
    (void)pb_keep(pool);
}
