#include "harness/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mutex.h"

#define NOTHING ((double)NAN)
/* Over less, a CPU ratio says more about the kernel's ticks than about the worker. */
#define RATIO_FROM_NS (100 * PB_NS_PER_MS)

/* What the lives under one number did in the measured stretch. */
struct number_sums {
    uint64_t requests;
    int64_t busy_ns, alive_ns;
};

struct pb_history {
    /* Constant. */
    uint32_t workers;
    struct pb_mutex lock;
    /* Guarded by lock. */
    struct pb_life *now;      /* [workers]: who lives under the number; started_ns 0: nobody */
    struct number_sums *sums; /* [workers] */
    struct pb_life *lives;    /* over, and at the end all; room for PB_LIVES_MAX + workers */
    size_t life_count;
    int64_t mark_ns;  /* begin of the measured stretch; 0: since ever */
    int64_t stats_ns; /* when pb_pool_workers was asked last */
    int64_t look_gaps_ns;
    uint64_t look_gap_count;
    bool closed;
    struct pb_workers_summary summary;
};

void pb_workers_summary_init(struct pb_workers_summary *ret_summary)
{
    *ret_summary = (struct pb_workers_summary){ .rss_peak_bytes = -1,
                                                .pss_peak_bytes = -1,
                                                .memory_worker = PB_NO_WORKER,
                                                .cpu_ratio = NOTHING,
                                                .cpu_worker = PB_NO_WORKER,
                                                .fds_peak = -1,
                                                .jain_requests = NOTHING,
                                                .jain_busy = NOTHING,
                                                .look_every_ns = -1 };
}

uint64_t pb_workers_ended(const struct pb_workers_summary *summary, const char *reason)
{
    for (size_t i = 0; i < summary->ended_count; i++) {
        if (strcmp(summary->ended[i].reason, reason) == 0) {
            return summary->ended[i].count;
        }
    }
    return 0;
}

struct pb_history *pb_history_new(uint32_t workers)
{
    struct pb_history *history = calloc(1, sizeof(*history));

    if (!history) {
        return NULL;
    }
    pb_mutex_init(&history->lock);
    history->workers = workers;
    history->now = calloc(workers, sizeof(*history->now));
    history->sums = calloc(workers, sizeof(*history->sums));
    history->lives = calloc((size_t)PB_LIVES_MAX + workers, sizeof(*history->lives));
    pb_workers_summary_init(&history->summary);
    if (!history->now || !history->sums || !history->lives) {
        pb_history_free(history);
        return NULL;
    }
    return history;
}

void pb_history_free(struct pb_history *history)
{
    if (!history) {
        return;
    }
    free(history->now);
    free(history->sums);
    free(history->lives);
    pb_mutex_done(&history->lock);
    free(history);
}

/* --- One life --- */

static bool lives(const struct pb_life *life)
{
    return life->started_ns != 0;
}

static void begin(const struct pb_history *history, const struct pb_pool_event *event,
                  struct pb_life *life)
{
    *life = (struct pb_life){
        .worker = event->worker,
        .incarnation = event->incarnation,
        .pid = event->pid,
        .overflow = event->overflow,
        .replacement = event->replacement,
        .health = PB_HEALTH_HEALTHY,
        .started_ns = event->since_ns > 0 ? event->since_ns : event->at_ns,
        .ready_ns = event->at_ns,
        .capacity = 1,
        .rss_peak_bytes = -1,
        .pss_peak_bytes = -1,
        .cpu_ns = -1,
        .cpu_ratio = NOTHING,
        .fds_peak = -1,
        .threads_peak = -1,
        .utilization_ratio = NOTHING,
        .cpu_from_ns = -1,
        .alive_from_ns = event->at_ns > history->mark_ns ? event->at_ns : history->mark_ns,
    };
}

