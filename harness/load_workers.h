/*
 * harness/load_workers.h - the workers of `pool.profile: process`: child processes behind the
 * pool's hooks, and the way of a request to one and back.
 *
 * A child is the user's program (workload.command) or poolbench itself, which then does the work of
 * the other workloads; docs/workers.md has what is said to it.  load.c alone includes this.
 */
#ifndef PB_HARNESS_LOAD_WORKERS_H
#define PB_HARNESS_LOAD_WORKERS_H

#include <stdbool.h>

#include "harness/load.h"
#include "harness/load_internal.h"

/* The environment variable that names the program of poolbench's own workers. */
#define PB_WORKER_PROGRAM_VARIABLE "POOLBENCH_WORKER_PROGRAM"

struct pb_load_workers;

/* Before the pool; the scenario is borrowed. */
PB_MUST_USE enum pb_status pb_load_workers_new(const struct pb_scenario *scenario,
                                               struct pb_load_workers **ret_workers,
                                               struct pb_error *err);
/* For a pool whose ctx is a struct pb_load with `workers` set. */
const struct pb_worker_hooks *pb_load_workers_hooks(const struct pb_load_workers *workers);
/* The pool stands, all of its workers warmed: deaths are told to it from now on, those of
 * meanwhile at once. */
void pb_load_workers_opened(struct pb_load_workers *workers, struct pb_backend *backend);
/* On a worker's thread: has its child do the request. */
enum pb_outcome pb_load_workers_run(struct pb_load *load, const struct pb_demand *demand,
                                    struct pb_work *work, bool measure_cpu);
/* How long the pool's end may take beside what it takes with threads. */
int64_t pb_load_workers_patience_ns(const struct pb_load_workers *workers);
void pb_load_workers_prepared(struct pb_load_workers *workers,
                              struct pb_load_prepare_stats *ret_stats);
/* What children wrote to standard error last; owned by the caller; NULL: nothing. */
char *pb_load_workers_log(struct pb_load_workers *workers);
/* After the pool.  NULL is fine. */
void pb_load_workers_free(struct pb_load_workers *workers);

#endif
