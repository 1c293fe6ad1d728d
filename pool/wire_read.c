#include <string.h>

#include "base/utf8.h"
#include "pool/wire.h"
#include "pool/wire_json.h"

/* Ids beyond are not exact in JavaScript and cJSON. */
#define ID_MAX    (UINT64_C(1) << 53)
#define WORD_SIZE 16 /* of the longest word of the protocol, and a NUL, and more */

/* What a frame may hold; other keys are ignored. */
enum field {
    PB_FIELD_TYPE,
    PB_FIELD_ID,
    PB_FIELD_INDEX,
    PB_FIELD_COMMAND,
    PB_FIELD_ARGS,
    PB_FIELD_VALUE,
    PB_FIELD_KIND,
    PB_FIELD_MESSAGE,
    PB_FIELD_PROTOCOL,
    PB_FIELD_WORKER,
    PB_FIELD_INCARNATION,
    PB_FIELD_SETTINGS,
    PB_FIELD_STATS,
    PB_FIELD_COUNT
};

static const char *const field_names[] = {
    [PB_FIELD_TYPE] = "type",
    [PB_FIELD_ID] = "id",
    [PB_FIELD_INDEX] = "index",
    [PB_FIELD_COMMAND] = "command",
    [PB_FIELD_ARGS] = "args",
    [PB_FIELD_VALUE] = "value",
    [PB_FIELD_KIND] = "kind",
    [PB_FIELD_MESSAGE] = "message",
    [PB_FIELD_PROTOCOL] = "protocol",
    [PB_FIELD_WORKER] = "worker",
    [PB_FIELD_INCARNATION] = "incarnation",
    [PB_FIELD_SETTINGS] = "settings",
    [PB_FIELD_STATS] = "stats",
};
_Static_assert(PB_ARRAY_LEN(field_names) == PB_FIELD_COUNT, "a name for each field");

static const char *const kind_names[] = {
    [PB_WIRE_INIT] = "init",     [PB_WIRE_READY] = "ready",   [PB_WIRE_REQUEST] = "request",
    [PB_WIRE_RESULT] = "result", [PB_WIRE_ERROR] = "error",   [PB_WIRE_PING] = "ping",
    [PB_WIRE_PONG] = "pong",     [PB_WIRE_CANCEL] = "cancel", [PB_WIRE_SHUTDOWN] = "shutdown",
};
_Static_assert(PB_ARRAY_LEN(kind_names) == PB_WIRE_KIND_COUNT, "a name for each kind");

static bool fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return false;
}

/* The number of the name that `text`, in JSON's escapes, is; -1: none. */
static int find_name(struct pb_span text, const char *const *names, int count)
{
    char word[WORD_SIZE];

    if (memchr(text.at, '\\', text.len)) {
        text = (struct pb_span){ word, pb_skim_unescape(text, word, sizeof(word)) };
    }
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) == text.len && memcmp(names[i], text.at, text.len) == 0) {
            return i;
        }
    }
    return -1;
}

