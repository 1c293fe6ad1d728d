/*
 * plots/sheet.h - one chart in the making: its gnuplot script and its data, then the picture.
 *
 * NAME.gp draws NAME.svg from NAME.tsv and can be run again by hand in the charts folder.  Text
 * and places are in pixels from the upper left corner, so that what is beside the axes can be laid
 * out here rather than guessed by gnuplot.  Failures stick in the buffers; _draw tells.
 */
#ifndef PB_PLOTS_SHEET_H
#define PB_PLOTS_SHEET_H

#include <stdbool.h>

#include "poolbench/error.h"

#include "base/buf.h"
#include "plots/chart.h"

/* Okabe and Ito's colours, which people with any colour vision can tell apart. */
#define PB_BLUE       "#0072B2"
#define PB_VERMILION  "#D55E00"
#define PB_GREEN      "#009E73"
#define PB_ORANGE     "#E69F00"
#define PB_SKY        "#56B4E9"
#define PB_PURPLE     "#CC79A7"
#define PB_GREY       "#666666"
#define PB_LIMIT      "#A3121F" /* objectives, dotted */
#define PB_POINTS_MAX 300       /* of a curve: dashes vanish on denser ones */

struct pb_sheet {
    const char *name; /* borrowed: "percentiles" */
    int width, height;
    unsigned blocks; /* of data so far */
    struct pb_buf script, data;
    struct pb_buf plot; /* the plot command in the making, added to the script by _plot_end */
};

enum pb_align {
    PB_ALIGN_LEFT,
    PB_ALIGN_CENTER,
    PB_ALIGN_RIGHT
};

enum pb_font {
    PB_FONT_TITLE,    /* 18 px */
    PB_FONT_SUBTITLE, /* 12 px, grey */
    PB_FONT_TEXT,     /* 13 px */
    PB_FONT_LABEL,    /* 12 px */
    PB_FONT_SMALL,    /* 11 px, grey */
    PB_FONT_NOTE,     /* 16 px, grey: instead of a chart */
    PB_FONT_COUNT
};

/* How a curve looks: never colour alone. */
struct pb_look {
    const char *colour;
    const char *dash; /* gnuplot's dashtype */
    int point;
};
/* The look of curve `i`, all different for the first 35. */
struct pb_look pb_look_of(unsigned i);

/* Starts the script; release with pb_sheet_done(). */
void pb_sheet_init(struct pb_sheet *sheet, const char *name, int width, int height);
void pb_sheet_done(struct pb_sheet *sheet);

/* A line of the script.  `fmt` takes numbers and words of ours only: user text goes through
 * pb_sheet_text(), pb_sheet_label() or the title of pb_sheet_plot(). */
void pb_sheet_line(struct pb_sheet *sheet, const char *fmt, ...) PB_PRINTF(2, 3);
/* Starts the next block of data, with a comment of column names; its number for `index`. */
unsigned pb_sheet_block(struct pb_sheet *sheet, const char *columns);
/* Text at a place, of any origin. */
void pb_sheet_text(struct pb_sheet *sheet, double x_px, double y_px, enum pb_align align,
                   enum pb_font font, const char *text);
/* A label of any origin at a place that `fmt` says in gnuplot's words: "at first 1,2 left". */
void pb_sheet_label(struct pb_sheet *sheet, const char *text, const char *fmt, ...) PB_PRINTF(3, 4);
/* The chart's head: a title and a grey line under it, from x_px on. */
void pb_sheet_head(struct pb_sheet *sheet, double x_px, const char *title, const char *subtitle);
/* An axis's name, reading upwards at the left edge or centred at the bottom: gnuplot's own are cut
 * off by viewers whose font is wider than it believes. */
void pb_sheet_axis_names(struct pb_sheet *sheet, const char *x_name, double x_px,
                         const char *y_name, double y_px);
/* Where the next plot goes. */
void pb_sheet_frame(struct pb_sheet *sheet, double left_px, double right_px, double top_px,
                    double bottom_px);
/* Adds one part to the plot command, "plot" before the first; `title` may be NULL. */
void pb_sheet_plot(struct pb_sheet *sheet, const char *title, const char *fmt, ...) PB_PRINTF(3, 4);
void pb_sheet_plot_end(struct pb_sheet *sheet);
/* A place as gnuplot's screen coordinates. */
double pb_sheet_x(const struct pb_sheet *sheet, double x_px);
double pb_sheet_y(const struct pb_sheet *sheet, double y_px);
/* About how many pixels text of this size takes. */
double pb_text_width(const char *text, int size);
/* Copies as much of `text` as fits `width_px` to `ret`, with an ellipsis when cut; empty when
 * hardly anything would. */
void pb_text_fit(const char *text, int size, double width_px, char *ret, size_t ret_size);

/* What drawing needs, for all charts of a folder. */
struct pb_studio {
    char *folder;  /* .../charts */
    char *gnuplot; /* NULL: not installed */
    struct pb_chart_options options;
    struct pb_chart_report report;
};
/* Makes folder/charts and finds gnuplot.  PB_ENOTSUP: it is absent and required. */
PB_MUST_USE enum pb_status pb_studio_open(struct pb_studio *studio, const char *folder,
                                          const struct pb_chart_options *options,
                                          struct pb_error *err);
void pb_studio_close(struct pb_studio *studio);
/* Writes data and script and draws the picture; an older picture never survives. */
PB_MUST_USE enum pb_status pb_sheet_draw(struct pb_sheet *sheet, struct pb_studio *studio,
                                         struct pb_error *err);

#endif
