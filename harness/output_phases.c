#include "harness/measures.h"
#include "harness/output.h"
#include "harness/output_internal.h"

/* The counters behind a part: of one phase, or summed over the recorded ones. */
struct counts {
    uint64_t sent, unsent;
    uint64_t outcomes[PB_OUTCOME_COUNT];
};

static void add_counts(struct counts *counts, const struct pb_load_stats *load, size_t phase)
{
    counts->sent += load->sent[phase];
    counts->unsent += load->unsent[phase];
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        counts->outcomes[o] += load->outcomes[phase][o];
    }
}

static void put_hist(struct pb_out *out, cJSON *parent, const char *key, const struct pb_hist *hist)
{
    static const struct {
        const char *key;
        double q;
    } quantiles[] = { { "p50_ns", 0.5 },  { "p75_ns", 0.75 }, { "p90_ns", 0.9 },
                      { "p95_ns", 0.95 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 } };
    cJSON *summary = pb_out_object(out, parent, key);
    bool empty = hist->total == 0;

    /* An empty histogram has no smallest or middle value: null, never a 0 that looks measured. */
    pb_out_int(out, summary, "count", hist->total);
    pb_out_known(out, summary, "min_ns", empty ? -1 : hist->min);
    if (empty) {
        pb_out_null(out, summary, "mean_ns");
    } else {
        pb_out_num(out, summary, "mean_ns", pb_hist_mean(hist));
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(quantiles); i++) {
        pb_out_known(out, summary, quantiles[i].key,
                     empty ? -1 : pb_hist_quantile(hist, quantiles[i].q));
    }
    pb_out_known(out, summary, "max_ns", empty ? -1 : hist->max);
}

static void put_counts(struct pb_out *out, cJSON *object, const struct counts *counts)
{
    pb_out_int(out, object, "sent", (int64_t)counts->sent);
    pb_out_int(out, object, "unsent", (int64_t)counts->unsent);

    cJSON *outcomes = pb_out_object(out, object, "outcomes");

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        pb_out_int(out, outcomes, pb_outcome_name((enum pb_outcome)o),
                   (int64_t)counts->outcomes[o]);
    }
}

/* Requests are counted once, above; here is what it took. */
static void put_attempts(struct pb_out *out, cJSON *parent,
                         const struct pb_phase_aggregate *aggregate)
{
    cJSON *attempts = pb_out_object(out, parent, "attempts");

    pb_out_int(out, attempts, "sent", (int64_t)aggregate->attempts);
    pb_out_int(out, attempts, "retried", (int64_t)aggregate->retried);
    pb_out_int(out, attempts, "abandoned", (int64_t)aggregate->abandoned);
    if (aggregate->sent > 0) {
        pb_out_num(out, attempts, "per_request_ratio",
                   (double)aggregate->attempts / (double)aggregate->sent);
    } else {
        pb_out_null(out, attempts, "per_request_ratio");
    }
    cJSON *outcomes = pb_out_object(out, attempts, "outcomes");

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        pb_out_int(out, outcomes, pb_outcome_name((enum pb_outcome)o),
                   (int64_t)aggregate->attempt_outcomes[o]);
    }
}

/* What a phase and the totals have in common. */
static void put_part(struct pb_out *out, cJSON *object, const struct pb_part *part,
                     const struct counts *counts)
{
    const struct pb_phase_aggregate *aggregate = part->aggregate;

    put_counts(out, object, counts);
    put_attempts(out, object, aggregate);
    pb_out_num(out, object, "offered_rate_per_s", pb_part_offered_per_s(part));
    pb_out_num(out, object, "achieved_rate_per_s", pb_part_achieved_per_s(part));
    pb_out_num(out, object, "throughput_per_s", pb_part_throughput_per_s(part));
    pb_out_num(out, object, "error_ratio", pb_part_error_ratio(part));
    put_hist(out, object, "latency", &aggregate->latency);
    put_hist(out, object, "queue_wait", &aggregate->queue_wait);
    put_hist(out, object, "service", &aggregate->service);
    put_hist(out, object, "send_lag", &aggregate->send_lag);
    put_hist(out, object, "send_lag_all", &aggregate->lag_all);
    pb_out_num(out, object, "utilization_ratio", pb_part_utilization(part));
    pb_out_num(out, object, "core_utilization_ratio", pb_part_core_utilization(part));
    pb_out_num(out, object, "mean_workers", pb_part_mean_workers(part));
    pb_out_num(out, object, "offered_workers", pb_part_erlangs(part));
    pb_out_int(out, object, "peak_workers", aggregate->peak_alive);
    pb_out_int(out, object, "peak_queue", aggregate->peak_queue);
    if (aggregate->cpu_count > 0) {
        pb_out_num(out, object, "mean_cpu_ns",
                   (double)aggregate->cpu_sum_ns / (double)aggregate->cpu_count);
    } else {
        pb_out_null(out, object, "mean_cpu_ns");
    }
}

