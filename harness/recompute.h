/*
 * harness/recompute.h - a stored run once more from its request log: every printed number can be
 * checked against the rows it came from.
 */
#ifndef PB_HARNESS_RECOMPUTE_H
#define PB_HARNESS_RECOMPUTE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "poolbench/error.h"

#include "base/buf.h"
#include "harness/aggregate.h"
#include "harness/scenario.h"

struct pb_recomputed {
    struct pb_scenario *scenario; /* from the folder's scenario.json */
    struct pb_aggregate *aggregate;
    uint64_t rows;
    int64_t start_wall_ns;
    int64_t last_ns; /* the latest end of a request, from the run's start */
    bool complete;   /* the log has its trailer: nothing is missing at its end */
};

/* Reads `folder`/scenario.json and requests.pbr.  PB_ENOENT: the run kept no log; PB_ECORRUPT: the
 * log is damaged before its end. */
PB_MUST_USE enum pb_status pb_recompute(const char *folder, struct pb_recomputed *ret_recomputed,
                                        struct pb_error *err);
void pb_recomputed_done(struct pb_recomputed *recomputed);

/* Compares with the run's document; a line for each number that differs into `out`.  The numbers
 * compared and those that differ are counted. */
void pb_recompute_compare(const struct pb_recomputed *recomputed, const cJSON *run,
                          struct pb_buf *out, unsigned *ret_compared, unsigned *ret_different);

#endif
