/*
 * bench_peers - the built-in pool beside other people's: GLib's GThreadPool, libuv's work queue,
 * oneTBB, cthreadpool; at 1, 2 and 8 workers, open and closed loop, all on one CPU and generator |
 * workers on two.
 *
 * Each measurement is a process of its own (bench/peers/).  In a round every pool is measured once
 * in each case, in an order drawn anew, so that whatever else the machine does hits all of them.
 *
 * A measurement during which others used more than a tenth of a CPU is repeated while patience
 * lasts: PB_BENCH_PATIENCE seconds in all, by default 60.
 *
 * PB_BENCH_QUICK=1: three short rounds, for a look.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "poolbench/error.h"

#include "base/clock.h"
#include "base/rng.h"
#include "bench/peers/peer.h"
#include "bench/support.h"

#define SUITE      "peers"
#define MAX_ROUNDS 9
#define SPEND_MS   100 /* on each of three loops */
#define QUICK_MS   30
/* CPUs that others may use during a measurement, else it is repeated, for so long in all. */
#define FOREIGN_MAX 0.1
#define PATIENCE_S  60

extern char **environ;

/* Ours first. */
static const struct subject {
    const char *name, *program, *variant, *package; /* package: that `make bench` installs */
    bool ours;
} subjects[] = {
    { "built-in, recording off", "peer-builtin", "", "", true },
    { "built-in, all recorded", "peer-builtin", "record", "", true },
    { "GLib GThreadPool", "peer-glib", "", "libglib2.0-dev", false },
    { "libuv", "peer-libuv", "", "libuv1-dev", false },
    { "oneTBB", "peer-tbb", "", "libtbb-dev and g++", false },
    { "cthreadpool", "peer-cthreadpool", "", "cthreadpool-dev", false },
};
#define SUBJECTS PB_ARRAY_LEN(subjects)

static const uint32_t sizes[] = { 1, 2, 8 };
#define SIZES PB_ARRAY_LEN(sizes)

static const struct placement {
    const char *name, *argument;
} placements[] = { { "one CPU", "one" }, { "generator | workers", "split" } };

static const struct figure {
    const char *loop, *metric, *unit;
} figure_names[] = {
    { "flat-out", "requests", "per_s" },      { "flat-out", "cpu", "ns/request" },
    { "closed loop", "requests", "per_s" },   { "closed loop", "cpu", "ns/request" },
    { "closed loop", "hand-over p50", "ns" }, { "closed loop", "hand-over p99", "ns" },
    { "10k/s", "cpu", "ns/request" },         { "10k/s", "hand-over p50", "ns" },
    { "10k/s", "hand-over p99", "ns" },
};
_Static_assert(PB_ARRAY_LEN(figure_names) == PB_PEER_FIGURES, "one name a figure");

/* All figures of one case: so many workers in one placement. */
struct cell {
    double values[SUBJECTS][PB_PEER_FIGURES][MAX_ROUNDS];
};

struct bench {
    char folder[400]; /* where the peers' programs are */
    int rounds, spend_ms, placements;
    bool present[SUBJECTS];
    uint64_t draws;
    int64_t patience_ns; /* left for repeating what others disturbed */
    uint32_t repeated, disturbed;
    struct cell cells[PB_ARRAY_LEN(placements)][SIZES];
};

