/*
 * plots/trajectory_internal.h - the parts of trajectory.c: parameters as numbers and axes.
 */
#ifndef PB_PLOTS_TRAJECTORY_INTERNAL_H
#define PB_PLOTS_TRAJECTORY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/journal.h"
#include "plots/sheet.h"

#define PB_PARAMS_SHOWN 6
#define PB_WORDS_MAX    12

enum pb_param_kind {
    PB_PARAM_NUMBER,
    PB_PARAM_DURATION, /* in ms */
    PB_PARAM_WORD      /* the position among the words seen */
};

/* One dimension of the settings tried. */
struct pb_param {
    const char *path; /* "pool.size" */
    enum pb_param_kind kind;
    const char *words[PB_WORDS_MAX];
    size_t word_count;
    double low, high;
};

struct pb_trajectory {
    struct pb_journal journal;
    struct pb_sheet *sheet;
    struct pb_param params[PB_PARAMS_SHOWN];
    size_t param_count;
    unsigned ranges; /* settings with more than one run */
};

/* Finds the parameters that the trials' settings hold, at most PB_PARAMS_SHOWN, those that were
 * really varied first. */
void pb_params_find(struct pb_trajectory *t);
/* The value of a parameter in a setting, NAN where it has none. */
double pb_param_value(const struct pb_param *param, const cJSON *setting);
/* The y axis of a parameter's panel. */
void pb_param_axis(struct pb_trajectory *t, const struct pb_param *param);

#endif
