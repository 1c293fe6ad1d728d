#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "harness/judge_internal.h"

#define TURNED_AWAY_MIN 0.01 /* from here on the percentiles of the others are not the story */

/* Appends to the reason; what does not fit is cut. */
static void say(struct pb_judging *judging, const char *fmt, ...) PB_PRINTF(2, 3);
static void say(struct pb_judging *judging, const char *fmt, ...)
{
    char *reason = judging->judgement->reason;
    size_t used = strlen(reason), size = sizeof(judging->judgement->reason);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(reason + used, size - used, fmt, args);
    va_end(args);
}

/* The objective of level fail with this answer that is worst: the largest excess of bad requests,
 * else the first. */
static const struct pb_objective_result *worst(const struct pb_judgement *judgement,
                                               enum pb_answer answer)
{
    const struct pb_objective_result *found = NULL;
    double most = 0;

    for (size_t i = 0; i < judgement->objective_count; i++) {
        const struct pb_objective_result *result = &judgement->objectives[i];

        if (result->answer != answer || result->objective->level != PB_LEVEL_FAIL) {
            continue;
        }
        double excess = result->bad_ratio > 0 ? result->bad_ratio / result->bad_limit : 0;

        if (!found || excess > 1.01 * most) { /* about equal: the first as written */
            found = result;
            most = excess;
        }
    }
    return found;
}

static bool is_time(const struct pb_objective *objective)
{
    return objective->metric <= PB_METRIC_SEND_LAG;
}

static bool is_share(const struct pb_objective_result *result)
{
    return is_time(result->objective) && !isnan(result->bad_ratio);
}

/* " in phase spike", or nothing for the whole run. */
static const char *where(const struct pb_judging *judging, const struct pb_objective *objective,
                         char *text, size_t size)
{
    const struct pb_scenario *scenario = judging->evidence->scenario;
    const char *name = pb_objective_phase_name(scenario, objective);

    text[0] = '\0';
    if (scenario->phase_count > 1 && strcmp(name, "all") != 0) {
        (void)snprintf(text, size, " in phase %.40s", name);
    }
    return text;
}

/* --- Why it holds --- */

/* How much of the slowest requests is work, by the p99 of each part. */
static double work_share(const struct pb_phase_aggregate *aggregate)
{
    double wait_ns = (double)pb_hist_quantile(&aggregate->queue_wait, 0.99);
    double service_ns = (double)pb_hist_quantile(&aggregate->service, 0.99);

    return wait_ns + service_ns > 0 ? service_ns / (wait_ns + service_ns) : PB_NAN;
}

static const struct pb_fault *fault_in(const struct pb_evidence *evidence, int phase)
{
    for (size_t i = 0; i < evidence->scenario->fault_count; i++) {
        int64_t start_ns = 0, end_ns = evidence->elapsed_ns;

        if (phase != PB_PHASE_ALL) {
            pb_phase_stretch(evidence, (uint32_t)phase, &start_ns, &end_ns);
        }
        if (pb_fault_within(evidence, i, start_ns, end_ns)) {
            return &evidence->scenario->faults[i];
        }
    }
    return NULL;
}

/* The share of the requests that got no worker at all. */
static double turned_away(const struct pb_phase_aggregate *aggregate)
{
    uint64_t away =
        aggregate->outcomes[PB_OUTCOME_REJECTED] + aggregate->outcomes[PB_OUTCOME_CHECKOUT_TIMEOUT];

    return aggregate->sent > 0 ? (double)away / (double)aggregate->sent : 0;
}

/* Nothing but the hand-over itself was measured. */
static bool near_floor(const struct pb_judging *judging)
{
    const struct pb_lateness *floor = &judging->evidence->null_floor;

    return floor->count > 0 && pb_hist_quantile(&judging->total.latency, 0.5) < 2 * floor->p50_ns;
}

/* No worker more could do anything here.  (Unknown CPU time compares false.) */
static bool cpus_used_up(const struct pb_evidence *evidence)
{
    return evidence->machine.cpus_usable > 0 &&
           evidence->monitor.process_cpus >= 0.9 * evidence->machine.cpus_usable;
}

