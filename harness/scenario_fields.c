#include <string.h>

#include "harness/scenario.h"
#include "harness/scenario_internal.h"
#include "pool/process.h"

#define HOUR     3.6e12           /* ns */
#define DAY      (24 * HOUR)      /* ns */
#define LONGEST  (30 * DAY)       /* of a phase */
#define FASTEST  1e9              /* per second */
#define SEED_MAX 9007199254740991 /* 2^53 - 1: exact in JSON */

#define UNIT_INTEGER  ""
#define UNIT_DURATION "ns"
#define UNIT_SIZE     "bytes"
#define UNIT_RATE     "/s"
#define UNIT_RATIO    "ratio"
#define UNIT_BOOL     ""
#define UNIT_CHOICE   ""
#define UNIT_TEXT     ""
#define UNIT_COMPLEX  ""

#define KIND(t)        .type = PB_FIELD_##t, .unit = UNIT_##t
#define TOP(t, m)      KIND(t), .home = PB_HOME_SCENARIO, .offset = offsetof(struct pb_scenario, m)
#define POOL(t, m)     TOP(t, pool.m)
#define TUNE(t, m)     TOP(t, tune.m)
#define RETRY(t, m)    TOP(t, retries.m)
#define PHASE(t, m)    KIND(t), .home = PB_HOME_PHASE, .offset = offsetof(struct pb_phase, m)
#define WORK(t, m)     KIND(t), .home = PB_HOME_OPERATION, .offset = offsetof(struct pb_operation, m)
#define RANGE(low, up) .min = (low), .max = (up)

static const char *const profiles[] = { "thread", "process", NULL };
static const char *const wires[] = { "frames", "lines", NULL };
static const char *const strategies[] = { "lifo", "fifo", "round_robin", "least_loaded", NULL };
static const char *const prepares[] = { "parallel", "sequential", "staged", NULL };
static const char *const presets[] = { "dspex", NULL };
static const char *const pacings[] = { "auto", "sleep", "spin", NULL };
static const char *const keeps[] = { "requests", "histograms", "summary", NULL };
static const char *const minimizes[] = { "workers", "mean_workers", "latency.p99", "memory", NULL };
static const char *const spacings[] = { "poisson", "even", NULL };
static const char *const arrivals[] = { "constant", "poisson", "ramp",   "step",
                                        "sine",     "burst",   "closed", NULL };
static const char *const short_arrivals[] = { "constant", "poisson", "closed", NULL };
static const char *const workloads[] = { "null", "synthetic", "command", NULL };
static const char *const distributions[] = { "constant", "uniform", "exponential", "lognormal",
                                             NULL };
static const char *const levels[] = { "fail", "warn", NULL };

_Static_assert(PB_ARRAY_LEN(profiles) == PB_PROFILE_COUNT + 1, "a name for each profile");
_Static_assert(PB_ARRAY_LEN(wires) == PB_WIRE_COUNT + 1, "a name for each wire");
_Static_assert(PB_ARRAY_LEN(arrivals) == PB_ARRIVAL_COUNT + 1, "a name for each arrival");
_Static_assert(PB_ARRAY_LEN(strategies) == PB_STRATEGY_COUNT + 1, "a name for each strategy");
_Static_assert(PB_ARRAY_LEN(prepares) == PB_PREPARE_COUNT + 1, "a name for each way to warm");
_Static_assert(PB_ARRAY_LEN(minimizes) == PB_MINIMIZE_COUNT + 1, "a name for each goal");
_Static_assert(PB_ARRAY_LEN(distributions) == PB_DIST_COUNT + 1, "a name for each distribution");

/* The one table: parser, defaults, checks, docs, schema, overrides and search space come from it.
 * Rows of one object stand together, in the order in which the docs show them. */
