#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/finish.h"
#include "cli/live.h"
#include "cli/print.h"
#include "harness/folder.h"
#include "tuner/tune.h"

struct tune_live {
    struct pb_live live;
    char step[160]; /* what is being measured, in front of the run's own line */
};

static void on_progress(void *ctx, const struct pb_tune_progress *progress)
{
    struct tune_live *tune = ctx;
    char line[480], done[PB_QUANTITY_TEXT], all[PB_QUANTITY_TEXT];

    (void)snprintf(tune->step, sizeof(tune->step), "%s, run %u of about %u, %s of about %s",
                   progress->stage, progress->runs_done + 1, progress->runs_expected,
                   pb_format_duration(progress->elapsed_ns, done),
                   pb_format_duration(progress->expected_ns, all));
    if (progress->text[0] != '\0') {
        (void)snprintf(line, sizeof(line), "  %s", progress->text);
        pb_live_say(&tune->live, line);
    } else {
        pb_live_line(&tune->live, tune->step);
    }
}

static void on_run_progress(void *ctx, const void *run_progress)
{
    struct tune_live *tune = ctx;
    const struct pb_progress *p = run_progress;
    char line[320];

    (void)snprintf(line, sizeof(line), "%s  |  %s %.0f/%.0f s  busy %u/%u  queue %llu", tune->step,
                   p->phase[0] ? p->phase : p->stage, (double)p->elapsed_ns / 1e9,
                   (double)p->total_ns / 1e9, p->busy, p->alive, (unsigned long long)p->queued);
    pb_live_line(&tune->live, line);
}

static int answer_code(const cJSON *json)
{
    static const struct {
        const char *answer;
        int code;
    } codes[] = {
        { "improved", PB_EXIT_YES },
        { "already_best", PB_EXIT_YES },
        { "infeasible", PB_EXIT_NO },
        { "unconfirmed", PB_EXIT_UNDECIDED },
    };
    const char *answer = pb_json_str(json, "answer", "");

    for (size_t i = 0; i < PB_ARRAY_LEN(codes); i++) {
        if (strcmp(answer, codes[i].answer) == 0) {
            return codes[i].code;
        }
    }
    return PB_EXIT_FAILED;
}

