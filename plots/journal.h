/*
 * plots/journal.h - a tune's journal.jsonl read for drawing: trials, what became of them, and the
 * incumbent at each.
 *
 * Reads what is there: a torn or foreign line is skipped, so that an unfinished tune can be drawn.
 * (Resuming, which must not trust a damaged line, is the tuner's own.)
 */
#ifndef PB_PLOTS_JOURNAL_H
#define PB_PLOTS_JOURNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "poolbench/error.h"

#include "base/json.h"

enum pb_fate {
    PB_FATE_INCUMBENT,   /* of the setting that was in force */
    PB_FATE_ORIGINAL,    /* of the setting that it all began with, now for comparison */
    PB_FATE_ACCEPTED,    /* its setting became the incumbent */
    PB_FATE_NO_BETTER,   /* rolled back though its objectives held */
    PB_FATE_ROLLED_BACK, /* rolled back, an objective broken */
    PB_FATE_OPEN,        /* no decision yet */
    PB_FATE_INVALID,     /* the run could not be trusted, or crashed */
    PB_FATE_COUNT
};

struct pb_journal_trial {
    int number;
    const char *stage;      /* "search" */
    const cJSON *setting;   /* path -> value */
    const cJSON *incumbent; /* the setting in force when its decision had fallen; may be NULL */
    const cJSON *line;      /* "measured" */
    enum pb_fate fate;
    double p99_ms; /* NAN: none */
};

struct pb_journal {
    struct pb_json **lines; /* owned */
    size_t line_count;
    const cJSON *header; /* NULL: none */
    struct pb_journal_trial *trials;
    size_t count;
    bool finished;
};

/* PB_ENOENT: `folder` holds no journal.jsonl. */
PB_MUST_USE enum pb_status pb_journal_load(const char *folder, struct pb_journal *ret_journal,
                                           struct pb_error *err);
void pb_journal_done(struct pb_journal *journal);
/* Do two settings hold the same values? */
bool pb_setting_same(const cJSON *a, const cJSON *b);

#endif
