/*
 * harness/aggregate.h - records and samples into histograms, counts and time windows.
 *
 * The same code serves the collector of a running load, `show --recompute`, and the tests: every
 * printed number is a function of the records, the samples and the worker events.  Single-threaded:
 * the owner serialises (the collector owns it during a run).
 *
 * Windows tile the run from its start: `window_ns` each, at most PB_WINDOWS_MAX of them; when
 * drains take a run past the last one, neighbours are merged and window_ns doubles.  Latency
 * windows go by intended time; rates, queue and busy windows by the time of the event.
 *
 * A worker's busy time is the union of its rows: a PB_RECORD_RETURN row adds what its worker was
 * occupied beyond what the row of the timeout has counted, whichever of the two comes first.
 */
#ifndef PB_HARNESS_AGGREGATE_H
#define PB_HARNESS_AGGREGATE_H

#include <stdint.h>

#include "base/hist.h"
#include "harness/record.h"
#include "harness/scenario.h"

#define PB_WINDOWS_MAX 600

/* A histogram small enough to have one for each window: 32 buckets an octave (error < 1.6 %),
 * 1 us .. 1 h. */
#define PB_SMALL_HIST_BUCKETS 1024
struct pb_small_hist { /* all zero: empty */
    uint32_t counts[PB_SMALL_HIST_BUCKETS];
    uint32_t total;
};
void pb_small_hist_record(struct pb_small_hist *hist, int64_t ns);
int64_t pb_small_hist_quantile(const struct pb_small_hist *hist, double q); /* 0 when empty */
void pb_small_hist_merge(struct pb_small_hist *into, const struct pb_small_hist *from);

struct pb_window {
    /* By intended time. */
    uint32_t intended;             /* requests meant to start here */
    uint32_t not_ok;               /* of them, did not end ok, client errors aside */
    struct pb_small_hist *latency; /* of ok requests; NULL until the first */
    /* By time of the event. */
    uint32_t sent;    /* requests: first attempts */
    uint32_t retries; /* further attempts sent */
    uint32_t done[PB_OUTCOME_COUNT];
    int64_t busy_ns;  /* worker time spent on requests */
    int64_t wait_ns;  /* request time spent in the queue: mean queue length = wait_ns / window_ns */
    int64_t alive_ns; /* worker time alive, core and overflow; of each of a worker's threads */
    int64_t overflow_alive_ns;
    uint32_t peak_queue; /* highest sampled */
    uint32_t peak_alive;
};

/* Requests late for one latency limit: what a latency objective is judged by. */
struct pb_late_counter {
    int64_t limit_ns;
    uint64_t *bad; /* by phase: did not end ok within the limit (client errors aside); owned */
    uint32_t *window_bad; /* by window: the same over recorded phases; owned */
};

struct pb_phase_aggregate {
    uint64_t sent;
    uint64_t outcomes[PB_OUTCOME_COUNT];
    uint64_t attempts;                           /* rows, more than sent with retries */
    uint64_t attempt_outcomes[PB_OUTCOME_COUNT]; /* of all attempts */
    uint64_t retried;                            /* requests of more than one attempt */
    uint64_t abandoned; /* requests that ended without the attempt that was to follow */
    uint64_t
        done_in_phase; /* outcomes whose done time falls in the phase, of any phase's requests */
    uint64_t ok_in_phase;
    /* Of ok requests: queue wait and service of their last attempt, send lag of those that were ok
     * at the first. */
    struct pb_hist latency, queue_wait, service, send_lag;
    struct pb_hist lag_all; /* send lag of every request's first attempt: the harness's own fault */
    int64_t busy_ns;        /* worker time within the phase's stretch */
    int64_t alive_ns;       /* worker time alive within the phase's stretch */
    int64_t wait_ns;        /* queue time within the phase's stretch */
    uint32_t peak_alive, peak_queue; /* sampled */
    uint64_t backlog;                /* in the system at the phase's end */
    int64_t backlog_oldest_ns;       /* age of the oldest of them */
    int64_t cpu_sum_ns;              /* thread CPU time of the measured requests */
    uint64_t cpu_count;
    /* Real start and end of the phase, ns from the run's start (drains move later phases). */
    int64_t start_ns, end_ns;
};

struct pb_aggregate {
    const struct pb_scenario *scenario; /* borrowed */
    int64_t window_ns;
    uint32_t window_count; /* in use so far */
    struct pb_window windows[PB_WINDOWS_MAX];
    struct pb_phase_aggregate phases[PB_PHASES_MAX];
    struct pb_late_counter late[PB_OBJECTIVES_MAX + PB_ABORTS_MAX];
    size_t late_count;
    uint64_t foreign_rows; /* rows of a phase that the scenario does not have: not counted */
    /* Private. */
    struct pb_small_hist *window_hists; /* one for each window */
    int64_t *worker_until_ns;           /* by worker: its busy time is counted up to here */
};

/* Chooses the window: 1 s for 20 s and more (longer above 600 s), else duration / 20 but at least
 * 50 ms. One late counter for each different limit of a latency quantile among the objectives
 * and abort rules. */
PB_MUST_USE enum pb_status pb_aggregate_new(const struct pb_scenario *scenario,
                                            struct pb_aggregate **ret_aggregate);
void pb_aggregate_free(struct pb_aggregate *aggregate);

/* Says when phase `phase` really started and ended; until then the planned times stand, moved back
 * as far as the phases before reach. */
void pb_aggregate_phase_times(struct pb_aggregate *aggregate, uint32_t phase, int64_t start_ns,
                              int64_t end_ns);
/* Adds one row. */
void pb_aggregate_add(struct pb_aggregate *aggregate, const struct pb_record *record);
/* A worker's thread was alive from..to (ns from the run's start). */
void pb_aggregate_alive(struct pb_aggregate *aggregate, int64_t from_ns, int64_t to_ns,
                        bool overflow);
/* A sample of gauges at an instant. */
void pb_aggregate_sample(struct pb_aggregate *aggregate, int64_t at_ns, uint32_t queued,
                         uint32_t alive);
/* The counter of a limit, NULL when no objective or abort rule has it. */
const struct pb_late_counter *pb_aggregate_late(const struct pb_aggregate *aggregate,
                                                int64_t limit_ns);
/* Sums of the recorded phases into `ret_total` (histograms initialised by this call; release with
 * pb_phase_aggregate_done).  start_ns is the first one's, end_ns - start_ns the time recorded in
 * all; the backlog is the last one's. */
PB_MUST_USE enum pb_status pb_aggregate_total(const struct pb_aggregate *aggregate,
                                              struct pb_phase_aggregate *ret_total);
void pb_phase_aggregate_done(struct pb_phase_aggregate *phase);

#endif
