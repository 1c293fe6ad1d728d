/*
 * poolbench/pool.h - a pool of worker threads with one bounded queue, overflow workers and
 * timeouts.
 *
 * A caller submits requests; workers run them; every submitted request ends in exactly one outcome,
 * reported by one call of the pool's `done` function on the thread that decided it: the worker, the
 * pool's timer, the submitter itself (rejection), or whoever cancels, kills or drains.  Nothing is
 * lost and nothing is counted twice, also when a timeout races with a completion.  Several pools
 * may live in one process; there is no hidden global state.  After fork() the pool is dead in the
 * child: every call returns PB_ECLOSED, false or zeros.
 *
 * Units: instants and durations are int64_t nanoseconds on CLOCK_MONOTONIC, those of a request also
 * on a clock of one's own (see `clock` below).
 */
#ifndef POOLBENCH_POOL_H
#define POOLBENCH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

struct pb_clock;
struct pb_pool;
struct pb_submitter;
struct pb_token;

#define PB_POOL_MAX_SIZE        1024
#define PB_POOL_MAX_QUEUE_LIMIT (1 << 20)

/* How a request ended: exactly one of these.  The order is stored in logs: never renumber. */
enum pb_outcome {
    PB_OUTCOME_OK,
    PB_OUTCOME_CLIENT_ERROR,      /* the request itself was at fault */
    PB_OUTCOME_ERROR,             /* the work failed */
    PB_OUTCOME_REJECTED,          /* the queue was full */
    PB_OUTCOME_CHECKOUT_TIMEOUT,  /* no worker took it within checkout_timeout */
    PB_OUTCOME_OPERATION_TIMEOUT, /* it ran longer than operation_timeout */
    PB_OUTCOME_WORKER_LOST,       /* its worker died or was killed */
    PB_OUTCOME_CANCELLED,         /* still queued or running when it was cancelled or drain ended */
    PB_OUTCOME_COUNT
};

/* "ok", "client_error", ...; static storage. */
const char *pb_outcome_name(enum pb_outcome outcome);

/* What is handed over.  Copied by submit; the pool reads only sent_ns, the rest is carried along.
 */
struct pb_request {
    int64_t intended_ns; /* when it should have started */
    int64_t sent_ns;     /* when it was handed over; 0: submit stamps it.  Not in the future. */
    uint64_t index;      /* the caller's number for it */
    uint32_t phase;      /* the caller's */
    uint32_t attempt;    /* the caller's */
    void *data; /* the caller's; must stay valid until the worker returned (see `returned`) */
};

/* A running request as its `run` function sees it.  Valid during the call only. */
struct pb_work {
    const struct pb_request *request;
    struct pb_token *token; /* asks the work to stop: see pb_token_... below */
    int64_t started_ns;     /* when the worker began */
    uint32_t worker;        /* slot number, 0 .. pb_pool_slots() - 1 */
    bool overflow;          /* a temporary worker */
    /* The run function may fill these; they are handed to `done`. */
    int64_t demand_ns; /* work asked for */
    int64_t cpu_ns;    /* CPU time used, -1: not measured (the initial value) */
    uint32_t operation;
};

/* What became of a request.  Valid during the call only. */
struct pb_completion {
    const struct pb_request *request;
    enum pb_outcome outcome;
    int64_t started_ns; /* 0 when it never started */
    int64_t done_ns;    /* when the outcome was decided */
    uint32_t worker;    /* slot that ran it; PB_NO_WORKER when it never started */
    uint32_t decider;   /* 0 .. slots-1: that worker's thread; PB_DECIDER_TIMER: the pool's timer,
                           or a thread inside cancel, kill_worker, drain, free or tick, perhaps
                           several at a time; PB_DECIDER_SUBMITTER: the thread inside submit, see
                           `submitter` */
    void *submitter;    /* with PB_DECIDER_SUBMITTER: the `user` of the submitter, else NULL */
    bool overflow;      /* ran on a temporary worker */
    int64_t demand_ns;  /* from struct pb_work; 0 and -1 when another thread decided */
    int64_t cpu_ns;
    uint32_t operation;
};

#define PB_NO_WORKER         UINT32_MAX
#define PB_DECIDER_TIMER     (UINT32_MAX - 1)
#define PB_DECIDER_SUBMITTER (UINT32_MAX - 2)

/* Does the work, on a worker's thread, holding no lock; may block; may submit (not drain or free).
 * Returns PB_OUTCOME_OK, _CLIENT_ERROR or _ERROR; any other value counts as _ERROR. */
typedef enum pb_outcome (*pb_run_fn)(void *ctx, struct pb_work *work);

/* Told once for every submitted request, on the deciding thread, holding no lock.  The request's
 * place is free by then, unless its worker still has to come back.  Must not block and must not
 * call the pool, except pb_pool_submit. */
