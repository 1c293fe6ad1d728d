#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_internal.h"
#include "base/utf8.h"

#define NUMBER_MAX 63           /* characters that cJSON reads of one number */
#define VALUES_MAX 1000000      /* each costs some 130 bytes besides its text */
#define SHOWN_MAX  ((size_t)30) /* bytes of the user's text that a message repeats */
#define NONE       SIZE_MAX

/* What the next significant character may be. */
enum want {
    PB_WANT_VALUE,   /* at the start, and behind a colon */
    PB_WANT_ELEMENT, /* of an array, or its end */
    PB_WANT_KEY,     /* of an object, or its end */
    PB_WANT_COMMA,   /* behind a value in an array or object, or its end */
    PB_WANT_END      /* behind the outermost value */
};

struct scanner {
    char *text;
    size_t len;
    size_t at;
    int line;
    size_t line_start;
    enum want want;
    size_t comma;           /* of the last comma when nothing followed yet, else NONE */
    struct pb_json_pos key; /* of the value to come; line 0: none */
    size_t open[PB_JSON_DEPTH];
    size_t depth;
    bool flawed; /* a mistake was reported, and the scan went on */
    const char *where;
    struct pb_json_marks *marks;
    struct pb_problems *problems;
};

void pb_json_marks_done(struct pb_json_marks *marks)
{
    free(marks->items);
    *marks = (struct pb_json_marks){ 0 };
}

static int column_of(const struct scanner *s, size_t at)
{
    return (int)(at - s->line_start) + 1;
}

/* Reports a mistake at `at`, on the current line; the scan may go on. */
#define FLAW(s, at, ...)                                                                      \
    do {                                                                                      \
        (s)->flawed = true;                                                                   \
        pb_problems_add((s)->problems, (s)->where, (s)->line, column_of(s, at), __VA_ARGS__); \
    } while (0)

static struct pb_json_pos position_here(const struct scanner *s)
{
    return (struct pb_json_pos){ .line = s->line, .column = column_of(s, s->at), .offset = s->at };
}

static enum pb_status add_mark(struct scanner *s)
{
    struct pb_json_marks *marks = s->marks;

    if (marks->count == VALUES_MAX) {
        FLAW(s, s->at, "too many values: at most %d are read", VALUES_MAX);
        return PB_EPARSE;
    }
    if (marks->count == marks->size) {
        size_t size = marks->size > 0 ? marks->size * 2 : 64;
        struct pb_json_mark *items = realloc(marks->items, size * sizeof(*items));

        if (!items) {
            return PB_ENOMEM;
        }
        marks->items = items;
        marks->size = size;
    }
    marks->items[marks->count++] = (struct pb_json_mark){ s->key, position_here(s) };
    s->key = (struct pb_json_pos){ 0 };
    return PB_OK;
}

static void end_mark(struct scanner *s, size_t mark, size_t end)
{
    struct pb_json_pos *value = &s->marks->items[mark].value;

    value->length = end - value->offset;
}

static bool is_object(const struct scanner *s)
{
    return s->text[s->marks->items[s->open[s->depth - 1]].value.offset] == '{';
}

static void new_line(struct scanner *s)
{
    s->line++;
    s->line_start = s->at + 1;
}

/* At "//" or slash-star: blanks the comment, line ends excepted. */
static enum pb_status blank_comment(struct scanner *s)
{
    bool block = s->text[s->at + 1] == '*', flawed = false;
    size_t start = s->at;
    int line = s->line, column = column_of(s, start);

    for (; s->at < s->len; s->at++) {
        char *c = &s->text[s->at];

        if (block && *c == '*' && s->at >= start + 2 && c[1] == '/') {
            c[0] = c[1] = ' ';
            s->at += 2;
            return PB_OK;
        }
        if (*c == '\n') {
            if (!block) {
                return PB_OK;
            }
            new_line(s);
            continue;
        }
        size_t bytes = pb_utf8_decode(c, s->len - s->at, NULL);

        if (bytes == 0 && !flawed) {
            FLAW(s, s->at, "this comment is not valid UTF-8: save the file as UTF-8");
            flawed = true;
        }
        bytes = bytes > 0 ? bytes : 1;
        memset(c, ' ', bytes);
        s->at += bytes - 1;
    }
    if (block) {
        pb_problems_add(s->problems, s->where, line, column,
                        "this comment is never closed: it ends with */");
        return PB_EPARSE;
    }
    return PB_OK;
}

static bool at_comment(const struct scanner *s)
{
    const char *text = s->text + s->at; /* a NUL stands behind the text */

    return text[0] == '/' && (text[1] == '/' || text[1] == '*');
}

