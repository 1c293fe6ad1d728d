/*
 * tests/programs/test_worker.c - a worker that misbehaves on command, for the tests of processes.
 *
 *     test_worker serve THREADS      pb_worker_serve: echo, fail, refuse, sleep, wait
 *     test_worker frames | lines     by hand, one request at a time; its commands are below
 *     test_worker at-start WHAT      misbehaves before it is ready
 *
 * Whatever it does, it is gone after LIFE_S seconds, should its test be killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "poolbench/worker.h"

#include "base/clock.h"
#include "pool/wire.h"

#define LIFE_S    50
#define HELD_MAX  64
#define ARGS_SIZE 65536

struct worker {
    enum pb_wire wire;
    struct pb_wire_reader reader;
    uint64_t held[HELD_MAX]; /* requests to be answered later */
    size_t held_count;
    char args[ARGS_SIZE];
};

static _Noreturn void hang(void)
{
    for (;;) {
        (void)pause();
    }
}

static void write_out(const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = write(STDOUT_FILENO, at, len);

        if (sent < 0) {
            _exit(90);
        }
        at += sent;
        len -= (size_t)sent;
    }
}

static void answer(const struct worker *worker, enum pb_wire_kind kind, uint64_t id,
                   const char *body)
{
    struct pb_buf out = { 0 };
    struct pb_wire_message m = { .kind = kind, .id = id, .body = { body, strlen(body) } };

    m.client = kind == PB_WIRE_ERROR && strcmp(body, "client") == 0;
    pb_wire_put(&out, worker->wire, &m);
    write_out(out.data, out.len);
    pb_buf_done(&out);
}

static void put_head(uint32_t len)
{
    unsigned char head[4] = { (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                              (unsigned char)(len >> 8), (unsigned char)len };

    write_out(head, sizeof(head));
}

static void put_frame(const char *text)
{
    put_head((uint32_t)strlen(text));
    write_out(text, strlen(text));
}

static long number_arg(const struct worker *worker)
{
    return strtol(worker->args, NULL, 10);
}

static void sleep_ms(long ms)
{
    pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + ms * PB_NS_PER_MS);
}

/* Commands: each answers the request, or does not. */

static void cmd_echo(struct worker *worker, uint64_t id)
{
    answer(worker, PB_WIRE_RESULT, id, worker->args);
}

static void cmd_client_error(struct worker *worker, uint64_t id)
{
    answer(worker, PB_WIRE_ERROR, id, "client");
}

static void cmd_server_error(struct worker *worker, uint64_t id)
{
    answer(worker, PB_WIRE_ERROR, id, "the \"work\" failed");
}

static void cmd_sleep(struct worker *worker, uint64_t id)
{
    sleep_ms(number_arg(worker));
    cmd_echo(worker, id);
}

static void cmd_exit(struct worker *worker, uint64_t id)
{
    (void)id;
    _exit((int)number_arg(worker));
}

static void cmd_answer_and_exit(struct worker *worker, uint64_t id)
{
    cmd_echo(worker, id);
    _exit(0);
}

static void cmd_signal(struct worker *worker, uint64_t id)
{
    (void)id;
    (void)signal((int)number_arg(worker), SIG_DFL); /* a sanitizer's handler would exit instead */
    (void)raise((int)number_arg(worker));
}

static void cmd_hang(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    hang();
}

static void cmd_garbage(struct worker *worker, uint64_t id)
{
    static const char text[] = "Traceback (most recent call last):\n";

    (void)worker;
    (void)id;
    write_out(text, sizeof(text) - 1);
    hang();
}

static void cmd_bad_json(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    put_frame("{\"type\":\"result\",\"id\":1,\"value\":nope}");
}

static void cmd_bad_utf8(struct worker *worker, uint64_t id)
{
    char text[100];

    (void)worker;
    (void)snprintf(text, sizeof(text),
                   "{\"type\":\"result\",\"id\":%" PRIu64 ",\"value\":\"\xc3(\"}", id);
    put_frame(text);
}

