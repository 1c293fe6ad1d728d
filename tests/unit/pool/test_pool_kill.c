#include <pthread.h>
#include <sched.h>

#include "pool/pool_internal.h"
#include "unit/pool/pool_rig.h"

PB_TEST(a_killed_idle_worker_leaves_and_is_replaced)
{
    struct pb_rig rig;
    uint32_t slot = 99;

    pb_rig_init(&rig, 3, 0);
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 3);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 1, &slot));
    ck_assert_uint_eq(1, slot);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 4);

    struct pb_pool_event down = pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0);
    struct pb_pool_event up = pb_rig_event(&rig, PB_POOL_WORKER_UP, 3);

    ck_assert_str_eq("killed", down.reason);
    ck_assert_uint_eq(1, down.worker);
    ck_assert_uint_eq(0, down.incarnation);
    ck_assert(up.replacement);
    ck_assert(!up.overflow);
    ck_assert_str_eq("replacement", up.reason);
    ck_assert_int_eq(PB_RIG_START, up.since_ns);
    pb_rig_wait_parked(&rig, 3);
    ck_assert_uint_eq(3, pb_rig_stats(&rig).alive);
    ck_assert_uint_eq(3, pb_rig_stats(&rig).peak_alive);
    pb_rig_stop(&rig);
}

PB_TEST(workers_are_killed_by_their_number_among_the_alive)
{
    struct pb_rig rig;
    uint32_t slot = 99;

    pb_rig_init(&rig, 3, 0);
    pb_rig_start(&rig);
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_kill_worker(rig.pool, 3, &slot));
    ck_assert_uint_eq(99, slot);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, &slot));
    ck_assert_uint_eq(0, slot);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, &slot));
    ck_assert_uint_eq(1, slot);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    PB_ASSERT_STATUS(PB_ENOENT, pb_pool_kill_worker(rig.pool, 0, &slot));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 6);
    pb_rig_stop(&rig);
}

PB_TEST(a_killed_running_worker_loses_its_request_and_is_told_to_stop)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.obey = true;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&rig, 0));
    ck_assert_uint_eq(0, rig.requests[0].end.worker);
    ck_assert_uint_eq(PB_DECIDER_TIMER, rig.requests[0].end.decider);
    pb_rig_wait_returned(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_str_eq("killed", pb_rig_event(&rig, PB_POOL_WORKER_DOWN, 0).reason);

    /* Down, up, first success: everything that a recovery is measured by. */
    pb_rig_submit(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    atomic_fetch_add(&rig.at_ns, 7);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_FIRST_OK, 1);

    struct pb_pool_event first = pb_rig_event(&rig, PB_POOL_WORKER_FIRST_OK, 0);

    ck_assert(first.replacement);
    ck_assert_uint_eq(rig.requests[1].worker, first.worker);
    ck_assert_int_eq(PB_RIG_START, first.since_ns);
    ck_assert_int_eq(PB_RIG_START + 7, first.at_ns);
    pb_rig_stop(&rig);
}

PB_TEST(a_killed_worker_that_does_not_listen_is_replaced_all_the_same)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    ck_assert_uint_eq(1, pb_rig_stats(&rig).stuck);

    /* Its place was given back at once, and is not given back again when it returns. */
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(2, pb_rig_stats(&rig).busy);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_submit(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 2));
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_BACK)); /* it was not stuck */
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&rig, 0));
    ck_assert_uint_eq(0, pb_rig_stats(&rig).stuck);
    pb_rig_stop(&rig);
}

PB_TEST(a_worker_killed_after_its_request_timed_out_gives_the_place_back_once)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_advance(&rig, rig.config.operation_timeout_ns);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    pb_rig_submit(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    pb_rig_advance(&rig, rig.config.stuck_after_ns);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_STUCK));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_submit(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 2));
    pb_rig_stop(&rig);
}

static void resubmit_lost(struct pb_rig *rig, const struct pb_completion *completion)
{
    if (completion->outcome == PB_OUTCOME_WORKER_LOST) {
        pb_rig_submit(rig, completion->request->index + 1);
    }
}

PB_TEST(who_hears_of_a_lost_worker_finds_its_place_free)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.on_done = resubmit_lost;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    ck_assert_uint_eq(0, rig.requests[1].ends);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    pb_rig_stop(&rig);
}

struct killer {
    struct pb_rig *rig;
    enum pb_status status;
};

static void *kill_main(void *arg)
{
    struct killer *killer = arg;

    (void)pthread_setname_np(pthread_self(), "killer");
    killer->status = pb_pool_kill_worker(killer->rig->pool, 0, NULL);
    return NULL;
}