static void find_folder(struct bench *bench)
{
    ssize_t len = readlink("/proc/self/exe", bench->folder, sizeof(bench->folder) - 32);

    bench->folder[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(bench->folder, '/');

    if (slash) {
        *slash = '\0';
    }
}

static void program_path(const struct bench *bench, size_t subject, char path[static 512])
{
    (void)snprintf(path, 512, "%s/%s", bench->folder, subjects[subject].program);
}

/* Says which of the peers are not measured, and why. */
static void find_peers(struct bench *bench)
{
    for (size_t s = 0; s < SUBJECTS; s++) {
        char path[512];

        program_path(bench, s, path);
        bench->present[s] = access(path, X_OK) == 0;
        if (!bench->present[s]) {
            printf("%s is not measured: it was not here when this was built (package %s)\n",
                   subjects[s].name, subjects[s].package);
        }
    }
}

/* Starts a child whose standard output comes through `ret_out`; false: it cannot. */
static bool start(const char *path, char *const *argv, pid_t *ret_pid, FILE **ret_out)
{
    posix_spawn_file_actions_t actions;
    int ends[2];

    if (pipe(ends) != 0) {
        return false;
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    int problem = posix_spawn(ret_pid, path, &actions, NULL, argv, environ);

    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    *ret_out = problem == 0 ? fdopen(ends[0], "r") : NULL;
    return *ret_out != NULL;
}

static bool read_figures(FILE *out, double *figures)
{
    char line[512], *at = line;

    if (!fgets(line, sizeof(line), out)) {
        return false;
    }
    for (int i = 0; i < PB_PEER_FIGURES; i++) {
        char *end;

        figures[i] = strtod(at, &end);
        if (end == at) {
            return false;
        }
        at = end;
    }
    return true;
}

/* CPU time that anybody has used or that was stolen, ns; 0: not known. */
static int64_t machine_cpu_ns(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle, iowait, irq = 0, softirq = 0,
                       steal = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (!file) {
        return 0;
    }
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &iowait, &irq, &softirq, &steal) != 8) {
        user = nice = system = irq = softirq = steal = 0;
    }
    (void)fclose(file);
    return (int64_t)(user + nice + system + irq + softirq + steal) *
           (PB_NS_PER_S / sysconf(_SC_CLK_TCK));
}

static int64_t children_cpu_ns(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_CHILDREN, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * PB_NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * PB_NS_PER_US;
}