typedef void (*pb_done_fn)(void *ctx, const struct pb_completion *completion);

/* Told when a worker came back from a request that another thread had decided (a timeout, a
 * cancel): on the worker's thread; returned_ns - started_ns is how long it was occupied.  From here
 * on the request's `data` is no longer used.  May be NULL. */
typedef void (*pb_returned_fn)(void *ctx, const struct pb_request *request, uint32_t worker,
                               int64_t started_ns, int64_t returned_ns);

enum pb_pool_event_kind {
    PB_POOL_WORKER_UP,       /* a worker is ready; `since_ns`: when its start was decided */
    PB_POOL_WORKER_FIRST_OK, /* the first ok completion of this incarnation; `since_ns`: when that
                                request was started */
    PB_POOL_WORKER_DOWN,     /* left: retired, idle overflow, killed, stopped */
    PB_POOL_WORKER_STUCK,    /* stuck_after past its deadline and not back; no longer alive */
    PB_POOL_WORKER_BACK,     /* a stuck worker came back (it then leaves) */
    PB_POOL_WORKER_FAILED,   /* a thread could not be created */
    PB_POOL_EVENT_COUNT
};

/* "worker_up", ...; static storage. */
const char *pb_pool_event_name(enum pb_pool_event_kind kind);

struct pb_pool_event {
    enum pb_pool_event_kind kind;
    int64_t at_ns;
    int64_t since_ns;     /* see the kind; else 0 */
    uint32_t worker;      /* slot */
    uint32_t incarnation; /* how many workers this slot has had before, from 0 */
    bool overflow;
    bool replacement;   /* it stands in for a killed or stuck worker */
    const char *reason; /* static storage: "start", "overflow", "idle", "killed", ... */
};

/* Told about workers coming and going, on the thread concerned; at most a few calls a worker, never
 * one a request.  Calls may overlap.  May be NULL. */
typedef void (*pb_pool_event_fn)(void *ctx, const struct pb_pool_event *event);

enum pb_strategy {    /* which idle worker gets the next request */
    PB_STRATEGY_LIFO, /* the one idle for the shortest time: warm caches */
    PB_STRATEGY_FIFO, /* the one idle for the longest time: even wear */
    PB_STRATEGY_COUNT
};

/* "lifo", "fifo"; static storage. */
const char *pb_strategy_name(enum pb_strategy strategy);

/* Start from pb_pool_config_default() and change what differs. */
struct pb_pool_config {
    uint32_t size;         /* core workers, 1 .. PB_POOL_MAX_SIZE */
    uint32_t max_overflow; /* temporary workers beyond size, 0 .. PB_POOL_MAX_SIZE */
    uint32_t queue_limit;  /* requests that may wait, 0 .. PB_POOL_MAX_QUEUE_LIMIT */
    uint32_t max_stuck;    /* replacements for stuck workers, 0 .. PB_POOL_MAX_SIZE; default size */
    enum pb_strategy strategy;
    bool lazy;                    /* start core workers on demand rather than in pb_pool_new */
    int64_t overflow_ttl_ns;      /* an overflow worker idle so long goes, >= 0 */
    int64_t overflow_after_ns;    /* overflow only for a request that waited so long, >= 0 */
    int64_t checkout_timeout_ns;  /* longest wait in the queue, > 0 */
    int64_t operation_timeout_ns; /* longest run, > 0 */
    int64_t init_timeout_ns;      /* longest start of a worker, > 0 */
    int64_t stuck_after_ns;       /* past its deadline and not back: stuck, > 0 */
    pb_run_fn run;                /* required */
    pb_done_fn done;              /* may be NULL */
    pb_returned_fn returned;      /* may be NULL */
    pb_pool_event_fn event;       /* may be NULL */
    void *ctx;                    /* handed to all four */
    const struct pb_clock *clock; /* NULL: the real one.  With another clock no timer runs by
                                     itself: the owner calls pb_pool_tick(). */
    const char *name;             /* threads are called NAME-work-03; NULL: "pb"; copied */
};

/* The defaults of DESIGN.md; run and the like are NULL. */
void pb_pool_config_default(struct pb_pool_config *ret_config);

/* Makes a pool and starts its workers (all of them ready on return unless lazy).
 * PB_EINVAL (a value out of range: err names it), PB_ENOMEM, PB_ESYS (no thread),
 * PB_ETIMEDOUT (not ready within init_timeout).  On failure nothing is left running. */
PB_MUST_USE enum pb_status pb_pool_new(const struct pb_pool_config *config,
                                       struct pb_pool **ret_pool, struct pb_error *err);
/* Slots of workers that may exist at once: size + max_overflow + max_stuck.  Constant. */
uint32_t pb_pool_slots(const struct pb_pool *pool);

