/*
 * bench_crowd - as many workers as a pool may have, nearly: 1000 threads start, each serves a
 * request while all the others do, and stop; beside 1000 bare threads that meet at a barrier.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "base/mutex.h"
#include "bench/support.h"

#define SUITE       "crowd"
#define WORKERS     1000
#define ROUNDS      5
#define STACK_BYTES ((size_t)256 << 10)
/* Even a loaded machine has done it by then. */
#define LONG_NS (60 * PB_NS_PER_S)

static void must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "bench_crowd: %s\n", what);
        exit(1);
    }
}

/* Where all threads wait for the last one to arrive. */
struct meeting {
    struct pb_mutex lock;
    struct pb_cond all_here;
    uint32_t here;
};

static void meet(struct meeting *meeting)
{
    pb_mutex_lock(&meeting->lock);
    if (++meeting->here == WORKERS) {
        pb_cond_broadcast(&meeting->all_here);
    }
    while (meeting->here < WORKERS) {
        pb_cond_wait(&meeting->all_here, &meeting->lock);
    }
    pb_mutex_unlock(&meeting->lock);
}

static void wait_for_all(struct meeting *meeting)
{
    int64_t deadline_ns = pb_now_ns() + LONG_NS;

    pb_mutex_lock(&meeting->lock);
    while (meeting->here < WORKERS &&
           pb_cond_wait_until(&meeting->all_here, &meeting->lock, deadline_ns)) {
    }
    must(meeting->here == WORKERS, "not every thread came");
    pb_mutex_unlock(&meeting->lock);
}

static void meeting_init(struct meeting *meeting)
{
    *meeting = (struct meeting){ .here = 0 };
    pb_mutex_init(&meeting->lock);
    pb_cond_init(&meeting->all_here);
}

static void meeting_done(struct meeting *meeting)
{
    pb_cond_done(&meeting->all_here);
    pb_mutex_done(&meeting->lock);
}

struct times {
    double start_ms, serve_ms, stop_ms;
};

static double ms_since(int64_t *from_ns)
{
    int64_t now_ns = pb_now_ns(), took_ns = now_ns - *from_ns;

    *from_ns = now_ns;
    return (double)took_ns / 1e6;
}

static enum pb_outcome serve(void *ctx, struct pb_work *work)
{
    (void)work;
    meet(ctx);
    return PB_OUTCOME_OK;
}

static struct times time_pool(void)
{
    struct pb_pool_config config;
    struct meeting meeting;
    struct pb_pool_stats stats;
    struct pb_pool *pool = NULL;
    struct times times;

    meeting_init(&meeting);
    pb_pool_config_default(&config);
    config.size = WORKERS;
    config.max_stuck = 0;
    config.checkout_timeout_ns = config.operation_timeout_ns = config.init_timeout_ns = LONG_NS;
    config.run = serve;
    config.ctx = &meeting;
    int64_t at_ns = pb_now_ns();

    must(pb_pool_new(&config, &pool, NULL) == PB_OK, "the pool cannot be made");
    times.start_ms = ms_since(&at_ns);
    for (uint64_t i = 0; i < WORKERS; i++) {
        struct pb_request request = { .index = i };

        must(pb_pool_submit(pool, &request, NULL) == PB_OK, "a request was not taken");
    }
    must(pb_pool_drain(pool, at_ns + LONG_NS) == PB_OK, "not all requests ended");
    times.serve_ms = ms_since(&at_ns);
    pb_pool_snapshot(pool, &stats);
    must(stats.outcomes[PB_OUTCOME_OK] == WORKERS && stats.rescued_wakeups == 0,
         "not every worker served once");
    must(pb_pool_free(pool, LONG_NS) == PB_OK, "a worker stayed");
    times.stop_ms = ms_since(&at_ns);
    meeting_done(&meeting);
    return times;
}

static void *bare_main(void *ctx)
{
    meet(ctx);
    return NULL;
}

/* Threads that do as much: created, met, joined. */
static struct times time_bare(void)
{
    static pthread_t threads[WORKERS];
    pthread_attr_t attr;
    struct meeting meeting;
    struct times times = { .serve_ms = 0 };
    int64_t at_ns = pb_now_ns();

    meeting_init(&meeting);
    must(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, STACK_BYTES) == 0,
         "thread attributes");
    for (int i = 0; i < WORKERS; i++) {
        must(pthread_create(&threads[i], &attr, bare_main, &meeting) == 0, "no thread");
    }
    wait_for_all(&meeting);
    times.start_ms = ms_since(&at_ns);
    for (int i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    times.stop_ms = ms_since(&at_ns);
    (void)pthread_attr_destroy(&attr);
    meeting_done(&meeting);
    return times;
}

static void tell(const char *subject, const char *metric, const char *unit, double *values)
{
    struct pb_figure figure = { SUITE,  "1000 workers", subject,
                                metric, unit,           pb_bench_median(values, ROUNDS) };

    pb_bench_tell(&figure);
    printf("      range %.4g .. %.4g over %d rounds\n", values[0], values[ROUNDS - 1], ROUNDS);
}

int main(void)
{
    double start[ROUNDS], serve_all[ROUNDS], stop[ROUNDS], bare[ROUNDS], ratio[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        struct times pool = time_pool(), threads = time_bare();

        start[round] = pool.start_ms;
        serve_all[round] = pool.serve_ms;
        stop[round] = pool.stop_ms;
        bare[round] = threads.start_ms + threads.stop_ms;
        ratio[round] = (pool.start_ms + pool.serve_ms + pool.stop_ms) / bare[round];
    }
    tell("poolbench", "start", "ms", start);
    tell("poolbench", "serve, each once and all at once", "ms", serve_all);
    tell("poolbench", "stop", "ms", stop);
    tell("bare threads", "start, meet, join", "ms", bare);
    tell("poolbench", "all three over bare threads", "ratio", ratio);
    return 0;
}