static bool read_number(struct pb_span text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.len == 0 || (text.len > 1 && text.at[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.at[i] - '0';

        if (text.at[i] < '0' || text.at[i] > '9' || value > max / 10 || value * 10 > max - digit) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

static bool read_small(struct pb_span text, uint32_t *ret_value)
{
    uint64_t value = 0;

    if (!read_number(text, UINT32_MAX, &value)) {
        return false;
    }
    *ret_value = (uint32_t)value;
    return true;
}

/* One member of a frame's object: its value's text goes to its field. */
static bool read_member(struct pb_skim *skim, struct pb_span fields[static PB_FIELD_COUNT],
                        const char **ret_why)
{
    struct pb_span key, value;

    pb_skim_spaces(skim);
    if (!pb_skim_string(skim, &key)) {
        return fail(ret_why, "not JSON");
    }
    pb_skim_spaces(skim);
    if (!pb_skim_char(skim, ':') || !pb_skim_value(skim, &value)) {
        return fail(ret_why, "not JSON");
    }
    int field = find_name(key, field_names, PB_FIELD_COUNT);

    if (field >= 0 && fields[field].at) {
        return fail(ret_why, "a key twice");
    }
    if (field >= 0) {
        fields[field] = value;
    }
    return true;
}

static bool read_object(struct pb_span text, struct pb_span fields[static PB_FIELD_COUNT],
                        const char **ret_why)
{
    struct pb_skim skim = { text.at, text.at + text.len };

    pb_skim_spaces(&skim);
    if (!pb_skim_char(&skim, '{')) {
        return fail(ret_why, "not a JSON object");
    }
    pb_skim_spaces(&skim);
    if (!pb_skim_char(&skim, '}')) {
        do {
            if (!read_member(&skim, fields, ret_why)) {
                return false;
            }
            pb_skim_spaces(&skim);
        } while (pb_skim_char(&skim, ','));
        if (!pb_skim_char(&skim, '}')) {
            return fail(ret_why, "not JSON");
        }
    }
    pb_skim_spaces(&skim);
    return skim.at == skim.end || fail(ret_why, "something behind the JSON object");
}

/* A value that is a string becomes what is between its quotes. */
static bool unquote(struct pb_span *text)
{
    if (!text->at || *text->at != '"') {
        return false;
    }
    *text = (struct pb_span){ text->at + 1, text->len - 2 };
    return true;
}

static bool read_init(const struct pb_span fields[static PB_FIELD_COUNT], struct pb_wire_message *m,
                      const char **ret_why)
{
    uint32_t protocol = 0;

    if (!read_small(fields[PB_FIELD_PROTOCOL], &protocol) || protocol != PB_WIRE_PROTOCOL) {
        return fail(ret_why, "a protocol other than 1");
    }
    if (!read_small(fields[PB_FIELD_WORKER], &m->worker) ||
        !read_small(fields[PB_FIELD_INCARNATION], &m->incarnation)) {
        return fail(ret_why, "an init without worker and incarnation");
    }
    m->body = fields[PB_FIELD_SETTINGS];
    if (m->body.at && *m->body.at != '{') {
        return fail(ret_why, "settings that are no object");
    }
    return true;
}

static bool read_error(struct pb_span fields[static PB_FIELD_COUNT], struct pb_wire_message *m,
                       const char **ret_why)
{
    static const char *const sides[] = { "server", "client" };
    struct pb_span *side = &fields[PB_FIELD_KIND];

    if (side->at) {
        int number = unquote(side) ? find_name(*side, sides, 2) : -1;

        if (number < 0) {
            return fail(ret_why, "an error whose kind is neither client nor server");
        }
        m->client = number == 1;
    }
    if (fields[PB_FIELD_MESSAGE].at && !unquote(&fields[PB_FIELD_MESSAGE])) {
        return fail(ret_why, "an error whose message is no string");
    }
    m->body = fields[PB_FIELD_MESSAGE];
    return true;
}

static bool read_fields(struct pb_span fields[static PB_FIELD_COUNT], struct pb_wire_message *m,
                        const char **ret_why)
{
    switch (m->kind) {
    case PB_WIRE_INIT:
        return read_init(fields, m, ret_why);
    case PB_WIRE_REQUEST:
        if (fields[PB_FIELD_INDEX].at &&
            !read_number(fields[PB_FIELD_INDEX], UINT64_MAX, &m->index)) {
            return fail(ret_why, "an index that is no number");
        }
        m->command = fields[PB_FIELD_COMMAND];
        m->body = fields[PB_FIELD_ARGS];
        return unquote(&m->command) || fail(ret_why, "a request without a command");
    case PB_WIRE_RESULT:
        m->body = fields[PB_FIELD_VALUE];
        return true;
    case PB_WIRE_ERROR:
        return read_error(fields, m, ret_why);
    case PB_WIRE_READY:
    case PB_WIRE_PING:
    case PB_WIRE_PONG:
    case PB_WIRE_CANCEL:
    case PB_WIRE_SHUTDOWN:
    case PB_WIRE_KIND_COUNT:
        break;
    }
    return true;
}

static bool has_id(enum pb_wire_kind kind)
{
    return kind != PB_WIRE_INIT && kind != PB_WIRE_READY && kind != PB_WIRE_SHUTDOWN;
}

static bool read_frame(struct pb_span text, struct pb_wire_message *m, const char **ret_why)
{
    struct pb_span fields[PB_FIELD_COUNT] = { 0 };

    if (!read_object(text, fields, ret_why)) {
        return false;
    }
    int kind = unquote(&fields[PB_FIELD_TYPE])
                   ? find_name(fields[PB_FIELD_TYPE], kind_names, PB_WIRE_KIND_COUNT)
                   : -1;

    if (kind < 0) {
        return fail(ret_why, fields[PB_FIELD_TYPE].at ? "an unknown type" : "no type");
    }
    m->kind = (enum pb_wire_kind)kind;
    if (has_id(m->kind) && !read_number(fields[PB_FIELD_ID], ID_MAX, &m->id)) {
        return fail(ret_why, "no id that is a number");
    }
    if (fields[PB_FIELD_STATS].at && *fields[PB_FIELD_STATS].at == '{') {
        m->stats = fields[PB_FIELD_STATS];
    }
    return read_fields(fields, m, ret_why);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of a line, without the blanks before and behind it; empty: there is none. */
static struct pb_span take_word(struct pb_span *line)
{
    struct pb_span word = { line->at, 0 };

    while (word.len < line->len && !is_blank(line->at[word.len])) {
        word.len++;
    }
    line->at += word.len;
    line->len -= word.len;
    while (line->len > 0 && is_blank(*line->at)) {
        line->at++;
        line->len--;
    }
    return word;
}

static bool read_line_init(struct pb_span *rest, struct pb_wire_message *m, const char **ret_why)
{
    uint32_t protocol = 0;

    if (!read_small(take_word(rest), &protocol) || protocol != PB_WIRE_PROTOCOL) {
        return fail(ret_why, "a protocol other than 1");
    }
    if (!read_small(take_word(rest), &m->worker) || !read_small(take_word(rest), &m->incarnation)) {
        return fail(ret_why, "an init without worker and incarnation");
    }
    return rest->len == 0 || *rest->at == '{' || fail(ret_why, "settings that are no object");
}

static bool is_text(struct pb_span text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = pb_utf8_decode(text.at + at, text.len - at, NULL);

        if (len == 0 || text.at[at] == '\0') {
            return false;
        }
        at += len;
    }
    return true;
}

/* What follows the first word, and for most the id. */
static bool read_rest(struct pb_span rest, struct pb_wire_message *m, const char **ret_why)
{
    if (m->kind == PB_WIRE_INIT && !read_line_init(&rest, m, ret_why)) {
        return false;
    }
    if (m->kind == PB_WIRE_REQUEST) {
        m->command = take_word(&rest);
        if (m->command.len == 0) {
            return fail(ret_why, "a request without a command");
        }
    }
    m->body = rest.len > 0 ? rest : (struct pb_span){ 0 };
    if (m->kind == PB_WIRE_ERROR) {
        return is_text(rest) || fail(ret_why, "a message that is not UTF-8");
    }
    if (m->kind == PB_WIRE_INIT || m->kind == PB_WIRE_REQUEST || m->kind == PB_WIRE_RESULT) {
        return rest.len == 0 || pb_wire_is_json(rest) || fail(ret_why, "not JSON");
    }
    return rest.len == 0 || fail(ret_why, "something behind the message");
}

static bool read_line(struct pb_span text, struct pb_wire_message *m, const char **ret_why)
{
    struct pb_span rest = text, word = take_word(&rest);

    /* In a line the word alone tells result from error, and whose error. */
    static const char *const words[] = { "init", "ready", "request", "ok",       "error",
                                         "ping", "pong",  "cancel",  "shutdown", "client_error" };
    _Static_assert(PB_ARRAY_LEN(words) == PB_WIRE_KIND_COUNT + 1, "a word for each kind");
    int number =
        memchr(word.at, '\\', word.len) ? -1 : find_name(word, words, (int)PB_ARRAY_LEN(words));

    if (number < 0) {
        return fail(ret_why, "an unknown word");
    }
    m->client = number == PB_WIRE_KIND_COUNT;
    m->kind = m->client ? PB_WIRE_ERROR : (enum pb_wire_kind)number;
    if (has_id(m->kind) && !read_number(take_word(&rest), ID_MAX, &m->id)) {
        return fail(ret_why, "no id that is a number");
    }
    return read_rest(rest, m, ret_why);
}

bool pb_wire_read(enum pb_wire wire, struct pb_span text, struct pb_wire_message *ret_message,
                  const char **ret_why)
{
    struct pb_wire_message message = { 0 };

    if (!(wire == PB_WIRE_FRAMES ? read_frame : read_line)(text, &message, ret_why)) {
        return false;
    }
    *ret_message = message;
    return true;
}

void pb_wire_plain(enum pb_wire wire, struct pb_span text, char *ret_text, size_t size)
{
    if (wire == PB_WIRE_FRAMES) {
        (void)pb_skim_unescape(text, ret_text, size);
        return;
    }
    size_t len = pb_utf8_cut(text.at, text.len, size - 1);

    if (len > 0) {
        memcpy(ret_text, text.at, len);
    }
    ret_text[len] = '\0';
}
