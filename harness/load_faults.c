#include "base/rng.h"
#include "harness/load_internal.h"
#include "harness/pacing.h"

/* A fault keeps its place within its phase, whatever draining came before the phase. */
static uint32_t phase_at(const struct pb_load *load, int64_t at_ns)
{
    uint32_t phase = 0;

    while (phase + 1 < load->phases && pb_load_phase(load, phase + 1)->start_ns <= at_ns) {
        phase++;
    }
    return phase;
}

bool pb_load_wait_until(struct pb_load *load, int64_t at_ns, int64_t *ret_due_ns)
{
    uint32_t phase = phase_at(load, at_ns);
    bool reached = false;

    pb_mutex_lock(&load->lock);
    while (!load->over && load->phases_known <= phase) {
        pb_cond_wait(&load->changed, &load->lock);
    }
    int64_t due_ns = load->phase_start_ns[phase] + at_ns - pb_load_phase(load, phase)->start_ns;

    while (!load->over && !reached) {
        reached = pb_now_ns() >= due_ns || !pb_cond_wait_until(&load->changed, &load->lock, due_ns);
    }
    reached = reached && !load->over;
    pb_mutex_unlock(&load->lock);
    *ret_due_ns = due_ns;
    return reached;
}

/* --- Telling --- */

static void tell(struct pb_load *load, enum pb_load_event_kind kind, uint32_t number,
                 int64_t instant_ns, uint32_t slot, uint32_t workers)
{
    const struct pb_load_event event = { .kind = kind,
                                         .number = number,
                                         .at_ns = instant_ns - atomic_load(&load->start_ns),
                                         .backlog_oldest_ns = -1,
                                         .slot = slot,
                                         .workers = workers };

    if (load->config.event) {
        load->config.event(load->config.ctx, &event);
    }
}

void pb_fault_tell_end(struct pb_load *load, uint32_t number, int64_t instant_ns)
{
    if (!atomic_exchange(&load->fault_states[number].ended, true)) {
        tell(load, PB_LOAD_FAULT_END, number, instant_ns, PB_NO_WORKER, 0);
    }
}

/* --- Beginning and ending --- */

/* The first of the workers that a fault is meant for, and how many, of `alive` ones. */
static uint32_t choose(const struct pb_load *load, uint32_t number, uint32_t alive,
                       uint32_t *ret_count)
{
    int64_t wanted = load->config.scenario->faults[number].worker;
    struct pb_rng_key key = { .seed = load->config.schedule->seed, .stream = PB_STREAM_FAULT };

    *ret_count = wanted == PB_FAULT_ALL ? alive : alive > 0;
    if (wanted == PB_FAULT_ANY && alive > 0) {
        return (uint32_t)pb_rng_below(&key, number, alive);
    }
    if (wanted >= (int64_t)alive) {
        *ret_count = 0; /* fewer are alive: the event says that none was hit */
    }
    return wanted > 0 ? (uint32_t)wanted : 0;
}

/* The last ones first, so that those still to come keep their places in the order. */
static uint32_t kill_workers(struct pb_load *load, uint32_t number, uint32_t first, uint32_t count,
                             int64_t now_ns, uint32_t *ret_slot)
{
    uint32_t hit = 0;

    for (uint32_t i = count; i-- > 0;) {
        if (pb_backend_kill_worker(&load->backend, first + i, ret_slot) == PB_OK) {
            tell(load, PB_LOAD_FAULT_HIT, number, now_ns, *ret_slot, 1);
            hit++;
        }
    }
    return hit;
}

