#include "made_evidence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "support/test.h"
#include "workload/workload.h"

static char *copy(const char *text)
{
    char *fresh = strdup(text);

    ck_assert_ptr_nonnull(fresh);
    return fresh;
}

struct made *made_new(void)
{
    struct made *made = calloc(1, sizeof(*made));

    ck_assert_ptr_nonnull(made);
    struct pb_scenario *scenario = &made->scenario;

    scenario->name = copy("made");
    scenario->seed = 7;
    scenario->pool = (struct pb_scenario_pool){ .size = 4,
                                                .queue_limit = 100,
                                                .max_stuck = -1,
                                                .checkout_timeout_ns = 5 * S,
                                                .operation_timeout_ns = 60 * S,
                                                .init_timeout_ns = 30 * S,
                                                .overflow_ttl_ns = S,
                                                .stuck_after_ns = S };
    scenario->workload = &pb_workload_synthetic;
    scenario->operation_count = 1;
    scenario->operations[0].name = copy("default");
    scenario->operations[0].weight = 1;
    PB_ASSERT_OK(pb_dist_constant(5e6, &scenario->operations[0].service, NULL));
    return made;
}

void made_free(struct made *made)
{
    for (size_t i = 0; i < made->scenario.phase_count; i++) {
        free(made->scenario.phases[i].name);
    }
    for (size_t i = 0; i < made->scenario.objective_count; i++) {
        free(made->scenario.objectives[i].expression);
    }
    free(made->scenario.operations[0].name);
    free(made->scenario.name);
    pb_aggregate_free(made->aggregate);
    free(made);
}

void made_phase(struct made *made, const char *name, enum pb_arrival arrival, double rate,
                int64_t duration_ns, bool record)
{
    struct pb_phase *phase = &made->scenario.phases[made->scenario.phase_count];

    *phase = (struct pb_phase){ .name = copy(name),
                                .arrival = arrival,
                                .rate = rate,
                                .duration_ns = duration_ns,
                                .record = record };
    if (made->scenario.phase_count > 0) {
        phase->start_ns = phase[-1].start_ns + phase[-1].duration_ns;
    }
    made->scenario.phase_count++;
}

struct pb_objective *made_objective(struct made *made, const char *expression,
                                    enum pb_metric metric, enum pb_op op, double limit)
{
    struct pb_objective *objective = &made->scenario.objectives[made->scenario.objective_count++];

    *objective = (struct pb_objective){ .expression = copy(expression),
                                        .metric = metric,
                                        .op = op,
                                        .limit = limit,
                                        .phase = PB_PHASE_ALL,
                                        .level = PB_LEVEL_FAIL };
    return objective;
}

struct pb_objective *made_latency(struct made *made, double quantile, int64_t limit_ns, int phase)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "latency.p%g < %" PRId64 "ms", quantile * 100,
                   limit_ns / MS);
    struct pb_objective *objective =
        made_objective(made, text, PB_METRIC_LATENCY, PB_OP_LESS, (double)limit_ns);

    objective->stat = PB_STAT_QUANTILE;
    objective->quantile = quantile;
    objective->phase = phase;
    return objective;
}

static void add_request(struct made *made, uint32_t phase, uint64_t index, int64_t intended_ns,
                        made_fate_fn fate)
{
    struct made_fate what = { .service_ns = 5 * MS };

    if (fate) {
        fate(phase, index, &what);
    }
    bool started =
        what.outcome != PB_OUTCOME_REJECTED && what.outcome != PB_OUTCOME_CHECKOUT_TIMEOUT;
    struct pb_record record = {
        .index = index,
        .intended_ns = intended_ns,
        .lag_ns = what.lag_ns,
        .wait_ns = what.wait_ns,
        .service_ns = started ? what.service_ns : 0,
        .demand_ns = what.service_ns,
        .cpu_ns = -1,
        .worker = started ? (uint16_t)(index % 4) : PB_RECORD_NO_WORKER,
        .flags = (uint8_t)((unsigned)what.outcome | PB_RECORD_LAST),
        .phase = (uint8_t)phase,
    };

    pb_aggregate_add(made->aggregate, &record);
    made->evidence.load.sent[phase]++;
    made->evidence.load.attempts[phase]++;
    made->evidence.load.outcomes[phase][what.outcome]++;
    made->evidence.recorder.records++;
    made->evidence.recorder.collected++;
}

