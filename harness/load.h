/*
 * harness/load.h - drives a pool through a scenario's phases: the generator threads, the glue
 * between pool, workload and recorder, the closed loop's way back, retries, faults and
 * changes.
 *
 * Life: _new makes the pool with all its workers ready; _run sends every planned request at its
 * time and returns at the end of the last phase; _drain waits for what is in flight; _free ends it
 * all. One owner thread calls these; pb_load_snapshot may be called from any thread.
 */
#ifndef PB_HARNESS_LOAD_H
#define PB_HARNESS_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"

#include "harness/pacing.h"
#include "harness/recorder.h"
#include "harness/scenario.h"
#include "harness/schedule.h"

struct pb_backend;
struct pb_load;

enum pb_load_event_kind {
    PB_LOAD_PHASE_START,
    PB_LOAD_PHASE_END, /* with backlog: what is in the system */
    PB_LOAD_FAULT_HIT, /* `number` is a fault's; `slot` the first of a worker that it hit; told
                          before the next, at the same instant */
    PB_LOAD_FAULT,     /* a fault begins; `slot` of the first worker that it hit */
    PB_LOAD_FAULT_END, /* it is over, for all workers that it hit; not told of those that end at
                          once, nor of those that last beyond the last phase */
    PB_LOAD_CHANGE     /* `number` is the change's */
};

struct pb_load_event {
    enum pb_load_event_kind kind;
    uint32_t number; /* of the phase, fault or change */
    int64_t at_ns;   /* from the run's start */
    uint64_t backlog;
    int64_t backlog_oldest_ns; /* -1: not known */
    uint32_t slot;             /* PB_NO_WORKER: none */
    uint32_t workers;          /* PB_LOAD_FAULT: how many it hit */
    /* Of a change: the pool's effective settings before and after it. */
    struct pb_pool_change before, after;
    const char *refused; /* why the pool did not take it; NULL: it did; valid during the call */
};

struct pb_load_config {
    const struct pb_scenario *scenario; /* borrowed, like all pointers here */
    const struct pb_schedule *schedule;
    struct pb_recorder *recorder; /* with pb_load_lanes() lanes; NULL: recording off */
    bool spin;                    /* pacing: sleep then spin, else sleep */
    uint32_t generators;          /* >= 1 */
    uint32_t cpu_every;           /* measure the CPU time of 1 request in so many; 0: none */
    uint32_t lose_workers;        /* survive: size is reduced by so many (at least 1 stays) */
    const _Atomic int *stop;      /* non-zero: stop sending now (Ctrl-C, abort); may be NULL */
    /* Told about phases and faults, on the thread that runs them.  May be NULL. */
    void (*event)(void *ctx, const struct pb_load_event *event);
    /* The pool's own events, times as the pool gives them.  May be NULL. */
    pb_pool_event_fn pool_event;
    void *ctx;
};

/* Recorder lanes that a load needs: worker slots, the pool's timer, one for each generator, and one
 * for retries where the scenario has them. */
uint32_t pb_load_lanes(const struct pb_load_config *config);

PB_MUST_USE enum pb_status pb_load_new(const struct pb_load_config *config,
                                       struct pb_load **ret_load, struct pb_error *err);
/* Instant (pb_now_ns) that "ns from the run's start" counts from; fixed when _run begins. */
int64_t pb_load_start_ns(const struct pb_load *load);
/* PB_OK also when stopped early: the snapshot tells what was not sent. */
PB_MUST_USE enum pb_status pb_load_run(struct pb_load *load, struct pb_error *err);
/* Lets requests in flight finish: at most min(30 s, checkout + operation timeout + 1 s), with
 * retries min(30 s, all attempts' timeouts + their pauses + 1 s), or 1 s after a stop; the rest is
 * cancelled.  A request between two attempts then ends as its last one did.  The pool takes nothing
 * afterwards. */
void pb_load_drain(struct pb_load *load);
/* PB_OK, or what the driver of the pool did that it must not: then the load measured nothing. */
PB_MUST_USE enum pb_status pb_load_check(struct pb_load *load, struct pb_error *err);
/* The pool it drives, for looking at it and for disturbing it: harness/backend.h. */
struct pb_backend *pb_load_backend(struct pb_load *load);

/* The number of the thread that last ran a request in a slot; 0: none has.  Any thread. */
int32_t pb_load_slot_tid(const struct pb_load *load, uint32_t slot);

struct pb_load_stats {
    uint64_t sent[PB_PHASES_MAX];   /* handed to the pool: exact */
    uint64_t unsent[PB_PHASES_MAX]; /* planned, not sent because of a stop (open phases) */
    uint64_t outcomes[PB_PHASES_MAX]
                     [PB_OUTCOME_COUNT]; /* single-writer counters: exact after drain */
    uint64_t attempts[PB_PHASES_MAX];    /* handed to the pool, first ones included: exact */
    uint64_t waiting;                    /* requests between two attempts now */
    uint64_t given_up;                   /* not tried again for want of memory */
    uint64_t
        behind; /* requests sent later than the wake-up for them: the generator was catching up */
};
/* One command of workload.prepare, over all workers. */
struct pb_prepare_tally {
    uint64_t count, failures; /* failures: among `count`; answered with an error, or too late */
    int64_t sum_ns, max_ns;
};

/* How workers were warmed.  No request of it is in any other number. */
struct pb_load_prepare_stats {
    uint32_t total_workers, successful_workers; /* before the load */
    uint32_t later_workers, later_successful;   /* overflow, replacements, ... */
    int64_t duration_ns; /* before the load, from the first command to the last answer; 0: none */
    int64_t ended_ns;    /* instant (pb_now_ns) of that answer */
    struct pb_prepare_tally commands[PB_PREPARE_MAX]; /* as many as the scenario has */
};
/* Zeros when workers are threads. */
void pb_load_prepared(struct pb_load *load, struct pb_load_prepare_stats *ret_stats);
/* What worker processes wrote to standard error last; owned by the caller; NULL: nothing. */
char *pb_load_worker_log(struct pb_load *load);
void pb_load_snapshot(struct pb_load *load, struct pb_load_stats *ret_stats);
/* How late retries went out, against their planned instants; count 0: there were none.  After
 * drain. */
void pb_load_retry_lag(const struct pb_load *load, struct pb_lateness *ret_lag);
/* Frees the pool too.  NULL is fine. */
void pb_load_free(struct pb_load *load);

#endif
