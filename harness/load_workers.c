#include "harness/load_workers.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "pool/process.h"
#include "pool/wire.h"
#include "workload/demand.h"
#include "workload/workload.h"

#define OWN_PROGRAM "/proc/self/exe"
#define OWN_COMMAND "work"

/* One child, from its start hook to its stop hook. */
struct worker {
    struct pb_process *process;
    struct pb_worker_id id;
    _Atomic bool given_up; /* it did not end a request that nobody waits for: no shutdown is read */
    struct worker *next PB_GUARDED_BY(lock);
    bool died PB_GUARDED_BY(lock); /* before there was a pool to tell */
};

struct pb_load_workers {
    /* Constant after _new. */
    const struct pb_scenario *scenario;
    struct pb_process_config config;
    const char *own_argv[5]; /* of poolbench as a worker */
    char own_threads[16];
    struct pb_process_watch *watch;
    struct pb_process_log *log;
    uint32_t lanes;     /* requests at a time */
    int64_t soft_files; /* our limit of descriptors before; children have it */

    struct pb_mutex lock;
    struct pb_backend *backend PB_GUARDED_BY(lock); /* NULL: not yet */
    struct worker *alive PB_GUARDED_BY(lock);
    struct pb_load_prepare_stats prepared PB_GUARDED_BY(lock);
    int64_t prepare_from_ns PB_GUARDED_BY(lock); /* 0: none has begun */
};

static struct pb_load_workers *workers_of(void *ctx)
{
    return ((struct pb_load *)ctx)->workers;
}

/* --- Deaths --- */

/* The pool keeps the reason for good, so it is one of these. */
static const char *reason_of(struct pb_process *process)
{
    static const struct {
        const char *fate, *reason;
    } reasons[] = { { "exited", "exited" },
                    { "killed", "killed" },
                    { "wrote garbage", "garbage" },
                    { "closed", "closed" } };
    const char *fate = pb_process_fate(process);

    for (size_t i = 0; i < PB_ARRAY_LEN(reasons); i++) {
        if (strncmp(fate, reasons[i].fate, strlen(reasons[i].fate)) == 0) {
            return reasons[i].reason;
        }
    }
    return "lost";
}

static void tell_pool(struct pb_backend *backend, const struct worker *worker)
{
    /* PB_ENOENT: the pool knows already, from a request that the worker had. */
    enum pb_status known =
        pb_backend_worker_lost(backend, worker->id.worker, worker->id.incarnation,
                               reason_of(worker->process));
    (void)known;
}

/* On the watching thread. */
static void on_died(void *ctx, struct pb_process *process, const struct pb_worker_id *id)
{
    struct pb_load_workers *workers = ctx;
    struct pb_backend *backend;
    struct worker *worker;

    (void)id;
    pb_mutex_lock(&workers->lock);
    backend = workers->backend;
    worker = workers->alive;
    while (worker && worker->process != process) {
        worker = worker->next;
    }
    if (worker && !backend) {
        worker->died = true;
    }
    pb_mutex_unlock(&workers->lock);
    /* It stays while this runs: its stop hook waits in pb_process_watch_remove. */
    if (worker && backend) {
        tell_pool(backend, worker);
    }
}

void pb_load_workers_opened(struct pb_load_workers *workers, struct pb_backend *backend)
{
    pb_mutex_lock(&workers->lock);
    workers->backend = backend;
    for (struct worker *worker = workers->alive; worker; worker = worker->next) {
        if (worker->died) {
            tell_pool(backend, worker);
        }
    }
    pb_mutex_unlock(&workers->lock);
}

/* --- The hooks --- */

static void add_worker(struct pb_load_workers *workers, struct worker *worker)
{
    pb_mutex_lock(&workers->lock);
    worker->next = workers->alive;
    workers->alive = worker;
    pb_mutex_unlock(&workers->lock);
}

static void remove_worker(struct pb_load_workers *workers, struct worker *worker)
{
    pb_mutex_lock(&workers->lock);
    for (struct worker **at = &workers->alive; *at; at = &(*at)->next) {
        if (*at == worker) {
            *at = worker->next;
            break;
        }
    }
    pb_mutex_unlock(&workers->lock);
}

