#include <math.h>

#include "harness/measures.h"
#include "harness/output.h"
#include "harness/output_internal.h"

#define LOSSES_TOLD 1000

/* --- .pool: the settings as they were used --- */

static void put_lifecycle(struct pb_out *out, cJSON *object, const struct pb_scenario_pool *pool)
{
    pb_out_int(out, object, "kill_after_ns", pool->kill_after_ns);
    pb_out_str(out, object, "prepare", pb_prepare_name((enum pb_prepare)pool->prepare));
    pb_out_int(out, object, "prepare_timeout_ns", pool->prepare_timeout_ns);
    pb_out_int(out, object, "health_check_interval_ns", pool->health_check_interval_ns);
    pb_out_int(out, object, "health_check_timeout_ns", pool->health_check_timeout_ns);
    pb_out_int(out, object, "max_health_failures", pool->max_health_failures);

    cJSON *recycle = pb_out_object(out, object, "recycle");

    pb_out_int(out, recycle, "max_requests", pool->recycle.max_requests);
    pb_out_int(out, recycle, "max_age_ns", pool->recycle.max_age_ns);
    pb_out_int(out, recycle, "max_memory_bytes", pool->recycle.max_memory_bytes);
    pb_out_num(out, recycle, "jitter_ratio", pool->recycle.jitter);
    pb_out_int(out, object, "max_restarts", pool->max_restarts);
    pb_out_int(out, object, "restart_window_ns", pool->restart_window_ns);
    pb_out_int(out, object, "restart_delay_ns", pool->restart_delay_ns);
    pb_out_int(out, object, "restart_max_delay_ns", pool->restart_max_delay_ns);
}

void pb_out_pool(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_scenario_pool *pool = &evidence->scenario->pool;
    cJSON *object = pb_out_object(out, root, "pool");

    pb_out_str(out, object, "profile", pb_profile_name((enum pb_profile)pool->profile));
    pb_out_int(out, object, "size", pool->size);
    pb_out_int(out, object, "max_overflow", pool->max_overflow);
    pb_out_int(out, object, "threads_per_worker", pb_evidence_threads(evidence));
    pb_out_int(out, object, "min_size", pool->min_size);
    pb_out_known(out, object, "max_size", pool->max_size > 0 ? pool->max_size : -1);
    pb_out_int(out, object, "queue_limit", pool->queue_limit);
    pb_out_int(out, object, "max_stuck", pool->max_stuck >= 0 ? pool->max_stuck : pool->size);
    pb_out_str(out, object, "strategy", pb_strategy_name((enum pb_strategy)pool->strategy));
    pb_out_int(out, object, "affinity_ttl_ns", pool->affinity_ttl_ns);
    pb_out_int(out, object, "sessions", evidence->scenario->sessions);
    pb_out_bool(out, object, "lazy", pool->lazy);
    pb_out_int(out, object, "overflow_ttl_ns", pool->overflow_ttl_ns);
    pb_out_int(out, object, "overflow_after_ns", pool->overflow_after_ns);
    pb_out_int(out, object, "checkout_timeout_ns", pool->checkout_timeout_ns);
    pb_out_int(out, object, "operation_timeout_ns", pool->operation_timeout_ns);
    pb_out_int(out, object, "init_timeout_ns", pool->init_timeout_ns);
    pb_out_int(out, object, "stuck_after_ns", pool->stuck_after_ns);
    put_lifecycle(out, object, pool);
    pb_out_driver(out, object, evidence);
}

/* --- .pool_activity --- */

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : (double)NAN;
}

/* What the recorded phases had in hands and used, on average: requests at a time. */
static void put_capacity(struct pb_out *out, cJSON *object, const struct pb_evidence *evidence)
{
    double alive_ns = 0, busy_ns = 0, time_ns = 0;

    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        int64_t start_ns, end_ns;

        if (evidence->scenario->phases[i].record) {
            pb_phase_stretch(evidence, i, &start_ns, &end_ns);
            time_ns += (double)(end_ns - start_ns);
            alive_ns += (double)evidence->aggregate->phases[i].alive_ns;
            busy_ns += (double)evidence->aggregate->phases[i].busy_ns;
        }
    }
    double total = ratio(alive_ns, time_ns), used = ratio(busy_ns, time_ns);

    pb_out_num(out, object, "capacity_total", total);
    pb_out_num(out, object, "capacity_used", used);
    pb_out_num(out, object, "capacity_available", total - used);
    pb_out_num(out, object, "utilization_ratio", ratio(busy_ns, alive_ns));
}

