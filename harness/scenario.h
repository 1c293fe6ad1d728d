/*
 * harness/scenario.h - what one run is asked to do, as plain data.
 *
 * scenario_fields.c is the one table from which a scenario is parsed, defaulted, checked,
 * documented
 * (`poolbench fields`) and made tunable.  A scenario is immutable once loaded: a different setting
 * is another scenario, made by pb_scenario_with(), which binds the same document again with more
 * overrides, so that every setting goes through the same checks.
 */
#ifndef PB_HARNESS_SCENARIO_H
#define PB_HARNESS_SCENARIO_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/pool.h"
#include "poolbench/workload.h"

#include "base/dist.h"
#include "base/json.h"
#include "base/problems.h"

struct pb_driver;

#define PB_PHASES_MAX     32
#define PB_OPERATIONS_MAX 32
#define PB_FAULTS_MAX     64
#define PB_CHANGES_MAX    32
#define PB_OBJECTIVES_MAX 64
#define PB_ABORTS_MAX     16
#define PB_VARY_MAX       16
#define PB_PREPARE_MAX    16  /* commands of workload.prepare */
#define PB_RETRIES_MAX    100 /* of one request; an attempt's number is a byte of its row */

enum pb_arrival {
    PB_ARRIVAL_CONSTANT,
    PB_ARRIVAL_POISSON,
    PB_ARRIVAL_RAMP,
    PB_ARRIVAL_STEP,
    PB_ARRIVAL_SINE,
    PB_ARRIVAL_BURST,
    PB_ARRIVAL_CLOSED,
    PB_ARRIVAL_COUNT
};

/* "constant", ...; static storage. */
const char *pb_arrival_name(enum pb_arrival arrival);

/* A stretch of the scenario with one arrival process.  Rates are per second. */
struct pb_phase {
    char *name;
    int64_t start_ns; /* from the start of the first phase, without drains */
    int64_t duration_ns;
    enum pb_arrival arrival;
    double rate;            /* constant, poisson */
    double from, to;        /* ramp, step */
    int64_t steps;          /* step */
    double mean, amplitude; /* sine */
    int64_t period_ns;      /* sine */
    double base, peak;      /* burst */
    int64_t every_ns, length_ns;
    int64_t users; /* closed */
    struct pb_dist think;
    bool even;   /* "spacing": "even" for ramp, step, sine, burst */
    bool record; /* false: a warm-up */
    bool drain;  /* wait until the pool is empty before the next phase */
};

/* One kind of request in the mix; a scenario without a mix has one, named "default". */
struct pb_operation {
    char *name;
    double weight;
    struct pb_dist service;
    double cpu_share; /* 0..1 of the demand */
    int64_t memory_bytes;
    double error_rate, client_error_rate, hang_rate; /* sum <= 1 */
    bool ignore_cancel;
    char *command; /* of type command: what the worker is asked for; NULL: another type */
    char *args;    /* JSON text handed over with it; NULL: null */
};

/* A command that every worker runs before it takes requests. */
struct pb_prepare_command {
    char *command;
    char *args; /* JSON text; NULL: null */
    int64_t timeout_ns;
};

/* The program of worker processes, in the terms of docs/workers.md. */
struct pb_scenario_worker {
    char **argv;    /* NULL-terminated; NULL: poolbench itself.  A program with a slash in it has
                       its whole path */
    char **env;     /* NULL-terminated "NAME=value"; NULL: nothing added */
    char *folder;   /* whole path; NULL: the current folder */
    char *settings; /* JSON text handed over with init; NULL: {} */
    int64_t wire;   /* enum pb_wire */
    int64_t max_memory_bytes, max_files; /* 0: as ours */
    struct pb_prepare_command prepare[PB_PREPARE_MAX];
    size_t prepare_count;
};

/* What is tried again, and when.  `max` 0: nothing. */
struct pb_retries {
    int64_t max; /* attempts beyond the first */
    int64_t delay_ns, max_delay_ns;
    double backoff; /* each pause is so many times the one before */
    double jitter;  /* 0..1: up to this share of a pause is taken off, drawn from the seed */
    unsigned on;    /* bit 1 << outcome: is tried again */
};

