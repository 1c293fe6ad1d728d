#include "harness/worker_watch.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "harness/probe.h"

#define OWN_SHARE    100                 /* one part in so many of a CPU */
#define BUDGET_MAX   (10 * PB_NS_PER_MS) /* after a pause */
#define FIRST_BUDGET (2 * PB_NS_PER_MS)
#define WHOLE_EVERY  8 /* PSS and descriptors cost ten times the rest */

struct seen {
    uint32_t incarnation;
    uint32_t looks;
};

struct pb_worker_watch {
    struct pb_worker_watch_config config;
    struct pb_worker_stats *rows; /* [workers] */
    struct seen *seen;            /* [workers] */
    uint32_t next;                /* worker number to go on with */
    int64_t last_ns;
    int64_t overdrawn_ns; /* a look may take longer than what was left */
};

static int64_t thread_cpu_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * PB_NS_PER_S + now.tv_nsec;
}

struct pb_worker_watch *pb_worker_watch_new(const struct pb_worker_watch_config *config)
{
    struct pb_worker_watch *watch = calloc(1, sizeof(*watch));

    if (!watch) {
        return NULL;
    }
    watch->config = *config;
    watch->config.probe = config->probe ? config->probe : pb_probe_process;
    watch->config.own_cpu_ns = config->own_cpu_ns ? config->own_cpu_ns : thread_cpu_ns;
    watch->rows = calloc(config->workers, sizeof(*watch->rows));
    watch->seen = calloc(config->workers, sizeof(*watch->seen));
    if (!watch->rows || !watch->seen) {
        pb_worker_watch_free(watch);
        return NULL;
    }
    return watch;
}

void pb_worker_watch_free(struct pb_worker_watch *watch)
{
    if (watch) {
        free(watch->rows);
        free(watch->seen);
        free(watch);
    }
}

/* CPU time of all threads of a worker that is no process; -1: none has run anything yet. */
static int64_t threads_cpu_ns(const struct pb_worker_watch *watch, uint32_t worker)
{
    int64_t sum_ns = -1;

    for (uint32_t lane = 0; watch->config.slot_cpu_ns && lane < watch->config.threads; lane++) {
        int64_t cpu_ns =
            watch->config.slot_cpu_ns(watch->config.ctx, worker * watch->config.threads + lane);

        if (cpu_ns >= 0) {
            sum_ns = (sum_ns > 0 ? sum_ns : 0) + cpu_ns;
        }
    }
    return sum_ns;
}

static void look_at(struct pb_worker_watch *watch, const struct pb_worker_stats *row)
{
    struct seen *seen = &watch->seen[row->worker];
    struct pb_look look = { .worker = row->worker,
                            .incarnation = row->incarnation,
                            .cpu_ns = -1,
                            .rss_bytes = -1,
                            .rss_peak_bytes = -1,
                            .pss_bytes = -1,
                            .fds = -1,
                            .threads = -1 };

    if (seen->incarnation != row->incarnation) {
        *seen = (struct seen){ .incarnation = row->incarnation };
    }
    if (row->pid > 0) {
        if (!watch->config.probe(row->pid, seen->looks % WHOLE_EVERY == 0, &look)) {
            return;
        }
    } else {
        look.cpu_ns = threads_cpu_ns(watch, row->worker);
        if (look.cpu_ns < 0) {
            return;
        }
    }
    seen->looks++;
    look.at_ns = pb_now_ns();
    pb_history_look(watch->config.history, &look);
}

/* Place of the first row at or after the worker that is next. */
static uint32_t first_row(const struct pb_worker_watch *watch, uint32_t count)
{
    uint32_t i = 0;

    while (i < count && watch->rows[i].worker < watch->next) {
        i++;
    }
    return i < count ? i : 0;
}

void pb_worker_watch_tick(struct pb_worker_watch *watch, int64_t now_ns)
{
    uint32_t count = watch->config.list(watch->config.ctx, watch->rows, watch->config.workers);
    int64_t budget_ns = watch->last_ns > 0 ? (now_ns - watch->last_ns) / OWN_SHARE : FIRST_BUDGET;
    int64_t began_ns = watch->config.own_cpu_ns(), spent_ns = 0;

    count = count < watch->config.workers ? count : watch->config.workers;
    budget_ns = (budget_ns < BUDGET_MAX ? budget_ns : BUDGET_MAX) - watch->overdrawn_ns;
    watch->last_ns = now_ns;
    pb_history_stats(watch->config.history, now_ns, watch->rows, count);

    uint32_t at = count > 0 ? first_row(watch, count) : 0;

    for (uint32_t done = 0; done < count && spent_ns < budget_ns; done++) {
        const struct pb_worker_stats *row = &watch->rows[(at + done) % count];

        if (row->worker < watch->config.workers && row->ready_ns > 0) {
            look_at(watch, row);
        }
        watch->next = row->worker + 1;
        spent_ns = watch->config.own_cpu_ns() - began_ns;
    }
    /* What was taken too much is not to be had next time; a debt of a second is forgiven. */
    watch->overdrawn_ns = spent_ns > budget_ns ? spent_ns - budget_ns : 0;
    if (watch->overdrawn_ns > BUDGET_MAX) {
        watch->overdrawn_ns = BUDGET_MAX;
    }
}