static void run_phases(struct made *made, made_fate_fn fate)
{
    for (uint32_t i = 0; i < made->scenario.phase_count; i++) {
        const struct pb_phase *phase = &made->scenario.phases[i];
        int64_t start_ns = phase->start_ns + made->slip_ns[i], offset_ns = 0;
        struct pb_cursor cursor;
        uint64_t index = 0;

        pb_aggregate_phase_times(made->aggregate, i, start_ns, start_ns + phase->duration_ns);
        if (phase->arrival == PB_ARRIVAL_CLOSED) {
            continue;
        }
        pb_cursor_init(&cursor, &made->schedule, i);
        while (pb_cursor_next(&cursor, &index, &offset_ns)) {
            add_request(made, i, index, start_ns + offset_ns, fate);
        }
    }
}

void made_run(struct made *made, made_fate_fn fate)
{
    struct pb_evidence *evidence = &made->evidence;

    pb_schedule_init(&made->schedule, &made->scenario, 7, 1);
    PB_ASSERT_OK(pb_aggregate_new(&made->scenario, &made->aggregate));
    run_phases(made, fate);

    int64_t end_ns = pb_scenario_duration_ns(&made->scenario);

    for (int64_t worker = 0; worker < made->scenario.pool.size; worker++) {
        pb_aggregate_alive(made->aggregate, 0, end_ns, false);
    }
    pb_aggregate_sample(made->aggregate, end_ns / 2, 3, (uint32_t)made->scenario.pool.size);
    evidence->scenario = &made->scenario;
    evidence->schedule = &made->schedule;
    evidence->aggregate = made->aggregate;
    evidence->elapsed_ns = end_ns;
    evidence->generators = 1;
    evidence->load_factor = 1;
    evidence->aborted_rule = -1;
    evidence->monitor = (struct pb_monitor_summary){ .steal_ratio = 0.001,
                                                     .foreign_cpu_ratio = 0.01,
                                                     .process_cpus = 0.3,
                                                     .pressure_ratio = (double)NAN,
                                                     .peak_rss_bytes = 20 << 20,
                                                     .rss_start_bytes = 10 << 20,
                                                     .duration_ns = end_ns };
    evidence->pool.peak_alive = (uint32_t)made->scenario.pool.size;
    for (size_t i = 0; i < PB_FAULTS_MAX; i++) {
        evidence->faults[i] = PB_NO_FAULT_RESULT;
    }
    pb_losses_sum(NULL, 0, &evidence->recovery);
    pb_workers_summary_init(&evidence->workers);
}

struct pb_loss *made_loss(struct made *made, int64_t since_ns, int64_t recovery_ns)
{
    struct pb_evidence *evidence = &made->evidence;
    struct pb_loss *loss = &made->losses[evidence->loss_count++];

    ck_assert_uint_lt(evidence->loss_count, PB_ARRAY_LEN(made->losses));
    *loss = (struct pb_loss){ .worker = 2,
                              .fault = -1,
                              .reason = "killed",
                              .since_ns = since_ns,
                              .detected_ns = since_ns + MS,
                              .ready_ns = since_ns + 2 * MS,
                              .first_ok_ns = since_ns + recovery_ns,
                              .recovery_ns = recovery_ns,
                              .successor = 4,
                              .end = PB_LOSS_RECOVERED };
    evidence->losses = made->losses;
    evidence->pool.lost = evidence->loss_count;
    pb_losses_sum(evidence->losses, evidence->loss_count, &evidence->recovery);
    return loss;
}

const struct pb_judgement *made_judge(struct made *made, made_fate_fn fate)
{
    made_run(made, fate);
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    return &made->judgement;
}

const struct pb_warning *made_warning(const struct pb_judgement *judgement, enum pb_warning_id id)
{
    for (size_t i = 0; i < judgement->warning_count; i++) {
        if (judgement->warnings[i].id == id) {
            return &judgement->warnings[i];
        }
    }
    return NULL;
}
