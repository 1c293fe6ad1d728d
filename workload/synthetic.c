#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "workload/workload.h"

/*
 * A request of known cost: memory is touched and thread CPU time burnt, then the rest of the
 * service time is waited for, as a call to another service would be.
 *
 * The thread CPU clock costs 200 to 300 ns a read, so it is not polled: the loop runs a calibrated
 * number of rounds that stays a little under what is left, reads the clock, and comes closer.
 */

/* Rounds in one calibration, about 20 us; the fastest of the tries is the one not disturbed. */
#define CALIBRATION_ROUNDS 20000
#define CALIBRATION_TRIES  9
/* Of what is left, the part burnt before the clock is read again: rounds take up to an eighth
 * longer or shorter as the CPU changes its speed, and overshoot cannot be taken back. */
#define BURN_RATIO 0.875
/* Left to burn without a further look at the clock, about the cost of that look. */
#define BURN_REST_NS 500
/* The token is looked at so often while the CPU burns. */
#define BURN_SLICE_NS (500 * PB_NS_PER_US)
/* Work that ignores its token looks at give_up_ns so often. */
#define GIVE_UP_SLICE_NS (10 * PB_NS_PER_MS)

/* One worker's memory, grown as requests need it.  Used by the slot's thread alone. */
struct scratch {
    _Alignas(PB_CACHELINE) unsigned char *bytes;
    size_t size;
};

struct synthetic {
    double ns_per_round; /* constant after open */
    uint32_t slots;
    struct scratch *scratch;
};

