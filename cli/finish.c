#include "cli/finish.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/print.h"
#include "plots/chart.h"

int pb_finish_code(const struct pb_args *args, int code)
{
    bool soft = pb_args_has(args, PB_OPT_SOFT);

    return soft && (code == PB_EXIT_UNTRUSTED || code == PB_EXIT_UNDECIDED) ? PB_EXIT_YES : code;
}

bool pb_finish_charts(const struct pb_args *args, struct pb_live *live, const char *folder,
                      bool tune, char **ret_report)
{
    struct pb_chart_options options = { .png = pb_args_has(args, PB_OPT_PNG),
                                        .require = pb_args_has(args, PB_OPT_REQUIRE_CHARTS) };
    struct pb_chart_report report = { 0 };
    struct pb_error err = { 0 };
    enum pb_status status = tune ? pb_charts_tune(folder, &options, &report, &err)
                                 : pb_charts_run(folder, &options, &report, &err);

    if (status == PB_OK && report.no_gnuplot) {
        pb_live_say(live, "gnuplot is not installed: data and scripts of the charts are written, "
                          "the pictures are missing (apt-get install gnuplot-nox)");
    }
    if (status == PB_OK) {
        status = pb_report_html(folder, NULL, 0, ret_report, &err);
    }
    if (status != PB_OK) {
        (void)fprintf(stderr, "poolbench %s: charts: %s\n", args->command->name,
                      err.text[0] ? err.text : pb_status_name(status));
    }
    return status == PB_OK || !options.require;
}

int pb_finish_run(const struct pb_args *args, struct pb_live *live,
                  const struct pb_run_result *result)
{
    char *report = NULL;
    int code = pb_finish_code(args, pb_verdict_exit_code(result->verdict, result->signal));

    if (result->folder && !pb_args_has(args, PB_OPT_NO_CHARTS)) {
        pb_live_line(live, "drawing charts");
        if (!pb_finish_charts(args, live, result->folder, false, &report)) {
            code = PB_EXIT_FAILED;
        }
        pb_live_end(live);
    }
    if (pb_args_has(args, PB_OPT_JSON)) {
        char *text = pb_json_print(result->json, true);

        if (!text || puts(text) == EOF) {
            code = PB_EXIT_FAILED;
        }
        free(text);
    } else {
        struct pb_print_place place = { args->program, result->folder, report };

        pb_print_run(stdout, result->json, &place);
    }
    free(report);
    return code;
}
