#include "plots/chart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plots/charts.h"
#include "plots/timeline.h"

static void title_of(const cJSON *result, const char *what, char *text, size_t size)
{
    (void)snprintf(text, size, "%s: %s", what, pb_json_str(result, "scenario.name", "?"));
}

static enum pb_status draw_percentiles(struct pb_studio *studio, const struct pb_stored *stored,
                                       struct pb_error *err)
{
    PB_CLEANUP(pb_merged_done) struct pb_merged merged = { 0 };
    PB_CLEANUP(pb_sheet_done) struct pb_sheet sheet = { 0 };
    const cJSON *result = pb_stored_json(stored);
    char title[PB_TITLE_SIZE], subtitle[PB_TITLE_SIZE];
    struct pb_percentiles *chart = calloc(1, sizeof(*chart));

    if (!chart) {
        return pb_fail(err, PB_ENOMEM, "no memory for a chart");
    }
    enum pb_status status = pb_merged_make(stored, &merged, err);

    if (status == PB_OK) {
        title_of(result, "Latency by percentile", title, sizeof(title));
        pb_chart_subtitle(result, subtitle, sizeof(subtitle));
        chart->title = title;
        chart->subtitle = subtitle;
        pb_chart_add_phases(stored, &merged, chart);
        chart->limit_count = pb_limits_latency(result, chart->limits);
        pb_sheet_init(&sheet, PB_PERCENTILE_NAME, PB_CHART_WIDTH, PB_CHART_HEIGHT);
        pb_percentiles_fill(chart, &sheet);
        status = pb_sheet_draw(&sheet, studio, err);
    }
    free(chart);
    return status;
}

static enum pb_status draw_timeline(struct pb_studio *studio, const struct pb_stored_run *run,
                                    struct pb_error *err)
{
    PB_CLEANUP(pb_sheet_done) struct pb_sheet sheet = { 0 };
    char title[PB_TITLE_SIZE], subtitle[PB_TITLE_SIZE];

    title_of(run->json, "Timeline", title, sizeof(title));
    pb_chart_subtitle(run->json, subtitle, sizeof(subtitle));
    pb_sheet_init(&sheet, PB_TIMELINE_NAME, PB_TIMELINE_WIDTH, PB_TIMELINE_HEIGHT);
    PB_TRY(pb_timeline_fill(run, title, subtitle, &sheet, err));
    return pb_sheet_draw(&sheet, studio, err);
}

static enum pb_status draw_stored(struct pb_studio *studio, const struct pb_stored *stored,
                                  struct pb_error *err)
{
    PB_TRY(draw_percentiles(studio, stored, err));
    /* The set's timeline is that of its first run: windows of different runs are not one time. */
    return draw_timeline(studio, &stored->runs[0], err);
}

static void add_report(struct pb_chart_report *into, const struct pb_chart_report *from)
{
    into->written += from->written;
    into->scripts += from->scripts;
    into->no_gnuplot = into->no_gnuplot || from->no_gnuplot;
}

static enum pb_status draw_folder(const char *folder, const struct pb_chart_options *options,
                                  const struct pb_stored *stored, struct pb_chart_report *report,
                                  struct pb_error *err)
{
    PB_CLEANUP(pb_studio_close) struct pb_studio studio = { 0 };

    PB_TRY(pb_studio_open(&studio, folder, options, err));
    PB_TRY(draw_stored(&studio, stored, err));
    add_report(report, &studio.report);
    return PB_OK;
}

static enum pb_status draw_member(const char *folder, const char *name,
                                  const struct pb_chart_options *options,
                                  struct pb_chart_report *report, struct pb_error *err)
{
    PB_CLEANUP(pb_stored_done) struct pb_stored stored = { 0 };
    char *path = pb_path_join(folder, name);

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory for the charts of %s", folder);
    }
    enum pb_status status = pb_stored_load(path, &stored, err);

    if (status == PB_OK) {
        status = draw_folder(path, options, &stored, report, err);
    }
    free(path);
    return status;
}

enum pb_status pb_charts_run(const char *folder, const struct pb_chart_options *options,
                             struct pb_chart_report *ret_report, struct pb_error *err)
{
    PB_CLEANUP(pb_stored_done) struct pb_stored stored = { 0 };
    struct pb_chart_report report = { 0 };

    PB_TRY(pb_stored_load(folder, &stored, err));
    PB_TRY(draw_folder(folder, options, &stored, &report, err));
    for (size_t i = 0; stored.set && i < stored.count; i++) {
        PB_TRY(draw_member(folder, stored.names[i], options, &report, err));
    }
    *ret_report = report;
    return PB_OK;
}

enum pb_status pb_charts_tune(const char *folder, const struct pb_chart_options *options,
                              struct pb_chart_report *ret_report, struct pb_error *err)
{
    PB_CLEANUP(pb_studio_close) struct pb_studio studio = { 0 };

    PB_TRY(pb_studio_open(&studio, folder, options, err));
    PB_TRY(pb_trajectory_draw(folder, &studio, err));
    *ret_report = studio.report;
    return PB_OK;
}
