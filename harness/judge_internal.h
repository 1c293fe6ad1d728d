/*
 * harness/judge_internal.h - the parts of judging, shared by judge*.c and warnings.c; nobody else
 * includes it.
 */
#ifndef PB_HARNESS_JUDGE_INTERNAL_H
#define PB_HARNESS_JUDGE_INTERNAL_H

#include <math.h>
#include <stdbool.h>

#include "base/stats.h"
#include "harness/judge.h"
#include "harness/measures.h"

#define PB_CONFIDENCE 0.95
#define PB_NAN        ((double)NAN)
#define PB_INF        ((double)INFINITY)

/* The sums that objectives are judged by, made once for a judgement. */
struct pb_judging {
    const struct pb_evidence *evidence;
    struct pb_phase_aggregate total; /* of the recorded phases */
    struct pb_judgement *judgement;  /* being filled */
    bool serious;                    /* a serious warning was given */
};

/* The part an objective is about. */
void pb_judging_part(const struct pb_judging *judging, int phase, struct pb_part *ret_part);

/* --- judge_windows.c: what the windows say about how far requests hang together. --- */

/* One number a window over a denominator: bad over intended, busy over alive, ... */
struct pb_clusters {
    size_t count;
    double num[PB_WINDOWS_MAX];
    double den[PB_WINDOWS_MAX];
};
/* What to take of a window. */
enum pb_cluster_kind {
    PB_CLUSTER_LATE,      /* late for `limit_ns` / intended */
    PB_CLUSTER_NOT_OK,    /* not ok / intended */
    PB_CLUSTER_OVER,      /* ok requests slower than `limit_ns` / ok requests */
    PB_CLUSTER_OK_RATE,   /* ok outcomes / window length (s) */
    PB_CLUSTER_DONE_RATE, /* outcomes / window length (s) */
    PB_CLUSTER_OK_SHARE,  /* ok outcomes / intended */
    PB_CLUSTER_BUSY,      /* busy / alive worker time */
    PB_CLUSTER_CORE_BUSY, /* busy worker time / core worker time */
    PB_CLUSTER_ALIVE      /* alive worker time / window length */
};
void pb_clusters_take(const struct pb_part *part, enum pb_cluster_kind kind, int64_t limit_ns,
                      struct pb_clusters *ret_clusters);
/* Design effect of a share of requests, of the part's own windows that no fault touched; of all
 * recorded windows where the part has fewer than five and those say more. */
double pb_part_design_effect(const struct pb_judging *judging, const struct pb_part *part,
                             enum pb_cluster_kind kind, int64_t limit_ns);
/* Half the 95 % interval of the ratio sum(num) / sum(den): the linearised variance of a ratio of
 * cluster totals (Cochran 1977, 6.3), Student's t with count - 1 degrees of freedom.  NaN for fewer
 * than three windows. */
double pb_clusters_half_width(const struct pb_clusters *clusters);

/* --- judge_answer.c: from numbers to an answer. --- */

struct pb_asked { /* an objective being judged */
    const struct pb_judging *judging;
    const struct pb_objective *objective;
    struct pb_part part;
    struct pb_objective_result *result;
};

/* Judges `measured` by ci_low .. ci_high, or as a point when it has none. */
void pb_answer_by_interval(struct pb_asked *asked);
/* Judges by `bad` of `count` requests against bad_limit, `deff` being their design effect. */
void pb_answer_by_share(struct pb_asked *asked, uint64_t bad, uint64_t count, double deff);

/* --- judge_times.c: latency, queue wait, service, send lag. --- */
void pb_judge_time(struct pb_asked *asked);

/* --- judge_objective.c --- */
void pb_judge_objective(const struct pb_judging *judging, const struct pb_objective *objective,
                        struct pb_objective_result *ret_result);

/* --- judge_text.c --- */
/* The value's text in the objective's own unit, into `text` of PB_QUANTITY_TEXT bytes. */
char *pb_objective_format(const struct pb_objective *objective, double value, char *text);
/* Name of the objective's phase, "all" for the recorded ones together. */
const char *pb_objective_phase_name(const struct pb_scenario *scenario,
                                    const struct pb_objective *objective);

/* Puts '?' for bytes that are no UTF-8: names cut in the middle of a character. */
void pb_text_repair(char *text);

/* --- warnings.c --- */
void pb_judge_warnings(struct pb_judging *judging);
/* Adds "what was seen.  The remedy." */
void pb_judge_warn(struct pb_judging *judging, enum pb_warning_id id, const char *fmt, ...)
    PB_PRINTF(3, 4);
/* warn_pool.c: what the pool and its workers gave cause for. */
void pb_judge_pool_warnings(struct pb_judging *judging);
/* Mann 1945 and Kendall's trend test, Sen 1968's slope: true when x drifts by more than 5 % of its
 * median over its length with p < 0.01.  Folds more than 20 values into 20 means. */
bool pb_series_drifts(const double *x, size_t n, double *ret_change_ratio);

/* --- judge_reason.c --- */
void pb_judge_reason(struct pb_judging *judging);

#endif