/* A chain of dependent operations: its time hardly depends on the compiler. */
static uint64_t spin_rounds(uint64_t rounds, uint64_t x)
{
    for (uint64_t i = 0; i < rounds; i++) {
        x ^= x << 13; /* xorshift64: Marsaglia 2003 */
        x ^= x >> 7;
        x ^= x << 17;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

static double calibrate(void)
{
    int64_t best_ns = INT64_MAX;

    for (int i = 0; i < CALIBRATION_TRIES; i++) {
        int64_t before_ns = pb_thread_cpu_ns();

        (void)spin_rounds(CALIBRATION_ROUNDS, (uint64_t)before_ns | 1);
        int64_t took_ns = pb_thread_cpu_ns() - before_ns;

        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    return best_ns > 0 ? (double)best_ns / CALIBRATION_ROUNDS : 1.0;
}

static enum pb_status open_synthetic(uint32_t slots, void **ret_state, struct pb_error *err)
{
    struct synthetic *synthetic = calloc(1, sizeof(*synthetic));
    size_t size = sizeof(struct scratch) * (slots ? slots : 1);
    struct scratch *scratch = synthetic ? aligned_alloc(PB_CACHELINE, size) : NULL;

    if (!scratch) {
        free(synthetic);
        return pb_fail(err, PB_ENOMEM, "no memory for the workload's state");
    }
    for (uint32_t i = 0; i < slots; i++) {
        scratch[i] = (struct scratch){ .bytes = NULL };
    }
    synthetic->ns_per_round = calibrate();
    synthetic->slots = slots;
    synthetic->scratch = scratch;
    *ret_state = synthetic;
    return PB_OK;
}

static void close_synthetic(void *state)
{
    struct synthetic *synthetic = state;

    if (!synthetic) {
        return;
    }
    for (uint32_t i = 0; i < synthetic->slots; i++) {
        free(synthetic->scratch[i].bytes);
    }
    free(synthetic->scratch);
    free(synthetic);
}

/* Writes to every cache line of `bytes` bytes; false: they could not be had. */
static bool touch_memory(struct scratch *scratch, size_t bytes)
{
    if (bytes > scratch->size) {
        unsigned char *grown = malloc(bytes);

        if (!grown) {
            return false;
        }
        free(scratch->bytes);
        scratch->bytes = grown;
        scratch->size = bytes;
    }
    for (size_t at = 0; at < bytes; at += PB_CACHELINE) {
        *(volatile unsigned char *)&scratch->bytes[at] = (unsigned char)at;
    }
    return true;
}

static bool must_end(const struct pb_demand *demand, const struct pb_work *work,
                     const _Atomic int64_t *give_up_ns)
{
    if (demand->ignore_cancel) {
        return pb_now_ns() >= atomic_load_explicit(give_up_ns, memory_order_relaxed);
    }
    return pb_token_cancelled(work->token);
}

/* Burns until the thread has used `cpu_ns` since its CPU clock stood at `start_ns`; ends early when
 * asked to. */
static void burn(const struct synthetic *synthetic, const struct pb_demand *demand,
                 const struct pb_work *work, int64_t start_ns, const _Atomic int64_t *give_up_ns)
{
    int64_t left_ns = demand->cpu_ns - (pb_thread_cpu_ns() - start_ns);

    while (left_ns > BURN_REST_NS && !must_end(demand, work, give_up_ns)) {
        double slice_ns = (double)(left_ns < BURN_SLICE_NS ? left_ns : BURN_SLICE_NS);

        (void)spin_rounds((uint64_t)(slice_ns * BURN_RATIO / synthetic->ns_per_round),
                          (uint64_t)left_ns);
        left_ns = demand->cpu_ns - (pb_thread_cpu_ns() - start_ns);
    }
    if (left_ns > 0 && left_ns <= BURN_REST_NS) {
        (void)spin_rounds((uint64_t)((double)left_ns / synthetic->ns_per_round), (uint64_t)left_ns);
    }
}

static void sleep_until(int64_t instant_ns)
{
    struct timespec at = { .tv_sec = instant_ns / PB_NS_PER_S,
                           .tv_nsec = instant_ns % PB_NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
        /* Interrupted by a signal: the instant is absolute, so just go on. */
    }
}

/* Waits until `instant_ns` whatever the token says; at most until give_up_ns. */
static void wait_deaf(int64_t instant_ns, const _Atomic int64_t *give_up_ns)
{
    for (;;) {
        int64_t now_ns = pb_now_ns();
        int64_t end_ns = atomic_load_explicit(give_up_ns, memory_order_relaxed);

        end_ns = instant_ns < end_ns ? instant_ns : end_ns;
        if (now_ns >= end_ns) {
            return;
        }
        sleep_until(end_ns - now_ns > GIVE_UP_SLICE_NS ? now_ns + GIVE_UP_SLICE_NS : end_ns);
    }
}

/* The waiting part.  A hang has no end of its own. */
static void wait_rest(const struct pb_demand *demand, const struct pb_work *work,
                      const _Atomic int64_t *give_up_ns)
{
    /* Without a CPU part the end is exact; after one, the wait is as long as asked for, however
     * long the CPU was shared with others. */
    int64_t until_ns = demand->cpu_ns > 0 ? pb_now_ns() + demand->service_ns - demand->cpu_ns
                                          : work->started_ns + demand->service_ns;

    if (demand->fate == PB_FATE_HANG) {
        until_ns = INT64_MAX;
    } else if (demand->service_ns <= demand->cpu_ns) {
        return;
    }
    if (demand->ignore_cancel) {
        wait_deaf(until_ns, give_up_ns);
    } else {
        (void)pb_token_sleep_until(work->token, until_ns);
    }
}

static enum pb_outcome outcome_of(enum pb_fate fate)
{
    switch (fate) {
    case PB_FATE_OK:
        return PB_OUTCOME_OK;
    case PB_FATE_CLIENT_ERROR:
        return PB_OUTCOME_CLIENT_ERROR;
    case PB_FATE_ERROR:
    case PB_FATE_HANG: /* it came back because it was asked to: the outcome was decided before */
    case PB_FATE_COUNT:
        break;
    }
    return PB_OUTCOME_ERROR;
}

static enum pb_outcome run_synthetic(void *state, const struct pb_demand *demand,
                                     struct pb_work *work, bool measure_cpu,
                                     const _Atomic int64_t *give_up_ns)
{
    struct synthetic *synthetic = state;
    bool needs_clock = measure_cpu || demand->cpu_ns > 0;
    int64_t start_ns = needs_clock ? pb_thread_cpu_ns() : 0;

    if (demand->memory_bytes > 0 &&
        !touch_memory(&synthetic->scratch[work->worker], (size_t)demand->memory_bytes)) {
        return PB_OUTCOME_ERROR;
    }
    if (demand->cpu_ns > 0) {
        burn(synthetic, demand, work, start_ns, give_up_ns);
    }
    wait_rest(demand, work, give_up_ns);
    if (measure_cpu) {
        work->cpu_ns = pb_thread_cpu_ns() - start_ns;
    }
    return outcome_of(demand->fate);
}

const struct pb_workload_kind pb_workload_synthetic = {
    .name = "synthetic",
    .summary = "burns CPU, touches memory and waits, as drawn from the seed",
    .open = open_synthetic,
    .run = run_synthetic,
    .close = close_synthetic,
};
