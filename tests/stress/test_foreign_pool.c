#include <pthread.h>

#include "base/mutex.h"
#include "harness/driver.h"
#include "support/drive.h"

/*
 * A pool of everyday making, threads around a mutex and a condition variable, that can do all that
 * a driver may say it can: a bounded queue, both timeouts (one thread looks at the clock), another
 * size.
 */

#define THREADS_MAX 16

struct place { /* what one thread runs; guarded by the lock */
    struct pb_driver_task *task;
    uint32_t turn;
    int64_t since_ns;
};

struct plain_pool {
    struct pb_driver_config config;
    struct pb_mutex lock;
    struct pb_cond changed;
    pthread_t threads[THREADS_MAX], timer;
    struct place places[THREADS_MAX];
    uint32_t started, size; /* threads there are, and those of them that may take a task */
    uint32_t queued;
    struct pb_driver_task *head, *tail; /* linked by own[0]; own[1]: when it was queued */
    bool stopping;
};

struct plain_thread {
    struct plain_pool *pool;
    uint32_t number;
};

static struct pb_driver_task *pop_locked(struct plain_pool *pool)
{
    struct pb_driver_task *task = pool->head;

    if (task) {
        pool->head = task->own[0];
        pool->queued--;
    }
    return task;
}

static bool waited_too_long(const struct plain_pool *pool, const struct pb_driver_task *task)
{
    return pool->config.checkout_timeout_ns > 0 &&
           pb_now_ns() - (int64_t)(intptr_t)task->own[1] > pool->config.checkout_timeout_ns;
}

static void serve(struct plain_pool *pool, uint32_t number, struct pb_driver_task *task)
{
    if (waited_too_long(pool, task)) {
        task->expire(task);
        return;
    }
    pb_mutex_lock(&pool->lock);
    pool->places[number] = (struct place){ task, task->turn, pb_now_ns() };
    pb_mutex_unlock(&pool->lock);
    /* Half of the threads number themselves, as half of the drivers do. */
    task->run(task, pool->config.lifo ? number : PB_DRIVER_NO_SLOT);
    pb_mutex_lock(&pool->lock);
    pool->places[number].task = NULL;
    pb_mutex_unlock(&pool->lock);
}

static void *thread_main(void *arg)
{
    struct plain_thread self = *(struct plain_thread *)arg;
    struct plain_pool *pool = self.pool;

    free(arg);
    pb_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct pb_driver_task *task = self.number < pool->size ? pop_locked(pool) : NULL;

        if (!task) {
            pb_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        pb_mutex_unlock(&pool->lock);
        serve(pool, self.number, task);
        pb_mutex_lock(&pool->lock);
    }
    pb_mutex_unlock(&pool->lock);
    return NULL;
}

static void *timer_main(void *arg)
{
    struct plain_pool *pool = arg;

    pb_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        (void)pb_cond_wait_until(&pool->changed, &pool->lock, pb_now_ns() + PB_NS_PER_MS / 2);
        for (uint32_t i = 0; i < THREADS_MAX; i++) {
            struct place place = pool->places[i];

            if (place.task && pb_now_ns() - place.since_ns > pool->config.operation_timeout_ns) {
                pb_mutex_unlock(&pool->lock);
                place.task->overrun(place.task, place.turn);
                pb_mutex_lock(&pool->lock);
            }
        }
    }
    pb_mutex_unlock(&pool->lock);
    return NULL;
}

static bool plain_resize(void *opaque, uint32_t size)
{
    struct plain_pool *pool = opaque;

    pb_mutex_lock(&pool->lock);
    for (; pool->started < size; pool->started++) {
        struct plain_thread *self = malloc(sizeof(*self));

        ck_assert_uint_lt(pool->started, THREADS_MAX);
        ck_assert_ptr_nonnull(self);
        *self = (struct plain_thread){ pool, pool->started };
        ck_assert_int_eq(0, pthread_create(&pool->threads[pool->started], NULL, thread_main, self));
    }
    pool->size = size;
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    return true;
}

static bool plain_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                       size_t why_size)
{
    struct plain_pool *pool = calloc(1, sizeof(*pool));

    if (!pool) {
        (void)snprintf(ret_why, why_size, "no memory");
        return false;
    }
    pool->config = *config;
    pb_mutex_init(&pool->lock);
    pb_cond_init(&pool->changed);
    if (config->operation_timeout_ns > 0) {
        ck_assert_int_eq(0, pthread_create(&pool->timer, NULL, timer_main, pool));
    }
    *ret_pool = pool;
    return plain_resize(pool, config->size);
}

