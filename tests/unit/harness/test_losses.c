/* Who took a lost worker's place, and how long it took. */
#include "harness/losses.h"
#include "support/test.h"

#define MS INT64_C(1000000)

#define NOTES_MAX 64

struct story {
    struct pb_worker_note notes[NOTES_MAX];
    size_t count;
    struct pb_loss losses[NOTES_MAX];
    size_t lost;
};

static struct pb_worker_note *note(struct story *story, enum pb_pool_event_kind kind, int64_t at_ms,
                                   uint32_t worker, uint32_t incarnation)
{
    struct pb_worker_note *made = &story->notes[story->count++];

    *made = (struct pb_worker_note){ .kind = kind,
                                     .at_ns = at_ms * MS,
                                     .worker = worker,
                                     .incarnation = incarnation,
                                     .replacement = kind != PB_POOL_WORKER_LOST,
                                     .replaces = PB_NO_WORKER,
                                     .reason = kind == PB_POOL_WORKER_LOST ? "killed" : "start" };
    return made;
}

static void lost(struct story *story, int64_t at_ms, uint32_t worker, uint32_t incarnation)
{
    (void)note(story, PB_POOL_WORKER_LOST, at_ms, worker, incarnation);
}

static void ready(struct story *story, int64_t at_ms, uint32_t worker, uint32_t incarnation)
{
    (void)note(story, PB_POOL_WORKER_UP, at_ms, worker, incarnation);
}

static void ready_for(struct story *story, int64_t at_ms, uint32_t worker, uint32_t incarnation,
                      uint32_t replaces)
{
    struct pb_worker_note *up = note(story, PB_POOL_WORKER_UP, at_ms, worker, incarnation);

    up->replaces = replaces;
    up->replaces_incarnation = 0;
}

static void ok(struct story *story, int64_t since_ms, int64_t at_ms, uint32_t worker,
               uint32_t incarnation)
{
    note(story, PB_POOL_WORKER_FIRST_OK, at_ms, worker, incarnation)->since_ns = since_ms * MS;
}

static void match(struct story *story, const struct pb_loss_fault *faults, size_t count)
{
    story->lost = pb_losses_match(story->notes, story->count, faults, count, story->losses);
}

PB_TEST(a_recovery_runs_from_the_fault_to_the_first_success)
{
    struct story story = { .count = 0 };
    const struct pb_loss_fault fault = { .injected_ns = 1000 * MS, .worker = 2, .number = 5 };

    lost(&story, 1003, 2, 0);
    ready(&story, 1013, 7, 0);
    ok(&story, 1013, 1020, 7, 0);
    match(&story, &fault, 1);
    ck_assert_uint_eq(1, story.lost);
    ck_assert_int_eq(5, story.losses[0].fault);
    ck_assert_int_eq(1003 * MS, story.losses[0].detected_ns);
    ck_assert_int_eq(1013 * MS, story.losses[0].ready_ns);
    ck_assert_int_eq(20 * MS, story.losses[0].recovery_ns);
    ck_assert_int_eq(PB_LOSS_RECOVERED, story.losses[0].end);
    ck_assert_uint_eq(7, story.losses[0].successor);
}

/* In a lifo pool with little to do the newcomer may wait for seconds. */
PB_TEST(time_in_which_no_request_came_does_not_count)
{
    struct story story = { .count = 0 };

    lost(&story, 1000, 0, 0);
    ready(&story, 1010, 4, 0);
    ok(&story, 5000, 5003, 4, 0);
    match(&story, NULL, 0);
    ck_assert_int_eq(-1, story.losses[0].fault);
    ck_assert_int_eq(13 * MS, story.losses[0].recovery_ns);
    ck_assert_int_eq(5003 * MS, story.losses[0].first_ok_ns);
}

PB_TEST(a_replacement_without_a_request_proves_nothing)
{
    struct story story = { .count = 0 };

    lost(&story, 1000, 0, 0);
    ready(&story, 1010, 4, 0);
    match(&story, NULL, 0);
    ck_assert_int_eq(PB_LOSS_UNUSED, story.losses[0].end);
    ck_assert_int_eq(-1, story.losses[0].recovery_ns);
    ck_assert_int_eq(1010 * MS, story.losses[0].ready_ns);
}