static void say_limit(struct pb_judging *judging)
{
    double away = turned_away(&judging->total);
    double work = work_share(&judging->total);
    const struct pb_fault *fault = fault_in(judging->evidence, PB_PHASE_ALL);
    char text[PB_QUANTITY_TEXT];

    if (cpus_used_up(judging->evidence)) {
        say(judging,
            "Limited by this machine's CPUs: the run used %s of %u; more workers will not "
            "help.",
            pb_format_number(judging->evidence->monitor.process_cpus, text),
            (unsigned)judging->evidence->machine.cpus_usable);
    } else if (away > TURNED_AWAY_MIN) {
        say(judging,
            "Limited by the number of workers: %s of the requests got none in time, and were "
            "rejected or gave up.",
            pb_format_percent(away, text));
    } else if (isnan(work)) {
        say(judging, "No request ended ok, so nothing can be said about what limits the run.");
    } else if (near_floor(judging)) {
        say(judging,
            "Limited by the hand-over to a worker: the median latency is about that of doing "
            "nothing here, %s.",
            pb_format_duration(judging->evidence->null_floor.p50_ns, text));
    } else if (work >= 0.5) {
        say(judging,
            "Limited by service time: %s of the slowest requests is work, not waiting; more workers "
            "%s.",
            pb_format_percent(work, text),
            work >= 0.9 ? "will not help" : "can shorten only the rest");
    } else if (fault) {
        say(judging,
            "Limited by waiting after a fault (%.60s): %s of the slowest requests is waiting.",
            fault->text, pb_format_percent(1 - work, text));
    } else {
        say(judging,
            "Limited by waiting: %s of the slowest requests is waiting for a worker; more workers "
            "would shorten it.",
            pb_format_percent(1 - work, text));
    }
}

/* --- Why it broke --- */

/* The most frequent way not to end ok; PB_OUTCOME_OK when it is less than half of `bad`. */
static enum pb_outcome main_outcome(const struct pb_part *part, double bad)
{
    int most = PB_OUTCOME_ERROR;

    for (int o = PB_OUTCOME_ERROR; o < PB_OUTCOME_COUNT; o++) {
        most = part->aggregate->outcomes[o] > part->aggregate->outcomes[most] ? o : most;
    }
    return 2 * (double)part->aggregate->outcomes[most] >= bad && bad > 0 ? (enum pb_outcome)most
                                                                         : PB_OUTCOME_OK;
}

/* Who does the work: where a worker has several threads, those are what load is shared out to. */
static const char *hands(const struct pb_judging *judging)
{
    return pb_evidence_threads(judging->evidence) > 1 ? "worker threads" : "workers";
}

static void say_overload(struct pb_judging *judging, const struct pb_part *part, double erlangs)
{
    char offered[PB_QUANTITY_TEXT], there[PB_QUANTITY_TEXT], took[PB_QUANTITY_TEXT];

    say(judging,
        " Overload: %s %s' work arrived for %s %s during %s; the queue "
        "grew to %" PRIu32 ".",
        pb_format_number(erlangs, offered), hands(judging),
        pb_format_number(pb_part_capacity(part), there), hands(judging),
        pb_format_duration(part->duration_ns, took), part->aggregate->peak_queue);
}

static void say_outcome(struct pb_judging *judging, const struct pb_part *part,
                        enum pb_outcome outcome)
{
    const struct pb_scenario *scenario = judging->evidence->scenario;
    char count[PB_QUANTITY_TEXT], text[PB_QUANTITY_TEXT];

    (void)pb_format_count((int64_t)part->aggregate->outcomes[outcome], count);
    switch (outcome) {
    case PB_OUTCOME_REJECTED:
        say(judging, " %s were rejected: the queue of %" PRId64 " was full.", count,
            scenario->pool.queue_limit);
        break;
    case PB_OUTCOME_CHECKOUT_TIMEOUT:
        say(judging, " %s got no worker within %s (checkout timeout).", count,
            pb_format_duration(scenario->pool.checkout_timeout_ns, text));
        break;
    case PB_OUTCOME_OPERATION_TIMEOUT:
        say(judging, " %s ran longer than %s (operation timeout).", count,
            pb_format_duration(scenario->pool.operation_timeout_ns, text));
        break;
    case PB_OUTCOME_WORKER_LOST:
        say(judging, " %s lost their worker.", count);
        break;
    case PB_OUTCOME_CANCELLED:
        say(judging, " %s had not ended when the run did.", count);
        break;
    case PB_OUTCOME_OK:
    case PB_OUTCOME_CLIENT_ERROR:
    case PB_OUTCOME_ERROR:
    case PB_OUTCOME_COUNT:
        say(judging, " The work itself failed %s times.", count);
        break;
    }
}

