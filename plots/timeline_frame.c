#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/quantity.h"
#include "plots/axis.h"
#include "plots/nothing.h"
#include "plots/quote.h"
#include "plots/timeline_internal.h"

#define MARK_ROWS  3
#define FIRST_BAND 1000 /* number of the first band among gnuplot's objects */

/* Light enough for text and curves; phases that follow each other differ. */
static const char *const tints[] = { "#E8F1F8", "#FBEBDD", "#E5F3EC", "#F5EAF1", "#FDF5DC" };

double pb_timeline_x_px(const struct pb_timeline *timeline, double at_s)
{
    return PB_TIMELINE_LEFT_PX +
           at_s / timeline->end_s * (PB_TIMELINE_RIGHT_PX - PB_TIMELINE_LEFT_PX);
}

static const char *tint_of(const struct pb_stored_run *run, size_t i)
{
    return run->phases[i].record ? tints[i % PB_ARRAY_LEN(tints)] : "#E4E4E4";
}

void pb_timeline_shade(struct pb_timeline *timeline)
{
    for (size_t i = 0; i < timeline->run->phase_count; i++) {
        const struct pb_stored_phase *phase = &timeline->run->phases[i];

        if (phase->end_s <= phase->start_s) {
            continue;
        }
        pb_sheet_line(timeline->sheet,
                      "set object %zu rectangle from first %.9g, graph 0 to first %.9g, graph 1 "
                      "behind fillcolor rgb '%s' fillstyle solid 1 noborder",
                      i + 1, phase->start_s, fmin(phase->end_s, timeline->end_s),
                      tint_of(timeline->run, i));
    }
}

/* How long it lasted, in s; 0: it came and went at once.  One that nothing ended lasted to the end.
 */
static double length_s(const struct pb_timeline *timeline, const cJSON *fault, double at_s)
{
    double ended_s = pb_json_num(fault, "ended_ns", PB_NOTHING) / PB_NS_PER_S;
    bool lasts = strcmp(pb_json_str(fault, "kind", "kill_worker"), "kill_worker") != 0 &&
                 cJSON_HasObjectItem(fault, "ended_ns");

    if (isfinite(ended_s)) {
        return fmax(0, fmin(ended_s, timeline->end_s) - at_s);
    }
    return lasts && pb_json_int(fault, "workers", 0) > 0 ? timeline->end_s - at_s : 0;
}

/* Marks of the chart: faults, and changes of the pool. */
#define MARKS_MAX 128
struct mark {
    double at_s, length_s;
    const char *words; /* what it did, and when */
};

/* Adds those of one list of run.json that came to be before the run ended. */
static void add_marks(const struct pb_timeline *timeline, const char *list, const char *words,
                      const char *at, struct mark *marks, size_t *count)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, pb_json_at(timeline->run->json, list))
    {
        double at_s = pb_json_num(item, at, PB_NOTHING) / PB_NS_PER_S;

        if (at_s >= 0 && at_s <= timeline->end_s && *count < MARKS_MAX) {
            size_t place = (*count)++;

            for (; place > 0 && marks[place - 1].at_s > at_s; place--) {
                marks[place] = marks[place - 1];
            }
            marks[place] = (struct mark){ .at_s = at_s,
                                          .length_s = length_s(timeline, item, at_s),
                                          .words = pb_json_str(item, words, words) };
        }
    }
}

/* In order of time. */
static size_t find_marks(const struct pb_timeline *timeline, struct mark *marks)
{
    size_t count = 0;

    add_marks(timeline, "faults", "fault", "injected_ns", marks, &count);
    add_marks(timeline, "changes", "change", "made_ns", marks, &count);
    return count;
}

/* The upper row from which on this place is clear of labels, so that the line from the label down
 * crosses none; MARK_ROWS: none. */
static unsigned free_row(const double *row_end_px, double left_px)
{
    unsigned row = MARK_ROWS;

    while (row > 0 && row_end_px[row - 1] < left_px) {
        row--;
    }
    return row;
}

/* The label of a mark: what it did; when is what the line says. */
static void mark_label(const struct mark *mark, char *text, size_t size)
{
    const char *when = strstr(mark->words, " at ");

    (void)snprintf(text, size, "%.*s", when ? (int)(when - mark->words) : (int)strlen(mark->words),
                   mark->words);
}

/* Puts the label of one mark into a row, if there is room, and leads its line up to it. */
static unsigned place_label(struct pb_timeline *timeline, const char *text, double at_s,
                            double first_row_px, double *row_end_px)
{
    char label[PB_QUOTE_MAX_BYTES];
    double x_px = pb_timeline_x_px(timeline, at_s);

    pb_text_fit(text, 12, 330, label, sizeof(label));
    double width_px = pb_text_width(label, 12);
    bool left = x_px + width_px > timeline->sheet->width - 8;
    unsigned row = free_row(row_end_px, left ? x_px - width_px : x_px);

    if (row == MARK_ROWS) {
        return row;
    }
    double y_px = first_row_px + row * PB_MARK_ROW_PX;

    row_end_px[row] = left ? x_px : x_px + width_px + 10;
    pb_sheet_text(timeline->sheet, left ? x_px - 4 : x_px + 4, y_px,
                  left ? PB_ALIGN_RIGHT : PB_ALIGN_LEFT, PB_FONT_LABEL, label);
    pb_sheet_line(timeline->sheet,
                  "set arrow from first %.9g, graph 1 to first %.9g, screen %.5f nohead front "
                  "lc rgb '#111111' lw 1",
                  at_s, at_s, pb_sheet_y(timeline->sheet, y_px - 6));
    return row;
}