static void put_recycled(struct pb_out *out, cJSON *object,
                         const struct pb_workers_summary *workers)
{
    static const char *const reasons[] = { "max_requests", "max_age", "max_memory" };
    cJSON *recycled = pb_out_object(out, object, "recycled");
    cJSON *ended = pb_out_object(out, object, "ended");

    for (size_t i = 0; i < PB_ARRAY_LEN(reasons); i++) {
        pb_out_int(out, recycled, reasons[i], (int64_t)pb_workers_ended(workers, reasons[i]));
    }
    for (size_t i = 0; i < workers->ended_count; i++) {
        pb_out_int(out, ended, workers->ended[i].reason, (int64_t)workers->ended[i].count);
    }
}

void pb_out_activity(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_pool_stats *pool = &evidence->pool;
    const struct pb_workers_summary *workers = &evidence->workers;
    cJSON *object = pb_out_object(out, root, "pool_activity");

    put_capacity(out, object, evidence);
    pb_out_int(out, object, "replaced", (int64_t)workers->replaced);
    pb_out_int(out, object, "lost", (int64_t)pool->lost);
    pb_out_int(out, object, "unhealthy", (int64_t)pool->unhealthy);
    pb_out_int(out, object, "recycled_total", (int64_t)pool->recycled);
    put_recycled(out, object, workers);
    pb_out_int(out, object, "health_checks", (int64_t)pool->health_checks);
    pb_out_int(out, object, "health_failures", (int64_t)pool->health_failures);
    pb_out_int(out, object, "prepared", pool->prepared);
    pb_out_int(out, object, "prepare_failures", pool->prepare_failures);
    pb_out_int(out, object, "affinity_hits", (int64_t)pool->affinity_hits);
    pb_out_int(out, object, "affinity_misses", (int64_t)pool->affinity_misses);
    pb_out_num(out, object, "affinity_hit_ratio",
               ratio((double)pool->affinity_hits,
                     (double)pool->affinity_hits + (double)pool->affinity_misses));
    pb_out_int(out, object, "jain_workers", workers->jain_workers);
    pb_out_num(out, object, "jain_requests", workers->jain_requests);
    pb_out_num(out, object, "jain_busy", workers->jain_busy);
}

/* --- .recovery --- */

static void put_loss(struct pb_out *out, cJSON *losses, const struct pb_loss *loss)
{
    cJSON *object = pb_out_object(out, losses, NULL);

    pb_out_int(out, object, "worker", loss->worker);
    pb_out_int(out, object, "incarnation", loss->incarnation);
    pb_out_bool(out, object, "overflow", loss->overflow);
    pb_out_str(out, object, "reason", loss->reason);
    pb_out_known(out, object, "fault", loss->fault);
    pb_out_int(out, object, "lost_at_ns", loss->since_ns);
    pb_out_int(out, object, "detected_ns", loss->detected_ns);
    pb_out_known(out, object, "ready_ns", loss->ready_ns);
    pb_out_known(out, object, "first_ok_ns", loss->first_ok_ns);
    pb_out_known(out, object, "recovery_ns", loss->recovery_ns);
    pb_out_known(out, object, "successor",
                 loss->successor == PB_NO_WORKER ? -1 : (int64_t)loss->successor);
    pb_out_str(out, object, "end", pb_loss_end_name(loss->end));
}

void pb_out_recovery(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_losses_summary *recovery = &evidence->recovery;
    cJSON *object = pb_out_object(out, root, "recovery");

    pb_out_int(out, object, "count", (int64_t)recovery->count);
    pb_out_int(out, object, "by_fault", (int64_t)recovery->by_fault);
    pb_out_int(out, object, "recovered", (int64_t)recovery->recovered);
    pb_out_int(out, object, "unused", (int64_t)recovery->unused);
    pb_out_int(out, object, "open", (int64_t)recovery->open);
    pb_out_known(out, object, "detect_p50_ns", recovery->detect_p50_ns);
    pb_out_known(out, object, "detect_max_ns", recovery->detect_max_ns);
    pb_out_known(out, object, "ready_p50_ns", recovery->ready_p50_ns);
    pb_out_known(out, object, "ready_max_ns", recovery->ready_max_ns);
    pb_out_known(out, object, "p50_ns", recovery->p50_ns);
    pb_out_known(out, object, "p99_ns", recovery->p99_ns);
    pb_out_known(out, object, "max_ns", recovery->max_ns);
    pb_out_int(out, object, "events_dropped", (int64_t)evidence->losses_dropped);

    cJSON *losses = pb_out_array(out, object, "losses");

    for (size_t i = 0; i < evidence->loss_count && i < LOSSES_TOLD; i++) {
        put_loss(out, losses, &evidence->losses[i]);
    }
}

/* --- .worker_resources and .workers_history --- */

