/*
 * base/json_internal.h - what the parts of base/json.h share.  Nobody outside base/json_*.c
 * includes it.
 */
#ifndef PB_BASE_JSON_INTERNAL_H
#define PB_BASE_JSON_INTERNAL_H

#include <stddef.h>

#include "poolbench/error.h"

#include "base/json.h"
#include "base/problems.h"

/* Where one value stands, and its key when it is a member (else key.line is 0). */
struct pb_json_mark {
    struct pb_json_pos key;
    struct pb_json_pos value;
};

/* The values of a document in the order of their first bytes. */
struct pb_json_marks {
    struct pb_json_mark *items;
    size_t count;
    size_t size;
};

void pb_json_marks_done(struct pb_json_marks *marks);

/* Checks `len` bytes of `text` (with a NUL behind them), blanks comments and trailing commas in
 * them, and appends each value's place to `marks`.  Mistakes inside a value are collected; the
 * first one in the structure ends the scan.  PB_EPARSE when there was any, PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_json_scan(char *text, size_t len, const char *where,
                                        struct pb_json_marks *marks, struct pb_problems *problems);

/* The string that begins at text[at] (a quote) is checked; its end, behind the closing quote, or 0
 * when it is not closed on its line.  `ret_flaw` is set to the first wrong byte and `ret_why` to
 * what is wrong with it and what would be valid; untouched when all is well. */
size_t pb_json_check_string(const char *text, size_t len, size_t at, size_t *ret_flaw,
                            const char **ret_why);

/* The longest prefix of text[at..end) that is a JSON number. */
size_t pb_json_number_length(const char *text, size_t at, size_t end);

#endif
