/*
 * bench_pool - the pool alone: requests of no work through it as fast as one submitter can,
 * recording off; and the time from submit to start at a rate it easily carries.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "base/hist.h"
#include "bench/support.h"

#define SUITE          "pool"
#define ROUNDS         9
#define REQUESTS       400000
#define HANDOVER_RATE  10000
#define HANDOVER_COUNT 5000

static void must(enum pb_status status, const char *what)
{
    if (status != PB_OK) {
        (void)fprintf(stderr, "bench_pool: %s: %s\n", what, pb_status_name(status));
        exit(1);
    }
}

static enum pb_outcome no_work(void *ctx, struct pb_work *work)
{
    (void)ctx;
    (void)work;
    return PB_OUTCOME_OK;
}

/* Hand-over times go into a histogram for each worker: single writers. */
static void note_handover(void *ctx, const struct pb_completion *completion)
{
    struct pb_hist *hists = ctx;

    if (completion->decider < PB_DECIDER_SUBMITTER) {
        pb_hist_record(&hists[completion->decider],
                       completion->started_ns - completion->request->sent_ns);
    }
}

static const char *const placement_names[] = { "one cpu", "generator | workers" };

/* On the first CPU, the process has no other; with `split` it has two, and the pool's threads go to
 * the second, the submitter to the first. */
static struct pb_pool *make_pool(const struct pb_bench_cpus *cpus, bool split, uint32_t workers,
                                 struct pb_hist *hists)
{
    struct pb_pool_config config;
    struct pb_pool *pool = NULL;
    struct pb_error err = { 0 };

    pb_pool_config_default(&config);
    config.size = workers;
    config.max_stuck = 0;
    config.queue_limit = 4096;
    config.run = no_work;
    config.done = hists ? note_handover : NULL;
    config.ctx = hists;
    pb_bench_pin(cpus, split ? -1 : 0);
    must(pb_pool_new(&config, &pool, &err), "pool");
    pb_bench_pin_others(cpus, split ? 1 : 0, NULL);
    pb_bench_pin(cpus, 0);
    return pool;
}

/* Requests per second; a full queue makes the submitter wait, so that none is rejected. */
static double throughput(const struct pb_bench_cpus *cpus, bool split, uint32_t workers)
{
    struct pb_pool *pool = make_pool(cpus, split, workers, NULL);
    struct pb_submitter *submitter;
    struct pb_pool_stats stats;
    int64_t start_ns;

    must(pb_pool_attach(pool, NULL, &submitter), "submitter");
    start_ns = pb_now_ns();
    for (uint64_t sent = 0; sent < REQUESTS;) {
        for (uint64_t i = 0; i < 2048 && sent < REQUESTS; i++, sent++) {
            struct pb_request request = { .index = sent };

            must(pb_submit(submitter, &request, NULL), "submit");
        }
        do {
            pb_pool_snapshot(pool, &stats);
            if (stats.queued > 2048) {
                (void)sched_yield();
            }
        } while (stats.queued > 2048);
    }
    must(pb_pool_drain(pool, INT64_MAX), "drain");
    double seconds = (double)(pb_now_ns() - start_ns) / 1e9;

    pb_pool_snapshot(pool, &stats);
    if (stats.outcomes[PB_OUTCOME_OK] != REQUESTS || stats.rescued_wakeups != 0) {
        (void)fprintf(stderr, "bench_pool: %llu ok of %d, %llu rescued wake-ups\n",
                      (unsigned long long)stats.outcomes[PB_OUTCOME_OK], REQUESTS,
                      (unsigned long long)stats.rescued_wakeups);
        exit(1);
    }
    must(pb_pool_free(pool, PB_NS_PER_S), "free");
    return REQUESTS / seconds;
}

static void handover(const struct pb_bench_cpus *cpus, bool split, uint32_t workers,
                     double *ret_p50_ns, double *ret_p99_ns)
{
    struct pb_hist *hists = calloc(workers, sizeof(*hists));

    for (uint32_t i = 0; hists && i < workers; i++) {
        must(pb_hist_init(&hists[i], PB_HIST_HIGHEST_NS, 3), "histogram");
    }
    must(hists ? PB_OK : PB_ENOMEM, "histograms");

    struct pb_pool *pool = make_pool(cpus, split, workers, hists);
    struct pb_submitter *submitter;
    int64_t start_ns = pb_now_ns();

    must(pb_pool_attach(pool, NULL, &submitter), "submitter");
    for (uint64_t i = 0; i < HANDOVER_COUNT; i++) {
        struct pb_request request = { .index = i };

        pb_clock_sleep_until(pb_clock_real(),
                             start_ns + (int64_t)i * (PB_NS_PER_S / HANDOVER_RATE));
        must(pb_submit(submitter, &request, NULL), "submit");
    }
    must(pb_pool_drain(pool, INT64_MAX), "drain");
    must(pb_pool_free(pool, PB_NS_PER_S), "free");
    for (uint32_t i = 1; i < workers; i++) {
        must(pb_hist_merge(&hists[0], &hists[i]), "merge");
    }
    *ret_p50_ns = (double)pb_hist_quantile(&hists[0], 0.5);
    *ret_p99_ns = (double)pb_hist_quantile(&hists[0], 0.99);
    for (uint32_t i = 0; i < workers; i++) {
        pb_hist_done(&hists[i]);
    }
    free(hists);
}

static void tell(const char *name, const char *metric, const char *unit, double *values)
{
    struct pb_figure figure = { SUITE,  name, "poolbench",
                                metric, unit, pb_bench_median(values, ROUNDS) };

    pb_bench_tell(&figure);
    printf("      range %.4g .. %.4g over %d rounds\n", values[0], values[ROUNDS - 1], ROUNDS);
}

int main(void)
{
    static const uint32_t sizes[] = { 1, 2, 8 };
    static double speed[2][3][ROUNDS], p50[2][3][ROUNDS], p99[2][3][ROUNDS];
    struct pb_bench_cpus cpus;
    int placements;

    pb_bench_cpus_read(&cpus);
    placements = cpus.count > 1 ? 2 : 1;
    for (int round = 0; round < ROUNDS; round++) {
        for (int p = 0; p < placements; p++) {
            for (size_t s = 0; s < PB_ARRAY_LEN(sizes); s++) {
                speed[p][s][round] = throughput(&cpus, p == 1, sizes[s]);
                handover(&cpus, p == 1, sizes[s], &p50[p][s][round], &p99[p][s][round]);
            }
        }
    }
    for (int p = 0; p < placements; p++) {
        for (size_t s = 0; s < PB_ARRAY_LEN(sizes); s++) {
            char name[80];

            (void)snprintf(name, sizeof(name), "%u workers, %s", sizes[s], placement_names[p]);
            tell(name, "null requests", "per_s", speed[p][s]);
            tell(name, "hand-over p50 at 10k/s", "ns", p50[p][s]);
            tell(name, "hand-over p99 at 10k/s", "ns", p99[p][s]);
        }
    }
    return 0;
}
