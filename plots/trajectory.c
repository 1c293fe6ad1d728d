#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "plots/axis.h"
#include "plots/charts.h"
#include "plots/nothing.h"
#include "plots/trajectory_internal.h"

#define LEFT_PX       96
#define RIGHT_PX      28
#define HEAD_PX       60
#define KEY_PX        34
#define P99_PX        330
#define PARAM_PX      120
#define STRIP_PX      24
#define FOOT_PX       56
#define LOG_RATIO     6 /* largest to smallest p99 from which the axis is logarithmic */
#define KEY_ROW_PX    20
#define VISIBLE_RATIO 1.03 /* a smaller range hides behind its points */
#define TITLE_TEXT    "How it was tuned: "

/* Shapes before colours: each fate has its own. */
static const struct {
    const char *name;
    const char *colour;
    int point;
} fates[] = {
    [PB_FATE_INCUMBENT] = { "incumbent", PB_BLUE, 6 },
    [PB_FATE_ORIGINAL] = { "original, to compare with", "#000000", 10 },
    [PB_FATE_ACCEPTED] = { "accepted", PB_GREEN, 7 },
    [PB_FATE_NO_BETTER] = { "rolled back: no better", PB_GREY, 4 },
    [PB_FATE_ROLLED_BACK] = { "rolled back: objective broken", PB_VERMILION, 2 },
    [PB_FATE_OPEN] = { "no decision yet", PB_PURPLE, 8 },
    [PB_FATE_INVALID] = { "invalid run", "#000000", 1 },
};
_Static_assert(PB_ARRAY_LEN(fates) == PB_FATE_COUNT, "a shape for each fate");

static double right_px(const struct pb_trajectory *t)
{
    return t->sheet->width - RIGHT_PX;
}

static void put_value(struct pb_buf *out, double value)
{
    if (isfinite(value)) {
        pb_buf_printf(out, "\t%.9g", value);
    } else {
        pb_buf_puts(out, "\tNaN");
    }
}

/* Block 0: one line a trial, p99 and parameters; the fate is a column that plots filter by. */
static void put_trials(struct pb_trajectory *t)
{
    struct pb_buf *out = &t->sheet->data;

    (void)pb_sheet_block(t->sheet, "trial\tfate\tp99_ms\tthen a pair for each parameter: tried, "
                                   "incumbent");
    for (size_t i = 0; i < t->journal.count; i++) {
        const struct pb_journal_trial *trial = &t->journal.trials[i];

        pb_buf_printf(out, "%zu\t%d", i + 1, (int)trial->fate);
        put_value(out, trial->p99_ms);
        for (size_t p = 0; p < t->param_count; p++) {
            put_value(out, pb_param_value(&t->params[p], trial->setting));
            put_value(out, pb_param_value(&t->params[p], trial->incumbent));
        }
        pb_buf_puts(out, "\n");
    }
}

/* Trials of one setting that follow each other. */
static size_t group_end(const struct pb_trajectory *t, size_t first)
{
    size_t i = first + 1;

    while (i < t->journal.count &&
           pb_setting_same(t->journal.trials[i].setting, t->journal.trials[first].setting) &&
           strcmp(t->journal.trials[i].stage, t->journal.trials[first].stage) == 0) {
        i++;
    }
    return i;
}

/* Block 1: the range of p99 over the repeats of a setting. */
static void put_ranges(struct pb_trajectory *t)
{
    (void)pb_sheet_block(t->sheet, "middle_trial\tlowest_p99_ms\thighest_p99_ms\tfirst\tlast");
    for (size_t i = 0, end; i < t->journal.count; i = end) {
        double low = PB_ENDLESS, high = 0;

        end = group_end(t, i);
        for (size_t k = i; k < end; k++) {
            low = fmin(low, t->journal.trials[k].p99_ms);
            high = fmax(high, t->journal.trials[k].p99_ms);
        }
        if (end - i > 1 && high > low * VISIBLE_RATIO) {
            pb_buf_printf(&t->sheet->data, "%.6g\t%.6g\t%.6g\t%zu\t%zu\n",
                          (double)(i + 1 + end) / 2, low, high, i + 1, end);
            t->ranges++;
        }
    }
}

