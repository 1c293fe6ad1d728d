#include <unistd.h>

#include "harness/load_internal.h"
#include "harness/load_workers.h"
#include "harness/record.h"
#include "workload/workload.h"

static bool is_measured(const struct pb_load *load, uint64_t index)
{
    uint32_t every = load->config.cpu_every;

    return every == 1 || (every > 1 && index % every == 0);
}

/* A slot may have another thread than before. */
static void know_thread(struct pb_slot_state *state)
{
    pthread_t self = pthread_self();

    if (atomic_load_explicit(&state->tid, memory_order_relaxed) == 0 ||
        !pthread_equal(state->thread, self)) {
        state->thread = self;
        atomic_store_explicit(&state->tid, (int32_t)gettid(), memory_order_relaxed);
    }
}

/* On a worker's thread: the request's work. */
static enum pb_outcome on_run(void *ctx, struct pb_work *work)
{
    struct pb_load *load = ctx;
    const struct pb_request *request = work->request;
    struct pb_demand demand = { .service_ns = 0 };

    know_thread(&load->slot_states[work->worker]);
    atomic_store_explicit(&load->slot_states[work->worker].intended_ns, request->intended_ns,
                          memory_order_relaxed);
    /* Nothing asks the null workload for anything: what is measured there is the harness. */
    if (load->kind != &pb_workload_null) {
        pb_schedule_demand(load->config.schedule, request->phase, request->index, request->attempt,
                           &demand);
        work->demand_ns = demand.service_ns;
        work->operation = demand.operation;
    }
    if (load->mishaps && load->workers) {
        demand.leak_bytes = pb_mishaps_leak_bytes(load, work);
    }
    bool measured = is_measured(load, request->index);
    enum pb_outcome outcome =
        load->workers ? pb_load_workers_run(load, &demand, work, measured)
                      : load->kind->run(load->workload, &demand, work, measured, &load->give_up_ns);

    return load->mishaps ? pb_mishaps_apply(load, work, outcome) : outcome;
}

/* The times of a row.  The parts add up exactly: what is decided first is done - intended, and the
 * rest follows from it. */
static struct pb_record record_of(const struct pb_load *load, const struct pb_request *request,
                                  int64_t started_ns, int64_t done_ns)
{
    int64_t sent_ns = request->sent_ns;

    done_ns = done_ns > sent_ns ? done_ns : sent_ns;
    if (started_ns == 0 || started_ns > done_ns) {
        started_ns = done_ns;
    }
    started_ns = started_ns > sent_ns ? started_ns : sent_ns;
    return (struct pb_record){
        .index = request->index,
        .intended_ns =
            request->intended_ns - atomic_load_explicit(&load->start_ns, memory_order_relaxed),
        .lag_ns = sent_ns - request->intended_ns,
        .wait_ns = started_ns - sent_ns,
        .service_ns = done_ns - started_ns,
        .cpu_ns = -1,
        .worker = PB_RECORD_NO_WORKER,
        .phase = (uint8_t)request->phase,
        .attempt = (uint8_t)request->attempt,
    };
}

static struct pb_record row_of(const struct pb_load *load, uint32_t lane,
                               const struct pb_completion *completion)
{
    const struct pb_request *request = completion->request;
    struct pb_record row = record_of(load, request, completion->started_ns, completion->done_ns);

    if (completion->worker == lane) {
        row.demand_ns = completion->demand_ns;
        row.cpu_ns = completion->cpu_ns;
        row.operation = (uint8_t)completion->operation;
    } else if (load->kind != &pb_workload_null) {
        /* Who decided did not do the work, but what was asked for is known from the seed. */
        struct pb_demand demand;

        pb_schedule_demand(load->config.schedule, request->phase, request->index, request->attempt,
                           &demand);
        row.demand_ns = demand.service_ns;
        row.operation = (uint8_t)demand.operation;
    }
    if (completion->worker != PB_NO_WORKER) {
        row.worker = (uint16_t)completion->worker;
    }
    row.flags =
        (uint8_t)((unsigned)completion->outcome | (completion->overflow ? PB_RECORD_OVERFLOW : 0U) |
                  (request->attempt > 0 ? PB_RECORD_RETRY : 0U));
    return row;
}

