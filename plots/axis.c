#include "plots/axis.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/quantity.h"

double pb_axis_step(double span, int tics)
{
    double rough = span / tics;
    double power = pow(10, floor(log10(rough)));
    double lead = rough / power;

    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

void pb_axis_duration(struct pb_axis *axis, double low_ms, double high_ms, bool log)
{
    bool us = high_ms < 1, s = high_ms >= 5000;
    /* Room for a line of text above the highest limit, whatever the decades. */
    double room = log ? fmax(1.4, pow(high_ms / low_ms, 0.15)) : 1.08;

    *axis = (struct pb_axis){ .log = log,
                              .in_unit = !log,
                              .unit = us  ? "us"
                                      : s ? "s"
                                          : "ms",
                              .low = log ? low_ms / 1.25 : 0,
                              .high = high_ms * room };
}

/* Multiples of 1, 2 and 5 where the axis spans few decades, else powers of ten. */
static void emit_log_tics(struct pb_sheet *sheet, const struct pb_axis *axis)
{
    int first = (int)floor(log10(axis->low)), last = (int)ceil(log10(axis->high));
    double decades = log10(axis->high / axis->low);
    const char *separator = "";
    char text[PB_QUANTITY_TEXT];

    pb_buf_puts(&sheet->script, "set logscale y; set ytics (");
    for (int i = 9 * first; i <= 9 * last; i++) {
        int lead = 1 + (i - 9 * first) % 9;
        double value = lead * pow(10, floor(i / 9.0));
        bool named = lead == 1 || (decades < 3 && (lead == 2 || lead == 5));

        if (value < axis->low || value > axis->high) {
            continue;
        }
        pb_buf_printf(&sheet->script, "%s'%s' %.9g %d", separator,
                      named ? pb_format_duration((int64_t)llround(value * PB_NS_PER_MS), text) : "",
                      value, named ? 0 : 1);
        separator = ", ";
    }
    pb_buf_puts(&sheet->script, ")\n");
}

static void emit_linear_tics(struct pb_sheet *sheet, const struct pb_axis *axis)
{
    double scale = *axis->unit == 'u' ? 1e-3 : *axis->unit == 's' ? 1e3 : 1; /* ms in one unit */
    double step = pb_axis_step(axis->high / scale, 9);
    const char *separator = "";

    pb_buf_puts(&sheet->script, "unset logscale y; set ytics (");
    for (int i = 0; i * step * scale <= axis->high; i++) {
        pb_buf_printf(&sheet->script, "%s'%.6g' %.9g", separator, i * step, i * step * scale);
        separator = ", ";
    }
    pb_buf_puts(&sheet->script, ")\n");
}

void pb_axis_emit_duration(struct pb_sheet *sheet, const struct pb_axis *axis)
{
    pb_sheet_line(sheet, "set yrange [%.9g:%.9g]", axis->low, axis->high);
    if (axis->log) {
        emit_log_tics(sheet, axis);
    } else {
        emit_linear_tics(sheet, axis);
    }
}

static void emit_plain(struct pb_sheet *sheet, const char *which, double low, double top, int tics)
{
    double step = pb_axis_step(top, tics);
    const char *separator = "";
    char text[PB_QUANTITY_TEXT];

    pb_sheet_line(sheet, "set %srange [%.9g:%.9g]", which, low, top);
    pb_buf_printf(&sheet->script, "set %stics (", which);
    for (int i = 0; i * step <= top; i++) {
        if (step >= 1) {
            (void)pb_format_count((int64_t)llround(i * step), text);
        } else {
            (void)snprintf(text, sizeof(text), "%.6g", i * step);
        }
        pb_buf_printf(&sheet->script, "%s'%s' %.9g", separator, text, i * step);
        separator = ", ";
    }
    pb_buf_puts(&sheet->script, ") nomirror\n");
}

void pb_axis_emit_linear(struct pb_sheet *sheet, const char *which, double high, int tics)
{
    emit_plain(sheet, which, 0, high > 0 ? high * 1.12 : 1, tics);
}

void pb_axis_emit_points(struct pb_sheet *sheet, double high, int tics)
{
    double top = high > 0 ? high * 1.12 : 1;

    emit_plain(sheet, "y", -0.1 * top, top, tics);
}

void pb_axis_emit_seconds(struct pb_sheet *sheet, double end_s, bool labels)
{
    double unit_s = end_s > 3 * 3600 ? 3600 : end_s > 300 ? 60 : 1;
    double step = pb_axis_step(end_s / unit_s, 12);
    const char *separator = "";

    pb_sheet_line(sheet, "set xrange [0:%.9g]", end_s);
    pb_buf_puts(&sheet->script, "set xtics (");
    for (int i = 0; i * step * unit_s <= end_s; i++) {
        pb_buf_printf(&sheet->script, "%s'", separator);
        if (labels) {
            pb_buf_printf(&sheet->script, "%.6g%s", i * step,
                          unit_s > 60  ? " h"
                          : unit_s > 1 ? " min"
                                       : " s");
        }
        pb_buf_printf(&sheet->script, "' %.9g", i * step * unit_s);
        separator = ", ";
    }
    pb_buf_puts(&sheet->script, ")\n");
}
