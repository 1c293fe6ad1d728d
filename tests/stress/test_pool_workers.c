#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/rng.h"
#include "stress/pool_ledger.h"

/* Workers with hooks that die in every way, under load: nothing is lost, nothing is told twice, and
 * whatever was made is unmade once, after the last one has let go of it. */

#define ALIVE 0x600df00d

struct thing { /* what start makes */
    _Atomic uint32_t alive;
    _Atomic uint32_t users;
    uint32_t worker, incarnation;
};

struct crew {
    struct pb_ledger ledger; /* first: the pool's ctx is both */
    struct pb_pool *pool;
    _Atomic bool over;
    uint32_t lose_one_in, hang_one_in, fail_start_one_in;
    _Atomic uint64_t draws;
    _Atomic uint64_t starts, stops, kills, prepares, ups, downs, losses;
};

static void must_hold(struct crew *crew, bool holds)
{
    if (!holds) {
        atomic_fetch_add(&crew->ledger.wrong, 1);
    }
}

static void must_live(struct crew *crew, const struct thing *thing)
{
    must_hold(crew, thing && atomic_load(&thing->alive) == ALIVE);
}

static bool one_in(struct crew *crew, uint32_t n)
{
    struct pb_rng_key key = { .seed = 11, .stream = PB_STREAM_FAULT };

    return n > 0 && pb_rng_below(&key, atomic_fetch_add(&crew->draws, 1), n) == 0;
}

static enum pb_status start(void *ctx, const struct pb_worker_id *id, struct pb_token *token,
                            int64_t deadline_ns, void **ret_state, struct pb_error *err)
{
    struct crew *crew = ctx;

    (void)deadline_ns;
    (void)pb_token_sleep_until(token, pb_now_ns() + 100 * PB_NS_PER_US);
    if (one_in(crew, crew->fail_start_one_in)) {
        return pb_fail(err, PB_EPARSE, "no luck");
    }
    struct thing *thing = calloc(1, sizeof(*thing));

    if (!thing) {
        return pb_fail(err, PB_ENOMEM, "no memory");
    }
    thing->worker = id->worker;
    thing->incarnation = id->incarnation;
    atomic_store(&thing->alive, ALIVE);
    atomic_fetch_add(&crew->starts, 1);
    *ret_state = thing;
    return PB_OK;
}

static enum pb_status prepare(void *ctx, const struct pb_worker_id *id, void *state,
                              struct pb_token *token, int64_t deadline_ns)
{
    struct crew *crew = ctx;

    (void)token;
    (void)deadline_ns;
    must_live(crew, state);
    must_hold(crew, ((struct thing *)state)->incarnation == id->incarnation);
    atomic_fetch_add(&crew->prepares, 1);
    return PB_OK;
}

static void stop(void *ctx, const struct pb_worker_id *id, void *state, const char *reason)
{
    struct crew *crew = ctx;
    struct thing *thing = state;

    must_live(crew, thing);
    must_hold(crew, reason && thing->worker == id->worker && thing->incarnation == id->incarnation);
    must_hold(crew, atomic_load(&thing->users) == 0);
    atomic_store(&thing->alive, 0);
    atomic_fetch_add(&crew->stops, 1);
    free(thing);
}

static void kill_it(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct crew *crew = ctx;

    (void)id;
    must_live(crew, state);
    atomic_fetch_add(&crew->kills, 1);
}

static void told(void *ctx, const struct pb_pool_event *event)
{
    struct crew *crew = ctx;

    atomic_fetch_add(&crew->ups, event->kind == PB_POOL_WORKER_UP);
    atomic_fetch_add(&crew->downs, event->kind == PB_POOL_WORKER_DOWN);
    atomic_fetch_add(&crew->losses, event->kind == PB_POOL_WORKER_LOST);
}

static enum pb_outcome run(void *ctx, struct pb_work *work)
{
    struct crew *crew = ctx;
    struct thing *thing = work->state;
    enum pb_outcome outcome = PB_OUTCOME_OK;

