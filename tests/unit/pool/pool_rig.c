#include "unit/pool/pool_rig.h"

#include <pthread.h>
#include <sched.h>

#include "pool/pool_internal.h"

#define PATIENCE_NS (20 * PB_NS_PER_S)
/* A yield takes a whole time slice where others compute: the time bounds it, too. */
#define TURN_YIELDS 20000
#define TURN_NS     (PB_NS_PER_S / 5)
#define LOOK_NS     PB_NS_PER_MS

int64_t pb_rig_deadline(void)
{
    return pb_now_ns() + PATIENCE_NS;
}

bool pb_rig_yield(struct pb_rig_turn *turn)
{
    if (turn->until_ns == 0) {
        turn->until_ns = pb_now_ns() + TURN_NS;
    }
    (void)sched_yield();
    return ++turn->yields < TURN_YIELDS && pb_now_ns() < turn->until_ns;
}

void pb_rig_let_others_run(void)
{
    struct pb_rig_turn turn = { 0 };

    while (pb_rig_yield(&turn)) {
    }
}

static uint32_t read_count(struct pb_rig *rig, const uint32_t *counter)
{
    pb_mutex_lock(&rig->lock);
    uint32_t count = *counter;

    pb_mutex_unlock(&rig->lock);
    return count;
}

uint32_t pb_rig_started(struct pb_rig *rig)
{
    return read_count(rig, &rig->started);
}

uint32_t pb_rig_ended(struct pb_rig *rig)
{
    return read_count(rig, &rig->ended);
}

uint32_t pb_rig_returned(struct pb_rig *rig)
{
    return read_count(rig, &rig->returned);
}

static bool am_i(const char *who)
{
    char name[16] = "";

    return pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 && strstr(name, who);
}

static int64_t rig_now_ns(const struct pb_clock *clock)
{
    struct pb_rig *rig = (struct pb_rig *)(uintptr_t)clock;

    if (atomic_load(&rig->hold_clock) && am_i(rig->hold_who)) {
        atomic_fetch_add(&rig->at_clock, 1);
        while (atomic_load(&rig->hold_clock)) {
            (void)sched_yield();
        }
        atomic_fetch_sub(&rig->at_clock, 1);
    }
    return atomic_load(&rig->at_ns);
}

static void rig_sleep_until(const struct pb_clock *clock, int64_t instant_ns)
{
    (void)clock;
    (void)instant_ns;
}

static enum pb_outcome rig_run(void *ctx, struct pb_work *work)
{
    struct pb_rig *rig = ctx;
    struct pb_rig_request *request = &rig->requests[work->request->index];

    pb_mutex_lock(&rig->lock);
    request->worker = work->worker;
    request->start_number = rig->started++;
    rig->running++;
    rig->overflow_running += work->overflow;
    pb_cond_broadcast(&rig->changed);
    while (!rig->all_go && !request->let_go && !(rig->obey && pb_token_cancelled(work->token))) {
        (void)pb_cond_wait_until(&rig->changed, &rig->lock, pb_now_ns() + LOOK_NS);
    }
    rig->running--;
    rig->overflow_running -= work->overflow;
    enum pb_outcome result = request->result;

    pb_mutex_unlock(&rig->lock);
    return result;
}

static void rig_done(void *ctx, const struct pb_completion *completion)
{
    struct pb_rig *rig = ctx;
    struct pb_rig_request *request = &rig->requests[completion->request->index];

    pb_mutex_lock(&rig->lock);
    request->ends++;
    request->end = *completion;
    request->end.request = NULL; /* valid during the call only */
    request->end_number = rig->ended++;
    pb_cond_broadcast(&rig->changed);
    pb_mutex_unlock(&rig->lock);
    if (rig->on_done) {
        rig->on_done(rig, completion);
    }
}

static void rig_returned(void *ctx, const struct pb_request *request, uint32_t worker,
                         int64_t started_ns, int64_t returned_ns)
{
    struct pb_rig *rig = ctx;

    (void)request;
    (void)worker;
    pb_mutex_lock(&rig->lock);
    rig->returned += returned_ns >= started_ns;
    pb_cond_broadcast(&rig->changed);
    pb_mutex_unlock(&rig->lock);
}

