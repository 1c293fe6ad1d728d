#include <sched.h>

#include "unit/pool/hook_rig.h"

/* Workers that are replaced though they are well. */

static void start(struct pb_hook_rig *h, uint32_t size, int64_t max_requests)
{
    pb_hook_rig_init(h, size, 100);
    h->rig.config.recycle.max_requests = max_requests;
}

/* Runs requests from..to - 1 one after the other, ticking, while `held` others do not end. */
static void run_with(struct pb_hook_rig *h, uint64_t from, uint64_t to, uint32_t held)
{
    for (uint64_t i = from; i < to; i++) {
        pb_rig_let_go(&h->rig, i, PB_OUTCOME_OK);
        pb_rig_submit(&h->rig, i);
        pb_hook_rig_wait(h, &h->rig.ended, (uint32_t)i + 1 - held);
        pb_pool_tick(h->rig.pool);
    }
}

static void run_some(struct pb_hook_rig *h, uint64_t from, uint64_t to)
{
    run_with(h, from, to, 0);
}

/* The place of the n-th event of a kind among all events. */
static uint32_t when(struct pb_rig *rig, enum pb_pool_event_kind kind, uint32_t n)
{
    uint32_t place = 0;

    pb_mutex_lock(&rig->lock);
    while (place < rig->event_count && (rig->events[place].kind != kind || n-- > 0)) {
        place++;
    }
    pb_mutex_unlock(&rig->lock);
    return place;
}

PB_TEST(a_worker_goes_after_exactly_so_many_requests_and_its_replacement_is_there_before)
{
    struct pb_hook_rig h;

    start(&h, 2, 10);
    pb_hook_rig_start(&h);
    for (uint32_t life = 0; life < 6; life++) {
        pb_rig_wait_parked(&h.rig, 2);
        run_some(&h, 10 * life, 10 * life + 10);
        pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, life + 1);

        struct pb_pool_event down = pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, life);
        struct pb_pool_event up = pb_rig_event(&h.rig, PB_POOL_WORKER_UP, 2 + life);

        ck_assert_uint_eq(10, down.requests);
        ck_assert_str_eq("max_requests", down.reason);
        ck_assert(up.replacement);
        ck_assert_uint_eq(down.worker, up.replaces);
        ck_assert_uint_eq(down.incarnation, up.replaces_incarnation);
        ck_assert_uint_lt(when(&h.rig, PB_POOL_WORKER_UP, 2 + life),
                          when(&h.rig, PB_POOL_WORKER_DOWN, life));
    }
    pb_rig_wait_parked(&h.rig, 2);
    ck_assert_uint_eq(6, pb_rig_stats(&h.rig).recycled);
    ck_assert_uint_eq(2, pb_rig_stats(&h.rig).alive);
    ck_assert_uint_eq(8, pb_rig_stats(&h.rig).workers_started);
    pb_hook_rig_stop(&h);
}

PB_TEST(the_replacement_starts_when_nine_tenths_are_done_and_does_not_count_before)
{
    struct pb_hook_rig h;

    start(&h, 1, 20);
    pb_hook_rig_start(&h);
    run_some(&h, 0, 17);
    pb_rig_wait_parked(&h.rig, 1);
    pb_pool_tick(h.rig.pool);
    ck_assert_uint_eq(1, pb_hook_rig_count(&h, &h.starts));
    run_some(&h, 17, 18);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
    pb_pool_tick(h.rig.pool);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).alive);
    pb_rig_wait_parked(&h.rig, 1);
    run_some(&h, 18, 20);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(20, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).requests);
    pb_rig_wait_parked(&h.rig, 1);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).alive);
    pb_hook_rig_stop(&h);
}

