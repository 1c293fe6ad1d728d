/*
 * tests/unit/pool/hook_rig.h - a pool_rig whose workers have hooks that do what the test says, and
 * write down what they were asked.
 */
#ifndef PB_TESTS_HOOK_RIG_H
#define PB_TESTS_HOOK_RIG_H

#include "unit/pool/pool_rig.h"

struct pb_hook_rig {
    struct pb_rig rig; /* first: the hooks find the rest by it */
    struct pb_worker_hooks hooks;
    /* What the hooks do; under rig.lock, or before the start. */
    uint32_t fail_starts;   /* so many starts fail */
    uint32_t hold_starts;   /* so many wait until their token asks, or `let_go` */
    uint32_t hold_prepares; /* likewise */
    bool deaf;              /* held ones do not listen to their token */
    bool hold_stops;
    bool fail_prepares;
    bool let_go;
    /* What they saw; under rig.lock. */
    uint32_t starts, made, stops, kills, prepares, prepared;
    uint32_t starting, preparing, most_preparing, stopping;
    uint32_t held_and_asked;      /* that ended because their token asked */
    uint32_t prepared_by[64];     /* how often, by worker */
    uint32_t prepared_before[64]; /* prepares that had ended when this worker's began */
    struct pb_worker_id last_stopped;
    const char *stop_reason;
    uint32_t wrong; /* a state that is not that worker's, two hooks of one worker at once */
};

/* As pb_rig_init; all hooks but `check` and `memory_bytes` are set.  The state of worker w is
 * `&hook_rig->prepared_by[w]`; its pid 1000 + 100 * incarnation + w. */
void pb_hook_rig_init(struct pb_hook_rig *hook_rig, uint32_t size, uint32_t queue_limit);
void pb_hook_rig_start(struct pb_hook_rig *hook_rig);
/* Lets everything go, frees the pool, and checks that each worker made was unmade. */
void pb_hook_rig_stop(struct pb_hook_rig *hook_rig);
uint32_t pb_hook_rig_count(struct pb_hook_rig *hook_rig, const uint32_t *counter);
/* Waits, ticking. */
void pb_hook_rig_wait(struct pb_hook_rig *hook_rig, const uint32_t *counter, uint32_t count);

#endif
