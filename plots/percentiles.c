#include "plots/percentiles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/quantity.h"
#include "plots/axis.h"
#include "plots/nothing.h"
#include "plots/quote.h"

#define CURVE_POINTS 260
#define SURE_BEYOND  10 /* requests beyond a percentile that it takes to trust it */
#define LEFT_PX      84
#define BOTTOM_PX    72
#define RIGHT_PX     40
#define KEY_ROW_PX   20
#define FAR_LIMIT    3  /* a limit so many times the data would flatten a linear axis */
#define LOG_RATIO    40 /* largest value to smallest median from which the axis is logarithmic */

/* What is common to all curves.  x is 1 / (1 - p): ten times as much is one nine more. */
struct scale {
    double x_end;          /* right end of the axis */
    double median_low_ms;  /* smallest median of a curve */
    double low_ms, top_ms; /* what the axis has to show */
    double sure_x;         /* beyond it no curve has SURE_BEYOND requests */
    struct pb_axis axis;
};

static double x_of(double quantile)
{
    return 1 / (1 - quantile);
}

static int by_value(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

/* The requests behind every point of a curve: of its smallest run. */
static double requests_of(const struct pb_curve *curve)
{
    double least = curve->count > 0 ? PB_ENDLESS : 0;

    for (unsigned i = 0; i < curve->count; i++) {
        least = fmin(least, (double)curve->hists[i]->total);
    }
    return curve->count > 0 ? least : pb_json_num(curve->summary, "count", 0);
}

/* A curve's value at x: median, lowest and highest over its runs. */
static void value_at(const struct pb_curve *curve, double x, double *ret_ms)
{
    double values[PB_CURVE_RUNS_MAX];
    double n = requests_of(curve);

    for (unsigned i = 0; i < curve->count; i++) {
        const struct pb_hist *hist = curve->hists[i];
        int64_t ns = x <= 1 ? hist->min : x >= n ? hist->max : pb_hist_quantile(hist, 1 - 1 / x);

        values[i] = (double)ns / PB_NS_PER_MS;
    }
    qsort(values, curve->count, sizeof(*values), by_value);
    ret_ms[0] = (values[(curve->count - 1) / 2] + values[curve->count / 2]) / 2;
    ret_ms[1] = values[0];
    ret_ms[2] = values[curve->count - 1];
}

static const struct {
    const char *key;
    double quantile;
} summary_points[] = {
    { "min_ns", 0 },    { "p50_ns", 0.5 },  { "p75_ns", 0.75 },   { "p90_ns", 0.9 },
    { "p95_ns", 0.95 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 },
};

/* A value by quantile in ms, NAN where unknown. */
static double quantile_ms(const struct pb_curve *curve, double quantile)
{
    double ms[3] = { PB_NOTHING, PB_NOTHING, PB_NOTHING };

    if (curve->count > 0 && requests_of(curve) > 0) {
        value_at(curve, x_of(quantile), ms);
        return ms[0];
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(summary_points); i++) {
        if (fabs(summary_points[i].quantile - quantile) < 1e-9) {
            return pb_json_num(curve->summary, summary_points[i].key, PB_NOTHING) / PB_NS_PER_MS;
        }
    }
    return PB_NOTHING;
}

/* On a logarithmic axis the few fastest requests would take a third of the picture. */
static double low_ms(const struct pb_curve *curve)
{
    double ms[3];

    if (curve->count == 0) {
        return quantile_ms(curve, 0.5) / 2;
    }
    value_at(curve, x_of(0.05), ms);
    return ms[1];
}

static double largest_ms(const struct pb_curve *curve)
{
    double ms[3];

    if (curve->count == 0) {
        return pb_json_num(curve->summary, "max_ns", 0) / PB_NS_PER_MS;
    }
    value_at(curve, requests_of(curve), ms);
    return ms[2];
}

static void measure(const struct pb_percentiles *chart, struct scale *scale)
{
    *scale = (struct scale){ .x_end = 20, .median_low_ms = PB_ENDLESS, .low_ms = PB_ENDLESS };
    for (unsigned i = 0; i < chart->curve_count; i++) {
        const struct pb_curve *curve = &chart->curves[i];
        double n = requests_of(curve);

        if (n > 0) {
            scale->x_end = fmax(scale->x_end, n);
            scale->sure_x = fmax(scale->sure_x, n / SURE_BEYOND);
            scale->median_low_ms = fmin(scale->median_low_ms, quantile_ms(curve, 0.5));
            scale->low_ms = fmin(scale->low_ms, low_ms(curve));
            scale->top_ms = fmax(scale->top_ms, largest_ms(curve));
        }
    }
    double data_ms = scale->top_ms;

    for (size_t i = 0; i < chart->limit_count; i++) {
        scale->top_ms = fmax(scale->top_ms, chart->limits[i].ms);
        scale->median_low_ms = fmin(scale->median_low_ms, chart->limits[i].ms);
    }
    pb_axis_duration(&scale->axis, fmax(scale->low_ms, 1e-6), fmax(scale->top_ms, 1e-5),
                     scale->top_ms > LOG_RATIO * scale->median_low_ms ||
                         scale->top_ms > FAR_LIMIT * data_ms);
}

static void emit_x_axis(struct pb_sheet *sheet, const struct scale *scale)
{
    static const struct {
        double x;
        const char *text;
    } tics[] = {
        { 1, "0" },        { 2, "50" },        { 4, "75" },         { 10, "90" },
        { 20, "95" },      { 100, "99" },      { 1000, "99.9" },    { 1e4, "99.99" },
        { 1e5, "99.999" }, { 1e6, "99.9999" }, { 1e7, "99.99999" },
    };

    pb_sheet_line(sheet, "set logscale x 10; set xrange [1:%.9g]", scale->x_end);
    pb_buf_puts(&sheet->script, "set xtics (");
    for (size_t i = 0; i < PB_ARRAY_LEN(tics) && tics[i].x <= scale->x_end; i++) {
        pb_buf_printf(&sheet->script, "%s'%s' %.9g", i > 0 ? ", " : "", tics[i].text, tics[i].x);
    }
    pb_buf_puts(&sheet->script, ")\n");
}

/* Grey where hardly a request is left. */
static void emit_unsure_zone(struct pb_sheet *sheet, const struct scale *scale)
{
    double from = fmax(scale->sure_x, 1);
    double share = 1 - log(from) / log(scale->x_end);
    double width_px = share * (sheet->width - LEFT_PX - RIGHT_PX);

    if (width_px < 2) {
        return;
    }
    pb_sheet_line(sheet,
                  "set object 1 rectangle from %.9g, graph 0 to graph 1, graph 1 behind "
                  "fillcolor rgb '#EFEFEF' fillstyle solid 1 noborder",
                  from);
    if (width_px > 130) {
        pb_sheet_text(sheet, sheet->width - RIGHT_PX - 8, sheet->height - BOTTOM_PX - 26,
                      PB_ALIGN_RIGHT, PB_FONT_SMALL, "thin line: fewer than");
        pb_sheet_text(sheet, sheet->width - RIGHT_PX - 8, sheet->height - BOTTOM_PX - 12,
                      PB_ALIGN_RIGHT, PB_FONT_SMALL, "10 requests beyond");
    }
}

/* Writes the points of a curve from x0 to x1 as a block. */
static unsigned put_stretch(struct pb_sheet *sheet, const struct pb_curve *curve, double x0,
                            double x1, int points)
{
    unsigned block =
        pb_sheet_block(sheet, "percentile\tx=1/(1-p)\tlatency_ms\tlowest_run_ms\thighest_run_ms");
    double ms[3];

    for (int i = 0; i <= points; i++) {
        double x = i == points ? x1 : x0 * pow(x1 / x0, (double)i / points);

        value_at(curve, x, ms);
        pb_buf_printf(&sheet->data, "%.8g\t%.8g\t%.6g\t%.6g\t%.6g\n", 100 * (1 - 1 / x), x, ms[0],
                      ms[1], ms[2]);
    }
    return block;
}

/* Without histograms: the few percentiles that the summary has. */
static unsigned put_summary(struct pb_sheet *sheet, const struct pb_curve *curve)
{
    unsigned block = pb_sheet_block(sheet, "percentile\tx=1/(1-p)\tlatency_ms");

    for (size_t i = 0; i < PB_ARRAY_LEN(summary_points); i++) {
        double q = summary_points[i].quantile;
        double ms = pb_json_num(curve->summary, summary_points[i].key, PB_NOTHING) / PB_NS_PER_MS;

        if (!isnan(ms)) {
            pb_buf_printf(&sheet->data, "%.8g\t%.8g\t%.6g\n", 100 * q, x_of(q), ms);
        }
    }
    return block;
}

/* 50, 90, 99, ... */
static const double mark_x[] = { 2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8 };

/* Marks at the percentiles that people quote, so far as they can be trusted. */
static unsigned put_marks(struct pb_sheet *sheet, const struct pb_curve *curve)
{
    unsigned block = pb_sheet_block(sheet, "percentile\tx=1/(1-p)\tlatency_ms");
    double n = requests_of(curve);
    double ms[3];

    for (size_t i = 0; i < PB_ARRAY_LEN(mark_x) && mark_x[i] <= n / SURE_BEYOND; i++) {
        double x = mark_x[i];

        value_at(curve, x, ms);
        pb_buf_printf(&sheet->data, "%.8g\t%.8g\t%.6g\n", 100 * (1 - 1 / x), x, ms[0]);
    }
    return block;
}

/* Where a value stands between the axis's ends, 0..1. */
static double height_of(const struct pb_axis *axis, double ms)
{
    return axis->log ? log(ms / axis->low) / log(axis->high / axis->low)
                     : (ms - axis->low) / (axis->high - axis->low);
}

/* The values beside the marks, where there is one curve and so room for them. */
static void name_marks(struct pb_sheet *sheet, const struct pb_curve *curve,
                       const struct scale *scale)
{
    double n = requests_of(curve);
    char text[PB_QUANTITY_TEXT];
    double ms[3];

    for (size_t i = 0; i < PB_ARRAY_LEN(mark_x) && mark_x[i] <= n / SURE_BEYOND; i++) {
        double x = mark_x[i];

        value_at(curve, x, ms);
        bool low = height_of(&scale->axis, ms[0]) < 0.06;

        /* Below the curve, except where the axis is. */
        pb_sheet_label(sheet, pb_format_duration((int64_t)(ms[0] * PB_NS_PER_MS), text),
                       "at first %.9g, first %.9g %s font ',12' textcolor rgb '#222222'", x, ms[0],
                       low ? "right offset character -0.6,0.8" : "left offset character 0.7,-0.7");
    }
}

static void key_text(const struct pb_curve *curve, char *text, size_t size)
{
    static const struct {
        const char *name;
        double quantile;
    } quoted[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 } };
    double n = requests_of(curve);
    char value[PB_QUANTITY_TEXT], sent[PB_QUANTITY_TEXT];
    char label[72];
    int used;

    pb_text_fit(curve->label, 13, 420, label, sizeof(label));
    (void)pb_format_count((int64_t)n, value);
    if (curve->count > 1) {
        used = snprintf(text, size, "%s   %s requests or more in each of %u runs", label, value,
                        curve->count);
    } else if (curve->sent > (int64_t)n) {
        used = snprintf(text, size, "%s   %s of %s requests ok", label, value,
                        pb_format_count(curve->sent, sent));
    } else {
        used = snprintf(text, size, "%s   %s requests", label, value);
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(quoted); i++) {
        double ms = quantile_ms(curve, quoted[i].quantile);

        if (!isnan(ms) && n * (1 - quoted[i].quantile) >= 1 && used < (int)size) {
            used += snprintf(text + used, size - (size_t)used, "   %s %s", quoted[i].name,
                             pb_format_duration((int64_t)(ms * PB_NS_PER_MS), value));
        }
    }
}

