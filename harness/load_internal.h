/*
 * harness/load_internal.h - the inside of harness/load.h, shared by load*.c alone.
 *
 * load.c: life cycle.  load_glue.c: between pool, workload and recorder.  load_run.c: the generator
 * threads, the sequence of phases, open arrivals.  load_closed.c: the closed loop.
 * load_retry.c: what is tried again.  load_faults.c: faults at their times.  load_mishaps.c: those
 * that stay with a worker.  load_changes.c: changes at their times.
 *
 * Lanes: worker slots, then the pool's timer, then one for each generator, then one for retries.
 * Everything counted has one writer and is read by anyone.
 */
#ifndef PB_HARNESS_LOAD_INTERNAL_H
#define PB_HARNESS_LOAD_INTERNAL_H

#include <pthread.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/mutex.h"
#include "harness/backend.h"
#include "harness/inbox.h"
#include "harness/load.h"

/* A thread that waits longer looks so often whether it was asked to stop. */
#define PB_LOAD_STOP_POLL_NS (50 * PB_NS_PER_MS)

struct pb_generator;
struct pb_retry;
struct pb_retry_chunk;
struct pb_load_workers;

/* A closed-loop user.  Belongs to its generator, except from submit until it is handed back:
 * then to whoever decides its request. */
struct pb_user {
    struct pb_inbox_item item; /* in the generator's inbox of users handed back; first */
    struct pb_generator *generator;
    uint64_t index; /* of its request */
    int64_t at_ns;  /* waiting: when it sends next; handed back: when its request was done */
    uint32_t phase;
};

struct pb_generator {
    /* Constant once its thread runs. */
    struct pb_load *load;
    struct pb_sender sender;
    pthread_t thread;
    uint32_t number;
    uint32_t lane;
    struct pb_user **heap; /* of users waiting, the earliest first; closed phases only */
    /* Used by the generator's thread alone. */
    size_t heap_count;
    /* Written by the generator's thread; read by anyone. */
    _Atomic uint64_t behind;
    _Atomic uint64_t sent[PB_PHASES_MAX];
    struct pb_inbox returned; /* the way back: users, put by any deciding thread */
};

/* What a worker slot is doing.  Written by the slot's thread; the timer clears it by
 * compare-and-swap. */
struct pb_slot_state {
    _Alignas(PB_CACHELINE) _Atomic int64_t intended_ns; /* of the request it runs; 0: none */
    _Atomic int32_t tid; /* of the thread that ran one last; 0: none did */
    pthread_t thread;    /* the same for the slot's own use, who saves a system call by it */
};

/* One lane's outcomes in one phase: a cache line of its own. */
struct pb_lane_counts {
    _Alignas(PB_CACHELINE) _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
};

/* One lane's store of struct pb_retry. */
struct pb_retry_lane {
    /* Used by the lane's writer alone. */
    _Alignas(PB_CACHELINE) struct pb_retry *free;
    struct pb_retry_chunk *chunks;
    /* Used ones, put back by the retry thread. */
    struct pb_inbox used;
};

/* Requests between two attempts, and the thread that sends the next one in time. */
struct pb_retrier {
    /* Constant once its thread runs. */
    struct pb_load *load;
    struct pb_sender sender;
    pthread_t thread;
    bool started; /* the owner's */
    uint32_t lane;
    struct pb_retry_lane *lanes;
    /* Used by the retry thread alone; after it has ended, by the owner. */
    struct pb_retry *heap; /* the earliest first */
    struct pb_hist lag;
    /* Written by the retry thread, after it by the owner; read by anyone. */
    _Atomic uint64_t sent[PB_PHASES_MAX];
    _Atomic uint64_t settled; /* of those accepted: sent again or abandoned */
    /* Written by any deciding thread. */
    struct pb_inbox inbox;
    _Alignas(PB_CACHELINE) _Atomic uint64_t accepted; /* requests taken in */
    _Atomic uint64_t given_up;                        /* not taken in for want of memory */
    _Atomic uint32_t chunks;
    /* Written by the owner and by who waits for an empty load. */
    _Alignas(PB_CACHELINE) _Atomic bool closing; /* nothing is tried again any more */
    _Atomic uint32_t watchers;                   /* threads that wait for `settled` to move */
};

