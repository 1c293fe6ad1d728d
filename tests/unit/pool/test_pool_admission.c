#include "unit/pool/pool_rig.h"

static uint32_t rejected(struct pb_rig *rig)
{
    return (uint32_t)pb_rig_stats(rig).outcomes[PB_OUTCOME_REJECTED];
}

/* As many as there are places get in, whatever the workers do meanwhile; the next does not. */
static void fill(uint32_t size, uint32_t max_overflow, uint32_t queue_limit)
{
    struct pb_rig rig;
    uint32_t places = size + max_overflow + queue_limit;

    pb_rig_init(&rig, size, queue_limit);
    rig.config.max_overflow = max_overflow;
    pb_rig_start(&rig);
    for (uint32_t i = 0; i < places; i++) {
        pb_rig_submit(&rig, i);
        ck_assert_msg(rejected(&rig) == 0, "size %u, overflow %u, queue %u: %u of %u got in", size,
                      max_overflow, queue_limit, i, places);
    }
    pb_rig_submit(&rig, places);
    ck_assert_uint_eq(1, rejected(&rig));
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, places));

    /* One place freed lets exactly one in. */
    pb_rig_wait_started(&rig, 1);
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_ended(&rig, 2);
    pb_rig_submit(&rig, places + 1);
    ck_assert_uint_eq(1, rejected(&rig));
    pb_rig_submit(&rig, places + 2);
    ck_assert_uint_eq(2, rejected(&rig));
    pb_rig_stop(&rig);
}

PB_TEST(pool_admits_as_many_as_it_has_places)
{
    fill(1, 0, 0);
    fill(3, 0, 0);
    fill(2, 0, 5);
    fill(1, 3, 0);
    fill(2, 3, 4);
}

PB_TEST(a_rejection_is_told_inside_submit_with_all_its_facts)
{
    struct pb_rig rig;
    struct pb_submitter *submitter;
    struct pb_request request = { .index = 1, .sent_ns = PB_RIG_START - 5, .phase = 3 };
    int user = 0;

    pb_rig_init(&rig, 1, 0);
    pb_rig_start(&rig);
    PB_ASSERT_OK(pb_pool_attach(rig.pool, &user, &submitter));
    pb_rig_submit(&rig, 0);
    PB_ASSERT_OK(pb_submit(submitter, &request, NULL));

    const struct pb_completion *end = &rig.requests[1].end;

    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(PB_DECIDER_SUBMITTER, end->decider);
    ck_assert_ptr_eq(&user, end->submitter);
    ck_assert_uint_eq(PB_NO_WORKER, end->worker);
    ck_assert_int_eq(0, end->started_ns);
    ck_assert_int_eq(PB_RIG_START - 5, end->done_ns);
    ck_assert_int_eq(-1, end->cpu_ns);
    pb_rig_stop(&rig);
}

PB_TEST(several_submitters_share_one_limit)
{
    struct pb_rig rig;
    struct pb_submitter *submitters[3];
    uint64_t index = 0;

    pb_rig_init(&rig, 2, 4);
    pb_rig_start(&rig);
    for (int i = 0; i < 3; i++) {
        PB_ASSERT_OK(pb_pool_attach(rig.pool, NULL, &submitters[i]));
    }
    /* Each has another idea of how many places were given back; none may act on it. */
    for (uint32_t round = 0; round < 20; round++) {
        for (int i = 0; i < 3 && rejected(&rig) == round; i = (i + 1) % 3) {
            struct pb_request request = { .index = index++ };

            PB_ASSERT_OK(pb_submit(submitters[i], &request, NULL));
        }
        ck_assert_uint_eq(6 + round + round + 1, index);
        for (uint64_t oldest = 0, freed = 0; freed == 0; oldest++) {
            if (rig.requests[oldest].ends == 0) {
                uint32_t ended = rig.ended;

                pb_rig_let_go(&rig, oldest, PB_OUTCOME_OK);
                pb_rig_wait_ended(&rig, ended + 1);
                freed++;
            }
        }
    }
    pb_rig_stop(&rig);
}

static void submit_the_next(struct pb_rig *rig, const struct pb_completion *completion)
{
    uint64_t next = completion->request->index + 1;

    if (next < 100) {
        pb_rig_submit(rig, next);
    }
}

PB_TEST(who_hears_of_a_completion_finds_its_place_free)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.all_go = true;
    rig.on_done = submit_the_next;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_ended(&rig, 100);
    ck_assert(pb_pool_wait_idle(rig.pool, pb_rig_deadline()));
    ck_assert_uint_eq(100, pb_rig_stats(&rig).outcomes[PB_OUTCOME_OK]);
    pb_rig_stop(&rig);
}

PB_TEST(who_hears_of_a_rejection_may_submit)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    rig.on_done = submit_the_next;
    pb_rig_submit(&rig, 1); /* and so 2, 3 ... 99, each rejected */
    rig.on_done = NULL;
    ck_assert_uint_eq(99, rejected(&rig));
    ck_assert_uint_eq(100, pb_rig_stats(&rig).submitted);
    pb_rig_stop(&rig);
}

PB_TEST(who_hears_of_a_checkout_timeout_finds_its_place_free)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 1);
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_submit(&rig, 1);
    rig.on_done = submit_the_next;
    atomic_fetch_add(&rig.at_ns, rig.config.checkout_timeout_ns);
    pb_pool_tick(rig.pool); /* 1 times out; 2, sent by then, takes its place */
    rig.on_done = NULL;
    ck_assert_int_eq(PB_OUTCOME_CHECKOUT_TIMEOUT, pb_rig_outcome(&rig, 1));
    ck_assert_uint_eq(0, rejected(&rig));
    ck_assert_uint_eq(1, pb_rig_stats(&rig).queued);
    pb_rig_stop(&rig);
}

PB_TEST(a_timed_out_request_holds_its_place_until_its_worker_is_back)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 1, 0);
    rig.config.stuck_after_ns = 3600 * PB_NS_PER_S;
    pb_rig_start(&rig);
    pb_rig_submit(&rig, 0);
    pb_rig_wait_started(&rig, 1);
    pb_rig_advance(&rig, rig.config.operation_timeout_ns);
    ck_assert_int_eq(PB_OUTCOME_OPERATION_TIMEOUT, pb_rig_outcome(&rig, 0));
    pb_rig_submit(&rig, 1);
    ck_assert_int_eq(PB_OUTCOME_REJECTED, pb_rig_outcome(&rig, 1));
    pb_rig_let_go(&rig, 0, PB_OUTCOME_OK);
    pb_rig_wait_returned(&rig, 1);
    pb_rig_wait_parked(&rig, 1);
    pb_rig_submit(&rig, 2);
    pb_rig_wait_started(&rig, 2);
    ck_assert_uint_eq(1, rejected(&rig));
    pb_rig_stop(&rig);
}