static void plot_curve(struct pb_sheet *sheet, const struct pb_percentiles *chart, unsigned i)
{
    const struct pb_curve *curve = &chart->curves[i];
    struct pb_look look = pb_look_of(i);
    double n = requests_of(curve), sure_x = fmin(fmax(n / SURE_BEYOND, 1), n);
    char text[PB_QUANTITY_TEXT * 5];

    key_text(curve, text, sizeof(text));
    if (curve->count == 0) {
        pb_sheet_plot(sheet, text,
                      "'%s.tsv' index %u using 2:3 with linespoints lc rgb '%s' lw 2 dt %s "
                      "pt %d ps 0.7",
                      sheet->name, put_summary(sheet, curve), look.colour, look.dash, look.point);
        return;
    }
    int sure_points = (int)(CURVE_POINTS * log(fmax(sure_x, 1.0001)) / log(fmax(n, 1.01)));

    if (sure_points > 1) {
        pb_sheet_plot(sheet, NULL,
                      "'%s.tsv' index %u using 2:3 with lines lc rgb '%s' lw 2.4 dt %s",
                      sheet->name, put_stretch(sheet, curve, 1, sure_x, sure_points), look.colour,
                      look.dash);
    }
    pb_sheet_plot(sheet, NULL, "'%s.tsv' index %u using 2:3 with lines lc rgb '%s' lw 1 dt %s",
                  sheet->name,
                  put_stretch(sheet, curve, sure_x, n,
                              CURVE_POINTS - sure_points > 20 ? CURVE_POINTS - sure_points : 20),
                  look.colour, look.dash);
    pb_sheet_plot(sheet, NULL, "'%s.tsv' index %u using 2:3 with points lc rgb '%s' pt %d ps 0.8",
                  sheet->name, put_marks(sheet, curve), look.colour, look.point);
    pb_sheet_plot(sheet, text, "keyentry with linespoints lc rgb '%s' lw 2.4 dt %s pt %d ps 0.8",
                  look.colour, look.dash, look.point);
}