static void rig_event(void *ctx, const struct pb_pool_event *event)
{
    struct pb_rig *rig = ctx;

    pb_mutex_lock(&rig->lock);
    if (rig->event_count < PB_RIG_MAX) {
        rig->events[rig->event_count++] = *event;
    }
    pb_cond_broadcast(&rig->changed);
    pb_mutex_unlock(&rig->lock);
    if (rig->on_event) {
        rig->on_event(rig, event);
    }
}

void pb_rig_init(struct pb_rig *rig, uint32_t size, uint32_t queue_limit)
{
    *rig = (struct pb_rig){ .clock = { rig_now_ns, rig_sleep_until }, .hold_who = "-work-" };
    atomic_init(&rig->at_ns, PB_RIG_START);
    pb_mutex_init(&rig->lock);
    pb_cond_init(&rig->changed);
    for (int i = 0; i < PB_RIG_MAX; i++) {
        rig->requests[i].worker = PB_NO_WORKER;
    }
    pb_pool_config_default(&rig->config);
    rig->config.size = size;
    rig->config.queue_limit = queue_limit;
    rig->config.max_stuck = size;
    rig->config.run = rig_run;
    rig->config.done = rig_done;
    rig->config.returned = rig_returned;
    rig->config.event = rig_event;
    rig->config.ctx = rig;
    rig->config.clock = &rig->clock;
}

