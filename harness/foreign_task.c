#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/foreign_internal.h"

/* --- Tasks --- */

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
        slab[i].driven = (struct pb_driver_task){ .run = pb_foreign_run,
                                                  .expire = pb_foreign_expire,
                                                  .overrun = pb_foreign_overrun };
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

static void set_free(struct pb_foreign_task *task)
{
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed);

    atomic_store_explicit(&task->state, pb_task_in_phase(state, PB_TASK_FREE),
                          memory_order_relaxed);
}

static void put_back(struct pb_foreign_sender *sender, struct pb_foreign_task *task)
{
    set_free(task);
    task->next = sender->free;
    sender->free = task;
}

void pb_foreign_give_back(struct pb_foreign_task *task)
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
    if (pb_task_move(task, pb_task_queued(task), PB_TASK_FREE)) {
        uncount(sender);
        return true;
    }
    if (pb_foreign_await_release(task)) {
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
    /* release: pairs with pb_foreign_run, whatever the pool between them does. */
    task->driven.turn++;
    atomic_store_explicit(&task->state, pb_task_queued(task), memory_order_release);
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
