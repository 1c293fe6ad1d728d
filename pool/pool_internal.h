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
    PB_WORD_WAKE,   /* look for work; comes with a searcher token that the worker now owns */
    PB_WORD_FOLLOW, /* the same, from a worker that goes on working itself */
    PB_WORD_LEAVE,  /* exit */
    PB_WORD_CHECK   /* ask whether the worker is well */
};

/* Where a worker stands; guarded by pool->lock. */
enum pb_group_state {
    PB_GROUP_FREE,
    PB_GROUP_STARTING, /* its first thread makes and warms it */
    PB_GROUP_ALIVE,    /* counts for admission */
    PB_GROUP_GONE,     /* stuck, killed or lost: occupied, but no longer counted, and replaced */
    PB_GROUP_LEAVING,  /* told to exit, or exiting: no longer alive, not replaced; in the limit
                          while it is `finishing` */
    PB_GROUP_ENDED     /* its threads have nothing more to do: join them */
};

/* Whether a slot's thread is to exit: `must_leave`. */
enum pb_leave {
    PB_LEAVE_NOT,
    PB_LEAVE_ASK,   /* between two requests: ask pb_may_stay */
    PB_LEAVE_AFTER, /* before it takes another request */
    PB_LEAVE_NOW    /* a request taken and not started yet is lost, too */
};

/* What the siblings of a worker's first thread wait for: `gate`. */
enum pb_gate {
    PB_GATE_CLOSED,
    PB_GATE_OPEN,
    PB_GATE_FAILED /* the worker does not come up */
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

/* A slot and its thread: one of the threads of a worker, which is a struct pb_group. */
struct pb_worker {
    /* Written by the worker while it runs; another thread reads `current` only after a claim. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t run_state;
    _Atomic int64_t started_ns;
    _Atomic int64_t sent_ns; /* of the running request, like started_ns */
    /* Ticket + 1 from just before a request leaves the ring until its outcome is decided; no
     * callback runs between its appearing and the run's.  See pb_ring_pop. */
    _Atomic uint64_t ticket;
    struct pb_request current;
    _Atomic int64_t claimed_ns;  /* when another thread decided; 0: it did not */
    _Atomic uint32_t must_leave; /* enum pb_leave: exit at the next look */
    struct pb_token token;
    struct pb_tally tally;
    _Atomic int64_t busy_ns; /* occupied time of finished requests */
    _Atomic uint64_t runs;   /* requests run, by all incarnations; relaxed: for statistics */
    _Atomic uint64_t affinity_hits, affinity_misses;
    /* The worker's own. */
    uint64_t ask_at_runs; /* with so many `runs` it asks pb_may_stay, too */
    struct pb_fast_clock fast_clock;
    int64_t free_since_ns; /* when its last request ended, where it took the next one without
                              waiting and nothing was done between the two; else 0 */

    /* Parking. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t word;
    struct pb_worker *idle_next PB_GUARDED_BY(idle_lock); /* towards the shortest idle */
    struct pb_worker *idle_prev PB_GUARDED_BY(idle_lock);
    bool idle_listed PB_GUARDED_BY(idle_lock);
    int64_t idle_since_ns PB_GUARDED_BY(idle_lock);

