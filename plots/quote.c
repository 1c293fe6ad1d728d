#include "plots/quote.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* The typographic one.  The manual's way, doubling, is misread by gnuplot 5.4.4 at the beginning of
 * a string and where two stand together: the string ends there, and the rest is a syntax error. */
#define APOSTROPHE "\xe2\x80\x99"

/* What must not reach a picture: controls, direction overrides, and what XML does not know. */
static bool is_printable(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !(code >= 0x202a && code <= 0x202e) &&
           !(code >= 0x2066 && code <= 0x2069) && (code & 0xfffe) != 0xfffe && code != 0x2028 &&
           code != 0x2029;
}

/* Steps over one character or one bad byte; how many of its bytes may be used (0: none). */
static size_t next_char(const char **at, const char *end)
{
    uint32_t code = 0;
    size_t size = pb_utf8_decode(*at, (size_t)(end - *at), &code);
    bool good = size > 0 && is_printable(code);

    *at += size > 0 ? size : 1;
    return good ? size : 0;
}

void pb_quote_gnuplot(struct pb_buf *out, const char *text)
{
    const char *at = text, *end = text + strlen(text);
    size_t used = 0;
    char last = '\0'; /* byte that was let through */

    pb_buf_puts(out, "'");
    while (at < end) {
        const char *character = at;
        size_t size = next_char(&at, end);

        if (used + size > PB_QUOTE_MAX_BYTES) {
            break;
        }
        used += size;
        if (size == 1 && *character == '>' && last == ']') {
            pb_buf_puts(out, " ");
        }
        if (size == 1 && *character == '\'') {
            pb_buf_puts(out, APOSTROPHE);
        } else {
            pb_buf_add(out, character, size);
        }
        if (size > 0) {
            last = character[size - 1];
        }
    }
    pb_buf_puts(out, "'");
}

void pb_quote_cell(struct pb_buf *out, const char *text)
{
    const char *at = text, *end = text + strlen(text);
    size_t used = 0;

    while (at < end) {
        const char *character = at;
        size_t size = next_char(&at, end);

        used += size;
        if (used > PB_QUOTE_MAX_BYTES) {
            break;
        }
        if (size == 1 && *character == '"') {
            pb_buf_puts(out, "'");
        } else {
            pb_buf_add(out, character, size);
        }
    }
}

void pb_quote_html(struct pb_buf *out, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const references[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
    const char *at = text, *end = text + strlen(text);

    while (at < end) {
        const char *character = at;
        size_t size = next_char(&at, end);
        const char *found = size == 1 ? strchr(special, *character) : NULL;

        if (found) {
            pb_buf_puts(out, references[found - special]);
        } else {
            pb_buf_add(out, character, size);
        }
    }
}

void pb_quote_shell(struct pb_buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-/=:,+%@";
    const char *at = text, *end = text + strlen(text);

    if (*text && strspn(text, plain) == strlen(text)) {
        pb_buf_puts(out, text);
        return;
    }
    pb_buf_puts(out, "'");
    while (at < end) {
        const char *character = at;
        size_t size = next_char(&at, end);

        if (size == 1 && *character == '\'') {
            pb_buf_puts(out, "'\\''");
        } else {
            pb_buf_add(out, character, size);
        }
    }
    pb_buf_puts(out, "'");
}
