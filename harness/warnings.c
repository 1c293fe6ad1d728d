#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "harness/judge_internal.h"

/* Adding one: its constant in judge.h, its row here, its check below, its line in docs/results.md.
 */
static const struct {
    const char *name;
    bool serious; /* the measurement cannot be trusted */
    const char *remedy;
} warnings[] = {
    [PB_WARN_SEND_LAG] = { "send_lag", true,
                           "Free a CPU for the generator, lower the rate, or try --set generators=2; "
                           "then run again." },
    [PB_WARN_SENT_SHORT] = { "sent_short", true,
                             "Lower the rate or try --set generators=2; then run again." },
    [PB_WARN_RECORDER_STALL] = { "recorder_stall", true,
                                 "Write the results to a faster disk (--results), or use --set "
                                 "keep=histograms." },
    [PB_WARN_STEAL] = { "steal", true,
                        "The hypervisor gave this machine's CPU to others: run again when it is "
                        "quiet, or elsewhere." },
    [PB_WARN_LOG_FAILED] = { "log_failed", true,
                             "Make room for the results or choose another disk (--results)." },
    [PB_WARN_RESCUED_WAKEUP] = { "rescued_wakeup", true,
                                 "This is a bug in the pool: please report it with this folder." },
    [PB_WARN_ARRIVAL_LAW] = { "arrival_law", true,
                              "Lower the rate or free a CPU for the generator; then run again." },
    [PB_WARN_FEW_SAMPLES] = { "few_samples", false,
                              "Run longer (--duration), or ask for a lower percentile." },
    [PB_WARN_NOT_STEADY] = { "not_steady", false,
                             "Lengthen the warm-up if it settles later; if the queue grows, this is "
                             "overload." },
    [PB_WARN_BACKLOG] = { "backlog", false,
                          "Give the earlier phase \"drain\": true, or a lower rate at its end." },
    [PB_WARN_SHORT_WINDOWS] = { "short_windows", false,
                                "For firmer intervals run at least 20 s, or --runs 6." },
    [PB_WARN_STUCK_WORKERS] = { "stuck_workers", false,
                                "Let the work obey its token, or raise pool.operation_timeout." },
    [PB_WARN_SATURATED_VALUES] = { "saturated_values", false,
                                   "Their percentiles read 1 h; set timeouts that end them." },
    [PB_WARN_NEAR_FLOOR] = { "near_floor", false,
                             "Do not compare differences smaller than the floor." },
    [PB_WARN_FOREIGN_CPU] = { "foreign_cpu", false,
                              "Stop other work on this machine, or compare several runs (--runs 6)." },
    [PB_WARN_CPU_PRESSURE] = { "cpu_pressure", false,
                               "If that is not meant to be part of the test, use fewer CPU-bound "
                               "workers or more CPUs." },
    [PB_WARN_CLOSED_LOOP] = { "closed_loop", false,
                              "Users who wait send less while the pool is slow, which hides waiting: "
                              "use an open arrival for response times." },
    [PB_WARN_CANCELLED] = { "cancelled", false,
                            "Their latencies are cut off; set pool.operation_timeout to end them." },
    [PB_WARN_WORKER_FAILED] = { "worker_failed", false,
                                "See workers.log and events.jsonl; raise the limits on threads and "
                                "processes (ulimit -u) or memory, or lower pool.size." },
    [PB_WARN_ACCOUNTING] = { "accounting", true,
                             "This is a bug in poolbench: please report it with this folder." },
    [PB_WARN_RECORDER_WAIT] = { "recorder_wait", false,
                                "If it grows: a faster disk (--results), or --set "
                                "keep=histograms." },
    [PB_WARN_RETRY_LOAD] = { "retry_load", false,
                             "Fewer or later retries (retries.max, retries.delay, retries.jitter) or "
                             "more capacity: under overload they feed on themselves." },
    [PB_WARN_RETRY_LIMIT] = { "retry_limit", false,
                              "Lower retries.max or retries.delay, or the rate." },
    [PB_WARN_LOST_TASKS] = { "lost_tasks", true,
                             "A pool's driver runs, or expires, each task that it accepted: see "
                             "docs/pool-driver.md." },
    [PB_WARN_WORKERS_LOST] = { "workers_lost", false,
                               "Their last words are in workers.log, who and when in "
                               ".recovery.losses." },
    [PB_WARN_STARTS_HELD] = { "starts_held", false,
                              "Find out why they die at once, or raise pool.max_restarts." },
    [PB_WARN_UNHEALTHY] = { "unhealthy_workers", false,
                            "If they were only slow to answer, raise pool.health_check_timeout." },
    [PB_WARN_MEMORY_GROWTH] = { "memory_growth", false,
                                "Look for a leak; each replacement costs a start "
                                "(.workers_history)." },
    [PB_WARN_PREPARE_FAILED] = { "prepare_failed", false,
                                 "Their first requests are slower: see .prepare, and raise "
                                 "pool.prepare_timeout if they only took too long." },
    [PB_WARN_UNEVEN_WORKERS] = { "uneven_workers", false,
                                 "Good for warm caches; for even wear try --set "
                                 "pool.strategy=round_robin, or fewer workers." },
    [PB_WARN_HISTORY_CUT] = { "history_cut", false,
                              "Peaks and counts include them; raise the limits of pool.recycle to "
                              "replace workers less often." },
};
_Static_assert(PB_ARRAY_LEN(warnings) == PB_WARN_COUNT, "a row for every warning");

