#include "bench/support.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pb_bench_tell(const struct pb_figure *figure)
{
    printf("%-34s %-12s %-24s %12.4g %s\n", figure->name, figure->subject, figure->metric,
           figure->value, figure->unit);
    pb_bench_keep(figure);
}

void pb_bench_keep(const struct pb_figure *figure)
{
    const char *path = getenv("PB_BENCH_OUT");
    FILE *out = path ? fopen(path, "ae") : NULL;

    if (!out) {
        return;
    }
    (void)fprintf(out,
                  "{\"suite\": \"%s\", \"case\": \"%s\", \"subject\": \"%s\", \"metric\": \"%s\", "
                  "\"unit\": \"%s\", \"value\": %.9g}\n",
                  figure->suite, figure->name, figure->subject, figure->metric, figure->unit,
                  figure->value);
    (void)fclose(out);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double pb_bench_median(double *x, size_t count)
{
    qsort(x, count, sizeof(*x), by_value);
    return count % 2 ? x[count / 2] : (x[count / 2 - 1] + x[count / 2]) / 2.0;
}

void pb_bench_interleave(double (*a)(void *ctx), double (*b)(void *ctx), void *ctx,
                         struct pb_bench_duel *ret_duel)
{
    double of_a[PB_BENCH_ROUNDS], of_b[PB_BENCH_ROUNDS], ratio[PB_BENCH_ROUNDS];

    (void)a(ctx);
    (void)b(ctx);
    for (size_t round = 0; round < PB_BENCH_ROUNDS; round++) {
        if (round % 2 == 0) {
            of_a[round] = a(ctx);
            of_b[round] = b(ctx);
        } else {
            of_b[round] = b(ctx);
            of_a[round] = a(ctx);
        }
        ratio[round] = of_b[round] / of_a[round];
    }
    ret_duel->a = pb_bench_median(of_a, PB_BENCH_ROUNDS);
    ret_duel->b = pb_bench_median(of_b, PB_BENCH_ROUNDS);
    ret_duel->ratio = pb_bench_median(ratio, PB_BENCH_ROUNDS);
    ret_duel->low = ratio[0];
    ret_duel->high = ratio[PB_BENCH_ROUNDS - 1];
}

void pb_bench_cpus_read(struct pb_bench_cpus *ret_cpus)
{
    CPU_ZERO(&ret_cpus->set);
    (void)sched_getaffinity(0, sizeof(ret_cpus->set), &ret_cpus->set);
    ret_cpus->count = CPU_COUNT(&ret_cpus->set);
}

static void pin_thread(const struct pb_bench_cpus *cpus, pid_t tid, int n)
{
    cpu_set_t one;

    if (n < 0) {
        (void)sched_setaffinity(tid, sizeof(cpus->set), &cpus->set);
        return;
    }
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &cpus->set) && n-- == 0) {
            CPU_SET(cpu, &one);
        }
    }
    (void)sched_setaffinity(tid, sizeof(one), &one);
}

void pb_bench_pin(const struct pb_bench_cpus *cpus, int n)
{
    pin_thread(cpus, 0, n);
}

static bool is_called(const char *tid, const char *wanted)
{
    char path[64], name[32] = "";
    FILE *comm;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
    comm = fopen(path, "re");
    if (!comm) {
        return false;
    }
    if (!fgets(name, sizeof(name), comm)) {
        name[0] = '\0';
    }
    (void)fclose(comm);
    name[strcspn(name, "\n")] = '\0';
    return strcmp(name, wanted) == 0;
}

void pb_bench_pin_others(const struct pb_bench_cpus *cpus, int n, const char *except)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;

    while (tasks && (task = readdir(tasks))) {
        pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);

        if (tid > 0 && tid != getpid()) {
            pin_thread(cpus, tid, except && is_called(task->d_name, except) ? 0 : n);
        }
    }
    if (tasks) {
        (void)closedir(tasks);
    }
}
