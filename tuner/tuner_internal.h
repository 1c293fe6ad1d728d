/*
 * tuner/tuner_internal.h - the state of one tuning, shared by the parts of tuner/ alone.
 *
 * Everything the search decides is a function of the scenario and of the trials' results, so that
 * replaying the journal leads to the same state.  One owner thread.
 */
#ifndef PB_TUNER_INTERNAL_H
#define PB_TUNER_INTERNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "harness/folder.h"
#include "tuner/accept.h"
#include "tuner/fill.h"
#include "tuner/journal.h"
#include "tuner/space.h"
#include "tuner/trial.h"
#include "tuner/tune.h"

#define PB_TUNE_SCHEMA       1
#define PB_TUNE_SEARCH_SEED  10000 /* block b of the search uses seed + this + b */
#define PB_TUNE_CONFIRM_SEED 20000 /* fresh seeds of the confirmation: seed + this + k */
#define PB_TUNE_PAIRS_MAX    16

enum pb_stage {
    PB_STAGE_NOISE_FLOOR,
    PB_STAGE_SEARCH,
    PB_STAGE_CONFIRMATION,
    PB_STAGE_COUNT
};
static inline void pb_free_text(char **text)
{
    free(*text);
}

/* "noise floor", "search", "confirmation"; static storage. */
const char *pb_stage_name(enum pb_stage stage);

/* How much is spent on what; chosen once. */
struct pb_tune_plan {
    uint32_t floor_runs;    /* of the original setting */
    uint32_t min_runs;      /* before a candidate may be accepted */
    uint32_t max_runs;      /* after which an undecided one is not */
    uint32_t invalid_max;   /* repeats of a trial that cannot be trusted */
    uint32_t pairs;         /* of the confirmation */
    uint32_t stress_runs;   /* of the winner at the stress, 0 without one */
    uint32_t confirm_tries; /* settings that may be put to confirmation */
    uint32_t budget_runs;
    int64_t budget_time_ns;
    double load_factor;
    uint32_t workers_lost;
    bool stressed;    /* load_factor > 1 or workers_lost > 0 */
    bool exhaustive;  /* the budget allows judging every setting */
    bool provisional; /* fewer pairs than an interval takes */
    bool cost_known;  /* the cost is the number of workers: known without a trial */
};

struct pb_trial_entry {
    uint32_t number;
    enum pb_stage stage;
    size_t candidate;
    int64_t seed;
    bool stress; /* at the stress of the plan, else at the load as written */
    struct pb_trial_result result;
};

struct pb_candidate {
    struct pb_point point;
    struct pb_ruling ruling; /* at the stress, by the noise floor or the search */
    bool judged;             /* the ruling is final */
    bool accepted;           /* was the incumbent at some time */
    bool too_far;            /* meets the objectives but lies beyond max_change */
    bool dropped;            /* did not hold in the confirmation */
    uint32_t invalid;
    char why[280]; /* last journalled reason */
};

struct pb_tuner {
    /* Constant after the start. */
    const struct pb_scenario *scenario;
    const struct pb_tune_options *options; /* when resumed: with the journal's quick and limit */
    const struct pb_trial_driver *driver;
    struct pb_tune_plan plan;
    struct pb_space space;
    struct pb_journal *journal; /* owned */
    char *folder, *trials;      /* owned */
    struct pb_fill *fill;       /* of the JSON that is being made; not NULL */
    char *scenario_path;        /* of the file it was started with, NULL: none; owned */
    char *id;                   /* the folder's name; owned */

    struct pb_candidate *candidates; /* owned; number 0 is the original setting */
    size_t candidate_count, candidate_size;
    struct pb_trial_entry **trials_done; /* owned; valid or crashed ones */
    size_t trial_count, trial_size;
    uint32_t numbered; /* trials begun, invalid ones too */
    uint32_t stage_runs[PB_STAGE_COUNT];
    uint32_t invalid;
    int64_t elapsed_ns; /* spent in trials */

    size_t incumbent;
    enum pb_stage stage;
    bool exhausted;    /* the budget ended something early */
    bool search_cut;   /* and that was the search */
    bool swept;        /* every setting that could be better was judged */
    bool not_monotone; /* the next larger size than the best does not hold */
    bool confirmed;
    double delta_cost, delta_margin; /* differences within these are noise */
};

/* plan.c */

/* The caller's driver, or real runs. */
const struct pb_trial_driver *pb_plan_driver(const struct pb_tune_options *options);
/* How a tune spends its budget: a pure function of both. */
struct pb_tune_plan pb_plan_make(const struct pb_scenario *scenario,
                                 const struct pb_tune_options *options);
/* PB_EINVAL: no objective binds. */
PB_MUST_USE enum pb_status pb_plan_check(const struct pb_scenario *scenario, struct pb_error *err);

/* tune_folder.c */

/* A new tune folder, whose journal holds the header from the moment it can be seen. */
PB_MUST_USE enum pb_status pb_tune_folder_make(struct pb_tuner *tuner, struct pb_error *err);
/* The folder to go on with: a path, or a prefix of a name below the results. */
PB_MUST_USE enum pb_status pb_tune_folder_find(struct pb_tuner *tuner,
                                               const struct pb_tune_options *options,
                                               struct pb_error *err);
/* Opens the journal of the tuner's folder and checks its header; `options` and the plan become
 * those that the tune was started with. */
PB_MUST_USE enum pb_status pb_tune_folder_open(struct pb_tuner *tuner,
                                               struct pb_tune_options *options,
                                               struct pb_error *err);

