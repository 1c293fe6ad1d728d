#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/backend.h"
#include "harness/run_internal.h"

#define NOTES_MAX 8192

static uint32_t list_workers(void *ctx, struct pb_worker_stats *ret_rows, uint32_t max)
{
    struct pb_run_state *run = ctx;

    return pb_backend_workers(pb_load_backend(run->load), ret_rows, max);
}

static int64_t slot_cpu_ns(void *ctx, uint32_t slot)
{
    struct pb_run_state *run = ctx;

    return pb_probe_thread_cpu_ns(pb_load_slot_tid(run->load, slot));
}

enum pb_status pb_run_workers_init(struct pb_run_state *run, uint32_t workers, uint32_t threads)
{
    run->threads = threads;
    run->notes = calloc(NOTES_MAX, sizeof(*run->notes));
    run->history = pb_history_new(workers);
    if (!run->notes || !run->history) {
        return PB_ENOMEM;
    }
    struct pb_worker_watch_config config = { .history = run->history,
                                             .workers = workers,
                                             .threads = threads,
                                             .list = list_workers,
                                             .slot_cpu_ns = slot_cpu_ns,
                                             .ctx = run };

    run->worker_watch = pb_worker_watch_new(&config);
    return run->worker_watch ? PB_OK : PB_ENOMEM;
}

void pb_run_workers_done(struct pb_run_state *run)
{
    free(run->notes);
    free(run->losses);
    pb_worker_watch_free(run->worker_watch);
    pb_history_free(run->history);
}

void pb_run_workers_tick(void *ctx, int64_t now_ns)
{
    struct pb_run_state *run = ctx;

    pb_worker_watch_tick(run->worker_watch, now_ns);
}

void pb_run_workers_mark(struct pb_run_state *run)
{
    pb_history_mark(run->history, pb_now_ns());
}

/* Replacements of workers that were recycled or found too many have nothing to do with losses. */
static bool matters(const struct pb_pool_event *event)
{
    switch (event->kind) {
    case PB_POOL_WORKER_LOST:
        return true;
    case PB_POOL_WORKER_UP:
    case PB_POOL_WORKER_FIRST_OK:
        return event->replacement;
    case PB_POOL_WORKER_DOWN:
    case PB_POOL_WORKER_STUCK:
    case PB_POOL_WORKER_BACK:
    case PB_POOL_WORKER_FAILED:
    case PB_POOL_WORKER_HEALTH:
    case PB_POOL_CONFIGURED:
    case PB_POOL_EVENT_COUNT:
        break;
    }
    return false;
}

void pb_run_workers_note_locked(struct pb_run_state *run, const struct pb_pool_event *event,
                                int64_t at_ns, int64_t since_ns)
{
    if (!matters(event)) {
        return;
    }
    if (run->note_count == NOTES_MAX && !run->notes_full) {
        run->note_count = pb_losses_compact(run->notes, run->note_count, at_ns);
        /* When nearly all of them matter, looking again and again finds nothing. */
        run->notes_full = run->note_count > NOTES_MAX - NOTES_MAX / 4;
    }
    if (run->note_count == NOTES_MAX) {
        run->notes_dropped++;
        return;
    }
    run->notes[run->note_count++] =
        (struct pb_worker_note){ .kind = event->kind,
                                 .at_ns = at_ns,
                                 .since_ns = since_ns,
                                 .worker = event->worker,
                                 .incarnation = event->incarnation,
                                 .overflow = event->overflow,
                                 .replacement = event->replacement,
                                 .replaces = event->replaces,
                                 .replaces_incarnation = event->replaces_incarnation,
                                 .reason = event->reason };
}

static int by_time(const void *a, const void *b)
{
    const struct pb_worker_note *x = a, *y = b;

    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* A fault is as good as the slowest of the workers it took. */
static void tell_fault(struct pb_fault_result *fault, const struct pb_loss *loss)
{
    bool worse = fault->recovery_ns < loss->recovery_ns || loss->end == PB_LOSS_OPEN;

    if (fault->detected_ns < 0 || worse) {
        fault->detected_ns = loss->detected_ns;
        fault->ready_ns = loss->ready_ns;
        fault->first_ok_ns = loss->first_ok_ns;
        fault->recovery_ns = loss->recovery_ns;
    }
}

static void match_losses(struct pb_run_state *run, struct pb_evidence *evidence)
{
    size_t count = 0;

    for (size_t i = 0; i < run->scenario->fault_count; i++) {
        evidence->faults[i] = run->faults[i];
    }
    /* Of what hit workers, that of which they may have died, while it lasted. */
    for (size_t i = 0; i < run->hit_count; i++) {
        struct pb_loss_fault *hit = &run->hits[i];

        if (pb_fault_kind_loses(run->scenario->faults[hit->number].kind)) {
            hit->until_ns = run->faults[hit->number].ended_ns;
            run->hits[count++] = *hit;
        }
    }
    qsort(run->notes, run->note_count, sizeof(*run->notes), by_time);
    run->losses = calloc(run->note_count + 1, sizeof(*run->losses));
    pb_losses_sum(NULL, 0, &evidence->recovery);
    if (!run->losses) {
        evidence->losses_dropped += run->note_count; /* what is not known is no proof */
        return;
    }
    evidence->losses = run->losses;
    evidence->loss_count =
        pb_losses_match(run->notes, run->note_count, run->hits, count, run->losses);
    for (size_t i = 0; i < evidence->loss_count; i++) {
        if (run->losses[i].fault >= 0) {
            tell_fault(&evidence->faults[run->losses[i].fault], &run->losses[i]);
        }
    }
    pb_losses_sum(evidence->losses, evidence->loss_count, &evidence->recovery);
}

void pb_run_workers_finish(struct pb_run_state *run, int64_t end_ns, struct pb_evidence *evidence)
{
    evidence->losses_dropped = run->notes_dropped;
    match_losses(run, evidence);
    pb_history_close(run->history, evidence->start_ns + end_ns, &evidence->lives,
                     &evidence->life_count, &evidence->workers);
}
