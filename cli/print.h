/*
 * cli/print.h - results as a person reads them, from their JSON documents alone, so that `run` and
 * `show` print the same.  OUTPUT.md's rule: the verdict, the reason, the numbers, the next command.
 */
#ifndef PB_CLI_PRINT_H
#define PB_CLI_PRINT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* Where a result came from and went to: what the commands to paste are made of. */
struct pb_print_place {
    const char *program; /* as it was called, so that the printed commands work as printed */
    const char *folder;  /* where the result is stored; NULL: nowhere */
    const char *report;  /* path of report.html; NULL: none */
};

/* Line 1 with its colour (a terminal without NO_COLOR) and the rest of a run or run set. */
void pb_print_run(FILE *out, const cJSON *json, const struct pb_print_place *place);
/* The recommendation of a tune. */
void pb_print_tune(FILE *out, const cJSON *json, const struct pb_print_place *place);
/* What befell the workers, and what processes used; nothing when there is nothing to say. */
void pb_print_workers(FILE *out, const cJSON *json);
/* Where a run is stored, the command that does it again, and the one to go on with. */
void pb_print_next(FILE *out, const cJSON *json, const struct pb_print_place *place);
/* Text that nobody vouches for: it stays on its line and cannot steer the terminal. */
void pb_print_text(FILE *out, const char *text);
/* A word of a command line, with a space before it, quoted where a shell needs it. */
void pb_print_word(FILE *out, const char *word);

/* True when words on `out` may be coloured. */
bool pb_print_coloured(FILE *out);

#endif
