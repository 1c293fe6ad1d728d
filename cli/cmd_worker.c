#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "poolbench/worker.h"

#include "base/clock.h"
#include "base/mutex.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "pool/token.h"
#include "workload/demand.h"
#include "workload/workload.h"

/*
 * Poolbench as a worker process of its own: does in a child what the workload does on a thread.
 *
 * A worker with one thread cannot hear of a cancel while it works: it is killed instead.  With
 * several, the library raises a flag for each request; one thread more looks at the flags and sets
 * the tokens that wake the work.
 */
#define FLAGS_EVERY_NS (2 * PB_NS_PER_MS)

struct seat {
    struct pb_token *token;
    const _Atomic uint32_t *cancelled; /* of the request that it has; NULL: free */
};

/* Memory that is never given back: it has to be resident, and reachable, so that no tool takes it
 * for a leak of the program's own. */
struct kept {
    struct kept *next;
};

struct own {
    /* Constant once serving. */
    const struct pb_workload_kind *kind;
    void *state;
    uint32_t threads;
    _Atomic int64_t give_up_ns;

    struct pb_mutex lock;
    struct pb_cond changed;
    struct seat seats[PB_POOL_MAX_THREADS] PB_GUARDED_BY(lock);
    uint32_t taken PB_GUARDED_BY(lock);
    struct kept *kept PB_GUARDED_BY(lock); /* what a fault of the scenario leaks, until the end */
    uint32_t deaf PB_GUARDED_BY(lock);     /* requests that ignore being asked to stop */
    bool over PB_GUARDED_BY(lock);
};

/* Work that ignores being cancelled ignores a SIGTERM too. */
static void be_deaf_locked(struct own *own, bool deaf) PB_REQUIRES(own->lock)
{
    own->deaf += deaf ? 1 : -1U;
    if (own->deaf == (deaf ? 1 : 0)) {
        (void)signal(SIGTERM, deaf ? SIG_IGN : SIG_DFL);
    }
}

static uint32_t take_seat(struct own *own, const _Atomic uint32_t *cancelled, bool deaf)
{
    uint32_t number = 0;

    pb_mutex_lock(&own->lock);
    while (number + 1 < own->threads && own->seats[number].cancelled) {
        number++;
    }
    own->seats[number].cancelled = cancelled;
    own->taken++;
    if (deaf) {
        be_deaf_locked(own, true);
    }
    pb_cond_broadcast(&own->changed);
    pb_mutex_unlock(&own->lock);
    return number;
}

static void leave_seat(struct own *own, uint32_t number, bool deaf)
{
    pb_mutex_lock(&own->lock);
    own->seats[number].cancelled = NULL;
    pb_token_reset(own->seats[number].token);
    own->taken--;
    if (deaf) {
        be_deaf_locked(own, false);
    }
    pb_mutex_unlock(&own->lock);
}

static void pass_flags_locked(struct own *own) PB_REQUIRES(own->lock)
{
    for (uint32_t i = 0; i < own->threads; i++) {
        if (own->seats[i].cancelled && atomic_load(own->seats[i].cancelled) != 0) {
            pb_token_set(own->seats[i].token);
        }
    }
}

static void *flags_main(void *ctx)
{
    struct own *own = ctx;

    pb_mutex_lock(&own->lock);
    while (!own->over) {
        if (own->taken == 0) {
            pb_cond_wait(&own->changed, &own->lock);
        } else {
            (void)pb_cond_wait_until(&own->changed, &own->lock, pb_now_ns() + FLAGS_EVERY_NS);
            pass_flags_locked(own);
        }
    }
    pb_mutex_unlock(&own->lock);
    return NULL;
}

static void put_stats(const struct pb_work *work, struct pb_worker_reply *reply)
{
    if (work->cpu_ns >= 0 &&
        asprintf(&reply->stats, "{\"cpu_ns\":%" PRId64 "}", work->cpu_ns) < 0) {
        reply->stats = NULL;
    }
}

static void keep(struct own *own, size_t bytes)
{
    bytes = bytes > sizeof(struct kept) ? bytes : sizeof(struct kept);
    struct kept *kept = malloc(bytes);

    if (!kept) {
        return; /* at its limit already */
    }
    memset(kept, 1, bytes);
    pb_mutex_lock(&own->lock);
    kept->next = own->kept;
    own->kept = kept;
    pb_mutex_unlock(&own->lock);
}

static enum pb_outcome handle(void *ctx, const struct pb_worker_request *request,
                              struct pb_worker_reply *reply)
{
    struct own *own = ctx;
    struct pb_error err = { .text = "" };
    struct pb_demand demand;
    bool measure_cpu = false;

