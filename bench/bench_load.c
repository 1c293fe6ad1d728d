/*
 * bench_load - the load generator: how late it sends, beside a bare sleep loop in the same minute,
 * and how many requests a second go through generator, pool and back, recording off and on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/support.h"
#include "harness/load.h"
#include "harness/pacing.h"
#include "harness/record.h"
#include "workload/workload.h"

#define SUITE          "load"
#define LAG_ROUNDS     5
#define LAG_NS         (400 * PB_NS_PER_MS)
#define SPEED_ROUNDS   9
#define SPEED_REQUESTS 300000

static void must(enum pb_status status, const char *what)
{
    if (status != PB_OK) {
        (void)fprintf(stderr, "bench_load: %s: %s\n", what, pb_status_name(status));
        exit(1);
    }
}

/* Null workload, constant arrivals, nothing timed out or turned away. */
static void make_scenario(struct pb_scenario *scenario, uint32_t workers, double rate,
                          int64_t duration_ns)
{
    static char name[] = "main";

    *scenario = (struct pb_scenario){
        .name = name, .workload = &pb_workload_null, .operation_count = 1, .phase_count = 1
    };
    scenario->pool = (struct pb_scenario_pool){ .size = workers,
                                                .threads_per_worker = 1,
                                                .prepare_timeout_ns = 30 * PB_NS_PER_S,
                                                .health_check_timeout_ns = 5 * PB_NS_PER_S,
                                                .max_health_failures = 3,
                                                .max_restarts = 100,
                                                .restart_window_ns = 10 * PB_NS_PER_S,
                                                .restart_delay_ns = 10 * PB_NS_PER_MS,
                                                .restart_max_delay_ns = PB_NS_PER_S,
                                                .queue_limit = PB_POOL_MAX_QUEUE_LIMIT,
                                                .max_stuck = 0,
                                                .overflow_ttl_ns = PB_NS_PER_S,
                                                .checkout_timeout_ns = 60 * PB_NS_PER_S,
                                                .operation_timeout_ns = 60 * PB_NS_PER_S,
                                                .init_timeout_ns = 30 * PB_NS_PER_S,
                                                .stuck_after_ns = PB_NS_PER_S };
    scenario->operations[0] = (struct pb_operation){ .name = name, .weight = 1.0 };
    scenario->phases[0] = (struct pb_phase){ .name = name,
                                             .duration_ns = duration_ns,
                                             .arrival = PB_ARRIVAL_CONSTANT,
                                             .rate = rate,
                                             .record = true };
}

/* What one drive needs and leaves. */
struct drive {
    const struct pb_bench_cpus *cpus;
    bool split;         /* workers on the second CPU, the generator on the first; else all on one */
    bool pinned;        /* false: wherever the kernel puts them */
    bool record;        /* false: recorder off */
    const char *log;    /* with `record`: requests.pbr goes here; NULL: counted only */
    int64_t elapsed_ns; /* first instant of the schedule to the last outcome */
    uint64_t ok;
};

static void place(const struct drive *drive, int nth)
{
    if (drive->pinned) {
        pb_bench_pin(drive->cpus, nth);
    }
}

static void drive_load(struct drive *drive, const struct pb_scenario *scenario)
{
    struct pb_schedule schedule;
    struct pb_load_config config = { .scenario = scenario, .schedule = &schedule, .generators = 1 };
    struct pb_recorder_config recording = { .lanes = pb_load_lanes(&config) };
    struct pb_reqlog_info info = { .columns = 0 };
    struct pb_load_stats stats;
    struct pb_load *load = NULL;

    pb_schedule_init(&schedule, scenario, 1, 1.0);
    place(drive, 0);
    if (drive->record) {
        if (drive->log) {
            must(pb_reqlog_create(drive->log, &info, &recording.log, NULL), "create the log");
        }
        must(pb_recorder_new(&recording, &config.recorder), "make the recorder");
        must(pb_recorder_start(config.recorder, NULL), "start the recorder");
    }
    place(drive, drive->split ? -1 : 0);
    must(pb_load_new(&config, &load, NULL), "make the load");
    if (drive->pinned) {
        pb_bench_pin_others(drive->cpus, drive->split ? 1 : 0, "pb-collect");
    }
    place(drive, 0);
    must(pb_load_run(load, NULL), "run");
    pb_load_drain(load);
    drive->elapsed_ns = pb_now_ns() - pb_load_start_ns(load);
    pb_load_snapshot(load, &stats);
    drive->ok = stats.outcomes[0][PB_OUTCOME_OK];
    pb_recorder_free(config.recorder);
    must(pb_reqlog_close(recording.log, NULL), "close the log");
    pb_load_free(load);
    place(drive, -1);
}

