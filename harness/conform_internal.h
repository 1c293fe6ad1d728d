/*
 * harness/conform_internal.h - what conform.c (the checks) and conform_ask.c (asking the worker,
 * and telling what it did instead) share; nobody else includes it.
 */
#ifndef PB_HARNESS_CONFORM_INTERNAL_H
#define PB_HARNESS_CONFORM_INTERNAL_H

#include "base/buf.h"
#include "harness/conform.h"
#include "harness/conform_peer.h"

/* One report in the making, and the worker that the next check asks. */
struct pb_conformer {
    const struct pb_conform_config *config;
    struct pb_peer peer; /* initialised and not lost, or empty (pid 0) */
    uint64_t id;         /* of the last message */
    uint64_t cancelled;  /* id of a request whose answer may still come; 0: none */
    char *text;          /* of the check: what was seen */
    size_t text_size;
    enum pb_status status; /* not PB_OK: nothing more can be tried */
};

#define PB_CONFORM_SHOWN_MAX 60 /* bytes of a worker's own words */

/* What was seen, in the check's text; _fail returns PB_CHECK_FAIL. */
void pb_conform_say(struct pb_conformer *c, const char *fmt, ...) PB_PRINTF(2, 3);
enum pb_check pb_conform_fail(struct pb_conformer *c, const char *fmt, ...) PB_PRINTF(2, 3);
/* Ends the report. */
enum pb_check pb_conform_no_memory(struct pb_conformer *c);

/* A fresh worker that said ready, where there is none.  Here and below false: told. */
bool pb_conform_have_worker(struct pb_conformer *c);
int64_t pb_conform_deadline(const struct pb_conformer *c);

/* Appends a message; `command` and `body` may be NULL. */
void pb_conform_put(struct pb_conformer *c, struct pb_buf *out, enum pb_wire_kind kind, uint64_t id,
                    const char *command, const char *body);
bool pb_conform_send(struct pb_conformer *c, enum pb_wire_kind kind, uint64_t id,
                     const char *command, const char *body);
bool pb_conform_send_bytes(struct pb_conformer *c, const char *bytes, size_t len);
/* The next message that is not the late answer of a cancelled request. */
enum pb_peer_got pb_conform_receive(struct pb_conformer *c, int64_t deadline_ns,
                                    struct pb_wire_message *ret_message, const char **ret_why);
bool pb_conform_hear(struct pb_conformer *c, const char *wanted,
                     struct pb_wire_message *ret_message);
bool pb_conform_check_id(struct pb_conformer *c, uint64_t id, const struct pb_wire_message *answer);
/* It closed its end "instead of ...". */
void pb_conform_tell_end(struct pb_conformer *c, const char *instead_of);

/* What it is asked for, and with what. */
const char *pb_conform_command(const struct pb_conformer *c);
const char *pb_conform_args(const struct pb_conformer *c);
/* A request that must succeed. */
bool pb_conform_request(struct pb_conformer *c, uint64_t id, const char *args);

#endif
