/*
 * poolbench/workload.h - what one request does: the interface that every kind of workload fills in.
 *
 * A workload is made once per run (`open`), run by many workers at once (`run`), and released
 * (`close`).  What a request has to do (its demand) is drawn by the harness from the seed, never
 * by the workload, so that two pool settings see the same work.
 */
#ifndef POOLBENCH_WORKLOAD_H
#define POOLBENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/error.h"
#include "poolbench/pool.h"

PB_C_BEGIN

/* What befalls a request, drawn from the seed. */
enum pb_fate {
    PB_FATE_OK,
    PB_FATE_ERROR,
    PB_FATE_CLIENT_ERROR,
    PB_FATE_HANG,
    PB_FATE_COUNT
};

/* The work of one request. */
struct pb_demand {
    int64_t service_ns;   /* CPU part plus waiting part */
    int64_t cpu_ns;       /* of it, thread CPU time to burn first */
    int64_t memory_bytes; /* memory to touch */
    int64_t leak_bytes;   /* memory that a worker process keeps afterwards, for good: a fault */
    uint32_t operation;   /* number in the scenario's mix */
    enum pb_fate fate;
    bool ignore_cancel; /* the wait does not end when the token asks */
};

/* Adding a kind: a file workload/KIND.c with one of these, and its row in workload/workload.c. */
struct pb_workload_kind {
    const char *name;    /* as in `workload.type` */
    const char *summary; /* one line, lower case, no full stop */
    /* The three functions are NULL where the work is done by worker processes of the user's
     * (docs/workers.md) and nowhere else. */
    /* Makes the state shared by all workers, for `slots` of them.  `*ret_state` may stay NULL. */
    enum pb_status (*open)(uint32_t slots, void **ret_state, struct pb_error *err);
    /* Does the work on a worker's thread.  `measure_cpu`: fill work->cpu_ns with the thread CPU
     * time used.  `give_up_ns`: even work that ignores its token ends by then (the final drain's
     * end). Returns PB_OUTCOME_OK, _CLIENT_ERROR or _ERROR. */
    enum pb_outcome (*run)(void *state, const struct pb_demand *demand, struct pb_work *work,
                           bool measure_cpu, const PB_ATOMIC(int64_t) * give_up_ns);
    /* Releases the state; all workers are gone.  NULL is fine. */
    void (*close)(void *state);
};

PB_C_END

#endif
