#include "base/clock.h"
#include "support/test.h"

PB_TEST(hand_clock_stands_still_until_turned)
{
    struct pb_hand_clock hand;

    pb_hand_clock_init(&hand, 100);
    ck_assert_int_eq(100, pb_clock_now_ns(&hand.clock));
    pb_hand_clock_advance(&hand, 5);
    ck_assert_int_eq(105, pb_clock_now_ns(&hand.clock));
    pb_clock_sleep_until(&hand.clock, 400);
    ck_assert_int_eq(400, pb_clock_now_ns(&hand.clock));
    pb_clock_sleep_until(&hand.clock, 300); /* the past: at once */
    ck_assert_int_eq(400, pb_clock_now_ns(&hand.clock));
}

PB_TEST(real_clock_never_goes_back)
{
    const struct pb_clock *clock = pb_clock_real();
    int64_t last_ns = pb_clock_now_ns(clock);

    for (int i = 0; i < 10000; i++) {
        int64_t now_ns = pb_clock_now_ns(clock);

        ck_assert_int_ge(now_ns, last_ns);
        last_ns = now_ns;
    }
}

PB_TEST(wall_time_is_written_as_rfc_3339)
{
    char text[21];

    pb_wall_format(INT64_C(1795230902) * PB_NS_PER_S, text);
    ck_assert_str_eq("2026-11-21T03:15:02Z", text);
}
