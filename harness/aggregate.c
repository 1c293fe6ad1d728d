#include "harness/aggregate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/aggregate_internal.h"

#define MIN_WINDOW_NS (50 * PB_NS_PER_MS)
#define LONG_RUN_NS   (20 * PB_NS_PER_S)
#define WINDOWS_SHORT 20
#define WORKERS_KNOWN 4096 /* more slots than a pool can have */
#define PHASE_HISTS   5

static struct pb_hist *hist_of(struct pb_phase_aggregate *phase, int i)
{
    struct pb_hist *const hists[PHASE_HISTS] = { &phase->latency, &phase->queue_wait,
                                                 &phase->service, &phase->send_lag,
                                                 &phase->lag_all };

    return hists[i];
}

static enum pb_status init_hists(struct pb_phase_aggregate *phase)
{
    /* Buckets that no value falls into are never touched, so they are not resident either. */
    for (int i = 0; i < PHASE_HISTS; i++) {
        PB_TRY(pb_hist_init(hist_of(phase, i), PB_HIST_HIGHEST_NS, PB_HIST_DIGITS));
    }
    return PB_OK;
}

void pb_phase_aggregate_done(struct pb_phase_aggregate *phase)
{
    for (int i = 0; i < PHASE_HISTS; i++) {
        pb_hist_done(hist_of(phase, i));
    }
}

static int64_t choose_window(int64_t duration_ns)
{
    if (duration_ns < LONG_RUN_NS) {
        int64_t part_ns = duration_ns / WINDOWS_SHORT;

        return part_ns > MIN_WINDOW_NS ? part_ns : MIN_WINDOW_NS;
    }
    /* Whole seconds, as many as it takes. */
    int64_t stretch_ns = PB_WINDOWS_MAX * PB_NS_PER_S;

    return (duration_ns + stretch_ns - 1) / stretch_ns * PB_NS_PER_S;
}

/* A counter for an objective's limit, when it is judged by what is late. */
static enum pb_status add_late(struct pb_aggregate *aggregate, const struct pb_objective *objective)
{
    int64_t limit_ns = (int64_t)objective->limit;

    if (objective->metric != PB_METRIC_LATENCY || objective->stat != PB_STAT_QUANTILE ||
        pb_aggregate_late(aggregate, limit_ns)) {
        return PB_OK;
    }
    struct pb_late_counter *late = &aggregate->late[aggregate->late_count++];

    late->limit_ns = limit_ns;
    late->bad = calloc(PB_PHASES_MAX, sizeof(*late->bad));
    late->window_bad = calloc(PB_WINDOWS_MAX, sizeof(*late->window_bad));
    return late->bad && late->window_bad ? PB_OK : PB_ENOMEM;
}

static enum pb_status add_lates(struct pb_aggregate *aggregate)
{
    const struct pb_scenario *scenario = aggregate->scenario;

    for (size_t i = 0; i < scenario->objective_count; i++) {
        PB_TRY(add_late(aggregate, &scenario->objectives[i]));
    }
    for (size_t i = 0; i < scenario->abort_count; i++) {
        PB_TRY(add_late(aggregate, &scenario->aborts[i].rule));
    }
    return PB_OK;
}

static enum pb_status fill_new(struct pb_aggregate *aggregate)
{
    const struct pb_scenario *scenario = aggregate->scenario;
    int64_t duration_ns = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        struct pb_phase_aggregate *phase = &aggregate->phases[i];

        phase->start_ns = scenario->phases[i].start_ns;
        phase->end_ns = phase->start_ns + scenario->phases[i].duration_ns;
        duration_ns = phase->end_ns;
        PB_TRY(init_hists(phase));
    }
    aggregate->window_ns = choose_window(duration_ns);
    aggregate->window_hists = calloc(PB_WINDOWS_MAX, sizeof(*aggregate->window_hists));
    aggregate->worker_until_ns = calloc(WORKERS_KNOWN, sizeof(*aggregate->worker_until_ns));
    if (!aggregate->window_hists || !aggregate->worker_until_ns) {
        return PB_ENOMEM;
    }
    for (size_t i = 0; i < WORKERS_KNOWN; i++) {
        aggregate->worker_until_ns[i] = INT64_MIN;
    }
    return add_lates(aggregate);
}