    must_live(crew, thing);
    must_hold(crew, thing->incarnation == work->incarnation);
    atomic_fetch_add(&thing->users, 1);
    if (one_in(crew, crew->hang_one_in)) { /* until it is asked */
        struct pollfd look = { .fd = pb_token_fd(work->token), .events = POLLIN };

        must_hold(crew, look.fd >= 0 && poll(&look, 1, 20000) == 1);
        must_hold(crew, pb_token_cancelled(work->token));
        work->lost = one_in(crew, 2); /* as a process that was too slow */
    } else {
        (void)pb_token_sleep_until(work->token, work->started_ns + crew->ledger.work_ns);
    }
    if (one_in(crew, crew->lose_one_in)) {
        outcome = PB_OUTCOME_WORKER_LOST;
    }
    must_live(crew, thing);
    atomic_fetch_sub(&thing->users, 1);
    return outcome;
}

/* Kills workers, says that some are lost, and cancels requests. */
static void *trouble(void *arg)
{
    struct crew *crew = arg;
    struct pb_worker_stats rows[64];
    struct pb_rng_key key = { .seed = 5, .stream = PB_STREAM_FAULT };

    for (uint64_t i = 0; !atomic_load(&crew->over); i++) {
        uint64_t n = pb_rng_below(&key, i, 1000);
        uint32_t count = pb_pool_workers(crew->pool, rows, 64);

        if (n < 50) {
            (void)!pb_pool_kill_worker(crew->pool, (uint32_t)n % 4, NULL);
        } else if (n < 100 && count > 0) {
            const struct pb_worker_stats *row = &rows[n % count];

            (void)!pb_pool_worker_lost(crew->pool, row->worker, row->incarnation, "seen");
        }
        (void)!pb_pool_cancel(crew->pool, n);
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 200 * PB_NS_PER_US);
    }
    return NULL;
}

static int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

static void *do_nothing(void *arg)
{
    return arg;
}

/* Threads of ours: a sanitizer starts one of its own with the first of ours, and keeps it. */
static int count_threads(void)
{
    pthread_t thread;

    ck_assert_int_eq(0, pthread_create(&thread, NULL, do_nothing, NULL));
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    /* A thread that was joined is still on its last instructions. */
    pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 20 * PB_NS_PER_MS);
    return count_entries("/proc/self/task");
}

static const struct pb_worker_hooks crew_hooks = {
    .start = start, .prepare = prepare, .stop = stop, .kill = kill_it
};

static void configure(struct crew *crew, uint32_t size, uint32_t threads,
                      struct pb_pool_config *config)
{
    pb_ledger_init(&crew->ledger);
    pb_ledger_config(&crew->ledger, config);
    crew->ledger.work_ns = 300 * PB_NS_PER_US;
    config->size = size;
    config->threads_per_worker = threads;
    config->run = run;
    config->event = told;
    config->hooks = &crew_hooks;
    config->queue_limit = 50;
    config->restart_delay_ns = PB_NS_PER_US;
    config->restart_max_delay_ns = PB_NS_PER_MS;
    config->max_restarts = 0;
}

static void end(struct crew *crew, uint64_t sent)
{
    pb_ledger_end(&crew->ledger, crew->pool, sent);

    uint64_t starts = atomic_load(&crew->starts), stops = atomic_load(&crew->stops);
    uint64_t ups = atomic_load(&crew->ups), downs = atomic_load(&crew->downs);

    ck_assert_uint_eq(starts, stops);
    ck_assert_uint_eq(ups, downs);
}

