#include "plots/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "plots/axis.h"
#include "plots/nothing.h"
#include "plots/timeline_internal.h"

#define HEAD_PX      56 /* title and subtitle */
#define KEY_PX       30 /* above each panel: its name and its key */
#define STRIP_PX     40 /* the boxes with the phase names */
#define FOOT_PX      58 /* the time axis below them */
#define LOG_LOW_MS   1e-5
#define LOSSES_DRAWN 200

/* Shares of the panels in what height is left. */
static const double shares[] = { 0.22, 0.36, 0.19, 0.23 };

/* NAN counts for nothing. */
static double larger(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static double weighted(double value, double weight)
{
    return isnan(value) ? 0 : value * weight;
}

/* Joins `count` windows: means by length of rates and loads, the worst of percentiles. */
static void join(const struct pb_stored_window *from, size_t count, struct pb_stored_window *ret)
{
    struct pb_stored_window sum = { .p50_ms = PB_NOTHING,
                                    .p95_ms = PB_NOTHING,
                                    .p99_ms = PB_NOTHING };
    double length_s = 0;

    for (size_t i = 0; i < count; i++) {
        length_s += from[i].length_s;
    }
    for (size_t i = 0; i < count; i++) {
        const struct pb_stored_window *w = &from[i];
        double weight = w->length_s / length_s;

        sum.offered_per_s += weighted(w->offered_per_s, weight);
        sum.achieved_per_s += weighted(w->achieved_per_s, weight);
        sum.not_ok_per_s += weighted(w->not_ok_per_s, weight);
        sum.busy_ratio += weighted(w->busy_ratio, weight);
        sum.queue_mean += weighted(w->queue_mean, weight);
        sum.overflow_mean += weighted(w->overflow_mean, weight);
        sum.queue_peak = larger(sum.queue_peak, w->queue_peak);
        sum.p50_ms = larger(sum.p50_ms, w->p50_ms);
        sum.p95_ms = larger(sum.p95_ms, w->p95_ms);
        sum.p99_ms = larger(sum.p99_ms, w->p99_ms);
    }
    sum.start_s = from[0].start_s;
    sum.length_s = length_s;
    *ret = sum;
}

/* The run's end cuts the last window short: a rate over a few ms would be the highest of all. */
static void join_rest(struct pb_timeline *timeline)
{
    size_t n = timeline->count;

    if (n > 1 && timeline->windows[n - 1].length_s < timeline->windows[0].length_s / 2) {
        join(&timeline->windows[n - 2], 2, &timeline->windows[n - 2]);
        timeline->count--;
    }
}

static enum pb_status take_windows(struct pb_timeline *timeline, struct pb_error *err)
{
    const struct pb_stored_run *run = timeline->run;
    size_t step = (run->window_count + PB_POINTS_MAX - 1) / PB_POINTS_MAX;

    timeline->merged = step > 0 ? step : 1;
    timeline->windows = calloc(PB_POINTS_MAX + 1, sizeof(*timeline->windows));
    if (!timeline->windows) {
        return pb_fail(err, PB_ENOMEM, "no memory for a timeline");
    }
    for (size_t i = 0; i < run->window_count; i += timeline->merged) {
        size_t left = run->window_count - i;
        struct pb_stored_window *window = &timeline->windows[timeline->count++];

        *window = run->windows[i];
        if (timeline->merged > 1) {
            join(&run->windows[i], left < timeline->merged ? left : timeline->merged, window);
        }
    }
    join_rest(timeline);
    timeline->end_s = 1e-3;
    for (size_t i = 0; i < run->phase_count; i++) {
        timeline->end_s = fmax(timeline->end_s, run->phases[i].end_s);
    }
    if (run->window_count > 0) {
        const struct pb_stored_window *last = &run->windows[run->window_count - 1];

        timeline->end_s = fmax(timeline->end_s, last->start_s + last->length_s);
    }
    return PB_OK;
}

static void put_number(struct pb_buf *out, double value)
{
    if (isfinite(value)) {
        pb_buf_printf(out, "\t%.6g", value);
    } else {
        pb_buf_puts(out, "\tNaN");
    }
}

/* One block; the numbers of its columns are those of the plot commands below. */
static void put_data(struct pb_timeline *timeline)
{
    struct pb_buf *out = &timeline->sheet->data;

    (void)pb_sheet_block(timeline->sheet,
                         "middle_s\toffered_per_s\tachieved_per_s\tnot_ok_per_s\tp50_ms\tp95_ms\t"
                         "p99_ms\tp99_over_limit_ms\tbusy_pct\tqueue_mean\tqueue_peak\t"
                         "overflow_workers\tstart_s\tlength_s");
    for (size_t i = 0; i < timeline->count; i++) {
        const struct pb_stored_window *w = &timeline->windows[i];
        double middle_s = w->start_s + w->length_s / 2;
        bool over = w->p99_ms >= pb_timeline_p99_limit(timeline, middle_s);
        double values[] = { w->offered_per_s,
                            w->achieved_per_s,
                            w->not_ok_per_s,
                            w->p50_ms,
                            w->p95_ms,
                            w->p99_ms,
                            over ? w->p99_ms : PB_NOTHING,
                            100 * w->busy_ratio,
                            w->queue_mean,
                            w->queue_peak,
                            w->overflow_mean,
                            w->start_s,
                            w->length_s };

        pb_buf_printf(out, "%.6g", middle_s);
        for (size_t v = 0; v < PB_ARRAY_LEN(values); v++) {
            put_number(out, values[v]);
        }
        pb_buf_puts(out, "\n");
    }
}

static double highest(const struct pb_timeline *timeline,
                      double (*value_of)(const struct pb_stored_window *window))
{
    double high = 0;

    for (size_t i = 0; i < timeline->count; i++) {
        high = larger(high, value_of(&timeline->windows[i]));
    }
    return high;
}

/* Starts a panel: frame, name above it at the left, key above it at the right.  The names of the
 * faults stand between these and the first panel. */
static void begin_panel(struct pb_timeline *timeline, double top_px, double bottom_px,
                        const char *name)
{
    struct pb_sheet *sheet = timeline->sheet;
    double key_px = top_px == timeline->top_px ? HEAD_PX + KEY_PX : top_px;

    pb_sheet_frame(sheet, PB_TIMELINE_LEFT_PX, PB_TIMELINE_RIGHT_PX, top_px, bottom_px);
    pb_sheet_line(sheet,
                  "set key at screen %.5f,%.5f right bottom horizontal Left reverse maxrows 1 "
                  "samplen 2.6 spacing 1 textcolor rgb '#222222'",
                  pb_sheet_x(sheet, PB_TIMELINE_RIGHT_PX), pb_sheet_y(sheet, key_px - 4));
    pb_sheet_text(sheet, PB_TIMELINE_LEFT_PX, key_px - 12, PB_ALIGN_LEFT, PB_FONT_TEXT, name);
    pb_timeline_mark_lines(timeline);
}

/* Labels and arrows of this panel are not the next one's. */
static void end_panel(struct pb_timeline *timeline)
{
    pb_sheet_plot_end(timeline->sheet);
    pb_sheet_line(timeline->sheet, "unset label; unset arrow");
}

/* A curve over the windows; markers at about 24 of its points. */
static void curve(struct pb_timeline *timeline, const char *title, int column, const char *look,
                  int point)
{
    size_t every = timeline->count / 24 + 1;

    pb_sheet_plot(timeline->sheet, title,
                  "'%s.tsv' using 1:%d with linespoints %s pt %d ps 0.55 pi %zu",
                  timeline->sheet->name, column, look, point, every);
}

static double rate_of(const struct pb_stored_window *window)
{
    return larger(window->offered_per_s, window->achieved_per_s);
}

static double not_ok_of(const struct pb_stored_window *window)
{
    return window->not_ok_per_s;
}

static void panel_rate(struct pb_timeline *timeline, double top_px, double bottom_px)
{
    begin_panel(timeline, top_px, bottom_px, "Rate (requests/s)");
    pb_axis_emit_linear(timeline->sheet, "y", highest(timeline, rate_of), 5);
    curve(timeline, "offered", 2, "lc rgb '#777777' lw 3", 6);
    curve(timeline, "achieved", 3, "lc rgb '" PB_BLUE "' lw 1.6 dt (9,3)", 7);
    if (highest(timeline, not_ok_of) > 0) {
        curve(timeline, "not ok", 4, "lc rgb '" PB_VERMILION "' lw 1.6 dt (3,2)", 9);
    }
    end_panel(timeline);
}

/* A limit as a dotted line across the phases it is about, named once. */
static void draw_limit(struct pb_timeline *timeline, const struct pb_limit *limit, bool name)
{
    const struct pb_stored_run *run = timeline->run;
    bool all = strcmp(limit->phase, "all") == 0;

    for (size_t i = 0; i < run->phase_count; i++) {
        const struct pb_stored_phase *phase = &run->phases[i];

        if (!phase->record || !(all || strcmp(limit->phase, phase->name) == 0)) {
            continue;
        }
        pb_sheet_line(timeline->sheet,
                      "set arrow from first %.9g, first %.9g to first %.9g, first %.9g nohead "
                      "front lc rgb '" PB_LIMIT "' lw 1.5 dt (2,3)",
                      phase->start_s, limit->ms, fmin(phase->end_s, timeline->end_s), limit->ms);
        if (name) {
            pb_sheet_label(timeline->sheet, limit->text,
                           "at first %.9g, first %.9g left offset character 0.5,0.55 "
                           "font ',12' textcolor rgb '" PB_LIMIT "'",
                           phase->start_s, limit->ms);
            name = false;
        }
    }
}

static bool named_before(const struct pb_timeline *timeline, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(timeline->limits[k].text, timeline->limits[i].text) == 0) {
            return true;
        }
    }
    return false;
}

