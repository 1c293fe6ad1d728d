/*
 * harness/evidence.h - all that one run left in memory: what judge.h judges and output.h writes.
 */
#ifndef PB_HARNESS_EVIDENCE_H
#define PB_HARNESS_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/aggregate.h"
#include "harness/history.h"
#include "harness/load.h"
#include "harness/losses.h"
#include "harness/monitor.h"
#include "harness/pacing.h"
#include "harness/recorder.h"
#include "harness/scenario.h"
#include "harness/schedule.h"

/* How one fault went; instants in ns from the run's start, -1: never seen. */
struct pb_fault_result {
    int64_t injected_ns;
    uint32_t slot;       /* of the (first) worker it hit; PB_NO_WORKER: none, or a stall */
    int64_t detected_ns; /* the worker was seen gone */
    int64_t ready_ns;    /* its replacement was ready */
    int64_t first_ok_ns; /* first success on the replacement */
    int64_t recovery_ns; /* harness/losses.h says what counts; -1: not known */
    int64_t ended_ns;    /* the fault itself was over; of those that last */
    int64_t workers;     /* how many it hit */
};
#define PB_NO_FAULT_RESULT                                                          \
    (struct pb_fault_result)                                                        \
    {                                                                               \
        .injected_ns = -1, .slot = PB_NO_WORKER, .detected_ns = -1, .ready_ns = -1, \
        .first_ok_ns = -1, .recovery_ns = -1, .ended_ns = -1,                       \
    }

/* How one change went. */
struct pb_change_result {
    int64_t made_ns;                     /* from the run's start; -1: never */
    struct pb_pool_change before, after; /* effective settings */
    char refused[104];                   /* why the pool did not take it; "": it did */
};

/* Kinds of events that come with old and new settings. */
#define PB_EVENT_RESIZE "pool.resize" /* of workers, perhaps of more */
#define PB_EVENT_CHANGE "pool.change"

struct pb_event {     /* a line of events.jsonl */
    int64_t at_ns;    /* from the run's start */
    char kind[24];    /* "phase_start", "fault", "worker_up", "interrupted", ... */
    char detail[104]; /* phase name, fault text, reason */
    int64_t number;   /* of the worker, phase, ..., -1: none */
    bool of_worker;   /* then these two say which: */
    uint32_t incarnation;
    int64_t pid; /* 0: it has none */
};

enum pb_ending {
    PB_ENDED,
    PB_INTERRUPTED,
    PB_ABORTED
};

struct pb_evidence {
    const struct pb_scenario *scenario; /* borrowed, like the next two */
    const struct pb_schedule *schedule;
    const struct pb_aggregate *aggregate;
    struct pb_load_stats load;
    struct pb_pool_stats pool;
    struct pb_load_prepare_stats prepare;
    char *worker_log; /* what worker processes wrote to standard error last; NULL: nothing; owned */
    struct pb_recorder_stats recorder;
    struct pb_monitor_summary monitor;
    struct pb_machine machine;
    struct pb_pacing_choice pacing;
    struct pb_lateness null_floor; /* latency through a null pool: the instrument's own noise */
    struct pb_lateness warmup_lag; /* send lag measured during the warm-up, count 0: no warm-up */
    struct pb_lateness retry_lag;  /* of retries, against their planned instants */
    uint32_t generators;
    double load_factor;
    uint32_t workers_lost;
    uint64_t unreturned; /* requests that a driver accepted and neither ran nor expired */
    enum pb_ending ending;
    int signal;       /* with PB_INTERRUPTED: SIGINT or SIGTERM */
    int aborted_rule; /* with PB_ABORTED: number of the abort rule */
    int64_t aborted_at_ns;
    struct pb_fault_result faults[PB_FAULTS_MAX];
    const struct pb_loss *losses; /* workers that died; in order of time; owned by the run */
    size_t loss_count;
    uint64_t losses_dropped; /* events of losses that were not kept */
    struct pb_losses_summary recovery;
    const struct pb_life *lives; /* in order of their start; owned by the run */
    size_t life_count;
    struct pb_workers_summary workers;
    struct pb_change_result changes[PB_CHANGES_MAX];
    struct pb_event *events; /* in order of time; owned by the run */
    size_t event_count;
    uint64_t events_dropped;
    int64_t start_wall_ns;
    int64_t start_ns;   /* the same instant by pb_now_ns */
    int64_t elapsed_ns; /* start of the first phase to the end of the drain */
    char id[64];        /* the run folder's name, "" before there is one */
};

#endif