static void say_slow(struct pb_judging *judging, const struct pb_part *part, double erlangs)
{
    double work = work_share(part->aggregate);
    char text[PB_QUANTITY_TEXT], offered[PB_QUANTITY_TEXT], there[PB_QUANTITY_TEXT];

    if (work >= 0.5) {
        say(judging, " The work itself takes that long: %s of the slowest requests is work.",
            pb_format_percent(work, text));
    } else if (work < 0.5 && !isnan(erlangs)) {
        say(judging, " They waited for a worker: %s %s' work for %s %s.",
            pb_format_number(erlangs, offered), hands(judging),
            pb_format_number(pb_part_capacity(part), there), hands(judging));
    } else if (work < 0.5) {
        say(judging, " They waited for a worker.");
    }
}

/* The likely cause of late or failed requests in a part. */
static void say_cause(struct pb_judging *judging, const struct pb_objective_result *result)
{
    struct pb_part part;

    pb_judging_part(judging, result->objective->whole_run ? PB_PHASE_ALL : result->objective->phase,
                    &part);
    double erlangs = pb_part_erlangs(&part);
    double bad = result->bad_ratio * (double)result->count;
    enum pb_outcome outcome = main_outcome(&part, bad);
    const struct pb_fault *fault = fault_in(judging->evidence, part.phase);

    if (erlangs > pb_part_capacity(&part)) {
        say_overload(judging, &part, erlangs);
    } else if (fault) {
        say(judging, " A fault hit it: %.60s.", fault->text);
    } else if (outcome != PB_OUTCOME_OK) {
        say_outcome(judging, &part, outcome);
    } else {
        say_slow(judging, &part, erlangs);
    }
}

/* Of all workers the worst one, by name. */
static void say_worker(struct pb_judging *judging, const struct pb_objective_result *result)
{
    const struct pb_workers_summary *workers = &judging->evidence->workers;
    bool memory = result->objective->metric == PB_METRIC_WORKER_MEMORY;
    char value[PB_QUANTITY_TEXT];

    say(judging,
        "%.80s broke: worker %" PRIu32 " (incarnation %" PRIu32 ", pid %" PRId64 ") %s %s.",
        result->objective->expression, memory ? workers->memory_worker : workers->cpu_worker,
        memory ? workers->memory_incarnation : workers->cpu_incarnation,
        memory ? workers->memory_pid : workers->cpu_pid, memory ? "had" : "used, of one CPU,",
        pb_objective_format(result->objective, result->measured, value));
}

static void say_broken(struct pb_judging *judging, const struct pb_objective_result *result)
{
    const struct pb_objective *objective = result->objective;
    char place[64], bad[PB_QUANTITY_TEXT], limit[PB_QUANTITY_TEXT], high[PB_QUANTITY_TEXT];

    (void)where(judging, objective, place, sizeof(place));
    if (is_share(result)) {
        say(judging, "%.80s broke%s: %s of the requests were later or failed, %s may.",
            objective->expression, place, pb_format_percent(result->bad_ratio, bad),
            pb_format_percent(result->bad_limit, limit));
        say_cause(judging, result);
        return;
    }
    if (objective->metric == PB_METRIC_RECOVERY_TIME && isinf(result->measured)) {
        say(judging, "%.80s broke: nobody had taken a lost worker's place by the end.",
            objective->expression);
        return;
    }
    if (objective->metric == PB_METRIC_WORKER_MEMORY || objective->metric == PB_METRIC_WORKER_CPU) {
        say_worker(judging, result);
        return;
    }
    if (objective->op == PB_OP_IN) {
        say(judging, "%.80s broke%s: it was %s, outside %s..%s.", objective->expression, place,
            pb_objective_format(objective, result->measured, bad),
            pb_objective_format(objective, result->limit, limit),
            pb_objective_format(objective, result->limit_high, high));
        return;
    }
    say(judging, "%.80s broke%s: it was %s.", objective->expression, place,
        pb_objective_format(objective, result->measured, bad));
    if (objective->metric == PB_METRIC_ERROR_RATE || is_time(objective) ||
        objective->metric == PB_METRIC_THROUGHPUT) {
        say_cause(judging, result);
    }
}

/* --- Undecided, untrusted, cut short --- */

