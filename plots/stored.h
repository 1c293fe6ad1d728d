/*
 * plots/stored.h - a run folder read back for drawing: documents, histograms, windows.
 *
 * Tolerant where a picture can be drawn without: no latency.hlog ("keep": "summary"), no window.
 * Not thread-safe.
 */
#ifndef PB_PLOTS_STORED_H
#define PB_PLOTS_STORED_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "poolbench/error.h"

#include "base/hist.h"
#include "base/json.h"

struct pb_stored_phase {
    const cJSON *json; /* of .phases[] */
    const char *name;
    bool record;
    double start_s, end_s;
    bool has_hist;
    struct pb_hist hist; /* latency of its ok requests, when has_hist */
};

/* A line of timeline.csv; NAN where a cell is empty. */
struct pb_stored_window {
    double start_s, length_s;
    double offered_per_s, achieved_per_s, not_ok_per_s;
    double p50_ms, p95_ms, p99_ms;
    double busy_ratio, queue_mean, queue_peak, overflow_mean;
};

struct pb_stored_run {
    struct pb_json *document; /* run.json */
    const cJSON *json;        /* its root */
    struct pb_stored_phase *phases;
    size_t phase_count;
    struct pb_stored_window *windows;
    size_t window_count;
};

/* Reads run.json, latency.hlog and timeline.csv of a run folder.  PB_ENOENT: it holds no run.json.
 * PB_ECORRUPT: a file does not have its form.  PB_ENOMEM, PB_ESYS. */
PB_MUST_USE enum pb_status pb_stored_run_load(const char *folder, struct pb_stored_run *ret_run,
                                              struct pb_error *err);
void pb_stored_run_done(struct pb_stored_run *run);

/* The runs of a folder: one of a run folder, all of a run set. */
struct pb_stored {
    struct pb_json *set; /* set.json; NULL for a run folder */
    struct pb_stored_run *runs;
    char **names; /* folders of the runs within the set */
    size_t count;
};
PB_MUST_USE enum pb_status pb_stored_load(const char *folder, struct pb_stored *ret_stored,
                                          struct pb_error *err);
void pb_stored_done(struct pb_stored *stored);
/* set.json of a set, run.json of a run. */
const cJSON *pb_stored_json(const struct pb_stored *stored);

/* Reads a JSON file as one document; the first mistake in `err`. */
PB_MUST_USE enum pb_status pb_stored_json_read(const char *folder, const char *name,
                                               struct pb_json **ret_json, struct pb_error *err);
/* Is there a file `name` in `folder`? */
bool pb_stored_has(const char *folder, const char *name);

#endif