    /* Constant. */
    _Alignas(PB_CACHELINE) struct pb_pool *pool;
    struct pb_group *group;
    uint32_t slot;
    uint32_t lane; /* its number in the group */
    pthread_t thread;
    /* Guarded by pool->lock. */
    bool gone_running
        PB_GUARDED_BY(lock); /* its request's place was given back by another thread */
    bool stuck PB_GUARDED_BY(lock);
};

/* A worker: `threads` slots that come and go together, and what the owner's hooks made for them. */
struct pb_group {
    /* Constant. */
    _Alignas(PB_CACHELINE) struct pb_pool *pool;
    struct pb_worker *lanes; /* pool->threads of them */
    uint32_t number;
    /* Constant from STARTING to ENDED; `made`, `pid` from UP on. */
    uint32_t incarnation;
    uint32_t turn;     /* of being warmed: waits until pool->turn has come so far */
    uint32_t failures; /* of those before it since the last success */
    bool replacement;  /* else started for demand or as a core worker */
    uint32_t replaces; /* the last one that was up before it; PB_NO_WORKER: nobody */
    uint32_t replaces_incarnation;
    void *made; /* by the start hook */
    _Atomic int64_t pid;
    int64_t decided_ns;   /* when its start was decided */
    uint64_t runs_before; /* sums over its slots when it began */
    int64_t busy_before_ns;
    /* Written a few times in its life. */
    _Atomic bool overflow;  /* may become false when a core worker goes */
    _Atomic bool succeeded; /* a request ended ok */
    _Atomic uint32_t health;
    _Atomic uint32_t gate;
    /* Guarded by pool->lock. */
    enum pb_group_state state PB_GUARDED_BY(lock);
    uint32_t threads PB_GUARDED_BY(lock);    /* created, to be joined */
    uint32_t present PB_GUARDED_BY(lock);    /* threads that have not left */
    uint32_t pins PB_GUARDED_BY(lock);       /* it does not end before they are out */
    bool is_made PB_GUARDED_BY(lock);        /* start succeeded, stop has not begun */
    int64_t hook_due_ns PB_GUARDED_BY(lock); /* by when (real clock) start or prepare has to end; 0:
                                                in neither */
    bool preparing PB_GUARDED_BY(lock);
    bool began_on_demand PB_GUARDED_BY(lock);
    int64_t ready_ns PB_GUARDED_BY(lock);
    bool was_up PB_GUARDED_BY(lock);
    bool finishing PB_GUARDED_BY(lock);          /* not wanted any more, it ends what it runs */
    int64_t alive_before_ns PB_GUARDED_BY(lock); /* of earlier incarnations, all slots */
    const char *leave_reason PB_GUARDED_BY(lock);
    /* recycle.c.  The limits are constant from STARTING to ENDED; 0: none. */
    uint64_t max_runs;
    int64_t max_age_ns, max_memory_bytes;
    int64_t memory_after_ns;                    /* the keeper's: not looked at before */
    const char *due_for PB_GUARDED_BY(lock);    /* is to be recycled for this; NULL: for nothing */
    struct pb_group *heir PB_GUARDED_BY(lock);  /* takes its place when it goes */
    struct pb_group *elder PB_GUARDED_BY(lock); /* whose heir it is: it does not count before that
                                                   one has gone */
    bool stands_by PB_GUARDED_BY(lock);         /* as an heir that is ready */
    int64_t heir_after_ns PB_GUARDED_BY(lock);  /* its last heir failed: not before */
    /* health.c */
    struct pb_worker *checking PB_GUARDED_BY(lock); /* the slot that was sent to check it */
    int64_t check_until_ns PB_GUARDED_BY(lock);     /* real clock */
    int64_t check_after_ns PB_GUARDED_BY(lock);     /* the next one is due */
    uint32_t check_failures PB_GUARDED_BY(lock);    /* in a row */
    uint64_t checks PB_GUARDED_BY(lock);
    const char *lost_early PB_GUARDED_BY(lock); /* lost before it was up, for that reason */
};

/* restart.c: who is to be replaced, and when; all guarded by pool->lock. */
struct pb_owed {
    int64_t due_ns;
    uint32_t failures; /* ends without a success before it, one after the other */
    uint32_t replaces; /* whose place it takes; PB_NO_WORKER: nobody's */
    uint32_t replaces_incarnation;
};

struct pb_restarts {
    struct pb_owed *owed; /* room for one a worker */
    uint32_t owed_count;
    /* Starts for demand have no predecessor: they share one back-off. */
    uint32_t demand_failures;
    int64_t demand_due_ns;
    /* When the last max_restarts + 1 ends without a success were: a ring. */
    int64_t *ends_ns;
    uint32_t ends_size, ends_count, ends_next;
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
    struct pb_worker_hooks hooks; /* a copy; all NULL without */
    char name[12];
    const struct pb_clock *clock;
    bool real_time;   /* own timer and keeper threads */
    bool fast_clock;  /* its threads may use theirs */
    uint32_t threads; /* a worker */
    uint32_t group_count;
    struct pb_group *groups;      /* the workers */
    uint32_t slots;               /* group_count * threads */
    struct pb_worker *workers;    /* `slots` of them, group by group */
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
    /* Workers (not slots). */
    uint32_t starting PB_GUARDED_BY(lock);
    uint32_t alive PB_GUARDED_BY(lock); /* PB_GROUP_ALIVE */
    uint32_t gone PB_GUARDED_BY(lock);  /* PB_GROUP_GONE */
    uint32_t ended PB_GUARDED_BY(lock); /* PB_GROUP_ENDED */
    uint32_t finishing PB_GUARDED_BY(lock);
    uint32_t turn PB_GUARDED_BY(lock); /* who may be warmed: see struct pb_group */
    struct pb_restarts restarts PB_GUARDED_BY(lock);
    uint32_t peak_alive PB_GUARDED_BY(lock);
    uint64_t overflow_started PB_GUARDED_BY(lock);
    uint64_t workers_started PB_GUARDED_BY(lock);
    uint64_t workers_failed PB_GUARDED_BY(lock);
    uint64_t lost PB_GUARDED_BY(lock);
    uint64_t starts_held PB_GUARDED_BY(lock);
    uint32_t heirs PB_GUARDED_BY(lock); /* not counted in starting or alive */
    uint64_t recycled PB_GUARDED_BY(lock);
    uint64_t unhealthy PB_GUARDED_BY(lock);
    uint64_t health_checks PB_GUARDED_BY(lock);
    uint64_t health_failures PB_GUARDED_BY(lock);
    uint32_t prepared PB_GUARDED_BY(lock);
    uint32_t prepare_failures PB_GUARDED_BY(lock);
    /* The first worker of pb_pool_new that did not come up, and why. */
    bool birth PB_GUARDED_BY(lock); /* pb_pool_new has not returned */
    struct pb_error birth_error PB_GUARDED_BY(lock);
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

/* Whether the worker is one of those alive or starting. */
static inline bool pb_group_counts_locked(const struct pb_group *group)
{
    return group->state == PB_GROUP_ALIVE || (group->state == PB_GROUP_STARTING && !group->elder);
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

/* config.c */
/* PB_EINVAL: a value out of its range; err names it. */
PB_MUST_USE enum pb_status pb_config_check(const struct pb_pool_config *config,
                                           struct pb_error *err);

/* idle.c: parking and waking. */
/* After a push or a find: wakes one idle worker unless enough are searching already; with nobody
 * idle, asks the keeper for one more if there may be one. */
void pb_wake_for_work(struct pb_pool *pool);
/* The same for a request of `session`, sent then: its worker, if that is idle. */
void pb_wake_for_session(struct pb_pool *pool, uint64_t session, int64_t sent_ns);
/* Takes a particular idle slot off the list, if it is on it.  The caller then owes it a message. */
bool pb_idle_remove(struct pb_pool *pool, struct pb_worker *worker);
/* Takes the worker whose slots have all been idle for longest, if that is since `idle_before_ns`,
 * off the list: all its slots are owed a message.  `ret_oldest_ns`: since when the first one is
 * that could be taken, INT64_MAX: none. */
struct pb_group *pb_idle_take_expired(struct pb_pool *pool, int64_t idle_before_ns,
                                      int64_t *ret_oldest_ns);
/* Takes all slots of the worker off the list; false: not all were on it, and nothing happened. */
bool pb_idle_take_group(struct pb_group *group);
/* Takes one slot of the worker off the list, if at least `keep` others stay on it; NULL: none. */
struct pb_worker *pb_idle_take_spare(struct pb_group *group, uint32_t keep);
void pb_send_word(struct pb_worker *worker, enum pb_word word);
/* The worker's side: waits for a message, _WAKE, _LEAVE or _CHECK.  With PB_WORD_WAKE, which stands
 * for _FOLLOW, too, comes a searcher's token. */
enum pb_word pb_park(struct pb_worker *worker);
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
/* On one CPU: lets whoever woke this worker work first, where that pays off. */
void pb_follow(struct pb_worker *worker);
/* Its parts on one CPU: whether to yield now, and what came of it: `found` requests in `took_ns`.
 */
bool pb_yield_is_due(struct pb_yield *yield);
void pb_yield_judge(struct pb_yield *yield, uint64_t found, int64_t took_ns);

/* worker.c */
void *pb_worker_main(void *arg);
/* The one call of `done` for a request, and its count. */
void pb_report(struct pb_pool *pool, const struct pb_completion *completion,
               struct pb_tally *tally);

/* decide.c: outcomes decided by the timer, a canceller or a killer.  Whoever decides holds
 * timer_lock, and lets go of it while `done` runs. */
/* A request that never started. */
void pb_report_queued(struct pb_pool *pool, const struct pb_request *request,
                      enum pb_outcome outcome, int64_t now_ns) PB_REQUIRES(pool->timer_lock);
/* Decides what `worker` runs now; false: it runs nothing, or was faster. */
bool pb_claim(struct pb_pool *pool, struct pb_worker *worker, enum pb_outcome outcome,
              int64_t now_ns) PB_REQUIRES(pool->timer_lock);
/* What a worker that was told to leave now runs, or is about to run, is lost. */
void pb_take_its_request(struct pb_pool *pool, struct pb_worker *worker)
    PB_REQUIRES(pool->timer_lock);
/* Expires what is due; returns when to look again. */
int64_t pb_expire(struct pb_pool *pool) PB_REQUIRES(pool->timer_lock);
void *pb_timer_main(void *arg);

/* group.c: workers and their slots, from the outside. */
/* Starts a worker in a free slot, to be warmed in its turn.  PB_EFULL: there is none; PB_ESYS: no
 * thread. */
PB_MUST_USE enum pb_status pb_start_worker(struct pb_pool *pool, uint32_t turn);
/* Its threads are added in the order of their lanes.  Returns an errno. */
PB_MUST_USE int pb_group_add_thread(struct pb_group *group, uint32_t lane);
void pb_update_limit_locked(struct pb_pool *pool) PB_REQUIRES(pool->lock);
/* A worker stops to count as alive or starting: an overflow worker may become a core worker in its
 * place. */
void pb_relabel_locked(struct pb_pool *pool, const struct pb_group *gone) PB_REQUIRES(pool->lock);
/* True: its heir takes its place, and nobody is owed. */
bool pb_leaves_alive_locked(struct pb_pool *pool, struct pb_group *group) PB_REQUIRES(pool->lock);
/* Starts an heir.  PB_EFULL: there is no slot, or no need any more; PB_ESYS: no thread. */
PB_MUST_USE enum pb_status pb_start_heir(struct pb_group *elder);
/* It does not come up: takes back what pb_start_worker counted, and sees to the next try.
 * `at_fault`: it failed by itself. */
void pb_never_came_locked(struct pb_pool *pool, struct pb_group *group, bool at_fault)
    PB_REQUIRES(pool->lock);
/* Joins the threads that ended and frees their slots. */
void pb_join_ended(struct pb_pool *pool);
/* Keeps what the start hook made from being unmade until pb_group_unpin; false: there is nothing
 * made, or no longer. */
bool pb_group_pin(struct pb_group *group);
void pb_group_unpin(struct pb_group *group);
/* Requests run and time occupied since its start. */
uint64_t pb_group_runs(const struct pb_group *group);
int64_t pb_group_busy_ns(const struct pb_group *group);
/* Requests running, those included that others have decided. */
uint32_t pb_group_load(const struct pb_group *group);
struct pb_worker_id pb_group_id(const struct pb_group *group);
void pb_group_event(struct pb_group *group, enum pb_pool_event_kind kind, const char *reason,
                    int64_t since_ns);

/* lifecycle.c: the same from the inside, on their own threads. */
/* Makes and warms the worker of this thread, or waits until its first thread has done so; false:
 * it did not come up. */
bool pb_come_up(struct pb_worker *worker);
/* The thread leaves; the last one unmakes the worker. */
void pb_leave(struct pb_worker *worker);

/* birth.c: the workers of pb_pool_new; starts that take too long. */
PB_MUST_USE enum pb_status pb_start_core(struct pb_pool *pool, struct pb_error *err);
/* Asks starts past their deadline to stop, gives up those that do not listen; when to look again.
 */
int64_t pb_find_overdue(struct pb_pool *pool);
/* The pool stops: nobody goes on being made or warmed. */
void pb_stop_starts(struct pb_pool *pool);

/* restart.c: replacements and their back-off. */
PB_MUST_USE enum pb_status pb_restarts_init(struct pb_pool *pool);
void pb_restarts_done(struct pb_pool *pool);
/* A replacement is owed for a worker that goes; `at_fault`: by itself, so that it counts for the
 * back-off when it had no success. */
void pb_owe_locked(struct pb_pool *pool, const struct pb_group *group, bool at_fault)
    PB_REQUIRES(pool->lock);
/* A start for demand has failed, or come up. */
void pb_demand_ended_locked(struct pb_pool *pool, bool came_up, bool at_fault)
    PB_REQUIRES(pool->lock);
/* Takes the replacement that is due first; false: none is due. */
bool pb_take_owed_locked(struct pb_pool *pool, int64_t now_ns, struct pb_owed *ret_owed)
    PB_REQUIRES(pool->lock);
/* When the first one is due; INT64_MAX: nobody is owed. */
int64_t pb_owed_due_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);
/* No more than `room` are owed any longer. */
void pb_trim_owed_locked(struct pb_pool *pool, uint64_t room) PB_REQUIRES(pool->lock);
/* Before this instant nobody may be started: too many have ended. */
int64_t pb_starts_blocked_until_locked(const struct pb_pool *pool) PB_REQUIRES(pool->lock);

/* loss.c: workers that are taken out of the count while they work. */
/* GONE, for `reason`, with a replacement owed; its threads are told to leave.  Whoever calls this
 * wakes those asleep, with pb_group_wake. */
void pb_group_gone_locked(struct pb_pool *pool, struct pb_group *group, const char *reason,
                          enum pb_leave how, bool at_fault) PB_REQUIRES(pool->timer_lock)
    PB_REQUIRES(pool->lock);
/* LEAVING, for `reason`, with nobody in its place: its threads finish what they run.  The same
 * holds for those asleep. */
void pb_group_finish_locked(struct pb_pool *pool, struct pb_group *group, const char *reason)
    PB_REQUIRES(pool->lock);
/* Sends its threads that are asleep home. */
void pb_group_wake(struct pb_group *group);
/* The run of one of its threads found that the worker is of no use any more. */
void pb_group_is_lost(struct pb_group *group, const char *reason);

/* retire.c: workers that go between two requests. */
/* Asks its slots to look, between two requests, whether it has to go. */
void pb_ask_slots_locked(struct pb_group *group) PB_REQUIRES(group->pool->lock);
/* Between two requests, on the slot's thread, with no token; may wait for a while.  False: its
 * worker goes. */
bool pb_may_stay(struct pb_worker *worker);
/* A worker to be recycled goes: at once if it is idle, else as soon as it is not busy. */
void pb_let_go(struct pb_group *group);

/* recycle.c: workers replaced after so many requests, so long a time, with so much memory. */
void pb_recycle_begin_locked(struct pb_group *group) PB_REQUIRES(group->pool->lock);
/* On a slot's own thread, as it begins to serve. */
void pb_recycle_enter(struct pb_worker *worker);
/* The keeper's round. */
void pb_recycle(struct pb_pool *pool, int64_t now_ns);
/* Between two requests: whether the worker goes now.  May wait for its heir. */
bool pb_recycle_is_due_locked(struct pb_worker *worker) PB_REQUIRES(worker->pool->lock);
void pb_heir_begins_locked(struct pb_pool *pool, struct pb_group *heir, struct pb_group *elder)
    PB_REQUIRES(pool->lock);
/* It does not come up, or is lost as it stands by; false: it was nobody's heir. */
bool pb_heir_failed_locked(struct pb_pool *pool, struct pb_group *heir) PB_REQUIRES(pool->lock);
/* The elder goes: its heir counts as starting from here on; false: it has none. */
bool pb_inherit_locked(struct pb_pool *pool, struct pb_group *elder) PB_REQUIRES(pool->lock);
/* A worker is ready: waits, as an heir, for its place.  NULL: it may take it; else why not. */
const char *pb_stand_by(struct pb_group *group);

/* health.c */
void pb_health_begin_locked(struct pb_group *group, int64_t now_ns) PB_REQUIRES(group->pool->lock);
/* A check that is going on is asked to stop. */
void pb_health_stop_locked(struct pb_group *group) PB_REQUIRES(group->pool->lock);
/* Runs the hook on the slot's own thread; false: the worker leaves. */
bool pb_check_health(struct pb_worker *worker);
/* The keeper's round. */
void pb_check_idle(struct pb_pool *pool, int64_t now_ns);

/* keeper.c: workers started, found stuck. */
void *pb_keeper_main(void *arg);
/* One round; returns when the next is due. */
int64_t pb_keep(struct pb_pool *pool);
void pb_ask_keeper(struct pb_pool *pool);

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
