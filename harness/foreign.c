#include "harness/foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness/foreign_internal.h"
#include "pool/token.h"

/* A wake-up that came just too early for a waiter delays it by no more. */
#define LOOK_AGAIN_NS (20 * PB_NS_PER_MS)
/* A submit that was under way when the pool closed ends within this, or never. */
#define SUBMIT_ENDS_NS (1 * PB_NS_PER_S)

/* --- Figures --- */

static uint64_t sum_decided(const struct pb_foreign *foreign, uint64_t *outcomes)
{
    uint64_t decided = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        outcomes[o] = atomic_load(&foreign->outcomes[o]);
        for (uint32_t i = 0; i < foreign->slots; i++) {
            outcomes[o] += atomic_load(&foreign->seats[i].outcomes[o]);
        }
        decided += outcomes[o];
    }
    return decided;
}

static uint64_t sum_accepted(struct pb_foreign *foreign, uint64_t *ret_rejected)
{
    uint64_t accepted = 0;

    pb_mutex_lock(&foreign->lock);
    for (struct pb_foreign_sender *sender = foreign->senders; sender; sender = sender->next) {
        accepted += atomic_load(&sender->accepted);
        *ret_rejected += atomic_load_explicit(&sender->rejected, memory_order_relaxed);
    }
    pb_mutex_unlock(&foreign->lock);
    return accepted;
}

/* Accepted requests without an outcome.  Outcomes are summed first: what is accepted meanwhile
 * makes the difference too large, never too small. */
static uint64_t undecided(struct pb_foreign *foreign)
{
    uint64_t outcomes[PB_OUTCOME_COUNT], rejected = 0;
    uint64_t decided = sum_decided(foreign, outcomes);
    uint64_t accepted = sum_accepted(foreign, &rejected);

    return accepted > decided ? accepted - decided : 0;
}

uint64_t pb_foreign_unreturned(struct pb_foreign *foreign)
{
    uint64_t finished = atomic_load(&foreign->finished), rejected = 0;

    for (uint32_t i = 0; i < foreign->slots; i++) {
        /* acquire: pairs with the release in run_task. */
        finished += atomic_load_explicit(&foreign->seats[i].finished, memory_order_acquire);
    }
    uint64_t accepted = sum_accepted(foreign, &rejected);

    return accepted > finished ? accepted - finished : 0;
}

const char *pb_foreign_fault(const struct pb_foreign *foreign)
{
    return atomic_load(&foreign->fault);
}

/* Waits until `count` is 0; false: not by the deadline. */
static bool wait_none(struct pb_foreign *foreign, uint64_t (*count)(struct pb_foreign *),
                      int64_t deadline_ns)
{
    int64_t now_ns = 0;
    bool none = false;

    atomic_fetch_add(&foreign->waiters, 1);
    while (!(none = count(foreign) == 0) && (now_ns = pb_now_ns()) < deadline_ns) {
        int64_t until_ns = now_ns + LOOK_AGAIN_NS;

        pb_mutex_lock(&foreign->lock);
        (void)pb_cond_wait_until(&foreign->changed, &foreign->lock,
                                 until_ns < deadline_ns ? until_ns : deadline_ns);
        pb_mutex_unlock(&foreign->lock);
    }
    atomic_fetch_sub(&foreign->waiters, 1);
    return none;
}

bool pb_foreign_wait_idle(struct pb_foreign *foreign, int64_t deadline_ns)
{
    return wait_none(foreign, undecided, deadline_ns);
}

void pb_foreign_stall(struct pb_foreign *foreign, int64_t until_ns)
{
    atomic_store(&foreign->stall_until_ns, until_ns);
}

/* --- Threads coming and going --- */

static void tell_worker(struct pb_foreign *foreign, enum pb_pool_event_kind kind, uint32_t worker,
                        const char *reason)
{
    const struct pb_pool_event event = {
        .kind = kind,
        .at_ns = pb_now_ns(),
        .since_ns = kind == PB_POOL_WORKER_UP ? foreign->opened_ns : 0,
        .worker = worker,
        .overflow = worker >= foreign->config.size,
        .reason = reason,
        .health = kind == PB_POOL_WORKER_UP ? PB_HEALTH_HEALTHY : PB_HEALTH_DEAD
    };

    if (foreign->config.event) {
        foreign->config.event(foreign->config.ctx, &event);
    }
}