/* The range over the runs, under the curves. */
static void plot_band(struct pb_sheet *sheet, const struct pb_curve *curve, unsigned i)
{
    if (curve->count < 2) {
        return;
    }
    pb_sheet_plot(sheet, NULL,
                  "'%s.tsv' index %u using 2:4:5 with filledcurves fc rgb '%s' fs transparent "
                  "solid 0.18 noborder",
                  sheet->name, put_stretch(sheet, curve, 1, requests_of(curve), CURVE_POINTS),
                  pb_look_of(i).colour);
}

/* Do phases a and b ask the same? */
static bool same_limits(const struct pb_percentiles *chart, const char *a, const char *b)
{
    for (int side = 0; side < 2; side++) {
        const char *one = side ? b : a, *other = side ? a : b;

        for (size_t i = 0; i < chart->limit_count; i++) {
            bool found = strcmp(chart->limits[i].phase, one) != 0;

            for (size_t k = 0; k < chart->limit_count && !found; k++) {
                found = strcmp(chart->limits[k].phase, other) == 0 &&
                        chart->limits[k].quantile == chart->limits[i].quantile &&
                        chart->limits[k].ms == chart->limits[i].ms;
            }
            if (!found) {
                return false;
            }
        }
    }
    return true;
}

/* Names a step above its line, or at its right end where it is too narrow for that. */
static void name_step(struct pb_sheet *sheet, const char *text, double x0, double x1, double ms,
                      const struct scale *scale)
{
    double width_px = log(x1 / x0) / log(scale->x_end) * (sheet->width - LEFT_PX - RIGHT_PX);
    bool narrow = width_px < pb_text_width(text, 12) + 8;

    pb_sheet_label(sheet, text,
                   "at first %.9g, first %.9g left offset character 0.5,%s font ',12' "
                   "textcolor rgb '" PB_LIMIT "'",
                   narrow ? x1 : x0, ms, narrow ? "0" : "0.6");
}

