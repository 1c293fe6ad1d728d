/*
 * pool/pool_internal.h - the pool's parts, shared by the files of pool/; nobody else includes it.
 *
 * pool/README.md tells the life of a request, the lock order and why nothing is lost.
 */
#ifndef PB_POOL_POOL_INTERNAL_H
#define PB_POOL_POOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "base/fast_clock.h"
#include "base/mutex.h"
#include "pool/affinity.h"
#include "pool/ring.h"

/* A running request's state in its worker's `run_state`: (generation << 2) | one of these. */
enum pb_run_phase {
    PB_RUN_NONE,    /* no request */
    PB_RUN_RUNNING, /* undecided: whoever moves it away decides the outcome */
    PB_RUN_CLAIMED, /* another thread decided and still reads the worker's copy */
    PB_RUN_RELEASED /* it is done reading: the worker may go on */
};
#define PB_RUN_BITS 2
#define PB_RUN_MASK 3U

/* Messages in a parked worker's `word`; 0: none. */
enum pb_word {
    PB_WORD_NONE,
    PB_WORD_WAKE, /* look for work; comes with a searcher token that the worker now owns */
    PB_WORD_LEAVE /* exit */
};

/* Where a slot stands; guarded by pool->lock. */
enum pb_slot_state {
    PB_SLOT_FREE,
    PB_SLOT_STARTING,
    PB_SLOT_ALIVE,   /* counts for admission */
    PB_SLOT_GONE,    /* stuck, or killed and not back: occupied, but no longer counted */
    PB_SLOT_LEAVING, /* told to exit, or exiting */
    PB_SLOT_ENDED    /* the thread has nothing more to do: join it */
};

struct pb_token {
    _Atomic uint32_t set;
    _Atomic int32_t fd_plus_1; /* 0: nobody has asked for it yet */
    const struct pb_clock *clock;
};

/* Counters of one deciding party; single writer, read by anyone (relaxed: a stale value only makes
 * a snapshot older). */
struct pb_tally {
    _Alignas(PB_CACHELINE) _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
    /* Places given back to admission.  release/acquire: see pb_released. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t released;
};

struct pb_worker {
    /* Written by the worker while it runs; another thread reads `current` only after a claim. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t run_state;
    _Atomic int64_t started_ns;
    _Atomic int64_t sent_ns; /* of the running request, like started_ns */
    /* Ticket + 1 from just before a request leaves the ring until its outcome is decided; no
     * callback runs between its appearing and the run's.  See pb_ring_pop. */
    _Atomic uint64_t ticket;
    struct pb_request current;
    _Atomic int64_t claimed_ns; /* when another thread decided; 0: it did not */
    _Atomic bool must_leave;    /* killed: exit at the next look */
    struct pb_token token;
    struct pb_tally tally;
    _Atomic int64_t busy_ns; /* occupied time of finished requests */
    _Atomic uint64_t affinity_hits, affinity_misses;
    /* The worker's own. */
    struct pb_fast_clock fast_clock;
    int64_t free_since_ns; /* when its last request ended, where it took the next one without
                              waiting and nothing was done between the two; else 0 */

    /* Parking. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t word;
    struct pb_worker *idle_next PB_GUARDED_BY(idle_lock); /* towards the shortest idle */
    struct pb_worker *idle_prev PB_GUARDED_BY(idle_lock);
    bool idle_listed PB_GUARDED_BY(idle_lock);
    int64_t idle_since_ns PB_GUARDED_BY(idle_lock);

    /* Constant while the thread lives. */
    _Alignas(PB_CACHELINE) struct pb_pool *pool;
    uint32_t slot;
    uint32_t incarnation;
    pthread_t thread;
    int64_t decided_ns; /* when its start was decided */
    bool replacement;
    _Atomic bool overflow; /* may become false when a core worker goes */
    /* Guarded by pool->lock. */
    enum pb_slot_state state PB_GUARDED_BY(lock);
    bool gone_running
        PB_GUARDED_BY(lock); /* its request's place was given back by another thread */
    int64_t ready_ns PB_GUARDED_BY(lock);
    int64_t alive_before_ns PB_GUARDED_BY(lock); /* of earlier incarnations */
    const char *leave_reason PB_GUARDED_BY(lock);
};

