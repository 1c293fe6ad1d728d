#include "base/clock.h"
#include "harness/foreign_internal.h"
#include "pool/token.h"

/* Looks at the state again so often while a claimer reads a task: it is in a `done`, or was put
 * off its CPU there. */
#define CLAIM_POLL_NS (50 * PB_NS_PER_US)
/* Who waits out a stall looks so often whether the pool is stopping. */
#define STALL_NAP_NS (50 * PB_NS_PER_MS)

void pb_foreign_blame(struct pb_foreign *foreign, const char *fault)
{
    const char *none = NULL;

    (void)atomic_compare_exchange_strong(&foreign->fault, &none, fault);
    atomic_store(&foreign->closed, true);
}

void pb_foreign_tell(struct pb_foreign *foreign)
{
    if (atomic_load(&foreign->waiters) > 0) {
        pb_mutex_lock(&foreign->lock);
        pb_cond_broadcast(&foreign->changed);
        pb_mutex_unlock(&foreign->lock);
    }
}

/* --- Seats --- */

static bool occupy(struct pb_foreign_seat *seat)
{
    uint32_t idle = PB_SEAT_IDLE;

    return atomic_compare_exchange_strong(&seat->use, &idle, PB_SEAT_BUSY);
}

/* A seat for a thread that has none, or whose own is taken: one that no thread calls its own, else
 * any.  NULL: more tasks run than there are slots. */
static struct pb_foreign_seat *find_seat(struct pb_foreign *foreign)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < foreign->slots; i++) {
            struct pb_foreign_seat *seat = &foreign->seats[i];

            if ((pass > 0 || !atomic_load(&seat->owned)) && occupy(seat)) {
                atomic_store(&seat->owned, true);
                (void)pthread_setspecific(foreign->key, seat); /* else it looks again next time */
                return seat;
            }
        }
    }
    return NULL;
}

static struct pb_foreign_seat *take_seat(struct pb_foreign *foreign, uint32_t slot)
{
    if (slot < foreign->slots) {
        if (occupy(&foreign->seats[slot])) {
            return &foreign->seats[slot];
        }
        pb_foreign_blame(foreign, "it gave one slot number to two tasks at once");
    } else if (slot != PB_DRIVER_NO_SLOT) {
        pb_foreign_blame(foreign, "it gave a task a slot number beyond `slots`");
    }
    struct pb_foreign_seat *own = pthread_getspecific(foreign->key);

    return own && occupy(own) ? own : find_seat(foreign);
}

/* --- Outcomes --- */

static void count_seat(struct pb_foreign_seat *seat, enum pb_outcome outcome)
{
    _Atomic uint64_t *count = &seat->outcomes[outcome];

    /* A single writer's; exchanged, so that a waiter who announced himself before is seen. */
    (void)atomic_exchange(count, atomic_load_explicit(count, memory_order_relaxed) + 1);
}

/* Decided by another thread than the one that runs it; `seat` NULL: it never started. */
static void report_claimed(struct pb_foreign_task *task, enum pb_outcome outcome,
                           const struct pb_foreign_seat *seat)
{
    struct pb_foreign *foreign = task->home->foreign;
    const struct pb_completion completion = {
        .request = &task->request,
        .outcome = outcome,
        .started_ns = seat ? task->started_ns : 0,
        .done_ns = pb_now_ns(),
        .worker = seat ? task->seat : PB_NO_WORKER,
        .decider = PB_DECIDER_TIMER,
        .overflow = seat && task->seat >= foreign->config.size,
        .cpu_ns = -1,
    };

    if (foreign->config.done) {
        foreign->config.done(foreign->config.ctx, &completion);
    }
    atomic_fetch_add(&foreign->outcomes[outcome], 1);
    pb_foreign_tell(foreign);
}

/* Decides a task in state `from`; false: somebody else was faster. */
static bool claim(struct pb_foreign_task *task, uint32_t from, enum pb_outcome outcome)
{
    struct pb_foreign_seat *seat = NULL;

    if (!pb_task_move(task, from, PB_TASK_CLAIMED)) {
        return false;
    }
    if (pb_task_phase_of(from) == PB_TASK_RUNNING) {
        seat = &task->home->foreign->seats[task->seat];
        atomic_store(&seat->use, PB_SEAT_AWAY);
        pb_token_set(seat->token);
    }
    report_claimed(task, outcome, seat);
    /* release: pairs with the acquire in await_release. */
    atomic_store_explicit(&task->state, pb_task_in_phase(from, PB_TASK_RELEASED),
                          memory_order_release);
    return true;
}

