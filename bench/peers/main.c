/*
 * peer-NAME WORKERS one|split MILLISECONDS [VARIANT] - measures one pool in one placement and
 * prints the figures of enum pb_peer_figure on one line.
 *
 * one: the process has the first CPU and no other.  split: it has two; the generator is placed on
 * the first, all other threads on the second.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "bench/peers/peer.h"
#include "bench/support.h"
#include "harness/pacing.h"

#define MAX_THREADS 64
/* In the closed loop, where a clock read would be much of a request's cost; a prime, so that bursts
 * of 2, 4 or 16 are not always met at the same place. */
#define TIMED_EVERY   17
#define YIELD_EVERY   64
#define CLOCK_EVERY   256 /* requests between two looks at the clock */
#define WARM_REQUESTS 2000
#define GATHER_NS     (5 * PB_NS_PER_S)

/* What one of the pool's threads counts; nobody else writes it. */
struct counter {
    _Alignas(PB_CACHELINE) _Atomic uint64_t ran;
    struct pb_hist hist;
};

/* These pools give their work nothing but its argument, so that what all of it needs is here. */
static struct counter counters[MAX_THREADS];
static _Atomic uint32_t threads;   /* that have run something */
static _Atomic uint32_t gathering; /* workers each hold one request until so many do */
static _Thread_local struct counter *mine;

static void die(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    _exit(1);
}

static void meet_thread(void)
{
    uint32_t number = atomic_fetch_add(&threads, 1);

    if (number >= MAX_THREADS) {
        die("more threads than expected");
    }
    mine = &counters[number];
}

void pb_peer_ran(uintptr_t sent)
{
    if (!mine) {
        meet_thread();
    }
    if (sent != PB_PEER_UNTIMED) {
        pb_hist_record(&mine->hist, pb_now_ns() - (int64_t)sent);
    }
    /* Only until every worker was met: a relaxed look at a word that does not change after that. */
    int64_t give_up_ns = 0;

    while (atomic_load_explicit(&gathering, memory_order_relaxed) > atomic_load(&threads)) {
        give_up_ns = give_up_ns == 0 ? pb_now_ns() + GATHER_NS : give_up_ns;
        if (pb_now_ns() > give_up_ns) {
            die("not as many threads as asked for");
        }
        (void)usleep(100);
    }
    atomic_store_explicit(&mine->ran, atomic_load_explicit(&mine->ran, memory_order_relaxed) + 1,
                          memory_order_release);
}

static uint64_t ran(void)
{
    uint32_t count = atomic_load_explicit(&threads, memory_order_relaxed);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count && i < MAX_THREADS; i++) {
        sum += atomic_load_explicit(&counters[i].ran, memory_order_acquire);
    }
    return sum;
}

/* The one thread that sends. */
struct generator {
    struct pb_bench_cpus cpus;
    bool split;
    uint32_t workers;
    int64_t spend_ns; /* on each loop */
    uint64_t sent;
    uint64_t ran_seen; /* too small at most */
};

/* Waits until fewer than `limit` requests are on their way. */
static void wait_below(struct generator *generator, uint64_t limit)
{
    for (uint32_t looks = 1; generator->sent - generator->ran_seen >= limit; looks++) {
        generator->ran_seen = ran();
        if (generator->sent - generator->ran_seen < limit) {
            return;
        }
        pb_peer_poll();
        /* Where it has a CPU it may spin, but must let the recorder's collector run there, too. */
        if (generator->split && looks % YIELD_EVERY != 0) {
            __builtin_ia32_pause();
        } else {
            (void)sched_yield();
        }
    }
}

static void send(struct generator *generator, uintptr_t sent)
{
    generator->sent++;
    pb_peer_submit(sent);
}

static void finish(struct generator *generator)
{
    wait_below(generator, 1);
    pb_peer_poll();
}

static int64_t cpu_ns(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * PB_NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * PB_NS_PER_US;
}

/* Sends for spend_ns, never more than `limit` on their way; every `timed_every`-th carries its
 * time, 0: none.  Fills requests per second and CPU time a request. */
static void run_loop(struct generator *generator, uint64_t limit, uint32_t timed_every,
                     double *ret_figures)
{
    int64_t cpu_before_ns = cpu_ns(), begin_ns = pb_now_ns();
    uint64_t before = generator->sent;

    while (pb_now_ns() - begin_ns < generator->spend_ns) {
        for (uint32_t i = 0; i < CLOCK_EVERY; i++) {
            bool timed = timed_every > 0 && generator->sent % timed_every == 0;

            wait_below(generator, limit);
            send(generator, timed ? (uintptr_t)pb_now_ns() : PB_PEER_UNTIMED);
        }
    }
    finish(generator);
    double count = (double)(generator->sent - before);

    ret_figures[0] = count / ((double)(pb_now_ns() - begin_ns) / 1e9);
    ret_figures[1] = (double)(cpu_ns() - cpu_before_ns) / count;
}

