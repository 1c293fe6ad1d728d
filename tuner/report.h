/*
 * tuner/report.h - what a tuning found, as numbers and JSON: shared by the parts that write the
 * recommendation.  Reads the state only.
 */
#ifndef PB_TUNER_REPORT_H
#define PB_TUNER_REPORT_H

#include "tuner/tuner_internal.h"

/* Runs of one setting of one kind; see pb_bench_results. */
struct pb_runs {
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    size_t count;
};

struct pb_runs pb_report_runs(const struct pb_tuner *tuner, size_t candidate, bool confirmation,
                              bool stress);
/* Objective `i` over these runs. */
struct pb_pooled pb_report_pool(const struct pb_tuner *tuner, const struct pb_runs *runs, size_t i);

/* Numbers of one run, for pb_median_of; NaN where it has none. */
double pb_report_p50(const struct pb_trial_result *run);
double pb_report_p99(const struct pb_trial_result *run);
double pb_report_throughput(const struct pb_trial_result *run);
double pb_report_utilization(const struct pb_trial_result *run);
double pb_report_mean_workers(const struct pb_trial_result *run);
double pb_report_memory(const struct pb_trial_result *run);

/* Adds `expression` and `phase` ("all" for the recorded phases together and whole runs). */
void pb_report_objective(const struct pb_tuner *tuner, size_t i, cJSON *row);
/* Adds `evidence`: the confirmation's pairs and stress runs; null when there were none. */
void pb_report_evidence(const struct pb_tuner *tuner, cJSON *document);

#endif