/* A timeout that may change.  `now_ns` is for requests sent from now on and the shortest in force;
 * lowered, the longer ones hold on for requests sent before: change.c. */
#define PB_PAST_TIMEOUTS 8
struct pb_timeout {
    _Atomic int64_t now_ns; /* relaxed: a stale one only makes a timeout late, or look in vain */
    /* Guarded by pool->lock: the longest, which is the oldest, first. */
    uint32_t past_count;
    struct pb_past_timeout {
        int64_t sent_before_ns;
        int64_t timeout_ns;
    } past[PB_PAST_TIMEOUTS];
};

/* What pb_pool_reconfigure changes. */
struct pb_settings {
    struct pb_timeout checkout, operation;
    _Atomic uint32_t strategy; /* relaxed: the next wake-up sees it */
    /* Guarded by pool->lock. */
    uint32_t size;
    uint32_t max_overflow;
    uint32_t asked_overflow; /* max_overflow before it was cut to the room that size leaves */
    uint32_t queue_limit;
    int64_t overflow_ttl_ns;
    int64_t overflow_after_ns;
};

/* Whether a searcher on one CPU lets others run before it parks: search.c. */
struct pb_yield {
    _Atomic uint32_t misses;   /* of the last yields, one after the other */
    _Atomic uint32_t trial_in; /* after so many: searches until the next try */
    _Atomic uint32_t trial;    /* what trial_in begins with */
};

struct pb_submitter {
    struct pb_tally tally;  /* rejections */
    uint64_t released_seen; /* cached sum: too small at most, which only makes it look again */
    struct pb_fast_clock fast_clock;
    struct pb_pool *pool;
    void *user;
    struct pb_submitter *next;
};

struct pb_pool {
    /* Constant after pb_pool_new. */
    struct pb_pool_config config; /* as asked for; what may change is in `settings` */
    char name[12];
    const struct pb_clock *clock;
    bool real_time;  /* own timer and keeper threads */
    bool fast_clock; /* its threads may use theirs */
    uint32_t slots;
    struct pb_worker *workers;    /* `slots` of them */
    uint32_t room_workers;        /* how far size + max_overflow may grow */
    uint32_t room_queue;          /* how far queue_limit may grow */
    struct pb_affinity *affinity; /* NULL: none */
    int poll_rounds;              /* how long a searcher polls; 0 on one CPU */
    uint32_t max_searchers;       /* as many as CPUs: a tuning, not a rule of safety */
    uint32_t *living;             /* 1; reads 0 in a forked child (MADV_WIPEONFORK) */

    struct pb_ring ring;

    /* Read by everybody, written by pb_pool_reconfigure. */
    _Alignas(PB_CACHELINE) struct pb_settings settings;

    /* Read on every submit, written when workers come and go. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t limit; /* requests that may be in the system */
    /* Fewer workers than size + max_overflow, and the keeper does not know already when to start
     * one. */
    _Atomic bool can_grow;
    _Atomic int64_t stall_until_ns;
    _Atomic bool stopping;
    _Atomic uint32_t slots_used; /* slots from here on never had a worker */

    /* Read on every submit, written when workers park and wake. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t idle_count; /* Dekker partner of ring.tail */
    _Atomic uint32_t searchers; /* workers awake and looking; each owns its unit */
    struct pb_yield yield;
    _Alignas(PB_CACHELINE) struct pb_mutex idle_lock;
    struct pb_worker *idle_oldest PB_GUARDED_BY(idle_lock);
    struct pb_worker *idle_newest PB_GUARDED_BY(idle_lock);
    uint64_t *idle_bits PB_GUARDED_BY(idle_lock);  /* a bit a slot: on the list */
    uint32_t last_chosen PB_GUARDED_BY(idle_lock); /* by number */

    /* The timer's side: whoever holds timer_lock acts as the timer. */
    _Alignas(PB_CACHELINE) struct pb_mutex timer_lock;
    struct pb_cond timer_cond;
    pthread_t timer_thread;
    bool timer_running; /* constant after pb_pool_new, like keeper_running */
    struct pb_tally timer_tally PB_GUARDED_BY(timer_lock); /* single writer at a time */