/* The range of latencies and limits; false: no window has a latency. */
static bool latency_range(const struct pb_timeline *timeline, double *ret_low, double *ret_high)
{
    double low = PB_ENDLESS, high = 0;

    for (size_t i = 0; i < timeline->count; i++) {
        const struct pb_stored_window *w = &timeline->windows[i];

        if (w->p50_ms > 0) {
            low = fmin(low, w->p50_ms);
        }
        high = larger(high, w->p99_ms);
    }
    bool any = high > 0;

    for (size_t i = 0; i < timeline->limit_count; i++) {
        low = fmin(low, timeline->limits[i].ms);
        high = fmax(high, timeline->limits[i].ms);
    }
    *ret_low = fmax(isfinite(low) ? low : 1, LOG_LOW_MS);
    *ret_high = fmax(high, *ret_low * 2);
    return any;
}

static void panel_latency(struct pb_timeline *timeline, double top_px, double bottom_px)
{
    struct pb_sheet *sheet = timeline->sheet;
    struct pb_axis axis;
    double low_ms, high_ms;
    bool any = latency_range(timeline, &low_ms, &high_ms), over = false;

    begin_panel(timeline, top_px, bottom_px, "Latency of ok requests (log scale)");
    pb_axis_duration(&axis, low_ms, high_ms, true);
    pb_axis_emit_duration(sheet, &axis);
    for (size_t i = 0; i < timeline->limit_count; i++) {
        draw_limit(timeline, &timeline->limits[i], !named_before(timeline, i));
    }
    if (!any) {
        pb_sheet_text(sheet, sheet->width / 2.0, (top_px + bottom_px) / 2, PB_ALIGN_CENTER,
                      PB_FONT_NOTE, "no request ended ok");
    }
    for (size_t i = 0; i < timeline->count; i++) {
        const struct pb_stored_window *w = &timeline->windows[i];

        over |= w->p99_ms >= pb_timeline_p99_limit(timeline, w->start_s + w->length_s / 2);
    }
    curve(timeline, "p50", 5, "lc rgb '" PB_GREEN "' lw 1.6 dt (3,2)", 9);
    curve(timeline, "p95", 6, "lc rgb '" PB_ORANGE "' lw 1.6 dt (9,3)", 5);
    curve(timeline, "p99", 7, "lc rgb '" PB_BLUE "' lw 2.2", 7);
    if (over) {
        pb_sheet_plot(sheet, "p99 over limit",
                      "'%s.tsv' using 1:8 with points pt 2 ps 0.9 lw 2 lc rgb '" PB_LIMIT "'",
                      sheet->name);
    }
    end_panel(timeline);
    pb_sheet_line(sheet, "unset logscale y");
}

