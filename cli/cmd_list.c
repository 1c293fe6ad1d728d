#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/document.h"
#include "cli/print.h"
#include "harness/folder.h"
#include "harness/recover.h"

static const char *const kind_names[] = {
    [PB_FOLDER_RUN] = "run",
    [PB_FOLDER_SET] = "set",
    [PB_FOLDER_TUNE] = "tune",
    [PB_FOLDER_UNFINISHED_TUNE] = "unfinished",
};

static void print_row(const char *program, const struct pb_folder_entry *entry, const cJSON *json)
{
    char p99[PB_QUANTITY_TEXT];

    if (entry->kind == PB_FOLDER_UNFINISHED_TUNE) {
        printf("%-52s unfinished tune     go on: %s tune --resume", entry->id, program);
        pb_print_word(stdout, entry->path);
        putchar('\n');
        return;
    }
    if (entry->kind == PB_FOLDER_TUNE) {
        printf("%-52s tune  %s\n", entry->id, pb_json_str(json, "answer", "?"));
        return;
    }
    printf("%-52s %-5s %-13s size %-4lld p99 %s\n", entry->id, kind_names[entry->kind],
           pb_json_str(json, "verdict", "?"), (long long)pb_json_int(json, "pool.size", 0),
           pb_format_duration(pb_json_int(json, "totals.latency.p99_ns", 0), p99));
}

static cJSON *row_json(const struct pb_folder_entry *entry, const cJSON *json)
{
    cJSON *row = cJSON_CreateObject();

    cJSON_AddStringToObject(row, "id", entry->id);
    cJSON_AddStringToObject(row, "path", entry->path);
    cJSON_AddStringToObject(row, "kind", kind_names[entry->kind]);
    cJSON_AddStringToObject(row, "verdict",
                            pb_json_str(json, "verdict", pb_json_str(json, "answer", "")));
    cJSON_AddStringToObject(row, "started_at", pb_json_str(json, "started_at", ""));
    return row;
}

static bool recover(const struct pb_args *args, const char *results)
{
    struct pb_recovery recovery;
    struct pb_error err = { 0 };

    if (pb_recover(results, &recovery, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench %s: %s\n", args->command->name, err.text);
        return false;
    }
    (void)fprintf(stderr,
                  "%zu unfinished run%s finished as interrupted, %zu with nothing in %s "
                  "removed\n",
                  recovery.recovered, recovery.recovered == 1 ? "" : "s", recovery.discarded,
                  recovery.discarded == 1 ? "it" : "them");
    return true;
}

static int cmd_list(const struct pb_args *args)
{
    const char *results = pb_args_results(args);
    struct pb_folder_entry *entries = NULL;
    struct pb_error err = { 0 };
    size_t count = 0;
    cJSON *rows = pb_args_has(args, PB_OPT_JSON) ? cJSON_CreateArray() : NULL;

    if (pb_args_has(args, PB_OPT_RECOVER) && !recover(args, results)) {
        cJSON_Delete(rows);
        return PB_EXIT_FAILED;
    }
    if (pb_folder_list(results, &entries, &count, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench list: %s\n", err.text);
        cJSON_Delete(rows);
        return PB_EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        struct pb_document document = { 0 };
        bool read = pb_document_read(&entries[i], &document);

        if (rows) {
            cJSON_AddItemToArray(rows, row_json(&entries[i], read ? document.root : NULL));
        } else {
            print_row(args->program, &entries[i], read ? document.root : NULL);
        }
        pb_document_done(&document);
    }
    if (rows) {
        char *text = pb_json_print(rows, true);

        puts(text ? text : "[]");
        free(text);
        cJSON_Delete(rows);
    } else if (count == 0) {
        printf("nothing stored in %s/ yet; start with: %s run scenarios/smoke.json\n", results,
               args->program);
    }
    pb_folder_list_free(entries, count);
    return PB_EXIT_YES;
}

const struct pb_command pb_command_list = {
    .name = "list",
    .usage = "[--results DIR] [--json] [--recover]",
    .summary = "stored runs, run sets and tunes",
    .details =
        "Oldest first.  An unfinished tune is listed with the command that goes on with it.\n"
        "--recover first finishes runs that a killed process left, from what they had written;\n"
        "the next run would remove them.",
    .options = PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_RECOVER),
    .words_min = 0,
    .words_max = 0,
    .run = cmd_list,
};
