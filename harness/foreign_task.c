#include <stdlib.h>
#include <string.h>

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

/* --- Tasks --- */

static void run_task(struct pb_driver_task *driven, uint32_t slot);
static void expire_task(struct pb_driver_task *driven);
static void overrun_task(struct pb_driver_task *driven, uint32_t turn);

/* False: no memory, or as many as a sender may have are in the pool. */
static bool add_slab(struct pb_foreign_sender *sender)
{
    uint32_t number = atomic_load_explicit(&sender->slab_count, memory_order_relaxed);
    size_t count = (size_t)PB_FOREIGN_FIRST_SLAB << number;
    struct pb_foreign_task *slab;

    if (number == PB_FOREIGN_SLABS || !(slab = calloc(count, sizeof(*slab)))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        slab[i].driven = (struct pb_driver_task){ .run = run_task,
                                                  .expire = expire_task,
                                                  .overrun = overrun_task };
        slab[i].home = sender;
        slab[i].next = i + 1 < count ? &slab[i + 1] : NULL;
    }
    sender->slabs[number] = slab;
    sender->free = slab;
    /* release: pairs with the acquire in pb_foreign_cancel_all. */
    atomic_store_explicit(&sender->slab_count, number + 1, memory_order_release);
    return true;
}

static struct pb_foreign_task *take_task(struct pb_foreign_sender *sender)
{
    if (!sender->free) {
        sender->free = atomic_exchange(&sender->returned, NULL);
    }
    if (!sender->free && !add_slab(sender)) {
        return NULL;
    }
    struct pb_foreign_task *task = sender->free;

    sender->free = task->next;
    return task;
}

/* `state` in another phase of the same turn. */
static uint32_t in_phase(uint32_t state, enum pb_task_phase phase)
{
    return (state & ~PB_TASK_MASK) | phase;
}

static uint32_t phase_of(uint32_t state)
{
    return state & PB_TASK_MASK;
}

static bool move(struct pb_foreign_task *task, uint32_t from, enum pb_task_phase to)
{
    return atomic_compare_exchange_strong(&task->state, &from, in_phase(from, to));
}

static void set_free(struct pb_foreign_task *task)
{
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed);

    atomic_store_explicit(&task->state, in_phase(state, PB_TASK_FREE), memory_order_relaxed);
}

static void put_back(struct pb_foreign_sender *sender, struct pb_foreign_task *task)
{
    set_free(task);
    task->next = sender->free;
    sender->free = task;
}

/* The last that a thread of the pool does with a task: it may be sent again at once. */
static void give_back(struct pb_foreign_task *task)
{
    struct pb_foreign_sender *sender = task->home;
    struct pb_foreign_task *top = atomic_load_explicit(&sender->returned, memory_order_relaxed);

    set_free(task);
    do {
        task->next = top;
    } while (!atomic_compare_exchange_weak(&sender->returned, &top, task));
}

enum pb_status pb_foreign_attach(struct pb_foreign *foreign, void *user,
                                 struct pb_foreign_sender **ret_sender)
{
    struct pb_foreign_sender *sender = aligned_alloc(PB_CACHELINE, sizeof(*sender));

    if (!sender) {
        return PB_ENOMEM;
    }
    memset(sender, 0, sizeof(*sender));
    sender->foreign = foreign;
    sender->user = user;
    if (!add_slab(sender)) {
        free(sender);
        return PB_ENOMEM;
    }
    pb_mutex_lock(&foreign->lock);
    sender->next = foreign->senders;
    foreign->senders = sender;
    pb_mutex_unlock(&foreign->lock);
    *ret_sender = sender;
    return PB_OK;
}