/* Workers that died by themselves, from above; those of faults have their lines already. */
static void draw_losses(struct pb_timeline *timeline)
{
    const cJSON *loss;
    int drawn = 0;

    cJSON_ArrayForEach(loss, pb_json_at(timeline->run->json, "recovery.losses"))
    {
        double at_s = pb_json_num(loss, "lost_at_ns", PB_NOTHING) / 1e9;

        if (cJSON_IsNumber(pb_json_at(loss, "fault")) || isnan(at_s) || drawn++ >= LOSSES_DRAWN) {
            continue;
        }
        pb_sheet_line(timeline->sheet,
                      "set arrow from first %.9g, graph 1.06 to first %.9g, graph 0.94 head size "
                      "graph 0.006,30 filled front lc rgb '" PB_VERMILION "' lw 1.6",
                      at_s, at_s);
    }
}

static void panel_busy(struct pb_timeline *timeline, double top_px, double bottom_px)
{
    struct pb_sheet *sheet = timeline->sheet;
    double low = PB_NOTHING, high = PB_NOTHING;

    begin_panel(timeline, top_px, bottom_px, "Busy (% of the workers alive)");
    pb_sheet_line(sheet, "set yrange [0:105]; set ytics (0,25,50,75,100)");
    (void)pb_limits_busy(timeline->run->json, &low, &high);
    for (int side = 0; side < 2; side++) {
        double bound = side ? high : low;

        if (bound >= 0 && bound <= 1) {
            pb_sheet_line(sheet,
                          "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead front "
                          "lc rgb '" PB_LIMIT "' lw 1.5 dt (2,3)",
                          100 * bound, 100 * bound);
        }
    }
    pb_sheet_plot(sheet, NULL,
                  "'%s.tsv' using 1:9 with filledcurves y1=0 fc rgb '" PB_SKY
                  "' fs transparent solid 0.35 noborder",
                  sheet->name);
    draw_losses(timeline);
    curve(timeline, "busy", 9, "lc rgb '" PB_BLUE "' lw 1.6", 7);
    if (isfinite(low) || isfinite(high)) {
        pb_sheet_plot(sheet, "objective",
                      "keyentry with lines lc rgb '" PB_LIMIT "' lw 1.5 dt (2,3)");
    }
    end_panel(timeline);
}

