#include <errno.h>
#include <stdio.h>

#include "harness/driver.h"
#include "harness/load_internal.h"
#include "harness/pacing.h"

/* From the threads' being ready to the first instant of the schedule. */
#define LEAD_NS (2 * PB_NS_PER_MS)

bool pb_generator_send(struct pb_generator *generator, uint32_t phase, uint64_t index,
                       int64_t intended_ns, int64_t sent_ns, struct pb_user *user)
{
    const struct pb_request request = {
        .intended_ns = intended_ns,
        .sent_ns = sent_ns,
        .index = index,
        .phase = phase,
        .session = pb_schedule_session(generator->load->config.schedule, phase, index),
        .data = user
    };
    _Atomic uint64_t *sent = &generator->sent[phase];

    /* Counted first, so that no reader sees more outcomes than requests. */
    pb_count_up(sent);
    if (pb_backend_submit(&generator->sender, &request) == PB_OK) {
        return true;
    }
    atomic_store_explicit(sent, atomic_load_explicit(sent, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    atomic_store(&generator->load->failed, true);
    return false;
}

/* Returns at or after the instant with the last clock read; -1: stopped. */
static int64_t wait_until(struct pb_generator *generator, int64_t instant_ns)
{
    struct pb_load *load = generator->load;
    int64_t now_ns = pb_now_ns();

    while (now_ns < instant_ns && !pb_load_stopping(load)) {
        now_ns = instant_ns - now_ns > PB_LOAD_STOP_POLL_NS
                     ? pb_pacing_wait(now_ns + PB_LOAD_STOP_POLL_NS, false)
                     : pb_pacing_wait(instant_ns, load->config.spin);
    }
    return pb_load_stopping(load) ? -1 : now_ns;
}

/* Sends every arrival of the phase that is this generator's, at its time or, when behind, at once;
 * none is skipped.  False: stopped. */
static bool run_open(struct pb_generator *generator, uint32_t phase, int64_t start_ns)
{
    struct pb_load *load = generator->load;
    uint64_t mine = generator->number, index;
    struct pb_cursor cursor;
    int64_t offset_ns;

    pb_cursor_init(&cursor, load->config.schedule, phase);
    while (pb_cursor_next(&cursor, &index, &offset_ns)) {
        if (index != mine) {
            continue;
        }
        int64_t intended_ns = start_ns + offset_ns, now_ns = pb_now_ns();

        mine += load->config.generators;
        if (now_ns >= intended_ns) {
            pb_count_up(&generator->behind);
            now_ns = pb_load_stopping(load) ? -1 : now_ns;
        } else {
            now_ns = wait_until(generator, intended_ns);
        }
        if (now_ns < 0 || !pb_generator_send(generator, phase, index, intended_ns, now_ns, NULL)) {
            return false;
        }
    }
    return true;
}

/* The oldest of the requests that run now; those that wait were sent later.  -1: none runs. */
static int64_t oldest_age_ns(const struct pb_load *load, int64_t now_ns)
{
    int64_t oldest_ns = INT64_MAX;

    for (uint32_t slot = 0; slot < load->slots; slot++) {
        int64_t intended_ns =
            atomic_load_explicit(&load->slot_states[slot].intended_ns, memory_order_relaxed);

        oldest_ns = intended_ns != 0 && intended_ns < oldest_ns ? intended_ns : oldest_ns;
    }
    return oldest_ns == INT64_MAX ? -1 : now_ns - oldest_ns;
}

static void tell_phase(struct pb_load *load, enum pb_load_event_kind kind, uint32_t phase,
                       int64_t instant_ns)
{
    struct pb_load_event event = { .kind = kind,
                                   .number = phase,
                                   .at_ns = instant_ns - atomic_load(&load->start_ns),
                                   .backlog_oldest_ns = -1,
                                   .slot = PB_NO_WORKER };
    struct pb_pool_stats pool;
    struct pb_load_stats stats;

    if (!load->config.event) {
        return;
    }
    pb_load_snapshot(load, &stats);
    pb_backend_snapshot(&load->backend, &pool);
    event.backlog = pool.queued + pool.running + stats.waiting;
    if (event.backlog > 0) {
        event.backlog_oldest_ns = oldest_age_ns(load, pb_now_ns());
    }
    load->config.event(load->config.ctx, &event);
}

/* Fixes the start of `phase`, and of those that follow it without draining. */
static void announce_locked(struct pb_load *load, uint32_t phase, int64_t start_ns)
    PB_REQUIRES(load->lock);
static void announce_locked(struct pb_load *load, uint32_t phase, int64_t start_ns)
{
    load->phase_start_ns[phase] = start_ns;
    while (phase + 1 < load->phases && !pb_load_phase(load, phase)->drain) {
        start_ns += pb_load_phase(load, phase)->duration_ns;
        load->phase_start_ns[++phase] = start_ns;
    }
    load->phases_known = phase + 1;
    pb_cond_broadcast(&load->changed);
}

/* Waits until nothing is in the pool; at most as long as the final drain may take. */
static void wait_empty(struct pb_load *load)
{
    int64_t deadline_ns = pb_now_ns() + load->drain_limit_ns, now_ns;

    while (!pb_load_stopping(load) && (now_ns = pb_now_ns()) < deadline_ns) {
        int64_t until_ns = now_ns + PB_LOAD_STOP_POLL_NS;

        if (pb_load_wait_empty(load, until_ns < deadline_ns ? until_ns : deadline_ns)) {
            return;
        }
    }
}

/* The instant at which `phase` starts.  Where the one before drains, all generators meet here, and
 * the last one waits for the pool. */
static int64_t phase_start_ns(struct pb_load *load, uint32_t phase)
{
    pb_mutex_lock(&load->lock);
    if (load->phases_known <= phase && ++load->waiting == load->config.generators) {
        pb_mutex_unlock(&load->lock);
        wait_empty(load);
        pb_mutex_lock(&load->lock);
        load->waiting = 0;
        announce_locked(load, phase, pb_now_ns() + LEAD_NS);
    }
    while (load->phases_known <= phase && !pb_load_stopping(load)) {
        (void)pb_cond_wait_until(&load->changed, &load->lock, pb_now_ns() + PB_LOAD_STOP_POLL_NS);
    }
    int64_t start_ns = load->phase_start_ns[phase];

    pb_mutex_unlock(&load->lock);
    return start_ns;
}

/* False: stopped. */
static bool run_phase(struct pb_generator *generator, uint32_t phase)
{
    struct pb_load *load = generator->load;
    const struct pb_phase *what = pb_load_phase(load, phase);
    int64_t start_ns = phase_start_ns(load, phase), end_ns = start_ns + what->duration_ns;
    bool leads = generator->number == 0;

    if (pb_load_stopping(load)) {
        return false;
    }
    if (leads) {
        tell_phase(load, PB_LOAD_PHASE_START, phase, start_ns);
    }
    bool whole = what->arrival == PB_ARRIVAL_CLOSED
                     ? pb_generator_run_closed(generator, phase, start_ns, end_ns)
                     : run_open(generator, phase, start_ns);

    whole = whole && wait_until(generator, end_ns) >= 0;
    if (leads) {
        tell_phase(load, PB_LOAD_PHASE_END, phase, whole ? end_ns : pb_now_ns());
    }
    return whole;
}

static void *generator_main(void *ctx)
{
    struct pb_generator *generator = ctx;
    struct pb_load *load = generator->load;

    pb_pacing_prepare_thread();
    pb_mutex_lock(&load->lock);
    while (!load->go) {
        pb_cond_wait(&load->changed, &load->lock);
    }
    pb_mutex_unlock(&load->lock);
    for (uint32_t phase = 0; phase < load->phases; phase++) {
        if (!run_phase(generator, phase)) {
            break;
        }
    }
    return NULL;
}

enum pb_status pb_load_start_thread(pthread_t *thread, void *(*body)(void *), void *ctx,
                                    const char *name, struct pb_error *err)
{
    int problem = pthread_create(thread, NULL, body, ctx);

    if (problem != 0) {
        errno = problem;
        return pb_fail(err, PB_ESYS, "cannot start thread %s", name);
    }
    (void)pthread_setname_np(*thread, name);
    return PB_OK;
}

static void open_gate(struct pb_load *load)
{
    int64_t start_ns = pb_now_ns() + LEAD_NS;

    pb_mutex_lock(&load->lock);
    atomic_store(&load->start_ns, start_ns);
    announce_locked(load, 0, start_ns);
    load->go = true;
    pb_mutex_unlock(&load->lock);
}

enum pb_status pb_load_check(struct pb_load *load, struct pb_error *err)
{
    const char *fault = pb_backend_fault(&load->backend);

    return fault ? pb_fail(err, PB_ENOTSUP, "driver %s cannot be used: %s",
                           load->config.scenario->driver->table->name, fault)
                 : PB_OK;
}

/* What befalls the pool while it is loaded: a thread each. */
struct meddlers {
    pthread_t faults, changes;
    bool has_faults, has_changes;
};

static enum pb_status start_meddlers(struct pb_load *load, struct meddlers *meddlers,
                                     struct pb_error *err)
{
    if (load->config.scenario->fault_count > 0) {
        PB_TRY(pb_load_start_thread(&meddlers->faults, pb_faults_main, load, "pb-fault", err));
        meddlers->has_faults = true;
    }
    if (load->config.scenario->change_count > 0) {
        PB_TRY(pb_load_start_thread(&meddlers->changes, pb_changes_main, load, "pb-change", err));
        meddlers->has_changes = true;
    }
    return PB_OK;
}

static void end_meddlers(struct pb_load *load, const struct meddlers *meddlers)
{
    pb_mutex_lock(&load->lock);
    load->over = true;
    pb_cond_broadcast(&load->changed);
    pb_mutex_unlock(&load->lock);
    if (meddlers->has_faults) {
        (void)pthread_join(meddlers->faults, NULL);
    }
    if (meddlers->has_changes) {
        (void)pthread_join(meddlers->changes, NULL);
    }
}

/* As many as can be started: `ret_started`. */
static enum pb_status start_generators(struct pb_load *load, uint32_t *ret_started,
                                       struct pb_error *err)
{
    char name[16];

    for (uint32_t g = 0; g < load->config.generators; g++) {
        struct pb_generator *generator = &load->generators[g];

        (void)snprintf(name, sizeof(name), "pb-load-%u", (unsigned)g % 1000);
        PB_TRY(pb_load_start_thread(&generator->thread, generator_main, generator, name, err));
        *ret_started = g + 1;
    }
    return PB_OK;
}

enum pb_status pb_load_run(struct pb_load *load, struct pb_error *err)
{
    struct meddlers meddlers = { .has_faults = false };
    uint32_t started = 0;
    enum pb_status status = pb_retrier_start(load, err);

    if (status == PB_OK) {
        status = start_meddlers(load, &meddlers, err);
    }
    if (status == PB_OK) {
        status = start_generators(load, &started, err);
    }
    if (status != PB_OK) {
        atomic_store(&load->failed, true);
    }
    open_gate(load);
    for (uint32_t g = 0; g < started; g++) {
        (void)pthread_join(load->generators[g].thread, NULL);
    }
    end_meddlers(load, &meddlers);
    if (status == PB_OK) {
        status = pb_load_check(load, err);
    }
    if (status == PB_OK && atomic_load(&load->failed)) {
        status = pb_fail(err, PB_ECLOSED, "the pool takes no more requests");
    }
    if (status != PB_OK) {
        pb_load_drain(load); /* the caller may stop its recorder at once */
    }
    return status;
}
