/*
 * Any bytes, in any pieces, are either messages or garbage: the same ones whatever the pieces, and
 * what is read can be written and read again.  The first byte picks the wire, the second the size
 * of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/wire.h"

#define TEXT_SIZE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What one pass over the input found. */
struct pass {
    size_t messages;
    uint64_t sum;
    bool garbage;
};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_again(enum pb_wire wire, const struct pb_wire_message *m)
{
    char command[TEXT_SIZE], message[TEXT_SIZE];
    struct pb_buf out = { .cap = 2 * PB_FRAME_MAX_BYTES };
    struct pb_wire_message copy = *m, again;
    const char *why = "";

    if (m->command.len >= sizeof(command) ||
        (m->kind == PB_WIRE_ERROR && m->body.len >= sizeof(message))) {
        return;
    }
    pb_wire_plain(wire, m->command, command, sizeof(command));
    copy.command = (struct pb_span){ command, strlen(command) };
    if (m->kind == PB_WIRE_ERROR) {
        pb_wire_plain(wire, m->body, message, sizeof(message));
        copy.body = (struct pb_span){ message, strlen(message) };
    }
    pb_wire_put(&out, wire, &copy);
    must(pb_buf_status(&out) == PB_OK);
    size_t head = wire == PB_WIRE_FRAMES ? 4 : 0, tail = wire == PB_WIRE_LINES ? 1 : 0;

    /* A command of no letters is one in JSON only. */
    must(pb_wire_read(wire, (struct pb_span){ out.data + head, out.len - head - tail }, &again,
                      &why));
    must(again.kind == m->kind && again.id == m->id && again.client == m->client);
    pb_buf_done(&out);
}

static bool cut_all(struct pb_wire_reader *reader, struct pass *pass)
{
    struct pb_wire_message m;
    struct pb_span text;
    const char *why = NULL;
    enum pb_cut cut;

    while ((cut = pb_wire_cut(reader, &text, &why)) == PB_CUT_MESSAGE) {
        if (!pb_wire_read(reader->wire, text, &m, &why)) {
            must(why != NULL && *why != '\0');
            pass->garbage = true;
            return false;
        }
        check_again(reader->wire, &m);
        pass->messages++;
        pass->sum = pass->sum * 31 + m.id * 7 + (uint64_t)m.kind + text.len;
    }
    pass->garbage = cut == PB_CUT_GARBAGE;
    return !pass->garbage;
}

static struct pass run(enum pb_wire wire, const uint8_t *data, size_t size, size_t piece)
{
    struct pb_wire_reader reader = { .wire = wire };
    struct pass pass = { 0 };
    bool going = true;

    for (size_t at = 0; at < size && going;) {
        size_t room = 0, len = piece < size - at ? piece : size - at;
        char *to = pb_wire_room(&reader, &room);

        if (!to) {
            break;
        }
        len = len < room ? len : room;
        memcpy(to, data + at, len);
        pb_wire_came(&reader, len);
        at += len;
        going = cut_all(&reader, &pass);
    }
    pb_wire_reader_done(&reader);
    return pass;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum pb_wire wire = data[0] & 1 ? PB_WIRE_LINES : PB_WIRE_FRAMES;
    struct pass whole = run(wire, data + 2, size - 2, size),
                parts = run(wire, data + 2, size - 2, 1 + (size_t)data[1] % 16);

    must(whole.messages == parts.messages && whole.sum == parts.sum &&
         whole.garbage == parts.garbage);
    return 0;
}