void pb_rig_start(struct pb_rig *rig)
{
    struct pb_error err = { .text = "" };
    enum pb_status status = pb_pool_new(&rig->config, &rig->pool, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
}

void pb_rig_stop(struct pb_rig *rig)
{
    uint32_t ended = 0;

    pb_rig_let_all_go(rig);
    PB_ASSERT_OK(pb_pool_free(rig->pool, PATIENCE_NS));
    for (int i = 0; i < PB_RIG_MAX; i++) {
        ck_assert_msg(rig->requests[i].ends <= 1, "request %d ended %u times", i,
                      rig->requests[i].ends);
        ended += rig->requests[i].ends;
    }
    ck_assert_uint_eq(rig->ended, ended);
    ck_assert_uint_eq(0, rig->running);
    pb_cond_done(&rig->changed);
    pb_mutex_done(&rig->lock);
}

void pb_rig_submit(struct pb_rig *rig, uint64_t index)
{
    pb_rig_submit_in_session(rig, index, 0);
}

void pb_rig_submit_in_session(struct pb_rig *rig, uint64_t index, uint64_t session)
{
    struct pb_request request = { .index = index, .session = session };

    ck_assert_uint_lt(index, PB_RIG_MAX);
    PB_ASSERT_OK(pb_pool_submit(rig->pool, &request, &rig->requests[index].ticket));
}

void pb_rig_let_go(struct pb_rig *rig, uint64_t index, enum pb_outcome result)
{
    pb_mutex_lock(&rig->lock);
    rig->requests[index].let_go = true;
    rig->requests[index].result = result;
    pb_cond_broadcast(&rig->changed);
    pb_mutex_unlock(&rig->lock);
}

void pb_rig_let_all_go(struct pb_rig *rig)
{
    pb_mutex_lock(&rig->lock);
    rig->all_go = true;
    pb_cond_broadcast(&rig->changed);
    pb_mutex_unlock(&rig->lock);
}

void pb_rig_advance(struct pb_rig *rig, int64_t by_ns)
{
    atomic_fetch_add(&rig->at_ns, by_ns);
    pb_pool_tick(rig->pool);
}

static void wait_count(struct pb_rig *rig, const uint32_t *counter, uint32_t count,
                       const char *what)
{
    int64_t deadline_ns = pb_rig_deadline();

    pb_mutex_lock(&rig->lock);
    while (*counter < count && pb_cond_wait_until(&rig->changed, &rig->lock, deadline_ns)) {
    }
    uint32_t got = *counter;

    pb_mutex_unlock(&rig->lock);
    ck_assert_msg(got >= count, "only %u of %u %s", got, count, what);
}

void pb_rig_wait_started(struct pb_rig *rig, uint32_t count)
{
    wait_count(rig, &rig->started, count, "requests started");
}

void pb_rig_wait_ended(struct pb_rig *rig, uint32_t count)
{
    wait_count(rig, &rig->ended, count, "requests ended");
}

void pb_rig_wait_returned(struct pb_rig *rig, uint32_t count)
{
    wait_count(rig, &rig->returned, count, "requests returned");
}

void pb_rig_wait_parked(struct pb_rig *rig, uint32_t count)
{
    int64_t deadline_ns = pb_rig_deadline();

    while (atomic_load(&rig->pool->idle_count) != count && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(count, atomic_load(&rig->pool->idle_count));
}

uint32_t pb_rig_events(struct pb_rig *rig, enum pb_pool_event_kind kind)
{
    uint32_t count = 0;

    pb_mutex_lock(&rig->lock);
    for (uint32_t i = 0; i < rig->event_count; i++) {
        count += rig->events[i].kind == kind;
    }
    pb_mutex_unlock(&rig->lock);
    return count;
}

void pb_rig_wait_event(struct pb_rig *rig, enum pb_pool_event_kind kind, uint32_t count)
{
    int64_t deadline_ns = pb_rig_deadline();

    while (pb_rig_events(rig, kind) < count && pb_now_ns() < deadline_ns) {
        pb_pool_tick(rig->pool);
        (void)sched_yield();
    }
    ck_assert_msg(pb_rig_events(rig, kind) >= count, "%s: %u of %u", pb_pool_event_name(kind),
                  pb_rig_events(rig, kind), count);
}

struct pb_pool_event pb_rig_event(struct pb_rig *rig, enum pb_pool_event_kind kind, uint32_t n)
{
    struct pb_pool_event found = { .kind = PB_POOL_EVENT_COUNT };

    pb_mutex_lock(&rig->lock);
    for (uint32_t i = 0; i < rig->event_count && found.kind == PB_POOL_EVENT_COUNT; i++) {
        if (rig->events[i].kind == kind && n-- == 0) {
            found = rig->events[i];
        }
    }
    pb_mutex_unlock(&rig->lock);
    ck_assert_int_eq(kind, found.kind);
    return found;
}

enum pb_outcome pb_rig_outcome(struct pb_rig *rig, uint64_t index)
{
    pb_mutex_lock(&rig->lock);
    const struct pb_rig_request *request = &rig->requests[index];
    uint32_t ends = request->ends;
    enum pb_outcome outcome = request->end.outcome;

    pb_mutex_unlock(&rig->lock);
    ck_assert_msg(ends == 1, "request %u ended %u times", (unsigned)index, ends);
    return outcome;
}

struct pb_pool_stats pb_rig_stats(struct pb_rig *rig)
{
    struct pb_pool_stats stats;

    pb_pool_snapshot(rig->pool, &stats);
    return stats;
}

static void *waiter_main(void *arg)
{
    struct pb_rig_waiter *waiter = arg;

    int64_t deadline_ns = pb_rig_deadline();

    /* Past the deadline it was not told: it looked by itself. */
    waiter->empty = pb_pool_wait_idle(waiter->rig->pool, deadline_ns) && pb_now_ns() < deadline_ns;
    return NULL;
}

void pb_rig_waiter_start(struct pb_rig_waiter *waiter, struct pb_rig *rig)
{
    waiter->rig = rig;
    ck_assert_int_eq(0, pthread_create(&waiter->thread, NULL, waiter_main, waiter));
    while (atomic_load(&rig->pool->empty_waiters) == 0) {
        (void)sched_yield();
    }
    pb_rig_let_others_run();
}

bool pb_rig_waiter_join(struct pb_rig_waiter *waiter)
{
    ck_assert_int_eq(0, pthread_join(waiter->thread, NULL));
    return waiter->empty;
}