/* The objectives of one phase as a staircase: up to each quantile its limit holds. */
static void plot_stairs(struct pb_sheet *sheet, const struct pb_percentiles *chart,
                        const char *phase, bool name_phase, const struct scale *scale)
{
    unsigned block = pb_sheet_block(sheet, "x=1/(1-p)\tlimit_ms");
    double x = 1;
    char text[PB_QUOTE_MAX_BYTES];

    for (size_t i = 0; i < chart->limit_count; i++) {
        const struct pb_limit *limit = &chart->limits[i];
        double end = fmin(x_of(limit->quantile), scale->x_end);

        if (strcmp(limit->phase, phase) != 0 || end <= x) {
            continue;
        }
        pb_buf_printf(&sheet->data, "%.9g\t%.9g\n%.9g\t%.9g\n", x, limit->ms, end, limit->ms);
        (void)snprintf(text, sizeof(text), "%s%s%.80s", limit->text, name_phase ? " in " : "",
                       name_phase ? phase : "");
        name_step(sheet, text, x, end, limit->ms, scale);
        x = end;
    }
    pb_sheet_plot(sheet, NULL,
                  "'%s.tsv' index %u using 1:2 with lines lc rgb '" PB_LIMIT "' lw 1.6 dt (2,3)",
                  sheet->name, block);
}

