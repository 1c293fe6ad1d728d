/*
 * base/clock.h - the one clock: int64_t nanoseconds on CLOCK_MONOTONIC, or turned by hand.
 *
 * Everything that needs the time takes a `const struct pb_clock *`, so that tests and the
 * simulator can turn it.  All functions are thread-safe.
 */
#ifndef PB_BASE_CLOCK_H
#define PB_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define PB_NS_PER_US INT64_C(1000)
#define PB_NS_PER_MS INT64_C(1000000)
#define PB_NS_PER_S  INT64_C(1000000000)

struct pb_clock {
    /* The present instant, ns since an arbitrary origin; never goes back. */
    int64_t (*now_ns)(const struct pb_clock *clock);
    /* Returns at or after `instant_ns`; at once when it has passed. */
    void (*sleep_until)(const struct pb_clock *clock, int64_t instant_ns);
};

/* CLOCK_MONOTONIC itself, for the hot path: an inlined vDSO call. */
static inline int64_t pb_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * PB_NS_PER_S + now.tv_nsec;
}

static inline int64_t pb_clock_now_ns(const struct pb_clock *clock)
{
    return clock->now_ns(clock);
}

static inline void pb_clock_sleep_until(const struct pb_clock *clock, int64_t instant_ns)
{
    clock->sleep_until(clock, instant_ns);
}

/* The machine's monotonic clock.  Static storage; never freed. */
const struct pb_clock *pb_clock_real(void);

/* A clock that stands still until it is turned.  sleep_until turns it forward itself. */
struct pb_hand_clock {
    struct pb_clock clock; /* pass &hand.clock on */
    _Atomic int64_t at_ns;
};

void pb_hand_clock_init(struct pb_hand_clock *hand, int64_t start_ns);
void pb_hand_clock_advance(struct pb_hand_clock *hand, int64_t by_ns);

/* Wall-clock time, ns since 1970 UTC: for names and stamps of results only. */
int64_t pb_wall_now_ns(void);

/* CPU time of the calling thread, ns (CLOCK_THREAD_CPUTIME_ID: 200 to 300 ns a call). */
int64_t pb_thread_cpu_ns(void);

/* "2026-11-21T03:15:02Z" (RFC 3339, UTC, whole seconds) into `text`. */
void pb_wall_format(int64_t wall_ns, char text[static 21]);

#endif
