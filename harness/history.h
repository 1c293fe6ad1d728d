/*
 * harness/history.h - what became of each worker: one row (a *life*) from its start to its end,
 * from the pool's events and from looks at it in between.
 *
 * Instants are pb_now_ns().  Thread-safe: events come from the workers' threads, looks from the
 * monitor's.  Memory is bounded: of the lives that are over the first PB_LIVES_MAX are kept, the
 * summary counts them all.
 */
#ifndef PB_HARNESS_HISTORY_H
#define PB_HARNESS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/pool.h"

#define PB_LIVES_MAX   4096
#define PB_REASONS_MAX 24

/* One worker, from its start to its end. */
struct pb_life {
    uint32_t worker, incarnation;
    int64_t pid; /* of its process; 0: it is threads */
    bool overflow, replacement;
    enum pb_health health; /* the last one told */
    const char *reason;    /* why it ended or was given up; static storage; NULL: it lived on */
    int64_t started_ns;    /* its start was decided */
    int64_t ready_ns;      /* 0: it never was */
    int64_t lost_ns;       /* it was found dead, or was given up, at work; 0: it was not */
    int64_t ended_ns;      /* 0: it was still there at the end */
    uint32_t capacity;     /* requests at a time */
    uint64_t requests;
    int64_t busy_ns; /* all its threads */
    /* From the looks; -1, and a ratio of NaN: not known. */
    uint32_t looks;
    int64_t rss_peak_bytes, pss_peak_bytes;
    int64_t cpu_ns;   /* since it began */
    double cpu_ratio; /* CPU time / time, over the measured stretch */
    int32_t fds_peak, threads_peak;
    double utilization_ratio; /* busy / alive, over the measured stretch */
    /* Private: where the measured stretch of it begins and ends. */
    int64_t cpu_from_at_ns, cpu_from_ns, cpu_last_at_ns;
    int64_t alive_from_ns, busy_from_ns;
    uint64_t requests_from;
};

/* What one look at a worker saw; -1: not known. */
struct pb_look {
    uint32_t worker, incarnation;
    int64_t at_ns;
    int64_t cpu_ns; /* CPU time since it began */
    int64_t rss_bytes, rss_peak_bytes, pss_bytes;
    int32_t fds, threads;
};

struct pb_reason_count {
    const char *reason;
    uint64_t count;
};

/* The worst of all lives, and who it was; values -1 or NaN: not known. */
struct pb_workers_summary {
    uint64_t lives, dropped; /* all, and of them not kept */
    int64_t rss_peak_bytes, pss_peak_bytes;
    uint32_t memory_worker, memory_incarnation; /* of rss_peak_bytes */
    int64_t memory_pid;
    double cpu_ratio; /* the highest */
    uint32_t cpu_worker, cpu_incarnation;
    int64_t cpu_pid;
    int32_t fds_peak;
    struct pb_reason_count ended[PB_REASONS_MAX]; /* why workers ended, the run's end aside */
    size_t ended_count;
    uint64_t replaced; /* workers that took another one's place */
    /* Jain, Chiu and Hawe 1984: (sum x)^2 / (n sum x^2), 1/n .. 1, of requests and of busy time
     * over alive time, of the worker numbers that were alive for at least half as long as the
     * longest; NaN: fewer than two, or nothing to share. */
    double jain_requests, jain_busy;
    uint32_t jain_workers;
    uint64_t looks;
    int64_t look_every_ns; /* mean time between two looks at one worker; -1: not known */
};
/* Nothing known. */
void pb_workers_summary_init(struct pb_workers_summary *ret_summary);
/* How often workers ended for `reason`. */
uint64_t pb_workers_ended(const struct pb_workers_summary *summary, const char *reason);

struct pb_history;

/* For worker numbers below `workers`; NULL: no memory. */
struct pb_history *pb_history_new(uint32_t workers);
void pb_history_free(struct pb_history *history);
void pb_history_event(struct pb_history *history, const struct pb_pool_event *event);
/* What pb_pool_workers says now. */
void pb_history_stats(struct pb_history *history, int64_t now_ns,
                      const struct pb_worker_stats *rows, size_t count);
void pb_history_look(struct pb_history *history, const struct pb_look *look);
/* The measured stretch begins now: ratios and shares count from here. */
void pb_history_mark(struct pb_history *history, int64_t now_ns);
/* The run is over: later events are of no interest.  `ret_lives` in order of their start, owned by
 * the history. */
void pb_history_close(struct pb_history *history, int64_t end_ns, const struct pb_life **ret_lives,
                      size_t *ret_count, struct pb_workers_summary *ret_summary);

#endif
