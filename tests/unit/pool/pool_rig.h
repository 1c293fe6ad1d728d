/*
 * tests/unit/pool/pool_rig.h - a pool on a hand-turned clock whose requests end when the test says
 * so, and which writes down everything that the pool tells.
 *
 * A request's index is its number here, below PB_RIG_MAX.  Waits look at conditions, with a
 * deadline far beyond any need; a test fails when it passes.
 */
#ifndef PB_TESTS_POOL_RIG_H
#define PB_TESTS_POOL_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "base/mutex.h"
#include "support/test.h"

#define PB_RIG_MAX   256
#define PB_RIG_START (1000 * PB_NS_PER_S) /* where the clock stands at first */

/* What is known of one request. */
struct pb_rig_request {
    bool let_go; /* its run may end */
    enum pb_outcome result;
    uint32_t ends; /* how often `done` was called */
    struct pb_completion end;
    uint32_t worker; /* that runs or ran it; PB_NO_WORKER: none */
    uint32_t start_number;
    uint32_t end_number;
    uint64_t ticket;
};

struct pb_rig {
    struct pb_clock clock; /* first: the clock's functions find the rig by it */
    _Atomic int64_t at_ns;
    _Atomic bool hold_clock;   /* threads of such a name that ask for the time wait */
    const char *hold_who;      /* part of the name; at first that of workers */
    _Atomic uint32_t at_clock; /* threads that wait */

    struct pb_pool_config config; /* to be changed before pb_rig_start */
    struct pb_pool *pool;
    bool all_go; /* no request is held */
    bool obey;   /* running requests end when their token asks */
    /* Called by `done` after it took notes, without a lock; may be NULL. */
    void (*on_done)(struct pb_rig *rig, const struct pb_completion *completion);
    void (*on_event)(struct pb_rig *rig, const struct pb_pool_event *event);

    struct pb_mutex lock;
    struct pb_cond changed;
    struct pb_rig_request requests[PB_RIG_MAX];
    uint32_t started, ended, returned, running, overflow_running;
    struct pb_pool_event events[PB_RIG_MAX];
    uint32_t event_count;
};

/* A pool of `size` workers and `queue_limit` places, everything held, not started yet. */
void pb_rig_init(struct pb_rig *rig, uint32_t size, uint32_t queue_limit);
void pb_rig_start(struct pb_rig *rig);
/* Lets everything go and frees the pool; checks that every request ended once. */
void pb_rig_stop(struct pb_rig *rig);

/* Submits request `index`. */
void pb_rig_submit(struct pb_rig *rig, uint64_t index);
void pb_rig_submit_in_session(struct pb_rig *rig, uint64_t index, uint64_t session);
/* Ends the run of request `index` with `result`. */
void pb_rig_let_go(struct pb_rig *rig, uint64_t index, enum pb_outcome result);
void pb_rig_let_all_go(struct pb_rig *rig);
/* Turns the clock and does what is due then. */
void pb_rig_advance(struct pb_rig *rig, int64_t by_ns);

/* Waits until so many requests have been started, ended, or returned late. */
void pb_rig_wait_started(struct pb_rig *rig, uint32_t count);
void pb_rig_wait_ended(struct pb_rig *rig, uint32_t count);
void pb_rig_wait_returned(struct pb_rig *rig, uint32_t count);
/* Waits until so many workers are asleep. */
void pb_rig_wait_parked(struct pb_rig *rig, uint32_t count);
/* Waits, turning nothing but ticking, until there were `count` events of that kind. */
void pb_rig_wait_event(struct pb_rig *rig, enum pb_pool_event_kind kind, uint32_t count);

uint32_t pb_rig_events(struct pb_rig *rig, enum pb_pool_event_kind kind);
/* The n-th (from 0) event of that kind; it must exist. */
struct pb_pool_event pb_rig_event(struct pb_rig *rig, enum pb_pool_event_kind kind, uint32_t n);
enum pb_outcome pb_rig_outcome(struct pb_rig *rig, uint64_t index);
struct pb_pool_stats pb_rig_stats(struct pb_rig *rig);

/* A real instant beyond all patience. */
int64_t pb_rig_deadline(void);

/* Lets others run for as long as they usually need to fall asleep, whatever else the machine does.
 * A test that counts on it passes all the same when they are still awake.  Call it until it says
 * false; `turn` starts as {0}. */
struct pb_rig_turn {
    uint32_t yields;
    int64_t until_ns;
};
bool pb_rig_yield(struct pb_rig_turn *turn);
void pb_rig_let_others_run(void);
/* How many requests have been started, ended, or returned late. */
uint32_t pb_rig_started(struct pb_rig *rig);
uint32_t pb_rig_ended(struct pb_rig *rig);
uint32_t pb_rig_returned(struct pb_rig *rig);

/* A thread in pb_pool_wait_idle. */
struct pb_rig_waiter {
    struct pb_rig *rig;
    pthread_t thread;
    bool empty;
};
/* Returns when it waits. */
void pb_rig_waiter_start(struct pb_rig_waiter *waiter, struct pb_rig *rig);
/* Whether it was told that the pool is empty. */
bool pb_rig_waiter_join(struct pb_rig_waiter *waiter);

#endif