static void cmd_deep(struct worker *worker, uint64_t id)
{
    static char text[300000];
    int len =
        snprintf(text, sizeof(text), "{\"type\":\"result\",\"id\":%" PRIu64 ",\"value\":", id);

    (void)worker;
    memset(text + len, '[', 100000);
    memset(text + len + 100000, ']', 100000);
    text[len + 200000] = '}';
    put_frame(text);
}

static void cmd_half(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    put_head(100);
    write_out("{\"type\":", 8);
    hang();
}

static void cmd_half_and_exit(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    put_head(100);
    write_out("{\"type\":", 8);
    _exit(0);
}

static void cmd_four_gigabytes(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    put_head(UINT32_MAX);
    hang();
}

static void cmd_empty_frame(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    put_head(0);
    hang();
}

static void cmd_unknown_id(struct worker *worker, uint64_t id)
{
    answer(worker, PB_WIRE_RESULT, id + 1000, "1");
    hang();
}

static void cmd_twice(struct worker *worker, uint64_t id)
{
    cmd_echo(worker, id);
    cmd_echo(worker, id);
}

static void cmd_pong(struct worker *worker, uint64_t id)
{
    answer(worker, PB_WIRE_PONG, id, "");
}

static void cmd_large(struct worker *worker, uint64_t id)
{
    size_t len = (size_t)number_arg(worker);
    char *text = malloc(len + 3);

    memset(text, 'x', len + 2);
    text[0] = text[len + 1] = '"';
    text[len + 2] = '\0';
    answer(worker, PB_WIRE_RESULT, id, text);
    free(text);
}

static void cmd_deaf(struct worker *worker, uint64_t id)
{
    cmd_echo(worker, id);
    hang();
}

static void cmd_flood(struct worker *worker, uint64_t id)
{
    for (;;) {
        cmd_echo(worker, id);
    }
}

/* A string, for standard error. */
static void cmd_say(struct worker *worker, uint64_t id)
{
    char words[200];

    pb_wire_plain(PB_WIRE_FRAMES, (struct pb_span){ worker->args + 1, strlen(worker->args) - 2 },
                  words, sizeof(words));
    (void)dprintf(STDERR_FILENO, "%s", words);
    answer(worker, PB_WIRE_RESULT, id, "");
}

static void cmd_flood_stderr(struct worker *worker, uint64_t id)
{
    for (int i = 0; i < 50000; i++) {
        (void)dprintf(STDERR_FILENO, "line %d of very many that nobody will ever read\n", i);
    }
    cmd_echo(worker, id);
}

static void cmd_close_output(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    (void)close(STDIN_FILENO);
    (void)close(STDOUT_FILENO);
    hang();
}

static void cmd_close_input(struct worker *worker, uint64_t id)
{
    cmd_echo(worker, id);
    (void)shutdown(STDIN_FILENO, SHUT_RD);
    hang();
}

/* A child of its own keeps the socket, and the worker leaves. */
static void cmd_fork_and_leave(struct worker *worker, uint64_t id)
{
    (void)worker;
    (void)id;
    if (fork() == 0) {
        (void)alarm(LIFE_S);
        hang();
    }
    _exit(3);
}

/* Answers with the pid of a child of its own that stays in the group and ignores TERM. */
static void cmd_fork(struct worker *worker, uint64_t id)
{
    char text[32];
    pid_t pid = fork();

    if (pid == 0) {
        (void)alarm(LIFE_S);
        (void)signal(SIGTERM, SIG_IGN);
        hang();
    }
    (void)snprintf(text, sizeof(text), "%d", (int)pid);
    answer(worker, PB_WIRE_RESULT, id, text);
}

static void cmd_ignore_term(struct worker *worker, uint64_t id)
{
    (void)signal(SIGTERM, SIG_IGN);
    cmd_echo(worker, id);
    hang();
}

static void cmd_hold(struct worker *worker, uint64_t id)
{
    if (worker->held_count < HELD_MAX) {
        worker->held[worker->held_count++] = id;
    }
}

