/*
 * plots/timeline.h - what happened when: rate, latency, busy workers, queue, on one time axis.
 */
#ifndef PB_PLOTS_TIMELINE_H
#define PB_PLOTS_TIMELINE_H

#include "plots/sheet.h"
#include "plots/stored.h"

#define PB_TIMELINE_NAME   "timeline"
#define PB_TIMELINE_WIDTH  1200
#define PB_TIMELINE_HEIGHT 900

/* Fills a fresh sheet of PB_TIMELINE_WIDTH x PB_TIMELINE_HEIGHT from a run. */
PB_MUST_USE enum pb_status pb_timeline_fill(const struct pb_stored_run *run, const char *title,
                                            const char *subtitle, struct pb_sheet *sheet,
                                            struct pb_error *err);

#endif