const char *pb_warning_name(enum pb_warning_id id)
{
    return (unsigned)id < PB_WARN_COUNT ? warnings[id].name : "unknown";
}

bool pb_warning_serious(enum pb_warning_id id)
{
    return (unsigned)id < PB_WARN_COUNT && warnings[id].serious;
}

/* Adds "what was seen.  The remedy." */
void pb_judge_warn(struct pb_judging *judging, enum pb_warning_id id, const char *fmt, ...)
{
    struct pb_judgement *judgement = judging->judgement;
    va_list args;

    judging->serious = judging->serious || warnings[id].serious;
    if (judgement->warning_count == PB_WARNINGS_MAX) {
        return;
    }
    struct pb_warning *warning = &judgement->warnings[judgement->warning_count++];
    /* The remedy always fits; what was seen is cut if need be. */
    size_t room = sizeof(warning->text) - strlen(warnings[id].remedy) - 1;

    warning->id = id;
    va_start(args, fmt);
    (void)vsnprintf(warning->text, room, fmt, args);
    va_end(args);

    pb_text_repair(warning->text);

    size_t used = strlen(warning->text);

    (void)snprintf(warning->text + used, sizeof(warning->text) - used, " %s", warnings[id].remedy);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* --- Of each phase --- */

/* The tightest limit on a latency percentile that concerns the phase; 0: none. */
static double tightest_limit_ns(const struct pb_scenario *scenario, uint32_t phase)
{
    double tightest = 0;

    for (size_t i = 0; i < scenario->objective_count; i++) {
        const struct pb_objective *objective = &scenario->objectives[i];

        if (objective->metric == PB_METRIC_LATENCY && objective->op == PB_OP_LESS &&
            (objective->phase == PB_PHASE_ALL || objective->phase == (int)phase) &&
            (tightest <= 0 || objective->limit < tightest)) {
            tightest = objective->limit;
        }
    }
    return tightest;
}

static void check_send_lag(struct pb_judging *judging, const struct pb_part *part)
{
    const struct pb_scenario *scenario = judging->evidence->scenario;
    uint32_t phase = (uint32_t)part->phase;
    double limit_ns = tightest_limit_ns(scenario, phase);
    double allowed_ns = limit_ns > 0
                            ? 0.02 * limit_ns
                            : 0.05 * (double)pb_hist_quantile(&part->aggregate->latency, 0.99);
    int64_t lag_ns = pb_hist_quantile(&part->aggregate->lag_all, 0.99);
    char lag[PB_QUANTITY_TEXT], allowed[PB_QUANTITY_TEXT];

    allowed_ns = fmax((double)PB_NS_PER_MS, allowed_ns);
    if ((double)lag_ns > allowed_ns) {
        pb_judge_warn(
            judging, PB_WARN_SEND_LAG,
            "Phase %.40s: requests went out late, p99 of the send lag %s; over %s the latencies "
            "are the harness's own.",
            scenario->phases[phase].name, pb_format_duration(lag_ns, lag),
            pb_format_duration(llround(allowed_ns), allowed));
    }
}

static void check_arrivals(struct pb_judging *judging, const struct pb_part *part)
{
    struct pb_arrival_check check;
    char sent[PB_QUANTITY_TEXT], law[PB_QUANTITY_TEXT];

    pb_check_arrivals(part, &check);
    if (check.broken) {
        pb_judge_warn(
            judging, PB_WARN_ARRIVAL_LAW,
            "Phase %.40s: arrivals strayed from their plan by %s of the requests (distance from the "
            "planned law %s; 1 %% allowed).",
            judging->evidence->scenario->phases[part->phase].name,
            pb_format_percent(check.sent_distance, sent),
            pb_format_percent(check.ks_distance, law));
    }
}

static void check_sent(struct pb_judging *judging, const struct pb_part *part)
{
    const struct pb_phase_aggregate *aggregate = part->aggregate;
    char sent[PB_QUANTITY_TEXT], planned[PB_QUANTITY_TEXT];

    if (judging->evidence->ending == PB_ENDED &&
        (double)aggregate->sent < 0.99 * (double)part->planned) {
        pb_judge_warn(judging, PB_WARN_SENT_SHORT,
                      "Phase %.40s: only %s of %s planned requests were sent.",
                      judging->evidence->scenario->phases[part->phase].name,
                      pb_format_count((int64_t)aggregate->sent, sent),
                      pb_format_count((int64_t)part->planned, planned));
    }
}

/* A fault, or a change of the pool. */
static bool is_disturbed(const struct pb_evidence *evidence, uint32_t phase)
{
    int64_t start_ns, end_ns;

    pb_phase_stretch(evidence, phase, &start_ns, &end_ns);
    for (size_t i = 0; i < evidence->scenario->fault_count; i++) {
        if (pb_fault_within(evidence, i, start_ns, end_ns)) {
            return true;
        }
    }
    for (size_t i = 0; i < evidence->scenario->change_count; i++) {
        int64_t at_ns = evidence->changes[i].made_ns;

        if (at_ns >= start_ns && at_ns < end_ns) {
            return true;
        }
    }
    return false;
}

/* Retries that are a noticeable part of what the pool has to do. */
static void check_retries(struct pb_judging *judging, const struct pb_part *part)
{
    const struct pb_phase_aggregate *aggregate = part->aggregate;
    double more = share(aggregate->attempts, aggregate->sent) - 1;
    char text[PB_QUANTITY_TEXT], attempts[PB_QUANTITY_TEXT], sent[PB_QUANTITY_TEXT];

    if (more > 0.1) {
        pb_judge_warn(judging, PB_WARN_RETRY_LOAD,
                      "Phase %.40s: retries made %s more load (%s attempts for %s requests).",
                      judging->evidence->scenario->phases[part->phase].name,
                      pb_format_percent(more, text),
                      pb_format_count((int64_t)aggregate->attempts, attempts),
                      pb_format_count((int64_t)aggregate->sent, sent));
    }
}

static int sign(double x)
{
    return (x > 0) - (x < 0);
}

bool pb_series_drifts(const double *x, size_t n, double *ret_change_ratio)
{
    double blocks[20], slopes[190], sorted[20];
    size_t m = n < PB_ARRAY_LEN(blocks) ? n : PB_ARRAY_LEN(blocks), pairs = 0;
    int score = 0;

    if (n < 8) {
        return false;
    }
    for (size_t b = 0; b < m; b++) {
        size_t from = b * n / m, to = (b + 1) * n / m;

        blocks[b] = sorted[b] = pb_mean(x + from, to - from);
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = i + 1; j < m; j++) {
            score += sign(blocks[j] - blocks[i]);
            slopes[pairs++] = (blocks[j] - blocks[i]) / (double)(j - i);
        }
    }
    pb_sort(slopes, pairs);
    pb_sort(sorted, m);
    /* Variance without ties: with ties the true one is smaller, so this errs to "steady". */
    double variance = (double)(m * (m - 1) * (2 * m + 5)) / 18;
    double z = (fabs((double)score) - 1) / sqrt(variance);
    double p = 2 * (1 - pb_normal_cdf(z));
    double change = pb_median_sorted(slopes, pairs) * (double)m / pb_median_sorted(sorted, m);

    if (!(p < 0.01 && fabs(change) > 0.05)) {
        return false;
    }
    *ret_change_ratio = change;
    return true;
}

