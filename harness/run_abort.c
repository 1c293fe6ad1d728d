#include <math.h>

#include "harness/run_internal.h"

/* Requests of `rule` so far, over all phases: what ended, and what of it was bad. */
static struct pb_abort_sample cumulative(const struct pb_run_state *run,
                                         const struct pb_objective *rule, int64_t now_ns)
{
    struct pb_abort_sample sample = { .at_ns = now_ns };
    const struct pb_late_counter *late =
        rule->metric == PB_METRIC_LATENCY && rule->stat == PB_STAT_QUANTILE
            ? pb_aggregate_late(run->aggregate, (int64_t)rule->limit)
            : NULL;

    for (size_t i = 0; i < run->scenario->phase_count; i++) {
        const struct pb_phase_aggregate *phase = &run->aggregate->phases[i];
        uint64_t not_ok = 0;

        for (int o = PB_OUTCOME_ERROR; o < PB_OUTCOME_COUNT; o++) {
            not_ok += phase->outcomes[o];
        }
        sample.ok += phase->outcomes[PB_OUTCOME_OK];
        sample.done += phase->outcomes[PB_OUTCOME_OK] + not_ok;
        sample.bad += late ? late->bad[i] : not_ok;
    }
    return sample;
}

/* The rule's condition over the requests between two samples.  No request is no evidence. */
static bool broken_between(const struct pb_objective *rule, const struct pb_abort_sample *from,
                           const struct pb_abort_sample *to)
{
    double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
    double done = (double)(to->done - from->done);
    double bad_ratio = done > 0 ? (double)(to->bad - from->bad) / done : 0;
    double value;

    if (rule->metric == PB_METRIC_LATENCY) {
        /* "latency.p99 > 100ms": more than 1 % of the requests were later than that. */
        return bad_ratio > 1 - rule->quantile;
    }
    if (rule->metric == PB_METRIC_ERROR_RATE) {
        if (!(done > 0)) {
            return false;
        }
        value = bad_ratio;
    } else if (rule->metric == PB_METRIC_THROUGHPUT) {
        value = (double)(to->ok - from->ok) / seconds;
    } else if (rule->metric == PB_METRIC_ACHIEVED_RATE) {
        value = done / seconds;
    } else {
        return false; /* the loader refuses rules about anything else */
    }
    return rule->op == PB_OP_GREATER ? value > rule->limit : value < rule->limit;
}

bool pb_abort_holds(struct pb_run_state *run, size_t rule, int64_t now_ns)
{
    const struct pb_abort *abort = &run->scenario->aborts[rule];
    struct pb_abort_state *state = &run->aborts[rule];
    int64_t step_ns = abort->for_ns / (PB_ABORT_SAMPLES / 2);
    const struct pb_abort_sample *newest =
        state->count > 0 ? &state->ring[(state->count - 1) % PB_ABORT_SAMPLES] : NULL;

    if (newest && now_ns - newest->at_ns < step_ns) {
        return false;
    }
    struct pb_abort_sample now = cumulative(run, &abort->rule, now_ns);
    size_t kept = state->count < PB_ABORT_SAMPLES ? state->count : PB_ABORT_SAMPLES;
    const struct pb_abort_sample *from = NULL;

    /* The youngest sample that is at least `for` old: the stretch is then just as long as asked. */
    for (size_t back = 1; back <= kept && !from; back++) {
        const struct pb_abort_sample *old = &state->ring[(state->count - back) % PB_ABORT_SAMPLES];

        if (now_ns - old->at_ns >= abort->for_ns) {
            from = old;
        }
    }
    state->ring[state->count++ % PB_ABORT_SAMPLES] = now;
    return from && broken_between(&abort->rule, from, &now);
}