PB_TEST(no_more_than_half_of_the_workers_are_recycled_at_a_time)
{
    struct pb_hook_rig h;

    start(&h, 4, 0);
    h.rig.config.recycle.max_age_ns = 1000;
    pb_hook_rig_start(&h);
    pb_rig_wait_parked(&h.rig, 4);
    h.hold_starts = 4;
    pb_rig_advance(&h.rig, 1000);
    pb_hook_rig_wait(&h, &h.starts, 6);
    for (int i = 0; i < 5; i++) {
        pb_pool_tick(h.rig.pool);
    }
    ck_assert_uint_eq(6, pb_rig_stats(&h.rig).workers_started);
    ck_assert_uint_eq(4, pb_rig_stats(&h.rig).alive);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    pb_mutex_lock(&h.rig.lock);
    h.let_go = true;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 4);
    ck_assert_uint_eq(8, h.starts);
    ck_assert_uint_eq(4, pb_rig_stats(&h.rig).recycled);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_busy_worker_finishes_its_request_before_it_goes)
{
    struct pb_hook_rig h;

    start(&h, 1, 0);
    h.rig.config.recycle.max_age_ns = 1000;
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0);
    pb_rig_wait_started(&h.rig, 1);
    pb_rig_advance(&h.rig, 1000);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
    for (int i = 0; i < 5; i++) {
        pb_pool_tick(h.rig.pool);
    }
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    pb_rig_submit(&h.rig, 1);
    pb_rig_let_go(&h.rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_started(&h.rig, 2);
    ck_assert_int_eq(PB_OUTCOME_OK, pb_rig_outcome(&h.rig, 0));
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_str_eq("max_age", pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_ne(h.rig.requests[0].worker, h.rig.requests[1].worker);
    pb_hook_rig_stop(&h);
}

static int64_t said_bytes(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct pb_hook_rig *h = ctx;

    (void)state;
    pb_mutex_lock(&h->rig.lock);
    int64_t bytes = id->worker == 1 && id->incarnation == 0 ? (int64_t)h->fail_prepares * 2000 : -1;

    pb_mutex_unlock(&h->rig.lock);
    return bytes;
}

PB_TEST(a_worker_with_too_much_memory_is_replaced)
{
    struct pb_hook_rig h;

    start(&h, 2, 0);
    h.rig.config.recycle.max_memory_bytes = 1999;
    h.hooks.memory_bytes = said_bytes;
    pb_hook_rig_start(&h);
    pb_rig_advance(&h.rig, PB_NS_PER_S);
    ck_assert_uint_eq(2, pb_hook_rig_count(&h, &h.starts));
    pb_mutex_lock(&h.rig.lock);
    h.fail_prepares = true; /* here: it has grown */
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_advance(&h.rig, PB_NS_PER_S);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(1, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).worker);
    ck_assert_str_eq("max_memory", pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    pb_rig_advance(&h.rig, PB_NS_PER_S);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).recycled);
    pb_hook_rig_stop(&h);
}

PB_TEST(without_a_slot_for_the_replacement_the_worker_goes_first)
{
    struct pb_hook_rig h;

    start(&h, 1, 3);
    h.rig.config.max_stuck = 0;
    pb_hook_rig_start(&h);
    run_some(&h, 0, 9);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 4);
    for (uint32_t life = 0; life < 3; life++) {
        ck_assert_uint_eq(3, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, life).requests);
        ck_assert_uint_lt(when(&h.rig, PB_POOL_WORKER_DOWN, life),
                          when(&h.rig, PB_POOL_WORKER_UP, life + 1));
    }
    pb_hook_rig_stop(&h);
}

PB_TEST(a_worker_whose_replacement_does_not_come_up_serves_on)
{
    struct pb_hook_rig h;

    start(&h, 1, 10);
    pb_hook_rig_start(&h);
    h.fail_starts = UINT32_MAX;
    run_some(&h, 0, 20);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_FAILED, 1);
    ck_assert_uint_eq(0, pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN));
    ck_assert_uint_eq(2, pb_hook_rig_count(&h, &h.starts)); /* tried again later, not at once */
    pb_mutex_lock(&h.rig.lock);
    h.fail_starts = 0;
    pb_mutex_unlock(&h.rig.lock);
    pb_rig_advance(&h.rig, PB_NS_PER_S);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(20, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).requests);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_replacement_that_stands_by_takes_over_from_a_killed_worker)
{
    struct pb_hook_rig h;

    start(&h, 1, 10);
    pb_hook_rig_start(&h);
    run_some(&h, 0, 9);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);
    PB_ASSERT_OK(pb_pool_kill_worker(h.rig.pool, 0, NULL));
    run_some(&h, 9, 12);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    pb_pool_tick(h.rig.pool);
    ck_assert_str_eq("killed", pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).reason);
    ck_assert_uint_eq(2, pb_rig_stats(&h.rig).workers_started);
    ck_assert_uint_eq(1, pb_rig_stats(&h.rig).alive);
    ck_assert_uint_eq(0, pb_rig_stats(&h.rig).recycled);
    pb_hook_rig_stop(&h);
}

