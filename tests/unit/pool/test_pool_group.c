#include <sched.h>

#include "unit/pool/pool_rig.h"

/* Workers of several threads, and what hooks make of them. */

#define THREADS 3

static uint32_t worker_of(const struct pb_rig *rig, uint64_t index)
{
    return rig->requests[index].worker / rig->config.threads_per_worker;
}

/* A worker counts a moment after its coming was told. */
static void wait_alive(struct pb_rig *rig, uint32_t slots)
{
    int64_t deadline_ns = pb_rig_deadline();

    while (pb_rig_stats(rig).alive != slots && pb_now_ns() < deadline_ns) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(slots, pb_rig_stats(rig).alive);
}

PB_TEST(a_worker_of_several_threads_serves_as_many_requests_at_a_time)
{
    struct pb_rig rig;
    bool seen[2 * THREADS] = { false };

    pb_rig_init(&rig, 2, 1);
    rig.config.threads_per_worker = THREADS;
    pb_rig_start(&rig);
    ck_assert_uint_eq((2 + 2) * THREADS, pb_pool_slots(rig.pool));
    ck_assert_uint_eq(2, pb_rig_events(&rig, PB_POOL_WORKER_UP));
    ck_assert_uint_eq(2 * THREADS, pb_rig_stats(&rig).alive);
    for (uint64_t i = 0; i < 2 * THREADS + 2; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 2 * THREADS);
    for (uint64_t i = 0; i < 2 * THREADS; i++) {
        ck_assert_uint_lt(rig.requests[i].worker, 2 * THREADS);
        ck_assert(!seen[rig.requests[i].worker]);
        seen[rig.requests[i].worker] = true;
    }
    ck_assert_uint_eq(1, pb_rig_stats(&rig).queued);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 2 * THREADS + 1));
    pb_rig_stop(&rig);
}

PB_TEST(a_killed_worker_loses_what_all_its_threads_run)
{
    struct pb_rig rig;
    uint32_t slot = 99, lost = 0;

    pb_rig_init(&rig, 2, 0);
    rig.config.threads_per_worker = THREADS;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 2 * THREADS; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 2 * THREADS);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 1, &slot));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_kill_worker(rig.pool, 1, NULL));
    ck_assert_uint_eq(THREADS, slot);
    for (uint64_t i = 0; i < 2 * THREADS; i++) {
        lost += worker_of(&rig, i) == 1 && pb_rig_outcome(&rig, i) == PB_OUTCOME_WORKER_LOST;
    }
    ck_assert_uint_eq(THREADS, lost);
    ck_assert_uint_eq(THREADS, pb_rig_ended(&rig));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3);
    ck_assert_uint_eq(2, pb_rig_event(&rig, PB_POOL_WORKER_UP, 2).worker); /* a spare place */
    ck_assert_uint_eq(THREADS, pb_rig_stats(&rig).stuck);
    wait_alive(&rig, 2 * THREADS);
    for (uint64_t i = 0; i < THREADS; i++) { /* as many places as before */
        pb_rig_submit(&rig, 100 + i);
    }
    pb_rig_wait_started(&rig, 3 * THREADS);
    pb_rig_let_all_go(&rig);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_str_eq("killed", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(THREADS, pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).requests);
    pb_rig_stop(&rig);
}

PB_TEST(a_worker_goes_when_all_its_threads_have_been_idle_for_long_enough)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.threads_per_worker = 2;
    rig.config.max_overflow = 1;
    rig.config.overflow_ttl_ns = 1000;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 4);
    for (uint64_t i = 0; i < 4; i++) { /* both workers keep one busy thread */
        if (rig.requests[i].worker % 2 == 0) {
            pb_rig_let_go(&rig, i, PB_OUTCOME_OK);
        }
    }
    pb_rig_wait_ended(&rig, 2);
    pb_rig_wait_parked(&rig, 2);
    pb_rig_advance(&rig, 5000);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    pb_rig_let_all_go(&rig);
    pb_rig_wait_parked(&rig, 4);
    pb_rig_advance(&rig, 999);
    ck_assert_uint_eq(4, pb_rig_stats(&rig).alive);
    pb_rig_advance(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    ck_assert_str_eq("idle", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    pb_rig_stop(&rig);
}

PB_TEST(a_stuck_thread_takes_its_worker_out_and_the_others_finish)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.threads_per_worker = 2;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_advance(&rig, rig.config.operation_timeout_ns);
    pb_rig_submit(&rig, 1); /* on the other thread, later */
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, rig.config.stuck_after_ns);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_STUCK));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    wait_alive(&rig, 2);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).stuck);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 1)); /* nobody took it */
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_BACK));
    ck_assert_str_eq("stuck", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);
    /* Both places are free, and no more than both. */
    for (uint64_t i = 2; i < 5; i++) {
        pb_rig_submit(&rig, i);
    }
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 4));
    pb_rig_stop(&rig);
}

PB_TEST(the_rows_of_workers_tell_their_load)
{
    struct pb_rig rig;
    struct pb_worker_stats rows[2] = { { .worker = 77 }, { .worker = 77 } };

    pb_rig_init(&rig, 2, 0);
    rig.config.threads_per_worker = 2;
    pb_rig_start(&rig);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(&rig, i);
    }
    pb_rig_wait_started(&rig, 4);
    atomic_fetch_add(&rig.at_ns, 10);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_parked(&rig, 1);
    ck_assert_uint_eq(2, pb_pool_workers(rig.pool, rows, 1));
    ck_assert_uint_eq(77, rows[1].worker);
    ck_assert_uint_eq(2, pb_pool_workers(rig.pool, rows, 2));
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t served = worker_of(&rig, 0) == i;

        ck_assert_uint_eq(i, rows[i].worker);
        ck_assert_int_eq(PB_HEALTH_HEALTHY, rows[i].health);
        ck_assert_uint_eq(2, rows[i].capacity);
        ck_assert_uint_eq(2 - served, rows[i].load);
        ck_assert_uint_eq(served, rows[i].requests);
        ck_assert_int_eq(served ? 10 : 0, rows[i].busy_ns);
        ck_assert_int_eq(PB_RIG_START, rows[i].ready_ns);
    }
    pb_rig_stop(&rig);
}

static void refused(struct pb_rig *rig, const char *word)
{
    struct pb_error err = { .text = "" };

    PB_ASSERT_STATUS(PB_EINVAL, pb_pool_new(&rig->config, &rig->pool, &err));
    ck_assert_msg(strstr(err.text, word) && strstr(err.text, "must be"), "%s", err.text);
}

PB_TEST(too_many_threads_are_refused)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.threads_per_worker = 0;
    refused(&rig, "threads_per_worker");
    rig.config.threads_per_worker = PB_POOL_MAX_THREADS + 1;
    refused(&rig, "threads_per_worker");
    rig.config.threads_per_worker = 64;
    rig.config.size = 17;
    refused(&rig, "threads");
    rig.config.size = 16;
    rig.config.max_overflow = 1000;
    refused(&rig, "slots");
}