/* bench.c */

/* The candidate of a point, made when new.  PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_bench_candidate(struct pb_tuner *tuner, const struct pb_point *point,
                                              size_t *ret_candidate, struct pb_error *err);
/* The budget has room for so many more runs; otherwise notes that it is exhausted. */
bool pb_bench_affords(struct pb_tuner *tuner, uint32_t runs);
/* Runs still to be kept for the confirmation. */
uint32_t pb_bench_reserve(const struct pb_tuner *tuner);
/* One trial, repeated while it cannot be trusted.  `ret_entry` is NULL when it never could, or when
 * the budget ended. */
PB_MUST_USE enum pb_status pb_bench_run(struct pb_tuner *tuner, size_t candidate, int64_t seed,
                                        bool stress, const struct pb_trial_entry **ret_entry,
                                        struct pb_error *err);
/* Runs a candidate at the stress until its ruling is final (or the budget is exhausted: then it
 * stays open), at least `min_runs` times unless it fails. */
PB_MUST_USE enum pb_status pb_bench_judge(struct pb_tuner *tuner, size_t candidate,
                                          uint32_t min_runs, struct pb_error *err);
/* The k-th fresh seed of a series, kept within 0 .. 2^53 - 1. */
int64_t pb_bench_seed(const struct pb_tuner *tuner, int64_t series, uint32_t k);
/* Trials of a candidate: of the confirmation or before it, at the stress or as written, those that
 * did not crash.  How many; at most `size` are stored. */
size_t pb_bench_results(const struct pb_tuner *tuner, size_t candidate, bool confirmation,
                        bool stress, const struct pb_trial_entry **ret_entries, size_t size);
/* The value of a measured cost in one run; the number of workers is not one. */
double pb_bench_measured_cost(const struct pb_tuner *tuner, const struct pb_trial_result *run);
/* A line about a candidate: {"type", "setting", KEY: the other's setting, "reason"}. */
struct pb_note {
    const char *type;
    size_t candidate;
    const char *key; /* NULL: no other */
    size_t other;
};
PB_MUST_USE enum pb_status pb_bench_note(struct pb_tuner *tuner, const struct pb_note *note,
                                         const char *reason, struct pb_error *err);
/* Notes a line made with the tuner's fill; takes it. */
PB_MUST_USE enum pb_status pb_bench_line(struct pb_tuner *tuner, cJSON *line, struct pb_error *err);
/* Tells the caller's progress function; `text` "" while a trial runs. */
void pb_bench_tell(const struct pb_tuner *tuner, const char *text);

/* compare.c */

/* The better of two settings that both meet the objectives: cheaper by tune.minimize; then a larger
 * margin of the tightest objective beyond noise, fewer mean workers beyond noise, fewer changes. */
bool pb_better(const struct pb_tuner *tuner, size_t next, size_t now);
/* Expected ordering before anything is measured: fewer workers, then fewer changes. */
int pb_cheaper_first(const struct pb_tuner *tuner, size_t a, size_t b);
/* Median over runs of a number of each; NaN: no runs. */
double pb_median_of(const struct pb_trial_entry *const *entries, size_t count,
                    double (*value)(const struct pb_trial_result *run));

/* search.c */

/* Judges a point and accepts or rolls back; a point that was judged before is not noted again,
 * unless it may now be accepted. */
PB_MUST_USE enum pb_status pb_search_propose(struct pb_tuner *tuner, const struct pb_point *point,
                                             size_t *ret_number, struct pb_error *err);
/* The same for `base` with another value in one dimension. */
PB_MUST_USE enum pb_status pb_search_propose_along(struct pb_tuner *tuner,
                                                   const struct pb_point *base, size_t dim,
                                                   uint32_t index, size_t *ret_number,
                                                   struct pb_error *err);
static inline bool pb_search_meets(const struct pb_tuner *tuner, size_t number)
{
    return tuner->candidates[number].ruling.decision == PB_DECISION_MEETS;
}

/* feasible.c: brackets one dimension after the other, from `start` or what came closest, until
 * something meets the objectives. */
PB_MUST_USE enum pb_status pb_search_feasible(struct pb_tuner *tuner, size_t start,
                                              struct pb_error *err);

/* search.c, confirm.c: the stages. */
PB_MUST_USE enum pb_status pb_search(struct pb_tuner *tuner, struct pb_error *err);
PB_MUST_USE enum pb_status pb_confirm(struct pb_tuner *tuner, struct pb_error *err);

/* recommend.c: the document of recommendation.json, from the state alone.  NULL: no memory. */
cJSON *pb_recommend(const struct pb_tuner *tuner, bool interrupted);
/* "improved", "already_best", "infeasible", "unconfirmed"; static storage. */
const char *pb_recommend_answer(const struct pb_tuner *tuner);
/* advice.c: the sentence behind the answer, and .notes, .dead_settings, .binding. */
void pb_advice_reason(const struct pb_tuner *tuner, const char *answer, char *text, size_t size);
cJSON *pb_advice_notes(const struct pb_tuner *tuner, const char *answer);
cJSON *pb_advice_dead(const struct pb_tuner *tuner);
cJSON *pb_advice_binding(const struct pb_tuner *tuner);

/* trial_json.c: a result as members of a journal line, and back. */
void pb_trial_to_json(const struct pb_trial_result *result, struct pb_fill *fill, cJSON *line);
PB_MUST_USE enum pb_status pb_trial_from_json(const cJSON *line, size_t objective_count,
                                              struct pb_trial_result *ret_result,
                                              struct pb_error *err);

#endif
