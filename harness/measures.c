#include "harness/measures.h"

#include <math.h>

#include "base/clock.h"
#include "base/stats.h"

/* Of the midpoint rule that integrates the planned rate. */
#define STEPS_PER_WINDOW 64

int64_t pb_evidence_size(const struct pb_evidence *evidence)
{
    int64_t size = evidence->scenario->pool.size - (int64_t)evidence->workers_lost;

    return size > 1 ? size : 1;
}

int64_t pb_evidence_threads(const struct pb_evidence *evidence)
{
    int64_t threads = evidence->scenario->pool.threads_per_worker;

    return threads > 1 ? threads : 1;
}

int64_t pb_evidence_capacity(const struct pb_evidence *evidence)
{
    return (pb_evidence_size(evidence) + evidence->scenario->pool.max_overflow) *
           pb_evidence_threads(evidence);
}

struct pb_slot_time pb_evidence_slot_time(const struct pb_evidence *evidence, int64_t from_ns,
                                          int64_t to_ns)
{
    double size = (double)pb_evidence_size(evidence);
    double overflow = (double)evidence->scenario->pool.max_overflow;
    double threads = (double)pb_evidence_threads(evidence);
    struct pb_slot_time time = { 0, 0 };

    for (size_t i = 0; i <= evidence->scenario->change_count; i++) {
        const struct pb_change_result *change =
            i < evidence->scenario->change_count ? &evidence->changes[i] : NULL;
        int64_t until_ns = change && change->made_ns < to_ns ? change->made_ns : to_ns;

        if (change && (change->made_ns < 0 || change->refused[0])) {
            continue;
        }
        if (until_ns > from_ns) {
            time.core_ns += size * threads * (double)(until_ns - from_ns);
            time.all_ns += (size + overflow) * threads * (double)(until_ns - from_ns);
            from_ns = until_ns;
        }
        size = change ? (double)change->after.size : size;
        overflow = change ? (double)change->after.max_overflow : overflow;
    }
    return time;
}

void pb_phase_stretch(const struct pb_evidence *evidence, uint32_t phase, int64_t *ret_start_ns,
                      int64_t *ret_end_ns)
{
    const struct pb_phase_aggregate *aggregate = &evidence->aggregate->phases[phase];
    int64_t start_ns = aggregate->start_ns, end_ns = aggregate->end_ns;

    /* A run that was cut short has phases that never began: their planned times still stand. */
    if (evidence->ending != PB_ENDED) {
        start_ns = start_ns < evidence->elapsed_ns ? start_ns : evidence->elapsed_ns;
        end_ns = end_ns < evidence->elapsed_ns ? end_ns : evidence->elapsed_ns;
    }
    *ret_start_ns = start_ns;
    *ret_end_ns = end_ns;
}

int64_t pb_fault_over_ns(const struct pb_evidence *evidence, size_t i)
{
    const struct pb_fault *fault = &evidence->scenario->faults[i];
    const struct pb_fault_result *result = &evidence->faults[i];
    int64_t over_ns = result->injected_ns;

    if (over_ns < 0) {
        return -1;
    }
    if (fault->kind == PB_FAULT_STALL) {
        over_ns += fault->stall_ns;
    } else if (fault->kind != PB_FAULT_KILL_WORKER && result->workers > 0) {
        over_ns = result->ended_ns >= 0 ? result->ended_ns : evidence->elapsed_ns;
    }
    return result->first_ok_ns > over_ns ? result->first_ok_ns : over_ns;
}

bool pb_fault_within(const struct pb_evidence *evidence, size_t i, int64_t from_ns, int64_t to_ns)
{
    int64_t at_ns = evidence->faults[i].injected_ns;

    return at_ns >= 0 && at_ns < to_ns &&
           (at_ns >= from_ns || pb_fault_over_ns(evidence, i) > from_ns);
}

static void add_phase(struct pb_part *part, uint32_t phase)
{
    const struct pb_evidence *evidence = part->evidence;
    bool closed = evidence->scenario->phases[phase].arrival == PB_ARRIVAL_CLOSED;
    int64_t start_ns, end_ns;

    pb_phase_stretch(evidence, phase, &start_ns, &end_ns);
    struct pb_slot_time time = pb_evidence_slot_time(evidence, start_ns, end_ns);

    part->duration_ns += end_ns - start_ns;
    part->slots.core_ns += time.core_ns;
    part->slots.all_ns += time.all_ns;
    part->planned += evidence->schedule->planned[phase];
    part->intended += closed || evidence->ending != PB_ENDED
                          ? evidence->aggregate->phases[phase].sent
                          : evidence->schedule->planned[phase];
}