/* Adding one: here, a row in scenario_faults.c and one in scenario_fields.c, what it does in
 * load_faults.c or load_mishaps.c. */
enum pb_fault_kind {
    PB_FAULT_STALL,
    PB_FAULT_KILL_WORKER,
    PB_FAULT_STOP_WORKER,    /* SIGSTOP; processes only */
    PB_FAULT_HANG_WORKER,    /* its requests do not come back */
    PB_FAULT_SLOW_WORKER,    /* they take `factor` times as long */
    PB_FAULT_FAIL_WORKER,    /* they end as error, with `probability` */
    PB_FAULT_LEAK_WORKER,    /* each keeps `bytes` of memory for good */
    PB_FAULT_CORRUPT_WORKER, /* replies are garbage, with `probability`; processes only */
    PB_FAULT_COUNT
};

/* "stall", "kill_worker", ...; static storage. */
const char *pb_fault_kind_name(enum pb_fault_kind kind);
/* Whether its worker may be lost and replaced, so that there is something to recover from. */
bool pb_fault_kind_loses(enum pb_fault_kind kind);

#define PB_FAULT_ANY (-1) /* one worker, drawn from the seed */
#define PB_FAULT_ALL (-2) /* all that are alive */

struct pb_fault {
    enum pb_fault_kind kind;
    int64_t at_ns;    /* from the start of the first phase */
    int64_t stall_ns; /* stall */
    int64_t for_ns;   /* the others that last; 0: until the worker is replaced */
    int64_t worker;   /* ordinal among the alive, PB_FAULT_ANY or PB_FAULT_ALL; not of a stall */
    double factor;
    double probability;
    int64_t bytes;
    char *text; /* as written, for charts and events: "kill_worker 2 at spike+1s" */
};

/* A change of the pool while it runs. */
struct pb_live_change {
    int64_t at_ns;             /* from the start of the first phase */
    struct pb_pool_change set; /* within min_size and max_size */
    char *text;                /* as written: "pool.size 8, pool.strategy fifo at spike+1s" */
};

/* What an objective or abort rule is about.  The names table is indexed by it. */
enum pb_metric {
    PB_METRIC_LATENCY,    /* with .stat */
    PB_METRIC_QUEUE_WAIT, /* with .stat */
    PB_METRIC_SERVICE,    /* with .stat */
    PB_METRIC_SEND_LAG,   /* with .stat */
    PB_METRIC_ERROR_RATE,
    PB_METRIC_THROUGHPUT,
    PB_METRIC_ACHIEVED_RATE,
    PB_METRIC_UTILIZATION,
    PB_METRIC_CORE_UTILIZATION,
    PB_METRIC_RECOVERY_TIME,
    PB_METRIC_WORKER_MEMORY,
    PB_METRIC_WORKER_CPU,
    PB_METRIC_PEAK_WORKERS,
    PB_METRIC_PEAK_QUEUE,
    PB_METRIC_MEAN_WORKERS,
    PB_METRIC_MEMORY, /* resident memory of the process */
    PB_METRIC_COUNT
};

/* "latency", "error_rate", "worker.memory", ...; static storage. */
const char *pb_metric_name(enum pb_metric metric);

enum pb_stat {
    PB_STAT_QUANTILE,
    PB_STAT_MEAN,
    PB_STAT_MIN,
    PB_STAT_MAX
};

enum pb_op {
    PB_OP_LESS,
    PB_OP_GREATER,
    PB_OP_IN
}; /* "<=" is read as "<", ">=" as ">" */

enum pb_level {
    PB_LEVEL_FAIL,
    PB_LEVEL_WARN
};

/* One objective in one place.  An objective without a phase is expanded by the loader into one for
 * each recorded phase. */
struct pb_objective {
    char *expression; /* as written, without the phase: "latency.p99 < 100ms" */
    enum pb_metric metric;
    enum pb_stat stat;
    double quantile; /* with PB_STAT_QUANTILE, in (0, 1): 0.99 */
    enum pb_op op;
    double limit;      /* ns, ratio, bytes, per second or a number; with PB_OP_IN the lower end */
    double limit_high; /* with PB_OP_IN */
    bool of_offered;   /* throughput > 99% of offered: limit is a ratio of the offered rate */
    int phase;         /* number of the phase; PB_PHASE_ALL: the recorded ones together */
    bool whole_run;    /* recovery_time, worker.*, memory, peaks: the phase says nothing */
    bool from_preset;  /* without a subject here it is NOT APPLICABLE rather than NO DATA */
    enum pb_level level;
    char *why; /* may be NULL */
    int line;  /* in the scenario file; 0: from a preset or the command line */
};

