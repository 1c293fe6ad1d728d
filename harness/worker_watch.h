/*
 * harness/worker_watch.h - looks at the workers of a running pool, one after the other, and writes
 * what it sees into their history.
 *
 * A look at a process costs 20 to 500 us, so it is rationed: never more than 1 % of one CPU, by the
 * looking thread's own CPU clock.  A small pool is then looked at four times a second, 200 large
 * processes each once in some seconds.  The kernel's own high-water mark (VmHWM) makes memory peaks
 * exact all the same, up to a worker's last look.
 */
#ifndef PB_HARNESS_WORKER_WATCH_H
#define PB_HARNESS_WORKER_WATCH_H

#include <stdint.h>

#include "poolbench/pool.h"

#include "harness/history.h"

struct pb_worker_watch;

struct pb_worker_watch_config {
    struct pb_history *history; /* borrowed */
    uint32_t workers;           /* numbers that there may be */
    uint32_t threads;           /* a worker */
    /* As pb_pool_workers. */
    uint32_t (*list)(void *ctx, struct pb_worker_stats *ret_rows, uint32_t max);
    /* CPU time of a slot's thread, for workers without a process; -1: not known.  May be NULL. */
    int64_t (*slot_cpu_ns)(void *ctx, uint32_t slot);
    /* As pb_probe_process; tests put another in its place.  NULL: that one. */
    bool (*probe)(int64_t pid, bool whole, struct pb_look *ret_look);
    /* CPU time of the calling thread; NULL: the real one. */
    int64_t (*own_cpu_ns)(void);
    void *ctx;
};

/* NULL: no memory. */
struct pb_worker_watch *pb_worker_watch_new(const struct pb_worker_watch_config *config);
void pb_worker_watch_free(struct pb_worker_watch *watch);
/* Goes on where the last call ended; one thread at a time. */
void pb_worker_watch_tick(struct pb_worker_watch *watch, int64_t now_ns);

#endif
