/*
 * base/base64.h - bytes as text and back: the standard alphabet with padding (RFC 4648, section 4).
 */
#ifndef PB_BASE_BASE64_H
#define PB_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "base/buf.h"

/* Adds the text of `len` bytes to `out`, whose status tells whether it fitted. */
void pb_base64_encode(const void *bytes, size_t len, struct pb_buf *out);
/* Decodes `len` characters into a fresh array (caller frees; never NULL).  PB_ECORRUPT: a character
 * outside the alphabet, wrong padding, or a length that is no multiple of four.  PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_base64_decode(const char *text, size_t len, uint8_t **ret_bytes,
                                            size_t *ret_len);

#endif
