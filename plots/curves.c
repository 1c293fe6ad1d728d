#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "harness/pool_text.h"
#include "plots/charts.h"

#define PHASE_CURVES_MAX 6 /* more could not be told apart */

void pb_chart_subtitle(const cJSON *result, char *text, size_t size)
{
    const cJSON *phase, *totals = pb_json_at(result, "totals");
    int runs = cJSON_GetArraySize(pb_json_at(result, "runs"));
    int64_t recorded_ns = 0;
    char pool[PB_POOL_TEXT], time[PB_QUANTITY_TEXT], ok[PB_QUANTITY_TEXT], sent[PB_QUANTITY_TEXT],
        tail[32];

    cJSON_ArrayForEach(phase, pb_json_at(result, "phases"))
    {
        if (pb_json_bool(phase, "record", true)) {
            recorded_ns += pb_json_int(phase, "duration_ns", 0);
        }
    }
    pb_pool_text(result, false, pool, sizeof(pool));
    (void)snprintf(tail, sizeof(tail), runs > 0 ? "%d runs" : "one run", runs);
    (void)snprintf(text, size, "%s · %s recorded%s · %s of %s requests ok · %s (%s)", pool,
                   pb_format_duration(recorded_ns, time), runs > 0 ? " in each run" : "",
                   pb_format_count(pb_json_int(totals, "outcomes.ok", 0), ok),
                   pb_format_count(pb_json_int(totals, "sent", 0), sent),
                   pb_json_str(result, "verdict", "no verdict"), tail);
}

/* All recorded phases of a run into a fresh histogram. */
static enum pb_status merge_run(const struct pb_stored_run *run, struct pb_hist *ret_hist,
                                struct pb_error *err)
{
    const struct pb_hist *like = NULL;

    for (size_t i = 0; i < run->phase_count && !like; i++) {
        like = run->phases[i].has_hist ? &run->phases[i].hist : NULL;
    }
    enum pb_status status = pb_hist_init(ret_hist, like ? like->highest : PB_HIST_HIGHEST_NS,
                                         like ? like->digits : PB_HIST_DIGITS);

    if (status != PB_OK) {
        return pb_fail(err, status, "no memory to merge histograms");
    }
    for (size_t i = 0; i < run->phase_count && status == PB_OK; i++) {
        if (run->phases[i].has_hist) {
            status = pb_hist_merge(ret_hist, &run->phases[i].hist);
        }
    }
    if (status != PB_OK) {
        pb_hist_done(ret_hist);
        return pb_fail(err, PB_ECORRUPT, "the histograms of latency.hlog differ in their layout");
    }
    return PB_OK;
}

enum pb_status pb_merged_make(const struct pb_stored *stored, struct pb_merged *ret_merged,
                              struct pb_error *err)
{
    struct pb_merged merged = { .hists = calloc(stored->count + 1, sizeof(*merged.hists)) };

    if (!merged.hists) {
        return pb_fail(err, PB_ENOMEM, "no memory to merge histograms");
    }
    for (size_t i = 0; i < stored->count; i++) {
        enum pb_status status = merge_run(&stored->runs[i], &merged.hists[i], err);

        if (status != PB_OK) {
            pb_merged_done(&merged);
            return status;
        }
        merged.count++;
    }
    *ret_merged = merged;
    return PB_OK;
}

void pb_merged_done(struct pb_merged *merged)
{
    for (size_t i = 0; i < merged->count; i++) {
        pb_hist_done(&merged->hists[i]);
    }
    free(merged->hists);
    *merged = (struct pb_merged){ 0 };
}

void pb_chart_add_whole(const struct pb_stored *stored, const struct pb_merged *merged,
                        const char *label, struct pb_percentiles *chart)
{
    if (chart->curve_count == PB_CURVES_MAX) {
        return;
    }
    struct pb_curve *curve = &chart->curves[chart->curve_count++];

    *curve = (struct pb_curve){ .label = label };
    curve->summary = pb_json_at(pb_stored_json(stored), "totals.latency");
    curve->sent = pb_json_int(pb_stored_json(stored), "totals.sent", 0);
    for (size_t i = 0; i < merged->count && curve->count < PB_CURVE_RUNS_MAX; i++) {
        if (merged->hists[i].total > 0) {
            curve->hists[curve->count++] = &merged->hists[i];
        }
    }
}

/* The curve of the k-th phase, over the runs in which any of its requests ended ok. */
static void add_phase(const struct pb_stored *stored, size_t k, struct pb_percentiles *chart)
{
    struct pb_curve *curve = &chart->curves[chart->curve_count++];

    *curve = (struct pb_curve){ .label = stored->runs[0].phases[k].name };
    curve->summary = pb_json_at(stored->runs[0].phases[k].json, "latency");
    curve->sent = pb_json_int(stored->runs[0].phases[k].json, "sent", 0);
    for (size_t i = 0; i < stored->count && curve->count < PB_CURVE_RUNS_MAX; i++) {
        const struct pb_stored_run *run = &stored->runs[i];

        if (k < run->phase_count && run->phases[k].has_hist && run->phases[k].hist.total > 0) {
            curve->hists[curve->count++] = &run->phases[k].hist;
        }
    }
}

void pb_chart_add_phases(const struct pb_stored *stored, const struct pb_merged *merged,
                         struct pb_percentiles *chart)
{
    const struct pb_stored_run *run = &stored->runs[0];
    size_t recorded = 0;

    for (size_t i = 0; i < run->phase_count; i++) {
        recorded += run->phases[i].record;
    }
    if (recorded > PHASE_CURVES_MAX) {
        pb_chart_add_whole(stored, merged, "all recorded phases together", chart);
        return;
    }
    for (size_t i = 0; i < run->phase_count; i++) {
        if (run->phases[i].record) {
            add_phase(stored, i, chart);
        }
    }
}
