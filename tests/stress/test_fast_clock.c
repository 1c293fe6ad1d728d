/* The fast clock beside the real one, whatever interrupts the thread meanwhile. */
#include "base/fast_clock.h"
#include "support/test.h"

#define READS  300000
#define OFF_NS 1000 /* far more than the drift in a window */

/* Reads it between two reads of the real clock. */
static int64_t read_between(struct pb_fast_clock *clock)
{
    int64_t before_ns = pb_now_ns(), now_ns = pb_fast_now_ns(clock), after_ns = pb_now_ns();

    ck_assert_int_ge(now_ns, before_ns - OFF_NS);
    ck_assert_int_le(now_ns, after_ns + OFF_NS);
    return now_ns;
}

PB_TEST(fast_clock_agrees_with_the_real_one_and_never_goes_back)
{
    struct pb_fast_clock clock;
    int64_t last_ns = 0;

    pb_fast_clock_init(&clock, pb_fast_clock_usable());
    for (int i = 0; i < READS; i++) {
        int64_t now_ns = i % 4 == 0 ? read_between(&clock) : pb_fast_now_ns(&clock);

        ck_assert_int_ge(now_ns, last_ns);
        last_ns = now_ns;
    }
    /* Else nothing was tested but the real clock. */
    ck_assert(!clock.usable || clock.window_ticks > 0);
}

PB_TEST(fast_clock_sees_that_its_counter_has_jumped)
{
    static const uint64_t jumps[] = { UINT64_C(1) << 40, UINT64_C(1) << 20, (uint64_t)-1 << 20,
                                      (uint64_t)-1 << 40 };
    struct pb_fast_clock clock;

    pb_fast_clock_init(&clock, pb_fast_clock_usable());
    for (size_t i = 0; i < PB_ARRAY_LEN(jumps); i++) {
        for (int64_t end_ns = pb_now_ns() + 2 * PB_NS_PER_MS; pb_now_ns() < end_ns;) {
            (void)read_between(&clock);
        }
        clock.tick0 += jumps[i];
        (void)read_between(&clock);
    }
}

PB_TEST(fast_clock_gives_up_on_a_counter_whose_rate_changes)
{
    struct pb_fast_clock clock;
    int64_t end_ns = pb_now_ns() + 20 * PB_NS_PER_MS;

    pb_fast_clock_init(&clock, pb_fast_clock_usable());
    while (clock.usable && clock.window_ticks == 0 && pb_now_ns() < end_ns) {
        (void)read_between(&clock);
    }
    /* As if the counter had run at half its pace since the measurement began. */
    clock.base_tick -= (uint64_t)4 << 20;
    for (end_ns = pb_now_ns() + 5 * PB_NS_PER_MS; pb_now_ns() < end_ns;) {
        (void)read_between(&clock);
    }
    ck_assert(!clock.usable);
    ck_assert_uint_eq(0, clock.window_ticks);
}

PB_TEST(fast_clock_that_may_not_be_fast_is_the_real_one)
{
    struct pb_fast_clock clock;

    pb_fast_clock_init(&clock, false);
    for (int i = 0; i < 1000; i++) {
        int64_t before_ns = pb_now_ns(), now_ns = pb_fast_now_ns(&clock);

        ck_assert_int_ge(now_ns, before_ns);
        ck_assert_int_le(now_ns, pb_now_ns());
    }
}