    if (strcmp(request->command, "work") != 0) {
        (void)snprintf(reply->message, sizeof(reply->message),
                       "unknown command %.80s; here is work", request->command);
        return PB_OUTCOME_CLIENT_ERROR;
    }
    if (pb_demand_parse(request->args, &demand, &measure_cpu, &err) != PB_OK) {
        (void)snprintf(reply->message, sizeof(reply->message), "%.150s", err.text);
        return PB_OUTCOME_CLIENT_ERROR;
    }
    uint32_t seat = take_seat(own, request->cancelled, demand.ignore_cancel);
    struct pb_work work = {
        .token = own->seats[seat].token, .started_ns = pb_now_ns(), .worker = seat, .cpu_ns = -1
    };
    enum pb_outcome outcome =
        own->kind->run(own->state, &demand, &work, measure_cpu, &own->give_up_ns);

    leave_seat(own, seat, demand.ignore_cancel);
    if (demand.leak_bytes > 0) {
        keep(own, (size_t)demand.leak_bytes);
    }
    put_stats(&work, reply);
    if (outcome != PB_OUTCOME_OK) {
        (void)snprintf(reply->message, sizeof(reply->message), "as the scenario asks");
    }
    return outcome;
}

/* Returns the exit code. */
static int serve(struct own *own)
{
    struct pb_worker_service service = { .handle = handle, .ctx = own, .threads = own->threads };
    pthread_t flags;
    bool watched = own->threads > 1;

    if (watched && pthread_create(&flags, NULL, flags_main, own) != 0) {
        (void)fprintf(stderr, "poolbench worker: cannot start a thread\n");
        return PB_EXIT_FAILED;
    }
    int code = pb_worker_serve(&service);

    if (watched) {
        pb_mutex_lock(&own->lock);
        own->over = true;
        pb_cond_broadcast(&own->changed);
        pb_mutex_unlock(&own->lock);
        (void)pthread_join(flags, NULL);
    }
    return code;
}

static bool make_seats(struct own *own)
{
    for (uint32_t i = 0; i < own->threads; i++) {
        own->seats[i].token = pb_token_new();
        if (!own->seats[i].token) {
            return false;
        }
    }
    return true;
}

static int work_as(const struct pb_workload_kind *kind, uint32_t threads)
{
    struct own *own = calloc(1, sizeof(*own));
    struct pb_error err = { .text = "no memory" };
    int code = PB_EXIT_FAILED;

    if (!own) {
        (void)fprintf(stderr, "poolbench worker: no memory\n");
        return code;
    }
    own->kind = kind;
    own->threads = threads;
    atomic_init(&own->give_up_ns, INT64_MAX);
    pb_mutex_init(&own->lock);
    pb_cond_init(&own->changed);
    if (make_seats(own) && kind->open(threads, &own->state, &err) == PB_OK) {
        code = serve(own);
        kind->close(own->state);
    } else {
        (void)fprintf(stderr, "poolbench worker: %s\n", err.text);
    }
    for (uint32_t i = 0; i < threads; i++) {
        pb_token_free(own->seats[i].token);
    }
    pb_cond_done(&own->changed);
    pb_mutex_done(&own->lock);
    free(own);
    return code;
}

static int cmd_worker(const struct pb_args *args)
{
    const struct pb_workload_kind *kind = pb_workload_kind_find(args->words[0]);
    int64_t threads = 1;

    if (!kind || !kind->run) {
        (void)fprintf(stderr, "poolbench worker: no workload '%s' to do\n", args->words[0]);
        return PB_EXIT_INPUT;
    }
    if (args->word_count > 1 && (pb_parse_count(args->words[1], &threads, NULL) != PB_OK ||
                                 threads < 1 || threads > PB_POOL_MAX_THREADS)) {
        (void)fprintf(stderr, "poolbench worker: '%s' is not a number of threads, 1..%d\n",
                      args->words[1], PB_POOL_MAX_THREADS);
        return PB_EXIT_INPUT;
    }
    return work_as(kind, (uint32_t)threads);
}

const struct pb_command pb_command_worker = {
    .name = "worker",
    .usage = "WORKLOAD [THREADS]",
    .summary = "serve a workload as a worker process: what `profile: process` starts",
    .details = "Speaks the protocol of docs/workers.md on standard input and output.  The one "
               "command is work, its\narguments {\"service_ns\", \"cpu_ns\", \"memory_bytes\", "
               "\"fate\", \"ignore_cancel\", \"measure_cpu\"}.",
    .words_min = 1,
    .words_max = 2,
    .hidden = true,
    .run = cmd_worker,
};
