#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/backend.h"
#include "harness/run_internal.h"

#define SAMPLE_NS      (2 * PB_NS_PER_MS)
#define SAMPLE_WIDE_NS (10 * PB_NS_PER_MS) /* many slots: a snapshot reads a line of each */
#define WIDE_SLOTS     128
#define PROGRESS_NS    (250 * PB_NS_PER_MS)
#define ABORT_CHECK_NS (20 * PB_NS_PER_MS)

enum pb_status pb_watch_init(struct pb_run_state *run, uint32_t slots)
{
    pb_mutex_init(&run->lock);
    run->slots = slots;
    run->aborted_rule = -1;
    atomic_init(&run->current_phase, PB_PHASES_MAX);
    run->events = calloc(PB_EVENTS_MAX, sizeof(*run->events));
    run->up_ns = calloc(slots, sizeof(*run->up_ns));
    run->up_overflow = calloc(slots, sizeof(*run->up_overflow));
    run->up_gone = calloc(slots, sizeof(*run->up_gone));
    if (!run->events || !run->up_ns || !run->up_overflow || !run->up_gone) {
        return PB_ENOMEM;
    }
    for (uint32_t i = 0; i < slots; i++) {
        run->up_ns[i] = -1;
    }
    for (size_t i = 0; i < PB_PHASES_MAX; i++) {
        run->phase_start_ns[i] = -1;
        run->phase_end_ns[i] = -1;
        run->phase_oldest_ns[i] = -1;
    }
    for (size_t i = 0; i < PB_FAULTS_MAX; i++) {
        run->faults[i] = PB_NO_FAULT_RESULT;
    }
    for (size_t i = 0; i < PB_CHANGES_MAX; i++) {
        run->changes[i].made_ns = -1;
    }
    return PB_OK;
}

void pb_watch_done(struct pb_run_state *run)
{
    free(run->events);
    free(run->spans);
    free(run->up_ns);
    free(run->up_overflow);
    free(run->up_gone);
    pb_mutex_done(&run->lock);
}

/* NULL: there is no room. */
static struct pb_event *note_event_locked(struct pb_run_state *run, int64_t at_ns, const char *kind,
                                          const char *detail, int64_t number)
    PB_REQUIRES(run->lock);
static struct pb_event *note_event_locked(struct pb_run_state *run, int64_t at_ns, const char *kind,
                                          const char *detail, int64_t number)
{
    if (run->event_count == PB_EVENTS_MAX) {
        run->events_dropped++;
        return NULL;
    }
    struct pb_event *event = &run->events[run->event_count++];

    event->at_ns = at_ns;
    event->number = number;
    (void)snprintf(event->kind, sizeof(event->kind), "%s", kind);
    (void)snprintf(event->detail, sizeof(event->detail), "%s", detail ? detail : "");
    return event;
}

void pb_watch_note_event(struct pb_run_state *run, int64_t at_ns, const char *kind,
                         const char *detail, int64_t number)
{
    pb_mutex_lock(&run->lock);
    (void)note_event_locked(run, at_ns, kind, detail, number);
    pb_mutex_unlock(&run->lock);
}

static void note_change_locked(struct pb_run_state *run, const struct pb_load_event *event)
    PB_REQUIRES(run->lock);
static void note_change_locked(struct pb_run_state *run, const struct pb_load_event *event)
{
    const struct pb_live_change *change = &run->scenario->changes[event->number];
    struct pb_change_result *result = &run->changes[event->number];
    bool resize = change->set.size >= 0 || change->set.max_overflow >= 0;

    result->made_ns = event->at_ns;
    result->before = event->before;
    result->after = event->after;
    (void)snprintf(result->refused, sizeof(result->refused), "%s",
                   event->refused ? event->refused : "");
    (void)note_event_locked(run, event->at_ns, resize ? PB_EVENT_RESIZE : PB_EVENT_CHANGE,
                            change->text, event->number);
}

