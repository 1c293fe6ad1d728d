#include "base/clock.h"

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * PB_NS_PER_S + now.tv_nsec;
}

static int64_t real_now_ns(const struct pb_clock *clock)
{
    (void)clock;
    return pb_now_ns();
}

static void real_sleep_until(const struct pb_clock *clock, int64_t instant_ns)
{
    struct timespec at = { .tv_sec = instant_ns / PB_NS_PER_S,
                           .tv_nsec = instant_ns % PB_NS_PER_S };

    (void)clock;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
        /* Interrupted by a signal: the instant is absolute, so just go on. */
    }
}

const struct pb_clock *pb_clock_real(void)
{
    static const struct pb_clock real = { real_now_ns, real_sleep_until };

    return &real;
}

static int64_t hand_now_ns(const struct pb_clock *clock)
{
    /* `clock` is the first member, so the hand clock stands at the same address. */
    return atomic_load(&((const struct pb_hand_clock *)clock)->at_ns);
}

static void hand_sleep_until(const struct pb_clock *clock, int64_t instant_ns)
{
    /* The caller's own object, which is not const: only the interface is.
     * NOLINTNEXTLINE(performance-no-int-to-ptr) */
    struct pb_hand_clock *hand = (struct pb_hand_clock *)(uintptr_t)clock;
    int64_t at_ns = atomic_load(&hand->at_ns);

    while (at_ns < instant_ns && !atomic_compare_exchange_weak(&hand->at_ns, &at_ns, instant_ns)) {
    }
}

void pb_hand_clock_init(struct pb_hand_clock *hand, int64_t start_ns)
{
    hand->clock = (struct pb_clock){ hand_now_ns, hand_sleep_until };
    atomic_init(&hand->at_ns, start_ns);
}

void pb_hand_clock_advance(struct pb_hand_clock *hand, int64_t by_ns)
{
    atomic_fetch_add(&hand->at_ns, by_ns);
}

int64_t pb_wall_now_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t pb_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void pb_wall_format(int64_t wall_ns, char text[static 21])
{
    time_t seconds = wall_ns / PB_NS_PER_S;
    struct tm utc;

    gmtime_r(&seconds, &utc);
    (void)strftime(text, 21, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
