#include "cli/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *const file_names[] = {
    [PB_FOLDER_RUN] = "run.json",
    [PB_FOLDER_SET] = "set.json",
    [PB_FOLDER_TUNE] = "recommendation.json",
    [PB_FOLDER_UNFINISHED_TUNE] = NULL,
};

bool pb_document_read(const struct pb_folder_entry *entry, struct pb_document *ret_document)
{
    struct pb_problems problems = { 0 };
    const char *file = file_names[entry->kind];
    char *path = file ? pb_path_join(entry->path, file) : NULL;
    bool good = path && pb_json_read(path, &ret_document->json, &problems) == PB_OK;

    if (good) {
        ret_document->root = pb_json_root(ret_document->json);
    }
    free(path);
    pb_problems_done(&problems);
    return good;
}

bool pb_document_find(const struct pb_args *args, const char *run, struct pb_document *ret_document,
                      int *ret_exit)
{
    struct pb_document document = { 0 };
    struct pb_error err = { 0 };

    if (pb_folder_find(pb_args_results(args), run, &document.entry, &err) != PB_OK) {
        (void)fprintf(stderr, "poolbench %s: %s\n", args->command->name, err.text);
        *ret_exit = PB_EXIT_INPUT;
        return false;
    }
    if (!pb_document_read(&document.entry, &document)) {
        (void)fprintf(stderr, "poolbench %s: %s holds no readable result%s\n", args->command->name,
                      document.entry.path,
                      document.entry.kind == PB_FOLDER_UNFINISHED_TUNE
                          ? ": the tune is unfinished; go on with tune --resume"
                          : "");
        pb_document_done(&document);
        *ret_exit = PB_EXIT_INPUT;
        return false;
    }
    *ret_document = document;
    return true;
}

void pb_document_done(struct pb_document *document)
{
    pb_json_free(document->json);
    pb_folder_entry_done(&document->entry);
    *document = (struct pb_document){ 0 };
}
