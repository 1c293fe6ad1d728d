#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "stress/pool_ledger.h"

/* Threads against each other: timeouts, kills, stalls, cancels and hangs. */

PB_TEST(timeouts_race_completions_without_loss)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    pb_ledger_init(&ledger);
    ledger.work_ns = PB_NS_PER_MS; /* as long as the timeout: both sides win often */
    pb_ledger_config(&ledger, &config);
    config.size = 6;
    config.queue_limit = 20;
    config.operation_timeout_ns = PB_NS_PER_MS;
    config.checkout_timeout_ns = PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 2, 3000, 500 * PB_NS_PER_US);
    (void)pb_pool_wait_idle(pool, pb_in_seconds(5));
    pb_ledger_end(&ledger, pool, 6000);
    ck_assert_uint_gt(pb_ledger_outcome(&ledger, PB_OUTCOME_OPERATION_TIMEOUT), 0);
    ck_assert_uint_eq(pb_ledger_outcome(&ledger, PB_OUTCOME_OPERATION_TIMEOUT),
                      atomic_load(&ledger.returned));
}

/* A thread that kills, stalls and cancels while two others submit. */
PB_TEST(chaos_of_kills_stalls_cancels_hangs_and_timeouts_loses_nothing)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    pthread_t ids[2];
    struct pb_producer producers[2];
    uint64_t *tickets = calloc(PB_LEDGER_MAX, sizeof(*tickets));
    struct pb_rng_key key = { .seed = 7, .stream = PB_STREAM_FAULT };

    pb_ledger_init(&ledger);
    ledger.work_ns = 300 * PB_NS_PER_US;
    ledger.hang_one_in = 17;
    ledger.fail_one_in = 11;
    pb_ledger_config(&ledger, &config);
    config.size = 4;
    config.max_overflow = 4;
    config.overflow_ttl_ns = 2 * PB_NS_PER_MS;
    config.queue_limit = 50;
    config.checkout_timeout_ns = 3 * PB_NS_PER_MS;
    config.operation_timeout_ns = 5 * PB_NS_PER_MS;
    config.stuck_after_ns = 10 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    for (int i = 0; i < 2; i++) {
        producers[i] =
            (struct pb_producer){ pool, (uint64_t)i * 8000, 8000, 500 * PB_NS_PER_US, tickets };
        ck_assert_int_eq(0, pthread_create(&ids[i], NULL, pb_producer_main, &producers[i]));
    }
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t n = pb_rng_below(&key, i, 16000);

        (void)!pb_pool_kill_worker(pool, (uint32_t)(n % 8), NULL);
        (void)!pb_pool_cancel(pool, n);
        if (i % 50 == 0) {
            pb_pool_stall(pool, pb_now_ns() + 5 * PB_NS_PER_MS);
        }
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(0, pthread_join(ids[i], NULL));
    }
    pb_ledger_end(&ledger, pool, 16000);
    ck_assert_uint_gt(pb_ledger_outcome(&ledger, PB_OUTCOME_WORKER_LOST), 0);
    ck_assert_uint_gt(pb_ledger_outcome(&ledger, PB_OUTCOME_OK), 0);
    free(tickets);
}

/* Two killers, one canceller and two submitters, all as fast as they can: workers are hit
 * asleep, waking, between queue and run, running, finishing, and just replaced. */

struct hunter {
    struct pb_pool *pool;
    bool cancels;
    _Atomic bool *over;
    uint64_t seed;
    uint64_t killed;
};

static void *hunt(void *arg)
{
    struct hunter *hunter = arg;
    struct pb_rng_key key = { .seed = hunter->seed, .stream = PB_STREAM_FAULT };

    for (uint64_t i = 0; !atomic_load(hunter->over); i++) {
        uint64_t n = pb_rng_below(&key, i, 16000);

        if (hunter->cancels) {
            (void)!pb_pool_cancel(hunter->pool, n);
        } else {
            hunter->killed += pb_pool_kill_worker(hunter->pool, (uint32_t)n % 3, NULL) == PB_OK;
        }
        (void)sched_yield();
    }
    return NULL;
}

