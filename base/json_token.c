#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json_internal.h"
#include "base/utf8.h"

/* One string under examination; the first flaw is kept. */
struct string {
    const char *text;
    size_t len;
    size_t at;
    size_t flaw;
    const char *why;
};

static void blame(struct string *s, size_t at, const char *why)
{
    if (!s->why) {
        s->flaw = at;
        s->why = why;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of "\uXXXX" at `at`, -1 when there is none. */
static int32_t unicode_escape(const struct string *s, size_t at)
{
    int32_t code = 0;

    if (s->len - at < 6 || s->text[at] != '\\' || s->text[at + 1] != 'u') {
        return -1;
    }
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = hex_digit(s->text[i]);

        if (digit < 0) {
            return -1;
        }
        code = code << 4 | digit;
    }
    return code;
}

static void check_unicode_escape(struct string *s)
{
    size_t start = s->at;
    int32_t code = unicode_escape(s, start);

    if (code < 0) {
        blame(s, start, "\\u needs four hexadecimal digits, such as \\u00e9");
        s->at += 2;
        return;
    }
    s->at += 6;
    if (code == 0) {
        blame(s, start, "\\u0000 is not allowed: a text cannot hold a NUL character");
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        blame(s, start,
              "this low surrogate has no high one before it: write a pair such as "
              "\\ud83d\\ude00, or the character itself");
    } else if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = unicode_escape(s, s->at);

        if (low < 0xDC00 || low > 0xDFFF) {
            blame(s, start,
                  "this high surrogate has no low one behind it: write a pair such as "
                  "\\ud83d\\ude00, or the character itself");
            return;
        }
        s->at += 6;
    }
}

static void check_escape(struct string *s)
{
    bool more = s->at + 1 < s->len && s->text[s->at + 1] != '\0';

    if (more && s->text[s->at + 1] == 'u') {
        check_unicode_escape(s);
    } else if (more && strchr("\"\\/bfnrt", s->text[s->at + 1])) {
        s->at += 2;
    } else {
        blame(s, s->at, "unknown escape: valid are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX");
        s->at++;
    }
}

size_t pb_json_check_string(const char *text, size_t len, size_t at, size_t *ret_flaw,
                            const char **ret_why)
{
    struct string s = { .text = text, .len = len, .at = at + 1 };

    while (s.at < len && text[s.at] != '"' && text[s.at] != '\n') {
        unsigned char c = (unsigned char)text[s.at];

        if (c == '\\') {
            check_escape(&s);
        } else if (c < 0x20) {
            blame(&s, s.at, "control character in a string: write \\t, \\r or \\u00XX instead");
            s.at++;
        } else if (c < 0x80) {
            s.at++;
        } else {
            size_t bytes = pb_utf8_decode(text + s.at, len - s.at, NULL);

            if (bytes == 0) {
                blame(&s, s.at, "this is not valid UTF-8: save the file as UTF-8");
            }
            s.at += bytes > 0 ? bytes : 1;
        }
    }
    if (s.why) {
        *ret_flaw = s.flaw;
        *ret_why = s.why;
    }
    return s.at < len && text[s.at] == '"' ? s.at + 1 : 0;
}

static size_t skip_digits(const char *text, size_t at, size_t end)
{
    while (at < end && text[at] >= '0' && text[at] <= '9') {
        at++;
    }
    return at;
}

size_t pb_json_number_length(const char *text, size_t at, size_t end)
{
    size_t start = at, digits = at < end && text[at] == '-' ? at + 1 : at;

    at = digits < end && text[digits] == '0' ? digits + 1 : skip_digits(text, digits, end);
    if (at == digits) {
        return 0;
    }
    if (at < end && text[at] == '.') {
        size_t fraction = skip_digits(text, at + 1, end);

        if (fraction == at + 1) {
            return at - start;
        }
        at = fraction;
    }
    if (at < end && (text[at] == 'e' || text[at] == 'E')) {
        size_t exponent = at + 1;

        exponent += exponent < end && (text[exponent] == '+' || text[exponent] == '-') ? 1U : 0U;
        size_t behind = skip_digits(text, exponent, end);

        at = behind > exponent ? behind : at;
    }
    return at - start;
}