/* One measurement of one pool in one case; `ret_foreign`: CPUs that others used meanwhile. */
static bool measure(const struct bench *bench, size_t subject, uint32_t workers,
                    const struct placement *placement, double *figures, double *ret_foreign)
{
    int64_t begin_ns = pb_now_ns(), machine_ns = machine_cpu_ns(), own_ns = children_cpu_ns();
    char path[512], size[16], spend[16], where[16], variant[16];
    char *argv[] = { path, size, where, spend, variant, NULL };
    int status = 0;
    FILE *out;
    pid_t pid;

    program_path(bench, subject, path);
    (void)snprintf(size, sizeof(size), "%u", (unsigned)workers);
    (void)snprintf(where, sizeof(where), "%s", placement->argument);
    (void)snprintf(spend, sizeof(spend), "%d", bench->spend_ms);
    (void)snprintf(variant, sizeof(variant), "%s", subjects[subject].variant);
    if (!start(path, argv, &pid, &out)) {
        return false;
    }
    bool read = read_figures(out, figures);

    (void)fclose(out);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    *ret_foreign = (double)(machine_cpu_ns() - machine_ns - (children_cpu_ns() - own_ns)) /
                   (double)(pb_now_ns() - begin_ns);
    return read && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The same until nobody disturbs it, or patience is at an end. */
static bool measure_in_peace(struct bench *bench, size_t subject, uint32_t workers,
                             const struct placement *placement, double *figures)
{
    double foreign;

    for (;;) {
        int64_t begin_ns = pb_now_ns();

        if (!measure(bench, subject, workers, placement, figures, &foreign)) {
            return false;
        }
        if (foreign <= FOREIGN_MAX) {
            return true;
        }
        bench->patience_ns -= pb_now_ns() - begin_ns;
        if (bench->patience_ns <= 0) {
            bench->disturbed++;
            return true;
        }
        bench->repeated++;
    }
}

/* Every pool once in one case, in an order drawn anew. */
static void run_cell(struct bench *bench, int round, size_t p, size_t size)
{
    static const struct pb_rng_key key = { .seed = 1 };
    struct cell *cell = &bench->cells[p][size];
    size_t order[SUBJECTS];

    for (size_t s = 0; s < SUBJECTS; s++) {
        size_t at = (size_t)pb_rng_below(&key, bench->draws++, s + 1);

        order[s] = order[at]; /* Fisher-Yates, inside out */
        order[at] = s;
    }
    for (size_t i = 0; i < SUBJECTS; i++) {
        size_t s = order[i];
        double figures[PB_PEER_FIGURES];

        if (!bench->present[s]) {
            continue;
        }
        if (!measure_in_peace(bench, s, sizes[size], &placements[p], figures)) {
            (void)fprintf(stderr, "bench_peers: %s failed with %u workers on %s\n",
                          subjects[s].name, (unsigned)sizes[size], placements[p].name);
            exit(1);
        }
        for (int f = 0; f < PB_PEER_FIGURES; f++) {
            cell->values[s][f][round] = figures[f];
        }
    }
}

static double median(const struct bench *bench, const double *values)
{
    double sorted[MAX_ROUNDS];

    memcpy(sorted, values, sizeof(*values) * (size_t)bench->rounds);
    return pb_bench_median(sorted, (size_t)bench->rounds);
}

static bool more_is_better(int figure)
{
    return strcmp(figure_names[figure].unit, "per_s") == 0;
}

/* The peer with the best median of a figure; SUBJECTS: there is no peer. */
static size_t best_peer(const struct bench *bench, const struct cell *cell, int figure)
{
    size_t best = SUBJECTS;
    double best_value = 0;

    for (size_t s = 0; s < SUBJECTS; s++) {
        if (subjects[s].ours || !bench->present[s]) {
            continue;
        }
        double value = median(bench, cell->values[s][figure]);

        if (best == SUBJECTS ||
            (more_is_better(figure) ? value > best_value : value < best_value)) {
            best = s;
            best_value = value;
        }
    }
    return best;
}

struct ratio {
    double median, low, high;
};

static struct ratio ratio_of(const struct bench *bench, const double *ours, const double *peers)
{
    double ratios[MAX_ROUNDS];

    for (int round = 0; round < bench->rounds; round++) {
        ratios[round] = ours[round] / peers[round];
    }
    double middle = pb_bench_median(ratios, (size_t)bench->rounds);

    return (struct ratio){ middle, ratios[0], ratios[bench->rounds - 1] };
}

static void keep(const char *name, const char *subject, const char *metric, const char *unit,
                 double value)
{
    pb_bench_keep(&(struct pb_figure){ SUITE, name, subject, metric, unit, value });
}

static void case_name(char name[static 80], size_t p, size_t size, int figure)
{
    (void)snprintf(name, 80, "%u worker%s, %s, %s", (unsigned)sizes[size],
                   sizes[size] == 1 ? "" : "s", placements[p].name, figure_names[figure].loop);
}

/* One figure of ours over the best peer's, round by round. */
static void tell_ratio(const struct bench *bench, size_t p, size_t size, int figure)
{
    const struct cell *cell = &bench->cells[p][size];
    size_t best = best_peer(bench, cell, figure);
    char name[80], metric[64];

    if (best == SUBJECTS) {
        return;
    }
    case_name(name, p, size, figure);
    for (size_t s = 0; s < SUBJECTS && subjects[s].ours; s++) {
        struct ratio ratio = ratio_of(bench, cell->values[s][figure], cell->values[best][figure]);

        printf("  %-24s %-11s %-13s %5.2f (%.2f .. %.2f) of %s\n", subjects[s].name,
               figure_names[figure].loop, figure_names[figure].metric, ratio.median, ratio.low,
               ratio.high, subjects[best].name);
        (void)snprintf(metric, sizeof(metric), "%s over best peer", figure_names[figure].metric);
        keep(name, subjects[s].name, metric, "ratio", ratio.median);
        (void)snprintf(metric, sizeof(metric), "%s over best peer, least",
                       figure_names[figure].metric);
        keep(name, subjects[s].name, metric, "ratio", ratio.low);
        (void)snprintf(metric, sizeof(metric), "%s over best peer, largest",
                       figure_names[figure].metric);
        keep(name, subjects[s].name, metric, "ratio", ratio.high);
    }
}

static void tell_subject(const struct bench *bench, size_t p, size_t size, size_t s)
{
    double m[PB_PEER_FIGURES];

    for (int f = 0; f < PB_PEER_FIGURES; f++) {
        char name[80];

        m[f] = median(bench, bench->cells[p][size].values[s][f]);
        case_name(name, p, size, f);
        keep(name, subjects[s].name, figure_names[f].metric, figure_names[f].unit, m[f]);
    }
    printf("%-25s %7.2f %6.0f  %7.3f %6.0f %7.2f %7.2f  %7.2f %7.2f %7.2f\n", subjects[s].name,
           m[PB_PEER_FLAT_PER_S] / 1e6, m[PB_PEER_FLAT_CPU_NS], m[PB_PEER_CLOSED_PER_S] / 1e6,
           m[PB_PEER_CLOSED_CPU_NS], m[PB_PEER_CLOSED_P50_NS] / 1e3, m[PB_PEER_CLOSED_P99_NS] / 1e3,
           m[PB_PEER_PACED_CPU_NS] / 1e3, m[PB_PEER_PACED_P50_NS] / 1e3,
           m[PB_PEER_PACED_P99_NS] / 1e3);
}

static void tell_cell(const struct bench *bench, size_t p, size_t size)
{
    static const int compared[] = { PB_PEER_FLAT_PER_S,    PB_PEER_FLAT_CPU_NS,
                                    PB_PEER_CLOSED_PER_S,  PB_PEER_CLOSED_CPU_NS,
                                    PB_PEER_CLOSED_P99_NS, PB_PEER_PACED_P99_NS };

    printf("\n%u worker%s, %s\n", (unsigned)sizes[size], sizes[size] == 1 ? "" : "s",
           placements[p].name);
    printf("%-25s %7s %6s  %7s %6s %7s %7s  %7s %7s %7s\n", "medians", "flat-out", "CPU", "closed",
           "CPU", "p50", "p99", "10k/s", "p50", "p99");
    printf("%-25s %7s %6s  %7s %6s %7s %7s  %7s %7s %7s\n", "", "M/s", "ns", "M/s", "ns", "us",
           "us", "CPU us", "us", "us");
    for (size_t s = 0; s < SUBJECTS; s++) {
        if (bench->present[s]) {
            tell_subject(bench, p, size, s);
        }
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(compared); i++) {
        tell_ratio(bench, p, size, compared[i]);
    }
}

int main(void)
{
    static struct bench bench;
    struct pb_bench_cpus cpus;
    const char *patience = getenv("PB_BENCH_PATIENCE");
    bool quick = getenv("PB_BENCH_QUICK") != NULL;

    pb_bench_cpus_read(&cpus);
    bench.rounds = quick ? 3 : MAX_ROUNDS;
    bench.spend_ms = quick ? QUICK_MS : SPEND_MS;
    bench.placements = cpus.count > 1 ? 2 : 1;
    bench.patience_ns = (patience ? strtol(patience, NULL, 10)
                         : quick  ? 0
                                  : PATIENCE_S) *
                        PB_NS_PER_S;
    find_folder(&bench);
    find_peers(&bench);
    if (bench.placements == 1) {
        printf("one CPU here: generator and workers are not measured apart\n");
    }
    for (int round = 0; round < bench.rounds; round++) {
        for (size_t p = 0; p < (size_t)bench.placements; p++) {
            for (size_t size = 0; size < SIZES; size++) {
                run_cell(&bench, round, p, size);
            }
        }
    }
    printf(
        "%d rounds; %u measurements repeated because others used the CPUs, %u kept though they "
        "did\nCPU: of all threads together, a request; p50, p99: hand-over, from submit to start "
        "on the worker\n",
        bench.rounds, bench.repeated, bench.disturbed);
    for (size_t p = 0; p < (size_t)bench.placements; p++) {
        for (size_t size = 0; size < SIZES; size++) {
            tell_cell(&bench, p, size);
        }
    }
    return 0;
}
