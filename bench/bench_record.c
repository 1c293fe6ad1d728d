/*
 * bench_record - recording: a histogram's record, handing a row over, rows a second through
 * recorder, aggregate and log together, and bytes a request on disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "bench/support.h"
#include "harness/recorder.h"

#define SUITE    "record"
#define VALUES   4096 /* fit the first caches beside the histogram's busy part */
#define REPEATS  500
#define ROWS     (1 << 18)
#define PASSES   4                    /* over the rows: more than the chunks hold */
#define ROW_TIME (100 * PB_NS_PER_US) /* 10 000 requests a second */

static void must(enum pb_status status, const char *what)
{
    if (status != PB_OK) {
        (void)fprintf(stderr, "bench_record: %s: %s\n", what, pb_status_name(status));
        exit(1);
    }
}

static void tell(const char *name, const char *metric, const char *unit, double value)
{
    pb_bench_tell(&(struct pb_figure){ SUITE, name, "poolbench", metric, unit, value });
}

/* A histogram is measured beside a bare sum over the same values. */

struct hist_bench {
    int64_t values[VALUES];
    struct pb_hist hist;
    volatile int64_t sink;
};

static double sum_ns(void *ctx)
{
    struct hist_bench *bench = ctx;
    int64_t begin_ns = pb_now_ns();

    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < VALUES; i++) {
            bench->sink += bench->values[i];
        }
    }
    return (double)(pb_now_ns() - begin_ns) / (VALUES * (double)REPEATS);
}

static double hist_ns(void *ctx)
{
    struct hist_bench *bench = ctx;
    int64_t begin_ns = pb_now_ns();

    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < VALUES; i++) {
            pb_hist_record(&bench->hist, bench->values[i]);
        }
    }
    return (double)(pb_now_ns() - begin_ns) / (VALUES * (double)REPEATS);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* The sum of four uniform draws: a hump around 2 x `spread`. */
static int64_t hump(uint64_t *state, int64_t spread)
{
    int64_t sum = 0;

    for (int i = 0; i < 4; i++) {
        sum += (int64_t)(next_random(state) % (uint64_t)spread);
    }
    return sum;
}

static void bench_hist(void)
{
    struct hist_bench *bench = calloc(1, sizeof(*bench));
    struct pb_bench_duel duel;
    uint64_t state = 1;

    must(bench ? pb_hist_init(&bench->hist, PB_HIST_HIGHEST_NS, PB_HIST_DIGITS) : PB_ENOMEM,
         "make a histogram");
    for (size_t i = 0; i < VALUES; i++) {
        bench->values[i] = hump(&state, 2500000);
    }
    pb_bench_interleave(sum_ns, hist_ns, bench, &duel);
    tell("histogram", "record", "ns", duel.b);
    tell("histogram", "record over a bare sum", "ratio", duel.ratio);
    pb_hist_done(&bench->hist);
    free(bench);
}

/* Rows as `workers` lanes leave them: wait-bound service of about 5 ms, or none at all. */
static void fill_rows(struct pb_record *rows, size_t count, uint32_t workers, bool null_work)
{
    uint64_t state = 7;

    for (size_t i = 0; i < count; i++) {
        size_t chunk = i / 64;
        uint64_t index = (chunk / workers * 64 + i % 64) * workers + chunk % workers;

        rows[i] = (struct pb_record){
            .index = index,
            .intended_ns = (int64_t)index * ROW_TIME + hump(&state, ROW_TIME / 4),
            .lag_ns = null_work ? 200 + hump(&state, 100) : 50000 + hump(&state, 5000),
            .wait_ns = null_work ? 300 + hump(&state, 200) : hump(&state, 500000),
            .service_ns = null_work ? 50 + hump(&state, 10) : hump(&state, 2500000),
            .cpu_ns = -1,
            .worker = (uint16_t)(chunk % workers),
            .flags = PB_RECORD_LAST | PB_OUTCOME_OK
        };
    }
}

struct row_bench {
    struct pb_bench_cpus cpus;
    struct pb_record rows[ROWS], copy[ROWS];
    struct pb_scenario scenario;
    char path[32];
    double bytes; /* a request, of the last log */
};

static double copy_ns(void *ctx)
{
    struct row_bench *bench = ctx;
    int64_t begin_ns = pb_now_ns();

    for (size_t i = 0; i < ROWS; i++) {
        bench->copy[i] = bench->rows[i];
        __asm__ volatile("" ::: "memory"); /* one by one, as they come */
    }
    return (double)(pb_now_ns() - begin_ns) / ROWS;
}

/* Waits until the collector has caught up. */
static void settle(struct pb_recorder *recorder)
{
    struct pb_recorder_stats stats;

    do {
        (void)sched_yield();
        pb_recorder_snapshot(recorder, &stats);
    } while (stats.collected < stats.records);
}