void pb_watch_load_event(void *ctx, const struct pb_load_event *event)
{
    struct pb_run_state *run = ctx;
    uint32_t n = event->number;

    pb_mutex_lock(&run->lock);
    switch (event->kind) {
    case PB_LOAD_PHASE_START:
        run->phase_start_ns[n] = event->at_ns;
        atomic_store(&run->current_phase, n);
        (void)note_event_locked(run, event->at_ns, "phase_start", run->scenario->phases[n].name, n);
        break;
    case PB_LOAD_PHASE_END:
        run->phase_end_ns[n] = event->at_ns;
        run->phase_backlog[n] = event->backlog;
        run->phase_oldest_ns[n] = event->backlog_oldest_ns;
        (void)note_event_locked(run, event->at_ns, "phase_end", run->scenario->phases[n].name, n);
        break;
    case PB_LOAD_FAULT:
        run->faults[n].injected_ns = event->at_ns;
        run->faults[n].slot = event->slot;
        run->faults[n].workers = event->workers;
        (void)note_event_locked(run, event->at_ns, "fault_begin", run->scenario->faults[n].text, n);
        break;
    case PB_LOAD_FAULT_END:
        run->faults[n].ended_ns = event->at_ns;
        (void)note_event_locked(run, event->at_ns, "fault_end", run->scenario->faults[n].text, n);
        break;
    case PB_LOAD_FAULT_HIT:
        if (run->hit_count < PB_HITS_MAX) {
            run->hits[run->hit_count++] = (struct pb_loss_fault){
                .injected_ns = event->at_ns, .worker = event->slot / run->threads, .number = (int)n
            };
        }
        break;
    case PB_LOAD_CHANGE:
        note_change_locked(run, event);
        break;
    }
    pb_mutex_unlock(&run->lock);
    /* The machine's figures describe the measured part: begin afresh when it begins. */
    if (event->kind == PB_LOAD_PHASE_START && run->scenario->phases[n].record && n > 0 &&
        !run->scenario->phases[n - 1].record) {
        pb_monitor_mark(run->monitor);
        pb_run_workers_mark(run);
    }
}

static void add_span_locked(struct pb_run_state *run, int64_t from_ns, int64_t to_ns, bool overflow)
    PB_REQUIRES(run->lock);
static void add_span_locked(struct pb_run_state *run, int64_t from_ns, int64_t to_ns, bool overflow)
{
    if (run->span_count == run->span_size) {
        size_t size = run->span_size ? 2 * run->span_size : 256;
        struct pb_alive_span *grown = realloc(run->spans, size * sizeof(*grown));

        if (!grown) {
            return; /* utilisation then misses this life; a run out of memory fails elsewhere */
        }
        run->spans = grown;
        run->span_size = size;
    }
    run->spans[run->span_count++] = (struct pb_alive_span){ from_ns, to_ns, overflow };
}

static int64_t since_start(const struct pb_run_state *run, int64_t now_ns)
{
    /* Before the load begins there is no start yet: the workers' first starts count from 0. */
    int64_t start_ns = run->load ? pb_load_start_ns(run->load) : 0;

    return start_ns > 0 && now_ns > start_ns ? now_ns - start_ns : 0;
}

/* Overflow is by count: when a core worker goes, the pool calls its first overflow worker a core
 * worker from then on. */
static void relabel_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                           int64_t at_ns) PB_REQUIRES(run->lock);
static void relabel_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                           int64_t at_ns)
{
    if (run->up_gone[event->worker]) {
        return;
    }
    run->up_gone[event->worker] = true;
    for (uint32_t i = 0; i < run->slots && !run->up_overflow[event->worker]; i++) {
        if (run->up_ns[i] >= 0 && run->up_overflow[i] && !run->up_gone[i]) {
            add_span_locked(run, since_start(run, run->up_ns[i]), at_ns, true);
            run->up_ns[i] = event->at_ns;
            run->up_overflow[i] = false;
            return;
        }
    }
}

static void follow_life_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                               int64_t at_ns) PB_REQUIRES(run->lock);
static void follow_life_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                               int64_t at_ns)
{
    uint32_t worker = event->worker;

    if (event->kind == PB_POOL_WORKER_UP) {
        run->up_ns[worker] = event->at_ns;
        run->up_overflow[worker] = event->overflow;
        run->up_gone[worker] = false;
    } else if (run->up_ns[worker] < 0) {
        return;
    } else if (event->kind == PB_POOL_WORKER_LOST || event->kind == PB_POOL_WORKER_STUCK) {
        relabel_locked(run, event, at_ns);
    } else if (event->kind == PB_POOL_WORKER_DOWN) {
        relabel_locked(run, event, at_ns);
        add_span_locked(run, since_start(run, run->up_ns[worker]), at_ns, run->up_overflow[worker]);
        run->up_ns[worker] = -1;
    }
}