/* The limit of a p99 objective, or NAN: durations are large numbers of ns. */
static double p99_limit_ms(const struct pb_journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        const cJSON *objective;

        cJSON_ArrayForEach(objective, pb_json_at(journal->trials[i].line, "objectives"))
        {
            double limit_ns = pb_json_num(objective, "limit", PB_NOTHING);

            if (limit_ns > 1000 &&
                fabs(pb_json_num(objective, "bad_limit", PB_NOTHING) - 0.01) < 1e-9) {
                return limit_ns / 1e6;
            }
        }
    }
    return PB_NOTHING;
}

static void begin_panel(struct pb_trajectory *t, double top_px, double bottom_px, const char *name)
{
    pb_sheet_frame(t->sheet, LEFT_PX, right_px(t), top_px, bottom_px);
    pb_sheet_text(t->sheet, LEFT_PX, top_px - 12, PB_ALIGN_LEFT, PB_FONT_TEXT, name);
}

static void end_panel(struct pb_trajectory *t)
{
    pb_sheet_plot_end(t->sheet);
    pb_sheet_line(t->sheet, "unset label; unset arrow; unset key; unset logscale y");
}

static bool has_fate(const struct pb_trajectory *t, int fate)
{
    for (size_t i = 0; i < t->journal.count; i++) {
        if ((int)t->journal.trials[i].fate == fate) {
            return true;
        }
    }
    return false;
}

/* The points of column `column`, each fate with its shape. */
static void plot_fates(struct pb_trajectory *t, int column)
{
    for (int fate = 0; fate < PB_FATE_COUNT; fate++) {
        if (has_fate(t, fate)) {
            pb_sheet_plot(t->sheet, NULL,
                          "'%s.tsv' index 0 using 1:($2==%d?$%d:NaN) with points pt %d ps 1.1 "
                          "lw 1.8 lc rgb '%s'",
                          t->sheet->name, fate, column, fates[fate].point, fates[fate].colour);
        }
    }
}

/* The shapes and their meaning in as many rows as they need; rows are counted without drawing when
 * `draw` is false.  The height of all rows. */
static double legend(struct pb_trajectory *t, bool draw)
{
    double x_px = LEFT_PX, y_px = HEAD_PX + 12;

    for (int fate = 0; fate < PB_FATE_COUNT; fate++) {
        double width_px = 38 + pb_text_width(fates[fate].name, 13);

        if (!has_fate(t, fate)) {
            continue;
        }
        if (x_px > LEFT_PX && x_px + width_px > right_px(t)) {
            x_px = LEFT_PX;
            y_px += KEY_ROW_PX;
        }
        if (draw) {
            pb_sheet_label(t->sheet, "",
                           "at screen %.5f,%.5f point pt %d ps 1.1 lw 1.8 lc rgb '%s'",
                           pb_sheet_x(t->sheet, x_px + 6), pb_sheet_y(t->sheet, y_px),
                           fates[fate].point, fates[fate].colour);
            pb_sheet_text(t->sheet, x_px + 18, y_px, PB_ALIGN_LEFT, PB_FONT_TEXT, fates[fate].name);
        }
        x_px += width_px;
    }
    if (t->ranges > 0 && draw && x_px + 200 < right_px(t)) {
        pb_sheet_text(t->sheet, x_px, y_px, PB_ALIGN_LEFT, PB_FONT_TEXT,
                      "grey bands: range of repeats");
    }
    return y_px + KEY_ROW_PX - 2;
}

static void p99_axis(struct pb_trajectory *t, double limit_ms, double middle_px)
{
    double low = PB_ENDLESS, high = 0;
    struct pb_axis axis;
    char name[32];

    for (size_t i = 0; i < t->journal.count; i++) {
        low = fmin(low, t->journal.trials[i].p99_ms);
        high = fmax(high, t->journal.trials[i].p99_ms);
    }
    if (!isnan(limit_ms)) {
        low = fmin(low, limit_ms);
        high = fmax(high, limit_ms);
    }
    if (!isfinite(low)) {
        low = high = 1;
    }
    pb_axis_duration(&axis, low, high, high > LOG_RATIO * low);
    pb_axis_emit_duration(t->sheet, &axis);
    (void)snprintf(name, sizeof(name), "p99 (%s)", axis.log ? "log scale" : axis.unit);
    pb_sheet_axis_names(t->sheet, NULL, 0, name, middle_px);
}