/* A phase of constant rate should not drift: the median latency of its windows, in order. */
static void check_steady(struct pb_judging *judging, const struct pb_part *part)
{
    const struct pb_aggregate *aggregate = judging->evidence->aggregate;
    const struct pb_phase *phase = &judging->evidence->scenario->phases[part->phase];
    double medians[PB_WINDOWS_MAX], change = 0;
    size_t n = 0;
    char text[PB_QUANTITY_TEXT];

    if ((phase->arrival != PB_ARRIVAL_CONSTANT && phase->arrival != PB_ARRIVAL_POISSON &&
         phase->arrival != PB_ARRIVAL_CLOSED) ||
        is_disturbed(judging->evidence, (uint32_t)part->phase)) {
        return;
    }
    for (uint32_t w = 0; w < aggregate->window_count; w++) {
        const struct pb_window *window = &aggregate->windows[w];

        if (window->latency && pb_part_has_window(part, w)) {
            medians[n++] = (double)pb_small_hist_quantile(window->latency, 0.5);
        }
    }
    if (pb_series_drifts(medians, n, &change)) {
        pb_judge_warn(judging, PB_WARN_NOT_STEADY,
                      "Phase %.40s is not steady: its median latency %s by %s.", phase->name,
                      change > 0 ? "rises" : "falls", pb_format_percent(fabs(change), text));
    }
}

