#include "pool/pool_internal.h"

uint64_t pb_released(const struct pb_pool *pool)
{
    /* acquire: pairs with the release in pb_count_one; a place counted here is really free. */
    uint64_t sum = atomic_load_explicit(&pool->timer_tally.released, memory_order_acquire);

    /* Slots without a worker so far gave nothing back. */
    uint32_t used = atomic_load(&pool->slots_used);

    for (uint32_t i = 0; i < used; i++) {
        sum += atomic_load_explicit(&pool->workers[i].tally.released, memory_order_acquire);
    }
    return sum;
}

static void add_outcomes(uint64_t *sums, const struct pb_tally *tally)
{
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        sums[i] += atomic_load_explicit(&tally->outcomes[i], memory_order_acquire);
    }
}

/* Outcomes of accepted requests; rejections are the submitters'. */
static void sum_outcomes(struct pb_pool *pool, uint64_t *sums)
{
    uint32_t used = atomic_load(&pool->slots_used);

    for (uint32_t i = 0; i < used; i++) {
        add_outcomes(sums, &pool->workers[i].tally);
    }
    add_outcomes(sums, &pool->timer_tally);
}

uint64_t pb_undecided(struct pb_pool *pool)
{
    uint64_t outcomes[PB_OUTCOME_COUNT] = { 0 }, decided = 0;

    /* Outcomes first: what is accepted meanwhile makes the difference too large, never too small.
     */
    sum_outcomes(pool, outcomes);
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        decided += outcomes[i];
    }
    uint64_t accepted = pb_ring_accepted(&pool->ring);

    return accepted > decided ? accepted - decided : 0;
}

void pb_tell_empty(struct pb_pool *pool)
{
    if (atomic_load(&pool->empty_waiters) > 0) {
        pb_mutex_lock(&pool->lock);
        pb_cond_broadcast(&pool->changed);
        pb_mutex_unlock(&pool->lock);
    }
}

bool pb_pool_wait_idle(struct pb_pool *pool, int64_t deadline_ns)
{
    bool empty;

    if (pb_pool_is_dead(pool)) {
        return false;
    }
    atomic_fetch_add(&pool->empty_waiters, 1);
    pb_mutex_lock(&pool->lock);
    while (!(empty = pb_undecided(pool) == 0) && pb_now_ns() < deadline_ns) {
        (void)pb_cond_wait_until(&pool->changed, &pool->lock, deadline_ns);
    }
    pb_mutex_unlock(&pool->lock);
    atomic_fetch_sub(&pool->empty_waiters, 1);
    return empty;
}

static void add_slot(const struct pb_worker *worker, int64_t now_ns, struct pb_pool_stats *stats)
{
    uint32_t phase = atomic_load(&worker->run_state) & PB_RUN_MASK;
    int64_t started_ns = atomic_load_explicit(&worker->started_ns, memory_order_relaxed);

    stats->busy_ns += atomic_load_explicit(&worker->busy_ns, memory_order_relaxed);
    stats->affinity_hits += atomic_load_explicit(&worker->affinity_hits, memory_order_relaxed);
    stats->affinity_misses += atomic_load_explicit(&worker->affinity_misses, memory_order_relaxed);
    stats->running += phase == PB_RUN_RUNNING;
    if (phase != PB_RUN_NONE) {
        stats->busy++;
        stats->busy_ns += now_ns > started_ns ? now_ns - started_ns : 0;
    }
}

static void add_worker(struct pb_pool *pool, const struct pb_group *group, int64_t now_ns,
                       struct pb_pool_stats *stats) PB_REQUIRES(pool->lock);
static void add_worker(struct pb_pool *pool, const struct pb_group *group, int64_t now_ns,
                       struct pb_pool_stats *stats)
{
    stats->alive_ns += group->alive_before_ns;
    if (group->was_up && group->state != PB_GROUP_FREE && group->state != PB_GROUP_ENDED) {
        stats->alive_ns +=
            now_ns > group->ready_ns ? (now_ns - group->ready_ns) * pool->threads : 0;
    }
    stats->stuck += group->state == PB_GROUP_GONE ? group->present : 0;
    for (uint32_t lane = 0; lane < pool->threads; lane++) {
        add_slot(&group->lanes[lane], now_ns, stats);
    }
}

void pb_pool_snapshot(struct pb_pool *pool, struct pb_pool_stats *ret_stats)
{
    struct pb_pool_stats stats = { .submitted = 0 };
    int64_t now_ns = pb_pool_now_ns(pool);

    if (pb_pool_is_dead(pool)) {
        *ret_stats = stats;
        return;
    }
    sum_outcomes(pool, stats.outcomes);
    pb_mutex_lock(&pool->lock);
    for (struct pb_submitter *s = pool->submitters; s; s = s->next) {
        add_outcomes(stats.outcomes, &s->tally);
    }
    for (uint32_t i = 0; i < pool->group_count; i++) {
        add_worker(pool, &pool->groups[i], now_ns, &stats);
    }
    stats.submitted = pb_ring_accepted(&pool->ring) + stats.outcomes[PB_OUTCOME_REJECTED];
    stats.queued = pb_ring_length(&pool->ring);
    stats.alive = pool->alive * pool->threads;
    stats.peak_alive = pool->peak_alive * pool->threads;
    stats.overflow_started = pool->overflow_started;
    stats.workers_started = pool->workers_started;
    stats.workers_failed = pool->workers_failed;
    stats.rescued_wakeups = pool->rescued_wakeups;
    stats.lost = pool->lost;
    stats.starts_held = pool->starts_held;
    stats.recycled = pool->recycled;
    stats.unhealthy = pool->unhealthy;
    stats.health_checks = pool->health_checks;
    stats.health_failures = pool->health_failures;
    stats.prepared = pool->prepared;
    stats.prepare_failures = pool->prepare_failures;
    pb_mutex_unlock(&pool->lock);
    *ret_stats = stats;
}

uint32_t pb_pool_workers(struct pb_pool *pool, struct pb_worker_stats *ret_rows, uint32_t max)
{
    uint32_t count = 0;

    if (pb_pool_is_dead(pool)) {
        return 0;
    }
    pb_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->group_count; i++) {
        const struct pb_group *group = &pool->groups[i];

        if (group->state != PB_GROUP_STARTING && group->state != PB_GROUP_ALIVE) {
            continue;
        }
        if (count < max) {
            ret_rows[count] = (struct pb_worker_stats){
                .worker = group->number,
                .incarnation = group->incarnation,
                .health = (enum pb_health)atomic_load(&group->health),
                .overflow = atomic_load(&group->overflow),
                .capacity = pool->threads,
                .load = pb_group_load(group),
                .requests = pb_group_runs(group),
                .started_ns = group->decided_ns,
                .ready_ns = group->was_up ? group->ready_ns : 0,
                .busy_ns = pb_group_busy_ns(group),
                .pid = atomic_load(&group->pid),
            };
        }
        count++;
    }
    pb_mutex_unlock(&pool->lock);
    return count;
}
