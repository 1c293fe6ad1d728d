#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include "stress/pool_ledger.h"

/* Threads against each other, with workers that do as they are told. */

PB_TEST(pool_loses_nothing_with_three_submitters_and_no_work)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    pb_ledger_init(&ledger);
    pb_ledger_config(&ledger, &config);
    config.size = 4;
    config.queue_limit = 100;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 3, 20000, 0);
    pb_ledger_end(&ledger, pool, 60000);
}

PB_TEST(pool_loses_nothing_when_idle_between_bursts)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    pb_ledger_init(&ledger);
    pb_ledger_config(&ledger, &config);
    config.size = 3;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 2, 4000, 100 * PB_NS_PER_US);
    pb_ledger_end(&ledger, pool, 8000);
}

PB_TEST(pool_loses_nothing_pinned_to_one_cpu)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    cpu_set_t one, before;

    ck_assert_int_eq(0, sched_getaffinity(0, sizeof(before), &before));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(one), &one));
    pb_ledger_init(&ledger);
    pb_ledger_config(&ledger, &config);
    config.size = 4;
    config.queue_limit = 64;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 2, 10000, 50 * PB_NS_PER_US);
    pb_ledger_end(&ledger, pool, 20000);
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(before), &before));
}

PB_TEST(drain_past_its_deadline_cancels_the_rest_and_counts_it)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;

    pb_ledger_init(&ledger);
    ledger.work_ns = 200 * PB_NS_PER_MS;
    pb_ledger_config(&ledger, &config);
    config.size = 2;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 1, 50, 0);
    PB_ASSERT_STATUS(PB_ETIMEDOUT, pb_pool_drain(pool, pb_in_seconds(0.02)));
    pb_ledger_check(&ledger, pool, 50);
    ck_assert_uint_eq(50, pb_ledger_outcome(&ledger, PB_OUTCOME_CANCELLED));

    struct pb_request late = { .index = 60 };

    PB_ASSERT_STATUS(PB_ECLOSED, pb_pool_submit(pool, &late, NULL));
    pb_ledger_end(&ledger, pool, 50);
}

/* Threads or descriptors of this process. */
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

/* The kernel takes a joined thread out of the list a moment after pthread_join returned. */
static void check_threads(int most)
{
    int64_t deadline_ns = pb_now_ns() + 20 * PB_NS_PER_S;

    while (count_entries("/proc/self/task") > most && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    ck_assert_int_le(count_entries("/proc/self/task"), most);
}

static void *nothing(void *arg)
{
    return arg;
}

PB_TEST(pools_made_and_freed_leave_no_thread_and_no_descriptor)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    pthread_t first;

    /* A sanitizer starts a thread of its own beside the first one. */
    ck_assert_int_eq(0, pthread_create(&first, NULL, nothing, NULL));
    ck_assert_int_eq(0, pthread_join(first, NULL));

    int threads = count_entries("/proc/self/task"), descriptors = count_entries("/proc/self/fd");

    pb_ledger_init(&ledger);
    pb_ledger_config(&ledger, &config);
    config.size = 8;
    for (uint64_t i = 0; i < 50; i++) {
        struct pb_pool *pool;
        struct pb_request request = { .index = i };

        PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
        ck_assert_int_gt(count_entries("/proc/self/task"), threads);
        PB_ASSERT_OK(pb_pool_submit(pool, &request, NULL));
        PB_ASSERT_OK(pb_pool_free(pool, PB_NS_PER_S));
    }
    ck_assert_uint_eq(50, pb_ledger_outcome(&ledger, PB_OUTCOME_OK) +
                              pb_ledger_outcome(&ledger, PB_OUTCOME_CANCELLED));
    pb_ledger_done(&ledger);
    check_threads(threads);
    ck_assert_int_eq(descriptors, count_entries("/proc/self/fd"));
}

PB_TEST(overflow_grows_with_demand_and_goes_after_its_ttl)
{
    struct pb_ledger ledger;
    struct pb_pool_config config;
    struct pb_pool *pool;
    struct pb_pool_stats stats;
    int64_t limit_ns = pb_in_seconds(5);

    pb_ledger_init(&ledger);
    ledger.work_ns = 50 * PB_NS_PER_MS;
    pb_ledger_config(&ledger, &config);
    config.size = 2;
    config.max_overflow = 20;
    config.overflow_ttl_ns = 30 * PB_NS_PER_MS;
    PB_ASSERT_OK(pb_pool_new(&config, &pool, NULL));
    pb_produce(pool, 1, 22, 0);
    ck_assert(pb_pool_wait_idle(pool, pb_in_seconds(5)));
    pb_pool_snapshot(pool, &stats);
    ck_assert_uint_gt(stats.peak_alive, 2);
    ck_assert_uint_le(stats.peak_alive, 22);
    ck_assert_uint_gt(stats.overflow_started, 0);
    do {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 5 * PB_NS_PER_MS);
        pb_pool_snapshot(pool, &stats);
    } while (stats.alive > 2 && pb_now_ns() < limit_ns);
    ck_assert_uint_eq(2, stats.alive);
    pb_ledger_end(&ledger, pool, 22);
}