static const struct pb_field fields[] = {
    { "name", TOP(TEXT, name), .max = PB_NAME_MAX,
      .help = "names the results; else the file's name" },
    { "description", TOP(TEXT, description), .max = 4000, .help = "for people" },
    { "tags", KIND(COMPLEX), .help = "a list of words, for people and other programs" },
    { "$schema", KIND(COMPLEX), .help = "where editors find scenario.schema.json" },
    { "seed", TOP(INTEGER, seed), .def = "1", RANGE(0, (double)SEED_MAX),
      .help = "of arrivals and service demands; repeat k of a run set uses seed + k" },
    { "rate", PHASE(RATE, rate), RANGE(0.001, FASTEST),
      .help = "short form: requests a second of warm-up and main phase" },
    { "duration", PHASE(DURATION, duration_ns), RANGE(1e6, LONGEST),
      .help = "short form: of the main phase; a warm-up of max(1s, 10%) goes before it" },
    { "arrival", KIND(COMPLEX), .choices = short_arrivals,
      .help = "short form: poisson unless said; closed when users is given" },
    { "users", PHASE(INTEGER, users), RANGE(1, 1e6),
      .help = "short form: closed loop of so many users instead of a rate" },
    { "think", KIND(COMPLEX), .help = "short form: a user's pause, a duration or a distribution" },
    { "pacing", TOP(CHOICE, pacing), .def = "auto", .choices = pacings,
      .help = "how the generator waits: sleep is cheap, spin exact where cores are free" },
    { "keep", TOP(CHOICE, keep), .def = "requests", .choices = keeps,
      .help = "what a run leaves: every request, only histograms, or only the summary" },
    { "generators", TOP(INTEGER, generators), .def = "0", RANGE(0, 64),
      .help = "generator threads; 0: chosen by the planned rate" },
    { "sessions", TOP(INTEGER, sessions), .def = "0", RANGE(0, 1e9),
      .help = "each request belongs to one of so many sessions, drawn from the seed; 0: to none" },

    { "pool.preset", KIND(COMPLEX), .choices = presets,
      .help = "a set of values known elsewhere; fields beside it win" },
    { "pool.driver", POOL(TEXT, driver), .def = "builtin", .max = 4000,
      .help = "which pool: builtin, glib, libuv, or a driver of your own as ./mypool.so "
              "(docs/pool-driver.md)" },
    { "pool.profile", POOL(CHOICE, profile), .def = "thread", .choices = profiles,
      .help = "what a worker is: a thread of poolbench, or a process; type command takes process" },
    { "pool.size", POOL(INTEGER, size), .def = "10", RANGE(1, PB_POOL_MAX_SIZE), .tunable = true,
      .help = "core workers" },
    { "pool.max_overflow", POOL(INTEGER, max_overflow), .def = "0", RANGE(0, PB_POOL_MAX_SIZE),
      .tunable = true, .help = "temporary workers beyond size" },
    { "pool.threads_per_worker", POOL(INTEGER, threads_per_worker), .def = "1",
      RANGE(1, PB_POOL_MAX_THREADS), .tunable = true,
      .help = "requests that one worker runs at a time" },
    { "pool.min_size", POOL(INTEGER, min_size), .def = "1", RANGE(1, PB_POOL_MAX_SIZE),
      .help = "no live change and no trial of the tuner goes below it" },
    { "pool.max_size", POOL(INTEGER, max_size), RANGE(1, PB_POOL_MAX_SIZE),
      .help = "nor above it" },
    { "pool.overflow_ttl", POOL(DURATION, overflow_ttl_ns), .def = "1s", RANGE(0, HOUR),
      .tunable = true, .help = "an overflow worker idle so long goes" },
    { "pool.overflow_after", POOL(DURATION, overflow_after_ns), .def = "0", RANGE(0, HOUR),
      .tunable = true, .help = "overflow opens only for a request that has waited so long" },
    { "pool.queue_limit", POOL(INTEGER, queue_limit), .def = "1000",
      RANGE(0, PB_POOL_MAX_QUEUE_LIMIT), .tunable = true,
      .help = "requests that may wait; one more is rejected" },
    { "pool.strategy", POOL(CHOICE, strategy), .def = "lifo", .choices = strategies,
      .tunable = true,
      .help = "which idle worker is next: idle for the shortest time, for the longest, the next by "
              "number, the one with the least work so far" },
    { "pool.affinity_ttl", POOL(DURATION, affinity_ttl_ns), .def = "0", RANGE(0, DAY),
      .help = "a session's requests prefer the worker that had its last one within this; 0: no" },
    { "pool.checkout_timeout", POOL(DURATION, checkout_timeout_ns), .def = "5s", RANGE(1e3, DAY),
      .tunable = true, .help = "longest wait in the queue, from the moment of sending" },
    { "pool.operation_timeout", POOL(DURATION, operation_timeout_ns), .def = "60s", RANGE(1e3, DAY),
      .tunable = true, .help = "longest run on a worker" },
    { "pool.init_timeout", POOL(DURATION, init_timeout_ns), .def = "30s", RANGE(1e6, DAY),
      .help = "longest start of a worker" },
    { "pool.lazy", POOL(BOOL, lazy), .def = "false",
      .help = "start core workers on demand rather than before the load" },
    { "pool.stuck_after", POOL(DURATION, stuck_after_ns), .def = "1s", RANGE(1e6, HOUR),
      .help = "a worker so long past its deadline is stuck and no longer counts" },
    { "pool.max_stuck", POOL(INTEGER, max_stuck), RANGE(0, PB_POOL_MAX_SIZE),
      .help = "workers that may replace stuck ones; else as many as size" },
    { "pool.kill_after", POOL(DURATION, kill_after_ns), .def = "1s", RANGE(0, HOUR),
      .help = "a process asked to end (TERM) and still there is killed (KILL) so much later" },
    { "pool.prepare", POOL(CHOICE, prepare), .def = "parallel", .choices = prepares,
      .help = "how workers are warmed before the load: all at once, one by one, in three batches" },
    { "pool.prepare_timeout", POOL(DURATION, prepare_timeout_ns), .def = "30s", RANGE(1e6, DAY),
      .help = "longest warming of one worker" },
    { "pool.health_check_interval", POOL(DURATION, health_check_interval_ns), RANGE(0, DAY),
      .help = "an idle worker is asked so often whether it is well; 0: never; else 30s for "
              "processes" },
    { "pool.health_check_timeout", POOL(DURATION, health_check_timeout_ns), .def = "5s",
      RANGE(1e6, HOUR), .help = "longest wait for its answer" },
    { "pool.max_health_failures", POOL(INTEGER, max_health_failures), .def = "3", RANGE(1, 1000),
      .help = "a worker that fails so many checks in a row is replaced" },
    { "pool.recycle.max_requests", POOL(INTEGER, recycle.max_requests), .def = "0", RANGE(0, 1e12),
      .help = "a worker is replaced after so many requests; 0: never" },
    { "pool.recycle.max_age", POOL(DURATION, recycle.max_age_ns), .def = "0", RANGE(0, LONGEST),
      .help = "a worker is replaced when it is so old; 0: never" },
    { "pool.recycle.max_memory", POOL(SIZE, recycle.max_memory_bytes), .def = "0",
      RANGE(0, 1099511627776),
      .help = "a process is replaced when it has grown so large; 0: never" },
    { "pool.recycle.jitter", POOL(RATIO, recycle.jitter), .def = "0", RANGE(0, 1),
      .help = "each limit of recycle is raised by up to this share, drawn for each worker" },
    { "pool.max_restarts", POOL(INTEGER, max_restarts), .def = "100", RANGE(0, 1e6),
      .help = "workers that died in restart_window before no more are started; 0: no limit" },
    { "pool.restart_window", POOL(DURATION, restart_window_ns), .def = "10s", RANGE(1e6, DAY),
      .help = "the stretch of time in which max_restarts are counted" },
    { "pool.restart_delay", POOL(DURATION, restart_delay_ns), .def = "10ms", RANGE(0, HOUR),
      .help = "pause before the second worker in a row that died without a success is followed; "
              "doubled each time" },
    { "pool.restart_max_delay", POOL(DURATION, restart_max_delay_ns), .def = "1s", RANGE(0, HOUR),
      .help = "the longest such pause" },

    { "workload.type", KIND(COMPLEX), .def = "synthetic", .choices = workloads,
      .help = "what one request does" },
    { "workload.service", KIND(COMPLEX), .def = "5ms",
      .help = "the demand of one request: a duration, or a distribution (below)" },
    { "workload.cpu_share", WORK(RATIO, cpu_share), .def = "0", RANGE(0, 1),
      .help = "part of the demand that is CPU time, burnt first; the rest waits" },
    { "workload.memory", WORK(SIZE, memory_bytes), .def = "0", RANGE(0, 1073741824),
      .help = "bytes touched by each request" },
    { "workload.error_rate", WORK(RATIO, error_rate), .def = "0", RANGE(0, 1),
      .help = "probability that a request ends as error" },
    { "workload.client_error_rate", WORK(RATIO, client_error_rate), .def = "0", RANGE(0, 1),
      .help = "probability that a request is itself at fault" },
    { "workload.hang_rate", WORK(RATIO, hang_rate), .def = "0", RANGE(0, 1),
      .help = "probability that a request does not end by itself" },
    { "workload.ignore_cancel", WORK(BOOL, ignore_cancel), .def = "false",
      .help = "the work does not stop when its time is up" },
    { "workload.command", KIND(COMPLEX),
      .help = "type command: the worker's program and its arguments, a list (docs/workers.md)" },
    { "workload.wire", TOP(CHOICE, worker.wire), .def = "frames", .choices = wires,
      .help = "type command: how its messages are cut; lines suits shell scripts" },
    { "workload.folder", TOP(TEXT, worker.folder), .max = 4000,
      .help = "type command: where workers run; else in the scenario file's folder" },
    { "workload.env", KIND(COMPLEX),
      .help = "type command: names and values, added to our environment" },
    { "workload.settings", KIND(COMPLEX),
      .help = "type command: an object that each worker gets with init" },
    { "workload.args", KIND(COMPLEX),
      .help = "type command: any JSON, handed over with each request" },
    { "workload.max_memory", TOP(SIZE, worker.max_memory_bytes), .def = "0",
      RANGE(0, 1099511627776), .help = "address space that a worker process may have; 0: as ours" },
    { "workload.max_files", TOP(INTEGER, worker.max_files), .def = "0", RANGE(0, 1048576),
      .help = "files that a worker process may have open; 0: as we may" },
    { "workload.prepare", KIND(COMPLEX),
      .help = "commands that each worker process runs before it takes requests" },
    { "workload.prepare[].command", KIND(TEXT), .max = PB_NAME_MAX, .help = "required" },
    { "workload.prepare[].args", KIND(COMPLEX), .help = "any JSON" },
    { "workload.prepare[].timeout", KIND(DURATION), .def = "10s", RANGE(1e6, HOUR),
      .help = "a command that takes longer has failed" },
    { "workload.operations", KIND(COMPLEX),
      .help = "a mix: kinds of requests, each inheriting the fields of workload" },
    { "workload.operations[].name", WORK(TEXT, name), .max = PB_NAME_MAX, .help = "unique" },
    { "workload.operations[].command", WORK(TEXT, command), .max = PB_NAME_MAX,
      .help = "type command: what the worker is asked for; else the operation's name" },
    { "workload.operations[].weight", WORK(RATIO, weight), .def = "1", RANGE(0, 1e6),
      .help = "share of the requests, against the sum of all weights" },
    { "workload.service.distribution", KIND(COMPLEX), .choices = distributions,
      .help = "without it a p99 means lognormal" },
    { "workload.service.value", KIND(DURATION), RANGE(0, HOUR), .help = "constant" },
    { "workload.service.min", KIND(DURATION), RANGE(0, HOUR), .help = "uniform" },
    { "workload.service.max", KIND(DURATION), RANGE(0, HOUR), .help = "uniform" },
    { "workload.service.mean", KIND(DURATION), RANGE(0, HOUR),
      .help = "exponential; lognormal with p99" },
    { "workload.service.p50", KIND(DURATION), RANGE(0, HOUR), .help = "lognormal with p99" },
    { "workload.service.p99", KIND(DURATION), RANGE(0, HOUR),
      .help = "lognormal with mean (p99/mean below 14.97) or with p50" },
    { "workload.service.median", KIND(DURATION), RANGE(0, HOUR), .help = "lognormal with sigma" },
    { "workload.service.sigma", KIND(RATIO), RANGE(0, 5),
      .help = "lognormal: standard deviation of the logarithm, a plain number" },

    { "phases", KIND(COMPLEX), .help = "stretches of load, one after the other" },
    { "phases[].name", PHASE(TEXT, name), .max = PB_NAME_MAX, .help = "unique; not all" },
    { "phases[].duration", PHASE(DURATION, duration_ns), RANGE(1e6, LONGEST), .help = "required" },
    { "phases[].arrival", KIND(COMPLEX), .def = "poisson", .choices = arrivals,
      .help = "how requests come; closed when users is given" },
    { "phases[].rate", PHASE(RATE, rate), RANGE(0.001, FASTEST), .help = "constant, poisson" },
    { "phases[].from", PHASE(RATE, from), RANGE(0, FASTEST),
      .help = "ramp, step: rate at the start" },
    { "phases[].to", PHASE(RATE, to), RANGE(0, FASTEST), .help = "ramp, step: rate at the end" },
    { "phases[].steps", PHASE(INTEGER, steps), RANGE(2, 10000), .help = "step: equal stretches" },
    { "phases[].mean", PHASE(RATE, mean), RANGE(0, FASTEST), .help = "sine" },
    { "phases[].amplitude", PHASE(RATE, amplitude), RANGE(0, FASTEST),
      .help = "sine: at most mean" },
    { "phases[].period", PHASE(DURATION, period_ns), RANGE(1e6, LONGEST), .help = "sine" },
    { "phases[].base", PHASE(RATE, base), RANGE(0, FASTEST), .help = "burst: rate between bursts" },
    { "phases[].peak", PHASE(RATE, peak), RANGE(0, FASTEST), .help = "burst: rate in a burst" },
    { "phases[].every", PHASE(DURATION, every_ns), RANGE(1e6, LONGEST),
      .help = "burst: one starts at each multiple of it, the first after one" },
    { "phases[].length", PHASE(DURATION, length_ns), RANGE(1e6, LONGEST),
      .help = "burst: how long one lasts, at most every" },
    { "phases[].users", PHASE(INTEGER, users), RANGE(1, 1e6), .help = "closed: users in a loop" },
    { "phases[].think", KIND(COMPLEX), .def = "0",
      .help = "closed: pause between answer and next request, a duration or a distribution" },
    { "phases[].spacing", KIND(COMPLEX), .def = "poisson", .choices = spacings,
      .help = "ramp, step, sine, burst: random arrivals, or evenly spaced ones" },
    { "phases[].record", PHASE(BOOL, record), .def = "true",
      .help = "false: a warm-up, kept out of totals and objectives" },
    { "phases[].drain", PHASE(BOOL, drain), .def = "false",
      .help = "wait until the pool is empty before the next phase" },

    { "retries.max", RETRY(INTEGER, max), .def = "0", RANGE(0, PB_RETRIES_MAX),
      .help = "attempts that a request may make beyond its first" },
    { "retries.delay", RETRY(DURATION, delay_ns), .def = "10ms", RANGE(0, HOUR),
      .help = "pause before the first of them" },
    { "retries.backoff", RETRY(RATIO, backoff), .def = "2", RANGE(1, 100),
      .help = "each pause is so many times the one before, a plain number" },
    { "retries.max_delay", RETRY(DURATION, max_delay_ns), .def = "1h", RANGE(0, HOUR),
      .help = "the longest pause" },
    { "retries.jitter", RETRY(RATIO, jitter), .def = "0", RANGE(0, 1),
      .help = "up to this share of each pause is taken off, drawn from the seed" },
    { "retries.on", KIND(COMPLEX),
      .help = "outcomes that are tried again; else error, rejected, checkout_timeout, "
              "operation_timeout, worker_lost" },

    { "faults", KIND(COMPLEX), .help = "what goes wrong, and when" },
    { "faults[].at", KIND(COMPLEX), .help = "from the start of the first phase: 6s, or spike+1s" },
    { "faults[].stall", KIND(DURATION), RANGE(1e3, HOUR),
      .help = "no worker starts or finishes anything for so long" },
    { "faults[].kill_worker", KIND(COMPLEX),
      .help = "it dies at once, with its request: a worker's number from 0, any or all" },
    { "faults[].stop_worker", KIND(COMPLEX),
      .help =
          "profile process: it is stopped (SIGSTOP), and goes on after `for`; number, any or all" },
    { "faults[].hang_worker", KIND(COMPLEX),
      .help = "requests on it do not come back; number, any or all" },
    { "faults[].slow_worker", KIND(COMPLEX),
      .help = "its requests take `factor` times as long; number, any or all" },
    { "faults[].fail_worker", KIND(COMPLEX),
      .help = "its requests end as error, with `probability`; number, any or all" },
    { "faults[].leak_worker", KIND(COMPLEX),
      .help = "each of its requests keeps `bytes` of memory; number, any or all" },
    { "faults[].corrupt_worker", KIND(COMPLEX),
      .help = "profile process: its replies are garbage, with `probability`; number, any or all" },
    { "faults[].for", KIND(DURATION), RANGE(1e3, HOUR),
      .help = "how long a fault of a worker lasts; else until that worker is replaced" },
    { "faults[].factor", KIND(RATIO), RANGE(1, 10000), .help = "slow_worker: a plain number" },
    { "faults[].probability", KIND(RATIO), .def = "1", RANGE(0, 1),
      .help = "fail_worker, corrupt_worker: of each request, drawn from the seed" },
    { "faults[].bytes", KIND(SIZE), RANGE(1, 1073741824), .help = "leak_worker: of each request" },

    { "changes", KIND(COMPLEX), .help = "what changes in the pool while it runs, and when" },
    { "changes[].at", KIND(COMPLEX), .help = "from the start of the first phase: 6s, or spike+1s" },
    { "changes[].set", KIND(COMPLEX),
      .help = "path to value: size, max_overflow, queue_limit, overflow_ttl, overflow_after, "
              "checkout_timeout, operation_timeout, strategy of the pool" },

    { "slo", KIND(COMPLEX), .help = "objectives: a preset's name, or a list" },
    { "slo[].expr", KIND(COMPLEX), .help = "the objective as text" },
    { "slo[].level", KIND(COMPLEX), .def = "fail", .choices = levels,
      .help = "warn: shown, but never the reason of an exit code" },
    { "slo[].why", KIND(COMPLEX), .help = "for the people who see it break" },
    { "abort", KIND(COMPLEX), .help = "rules that end a run early, as failed" },

    { "tune.vary", KIND(COMPLEX), .help = "path to range or list: what the tuner may change" },
    { "tune.minimize", TUNE(CHOICE, minimize), .def = "workers", .choices = minimizes,
      .help = "the cost among settings that meet every objective" },
    { "tune.headroom", TUNE(RATIO, headroom), .def = "0", RANGE(0, 10),
      .help = "objectives must hold at so much more load" },
    { "tune.survive", TUNE(INTEGER, survive), .def = "0", RANGE(0, PB_POOL_MAX_SIZE),
      .help = "objectives must hold with so many workers lost" },
    { "tune.max_change", TUNE(INTEGER, max_change), RANGE(1, PB_POOL_MAX_SIZE),
      .help = "most workers between two accepted settings; else max(2, half)" },
    { "tune.budget.time", TUNE(DURATION, budget_time_ns), RANGE(1e9, LONGEST),
      .help = "the tuner ends within it" },
    { "tune.budget.runs", TUNE(INTEGER, budget_runs), RANGE(1, 100000),
      .help = "the tuner makes at most so many runs" },
};

