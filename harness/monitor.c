#include "harness/monitor.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "harness/proc.h"

#define LOOK_EVERY_NS (250 * PB_NS_PER_MS)
#define SAMPLE_EVERY  4 /* looks */

/* A decimal number at *p, which then stands behind it; false: there is none, or it overflows. */
static bool take_number(const char **p, uint64_t *ret_value)
{
    char *end = NULL;
    const char *start = *p + strspn(*p, " \t");

    if (*start < '0' || *start > '9') {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(start, &end, 10);

    if (errno != 0 || value > INT64_MAX) {
        return false;
    }
    *p = end;
    *ret_value = value;
    return true;
}

enum pb_status pb_parse_proc_stat(const char *text, struct pb_cpu_times *ret_times)
{
    /* user nice system idle iowait irq softirq steal; guest time is part of user already. */
    uint64_t t[8] = { 0 };
    size_t got = 0;
    const char *p = text + 4;

    if (strncmp(text, "cpu ", 4) != 0) {
        return PB_EPARSE;
    }
    while (got < PB_ARRAY_LEN(t) && take_number(&p, &t[got])) {
        got++;
    }
    if (got < 4) {
        return PB_EPARSE;
    }
    ret_times->busy = t[0] + t[1] + t[2] + t[5] + t[6];
    ret_times->idle = t[3] + t[4];
    ret_times->steal = t[7];
    ret_times->total = ret_times->busy + ret_times->idle + ret_times->steal;
    return PB_OK;
}

int64_t pb_parse_status_bytes(const char *text, const char *key)
{
    char value[64];
    const char *p = value;
    uint64_t kib = 0;

    if (!pb_proc_line(text, key, value, sizeof(value)) || !take_number(&p, &kib) ||
        strcmp(p, " kB") != 0 || kib > INT64_MAX / 1024) {
        return -1;
    }
    return (int64_t)kib * 1024;
}

int64_t pb_parse_pressure_us(const char *text)
{
    const char *some = strstr(text, "some ");
    const char *total = some ? strstr(some, "total=") : NULL;
    uint64_t us = 0;

    if (!total || total > some + strcspn(some, "\n")) {
        return -1;
    }
    total += strlen("total=");
    return take_number(&total, &us) ? (int64_t)us : -1;
}

struct pb_monitor {
    /* Constant after _start. */
    pthread_t thread;
    struct pb_cond wake, looked;
    struct pb_mutex lock;
    /* Guarded by lock. */
    bool stopping;
    struct pb_monitor_sample from; /* begin of the measured stretch */
    struct pb_monitor_sample last;
    int64_t peak_rss_bytes;
    void (*look)(void *ctx, int64_t now_ns);
    void *look_ctx;
    bool looking;
    /* The owner's alone. */
    bool running;
};

void pb_monitor_take(struct pb_monitor_sample *ret_sample)
{
    struct pb_monitor_sample sample = { .at_ns = pb_now_ns(), .pressure_us = -1 };
    struct timespec own = { 0 };
    char text[8192];

    sample.have_cpu = pb_proc_read("/proc/stat", text, sizeof(text)) &&
                      pb_parse_proc_stat(text, &sample.cpu) == PB_OK;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own) == 0) {
        sample.own_cpu_ns = (int64_t)own.tv_sec * PB_NS_PER_S + own.tv_nsec;
    }
    sample.children_cpu_ns = pb_children_cpu_ns();
    (void)pb_proc_read("/proc/self/status", text, sizeof(text));
    sample.rss_bytes = pb_parse_status_bytes(text, "VmRSS");
    sample.peak_bytes = pb_parse_status_bytes(text, "VmHWM");
    if (pb_proc_read("/proc/pressure/cpu", text, sizeof(text))) {
        sample.pressure_us = pb_parse_pressure_us(text);
    }
    *ret_sample = sample;
}