/* A request that another thread decided leaves its worker away until `returned`. */
static void note_away(struct pb_load *load, const struct pb_completion *completion)
{
    int64_t intended_ns = completion->request->intended_ns;

    (void)atomic_compare_exchange_strong(&load->slot_states[completion->worker].intended_ns,
                                         &intended_ns, 0);
    pb_mutex_lock(&load->lock);
    load->away++;
    pb_mutex_unlock(&load->lock);
}

static uint32_t lane_of(const struct pb_load *load, const struct pb_completion *completion)
{
    if (completion->decider == PB_DECIDER_TIMER) {
        return load->slots;
    }
    if (completion->decider == PB_DECIDER_SUBMITTER) {
        return *(const uint32_t *)completion->submitter;
    }
    return completion->decider;
}

void pb_load_end_request(struct pb_load *load, uint32_t lane, uint32_t phase,
                         enum pb_outcome outcome, struct pb_user *user, int64_t done_ns)
{
    pb_count_up(&pb_load_counts(load, lane, phase)->outcomes[outcome]);
    if (user) {
        pb_user_return(user, done_ns);
    }
}

/* An attempt has ended, and its request with it or not. */
static void tally(struct pb_load *load, uint32_t lane, const struct pb_completion *completion)
{
    const struct pb_request *request = completion->request;
    struct pb_retry *retry = load->retrier && pb_retry_wanted(load, request, completion->outcome)
                                 ? pb_retry_take(load, lane)
                                 : NULL;
    struct pb_record row;

    if (load->config.recorder || retry) {
        row = row_of(load, lane, completion);
        row.flags |= retry ? 0 : PB_RECORD_LAST;
    }
    if (load->config.recorder) {
        pb_recorder_put(load->config.recorder, lane, &row);
    }
    if (retry) {
        pb_retry_put(load, retry, &row, request);
    } else {
        pb_load_end_request(load, lane, request->phase, completion->outcome, request->data,
                            completion->done_ns);
    }
}

/* On the deciding thread: record, and count, hand the user back or try again. */
static void on_done(void *ctx, const struct pb_completion *completion)
{
    struct pb_load *load = ctx;
    uint32_t lane = lane_of(load, completion);

    if (completion->worker == lane) {
        atomic_store_explicit(&load->slot_states[lane].intended_ns, 0, memory_order_relaxed);
    } else if (completion->worker != PB_NO_WORKER) {
        note_away(load, completion);
    }
    if (lane == load->slots) {
        /* The timer decides, but so do a drain's end and a kill, on threads of their own. */
        pb_mutex_lock(&load->timer_lane);
        tally(load, lane, completion);
        pb_mutex_unlock(&load->timer_lane);
    } else {
        tally(load, lane, completion);
    }
}

/* On a worker's thread: it came back from a request that was decided without it. */
static void on_returned(void *ctx, const struct pb_request *request, uint32_t worker,
                        int64_t started_ns, int64_t returned_ns)
{
    struct pb_load *load = ctx;
    struct pb_record row = record_of(load, request, started_ns, returned_ns);

    row.worker = (uint16_t)worker;
    row.flags = PB_RECORD_RETURN;
    pb_mutex_lock(&load->lock);
    if (load->config.recorder && !load->closed) {
        pb_recorder_put(load->config.recorder, worker, &row);
    }
    load->away--;
    pb_cond_broadcast(&load->changed);
    pb_mutex_unlock(&load->lock);
}

static void on_pool_event(void *ctx, const struct pb_pool_event *event)
{
    struct pb_load *load = ctx;

    if (load->mishaps) {
        pb_mishaps_pool_event(load, event);
    }
    if (load->config.pool_event) {
        load->config.pool_event(load->config.ctx, event);
    }
}

void pb_load_set_callbacks(struct pb_load *load, struct pb_pool_config *config)
{
    config->run = on_run;
    config->done = on_done;
    config->returned = on_returned;
    config->event = on_pool_event;
    config->ctx = load;
}