/* Answers what was held, the last first, and then this. */
static void cmd_release(struct worker *worker, uint64_t id)
{
    while (worker->held_count > 0) {
        answer(worker, PB_WIRE_RESULT, worker->held[--worker->held_count], "\"held\"");
    }
    cmd_echo(worker, id);
}

/* Its descriptors, limits, signals, group and folder. */
static void cmd_describe(struct worker *worker, uint64_t id)
{
    char text[600], folder[200] = "", *env = getenv("POOLBENCH_TEST");
    struct rlimit memory, files;
    int open_count = 0, pending = 0;
    sigset_t blocked;

    for (int fd = 0; fd < 1024; fd++) {
        open_count += fcntl(fd, F_GETFD) >= 0;
    }
    (void)sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int s = 1; s < 32; s++) {
        struct sigaction now;

        pending += sigismember(&blocked, s) ||
                   (sigaction(s, NULL, &now) == 0 && s != SIGPIPE && now.sa_handler == SIG_IGN);
    }
    (void)getrlimit(RLIMIT_AS, &memory);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)!getcwd(folder, sizeof(folder));
    (void)snprintf(text, sizeof(text),
                   "{\"open\":%d,\"leader\":%s,\"odd_signals\":%d,\"memory\":%" PRIu64
                   ",\"files\":%" PRIu64 ",\"files_hard\":%" PRIu64
                   ",\"folder\":\"%s\",\"env\":\"%s\",\"path\":%s}",
                   open_count, getpgrp() == getpid() ? "true" : "false", pending,
                   (uint64_t)memory.rlim_cur, (uint64_t)files.rlim_cur, (uint64_t)files.rlim_max,
                   folder, env ? env : "", getenv("PATH") ? "true" : "false");
    answer(worker, PB_WIRE_RESULT, id, text);
}

static void cmd_touch_memory(struct worker *worker, uint64_t id)
{
    size_t len = (size_t)number_arg(worker);
    char *memory = malloc(len);

    memset(memory, 1, len);
    answer(worker, PB_WIRE_RESULT, id, memory[len / 2] == 1 ? "true" : "false");
}

static const struct command {
    const char *name;
    void (*run)(struct worker *worker, uint64_t id);
} commands[] = {
    { "echo", cmd_echo },
    { "client_error", cmd_client_error },
    { "server_error", cmd_server_error },
    { "sleep", cmd_sleep },
    { "exit", cmd_exit },
    { "answer_and_exit", cmd_answer_and_exit },
    { "signal", cmd_signal },
    { "hang", cmd_hang },
    { "garbage", cmd_garbage },
    { "bad_json", cmd_bad_json },
    { "bad_utf8", cmd_bad_utf8 },
    { "deep", cmd_deep },
    { "half", cmd_half },
    { "half_and_exit", cmd_half_and_exit },
    { "four_gigabytes", cmd_four_gigabytes },
    { "empty_frame", cmd_empty_frame },
    { "unknown_id", cmd_unknown_id },
    { "twice", cmd_twice },
    { "pong", cmd_pong },
    { "large", cmd_large },
    { "deaf", cmd_deaf },
    { "flood", cmd_flood },
    { "say", cmd_say },
    { "flood_stderr", cmd_flood_stderr },
    { "close_output", cmd_close_output },
    { "close_input", cmd_close_input },
    { "fork_and_leave", cmd_fork_and_leave },
    { "fork", cmd_fork },
    { "ignore_term", cmd_ignore_term },
    { "hold", cmd_hold },
    { "release", cmd_release },
    { "describe", cmd_describe },
    { "touch_memory", cmd_touch_memory },
};

static void run_command(struct worker *worker, const struct pb_wire_message *m)
{
    char name[64];

    pb_wire_plain(worker->wire, m->command, name, sizeof(name));
    (void)snprintf(worker->args, sizeof(worker->args), "%.*s", (int)m->body.len,
                   m->body.at ? m->body.at : "");
    for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(worker, m->id);
            return;
        }
    }
    _exit(91);
}

