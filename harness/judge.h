/*
 * harness/judge.h - objectives, warnings and the verdict of one run, and of a run set.
 *
 * The unit of evidence is the run.  One run is judged by its bad fraction with a Clopper-Pearson
 * interval on an effective size (design effect from windows); sets of six and more by the run-level
 * order-statistic interval; sets of two to five PASS or FAIL only if every run agrees.
 */
#ifndef PB_HARNESS_JUDGE_H
#define PB_HARNESS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/evidence.h"

enum pb_answer {
    PB_ANSWER_PASS,
    PB_ANSWER_FAIL,
    PB_ANSWER_INCONCLUSIVE,
    PB_ANSWER_NO_DATA,
    PB_ANSWER_NOT_APPLICABLE,
    PB_ANSWER_COUNT
};
/* "PASS", "FAIL", "INCONCLUSIVE", "NO DATA", "NOT APPLICABLE"; static storage. */
const char *pb_answer_name(enum pb_answer answer);

/* One objective answered.  Numbers in the objective's own unit; NaN: none, infinite: a quantile
 * that falls among requests that never ended ok (both null in JSON). */
struct pb_objective_result {
    const struct pb_objective *objective; /* borrowed from the scenario */
    enum pb_answer answer;
    double measured;
    double ci_low, ci_high;   /* of `measured`; NaN: none, or unbounded on that side */
    double bad_ratio;         /* latency quantiles and ratios: share of bad requests; else NaN */
    double bad_limit;         /* allowed share; NaN */
    double bad_low, bad_high; /* interval of bad_ratio; NaN */
    double margin;            /* (limit - measured) / limit for "<": > 0 is good; NaN for bands */
    double more_seconds; /* INCONCLUSIVE: about so many more seconds would decide; NaN: unknown */
    uint64_t count;      /* requests behind it */
    double effective_count; /* so many independent requests would tell as much; NaN: not a ratio */
    double limit;           /* what `measured` is compared with; for a band the lower end */
    double limit_high;      /* with a band, else NaN */
};

enum pb_warning_id {        /* adding one: a row in the table of warnings.c */
    PB_WARN_SEND_LAG,       /* serious */
    PB_WARN_SENT_SHORT,     /* serious */
    PB_WARN_RECORDER_STALL, /* serious */
    PB_WARN_STEAL,          /* serious */
    PB_WARN_LOG_FAILED,     /* the request log could not be written; serious */
    PB_WARN_RESCUED_WAKEUP, /* serious: a bug in the pool */
    PB_WARN_ARRIVAL_LAW,    /* serious: arrivals did not follow their law */
    PB_WARN_FEW_SAMPLES,    /* too few requests behind an asked percentile */
    PB_WARN_NOT_STEADY,     /* a steady phase drifts */
    PB_WARN_BACKLOG,        /* a phase hands a backlog to the next */
    PB_WARN_SHORT_WINDOWS,  /* under 20 s: the interval rests on short windows */
    PB_WARN_STUCK_WORKERS,
    PB_WARN_SATURATED_VALUES,
    PB_WARN_NEAR_FLOOR, /* latencies near the instrument's own noise */
    PB_WARN_FOREIGN_CPU,
    PB_WARN_CPU_PRESSURE,
    PB_WARN_CLOSED_LOOP,    /* closed arrivals hide waiting: coordinated omission */
    PB_WARN_CANCELLED,      /* requests were still in flight when the final drain ended */
    PB_WARN_WORKER_FAILED,  /* worker threads could not be created */
    PB_WARN_ACCOUNTING,     /* serious: records and counters disagree, a bug */
    PB_WARN_RECORDER_WAIT,  /* the recorder held a few requests up, too few to matter */
    PB_WARN_RETRY_LOAD,     /* retries made much of the load */
    PB_WARN_RETRY_LIMIT,    /* requests ended early because too many waited to be tried again */
    PB_WARN_LOST_TASKS,     /* serious: a driver accepted requests that it never ran */
    PB_WARN_WORKERS_LOST,   /* workers died by themselves */
    PB_WARN_STARTS_HELD,    /* so many died that max_restarts held starts back */
    PB_WARN_UNHEALTHY,      /* workers failed their checks and were replaced */
    PB_WARN_MEMORY_GROWTH,  /* workers grew beyond recycle.max_memory */
    PB_WARN_PREPARE_FAILED, /* workers serve that could not be warmed */
    PB_WARN_UNEVEN_WORKERS, /* few of the worker processes do most of the work */
    PB_WARN_HISTORY_CUT,    /* more workers came and went than are told of */
    PB_WARN_COUNT
};
/* "send_lag", ...; static storage. */
const char *pb_warning_name(enum pb_warning_id id);
bool pb_warning_serious(enum pb_warning_id id);

struct pb_warning {
    enum pb_warning_id id;
    char text[320]; /* what was seen, and the remedy */
};

enum pb_verdict {
    PB_VERDICT_PASS,
    PB_VERDICT_FAIL,
    PB_VERDICT_INCONCLUSIVE,
    PB_VERDICT_UNTRUSTED,
    PB_VERDICT_INTERRUPTED,
    PB_VERDICT_COUNT
};
/* "pass", ...; static storage. */
const char *pb_verdict_name(enum pb_verdict verdict);

#define PB_WARNINGS_MAX 48

struct pb_judgement {
    enum pb_verdict verdict;
    char reason[240]; /* one sentence: what limits the run, or what broke */
    struct pb_objective_result objectives[PB_OBJECTIVES_MAX];
    size_t objective_count;
    struct pb_warning warnings[PB_WARNINGS_MAX];
    size_t warning_count;
};

/* Judges one run.  Pure: reads the evidence only. */
PB_MUST_USE enum pb_status pb_judge(const struct pb_evidence *evidence,
                                    struct pb_judgement *ret_judgement);
/* Exit code of a verdict by DESIGN.md's table; `signal` for `interrupted`. */
int pb_verdict_exit_code(enum pb_verdict verdict, int signal);

#endif