/* The faults of workers: those alive at this moment. */
static void begin_on_workers(struct pb_load *load, uint32_t number, int64_t due_ns)
{
    const struct pb_fault *fault = &load->config.scenario->faults[number];
    struct pb_fault_state *state = &load->fault_states[number];
    const struct pb_worker_stats *rows;
    uint32_t alive = pb_mishaps_alive(load, &rows), count, hit = 0, slot = PB_NO_WORKER;
    uint32_t first = choose(load, number, alive, &count);
    int64_t now_ns = pb_now_ns();

    if (fault->kind == PB_FAULT_KILL_WORKER) {
        hit = kill_workers(load, number, first, count, now_ns, &slot);
    } else {
        atomic_store(&state->end_ns, fault->for_ns > 0 ? due_ns + fault->for_ns : INT64_MAX);
        for (uint32_t i = first; i < first + count; i++) {
            if (pb_mishaps_hit(load, number, &rows[i])) {
                slot = hit++ == 0 ? rows[i].worker * load->threads : slot;
                tell(load, PB_LOAD_FAULT_HIT, number, now_ns, rows[i].worker * load->threads, 1);
            }
        }
    }
    tell(load, PB_LOAD_FAULT, number, now_ns, slot, hit);
    if (hit == 0) {
        atomic_store(&state->end_ns, now_ns);
        atomic_store(&state->ended, true); /* nothing was hit: nothing ends */
    }
}

static void begin(struct pb_load *load, uint32_t number, int64_t due_ns)
{
    const struct pb_fault *fault = &load->config.scenario->faults[number];

    if (fault->kind != PB_FAULT_STALL) {
        begin_on_workers(load, number, due_ns);
        return;
    }
    int64_t now_ns = pb_now_ns();

    pb_backend_stall(&load->backend, due_ns + fault->stall_ns);
    atomic_store(&load->fault_states[number].end_ns, due_ns + fault->stall_ns);
    tell(load, PB_LOAD_FAULT, number, now_ns, PB_NO_WORKER, 0);
}

static void end(struct pb_load *load, uint32_t number)
{
    pb_mishaps_release(load, number);
    pb_fault_tell_end(load, number, pb_now_ns());
}

/* --- The thread --- */

/* What is due next. */
struct due {
    int64_t at_ns; /* INT64_MAX: nothing, as far as is known */
    uint32_t number;
    bool begins;
};

static struct due next_due_locked(struct pb_load *load, uint32_t next) PB_REQUIRES(load->lock);
static struct due next_due_locked(struct pb_load *load, uint32_t next)
{
    const struct pb_scenario *scenario = load->config.scenario;
    struct due due = { .at_ns = INT64_MAX, .number = next, .begins = true };

    if (next < scenario->fault_count) {
        int64_t at_ns = scenario->faults[next].at_ns;
        uint32_t phase = phase_at(load, at_ns);

        if (load->phases_known > phase) {
            due.at_ns = load->phase_start_ns[phase] + at_ns - pb_load_phase(load, phase)->start_ns;
        }
    }
    for (uint32_t i = 0; i < next; i++) {
        struct pb_fault_state *state = &load->fault_states[i];
        int64_t end_ns = atomic_load(&state->end_ns);

        if (end_ns != 0 && end_ns <= due.at_ns && end_ns != INT64_MAX &&
            !atomic_load(&state->ended)) {
            due = (struct due){ .at_ns = end_ns, .number = i };
        }
    }
    return due;
}

/* Waits for what is due next; false: the load is over before. */
static bool wait_for(struct pb_load *load, uint32_t next, struct due *ret_due)
{
    bool reached = false;

    pb_mutex_lock(&load->lock);
    while (!load->over && !reached) {
        *ret_due = next_due_locked(load, next);
        if (ret_due->at_ns == INT64_MAX) {
            pb_cond_wait(&load->changed, &load->lock);
        } else {
            reached = pb_now_ns() >= ret_due->at_ns ||
                      !pb_cond_wait_until(&load->changed, &load->lock, ret_due->at_ns);
        }
    }
    reached = reached && !load->over;
    pb_mutex_unlock(&load->lock);
    return reached;
}

void *pb_faults_main(void *ctx)
{
    struct pb_load *load = ctx;
    uint32_t next = 0;
    struct due due;

    pb_pacing_prepare_thread();
    while (wait_for(load, next, &due)) {
        if (due.begins) {
            begin(load, next++, due.at_ns);
        } else {
            end(load, due.number);
        }
    }
    /* Processes that were to go on later go on now: the final drain waits for them. */
    for (uint32_t i = 0; i < next; i++) {
        if (load->config.scenario->faults[i].for_ns > 0) {
            pb_mishaps_release(load, i);
        }
    }
    return NULL;
}
