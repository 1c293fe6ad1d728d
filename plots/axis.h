/*
 * plots/axis.h - an axis with the tics that a person would write: 1, 2, 5 and a unit.
 */
#ifndef PB_PLOTS_AXIS_H
#define PB_PLOTS_AXIS_H

#include <stdbool.h>

#include "plots/sheet.h"

/* Values of durations are ms throughout the data; the axis shows the unit that reads best. */
struct pb_axis {
    double low, high;
    bool log;
    bool in_unit;     /* linear: the tics carry no unit, `unit` goes into the label */
    const char *unit; /* "us", "ms", "s" */
};

/* An axis of durations in ms over low..high (both > 0 when log), with room above. */
void pb_axis_duration(struct pb_axis *axis, double low_ms, double high_ms, bool log);
/* "set ytics ..., set yrange ..." for an axis of durations. */
void pb_axis_emit_duration(struct pb_sheet *sheet, const struct pb_axis *axis);
/* A linear axis of plain values from 0 up to `high`, `which` "y" or "y2", about `tics` tics. */
void pb_axis_emit_linear(struct pb_sheet *sheet, const char *which, double high, int tics);
/* The same with a little room below 0, for points that stand there. */
void pb_axis_emit_points(struct pb_sheet *sheet, double high, int tics);
/* Seconds from 0 to `end_s` along x; `labels` false: tics only. */
void pb_axis_emit_seconds(struct pb_sheet *sheet, double end_s, bool labels);
/* The step of 1, 2 or 5 times a power of ten that cuts `span` into at most `tics` parts. */
double pb_axis_step(double span, int tics);

#endif
