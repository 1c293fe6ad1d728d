/*
 * pool/wire.h - the messages of docs/workers.md: written, cut out of a stream of bytes, and read.
 *
 * Both directions are here, so that the two ends cannot disagree.  What is read points into the
 * text it was read from.  Nothing here does I/O; not thread-safe.
 */
#ifndef PB_POOL_WIRE_H
#define PB_POOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "pool/process.h"

#define PB_WIRE_PROTOCOL 1

/* What a message is; in brackets who sends it: poolbench or the worker. */
enum pb_wire_kind {
    PB_WIRE_INIT,     /* [p] first of all */
    PB_WIRE_READY,    /* [w] the answer to init */
    PB_WIRE_REQUEST,  /* [p] */
    PB_WIRE_RESULT,   /* [w] a request's answer */
    PB_WIRE_ERROR,    /* [w] the other answer */
    PB_WIRE_PING,     /* [p] */
    PB_WIRE_PONG,     /* [w] the answer to ping */
    PB_WIRE_CANCEL,   /* [p] nobody waits for that answer any more */
    PB_WIRE_SHUTDOWN, /* [p] last of all */
    PB_WIRE_KIND_COUNT
};

struct pb_span {
    const char *at;
    size_t len;
};

/* One message; what its kind does not have is ignored when written, and zero when read. */
struct pb_wire_message {
    enum pb_wire_kind kind;
    uint64_t id;
    uint64_t index;               /* of a request, in frames: the caller's own number for it */
    uint32_t worker, incarnation; /* of init */
    bool client;                  /* of an error: the request was at fault */
    struct pb_span command;       /* of a request; see pb_wire_plain */
    struct pb_span stats;         /* of an answer, in frames: what the worker measured, an object */
    struct pb_span body; /* settings, arguments or value: JSON text.  An error's message. */
};

/* Appends a message; its texts are plain, its body JSON without a mistake (both at the caller's
 * charge).  A body may be empty: {} for settings, else null.  In line mode line ends in a body
 * become spaces and those and spaces in a command '_'.  pb_buf_status() tells. */
void pb_wire_put(struct pb_buf *out, enum pb_wire wire, const struct pb_wire_message *message);

/* Reads one message, without its length or line end.  False: garbage, and `ret_why` (static
 * storage) says why.  The texts of a frame are still in JSON's escapes. */
bool pb_wire_read(enum pb_wire wire, struct pb_span text, struct pb_wire_message *ret_message,
                  const char **ret_why);
/* A command or an error's message as it was meant: without JSON's escapes in frames.  At most
 * `size` - 1 bytes, cut between characters, and a NUL. */
void pb_wire_plain(enum pb_wire wire, struct pb_span text, char *ret_text, size_t size);

/* Whether it is one JSON value, nested at most PB_WIRE_DEPTH deep, in valid UTF-8, without \u0000
 * and lone surrogates. */
#define PB_WIRE_DEPTH 64
bool pb_wire_is_json(struct pb_span text);

/* Bytes that have come and were not read yet.  { .wire = ... } is empty. */
struct pb_wire_reader {
    enum pb_wire wire;
    char *data;
    size_t start, end; /* of what is there */
    size_t looked;     /* in line mode: no line end before this */
    size_t size;
};

enum pb_cut {
    PB_CUT_MESSAGE, /* there was a whole one */
    PB_CUT_MORE,    /* not yet */
    PB_CUT_GARBAGE  /* longer than PB_FRAME_MAX_BYTES, or empty */
};

void pb_wire_reader_done(struct pb_wire_reader *reader);
/* Where the next bytes go, and room for how many (at least 1).  NULL: no memory.  It grows with
 * what comes, not with what a length promises. */
char *pb_wire_room(struct pb_wire_reader *reader, size_t *ret_room);
void pb_wire_came(struct pb_wire_reader *reader, size_t len);
/* Takes the next message out; its text is valid until the next pb_wire_room(). */
enum pb_cut pb_wire_cut(struct pb_wire_reader *reader, struct pb_span *ret_text,
                        const char **ret_why);

#endif
