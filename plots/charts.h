/*
 * plots/charts.h - the charts of one folder with a studio already open; chart.h is the front.
 */
#ifndef PB_PLOTS_CHARTS_H
#define PB_PLOTS_CHARTS_H

#include "plots/percentiles.h"
#include "plots/stored.h"

#define PB_CHART_WIDTH     1200
#define PB_CHART_HEIGHT    640
#define PB_TITLE_SIZE      320
#define PB_OVERLAY_NAME    "overlay"
#define PB_TRAJECTORY_NAME "trajectory"

/* "size 16, overflow 0 · 6 s recorded · 5 997 of 6 012 requests ok · pass (one run)" of a run.json
 * or set.json. */
void pb_chart_subtitle(const cJSON *result, char *text, size_t size);

/* The latency of whole runs, merged over their recorded phases; all zero is empty. */
struct pb_merged {
    struct pb_hist *hists; /* one a run; owned */
    size_t count;
};
PB_MUST_USE enum pb_status pb_merged_make(const struct pb_stored *stored,
                                          struct pb_merged *ret_merged, struct pb_error *err);
void pb_merged_done(struct pb_merged *merged);

/* Adds the recorded phases of a run or set as curves, one a phase, or one of all phases when the
 * chart has no room for so many; `merged` backs that one. */
void pb_chart_add_phases(const struct pb_stored *stored, const struct pb_merged *merged,
                         struct pb_percentiles *chart);
/* Adds one curve of all recorded phases. */
void pb_chart_add_whole(const struct pb_stored *stored, const struct pb_merged *merged,
                        const char *label, struct pb_percentiles *chart);

/* Draws the trajectory of the tune in `folder` from its journal. */
PB_MUST_USE enum pb_status pb_trajectory_draw(const char *folder, struct pb_studio *studio,
                                              struct pb_error *err);

#endif