/* Rows of a log in the order they were sent: one generator and constant arrivals, so by index. */
static int by_index(const void *a, const void *b)
{
    const struct pb_record *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

static struct pb_record *read_rows(const char *path, size_t count)
{
    struct pb_record *rows = calloc(count + 1, sizeof(*rows));
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    size_t read = 0, got = 1;

    must(rows ? PB_OK : PB_ENOMEM, "read the log");
    must(pb_reqlog_open(path, &info, &reader, NULL), "open the log");
    while (got > 0 && read < count) {
        must(pb_reqlog_next(reader, &rows[read], count - read, &got, NULL), "read the log");
        read += got;
    }
    pb_reqlog_reader_free(reader);
    must(read == count ? PB_OK : PB_ECORRUPT, "read the log");
    qsort(rows, count, sizeof(*rows), by_index);
    return rows;
}

struct lateness {
    double p50_us, p99_us, short_gaps_ratio;
};

static struct lateness lateness_of(struct pb_record *rows, size_t count, int64_t interval_ns)
{
    double *lag_us = calloc(count, sizeof(*lag_us));
    struct lateness lateness = { .p50_us = 0 };
    size_t short_gaps = 0;

    must(lag_us ? PB_OK : PB_ENOMEM, "sort the lags");
    for (size_t i = 0; i < count; i++) {
        lag_us[i] = (double)rows[i].lag_ns / 1e3;
        short_gaps += i > 0 && rows[i].intended_ns + rows[i].lag_ns - rows[i - 1].intended_ns -
                                       rows[i - 1].lag_ns <
                                   interval_ns / 2;
    }
    lateness.p50_us = pb_bench_median(lag_us, count);
    lateness.p99_us = lag_us[(size_t)ceil((double)count * 0.99) - 1];
    lateness.short_gaps_ratio = (double)short_gaps / (double)count;
    free(lag_us);
    return lateness;
}

static struct lateness measure_lag(double rate)
{
    char path[] = "/tmp/pb-bench-XXXXXX";
    struct pb_scenario scenario;
    struct drive drive = { .record = true, .log = path };
    int fd = mkstemp(path);

    must(fd >= 0 ? PB_OK : PB_ESYS, "make a temporary file");
    (void)close(fd);
    (void)unlink(path); /* the log is created where nothing is */
    make_scenario(&scenario, 1, rate, LAG_NS);
    drive_load(&drive, &scenario);
    struct pb_record *rows = read_rows(path, (size_t)drive.ok);
    struct lateness lateness = lateness_of(rows, (size_t)drive.ok, (int64_t)(1e9 / rate));

    free(rows);
    (void)unlink(path);
    return lateness;
}

static void tell(const char *name, const char *subject, const char *metric, const char *unit,
                 double value)
{
    pb_bench_tell(&(struct pb_figure){ SUITE, name, subject, metric, unit, value });
}

static void bench_lag(double rate)
{
    double lag50[LAG_ROUNDS], lag99[LAG_ROUNDS], bare50[LAG_ROUNDS], bare99[LAG_ROUNDS];
    double gaps[LAG_ROUNDS];
    char name[32];

    (void)snprintf(name, sizeof(name), "send lag at %.0fk/s", rate / 1e3);
    for (int round = 0; round < LAG_ROUNDS; round++) {
        struct pb_lateness bare;
        struct lateness lag;

        pb_pacing_probe(false, (uint32_t)(rate * (double)LAG_NS / 1e9), (int64_t)(1e9 / rate),
                        &bare);
        lag = measure_lag(rate);
        bare50[round] = (double)bare.p50_ns / 1e3;
        bare99[round] = (double)bare.p99_ns / 1e3;
        lag50[round] = lag.p50_us;
        lag99[round] = lag.p99_us;
        gaps[round] = lag.short_gaps_ratio;
    }
    tell(name, "poolbench", "p50", "us", pb_bench_median(lag50, LAG_ROUNDS));
    tell(name, "bare sleep", "p50", "us", pb_bench_median(bare50, LAG_ROUNDS));
    tell(name, "poolbench", "p99", "us", pb_bench_median(lag99, LAG_ROUNDS));
    tell(name, "bare sleep", "p99", "us", pb_bench_median(bare99, LAG_ROUNDS));
    tell(name, "poolbench", "gaps under half", "ratio", pb_bench_median(gaps, LAG_ROUNDS));
}

/* Far more is planned than can be sent: the generator is always behind and never waits. */
static double requests_per_s(struct drive *drive, uint32_t workers)
{
    struct pb_scenario scenario;
    const int64_t planned_ns = 10 * PB_NS_PER_MS;

    make_scenario(&scenario, workers, SPEED_REQUESTS / ((double)planned_ns / 1e9), planned_ns);
    drive_load(drive, &scenario);
    must(drive->ok == SPEED_REQUESTS ? PB_OK : PB_ECORRUPT, "all requests end ok");
    return (double)drive->ok / ((double)drive->elapsed_ns / 1e9);
}

static void bench_speed(const struct pb_bench_cpus *cpus, bool split, uint32_t workers)
{
    double off[SPEED_ROUNDS], on[SPEED_ROUNDS], ratio[SPEED_ROUNDS];
    struct drive drive = { .cpus = cpus, .split = split, .pinned = true };
    char name[64];

    for (int round = 0; round < SPEED_ROUNDS; round++) {
        drive.record = false;
        off[round] = requests_per_s(&drive, workers) / 1e6;
        drive.record = true;
        on[round] = requests_per_s(&drive, workers) / 1e6;
        ratio[round] = on[round] / off[round];
    }
    (void)snprintf(name, sizeof(name), "null, %u worker%s, %s", (unsigned)workers,
                   workers == 1 ? "" : "s", split ? "generator | workers" : "one CPU");
    tell(name, "poolbench", "recording off", "M/s", pb_bench_median(off, SPEED_ROUNDS));
    tell(name, "poolbench", "recording off, slowest", "M/s", off[0]);
    tell(name, "poolbench", "recording off, fastest", "M/s", off[SPEED_ROUNDS - 1]);
    tell(name, "poolbench", "recording on", "M/s", pb_bench_median(on, SPEED_ROUNDS));
    tell(name, "poolbench", "recording on, slowest", "M/s", on[0]);
    tell(name, "poolbench", "recording on, fastest", "M/s", on[SPEED_ROUNDS - 1]);
    tell(name, "poolbench", "on / off", "ratio", pb_bench_median(ratio, SPEED_ROUNDS));
}

/* The plan of a scenario with every draw in it. */
static void bench_schedule(void)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    double ns[SPEED_ROUNDS];

    make_scenario(&scenario, 1, SPEED_REQUESTS, PB_NS_PER_S);
    scenario.phases[0].arrival = PB_ARRIVAL_POISSON;
    scenario.operations[0].error_rate = 0.01;
    must(pb_dist_lognormal_mean_p99(5e6, 25e6, &scenario.operations[0].service, NULL),
         "make a lognormal");
    for (int round = 0; round < SPEED_ROUNDS; round++) {
        int64_t before_ns = pb_now_ns();

        pb_schedule_init(&schedule, &scenario, (uint64_t)round, 1.0);
        ns[round] = (double)(pb_now_ns() - before_ns) / (double)schedule.planned[0];
    }
    tell("plan and hash", "poolbench", "poisson, lognormal", "ns/request",
         pb_bench_median(ns, SPEED_ROUNDS));
}

int main(void)
{
    static const uint32_t workers[] = { 1, 2, 8 };
    struct pb_bench_cpus cpus;

    pb_bench_cpus_read(&cpus);
    pb_pacing_prepare_thread();
    bench_schedule();
    bench_lag(1e3);
    bench_lag(1e4);
    bench_lag(1e5);
    for (size_t i = 0; i < PB_ARRAY_LEN(workers); i++) {
        bench_speed(&cpus, false, workers[i]);
        if (cpus.count > 1) {
            bench_speed(&cpus, true, workers[i]);
        }
    }
    return 0;
}