static void say_undecided(struct pb_judging *judging, const struct pb_objective_result *result)
{
    const struct pb_objective *objective = result->objective;
    bool shares = is_share(result);
    double low = shares ? result->bad_low : result->ci_low;
    double high = shares ? result->bad_high : result->ci_high;
    char place[64], from[PB_QUANTITY_TEXT], to[PB_QUANTITY_TEXT], more[PB_QUANTITY_TEXT];

    say(judging, "%.80s is undecided%s: ", objective->expression,
        where(judging, objective, place, sizeof(place)));
    if (result->bad_ratio <= 0) {
        say(judging,
            "none of %s requests was bad, which shows only that fewer than %s are; %s may be.",
            pb_format_count((int64_t)result->count, from), pb_format_percent(result->bad_high, to),
            pb_format_percent(result->bad_limit, more));
    } else if (shares) {
        say(judging, "between %s and %s of the requests are late or failed, %s may be.",
            pb_format_percent(low, from), pb_format_percent(high, to),
            pb_format_percent(result->bad_limit, more));
    } else {
        say(judging, "the limit lies within %s to %s.", pb_objective_format(objective, low, from),
            pb_objective_format(objective, high, to));
    }
    if (!isnan(result->more_seconds)) {
        say(judging, " About %s more would decide.",
            pb_format_duration((int64_t)ceil(result->more_seconds) * PB_NS_PER_S, more));
    } else {
        say(judging, " Too close to the limit for one run: repeat it (--runs 6).");
    }
}

static void say_no_data(struct pb_judging *judging, const struct pb_objective_result *result)
{
    const struct pb_objective *objective = result->objective;
    char place[64];

    say(judging, "%.80s has no data%s: ", objective->expression,
        where(judging, objective, place, sizeof(place)));
    if (objective->metric == PB_METRIC_RECOVERY_TIME) {
        say(judging, judging->evidence->loss_count > 0
                         ? "no request came to a lost worker's replacement."
                         : "no worker was lost.");
    } else if (objective->metric == PB_METRIC_WORKER_MEMORY ||
               objective->metric == PB_METRIC_WORKER_CPU) {
        say(judging, "no worker lived long enough to be looked at.");
    } else if (judging->total.sent == 0 || result->count == 0) {
        say(judging, "no request counts there; run longer or at a higher rate.");
    } else {
        say(judging, "this machine does not tell it.");
    }
}

static void say_untrusted(struct pb_judging *judging)
{
    const struct pb_judgement *judgement = judging->judgement;

    say(judging, "The measurement cannot be trusted: ");
    for (size_t i = 0; i < judgement->warning_count; i++) {
        if (pb_warning_serious(judgement->warnings[i].id)) {
            const char *text = judgement->warnings[i].text;
            const char *end = strstr(text, ". "); /* what was seen, without the remedy */

            say(judging, "%.*s.", end ? (int)(end - text) : (int)strlen(text), text);
            return;
        }
    }
}

static void say_cut_short(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    char at[PB_QUANTITY_TEXT], whole[PB_QUANTITY_TEXT];
    const char *signal = evidence->signal == SIGTERM   ? "SIGTERM"
                         : evidence->signal == SIGKILL ? "SIGKILL (recovered from its log)"
                                                       : "SIGINT (Ctrl-C)";

    say(judging, "Stopped by %s after %s of %s; the numbers describe what ran.", signal,
        pb_format_duration(evidence->elapsed_ns, at),
        pb_format_duration(pb_scenario_duration_ns(evidence->scenario), whole));
}

static void say_failed(struct pb_judging *judging)
{
    const struct pb_evidence *evidence = judging->evidence;
    char at[PB_QUANTITY_TEXT];

    if (evidence->ending == PB_ABORTED) {
        say(judging, "Aborted after %s: %.100s.", pb_format_duration(evidence->aborted_at_ns, at),
            evidence->scenario->aborts[evidence->aborted_rule].expression);
        return;
    }
    say_broken(judging, worst(judging->judgement, PB_ANSWER_FAIL));
}

static void say_inconclusive(struct pb_judging *judging)
{
    const struct pb_objective_result *none = worst(judging->judgement, PB_ANSWER_NO_DATA);

    if (none) {
        say_no_data(judging, none);
        return;
    }
    say_undecided(judging, worst(judging->judgement, PB_ANSWER_INCONCLUSIVE));
}

void pb_judge_reason(struct pb_judging *judging)
{
    judging->judgement->reason[0] = '\0';
    switch (judging->judgement->verdict) {
    case PB_VERDICT_PASS:
        say_limit(judging);
        break;
    case PB_VERDICT_FAIL:
        say_failed(judging);
        break;
    case PB_VERDICT_INCONCLUSIVE:
        say_inconclusive(judging);
        break;
    case PB_VERDICT_UNTRUSTED:
        say_untrusted(judging);
        break;
    case PB_VERDICT_INTERRUPTED:
        say_cut_short(judging);
        break;
    case PB_VERDICT_COUNT:
        break;
    }
    pb_text_repair(judging->judgement->reason);
}
