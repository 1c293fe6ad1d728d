/*
 * tuner/edit.h - sets one value in a JSON text and leaves every other byte alone: comments, order,
 * layout.  Pure: works on text.
 */
#ifndef PB_TUNER_EDIT_H
#define PB_TUNER_EDIT_H

#include <stddef.h>

#include "poolbench/error.h"

#include "base/buf.h"

struct pb_edit {
    const char *path;  /* dotted: "pool.size"; an element of an array by its "name" or number:
                          "phases.steady.rate" */
    const char *value; /* JSON text */
};

/* Adds `text` to `out` with one value set.  Missing members are added, with the objects around
 * them.  `where` names the text in messages.
 * PB_EPARSE: `text` is not JSON; PB_EINVAL: the path leads through something else than an object;
 * PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_edit_set(const char *text, size_t len, const char *where,
                                       const struct pb_edit *edit, struct pb_buf *out,
                                       struct pb_error *err);

#endif
