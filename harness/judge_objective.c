#include <math.h>

#include "harness/judge_internal.h"

/* --- Rates and ratios --- */

static void judge_error_rate(struct pb_asked *a)
{
    struct pb_objective_result *r = a->result;
    uint64_t count = pb_part_counted(&a->part);
    double deff = pb_part_design_effect(a->judging, &a->part, PB_CLUSTER_NOT_OK, 0);

    r->bad_limit = a->objective->op == PB_OP_LESS ? a->objective->limit : 1;
    pb_answer_by_share(a, pb_part_not_ok(&a->part), count, deff);
    r->measured = r->bad_ratio;
    r->ci_low = r->bad_low;
    r->ci_high = r->bad_high;
    if (a->objective->op != PB_OP_LESS) {
        r->bad_limit = PB_NAN;
        r->more_seconds = PB_NAN;
        pb_answer_by_interval(a);
    }
}

/* A value with an interval from the windows. */
static void judge_windows(struct pb_asked *a, double measured, enum pb_cluster_kind kind)
{
    struct pb_objective_result *r = a->result;
    struct pb_clusters clusters;

    r->count = a->part.aggregate->sent;
    if (r->count == 0 || isnan(measured)) {
        return;
    }
    pb_clusters_take(&a->part, kind, 0, &clusters);
    double half = pb_clusters_half_width(&clusters);

    r->measured = measured;
    r->ci_low = fmax(0, measured - half);
    r->ci_high = measured + half;
    if (isnan(half)) {
        r->ci_low = r->ci_high = PB_NAN;
    }
    pb_answer_by_interval(a);
}

static void judge_throughput(struct pb_asked *a)
{
    double per_s = a->objective->metric == PB_METRIC_THROUGHPUT ? pb_part_throughput_per_s(&a->part)
                                                                : pb_part_achieved_per_s(&a->part);

    if (a->objective->of_offered) {
        judge_windows(a, per_s / pb_part_offered_per_s(&a->part), PB_CLUSTER_OK_SHARE);
    } else {
        judge_windows(a, per_s,
                      a->objective->metric == PB_METRIC_THROUGHPUT ? PB_CLUSTER_OK_RATE
                                                                   : PB_CLUSTER_DONE_RATE);
    }
}

/* --- Of the whole run --- */

/* The slowest recovery.  One still under way at the end has taken at least as long as there was:
 * that breaks an objective, or proves nothing. */
static void judge_recovery(struct pb_asked *a)
{
    const struct pb_evidence *evidence = a->part.evidence;
    struct pb_objective_result *r = a->result;
    bool unknown = evidence->losses_dropped > 0;
    int64_t start_ns, end_ns;
    double worst = PB_NAN;

    pb_phase_stretch(evidence, (uint32_t)evidence->scenario->phase_count - 1, &start_ns, &end_ns);
    for (size_t i = 0; i < evidence->loss_count; i++) {
        const struct pb_loss *loss = &evidence->losses[i];
        double took = (double)loss->recovery_ns;

        /* After the last request nothing can show a recovery; temporary workers need no follower.
         */
        if (loss->since_ns >= end_ns || (loss->overflow && loss->end == PB_LOSS_OPEN)) {
            continue;
        }
        if (loss->end == PB_LOSS_OPEN &&
            (double)(evidence->elapsed_ns - loss->since_ns) > a->objective->limit) {
            took = PB_INF;
        } else if (loss->end != PB_LOSS_RECOVERED) {
            /* No request came the way of its replacement, as in a lifo pool with little to do: that
             * is no failure, and no proof either. */
            unknown = true;
            continue;
        }
        r->count++;
        worst = isnan(worst) ? took : fmax(worst, took);
    }
    /* A broken limit stays broken, whatever is not known. */
    r->measured = unknown && !(worst > a->objective->limit) ? PB_NAN : worst;
    if (r->count > 0 && !isnan(r->measured)) {
        pb_answer_by_interval(a);
    }
}

static void judge_point(struct pb_asked *a, double measured)
{
    a->result->measured = measured;
    a->result->count = a->part.aggregate->sent;
    pb_answer_by_interval(a);
}

static void judge_memory(struct pb_asked *a)
{
    int64_t bytes = a->part.evidence->monitor.peak_rss_bytes;

    judge_point(a, bytes >= 0 ? (double)bytes : PB_NAN);
}