/* Before the number of threads changes: what they have lived so far. */
static void count_alive_locked(struct pb_foreign *foreign) PB_REQUIRES(foreign->lock);
static void count_alive_locked(struct pb_foreign *foreign)
{
    int64_t now_ns = pb_now_ns();

    foreign->alive_ns += (now_ns - foreign->counted_ns) * (foreign->size + foreign->overflow);
    foreign->counted_ns = now_ns;
}

static void note_peak_locked(struct pb_foreign *foreign) PB_REQUIRES(foreign->lock);
static void note_peak_locked(struct pb_foreign *foreign)
{
    uint32_t alive = foreign->size + foreign->overflow;

    foreign->peak = alive > foreign->peak ? alive : foreign->peak;
}

/* Called by the driver.  Its threads are alike: the numbers only keep the count right. */
static void overflow_told(void *teller, bool up)
{
    struct pb_foreign *foreign = teller;

    pb_mutex_lock(&foreign->lock);
    bool counts = up ? foreign->overflow < foreign->config.max_overflow : foreign->overflow > 0;
    uint32_t number = foreign->overflow - (up ? 0 : 1);

    if (counts) {
        count_alive_locked(foreign);
        foreign->overflow = number + (up ? 1 : 0);
        foreign->overflow_started += up;
        foreign->started += up;
        note_peak_locked(foreign);
    }
    pb_mutex_unlock(&foreign->lock);
    if (counts) {
        tell_worker(foreign, up ? PB_POOL_WORKER_UP : PB_POOL_WORKER_DOWN,
                    foreign->config.size + number, up ? "overflow" : "idle");
    }
}

static void set_size(struct pb_foreign *foreign, uint32_t size, const char *reason)
{
    pb_mutex_lock(&foreign->lock);
    uint32_t before = foreign->size;

    count_alive_locked(foreign);
    foreign->size = size;
    foreign->started += size > before ? size - before : 0;
    note_peak_locked(foreign);
    pb_mutex_unlock(&foreign->lock);
    for (uint32_t i = before; i < size; i++) {
        tell_worker(foreign, PB_POOL_WORKER_UP, i, reason);
    }
    for (uint32_t i = before; i > size; i--) {
        tell_worker(foreign, PB_POOL_WORKER_DOWN, i - 1, reason);
    }
}

void pb_foreign_snapshot(struct pb_foreign *foreign, struct pb_pool_stats *ret_stats)
{
    struct pb_pool_stats stats = { .submitted = 0 };
    uint64_t decided = sum_decided(foreign, stats.outcomes), rejected = 0;
    uint64_t accepted = sum_accepted(foreign, &rejected);
    uint64_t inside = accepted > decided ? accepted - decided : 0;
    int64_t now_ns = pb_now_ns();

    for (uint32_t i = 0; i < foreign->slots; i++) {
        const struct pb_foreign_seat *seat = &foreign->seats[i];
        uint32_t use = atomic_load_explicit(&seat->use, memory_order_relaxed);
        int64_t started_ns = atomic_load_explicit(&seat->started_ns, memory_order_relaxed);

        stats.busy += use != PB_SEAT_IDLE;
        stats.running += use == PB_SEAT_BUSY;
        stats.stuck += use == PB_SEAT_AWAY;
        stats.busy_ns += atomic_load_explicit(&seat->busy_ns, memory_order_relaxed);
        if (use != PB_SEAT_IDLE && started_ns > 0 && now_ns > started_ns) {
            stats.busy_ns += now_ns - started_ns;
        }
    }
    /* Gauges are apart by what happens meanwhile; who runs is inside. */
    stats.running = stats.running < inside ? stats.running : inside;
    stats.queued = inside - stats.running;
    stats.stuck = atomic_load(&foreign->drained) ? stats.stuck : 0;
    stats.outcomes[PB_OUTCOME_REJECTED] += rejected;
    stats.submitted = accepted + rejected;
    pb_mutex_lock(&foreign->lock);
    count_alive_locked(foreign);
    stats.alive = foreign->size + foreign->overflow;
    stats.alive_ns = foreign->alive_ns;
    stats.peak_alive = foreign->peak;
    stats.overflow_started = foreign->overflow_started;
    stats.workers_started = foreign->started;
    pb_mutex_unlock(&foreign->lock);
    *ret_stats = stats;
}

