#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/nothing.h"
#include "plots/stored_internal.h"

#define COLUMNS_MAX 64

/* Cells that a chart needs, in the order of `names`. */
enum column {
    PB_COL_START,
    PB_COL_LENGTH,
    PB_COL_OFFERED,
    PB_COL_OK,
    PB_COL_CLIENT_ERROR,
    PB_COL_ERROR,
    PB_COL_REJECTED,
    PB_COL_CHECKOUT_TIMEOUT,
    PB_COL_OPERATION_TIMEOUT,
    PB_COL_WORKER_LOST,
    PB_COL_CANCELLED,
    PB_COL_P50,
    PB_COL_P95,
    PB_COL_P99,
    PB_COL_BUSY,
    PB_COL_QUEUE_MEAN,
    PB_COL_QUEUE_PEAK,
    PB_COL_OVERFLOW_MEAN,
    PB_COL_COUNT
};

static const char *const names[] = {
    [PB_COL_START] = "start_s",
    [PB_COL_LENGTH] = "length_s",
    [PB_COL_OFFERED] = "offered_per_s",
    [PB_COL_OK] = "ok",
    [PB_COL_CLIENT_ERROR] = "client_error",
    [PB_COL_ERROR] = "error",
    [PB_COL_REJECTED] = "rejected",
    [PB_COL_CHECKOUT_TIMEOUT] = "checkout_timeout",
    [PB_COL_OPERATION_TIMEOUT] = "operation_timeout",
    [PB_COL_WORKER_LOST] = "worker_lost",
    [PB_COL_CANCELLED] = "cancelled",
    [PB_COL_P50] = "p50_ns",
    [PB_COL_P95] = "p95_ns",
    [PB_COL_P99] = "p99_ns",
    [PB_COL_BUSY] = "busy_ratio",
    [PB_COL_QUEUE_MEAN] = "queue_mean",
    [PB_COL_QUEUE_PEAK] = "queue_peak",
    [PB_COL_OVERFLOW_MEAN] = "overflow_mean",
};
_Static_assert(PB_ARRAY_LEN(names) == PB_COL_COUNT, "a name for each column");

/* The next cell of a line, unquoted in place; NULL at the line's end. */
static char *next_cell(char **rest)
{
    char *at = *rest, *out = *rest, *cell = *rest;

    if (!at) {
        return NULL;
    }
    bool quoted = *at == '"';

    at += quoted;
    while (*at && (quoted || *at != ',')) {
        if (quoted && *at == '"') {
            if (at[1] != '"') {
                quoted = false;
                at++;
                continue;
            }
            at++;
        }
        *out++ = *at++;
    }
    *rest = *at == ',' ? at + 1 : NULL;
    *out = '\0';
    return cell;
}

/* Which column of the file holds each of ours, -1: none. */
static void find_columns(char *line, int *ret_place)
{
    char *rest = line, *cell;

    for (int c = 0; c < PB_COL_COUNT; c++) {
        ret_place[c] = -1;
    }
    for (int i = 0; i < COLUMNS_MAX && (cell = next_cell(&rest)) != NULL; i++) {
        for (int c = 0; c < PB_COL_COUNT; c++) {
            if (strcmp(cell, names[c]) == 0) {
                ret_place[c] = i;
            }
        }
    }
}

static double number_or_nan(const char *cell)
{
    char *end;
    double value = cell ? strtod(cell, &end) : PB_NOTHING;

    return cell && end != cell && isfinite(value) ? value : PB_NOTHING;
}

static double sum_outcomes(const double *values, int first, int last)
{
    double sum = 0;

    for (int c = first; c <= last; c++) {
        sum += isnan(values[c]) ? 0 : values[c];
    }
    return sum;
}

static void take_window(char *line, const int *place, struct pb_stored_window *window)
{
    const char *cells[COLUMNS_MAX] = { NULL };
    double v[PB_COL_COUNT];
    char *rest = line;

    for (int i = 0; i < COLUMNS_MAX && rest; i++) {
        cells[i] = next_cell(&rest);
    }
    for (int c = 0; c < PB_COL_COUNT; c++) {
        v[c] = place[c] < 0 ? PB_NOTHING : number_or_nan(cells[place[c]]);
    }
    *window = (struct pb_stored_window){
        .start_s = v[PB_COL_START],
        .length_s = v[PB_COL_LENGTH],
        .offered_per_s = v[PB_COL_OFFERED],
        .achieved_per_s = sum_outcomes(v, PB_COL_OK, PB_COL_CANCELLED) / v[PB_COL_LENGTH],
        .not_ok_per_s = sum_outcomes(v, PB_COL_CLIENT_ERROR, PB_COL_CANCELLED) / v[PB_COL_LENGTH],
        .p50_ms = v[PB_COL_P50] / 1e6,
        .p95_ms = v[PB_COL_P95] / 1e6,
        .p99_ms = v[PB_COL_P99] / 1e6,
        .busy_ratio = v[PB_COL_BUSY],
        .queue_mean = v[PB_COL_QUEUE_MEAN],
        .queue_peak = v[PB_COL_QUEUE_PEAK],
        .overflow_mean = v[PB_COL_OVERFLOW_MEAN],
    };
}

static size_t count_lines(const char *text)
{
    size_t lines = 1;

    for (; *text; text++) {
        lines += *text == '\n';
    }
    return lines;
}

enum pb_status pb_stored_windows_parse(char *text, const char *where, struct pb_stored_run *run,
                                       struct pb_error *err)
{
    int place[PB_COL_COUNT];
    char *rest = text;
    char *line = strsep(&rest, "\n");
    size_t lines = rest ? count_lines(rest) : 0;

    find_columns(line, place);
    if (place[PB_COL_START] < 0 || place[PB_COL_LENGTH] < 0) {
        return pb_fail(err, PB_ECORRUPT,
                       "%s/timeline.csv does not begin with the names of its columns", where);
    }
    run->windows = calloc(lines + 1, sizeof(*run->windows));
    if (!run->windows) {
        return pb_fail(err, PB_ENOMEM, "no memory for %zu windows", lines);
    }
    while ((line = strsep(&rest, "\n")) != NULL) {
        struct pb_stored_window *window = &run->windows[run->window_count];

        if (!*line) {
            continue;
        }
        take_window(line, place, window);
        /* A torn last line has no length. */
        if (window->start_s >= 0 && window->length_s > 0) {
            run->window_count++;
        }
    }
    return PB_OK;
}