static void end_worker(struct pb_load_workers *workers, struct worker *worker)
{
    bool politely = !atomic_load(&worker->given_up) && !pb_process_is_lost(worker->process);

    pb_process_watch_remove(workers->watch, worker->process);
    remove_worker(workers, worker);
    pb_process_stop(worker->process, politely);
    free(worker);
}

static enum pb_status start(void *ctx, const struct pb_worker_id *id, struct pb_token *token,
                            int64_t deadline_ns, void **ret_state, struct pb_error *err)
{
    struct pb_load_workers *workers = workers_of(ctx);
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker) {
        return pb_fail(err, PB_ENOMEM, "no memory for a worker");
    }
    worker->id = *id;
    enum pb_status status =
        pb_process_start(&workers->config, id, token, deadline_ns, &worker->process, err);

    if (status != PB_OK) {
        free(worker);
        return status;
    }
    add_worker(workers, worker);
    if (pb_process_watch_add(workers->watch, worker->process, id) != PB_OK) {
        end_worker(workers, worker);
        return pb_fail(err, PB_ENOMEM, "no memory to watch a worker");
    }
    *ret_state = worker;
    return PB_OK;
}

static void stop(void *ctx, const struct pb_worker_id *id, void *state, const char *reason)
{
    (void)id;
    (void)reason;
    end_worker(workers_of(ctx), state);
}

static void kill_hard(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct worker *worker = state;

    (void)ctx;
    (void)id;
    pb_process_signal(worker->process, SIGKILL);
}

/* A worker with one thread is checked by that thread, between its requests; others have a lane more
 * than they have threads. */
static uint32_t ping_lane(const struct pb_load_workers *workers)
{
    return workers->lanes > 1 ? workers->lanes : 0;
}

static bool check(void *ctx, const struct pb_worker_id *id, void *state, struct pb_token *token,
                  int64_t deadline_ns)
{
    struct worker *worker = state;

    (void)id;
    return pb_process_ping(worker->process, ping_lane(workers_of(ctx)), token, deadline_ns);
}

static int64_t memory_bytes(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct worker *worker = state;

    (void)ctx;
    (void)id;
    return pb_process_memory_bytes(worker->process);
}

static int64_t pid(void *ctx, const struct pb_worker_id *id, void *state)
{
    struct worker *worker = state;

    (void)ctx;
    (void)id;
    return pb_process_pid(worker->process);
}

/* --- Warming --- */

static void note_command(struct pb_load_workers *workers, size_t number, bool good, int64_t took_ns)
{
    pb_mutex_lock(&workers->lock);

    struct pb_prepare_tally *tally = &workers->prepared.commands[number];

    tally->count++;
    tally->failures += !good;
    tally->sum_ns += took_ns;
    tally->max_ns = took_ns > tally->max_ns ? took_ns : tally->max_ns;
    pb_mutex_unlock(&workers->lock);
}

static void note_worker(struct pb_load_workers *workers, int64_t from_ns, bool good)
{
    int64_t now_ns = pb_now_ns();

    pb_mutex_lock(&workers->lock);

    struct pb_load_prepare_stats *stats = &workers->prepared;

    if (workers->backend) {
        stats->later_workers++;
        stats->later_successful += good;
    } else {
        if (workers->prepare_from_ns == 0 || from_ns < workers->prepare_from_ns) {
            workers->prepare_from_ns = from_ns;
        }
        stats->total_workers++;
        stats->successful_workers += good;
        stats->duration_ns = now_ns - workers->prepare_from_ns;
        stats->ended_ns = now_ns;
    }
    pb_mutex_unlock(&workers->lock);
}

/* A worker that is still at a command, late as it is, could not take a request: it has until
 * kill_after to end it, then it goes. */
static void end_command(struct pb_load_workers *workers, struct worker *worker)
{
    int64_t until_ns = pb_now_ns() + workers->config.kill_after_ns;

    if (!pb_process_settle(worker->process, 0, until_ns)) {
        atomic_store(&worker->given_up, true);
        pb_process_signal(worker->process, SIGKILL);
    }
}