static void put_arrival_check(struct pb_out *out, cJSON *object, const struct pb_part *part)
{
    struct pb_arrival_check check;

    pb_check_arrivals(part, &check);
    if (!check.checked) {
        pb_out_null(out, object, "arrival_check");
        return;
    }
    cJSON *law = pb_out_object(out, object, "arrival_check");

    pb_out_num(out, law, "sent_distance_ratio", check.sent_distance);
    pb_out_num(out, law, "ks_distance_ratio", check.ks_distance);
    pb_out_num(out, law, "ks_p_value", check.ks_p_value);
    pb_out_num(out, law, "dispersion_index", check.dispersion_index);
}

static void put_phase(struct pb_out *out, cJSON *phases, const struct pb_evidence *evidence,
                      uint32_t i)
{
    const struct pb_phase *phase = &evidence->scenario->phases[i];
    const struct pb_phase_aggregate *aggregate = &evidence->aggregate->phases[i];
    cJSON *object = pb_out_object(out, phases, NULL);
    bool closed = phase->arrival == PB_ARRIVAL_CLOSED;
    struct counts counts = { 0 };
    int64_t start_ns, end_ns;
    struct pb_part part;

    pb_part_init(&part, evidence, (int)i, aggregate);
    pb_phase_stretch(evidence, i, &start_ns, &end_ns);
    add_counts(&counts, &evidence->load, i);
    pb_out_str(out, object, "name", phase->name);
    pb_out_bool(out, object, "record", phase->record);
    pb_out_str(out, object, "arrival", pb_arrival_name(phase->arrival));
    pb_out_int(out, object, "start_ns", start_ns);
    pb_out_int(out, object, "end_ns", end_ns);
    pb_out_int(out, object, "duration_ns", end_ns - start_ns);
    pb_out_known(out, object, "planned", closed ? -1 : (int64_t)evidence->schedule->planned[i]);
    pb_out_known(out, object, "users",
                 closed ? (int64_t)pb_schedule_users(evidence->schedule, i) : -1);
    put_part(out, object, &part, &counts);
    pb_out_int(out, object, "backlog", (int64_t)aggregate->backlog);
    pb_out_known(out, object, "backlog_oldest_ns", aggregate->backlog_oldest_ns);
    put_arrival_check(out, object, &part);
}

void pb_out_phases(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    cJSON *phases = pb_out_array(out, root, "phases");

    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        put_phase(out, phases, evidence, i);
    }
}

bool pb_out_totals(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    struct pb_phase_aggregate total;
    struct counts counts = { 0 };
    struct pb_part part;

    if (pb_aggregate_total(evidence->aggregate, &total) != PB_OK) {
        return false;
    }
    cJSON *object = pb_out_object(out, root, "totals");

    for (size_t i = 0; i < evidence->scenario->phase_count; i++) {
        if (evidence->scenario->phases[i].record) {
            add_counts(&counts, &evidence->load, i);
        }
    }
    pb_part_init(&part, evidence, PB_PHASE_ALL, &total);
    pb_out_int(out, object, "duration_ns", part.duration_ns);
    pb_out_int(out, object, "planned", (int64_t)part.planned);
    put_part(out, object, &part, &counts);
    pb_phase_aggregate_done(&total);
    return true;
}