static double queue_of(const struct pb_stored_window *window)
{
    return larger(window->queue_mean, window->queue_peak);
}

static double overflow_of(const struct pb_stored_window *window)
{
    return window->overflow_mean;
}

static void panel_queue(struct pb_timeline *timeline, double top_px, double bottom_px)
{
    struct pb_sheet *sheet = timeline->sheet;
    bool overflow = pb_json_int(timeline->run->json, "pool.max_overflow", 0) > 0;

    begin_panel(timeline, top_px, bottom_px,
                overflow ? "Queue (requests waiting); right axis: overflow workers"
                         : "Queue (requests waiting)");
    pb_axis_emit_linear(sheet, "y", highest(timeline, queue_of), 5);
    curve(timeline, "queue, highest", 11, "lc rgb '" PB_GREEN "' lw 1.4 dt (3,2)", 8);
    curve(timeline, "queue, mean", 10, "lc rgb '" PB_BLUE "' lw 2", 7);
    if (overflow) {
        pb_sheet_line(sheet, "set border 11");
        pb_axis_emit_linear(sheet, "y2", fmax(highest(timeline, overflow_of), 1), 4);
        pb_sheet_plot(sheet, "overflow, mean",
                      "'%s.tsv' using 1:12 axes x1y2 with linespoints lc rgb '" PB_VERMILION
                      "' lw 1.8 dt (9,3) pt 5 ps 0.55 pi %zu",
                      sheet->name, timeline->count / 24 + 1);
    }
    end_panel(timeline);
    pb_sheet_line(sheet, "unset y2tics; set border 3");
}

static void draw_panels(struct pb_timeline *timeline)
{
    static void (*const panels[])(struct pb_timeline *, double,
                                  double) = { panel_rate, panel_latency, panel_busy, panel_queue };
    double strip_px = PB_TIMELINE_HEIGHT - FOOT_PX - STRIP_PX;
    size_t gaps = PB_ARRAY_LEN(shares) - 1;
    double room_px = strip_px - 10 - timeline->top_px - (double)gaps * KEY_PX;
    double top_px = timeline->top_px;

    pb_axis_emit_seconds(timeline->sheet, timeline->end_s, false);
    for (size_t i = 0; i < PB_ARRAY_LEN(shares); i++) {
        double bottom_px = top_px + shares[i] * room_px;

        panels[i](timeline, top_px, bottom_px);
        top_px = bottom_px + KEY_PX;
    }
    pb_timeline_strip(timeline, strip_px, PB_TIMELINE_HEIGHT - FOOT_PX);
}

enum pb_status pb_timeline_fill(const struct pb_stored_run *run, const char *title,
                                const char *subtitle, struct pb_sheet *sheet, struct pb_error *err)
{
    struct pb_timeline timeline = { .run = run, .sheet = sheet };
    char text[320];

    PB_TRY(take_windows(&timeline, err));
    timeline.limit_count = pb_limits_latency(run->json, timeline.limits);
    (void)snprintf(text, sizeof(text), "%s", subtitle);
    if (timeline.merged > 1) {
        (void)snprintf(text, sizeof(text),
                       "%s · each point joins %zu windows: mean load, worst percentile", subtitle,
                       timeline.merged);
    }
    pb_sheet_line(sheet, "set multiplot");
    pb_sheet_head(sheet, 24, title, text);
    put_data(&timeline);
    pb_timeline_shade(&timeline);
    unsigned rows = pb_timeline_mark_labels(&timeline, HEAD_PX + KEY_PX + 8);

    timeline.top_px = HEAD_PX + KEY_PX + (rows > 0 ? rows * PB_MARK_ROW_PX + 4 : 0);
    draw_panels(&timeline);
    pb_sheet_line(sheet, "unset multiplot");
    free(timeline.windows);
    return PB_OK;
}
