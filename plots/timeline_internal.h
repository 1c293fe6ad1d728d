/*
 * plots/timeline_internal.h - the parts of timeline.c: the frame that all panels share.
 */
#ifndef PB_PLOTS_TIMELINE_INTERNAL_H
#define PB_PLOTS_TIMELINE_INTERNAL_H

#include "plots/limits.h"
#include "plots/timeline.h"

#define PB_TIMELINE_LEFT_PX  84
#define PB_MARK_ROW_PX       16
#define PB_TIMELINE_RIGHT_PX 1132 /* right of it: the axis of the overflow workers */

struct pb_timeline {
    const struct pb_stored_run *run;
    struct pb_sheet *sheet;
    struct pb_stored_window *windows; /* at most PB_POINTS_MAX, merged where there were more */
    size_t count;
    size_t merged; /* windows of the run behind each */
    double end_s;
    double top_px; /* of the first panel */
    struct pb_limit limits[PB_LIMITS_MAX];
    size_t limit_count;
};

/* Where an instant stands. */
double pb_timeline_x_px(const struct pb_timeline *timeline, double at_s);
/* Shades the phases of every panel to come. */
void pb_timeline_shade(struct pb_timeline *timeline);
/* Names faults and changes above the first panel; the rows that these took. */
unsigned pb_timeline_mark_labels(struct pb_timeline *timeline, double first_row_px);
/* Marks them in the next panel. */
void pb_timeline_mark_lines(struct pb_timeline *timeline);
/* The strip of phase names with the time axis, the last panel. */
void pb_timeline_strip(struct pb_timeline *timeline, double top_px, double bottom_px);
/* Is there a limit on this instant's p99, and which?  NAN: none. */
double pb_timeline_p99_limit(const struct pb_timeline *timeline, double at_s);

#endif
