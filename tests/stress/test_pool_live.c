#include <pthread.h>
#include <sched.h>

#include "base/rng.h"
#include "stress/pool_ledger.h"

/* Threads against each other while the pool changes under them. */

struct live {
    struct pb_ledger ledger; /* first */
    /* What the events said. */
    _Atomic uint64_t up, down, recycled, requests_of_recycled, least_requests;
    _Atomic uint32_t checks;
};

static void note_event(void *ctx, const struct pb_pool_event *event)
{
    struct live *live = ctx;

    atomic_fetch_add(&live->up, event->kind == PB_POOL_WORKER_UP);
    atomic_fetch_add(&live->down, event->kind == PB_POOL_WORKER_DOWN);
    if (event->kind == PB_POOL_WORKER_DOWN && strcmp(event->reason, "max_requests") == 0) {
        uint64_t least = atomic_load(&live->least_requests);

        atomic_fetch_add(&live->recycled, 1);
        atomic_fetch_add(&live->requests_of_recycled, event->requests);
        while (event->requests < least &&
               !atomic_compare_exchange_weak(&live->least_requests, &least, event->requests)) {
        }
    }
}

static void live_init(struct live *live, struct pb_pool_config *config)
{
    *live = (struct live){ .least_requests = UINT64_MAX };
    pb_ledger_init(&live->ledger);
    pb_ledger_config(&live->ledger, config);
    config->event = note_event;
}

#define SUBMITTERS 3

struct crowd {
    struct pb_producer producers[SUBMITTERS];
    pthread_t ids[SUBMITTERS];
    _Atomic bool over;
    pthread_t waiter;
};

static void *wait_for_crowd(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < SUBMITTERS; i++) {
        (void)pthread_join(crowd->ids[i], NULL);
    }
    atomic_store(&crowd->over, true);
    return NULL;
}

static void let_in(struct crowd *crowd, struct pb_pool *pool, uint64_t each, int64_t gap_ns)
{
    *crowd = (struct crowd){ .over = false };
    for (int i = 0; i < SUBMITTERS; i++) {
        crowd->producers[i] = (struct pb_producer){ pool, (uint64_t)i * each, each, gap_ns, NULL };
        ck_assert_int_eq(0, pthread_create(&crowd->ids[i], NULL, pb_producer_main,
                                           &crowd->producers[i]));
    }
    ck_assert_int_eq(0, pthread_create(&crowd->waiter, NULL, wait_for_crowd, crowd));
}

static void see_out(struct crowd *crowd)
{
    ck_assert_int_eq(0, pthread_join(crowd->waiter, NULL));
}

static void resize(struct pb_pool *pool, int64_t size)
{
    struct pb_pool_change to = PB_POOL_NO_CHANGE;
    struct pb_pool_config now;

    to.size = size;
    PB_ASSERT_OK(pb_pool_reconfigure(pool, &to, &now, NULL));
    ck_assert_int_eq(size, now.size);
}

static void wait_alive(struct pb_pool *pool, uint32_t alive)
{
    struct pb_pool_stats stats;
    int64_t deadline_ns = pb_in_seconds(20);

    do {
        (void)sched_yield();
        pb_pool_snapshot(pool, &stats);
    } while (stats.alive != alive && pb_now_ns() < deadline_ns);
    ck_assert_uint_eq(alive, stats.alive);
}

static void resize_under_load(uint32_t threads, int64_t work_ns)
{
    static const int64_t sizes[] = { 8, 4, 1, 16, 4 };
    struct live live;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct crowd crowd;

    live_init(&live, &config);
    live.ledger.work_ns = work_ns;
    config.size = 4;
    config.max_size = 16;
    config.threads_per_worker = threads;
    config.queue_limit = 200;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    let_in(&crowd, pool, 10000, 100 * PB_NS_PER_US);
    for (uint32_t i = 0; !atomic_load(&crowd.over) || i < PB_ARRAY_LEN(sizes); i++) {
        resize(pool, sizes[i % PB_ARRAY_LEN(sizes)]);
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 5 * PB_NS_PER_MS);
    }
    see_out(&crowd);
    for (uint32_t i = 0; i < PB_ARRAY_LEN(sizes); i++) { /* each size is reached */
        resize(pool, sizes[i]);
        wait_alive(pool, (uint32_t)sizes[i] * threads);
    }
    pb_ledger_end(&live.ledger, pool, SUBMITTERS * 10000);
    ck_assert_uint_eq(0, pb_ledger_outcome(&live.ledger, PB_OUTCOME_CANCELLED));
    ck_assert_uint_eq(0, pb_ledger_outcome(&live.ledger, PB_OUTCOME_WORKER_LOST));
    ck_assert_uint_eq(atomic_load(&live.up), atomic_load(&live.down));
}

PB_TEST(a_pool_resized_under_load_loses_nothing)
{
    resize_under_load(1, 0);
    resize_under_load(1, 50 * PB_NS_PER_US);
}

PB_TEST(a_pool_of_several_threads_a_worker_resized_under_load_loses_nothing)
{
    resize_under_load(3, 20 * PB_NS_PER_US);
}

