#include <sys/prctl.h>

#include "harness/pacing.h"
#include "support/drive.h"

PB_TEST(a_wait_never_ends_early)
{
    pb_pacing_prepare_thread();
    ck_assert_int_eq(prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL), 1);
    for (int i = 0; i < 200; i++) {
        int64_t until_ns = pb_now_ns() + (i % 20) * 20 * PB_NS_PER_US;
        int64_t woke_ns = pb_pacing_wait(until_ns, i % 2 == 0);

        ck_assert_int_ge(woke_ns, until_ns);
        ck_assert_int_le(woke_ns, pb_now_ns());
    }
    int64_t past_ns = pb_now_ns() - PB_NS_PER_S;

    ck_assert_int_gt(pb_pacing_wait(past_ns, false), past_ns);
}

PB_TEST(a_probe_counts_every_wait)
{
    struct pb_lateness lateness;

    pb_pacing_probe(false, 100, 100 * PB_NS_PER_US, &lateness);
    ck_assert_uint_eq(lateness.count, 100);
    ck_assert_int_ge(lateness.p50_ns, 0);
    ck_assert_int_ge(lateness.p99_ns, lateness.p50_ns);
    ck_assert_int_ge(lateness.max_ns, lateness.p99_ns);
    pb_pacing_probe(false, 0, 1, &lateness);
    ck_assert_uint_eq(lateness.count, 0);
}

PB_TEST(pacing_is_chosen_with_a_reason)
{
    struct pb_scenario scenario;
    struct pb_pacing_choice choice;

    pb_test_scenario_init(&scenario, 1);
    scenario.pacing = PB_PACING_SPIN;
    pb_pacing_choose(&scenario, 1e6, &choice);
    ck_assert(choice.spin);
    ck_assert_str_eq(choice.why, "spin: the scenario says so");
    ck_assert_uint_gt(choice.spinning.count, 0);
    scenario.pacing = PB_PACING_SLEEP;
    pb_pacing_choose(&scenario, 0.0, &choice);
    ck_assert(!choice.spin);
    ck_assert_uint_gt(choice.sleep.count, 0);
    ck_assert_uint_eq(choice.spinning.count, 0);
    /* No machine has so many CPUs that such a plan leaves two free. */
    scenario.pacing = PB_PACING_AUTO;
    pb_pacing_choose(&scenario, 1e6, &choice);
    ck_assert(!choice.spin);
    ck_assert_int_eq(strncmp(choice.why, "sleep: ", 7), 0);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t null_lag_p50_ns(void)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };
    int64_t lag_ns[1000];

    pb_test_scenario_init(&scenario, 1);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 1000.0, 300 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    ck_assert_uint_eq(drive.row_count, 300);
    for (size_t i = 0; i < drive.row_count; i++) {
        lag_ns[i] = drive.rows[i].lag_ns;
    }
    qsort(lag_ns, drive.row_count, sizeof(lag_ns[0]), by_value);
    pb_drive_done(&drive);
    return lag_ns[149];
}

/* Beside a bare loop of sleeps, interleaved with it, the generator adds next to nothing. */
PB_TEST(sends_as_punctually_as_a_bare_sleep_loop)
{
    int64_t lag_ns[3], bare_ns[3];

    pb_pacing_prepare_thread();
    for (int round = 0; round < 3; round++) {
        struct pb_lateness bare;

        pb_pacing_probe(false, 300, PB_NS_PER_MS, &bare);
        bare_ns[round] = bare.p50_ns;
        lag_ns[round] = null_lag_p50_ns();
    }
    qsort(bare_ns, 3, sizeof(bare_ns[0]), by_value);
    qsort(lag_ns, 3, sizeof(lag_ns[0]), by_value);
    ck_assert_msg(2 * lag_ns[1] <= 3 * bare_ns[1] + 2 * 2000,
                  "send lag p50 %" PRId64 " ns, bare sleep %" PRId64 " ns", lag_ns[1], bare_ns[1]);
}
