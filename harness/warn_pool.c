#include <inttypes.h>
#include <string.h>

#include "base/quantity.h"
#include "harness/judge_internal.h"

/* Below it the load is so unevenly shared that a few workers do most of it. */
#define UNEVEN_BELOW    0.5
#define UNEVEN_WORKERS  4
#define UNEVEN_REQUESTS 1000

static uint64_t count_events(const struct pb_evidence *evidence, const char *kind)
{
    uint64_t count = 0;

    for (size_t i = 0; i < evidence->event_count; i++) {
        count += strcmp(evidence->events[i].kind, kind) == 0;
    }
    return count;
}

static void check_requests(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    uint64_t stuck = count_events(evidence, pb_pool_event_name(PB_POOL_WORKER_STUCK));
    uint64_t cancelled = 0;

    stuck = stuck > evidence->pool.stuck ? stuck : evidence->pool.stuck;
    if (evidence->pool.rescued_wakeups > 0) {
        pb_judge_warn(judging, PB_WARN_RESCUED_WAKEUP,
                      "%" PRIu64 " wake-ups were missed until the housekeeping noticed.",
                      evidence->pool.rescued_wakeups);
    }
    if (stuck > 0) {
        pb_judge_warn(judging, PB_WARN_STUCK_WORKERS,
                      "%" PRIu64 " workers did not come back after their deadline.", stuck);
    }
    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        cancelled += evidence->load.outcomes[i][PB_OUTCOME_CANCELLED];
    }
    if (evidence->load.given_up > 0) {
        pb_judge_warn(judging, PB_WARN_RETRY_LIMIT,
                      "%" PRIu64 " requests were not tried again because too many waited for it.",
                      evidence->load.given_up);
    }
    if (evidence->unreturned > stuck) {
        pb_judge_warn(judging, PB_WARN_LOST_TASKS,
                      "The driver accepted %" PRIu64
                      " requests that it never ran; its pool was left "
                      "as it is.",
                      evidence->unreturned - stuck);
    }
    if (cancelled > 0 && evidence->ending == PB_ENDED) {
        pb_judge_warn(judging, PB_WARN_CANCELLED,
                      "%" PRIu64 " requests had not ended when the final drain was over.",
                      cancelled);
    }
}

/* The reason that most of the workers which died by themselves had; NULL: none died so. */
static const char *usual_reason(const struct pb_evidence *evidence, uint64_t *ret_count)
{
    const char *usual = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < evidence->loss_count; i++) {
        uint64_t same = 0;

        for (size_t k = 0; k < evidence->loss_count; k++) {
            same += evidence->losses[k].fault < 0 &&
                    strcmp(evidence->losses[k].reason, evidence->losses[i].reason) == 0;
        }
        if (evidence->losses[i].fault < 0 && same > most) {
            most = same;
            usual = evidence->losses[i].reason;
        }
    }
    *ret_count = most;
    return usual;
}

static void check_lost(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    uint64_t lost = evidence->recovery.count - evidence->recovery.by_fault, same = 0;
    const char *reason = usual_reason(evidence, &same);

    if (lost > 0 && reason) {
        pb_judge_warn(judging, PB_WARN_WORKERS_LOST,
                      "%" PRIu64 " %s died without a fault of the scenario%s %.80s%s.", lost,
                      lost == 1 ? "worker" : "workers", same == lost ? ":" : ", mostly:", reason,
                      evidence->losses_dropped > 0 ? " (and more that were not counted)" : "");
    }
    if (evidence->pool.starts_held > 0) {
        pb_judge_warn(judging, PB_WARN_STARTS_HELD,
                      "More than %" PRId64 " workers died within restart_window, so that no more "
                      "were started for a while.",
                      evidence->scenario->pool.max_restarts);
    }
    if (evidence->pool.workers_failed > 0) {
        pb_judge_warn(judging, PB_WARN_WORKER_FAILED, "%" PRIu64 " workers could not be started.",
                      evidence->pool.workers_failed);
    }
}

static void check_health(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    uint64_t grown = pb_workers_ended(&evidence->workers, "max_memory");
    char size[PB_QUANTITY_TEXT];

    if (evidence->pool.unhealthy > 0) {
        pb_judge_warn(judging, PB_WARN_UNHEALTHY,
                      "%" PRIu64 " workers failed %" PRId64 " checks in a row and were replaced.",
                      evidence->pool.unhealthy, evidence->scenario->pool.max_health_failures);
    }
    if (grown > 0) {
        pb_judge_warn(judging, PB_WARN_MEMORY_GROWTH,
                      "%" PRIu64 " workers grew beyond %s and were replaced.", grown,
                      pb_format_size(evidence->scenario->pool.recycle.max_memory_bytes, size));
    }
    if (evidence->pool.prepare_failures > 0) {
        pb_judge_warn(judging, PB_WARN_PREPARE_FAILED,
                      "%" PRIu32 " workers could not be warmed and serve all the same.",
                      evidence->pool.prepare_failures);
    }
}

/* Threads have nothing that wears out, or gets warm, one by one. */
static void check_balance(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    const struct pb_workers_summary *workers = &evidence->workers;
    char index[PB_QUANTITY_TEXT];

    if (evidence->scenario->pool.profile == PB_PROFILE_PROCESS &&
        workers->jain_workers >= UNEVEN_WORKERS && workers->jain_busy < UNEVEN_BELOW &&
        judging->total.sent >= UNEVEN_REQUESTS) {
        pb_judge_warn(judging, PB_WARN_UNEVEN_WORKERS,
                      "Under %s few of the %" PRIu32
                      " workers do most of the work: Jain's index of "
                      "their busy time is %s (1: even).",
                      pb_strategy_name((enum pb_strategy)evidence->scenario->pool.strategy),
                      workers->jain_workers, pb_format_number(workers->jain_busy, index));
    }
    if (workers->dropped > 0) {
        pb_judge_warn(judging, PB_WARN_HISTORY_CUT,
                      "%" PRIu64 " workers came and went; %" PRIu64 " of them are not told of one "
                      "by one.",
                      workers->lives, workers->dropped);
    }
}

void pb_judge_pool_warnings(struct pb_judging *judging)
{
    check_requests(judging);
    check_lost(judging);
    check_health(judging);
    check_balance(judging);
}