enum pb_status pb_aggregate_new(const struct pb_scenario *scenario,
                                struct pb_aggregate **ret_aggregate)
{
    struct pb_aggregate *aggregate = calloc(1, sizeof(*aggregate));

    if (!aggregate) {
        return PB_ENOMEM;
    }
    aggregate->scenario = scenario;
    enum pb_status status = fill_new(aggregate);

    if (status != PB_OK) {
        pb_aggregate_free(aggregate);
        return status;
    }
    *ret_aggregate = aggregate;
    return PB_OK;
}

void pb_aggregate_free(struct pb_aggregate *aggregate)
{
    if (!aggregate) {
        return;
    }
    for (size_t i = 0; i < PB_PHASES_MAX; i++) {
        pb_phase_aggregate_done(&aggregate->phases[i]);
    }
    for (size_t i = 0; i < aggregate->late_count; i++) {
        free(aggregate->late[i].bad);
        free(aggregate->late[i].window_bad);
    }
    free(aggregate->window_hists);
    free(aggregate->worker_until_ns);
    free(aggregate);
}

const struct pb_late_counter *pb_aggregate_late(const struct pb_aggregate *aggregate,
                                                int64_t limit_ns)
{
    for (size_t i = 0; i < aggregate->late_count; i++) {
        if (aggregate->late[i].limit_ns == limit_ns) {
            return &aggregate->late[i];
        }
    }
    return NULL;
}

/* A worker does one thing at a time, so its rows do not overlap, except that a timeout's row and
 * the row of its worker's return tell of the same start.  What has been counted is not again. */
static void add_busy(struct pb_aggregate *aggregate, const struct pb_record *record,
                     int64_t started_ns)
{
    int64_t until_ns = started_ns + record->service_ns;

    if (record->worker == PB_RECORD_NO_WORKER) {
        return;
    }
    if (record->worker < WORKERS_KNOWN) {
        int64_t *counted_ns = &aggregate->worker_until_ns[record->worker];

        started_ns = started_ns > *counted_ns ? started_ns : *counted_ns;
        *counted_ns = until_ns > *counted_ns ? until_ns : *counted_ns;
    }
    pb_aggregate_spread(aggregate, PB_STRETCH_BUSY, record->phase, started_ns, until_ns);
}

static void record_ok(struct pb_aggregate *aggregate, struct pb_phase_aggregate *phase,
                      const struct pb_record *record, uint32_t window)
{
    int64_t latency_ns = pb_record_latency_ns(record);
    struct pb_small_hist *small = &aggregate->window_hists[window];

    pb_hist_record(&phase->latency, latency_ns);
    pb_hist_record(&phase->queue_wait, record->wait_ns);
    pb_hist_record(&phase->service, record->service_ns);
    if (record->attempt == 0) {
        /* A retry's lag holds all attempts before it. */
        pb_hist_record(&phase->send_lag, record->lag_ns);
    }
    aggregate->windows[window].latency = small;
    pb_small_hist_record(small, latency_ns);
}

/* Counts a request that did not end ok within each limit; the client's own errors count nowhere. */
static void count_late(struct pb_aggregate *aggregate, const struct pb_record *record,
                       uint32_t window)
{
    enum pb_outcome outcome = pb_record_outcome(record);

    if (outcome == PB_OUTCOME_CLIENT_ERROR) {
        return;
    }
    for (size_t i = 0; i < aggregate->late_count; i++) {
        struct pb_late_counter *late = &aggregate->late[i];

        if (outcome == PB_OUTCOME_OK && pb_record_latency_ns(record) <= late->limit_ns) {
            continue;
        }
        late->bad[record->phase]++;
        late->window_bad[window] += aggregate->scenario->phases[record->phase].record;
    }
}

