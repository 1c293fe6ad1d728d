#include "plots/sheet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "plots/quote.h"

#define DATA_CAP_BYTES ((size_t)8 << 20)
#define TEXT_PX        13

struct pb_look pb_look_of(unsigned i)
{
    static const char *const colours[] = { PB_BLUE,   PB_VERMILION, PB_GREEN, PB_PURPLE,
                                           PB_ORANGE, "#000000",    PB_SKY };
    static const char *const dashes[] = { "1", "(14,5)", "(7,4)", "(14,4,3,4)", "(3,3)" };
    static const int points[] = { 7, 5, 9, 13, 11, 6, 4 };
    size_t n = PB_ARRAY_LEN(colours);

    return (struct pb_look){ .colour = colours[i % n],
                             .dash = dashes[(i + i / n) % PB_ARRAY_LEN(dashes)],
                             .point = points[i % n] };
}

/* PB_PNG is set by the script that draws the PNG; everything else is the same. */
void pb_sheet_init(struct pb_sheet *sheet, const char *name, int width, int height)
{
    *sheet = (struct pb_sheet){ .name = name, .width = width, .height = height };
    sheet->script.cap = sheet->data.cap = sheet->plot.cap = DATA_CAP_BYTES;
    pb_buf_printf(&sheet->script,
                  "# Draws %s.svg from %s.tsv: gnuplot -d %s.gp\n"
                  "set encoding utf8\n"
                  "if (exists('PB_PNG')) {\n"
                  "    set terminal pngcairo noenhanced size %d,%d fontscale 0.75 "
                  "font 'DejaVu Sans,%d' linewidth 1 background '#ffffff'\n"
                  "    set output '%s.png'\n"
                  "} else {\n"
                  "    set terminal svg noenhanced size %d,%d font 'DejaVu Sans,%d' linewidth 1 "
                  "background '#ffffff'\n"
                  "    set output '%s.svg'\n"
                  "}\n"
                  "set datafile separator tab\n"
                  "set border 3 lc rgb '#555555'\n"
                  "set tics nomirror scale 0.6,0.3 textcolor rgb '#333333'\n"
                  "set grid lt 1 lc rgb '#DDDDDD' lw 0.7\n"
                  "unset key\n",
                  name, name, name, width, height, TEXT_PX, name, width, height, TEXT_PX, name);
}

void pb_sheet_done(struct pb_sheet *sheet)
{
    pb_buf_done(&sheet->script);
    pb_buf_done(&sheet->data);
    pb_buf_done(&sheet->plot);
}

static PB_PRINTF(2, 0) void add_formatted(struct pb_buf *out, const char *fmt, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, arguments) < 0) {
        out->status = PB_ENOMEM;
        return;
    }
    pb_buf_puts(out, text);
    free(text);
}

void pb_sheet_line(struct pb_sheet *sheet, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    add_formatted(&sheet->script, fmt, arguments);
    va_end(arguments);
    pb_buf_puts(&sheet->script, "\n");
}

unsigned pb_sheet_block(struct pb_sheet *sheet, const char *columns)
{
    pb_buf_printf(&sheet->data, "%s# %u: %s\n", sheet->blocks > 0 ? "\n\n" : "", sheet->blocks,
                  columns);
    return sheet->blocks++;
}

double pb_sheet_x(const struct pb_sheet *sheet, double x_px)
{
    return x_px / sheet->width;
}

double pb_sheet_y(const struct pb_sheet *sheet, double y_px)
{
    return 1 - y_px / sheet->height;
}

void pb_sheet_label(struct pb_sheet *sheet, const char *text, const char *fmt, ...)
{
    va_list arguments;

    pb_buf_puts(&sheet->script, "set label ");
    pb_quote_gnuplot(&sheet->script, text);
    pb_buf_puts(&sheet->script, " noenhanced front ");
    va_start(arguments, fmt);
    add_formatted(&sheet->script, fmt, arguments);
    va_end(arguments);
    pb_buf_puts(&sheet->script, "\n");
}

static const struct {
    int size;
    const char *colour;
} fonts[] = {
    [PB_FONT_TITLE] = { 18, "#111111" }, [PB_FONT_SUBTITLE] = { 12, "#555555" },
    [PB_FONT_TEXT] = { 13, "#222222" },  [PB_FONT_LABEL] = { 12, "#222222" },
    [PB_FONT_SMALL] = { 11, PB_GREY },   [PB_FONT_NOTE] = { 16, PB_GREY },
};
_Static_assert(PB_ARRAY_LEN(fonts) == PB_FONT_COUNT, "a size and a colour for each font");

