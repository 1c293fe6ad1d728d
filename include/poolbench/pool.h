/*
 * poolbench/pool.h - a pool of workers with one bounded queue, overflow workers and timeouts.
 *
 * A worker is one thread, or, with `threads_per_worker` T > 1, T threads that come and go together.
 * What a worker has beyond its threads (a child process, a connection) is made and unmade by the
 * owner's hooks.  A *slot* is a place for one running request: worker w has the slots w*T .. w*T +
 * T - 1, and with T = 1 the two numbers are the same.
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

PB_C_BEGIN

struct pb_clock;
struct pb_pool;
struct pb_submitter;
struct pb_token;

#define PB_POOL_MAX_SIZE        1024
#define PB_POOL_MAX_THREADS     64
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
    uint64_t session;    /* requests of one session prefer one worker (affinity_ttl_ns); 0: none */
    void *data; /* the caller's; must stay valid until the worker returned (see `returned`) */
};

/* A running request as its `run` function sees it.  Valid during the call only. */
struct pb_work {
    const struct pb_request *request;
    struct pb_token *token; /* asks the work to stop: see pb_token_... below */
    int64_t started_ns;     /* when the worker began */
    uint32_t worker;        /* slot number, 0 .. pb_pool_slots() - 1 */
    bool overflow;          /* a temporary worker */
    void *state;            /* what the `start` hook made of this worker; NULL without hooks */
    uint32_t lane;          /* which of its worker's threads this is: 0 .. threads_per_worker - 1 */
    uint32_t incarnation;   /* of the worker: how many this one follows, from 0 */
    /* Set by the run function: the worker is of no use any more (its process died, its connection
     * broke).  It ends with this request, what its other threads run is theirs to report, and a
     * replacement starts at once.  `lost_reason`: static storage, for the event; may be NULL. */
    bool lost;
    const char *lost_reason;
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
 * Returns PB_OUTCOME_OK, _CLIENT_ERROR, _ERROR or _WORKER_LOST; any other value counts as _ERROR.
 * Returning _WORKER_LOST implies work->lost. */
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
    PB_POOL_WORKER_STUCK,    /* one of its threads is stuck_after past its deadline and not back: no
                                longer alive; what its other threads run they finish, then leave */
    PB_POOL_WORKER_BACK,     /* a stuck worker came back (it then leaves) */
    PB_POOL_WORKER_FAILED,   /* it did not come up: "no thread", "start_failed", "start_timeout",
                                "prepare_timeout" (it did not even listen to its token), or why it
                                was lost */
    PB_POOL_WORKER_LOST,   /* it died or was killed: detected now; its DOWN follows when its threads
                              have left.  `since_ns`: 0, or, when it only stood by for another one,
                              when its start was decided */
    PB_POOL_WORKER_HEALTH, /* its health changed: `health`, `reason` */
    PB_POOL_CONFIGURED,    /* pb_pool_reconfigure took effect; `worker` is PB_NO_WORKER */
    PB_POOL_EVENT_COUNT
};

/* How a worker is.  The order is stored in logs: never renumber. */
enum pb_health {
    PB_HEALTH_STARTING,
    PB_HEALTH_HEALTHY,
    PB_HEALTH_DEGRADED,  /* 1 .. max_health_failures - 1 failed checks in a row */
    PB_HEALTH_UNHEALTHY, /* max_health_failures in a row: it is being replaced */
    PB_HEALTH_DEAD,
    PB_HEALTH_COUNT
};

/* "starting", ...; static storage. */
const char *pb_health_name(enum pb_health health);

/* "worker_up", ...; static storage. */
const char *pb_pool_event_name(enum pb_pool_event_kind kind);

struct pb_pool_event {
    enum pb_pool_event_kind kind;
    int64_t at_ns;
    int64_t since_ns;     /* see the kind; else 0 */
    uint32_t worker;      /* the worker's number: slot / threads_per_worker */
    uint32_t incarnation; /* how many workers this one follows under its number, from 0; those
                             that did not come up are counted */
    bool overflow;
    bool replacement;      /* it stands in for a killed, lost, recycled or stuck worker */
    const char *reason;    /* static storage: "start", "overflow", "idle", "killed", "lost",
                              "health", "max_requests", "max_age", "max_memory", "resized", ... */
    enum pb_health health; /* from this event on */
    uint64_t requests;     /* DOWN: requests that this incarnation has run */
    int64_t busy_ns;       /* DOWN: time that its threads were occupied */
    uint32_t replaces;     /* UP of a replacement: whose place it takes; PB_NO_WORKER: nobody's, or
                              not known */
    uint32_t replaces_incarnation;
    int64_t pid; /* of its process; 0: it has none (threads) */
};