/* `worker` PB_NO_WORKER: there is none. */
static void put_who(struct pb_out *out, cJSON *parent, const char *key, uint32_t worker,
                    uint32_t incarnation, int64_t pid)
{
    if (worker == PB_NO_WORKER) {
        pb_out_null(out, parent, key);
        return;
    }
    cJSON *object = pb_out_object(out, parent, key);

    pb_out_int(out, object, "worker", worker);
    pb_out_int(out, object, "incarnation", incarnation);
    pb_out_known(out, object, "pid", pid > 0 ? pid : -1);
}

void pb_out_worker_resources(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_workers_summary *workers = &evidence->workers;
    bool threads = evidence->scenario->pool.profile == PB_PROFILE_THREAD;
    int64_t peak_bytes = evidence->monitor.peak_rss_bytes;
    cJSON *object = pb_out_object(out, root, "worker_resources");

    pb_out_known(out, object, "rss_peak_bytes", workers->rss_peak_bytes);
    pb_out_known(out, object, "pss_peak_bytes", workers->pss_peak_bytes);
    put_who(out, object, "largest", workers->memory_worker, workers->memory_incarnation,
            workers->memory_pid);
    pb_out_num(out, object, "cpu_ratio", workers->cpu_ratio);
    put_who(out, object, "busiest", workers->cpu_worker, workers->cpu_incarnation,
            workers->cpu_pid);
    pb_out_known(out, object, "fds_peak", workers->fds_peak);
    /* Threads share one memory: what each would have of it if it were divided evenly. */
    pb_out_known(out, object, "estimated_share_bytes",
                 threads && peak_bytes >= 0 && evidence->pool.peak_alive > 0
                     ? peak_bytes * pb_evidence_threads(evidence) / evidence->pool.peak_alive
                     : -1);
    pb_out_int(out, object, "looks", (int64_t)workers->looks);
    pb_out_known(out, object, "look_every_ns", workers->look_every_ns);
    pb_out_int(out, object, "lives", (int64_t)workers->lives);
    pb_out_int(out, object, "lives_dropped", (int64_t)workers->dropped);
}

/* Instants count from the run's start; the first workers came before it. */
static void put_instant(struct pb_out *out, cJSON *object, const char *key, int64_t instant_ns,
                        int64_t start_ns)
{
    if (instant_ns == 0) {
        pb_out_null(out, object, key);
    } else {
        pb_out_int(out, object, key, instant_ns - start_ns);
    }
}

static void put_life(struct pb_out *out, cJSON *list, const struct pb_life *life,
                     const struct pb_evidence *evidence)
{
    cJSON *object = pb_out_object(out, list, NULL);

    pb_out_int(out, object, "worker", life->worker);
    pb_out_int(out, object, "incarnation", life->incarnation);
    pb_out_known(out, object, "pid", life->pid > 0 ? life->pid : -1);
    pb_out_str(out, object, "profile",
               pb_profile_name((enum pb_profile)evidence->scenario->pool.profile));
    pb_out_bool(out, object, "overflow", life->overflow);
    pb_out_bool(out, object, "replacement", life->replacement);
    put_instant(out, object, "started_at_ns", life->started_ns, evidence->start_ns);
    put_instant(out, object, "ready_at_ns", life->ready_ns, evidence->start_ns);
    put_instant(out, object, "lost_at_ns", life->lost_ns, evidence->start_ns);
    put_instant(out, object, "ended_at_ns", life->ended_ns, evidence->start_ns);
    pb_out_str(out, object, "reason", life->reason);
    pb_out_str(out, object, "health", pb_health_name(life->health));
    pb_out_int(out, object, "capacity", life->capacity);
    pb_out_int(out, object, "requests", (int64_t)life->requests);
    pb_out_int(out, object, "busy_ns", life->busy_ns);
    pb_out_num(out, object, "utilization_ratio", life->utilization_ratio);
    pb_out_known(out, object, "rss_peak_bytes", life->rss_peak_bytes);
    pb_out_known(out, object, "pss_peak_bytes", life->pss_peak_bytes);
    pb_out_known(out, object, "cpu_ns", life->cpu_ns);
    pb_out_num(out, object, "cpu_ratio", life->cpu_ratio);
    pb_out_known(out, object, "fds_peak", life->fds_peak);
    pb_out_known(out, object, "threads_peak", life->threads_peak);
    pb_out_int(out, object, "looks", life->looks);
}

void pb_out_history(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    cJSON *list = pb_out_array(out, root, "workers_history");

    for (size_t i = 0; i < evidence->life_count; i++) {
        put_life(out, list, &evidence->lives[i], evidence);
    }
}