static void skip_blanks(struct scanner *s)
{
    for (; s->at < s->len && s->text[s->at] != '\0' && strchr(" \t\r\n", s->text[s->at]); s->at++) {
        if (s->text[s->at] == '\n') {
            new_line(s);
        }
    }
}

static enum pb_status skip_space(struct scanner *s)
{
    for (skip_blanks(s); at_comment(s); skip_blanks(s)) {
        PB_TRY(blank_comment(s));
    }
    return PB_OK;
}

/* The end of the run of characters at `at` that is no structure, blank, string or comment. */
static size_t word_end(const struct scanner *s)
{
    size_t at = s->at;

    for (; at < s->len; at++) {
        char c = s->text[at];

        if ((unsigned char)c <= ' ' || strchr(",:[]{}\"", c) ||
            (c == '/' && (s->text[at + 1] == '/' || s->text[at + 1] == '*'))) {
            break;
        }
    }
    return at;
}

/* What stands at the current place, for a message: at most SHOWN_MAX bytes, and their number. */
static int shown(const struct scanner *s)
{
    size_t unused = 0, end = word_end(s);
    const char *why;

    if (s->text[s->at] == '"') {
        end = pb_json_check_string(s->text, s->len, s->at, &unused, &why);
        end = end > 0 ? end : s->at + 1;
    }
    end = end > s->at ? end : s->at + 1;
    return (int)pb_utf8_cut(s->text + s->at, end - s->at, SHOWN_MAX);
}

/* Reports that something else was expected here, and ends the scan. */
static enum pb_status unexpected(struct scanner *s, const char *expected)
{
    if (s->at >= s->len) {
        FLAW(s, s->at, "the text ends here: expected %s", expected);
    } else if (s->text[s->at] == '#') {
        FLAW(s, s->at, "expected %s; a comment begins with // or /*", expected);
    } else if (s->text[s->at] == '"') {
        FLAW(s, s->at, "expected %s before %.*s", expected, shown(s), s->text + s->at);
    } else {
        FLAW(s, s->at, "expected %s, not '%.*s'", expected, shown(s), s->text + s->at);
    }
    return PB_EPARSE;
}

static enum pb_status scan_string(struct scanner *s)
{
    size_t flaw = 0;
    const char *why = NULL;
    size_t end = pb_json_check_string(s->text, s->len, s->at, &flaw, &why);

    if (why) {
        FLAW(s, flaw, "%s", why);
    }
    if (end == 0) {
        FLAW(s, s->at, "this string is not closed on its line: it ends with a double quote");
        return PB_EPARSE;
    }
    s->at = end;
    return PB_OK;
}

static void blame_number(struct scanner *s, size_t len, size_t valid)
{
    const char *word = s->text + s->at;
    int some = (int)pb_utf8_cut(word, len, SHOWN_MAX);
    char next = word[valid];

    if (valid == len) {
        FLAW(s, s->at, "this number has %zu characters: at most %d are read", len, NUMBER_MAX);
    } else if (valid > 0 && (isalpha((unsigned char)next) || next == '%' || next == '/')) {
        FLAW(s, s->at, "a number with a unit needs double quotes: write \"%.*s\"", some, word);
    } else {
        FLAW(s, s->at, "'%.*s' is not a number: write it like 12, -0.5 or 1e3", some, word);
    }
}

/* A number or true, false, null; something else is reported and passed over. */
static enum pb_status scan_word(struct scanner *s)
{
    static const char *const words[] = { "true", "false", "null" };
    const char *word = s->text + s->at;
    size_t end = word_end(s), len = end - s->at;

    if (len == 0 || *word == '#') {
        return unexpected(s, "a value: a string, a number, true, false, null, [ or {");
    }
    if (strchr("+-.0123456789", *word)) {
        size_t valid = pb_json_number_length(s->text, s->at, end);

        if (valid != len || len > NUMBER_MAX) {
            blame_number(s, len, valid);
        }
        s->at = end;
        return PB_OK;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(words); i++) {
        if (len == strlen(words[i]) && memcmp(word, words[i], len) == 0) {
            s->at = end;
            return PB_OK;
        }
    }
    FLAW(s, s->at,
         "'%.*s' is not a value: a text needs double quotes, others are true, false, null",
         shown(s), word);
    s->at = end;
    return PB_OK;
}

static void after_value(struct scanner *s)
{
    s->want = s->depth > 0 ? PB_WANT_COMMA : PB_WANT_END;
    s->comma = NONE;
}

static enum pb_status scan_value(struct scanner *s)
{
    char c = s->text[s->at];
    size_t mark = s->marks->count;