static const struct pb_later laters[] = {
    { "system", NULL },
    { "arrival", "replay" },
    { "pool.preset", "hikaricp" },
    { "pool.preset", "sqlalchemy" },
    { "pool.preset", "pgbouncer" },
    { "pool.preset", "database/sql" },
    { "pool.preset", "gunicorn" },
    { "pool.preset", "poolboy" },
    { "workload.type", "http" },
    { "workload.type", "postgres" },
    { "workload.type", "plugin" },
    { "workload.url", NULL },
    { "workload.plugin", NULL },
    { "workload.service.distribution", "gamma" },
    { "workload.service.distribution", "pareto" },
    { "workload.service.distribution", "mixture" },
    { "workload.service.distribution", "empirical" },
    { "workload.service.shape", NULL },
    { "workload.service.alpha", NULL },
    { "workload.service.of", NULL },
    { "workload.service.from", NULL },
    { "workload.service.column", NULL },
    { "phases[].arrival", "replay" },
    { "phases[].file", NULL },
    { "phases[].column", NULL },
    { "phases[].scale", NULL },
    { "phases[].loop", NULL },
};

/* dspex: the pool of a service in production, ten workers and ten more under load. */
static const struct {
    const char *preset, *path, *value;
} preset_values[] = {
    { "dspex", "pool.size", "10" },
    { "dspex", "pool.max_overflow", "10" },
    { "dspex", "pool.queue_limit", "1000" },
    { "dspex", "pool.strategy", "lifo" },
    { "dspex", "pool.lazy", "false" },
    { "dspex", "pool.init_timeout", "30s" },
    { "dspex", "pool.checkout_timeout", "5s" },
    { "dspex", "pool.operation_timeout", "60s" },
};

