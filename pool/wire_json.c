#include "pool/wire_json.h"

#include <string.h>

#include "base/utf8.h"

_Static_assert(PB_WIRE_DEPTH <= 64, "one bit a level");

void pb_skim_spaces(struct pb_skim *skim)
{
    while (skim->at < skim->end &&
           (*skim->at == ' ' || *skim->at == '\n' || *skim->at == '\t' || *skim->at == '\r')) {
        skim->at++;
    }
}

bool pb_skim_char(struct pb_skim *skim, char c)
{
    if (skim->at == skim->end || *skim->at != c) {
        return false;
    }
    skim->at++;
    return true;
}

/* Four hexadecimal digits at `at`; -1: they are not. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = at[i], lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9') {
            value = value * 16 + (c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

/* The character of the \u at `at`, and the bytes of its escape (6 or 12); 0: it is none. */
static size_t unicode_escape(const char *at, const char *end, uint32_t *ret_code)
{
    int32_t high = hex4(at + 2, end);

    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return 0;
    }
    *ret_code = (uint32_t)high;
    if (high < 0xd800 || high > 0xdbff) {
        return 6;
    }
    int32_t low = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8, end) : -1;

    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    *ret_code = 0x10000 + (((uint32_t)high & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);
    return 12;
}

static const char escapes[] = "\"\\/bfnrt";
static const char escaped[] = "\"\\/\b\f\n\r\t";

/* One character of a string, escaped or not, and the bytes it takes; 0: a mistake. */
static size_t character(const char *at, const char *end, uint32_t *ret_code)
{
    const char *escape;

    if (*at != '\\') {
        return (unsigned char)*at < 0x20 ? 0 : pb_utf8_decode(at, (size_t)(end - at), ret_code);
    }
    if (end - at < 2) {
        return 0;
    }
    if (at[1] == 'u') {
        return unicode_escape(at, end, ret_code);
    }
    escape = at[1] ? strchr(escapes, at[1]) : NULL;
    if (!escape) {
        return 0;
    }
    *ret_code = (unsigned char)escaped[escape - escapes];
    return 2;
}

bool pb_skim_string(struct pb_skim *skim, struct pb_span *ret_text)
{
    uint32_t code;

    if (!pb_skim_char(skim, '"')) {
        return false;
    }
    for (const char *from = skim->at; skim->at < skim->end;) {
        unsigned char c = (unsigned char)*skim->at;

        if (c == '"') {
            *ret_text = (struct pb_span){ from, (size_t)(skim->at - from) };
            skim->at++;
            return true;
        }
        /* Most characters are plain: no call for them. */
        size_t len = c >= 0x20 && c < 0x7f && c != '\\' ? 1 : character(skim->at, skim->end, &code);

        if (len == 0) {
            return false;
        }
        skim->at += len;
    }
    return false;
}