bool pb_foreign_await_release(struct pb_foreign_task *task)
{
    uint32_t state;

    while (pb_task_phase_of(state = atomic_load_explicit(&task->state, memory_order_acquire)) ==
           PB_TASK_CLAIMED) {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + CLAIM_POLL_NS);
    }
    if (pb_task_phase_of(state) != PB_TASK_RELEASED) {
        pb_foreign_blame(task->home->foreign, "it ran or expired a task that had ended");
        return false;
    }
    return true;
}

static void cancel(struct pb_foreign_task *task)
{
    uint32_t state = atomic_load(&task->state), phase = pb_task_phase_of(state);

    if (phase == PB_TASK_QUEUED || phase == PB_TASK_RUNNING) {
        /* It may begin meanwhile: then it is claimed running. */
        (void)(claim(task, state, PB_OUTCOME_CANCELLED) ||
               claim(task, pb_task_in_phase(state, PB_TASK_RUNNING), PB_OUTCOME_CANCELLED));
    }
}

void pb_foreign_cancel_all(struct pb_foreign *foreign)
{
    pb_mutex_lock(&foreign->lock);
    struct pb_foreign_sender *sender = foreign->senders;

    pb_mutex_unlock(&foreign->lock);
    for (; sender; sender = sender->next) {
        /* acquire: pairs with the release in add_slab. */
        uint32_t slabs = atomic_load_explicit(&sender->slab_count, memory_order_acquire);

        for (uint32_t s = 0; s < slabs; s++) {
            for (size_t i = 0; i < (size_t)PB_FOREIGN_FIRST_SLAB << s; i++) {
                cancel(&sender->slabs[s][i]);
            }
        }
    }
}

/* --- What the driver calls --- */

static void wait_out_stall(struct pb_foreign *foreign)
{
    int64_t until_ns;

    while ((until_ns = atomic_load_explicit(&foreign->stall_until_ns, memory_order_relaxed)) != 0 &&
           pb_now_ns() < until_ns && !atomic_load(&foreign->drained)) {
        int64_t nap_until_ns = pb_now_ns() + STALL_NAP_NS;

        pb_clock_sleep_until(pb_clock_real(), until_ns < nap_until_ns ? until_ns : nap_until_ns);
    }
    /* Over: later tasks need not look at the clock for it. */
    if (until_ns != 0) {
        (void)atomic_compare_exchange_strong(&foreign->stall_until_ns, &until_ns, 0);
    }
}

static void report_own(struct pb_foreign *foreign, struct pb_foreign_seat *seat,
                       const struct pb_foreign_task *task, const struct pb_work *work,
                       enum pb_outcome outcome, int64_t done_ns)
{
    const struct pb_completion completion = {
        .request = &task->request,
        .outcome = (unsigned)outcome <= PB_OUTCOME_ERROR ? outcome : PB_OUTCOME_ERROR,
        .started_ns = work->started_ns,
        .done_ns = done_ns,
        .worker = work->worker,
        .decider = work->worker,
        .overflow = work->overflow,
        .demand_ns = work->demand_ns,
        .cpu_ns = work->cpu_ns,
        .operation = work->operation,
    };

    if (foreign->config.done) {
        foreign->config.done(foreign->config.ctx, &completion);
    }
    count_seat(seat, completion.outcome);
    pb_foreign_tell(foreign);
}

/* Runs a task that is RUNNING on `seat`, to its end. */
static void run_on(struct pb_foreign *foreign, struct pb_foreign_seat *seat,
                   struct pb_foreign_task *task)
{
    uint32_t running = pb_task_in_phase(task->driven.turn << PB_TASK_BITS, PB_TASK_RUNNING);
    struct pb_work work = { .request = &task->request,
                            .token = seat->token,
                            .started_ns = task->started_ns,
                            .worker = task->seat,
                            .overflow = task->seat >= foreign->config.size,
                            .cpu_ns = -1 };
    enum pb_outcome outcome = foreign->config.run(foreign->config.ctx, &work);

    wait_out_stall(foreign);
    int64_t done_ns = pb_now_ns();