PB_TEST(workers_recycled_under_load_lose_nothing_and_run_no_fewer_than_they_may)
{
    struct live live;
    struct pb_pool_config config;
    struct pb_pool *pool;

    live_init(&live, &config);
    config.size = 4;
    config.queue_limit = PB_LEDGER_MAX; /* nothing is turned away */
    config.recycle.max_requests = 100;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, SUBMITTERS, 5000, 200 * PB_NS_PER_US);
    ck_assert(pb_pool_wait_idle(pool, pb_in_seconds(20)));
    wait_alive(pool, 4);

    struct pb_pool_stats stats;

    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_gt(stats.recycled, 10);
    pb_ledger_end(&live.ledger, pool, SUBMITTERS * 5000);
    ck_assert_uint_eq(SUBMITTERS * 5000, pb_ledger_outcome(&live.ledger, PB_OUTCOME_OK));
    ck_assert_uint_ge(atomic_load(&live.recycled), stats.recycled);
    ck_assert_uint_ge(atomic_load(&live.least_requests), 100);
    ck_assert_uint_le(atomic_load(&live.requests_of_recycled), SUBMITTERS * 5000);
    ck_assert_uint_eq(atomic_load(&live.up), atomic_load(&live.down));
}

static bool check(void *ctx, const struct pb_worker_id *id, void *state, struct pb_token *token,
                  int64_t deadline_ns)
{
    struct live *live = ctx;

    (void)id;
    (void)state;
    (void)deadline_ns;
    uint32_t n = atomic_fetch_add(&live->checks, 1);

    (void)pb_token_sleep_until(token, pb_now_ns() + 100 * PB_NS_PER_US);
    return n % 3 != 0;
}

/* One random thing that changes. */
static void meddle(struct pb_pool *pool, const struct pb_rng_key *key, uint64_t n)
{
    struct pb_pool_change to = PB_POOL_NO_CHANGE;
    uint32_t slot;
    enum pb_status status;

    switch (pb_rng_below(key, 2 * n, 6)) {
    case 0:
    case 1:
        to.size = 1 + (int64_t)pb_rng_below(key, 2 * n + 1, 8);
        break;
    case 2:
        to.max_overflow = (int64_t)pb_rng_below(key, 2 * n + 1, 5);
        to.overflow_ttl_ns = PB_NS_PER_MS;
        break;
    case 3:
        to.strategy = (int64_t)pb_rng_below(key, 2 * n + 1, PB_STRATEGY_COUNT);
        break;
    case 4:
        to.checkout_timeout_ns = PB_NS_PER_MS * (1 + (int64_t)pb_rng_below(key, 2 * n + 1, 100));
        to.operation_timeout_ns = PB_NS_PER_MS * (1 + (int64_t)pb_rng_below(key, 2 * n + 1, 10));
        break;
    default:
        status = pb_pool_kill_worker(pool, (uint32_t)pb_rng_below(key, 2 * n + 1, 4), &slot);
        ck_assert(status == PB_OK || status == PB_ENOENT);
        break;
    }
    PB_ASSERT_OK(pb_pool_reconfigure(pool, &to, NULL, NULL));
}

static void everything_at_once(uint32_t threads)
{
    static const struct pb_worker_hooks hooks = { .check = check };
    struct live live;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct crowd crowd;
    struct pb_rng_key key = { .seed = 11 + threads, .stream = PB_STREAM_FAULT };

    live_init(&live, &config);
    live.ledger.work_ns = 50 * PB_NS_PER_US;
    live.ledger.hang_one_in = 301;
    config.size = 4;
    config.max_size = 12;
    config.threads_per_worker = threads;
    config.queue_limit = 100;
    config.stuck_after_ns = 10 * PB_NS_PER_MS;
    config.hooks = &hooks;
    config.health_check_interval_ns = 5 * PB_NS_PER_MS;
    config.max_health_failures = 2;
    config.recycle =
        (struct pb_recycle){ .max_requests = 60, .max_age_ns = 50 * PB_NS_PER_MS, .jitter = 0.3 };
    config.restart_max_delay_ns = PB_NS_PER_MS;
    config.max_restarts = 0;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    let_in(&crowd, pool, 4000, PB_NS_PER_MS);
    for (uint64_t n = 0; !atomic_load(&crowd.over); n++) {
        meddle(pool, &key, n);
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
    }
    see_out(&crowd);
    resize(pool, 2);
    ck_assert(pb_pool_wait_idle(pool, pb_in_seconds(20)));

    struct pb_pool_stats stats;

    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_gt(stats.health_checks, 0);
    ck_assert_uint_gt(stats.recycled, 0);
    pb_ledger_end(&live.ledger, pool, SUBMITTERS * 4000);
    ck_assert_uint_eq(atomic_load(&live.up), atomic_load(&live.down));
}

PB_TEST(resizes_kills_checks_recycling_and_timeouts_at_once_lose_nothing)
{
    everything_at_once(1);
}

PB_TEST(the_same_with_several_threads_a_worker)
{
    everything_at_once(3);
}
