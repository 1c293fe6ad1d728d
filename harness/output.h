/*
 * harness/output.h - evidence and judgement into the files of a run folder.  docs/results.md has
 * the formats.
 */
#ifndef PB_HARNESS_OUTPUT_H
#define PB_HARNESS_OUTPUT_H

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "harness/evidence.h"
#include "harness/judge.h"

#define PB_RESULT_SCHEMA 1

/* run.json.  NULL: no memory.  The caller frees with cJSON_Delete(). */
cJSON *pb_run_json(const struct pb_evidence *evidence, const struct pb_judgement *judgement);
/* set.json from the run.json documents of `count` runs: counts are sums, quantiles medians over
 * runs, ci_low and ci_high from the runs; `folders[i]` is the i-th run's folder name. */
cJSON *pb_set_json(const struct pb_scenario *scenario, const cJSON *const *runs,
                   const char *const *folders, size_t count);
/* Writes the files of a judged run into `folder` and commits it.  */
struct pb_folder;
PB_MUST_USE enum pb_status pb_run_store(struct pb_folder *folder,
                                        const struct pb_evidence *evidence, const cJSON *json,
                                        struct pb_error *err);
/* timeline.csv, one line a window:
 * start_s,length_s,phase,offered_per_s,sent,ok,client_error,error,rejected,checkout_timeout,
 * operation_timeout,worker_lost,cancelled,p50_ns,p95_ns,p99_ns,busy_ratio,queue_mean,queue_peak,
 * workers_mean,overflow_mean,workers_peak.  Percentile cells are empty where no request ended ok.
 */
void pb_timeline_csv(const struct pb_evidence *evidence, struct pb_buf *out);
/* latency.hlog: one line a recorded phase, tagged with its name, of ok requests' latency. */
PB_MUST_USE enum pb_status pb_latency_hlog(const struct pb_evidence *evidence, struct pb_buf *out);
/* events.jsonl: {"at_ns", "event", "detail", "number"} a line. */
void pb_events_jsonl(const struct pb_evidence *evidence, struct pb_buf *out);

#endif
