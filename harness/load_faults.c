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

static uint32_t kill_worker(struct pb_load *load, uint32_t number, int64_t wanted)
{
    uint32_t slot = PB_NO_WORKER;
    uint64_t ordinal = (uint64_t)wanted;

    if (wanted < 0) {
        struct pb_rng_key key = { .seed = load->config.schedule->seed, .stream = PB_STREAM_FAULT };
        struct pb_pool_stats pool;

        pb_backend_snapshot(&load->backend, &pool);
        /* The pool counts their threads. */
        uint32_t alive = pool.alive / (uint32_t)load->config.scenario->pool.threads_per_worker;

        ordinal = pb_rng_below(&key, number, alive > 0 ? alive : 1);
    }
    if (pb_backend_kill_worker(&load->backend, (uint32_t)ordinal, &slot) != PB_OK) {
        return PB_NO_WORKER; /* fewer are alive: the event says that none was hit */
    }
    return slot;
}

static void inject(struct pb_load *load, uint32_t number, int64_t due_ns)
{
    const struct pb_fault *fault = &load->config.scenario->faults[number];
    struct pb_load_event event = {
        .kind = PB_LOAD_FAULT, .number = number, .backlog_oldest_ns = -1, .slot = PB_NO_WORKER
    };

    event.at_ns = pb_now_ns() - atomic_load(&load->start_ns);
    switch (fault->kind) {
    case PB_FAULT_STALL:
        pb_backend_stall(&load->backend, due_ns + fault->stall_ns);
        break;
    case PB_FAULT_KILL_WORKER:
        event.slot = kill_worker(load, number, fault->worker);
        break;
    case PB_FAULT_COUNT:
        break;
    }
    if (load->config.event) {
        load->config.event(load->config.ctx, &event);
    }
}

void *pb_faults_main(void *ctx)
{
    struct pb_load *load = ctx;
    int64_t due_ns;

    pb_pacing_prepare_thread();
    for (uint32_t i = 0; i < load->config.scenario->fault_count; i++) {
        if (!pb_load_wait_until(load, load->config.scenario->faults[i].at_ns, &due_ns)) {
            break;
        }
        inject(load, i, due_ns);
    }
    return NULL;
}