PB_TEST(without_a_replacement_a_loss_stays_open)
{
    struct story story = { .count = 0 };

    ready(&story, 900, 4, 0); /* for somebody before */
    lost(&story, 1000, 0, 0);
    match(&story, NULL, 0);
    ck_assert_int_eq(PB_LOSS_OPEN, story.losses[0].end);
    ck_assert_uint_eq(PB_NO_WORKER, story.losses[0].successor);
}

/* The pool tells of the kill while it happens, the load tells of the fault just after. */
PB_TEST(a_fault_that_is_told_after_its_loss_is_still_the_cause)
{
    struct story story = { .count = 0 };
    const struct pb_loss_fault fault = { .injected_ns = 1000 * MS + 30000, .worker = 1 };

    lost(&story, 1000, 1, 0);
    ready(&story, 1001, 2, 0);
    ok(&story, 1001, 1002, 2, 0);
    match(&story, &fault, 1);
    ck_assert_int_eq(0, story.losses[0].fault);
    ck_assert_int_eq(story.losses[0].since_ns, story.losses[0].detected_ns);
    ck_assert_int_eq(2 * MS - 30000, story.losses[0].recovery_ns);
}

PB_TEST(incarnations_of_one_number_are_told_apart)
{
    struct story story = { .count = 0 };
    const struct pb_loss_fault faults[] = {
        { .injected_ns = 1000 * MS, .worker = 3, .number = 0 },
        { .injected_ns = 2000 * MS, .worker = 3, .number = 1 }
    };

    lost(&story, 500, 3, 0); /* by itself */
    ready(&story, 510, 3, 1);
    ok(&story, 510, 511, 3, 1);
    lost(&story, 1000, 3, 1);
    ready(&story, 1040, 3, 2);
    ok(&story, 1040, 1041, 3, 2);
    lost(&story, 2000, 3, 2);
    ready(&story, 2080, 3, 3);
    ok(&story, 2080, 2081, 3, 3);
    match(&story, faults, 2);
    ck_assert_uint_eq(3, story.lost);
    ck_assert_int_eq(-1, story.losses[0].fault);
    ck_assert_int_eq(11 * MS, story.losses[0].recovery_ns);
    ck_assert_int_eq(0, story.losses[1].fault);
    ck_assert_int_eq(41 * MS, story.losses[1].recovery_ns);
    ck_assert_int_eq(1, story.losses[2].fault);
    ck_assert_int_eq(81 * MS, story.losses[2].recovery_ns);
}

PB_TEST(who_replaces_whom_is_as_the_pool_says)
{
    struct story story = { .count = 0 };

    lost(&story, 1000, 0, 0);
    lost(&story, 1001, 1, 0);
    ready_for(&story, 1005, 5, 0, 9); /* of a recycled worker */
    ready_for(&story, 1010, 6, 0, 1);
    ready_for(&story, 1020, 7, 0, 0);
    ok(&story, 1010, 1012, 6, 0);
    ok(&story, 1020, 1023, 7, 0);
    match(&story, NULL, 0);
    ck_assert_uint_eq(7, story.losses[0].successor);
    ck_assert_int_eq(23 * MS, story.losses[0].recovery_ns);
    ck_assert_uint_eq(6, story.losses[1].successor);
    ck_assert_int_eq(11 * MS, story.losses[1].recovery_ns);
}

/* A successor is made ready before its elder is recycled; then the elder dies first. */
PB_TEST(a_successor_that_stood_ready_recovers_at_once)
{
    struct story story = { .count = 0 };

    ready_for(&story, 990, 6, 0, 0);
    lost(&story, 1000, 0, 0);
    ok(&story, 1001, 1004, 6, 0);
    match(&story, NULL, 0);
    ck_assert_int_eq(1000 * MS, story.losses[0].ready_ns);
    ck_assert_int_eq(3 * MS, story.losses[0].recovery_ns);
}

