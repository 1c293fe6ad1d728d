/*
 * harness/set_internal.h - a run set's document in the making; shared by output_set.c and
 * judge_set.c, nobody else includes it.
 */
#ifndef PB_HARNESS_SET_INTERNAL_H
#define PB_HARNESS_SET_INTERNAL_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "harness/output_internal.h"

/* From so many runs on an interval of the median over runs exists (95 %). */
#define PB_RUNS_FOR_INTERVAL 6

struct pb_set {
    const cJSON *const *runs; /* the documents of the runs; borrowed */
    size_t count;
    cJSON *root; /* the set's document, begun as a copy of runs[0] */
    struct pb_out out;
};

/* Takes `item`: puts it in the place of root's `key`. */
void pb_set_replace(struct pb_set *set, const char *key, cJSON *item);

/* judge_set.c: answers each objective from the runs' answers and values. */
void pb_set_objectives(struct pb_set *set);
/* The set's verdict and its reason. */
void pb_set_verdict(struct pb_set *set);

#endif
