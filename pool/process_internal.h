/*
 * pool/process_internal.h - the parts of a child process, shared by pool/process*.c and
 * pool/lanes*.c; nobody else includes it.
 *
 * Locks: `lock` and `write_lock` are never held together, `end_lock` is taken by itself; none is
 * held while waiting.
 */
#ifndef PB_POOL_PROCESS_INTERNAL_H
#define PB_POOL_PROCESS_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include "poolbench/macros.h"

#include "base/buf.h"
#include "base/mutex.h"
#include "pool/process.h"
#include "pool/wire.h"

#define PB_NO_LEADER UINT32_MAX

/* How long a child that hung up may take to be dead, so that its fate is its exit. */
#define PB_HANGUP_NS (100 * INT64_C(1000000))

/* Requests that were given up and whose answers may still come. */
#define PB_ABANDONED_MAX 256

enum pb_lane_state {
    PB_LANE_FREE,
    PB_LANE_WAITING,
    PB_LANE_ANSWERED
};

struct pb_lane {
    /* Constant after start. */
    _Alignas(PB_CACHELINE) int wake_fd; /* an eventfd; -1 with one lane, which wakes nobody */
    /* The calling thread's own. */
    struct pb_buf out;
    /* Guarded by process->lock. */
    enum pb_lane_state state PB_GUARDED_BY(lock);
    enum pb_wire_kind expects PB_GUARDED_BY(lock); /* READY, RESULT or PONG */
    uint64_t id PB_GUARDED_BY(lock);
    bool want_payload PB_GUARDED_BY(lock);
    struct pb_reply reply PB_GUARDED_BY(lock);
};

struct pb_abandoned {
    uint64_t ids[PB_ABANDONED_MAX]; /* 0: none */
    uint32_t next;
    uint64_t forgotten; /* up to here any id may have been abandoned: there was no room */
};

struct pb_log_stream;

struct pb_process {
    /* Constant after start. */
    pid_t pid;
    int fd;    /* our end of the socketpair */
    int pidfd; /* readable when the child has exited */
    enum pb_wire wire;
    uint32_t lane_count;
    int64_t kill_after_ns;
    struct pb_process_log *log;
    struct pb_log_stream *stream; /* its standard error in `log` */
    struct pb_lane *lanes;

    _Atomic uint64_t next_id; /* 0 is init's */
    struct pb_mutex lock;
    uint32_t leader PB_GUARDED_BY(lock); /* the lane whose thread reads; PB_NO_LEADER */
    struct pb_abandoned abandoned PB_GUARDED_BY(lock);
    _Atomic bool lost; /* release: pairs with the acquire of whoever reads `fate` */
    char fate[200];    /* constant once lost */
    char exit_text[64] PB_GUARDED_BY(lock); /* constant once not empty */

    struct pb_wire_reader reader; /* the leader's own */

    struct pb_mutex write_lock;
    /* The rest of a message whose beginning the child has taken, and cancels behind it. */
    struct pb_buf unsent PB_GUARDED_BY(write_lock);
    size_t unsent_from PB_GUARDED_BY(write_lock);

    struct pb_mutex end_lock;
    bool reaped PB_GUARDED_BY(end_lock); /* the pid may be somebody else's */
};

/* process_spawn.c: a running child with pid, fd and pidfd set.  `error_fd`: its standard error; -1:
 * ours.  On failure no process is left. */
PB_MUST_USE enum pb_status pb_process_spawn(struct pb_process *process,
                                            const struct pb_process_config *config, int error_fd,
                                            struct pb_error *err);

/* process_end.c */
/* Takes all of the group to its end, at once where `kill_now`, and reaps. */
void pb_process_end(struct pb_process *process, bool politely, bool kill_now);
/* "exited with code 3"; false: it has not exited. */
bool pb_process_exit_text(const struct pb_process *process, char *ret_text, size_t size);
/* Whether it has exited by then, or has already (0).  What it writes meanwhile is thrown away where
 * `discard`. */
bool pb_process_wait(const struct pb_process *process, int64_t deadline_ns, bool discard);

/* lanes.c: how an exchange ended. */
enum pb_exchange {
    PB_EXCHANGE_ANSWERED,
    PB_EXCHANGE_TOKEN,    /* the token was set first */
    PB_EXCHANGE_DEADLINE, /* the deadline passed first */
    PB_EXCHANGE_LOST,
    PB_EXCHANGE_NOMEM /* nothing was sent */
};

struct pb_ask {
    uint32_t lane;
    struct pb_token *token; /* NULL: none */
    int64_t deadline_ns;    /* INT64_MAX: none */
    bool want_payload;
};

/* Sends `message` (its id is made here) and waits for the answer. */
enum pb_exchange pb_exchange(struct pb_process *process, const struct pb_ask *ask,
                             struct pb_wire_message *message, struct pb_reply *ret_reply);
/* Waits for the answer of the request that this lane gave up last; false: it did not come. */
bool pb_exchange_settle(struct pb_process *process, uint32_t lane, int64_t deadline_ns);
/* It is lost from now on, for this reason, unless it was before; who waits is told. */
void pb_process_lose(struct pb_process *process, const char *fmt, ...) PB_PRINTF(2, 3);

/* lanes_write.c: nothing here waits. */
enum pb_sent {
    PB_SENT_ALL,
    PB_SENT_PART,    /* the rest is in `unsent`: pb_lanes_flush */
    PB_SENT_NOTHING, /* there is no room: try again */
    PB_SENT_BROKEN   /* nobody will ever read it */
};
enum pb_sent pb_lanes_send(struct pb_process *process, const struct pb_buf *message);
/* What is unsent. */
enum pb_sent pb_lanes_flush(struct pb_process *process);
/* The same as send, but where there is no room, behind what is unsent. */
void pb_lanes_send_later(struct pb_process *process, const struct pb_buf *message);

/* process_log.c: a child's standard error. */
PB_MUST_USE enum pb_status pb_log_open(struct pb_process_log *log, const struct pb_worker_id *id,
                                       struct pb_log_stream **ret_stream, int *ret_write_fd,
                                       struct pb_error *err);
/* Takes what is still there; the last line that is not empty goes to `ret_last`.  NULL is fine. */
void pb_log_close(struct pb_process_log *log, struct pb_log_stream *stream, char *ret_last,
                  size_t size);

/* process_memory.c: parses /proc/PID/smaps_rollup and statm; -1: it is not one. */
int64_t pb_memory_from_rollup(const char *text);
int64_t pb_memory_from_statm(const char *text, int64_t page_bytes);
/* The process group in /proc/PID/stat; -1: it is not one. */
int64_t pb_memory_group_from_stat(const char *text);

#endif
