#include "cli/live.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "harness/folder.h"

#define SPARSE_NS (10 * PB_NS_PER_S)

void pb_live_init(struct pb_live *live, bool quiet)
{
    *live = (struct pb_live){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1 };
}

void pb_live_end(struct pb_live *live)
{
    if (live->line_open) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        live->line_open = false;
    }
}

void pb_live_say(struct pb_live *live, const char *text)
{
    if (!live->quiet) {
        pb_live_end(live);
        (void)fprintf(stderr, "%s\n", text);
    }
}

static int columns(void)
{
    struct winsize window = { 0 };
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;

    return known ? window.ws_col : 512;
}

void pb_live_line(struct pb_live *live, const char *text)
{
    if (!live->quiet && live->terminal) {
        (void)fprintf(stderr, "\r\033[K%.*s", columns() - 1, text);
        (void)fflush(stderr);
        live->line_open = true;
    }
}

/* "[#######.............]" */
static void draw_bar(double share, char bar[static 23])
{
    int full = share < 0 ? 0 : share > 1 ? 20 : (int)(share * 20);

    bar[0] = '[';
    for (int i = 0; i < 20; i++) {
        bar[1 + i] = i < full ? '#' : '.';
    }
    bar[21] = ']';
    bar[22] = '\0';
}

static void describe(const struct pb_progress *p, char *text, size_t size)
{
    char bar[23], rate[PB_QUANTITY_TEXT], p99[PB_QUANTITY_TEXT], which[32] = "";

    if (p->runs > 1) {
        (void)snprintf(which, sizeof(which), "run %u/%u ", p->run, p->runs);
    }
    if (p->phase[0] == '\0') {
        (void)snprintf(text, size, "%s%s", which, p->stage);
        return;
    }
    draw_bar((double)p->elapsed_ns / (double)(p->total_ns > 0 ? p->total_ns : 1), bar);
    (void)snprintf(text, size,
                   "%s%s %.0f/%.0f s  %s%s  %s  p99 %s  busy %u/%u  queue %llu  not ok %llu", which,
                   bar, (double)p->elapsed_ns / 1e9, (double)p->total_ns / 1e9, p->phase,
                   strcmp(p->stage, "draining") == 0 ? " (draining)"
                   : p->recorded                     ? ""
                                                     : " (not recorded)",
                   pb_format_rate(p->rate_per_s, rate),
                   p->p99_ns > 0 ? pb_format_duration(p->p99_ns, p99) : "-", p->busy, p->alive,
                   (unsigned long long)p->queued, (unsigned long long)p->bad);
}

void pb_live_run(void *ctx, const struct pb_progress *progress)
{
    struct pb_live *live = ctx;
    char text[256], stage[sizeof(live->last_stage)];

    if (live->quiet) {
        return;
    }
    describe(progress, text, sizeof(text));
    if (live->terminal) {
        pb_live_line(live, text);
        return;
    }
    /* Not a terminal: a line when a phase begins and every ten seconds. */
    (void)snprintf(stage, sizeof(stage), "%u %s", progress->run, progress->phase);
    if (progress->phase[0] == '\0' ||
        (strcmp(stage, live->last_stage) == 0 && pb_now_ns() - live->last_ns < SPARSE_NS)) {
        return;
    }
    (void)snprintf(live->last_stage, sizeof(live->last_stage), "%s", stage);
    live->last_ns = pb_now_ns();
    (void)fprintf(stderr, "%s\n", text);
}

void pb_live_sweep(struct pb_live *live, const char *results)
{
    size_t swept = pb_folder_sweep(results);
    char text[160];

    if (swept > 0) {
        (void)snprintf(text, sizeof(text),
                       "removed %zu unfinished folder%s below %s, left by a process that is gone",
                       swept, swept == 1 ? "" : "s", results);
        pb_live_say(live, text);
    }
}

/* A signal handler can reach nothing but file scope: this is the one mutable variable there. */
static _Atomic int caught_signal;

static void on_signal(int number)
{
    atomic_store(&caught_signal, number);
}

const _Atomic int *pb_signals_catch(void)
{
    /* SA_RESETHAND: a second Ctrl-C ends the program at once, for whoever is in a hurry. */
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* Nobody reads the progress any more: no reason to lose the run. */
    (void)signal(SIGPIPE, SIG_IGN);
    return &caught_signal;
}