/* What waits at a phase's end, beyond what the workers hold, is paid for by the next phase. */
static void check_backlog(struct pb_judging *judging, uint32_t phase)
{
    const struct pb_evidence *evidence = judging->evidence;
    const struct pb_scenario *scenario = evidence->scenario;
    int64_t waiting =
        (int64_t)evidence->aggregate->phases[phase].backlog - pb_evidence_capacity(evidence);

    if (phase + 1 >= scenario->phase_count || !scenario->phases[phase + 1].record ||
        scenario->phases[phase].drain || waiting < 10 ||
        (double)waiting < 0.005 * (double)evidence->aggregate->phases[phase + 1].sent) {
        return;
    }
    pb_judge_warn(judging, PB_WARN_BACKLOG,
                  "Phase %.40s began with %" PRId64 " requests left over from %.40s.",
                  scenario->phases[phase + 1].name, waiting, scenario->phases[phase].name);
}

static void check_phase(struct pb_judging *judging, uint32_t phase)
{
    const struct pb_evidence *evidence = judging->evidence;
    struct pb_part part;

    check_backlog(judging, phase);
    if (!evidence->scenario->phases[phase].record) {
        return;
    }
    pb_judging_part(judging, (int)phase, &part);
    check_send_lag(judging, &part);
    check_sent(judging, &part);
    check_retries(judging, &part);
    check_arrivals(judging, &part);
    check_steady(judging, &part);
    if (evidence->scenario->phases[phase].arrival == PB_ARRIVAL_CLOSED) {
        pb_judge_warn(judging, PB_WARN_CLOSED_LOOP,
                      "Phase %.40s is a closed loop of %" PRIu64 " users.",
                      evidence->scenario->phases[phase].name,
                      pb_schedule_users(evidence->schedule, phase));
    }
}

/* --- Of the whole run --- */

static void check_recorder(struct pb_judging *judging)
{
    const struct pb_recorder_stats *recorder = &judging->evidence->recorder;
    char text[PB_QUANTITY_TEXT];

    /* A disk that hangs once holds few requests up, but for so long that all others feel it. */
    if (share(recorder->stalls, recorder->records) > 0.001 ||
        (double)recorder->stall_ns > 0.001 * (double)judging->evidence->elapsed_ns) {
        pb_judge_warn(judging, PB_WARN_RECORDER_STALL,
                      "The recorder made %" PRIu64
                      " requests wait (%s in sum), over 0.1 %% of the requests "
                      "or of the time.",
                      recorder->stalls, pb_format_duration(recorder->stall_ns, text));
    } else if (recorder->stalls > 0) {
        pb_judge_warn(judging, PB_WARN_RECORDER_WAIT,
                      "The recorder made %" PRIu64 " requests wait (%s in sum).", recorder->stalls,
                      pb_format_duration(recorder->stall_ns, text));
    }
    if (recorder->log_status != PB_OK) {
        pb_judge_warn(judging, PB_WARN_LOG_FAILED, "The request log is incomplete: %.120s.",
                      recorder->log_error.text[0] ? recorder->log_error.text
                                                  : pb_status_name(recorder->log_status));
    }
}