static bool announce(struct pb_live *live, const struct pb_scenario *scenario,
                     const struct pb_tune_options *options)
{
    struct pb_tune_estimate estimate;
    struct pb_error err = { 0 };
    char text[256], low[PB_QUANTITY_TEXT], high[PB_QUANTITY_TEXT];

    if (pb_tune_estimate(scenario, options, &estimate, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench tune: %s\n", err.text);
        return false;
    }
    (void)snprintf(text, sizeof(text), "%s: %llu settings, %u to %u runs, %s to %s%s",
                   scenario->name, (unsigned long long)estimate.settings, estimate.runs_min,
                   estimate.runs_max, pb_format_duration(estimate.time_min_ns, low),
                   pb_format_duration(estimate.time_max_ns, high),
                   estimate.coordinate
                       ? "; too many to try all in the budget: searched by coordinate steps"
                       : "");
    pb_live_say(live, text);
    return true;
}

static int print_result(const struct pb_args *args, struct pb_live *live, const cJSON *json,
                        const char *folder)
{
    char *report = NULL;
    int code = PB_EXIT_YES;

    if (folder && !pb_args_has(args, PB_OPT_NO_CHARTS)) {
        pb_live_line(live, "drawing charts");
        code = pb_finish_charts(args, live, folder, true, &report) ? code : PB_EXIT_FAILED;
        pb_live_end(live);
    }
    if (pb_args_has(args, PB_OPT_JSON)) {
        char *text = pb_json_print(json, true);

        puts(text ? text : "{}");
        free(text);
    } else {
        struct pb_print_place place = { args->program, folder, report };

        pb_print_tune(stdout, json, &place);
    }
    free(report);
    return code;
}

static int tune_scenario(const struct pb_args *args, const struct pb_scenario *scenario)
{
    struct tune_live tune = { 0 };
    const _Atomic int *stop = pb_signals_catch();
    struct pb_tune_options options = { .results = pb_args_results(args),
                                       .resume = args->value[PB_OPT_RESUME],
                                       .quick = pb_args_has(args, PB_OPT_QUICK),
                                       .stop = stop,
                                       .progress = on_progress,
                                       .run_progress = on_run_progress,
                                       .ctx = &tune };
    struct pb_error err = { 0 };
    cJSON *json = NULL;
    char *folder = NULL;

    pb_live_init(&tune.live, pb_args_has(args, PB_OPT_QUIET));
    if (!pb_args_duration(args, PB_OPT_TIME, &options.time_limit_ns) ||
        !announce(&tune.live, scenario, &options)) {
        return PB_EXIT_INPUT;
    }
    pb_live_sweep(&tune.live, options.results);

    enum pb_status status = pb_tune(scenario, &options, &json, &folder, &err);
    int code = PB_EXIT_FAILED;

    pb_live_end(&tune.live);
    if (status != PB_OK && status != PB_ECANCELED) {
        (void)fprintf(stderr, "poolbench tune: %s\n",
                      err.text[0] ? err.text : pb_status_name(status));
        code = status == PB_EINVAL || status == PB_ENOENT || status == PB_ECORRUPT ? PB_EXIT_INPUT
                                                                                   : code;
    } else if (json) {
        code = print_result(args, &tune.live, json, folder);
        code = code != PB_EXIT_YES ? code : pb_finish_code(args, answer_code(json));
    }
    if (status == PB_ECANCELED && atomic_load(stop) != 0) {
        code = 128 + atomic_load(stop);
    }
    cJSON_Delete(json);
    free(folder);
    return code;
}

/* A tune goes on with the scenario as it was when it began: the copy in its folder. */
static char *resumed_scenario(const struct pb_args *args)
{
    struct pb_folder_entry entry;
    struct pb_error err = { 0 };
    const char *resume = args->value[PB_OPT_RESUME];

    if (pb_folder_find(pb_args_results(args), resume, &entry, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench tune: --resume %s: %s\n", resume, err.text);
        return NULL;
    }
    char *path = pb_path_join(entry.path, "scenario.json");

    pb_folder_entry_done(&entry);
    return path;
}

static int cmd_tune(const struct pb_args *args)
{
    int code = PB_EXIT_INPUT;
    char *copy = NULL;

    if (args->word_count == 0) {
        if (!pb_args_has(args, PB_OPT_RESUME)) {
            (void)fprintf(stderr, "poolbench tune: give a scenario file, or --resume DIR\n");
            return code;
        }
        copy = resumed_scenario(args);
        if (!copy) {
            return code;
        }
    }
    struct pb_scenario *scenario = pb_load_scenario(args, copy ? copy : args->words[0], &code);

    if (scenario) {
        code = tune_scenario(args, scenario);
        pb_scenario_free(scenario);
    }
    free(copy);
    return code;
}

const struct pb_command pb_command_tune = {
    .name = "tune",
    .usage = "SCENARIO [--time LIMIT] [--quick]    tune --resume DIR",
    .summary = "find, confirm and recommend settings",
    .details =
        "Varies what the scenario's tune block says, by real runs: smallest cost that meets every\n"
        "objective, confirmed on fresh seeds.  Applying is a step of its own (poolbench apply).\n"
        "Killed at any point it goes on with --resume.",
    .options = PB_OPTS_SCENARIO | PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_QUIET) | PB_OPT(PB_OPT_SOFT) |
               PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_TIME) | PB_OPT(PB_OPT_RESUME) |
               PB_OPT(PB_OPT_QUICK) | PB_OPT(PB_OPT_PNG) | PB_OPT(PB_OPT_NO_CHARTS) |
               PB_OPT(PB_OPT_REQUIRE_CHARTS),
    .words_min = 0,
    .words_max = 1,
    .run = cmd_tune,
};