static void note_worker_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                               int64_t at_ns) PB_REQUIRES(run->lock);
static void note_worker_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                               int64_t at_ns)
{
    char detail[104];

    (void)snprintf(detail, sizeof(detail), "%s%s%s",
                   event->kind == PB_POOL_WORKER_HEALTH ? pb_health_name(event->health) : "",
                   event->kind == PB_POOL_WORKER_HEALTH && event->reason ? ": " : "",
                   event->reason ? event->reason : "");

    struct pb_event *noted =
        note_event_locked(run, at_ns, pb_pool_event_name(event->kind), detail, event->worker);

    if (noted) {
        noted->of_worker = true;
        noted->incarnation = event->incarnation;
        noted->pid = event->pid;
    }
}

void pb_watch_pool_event(void *ctx, const struct pb_pool_event *event)
{
    struct pb_run_state *run = ctx;
    int64_t at_ns = since_start(run, event->at_ns);

    pb_history_event(run->history, event);
    pb_mutex_lock(&run->lock);
    if (event->worker < run->slots) {
        follow_life_locked(run, event, at_ns);
    }
    pb_run_workers_note_locked(run, event, at_ns, since_start(run, event->since_ns));
    /* What changed is told with the change that asked for it.  First successes are of interest
     * after faults only; one line each would drown the rest. */
    if (event->kind != PB_POOL_CONFIGURED &&
        (event->kind != PB_POOL_WORKER_FIRST_OK || event->replacement)) {
        note_worker_locked(run, event, at_ns);
    }
    pb_mutex_unlock(&run->lock);
}

/* Moves what the event threads left into the aggregate, which is the caller's thread's. */
static void absorb(struct pb_run_state *run)
{
    pb_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->span_count; i++) {
        for (uint32_t lane = 0; lane < run->threads; lane++) {
            pb_aggregate_alive(run->aggregate, run->spans[i].from_ns, run->spans[i].to_ns,
                               run->spans[i].overflow);
        }
    }
    run->span_count = 0;
    for (uint32_t i = 0; i < run->scenario->phase_count; i++) {
        if (run->phase_start_ns[i] >= 0) {
            int64_t end_ns = run->phase_end_ns[i] >= 0
                                 ? run->phase_end_ns[i]
                                 : run->phase_start_ns[i] + run->scenario->phases[i].duration_ns;

            pb_aggregate_phase_times(run->aggregate, i, run->phase_start_ns[i], end_ns);
        }
    }
    pb_mutex_unlock(&run->lock);
}

static void last_whole_window(const struct pb_aggregate *aggregate, int64_t elapsed_ns,
                              struct pb_progress *progress)
{
    int64_t now = elapsed_ns / aggregate->window_ns;

    if (now < 1 || now > PB_WINDOWS_MAX) {
        return;
    }
    const struct pb_window *window = &aggregate->windows[now - 1];

    progress->rate_per_s = (double)window->sent * 1e9 / (double)aggregate->window_ns;
    progress->p99_ns = window->latency ? pb_small_hist_quantile(window->latency, 0.99) : 0;
}

static void report_progress(struct pb_run_state *run, const struct pb_pool_stats *pool,
                            int64_t elapsed_ns)
{
    const struct pb_run_options *options = run->options;
    uint32_t phase = atomic_load(&run->current_phase);
    bool known = phase < run->scenario->phase_count;
    struct pb_progress progress = { .run = options->run ? options->run : 1,
                                    .runs = options->runs ? options->runs : 1,
                                    .stage = "running",
                                    .phase = known ? run->scenario->phases[phase].name : "",
                                    .recorded = known && run->scenario->phases[phase].record,
                                    .elapsed_ns = elapsed_ns,
                                    .total_ns = pb_scenario_duration_ns(run->scenario),
                                    .queued = pool->queued,
                                    .busy = pool->busy,
                                    .alive = pool->alive };

    struct pb_load_stats load;

    pb_load_snapshot(run->load, &load);
    for (uint32_t p = 0; p < run->scenario->phase_count; p++) {
        progress.sent += load.sent[p];
        progress.ok += load.outcomes[p][PB_OUTCOME_OK];
        for (int i = PB_OUTCOME_ERROR; i < PB_OUTCOME_COUNT; i++) {
            progress.bad += load.outcomes[p][i];
        }
    }
    if (elapsed_ns > progress.total_ns) {
        progress.stage = "draining";
    }
    last_whole_window(run->aggregate, elapsed_ns, &progress);
    options->progress(options->progress_ctx, &progress);
}