static void compare_cpu(const struct pb_monitor_sample *from, const struct pb_monitor_sample *to,
                        double tick_ns, struct pb_monitor_summary *summary)
{
    summary->steal_ratio = (double)NAN;
    summary->foreign_cpu_ratio = (double)NAN;
    if (!from->have_cpu || !to->have_cpu || to->cpu.total <= from->cpu.total) {
        return;
    }
    double total = (double)(to->cpu.total - from->cpu.total);
    /* The kernel lets these counters step back a little (idle and steal, on some hosts). */
    double steal = fmax(0, (double)to->cpu.steal - (double)from->cpu.steal);
    double busy = fmax(0, (double)to->cpu.busy - (double)from->cpu.busy);
    double own =
        (double)(to->own_cpu_ns - from->own_cpu_ns + to->children_cpu_ns - from->children_cpu_ns) /
        tick_ns;

    summary->steal_ratio = fmin(1, steal / total);
    summary->foreign_cpu_ratio = fmin(1, fmax(0, busy - own) / total);
}

void pb_monitor_between(const struct pb_monitor_sample *from, const struct pb_monitor_sample *to,
                        double ticks_per_s, struct pb_monitor_summary *ret_summary)
{
    struct pb_monitor_summary summary = { 0 };
    int64_t duration_ns = to->at_ns - from->at_ns;

    compare_cpu(from, to, (double)PB_NS_PER_S / ticks_per_s, &summary);
    summary.duration_ns = duration_ns;
    summary.process_cpus = duration_ns > 0
                               ? (double)(to->own_cpu_ns - from->own_cpu_ns) / (double)duration_ns
                               : (double)NAN;
    summary.workers_cpus = duration_ns > 0 ? (double)(to->children_cpu_ns - from->children_cpu_ns) /
                                                 (double)duration_ns
                                           : (double)NAN;
    summary.pressure_ratio = (double)NAN;
    if (from->pressure_us >= 0 && to->pressure_us >= from->pressure_us && duration_ns > 0) {
        summary.pressure_ratio =
            fmin(1, (double)(to->pressure_us - from->pressure_us) * 1000.0 / (double)duration_ns);
    }
    summary.rss_start_bytes = from->rss_bytes;
    summary.peak_rss_bytes = from->rss_bytes > to->rss_bytes ? from->rss_bytes : to->rss_bytes;
    /* The kernel's own high-water mark moved: the peak lies in this stretch and is exact. */
    if (to->peak_bytes > from->peak_bytes && to->peak_bytes > summary.peak_rss_bytes) {
        summary.peak_rss_bytes = to->peak_bytes;
    }
    *ret_summary = summary;
}

static void add_sample_locked(struct pb_monitor *monitor, const struct pb_monitor_sample *sample)
    PB_REQUIRES(monitor->lock)
{
    monitor->last = *sample;
    if (sample->rss_bytes > monitor->peak_rss_bytes) {
        monitor->peak_rss_bytes = sample->rss_bytes;
    }
}

static void sample_locked(struct pb_monitor *monitor) PB_REQUIRES(monitor->lock);
static void sample_locked(struct pb_monitor *monitor)
{
    struct pb_monitor_sample sample;

    pb_mutex_unlock(&monitor->lock);
    pb_monitor_take(&sample);
    pb_mutex_lock(&monitor->lock);
    add_sample_locked(monitor, &sample);
}

static void look_locked(struct pb_monitor *monitor) PB_REQUIRES(monitor->lock);
static void look_locked(struct pb_monitor *monitor)
{
    void (*look)(void *ctx, int64_t now_ns) = monitor->look;
    void *ctx = monitor->look_ctx;

    if (!look) {
        return;
    }
    monitor->looking = true;
    pb_mutex_unlock(&monitor->lock);
    look(ctx, pb_now_ns());
    pb_mutex_lock(&monitor->lock);
    monitor->looking = false;
    pb_cond_broadcast(&monitor->looked);
}

