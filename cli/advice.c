#include "cli/advice.h"

#include <math.h>

#include "base/cpus.h"
#include "base/quantity.h"
#include "harness/driver.h"
#include "harness/run.h"

#define BYTES_PER_REQUEST 16.0

void pb_phase_load(const struct pb_scenario *scenario, size_t phase, struct pb_phase_load *ret_load)
{
    const struct pb_phase *p = &scenario->phases[phase];
    double service_ns = pb_scenario_mean_service_ns(scenario);
    double expected = pb_phase_expected(p);
    double mean = expected >= 0 ? expected * 1e9 / (double)p->duration_ns : 0;

    if (p->arrival == PB_ARRIVAL_CLOSED) {
        /* Without waiting each user cycles through thinking and working: the most they can ask. */
        double cycle_ns = pb_dist_mean_ns(&p->think) + service_ns;

        mean = cycle_ns > 0 ? (double)p->users * 1e9 / cycle_ns : 0;
    }
    double peak = p->arrival == PB_ARRIVAL_CLOSED ? mean : pb_phase_peak_rate(p);

    *ret_load =
        (struct pb_phase_load){ .mean_rate_per_s = mean,
                                .peak_rate_per_s = peak,
                                .mean_erlangs = mean * service_ns / 1e9,
                                .peak_erlangs = peak * service_ns / 1e9,
                                .mean_cpus = mean * pb_scenario_mean_cpu_ns(scenario) / 1e9 };
}

void pb_print_pool(FILE *out, const struct pb_scenario *scenario)
{
    if (scenario->driver) {
        (void)fprintf(out, "sizes the pool of driver %s (%s)", scenario->driver->table->name,
                      scenario->driver->table->summary);
    } else {
        (void)fprintf(out, "sizes poolbench's own %s pool",
                      pb_profile_name((enum pb_profile)scenario->pool.profile));
    }
}

static void advise_phase(FILE *out, const struct pb_scenario *scenario, size_t i)
{
    const struct pb_phase *phase = &scenario->phases[i];
    double workers = (double)pb_scenario_slots_in(scenario, i);
    struct pb_phase_load load;

    pb_phase_load(scenario, i, &load);
    if (phase->arrival != PB_ARRIVAL_CLOSED && load.mean_erlangs >= workers) {
        (void)
            fprintf(out,
                    "    phase %s is an overload: %.3g workers' work arrives for %.0f workers; the "
                    "queue grows until requests are rejected or time out\n",
                    phase->name, load.mean_erlangs, workers);
    } else if (phase->arrival != PB_ARRIVAL_CLOSED && load.peak_erlangs >= workers) {
        (void)
            fprintf(out,
                    "    phase %s is an overload at its peak: %.3g workers' work arrives for %.0f "
                    "workers\n",
                    phase->name, load.peak_erlangs, workers);
    }
    if (load.mean_cpus > pb_usable_cpus()) {
        (void)fprintf(out,
                      "    phase %s asks for %.3g CPUs and this machine has %d: it measures the "
                      "machine, not the pool\n",
                      phase->name, load.mean_cpus, pb_usable_cpus());
    }
}

/* A latency limit below the service time's own quantile cannot be met by any pool. */
static void advise_objective(FILE *out, const struct pb_scenario *scenario,
                             const struct pb_objective *objective)
{
    const struct pb_phase *phase = &scenario->phases[objective->phase < 0 ? 0 : objective->phase];
    double expected = pb_phase_expected(phase), within = 0, weights = 0;

    if (objective->metric != PB_METRIC_LATENCY || objective->stat != PB_STAT_QUANTILE) {
        return;
    }
    if (objective->phase >= 0 && expected >= 0 && expected * (1 - objective->quantile) < 10) {
        (void)fprintf(out,
                      "    %s in %s: only %.0f requests are planned, fewer than 10 beyond that "
                      "percentile; make the phase %.0f s or longer\n",
                      objective->expression, phase->name, expected,
                      ceil((double)phase->duration_ns / 1e9 * 10 /
                           fmax(expected * (1 - objective->quantile), 1e-9)));
    }
    for (size_t i = 0; i < scenario->operation_count; i++) {
        within += scenario->operations[i].weight *
                  pb_dist_cdf(&scenario->operations[i].service, objective->limit);
        weights += scenario->operations[i].weight;
    }
    if (within / weights < objective->quantile) {
        char share[PB_QUANTITY_TEXT];

        (void)
            fprintf(out,
                    "    %s cannot be met by any pool size: the work itself takes longer in %s of "
                    "requests\n",
                    objective->expression, pb_format_percent(1 - within / weights, share));
    }
}

