/*
 * base/json.h - JSON with comments, read so that every value knows its line and column.
 *
 * The text is scanned first: comments (// and slash-star) and trailing commas are blanked in a
 * copy, positions are recorded, and what cJSON would let pass is refused: duplicate keys, invalid
 * UTF-8, \u0000 and lone surrogates, nesting over PB_JSON_DEPTH, numbers that overflow, text after
 * the value.  A million values are read at most.  Then cJSON parses the blanked copy.  Immutable
 * after parsing: readers may share it.
 */
#ifndef PB_BASE_JSON_H
#define PB_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "base/problems.h"

#define PB_JSON_DEPTH     64
#define PB_JSON_MAX_BYTES ((size_t)16 << 20)

struct pb_json; /* text, tree and positions of one document */

struct pb_json_pos {
    int line;      /* 1-based */
    int column;    /* 1-based, in bytes */
    size_t offset; /* of the value's first byte in the original text */
    size_t length; /* bytes of the value */
};

/* Parses `len` bytes of `text` (copied); `where` names it in messages.  On any mistake adds lines
 * to `problems` and returns PB_EPARSE (PB_ENOMEM when memory ran out).  Release with
 * pb_json_free(). */
PB_MUST_USE enum pb_status pb_json_parse(const char *text, size_t len, const char *where,
                                         struct pb_json **ret_json, struct pb_problems *problems);
/* Reads and parses a file of at most PB_JSON_MAX_BYTES; "-" is standard input.  A file that cannot
 * be read adds a line, too; then the status is that of pb_file_read(). */
PB_MUST_USE enum pb_status pb_json_read(const char *path, struct pb_json **ret_json,
                                        struct pb_problems *problems);
void pb_json_free(struct pb_json *json);

/* The root value; owned by `json`. */
const cJSON *pb_json_root(const struct pb_json *json);
/* The original text, as it was read, and its length. */
const char *pb_json_text(const struct pb_json *json, size_t *ret_len);
/* The name given at parsing. */
const char *pb_json_where(const struct pb_json *json);
/* Where `value`, or the key of a member when `key` is true, stands; false for a foreign value. */
bool pb_json_position(const struct pb_json *json, const cJSON *value, bool key,
                      struct pb_json_pos *ret_pos);

/* Typed look-ups for documents of our own making, by dotted path ("totals.latency.p99_ns");
 * an array element by its number ("phases.0.name").  A key may hold dots itself
 * ("recommended.pool.size").  The fallback when absent, null or of another type;
 * pb_json_int() rounds to the nearest integer. */
const cJSON *pb_json_at(const cJSON *root, const char *path);
double pb_json_num(const cJSON *root, const char *path, double fallback);
int64_t pb_json_int(const cJSON *root, const char *path, int64_t fallback);
const char *pb_json_str(const cJSON *root, const char *path, const char *fallback);
bool pb_json_bool(const cJSON *root, const char *path, bool fallback);

/* Prints `value` into a fresh string (caller frees), indented or on one line; integers up to 2^53
 * exactly, other numbers with the fewest digits that read back the same.  NULL: no memory. */
char *pb_json_print(const cJSON *value, bool indented);

#endif