/* A submitting thread's own handle, which makes submitting cheap; one thread at a time may use it.
 * `user` comes back in completions decided inside submit.  Freed with the pool. */
PB_MUST_USE enum pb_status pb_pool_attach(struct pb_pool *pool, void *user,
                                          struct pb_submitter **ret_submitter);

/* Hands a request over.  PB_OK: it is accepted or was already decided (rejection is an outcome,
 * told to `done` before this returns).  PB_ECLOSED: the pool is draining or dead; nothing happened
 * and `done` is not called.  `ret_ticket` (may be NULL) names it for pb_pool_cancel.  hot */
PB_MUST_USE enum pb_status pb_submit(struct pb_submitter *submitter,
                                     const struct pb_request *request, uint64_t *ret_ticket);
/* The same without a handle of one's own, from any thread; slower (a lock). */
PB_MUST_USE enum pb_status pb_pool_submit(struct pb_pool *pool, const struct pb_request *request,
                                          uint64_t *ret_ticket);
/* Asks that an accepted request be cancelled: running, its outcome is decided now and its token
 * set; queued, it is decided when its turn comes, without running.  PB_ENOENT: already decided, or
 * no such request. */
PB_MUST_USE enum pb_status pb_pool_cancel(struct pb_pool *pool, uint64_t ticket);

/* Takes no more requests, lets queued and running ones finish until `deadline_ns` (absolute), then
 * cancels what is left (outcome `cancelled`) and asks running work to stop.  PB_OK: all finished;
 * PB_ETIMEDOUT: some were cancelled.  Idempotent. */
PB_MUST_USE enum pb_status pb_pool_drain(struct pb_pool *pool, int64_t deadline_ns);
/* Drains at once if that has not been done, waits up to `stuck_wait_ns` for workers that have not
 * come back, and releases the pool.  Workers that never come back keep the pool's memory, which is
 * then leaked on purpose (PB_ETIMEDOUT); else PB_OK.  NULL is fine. */
enum pb_status pb_pool_free(struct pb_pool *pool, int64_t stuck_wait_ns);

/* Waits until no request is queued or running, or `deadline_ns`; submitting may go on.  False: not
 * empty. */
bool pb_pool_wait_idle(struct pb_pool *pool, int64_t deadline_ns);

/* Faults, for load tests.  Stall: from now until `until_ns` no worker starts or finishes anything.
 */
void pb_pool_stall(struct pb_pool *pool, int64_t until_ns);
/* Kills the worker that has been `ordinal`-th (from 0) among the alive ones by slot: it gives its
 * request up (outcome worker_lost, its token set) and exits; a replacement starts at once, or, when
 * all slots are taken, as soon as one is free.  It leaves (PB_POOL_WORKER_DOWN) when its work
 * returns.  PB_ENOENT: fewer are alive.  `ret_slot` (may be NULL): which slot it was. */
PB_MUST_USE enum pb_status pb_pool_kill_worker(struct pb_pool *pool, uint32_t ordinal,
                                               uint32_t *ret_slot);

/* With a clock of one's own, one thread at a time: does what is due by now (timeouts, starting,
 * replacing and retiring workers, finding stuck ones).  Without: nothing. */
void pb_pool_tick(struct pb_pool *pool);

/* Counters since pb_pool_new, and gauges of this moment; taken without stopping anyone, so that
 * the parts may be apart by the requests in flight.  After drain they are exact. */
struct pb_pool_stats {
    uint64_t submitted; /* accepted or rejected */
    uint64_t outcomes[PB_OUTCOME_COUNT];
    uint64_t queued;  /* waiting now */
    uint64_t running; /* on workers now, undecided */
    uint32_t alive;   /* workers that count for admission */
    uint32_t busy;    /* occupied workers, stuck ones included */
    uint32_t stuck;   /* workers not back: stuck, or killed and still working */
    uint32_t peak_alive;
    uint64_t overflow_started;
    uint64_t workers_started;
    uint64_t workers_failed; /* threads that could not be created */
    uint64_t
        rescued_wakeups; /* wake-ups that only the housekeeper noticed missing: a bug if not 0 */
    int64_t busy_ns;     /* sum over workers of occupied time, running ones included */
    int64_t alive_ns;    /* sum over workers of time since ready */
};

void pb_pool_snapshot(struct pb_pool *pool, struct pb_pool_stats *ret_stats);

/* Tokens: how running work learns that it should stop.  One a worker; valid during run. */
bool pb_token_cancelled(const struct pb_token *token);
/* Sleeps until `instant_ns` (absolute) or until the token is set: true when it was set. */
bool pb_token_sleep_until(struct pb_token *token, int64_t instant_ns);

#endif