/* Told about workers coming and going, on the thread concerned; at most a few calls a worker, never
 * one a request.  Calls may overlap.  May be NULL. */
typedef void (*pb_pool_event_fn)(void *ctx, const struct pb_pool_event *event);

enum pb_strategy {            /* which idle worker gets the next request */
    PB_STRATEGY_LIFO,         /* the one idle for the shortest time: warm caches */
    PB_STRATEGY_FIFO,         /* the one idle for the longest time: even wear */
    PB_STRATEGY_ROUND_ROBIN,  /* the next idle one by number after the last one chosen */
    PB_STRATEGY_LEAST_LOADED, /* of the worker with the fewest requests running; then the one with
                                 the least busy time so far */
    PB_STRATEGY_COUNT
};

/* "lifo", "fifo", "round_robin", "least_loaded"; static storage. */
const char *pb_strategy_name(enum pb_strategy strategy);

/* Which worker a hook is about. */
struct pb_worker_id {
    uint32_t worker;      /* number */
    uint32_t incarnation; /* from 0 */
    bool overflow;
};

/*
 * What a worker is beyond its threads.  Each may be NULL.  All run on threads of the worker itself,
 * holding no lock, never two of one worker at a time (`run` goes on meanwhile on its other threads
 * during `check`); they end by `deadline_ns` (CLOCK_MONOTONIC), and soon after `token` is set.
 */
struct pb_worker_hooks {
    /* Makes the worker, before it takes requests: by init_timeout.  A failure is told as
     * PB_POOL_WORKER_FAILED and tried again with back-off; in pb_pool_new it fails the pool with
     * this error. */
    enum pb_status (*start)(void *ctx, const struct pb_worker_id *id, struct pb_token *token,
                            int64_t deadline_ns, void **ret_state, struct pb_error *err);
    /* Warms it (pb_pool_config.prepare says when).  It serves afterwards also when this failed. */
    enum pb_status (*prepare)(void *ctx, const struct pb_worker_id *id, void *state,
                              struct pb_token *token, int64_t deadline_ns);
    /* Whether an idle worker is still well. */
    bool (*check)(void *ctx, const struct pb_worker_id *id, void *state, struct pb_token *token,
                  int64_t deadline_ns);
    /* Resident memory of the worker; -1: not known.  Called by the pool's keeper, at any time
     * between start and stop. */
    int64_t (*memory_bytes)(void *ctx, const struct pb_worker_id *id, void *state);
    /* The worker's process; 0: none.  Asked once, after start. */
    int64_t (*pid)(void *ctx, const struct pb_worker_id *id, void *state);
    /* Unmakes it, once for each successful start, when its last thread leaves.  `reason` as in its
     * DOWN event, which is told afterwards. */
    void (*stop)(void *ctx, const struct pb_worker_id *id, void *state, const char *reason);
    /* Asked by pb_pool_kill_worker, on the killer's thread: end it as a crash would (kill -9).
     * Must not block. */
    void (*kill)(void *ctx, const struct pb_worker_id *id, void *state);
};

/* How workers are warmed in pb_pool_new: every worker exactly once, each by itself (not through
 * the queue).  Workers that come later are warmed before they take requests. */
enum pb_prepare {
    PB_PREPARE_PARALLEL,   /* all at once */
    PB_PREPARE_SEQUENTIAL, /* one after the other */
    PB_PREPARE_STAGED,     /* three batches of ceil(size / 3) */
    PB_PREPARE_COUNT
};

/* "parallel", "sequential", "staged"; static storage. */
const char *pb_prepare_name(enum pb_prepare prepare);

/* When a worker is replaced though it is well; 0: never for that.  Its replacement is ready first
 * where there is a slot for it, and no more than half of the workers (at least one) are being
 * recycled at a time: the others serve on meanwhile. */
