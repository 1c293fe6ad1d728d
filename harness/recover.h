/*
 * harness/recover.h - runs left by a killed process, finished as `interrupted` from what they had
 * written: the scenario and the request log up to its last good block.
 */
#ifndef PB_HARNESS_RECOVER_H
#define PB_HARNESS_RECOVER_H

#include <stddef.h>

#include "poolbench/error.h"

struct pb_recovery {
    size_t recovered; /* run folders that are whole now */
    size_t discarded; /* folders without anything to finish: removed */
};

/* Looks at every .tmp-* below `results` whose process is gone.  Sets are finished with the runs
 * that are whole.  PB_OK also when there is nothing. */
PB_MUST_USE enum pb_status pb_recover(const char *results, struct pb_recovery *ret_recovery,
                                      struct pb_error *err);

#endif
