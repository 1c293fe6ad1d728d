#include "harness/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "harness/aggregate.h"
#include "harness/load.h"
#include "harness/recorder.h"
#include "harness/schedule.h"
#include "workload/workload.h"

#define CALIBRATION_NS       (300 * PB_NS_PER_MS)
#define CALIBRATION_RATE     1000.0
#define RATE_PER_GENERATOR   400e3
#define GENERATOR_CPU_NS     1500.0 /* one request's share of a generator thread, roughly */
#define CLOSED_LOOP_RATE_CAP 100e3

static double peak_rate(const struct pb_scenario *scenario, const struct pb_phase *phase)
{
    if (phase->arrival != PB_ARRIVAL_CLOSED) {
        return pb_phase_peak_rate(phase);
    }
    double cycle_ns = pb_dist_mean_ns(&phase->think) + pb_scenario_mean_service_ns(scenario);

    return fmin(CLOSED_LOOP_RATE_CAP, (double)phase->users * 1e9 / fmax(cycle_ns, 1e3));
}

static double busiest_rate(const struct pb_scenario *scenario, double load_factor)
{
    double busiest = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        busiest = fmax(busiest, peak_rate(scenario, &scenario->phases[i]));
    }
    return busiest * load_factor;
}

double pb_planned_cpus(const struct pb_scenario *scenario, double load_factor)
{
    double per_request_ns = pb_scenario_mean_cpu_ns(scenario) + GENERATOR_CPU_NS;

    return busiest_rate(scenario, load_factor) * per_request_ns / 1e9;
}

uint32_t pb_choose_generators(const struct pb_scenario *scenario, double load_factor)
{
    if (scenario->generators > 0) {
        return (uint32_t)scenario->generators;
    }
    double wanted = ceil(busiest_rate(scenario, load_factor) / RATE_PER_GENERATOR);
    double most = fmax(1, floor(pb_usable_cpus() / 2.0));

    return (uint32_t)fmin(fmax(wanted, 1), most);
}

/* The scenario's pool under one short phase of requests that do nothing.  The copy is shallow: all
 * it points at stays the original's. */
static void make_null_scenario(const struct pb_scenario *scenario, double rate,
                               struct pb_scenario *ret_null)
{
    *ret_null = *scenario;
    ret_null->workload = &pb_workload_null;
    ret_null->pool.profile = PB_PROFILE_THREAD;
    ret_null->operation_count = 1;
    ret_null->operations[0] =
        (struct pb_operation){ .name = scenario->operations[0].name, .weight = 1 };
    ret_null->phase_count = 1;
    ret_null->phases[0] = (struct pb_phase){ .name = scenario->phases[0].name,
                                             .duration_ns = CALIBRATION_NS,
                                             .arrival = PB_ARRIVAL_CONSTANT,
                                             .rate = rate,
                                             .record = true };
    ret_null->fault_count = 0;
    ret_null->retries.max = 0;
    ret_null->change_count = 0;
    ret_null->objective_count = 0;
    ret_null->abort_count = 0;
}

static void recorder_cleanup(struct pb_recorder **recorder)
{
    pb_recorder_free(*recorder);
}

static void aggregate_cleanup(struct pb_aggregate **aggregate)
{
    pb_aggregate_free(*aggregate);
}

static void load_cleanup(struct pb_load **load)
{
    pb_load_free(*load);
}

static enum pb_status measure_floor(const struct pb_scenario *scenario, bool spin,
                                    const _Atomic int *stop, struct pb_lateness *ret_floor,
                                    struct pb_error *err)
{
    struct pb_schedule schedule;
    PB_CLEANUP(aggregate_cleanup) struct pb_aggregate *aggregate = NULL;
    PB_CLEANUP(recorder_cleanup) struct pb_recorder *recorder = NULL;
    PB_CLEANUP(load_cleanup) struct pb_load *load = NULL;

    pb_schedule_init(&schedule, scenario, 1, 1.0);
    PB_TRY(pb_aggregate_new(scenario, &aggregate));

    struct pb_load_config config = {
        .scenario = scenario, .schedule = &schedule, .spin = spin, .generators = 1, .stop = stop
    };
    struct pb_recorder_config recording = { .lanes = pb_load_lanes(&config),
                                            .aggregate = aggregate,
                                            .chunks = 64 };

    PB_TRY(pb_recorder_new(&recording, &recorder));
    config.recorder = recorder;
    PB_TRY(pb_load_new(&config, &load, err));
    PB_TRY(pb_recorder_start(recorder, err));
    PB_TRY(pb_load_run(load, err));
    pb_load_drain(load);
    pb_recorder_stop(recorder);

    const struct pb_hist *latency = &aggregate->phases[0].latency;

    if (aggregate->phases[0].outcomes[PB_OUTCOME_OK] > 0) {
        *ret_floor = (struct pb_lateness){ .p50_ns = pb_hist_quantile(latency, 0.5),
                                           .p99_ns = pb_hist_quantile(latency, 0.99),
                                           .max_ns = latency->max,
                                           .count = (uint64_t)latency->total };
    }
    return PB_OK;
}

enum pb_status pb_calibrate(const struct pb_scenario *scenario, double load_factor, bool quick,
                            const _Atomic int *stop, struct pb_calibration *ret_calibration,
                            struct pb_error *err)
{
    struct pb_calibration calibration = { .generators =
                                              pb_choose_generators(scenario, load_factor) };
    struct pb_scenario null_scenario;

    if (quick && scenario->pacing != PB_PACING_SPIN) {
        memcpy(calibration.pacing.why, "sleep: calibration skipped",
               sizeof("sleep: calibration skipped"));
        *ret_calibration = calibration;
        return PB_OK;
    }
    pb_pacing_choose(scenario, pb_planned_cpus(scenario, load_factor), &calibration.pacing);
    make_null_scenario(scenario, fmin(CALIBRATION_RATE, fmax(20, busiest_rate(scenario, 1))),
                       &null_scenario);
    PB_TRY(
        measure_floor(&null_scenario, calibration.pacing.spin, stop, &calibration.null_floor, err));
    *ret_calibration = calibration;
    return PB_OK;
}
