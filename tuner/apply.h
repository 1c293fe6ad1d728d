/*
 * tuner/apply.h - writes recommended settings into a scenario file, and undoes it byte for byte.
 *
 * The file is edited in place of the values only: comments, order and layout stay.  Each step keeps
 * a backup FILE.poolbench-N (N = 1, 2, ...) holding the bytes before it.
 */
#ifndef PB_TUNER_APPLY_H
#define PB_TUNER_APPLY_H

#include <cjson/cJSON.h>

#include "poolbench/error.h"

/* Sets each path of `settings` (an object: path -> value) in the scenario file `path`, checks that
 * the result is a valid scenario, and replaces the file atomically.  `ret_backup`: name of the
 * backup (caller frees).  PB_EINVAL, PB_EPARSE, PB_ESYS: the file is as it was. */
PB_MUST_USE enum pb_status pb_apply(const cJSON *settings, const char *path, char **ret_backup,
                                    struct pb_error *err);
/* Restores the newest backup byte for byte and removes it.  PB_ENOENT: there is none. */
PB_MUST_USE enum pb_status pb_rollback(const char *path, char **ret_backup, struct pb_error *err);

#endif
