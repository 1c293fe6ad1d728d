/*
 * cli/document.h - the JSON document of a stored result: run.json, set.json or recommendation.json.
 */
#ifndef PB_CLI_DOCUMENT_H
#define PB_CLI_DOCUMENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/json.h"
#include "cli/command.h"
#include "harness/folder.h"

struct pb_document {
    struct pb_folder_entry entry;
    struct pb_json *json;
    const cJSON *root; /* owned by json */
};

/* Reads the document of `entry`, which stays the caller's.  False: absent or broken. */
bool pb_document_read(const struct pb_folder_entry *entry, struct pb_document *ret_document);
/* Finds RUN (folder, prefix, "latest") and reads it; prints a line and gives the exit code when it
 * cannot. */
bool pb_document_find(const struct pb_args *args, const char *run, struct pb_document *ret_document,
                      int *ret_exit);
void pb_document_done(struct pb_document *document);

#endif