static void *watch(void *arg)
{
    struct pb_monitor *monitor = arg;
    int64_t next_ns = pb_now_ns() + LOOK_EVERY_NS;

    pb_mutex_lock(&monitor->lock);
    for (unsigned looks = 1; !monitor->stopping;) {
        if (pb_cond_wait_until(&monitor->wake, &monitor->lock, next_ns)) {
            continue;
        }
        look_locked(monitor);
        if (looks++ % SAMPLE_EVERY == 0) {
            sample_locked(monitor);
        }
        next_ns += LOOK_EVERY_NS;
    }
    pb_mutex_unlock(&monitor->lock);
    return NULL;
}

void pb_monitor_also(struct pb_monitor *monitor, void (*look)(void *ctx, int64_t now_ns), void *ctx)
{
    pb_mutex_lock(&monitor->lock);
    monitor->look = look;
    monitor->look_ctx = ctx;
    while (monitor->looking) {
        pb_cond_wait(&monitor->looked, &monitor->lock);
    }
    pb_mutex_unlock(&monitor->lock);
}

enum pb_status pb_monitor_start(struct pb_monitor **ret_monitor, struct pb_error *err)
{
    struct pb_monitor *monitor = calloc(1, sizeof(*monitor));

    if (!monitor) {
        return pb_fail(err, PB_ENOMEM, "no memory for the resource monitor");
    }
    pb_mutex_init(&monitor->lock);
    pb_cond_init(&monitor->wake);
    pb_cond_init(&monitor->looked);
    pb_monitor_take(&monitor->from);
    monitor->last = monitor->from;
    monitor->peak_rss_bytes = monitor->from.rss_bytes;

    int rc = pthread_create(&monitor->thread, NULL, watch, monitor);

    if (rc != 0) {
        errno = rc;
        enum pb_status status = pb_fail(err, PB_ESYS, "cannot start the resource monitor's thread");

        pb_monitor_free(monitor);
        return status;
    }
    (void)pthread_setname_np(monitor->thread, "pb-mon");
    monitor->running = true;
    *ret_monitor = monitor;
    return PB_OK;
}

void pb_monitor_mark(struct pb_monitor *monitor)
{
    struct pb_monitor_sample sample;

    pb_monitor_take(&sample);
    pb_mutex_lock(&monitor->lock);
    monitor->from = sample;
    monitor->last = sample;
    monitor->peak_rss_bytes = sample.rss_bytes;
    pb_mutex_unlock(&monitor->lock);
}

static void end_thread(struct pb_monitor *monitor)
{
    if (!monitor->running) {
        return;
    }
    pb_mutex_lock(&monitor->lock);
    monitor->stopping = true;
    pb_cond_signal(&monitor->wake);
    pb_mutex_unlock(&monitor->lock);
    (void)pthread_join(monitor->thread, NULL);
    monitor->running = false;
}

void pb_monitor_stop(struct pb_monitor *monitor, struct pb_monitor_summary *ret_summary)
{
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    bool was_running = monitor->running;

    end_thread(monitor);
    pb_mutex_lock(&monitor->lock);
    if (was_running) {
        struct pb_monitor_sample sample;

        pb_monitor_take(&sample);
        add_sample_locked(monitor, &sample);
    }
    pb_monitor_between(&monitor->from, &monitor->last, ticks_per_s > 0 ? (double)ticks_per_s : 100,
                       ret_summary);
    if (monitor->peak_rss_bytes > ret_summary->peak_rss_bytes) {
        ret_summary->peak_rss_bytes = monitor->peak_rss_bytes;
    }
    pb_mutex_unlock(&monitor->lock);
}

void pb_monitor_free(struct pb_monitor *monitor)
{
    if (!monitor) {
        return;
    }
    end_thread(monitor);
    pb_cond_done(&monitor->looked);
    pb_cond_done(&monitor->wake);
    pb_mutex_done(&monitor->lock);
    free(monitor);
}
