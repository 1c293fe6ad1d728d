/*
 * bench_process - worker processes: a request's round trip beside a bare ping-pong of the same
 * bytes over a socketpair, and what starting, stopping and looking at workers costs.
 *
 * Run with arguments it is the child: "serve THREADS" or "raw REQUEST_BYTES ANSWER_BYTES".
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "poolbench/worker.h"

#include "base/clock.h"
#include "bench/support.h"
#include "pool/process.h"
#include "pool/token.h"
#include "pool/wire.h"

#define SUITE     "process"
#define LANES_MAX 4
#define CALLS     10000
#define STARTS    30
#define MANY      200
#define COMMAND   "echo"
#define ARGS      "{\"text\":\"hello\"}"

static const char *self; /* this program: argv[0] */

static void must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "bench_process: %s failed\n", what);
        exit(1);
    }
}

/* --- The children --- */

static enum pb_outcome echo(void *ctx, const struct pb_worker_request *request,
                            struct pb_worker_reply *reply)
{
    (void)ctx;
    reply->value = strdup(request->args);
    return PB_OUTCOME_OK;
}

static void read_all(int fd, char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, bytes + at, len - at);

        if (got <= 0) {
            exit(0);
        }
        at += (size_t)got;
    }
}

static _Noreturn void answer_raw(size_t request_bytes, size_t answer_bytes)
{
    static char bytes[4096];

    must(request_bytes <= sizeof(bytes) && answer_bytes <= sizeof(bytes), "raw: sizes");
    for (;;) {
        read_all(STDIN_FILENO, bytes, request_bytes);
        must(write(STDOUT_FILENO, bytes, answer_bytes) == (ssize_t)answer_bytes, "raw: write");
    }
}

/* --- The bare ping-pong --- */

struct raw {
    int fd;
    pid_t pid;
    size_t request_bytes, answer_bytes;
};

static void start_raw(struct raw *raw)
{
    char request_bytes[24], answer_bytes[24], what[] = "raw", *program = strdup(self);
    char *argv[] = { program, what, request_bytes, answer_bytes, NULL };
    posix_spawn_file_actions_t actions;
    int fds[2];

    (void)snprintf(request_bytes, sizeof(request_bytes), "%zu", raw->request_bytes);
    (void)snprintf(answer_bytes, sizeof(answer_bytes), "%zu", raw->answer_bytes);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
    must(posix_spawn_file_actions_init(&actions) == 0, "raw: init");
    must(posix_spawn_file_actions_adddup2(&actions, fds[1], STDIN_FILENO) == 0, "raw: dup");
    must(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO) == 0, "raw: dup");
    must(posix_spawn(&raw->pid, self, &actions, NULL, argv, environ) == 0, "raw: spawn");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    free(program);
    raw->fd = fds[0];
}

static void stop_raw(const struct raw *raw)
{
    (void)close(raw->fd);
    must(waitpid(raw->pid, NULL, 0) == raw->pid, "raw: wait");
}

/* --- A round of each --- */

struct bench {
    struct raw raw;
    struct pb_process *process;
    uint32_t lanes;
};

static double raw_ns(void *ctx)
{
    const struct bench *bench = ctx;
    char bytes[4096] = "";
    int64_t from_ns = pb_now_ns();

    for (int i = 0; i < CALLS; i++) {
        must(write(bench->raw.fd, bytes, bench->raw.request_bytes) ==
                 (ssize_t)bench->raw.request_bytes,
             "raw: write");
        read_all(bench->raw.fd, bytes, bench->raw.answer_bytes);
    }
    return (double)(pb_now_ns() - from_ns) / CALLS;
}

struct caller {
    struct pb_process *process;
    uint32_t lane;
    int calls;
    pthread_t thread;
};

static void *call_main(void *arg)
{
    const struct caller *caller = arg;
    struct pb_token *token = pb_token_new();
    struct pb_process_request request = { .command = COMMAND, .args = ARGS };
    struct pb_reply reply;

    must(token != NULL, "token");
    for (int i = 0; i < caller->calls; i++) {
        must(pb_process_call(caller->process, caller->lane, token, &request, &reply) ==
                 PB_CALL_ANSWERED,
             "call");
    }
    pb_token_free(token);
    return NULL;
}

/* The time over all calls: with several lanes the calls of all count. */
static double call_ns(void *ctx)
{
    const struct bench *bench = ctx;
    struct caller callers[LANES_MAX];
    int64_t from_ns = pb_now_ns();

    for (uint32_t i = 0; i < bench->lanes; i++) {
        callers[i] = (struct caller){ .process = bench->process,
                                      .lane = i,
                                      .calls = CALLS / (int)bench->lanes };
        if (i > 0) {
            must(pthread_create(&callers[i].thread, NULL, call_main, &callers[i]) == 0, "thread");
        }
    }
    (void)call_main(&callers[0]);
    for (uint32_t i = 1; i < bench->lanes; i++) {
        must(pthread_join(callers[i].thread, NULL) == 0, "join");
    }
    return (double)(pb_now_ns() - from_ns) / CALLS;
}

static struct pb_process *start_process(uint32_t lanes)
{
    char threads[16];
    const char *argv[] = { self, "serve", threads, NULL };
    struct pb_process_config config = {
        .argv = argv, .wire = PB_WIRE_FRAMES, .lanes = lanes, .kill_after_ns = 10 * PB_NS_PER_S
    };
    struct pb_worker_id id = { 0 };
    struct pb_process *process = NULL;
    struct pb_error err;