#define PB_PHASE_ALL (-1)

/* "error_rate > 20% for 2s": stop the run when it holds over a sliding stretch of for_ns. */
struct pb_abort {
    char *expression;
    struct pb_objective rule; /* metric, stat, op (what must NOT hold), limit */
    int64_t for_ns;
};

enum pb_field_type {
    PB_FIELD_INTEGER,  /* int64_t */
    PB_FIELD_DURATION, /* int64_t ns; text such as "250us" */
    PB_FIELD_SIZE,     /* int64_t bytes; text such as "64KiB", or a number of bytes */
    PB_FIELD_RATE,     /* double per second; a number, or text such as "2000/s" */
    PB_FIELD_RATIO,    /* double 0..1; a number, or text such as "0.1%" */
    PB_FIELD_BOOL,     /* bool */
    PB_FIELD_CHOICE,   /* int64_t: index into .choices */
    PB_FIELD_TEXT,     /* char *, owned */
    PB_FIELD_COMPLEX   /* documented here, read by code of its own */
};

/* The struct that a field's offset is in. */
enum pb_field_home {
    PB_HOME_NONE, /* read by code of its own */
    PB_HOME_SCENARIO,
    PB_HOME_PHASE,
    PB_HOME_OPERATION
};

/* Adding a field: a member in its struct here, a row in scenario_fields.c, a case in its test. */
struct pb_field {
    const char *path; /* "pool.size", "phases[].rate": as in a file */
    enum pb_field_type type;
    enum pb_field_home home;
    size_t offset;   /* in the struct that `home` names */
    const char *def; /* in the file's own syntax; NULL: none (then it is optional or required) */
    double min, max; /* inclusive, in the stored unit */
    const char *const *choices; /* NULL-terminated, for PB_FIELD_CHOICE */
    bool tunable;               /* may stand in tune.vary */
    const char *unit;           /* for the docs: "ns", "/s", "ratio", "bytes", "" */
    const char *help;           /* one line, lower case, no full stop */
};

/* Row `i`, NULL past the end. */
const struct pb_field *pb_field_at(size_t i);
/* The row of a path, as in the table or with names for the brackets ("phases.steady.rate"). */
const struct pb_field *pb_field_find(const char *path);

enum pb_origin { /* the later one wins */
    PB_ORIGIN_DEFAULT,
    PB_ORIGIN_PRESET,
    PB_ORIGIN_FILE,
    PB_ORIGIN_ENVIRONMENT,
    PB_ORIGIN_COMMAND_LINE,
    PB_ORIGIN_TUNER
};

/* "default", "preset", "file", "environment", "command line", "tuner"; static storage. */
const char *pb_origin_name(enum pb_origin origin);

/* One setting given beside the file, by path: { "pool.size", "12" }, { "phases.steady.rate", "500"
 * }. */
struct pb_override {
    char *path;
    char
        *value; /* text; read as the field's type wants it, or as JSON when it starts with { or [ */
    enum pb_origin origin;
    /* Set by the loader: what the file (or a lower origin) said, NULL when nothing. */
    char *replaced;
};

enum pb_profile {
    PB_PROFILE_THREAD,  /* a worker is a thread, or several */
    PB_PROFILE_PROCESS, /* a worker is a child process */
    PB_PROFILE_COUNT
};

/* "thread", "process"; static storage. */
const char *pb_profile_name(enum pb_profile profile);