unsigned pb_timeline_mark_labels(struct pb_timeline *timeline, double first_row_px)
{
    struct mark marks[MARKS_MAX];
    size_t count = find_marks(timeline, marks);
    double row_end_px[MARK_ROWS] = { 0 };
    unsigned rows = 0;
    char text[PB_QUOTE_MAX_BYTES];

    for (size_t i = 0; i < count; i++) {
        mark_label(&marks[i], text, sizeof(text));
        unsigned row = place_label(timeline, text, marks[i].at_s, first_row_px, row_end_px);

        rows = row < MARK_ROWS && row + 1 > rows ? row + 1 : rows;
    }
    return rows;
}

void pb_timeline_mark_lines(struct pb_timeline *timeline)
{
    struct mark marks[MARKS_MAX];
    size_t count = find_marks(timeline, marks);

    for (size_t i = 0; i < count; i++) {
        pb_sheet_line(timeline->sheet,
                      "set arrow from first %.9g, graph 0 to first %.9g, graph 1 nohead front "
                      "lc rgb '#111111' lw 1.3 dt (8,3,2,3)",
                      marks[i].at_s, marks[i].at_s);
        if (marks[i].length_s > 0) {
            /* Over the phases' tints, which are the first objects, under the curves. */
            pb_sheet_line(
                timeline->sheet,
                "set object %zu rectangle from first %.9g, graph 0 to first %.9g, graph 1 "
                "behind fillcolor rgb '#111111' fillstyle transparent solid 0.10 noborder",
                FIRST_BAND + i, marks[i].at_s, marks[i].at_s + marks[i].length_s);
        }
    }
}

/* The second line of a phase's box: how it was loaded. */
static void describe_phase(const struct pb_stored_phase *phase, char *text, size_t size)
{
    char rate[PB_QUANTITY_TEXT];

    if (!phase->record) {
        (void)snprintf(text, size, "not recorded");
        return;
    }
    (void)snprintf(text, size, "%s %s", pb_json_str(phase->json, "arrival", ""),
                   pb_format_rate(pb_json_num(phase->json, "offered_rate_per_s", 0), rate));
}

static void name_phase(struct pb_timeline *timeline, const struct pb_stored_phase *phase,
                       double top_px)
{
    double from_px = pb_timeline_x_px(timeline, phase->start_s);
    double to_px = pb_timeline_x_px(timeline, fmin(phase->end_s, timeline->end_s));
    double middle_px = (from_px + to_px) / 2;
    char text[160], fitting[160];

    pb_text_fit(phase->name, 13, to_px - from_px - 6, fitting, sizeof(fitting));
    pb_sheet_text(timeline->sheet, middle_px, top_px + 13, PB_ALIGN_CENTER, PB_FONT_TEXT, fitting);
    describe_phase(phase, text, sizeof(text));
    pb_text_fit(text, 11, to_px - from_px - 4, fitting, sizeof(fitting));
    if (strcmp(fitting, text) == 0) {
        pb_sheet_text(timeline->sheet, middle_px, top_px + 29, PB_ALIGN_CENTER, PB_FONT_SMALL,
                      fitting);
    }
}

void pb_timeline_strip(struct pb_timeline *timeline, double top_px, double bottom_px)
{
    struct pb_sheet *sheet = timeline->sheet;

    pb_sheet_frame(sheet, PB_TIMELINE_LEFT_PX, PB_TIMELINE_RIGHT_PX, top_px, bottom_px);
    for (size_t i = 0; i < timeline->run->phase_count; i++) {
        name_phase(timeline, &timeline->run->phases[i], top_px);
        if (i > 0) {
            pb_sheet_line(sheet,
                          "set arrow from first %.9g, graph 0 to first %.9g, graph 1 nohead front "
                          "lc rgb '#FFFFFF' lw 2",
                          timeline->run->phases[i].start_s, timeline->run->phases[i].start_s);
        }
    }
    pb_axis_emit_seconds(sheet, timeline->end_s, true);
    pb_sheet_axis_names(
        sheet,
        "time since the start of the first phase   (grey: not recorded; darker: a fault at work)",
        (PB_TIMELINE_LEFT_PX + PB_TIMELINE_RIGHT_PX) / 2.0, NULL, 0);
    pb_sheet_line(sheet, "set yrange [0:1]; unset ytics; unset grid; set border 1");
    pb_sheet_plot(sheet, NULL, "NaN");
    pb_sheet_plot_end(sheet);
}

/* Does a limit's phase cover this instant? */
static bool covers(const struct pb_stored_run *run, const struct pb_limit *limit, double at_s)
{
    bool all = strcmp(limit->phase, "all") == 0;

    for (size_t i = 0; i < run->phase_count; i++) {
        const struct pb_stored_phase *phase = &run->phases[i];

        if (phase->record && at_s >= phase->start_s && at_s < phase->end_s &&
            (all || strcmp(limit->phase, phase->name) == 0)) {
            return true;
        }
    }
    return false;
}

double pb_timeline_p99_limit(const struct pb_timeline *timeline, double at_s)
{
    for (size_t i = 0; i < timeline->limit_count; i++) {
        const struct pb_limit *limit = &timeline->limits[i];

        if (fabs(limit->quantile - 0.99) < 1e-6 && covers(timeline->run, limit, at_s)) {
            return limit->ms;
        }
    }
    return PB_NOTHING;
}