/* The worst of all workers; negative or NaN: nobody was looked at. */
static void judge_worker(struct pb_asked *a, double worst)
{
    judge_point(a, worst >= 0 ? worst : PB_NAN);
}

static void judge_metric(struct pb_asked *a)
{
    const struct pb_part *part = &a->part;

    switch (a->objective->metric) {
    case PB_METRIC_LATENCY:
    case PB_METRIC_QUEUE_WAIT:
    case PB_METRIC_SERVICE:
    case PB_METRIC_SEND_LAG:
        pb_judge_time(a);
        break;
    case PB_METRIC_ERROR_RATE:
        judge_error_rate(a);
        break;
    case PB_METRIC_THROUGHPUT:
    case PB_METRIC_ACHIEVED_RATE:
        judge_throughput(a);
        break;
    case PB_METRIC_UTILIZATION:
        judge_windows(a, pb_part_utilization(part), PB_CLUSTER_BUSY);
        break;
    case PB_METRIC_CORE_UTILIZATION:
        judge_windows(a, pb_part_core_utilization(part), PB_CLUSTER_CORE_BUSY);
        break;
    case PB_METRIC_MEAN_WORKERS:
        judge_windows(a, pb_part_mean_workers(part), PB_CLUSTER_ALIVE);
        break;
    case PB_METRIC_RECOVERY_TIME:
        judge_recovery(a);
        break;
    case PB_METRIC_PEAK_WORKERS:
        judge_point(a, part->aggregate->sent > 0 ? part->aggregate->peak_alive : PB_NAN);
        break;
    case PB_METRIC_PEAK_QUEUE:
        judge_point(a, part->aggregate->sent > 0 ? part->aggregate->peak_queue : PB_NAN);
        break;
    case PB_METRIC_MEMORY:
        judge_memory(a);
        break;
    case PB_METRIC_WORKER_MEMORY:
        judge_worker(a, (double)part->evidence->workers.rss_peak_bytes);
        break;
    case PB_METRIC_WORKER_CPU:
        judge_worker(a, part->evidence->workers.cpu_ratio);
        break;
    case PB_METRIC_COUNT:
        break;
    }
}

/* Objectives that may lack a subject in this run. */
static bool has_subject(const struct pb_evidence *evidence, enum pb_metric metric)
{
    if (metric == PB_METRIC_WORKER_MEMORY || metric == PB_METRIC_WORKER_CPU) {
        return evidence->scenario->pool.profile == PB_PROFILE_PROCESS;
    }
    return metric != PB_METRIC_RECOVERY_TIME || evidence->loss_count > 0 ||
           evidence->losses_dropped > 0 || pb_scenario_kills_workers(evidence->scenario);
}

static double margin_of(const struct pb_objective_result *r, enum pb_op op)
{
    if (op == PB_OP_IN || !isfinite(r->measured) || r->limit <= 0) {
        return PB_NAN;
    }
    return op == PB_OP_LESS ? (r->limit - r->measured) / r->limit
                            : (r->measured - r->limit) / r->limit;
}

void pb_judge_objective(const struct pb_judging *judging, const struct pb_objective *objective,
                        struct pb_objective_result *ret_result)
{
    struct pb_asked a = { .judging = judging, .objective = objective, .result = ret_result };

    *ret_result = (struct pb_objective_result){
        .objective = objective,
        .answer = PB_ANSWER_NO_DATA,
        .measured = PB_NAN,
        .ci_low = PB_NAN,
        .ci_high = PB_NAN,
        .bad_ratio = PB_NAN,
        .bad_limit = PB_NAN,
        .bad_low = PB_NAN,
        .bad_high = PB_NAN,
        .margin = PB_NAN,
        .more_seconds = PB_NAN,
        .effective_count = PB_NAN,
        .limit = objective->limit,
        .limit_high = objective->op == PB_OP_IN ? objective->limit_high : PB_NAN,
    };
    if (objective->from_preset && !has_subject(judging->evidence, objective->metric)) {
        ret_result->answer = PB_ANSWER_NOT_APPLICABLE;
        return;
    }
    pb_judging_part(judging, objective->whole_run ? PB_PHASE_ALL : objective->phase, &a.part);
    judge_metric(&a);
    ret_result->margin = margin_of(ret_result, objective->op);
}
