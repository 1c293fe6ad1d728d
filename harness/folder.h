/*
 * harness/folder.h - result folders: whole or absent, found again by name.
 *
 * A run is written as results/.tmp-<id> under a lock (flock) and renamed into place.  Unlocked
 * .tmp-* folders were left by a killed process: they are removed, and the caller is told how many.
 */
#ifndef PB_HARNESS_FOLDER_H
#define PB_HARNESS_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

struct pb_folder {
    char *results;   /* "results" */
    char *id;        /* "checkout-20261121T031502Z-4fa2c1" */
    char *temporary; /* "results/.tmp-<id>"; NULL once committed */
    char *path;      /* "results/<id>" */
    int lock_fd;
};

/* Makes results/ (if absent) and an empty locked temporary folder for `name` (sanitised to
 * [A-Za-z0-9._-], at most 60 bytes).  `infix`: "" or "tune" before time and random digits; NULL:
 * no time and digits, the name is all (PB_EEXIST when it is taken).  PB_ESYS: results cannot be
 * written.
 */
PB_MUST_USE enum pb_status pb_folder_create(const char *results, const char *name,
                                            const char *infix, int64_t wall_ns,
                                            struct pb_folder *ret_folder, struct pb_error *err);
/* Writes one file of the folder. */
PB_MUST_USE enum pb_status pb_folder_write(const struct pb_folder *folder, const char *file,
                                           const void *data, size_t len, struct pb_error *err);
/* Syncs and renames into place; readers see it from here on. */
PB_MUST_USE enum pb_status pb_folder_commit(struct pb_folder *folder, struct pb_error *err);
/* Removes the temporary folder if it was not committed; frees the strings.  Safe on a zeroed
 * struct. */
void pb_folder_discard(struct pb_folder *folder);

/* Removes unlocked .tmp-* below `results`; how many.  An absent `results` is fine. */
size_t pb_folder_sweep(const char *results);

/* Takes over `results`/.tmp-<id>, left by a process that is gone, to finish or to discard it.
 * PB_EEXIST: its process lives; PB_ENOENT: it is not there. */
PB_MUST_USE enum pb_status pb_folder_adopt(const char *results, const char *id,
                                           struct pb_folder *ret_folder, struct pb_error *err);
/* The ids of all .tmp-<id> below `results`, living ones too; each the caller's, as the array. */
PB_MUST_USE enum pb_status pb_folder_temporaries(const char *results, char ***ret_ids,
                                                 size_t *ret_count);

enum pb_folder_kind {
    PB_FOLDER_RUN,
    PB_FOLDER_SET,
    PB_FOLDER_TUNE,
    PB_FOLDER_UNFINISHED_TUNE
};

struct pb_folder_entry {
    char *id;
    char *path;
    enum pb_folder_kind kind;
};

/* All result folders, oldest first by the time in their name; free with pb_folder_list_free. */
PB_MUST_USE enum pb_status pb_folder_list(const char *results, struct pb_folder_entry **ret_entries,
                                          size_t *ret_count, struct pb_error *err);
void pb_folder_list_free(struct pb_folder_entry *entries, size_t count);
/* Finds RUN: a folder's path, a unique prefix of a name below `results`, or "latest".  PB_ENOENT,
 * or PB_EINVAL when several match (err lists some). */
PB_MUST_USE enum pb_status pb_folder_find(const char *results, const char *run,
                                          struct pb_folder_entry *ret_entry, struct pb_error *err);
void pb_folder_entry_done(struct pb_folder_entry *entry);

#endif