/* What retries can make of the load: under overload, when all attempts fail, and by the declared
 * error rates alone. */
static void advise_retries(FILE *out, const struct pb_scenario *scenario)
{
    const struct pb_retries *retries = &scenario->retries;
    double workers = (double)(scenario->pool.size + scenario->pool.max_overflow);
    double expected = pb_scenario_expected_attempts(scenario), peak = 0;
    char pauses[PB_QUANTITY_TEXT], more[PB_QUANTITY_TEXT];

    if (retries->max == 0) {
        return;
    }
    for (size_t i = 0; i < scenario->phase_count; i++) {
        struct pb_phase_load load;

        pb_phase_load(scenario, i, &load);
        peak = fmax(peak, scenario->phases[i].arrival == PB_ARRIVAL_CLOSED ? 0 : load.peak_erlangs);
    }
    (void)fprintf(
        out,
        "    retries: a request makes up to %lld attempts and pauses up to %s in all; the "
        "load grows to %lld times itself at worst",
        (long long)retries->max + 1, pb_format_duration(pb_retries_pauses_ns(retries), pauses),
        (long long)retries->max + 1);
    if (expected > 1) {
        (void)fprintf(out, ", by %s for the declared errors alone",
                      pb_format_percent(expected - 1, more));
    }
    (void)fputs("\n", out);
    if (peak < workers && peak * expected >= workers) {
        (void)fprintf(out,
                      "    retries make an overload of the declared errors: %.3g workers' work for "
                      "%.0f workers\n",
                      peak * expected, workers);
    } else if (peak < workers && peak * (double)(retries->max + 1) >= workers) {
        (void)
            fprintf(out,
                    "    once most attempts fail, retries keep the pool overloaded: %.3g workers' "
                    "work for %.0f workers\n",
                    peak * (double)(retries->max + 1), workers);
    }
}

/* Requests planned from an instant of the plan to another. */
static double requests_between(const struct pb_scenario *scenario, double from_ns, double to_ns)
{
    double requests = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        const struct pb_phase *phase = &scenario->phases[i];
        double start_ns = fmax(from_ns, (double)phase->start_ns);
        double end_ns = fmin(to_ns, (double)phase->start_ns + (double)phase->duration_ns);
        struct pb_phase_load load;

        pb_phase_load(scenario, i, &load);
        requests += load.mean_rate_per_s * fmax(0, end_ns - start_ns) / 1e9;
    }
    return requests;
}

/* A leak is meant to hurt, but not by surprise. */
static void advise_leaks(FILE *out, const struct pb_scenario *scenario)
{
    for (size_t i = 0; i < scenario->fault_count; i++) {
        const struct pb_fault *fault = &scenario->faults[i];
        double from_ns = (double)fault->at_ns, share = 1;
        double to_ns = fault->for_ns > 0 ? from_ns + (double)fault->for_ns
                                         : (double)pb_scenario_duration_ns(scenario);
        char size[PB_QUANTITY_TEXT];

        if (fault->kind != PB_FAULT_LEAK_WORKER) {
            continue;
        }
        share = fault->worker == PB_FAULT_ALL ? 1 : 1 / (double)scenario->pool.size;
        (void)fprintf(out, "    %s: about %s of memory, unless the worker is replaced\n",
                      fault->text,
                      pb_format_size((int64_t)(requests_between(scenario, from_ns, to_ns) * share *
                                               (double)fault->bytes),
                                     size));
    }
}

void pb_advise(FILE *out, const struct pb_scenario *scenario)
{
    double requests = 0;
    char took[PB_QUANTITY_TEXT], size[PB_QUANTITY_TEXT], count[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < scenario->phase_count; i++) {
        struct pb_phase_load load;

        pb_phase_load(scenario, i, &load);
        requests += load.mean_rate_per_s * (double)scenario->phases[i].duration_ns / 1e9;
        advise_phase(out, scenario, i);
    }
    advise_retries(out, scenario);
    advise_leaks(out, scenario);
    for (size_t i = 0; i < scenario->objective_count; i++) {
        advise_objective(out, scenario, &scenario->objectives[i]);
    }
    pb_advise_pool(out, scenario);
    (void)fprintf(out, "    a run takes about %s, %s requests and %s of disk\n",
                  pb_format_duration(pb_run_estimate_ns(scenario), took),
                  pb_format_count((int64_t)requests, count),
                  pb_format_size((int64_t)(requests * BYTES_PER_REQUEST), size));
}
