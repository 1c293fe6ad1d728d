/*
 * plots/report_internal.h - the pages of report.c, one for each kind of folder.
 */
#ifndef PB_PLOTS_REPORT_INTERNAL_H
#define PB_PLOTS_REPORT_INTERNAL_H

#include "plots/page.h"
#include "plots/stored.h"

/* The page of a run or a set; `overlay`: charts/overlay.svg compares it with others. */
void pb_report_run(struct pb_page *page, const struct pb_stored *stored, bool overlay);
/* The page of a tune; `json` is recommendation.json, NULL while it is unfinished. */
void pb_report_tune(struct pb_page *page, const cJSON *json);

/* "24.3 ms … 26.1 ms", or "" when either end is unknown. */
const char *pb_report_interval(const char *unit, double low, double high, char *text, size_t size);
/* Tables that runs and sets share. */
void pb_report_objectives(struct pb_page *page, const cJSON *json);
void pb_report_workers(struct pb_page *page, const cJSON *json);
void pb_report_phases(struct pb_page *page, const cJSON *json);
void pb_report_facts(struct pb_page *page, const cJSON *json);

#endif