    /* Workers coming and going. */
    _Alignas(PB_CACHELINE) struct pb_mutex lock;
    struct pb_cond changed; /* a worker came, went, or the pool ran empty */
    _Atomic uint32_t empty_waiters;
    _Atomic uint32_t want; /* the keeper has something to look at */
    pthread_t keeper_thread;
    bool keeper_running;
    uint32_t starting PB_GUARDED_BY(lock);
    uint32_t alive PB_GUARDED_BY(lock); /* PB_SLOT_ALIVE */
    uint32_t gone PB_GUARDED_BY(lock);  /* PB_SLOT_GONE */
    uint32_t ended PB_GUARDED_BY(lock); /* PB_SLOT_ENDED */
    uint32_t owed
        PB_GUARDED_BY(lock); /* replacements for killed and stuck workers, not yet started */
    uint32_t peak_alive PB_GUARDED_BY(lock);
    uint64_t overflow_started PB_GUARDED_BY(lock);
    uint64_t workers_started PB_GUARDED_BY(lock);
    uint64_t workers_failed PB_GUARDED_BY(lock);
    /* The keeper's own. */
    int64_t starved_since_ns;
    uint64_t starved_ticket; /* which request it was */
    int64_t retry_start_ns;  /* no thread could be created: not before */
    /* Guarded by lock again. */
    uint64_t rescued_wakeups PB_GUARDED_BY(lock);
    bool drained PB_GUARDED_BY(lock);
    struct pb_submitter *submitters PB_GUARDED_BY(lock);
    struct pb_mutex common_lock; /* for pb_pool_submit */
    struct pb_submitter *common PB_GUARDED_BY(common_lock);
};

/* In a forked child: no worker lives here, and the locks may be held for ever. */
static inline bool pb_pool_is_dead(const struct pb_pool *pool)
{
    return *(volatile const uint32_t *)pool->living == 0;
}

static inline int64_t pb_pool_now_ns(const struct pb_pool *pool)
{
    /* The real clock without the detour of a pointer. */
    return pool->real_time ? pb_now_ns() : pb_clock_now_ns(pool->clock);
}

/* The same where it counts: on a worker's own thread, and on a submitter's. */
static inline int64_t pb_worker_now_ns(struct pb_worker *worker)
{
    const struct pb_pool *pool = worker->pool;

    return pool->real_time ? pb_fast_now_ns(&worker->fast_clock) : pb_clock_now_ns(pool->clock);
}

static inline int64_t pb_submitter_now_ns(struct pb_submitter *submitter)
{
    const struct pb_pool *pool = submitter->pool;

    return pool->real_time ? pb_fast_now_ns(&submitter->fast_clock) : pb_clock_now_ns(pool->clock);
}

