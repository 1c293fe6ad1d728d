/*
 * harness/run_internal.h - the parts of one run in progress, shared by run.c, run_watch.c,
 * run_workers.c and run_abort.c; nobody else includes it.
 */
#ifndef PB_HARNESS_RUN_INTERNAL_H
#define PB_HARNESS_RUN_INTERNAL_H

#include "base/mutex.h"
#include "harness/calibrate.h"
#include "harness/evidence.h"
#include "harness/folder.h"
#include "harness/probe.h"
#include "harness/run.h"
#include "harness/worker_watch.h"

#define PB_EVENTS_MAX    10000
#define PB_ABORT_SAMPLES 64
#define PB_HITS_MAX      4096 /* further ones count as losses without a fault */

/* A stretch of a worker's life that is over and not yet in the aggregate. */
struct pb_alive_span {
    int64_t from_ns, to_ns; /* from the run's start */
    bool overflow;
};

/* The cumulative counts that abort rules look back at. */
struct pb_abort_sample {
    int64_t at_ns;
    uint64_t done; /* requests with an outcome, client errors apart */
    uint64_t bad;  /* of them, counted by the rule's metric as bad */
    uint64_t ok;
};

struct pb_abort_state {
    struct pb_abort_sample ring[PB_ABORT_SAMPLES];
    size_t count; /* samples ever taken */
};

struct pb_run_state {
    /* Constant while the load runs. */
    const struct pb_scenario *scenario;
    const struct pb_run_options *options;
    struct pb_schedule schedule;
    struct pb_calibration calibration;
    struct pb_aggregate *aggregate; /* the collector's while it runs */
    struct pb_reqlog_writer *log;
    struct pb_recorder *recorder;
    struct pb_load *load;
    struct pb_monitor *monitor;
    struct pb_folder folder;
    struct pb_history *history;
    struct pb_worker_watch *worker_watch; /* the monitor's thread's, then the owner's */
    struct pb_loss *losses;               /* made at the end */
    _Atomic int stop;               /* handed to the load: user's signal, or -1 for an abort */
    _Atomic uint32_t current_phase; /* for the live line; PB_PHASES_MAX: none */
    _Atomic bool running;           /* between the load's start and its free */

    /* Written by the collector's thread alone (tick); read after it ended. */
    int64_t last_sample_ns, last_progress_ns, last_abort_ns;
    uint64_t last_progress_sent;
    struct pb_abort_state aborts[PB_ABORTS_MAX];
    int aborted_rule; /* -1: none */
    int64_t aborted_at_ns;

    /* Events come from the generators' and the workers' threads. */
    struct pb_mutex lock;
    struct pb_event *events PB_GUARDED_BY(lock);
    size_t event_count PB_GUARDED_BY(lock);
    uint64_t events_dropped PB_GUARDED_BY(lock);
    struct pb_worker_note *notes PB_GUARDED_BY(lock);
    size_t note_count PB_GUARDED_BY(lock);
    uint64_t notes_dropped PB_GUARDED_BY(lock);
    bool notes_full PB_GUARDED_BY(lock);
    struct pb_alive_span *spans PB_GUARDED_BY(lock); /* grows; emptied by each tick */
    size_t span_count PB_GUARDED_BY(lock);
    size_t span_size PB_GUARDED_BY(lock);
    int64_t *up_ns PB_GUARDED_BY(lock); /* by slot: pb_now_ns of its worker's start; -1: none */
    bool *up_overflow PB_GUARDED_BY(lock);
    bool *up_gone PB_GUARDED_BY(lock); /* lost or stuck: there, and no longer counted */
    uint32_t slots;
    uint32_t threads;                                          /* of a worker */
    int64_t phase_start_ns[PB_PHASES_MAX] PB_GUARDED_BY(lock); /* -1: not yet */
    int64_t phase_end_ns[PB_PHASES_MAX] PB_GUARDED_BY(lock);
    uint64_t phase_backlog[PB_PHASES_MAX] PB_GUARDED_BY(lock);
    int64_t phase_oldest_ns[PB_PHASES_MAX] PB_GUARDED_BY(lock);
    struct pb_fault_result faults[PB_FAULTS_MAX] PB_GUARDED_BY(lock);
    struct pb_change_result changes[PB_CHANGES_MAX] PB_GUARDED_BY(lock);
    struct pb_loss_fault hits[PB_HITS_MAX] PB_GUARDED_BY(lock); /* workers that faults hit */
    size_t hit_count PB_GUARDED_BY(lock);
};

/* run_watch.c: what goes on while the load runs. */
PB_MUST_USE enum pb_status pb_watch_init(struct pb_run_state *run, uint32_t slots);
void pb_watch_done(struct pb_run_state *run);
void pb_watch_load_event(void *ctx, const struct pb_load_event *event);
void pb_watch_pool_event(void *ctx, const struct pb_pool_event *event);
void pb_watch_tick(void *ctx, int64_t now_ns);
/* After the collector ended: closes open worker lives at `end_ns` (from the run's start), hands
 * over phase times and backlogs, matches faults with recoveries. */
void pb_watch_finish(struct pb_run_state *run, int64_t end_ns, struct pb_evidence *evidence);
void pb_watch_note_event(struct pb_run_state *run, int64_t at_ns, const char *kind,
                         const char *detail, int64_t number);
void pb_watch_stage(struct pb_run_state *run, const char *stage);

/* run_workers.c: what becomes of the workers. */
PB_MUST_USE enum pb_status pb_run_workers_init(struct pb_run_state *run, uint32_t workers,
                                               uint32_t threads);
void pb_run_workers_done(struct pb_run_state *run);
/* The monitor's thread looks at some of them. */
void pb_run_workers_tick(void *ctx, int64_t now_ns);
/* The measured part begins. */
void pb_run_workers_mark(struct pb_run_state *run);
void pb_run_workers_note_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                                int64_t at_ns, int64_t since_ns) PB_REQUIRES(run->lock);
/* Histories, losses and recoveries into the evidence; `end_ns` from the run's start. */
void pb_run_workers_finish(struct pb_run_state *run, int64_t end_ns, struct pb_evidence *evidence);

/* run_abort.c: true when abort rule `rule` holds now over its whole stretch. */
bool pb_abort_holds(struct pb_run_state *run, size_t rule, int64_t now_ns);

#endif