PB_TEST(a_request_in_the_hands_of_a_killed_worker_is_lost_and_not_run)
{
    struct pb_rig rig;
    struct killer killer = { .rig = &rig };
    struct pb_request request = { .index = 0, .sent_ns = PB_RIG_START };
    pthread_t thread;

    pb_rig_init(&rig, 1, 5);
    pb_rig_start(&rig);
    pb_rig_wait_parked(&rig, 1);
    atomic_store(&rig.hold_clock, true); /* the next thing a worker asks after it took one */
    PB_ASSERT_OK(pb_pool_submit(rig.pool, &request, NULL));
    while (atomic_load(&rig.at_clock) == 0) {
        (void)sched_yield();
    }
    ck_assert_int_eq(0, pthread_create(&thread, NULL, kill_main, &killer));
    while (pb_rig_stats(&rig).alive > 0) {
        (void)sched_yield();
    }
    atomic_store(&rig.hold_clock, false);
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    PB_ASSERT_OK(killer.status);
    pb_rig_wait_ended(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_WORKER_LOST, pb_rig_outcome(&rig, 0));
    ck_assert_uint_eq(0, pb_rig_started(&rig));
    pb_rig_wait_event(&rig, PB_POOL_WORKER_DOWN, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_stop(&rig);
}

/* The killer is interrupted after it marked the worker.  Meanwhile the worker's thread finishes;
 * but the worker does not end, and its slot is given to nobody, before the killer is through. */
PB_TEST(a_slow_killer_does_not_hit_the_next_worker_of_the_slot)
{
    struct pb_rig rig;
    struct killer killer = { .rig = &rig };
    pthread_t kills;

    pb_rig_init(&rig, 1, 0);
    rig.config.max_stuck = 0;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    rig.hold_who = "killer";
    atomic_store(&rig.hold_clock, true);
    ck_assert_int_eq(0, pthread_create(&kills, NULL, kill_main, &killer));
    while (atomic_load(&rig.at_clock) == 0) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(0, pb_rig_stats(&rig).alive);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 1);
    pb_rig_let_others_run();
    (void)pb_keep(rig.pool);
    ck_assert_uint_eq(0, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_UP));
    atomic_store(&rig.hold_clock, false);
    ck_assert_int_eq(0, pthread_join(kills, NULL));
    PB_ASSERT_OK(killer.status);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_started(&rig, 2);
    pb_rig_let_go(&rig, 1, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 0));
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_DOWN));
    pb_rig_stop(&rig);
}

PB_TEST(without_a_spare_slot_a_killed_worker_is_replaced_when_it_has_left)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.max_stuck = 0;
    pb_rig_start(&rig);
    ck_assert_uint_eq(1, pb_pool_slots(rig.pool));
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL));
    pb_pool_tick(rig.pool);
    ck_assert_uint_eq(1, pb_rig_events(&rig, PB_POOL_WORKER_UP));
    pb_rig_submit(&rig, 1); /* no worker, and none can be started */
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 1));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    ck_assert_uint_eq(1, pb_rig_event(&rig, PB_POOL_WORKER_UP, 1).incarnation);
    pb_rig_submit(&rig, 2);
    pb_rig_wait_started(&rig, 2);
    pb_rig_stop(&rig);
}

static uint32_t labelled_overflow(struct pb_rig *rig)
{
    uint32_t labelled = 0;

    pb_mutex_lock(&rig->pool->lock);
    for (uint32_t i = 0; i < rig->pool->group_count; i++) {
        const struct pb_group *group = &rig->pool->groups[i];

        labelled += (group->state == PB_GROUP_ALIVE || group->state == PB_GROUP_STARTING) &&
                    atomic_load(&group->overflow);
    }
    pb_mutex_unlock(&rig->pool->lock);
    return labelled;
}

PB_TEST(overflow_stays_by_count_when_a_core_worker_is_killed)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.max_overflow = 1;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 0, NULL)); /* the core worker */
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3);
    ck_assert(pb_rig_event(&rig, PB_POOL_WORKER_UP, 2).overflow);

    ck_assert_uint_eq(1, labelled_overflow(&rig));
    pb_rig_stop(&rig);
}

PB_TEST(a_killed_overflow_worker_is_replaced_too)
{
    struct pb_rig rig;
    uint32_t slot;

    pb_rig_init(&rig, 1, 0);
    rig.config.max_overflow = 1;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 2);
    pb_rig_wait_started(&rig, 2);
    PB_ASSERT_OK(pb_pool_kill_worker(rig.pool, 1, &slot));
    ck_assert_uint_eq(1, slot);
    pb_rig_wait_event(&rig, PB_POOL_WORKER_UP, 3); /* though nothing waits */
    ck_assert(pb_rig_event(&rig, PB_POOL_WORKER_UP, 2).replacement);
    pb_rig_stop(&rig);
}
