/*
 * pool/wire_json.h - walking over JSON without building anything: what a message of a worker needs.
 *
 * Strict (RFC 8259, and no \u0000, no lone surrogates), bounded in depth, no recursion, no
 * allocation, no I/O.
 */
#ifndef PB_POOL_WIRE_JSON_H
#define PB_POOL_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/wire.h"

/* What is left of a text. */
struct pb_skim {
    const char *at, *end;
};

/* Each steps over what its name says and tells whether it was there; on false `skim` is somewhere
 * inside. */
void pb_skim_spaces(struct pb_skim *skim);
bool pb_skim_char(struct pb_skim *skim, char c);
/* `ret_text`: between the quotes, escapes and all. */
bool pb_skim_string(struct pb_skim *skim, struct pb_span *ret_text);
/* Spaces before it are skipped; `ret_text`: the value's own text. */
bool pb_skim_value(struct pb_skim *skim, struct pb_span *ret_text);

/* Undoes the escapes of what pb_skim_string gave: at most `size` - 1 bytes, cut between
 * characters, and a NUL; returns how many bytes. */
size_t pb_skim_unescape(struct pb_span text, char *ret_text, size_t size);

#endif
