#include <stdio.h>
#include <stdlib.h>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/document.h"
#include "cli/print.h"
#include "tuner/apply.h"

static int failed(const struct pb_args *args, enum pb_status status, const struct pb_error *err)
{
    (void)fprintf(stderr, "poolbench %s: %s\n", args->command->name,
                  err->text[0] ? err->text : pb_status_name(status));
    return status == PB_ESYS || status == PB_ENOMEM ? PB_EXIT_FAILED : PB_EXIT_INPUT;
}

static void print_changes(const cJSON *json)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, pb_json_at(json, "changed"))
    {
        char *from = pb_json_print(pb_json_at(row, "from"), false);
        char *to = pb_json_print(pb_json_at(row, "to"), false);

        printf("  %s: %s -> %s\n", pb_json_str(row, "path", "?"), from ? from : "?", to ? to : "?");
        free(from);
        free(to);
    }
}

static int apply_document(const struct pb_args *args, const struct pb_document *document)
{
    const char *file = args->words[1];
    const cJSON *settings = pb_json_at(document->root, "recommended");
    struct pb_error err = { 0 };
    char *backup = NULL;

    if (document->entry.kind != PB_FOLDER_TUNE || !cJSON_IsObject(settings)) {
        (void)fprintf(stderr, "poolbench apply: %s recommends nothing (answer: %s)\n",
                      document->entry.id,
                      pb_json_str(document->root, "answer", "none, it is a run"));
        return PB_EXIT_INPUT;
    }
    enum pb_status status = pb_apply(settings, file, &backup, &err);

    if (status != PB_OK) {
        return failed(args, status, &err);
    }
    printf("applied to %s (backup %s)\n", file, backup);
    print_changes(document->root);
    printf("undo: %s rollback", args->program);
    pb_print_word(stdout, file);
    putchar('\n');
    free(backup);
    return PB_EXIT_YES;
}

static int cmd_apply(const struct pb_args *args)
{
    struct pb_document document;
    int code = PB_EXIT_INPUT;

    if (pb_document_find(args, args->words[0], &document, &code)) {
        code = apply_document(args, &document);
        pb_document_done(&document);
    }
    return code;
}

static int cmd_rollback(const struct pb_args *args)
{
    struct pb_error err = { 0 };
    char *backup = NULL;
    enum pb_status status = pb_rollback(args->words[0], &backup, &err);

    if (status != PB_OK) {
        return failed(args, status, &err);
    }
    printf("%s is again as it was (from %s)\n", args->words[0], backup);
    free(backup);
    return PB_EXIT_YES;
}

const struct pb_command pb_command_apply = {
    .name = "apply",
    .usage = "RUN FILE",
    .summary = "write a recommendation into a scenario file",
    .details =
        "RUN is a tune's folder, a unique prefix of its name, or latest.  Values are changed in\n"
        "place, comments stay; the file is replaced atomically and a backup kept.",
    .options = PB_OPT(PB_OPT_RESULTS),
    .words_min = 2,
    .words_max = 2,
    .run = cmd_apply,
};

const struct pb_command pb_command_rollback = {
    .name = "rollback",
    .usage = "FILE",
    .summary = "undo the last apply, byte for byte",
    .details = "Each apply keeps a backup FILE.poolbench-N; rollback restores the newest.",
    .options = 0,
    .words_min = 1,
    .words_max = 1,
    .run = cmd_rollback,
};
