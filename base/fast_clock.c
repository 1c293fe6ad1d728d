#include "base/fast_clock.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
/* The rate is measured over at least so long: then the 20 ns or so of the reads' own time are 20
 * ppm. */
#define RATE_OVER_NS PB_NS_PER_MS
/* A read of the clock between two of the counter takes a tenth of that, unless interrupted. */
#define READ_TICKS_MAX 1000
/* A rate that differs so much from the last one is no rate. */
#define RATE_CHANGE_MAX 1e-3

bool pb_fast_clock_usable(void)
{
    unsigned a, b, c, d = 0;
    char source[16] = "";
    FILE *file = fopen(CLOCK_SOURCE, "re");

    if (file) {
        if (!fgets(source, sizeof(source), file)) {
            source[0] = '\0';
        }
        (void)fclose(file);
    }
    /* Invariant TSC: CPUID 8000_0007h, EDX bit 8. */
    return strcmp(source, "tsc\n") == 0 && __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 &&
           (d & (1U << 8)) != 0;
}

void pb_fast_clock_init(struct pb_fast_clock *clock, bool usable)
{
    *clock = (struct pb_fast_clock){ .usable = usable };
}

/* Measures the rate anew where enough time has passed since the last measurement began. */
static void take_rate(struct pb_fast_clock *clock, uint64_t tick, int64_t now_ns)
{
    if (clock->base_ns != 0 && now_ns - clock->base_ns < RATE_OVER_NS) {
        return;
    }
    if (clock->base_ns != 0) {
        double rate = (double)(now_ns - clock->base_ns) / (double)(tick - clock->base_tick);
        double was = (double)clock->ns_per_tick / 0x1p32;

        if (!(rate > 0.01 && rate < 100) || (was > 0 && (rate > was * (1 + RATE_CHANGE_MAX) ||
                                                         rate < was * (1 - RATE_CHANGE_MAX)))) {
            clock->usable = false;
            clock->window_ticks = 0;
            return;
        }
        clock->ns_per_tick = (uint64_t)(rate * 0x1p32);
        clock->window_ticks = (uint64_t)((double)PB_FAST_CLOCK_WINDOW_NS / rate);
    }
    clock->base_tick = tick;
    clock->base_ns = now_ns;
}

int64_t pb_fast_clock_refresh(struct pb_fast_clock *clock)
{
    if (!clock->usable) {
        return pb_now_ns();
    }
    uint64_t tick = __rdtsc();
    int64_t now_ns = pb_now_ns(), read_ns = now_ns;
    /* What the counter says, right after the window: the real clock may be a little behind it. */
    uint64_t ticks = tick - clock->tick0;

    if (ticks < 2 * clock->window_ticks) {
        int64_t said_ns = clock->ns0 + (int64_t)(ticks * clock->ns_per_tick >> 32);

        now_ns = now_ns > said_ns ? now_ns : said_ns;
    }
    if (__rdtsc() - tick <= READ_TICKS_MAX) {
        take_rate(clock, tick, read_ns);
        clock->tick0 = tick;
        clock->ns0 = now_ns;
    } else {
        /* Interrupted between the reads, which then do not belong together: next time again. */
        clock->tick0 = tick - 2 * clock->window_ticks;
        clock->ns0 = now_ns;
    }
    return now_ns;
}