/* One staircase for each set of objectives that differs from the ones before it. */
static void plot_limits(struct pb_sheet *sheet, const struct pb_percentiles *chart,
                        const struct scale *scale)
{
    const char *seen[PB_LIMITS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < chart->limit_count; i++) {
        bool known = false;

        for (size_t k = 0; k < count && !known; k++) {
            known = same_limits(chart, seen[k], chart->limits[i].phase);
        }
        if (!known) {
            seen[count++] = chart->limits[i].phase;
        }
    }
    for (size_t k = 0; k < count; k++) {
        plot_stairs(sheet, chart, seen[k], count > 1, scale);
    }
}

static void fill_empty(struct pb_sheet *sheet)
{
    pb_sheet_text(sheet, sheet->width / 2.0, sheet->height / 2.0, PB_ALIGN_CENTER, PB_FONT_NOTE,
                  "No request ended ok: there is no latency to show.");
    pb_sheet_line(sheet, "unset border; unset tics");
    pb_sheet_plot(sheet, NULL, "[0:1][0:1] NaN");
    pb_sheet_plot_end(sheet);
}

void pb_percentiles_fill(const struct pb_percentiles *chart, struct pb_sheet *sheet)
{
    struct scale scale;
    unsigned drawn = 0;
    char y_name[32];

    pb_sheet_head(sheet, 24, chart->title, chart->subtitle);
    for (unsigned i = 0; i < chart->curve_count; i++) {
        drawn += requests_of(&chart->curves[i]) > 0;
    }
    if (drawn == 0) {
        fill_empty(sheet);
        return;
    }
    double top_px = 78 + (double)drawn * KEY_ROW_PX;

    measure(chart, &scale);
    pb_sheet_frame(sheet, LEFT_PX, sheet->width - RIGHT_PX, top_px, sheet->height - BOTTOM_PX);
    pb_sheet_line(sheet,
                  "set key at screen %.5f,%.5f left top Left reverse vertical maxcols 1 "
                  "samplen 3.4 spacing 1.2 textcolor rgb '#222222'",
                  pb_sheet_x(sheet, LEFT_PX), pb_sheet_y(sheet, 58));
    emit_x_axis(sheet, &scale);
    pb_axis_emit_duration(sheet, &scale.axis);
    (void)snprintf(y_name, sizeof(y_name), "latency (%s)",
                   scale.axis.log ? "log scale" : scale.axis.unit);
    pb_sheet_axis_names(sheet, "percentile of ok requests (%)",
                        (LEFT_PX + sheet->width - RIGHT_PX) / 2.0, y_name,
                        (top_px + sheet->height - BOTTOM_PX) / 2);
    emit_unsure_zone(sheet, &scale);
    for (unsigned i = 0; i < chart->curve_count; i++) {
        plot_band(sheet, &chart->curves[i], i);
    }
    plot_limits(sheet, chart, &scale);
    if (chart->curve_count == 1 && chart->curves[0].count > 0) {
        name_marks(sheet, &chart->curves[0], &scale);
    }
    for (unsigned i = 0; i < chart->curve_count; i++) {
        if (requests_of(&chart->curves[i]) > 0) {
            plot_curve(sheet, chart, i);
        }
    }
    pb_sheet_plot_end(sheet);
}