static void take(struct worker *worker, const struct pb_wire_message *m)
{
    if (m->kind == PB_WIRE_INIT) {
        answer(worker, PB_WIRE_READY, 0, "");
    } else if (m->kind == PB_WIRE_REQUEST) {
        run_command(worker, m);
    } else if (m->kind == PB_WIRE_PING) {
        answer(worker, PB_WIRE_PONG, m->id, "");
    } else if (m->kind == PB_WIRE_SHUTDOWN) {
        _exit(0);
    }
}

static void take_all(struct worker *worker)
{
    struct pb_wire_message m;
    struct pb_span text;
    const char *why = "";

    while (pb_wire_cut(&worker->reader, &text, &why) == PB_CUT_MESSAGE) {
        if (!pb_wire_read(worker->wire, text, &m, &why)) {
            (void)dprintf(STDERR_FILENO, "was sent garbage: %s\n", why);
            _exit(92);
        }
        take(worker, &m);
    }
}

static int serve_by_hand(enum pb_wire wire)
{
    static struct worker worker;

    worker.wire = worker.reader.wire = wire;
    for (;;) {
        size_t room = 0;
        char *at = pb_wire_room(&worker.reader, &room);
        ssize_t got = at ? read(STDIN_FILENO, at, room) : -1;

        if (got <= 0) {
            return got == 0 ? 0 : 93;
        }
        pb_wire_came(&worker.reader, (size_t)got);
        take_all(&worker);
    }
}

static int misbehave_at_start(const char *what)
{
    if (strcmp(what, "exit") == 0) {
        (void)dprintf(STDERR_FILENO, "first line\nModuleNotFoundError: no module\n\n");
        return 7;
    }
    if (strcmp(what, "print") == 0) {
        (void)dprintf(STDOUT_FILENO, "hello, world, I am a worker that prints\n");
    }
    if (strcmp(what, "wrong-answer") == 0) {
        put_frame("{\"type\":\"pong\",\"id\":0}");
    }
    hang();
}

/* What pb_worker_serve's threads run. */
static enum pb_outcome handle(void *ctx, const struct pb_worker_request *request,
                              struct pb_worker_reply *reply)
{
    (void)ctx;
    if (strcmp(request->command, "refuse") == 0 || strcmp(request->command, "fail") == 0) {
        (void)snprintf(reply->message, sizeof(reply->message), "on command");
        return request->command[0] == 'r' ? PB_OUTCOME_CLIENT_ERROR : PB_OUTCOME_ERROR;
    }
    if (strcmp(request->command, "nonsense") == 0) {
        reply->value = strdup("{nonsense");
        return PB_OUTCOME_OK;
    }
    if (strcmp(request->command, "print") == 0) {
        printf("printed\n");
        (void)fflush(stdout);
    }
    if (strcmp(request->command, "sleep") == 0) {
        sleep_ms(strtol(request->args, NULL, 10));
    }
    while (strcmp(request->command, "wait") == 0 && atomic_load(request->cancelled) == 0) {
        sleep_ms(1);
    }
    reply->value = strdup(request->args);
    return PB_OUTCOME_OK;
}

static enum pb_status init(void *ctx, const char *settings, struct pb_error *err)
{
    (void)ctx;
    return strstr(settings, "refuse")
               ? pb_fail(err, PB_EINVAL, "these settings are refused: %s", settings)
               : PB_OK;
}

int main(int argc, char **argv)
{
    struct pb_worker_service service = { .init = init, .handle = handle };
    const char *what = argc > 1 ? argv[1] : "";
    struct rlimit no_core = { 0, 0 };

    (void)alarm(LIFE_S);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (strcmp(what, "serve") == 0 && argc > 2) {
        service.threads = (uint32_t)strtoul(argv[2], NULL, 10);
        return pb_worker_serve(&service);
    }
    if (strcmp(what, "at-start") == 0 && argc > 2) {
        return misbehave_at_start(argv[2]);
    }
    if (strcmp(what, "frames") == 0 || strcmp(what, "lines") == 0) {
        return serve_by_hand(what[0] == 'f' ? PB_WIRE_FRAMES : PB_WIRE_LINES);
    }
    (void)fprintf(stderr, "usage: test_worker serve THREADS | frames | lines | at-start WHAT\n");
    return 2;
}
