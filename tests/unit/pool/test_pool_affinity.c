#include "pool/affinity.h"
#include "unit/pool/pool_rig.h"

#define SECOND 1000000000LL

/* Runs request `index` alone; the worker that ran it. */
static uint32_t run_alone(struct pb_rig *rig, uint64_t index, uint64_t session)
{
    pb_rig_wait_parked(rig, rig->config.size);
    pb_rig_submit_in_session(rig, index, session);
    pb_rig_wait_started(rig, (uint32_t)index + 1);
    pb_rig_let_go(rig, index, PB_OUTCOME_OK);
    pb_rig_wait_parked(rig, rig->config.size);
    return rig->requests[index].worker;
}

static void start(struct pb_rig *rig, uint32_t size)
{
    pb_rig_init(rig, size, 10);
    rig->config.strategy = PB_STRATEGY_ROUND_ROBIN;
    rig->config.affinity_ttl_ns = SECOND;
    pb_rig_start(rig);
}

PB_TEST(a_session_stays_with_its_worker_at_low_load)
{
    struct pb_rig rig;
    uint32_t workers[10];

    start(&rig, 4);
    for (uint64_t i = 0; i < 10; i++) {
        workers[i] = run_alone(&rig, i, i + 1);
        ck_assert_uint_eq(i % 4, workers[i]);
    }
    for (uint64_t i = 10; i < 100; i++) {
        ck_assert_uint_eq(workers[i * 7 % 10], run_alone(&rig, i, i * 7 % 10 + 1));
    }
    ck_assert_uint_eq(90, pb_rig_stats(&rig).affinity_hits);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).affinity_misses);
    pb_rig_stop(&rig);
}

PB_TEST(a_session_goes_elsewhere_when_its_worker_is_busy)
{
    struct pb_rig rig;

    start(&rig, 2);
    uint32_t first = run_alone(&rig, 0, 7);

    pb_rig_submit_in_session(&rig, 1, 7);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(first, rig.requests[1].worker);
    pb_rig_submit_in_session(&rig, 2, 7);
    pb_rig_wait_started(&rig, 3);
    ck_assert_uint_ne(first, rig.requests[2].worker);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_hits);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_misses);
    pb_rig_stop(&rig);
}

PB_TEST(a_session_is_forgotten_after_its_ttl_or_with_its_worker)
{
    struct pb_rig rig;

    start(&rig, 2);
    (void)run_alone(&rig, 0, 7);
    pb_rig_advance(&rig, SECOND);
    (void)run_alone(&rig, 1, 7); /* just remembered, and again for so long */
    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_hits);
    pb_rig_advance(&rig, SECOND + 1);
    uint32_t worker = run_alone(&rig, 2, 7);

    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_hits);
    ck_assert_uint_eq(0, pb_rig_stats(&rig).affinity_misses);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, worker, NULL));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3);
    (void)run_alone(&rig, 3, 7);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_hits);
    ck_assert_uint_eq(1, pb_rig_stats(&rig).affinity_misses);
    pb_rig_stop(&rig);
}

PB_TEST(requests_without_a_session_are_neither_hit_nor_miss)
{
    struct pb_rig rig;

    start(&rig, 2);
    for (uint64_t i = 0; i < 10; i++) {
        (void)run_alone(&rig, i, 0);
    }
    ck_assert_uint_eq(0, pb_rig_stats(&rig).affinity_hits + pb_rig_stats(&rig).affinity_misses);
    pb_rig_stop(&rig);
}

PB_TEST(the_table_remembers_many_sessions_and_forgets_the_oldest)
{
    struct pb_affinity *affinity = pb_affinity_new(1000 * SECOND);
    struct pb_affinity_worker found;
    uint64_t remembered = 0, sessions = 10ULL * PB_AFFINITY_SESSIONS;

    ck_assert_ptr_nonnull(affinity);
    for (uint64_t s = 1; s <= sessions; s++) {
        struct pb_affinity_worker worker = { .number = (uint32_t)s, .incarnation = 3 };

        ck_assert_int_eq(PB_AFFINITY_NEW,
                         pb_affinity_note(affinity, s, (int64_t)s, (int64_t)s, worker));
        ck_assert(pb_affinity_find(affinity, s, (int64_t)s, &found));
        ck_assert_uint_eq(s, found.number);
        ck_assert_int_eq(PB_AFFINITY_HIT,
                         pb_affinity_note(affinity, s, (int64_t)s, (int64_t)s, worker));
    }
    for (uint64_t s = 1; s <= sessions; s++) {
        remembered += pb_affinity_find(affinity, s, (int64_t)sessions, &found);
    }
    ck_assert_uint_eq(PB_AFFINITY_SESSIONS, remembered);
    /* The latest of a set stay: of the last sessions hardly any is gone. */
    uint64_t late = 0;

    for (uint64_t s = sessions - 1000; s < sessions; s++) {
        late += pb_affinity_find(affinity, s, (int64_t)sessions, &found);
    }
    ck_assert_uint_eq(1000, late);
    pb_affinity_free(affinity);
}
