#include "base/utf8.h"

#include <stdbool.h>

#include "poolbench/macros.h"

/* Unicode 15, table 3-7: the second byte of some leads has a narrower range than 80..BF; that is
 * what excludes overlong forms, surrogates and code points beyond U+10FFFF. */
static const struct lead {
    unsigned char first, last; /* range of the first byte */
    unsigned char low, high;   /* range of the second */
    unsigned char count;       /* bytes in all */
} leads[] = {
    { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
    { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
    { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
};

static size_t decode_long(const unsigned char *byte, size_t len, const struct lead *lead,
                          uint32_t *ret_code)
{
    if (len < lead->count || byte[1] < lead->low || byte[1] > lead->high) {
        return 0;
    }
    uint32_t code = byte[0] & (0x7FU >> lead->count);

    for (size_t i = 1; i < lead->count; i++) {
        if ((byte[i] & 0xC0U) != 0x80U) {
            return 0;
        }
        code = code << 6 | (byte[i] & 0x3FU);
    }
    if (ret_code) {
        *ret_code = code;
    }
    return lead->count;
}

size_t pb_utf8_decode(const char *text, size_t len, uint32_t *ret_code)
{
    const unsigned char *byte = (const unsigned char *)text;

    if (len == 0) {
        return 0;
    }
    if (byte[0] < 0x80) {
        if (ret_code) {
            *ret_code = byte[0];
        }
        return 1;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(leads); i++) {
        if (byte[0] >= leads[i].first && byte[0] <= leads[i].last) {
            return decode_long(byte, len, &leads[i], ret_code);
        }
    }
    return 0;
}

size_t pb_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    /* A character has at most three bytes after its first. */
    for (size_t end = max; end > 0 && end + 4 > max; end--) {
        if (((unsigned char)text[end] & 0xC0U) != 0x80U) {
            return end;
        }
    }
    return max;
}

/* C0 and C1 controls, DEL, line separators, and the marks that reorder text on the screen. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xFEFF;
}

static void escape_hidden(struct pb_buf *out, uint32_t code)
{
    switch (code) {
    case '\n':
        pb_buf_puts(out, "\\n");
        break;
    case '\r':
        pb_buf_puts(out, "\\r");
        break;
    case '\t':
        pb_buf_puts(out, "\\t");
        break;
    default:
        pb_buf_printf(out, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    }
}

void pb_utf8_escape(struct pb_buf *out, const char *text, size_t len)
{
    size_t at = 0, plain = 0; /* text[plain..at) needs no escape and is not yet added */

    while (at < len) {
        uint32_t code = 0;
        size_t bytes = pb_utf8_decode(text + at, len - at, &code);

        if (bytes > 0 && !is_hidden(code)) {
            at += bytes;
            continue;
        }
        pb_buf_add(out, text + plain, at - plain);
        if (bytes == 0) {
            pb_buf_printf(out, "\\x%02x", (unsigned char)text[at]);
            bytes = 1;
        } else {
            escape_hidden(out, code);
        }
        at += bytes;
        plain = at;
    }
    pb_buf_add(out, text + plain, at - plain);
}