/* How far a fault is. */
struct pb_fault_state {
    _Atomic int64_t end_ns;   /* instant; 0: not begun; INT64_MAX: when its workers are replaced */
    _Atomic uint32_t victims; /* workers that still have it */
    _Atomic bool ended;
};

struct pb_mishaps;

struct pb_load {
    /* Constant after _new. */
    struct pb_load_config config;
    const struct pb_workload_kind *kind;
    void *workload;
    struct pb_backend backend;
    struct pb_load_workers *workers; /* of profile process; NULL: threads */
    uint32_t slots;
    uint32_t threads; /* of a worker */
    uint32_t lanes;
    uint32_t phases;
    int64_t drain_limit_ns;
    struct pb_lane_counts *counts; /* [lane][phase] */
    struct pb_slot_state *slot_states;
    struct pb_generator *generators;
    struct pb_user *users[PB_PHASES_MAX]; /* of the closed phases */
    struct pb_retrier *retrier;           /* NULL: nothing is tried again */
    struct pb_mishaps *mishaps;           /* NULL: no fault stays with a worker */
    struct pb_fault_state fault_states[PB_FAULTS_MAX];

    _Atomic int64_t start_ns;   /* 0: not begun */
    _Atomic int64_t give_up_ns; /* even work that ignores its token ends by then */
    _Atomic bool failed;        /* the pool refused a request: nothing more is sent */
    _Atomic bool stopped;       /* some generator saw the stop flag */

    struct pb_mutex timer_lane; /* makes the timer's lane single-writer */
    struct pb_mutex lock;
    struct pb_cond changed;
    bool go PB_GUARDED_BY(lock);               /* generators may begin; start_ns is set */
    bool over PB_GUARDED_BY(lock);             /* no more faults */
    bool closed PB_GUARDED_BY(lock);           /* the recorder takes nothing more */
    int64_t away PB_GUARDED_BY(lock);          /* workers on requests that others decided */
    uint32_t phases_known PB_GUARDED_BY(lock); /* phases whose start is fixed */
    uint32_t waiting PB_GUARDED_BY(lock);      /* generators at the end of a phase that drains */
    int64_t phase_start_ns[PB_PHASES_MAX] PB_GUARDED_BY(lock); /* instants */
};

static inline const struct pb_phase *pb_load_phase(const struct pb_load *load, uint32_t phase)
{
    return &load->config.scenario->phases[phase];
}

static inline struct pb_lane_counts *pb_load_counts(const struct pb_load *load, uint32_t lane,
                                                    uint32_t phase)
{
    return &load->counts[(size_t)lane * load->phases + phase];
}

/* A single writer's counter: no locked instruction.  release: who reads a request's outcome also
 * sees that it was sent (pairs with the acquire in pb_load_snapshot). */