/* The last attempt of a request: its outcome counts. */
static void add_request(struct pb_aggregate *aggregate, const struct pb_record *record)
{
    struct pb_phase_aggregate *phase = &aggregate->phases[record->phase], *during;
    enum pb_outcome outcome = pb_record_outcome(record);
    int64_t done_ns = record->intended_ns + pb_record_latency_ns(record);
    /* The later instant first: it may make windows coarser. */
    uint32_t done_window = pb_aggregate_window_at(aggregate, done_ns);
    uint32_t window = pb_aggregate_window_at(aggregate, record->intended_ns);

    phase->sent++;
    phase->outcomes[outcome]++;
    aggregate->windows[done_window].done[outcome]++;
    aggregate->windows[window].intended++;
    if (outcome == PB_OUTCOME_OK) {
        record_ok(aggregate, phase, record, window);
    } else if (outcome != PB_OUTCOME_CLIENT_ERROR) {
        aggregate->windows[window].not_ok++;
    }
    count_late(aggregate, record, window);
    during = pb_aggregate_phase_at(aggregate, record->phase, done_ns);
    if (during) {
        during->done_in_phase++;
        during->ok_in_phase += outcome == PB_OUTCOME_OK;
    }
}

void pb_aggregate_add(struct pb_aggregate *aggregate, const struct pb_record *record)
{
    int64_t sent_ns = record->intended_ns + record->lag_ns;
    int64_t started_ns = sent_ns + record->wait_ns;

    if (record->phase >= aggregate->scenario->phase_count) {
        aggregate->foreign_rows++;
        return;
    }
    struct pb_phase_aggregate *phase = &aggregate->phases[record->phase];

    if (record->flags & PB_RECORD_END) {
        phase->abandoned++;
        add_request(aggregate, record);
        return;
    }
    add_busy(aggregate, record, started_ns);
    if (record->flags & PB_RECORD_RETURN) {
        return;
    }
    phase->attempts++;
    phase->attempt_outcomes[pb_record_outcome(record)]++;
    if (record->cpu_ns >= 0) {
        pb_aggregate_add_ns(&phase->cpu_sum_ns, record->cpu_ns);
        phase->cpu_count++;
    }
    struct pb_window *window = &aggregate->windows[pb_aggregate_window_at(aggregate, sent_ns)];

    if (record->flags & PB_RECORD_RETRY) {
        phase->retried += record->attempt == 1;
        window->retries++;
    } else {
        pb_hist_record(&phase->lag_all, record->lag_ns);
        window->sent++;
    }
    pb_aggregate_spread(aggregate, PB_STRETCH_WAIT, record->phase, sent_ns, started_ns);
    if (record->flags & PB_RECORD_LAST) {
        add_request(aggregate, record);
    }
}

/* Adds a recorded phase to the sums. */
static enum pb_status add_phase(struct pb_phase_aggregate *total, struct pb_phase_aggregate *phase)
{
    total->sent += phase->sent;
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        total->outcomes[i] += phase->outcomes[i];
        total->attempt_outcomes[i] += phase->attempt_outcomes[i];
    }
    for (int i = 0; i < PHASE_HISTS; i++) {
        PB_TRY(pb_hist_merge(hist_of(total, i), hist_of(phase, i)));
    }
    total->attempts += phase->attempts;
    total->retried += phase->retried;
    total->abandoned += phase->abandoned;
    total->done_in_phase += phase->done_in_phase;
    total->ok_in_phase += phase->ok_in_phase;
    total->busy_ns += phase->busy_ns;
    total->alive_ns += phase->alive_ns;
    total->wait_ns += phase->wait_ns;
    pb_aggregate_raise_peaks(&total->peak_queue, &total->peak_alive, phase->peak_queue,
                             phase->peak_alive);
    total->backlog = phase->backlog;
    total->backlog_oldest_ns = phase->backlog_oldest_ns;
    total->cpu_sum_ns += phase->cpu_sum_ns;
    total->cpu_count += phase->cpu_count;
    total->end_ns += phase->end_ns - phase->start_ns;
    return PB_OK;
}

enum pb_status pb_aggregate_total(const struct pb_aggregate *aggregate,
                                  struct pb_phase_aggregate *ret_total)
{
    PB_CLEANUP(pb_phase_aggregate_done) struct pb_phase_aggregate total = { 0 };
    bool any = false;

    PB_TRY(init_hists(&total));
    for (size_t i = 0; i < aggregate->scenario->phase_count; i++) {
        struct pb_phase_aggregate phase = aggregate->phases[i]; /* its histograms stay borrowed */

        if (!aggregate->scenario->phases[i].record) {
            continue;
        }
        if (!any) {
            total.start_ns = total.end_ns = phase.start_ns;
            any = true;
        }
        PB_TRY(add_phase(&total, &phase));
    }
    *ret_total = total;
    memset(&total, 0, sizeof(total));
    return PB_OK;
}