void pb_part_init(struct pb_part *part, const struct pb_evidence *evidence, int phase,
                  const struct pb_phase_aggregate *aggregate)
{
    *part = (struct pb_part){ .evidence = evidence, .aggregate = aggregate, .phase = phase };
    if (phase != PB_PHASE_ALL) {
        add_phase(part, (uint32_t)phase);
        return;
    }
    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        if (evidence->scenario->phases[i].record) {
            add_phase(part, i);
        }
    }
}

static bool phase_has_window(const struct pb_evidence *evidence, uint32_t phase, uint32_t w)
{
    int64_t window_ns = evidence->aggregate->window_ns;
    /* The generator begins a phase a few microseconds late; that must not cost a window. */
    int64_t slack_ns = window_ns / 50;
    int64_t start_ns, end_ns;

    pb_phase_stretch(evidence, phase, &start_ns, &end_ns);
    return w * window_ns >= start_ns - slack_ns && (w + 1) * window_ns <= end_ns + slack_ns;
}

bool pb_part_has_window(const struct pb_part *part, uint32_t w)
{
    const struct pb_scenario *scenario = part->evidence->scenario;

    if (part->phase != PB_PHASE_ALL) {
        return phase_has_window(part->evidence, (uint32_t)part->phase, w);
    }
    for (uint32_t i = 0; i < scenario->phase_count; i++) {
        if (scenario->phases[i].record && phase_has_window(part->evidence, i, w)) {
            return true;
        }
    }
    return false;
}

uint64_t pb_part_not_ok(const struct pb_part *part)
{
    uint64_t sum = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        sum +=
            o == PB_OUTCOME_OK || o == PB_OUTCOME_CLIENT_ERROR ? 0 : part->aggregate->outcomes[o];
    }
    return sum;
}

uint64_t pb_part_counted(const struct pb_part *part)
{
    return part->aggregate->outcomes[PB_OUTCOME_OK] + pb_part_not_ok(part);
}

static double ratio(double num, double den)
{
    return den > 0 ? num / den : (double)NAN;
}

static double per_s(uint64_t count, int64_t duration_ns)
{
    return ratio((double)count * (double)PB_NS_PER_S, (double)duration_ns);
}

double pb_part_offered_per_s(const struct pb_part *part)
{
    return per_s(part->intended, part->duration_ns);
}

double pb_part_achieved_per_s(const struct pb_part *part)
{
    return per_s(part->aggregate->done_in_phase, part->duration_ns);
}

double pb_part_throughput_per_s(const struct pb_part *part)
{
    return per_s(part->aggregate->ok_in_phase, part->duration_ns);
}

double pb_part_error_ratio(const struct pb_part *part)
{
    return ratio((double)pb_part_not_ok(part), (double)pb_part_counted(part));
}

double pb_part_utilization(const struct pb_part *part)
{
    return ratio((double)part->aggregate->busy_ns, (double)part->aggregate->alive_ns);
}

double pb_part_core_utilization(const struct pb_part *part)
{
    return ratio((double)part->aggregate->busy_ns, part->slots.core_ns);
}

double pb_part_capacity(const struct pb_part *part)
{
    return ratio(part->slots.all_ns, (double)part->duration_ns);
}

double pb_part_mean_workers(const struct pb_part *part)
{
    return ratio((double)part->aggregate->alive_ns,
                 (double)pb_evidence_threads(part->evidence) * (double)part->duration_ns);
}

double pb_part_erlangs(const struct pb_part *part)
{
    const struct pb_scenario *scenario = part->evidence->scenario;
    double service_ns = pb_scenario_mean_service_ns(scenario);

    for (uint32_t i = 0; i < scenario->phase_count; i++) {
        bool here =
            part->phase == PB_PHASE_ALL ? scenario->phases[i].record : part->phase == (int)i;

        if (here && scenario->phases[i].arrival == PB_ARRIVAL_CLOSED) {
            return (double)NAN;
        }
    }
    if (part->aggregate->service.total > 0) {
        /* Timeouts cut the longest ones off: the measured mean can only be too small. */
        service_ns = fmax(service_ns, pb_hist_mean(&part->aggregate->service));
    }
    /* What is tried again is work again. */
    double attempts = part->aggregate->sent > 0
                          ? (double)part->aggregate->attempts / (double)part->aggregate->sent
                          : 1;

    return pb_part_offered_per_s(part) * fmax(attempts, 1) * service_ns / (double)PB_NS_PER_S;
}

