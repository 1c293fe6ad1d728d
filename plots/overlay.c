#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/pool_text.h"
#include "plots/charts.h"

/* Runs laid over each other, with what backs their curves. */
struct overlay {
    struct pb_stored stored[PB_CURVES_MAX];
    struct pb_merged merged[PB_CURVES_MAX];
    char labels[PB_CURVES_MAX][160];
    unsigned count;
    struct pb_percentiles chart;
};

static void overlay_free(struct overlay **overlay)
{
    for (unsigned i = 0; *overlay && i < (*overlay)->count; i++) {
        pb_stored_done(&(*overlay)->stored[i]);
        pb_merged_done(&(*overlay)->merged[i]);
    }
    free(*overlay);
}

/* What tells one run from another: its settings, then its folder. */
static void label_of(const struct pb_stored *stored, const char *folder, bool drivers, char *text,
                     size_t size)
{
    char pool[PB_POOL_TEXT];
    const cJSON *result = pb_stored_json(stored);
    const char *slash = strrchr(folder, '/');
    const char *id = pb_json_str(result, "id", "");

    pb_pool_text(result, drivers, pool, sizeof(pool));
    (void)snprintf(text, size, "%s (%s)", *id ? id : slash && slash[1] ? slash + 1 : folder, pool);
}

static enum pb_status add_folder(struct overlay *overlay, const char *folder, struct pb_error *err)
{
    unsigned i = overlay->count;

    PB_TRY(pb_stored_load(folder, &overlay->stored[i], err));
    overlay->count++;
    return pb_merged_make(&overlay->stored[i], &overlay->merged[i], err);
}

/* Which pool it was is said of each run as soon as one of them is not the built-in one. */
static void add_curves(struct overlay *overlay, const char *const *folders)
{
    bool drivers = false;

    for (unsigned i = 0; i < overlay->count; i++) {
        drivers |= pb_pool_is_foreign(pb_stored_json(&overlay->stored[i]));
    }
    for (unsigned i = 0; i < overlay->count; i++) {
        label_of(&overlay->stored[i], folders[i], drivers, overlay->labels[i],
                 sizeof(overlay->labels[i]));
        pb_chart_add_whole(&overlay->stored[i], &overlay->merged[i], overlay->labels[i],
                           &overlay->chart);
    }
}

enum pb_status pb_charts_overlay(const char *const *folders, unsigned count, const char *out,
                                 const struct pb_chart_options *options,
                                 struct pb_chart_report *ret_report, struct pb_error *err)
{
    PB_CLEANUP(overlay_free) struct overlay *overlay = calloc(1, sizeof(*overlay));
    PB_CLEANUP(pb_studio_close) struct pb_studio studio = { 0 };
    PB_CLEANUP(pb_sheet_done) struct pb_sheet sheet = { 0 };

    if (count < 2 || count > PB_CURVES_MAX) {
        return pb_fail(err, PB_EINVAL, "an overlay takes 2 to %d runs, not %u", PB_CURVES_MAX,
                       count);
    }
    if (!overlay) {
        return pb_fail(err, PB_ENOMEM, "no memory for an overlay");
    }
    for (unsigned i = 0; i < count; i++) {
        PB_TRY(add_folder(overlay, folders[i], err));
    }
    add_curves(overlay, folders);
    const cJSON *first = pb_stored_json(&overlay->stored[0]);

    overlay->chart.title = "Latency by percentile, runs compared";
    overlay->chart.subtitle =
        "all recorded phases of each run together · objectives of the first one";
    overlay->chart.limit_count = pb_limits_latency(first, overlay->chart.limits);
    PB_TRY(pb_studio_open(&studio, out, options, err));
    pb_sheet_init(&sheet, PB_OVERLAY_NAME, PB_CHART_WIDTH,
                  PB_CHART_HEIGHT + 20 * (count > 4 ? (int)count - 4 : 0));
    pb_percentiles_fill(&overlay->chart, &sheet);
    PB_TRY(pb_sheet_draw(&sheet, &studio, err));
    *ret_report = studio.report;
    return PB_OK;
}