/* Records and counters were kept by different hands: they must agree. */
static void check_accounting(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;

    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        const struct pb_phase_aggregate *phase = &evidence->aggregate->phases[i];
        uint64_t sum = 0;
        bool same =
            phase->sent == evidence->load.sent[i] && phase->attempts == evidence->load.attempts[i];

        for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
            sum += evidence->load.outcomes[i][o];
            same = same && phase->outcomes[o] == evidence->load.outcomes[i][o];
        }
        if (!same || sum != evidence->load.sent[i]) {
            pb_judge_warn(judging, PB_WARN_ACCOUNTING,
                          "Phase %.40s: %" PRIu64 " sent, %" PRIu64 " outcomes, %" PRIu64
                          " recorded: these should be equal; so should %" PRIu64
                          " attempts sent and %" PRIu64 " recorded.",
                          evidence->scenario->phases[i].name, evidence->load.sent[i], sum,
                          phase->sent, evidence->load.attempts[i], phase->attempts);
        }
    }
}

static void check_machine(struct pb_judging *judging)
{
    const struct pb_monitor_summary *monitor = &judging->evidence->monitor;
    char text[PB_QUANTITY_TEXT];

    /* Comparisons with NaN (unknown) are false: what was not measured is not warned of. */
    if (monitor->steal_ratio > 0.01) {
        pb_judge_warn(judging, PB_WARN_STEAL, "%s of the CPU time was stolen, over 1 %%.",
                      pb_format_percent(monitor->steal_ratio, text));
    }
    if (monitor->foreign_cpu_ratio > 0.1) {
        pb_judge_warn(judging, PB_WARN_FOREIGN_CPU,
                      "Other processes used %s of the machine's CPU time.",
                      pb_format_percent(monitor->foreign_cpu_ratio, text));
    }
    if (monitor->pressure_ratio > 0.1) {
        pb_judge_warn(judging, PB_WARN_CPU_PRESSURE,
                      "During %s of the time something waited for a CPU.",
                      pb_format_percent(monitor->pressure_ratio, text));
    }
}

static void check_values(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    const struct pb_phase_aggregate *total = &judging->total;
    int64_t saturated = total->latency.saturated;
    int64_t p50_ns = pb_hist_quantile(&total->latency, 0.5);
    char text[PB_QUANTITY_TEXT], floor_text[PB_QUANTITY_TEXT];

    if (saturated > 0) {
        pb_judge_warn(judging, PB_WARN_SATURATED_VALUES, "%" PRId64 " latencies were over 1 h.",
                      saturated);
    }
    if (evidence->null_floor.count > 0 && total->latency.total > 0 &&
        p50_ns < 2 * evidence->null_floor.p50_ns) {
        pb_judge_warn(judging, PB_WARN_NEAR_FLOOR,
                      "The median latency, %s, is near that of doing nothing on this machine, %s.",
                      pb_format_duration(p50_ns, text),
                      pb_format_duration(evidence->null_floor.p50_ns, floor_text));
    }
    if (evidence->aggregate->window_ns < PB_NS_PER_S && evidence->scenario->objective_count > 0) {
        pb_judge_warn(judging, PB_WARN_SHORT_WINDOWS,
                      "A run under 20 s: its intervals rest on windows of %s instead of 1 s.",
                      pb_format_duration(evidence->aggregate->window_ns, text));
    }
}

static void check_samples(struct pb_judging *judging)
{
    const struct pb_judgement *judgement = judging->judgement;

    for (size_t i = 0; i < judgement->objective_count; i++) {
        const struct pb_objective_result *result = &judgement->objectives[i];
        const struct pb_objective *objective = result->objective;

        if (objective->stat == PB_STAT_QUANTILE && objective->metric <= PB_METRIC_SEND_LAG &&
            result->effective_count * (1 - objective->quantile) < 10) {
            pb_judge_warn(
                judging, PB_WARN_FEW_SAMPLES,
                "%.60s in phase %.40s rests on %.0f effective requests, fewer than 10 beyond the "
                "percentile.",
                objective->expression,
                pb_objective_phase_name(judging->evidence->scenario, objective),
                result->effective_count);
        }
    }
}

void pb_judge_warnings(struct pb_judging *judging)
{
    check_accounting(judging);
    check_recorder(judging);
    check_machine(judging);
    pb_judge_pool_warnings(judging);
    for (uint32_t i = 0; i < judging->evidence->scenario->phase_count; i++) {
        check_phase(judging, i);
    }
    check_values(judging);
    check_samples(judging);
}