/* The end of the run is no reason. */
static void count_reason(struct pb_workers_summary *summary, const char *reason)
{
    if (strcmp(reason, "stopped") == 0) {
        return;
    }
    for (size_t i = 0; i < summary->ended_count; i++) {
        if (strcmp(summary->ended[i].reason, reason) == 0) {
            summary->ended[i].count++;
            return;
        }
    }
    if (summary->ended_count < PB_REASONS_MAX) {
        summary->ended[summary->ended_count++] = (struct pb_reason_count){ reason, 1 };
    }
}

/* The figures that need its end, and the worst of all. */
static void sum_up(struct pb_history *history, struct pb_life *life, int64_t until_ns)
{
    struct pb_workers_summary *summary = &history->summary;
    int64_t alive_ns = until_ns - life->alive_from_ns;
    int64_t looked_ns = life->cpu_last_at_ns - life->cpu_from_at_ns;

    if (life->ready_ns > 0 && alive_ns > 0) {
        struct number_sums *sums = &history->sums[life->worker];
        int64_t busy_ns = life->busy_ns - life->busy_from_ns;

        sums->requests += life->requests - life->requests_from;
        sums->busy_ns += busy_ns;
        sums->alive_ns += alive_ns;
        life->utilization_ratio =
            fmin(1, (double)busy_ns / ((double)alive_ns * (double)life->capacity));
    }
    if (life->cpu_from_ns >= 0 && looked_ns >= RATIO_FROM_NS) {
        life->cpu_ratio = (double)(life->cpu_ns - life->cpu_from_ns) / (double)looked_ns;
    }
    if (life->cpu_ratio > summary->cpu_ratio || isnan(summary->cpu_ratio)) {
        summary->cpu_ratio = life->cpu_ratio;
        summary->cpu_worker = life->worker;
        summary->cpu_incarnation = life->incarnation;
        summary->cpu_pid = life->pid;
    }
    if (life->rss_peak_bytes > summary->rss_peak_bytes) {
        summary->rss_peak_bytes = life->rss_peak_bytes;
        summary->memory_worker = life->worker;
        summary->memory_incarnation = life->incarnation;
        summary->memory_pid = life->pid;
    }
    if (life->pss_peak_bytes > summary->pss_peak_bytes) {
        summary->pss_peak_bytes = life->pss_peak_bytes;
    }
    if (life->fds_peak > summary->fds_peak) {
        summary->fds_peak = life->fds_peak;
    }
    summary->lives++;
}

/* Puts a life that is over away; those beyond the bound are counted only. */
static void put_away(struct pb_history *history, struct pb_life *life, int64_t until_ns,
                     size_t room)
{
    sum_up(history, life, until_ns);
    if (history->life_count < room) {
        history->lives[history->life_count++] = *life;
    } else {
        history->summary.dropped++;
    }
    life->started_ns = 0;
}

static void end(struct pb_history *history, struct pb_life *life, const struct pb_pool_event *event)
{
    life->ended_ns = event->at_ns;
    life->health = PB_HEALTH_DEAD;
    life->requests = event->requests > life->requests ? event->requests : life->requests;
    life->busy_ns = event->busy_ns > life->busy_ns ? event->busy_ns : life->busy_ns;
    /* Why it was given up says more than how it left in the end. */
    life->reason = life->lost_ns > 0 && life->reason ? life->reason : event->reason;
    if (life->reason) {
        count_reason(&history->summary, life->reason);
    }
    put_away(history, life, life->lost_ns > 0 ? life->lost_ns : life->ended_ns, PB_LIVES_MAX);
}

/* --- Events --- */

static void on_up(struct pb_history *history, const struct pb_pool_event *event,
                  struct pb_life *life)
{
    if (lives(life)) {
        put_away(history, life, event->at_ns, PB_LIVES_MAX); /* its end was never told */
    }
    begin(history, event, life);
    history->summary.replaced += event->replacement;
}