void pb_sheet_text(struct pb_sheet *sheet, double x_px, double y_px, enum pb_align align,
                   enum pb_font font, const char *text)
{
    static const char *const words[] = { "left", "center", "right" };

    pb_sheet_label(sheet, text, "at screen %.5f,%.5f %s font ',%d' textcolor rgb '%s'",
                   pb_sheet_x(sheet, x_px), pb_sheet_y(sheet, y_px), words[align], fonts[font].size,
                   fonts[font].colour);
}

void pb_sheet_head(struct pb_sheet *sheet, double x_px, const char *title, const char *subtitle)
{
    char fitting[PB_QUOTE_MAX_BYTES + 1];
    double room_px = sheet->width - x_px - 16;

    pb_text_fit(title, 18, room_px, fitting, sizeof(fitting));
    pb_sheet_text(sheet, x_px, 22, PB_ALIGN_LEFT, PB_FONT_TITLE, fitting);
    pb_text_fit(subtitle, 12, room_px, fitting, sizeof(fitting));
    pb_sheet_text(sheet, x_px, 44, PB_ALIGN_LEFT, PB_FONT_SUBTITLE, fitting);
}

void pb_sheet_axis_names(struct pb_sheet *sheet, const char *x_name, double x_px,
                         const char *y_name, double y_px)
{
    if (x_name) {
        pb_sheet_text(sheet, x_px, sheet->height - 12, PB_ALIGN_CENTER, PB_FONT_TEXT, x_name);
    }
    if (y_name) {
        pb_sheet_label(sheet, y_name,
                       "at screen %.5f,%.5f center rotate by 90 font ',13' textcolor rgb '#333333'",
                       pb_sheet_x(sheet, 16), pb_sheet_y(sheet, y_px));
    }
}

void pb_sheet_frame(struct pb_sheet *sheet, double left_px, double right_px, double top_px,
                    double bottom_px)
{
    pb_sheet_line(sheet, "set lmargin at screen %.5f; set rmargin at screen %.5f",
                  pb_sheet_x(sheet, left_px), pb_sheet_x(sheet, right_px));
    pb_sheet_line(sheet, "set tmargin at screen %.5f; set bmargin at screen %.5f",
                  pb_sheet_y(sheet, top_px), pb_sheet_y(sheet, bottom_px));
}

void pb_sheet_plot(struct pb_sheet *sheet, const char *title, const char *fmt, ...)
{
    va_list arguments;

    pb_buf_puts(&sheet->plot, sheet->plot.len > 0 ? ", \\\n     " : "plot ");
    va_start(arguments, fmt);
    add_formatted(&sheet->plot, fmt, arguments);
    va_end(arguments);
    if (title) {
        pb_buf_puts(&sheet->plot, " title ");
        pb_quote_gnuplot(&sheet->plot, title);
    } else {
        pb_buf_puts(&sheet->plot, " notitle");
    }
}

void pb_sheet_plot_end(struct pb_sheet *sheet)
{
    pb_buf_puts(&sheet->script, pb_buf_text(&sheet->plot));
    pb_buf_puts(&sheet->script, "\n");
    if (pb_buf_status(&sheet->plot) != PB_OK) {
        sheet->script.status = sheet->plot.status;
    }
    pb_buf_reset(&sheet->plot);
}

/* DejaVu Sans is 0.55 em wide in the mean of running text; what is not Latin counts double. */
double pb_text_width(const char *text, int size)
{
    double ems = 0;

    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte < 0x80) {
            ems += strchr("iljtfI.,:;'|()! ", byte) ? 0.37 : strchr("mwMW@%", byte) ? 0.9 : 0.62;
        } else if (byte >= 0xe0) {
            ems += 1.1;
        } else if (byte >= 0xc0) {
            ems += 0.65;
        }
    }
    return ems * size;
}

void pb_text_fit(const char *text, int size, double width_px, char *ret, size_t ret_size)
{
    size_t len = strlen(text);

    (void)snprintf(ret, ret_size, "%.*s", (int)pb_utf8_cut(text, len, ret_size - 1), text);
    if (strlen(ret) == len && pb_text_width(ret, size) <= width_px) {
        return;
    }
    len = strlen(ret) < ret_size - 4 ? strlen(ret) : ret_size - 4;
    do {
        len = pb_utf8_cut(ret, len, len > 0 ? len - 1 : 0);
        ret[len] = '\0';
    } while (len > 0 && pb_text_width(ret, size) + 0.9 * size > width_px);
    (void)snprintf(ret + len, ret_size - len, "%s", len >= 3 ? "…" : "");
    ret[len >= 3 ? strlen(ret) : 0] = '\0';
}