static void storm(uint32_t size, uint32_t threads)
{
    struct crew crew = { .lose_one_in = 40, .hang_one_in = 60 };
    struct pb_pool_config config;
    pthread_t troubler;
    int fds = count_entries("/proc/self/fd"), tasks = count_threads();

    configure(&crew, size, threads, &config);
    config.max_overflow = 1;
    config.overflow_ttl_ns = 2 * PB_NS_PER_MS;
    config.checkout_timeout_ns = 5 * PB_NS_PER_MS;
    config.operation_timeout_ns = 5 * PB_NS_PER_MS;
    config.stuck_after_ns = 20 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &crew.pool, NULL));
    crew.fail_start_one_in = 10;
    ck_assert_int_eq(0, pthread_create(&troubler, NULL, trouble, &crew));
    pb_produce(crew.pool, 2, 4000, 500 * PB_NS_PER_US);
    atomic_store(&crew.over, true);
    ck_assert_int_eq(0, pthread_join(troubler, NULL));
    end(&crew, 8000);
    ck_assert_uint_gt(atomic_load(&crew.kills), 0);
    ck_assert_uint_ge(atomic_load(&crew.losses), atomic_load(&crew.kills));
    /* Nobody came up unwarmed; some died before it was their turn. */
    uint64_t ups = atomic_load(&crew.ups), prepares = atomic_load(&crew.prepares);

    ck_assert_uint_le(ups, prepares);
    ck_assert_uint_le(prepares, atomic_load(&crew.starts));
    ck_assert_int_eq(fds, count_entries("/proc/self/fd"));
    for (int64_t until_ns = pb_in_seconds(20); count_threads() > tasks && pb_now_ns() < until_ns;) {
    }
    ck_assert_int_eq(tasks, count_threads());
}

PB_TEST(workers_of_one_thread_come_and_die_and_nothing_is_lost)
{
    storm(4, 1);
}

PB_TEST(workers_of_four_threads_come_and_die_and_nothing_is_lost)
{
    storm(3, 4);
}

/* Every request loses its worker: the pool works on, as fast as it is allowed to. */
PB_TEST(a_crash_loop_is_no_busy_loop)
{
    struct crew crew = { .lose_one_in = 1 };
    struct pb_pool_config config;
    int64_t begun_ns;

    configure(&crew, 1, 1, &config);
    config.max_stuck = 4;
    config.restart_delay_ns = 5 * PB_NS_PER_MS;
    config.restart_max_delay_ns = 20 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &crew.pool, NULL));
    begun_ns = pb_now_ns();
    pb_produce(crew.pool, 1, 20, 0);
    ck_assert(pb_pool_wait_idle(crew.pool, pb_in_seconds(20)));
    /* 20 workers: two at once, then after 5, 10, 20, 20 ... ms. */
    ck_assert_int_ge(pb_now_ns() - begun_ns, (5 + 10 + 15 * 20) * PB_NS_PER_MS);
    ck_assert_uint_ge(atomic_load(&crew.starts), 20);
    ck_assert_uint_le(atomic_load(&crew.starts), 21);
    end(&crew, 20);
}

PB_TEST(starts_that_always_fail_take_neither_time_nor_threads)
{
    struct crew crew = { .fail_start_one_in = 0 };
    struct pb_pool_config config;
    struct pb_pool_stats stats;

    configure(&crew, 4, 2, &config);
    config.restart_delay_ns = 10 * PB_NS_PER_MS;
    config.restart_max_delay_ns = 1 * PB_NS_PER_S;
    config.max_restarts = 10;
    config.restart_window_ns = 100 * PB_NS_PER_S;
    config.checkout_timeout_ns = 200 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &crew.pool, NULL));
    crew.fail_start_one_in = 1;
    for (uint32_t i = 0; i < 3; i++) {
        PB_ASSERT_OK(pb_pool_kill_worker(crew.pool, 0, NULL));
    }
    pb_produce(crew.pool, 1, 40, 0); /* one worker is left */
    ck_assert(pb_pool_wait_idle(crew.pool, pb_in_seconds(20)));
    pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 300 * PB_NS_PER_MS);
    pb_pool_snapshot(crew.pool, &stats);
    ck_assert_uint_eq(2, stats.alive);
    ck_assert_uint_ge(stats.workers_failed, 3);
    ck_assert_uint_le(stats.workers_failed, 11 + 3); /* the last ones started side by side */
    ck_assert_uint_eq(40, stats.outcomes[PB_OUTCOME_OK]);
    end(&crew, 40);
}
