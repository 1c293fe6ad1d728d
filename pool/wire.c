#include "pool/wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define HEAD_BYTES  ((size_t)4) /* of a frame: its length */
#define ROOM_FIRST  ((size_t)4096)
#define ROOM_LEAST  ((size_t)1024)
#define ROOM_KEPT   ((size_t)256 << 10) /* a larger buffer goes when it is empty */
#define DIGITS_MAX  20                  /* of a uint64_t */
#define REPLACEMENT "\xef\xbf\xbd"      /* U+FFFD */

static const char *const wire_names[] = {
    [PB_WIRE_FRAMES] = "frames",
    [PB_WIRE_LINES] = "lines",
};
_Static_assert(PB_ARRAY_LEN(wire_names) == PB_WIRE_COUNT, "a name for each wire");

const char *pb_wire_name(enum pb_wire wire)
{
    return wire_names[wire];
}

/* Twice a request: no printf. */
static void put_number(struct pb_buf *out, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t from = sizeof(digits);

    do {
        digits[--from] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    pb_buf_add(out, digits + from, sizeof(digits) - from);
}

/* A JSON string's inside: what is no UTF-8 becomes U+FFFD. */
static void put_escaped(struct pb_buf *out, struct pb_span text)
{
    for (size_t at = 0; at < text.len;) {
        const char *c = text.at + at;
        size_t len = pb_utf8_decode(c, text.len - at, NULL);

        if (len == 0) {
            pb_buf_puts(out, REPLACEMENT);
        } else if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\') {
            pb_buf_printf(out, "\\u%04x", (unsigned)*c);
        } else {
            pb_buf_add(out, c, len);
        }
        at += len > 0 ? len : 1;
    }
}

static void put_body(struct pb_buf *out, struct pb_span body, const char *otherwise)
{
    if (body.len > 0) {
        pb_buf_add(out, body.at, body.len);
    } else {
        pb_buf_puts(out, otherwise);
    }
}

static void put_key_number(struct pb_buf *out, const char *key, uint64_t value)
{
    pb_buf_puts(out, key);
    put_number(out, value);
}

static void put_json(struct pb_buf *out, const struct pb_wire_message *m)
{
    static const char *const openings[] = {
        [PB_WIRE_INIT] = "{\"type\":\"init\",\"protocol\":1",
        [PB_WIRE_READY] = "{\"type\":\"ready\"",
        [PB_WIRE_REQUEST] = "{\"type\":\"request\",\"id\":",
        [PB_WIRE_RESULT] = "{\"type\":\"result\",\"id\":",
        [PB_WIRE_ERROR] = "{\"type\":\"error\",\"id\":",
        [PB_WIRE_PING] = "{\"type\":\"ping\",\"id\":",
        [PB_WIRE_PONG] = "{\"type\":\"pong\",\"id\":",
        [PB_WIRE_CANCEL] = "{\"type\":\"cancel\",\"id\":",
        [PB_WIRE_SHUTDOWN] = "{\"type\":\"shutdown\"",
    };
    _Static_assert(PB_ARRAY_LEN(openings) == PB_WIRE_KIND_COUNT, "an opening for each kind");
    _Static_assert(PB_WIRE_PROTOCOL == 1, "the number stands in the text of init");

    pb_buf_puts(out, openings[m->kind]);
    if (m->kind == PB_WIRE_INIT) {
        put_key_number(out, ",\"worker\":", m->worker);
        put_key_number(out, ",\"incarnation\":", m->incarnation);
        pb_buf_puts(out, ",\"settings\":");
        put_body(out, m->body, "{}");
    } else if (m->kind != PB_WIRE_READY && m->kind != PB_WIRE_SHUTDOWN) {
        put_number(out, m->id);
    }
    if (m->kind == PB_WIRE_REQUEST) {
        put_key_number(out, ",\"index\":", m->index);
        pb_buf_puts(out, ",\"command\":\"");
        put_escaped(out, m->command);
        pb_buf_puts(out, "\",\"args\":");
        put_body(out, m->body, "null");
    } else if (m->kind == PB_WIRE_RESULT) {
        pb_buf_puts(out, ",\"value\":");
        put_body(out, m->body, "null");
    } else if (m->kind == PB_WIRE_ERROR) {
        pb_buf_puts(out, m->client ? ",\"kind\":\"client\",\"message\":\""
                                   : ",\"kind\":\"server\",\"message\":\"");
        put_escaped(out, m->body);
        pb_buf_puts(out, "\"");
    }
    if (m->stats.len > 0) {
        pb_buf_puts(out, ",\"stats\":");
        pb_buf_add(out, m->stats.at, m->stats.len);
    }
    pb_buf_puts(out, "}");
}