static inline void pb_count_up(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* True when sending has to end: the stop flag or a failure.  Stale by a moment at worst. */
bool pb_load_stopping(struct pb_load *load);

/* Hands one request over at `sent_ns`.  False: the pool takes none. */
bool pb_generator_send(struct pb_generator *generator, uint32_t phase, uint64_t index,
                       int64_t intended_ns, int64_t sent_ns, struct pb_user *user);

/* Runs a closed phase in [start_ns, end_ns); false: stopped. */
bool pb_generator_run_closed(struct pb_generator *generator, uint32_t phase, int64_t start_ns,
                             int64_t end_ns);
/* Gives a user back to its generator, from any thread. */
void pb_user_return(struct pb_user *user, int64_t done_ns);
/* Users and heaps of all closed phases. */
PB_MUST_USE enum pb_status pb_users_new(struct pb_load *load);
void pb_users_free(struct pb_load *load);

/* What the pool calls. */
void pb_load_set_callbacks(struct pb_load *load, struct pb_pool_config *config);
/* Counts a request's end in a lane and hands its user back, if it has one. */
void pb_load_end_request(struct pb_load *load, uint32_t lane, uint32_t phase,
                         enum pb_outcome outcome, struct pb_user *user, int64_t done_ns);
/* As pthread_create, with a name; in words when it fails. */
PB_MUST_USE enum pb_status pb_load_start_thread(pthread_t *thread, void *(*body)(void *), void *ctx,
                                                const char *name, struct pb_error *err);

/* Where the scenario retries: makes load->retrier, before the pool, and its handle, after it. */
PB_MUST_USE enum pb_status pb_retrier_new(struct pb_load *load);
PB_MUST_USE enum pb_status pb_retrier_attach(struct pb_load *load);
PB_MUST_USE enum pb_status pb_retrier_start(struct pb_load *load, struct pb_error *err);
/* Sends nothing from here on, and takes nothing in. */
void pb_retrier_close(struct pb_load *load);
/* The pool has told of all that it had: what waits for another attempt ends as its last one did. */
void pb_retrier_abandon(struct pb_load *load);
void pb_retrier_free(struct pb_load *load);
/* Waits until no request is in the pool or between two attempts; false: not by `deadline_ns`. */
bool pb_load_wait_empty(struct pb_load *load, int64_t deadline_ns);

/* Whether an attempt that ended so is followed by another.  Any lane's thread. */
bool pb_retry_wanted(struct pb_load *load, const struct pb_request *request,
                     enum pb_outcome outcome);
/* Room to remember a request in, on the thread of lane `number`; NULL: none is left, so that it
 * ends here. */
struct pb_retry *pb_retry_take(struct pb_load *load, uint32_t number);
/* Hands the request over, with the row of the attempt that ended. */
void pb_retry_put(struct pb_load *load, struct pb_retry *retry, const struct pb_record *row,
                  const struct pb_request *request);

/* Waits for an instant of the plan, which keeps its place within its phase whatever draining came
 * before; false: the load is over before. */
bool pb_load_wait_until(struct pb_load *load, int64_t at_ns, int64_t *ret_due_ns);
/* The pool that a load makes. */
void pb_load_pool_config(const struct pb_load_config *config, struct pb_pool_config *ret_config);
/* Thread of a pb_load: changes the pool at the times of the scenario. */
void *pb_changes_main(void *ctx);
/* Thread of a pb_load: begins and ends the faults at their times until the load is over. */
void *pb_faults_main(void *ctx);
/* Tells that a fault is over, once. */
void pb_fault_tell_end(struct pb_load *load, uint32_t number, int64_t instant_ns);

/* Where the scenario has faults that stay with a worker: makes load->mishaps, before the pool, for
 * so many workers. */
PB_MUST_USE enum pb_status pb_mishaps_new(struct pb_load *load, uint32_t workers);
void pb_mishaps_free(struct pb_load *load);
/* On a worker's thread, its work done: what the faults of this worker make of the request. */
enum pb_outcome pb_mishaps_apply(struct pb_load *load, struct pb_work *work,
                                 enum pb_outcome outcome);
/* Memory that the worker process is to keep for good after this request; 0: none. */
int64_t pb_mishaps_leak_bytes(struct pb_load *load, const struct pb_work *work);
/* What the pool tells of a worker ends the faults of those that went. */
void pb_mishaps_pool_event(struct pb_load *load, const struct pb_pool_event *event);
/* The faults' thread alone.  The workers that are alive, by number: how many; `ret_rows` stays the
 * callee's. */
uint32_t pb_mishaps_alive(struct pb_load *load, const struct pb_worker_stats **ret_rows);
/* Gives fault `number` to a worker.  False: it is gone. */
bool pb_mishaps_hit(struct pb_load *load, uint32_t number, const struct pb_worker_stats *worker);
/* Its time is over: stopped workers go on. */
void pb_mishaps_release(struct pb_load *load, uint32_t number);

#endif