void pb_foreign_sender_free(struct pb_foreign_sender *sender)
{
    uint32_t count = atomic_load(&sender->slab_count);

    for (uint32_t i = 0; i < count; i++) {
        free(sender->slabs[i]);
    }
    free(sender);
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

    if (!move(task, from, PB_TASK_CLAIMED)) {
        return false;
    }
    if (phase_of(from) == PB_TASK_RUNNING) {
        seat = &task->home->foreign->seats[task->seat];
        atomic_store(&seat->use, PB_SEAT_AWAY);
        pb_token_set(seat->token);
    }
    report_claimed(task, outcome, seat);
    /* release: pairs with the acquire in await_release. */
    atomic_store_explicit(&task->state, in_phase(from, PB_TASK_RELEASED), memory_order_release);
    return true;
}

/* Who was claimed waits until nobody reads the task any more.  False: nobody claimed it, it is not
 * in the pool at all. */
static bool await_release(struct pb_foreign_task *task)
{
    uint32_t state;

    while (phase_of(state = atomic_load_explicit(&task->state, memory_order_acquire)) ==
           PB_TASK_CLAIMED) {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + CLAIM_POLL_NS);
    }
    if (phase_of(state) != PB_TASK_RELEASED) {
        pb_foreign_blame(task->home->foreign, "it ran or expired a task that had ended");
        return false;
    }
    return true;
}