    if (strchr(",:]}", c)) { /* a NUL byte, too */
        return unexpected(s, "a value");
    }
    PB_TRY(add_mark(s));
    if (c == '{' || c == '[') {
        if (s->depth == PB_JSON_DEPTH) {
            FLAW(s, s->at, "nested too deep: at most %d levels are read", PB_JSON_DEPTH);
            return PB_EPARSE;
        }
        s->open[s->depth++] = mark;
        s->want = c == '{' ? PB_WANT_KEY : PB_WANT_ELEMENT;
        s->comma = NONE;
        s->at++;
        return PB_OK;
    }
    PB_TRY(c == '"' ? scan_string(s) : scan_word(s));
    end_mark(s, mark, s->at);
    after_value(s);
    return PB_OK;
}

/* At the closing bracket of the innermost array or object. */
static enum pb_status scan_close(struct scanner *s)
{
    if (s->comma != NONE) {
        s->text[s->comma] = ' ';
    }
    s->at++;
    end_mark(s, s->open[--s->depth], s->at);
    after_value(s);
    return PB_OK;
}

static enum pb_status scan_key(struct scanner *s)
{
    if (s->text[s->at] == '}') {
        return scan_close(s);
    }
    struct pb_json_pos key = position_here(s);
    size_t end = word_end(s);

    if (s->text[s->at] == '"') {
        PB_TRY(scan_string(s));
    } else if (end > s->at && s->text[s->at] != '#') {
        FLAW(s, s->at, "a name needs double quotes, not '%.*s'", shown(s), s->text + s->at);
        s->at = end;
    } else {
        return unexpected(s, s->comma == NONE ? "a name in double quotes, or }"
                                              : "a name in double quotes");
    }
    key.length = s->at - key.offset;
    PB_TRY(skip_space(s));
    if (s->at >= s->len || s->text[s->at] != ':') {
        return unexpected(s, "a colon behind the name");
    }
    s->at++;
    s->key = key;
    s->want = PB_WANT_VALUE;
    return PB_OK;
}

static enum pb_status scan_comma(struct scanner *s)
{
    bool object = is_object(s);
    char c = s->text[s->at];

    if (c == (object ? '}' : ']')) {
        return scan_close(s);
    }
    if (c != ',') {
        return unexpected(s, object ? "a comma or }" : "a comma or ]");
    }
    s->comma = s->at++;
    s->want = object ? PB_WANT_KEY : PB_WANT_ELEMENT;
    return PB_OK;
}

static enum pb_status scan_one(struct scanner *s)
{
    switch (s->want) {
    case PB_WANT_KEY:
        return scan_key(s);
    case PB_WANT_COMMA:
        return scan_comma(s);
    case PB_WANT_ELEMENT:
        return s->text[s->at] == ']' ? scan_close(s) : scan_value(s);
    case PB_WANT_VALUE:
        return scan_value(s);
    case PB_WANT_END:
        break;
    }
    return unexpected(s, "the end of the text");
}

/* The text is used up. */
static enum pb_status scan_end(struct scanner *s)
{
    if (s->want == PB_WANT_END) {
        return s->flawed ? PB_EPARSE : PB_OK;
    }
    if (s->depth == 0) {
        pb_problems_add(s->problems, s->where, 1, 1, "holds no value: expected one, such as { }");
        return PB_EPARSE;
    }
    const struct pb_json_pos *open = &s->marks->items[s->open[s->depth - 1]].value;
    bool object = is_object(s);

    FLAW(s, s->at, "the text ends inside the %c of line %d, column %d: expected %c",
         object ? '{' : '[', open->line, open->column, object ? '}' : ']');
    return PB_EPARSE;
}

/* A byte order mark is blanked; that of UTF-16 is answered here, before it looks like garbage. */
static enum pb_status scan_start(struct scanner *s)
{
    if (s->len >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0) {
        memset(s->text, ' ', 3);
        s->at = s->line_start = 3;
    } else if (s->len >= 2 &&
               (memcmp(s->text, "\xFF\xFE", 2) == 0 || memcmp(s->text, "\xFE\xFF", 2) == 0)) {
        FLAW(s, 0, "this is UTF-16: save the file as UTF-8");
        return PB_EPARSE;
    }
    return PB_OK;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the scan writes through s.text */
enum pb_status pb_json_scan(char *text, size_t len, const char *where, struct pb_json_marks *marks,
                            struct pb_problems *problems)
{
    struct scanner s = { .text = text,
                         .len = len,
                         .line = 1,
                         .comma = NONE,
                         .where = where,
                         .marks = marks,
                         .problems = problems };

    PB_TRY(scan_start(&s));
    for (;;) {
        PB_TRY(skip_space(&s));
        if (s.at >= s.len) {
            return scan_end(&s);
        }
        PB_TRY(scan_one(&s));
    }
}