/* One more, by its single writer. */
static inline void pb_count_one(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* idle.c: parking and waking. */
/* After a push or a find: wakes one idle worker unless enough are searching already; with nobody
 * idle, asks the keeper for one more if there may be one. */
void pb_wake_for_work(struct pb_pool *pool);
/* The same for a request of `session`, sent then: its worker, if that is idle. */
void pb_wake_for_session(struct pb_pool *pool, uint64_t session, int64_t sent_ns);
/* Takes a particular idle worker, or the one idle for longest, off the list, if it is on it.  The
 * caller then owes it a message. */
bool pb_idle_remove(struct pb_pool *pool, struct pb_worker *worker);
struct pb_worker *pb_idle_take_expired(struct pb_pool *pool, int64_t idle_before_ns,
                                       int64_t *ret_oldest_ns);
void pb_send_word(struct pb_worker *worker, enum pb_word word);
/* The worker's side: waits for a message; true: PB_WORD_WAKE, with a searcher's token. */
bool pb_park(struct pb_worker *worker);
/* Gives up the token, and looks whether somebody else must now search. */
void pb_stop_searching(struct pb_pool *pool);

/* choose.c: the idle slot that the strategy names; NULL: nobody is idle. */
struct pb_worker *pb_idle_choose_locked(struct pb_pool *pool) PB_REQUIRES(pool->idle_lock);
/* An idle slot of worker `number`; NULL: it has none. */
struct pb_worker *pb_idle_of_worker_locked(struct pb_pool *pool, uint32_t number)
    PB_REQUIRES(pool->idle_lock);
/* Put on the list, or taken off it. */
void pb_idle_mark_locked(struct pb_pool *pool, uint32_t slot, bool idle)
    PB_REQUIRES(pool->idle_lock);

/* search.c: looking for work. */
/* Takes a request into `current`; polls for a moment when it holds a searcher's token. */
bool pb_find_work(struct pb_worker *worker, bool searching, bool *ret_cancelled);
/* With nobody searching, a worker that has just become free does for a moment: true, and it holds
 * the token. */
bool pb_become_searcher(struct pb_worker *worker);
/* Its parts on one CPU: whether to yield now, and what came of it: `found` requests in `took_ns`.
 */
bool pb_yield_is_due(struct pb_yield *yield);
void pb_yield_judge(struct pb_yield *yield, uint64_t found, int64_t took_ns);

/* worker.c */
void *pb_worker_main(void *arg);
/* The one call of `done` for a request, and its count. */
void pb_report(struct pb_pool *pool, const struct pb_completion *completion,
               struct pb_tally *tally);
void pb_worker_event(struct pb_worker *worker, enum pb_pool_event_kind kind, const char *reason,
                     int64_t since_ns);

/* decide.c: outcomes decided by the timer, a canceller or a killer.  Whoever decides holds
 * timer_lock, and lets go of it while `done` runs. */
/* A request that never started. */
void pb_report_queued(struct pb_pool *pool, const struct pb_request *request,
                      enum pb_outcome outcome, int64_t now_ns) PB_REQUIRES(pool->timer_lock);
/* Decides what `worker` runs now; false: it runs nothing, or was faster. */
bool pb_claim(struct pb_pool *pool, struct pb_worker *worker, enum pb_outcome outcome,
              int64_t now_ns) PB_REQUIRES(pool->timer_lock);
/* Expires what is due; returns when to look again. */
int64_t pb_expire(struct pb_pool *pool) PB_REQUIRES(pool->timer_lock);
void *pb_timer_main(void *arg);

/* keeper.c: workers started, retired, found stuck. */
void *pb_keeper_main(void *arg);
/* One round; returns when the next is due. */
int64_t pb_keep(struct pb_pool *pool);
void pb_ask_keeper(struct pb_pool *pool);
void pb_update_limit_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
/* Starts a worker in a free slot.  PB_EFULL: there is none; PB_ESYS: no thread. */
PB_MUST_USE enum pb_status pb_start_worker(struct pb_pool *pool);
/* A worker stops to count as alive: an overflow worker may become a core worker in its place. */
void pb_leaves_alive_locked(struct pb_pool *pool, const struct pb_worker *worker)
    PB_REQUIRES(pool->lock);
/* Joins the threads that ended and frees their slots. */
void pb_join_ended(struct pb_pool *pool);

/* change.c: settings that change under load. */
void pb_settings_init(struct pb_pool *pool);
/* The timeout of a request sent then, when it is not simply the present one. */
int64_t pb_timeout_of(struct pb_pool *pool, const struct pb_timeout *timeout, int64_t sent_ns);
/* The timeout of requests sent from now on. */
static inline int64_t pb_timeout_now_ns(const struct pb_timeout *timeout)
{
    return atomic_load_explicit(&timeout->now_ns, memory_order_relaxed);
}

/* Workers that there may be, stuck ones beyond max_stuck taken off. */
uint32_t pb_workers_allowed_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);

/* Whether the timeout of a request sent then is over after `waited_ns`.  hot */
static inline bool pb_timeout_is_over(struct pb_pool *pool, struct pb_timeout *timeout,
                                      int64_t sent_ns, int64_t waited_ns)
{
    return waited_ns >= pb_timeout_now_ns(timeout) &&
           waited_ns >= pb_timeout_of(pool, timeout, sent_ns);
}

/* stats.c */
uint64_t pb_released(const struct pb_pool *pool);
/* Accepted requests without an outcome. */
uint64_t pb_undecided(struct pb_pool *pool);
void pb_tell_empty(struct pb_pool *pool);

#endif
