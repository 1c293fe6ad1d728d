/*
 * cli/finish.h - what `run` does with a result: charts and report beside it, the words, the exit
 * code.
 */
#ifndef PB_CLI_FINISH_H
#define PB_CLI_FINISH_H

#include "cli/command.h"
#include "cli/live.h"
#include "harness/run.h"

/* Draws (unless --no-charts), prints (JSON with --json), and returns the exit code. */
int pb_finish_run(const struct pb_args *args, struct pb_live *live,
                  const struct pb_run_result *result);
/* Charts and report of a run, set or tune folder; a line on stderr when pictures are missing.  The
 * report's path (caller frees), NULL: none.  False: --require-charts was not met. */
bool pb_finish_charts(const struct pb_args *args, struct pb_live *live, const char *folder,
                      bool tune, char **ret_report);
/* Applies --soft to an exit code. */
int pb_finish_code(const struct pb_args *args, int code);

#endif
