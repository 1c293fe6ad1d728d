#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/document.h"
#include "cli/finish.h"
#include "cli/live.h"
#include "plots/chart.h"

#define REPORTED_MAX 16

static int draw(const struct pb_args *args, const struct pb_document *documents, size_t count)
{
    const char *folders[REPORTED_MAX] = { 0 };
    struct pb_chart_options options = { .png = pb_args_has(args, PB_OPT_PNG),
                                        .require = pb_args_has(args, PB_OPT_REQUIRE_CHARTS) };
    struct pb_chart_report report = { 0 };
    struct pb_error err = { 0 };
    char *path = NULL;
    bool tune = documents[0].entry.kind == PB_FOLDER_TUNE;

    for (size_t i = 0; i < count && i < REPORTED_MAX; i++) {
        folders[i] = documents[i].entry.path;
    }
    enum pb_status status = tune ? pb_charts_tune(folders[0], &options, &report, &err)
                                 : pb_charts_run(folders[0], &options, &report, &err);

    if (status == PB_OK && count > 1) {
        status = pb_charts_overlay(folders, (unsigned)count, folders[0], &options, &report, &err);
    }
    if (status == PB_OK) {
        status = pb_report_html(folders[0], folders + 1, (unsigned)count - 1, &path, &err);
    }
    if (status != PB_OK) {
        (void)fprintf(stderr, "poolbench report: %s\n",
                      err.text[0] ? err.text : pb_status_name(status));
        return PB_EXIT_FAILED;
    }
    if (report.no_gnuplot) {
        (void)fprintf(stderr, "gnuplot is not installed: data and scripts of the charts are "
                              "written, the pictures are missing\n");
    }
    printf("%s\n", path ? path : folders[0]);
    free(path);
    return PB_EXIT_YES;
}

static int cmd_report(const struct pb_args *args)
{
    struct pb_document documents[REPORTED_MAX] = { 0 };
    size_t count = 0;
    int code = PB_EXIT_YES;

    while (count < args->word_count && code == PB_EXIT_YES) {
        if (pb_document_find(args, args->words[count], &documents[count], &code)) {
            count++;
        }
    }
    if (code == PB_EXIT_YES) {
        code = draw(args, documents, count);
    }
    for (size_t i = 0; i < count; i++) {
        pb_document_done(&documents[i]);
    }
    return code;
}

const struct pb_command pb_command_report = {
    .name = "report",
    .usage = "RUN [RUN...] [--png]",
    .summary = "charts and report.html; two or more runs are overlaid",
    .details =
        "RUN is a folder, a unique prefix of its name, or latest.  Charts are SVG, with their data\n"
        "and gnuplot script beside them; --png adds PNG.  With several runs the first one's folder\n"
        "gets the overlay.",
    .options = PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_PNG) | PB_OPT(PB_OPT_REQUIRE_CHARTS),
    .words_min = 1,
    .words_max = REPORTED_MAX,
    .run = cmd_report,
};