static size_t put_utf8(uint32_t code, char ret_bytes[static 4])
{
    if (code < 0x80) {
        ret_bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        ret_bytes[0] = (char)(0xc0 | (code >> 6));
        ret_bytes[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        ret_bytes[0] = (char)(0xe0 | (code >> 12));
        ret_bytes[1] = (char)(0x80 | ((code >> 6) & 0x3f));
        ret_bytes[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    ret_bytes[0] = (char)(0xf0 | (code >> 18));
    ret_bytes[1] = (char)(0x80 | ((code >> 12) & 0x3f));
    ret_bytes[2] = (char)(0x80 | ((code >> 6) & 0x3f));
    ret_bytes[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

size_t pb_skim_unescape(struct pb_span text, char *ret_text, size_t size)
{
    const char *at = text.at, *end = text.len > 0 ? text.at + text.len : text.at;
    size_t used = 0;
    uint32_t code = 0;
    char bytes[4];

    while (at < end) {
        size_t taken = character(at, end, &code), len = taken > 0 ? put_utf8(code, bytes) : 0;

        if (taken == 0 || used + len >= size) {
            break;
        }
        memcpy(ret_text + used, bytes, len);
        used += len;
        at += taken;
    }
    ret_text[used] = '\0';
    return used;
}

static size_t skip_digits(struct pb_skim *skim)
{
    const char *from = skim->at;

    while (skim->at < skim->end && *skim->at >= '0' && *skim->at <= '9') {
        skim->at++;
    }
    return (size_t)(skim->at - from);
}

static bool skip_number(struct pb_skim *skim)
{
    (void)pb_skim_char(skim, '-');
    if (!pb_skim_char(skim, '0') && skip_digits(skim) == 0) {
        return false;
    }
    if (pb_skim_char(skim, '.') && skip_digits(skim) == 0) {
        return false;
    }
    if (pb_skim_char(skim, 'e') || pb_skim_char(skim, 'E')) {
        (void)(pb_skim_char(skim, '+') || pb_skim_char(skim, '-'));
        return skip_digits(skim) > 0;
    }
    return true;
}

static bool skip_word(struct pb_skim *skim, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(skim->end - skim->at) < len || memcmp(skim->at, word, len) != 0) {
        return false;
    }
    skim->at += len;
    return true;
}

static bool skip_scalar(struct pb_skim *skim)
{
    struct pb_span text;

    switch (skim->at < skim->end ? *skim->at : '\0') {
    case '"':
        return pb_skim_string(skim, &text);
    case 't':
        return skip_word(skim, "true");
    case 'f':
        return skip_word(skim, "false");
    case 'n':
        return skip_word(skim, "null");
    default:
        return skip_number(skim);
    }
}

/* The brackets that are open: bit d of `objects` tells whether the one at depth d is an object. */
struct nest {
    uint64_t objects;
    unsigned depth;
};

static bool inside_object(const struct nest *nest)
{
    return (nest->objects >> (nest->depth - 1) & 1) != 0;
}

static bool skip_key(struct pb_skim *skim)
{
    struct pb_span text;

    pb_skim_spaces(skim);
    if (!pb_skim_string(skim, &text)) {
        return false;
    }
    pb_skim_spaces(skim);
    return pb_skim_char(skim, ':');
}

/* At an opening bracket. `ret_empty`: it was closed at once. */
static bool open_bracket(struct pb_skim *skim, struct nest *nest, bool *ret_empty)
{
    bool object = *skim->at++ == '{';

    if (nest->depth == PB_WIRE_DEPTH) {
        return false;
    }
    pb_skim_spaces(skim);
    *ret_empty = pb_skim_char(skim, object ? '}' : ']');
    if (*ret_empty) {
        return true;
    }
    nest->objects &= ~(UINT64_C(1) << nest->depth);
    nest->objects |= (uint64_t)object << nest->depth;
    nest->depth++;
    return !object || skip_key(skim);
}

/* Behind a value: closes what ends here, and stops where the next value must come or all is closed.
 */
static bool close_brackets(struct pb_skim *skim, struct nest *nest)
{
    while (nest->depth > 0) {
        pb_skim_spaces(skim);
        if (pb_skim_char(skim, ',')) {
            return !inside_object(nest) || skip_key(skim);
        }
        if (!pb_skim_char(skim, inside_object(nest) ? '}' : ']')) {
            return false;
        }
        nest->depth--;
    }
    return true;
}

bool pb_skim_value(struct pb_skim *skim, struct pb_span *ret_text)
{
    struct nest nest = { 0 };

    pb_skim_spaces(skim);
    for (const char *from = skim->at;;) {
        bool bracket, ended = true;

        pb_skim_spaces(skim);
        bracket = skim->at < skim->end && (*skim->at == '{' || *skim->at == '[');
        if (bracket ? !open_bracket(skim, &nest, &ended) : !skip_scalar(skim)) {
            return false;
        }
        if (ended && !close_brackets(skim, &nest)) {
            return false;
        }
        if (ended && nest.depth == 0) {
            *ret_text = (struct pb_span){ from, (size_t)(skim->at - from) };
            return true;
        }
    }
}

bool pb_wire_is_json(struct pb_span text)
{
    struct pb_skim skim = { text.at, text.at + text.len };
    struct pb_span value;

    if (!pb_skim_value(&skim, &value)) {
        return false;
    }
    pb_skim_spaces(&skim);
    return skim.at == skim.end;
}
