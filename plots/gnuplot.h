/*
 * plots/gnuplot.h - gnuplot as a child process: found on PATH, run on one script, checked.
 *
 * No shell is involved and the child inherits nothing it could act upon: a fixed argument list, an
 * empty HOME (it reads no ~/.gnuplot), no standard input, a limit of 30 s.  Thread-safe.
 */
#ifndef PB_PLOTS_GNUPLOT_H
#define PB_PLOTS_GNUPLOT_H

#include "poolbench/error.h"

/* The program's path (caller frees).  PB_ENOENT: it is not installed.  PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_gnuplot_find(char **ret_path);
/* Runs `program -d script` in `folder` and checks that `output` (a name in `folder`) has come to
 * be.  PB_ENOMEM, PB_ESYS (it could not start), PB_ETIMEDOUT, PB_ECORRUPT (it failed, with its own
 * first line in `err`, or left nothing): then `output` does not exist. */
PB_MUST_USE enum pb_status pb_gnuplot_run(const char *program, const char *folder,
                                          const char *script, const char *output,
                                          struct pb_error *err);

#endif
