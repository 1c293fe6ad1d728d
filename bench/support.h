/*
 * bench/support.h - what all benchmarks share: printing a figure, and keeping it for scripts.
 */
#ifndef PB_BENCH_SUPPORT_H
#define PB_BENCH_SUPPORT_H

#include <sched.h>
#include <stddef.h>

/* One figure as a line of the table, and as one JSON object a line appended to $PB_BENCH_OUT.
 * Names are plain ASCII without quotes. */
struct pb_figure {
    const char *suite, *name, *subject, *metric, *unit;
    double value;
};
void pb_bench_tell(const struct pb_figure *figure);
/* The same without the line: for benchmarks that print a table of their own. */
void pb_bench_keep(const struct pb_figure *figure);

/* Median of `count` >= 1 values, which get sorted: then x[0] and x[count - 1] are the range. */
double pb_bench_median(double *x, size_t count);

/* Two subjects measured in turn, so that whatever else the machine does hits both. */
struct pb_bench_duel {
    double a, b;             /* medians */
    double ratio, low, high; /* median and range of b / a, round by round */
};
#define PB_BENCH_ROUNDS 9
/* Measures each PB_BENCH_ROUNDS times after one unmeasured time, the first to go changing every
 * round. */
void pb_bench_interleave(double (*a)(void *ctx), double (*b)(void *ctx), void *ctx,
                         struct pb_bench_duel *ret_duel);

/* The CPUs this process may use, read before anything is pinned. */
struct pb_bench_cpus {
    cpu_set_t set;
    int count;
};
void pb_bench_cpus_read(struct pb_bench_cpus *ret_cpus);
/* Pins the calling thread, and so those it starts later, to the n-th of them; n < 0: to all. */
void pb_bench_pin(const struct pb_bench_cpus *cpus, int n);
/* All threads of this process but the main one, whoever started them, to the n-th; those called
 * `except` (may be NULL) to the first. */
void pb_bench_pin_others(const struct pb_bench_cpus *cpus, int n, const char *except);

#endif
