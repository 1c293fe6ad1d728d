/*
 * tests/unit/plots/made_folder.h - result folders made from formulas, so that charts can be tested
 * (and looked at) without a run.
 */
#ifndef PB_TESTS_PLOTS_MADE_FOLDER_H
#define PB_TESTS_PLOTS_MADE_FOLDER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct pb_made_run {
    const char *name; /* of the scenario and all that carries user text */
    double scale;     /* 1: service p50 3.5 ms, p99 25 ms */
    double window_s;
    long long seed;
    bool empty;      /* no request ended ok, one window */
    bool no_windows; /* timeline.csv has its first line only */
    bool no_hlog;    /* "keep": "summary" */
    int spikes;      /* phases after the steady one */
};

/* Writes run.json, latency.hlog, timeline.csv and events.jsonl; makes the folder. */
void pb_made_run_folder(const char *folder, const struct pb_made_run *made);
/* Writes set.json and `runs` run folders. */
void pb_made_set_folder(const char *folder, const struct pb_made_run *made, unsigned runs);
/* Writes journal.jsonl, and recommendation.json when finished. */
void pb_made_tune_folder(const char *folder, const char *name, bool many, bool finished);

/* Writes folder/name; `json` is deleted. */
void pb_made_write(const char *folder, const char *name, const char *text, size_t len);
void pb_made_write_json(const char *folder, const char *name, cJSON *json);
/* Repeatable noise in 0..1. */
double pb_made_noise(long long a, long long b);
/* The text of folder/name (the caller frees); NULL: there is none. */
char *pb_made_read(const char *folder, const char *name);
/* Is this text well-formed XML, as far as tags, quotes and entities go? */
bool pb_made_is_xml(const char *text);

#endif
