/*
 * plots/percentiles.h - latency against percentile on a scale of nines.
 */
#ifndef PB_PLOTS_PERCENTILES_H
#define PB_PLOTS_PERCENTILES_H

#include "base/hist.h"
#include "plots/limits.h"
#include "plots/sheet.h"

#define PB_CURVES_MAX      16
#define PB_CURVE_RUNS_MAX  128
#define PB_PERCENTILE_NAME "percentiles"

/* One curve: a histogram, or the same quantity of several runs, drawn as median and range. */
struct pb_curve {
    const char *label;                              /* user text */
    const struct pb_hist *hists[PB_CURVE_RUNS_MAX]; /* borrowed */
    unsigned count;
    int64_t sent;         /* requests of all outcomes, 0: not told */
    const cJSON *summary; /* without histograms: {p50_ns, ...}, or NULL */
};

struct pb_percentiles {
    const char *title, *subtitle; /* user text */
    struct pb_curve curves[PB_CURVES_MAX];
    unsigned curve_count;
    struct pb_limit limits[PB_LIMITS_MAX];
    size_t limit_count;
};

/* Fills a fresh sheet.  Without any value the sheet says so instead. */
void pb_percentiles_fill(const struct pb_percentiles *chart, struct pb_sheet *sheet);

#endif