static void draw_p99(struct pb_trajectory *t, double top_px, double bottom_px)
{
    double limit_ms = p99_limit_ms(&t->journal);
    char text[64], quantity[PB_QUANTITY_TEXT];

    begin_panel(t, top_px, bottom_px, "");
    (void)legend(t, true);
    p99_axis(t, limit_ms, (top_px + bottom_px) / 2);
    if (!isnan(limit_ms)) {
        pb_sheet_line(t->sheet,
                      "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead back "
                      "lc rgb '" PB_LIMIT "' lw 1.5 dt (2,3)",
                      limit_ms, limit_ms);
        (void)snprintf(text, sizeof(text), "p99 < %s",
                       pb_format_duration((int64_t)llround(limit_ms * 1e6), quantity));
        pb_sheet_label(t->sheet, text,
                       "at graph 0, first %.9g left offset character 0.6,0.6 font ',12' "
                       "textcolor rgb '" PB_LIMIT "'",
                       limit_ms);
    }
    if (t->ranges > 0) {
        pb_sheet_plot(t->sheet, NULL,
                      "'%s.tsv' index 1 using 1:2:($4-0.3):($5+0.3):2:3 with boxxyerror "
                      "fc rgb '#999999' fs transparent solid 0.35 noborder",
                      t->sheet->name);
    }
    plot_fates(t, 3);
    end_panel(t);
}

static void draw_param(struct pb_trajectory *t, size_t p, double top_px, double bottom_px)
{
    struct pb_param *param = &t->params[p];
    int column = 4 + 2 * (int)p;
    char name[160];

    (void)snprintf(name, sizeof(name), "%s%s", param->path,
                   p == 0 ? "   (line: the incumbent)" : "");
    begin_panel(t, top_px, bottom_px, name);
    pb_param_axis(t, param);
    pb_sheet_plot(t->sheet, NULL,
                  "'%s.tsv' index 0 using 1:%d with steps lw 1.6 lc rgb '#777777' dt (9,3)",
                  t->sheet->name, column + 1);
    plot_fates(t, column);
    end_panel(t);
}

static size_t stage_end(const struct pb_trajectory *t, size_t first)
{
    size_t i = first + 1;

    while (i < t->journal.count &&
           strcmp(t->journal.trials[i].stage, t->journal.trials[first].stage) == 0) {
        i++;
    }
    return i;
}

/* Shades the stages of every panel to come and names them in the strip. */
static void draw_stages(struct pb_trajectory *t, double strip_px, bool names)
{
    static const char *const tints[] = { "#F1F1F1", "#FFFFFF", "#E8F1F8" };
    double span_px = right_px(t) - LEFT_PX, from = 0.5, to = (double)t->journal.count + 0.5;
    char text[64];
    int tint = 0;

    for (size_t i = 0, end; i < t->journal.count; i = end, tint++) {
        end = stage_end(t, i);
        double a = (double)i + 0.5, b = (double)end + 0.5;

        if (!names) {
            pb_sheet_line(t->sheet,
                          "set object %d rectangle from first %.9g, graph 0 to first %.9g, graph 1 "
                          "behind fillcolor rgb '%s' fillstyle solid 1 noborder",
                          tint + 1, a, b, tints[tint % (int)PB_ARRAY_LEN(tints)]);
            continue;
        }
        pb_text_fit(t->journal.trials[i].stage, 12, (b - a) / (to - from) * span_px - 4, text,
                    sizeof(text));
        pb_sheet_text(t->sheet, LEFT_PX + ((a + b) / 2 - from) / (to - from) * span_px,
                      strip_px + STRIP_PX / 2.0, PB_ALIGN_CENTER, PB_FONT_LABEL, text);
    }
}

static void emit_trial_axis(struct pb_trajectory *t, bool labels)
{
    size_t n = t->journal.count;
    int step = (int)fmax(1, pb_axis_step((double)n, 15));

    pb_sheet_line(t->sheet, "set xrange [0.5:%zu.5]", n);
    if (labels) {
        pb_sheet_line(t->sheet, "set xtics %d,%d,%zu format '%%g'", step, step, n);
    } else {
        pb_sheet_line(t->sheet, "set xtics %d,%d,%zu format ''", step, step, n);
    }
}

