#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/finish.h"
#include "cli/live.h"
#include "cli/print.h"
#include "harness/run.h"

#define RUNS_MAX 1000

/* An estimate before the load, and no start of what cannot end within --time. */
static bool announce(const struct pb_args *args, struct pb_live *live,
                     const struct pb_scenario *scenario, int64_t runs)
{
    int64_t limit_ns = 0, estimate_ns = pb_run_estimate_ns(scenario) * runs;
    char text[160], about[PB_QUANTITY_TEXT], limit[PB_QUANTITY_TEXT];

    if (!pb_args_duration(args, PB_OPT_TIME, &limit_ns)) {
        return false;
    }
    if (limit_ns > 0 && estimate_ns > limit_ns) {
        (void)fprintf(stderr,
                      "poolbench run: this takes about %s, over --time %s; give fewer --runs or a "
                      "shorter --duration\n",
                      pb_format_duration(estimate_ns, about), pb_format_duration(limit_ns, limit));
        return false;
    }
    (void)snprintf(text, sizeof(text), "%s: %lld %s, about %s", scenario->name, (long long)runs,
                   runs == 1 ? "run" : "runs", pb_format_duration(estimate_ns, about));
    pb_live_say(live, text);
    return true;
}

static int run_scenario(const struct pb_args *args, const struct pb_scenario *scenario)
{
    struct pb_live live;
    struct pb_run_result result = { 0 };
    struct pb_error err = { 0 };
    int64_t runs = 1;

    pb_live_init(&live, pb_args_has(args, PB_OPT_QUIET));
    if (!pb_args_count(args, PB_OPT_RUNS, 1, RUNS_MAX, &runs) ||
        !announce(args, &live, scenario, runs)) {
        return PB_EXIT_INPUT;
    }
    struct pb_run_options options = { .results = pb_args_results(args),
                                      .seed = -1,
                                      .stop = pb_signals_catch(),
                                      .progress = pb_live_run,
                                      .progress_ctx = &live };

    pb_live_sweep(&live, options.results);

    enum pb_status status = pb_args_has(args, PB_OPT_RUNS)
                                ? pb_run_set(scenario, (uint32_t)runs, &options, &result, &err)
                                : pb_run(scenario, &options, &result, &err);

    pb_live_end(&live);
    if (status != PB_OK) {
        (void)fprintf(stderr, "poolbench run: %s\n",
                      err.text[0] ? err.text : pb_status_name(status));
        return PB_EXIT_FAILED;
    }
    int code = pb_finish_run(args, &live, &result);
    int signal = atomic_load(options.stop); /* after the run perhaps, while charts were drawn */

    pb_run_result_done(&result);
    return signal != 0 ? 128 + signal : code;
}

static int cmd_run(const struct pb_args *args)
{
    int code = PB_EXIT_INPUT;

    if (args->word_count == 0 && args->override_count == 0) {
        (void)fprintf(stderr,
                      "poolbench run: give a scenario file, or settings: --rate 500 --duration 10s "
                      "--set workload.service=5ms --set pool.size=4\n");
        return code;
    }
    struct pb_scenario *scenario =
        pb_load_scenario(args, args->word_count > 0 ? args->words[0] : NULL, &code);

    if (!scenario) {
        return code;
    }
    code = run_scenario(args, scenario);
    pb_scenario_free(scenario);
    return code;
}

const struct pb_command pb_command_run = {
    .name = "run",
    .usage = "[SCENARIO] [--set PATH=VALUE]... [--runs N]",
    .summary = "drive the pool through a scenario, store the run, judge it",
    .details = "Without a file the settings say it all:\n"
               "  poolbench run --set pool.size=4 --set workload.service=5ms --rate 500 "
               "--duration 10s\n"
               "The environment variable POOLBENCH_SET holds settings too (a=1;b=2); the command "
               "line wins.",
    .options = PB_OPTS_SCENARIO | PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_QUIET) | PB_OPT(PB_OPT_SOFT) |
               PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_RUNS) | PB_OPT(PB_OPT_TIME) |
               PB_OPT(PB_OPT_PNG) | PB_OPT(PB_OPT_NO_CHARTS) | PB_OPT(PB_OPT_REQUIRE_CHARTS),
    .words_min = 0,
    .words_max = 1,
    .run = cmd_run,
};
