#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/document.h"
#include "cli/print.h"
#include "harness/recompute.h"

static int recompute_run(const struct pb_document *document)
{
    struct pb_recomputed recomputed;
    struct pb_error err = { 0 };
    PB_CLEANUP(pb_buf_done) struct pb_buf lines = { 0 };
    unsigned compared = 0, different = 0;
    char rows[PB_QUANTITY_TEXT];

    if (pb_recompute(document->entry.path, &recomputed, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench show: %s\n", err.text);
        return PB_EXIT_INPUT;
    }
    pb_recompute_compare(&recomputed, document->root, &lines, &compared, &different);
    (void)fputs(pb_buf_text(&lines), stdout);
    printf("%s  %u numbers recomputed from %s rows of requests.pbr, %u differ%s\n",
           different == 0 && recomputed.complete ? "SAME" : "DIFFERENT", compared,
           pb_format_count((int64_t)recomputed.rows, rows), different,
           recomputed.complete ? "" : "; the log is cut short");
    int code = different == 0 && recomputed.complete ? PB_EXIT_YES : PB_EXIT_NO;

    pb_recomputed_done(&recomputed);
    return code;
}

static int show_document(const struct pb_args *args, const struct pb_document *document)
{
    char *report = pb_path_join(document->entry.path, "report.html");
    bool has_report = report && pb_path_exists(report);
    struct pb_print_place place = { args->program, document->entry.path,
                                    has_report ? report : NULL };

    if (pb_args_has(args, PB_OPT_JSON)) {
        char *text = pb_json_print(document->root, true);

        puts(text ? text : "{}");
        free(text);
    } else if (document->entry.kind == PB_FOLDER_TUNE) {
        pb_print_tune(stdout, document->root, &place);
    } else {
        pb_print_run(stdout, document->root, &place);
    }
    free(report);
    return PB_EXIT_YES;
}

static int cmd_show(const struct pb_args *args)
{
    struct pb_document document;
    int code = PB_EXIT_INPUT;

    if (!pb_document_find(args, args->words[0], &document, &code)) {
        return code;
    }
    if (pb_args_has(args, PB_OPT_RECOMPUTE) && document.entry.kind != PB_FOLDER_RUN) {
        (void)fprintf(stderr, "poolbench show: --recompute takes a single run, such as %s/run-01\n",
                      document.entry.path);
    } else if (pb_args_has(args, PB_OPT_RECOMPUTE)) {
        code = recompute_run(&document);
    } else {
        code = show_document(args, &document);
    }
    pb_document_done(&document);
    return code;
}

const struct pb_command pb_command_show = {
    .name = "show",
    .usage = "RUN [--json] [--recompute]",
    .summary = "print a stored result again, or recompute it from its request log",
    .details =
        "RUN is a folder, a unique prefix of its name, or latest.  --recompute reads every row of\n"
        "requests.pbr and compares counts and percentiles with run.json: exit code 1 when one\n"
        "differs.",
    .options = PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_RECOMPUTE),
    .words_min = 1,
    .words_max = 1,
    .run = cmd_show,
};
