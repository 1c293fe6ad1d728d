/*
 * harness/probe.h - what /proc says about one worker: CPU time, memory, descriptors, threads.
 *
 * The parser takes text, so that fixtures stand in for /proc.  What is not there is -1.
 * Thread-safe.
 */
#ifndef PB_HARNESS_PROBE_H
#define PB_HARNESS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "harness/history.h"

struct pb_pid_stat { /* of /proc/PID/stat */
    char state;
    uint64_t own_ticks;    /* utime + stime */
    uint64_t reaped_ticks; /* the same of children that it waited for */
    int32_t threads;
    uint64_t started_ticks; /* since boot: tells a process from a later one with its number */
};
/* PB_EPARSE: not such a line.  The program's name may hold blanks and brackets. */
PB_MUST_USE enum pb_status pb_parse_pid_stat(const char *text, struct pb_pid_stat *ret_stat);

/* Looks at a process: fills all but worker, incarnation and at_ns.  `whole`: also what is dear,
 * PSS and descriptors.  False: it is gone, or a zombie. */
bool pb_probe_process(int64_t pid, bool whole, struct pb_look *ret_look);
/* CPU time of a thread of this process by its number; -1: it is gone. */
int64_t pb_probe_thread_cpu_ns(int32_t tid);

#endif
