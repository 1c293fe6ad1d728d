/*
 * plots/chart.h - charts of a stored result: a TSV and a gnuplot script kept beside each SVG.
 *
 * Everything is read from the folder's files, never from memory, so that a chart can be drawn again
 * anywhere.  User text reaches gnuplot only as data or as escaped single-quoted strings.
 */
#ifndef PB_PLOTS_CHART_H
#define PB_PLOTS_CHART_H

#include <stdbool.h>

#include "poolbench/error.h"

struct pb_chart_options {
    bool png;     /* also NAME.png */
    bool require; /* without gnuplot: PB_ENOTSUP rather than scripts only */
};

struct pb_chart_report {
    unsigned written; /* charts drawn */
    unsigned scripts; /* scripts and data written */
    bool no_gnuplot;  /* it is not installed: pictures are missing, all else is there */
};

/* Draws charts/percentiles and charts/timeline of a run folder; of a run set for each run and the
 * set. */
PB_MUST_USE enum pb_status pb_charts_run(const char *folder, const struct pb_chart_options *options,
                                         struct pb_chart_report *ret_report, struct pb_error *err);
/* Draws charts/trajectory of a tune folder, finished or not. */
PB_MUST_USE enum pb_status pb_charts_tune(const char *folder,
                                          const struct pb_chart_options *options,
                                          struct pb_chart_report *ret_report, struct pb_error *err);
/* Draws an overlay of two or more run folders into `out`/charts. */
PB_MUST_USE enum pb_status pb_charts_overlay(const char *const *folders, unsigned count,
                                             const char *out,
                                             const struct pb_chart_options *options,
                                             struct pb_chart_report *ret_report,
                                             struct pb_error *err);

/* report.html: one self-contained page (verdict, objectives, charts inlined) into `folder`, for a
 * run, a set or a tune; `others` are overlaid (may be NULL).  `ret_path`: the page (caller frees).
 */
PB_MUST_USE enum pb_status pb_report_html(const char *folder, const char *const *others,
                                          unsigned other_count, char **ret_path,
                                          struct pb_error *err);

#endif