/* Into chunks that have been used before, as it is when the collector keeps up. */
static double put_ns(void *ctx)
{
    struct row_bench *bench = ctx;
    struct pb_recorder_config config = { .lanes = 1 };
    struct pb_recorder *recorder = NULL;

    must(pb_recorder_new(&config, &recorder), "make a recorder");
    must(pb_recorder_start(recorder, NULL), "start the collector");
    for (size_t i = 0; i < ROWS - 64; i++) {
        pb_recorder_put(recorder, 0, &bench->rows[i]);
    }
    settle(recorder);
    int64_t begin_ns = pb_now_ns();

    for (size_t i = 0; i < ROWS / 2; i++) {
        pb_recorder_put(recorder, 0, &bench->rows[i]);
    }
    int64_t spent_ns = pb_now_ns() - begin_ns;

    pb_recorder_free(recorder);
    return (double)spent_ns / (ROWS / 2.0);
}

/* From the first put until the last row is counted and in the file: rows a second. */
static double through(struct row_bench *bench, bool one_cpu)
{
    struct pb_recorder_config config = { .lanes = 1 };
    struct pb_reqlog_info info = { .columns = 0 };
    struct pb_recorder *recorder = NULL;
    struct pb_recorder_stats stats;

    must(pb_reqlog_create(bench->path, &info, &config.log, NULL), "make a log");
    must(pb_aggregate_new(&bench->scenario, &config.aggregate), "make an aggregate");
    must(pb_recorder_new(&config, &recorder), "make a recorder");
    pb_bench_pin(&bench->cpus, one_cpu ? 0 : 1);
    must(pb_recorder_start(recorder, NULL), "start the collector");
    pb_bench_pin(&bench->cpus, 0);
    int64_t begin_ns = pb_now_ns();

    for (size_t i = 0; i < PASSES * ROWS; i++) {
        pb_recorder_put(recorder, 0, &bench->rows[i % ROWS]);
    }
    pb_recorder_stop(recorder);
    int64_t spent_ns = pb_now_ns() - begin_ns;

    pb_recorder_snapshot(recorder, &stats);
    must(stats.collected == PASSES * ROWS ? stats.log_status : PB_ECORRUPT, "record");
    must(pb_reqlog_flush(config.log, NULL), "write the log");
    bench->bytes = (double)pb_reqlog_bytes(config.log) / (PASSES * ROWS);
    pb_recorder_free(recorder);
    must(pb_reqlog_close(config.log, NULL), "close the log");
    (void)unlink(bench->path);
    pb_aggregate_free(config.aggregate);
    pb_bench_pin(&bench->cpus, -1);
    return PASSES * ROWS * 1e9 / (double)spent_ns;
}

static double through_one_cpu(void *ctx)
{
    return through(ctx, true);
}

static double through_two_cpus(void *ctx)
{
    return through(ctx, false);
}

static void bench_rows(struct row_bench *bench)
{
    struct pb_bench_duel duel;

    pb_bench_pin(&bench->cpus, 0);
    pb_bench_interleave(copy_ns, put_ns, bench, &duel);
    pb_bench_pin(&bench->cpus, -1);
    tell("hand a row over", "put", "ns", duel.b);
    tell("hand a row over", "put over a bare copy", "ratio", duel.ratio);
    if (bench->cpus.count > 1) {
        pb_bench_interleave(through_one_cpu, through_two_cpus, bench, &duel);
        tell("recorder, aggregate and log", "on one CPU", "rows/s", duel.a);
        tell("recorder, aggregate and log", "on two CPUs", "rows/s", duel.b);
        tell("recorder, aggregate and log", "two CPUs over one", "ratio", duel.ratio);
        tell("recorder, aggregate and log", "least ratio", "ratio", duel.low);
        tell("recorder, aggregate and log", "largest ratio", "ratio", duel.high);
    } else {
        pb_bench_interleave(through_one_cpu, through_one_cpu, bench, &duel);
        tell("recorder, aggregate and log", "on one CPU", "rows/s", duel.a);
    }
}

static void bench_bytes(struct row_bench *bench, const char *name, uint32_t workers, bool null_work)
{
    fill_rows(bench->rows, ROWS, workers, null_work);
    (void)through(bench, true);
    tell(name, "log", "bytes/request", bench->bytes);
}

int main(void)
{
    struct row_bench *bench = calloc(1, sizeof(*bench));

    must(bench ? PB_OK : PB_ENOMEM, "prepare");
    pb_bench_cpus_read(&bench->cpus);
    (void)snprintf(bench->path, sizeof(bench->path), "/tmp/pb-bench-%ld", (long)getpid());
    bench->scenario.phase_count = 1;
    bench->scenario.phases[0] =
        (struct pb_phase){ .duration_ns = ROWS * ROW_TIME, .rate = 1e4, .record = true };
    fill_rows(bench->rows, ROWS, 8, false);
    bench_hist();
    bench_rows(bench);
    bench_bytes(bench, "1 worker, null work", 1, true);
    bench_bytes(bench, "8 workers, null work", 8, true);
    bench_bytes(bench, "8 workers, 5 ms of service", 8, false);
    free(bench);
    return 0;
}