    /* The decision: from here on nobody can claim it. */
    if (pb_task_move(task, running, PB_TASK_FREE)) {
        report_own(foreign, seat, task, &work, outcome, done_ns);
    } else if (pb_foreign_await_release(task)) {
        atomic_store(&seat->use, PB_SEAT_BUSY); /* back, before anybody is told so */
        if (foreign->config.returned) {
            foreign->config.returned(foreign->config.ctx, &task->request, task->seat,
                                     task->started_ns, done_ns);
        }
        pb_token_reset(seat->token);
    }
    atomic_store_explicit(&seat->busy_ns,
                          atomic_load_explicit(&seat->busy_ns, memory_order_relaxed) + done_ns -
                              task->started_ns,
                          memory_order_relaxed);
}

static void leave_seat(struct pb_foreign_seat *seat)
{
    atomic_store_explicit(&seat->started_ns, 0, memory_order_relaxed);
    /* release: the next one here sees all that this one wrote. */
    atomic_store_explicit(&seat->use, PB_SEAT_IDLE, memory_order_release);
}

/* Ends a task that will not run. */
static void drop_task(struct pb_foreign_task *task, enum pb_outcome outcome)
{
    struct pb_foreign *foreign = task->home->foreign;

    if (claim(task, pb_task_queued(task), outcome) || pb_foreign_await_release(task)) {
        pb_foreign_give_back(task);
        atomic_fetch_add(&foreign->finished, 1);
        pb_foreign_tell(foreign);
    }
}

void pb_foreign_run(struct pb_driver_task *driven, uint32_t slot)
{
    struct pb_foreign_task *task = (struct pb_foreign_task *)driven;
    struct pb_foreign *foreign = task->home->foreign;
    struct pb_foreign_seat *seat = take_seat(foreign, slot);

    if (!seat) {
        /* Without a seat there is no lane to record on: the task ends here, and so does the run. */
        pb_foreign_blame(foreign, "it runs more tasks at once than it has threads");
        drop_task(task, PB_OUTCOME_CANCELLED);
        return;
    }
    wait_out_stall(foreign);
    bool late = atomic_load(&foreign->drained), mine = true;

    task->seat = (uint32_t)(seat - foreign->seats);
    task->started_ns = pb_now_ns();
    atomic_store_explicit(&seat->started_ns, task->started_ns, memory_order_relaxed);
    if (!late && pb_task_move(task, pb_task_queued(task), PB_TASK_RUNNING)) {
        run_on(foreign, seat, task);
    } else {
        /* What a drain has not come to yet must not begin now. */
        mine = claim(task, pb_task_queued(task), PB_OUTCOME_CANCELLED) ||
               pb_foreign_await_release(task);
    }
    if (mine) {
        pb_foreign_give_back(task);
        /* release: who sees it given back sees the end of it. */
        atomic_store_explicit(&seat->finished,
                              atomic_load_explicit(&seat->finished, memory_order_relaxed) + 1,
                              memory_order_release);
    }
    leave_seat(seat);
    pb_foreign_tell(foreign);
}

void pb_foreign_expire(struct pb_driver_task *driven)
{
    struct pb_foreign_task *task = (struct pb_foreign_task *)driven;
    struct pb_foreign *foreign = task->home->foreign;
    bool can = pb_foreign_can(foreign, PB_CAN_CHECKOUT_TIMEOUT);

    if (!can && !atomic_load(&foreign->closed)) {
        pb_foreign_blame(foreign, "it expired a task, which is not among its abilities");
    }
    drop_task(task, can && !atomic_load(&foreign->drained) ? PB_OUTCOME_CHECKOUT_TIMEOUT
                                                           : PB_OUTCOME_CANCELLED);
}

void pb_foreign_overrun(struct pb_driver_task *driven, uint32_t turn)
{
    struct pb_foreign_task *task = (struct pb_foreign_task *)driven;

    if (!pb_foreign_can(task->home->foreign, PB_CAN_OPERATION_TIMEOUT)) {
        pb_foreign_blame(task->home->foreign, "it timed a task out, which is not among its "
                                              "abilities");
    }
    (void)claim(task, pb_task_in_phase(turn << PB_TASK_BITS, PB_TASK_RUNNING),
                PB_OUTCOME_OPERATION_TIMEOUT);
}
