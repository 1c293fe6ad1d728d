#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/queueing.h"
#include "cli/advice.h"
#include "cli/command.h"
#include "cli/print.h"
#include "harness/schedule.h"

#define NO_NUMBER ((double)NAN)

/* What is expected of one phase.  Waits are M/G/c approximations: Erlang C scaled by Allen and
 * Cunneen's (ca2 + cs2) / 2, which is exact for M/M/c only; NaN where the phase is no steady state.
 */
struct phase_plan {
    struct pb_phase_load load;
    uint64_t planned;
    double workers, utilization_ratio;
    double wait_mean_ns, waiting_ratio;
};

static double service_scv(const struct pb_scenario *scenario)
{
    double mean = pb_scenario_mean_service_ns(scenario), second = 0, weights = 0;

    for (size_t i = 0; i < scenario->operation_count; i++) {
        const struct pb_operation *operation = &scenario->operations[i];
        double m = pb_dist_mean_ns(&operation->service);

        second += operation->weight * (pb_dist_variance_ns2(&operation->service) + m * m);
        weights += operation->weight;
    }
    return mean > 0 && weights > 0 ? (second / weights - mean * mean) / (mean * mean) : 0;
}

static void plan_phase(const struct pb_scenario *scenario, const struct pb_schedule *schedule,
                       size_t i, struct phase_plan *plan)
{
    const struct pb_phase *phase = &scenario->phases[i];
    size_t workers = (size_t)pb_scenario_slots_in(scenario, i);
    double service_s = pb_scenario_mean_service_ns(scenario) / 1e9;
    bool steady = phase->arrival == PB_ARRIVAL_CONSTANT || phase->arrival == PB_ARRIVAL_POISSON;

    pb_phase_load(scenario, i, &plan->load);
    plan->planned = schedule->planned[i];
    plan->workers = (double)workers;
    plan->utilization_ratio = fmin(1, plan->load.mean_erlangs / (double)workers);
    plan->wait_mean_ns = plan->waiting_ratio = NO_NUMBER;
    if (!scenario->workload->run) {
        /* A worker of the user's takes as long as it takes. */
        plan->load.mean_erlangs = plan->load.mean_cpus = plan->utilization_ratio = NO_NUMBER;
    }
    if (steady && service_s > 0 && plan->load.mean_erlangs < (double)workers) {
        double ca2 = phase->arrival == PB_ARRIVAL_POISSON ? 1 : 0;

        plan->waiting_ratio = pb_erlang_c(workers, plan->load.mean_erlangs);
        plan->wait_mean_ns = 1e9 * pb_allen_cunneen_wait_s(workers, plan->load.mean_rate_per_s,
                                                           service_s, ca2, service_scv(scenario));
    }
}

static void add_number(cJSON *row, const char *name, double value)
{
    if (isnan(value)) {
        cJSON_AddNullToObject(row, name);
    } else {
        cJSON_AddNumberToObject(row, name, value);
    }
}

static cJSON *plan_json(const struct pb_phase *phase, const struct phase_plan *plan)
{
    cJSON *row = cJSON_CreateObject();

    cJSON_AddStringToObject(row, "name", phase->name);
    cJSON_AddBoolToObject(row, "record", phase->record);
    cJSON_AddStringToObject(row, "arrival", pb_arrival_name(phase->arrival));
    cJSON_AddNumberToObject(row, "duration_ns", (double)phase->duration_ns);
    cJSON_AddNumberToObject(row, "planned", (double)plan->planned);
    cJSON_AddNumberToObject(row, "mean_rate_per_s", plan->load.mean_rate_per_s);
    cJSON_AddNumberToObject(row, "peak_rate_per_s", plan->load.peak_rate_per_s);
    add_number(row, "erlangs", plan->load.mean_erlangs);
    add_number(row, "cpus", plan->load.mean_cpus);
    cJSON_AddNumberToObject(row, "workers", plan->workers);
    add_number(row, "utilization_ratio", plan->utilization_ratio);
    add_number(row, "approximate_wait_mean_ns", floor(plan->wait_mean_ns));
    add_number(row, "approximate_waiting_ratio", plan->waiting_ratio);
    return row;
}