PB_TEST(a_replacement_lost_while_it_stands_by_is_replaced)
{
    struct pb_hook_rig h;

    start(&h, 1, 10);
    pb_hook_rig_start(&h);
    run_some(&h, 0, 9);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 2);

    struct pb_pool_event up = pb_rig_event(&h.rig, PB_POOL_WORKER_UP, 1);

    PB_ASSERT_OK(pb_pool_worker_lost(h.rig.pool, up.worker, up.incarnation, "exited"));
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 1);
    ck_assert_uint_eq(1, pb_rig_events(&h.rig, PB_POOL_WORKER_LOST));
    ck_assert_uint_eq(up.worker, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 0).worker);
    pb_rig_advance(&h.rig, PB_NS_PER_S);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_UP, 3);
    run_some(&h, 9, 10);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 2);
    ck_assert_uint_eq(10, pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, 1).requests);
    pb_hook_rig_stop(&h);
}

PB_TEST(jitter_raises_the_limits_apart)
{
    struct pb_hook_rig h;
    uint64_t least = UINT64_MAX, most = 0;

    start(&h, 2, 10);
    h.rig.config.recycle.jitter = 0.5;
    h.rig.config.seed = 7;
    pb_hook_rig_start(&h);
    pb_rig_submit(&h.rig, 0); /* the other worker stays busy, and does not take the turn */
    pb_rig_wait_started(&h.rig, 1);
    run_with(&h, 1, 200, 1);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 12);
    uint32_t lives = pb_rig_events(&h.rig, PB_POOL_WORKER_DOWN);

    for (uint32_t i = 0; i < lives; i++) {
        uint64_t requests = pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, i).requests;

        least = requests < least ? requests : least;
        most = requests > most ? requests : most;
    }
    ck_assert_uint_ge(least, 10);
    ck_assert_uint_le(most, 15);
    ck_assert_uint_gt(most, least);
    pb_hook_rig_stop(&h);
}

PB_TEST(the_slots_of_a_worker_share_its_limit)
{
    struct pb_hook_rig h;

    start(&h, 2, 10);
    h.rig.config.threads_per_worker = 2;
    pb_hook_rig_start(&h);
    for (uint64_t i = 0; i < 4; i++) {
        pb_rig_submit(&h.rig, i);
    }
    pb_rig_wait_started(&h.rig, 4);
    /* One worker stays busy; two of the ten are already run by the other. */
    for (uint64_t i = 0; i < 4; i++) {
        if (h.rig.requests[i].worker / 2 == h.rig.requests[0].worker / 2) {
            pb_rig_let_go(&h.rig, i, PB_OUTCOME_OK);
        }
    }
    pb_rig_wait_parked(&h.rig, 2);
    run_with(&h, 4, 50, 2);
    pb_rig_wait_event(&h.rig, PB_POOL_WORKER_DOWN, 3);
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < 3; i++) {
        uint64_t requests = pb_rig_event(&h.rig, PB_POOL_WORKER_DOWN, i).requests;

        ck_assert_uint_ge(requests, 10);
        least = requests < least ? requests : least;
    }
    /* Each for itself would make it 20.  A life has more where a slot was held up before it could
     * tell the other one. */
    ck_assert_uint_le(least, 15);
    pb_hook_rig_stop(&h);
}
