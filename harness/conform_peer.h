/*
 * harness/conform_peer.h - the bare other end of a worker: bytes out, messages in, each by a
 * deadline.  conform.c alone includes it.
 */
#ifndef PB_HARNESS_CONFORM_PEER_H
#define PB_HARNESS_CONFORM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "poolbench/error.h"

#include "pool/wire.h"

struct pb_peer {
    enum pb_wire wire;
    pid_t pid;               /* 0: none */
    int exit_fd;             /* a pidfd */
    int fd;                  /* our end of the socket; -1: closed */
    const _Atomic int *stop; /* non-zero: what is waited for does not come; may be NULL */
    struct pb_wire_reader reader;
};

enum pb_peer_got {
    PB_PEER_MESSAGE,
    PB_PEER_NOTHING, /* by the deadline */
    PB_PEER_CLOSED,  /* it closed its end, or left */
    PB_PEER_GARBAGE
};

/* Keeps `stop`.  PB_EINVAL: no such program. */
PB_MUST_USE enum pb_status pb_peer_start(struct pb_peer *peer, const char *const *argv,
                                         enum pb_wire wire, struct pb_error *err);
/* Ends the whole group at once, and reaps.  Of an empty peer: nothing. */
void pb_peer_stop(struct pb_peer *peer);
/* False: it did not take them by then. */
bool pb_peer_send(struct pb_peer *peer, const void *bytes, size_t len, int64_t deadline_ns);
/* The message's texts are valid until the next call.  `ret_why` with GARBAGE: static storage. */
enum pb_peer_got pb_peer_receive(struct pb_peer *peer, int64_t deadline_ns,
                                 struct pb_wire_message *ret_message, const char **ret_why);
/* Closes our end: it reads end of file. */
void pb_peer_hang_up(struct pb_peer *peer);
/* Waits until it has left and reaps it; false: it has not.  `ret_status` as of waitpid(). */
bool pb_peer_left(struct pb_peer *peer, int64_t deadline_ns, int *ret_status);

#endif