/* It never came up: a life without a moment of service. */
static void on_failed(struct pb_history *history, const struct pb_pool_event *event)
{
    struct pb_life life;

    begin(history, event, &life);
    life.ready_ns = 0;
    life.ended_ns = event->at_ns;
    life.health = PB_HEALTH_DEAD;
    life.reason = event->reason;
    put_away(history, &life, event->at_ns, PB_LIVES_MAX);
}

static void on_life_event(struct pb_history *history, const struct pb_pool_event *event,
                          struct pb_life *life)
{
    switch (event->kind) {
    case PB_POOL_WORKER_DOWN:
        end(history, life, event);
        break;
    case PB_POOL_WORKER_LOST:
    case PB_POOL_WORKER_STUCK:
        life->lost_ns = event->at_ns;
        life->reason = event->kind == PB_POOL_WORKER_STUCK ? "stuck" : event->reason;
        life->health = PB_HEALTH_DEAD;
        break;
    case PB_POOL_WORKER_HEALTH:
        life->health = event->health;
        break;
    case PB_POOL_WORKER_UP:
    case PB_POOL_WORKER_FIRST_OK:
    case PB_POOL_WORKER_BACK:
    case PB_POOL_WORKER_FAILED:
    case PB_POOL_CONFIGURED:
    case PB_POOL_EVENT_COUNT:
        break;
    }
}

void pb_history_event(struct pb_history *history, const struct pb_pool_event *event)
{
    if (event->worker >= history->workers) {
        return;
    }
    struct pb_life *life = &history->now[event->worker];

    pb_mutex_lock(&history->lock);
    if (history->closed) {
        /* the workers' good-byes */
    } else if (event->kind == PB_POOL_WORKER_UP) {
        on_up(history, event, life);
    } else if (event->kind == PB_POOL_WORKER_FAILED) {
        on_failed(history, event);
    } else if (lives(life) && life->incarnation == event->incarnation) {
        on_life_event(history, event, life);
    }
    pb_mutex_unlock(&history->lock);
}

/* --- Looks --- */

/* The life that a row or look is about; NULL: it is over, or not up yet. */
static struct pb_life *life_of(struct pb_history *history, uint32_t worker, uint32_t incarnation)
{
    struct pb_life *life = worker < history->workers ? &history->now[worker] : NULL;

    return life && lives(life) && life->incarnation == incarnation ? life : NULL;
}