PB_TEST(a_storm_of_kills_and_cancels_loses_nothing_and_hits_nobody_else)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct pb_pool_stats stats;
    _Atomic bool over = false;
    struct hunter hunters[3];
    pthread_t ids[3];

    pb_ledger_init(&ledger);
    pb_ledger_config(&ledger, &config);
    config.size = 3;
    config.max_stuck = 1;
    config.queue_limit = 200;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    for (uint64_t i = 0; i < 3; i++) {
        hunters[i] = (struct hunter){ pool, i == 2, &over, i, 0 };
        ck_assert_int_eq(0, pthread_create(&ids[i], NULL, hunt, &hunters[i]));
    }
    pb_produce(pool, 2, 8000, 100 * PB_NS_PER_US);
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(0, pthread_join(ids[i], NULL));
    }
    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_le(stats.peak_alive, 3);
    ck_assert_uint_gt(hunters[0].killed + hunters[1].killed, 0);
    pb_ledger_end(&ledger, pool, 16000);
}

/* Fills the pool to its limit again and again while workers are killed in it: a place lost shows as
 * a rejection. */
PB_TEST(places_stay_exact_under_kills_and_timeouts)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    uint64_t sent = 0;

    pb_ledger_init(&ledger);
    ledger.work_ns = PB_NS_PER_S; /* until it is told to stop */
    pb_ledger_config(&ledger, &config);
    config.size = 2;
    config.queue_limit = 3;
    config.operation_timeout_ns = 2 * PB_NS_PER_MS;
    config.stuck_after_ns = PB_NS_PER_S;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 5; i++) {
            struct pb_request request = { .index = sent++ };

            PB_ASSERT_OK(pb_pool_submit(pool, &request, NULL));
        }
        (void)!pb_pool_kill_worker(pool, (uint32_t)round % 2, NULL);
        ck_assert(pb_pool_wait_idle(pool, pb_in_seconds(20)));
        /* Decided is not yet back: wait for places held by workers that are on their way. */
        struct pb_pool_stats stats;

        do {
            pb_pool_snapshot(pool, &stats);
            (void)sched_yield();
        } while (stats.busy > 0 || stats.alive < 2 || stats.stuck > 0);
    }
    ck_assert_uint_eq(0, pb_ledger_outcome(&ledger, PB_OUTCOME_REJECTED));
    pb_ledger_end(&ledger, pool, sent);
}

PB_TEST(checkout_timeouts_never_come_early)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    pb_ledger_init(&ledger);
    ledger.work_ns = 7 * PB_NS_PER_MS;
    ledger.checkout_ns = 3 * PB_NS_PER_MS;
    pb_ledger_config(&ledger, &config);
    config.size = 2;
    config.queue_limit = 500;
    config.checkout_timeout_ns = ledger.checkout_ns;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 2, 1500, 500 * PB_NS_PER_US);
    pb_ledger_end(&ledger, pool, 3000);
    ck_assert_uint_gt(pb_ledger_outcome(&ledger, PB_OUTCOME_CHECKOUT_TIMEOUT), 100);
    printf("checkout timeouts: none early, the latest %.3f ms late\n",
           (double)atomic_load(&ledger.late_ns) / 1e6);
}

PB_TEST(stuck_workers_are_replaced_and_leave_when_they_come_back)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct pb_pool_stats stats;

    pb_ledger_init(&ledger);
    ledger.work_ns = 150 * PB_NS_PER_MS;
    ledger.ignore_token = true;
    pb_ledger_config(&ledger, &config);
    config.size = 2;
    config.max_stuck = 2;
    config.queue_limit = 10;
    config.operation_timeout_ns = 5 * PB_NS_PER_MS;
    config.stuck_after_ns = 10 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 1, 4, 0);
    ck_assert(pb_pool_wait_idle(pool, pb_in_seconds(5)));
    /* Four requests on two workers: the second two ran on the replacements. */
    ck_assert_uint_eq(4, pb_ledger_outcome(&ledger, PB_OUTCOME_OPERATION_TIMEOUT));
    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_ge(stats.workers_started, 4);
    pb_ledger_end(&ledger, pool, 4);
    ck_assert_uint_eq(4, atomic_load(&ledger.returned));
}