static void draw_panels(struct pb_trajectory *t)
{
    double top_px = legend(t, false), bottom_px = top_px + P99_PX;

    emit_trial_axis(t, false);
    draw_stages(t, 0, false);
    draw_p99(t, top_px, bottom_px);
    for (size_t p = 0; p < t->param_count; p++) {
        top_px = bottom_px + KEY_PX - 4;
        bottom_px = top_px + PARAM_PX;
        draw_param(t, p, top_px, bottom_px);
    }
    pb_sheet_frame(t->sheet, LEFT_PX, right_px(t), bottom_px + 8, bottom_px + 8 + STRIP_PX);
    draw_stages(t, bottom_px + 8, true);
    emit_trial_axis(t, true);
    pb_sheet_line(t->sheet, "set yrange [0:1]; unset ytics; unset grid; set border 1");
    pb_sheet_axis_names(t->sheet, "trial (one real run each)", (LEFT_PX + right_px(t)) / 2, NULL,
                        0);
    pb_sheet_plot(t->sheet, NULL, "NaN");
    pb_sheet_plot_end(t->sheet);
}

/* One line about the outcome, from recommendation.json when the tune has come so far. */
static enum pb_status describe(const char *folder, const struct pb_trajectory *t, char *text,
                               size_t size, struct pb_error *err)
{
    struct pb_json *json = NULL;

    if (!pb_stored_has(folder, "recommendation.json")) {
        (void)snprintf(text, size, "%zu trials so far · not finished", t->journal.count);
        return PB_OK;
    }
    PB_TRY(pb_stored_json_read(folder, "recommendation.json", &json, err));
    (void)snprintf(text, size, "%zu trials · %s · %s", t->journal.count,
                   pb_json_str(pb_json_root(json), "answer", "?"),
                   pb_json_str(pb_json_root(json), "reason", ""));
    pb_json_free(json);
    return PB_OK;
}

static void fill(struct pb_trajectory *t, const char *subtitle)
{
    char title[PB_TITLE_SIZE];

    (void)snprintf(title, sizeof(title), TITLE_TEXT "%s",
                   pb_json_str(t->journal.header, "scenario", "?"));
    pb_sheet_head(t->sheet, 24, title, subtitle);
    if (t->journal.count == 0) {
        pb_sheet_text(t->sheet, t->sheet->width / 2.0, t->sheet->height / 2.0, PB_ALIGN_CENTER,
                      PB_FONT_NOTE, "No trial has been measured yet.");
        pb_sheet_line(t->sheet, "unset border; unset tics");
        pb_sheet_plot(t->sheet, NULL, "[0:1][0:1] NaN");
        pb_sheet_plot_end(t->sheet);
        return;
    }
    put_trials(t);
    put_ranges(t);
    pb_sheet_line(t->sheet, "set multiplot");
    draw_panels(t);
    pb_sheet_line(t->sheet, "unset multiplot");
}

enum pb_status pb_trajectory_draw(const char *folder, struct pb_studio *studio,
                                  struct pb_error *err)
{
    PB_CLEANUP(pb_sheet_done) struct pb_sheet sheet = { 0 };
    struct pb_trajectory *t = calloc(1, sizeof(*t));
    char subtitle[PB_TITLE_SIZE];

    if (!t) {
        return pb_fail(err, PB_ENOMEM, "no memory for a chart");
    }
    enum pb_status status = pb_journal_load(folder, &t->journal, err);

    if (status == PB_OK) {
        status = describe(folder, t, subtitle, sizeof(subtitle), err);
    }
    if (status == PB_OK) {
        sheet.width = PB_CHART_WIDTH;
        t->sheet = &sheet;
        pb_params_find(t);
        pb_sheet_init(&sheet, PB_TRAJECTORY_NAME, PB_CHART_WIDTH,
                      (int)legend(t, false) + P99_PX + FOOT_PX + STRIP_PX + 8 +
                          (int)t->param_count * (PARAM_PX + KEY_PX - 4));
        fill(t, subtitle);
        status = pb_sheet_draw(&sheet, studio, err);
    }
    pb_journal_done(&t->journal);
    free(t);
    return status;
}