    (void)snprintf(threads, sizeof(threads), "%u", (unsigned)lanes);
    if (pb_process_start(&config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S, &process, &err) !=
        PB_OK) {
        (void)fprintf(stderr, "bench_process: %s\n", err.text);
        exit(1);
    }
    return process;
}

static void tell(const char *name, const char *subject, const char *metric, const char *unit,
                 double value)
{
    struct pb_figure figure = { SUITE, name, subject, metric, unit, value };

    pb_bench_tell(&figure);
}

/* How many bytes a request and its answer are. */
static void measure_bytes(struct raw *raw)
{
    struct pb_buf out = { 0 };
    struct pb_wire_message m = { .kind = PB_WIRE_REQUEST,
                                 .id = CALLS,
                                 .command = { COMMAND, strlen(COMMAND) },
                                 .body = { ARGS, strlen(ARGS) } };

    pb_wire_put(&out, PB_WIRE_FRAMES, &m);
    raw->request_bytes = out.len;
    pb_buf_reset(&out);
    m.kind = PB_WIRE_RESULT;
    pb_wire_put(&out, PB_WIRE_FRAMES, &m);
    raw->answer_bytes = out.len;
    pb_buf_done(&out);
}

static void bench_round_trip(const struct pb_bench_cpus *cpus, uint32_t lanes, bool split)
{
    struct bench bench = { .lanes = lanes };
    struct pb_bench_duel duel;
    char name[80];

    measure_bytes(&bench.raw);
    pb_bench_pin(cpus, split ? 1 : 0);
    start_raw(&bench.raw);
    bench.process = start_process(lanes);
    pb_bench_pin(cpus, 0);
    pb_bench_interleave(raw_ns, call_ns, &bench, &duel);
    pb_process_stop(bench.process, true);
    stop_raw(&bench.raw);
    pb_bench_pin(cpus, -1);
    (void)snprintf(name, sizeof(name), "%u lane%s, %s", (unsigned)lanes, lanes == 1 ? "" : "s",
                   split ? "caller | worker" : "one cpu");
    tell(name, "socketpair", "bare ping-pong", "ns", duel.a);
    tell(name, "poolbench", lanes == 1 ? "round trip" : "time / requests", "ns", duel.b);
    tell(name, "poolbench", "/ bare", "ratio", duel.ratio);
    printf("      range %.3f .. %.3f over %d rounds\n", duel.low, duel.high, PB_BENCH_ROUNDS);
}

static void bench_start(void)
{
    double start_ms[STARTS], stop_ms[STARTS], look_us[STARTS], memory_mib[STARTS];

    for (int i = 0; i < STARTS; i++) {
        int64_t from_ns = pb_now_ns(), ready_ns, looked_ns, bytes;
        struct pb_process *process = start_process(1);

        ready_ns = pb_now_ns();
        bytes = pb_process_memory_bytes(process);
        looked_ns = pb_now_ns();
        pb_process_stop(process, true);
        start_ms[i] = (double)(ready_ns - from_ns) / 1e6;
        look_us[i] = (double)(looked_ns - ready_ns) / 1e3;
        memory_mib[i] = (double)bytes / (1 << 20);
        stop_ms[i] = (double)(pb_now_ns() - looked_ns) / 1e6;
    }
    tell("one worker", "poolbench", "start to ready", "ms", pb_bench_median(start_ms, STARTS));
    tell("one worker", "poolbench", "stop to reaped", "ms", pb_bench_median(stop_ms, STARTS));
    tell("one worker", "poolbench", "look at its memory", "us", pb_bench_median(look_us, STARTS));
    tell("one worker", "poolbench", "its memory (Pss)", "MiB", pb_bench_median(memory_mib, STARTS));
}

static void bench_many(void)
{
    static struct pb_process *processes[MANY];
    double start_ms[3], stop_ms[3];

    for (int round = 0; round < 3; round++) {
        int64_t from_ns = pb_now_ns(), ready_ns;

        for (int i = 0; i < MANY; i++) {
            processes[i] = start_process(1);
        }
        ready_ns = pb_now_ns();
        for (int i = 0; i < MANY; i++) {
            pb_process_stop(processes[i], true);
        }
        start_ms[round] = (double)(ready_ns - from_ns) / 1e6;
        stop_ms[round] = (double)(pb_now_ns() - ready_ns) / 1e6;
    }
    tell("200 workers", "poolbench", "start, one by one", "ms", pb_bench_median(start_ms, 3));
    tell("200 workers", "poolbench", "stop, one by one", "ms", pb_bench_median(stop_ms, 3));
}

int main(int argc, char **argv)
{
    struct pb_worker_service service = { .handle = echo };
    struct pb_bench_cpus cpus;

    self = argv[0];
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        service.threads = (uint32_t)strtoul(argv[2], NULL, 10);
        return pb_worker_serve(&service);
    }
    if (argc == 4 && strcmp(argv[1], "raw") == 0) {
        answer_raw(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    }
    (void)pb_process_raise_files();
    pb_bench_cpus_read(&cpus);
    for (uint32_t lanes = 1; lanes <= LANES_MAX; lanes *= LANES_MAX) {
        bench_round_trip(&cpus, lanes, false);
        if (cpus.count > 1) {
            bench_round_trip(&cpus, lanes, true);
        }
    }
    bench_start();
    bench_many();
    return 0;
}