/* The pool part, in the units of poolbench/pool.h. */
struct pb_scenario_pool {
    char *driver;    /* "builtin", a name, or a path; owned */
    int64_t profile; /* enum pb_profile */
    int64_t size, max_overflow, queue_limit;
    int64_t min_size;  /* least core workers of a live change and of the tuner */
    int64_t max_size;  /* most of them; 0: no such limit */
    int64_t max_stuck; /* -1: size */
    int64_t threads_per_worker;
    int64_t strategy; /* enum pb_strategy */
    bool lazy;
    int64_t overflow_ttl_ns, overflow_after_ns;
    int64_t checkout_timeout_ns, operation_timeout_ns, init_timeout_ns, stuck_after_ns;
    int64_t kill_after_ns; /* process: from TERM to KILL */
    int64_t prepare;       /* enum pb_prepare */
    int64_t prepare_timeout_ns;
    int64_t health_check_interval_ns, health_check_timeout_ns, max_health_failures;
    struct pb_recycle recycle;
    int64_t max_restarts, restart_window_ns, restart_delay_ns, restart_max_delay_ns;
    int64_t affinity_ttl_ns;
};

/* One entry of tune.vary. */
struct pb_vary {
    char *path;
    const struct pb_field *field; /* the row of `path` */
    char **values; /* the candidates in the file's syntax, in order, as many as `count` */
    size_t count;
    bool range; /* written as "A..B", else a list */
};

enum pb_minimize {
    PB_MINIMIZE_WORKERS,
    PB_MINIMIZE_MEAN_WORKERS,
    PB_MINIMIZE_LATENCY_P99,
    PB_MINIMIZE_MEMORY,
    PB_MINIMIZE_COUNT
};

const char *pb_minimize_name(enum pb_minimize minimize);

struct pb_tune {
    struct pb_vary vary[PB_VARY_MAX];
    size_t vary_count;      /* 0: the scenario does not say what to vary */
    int64_t minimize;       /* enum pb_minimize */
    double headroom;        /* 0.2: every rate or number of users x 1.2 */
    int64_t survive;        /* workers lost */
    int64_t max_change;     /* workers between accepted settings; 0: max(2, half) */
    int64_t budget_time_ns; /* 0: no limit given */
    int64_t budget_runs;    /* 0: no limit given */
};

enum pb_pacing {
    PB_PACING_AUTO,
    PB_PACING_SLEEP,
    PB_PACING_SPIN
};
enum pb_keep {
    PB_KEEP_REQUESTS,
    PB_KEEP_HISTOGRAMS,
    PB_KEEP_SUMMARY
};

struct pb_scenario {
    char *name;        /* file name without .json unless given */
    char *description; /* may be NULL */
    char *path;        /* of the file; NULL: none */
    int64_t seed;      /* 0 .. 2^53 - 1 */
    struct pb_scenario_pool pool;
    struct pb_driver *driver; /* behind pool.driver; owned; NULL: the built-in pool */
    const struct pb_workload_kind *workload;
    struct pb_scenario_worker worker; /* with PB_PROFILE_PROCESS */
    struct pb_operation operations[PB_OPERATIONS_MAX];
    size_t operation_count; /* at least 1 */
    struct pb_phase phases[PB_PHASES_MAX];
    size_t phase_count; /* at least 1 */
    bool short_form;    /* phases made from rate / users and duration */
    struct pb_retries retries;
    struct pb_fault faults[PB_FAULTS_MAX];
    size_t fault_count; /* sorted by at_ns */
    struct pb_live_change changes[PB_CHANGES_MAX];
    size_t change_count; /* sorted by at_ns */
    struct pb_objective objectives[PB_OBJECTIVES_MAX];
    size_t objective_count;
    struct pb_abort aborts[PB_ABORTS_MAX];
    size_t abort_count;
    struct pb_tune tune;
    int64_t pacing;                /* enum pb_pacing */
    int64_t keep;                  /* enum pb_keep */
    int64_t generators;            /* generator threads, 0: chosen */
    int64_t sessions;              /* each request belongs to one of so many; 0: to none */
    struct pb_override *overrides; /* in order of application; owned */
    size_t override_count;
    struct pb_json *document; /* the parsed file; NULL: none; owned, never changed */
    cJSON *effective;         /* all settings as used, by path tree, in the file's syntax; owned */
};

/* Loads `path` (NULL: no file, the overrides say everything; "-": standard input), applies the
 * overrides in order of origin, checks everything.  Adds every mistake to `problems`; PB_EPARSE or
 * PB_EINVAL when there is one.  Overrides are copied. */
PB_MUST_USE enum pb_status pb_scenario_load(const char *path, const struct pb_override *overrides,
                                            size_t count, struct pb_scenario **ret_scenario,
                                            struct pb_problems *problems);
