#include <math.h>

#include "base/clock.h"
#include "tuner/tuner_internal.h"

/* What a scenario without a budget may spend. */
#define BUDGET_TIME_NS       (INT64_C(900) * PB_NS_PER_S)
#define BUDGET_RUNS          60
#define QUICK_BUDGET_TIME_NS (INT64_C(300) * PB_NS_PER_S)
#define QUICK_BUDGET_RUNS    30
#define MOST_RUNS            100000
/* Six: the fewest pairs whose interval reaches 95 %. */
#define PAIRS 6
/* With fewer runs than this in the budget one run may accept a candidate; the confirmation is
 * still to come. */
#define FEW_RUNS 20

const struct pb_trial_driver *pb_plan_driver(const struct pb_tune_options *options)
{
    return options->driver != NULL ? options->driver : pb_trial_real();
}

static void set_budget(const struct pb_tune *tune, const struct pb_tune_options *options,
                       struct pb_tune_plan *plan)
{
    plan->budget_runs = options->quick ? QUICK_BUDGET_RUNS : BUDGET_RUNS;
    plan->budget_time_ns = options->quick ? QUICK_BUDGET_TIME_NS : BUDGET_TIME_NS;
    if (tune->budget_runs > 0) {
        plan->budget_runs = (uint32_t)fmin((double)tune->budget_runs, MOST_RUNS);
    }
    if (tune->budget_time_ns > 0) {
        plan->budget_time_ns = tune->budget_time_ns;
    }
    if (options->time_limit_ns > 0) {
        plan->budget_time_ns = options->time_limit_ns;
    }
}

static uint32_t within(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Runs that fit into the budget. */
static uint32_t affordable_runs(const struct pb_tune_plan *plan, int64_t run_ns)
{
    int64_t fitting = run_ns > 0 ? plan->budget_time_ns / run_ns : plan->budget_runs;

    return fitting < plan->budget_runs ? (uint32_t)fitting : plan->budget_runs;
}

/* A small budget is not spent on repeats alone: at least half of it is left for the search. */
static void fit_to_budget(struct pb_tune_plan *plan, uint32_t most)
{
    plan->pairs = within(most / 5, 2, plan->pairs);
    plan->floor_runs = within(most / 8, 2, plan->floor_runs);
    plan->stress_runs = plan->stress_runs > 0 ? within(most / 10, 1, plan->stress_runs) : 0;
    plan->max_runs = within(most / 6, 2, plan->max_runs);
    plan->min_runs = most < FEW_RUNS ? 1 : plan->min_runs;
    plan->provisional = plan->pairs < PAIRS;
}

/* Settings in the declared space, saturating. */
static uint64_t count_settings(const struct pb_tune *tune)
{
    uint64_t settings = 1;

    for (size_t i = 0; i < tune->vary_count; i++) {
        uint64_t count = tune->vary[i].count;

        settings = count > 0 && settings > UINT64_MAX / count ? UINT64_MAX : settings * count;
    }
    return settings;
}

/* Runs for judging every setting, the noise floor and the confirmation. */
static uint64_t sweep_runs(const struct pb_tune_plan *plan, uint64_t settings)
{
    return plan->floor_runs + 2 * plan->pairs + plan->stress_runs + settings * plan->min_runs;
}

struct pb_tune_plan pb_plan_make(const struct pb_scenario *scenario,
                                 const struct pb_tune_options *options)
{
    const struct pb_tune *tune = &scenario->tune;
    bool quick = options->quick;
    struct pb_tune_plan plan = {
        .floor_runs = quick ? 2 : 3,
        .min_runs = quick ? 1 : 2,
        .max_runs = quick ? 3 : 6,
        .invalid_max = 3,
        .pairs = quick ? 2 : PAIRS,
        .confirm_tries = quick ? 2 : 3,
        .load_factor = 1 + tune->headroom,
        .workers_lost = (uint32_t)tune->survive,
        .stressed = tune->headroom > 0 || tune->survive > 0,
        .cost_known = tune->minimize == PB_MINIMIZE_WORKERS,
    };

    plan.stress_runs = plan.stressed ? (quick ? 1 : 3) : 0;
    set_budget(tune, options, &plan);
    uint32_t most =
        affordable_runs(&plan, pb_plan_driver(options)->estimate_ns(options->driver_ctx, scenario));
    uint64_t settings = count_settings(tune);

    fit_to_budget(&plan, most);
    plan.exhaustive = settings <= most && sweep_runs(&plan, settings) <= most;
    return plan;
}

enum pb_status pb_plan_check(const struct pb_scenario *scenario, struct pb_error *err)
{
    for (size_t i = 0; i < scenario->objective_count; i++) {
        if (pb_objective_binds(&scenario->objectives[i])) {
            return PB_OK;
        }
    }
    return pb_fail(err, PB_EINVAL,
                   "nothing to tune for: the scenario has no objective of level fail; add for "
                   "example \"slo\": [ \"latency.p99 < 100ms\" ]");
}

enum pb_status pb_tune_estimate(const struct pb_scenario *scenario,
                                const struct pb_tune_options *options,
                                struct pb_tune_estimate *ret_estimate, struct pb_error *err)
{
    struct pb_tune_plan plan = pb_plan_make(scenario, options);
    struct pb_space space;

    PB_TRY(pb_plan_check(scenario, err));
    PB_TRY(pb_space_init(scenario, &space, err));
    int64_t run_ns = pb_plan_driver(options)->estimate_ns(options->driver_ctx, scenario);
    uint32_t most = affordable_runs(&plan, run_ns);
    /* The shortest: the original is the best, and the next cheaper setting fails at once. */
    uint32_t least = plan.floor_runs + 1 + plan.min_runs + plan.stress_runs;

    *ret_estimate = (struct pb_tune_estimate){
        .settings = space.settings,
        .runs_min = least < most ? least : most,
        .runs_max = plan.exhaustive ? (uint32_t)sweep_runs(&plan, space.settings) : most,
        .coordinate = !plan.exhaustive,
    };
    ret_estimate->time_min_ns = ret_estimate->runs_min * run_ns;
    ret_estimate->time_max_ns = ret_estimate->runs_max * run_ns;
    pb_space_done(&space);
    return PB_OK;
}
