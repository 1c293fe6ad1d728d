/*
 * plots/stored_internal.h - the parts of stored.c.
 */
#ifndef PB_PLOTS_STORED_INTERNAL_H
#define PB_PLOTS_STORED_INTERNAL_H

#include "plots/stored.h"

/* Parses the text of timeline.csv, by the names in its first line, into run->windows. */
PB_MUST_USE enum pb_status pb_stored_windows_parse(char *text, const char *where,
                                                   struct pb_stored_run *run, struct pb_error *err);

#endif