static void cancel(struct pb_foreign_task *task)
{
    uint32_t state = atomic_load(&task->state), phase = phase_of(state);

    if (phase == PB_TASK_QUEUED || phase == PB_TASK_RUNNING) {
        /* It may begin meanwhile: then it is claimed running. */
        (void)(claim(task, state, PB_OUTCOME_CANCELLED) ||
               claim(task, in_phase(state, PB_TASK_RUNNING), PB_OUTCOME_CANCELLED));
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
    uint32_t running = in_phase(task->driven.turn << PB_TASK_BITS, PB_TASK_RUNNING);
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
    if (move(task, running, PB_TASK_FREE)) {
        report_own(foreign, seat, task, &work, outcome, done_ns);
    } else if (await_release(task)) {
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

/* The state of a task that was submitted and has not begun. */
static uint32_t queued_state(const struct pb_foreign_task *task)
{
    return in_phase(task->driven.turn << PB_TASK_BITS, PB_TASK_QUEUED);
}

/* Ends a task that will not run. */
static void drop_task(struct pb_foreign_task *task, enum pb_outcome outcome)
{
    struct pb_foreign *foreign = task->home->foreign;

    if (claim(task, queued_state(task), outcome) || await_release(task)) {
        give_back(task);
        atomic_fetch_add(&foreign->finished, 1);
        pb_foreign_tell(foreign);
    }
}

static void run_task(struct pb_driver_task *driven, uint32_t slot)
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
    bool mine = true;

    task->seat = (uint32_t)(seat - foreign->seats);
    task->started_ns = pb_now_ns();
    atomic_store_explicit(&seat->started_ns, task->started_ns, memory_order_relaxed);
    if (move(task, queued_state(task), PB_TASK_RUNNING)) {
        run_on(foreign, seat, task);
    } else {
        mine = await_release(task);
    }
    if (mine) {
        give_back(task);
        /* release: who sees it given back sees the end of it. */
        atomic_store_explicit(&seat->finished,
                              atomic_load_explicit(&seat->finished, memory_order_relaxed) + 1,
                              memory_order_release);
    }
    leave_seat(seat);
    pb_foreign_tell(foreign);
}

static void expire_task(struct pb_driver_task *driven)
{
    struct pb_foreign_task *task = (struct pb_foreign_task *)driven;
    struct pb_foreign *foreign = task->home->foreign;
    bool closed = atomic_load(&foreign->closed);

    if (!closed && !pb_foreign_can(foreign, PB_CAN_CHECKOUT_TIMEOUT)) {
        pb_foreign_blame(foreign, "it expired a task, which is not among its abilities");
    }
    drop_task(task, closed ? PB_OUTCOME_CANCELLED : PB_OUTCOME_CHECKOUT_TIMEOUT);
}

static void overrun_task(struct pb_driver_task *driven, uint32_t turn)
{
    struct pb_foreign_task *task = (struct pb_foreign_task *)driven;

    if (!pb_foreign_can(task->home->foreign, PB_CAN_OPERATION_TIMEOUT)) {
        pb_foreign_blame(task->home->foreign, "it timed a task out, which is not among its "
                                              "abilities");
    }
    (void)claim(task, in_phase(turn << PB_TASK_BITS, PB_TASK_RUNNING),
                PB_OUTCOME_OPERATION_TIMEOUT);
}

/* --- Submitting --- */

static void reject(struct pb_foreign_sender *sender, struct pb_foreign_task *task)
{
    struct pb_foreign *foreign = sender->foreign;
    const struct pb_request request = task->request;
    const struct pb_completion completion = { .request = &request,
                                              .outcome = PB_OUTCOME_REJECTED,
                                              .done_ns = request.sent_ns,
                                              .worker = PB_NO_WORKER,
                                              .decider = PB_DECIDER_SUBMITTER,
                                              .submitter = sender->user,
                                              .cpu_ns = -1 };

    put_back(sender, task); /* `done` may send the next */
    if (foreign->config.done) {
        foreign->config.done(foreign->config.ctx, &completion);
    }
    atomic_store_explicit(&sender->rejected,
                          atomic_load_explicit(&sender->rejected, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Not accepted after all. */
static void uncount(struct pb_foreign_sender *sender)
{
    atomic_store(&sender->accepted,
                 atomic_load_explicit(&sender->accepted, memory_order_relaxed) - 1);
    pb_foreign_tell(sender->foreign);
}

/* The driver did not accept it.  False: it was decided all the same. */
static bool take_back(struct pb_foreign_sender *sender, struct pb_foreign_task *task)
{
    if (move(task, queued_state(task), PB_TASK_FREE)) {
        uncount(sender);
        return true;
    }
    if (await_release(task)) {
        put_back(sender, task);
        atomic_fetch_add(&sender->foreign->finished, 1);
        pb_foreign_tell(sender->foreign);
    }
    return false;
}

enum pb_status pb_foreign_submit(struct pb_foreign_sender *sender, const struct pb_request *request)
{
    struct pb_foreign *foreign = sender->foreign;
    struct pb_foreign_task *task = take_task(sender);

    if (!task) {
        pb_foreign_blame(foreign, "a million requests wait in it, or memory has run out");
        return PB_ECLOSED;
    }
    task->request = *request;
    if (task->request.sent_ns == 0) {
        task->request.sent_ns = pb_now_ns();
    }
    /* seq_cst, both: who closes the pool sees this request counted, or it sees the pool closed. */
    atomic_store(&sender->accepted,
                 atomic_load_explicit(&sender->accepted, memory_order_relaxed) + 1);
    if (atomic_load(&foreign->closed)) {
        uncount(sender);
        put_back(sender, task);
        return PB_ECLOSED;
    }
    /* release: pairs with run_task, whatever the pool between them does. */
    task->driven.turn++;
    atomic_store_explicit(&task->state, queued_state(task), memory_order_release);
    enum pb_driver_answer answer = foreign->driver->submit(foreign->pool, &task->driven);

    if (answer == PB_DRIVER_OK) {
        return PB_OK;
    }
    if (!take_back(sender, task)) {
        return PB_OK; /* a drain, which found it in the pool, has decided it */
    }
    if (answer == PB_DRIVER_FULL && pb_foreign_can(foreign, PB_CAN_QUEUE_LIMIT)) {
        reject(sender, task);
        return PB_OK;
    }
    put_back(sender, task);
    pb_foreign_blame(foreign, answer == PB_DRIVER_FULL
                                  ? "it says full, which is not among its abilities"
                                  : "it failed to take a request");
    return PB_ECLOSED;
}
