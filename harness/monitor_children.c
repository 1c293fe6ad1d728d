#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness/monitor.h"
#include "harness/proc.h"

/* CPU time of worker processes: it is the load's own, not somebody else's. */

#define CHILDREN_TEXT ((size_t)64 << 10) /* of one thread: some eight thousand */

int64_t pb_parse_stat_cpu_ticks(const char *text)
{
    /* Behind the name in brackets, which may hold anything: state, then ten numbers, then utime,
     * stime and those of children that it has reaped. */
    const char *at = strrchr(text, ')');
    int64_t ticks = 0;

    for (int field = 2; at && field < 17; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
        if (at && field + 1 >= 14) {
            int64_t value = strtoll(at, NULL, 10);

            ticks += value > 0 ? value : 0;
        }
    }
    return at ? ticks : -1;
}

static int64_t ticks_of_pid(const char *pid)
{
    char path[64], text[1024];

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);

    int64_t ticks = pb_proc_read(path, text, sizeof(text)) ? pb_parse_stat_cpu_ticks(text) : -1;

    return ticks > 0 ? ticks : 0;
}

/* Of the living children of one thread of ours. */
static int64_t ticks_of_thread(const char *thread, char *text)
{
    char path[64], *rest = NULL;
    int64_t ticks = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", thread);
    if (!pb_proc_read(path, text, CHILDREN_TEXT)) {
        return 0;
    }
    for (char *pid = strtok_r(text, " \n", &rest); pid; pid = strtok_r(NULL, " \n", &rest)) {
        ticks += ticks_of_pid(pid);
    }
    return ticks;
}

static int64_t ticks_of_living(void)
{
    DIR *threads = opendir("/proc/self/task");
    char *text = malloc(CHILDREN_TEXT);
    struct dirent *entry;
    int64_t ticks = 0;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is of this thread alone */
    while (threads && text && (entry = readdir(threads)) != NULL) {
        if (entry->d_name[0] != '.') {
            ticks += ticks_of_thread(entry->d_name, text);
        }
    }
    free(text);
    if (threads) {
        (void)closedir(threads);
    }
    return ticks;
}

static int64_t ns_of(const struct timeval *time)
{
    return (int64_t)time->tv_sec * PB_NS_PER_S + (int64_t)time->tv_usec * 1000;
}

int64_t pb_children_cpu_ns(void)
{
    struct rusage reaped = { 0 };
    long ticks_per_s = sysconf(_SC_CLK_TCK);

    (void)getrusage(RUSAGE_CHILDREN, &reaped);
    return ns_of(&reaped.ru_utime) + ns_of(&reaped.ru_stime) +
           ticks_of_living() * (PB_NS_PER_S / (ticks_per_s > 0 ? ticks_per_s : 100));
}