static enum pb_driver_answer plain_submit(void *opaque, struct pb_driver_task *task)
{
    struct plain_pool *pool = opaque;

    pb_mutex_lock(&pool->lock);
    bool full = pool->config.queue_limit > 0 && pool->queued >= pool->config.queue_limit;

    if (!full) {
        task->own[0] = NULL;
        task->own[1] = (void *)(intptr_t)pb_now_ns();
        if (pool->head) {
            pool->tail->own[0] = task;
        } else {
            pool->head = task;
        }
        pool->tail = task;
        pool->queued++;
        pb_cond_broadcast(&pool->changed);
    }
    pb_mutex_unlock(&pool->lock);
    return full ? PB_DRIVER_FULL : PB_DRIVER_OK;
}

static void plain_close(void *opaque)
{
    struct plain_pool *pool = opaque;

    pb_mutex_lock(&pool->lock);
    ck_assert_ptr_null(pool->head);
    pool->stopping = true;
    pb_cond_broadcast(&pool->changed);
    pb_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->started; i++) {
        (void)pthread_join(pool->threads[i], NULL);
    }
    if (pool->config.operation_timeout_ns > 0) {
        (void)pthread_join(pool->timer, NULL);
    }
    pb_cond_done(&pool->changed);
    pb_mutex_done(&pool->lock);
    free(pool);
}

#define PLAIN_DRIVER(can)                                                                       \
    {                                                                                           \
        .version = PB_POOL_DRIVER_VERSION, .name = "plain", .summary = "for a test",            \
        .abilities = (can), .open = plain_open, .submit = plain_submit, .resize = plain_resize, \
        .close = plain_close                                                                    \
    }

static const struct pb_pool_driver able =
    PLAIN_DRIVER(PB_CAN_QUEUE_LIMIT | PB_CAN_CHECKOUT_TIMEOUT | PB_CAN_OPERATION_TIMEOUT |
                 PB_CAN_RESIZE | PB_CAN_STRATEGY);
static const struct pb_pool_driver simple = PLAIN_DRIVER(PB_CAN_RESIZE);

/* What was sent has ended, by each of the three counts. */
static void assert_all_ended(const struct pb_drive *drive)
{
    uint64_t sent = 0, rows = 0;

    for (uint32_t p = 0; p < drive->schedule.scenario->phase_count; p++) {
        ck_assert_uint_gt(drive->load.sent[p], 0);
        ck_assert_uint_eq(drive->load.sent[p], pb_drive_ended(drive, p));
        sent += drive->load.sent[p];
    }
    for (size_t i = 0; i < drive->row_count; i++) {
        rows += !(drive->rows[i].flags & PB_RECORD_RETURN);
    }
    ck_assert_uint_eq(sent, rows);
    ck_assert_uint_eq(sent, drive->pool.submitted);
    ck_assert_uint_eq(0, drive->pool.queued + drive->pool.running + drive->pool.stuck);
}

/* More than two threads carry; short timeouts, every fate, deaf work among it. */
static void drive_hostile(const struct pb_pool_driver *driver, int64_t strategy)
{
    struct pb_scenario scenario;
    struct pb_driver loaded = { .table = driver };
    struct pb_drive drive = { .generators = 3, .record = true, .seed = 5 };

    pb_test_scenario_init(&scenario, 2);
    scenario.driver = &loaded;
    scenario.pool.strategy = strategy;
    scenario.workload = &pb_workload_synthetic;
    scenario.pool.queue_limit = 3;
    scenario.pool.checkout_timeout_ns = scenario.pool.operation_timeout_ns = PB_NS_PER_MS;
    PB_ASSERT_OK(pb_dist_exponential(700e3, &scenario.operations[0].service, NULL));
    scenario.operations[0].error_rate = scenario.operations[0].client_error_rate = 0.1;
    scenario.operations[0].hang_rate = driver == &able ? 0.05 : 0;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 4000.0, 200 * PB_NS_PER_MS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, 200 * PB_NS_PER_MS)->users = 9;
    PB_ASSERT_OK(pb_dist_exponential(300e3, &scenario.phases[1].think, NULL));
    pb_drive_run(&drive, &scenario);
    assert_all_ended(&drive);
    ck_assert_uint_gt(drive.pool.outcomes[PB_OUTCOME_OK], 0);
    ck_assert_uint_gt(drive.pool.outcomes[PB_OUTCOME_ERROR], 0);
    ck_assert_uint_gt(drive.pool.outcomes[PB_OUTCOME_CLIENT_ERROR], 0);
    bool limits = driver == &able;

    ck_assert(limits == (drive.pool.outcomes[PB_OUTCOME_REJECTED] > 0));
    ck_assert(limits == (drive.pool.outcomes[PB_OUTCOME_OPERATION_TIMEOUT] > 0));
    ck_assert_uint_eq(0, drive.pool.outcomes[PB_OUTCOME_CANCELLED]);
    pb_drive_done(&drive);
}

