/*
 * cli/print.h - results as a person reads them, from their JSON documents alone, so that `run` and
 * `show` print the same.  OUTPUT.md's rule: the verdict, the reason, the numbers, the next command.
 */
#ifndef PB_CLI_PRINT_H
#define PB_CLI_PRINT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* Line 1 with its colour (a terminal without NO_COLOR) and the rest of a run or run set.  `folder`:
 * where it is stored, NULL: nowhere; `report`: path of report.html, NULL: none. */
void pb_print_run(FILE *out, const cJSON *json, const char *folder, const char *report);
/* The recommendation of a tune. */
void pb_print_tune(FILE *out, const cJSON *json, const char *folder, const char *report);
/* The command that does a stored run again. */
void pb_print_reproduce(FILE *out, const cJSON *json);

/* True when words on `out` may be coloured. */
bool pb_print_coloured(FILE *out);

#endif
