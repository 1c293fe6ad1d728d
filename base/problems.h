/*
 * base/problems.h - a list of mistakes in user input, one line each, all reported at once.
 *
 * A line reads "PATH:LINE:COLUMN: text" (without position when there is none).  Control
 * characters in user text are escaped, so that a line stays one line.  At most
 * PB_PROBLEMS_MAX lines are kept; the rest is counted.  Not thread-safe.
 */
#ifndef PB_BASE_PROBLEMS_H
#define PB_BASE_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "poolbench/macros.h"

#define PB_PROBLEMS_MAX 50

struct pb_problem {
    char *where; /* "spike.json", "--set", "POOLBENCH_SET"; owned */
    int line;    /* 1-based; 0: no position */
    int column;  /* 1-based, in bytes */
    char *text;  /* what is wrong and what would be valid; owned */
};

struct pb_problems {
    struct pb_problem items[PB_PROBLEMS_MAX];
    size_t count;   /* lines kept */
    size_t dropped; /* more than PB_PROBLEMS_MAX */
};

void pb_problems_done(struct pb_problems *problems);
static inline bool pb_problems_any(const struct pb_problems *problems)
{
    return problems->count > 0;
}
/* Adds a line.  Running out of memory keeps a line without text rather than losing the problem. */
void pb_problems_add(struct pb_problems *problems, const char *where, int line, int column,
                     const char *fmt, ...) PB_PRINTF(5, 6);
/* Line `i` as it is shown, into `text` (cut, and NUL-terminated, at `size`). */
void pb_problems_line(const struct pb_problems *problems, size_t i, char *text, size_t size);

#endif
