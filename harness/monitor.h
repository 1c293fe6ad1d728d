/*
 * harness/monitor.h - the machine and this process while a run goes on: CPU, steal, pressure,
 * memory, read from /proc once a second by a thread of its own.
 *
 * The parsers take text, so that fixtures stand in for /proc.  A file that is absent (no PSI, a
 * container) gives NaN or -1, never a zero that looks measured.
 */
#ifndef PB_HARNESS_MONITOR_H
#define PB_HARNESS_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

struct pb_cpu_times { /* of /proc/stat's first line, in clock ticks */
    uint64_t busy, idle, steal, total;
};
PB_MUST_USE enum pb_status pb_parse_proc_stat(const char *text, struct pb_cpu_times *ret_times);
/* VmRSS of /proc/self/status in bytes, -1 when absent; VmHWM likewise. */
int64_t pb_parse_status_bytes(const char *text, const char *key);
/* "some avg10=..." total microseconds of /proc/pressure/cpu, -1 when absent. */
int64_t pb_parse_pressure_us(const char *text);
/* The CPU's name in /proc/cpuinfo's text, `fallback` when it has none. */
void pb_parse_cpu_model(const char *text, const char *fallback, char *model, size_t size);

struct pb_monitor;

struct pb_monitor_summary {
    double steal_ratio;       /* stolen CPU time / all CPU time; NaN: unknown */
    double foreign_cpu_ratio; /* CPU time of others / all; NaN: unknown */
    double process_cpus;      /* CPUs used by this process on average */
    double workers_cpus;      /* CPUs used by its worker processes */
    double pressure_ratio;    /* share of time in which some task waited for a CPU; NaN: unknown */
    int64_t peak_rss_bytes;   /* highest seen, -1: unknown */
    int64_t rss_start_bytes;
    int64_t duration_ns;
};

/* One reading of /proc. */
struct pb_monitor_sample {
    int64_t at_ns;
    bool have_cpu; /* `cpu` is known */
    struct pb_cpu_times cpu;
    int64_t own_cpu_ns;      /* CPU time of this process since it began */
    int64_t children_cpu_ns; /* of its children, which are workers */
    int64_t rss_bytes;       /* -1: unknown, like the next two */
    int64_t peak_bytes;      /* highest resident memory since the process began */
    int64_t pressure_us;     /* time in which some task waited for a CPU, since boot */
};
void pb_monitor_take(struct pb_monitor_sample *ret_sample);
/* CPU time of our children, those that live and those that were. */
int64_t pb_children_cpu_ns(void);
/* CPU time in /proc/PID/stat, of the process and of children that it has reaped; -1: it is not one.
 */
int64_t pb_parse_stat_cpu_ticks(const char *text);
/* What happened between two readings; `ticks_per_s`: of the kernel's CPU counters.  Pure. */
void pb_monitor_between(const struct pb_monitor_sample *from, const struct pb_monitor_sample *to,
                        double ticks_per_s, struct pb_monitor_summary *ret_summary);

PB_MUST_USE enum pb_status pb_monitor_start(struct pb_monitor **ret_monitor, struct pb_error *err);
/* From now on its thread also calls `look`, four times a second; NULL: no more, and none is under
 * way on return. */
void pb_monitor_also(struct pb_monitor *monitor, void (*look)(void *ctx, int64_t now_ns),
                     void *ctx);
/* Begins the measured stretch afresh (at the end of the warm-up). */
void pb_monitor_mark(struct pb_monitor *monitor);
void pb_monitor_stop(struct pb_monitor *monitor, struct pb_monitor_summary *ret_summary);
void pb_monitor_free(struct pb_monitor *monitor);

/* What machine this is, for the result: kernel, CPU model, CPUs online and usable, memory. */
struct pb_machine {
    char kernel[128], cpu[128], hostname_hash[17]; /* a hash, not the name */
    int cpus_online, cpus_usable;
    int64_t memory_bytes;
};
void pb_machine_read(struct pb_machine *ret_machine);

#endif
