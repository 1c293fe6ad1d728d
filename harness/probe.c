#include "harness/probe.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness/monitor.h"
#include "harness/proc.h"

/* The 52 fields of proc(5), counted from 1; those up to the name are cut off before. */
#define FIRST_FIELD 3
#define LAST_FIELD  22

enum pb_status pb_parse_pid_stat(const char *text, struct pb_pid_stat *ret_stat)
{
    uint64_t fields[LAST_FIELD + 1] = { 0 };
    const char *p = strrchr(text, ')'); /* the name is in brackets, and may have some in it */

    if (!p || p[1] != ' ' || p[2] == '\0') {
        return PB_EPARSE;
    }
    char state = p[2];

    p += 3;
    for (int field = FIRST_FIELD + 1; field <= LAST_FIELD; field++) {
        char *end = NULL;

        errno = 0;
        long long value = strtoll(p, &end, 10);

        if (end == p || *p != ' ' || errno != 0) {
            return PB_EPARSE;
        }
        fields[field] = value > 0 ? (uint64_t)value : 0;
        p = end;
    }
    *ret_stat = (struct pb_pid_stat){ .state = state,
                                      .own_ticks = fields[14] + fields[15],
                                      .reaped_ticks = fields[16] + fields[17],
                                      .threads = (int32_t)fields[20],
                                      .started_ticks = fields[22] };
    return PB_OK;
}

static int64_t ticks_to_ns(uint64_t ticks)
{
    long per_s = sysconf(_SC_CLK_TCK);

    return (int64_t)ticks * (PB_NS_PER_S / (per_s > 0 ? per_s : 100));
}

static int64_t clock_value_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0) {
        return -1;
    }
    return (int64_t)now.tv_sec * PB_NS_PER_S + now.tv_nsec;
}

/* To the nanosecond by the process's clock, else by the kernel's ticks of 10 ms.  What it started
 * itself and waited for (a shell's commands) is its work, too. */
static int64_t cpu_of(int64_t pid, const struct pb_pid_stat *stat)
{
    clockid_t clock;
    int64_t own_ns =
        clock_getcpuclockid((pid_t)pid, &clock) == 0 ? clock_value_ns(clock) : INT64_C(-1);

    return (own_ns >= 0 ? own_ns : ticks_to_ns(stat->own_ticks)) + ticks_to_ns(stat->reaped_ticks);
}

static int32_t count_descriptors(int64_t pid)
{
    char path[48];
    int32_t count = 0;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/fd", pid);
    DIR *folder = opendir(path);

    if (!folder) {
        return -1;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): of a stream of our own */
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count;
}

bool pb_probe_process(int64_t pid, bool whole, struct pb_look *ret_look)
{
    char path[48], text[4096];
    struct pb_pid_stat stat;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    if (pid <= 0 || !pb_proc_read(path, text, sizeof(text)) ||
        pb_parse_pid_stat(text, &stat) != PB_OK || strchr("ZXx", stat.state)) {
        return false;
    }
    ret_look->cpu_ns = cpu_of(pid, &stat);
    ret_look->threads = stat.threads;
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/status", pid);
    (void)pb_proc_read(path, text, sizeof(text));
    ret_look->rss_bytes = pb_parse_status_bytes(text, "VmRSS");
    ret_look->rss_peak_bytes = pb_parse_status_bytes(text, "VmHWM");
    ret_look->pss_bytes = -1;
    ret_look->fds = -1;
    if (whole) {
        (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/smaps_rollup", pid);
        (void)pb_proc_read(path, text, sizeof(text));
        ret_look->pss_bytes = pb_parse_status_bytes(text, "Pss");
        ret_look->fds = count_descriptors(pid);
    }
    return true;
}

/* The clock of a thread that is known by number: what pthread_getcpuclockid makes of a pthread_t,
 * which must not be asked about a thread that may have been joined. */
int64_t pb_probe_thread_cpu_ns(int32_t tid)
{
    const clockid_t per_thread = 4, scheduler = 2;

    return tid > 0 ? clock_value_ns((clockid_t)(~(unsigned)tid << 3U) | per_thread | scheduler)
                   : -1;
}