static void run_paced(struct generator *generator, double *ret_cpu_ns)
{
    int64_t cpu_before_ns = cpu_ns(), at_ns = pb_now_ns(), end_ns = at_ns + generator->spend_ns;
    uint64_t before = generator->sent;

    for (; at_ns < end_ns; at_ns += PB_NS_PER_S / PB_PEER_RATE) {
        (void)pb_pacing_wait(at_ns, false);
        wait_below(generator, PB_PEER_BACKLOG);
        send(generator, (uintptr_t)pb_now_ns());
        pb_peer_poll();
    }
    finish(generator);
    *ret_cpu_ns = (double)(cpu_ns() - cpu_before_ns) / (double)(generator->sent - before);
}

/* p50 and p99 of the hand-over times since the last call. */
static void take_handover(double *ret_figures)
{
    struct pb_hist *all = &counters[0].hist;

    for (uint32_t i = 1; i < MAX_THREADS; i++) {
        if (pb_hist_merge(all, &counters[i].hist) != PB_OK) {
            die("histograms differ");
        }
        pb_hist_reset(&counters[i].hist);
    }
    ret_figures[0] = (double)pb_hist_quantile(all, 0.5);
    ret_figures[1] = (double)pb_hist_quantile(all, 0.99);
    pb_hist_reset(all);
}

/* Until each of the workers has run something: then all of them exist, and are placed. */
static void gather(struct generator *generator)
{
    atomic_store(&gathering, generator->workers);
    for (uint32_t i = 0; i < generator->workers; i++) {
        send(generator, PB_PEER_UNTIMED);
    }
    finish(generator);
    atomic_store(&gathering, 0);
    /* Every thread there is, whoever started it. */
    pb_bench_pin_others(&generator->cpus, generator->split ? 1 : 0, pb_peer_generator_side);
    pb_bench_pin(&generator->cpus, 0);
    for (uint32_t i = 0; i < WARM_REQUESTS; i++) {
        wait_below(generator, PB_PEER_BACKLOG);
        send(generator, (uintptr_t)pb_now_ns());
    }
    finish(generator);
    if (atomic_load(&threads) != generator->workers) {
        die("not as many threads as asked for");
    }
}

static void measure(struct generator *generator, double *figures)
{
    double ignored[2];

    take_handover(ignored);
    run_loop(generator, PB_PEER_BACKLOG, 0, &figures[PB_PEER_FLAT_PER_S]);
    run_loop(generator, (uint64_t)PB_PEER_IN_FLIGHT * generator->workers, TIMED_EVERY,
             &figures[PB_PEER_CLOSED_PER_S]);
    take_handover(&figures[PB_PEER_CLOSED_P50_NS]);
    run_paced(generator, &figures[PB_PEER_PACED_CPU_NS]);
    take_handover(&figures[PB_PEER_PACED_P50_NS]);
}

int main(int argc, char **argv)
{
    struct generator generator = { .workers = 0 };
    double figures[PB_PEER_FIGURES];
    const char *why = "cannot be opened";

    if (argc < 4) {
        die("usage: peer-NAME WORKERS one|split MILLISECONDS [VARIANT]");
    }
    generator.workers = (uint32_t)strtoul(argv[1], NULL, 10);
    generator.split = strcmp(argv[2], "split") == 0;
    generator.spend_ns = strtol(argv[3], NULL, 10) * PB_NS_PER_MS;
    pb_bench_cpus_read(&generator.cpus);
    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        if (pb_hist_init(&counters[i].hist, PB_NS_PER_S * 10, PB_HIST_DIGITS) != PB_OK) {
            die("no memory");
        }
    }
    pb_pacing_prepare_thread();
    pb_bench_pin(&generator.cpus, generator.split ? -1 : 0);
    if (!pb_peer_open(generator.workers, argc > 4 ? argv[4] : "", &why)) {
        die(why);
    }
    gather(&generator);
    measure(&generator, figures);
    if (!pb_peer_close()) {
        die("the pool found fault with itself");
    }
    for (int i = 0; i < PB_PEER_FIGURES; i++) {
        printf("%.9g%c", figures[i], i + 1 < PB_PEER_FIGURES ? ' ' : '\n');
    }
    (void)fflush(stdout);
    _exit(0); /* whatever threads the pool has left */
}
