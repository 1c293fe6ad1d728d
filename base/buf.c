#include "base/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST ((size_t)128)

void pb_buf_done(struct pb_buf *buf)
{
    free(buf->data);
    *buf = (struct pb_buf){ .cap = buf->cap };
}

void pb_buf_reset(struct pb_buf *buf)
{
    buf->len = 0;
    buf->status = PB_OK;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

/* Makes room for `more` bytes and a NUL; doubling keeps the sum of all copies linear. */
static bool reserve(struct pb_buf *buf, size_t more)
{
    size_t cap = buf->cap > 0 ? buf->cap : PB_BUF_CAP_DEFAULT;

    if (buf->status != PB_OK) {
        return false;
    }
    if (more > cap || buf->len > cap - more) {
        buf->status = PB_EFULL;
        return false;
    }
    size_t need = buf->len + more + 1, size = buf->size > 0 ? buf->size : SIZE_FIRST;

    if (need <= buf->size) {
        return true;
    }
    while (size < need) {
        size = size > cap / 2 ? cap + 1 : size * 2;
    }
    char *data = realloc(buf->data, size);

    if (!data) {
        buf->status = PB_ENOMEM;
        return false;
    }
    buf->data = data;
    buf->size = size;
    return true;
}

void pb_buf_add(struct pb_buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len)) {
        return;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void pb_buf_puts(struct pb_buf *buf, const char *text)
{
    pb_buf_add(buf, text, strlen(text));
}

void pb_buf_printf(struct pb_buf *buf, const char *fmt, ...)
{
    va_list args;

    if (!reserve(buf, 0)) {
        return;
    }
    va_start(args, fmt);
    int len = vsnprintf(buf->data + buf->len, buf->size - buf->len, fmt, args);
    va_end(args);
    bool cut = len >= 0 && (size_t)len >= buf->size - buf->len;

    if (len < 0) {
        buf->status = PB_ENOMEM;
    } else if (reserve(buf, (size_t)len) && cut) {
        va_start(args, fmt);
        len = vsnprintf(buf->data + buf->len, buf->size - buf->len, fmt, args);
        va_end(args);
    }
    /* An addition is whole or absent: after a failure what was printed is cut off again. */
    buf->len += buf->status == PB_OK && len > 0 ? (size_t)len : 0;
    buf->data[buf->len] = '\0';
}

enum pb_status pb_buf_status(const struct pb_buf *buf)
{
    return buf->status;
}

const char *pb_buf_text(const struct pb_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *pb_buf_detach(struct pb_buf *buf)
{
    if (!reserve(buf, 0)) {
        pb_buf_done(buf);
        return NULL;
    }
    char *text = buf->data;

    text[buf->len] = '\0';
    *buf = (struct pb_buf){ .cap = buf->cap };
    return text;
}

void pb_text_free(char **text)
{
    free(*text);
}
