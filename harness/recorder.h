/*
 * harness/recorder.h - records off the hot path: each deciding thread fills chunks of its own, a
 * collector thread sweeps them into the aggregate and the log.
 *
 * A lane is one writing thread's side: single writer, no lock, no allocation, no system call.
 * Chunks (4 KiB, 64 records) come from one fixed pool (16 MiB); when none is free the writer waits,
 * outside [started, done], and the wait is counted: records are never dropped.
 */
#ifndef PB_HARNESS_RECORDER_H
#define PB_HARNESS_RECORDER_H

#include <stdint.h>

#include "poolbench/error.h"

#include "harness/aggregate.h"
#include "harness/reqlog.h"

struct pb_recorder;

struct pb_recorder_config {
    uint32_t lanes; /* writing threads, numbered from 0 */
    struct pb_aggregate
        *aggregate; /* owned by the collector thread between _start and _stop; may be NULL */
    struct pb_reqlog_writer *log; /* may be NULL: nothing is written; borrowed */
    int64_t sweep_ns;             /* 0: 2 ms */
    /* Called by the collector thread after each sweep, at most every 2 ms: gauges, live view, abort
     * rules.  May read `aggregate`.  May be NULL. */
    void (*tick)(void *ctx, int64_t now_ns);
    void *ctx;
    uint32_t chunks; /* 0: 4096 (16 MiB); tests take fewer */
};

/* Exact at any time for the threads that stopped writing. */
struct pb_recorder_stats {
    uint64_t records;
    uint64_t collected;
    uint64_t stalls;           /* how often a lane waited for a chunk */
    int64_t stall_ns;          /* in sum */
    enum pb_status log_status; /* of the log: PB_OK, or why writing stopped */
    struct pb_error log_error;
};

PB_MUST_USE enum pb_status pb_recorder_new(const struct pb_recorder_config *config,
                                           struct pb_recorder **ret_recorder);
PB_MUST_USE enum pb_status pb_recorder_start(struct pb_recorder *recorder, struct pb_error *err);
/* Adds one record in `lane`; only one thread at a time may use a lane.  hot */
void pb_recorder_put(struct pb_recorder *recorder, uint32_t lane, const struct pb_record *record);
/* Collects all that was put (the writers have stopped) and ends the collector.  Idempotent. */
void pb_recorder_stop(struct pb_recorder *recorder);
void pb_recorder_snapshot(struct pb_recorder *recorder, struct pb_recorder_stats *ret_stats);
/* Stops first.  NULL is fine. */
void pb_recorder_free(struct pb_recorder *recorder);

#endif
