/*
 * base/utf8.h - reading UTF-8 strictly, and showing text that nobody vouches for.
 */
#ifndef PB_BASE_UTF8_H
#define PB_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The bytes (1..4) of the character at `text`, of which `len` bytes may be read, and its code point
 * (`ret_code` may be NULL).  0, with `ret_code` untouched, for what RFC 3629 forbids: a cut or
 * overlong sequence, a surrogate, beyond U+10FFFF. */
size_t pb_utf8_decode(const char *text, size_t len, uint32_t *ret_code);

/* The longest prefix of at most `max` bytes that does not cut a character. */
size_t pb_utf8_cut(const char *text, size_t len, size_t max);

/* Appends text so that it stays on its line and cannot steer a terminal: control characters,
 * direction overrides and invalid bytes become \n, \x1b, \u202e and the like. */
void pb_utf8_escape(struct pb_buf *out, const char *text, size_t len);

#endif