struct pb_recycle {
    int64_t max_requests;
    int64_t max_age_ns;
    int64_t max_memory_bytes; /* needs the memory_bytes hook */
    double jitter;            /* 0..1: each limit is raised by up to that share, drawn a worker */
};

/* Start from pb_pool_config_default() and change what differs. */
struct pb_pool_config {
    uint32_t size;         /* core workers, 1 .. PB_POOL_MAX_SIZE */
    uint32_t max_overflow; /* temporary workers beyond size, 0 .. PB_POOL_MAX_SIZE */
    uint32_t queue_limit;  /* requests that may wait, 0 .. PB_POOL_MAX_QUEUE_LIMIT */
    uint32_t max_stuck;    /* replacements for stuck workers, 0 .. PB_POOL_MAX_SIZE; default size */
    uint32_t max_size; /* room for pb_pool_reconfigure: size and max_overflow together may grow to
                          this, 0: no further than they are, else .. 2 * PB_POOL_MAX_SIZE */
    uint32_t max_queue_limit;    /* likewise for queue_limit; 0: as it is */
    uint32_t threads_per_worker; /* 1 .. PB_POOL_MAX_THREADS; default 1.  size * it <=
                                    PB_POOL_MAX_SIZE, slots in all <= 4 * PB_POOL_MAX_SIZE */
    enum pb_strategy strategy;
    bool lazy;                    /* start core workers on demand rather than in pb_pool_new */
    int64_t overflow_ttl_ns;      /* an overflow worker idle so long goes, >= 0 */
    int64_t overflow_after_ns;    /* overflow only for a request that waited so long, >= 0 */
    int64_t checkout_timeout_ns;  /* longest wait in the queue, > 0 */
    int64_t operation_timeout_ns; /* longest run, > 0 */
    int64_t init_timeout_ns;      /* longest start of a worker, > 0 */
    int64_t stuck_after_ns;       /* past its deadline and not back: stuck, > 0 */
    const struct pb_worker_hooks *hooks; /* NULL: workers are threads and nothing else; copied */
    enum pb_prepare prepare;
    int64_t prepare_timeout_ns;       /* longest `prepare` of one worker, > 0; default 30 s */
    int64_t health_check_interval_ns; /* an idle worker is checked so often, +- 10 % jitter; 0:
                                         never (the default; needs the check hook) */
    int64_t health_check_timeout_ns;  /* > 0; default 5 s */
    uint32_t max_health_failures;     /* failed checks in a row, >= 1; default 3 */
    struct pb_recycle recycle;
    /* A worker that ends without a success is followed at once; the next one after restart_delay,
     * doubled each time up to restart_max_delay, until one succeeds.  More than `max_restarts` such
     * ends within restart_window: no start before the window has passed (0: no limit).  A start
     * that fails is such an end; being killed by pb_pool_kill_worker is none. */
    int64_t restart_delay_ns;     /* default 10 ms */
    int64_t restart_max_delay_ns; /* default 1 s */
    int64_t restart_window_ns;    /* default 10 s */
    uint32_t max_restarts;        /* default 100 */
    int64_t affinity_ttl_ns;      /* a session is remembered so long after its last request; 0: no
                                     affinity (the default) */
    uint64_t seed;                /* of the jitter */
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
/* Slots that may exist at once: threads_per_worker * (max(max_size, size + max_overflow) +
 * max_stuck).  Constant. */
uint32_t pb_pool_slots(const struct pb_pool *pool);
/* The same of a config, before there is a pool. */
uint32_t pb_pool_config_slots(const struct pb_pool_config *config);

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
 * returns.  PB_ENOENT: fewer are alive.  `ret_slot` (may be NULL): its first slot. */
PB_MUST_USE enum pb_status pb_pool_kill_worker(struct pb_pool *pool, uint32_t ordinal,
                                               uint32_t *ret_slot);

/* With a clock of one's own, one thread at a time: does what is due by now (timeouts, starting,
 * replacing and retiring workers, finding stuck ones).  Without: nothing. */
void pb_pool_tick(struct pb_pool *pool);

/* Settings that may change under load; each < 0: as it is. */
struct pb_pool_change {
    int64_t size, max_overflow, queue_limit;
    int64_t overflow_ttl_ns, overflow_after_ns;
    int64_t checkout_timeout_ns, operation_timeout_ns; /* for requests sent from now on, and, where
                                                          they became longer, for those waiting */
    int64_t strategy;                                  /* enum pb_strategy */
};
#ifdef __cplusplus
#define PB_POOL_NO_CHANGE (pb_pool_change{ -1, -1, -1, -1, -1, -1, -1, -1 })
#else
#define PB_POOL_NO_CHANGE ((struct pb_pool_change){ -1, -1, -1, -1, -1, -1, -1, -1 })
#endif

/* Changes a pool that may be loaded.  Growing starts workers at once; shrinking takes the longest
 * idle first and lets the others finish their request (`done` is told of every request as ever:
 * none is lost, none cancelled).  Returns at once; the effective settings are in `ret_effective`
 * (may be NULL): what goes beyond max_size or max_queue_limit is cut to them.  PB_EINVAL: a value
 * out of its range; nothing changed.  Any thread. */
PB_MUST_USE enum pb_status pb_pool_reconfigure(struct pb_pool *pool,
                                               const struct pb_pool_change *change,
                                               struct pb_pool_config *ret_effective,
                                               struct pb_error *err);

/* Says that worker `worker` in incarnation `incarnation` has died (its process exited): as
 * work->lost, but from any thread, also when it is idle.  What it runs is decided as worker_lost.
 * One that is still starting does not come up.  PB_ENOENT: it is not alive any more, or another one
 * has its number. */
PB_MUST_USE enum pb_status pb_pool_worker_lost(struct pb_pool *pool, uint32_t worker,
                                               uint32_t incarnation, const char *reason);

/* One worker, alive or on its way. */
struct pb_worker_stats {
    uint32_t worker, incarnation;
    enum pb_health health;
    bool overflow;
    uint32_t capacity;            /* threads */
    uint32_t load;                /* requests running */
    uint64_t requests;            /* run by this incarnation */
    int64_t started_ns, ready_ns; /* 0: not ready yet */
    int64_t busy_ns;              /* of this incarnation, all its threads */
    int64_t pid;                  /* of its process; 0: none */
};
/* Fills up to `max` rows, by number; returns how many workers there are. */
uint32_t pb_pool_workers(struct pb_pool *pool, struct pb_worker_stats *ret_rows, uint32_t max);

/* Counters since pb_pool_new, and gauges of this moment; taken without stopping anyone, so that
 * the parts may be apart by the requests in flight.  After drain they are exact. */
struct pb_pool_stats {
    uint64_t submitted; /* accepted or rejected */
    uint64_t outcomes[PB_OUTCOME_COUNT];
    uint64_t queued;  /* waiting now */
    uint64_t running; /* on workers now, undecided */
    /* Slots, which with threads_per_worker = 1 are workers: */
    uint32_t alive; /* that count for admission */
    uint32_t busy;  /* occupied, stuck ones included */
    uint32_t stuck; /* not back: stuck, or killed and still working */
    uint32_t peak_alive;
    /* Workers: */
    uint64_t overflow_started;
    uint64_t workers_started;
    uint64_t workers_failed; /* that did not come up */
    uint64_t
        rescued_wakeups; /* wake-ups that only the housekeeper noticed missing: a bug if not 0 */
    int64_t busy_ns;     /* sum over slots of occupied time, running ones included */
    int64_t alive_ns;    /* sum over slots of time since ready */
    uint64_t recycled, lost, unhealthy;      /* workers that ended for that */
    uint64_t health_checks, health_failures; /* checks done, and those that failed */
    uint64_t affinity_hits, affinity_misses; /* requests of a remembered session that ran on its
                                                worker, on another one */
    uint32_t prepared, prepare_failures;     /* workers warmed, and those where that failed */
    uint64_t starts_held; /* ends of workers after which max_restarts held back the next start */
};

void pb_pool_snapshot(struct pb_pool *pool, struct pb_pool_stats *ret_stats);

/* Tokens: how running work learns that it should stop.  One a worker; valid during run. */
bool pb_token_cancelled(const struct pb_token *token);
/* Sleeps until `instant_ns` (absolute) or until the token is set: true when it was set. */
bool pb_token_sleep_until(struct pb_token *token, int64_t instant_ns);
/* A descriptor that becomes readable when the token is set, for poll(); made at the first call, -1:
 * none to be had.  The pool's own: not to be read or closed. */
int pb_token_fd(struct pb_token *token);

PB_C_END

#endif