void pb_watch_stage(struct pb_run_state *run, const char *stage)
{
    const struct pb_run_options *options = run->options;
    struct pb_progress progress = { .run = options->run ? options->run : 1,
                                    .runs = options->runs ? options->runs : 1,
                                    .stage = stage,
                                    .phase = "",
                                    .total_ns = pb_scenario_duration_ns(run->scenario) };

    if (options->progress) {
        options->progress(options->progress_ctx, &progress);
    }
}

static void check_aborts(struct pb_run_state *run, int64_t elapsed_ns)
{
    for (size_t i = 0; i < run->scenario->abort_count; i++) {
        if (run->aborted_rule < 0 && pb_abort_holds(run, i, elapsed_ns)) {
            run->aborted_rule = (int)i;
            run->aborted_at_ns = elapsed_ns;
            pb_watch_note_event(run, elapsed_ns, "aborted", run->scenario->aborts[i].expression,
                                (int64_t)i);
            atomic_store(&run->stop, -1);
        }
    }
}

void pb_watch_tick(void *ctx, int64_t now_ns)
{
    struct pb_run_state *run = ctx;
    int64_t every_ns = run->slots > WIDE_SLOTS ? SAMPLE_WIDE_NS : SAMPLE_NS;

    absorb(run);
    if (run->options->stop && atomic_load(run->options->stop) != 0 &&
        atomic_load(&run->stop) == 0) {
        atomic_store(&run->stop, atomic_load(run->options->stop));
    }
    if (!atomic_load(&run->running) || pb_load_start_ns(run->load) == 0 ||
        now_ns - run->last_sample_ns < every_ns) {
        return;
    }
    int64_t elapsed_ns = since_start(run, now_ns);
    struct pb_pool_stats pool;

    run->last_sample_ns = now_ns;
    pb_backend_snapshot(pb_load_backend(run->load), &pool);
    /* Stuck ones as well, as in mean_workers and the utilisation: they still cost a thread. */
    pb_aggregate_sample(run->aggregate, elapsed_ns, (uint32_t)pool.queued,
                        (pool.alive + pool.stuck + run->threads - 1) / run->threads);
    if (now_ns - run->last_abort_ns >= ABORT_CHECK_NS) {
        run->last_abort_ns = now_ns;
        check_aborts(run, elapsed_ns);
    }
    if (run->options->progress && now_ns - run->last_progress_ns >= PROGRESS_NS) {
        run->last_progress_ns = now_ns;
        report_progress(run, &pool, elapsed_ns);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct pb_event *x = a, *y = b;

    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

void pb_watch_finish(struct pb_run_state *run, int64_t end_ns, struct pb_evidence *evidence)
{
    int64_t start_ns = pb_load_start_ns(run->load);

    pb_mutex_lock(&run->lock);
    for (uint32_t slot = 0; slot < run->slots; slot++) {
        if (run->up_ns[slot] >= 0) {
            int64_t from_ns = run->up_ns[slot] - start_ns;

            add_span_locked(run, from_ns > 0 ? from_ns : 0, end_ns, run->up_overflow[slot]);
            run->up_ns[slot] = -1;
        }
    }
    pb_mutex_unlock(&run->lock);
    absorb(run);
    for (uint32_t i = 0; i < run->scenario->phase_count; i++) {
        run->aggregate->phases[i].backlog = run->phase_backlog[i];
        run->aggregate->phases[i].backlog_oldest_ns = run->phase_oldest_ns[i];
    }
    pb_run_workers_finish(run, end_ns, evidence);
    memcpy(evidence->changes, run->changes, sizeof(evidence->changes));
    qsort(run->events, run->event_count, sizeof(*run->events), by_time);
    evidence->events = run->events;
    evidence->event_count = run->event_count;
    evidence->events_dropped = run->events_dropped;
}