void pb_history_stats(struct pb_history *history, int64_t now_ns,
                      const struct pb_worker_stats *rows, size_t count)
{
    pb_mutex_lock(&history->lock);
    history->stats_ns = now_ns;
    for (size_t i = 0; i < count; i++) {
        const struct pb_worker_stats *row = &rows[i];
        struct pb_life *life = life_of(history, row->worker, row->incarnation);

        if (life) {
            life->requests = row->requests > life->requests ? row->requests : life->requests;
            life->busy_ns = row->busy_ns > life->busy_ns ? row->busy_ns : life->busy_ns;
            life->capacity = row->capacity > 0 ? row->capacity : 1;
            life->overflow = row->overflow;
            life->pid = row->pid > 0 ? row->pid : life->pid;
        }
    }
    pb_mutex_unlock(&history->lock);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take_look(struct pb_history *history, struct pb_life *life, const struct pb_look *look)
{
    if (life->looks > 0) {
        history->look_gaps_ns += look->at_ns - life->cpu_last_at_ns;
        history->look_gap_count++;
    }
    life->looks++;
    history->summary.looks++;
    life->rss_peak_bytes =
        larger(life->rss_peak_bytes, larger(look->rss_bytes, look->rss_peak_bytes));
    life->pss_peak_bytes = larger(life->pss_peak_bytes, look->pss_bytes);
    life->fds_peak = (int32_t)larger(life->fds_peak, look->fds);
    life->threads_peak = (int32_t)larger(life->threads_peak, look->threads);
    life->cpu_last_at_ns = look->at_ns;
    if (look->cpu_ns < 0) {
        return;
    }
    life->cpu_ns = larger(life->cpu_ns, look->cpu_ns);
    if (life->cpu_from_ns < 0) {
        life->cpu_from_ns = life->cpu_ns;
        life->cpu_from_at_ns = look->at_ns;
    }
}

void pb_history_look(struct pb_history *history, const struct pb_look *look)
{
    pb_mutex_lock(&history->lock);
    struct pb_life *life = life_of(history, look->worker, look->incarnation);

    if (life && !history->closed) {
        take_look(history, life, look);
    }
    pb_mutex_unlock(&history->lock);
}

void pb_history_mark(struct pb_history *history, int64_t now_ns)
{
    pb_mutex_lock(&history->lock);
    history->mark_ns = now_ns;
    memset(history->sums, 0, history->workers * sizeof(*history->sums));
    for (uint32_t i = 0; i < history->workers; i++) {
        struct pb_life *life = &history->now[i];

        if (!lives(life)) {
            continue;
        }
        /* What it has done is known as of then. */
        life->alive_from_ns = larger(life->ready_ns, history->stats_ns);
        life->busy_from_ns = life->busy_ns;
        life->requests_from = life->requests;
        life->cpu_from_ns = life->cpu_ns; /* as the last look found it */
        life->cpu_from_at_ns = life->cpu_last_at_ns;
    }
    pb_mutex_unlock(&history->lock);
}

/* --- The end --- */

static double jain(double sum, double squares, uint32_t n)
{
    return n >= 2 && squares > 0 ? sum * sum / ((double)n * squares) : NOTHING;
}

static void judge_balance(struct pb_history *history)
{
    struct pb_workers_summary *summary = &history->summary;
    double requests = 0, requests2 = 0, busy = 0, busy2 = 0;
    int64_t longest_ns = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < history->workers; i++) {
        longest_ns = larger(longest_ns, history->sums[i].alive_ns);
    }
    for (uint32_t i = 0; i < history->workers; i++) {
        const struct number_sums *sums = &history->sums[i];

        if (sums->alive_ns == 0 || sums->alive_ns < longest_ns / 2) {
            continue;
        }
        double rate = (double)sums->requests / (double)sums->alive_ns;
        double share = (double)sums->busy_ns / (double)sums->alive_ns;

        requests += rate;
        requests2 += rate * rate;
        busy += share;
        busy2 += share * share;
        n++;
    }
    summary->jain_workers = n;
    summary->jain_requests = jain(requests, requests2, n);
    summary->jain_busy = jain(busy, busy2, n);
}

static int by_start(const void *a, const void *b)
{
    const struct pb_life *x = a, *y = b;

    if (x->started_ns != y->started_ns) {
        return x->started_ns > y->started_ns ? 1 : -1;
    }
    return (x->worker > y->worker) - (x->worker < y->worker);
}

void pb_history_close(struct pb_history *history, int64_t end_ns, const struct pb_life **ret_lives,
                      size_t *ret_count, struct pb_workers_summary *ret_summary)
{
    pb_mutex_lock(&history->lock);
    for (uint32_t i = 0; i < history->workers && !history->closed; i++) {
        struct pb_life *life = &history->now[i];

        if (lives(life)) {
            if (life->lost_ns > 0 && life->reason) {
                count_reason(&history->summary, life->reason);
            }
            put_away(history, life, life->lost_ns > 0 ? life->lost_ns : end_ns,
                     (size_t)PB_LIVES_MAX + history->workers);
        }
    }
    if (!history->closed) {
        history->closed = true;
        judge_balance(history);
        qsort(history->lives, history->life_count, sizeof(*history->lives), by_start);
    }
    if (history->look_gap_count > 0) {
        history->summary.look_every_ns = history->look_gaps_ns / (int64_t)history->look_gap_count;
    }
    *ret_lives = history->lives;
    *ret_count = history->life_count;
    *ret_summary = history->summary;
    pb_mutex_unlock(&history->lock);
}
