/*
 * base/buf.h - a growing text or byte buffer with a cap.
 *
 * Invariant: `data` is NULL (nothing was ever added) or NUL-terminated at data[len].  A failure
 * (no memory, or growing beyond `cap_bytes`) sticks: later additions do nothing, and
 * pb_buf_status() tells at the end, so that callers check once.  Not thread-safe.
 */
#ifndef PB_BASE_BUF_H
#define PB_BASE_BUF_H

#include <stddef.h>

#include "poolbench/error.h"

#define PB_BUF_CAP_DEFAULT ((size_t)64 << 20)

struct pb_buf {
    char *data;
    size_t len;
    size_t size; /* bytes allocated */
    size_t cap;  /* bytes it may grow to; 0 means PB_BUF_CAP_DEFAULT */
    enum pb_status status;
};

/* Initial value for automatic variables: `PB_CLEANUP(pb_buf_done) struct pb_buf b = { 0 };` */
void pb_buf_done(struct pb_buf *buf);
/* Empties it and clears a failure; the memory is kept for reuse. */
void pb_buf_reset(struct pb_buf *buf);
void pb_buf_add(struct pb_buf *buf, const void *bytes, size_t len);
void pb_buf_puts(struct pb_buf *buf, const char *text);
void pb_buf_printf(struct pb_buf *buf, const char *fmt, ...) PB_PRINTF(2, 3);
/* PB_OK, PB_ENOMEM, or PB_EFULL (the cap was reached). */
PB_MUST_USE enum pb_status pb_buf_status(const struct pb_buf *buf);
/* The text so far, "" when empty.  Valid until the next addition. */
const char *pb_buf_text(const struct pb_buf *buf);
/* Hands the text to the caller, who frees it; the buffer is empty afterwards.  NULL after a
 * failure. */
char *pb_buf_detach(struct pb_buf *buf);

/* Frees a text of malloc's: `PB_CLEANUP(pb_text_free) char *path = pb_path_join(...);` */
void pb_text_free(char **text);

#endif