/* Arrivals that the plan expects from the phase's start to `offset_ns`. */
static double expected_between(const struct pb_schedule *schedule, uint32_t phase, int64_t from_ns,
                               int64_t to_ns)
{
    double step_ns = (double)(to_ns - from_ns) / STEPS_PER_WINDOW, sum = 0;

    for (int i = 0; i < STEPS_PER_WINDOW; i++) {
        double at_ns = (double)from_ns + (i + 0.5) * step_ns;

        sum += pb_schedule_rate(schedule, phase, (int64_t)at_ns) * step_ns / (double)PB_NS_PER_S;
    }
    return sum;
}

struct arrival_sums {
    uint32_t windows;
    double sent, intended, expected; /* so far */
    double sent_apart;               /* largest |sent - intended| */
    double chi2;
};

static void walk_windows(const struct pb_part *part, const double *total, struct arrival_sums *sums,
                         double *ret_ks)
{
    const struct pb_aggregate *aggregate = part->evidence->aggregate;
    uint32_t phase = (uint32_t)part->phase;
    int64_t start_ns = aggregate->phases[phase].start_ns;
    double ks = 0;

    *sums = (struct arrival_sums){ 0 };
    for (uint32_t w = 0; w < aggregate->window_count; w++) {
        if (!pb_part_has_window(part, w)) {
            continue;
        }
        const struct pb_window *window = &aggregate->windows[w];
        int64_t from_ns = w * aggregate->window_ns - start_ns;
        double expected = expected_between(part->evidence->schedule, phase, from_ns,
                                           from_ns + aggregate->window_ns);
        double off = (double)window->intended - expected;

        sums->windows++;
        sums->sent += window->sent;
        sums->intended += window->intended;
        sums->expected += expected;
        sums->sent_apart = fmax(sums->sent_apart, fabs(sums->sent - sums->intended));
        sums->chi2 += expected > 0 ? off * off / expected : 0;
        if (total) {
            ks = fmax(ks, fabs(sums->intended / total[0] - sums->expected / total[1]));
        }
    }
    *ret_ks = ks;
}

static bool is_poisson(const struct pb_phase *phase)
{
    return phase->arrival == PB_ARRIVAL_POISSON ||
           (phase->arrival != PB_ARRIVAL_CONSTANT && phase->arrival != PB_ARRIVAL_CLOSED &&
            !phase->even);
}

void pb_check_arrivals(const struct pb_part *part, struct pb_arrival_check *ret_check)
{
    struct pb_arrival_check check = { .ks_p_value = (double)NAN };
    struct arrival_sums sums;
    double unused;

    *ret_check = check;
    if (part->phase == PB_PHASE_ALL ||
        part->evidence->scenario->phases[part->phase].arrival == PB_ARRIVAL_CLOSED) {
        return;
    }
    walk_windows(part, NULL, &sums, &unused);
    if (sums.windows < 2 || sums.intended <= 0 || sums.expected <= 0) {
        return;
    }
    double total[2] = { sums.intended, sums.expected };

    walk_windows(part, total, &sums, &check.ks_distance);
    check.checked = true;
    check.sent_distance = sums.sent_apart / sums.intended;
    check.dispersion_index = sums.chi2 / sums.windows;
    if (is_poisson(&part->evidence->scenario->phases[part->phase])) {
        check.ks_p_value = pb_ks_pvalue(check.ks_distance, (size_t)sums.intended);
    }
    /* Size and significance both: at 10^4 requests a sound Poisson stream passes a distance of 0.01
     * in every fourth phase, so size alone would cry wolf.  A few requests may cross an edge. */
    check.broken = (check.ks_distance > 0.01 && check.ks_p_value < 0.001) ||
                   (check.sent_distance > 0.01 && sums.sent_apart > 3);
    *ret_check = check;
}