/* True: done, well and in time.  One that is late ends before the next one begins. */
static bool run_command(struct pb_load_workers *workers, struct worker *worker, size_t number,
                        struct pb_token *token, int64_t deadline_ns)
{
    const struct pb_prepare_command *command = &workers->scenario->worker.prepare[number];
    int64_t from_ns = pb_now_ns();
    int64_t until_ns =
        deadline_ns - from_ns > command->timeout_ns ? from_ns + command->timeout_ns : deadline_ns;
    struct pb_process_request request = { .command = command->command,
                                          .args = command->args,
                                          .deadline_ns = until_ns };
    struct pb_reply reply;
    enum pb_call call = pb_process_call(worker->process, 0, token, &request, &reply);
    bool good = call == PB_CALL_ANSWERED && reply.outcome == PB_OUTCOME_OK;

    note_command(workers, number, good, pb_now_ns() - from_ns);
    if (call == PB_CALL_CANCELLED) {
        end_command(workers, worker);
    }
    return good;
}

static enum pb_status prepare(void *ctx, const struct pb_worker_id *id, void *state,
                              struct pb_token *token, int64_t deadline_ns)
{
    struct pb_load_workers *workers = workers_of(ctx);
    int64_t from_ns = pb_now_ns();
    bool good = true;

    (void)id;
    for (size_t i = 0; i < workers->scenario->worker.prepare_count; i++) {
        good = run_command(workers, state, i, token, deadline_ns) && good;
    }
    note_worker(workers, from_ns, good);
    return good ? PB_OK : PB_ETIMEDOUT;
}

void pb_load_workers_prepared(struct pb_load_workers *workers,
                              struct pb_load_prepare_stats *ret_stats)
{
    pb_mutex_lock(&workers->lock);
    *ret_stats = workers->prepared;
    pb_mutex_unlock(&workers->lock);
}

const struct pb_worker_hooks *pb_load_workers_hooks(const struct pb_load_workers *workers)
{
    static const struct pb_worker_hooks plain = { .start = start,
                                                  .check = check,
                                                  .memory_bytes = memory_bytes,
                                                  .pid = pid,
                                                  .stop = stop,
                                                  .kill = kill_hard };
    static const struct pb_worker_hooks warming = { .start = start,
                                                    .prepare = prepare,
                                                    .check = check,
                                                    .memory_bytes = memory_bytes,
                                                    .pid = pid,
                                                    .stop = stop,
                                                    .kill = kill_hard };

    return workers->scenario->worker.prepare_count > 0 ? &warming : &plain;
}

/* --- Requests --- */

/* What the worker measured itself, where it says so. */
static void take_stats(const struct pb_load_workers *workers, const struct pb_reply *reply,
                       struct pb_work *work)
{
    struct pb_span text = { reply->payload, reply->len };
    struct pb_wire_message message;
    const char *why;

    if (!reply->payload || !pb_wire_read(workers->config.wire, text, &message, &why) ||
        message.stats.len == 0) {
        return;
    }
    cJSON *stats = cJSON_ParseWithLength(message.stats.at, message.stats.len);

    work->cpu_ns = pb_json_int(stats, "cpu_ns", work->cpu_ns);
    work->demand_ns = pb_json_int(stats, "demand_ns", work->demand_ns);
    cJSON_Delete(stats);
}

static enum pb_outcome lose(struct pb_work *work, const char *reason)
{
    work->lost = true;
    work->lost_reason = reason;
    return PB_OUTCOME_WORKER_LOST;
}

/* The request was decided without its worker.  A worker that does one thing at a time is of no use
 * until it is done with this: it goes.  Another has until kill_after to end it, and then goes too,
 * with all that it runs. */
static enum pb_outcome give_up(struct pb_load_workers *workers, struct worker *worker,
                               struct pb_work *work)
{
    if (workers->lanes > 1) {
        int64_t until_ns = pb_now_ns() + workers->config.kill_after_ns;

        if (pb_process_settle(worker->process, work->lane, until_ns)) {
            return PB_OUTCOME_ERROR;
        }
        pb_process_signal(worker->process, SIGKILL);
    }
    atomic_store(&worker->given_up, true);
    return lose(work, "timeout");
}