static void print_phase(const struct pb_phase *phase, const struct phase_plan *plan)
{
    char duration[PB_QUANTITY_TEXT], planned[PB_QUANTITY_TEXT], rate[PB_QUANTITY_TEXT],
        busy[PB_QUANTITY_TEXT], wait[PB_QUANTITY_TEXT], share[PB_QUANTITY_TEXT], workers[24] = "?";
    bool known = !isnan(plan->load.mean_erlangs);

    if (known) {
        (void)snprintf(workers, sizeof(workers), "%.3g", plan->load.mean_erlangs);
    }
    printf("  %-14s %8s  %-8s %10s %9s  %5s of %-4.0f %7s  ", phase->name,
           pb_format_duration(phase->duration_ns, duration), pb_arrival_name(phase->arrival),
           phase->arrival == PB_ARRIVAL_CLOSED ? "by users"
                                               : pb_format_count((int64_t)plan->planned, planned),
           pb_format_rate(plan->load.mean_rate_per_s, rate), workers, plan->workers,
           known ? pb_format_percent(plan->utilization_ratio, busy) : "?");
    if (!known) {
        printf("the workers decide how long a request takes");
    } else if (!isnan(plan->wait_mean_ns)) {
        printf("%s mean, %s wait", pb_format_duration((int64_t)plan->wait_mean_ns, wait),
               pb_format_percent(plan->waiting_ratio, share));
    } else {
        printf("%s", plan->utilization_ratio >= 1 ? "grows: overload" : "not a steady state");
    }
    printf("%s\n", phase->record ? "" : "  (not recorded)");
}

static void print_plan(const struct pb_args *args, const struct pb_scenario *scenario,
                       const struct pb_schedule *schedule)
{
    printf("PLAN  %s: ", scenario->name);
    pb_print_pool(stdout, scenario);
    printf(", size %lld + %lld overflow; nothing was run\n", (long long)scenario->pool.size,
           (long long)scenario->pool.max_overflow);
    printf("  %-14s %8s  %-8s %10s %9s  %-13s %6s  %s\n", "phase", "length", "arrival", "requests",
           "rate", "busy workers", "busy", "wait (approximate: M/G/c)");
    for (size_t i = 0; i < scenario->phase_count; i++) {
        struct phase_plan plan;

        plan_phase(scenario, schedule, i, &plan);
        print_phase(&scenario->phases[i], &plan);
    }
    pb_advise(stdout, scenario);
    printf("seed %llu, schedule %016llx\nnext: %s run", (unsigned long long)schedule->seed,
           (unsigned long long)schedule->hash, args->program);
    for (int i = 2; i < args->argc; i++) {
        pb_print_word(stdout, args->argv[i]);
    }
    putchar('\n');
}

/* Bounds of what retries make of the load: attempts a request, at most and by the declared error
 * rates alone. */
static void add_retries(cJSON *root, const struct pb_scenario *scenario)
{
    cJSON *object = cJSON_AddObjectToObject(root, "retries");

    cJSON_AddNumberToObject(object, "attempts_max", (double)scenario->retries.max + 1);
    cJSON_AddNumberToObject(object, "attempts_expected", pb_scenario_expected_attempts(scenario));
    cJSON_AddNumberToObject(object, "pauses_max_ns",
                            (double)pb_retries_pauses_ns(&scenario->retries));
}

static void print_plan_json(const struct pb_scenario *scenario, const struct pb_schedule *schedule)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *phases = cJSON_AddArrayToObject(root, "phases");
    char hash[17], *text;

    (void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)schedule->hash);
    cJSON_AddStringToObject(root, "name", scenario->name);
    cJSON_AddStringToObject(root, "schedule_hash", hash);
    cJSON_AddNumberToObject(root, "seed", (double)schedule->seed);
    add_retries(root, scenario);
    for (size_t i = 0; i < scenario->phase_count; i++) {
        struct phase_plan plan;

        plan_phase(scenario, schedule, i, &plan);
        cJSON_AddItemToArray(phases, plan_json(&scenario->phases[i], &plan));
    }
    text = pb_json_print(root, true);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(root);
}

static int cmd_plan(const struct pb_args *args)
{
    int code = PB_EXIT_INPUT;
    struct pb_schedule *schedule = calloc(1, sizeof(*schedule));
    struct pb_scenario *scenario =
        pb_load_scenario(args, args->word_count > 0 ? args->words[0] : NULL, &code);

    if (scenario && schedule) {
        pb_schedule_init(schedule, scenario, (uint64_t)scenario->seed, 1);
        if (pb_args_has(args, PB_OPT_JSON)) {
            print_plan_json(scenario, schedule);
        } else {
            print_plan(args, scenario, schedule);
        }
        code = PB_EXIT_YES;
    }
    pb_scenario_free(scenario);
    free(schedule);
    return code;
}

const struct pb_command pb_command_plan = {
    .name = "plan",
    .usage = "[SCENARIO] [--set PATH=VALUE]... [--json]",
    .summary = "virtual-time dry run: planned arrivals, utilization and waits",
    .details =
        "No second is spent: the schedule is walked, counted and hashed; waits are closed-form\n"
        "approximations, for steady phases only.",
    .options = PB_OPTS_SCENARIO | PB_OPT(PB_OPT_JSON),
    .words_min = 0,
    .words_max = 1,
    .run = cmd_plan,
};