static const struct pb_arrival_kind arrival_kinds[] = {
    { "constant", "constant arrivals take rate", { "rate" }, false, "evenly spaced requests" },
    { "poisson",
      "poisson arrivals take rate",
      { "rate" },
      false,
      "independent requests, as many users make them" },
    { "ramp", "a ramp takes from and to", { "from", "to" }, true, "the rate changes linearly" },
    { "step",
      "step arrivals take from, to and steps",
      { "from", "to", "steps" },
      true,
      "`steps` equal stretches, the k-th at from + k (to - from) / (steps - 1)" },
    { "sine",
      "a sine takes mean, amplitude and period",
      { "mean", "amplitude", "period" },
      true,
      "mean + amplitude sin(2 pi t / period)" },
    { "burst",
      "bursts take base, peak, every and length",
      { "base", "peak", "every", "length" },
      true,
      "`peak` in [k every, k every + length) for k = 1, 2, ..., else `base`" },
    { "closed",
      "closed arrivals take users and think",
      { "users" },
      false,
      "each user waits for the answer, thinks, and sends the next request" },
};
_Static_assert(PB_ARRAY_LEN(arrival_kinds) == PB_ARRIVAL_COUNT, "a row for each arrival");

const struct pb_field *pb_field_at(size_t i)
{
    return i < PB_ARRAY_LEN(fields) ? &fields[i] : NULL;
}

const struct pb_later *pb_later_at(size_t i)
{
    return i < PB_ARRAY_LEN(laters) ? &laters[i] : NULL;
}

const struct pb_arrival_kind *pb_arrival_kind(enum pb_arrival arrival)
{
    return &arrival_kinds[arrival];
}

const char *pb_arrival_name(enum pb_arrival arrival)
{
    return arrivals[arrival];
}

const char *pb_profile_name(enum pb_profile profile)
{
    return profiles[profile];
}

const char *pb_minimize_name(enum pb_minimize minimize)
{
    return minimizes[minimize];
}

int pb_preset_find(const char *name)
{
    for (int i = 0; presets[i]; i++) {
        if (strcmp(presets[i], name) == 0) {
            return i + 1;
        }
    }
    return 0;
}

const char *pb_preset_value(int preset, const char *path)
{
    for (size_t i = 0; preset > 0 && i < PB_ARRAY_LEN(preset_values); i++) {
        if (strcmp(preset_values[i].preset, presets[preset - 1]) == 0 &&
            strcmp(preset_values[i].path, path) == 0) {
            return preset_values[i].value;
        }
    }
    return NULL;
}
