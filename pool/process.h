/*
 * pool/process.h - one child process that serves requests, up to `lanes` of them at a time, over
 * one socketpair: the other half of docs/workers.md.
 *
 * The child gets its end as standard input and standard output, no other descriptor of ours, a
 * process group of its own, default signals, and the limits asked for.  What it writes to standard
 * error is kept (the last lines of it, see pb_process_config.log).  Each lane is one thread that
 * calls at a time; lanes may call at once.  A thread that waits for its answer reads for the others
 * too: there is no reader thread.
 *
 * A call ends in exactly one way, whatever the child does: dies, hangs, writes garbage, half a
 * frame, an answer nobody asked for, forks and leaves.  All of these but a plain hang make the
 * child lost for all lanes.  A child once lost is never used again.
 */
#ifndef PB_POOL_PROCESS_H
#define PB_POOL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"
#include "poolbench/pool.h"

struct pb_process;
struct pb_process_log;

#define PB_FRAME_MAX_BYTES ((size_t)16 << 20) /* a longer frame or line is garbage */

/* How messages are cut: docs/workers.md. */
enum pb_wire {
    PB_WIRE_FRAMES, /* 4 bytes of length, big-endian, then so many bytes of JSON */
    PB_WIRE_LINES,  /* one line of words a message, for shells */
    PB_WIRE_COUNT
};

/* "frames", "lines"; static storage. */
const char *pb_wire_name(enum pb_wire wire);

struct pb_process_config {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-terminated "NAME=value", added to ours; may be NULL */
    const char *folder;      /* to run in; NULL: ours */
    enum pb_wire wire;
    uint32_t lanes;             /* requests in flight, >= 1 */
    int64_t kill_after_ns;      /* from TERM to KILL, >= 0 */
    int64_t max_memory_bytes;   /* RLIMIT_AS; 0: as ours */
    int64_t max_files;          /* RLIMIT_NOFILE; 0: as ours */
    int64_t soft_files;         /* with max_files 0: the soft one of the two; 0: as ours */
    const char *settings;       /* JSON object handed over with init; NULL: {} */
    struct pb_process_log *log; /* where its standard error goes; NULL: ours */
};

/* A worker process takes 4 descriptors of ours, and with several lanes 2 for each: lets this
 * process have as many as are allowed (at most 65536).  Returns the soft limit before, which is
 * what children should have (soft_files) and what to go back to; 0: nothing was changed. */
int64_t pb_process_raise_files(void);
/* Back to that; 0: nothing. */
void pb_process_lower_files(int64_t soft_files);

/* How a call ended.  Only with ANSWERED is there a reply. */
enum pb_call {
    PB_CALL_ANSWERED,
    PB_CALL_CANCELLED, /* the token was set first: the child was told (frames) and may still work */
    PB_CALL_LOST       /* the child is lost; pb_process_fate says why */
};

struct pb_reply {
    enum pb_outcome outcome; /* OK, CLIENT_ERROR or ERROR */
    char *payload;           /* the whole message; owned by the caller, freed with free() */
    size_t len;
};

/* Starts a child and waits until it says "ready".  PB_EINVAL: no such program, or it may not be
 * run; PB_ETIMEDOUT; PB_ECLOSED: the token was set; PB_EPARSE: it did not speak the protocol;
 * PB_ESYS; PB_ENOMEM.  err tells it in words, with the last line of its standard error.  On failure
 * no process is left. */
PB_MUST_USE enum pb_status pb_process_start(const struct pb_process_config *config,
                                            const struct pb_worker_id *id, struct pb_token *token,
                                            int64_t deadline_ns, struct pb_process **ret_process,
                                            struct pb_error *err);

struct pb_process_request {
    uint64_t index;      /* the caller's number for it; may come again */
    const char *command; /* a name */
    const char *args;    /* a JSON value's text; NULL: none */
    int64_t deadline_ns; /* CANCELLED when it passes, too; 0: none */
    bool want_payload;
};

/* Sends a request on a lane and waits for its answer or for the token.  On the wire requests are
 * numbered by the process itself, so that a late answer cannot be taken for another's; the child is
 * told `index` beside, in frames.  The payload is NULL where it is not wanted or there is no memory
 * for it; a request for which there is no memory is ANSWERED with PB_OUTCOME_ERROR. */
enum pb_call pb_process_call(struct pb_process *process, uint32_t lane, struct pb_token *token,
                             const struct pb_process_request *request, struct pb_reply *ret_reply);
/* After CANCELLED, before the lane's next call: waits until the child has ended that request after
 * all.  False: not by then, or the child is lost. */
bool pb_process_settle(struct pb_process *process, uint32_t lane, int64_t deadline_ns);
/* Whether it answers a ping by then, on a lane that is free.  False also when it is lost. */
bool pb_process_ping(struct pb_process *process, uint32_t lane, struct pb_token *token,
                     int64_t deadline_ns);

int64_t pb_process_pid(const struct pb_process *process);
/* Becomes readable when the child has exited (a pidfd): not to be read or closed. */
int pb_process_fd(const struct pb_process *process);
bool pb_process_is_lost(const struct pb_process *process);
/* "exited with code 3", "killed by SIGSEGV", "wrote garbage: ...", "lives": static or owned by the
 * process. */
const char *pb_process_fate(struct pb_process *process);
/* Resident memory of it and its descendants in its group; -1: not known. */
int64_t pb_process_memory_bytes(const struct pb_process *process);

/* A signal to its whole group.  Never to a pid that is no longer ours. */
void pb_process_signal(struct pb_process *process, int signal);
/* Ends it and frees it: asks (shutdown) where `politely`, then TERM, then after kill_after KILL, to
 * the whole group; reaps.  Afterwards neither a process nor a zombie nor a descriptor is left.  No
 * lane may be calling.  NULL is fine. */
void pb_process_stop(struct pb_process *process, bool politely);

/* The last lines that children wrote to standard error, bounded. */
PB_MUST_USE enum pb_status pb_process_log_new(struct pb_process_log **ret_log,
                                              struct pb_error *err);
/* What is there, as text; owned by the caller; NULL: nothing, or no memory. */
char *pb_process_log_text(struct pb_process_log *log);
void pb_process_log_free(struct pb_process_log *log);

/* Tells when children die that nobody is calling just now: one thread for all of them. */
struct pb_process_watch;
PB_MUST_USE enum pb_status pb_process_watch_new(void (*died)(void *ctx, struct pb_process *process,
                                                             const struct pb_worker_id *id),
                                                void *ctx, struct pb_process_watch **ret_watch,
                                                struct pb_error *err);
PB_MUST_USE enum pb_status pb_process_watch_add(struct pb_process_watch *watch,
                                                struct pb_process *process,
                                                const struct pb_worker_id *id);
/* Afterwards `died` is not called for it any more (waits for a call under way). */
void pb_process_watch_remove(struct pb_process_watch *watch, struct pb_process *process);
void pb_process_watch_free(struct pb_process_watch *watch);

#endif
