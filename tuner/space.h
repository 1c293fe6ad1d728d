/*
 * tuner/space.h - the settings that may be tried: the scenario's tune.vary as points on a grid.
 *
 * A dimension whose values are quantities is ordered, smallest first, whatever order they were
 * written in; names and switches are not.  Only declared values can be named by a point, so that
 * nothing outside the declared range can be proposed.  Borrows the scenario.  Not thread-safe.
 */
#ifndef PB_TUNER_SPACE_H
#define PB_TUNER_SPACE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "harness/scenario.h"

/* In a point: the value that the scenario has, which need not be among the declared ones. */
#define PB_AS_WRITTEN UINT32_MAX

struct pb_dimension {
    char *path; /* borrowed */
    const struct pb_field *field;
    bool ordered;
    size_t count;
    char **values;   /* owned array of borrowed texts */
    double *numbers; /* owned; of the values when ordered, else NULL */
    char *written;   /* owned; the scenario's own value */
};

struct pb_space {
    const struct pb_scenario *scenario;
    struct pb_dimension dims[PB_VARY_MAX];
    size_t count;
    int size_dim, overflow_dim; /* -1: not varied */
    uint64_t settings;          /* product of the counts, saturating */
};

struct pb_point {
    uint32_t index[PB_VARY_MAX]; /* those past the space's count are 0 */
};

/* PB_EINVAL when the scenario varies nothing; PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_space_init(const struct pb_scenario *scenario,
                                         struct pb_space *ret_space, struct pb_error *err);
void pb_space_done(struct pb_space *space);

/* The scenario's own setting: PB_AS_WRITTEN where its value is not declared. */
struct pb_point pb_space_original(const struct pb_space *space);
/* The same with the nearest declared value instead. */
struct pb_point pb_space_nearest(const struct pb_space *space, const struct pb_point *point);
bool pb_space_same(const struct pb_space *space, const struct pb_point *a,
                   const struct pb_point *b);
/* Every index names a declared value. */
bool pb_space_inside(const struct pb_space *space, const struct pb_point *point);
/* Point number `i` of space->settings, counted through the dimensions. */
struct pb_point pb_space_at(const struct pb_space *space, uint64_t i);

/* size + max_overflow: known before anything is measured. */
int64_t pb_space_workers(const struct pb_space *space, const struct pb_point *point);
/* Dimensions in which two points differ. */
size_t pb_space_changes(const struct pb_space *space, const struct pb_point *a,
                        const struct pb_point *b);
/* Size and overflow: the number of workers depends on it alone. */
bool pb_space_is_cost(const struct pb_space *space, size_t dim);

/* All dimensions, those that cost workers first, into `ret_order`. */
void pb_space_order(const struct pb_space *space, size_t ret_order[PB_VARY_MAX]);

/* Farthest index that one accepted step may reach along `dim` from `from`, downward or upward:
 * tune.max_change workers, or else max(2, half), but then always to the next declared value.
 * Dimensions that count no workers are not bounded.  `from` itself at the end of the range. */
uint32_t pb_space_reach(const struct pb_space *space, size_t dim, uint32_t from, bool up);
/* No dimension moves farther than pb_space_reach allows (always so from PB_AS_WRITTEN). */
bool pb_space_within_step(const struct pb_space *space, const struct pb_point *from,
                          const struct pb_point *to);

/* Fills `ret_overrides` (room for PB_VARY_MAX) with what to lay over the scenario; how many. */
size_t pb_space_overrides(const struct pb_space *space, const struct pb_point *point,
                          struct pb_override *ret_overrides);
/* { "pool.size": 8, ... } in the file's syntax.  NULL: no memory. */
cJSON *pb_space_json(const struct pb_space *space, const struct pb_point *point);
/* "size 8, max_overflow 4" into `text`, cut at `size`. */
void pb_space_text(const struct pb_space *space, const struct pb_point *point, char *text,
                   size_t size);

#endif