PB_TEST(who_only_stood_by_is_missed_by_nobody)
{
    struct story story = { .count = 0 };

    ready_for(&story, 990, 6, 0, 0); /* for a worker that is to be recycled */
    note(&story, PB_POOL_WORKER_LOST, 1000, 6, 0)->since_ns = 980 * MS;
    ready_for(&story, 1020, 6, 1, 0);
    ok(&story, 1030, 1031, 6, 1);
    match(&story, NULL, 0);
    ck_assert_uint_eq(0, story.lost);
}

PB_TEST(a_replacement_lost_before_its_first_success_has_restored_nothing)
{
    struct story story = { .count = 0 };

    lost(&story, 1000, 0, 0);
    ready(&story, 1010, 4, 0);
    lost(&story, 1050, 4, 0);
    ready(&story, 1070, 5, 0);
    ok(&story, 1070, 1075, 5, 0);
    match(&story, NULL, 0);
    ck_assert_uint_eq(2, story.lost);
    ck_assert_int_eq(75 * MS, story.losses[0].recovery_ns);
    ck_assert_int_eq(25 * MS, story.losses[1].recovery_ns);
    ck_assert_uint_eq(5, story.losses[0].successor);
    ck_assert_int_eq(PB_LOSS_RECOVERED, story.losses[0].end);
}

PB_TEST(only_what_losses_need_is_kept)
{
    struct story story = { .count = 0 };

    lost(&story, 1000, 0, 0);
    ready_for(&story, 1005, 5, 0, 9); /* of a recycled worker */
    ok(&story, 1005, 1006, 5, 0);
    ready_for(&story, 1010, 6, 0, 0);
    ok(&story, 1010, 1012, 6, 0);
    ready_for(&story, 4900, 7, 0, 8); /* whose loss may be told any moment */
    ok(&story, 4900, 4901, 7, 0);
    story.count = pb_losses_compact(story.notes, story.count, 5000 * MS);
    ck_assert_uint_eq(5, story.count);
    ck_assert_uint_eq(6, story.notes[1].worker);
    ck_assert_uint_eq(6, story.notes[2].worker);
    ck_assert_uint_eq(7, story.notes[4].worker);
    match(&story, NULL, 0);
    ck_assert_uint_eq(1, story.lost);
    ck_assert_int_eq(12 * MS, story.losses[0].recovery_ns);
}

PB_TEST(recoveries_are_summed_by_nearest_rank)
{
    struct pb_loss losses[100];
    struct pb_losses_summary sum;

    for (int i = 0; i < 100; i++) {
        losses[i] = (struct pb_loss){ .fault = i < 10 ? i : -1,
                                      .since_ns = 0,
                                      .detected_ns = i * MS,
                                      .ready_ns = i == 99 ? -1 : 2 * i * MS,
                                      .recovery_ns = i >= 98 ? -1 : (i + 1) * MS,
                                      .end = i == 99   ? PB_LOSS_OPEN
                                             : i == 98 ? PB_LOSS_UNUSED
                                                       : PB_LOSS_RECOVERED };
    }
    pb_losses_sum(losses, 100, &sum);
    ck_assert_uint_eq(100, sum.count);
    ck_assert_uint_eq(10, sum.by_fault);
    ck_assert_uint_eq(98, sum.recovered);
    ck_assert_uint_eq(1, sum.unused);
    ck_assert_uint_eq(1, sum.open);
    ck_assert_int_eq(49 * MS, sum.p50_ns);
    ck_assert_int_eq(98 * MS, sum.p99_ns);
    ck_assert_int_eq(98 * MS, sum.max_ns);
    ck_assert_int_eq(4 * MS, sum.detect_p50_ns);
    ck_assert_int_eq(9 * MS, sum.detect_max_ns);
    ck_assert_int_eq(196 * MS, sum.ready_max_ns);
    pb_losses_sum(losses, 0, &sum);
    ck_assert_int_eq(-1, sum.max_ns);
}