uint32_t pb_foreign_workers(struct pb_foreign *foreign, struct pb_worker_stats *ret_rows,
                            uint32_t max)
{
    uint32_t count = 0;

    pb_mutex_lock(&foreign->lock);
    uint32_t size = foreign->size;

    pb_mutex_unlock(&foreign->lock);
    for (uint32_t i = 0; i < foreign->slots; i++) {
        const struct pb_foreign_seat *seat = &foreign->seats[i];
        uint64_t finished = atomic_load_explicit(&seat->finished, memory_order_relaxed);
        bool busy = atomic_load_explicit(&seat->use, memory_order_relaxed) != PB_SEAT_IDLE;

        if (i >= size && finished == 0 && !busy) {
            continue; /* spare */
        }
        if (count < max) {
            ret_rows[count] = (struct pb_worker_stats){
                .worker = i,
                .health = PB_HEALTH_HEALTHY,
                .overflow = i >= foreign->config.size,
                .capacity = 1,
                .load = busy,
                .requests = finished,
                .started_ns = foreign->opened_ns,
                .ready_ns = foreign->opened_ns,
                .busy_ns = atomic_load_explicit(&seat->busy_ns, memory_order_relaxed),
            };
        }
        count++;
    }
    return count;
}

/* --- Life --- */

static void release(struct pb_foreign *foreign)
{
    for (uint32_t i = 0; foreign->seats && i < foreign->slots; i++) {
        pb_token_free(foreign->seats[i].token);
    }
    while (foreign->senders) {
        struct pb_foreign_sender *next = foreign->senders->next;

        pb_foreign_sender_free(foreign->senders);
        foreign->senders = next;
    }
    if (foreign->has_key) {
        (void)pthread_key_delete(foreign->key);
    }
    pb_cond_done(&foreign->changed);
    pb_mutex_done(&foreign->lock);
    pb_mutex_done(&foreign->resize_lock);
    free(foreign->seats);
    free(foreign);
}

static enum pb_status make_seats(struct pb_foreign *foreign, struct pb_error *err)
{
    size_t bytes = sizeof(*foreign->seats) * foreign->slots;

    foreign->seats = aligned_alloc(PB_CACHELINE, bytes);
    if (!foreign->seats) {
        return pb_fail(err, PB_ENOMEM, "no memory for %u slots", (unsigned)foreign->slots);
    }
    memset(foreign->seats, 0, bytes);
    for (uint32_t i = 0; i < foreign->slots; i++) {
        foreign->seats[i].token = pb_token_new();
        if (!foreign->seats[i].token) {
            return pb_fail(err, PB_ENOMEM, "no memory for %u slots", (unsigned)foreign->slots);
        }
    }
    int problem = pthread_key_create(&foreign->key, NULL);

    if (problem != 0) {
        errno = problem;
        return pb_fail(err, PB_ESYS, "cannot number the threads of driver %s",
                       foreign->driver->name);
    }
    foreign->has_key = true;
    return PB_OK;
}

static enum pb_status open_driver(struct pb_foreign *foreign, struct pb_error *err)
{
    const struct pb_pool_driver *driver = foreign->driver;
    const struct pb_pool_config *wanted = &foreign->config;
    struct pb_driver_config config = { .size = wanted->size, .slots = foreign->slots };
    char why[160] = "";

    if (pb_foreign_can(foreign, PB_CAN_OVERFLOW)) {
        config.max_overflow = wanted->max_overflow;
        config.overflow_ttl_ns = wanted->overflow_ttl_ns;
        config.told = overflow_told;
        config.teller = foreign;
    }
    if (pb_foreign_can(foreign, PB_CAN_QUEUE_LIMIT)) {
        config.queue_limit = wanted->queue_limit;
    }
    if (pb_foreign_can(foreign, PB_CAN_CHECKOUT_TIMEOUT)) {
        config.checkout_timeout_ns = wanted->checkout_timeout_ns;
    }
    if (pb_foreign_can(foreign, PB_CAN_OPERATION_TIMEOUT)) {
        config.operation_timeout_ns = wanted->operation_timeout_ns;
    }
    config.lifo = pb_foreign_can(foreign, PB_CAN_STRATEGY) && wanted->strategy == PB_STRATEGY_LIFO;
    if (driver->max_size > 0 && wanted->size > driver->max_size) {
        return pb_fail(err, PB_EINVAL, "driver %s has at most %u threads, not %u", driver->name,
                       (unsigned)driver->max_size, (unsigned)wanted->size);
    }
    if (!driver->open(&config, &foreign->pool, why, sizeof(why))) {
        why[sizeof(why) - 1] = '\0';
        return pb_fail(err, PB_ENOTSUP, "driver %s cannot open a pool of %u threads: %s",
                       driver->name, (unsigned)wanted->size, *why ? why : "it does not say why");
    }
    return PB_OK;
}