PB_TEST(foreign_accounts_balance_with_a_pool_that_can_all)
{
    drive_hostile(&able, PB_STRATEGY_LIFO);
    drive_hostile(&able, PB_STRATEGY_FIFO);
}

PB_TEST(foreign_accounts_balance_with_a_pool_that_only_runs)
{
    drive_hostile(&simple, PB_STRATEGY_FIFO);
}

static void stop_at_phase_end(void *ctx, const struct pb_load_event *event)
{
    _Atomic int *stop = ctx;

    if (event->kind == PB_LOAD_PHASE_END) {
        atomic_store(stop, 2);
    }
}

PB_TEST(foreign_work_that_never_ends_is_decided_by_the_drain)
{
    struct pb_scenario scenario;
    struct pb_driver loaded = { .table = &simple };
    _Atomic int stop = 0;
    struct pb_drive drive = {
        .record = true, .on_event = stop_at_phase_end, .ctx = &stop, .stop = &stop
    };

    pb_test_scenario_init(&scenario, 2);
    scenario.driver = &loaded;
    scenario.workload = &pb_workload_synthetic;
    scenario.operations[0].hang_rate = 1.0;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 100.0, 100 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    assert_all_ended(&drive);
    ck_assert_uint_eq(drive.load.sent[0], drive.load.outcomes[0][PB_OUTCOME_CANCELLED]);
    /* Asked by their tokens, the threads came back, and took the rest without running it. */
    ck_assert_uint_gt(drive.row_count, drive.load.sent[0]);
    ck_assert_uint_le(drive.row_count, drive.load.sent[0] + 2);
    pb_drive_done(&drive);
}

static enum pb_outcome count_run(void *ctx, struct pb_work *work)
{
    (void)work;
    atomic_fetch_add((_Atomic uint64_t *)ctx, 1);
    return PB_OUTCOME_OK;
}

PB_TEST(foreign_size_changes_under_load_lose_nothing)
{
    struct pb_foreign *foreign = NULL;
    struct pb_foreign_sender *sender = NULL;
    struct pb_pool_change change = PB_POOL_NO_CHANGE;
    struct pb_pool_config config;
    struct pb_pool_stats stats;
    _Atomic uint64_t runs = 0;
    const uint64_t count = 20000;

    pb_pool_config_default(&config);
    config.size = 4;
    config.max_size = 8;
    config.run = count_run;
    config.ctx = &runs;
    PB_ASSERT_OK(pb_foreign_open(&simple, &config, &foreign, NULL));
    PB_ASSERT_OK(pb_foreign_attach(foreign, NULL, &sender));
    for (uint64_t i = 0; i < count; i++) {
        const struct pb_request request = { .index = i };

        if (i % 1000 == 0) {
            change.size = (int64_t)(i / 1000 % 8 + 1);
            PB_ASSERT_OK(pb_foreign_reconfigure(foreign, &change, NULL, NULL));
        }
        PB_ASSERT_OK(pb_foreign_submit(sender, &request));
    }
    ck_assert(pb_foreign_wait_idle(foreign, pb_now_ns() + 50 * PB_NS_PER_S));
    pb_foreign_snapshot(foreign, &stats);
    ck_assert_uint_eq(count, stats.outcomes[PB_OUTCOME_OK]);
    ck_assert_uint_eq(count, atomic_load(&runs));
    ck_assert_uint_eq(8, stats.peak_alive);
    PB_ASSERT_STATUS(PB_OK, pb_foreign_close(foreign, 30 * PB_NS_PER_S));
}
