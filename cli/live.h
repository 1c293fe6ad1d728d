/*
 * cli/live.h - progress on stderr: one line rewritten on a terminal, a sparse line elsewhere,
 * nothing with --quiet; and the signals that end a run early.
 */
#ifndef PB_CLI_LIVE_H
#define PB_CLI_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/run.h"

struct pb_live {
    bool quiet;
    bool terminal;   /* stderr is one */
    bool line_open;  /* a live line stands without its newline */
    int64_t last_ns; /* of the last sparse line */
    char last_stage[48];
};

void pb_live_init(struct pb_live *live, bool quiet);
/* For struct pb_run_options.progress. */
void pb_live_run(void *ctx, const struct pb_progress *progress);
/* A line of its own, above the live line.  Nothing with --quiet. */
void pb_live_say(struct pb_live *live, const char *text);
/* A live line of any text, cut to the terminal's width: a line that wraps cannot be taken back. */
void pb_live_line(struct pb_live *live, const char *text);
/* Removes what killed processes left below `results`, and says so. */
void pb_live_sweep(struct pb_live *live, const char *results);
/* Clears the live line, before results are printed. */
void pb_live_end(struct pb_live *live);

/* Catches SIGINT and SIGTERM: the first one sets the returned number, a second one kills. */
const _Atomic int *pb_signals_catch(void);

#endif
