/*
 * harness/foreign_internal.h - the inside of harness/foreign.h.  foreign.c: life cycle, drain,
 * figures.  foreign_task.c: tasks and submitting.  foreign_run.c: what the driver calls, and who
 * decides a task's outcome.
 *
 * A task's state decides its outcome: QUEUED -> RUNNING -> FREE by the thread that runs it, or
 * QUEUED or RUNNING -> CLAIMED -> RELEASED by whoever decides before that (a drain, a timeout of
 * the driver's).  Whoever moves it away from QUEUED or RUNNING reports it; who claims a task reads
 * it until RELEASED, and only then may its thread go on.  The state holds the task's turn, too, so
 * that nobody decides a later request than the one meant.
 *
 * Tasks are a sender's own: it takes them from its free list, and threads that are done with one
 * push it on the sender's stack `returned`, which it takes whole (Treiber 1986, without ABA).
 */
#ifndef PB_HARNESS_FOREIGN_INTERNAL_H
#define PB_HARNESS_FOREIGN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/mutex.h"
#include "harness/foreign.h"

/* Each slab of tasks doubles what a sender has: 256, 512, ...: 2^20 - 256 tasks at most. */
#define PB_FOREIGN_FIRST_SLAB 256U
#define PB_FOREIGN_SLABS      12

/* A task's state is (turn << PB_TASK_BITS) | one of these. */
#define PB_TASK_BITS 3
#define PB_TASK_MASK 7U
enum pb_task_phase {
    PB_TASK_FREE,
    PB_TASK_QUEUED,
    PB_TASK_RUNNING,
    PB_TASK_CLAIMED,
    PB_TASK_RELEASED
};

struct pb_foreign_task {
    struct pb_driver_task driven; /* first: the driver's handle of it */
    struct pb_foreign_sender *home;
    struct pb_foreign_task *next;
    _Atomic uint32_t state;
    uint32_t seat;      /* RUNNING: where */
    int64_t started_ns; /* RUNNING */
    struct pb_request request;
};

struct pb_foreign_sender {
    /* Constant after attach. */
    struct pb_foreign *foreign;
    void *user;
    struct pb_foreign_sender *next;
    /* Used by the sender alone. */
    struct pb_foreign_task *free;
    /* Written by the sender; read by a drain.  Entries below slab_count stay. */
    struct pb_foreign_task *slabs[PB_FOREIGN_SLABS];
    _Atomic uint32_t slab_count;
    _Atomic uint64_t accepted;
    _Atomic uint64_t rejected;
    /* Written by the threads that are done with a task. */
    _Alignas(PB_CACHELINE) _Atomic(struct pb_foreign_task *) returned;
};

enum pb_seat_use {
    PB_SEAT_IDLE,
    PB_SEAT_BUSY,
    PB_SEAT_AWAY /* on a task that another thread decided */
};

/* A slot: where one task runs at a time.  Written by the thread that occupies it. */
struct pb_foreign_seat {
    _Alignas(PB_CACHELINE) _Atomic uint32_t use; /* enum pb_seat_use */
    _Atomic int64_t started_ns;
    _Atomic int64_t busy_ns;
    _Atomic uint64_t finished; /* tasks given back */
    _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
    _Atomic bool owned; /* some thread keeps coming back to it */
    struct pb_token *token;
};

struct pb_foreign {
    /* Constant after _open. */
    const struct pb_pool_driver *driver;
    struct pb_pool_config config;
    void *pool; /* the driver's */
    uint32_t slots;
    struct pb_foreign_seat *seats;
    pthread_key_t key; /* a thread's own seat */
    bool has_key;
    int64_t opened_ns;

    _Atomic bool closed; /* takes nothing more */
    _Atomic(const char *) fault;
    _Atomic int64_t stall_until_ns;
    _Atomic bool drained; /* what is not back now, is late */
    _Atomic uint32_t waiters;
    /* Of those who decide or give back without a seat: any thread. */
    _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
    _Atomic uint64_t finished;

    struct pb_mutex lock;
    struct pb_cond changed; /* something was decided or given back, and somebody waits for it */
    struct pb_foreign_sender *senders PB_GUARDED_BY(lock);
    uint32_t size PB_GUARDED_BY(lock);
    uint32_t overflow PB_GUARDED_BY(lock); /* overflow threads, by what the driver told */
    uint32_t peak PB_GUARDED_BY(lock);
    uint64_t overflow_started PB_GUARDED_BY(lock);
    uint64_t started PB_GUARDED_BY(lock);
    int64_t alive_ns PB_GUARDED_BY(lock); /* of all threads until counted_ns */
    int64_t counted_ns PB_GUARDED_BY(lock);
    struct pb_mutex resize_lock; /* the driver is asked by one thread at a time */
};

static inline bool pb_foreign_can(const struct pb_foreign *foreign, uint32_t ability)
{
    return (foreign->driver->abilities & ability) != 0;
}

/* `state` in another phase of the same turn. */
static inline uint32_t pb_task_in_phase(uint32_t state, enum pb_task_phase phase)
{
    return (state & ~PB_TASK_MASK) | phase;
}

static inline uint32_t pb_task_phase_of(uint32_t state)
{
    return state & PB_TASK_MASK;
}

static inline bool pb_task_move(struct pb_foreign_task *task, uint32_t from, enum pb_task_phase to)
{
    return atomic_compare_exchange_strong(&task->state, &from, pb_task_in_phase(from, to));
}

/* The state of a task that was submitted and has not begun. */
static inline uint32_t pb_task_queued(const struct pb_foreign_task *task)
{
    return pb_task_in_phase(task->driven.turn << PB_TASK_BITS, PB_TASK_QUEUED);
}

/* What tasks carry: see struct pb_driver_task. */
void pb_foreign_run(struct pb_driver_task *driven, uint32_t slot);
void pb_foreign_expire(struct pb_driver_task *driven);
void pb_foreign_overrun(struct pb_driver_task *driven, uint32_t turn);
/* The last that a thread of the pool does with a task: it may be sent again at once. */
void pb_foreign_give_back(struct pb_foreign_task *task);
/* Who was claimed waits until nobody reads the task any more.  False: nobody claimed it, it is not
 * in the pool at all. */
bool pb_foreign_await_release(struct pb_foreign_task *task);

/* Notes the driver's mistake, if it is the first; nothing more is sent. */
void pb_foreign_blame(struct pb_foreign *foreign, const char *fault);
/* Decides every task that is queued or running now. */
void pb_foreign_cancel_all(struct pb_foreign *foreign);
/* Somebody may wait for what was just counted. */
void pb_foreign_tell(struct pb_foreign *foreign);
/* Frees a sender's tasks and the sender. */
void pb_foreign_sender_free(struct pb_foreign_sender *sender);

#endif