static enum pb_outcome ask(struct pb_load_workers *workers, struct pb_work *work,
                           const char *command, const char *args, bool measure_cpu)
{
    struct worker *worker = work->state;
    struct pb_process_request request = {
        .index = work->request->index, .command = command, .args = args, .want_payload = measure_cpu
    };
    struct pb_reply reply = { .payload = NULL };

    switch (pb_process_call(worker->process, work->lane, work->token, &request, &reply)) {
    case PB_CALL_ANSWERED:
        take_stats(workers, &reply, work);
        free(reply.payload);
        return reply.outcome;
    case PB_CALL_CANCELLED:
        return give_up(workers, worker, work);
    case PB_CALL_LOST:
        break;
    }
    return lose(work, reason_of(worker->process));
}

enum pb_outcome pb_load_workers_run(struct pb_load *load, const struct pb_demand *demand,
                                    struct pb_work *work, bool measure_cpu)
{
    const struct pb_operation *operation = &load->config.scenario->operations[demand->operation];
    char args[PB_DEMAND_TEXT];

    if (operation->command) {
        return ask(load->workers, work, operation->command, operation->args, measure_cpu);
    }
    return ask(load->workers, work, OWN_COMMAND, pb_demand_print(demand, measure_cpu, args),
               measure_cpu);
}

/* --- Life cycle --- */

/* Poolbench as a worker: `poolbench worker KIND THREADS`. */
static void be_own(struct pb_load_workers *workers)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it */
    const char *program = getenv(PB_WORKER_PROGRAM_VARIABLE);

    (void)snprintf(workers->own_threads, sizeof(workers->own_threads), "%" PRIu32, workers->lanes);
    workers->own_argv[0] = program ? program : OWN_PROGRAM;
    workers->own_argv[1] = "worker";
    workers->own_argv[2] = workers->scenario->workload->name;
    workers->own_argv[3] = workers->own_threads;
    workers->config.argv = workers->own_argv;
}

static void set_config(struct pb_load_workers *workers)
{
    const struct pb_scenario_worker *worker = &workers->scenario->worker;
    struct pb_process_config *config = &workers->config;

    *config = (struct pb_process_config){ .folder = worker->folder,
                                          .wire = (enum pb_wire)worker->wire,
                                          .lanes = ping_lane(workers) + 1,
                                          .kill_after_ns = workers->scenario->pool.kill_after_ns,
                                          .max_memory_bytes = worker->max_memory_bytes,
                                          .max_files = worker->max_files,
                                          .soft_files = workers->soft_files,
                                          .settings = worker->settings,
                                          .log = workers->log };
    if (worker->argv) {
        config->argv = (const char *const *)worker->argv;
        config->env = (const char *const *)worker->env;
    } else {
        be_own(workers);
    }
}

enum pb_status pb_load_workers_new(const struct pb_scenario *scenario,
                                   struct pb_load_workers **ret_workers, struct pb_error *err)
{
    struct pb_load_workers *workers = calloc(1, sizeof(*workers));

    if (!workers) {
        return pb_fail(err, PB_ENOMEM, "no memory for worker processes");
    }
    workers->scenario = scenario;
    workers->lanes =
        scenario->pool.threads_per_worker > 1 ? (uint32_t)scenario->pool.threads_per_worker : 1;
    pb_mutex_init(&workers->lock);
    enum pb_status status = pb_process_log_new(&workers->log, err);

    if (status == PB_OK) {
        status = pb_process_watch_new(on_died, workers, &workers->watch, err);
    }
    if (status != PB_OK) {
        pb_load_workers_free(workers);
        return status;
    }
    workers->soft_files = pb_process_raise_files();
    set_config(workers);
    *ret_workers = workers;
    return PB_OK;
}

int64_t pb_load_workers_patience_ns(const struct pb_load_workers *workers)
{
    /* Once after the shutdown, once after SIGTERM. */
    return 2 * workers->config.kill_after_ns;
}

char *pb_load_workers_log(struct pb_load_workers *workers)
{
    return pb_process_log_text(workers->log);
}

void pb_load_workers_free(struct pb_load_workers *workers)
{
    if (!workers) {
        return;
    }
    if (workers->watch) {
        pb_process_watch_free(workers->watch);
    }
    pb_process_log_free(workers->log);
    pb_process_lower_files(workers->soft_files);
    pb_mutex_done(&workers->lock);
    free(workers);
}