/* What a line must not hold becomes something else: line ends a space, and in a word that and
 * spaces a '_'. */
static void put_in_line(struct pb_buf *out, struct pb_span text, bool word)
{
    size_t from = out->len;

    pb_buf_add(out, text.at, text.len);
    for (size_t i = from; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];

        if (word ? c <= ' ' : c == '\n' || c == '\r' || c == '\0') {
            out->data[i] = word ? '_' : ' ';
        }
    }
}

/* A command or an error's message, whatever bytes it is made of. */
static void put_words(struct pb_buf *out, struct pb_span text, bool word)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = pb_utf8_decode(text.at + at, text.len - at, NULL);

        if (len == 0) {
            pb_buf_puts(out, REPLACEMENT);
        } else {
            put_in_line(out, (struct pb_span){ text.at + at, len }, word);
        }
        at += len > 0 ? len : 1;
    }
}

static void put_line(struct pb_buf *out, const struct pb_wire_message *m)
{
    static const char *const words[] = {
        [PB_WIRE_INIT] = "init 1 ", [PB_WIRE_READY] = "ready",    [PB_WIRE_REQUEST] = "request ",
        [PB_WIRE_RESULT] = "ok ",   [PB_WIRE_ERROR] = "error ",   [PB_WIRE_PING] = "ping ",
        [PB_WIRE_PONG] = "pong ",   [PB_WIRE_CANCEL] = "cancel ", [PB_WIRE_SHUTDOWN] = "shutdown",
    };
    _Static_assert(PB_ARRAY_LEN(words) == PB_WIRE_KIND_COUNT, "a word for each kind");
    struct pb_span body = m->body;

    if (m->kind == PB_WIRE_ERROR && m->client) {
        pb_buf_puts(out, "client_");
    }
    pb_buf_puts(out, words[m->kind]);
    if (m->kind == PB_WIRE_INIT) {
        put_number(out, m->worker);
        put_key_number(out, " ", m->incarnation);
        body = body.len > 0 ? body : (struct pb_span){ "{}", 2 };
    } else if (m->kind != PB_WIRE_READY && m->kind != PB_WIRE_SHUTDOWN) {
        put_number(out, m->id);
    }
    if (m->kind == PB_WIRE_REQUEST) {
        pb_buf_puts(out, " ");
        put_words(out, m->command, true);
        body = body.len > 0 ? body : (struct pb_span){ "null", 4 };
    }
    if (body.len > 0) {
        pb_buf_puts(out, " ");
    }
    if (m->kind == PB_WIRE_ERROR) {
        put_words(out, body, false);
    } else {
        put_in_line(out, body, false);
    }
    pb_buf_puts(out, "\n");
}

void pb_wire_put(struct pb_buf *out, enum pb_wire wire, const struct pb_wire_message *message)
{
    size_t head = out->len;

    if (wire == PB_WIRE_LINES) {
        put_line(out, message);
        return;
    }
    pb_buf_add(out, "\0\0\0\0", HEAD_BYTES);
    put_json(out, message);
    if (pb_buf_status(out) == PB_OK) {
        size_t len = out->len - head - HEAD_BYTES;

        for (size_t i = 0; i < HEAD_BYTES; i++) {
            out->data[head + i] = (char)(len >> (8 * (HEAD_BYTES - 1 - i)) & 0xff);
        }
    }
}

