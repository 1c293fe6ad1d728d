#include "harness/pacing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/cpus.h"

/* Sleeping ends so long before the instant when the rest is spun: longer than a sleep is late. */
#define SPIN_NS (60 * PB_NS_PER_US)
/* Fewer CPUs than that: the spinner would stand in the way of the workers. */
#define SPIN_CPUS_MIN     4
#define PROBE_INTERVAL_NS (200 * PB_NS_PER_US)
#define PROBE_COUNT       250 /* x 200 us: 50 ms */

void pb_pacing_prepare_thread(void)
{
    /* Cannot fail: 1 ns is within range, and the call needs no privilege for one's own thread. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int64_t pb_pacing_wait(int64_t instant_ns, bool spin)
{
    int64_t now_ns = pb_now_ns();
    int64_t wake_ns = spin ? instant_ns - SPIN_NS : instant_ns;

    if (now_ns < wake_ns) {
        pb_clock_sleep_until(pb_clock_real(), wake_ns);
        now_ns = pb_now_ns();
    }
    while (now_ns < instant_ns) {
        pause_cpu();
        now_ns = pb_now_ns();
    }
    return now_ns;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void pb_pacing_probe(bool spin, uint32_t count, int64_t interval_ns, struct pb_lateness *ret)
{
    int64_t *late_ns = count ? malloc(sizeof(*late_ns) * count) : NULL;
    int64_t at_ns = pb_now_ns();

    *ret = (struct pb_lateness){ .count = 0 };
    if (!late_ns) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        at_ns += interval_ns;
        late_ns[i] = pb_pacing_wait(at_ns, spin) - at_ns;
    }
    qsort(late_ns, count, sizeof(*late_ns), by_value);
    /* x_(ceil(n q)), 1-based, as everywhere. */
    *ret = (struct pb_lateness){ .p50_ns = late_ns[(count + 1) / 2 - 1],
                                 .p99_ns = late_ns[(count * UINT64_C(99) + 99) / 100 - 1],
                                 .max_ns = late_ns[count - 1],
                                 .count = count };
    free(late_ns);
}

static void choose(struct pb_pacing_choice *choice, bool spin, const char *why)
{
    choice->spin = spin;
    (void)snprintf(choice->why, sizeof(choice->why), "%s: %s", spin ? "spin" : "sleep", why);
}

void pb_pacing_choose(const struct pb_scenario *scenario, double planned_cpus,
                      struct pb_pacing_choice *ret_choice)
{
    struct pb_pacing_choice choice = { .spin = false };
    int cpus = pb_usable_cpus();
    char why[96];

    pb_pacing_prepare_thread();
    pb_pacing_probe(false, PROBE_COUNT, PROBE_INTERVAL_NS, &choice.sleep);
    if (scenario->pacing != PB_PACING_AUTO) {
        choose(&choice, scenario->pacing == PB_PACING_SPIN, "the scenario says so");
    } else if (cpus < SPIN_CPUS_MIN) {
        (void)snprintf(why, sizeof(why), "%d CPU%s, spinning needs %d", cpus, cpus == 1 ? "" : "s",
                       SPIN_CPUS_MIN);
        choose(&choice, false, why);
    } else if (planned_cpus > cpus - 2) {
        (void)snprintf(why, sizeof(why), "the plan needs %.1f of %d CPUs, spinning leaves two free",
                       planned_cpus, cpus);
        choose(&choice, false, why);
    } else {
        choose(&choice, true, "CPUs are free");
    }
    if (choice.spin) {
        pb_pacing_probe(true, PROBE_COUNT, PROBE_INTERVAL_NS, &choice.spinning);
    }
    /* Spinning that is not on time has no core of its own: the probe decides. */
    if (choice.spin && scenario->pacing == PB_PACING_AUTO &&
        choice.spinning.p99_ns > choice.sleep.p99_ns) {
        choose(&choice, false, "a spinning probe was later than a sleeping one");
    }
    *ret_choice = choice;
}