/* The same document, the same overrides, and these after them. */
PB_MUST_USE enum pb_status pb_scenario_with(const struct pb_scenario *base,
                                            const struct pb_override *overrides, size_t count,
                                            struct pb_scenario **ret_scenario,
                                            struct pb_problems *problems);
void pb_scenario_free(struct pb_scenario *scenario);

/* The effective value of a field in the file's syntax ("12", "250ms"), into `text`; false: no such
 * path. */
bool pb_scenario_get(const struct pb_scenario *scenario, const char *path, char *text, size_t size);
/* Where the effective value came from. */
enum pb_origin pb_scenario_origin(const struct pb_scenario *scenario, const char *path);
/* All phases together, without drains. */
int64_t pb_scenario_duration_ns(const struct pb_scenario *scenario);
/* Requests expected in a phase of an open arrival (integral of the rate); -1: closed. */
double pb_phase_expected(const struct pb_phase *phase);
/* Highest rate that a phase of an open arrival plans, per second; -1: closed. */
double pb_phase_peak_rate(const struct pb_phase *phase);
/* Mean service demand of the mix, ns. */
double pb_scenario_mean_service_ns(const struct pb_scenario *scenario);
double pb_scenario_mean_cpu_ns(const struct pb_scenario *scenario);
/* Whether a fault kills workers, so that there is something to recover from. */
bool pb_scenario_kills_workers(const struct pb_scenario *scenario);
/* In the effective settings' pool: the names of those that the driver does not have. */
#define PB_NOT_BY_DRIVER "x-not_by_this_driver"
/* Whether the pool that is driven has this setting at all; what it has not is no part of the
 * effective settings. */
bool pb_scenario_holds(const struct pb_scenario *scenario, const char *path);
/* The longest pauses that one request may make between its attempts, in sum; ns. */
int64_t pb_retries_pauses_ns(const struct pb_retries *retries);
/* The pause before attempt `attempt` (from 1), without jitter; ns. */
int64_t pb_retries_pause_ns(const struct pb_retries *retries, uint32_t attempt);
/* Attempts that a request is expected to make for the declared error rates alone, at least 1. */
double pb_scenario_expected_attempts(const struct pb_scenario *scenario);
/* The fields that may change while the pool runs: path number `i` (NULL past the end), and what a
 * change sets it to, in the stored unit (< 0: it does not). */
const char *pb_change_path(size_t i);
int64_t pb_change_value(const struct pb_pool_change *change, size_t i);
/* The most workers, overflow included, and the longest queue that the pool may come to have. */
void pb_scenario_room(const struct pb_scenario *scenario, int64_t *ret_workers,
                      int64_t *ret_queue_limit);
/* Requests that may run at once in phase `phase`, on core and overflow workers: where changes fall
 * into it, the mean, rounded. */
int64_t pb_scenario_slots_in(const struct pb_scenario *scenario, size_t phase);
/* The longest checkout and operation timeouts, changes included; ns. */
void pb_scenario_longest_timeouts(const struct pb_scenario *scenario, int64_t *ret_checkout_ns,
                                  int64_t *ret_operation_ns);
/* The config of the pool that this scenario describes, without callbacks. */
void pb_scenario_pool_config(const struct pb_scenario *scenario, struct pb_pool_config *ret_config);

/* Parses one objective ("steady: latency.p99 < 50ms", "99% ok within 100ms"); phase names are
 * looked up in `scenario`.  `ret_objective` holds owned strings: release with pb_objective_done().
 * `ret_all_phases`: no phase was named. */
PB_MUST_USE enum pb_status pb_objective_parse(const char *text, const struct pb_scenario *scenario,
                                              struct pb_objective *ret_objective,
                                              bool *ret_all_phases, struct pb_error *err);
void pb_objective_done(struct pb_objective *objective);

/* docs/scenario.md, and scenarios/scenario.schema.json, from the table. */
struct pb_buf;
void pb_fields_markdown(struct pb_buf *out);
void pb_fields_schema(struct pb_buf *out);
/* `poolbench fields --json`: an array of rows.  NULL: no memory. */
cJSON *pb_fields_json(void);

#endif
