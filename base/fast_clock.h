/*
 * base/fast_clock.h - CLOCK_MONOTONIC at half the price, for threads that read it millions of times
 * a second.
 *
 * Between two reads of the real clock, at most PB_FAST_CLOCK_WINDOW_NS apart, the time is what the
 * processor's time-stamp counter has moved on since, at the rate that this very clock has measured
 * against the real one.  Where the counter is not the kernel's own clock source, or its rate turns
 * out to change, every read is a read of the real clock.
 *
 * Off from the real clock by the drift within one window: 500 ppm, the most that NTP slews, are 10
 * ns.  Never goes back.  One thread at a time.
 */
#ifndef PB_BASE_FAST_CLOCK_H
#define PB_BASE_FAST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <x86intrin.h>

#include "base/clock.h"

#define PB_FAST_CLOCK_WINDOW_NS (20 * PB_NS_PER_US)

struct pb_fast_clock {
    /* The last read of the real clock, and the counter then. */
    uint64_t tick0;
    int64_t ns0;
    uint64_t window_ticks; /* trust the counter so long; 0: not at all, for now or for good */
    uint64_t ns_per_tick;  /* in 2^-32 */
    /* Where the present measurement of the rate began; base_ns 0: not begun. */
    uint64_t base_tick;
    int64_t base_ns;
    bool usable;
};

/* Whether the kernel itself takes the time from a counter that neither stops nor changes its pace.
 * Reads a file: once a pool. */
bool pb_fast_clock_usable(void);
/* With `usable` false it is the real clock. */
void pb_fast_clock_init(struct pb_fast_clock *clock, bool usable);
/* The slow path of pb_fast_now_ns. */
int64_t pb_fast_clock_refresh(struct pb_fast_clock *clock);

/* hot */
static inline int64_t pb_fast_now_ns(struct pb_fast_clock *clock)
{
    uint64_t ticks = __rdtsc() - clock->tick0;

    /* A counter that jumped, in whichever direction, is far beyond the window. */
    if (ticks < clock->window_ticks) {
        return clock->ns0 + (int64_t)(ticks * clock->ns_per_tick >> 32);
    }
    return pb_fast_clock_refresh(clock);
}

#endif