enum pb_status pb_foreign_open(const struct pb_pool_driver *driver,
                               const struct pb_pool_config *config, struct pb_foreign **ret_foreign,
                               struct pb_error *err)
{
    struct pb_foreign *foreign = calloc(1, sizeof(*foreign));

    if (!foreign) {
        return pb_fail(err, PB_ENOMEM, "no memory for a pool");
    }
    foreign->driver = driver;
    foreign->config = *config;
    foreign->slots = pb_pool_config_slots(config);
    foreign->opened_ns = pb_now_ns();
    foreign->counted_ns = foreign->opened_ns;
    pb_mutex_init(&foreign->lock);
    pb_mutex_init(&foreign->resize_lock);
    pb_cond_init(&foreign->changed);
    enum pb_status status = make_seats(foreign, err);

    status = status == PB_OK ? open_driver(foreign, err) : status;
    if (status != PB_OK) {
        release(foreign);
        return status;
    }
    set_size(foreign, config->size, "start");
    *ret_foreign = foreign;
    return PB_OK;
}

static bool only_size(const struct pb_pool_change *change)
{
    return change->max_overflow < 0 && change->queue_limit < 0 && change->overflow_ttl_ns < 0 &&
           change->overflow_after_ns < 0 && change->checkout_timeout_ns < 0 &&
           change->operation_timeout_ns < 0 && change->strategy < 0;
}

static enum pb_status resize(struct pb_foreign *foreign, uint32_t size, struct pb_error *err)
{
    pb_mutex_lock(&foreign->resize_lock);
    bool done = foreign->driver->resize(foreign->pool, size);

    if (done) {
        set_size(foreign, size, "resized");
    }
    pb_mutex_unlock(&foreign->resize_lock);
    if (!done) {
        return pb_fail(err, PB_ENOTSUP, "driver %s did not change its size to %u",
                       foreign->driver->name, (unsigned)size);
    }
    return PB_OK;
}

enum pb_status pb_foreign_reconfigure(struct pb_foreign *foreign,
                                      const struct pb_pool_change *change,
                                      struct pb_pool_config *ret_effective, struct pb_error *err)
{
    const struct pb_pool_config *config = &foreign->config;
    int64_t most = config->max_size > config->size + config->max_overflow
                       ? config->max_size - config->max_overflow
                       : config->size;
    int64_t size = change->size < most ? change->size : most;

    if (!only_size(change) || (size >= 0 && !pb_foreign_can(foreign, PB_CAN_RESIZE))) {
        return pb_fail(err, PB_ENOTSUP, "driver %s cannot change that under load",
                       foreign->driver->name);
    }
    if (size == 0) {
        return pb_fail(err, PB_EINVAL, "size is 0: it must be at least 1");
    }
    if (foreign->driver->max_size > 0 && size > foreign->driver->max_size) {
        size = foreign->driver->max_size;
    }
    if (size > 0) {
        PB_TRY(resize(foreign, (uint32_t)size, err));
    }
    if (ret_effective) {
        pb_mutex_lock(&foreign->lock);
        uint32_t now = foreign->size;

        pb_mutex_unlock(&foreign->lock);
        *ret_effective = *config;
        ret_effective->size = now;
    }
    return PB_OK;
}

enum pb_status pb_foreign_drain(struct pb_foreign *foreign, int64_t deadline_ns)
{
    bool was_drained = atomic_load(&foreign->drained);

    atomic_store(&foreign->closed, true);
    bool empty = wait_none(foreign, undecided, deadline_ns);
    int64_t give_up_ns = pb_now_ns() + SUBMIT_ENDS_NS;

    atomic_store(&foreign->drained, true);
    while (!was_drained && undecided(foreign) > 0 && pb_now_ns() < give_up_ns) {
        pb_foreign_cancel_all(foreign);
        (void)wait_none(foreign, undecided, pb_now_ns() + PB_NS_PER_MS);
    }
    return empty ? PB_OK : PB_ETIMEDOUT;
}

enum pb_status pb_foreign_close(struct pb_foreign *foreign, int64_t stuck_wait_ns)
{
    if (!foreign) {
        return PB_OK;
    }
    if (!atomic_load(&foreign->drained)) {
        enum pb_status drained = pb_foreign_drain(foreign, pb_now_ns());

        (void)drained; /* PB_ETIMEDOUT: some were cancelled, which their outcomes say */
    }
    if (!wait_none(foreign, pb_foreign_unreturned, pb_now_ns() + stuck_wait_ns)) {
        return PB_ETIMEDOUT;
    }
    foreign->driver->close(foreign->pool);
    set_size(foreign, 0, "stopped");
    release(foreign);
    return PB_OK;
}