void pb_wire_reader_done(struct pb_wire_reader *reader)
{
    free(reader->data);
    *reader = (struct pb_wire_reader){ .wire = reader->wire };
}

/* The rest of a message that began to come stands first, and a buffer that a large message needed
 * is not kept for ever. */
static void tidy(struct pb_wire_reader *reader)
{
    size_t len = reader->end - reader->start;

    if (len == 0 && reader->size > ROOM_KEPT) {
        pb_wire_reader_done(reader);
    } else if (len == 0 || reader->size - reader->end < ROOM_LEAST) {
        if (len > 0 && reader->start > 0) {
            memmove(reader->data, reader->data + reader->start, len);
        }
        reader->looked -= reader->looked > reader->start ? reader->start : reader->looked;
        reader->start = 0;
        reader->end = len;
    }
}

char *pb_wire_room(struct pb_wire_reader *reader, size_t *ret_room)
{
    tidy(reader);
    if (reader->size - reader->end < ROOM_LEAST) {
        size_t size = reader->size > 0 ? reader->size * 2 : ROOM_FIRST;
        char *data = realloc(reader->data, size);

        if (!data) {
            return NULL;
        }
        reader->data = data;
        reader->size = size;
    }
    *ret_room = reader->size - reader->end;
    return reader->data + reader->end;
}

void pb_wire_came(struct pb_wire_reader *reader, size_t len)
{
    reader->end += len;
}

static enum pb_cut cut_frame(struct pb_wire_reader *reader, struct pb_span *ret_text,
                             const char **ret_why)
{
    const char *from = reader->data + reader->start;
    size_t have = reader->end - reader->start, len = 0;

    if (have < HEAD_BYTES) {
        return PB_CUT_MORE;
    }
    for (size_t i = 0; i < HEAD_BYTES; i++) {
        len = len << 8 | (unsigned char)from[i];
    }
    if (len == 0 || len > PB_FRAME_MAX_BYTES) {
        *ret_why = len == 0 ? "a frame of no bytes" : "a frame of more than 16 MiB";
        return PB_CUT_GARBAGE;
    }
    if (have - HEAD_BYTES < len) {
        return PB_CUT_MORE;
    }
    *ret_text = (struct pb_span){ from + HEAD_BYTES, len };
    reader->start += HEAD_BYTES + len;
    return PB_CUT_MESSAGE;
}

static enum pb_cut cut_line(struct pb_wire_reader *reader, struct pb_span *ret_text,
                            const char **ret_why)
{
    const char *from = reader->data + reader->start;
    size_t looked = reader->looked > reader->start ? reader->looked : reader->start;
    const char *line_end =
        reader->end > looked ? memchr(reader->data + looked, '\n', reader->end - looked) : NULL;
    size_t len = line_end ? (size_t)(line_end - from) : reader->end - reader->start;

    if (len > PB_FRAME_MAX_BYTES) {
        *ret_why = "a line of more than 16 MiB";
        return PB_CUT_GARBAGE;
    }
    if (!line_end) {
        reader->looked = reader->end;
        return PB_CUT_MORE;
    }
    reader->start += len + 1;
    len -= len > 0 && from[len - 1] == '\r' ? 1 : 0;
    if (len == 0) {
        *ret_why = "an empty line";
        return PB_CUT_GARBAGE;
    }
    *ret_text = (struct pb_span){ from, len };
    return PB_CUT_MESSAGE;
}

enum pb_cut pb_wire_cut(struct pb_wire_reader *reader, struct pb_span *ret_text,
                        const char **ret_why)
{
    if (reader->start == reader->end) {
        return PB_CUT_MORE;
    }
    return reader->wire == PB_WIRE_FRAMES ? cut_frame(reader, ret_text, ret_why)
                                          : cut_line(reader, ret_text, ret_why);
}
