#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poolbench/worker.h"

#include "base/mutex.h"
#include "pool/wire.h"

#define THREADS_MAX PB_POOL_MAX_THREADS

/* A request from its reading to its answer. */
struct job {
    struct pb_worker_request request;
    _Atomic uint32_t cancelled;
    struct job *next;
    char text[]; /* the command and the arguments, each with a NUL */
};

struct server {
    /* Constant once the threads run. */
    const struct pb_worker_service *service;
    enum pb_wire wire;
    int in, out;
    uint32_t thread_count; /* 0: requests are served where they are read */
    pthread_t threads[THREADS_MAX];

    struct pb_wire_reader reader; /* the reading thread's own */

    struct pb_mutex lock;
    struct pb_cond more;
    struct job *queue PB_GUARDED_BY(lock);   /* oldest first */
    struct job *running PB_GUARDED_BY(lock); /* taken by threads */
    bool closing PB_GUARDED_BY(lock);

    struct pb_mutex write_lock;
    struct pb_buf answer PB_GUARDED_BY(write_lock);
    _Atomic bool broken; /* nobody reads answers any more */
};

enum step {
    PB_STEP_MORE, /* go on */
    PB_STEP_END,  /* all is well, and over */
    PB_STEP_FAIL
};

/* Here a worker speaks to whoever runs it: its standard error is kept by poolbench. */
static enum step complain(const char *fmt, ...) PB_PRINTF(1, 2);
static enum step complain(const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)dprintf(STDERR_FILENO, "worker: %s\n", text);
    return PB_STEP_FAIL;
}

/* To a socket without SIGPIPE; by hand it may be a pipe. */
static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

        if (sent < 0 && errno == ENOTSOCK) {
            sent = write(fd, data, len);
        }
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        data += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* Head or line end besides. */
static bool too_long(const struct pb_buf *answer)
{
    return answer->status == PB_OK && answer->len > PB_FRAME_MAX_BYTES;
}

static void say(struct server *server, const struct pb_wire_message *message)
{
    static const char long_text[] = "the answer is longer than 16 MiB";
    struct pb_wire_message error = { .kind = PB_WIRE_ERROR,
                                     .id = message->id,
                                     .body = { long_text, sizeof(long_text) - 1 } };

    pb_mutex_lock(&server->write_lock);
    pb_buf_reset(&server->answer);
    pb_wire_put(&server->answer, server->wire, message);
    if (too_long(&server->answer)) {
        pb_buf_done(&server->answer);
        pb_wire_put(&server->answer, server->wire, &error);
    }
    if (pb_buf_status(&server->answer) != PB_OK ||
        !write_all(server->out, server->answer.data, server->answer.len)) {
        atomic_store(&server->broken, true);
    }
    pb_mutex_unlock(&server->write_lock);
}

static struct pb_span span_of(const char *text)
{
    return (struct pb_span){ text, text ? strlen(text) : 0 };
}

static void serve_job(struct server *server, struct job *job)
{
    struct pb_worker_reply reply = { 0 };
    struct pb_wire_message answer = { .kind = PB_WIRE_RESULT, .id = job->request.id };
    enum pb_outcome outcome = server->service->handle(server->service->ctx, &job->request, &reply);

    if (outcome == PB_OUTCOME_OK) {
        answer.body = span_of(reply.value);
        if (reply.value && !pb_wire_is_json(answer.body)) {
            outcome = PB_OUTCOME_ERROR;
            (void)snprintf(reply.message, sizeof(reply.message), "its value is not JSON");
        }
    }
    if (outcome != PB_OUTCOME_OK) {
        answer.kind = PB_WIRE_ERROR;
        answer.client = outcome == PB_OUTCOME_CLIENT_ERROR;
        answer.body = span_of(reply.message);
    }
    answer.stats = span_of(reply.stats);
    if (reply.stats && (*reply.stats != '{' || !pb_wire_is_json(answer.stats))) {
        answer.stats.len = 0;
    }
    say(server, &answer);
    free(reply.value);
    free(reply.stats);
}

static struct job *new_job(const struct server *server, const struct pb_wire_message *m)
{
    size_t command_size = m->command.len + 1;
    struct pb_span args = m->body.len > 0 ? m->body : span_of("null");
    struct job *job = calloc(1, sizeof(*job) + command_size + args.len + 1);

    if (job) {
        pb_wire_plain(server->wire, m->command, job->text, command_size);
        memcpy(job->text + command_size, args.at, args.len);
        job->request = (struct pb_worker_request){ .id = m->id,
                                                   .command = job->text,
                                                   .args = job->text + command_size,
                                                   .cancelled = &job->cancelled };
    }
    return job;
}

static void append(struct job **list, struct job *job)
{
    while (*list) {
        list = &(*list)->next;
    }
    job->next = NULL;
    *list = job;
}

/* Where `job`, or with NULL the one with this id, stands in a list; *result is NULL if it does not.
 */
static struct job **find_job(struct job **list, const struct job *job, uint64_t id)
{
    while (*list && *list != job && (job || (*list)->request.id != id)) {
        list = &(*list)->next;
    }
    return list;
}

static void *thread_main(void *arg)
{
    struct server *server = arg;

    pb_mutex_lock(&server->lock);
    while (!server->closing) {
        struct job *job = server->queue;

        if (!job) {
            pb_cond_wait(&server->more, &server->lock);
            continue;
        }
        server->queue = job->next;
        append(&server->running, job);
        pb_mutex_unlock(&server->lock);
        serve_job(server, job);
        pb_mutex_lock(&server->lock);
        *find_job(&server->running, job, 0) = job->next;
        free(job);
    }
    pb_mutex_unlock(&server->lock);
    return NULL;
}

/* One that runs learns it from its flag; one that waits is answered at once. */
static void cancel(struct server *server, uint64_t id)
{
    static const char words[] = "cancelled";
    struct pb_wire_message answer = { .kind = PB_WIRE_ERROR,
                                      .id = id,
                                      .body = { words, sizeof(words) - 1 } };

    pb_mutex_lock(&server->lock);

    struct job **place = find_job(&server->queue, NULL, id), *waiting = *place;
    struct job *running = *find_job(&server->running, NULL, id);

    if (waiting) {
        *place = waiting->next;
    }
    if (running) {
        atomic_store(&running->cancelled, 1);
    }
    pb_mutex_unlock(&server->lock);
    if (waiting) {
        free(waiting);
        say(server, &answer);
    }
}

static enum step take_request(struct server *server, const struct pb_wire_message *m)
{
    struct job *job = new_job(server, m);

    if (!job) {
        return complain("no memory for a request");
    }
    if (server->thread_count == 0) {
        serve_job(server, job);
        free(job);
        return PB_STEP_MORE;
    }
    pb_mutex_lock(&server->lock);
    append(&server->queue, job);
    pb_cond_signal(&server->more);
    pb_mutex_unlock(&server->lock);
    return PB_STEP_MORE;
}

static enum step take(struct server *server, const struct pb_wire_message *m)
{
    struct pb_wire_message pong = { .kind = PB_WIRE_PONG, .id = m->id };

    switch (m->kind) {
    case PB_WIRE_REQUEST:
        return take_request(server, m);
    case PB_WIRE_PING:
        say(server, &pong);
        return PB_STEP_MORE;
    case PB_WIRE_CANCEL:
        cancel(server, m->id);
        return PB_STEP_MORE;
    case PB_WIRE_SHUTDOWN:
        return PB_STEP_END;
    case PB_WIRE_INIT:
    case PB_WIRE_READY:
    case PB_WIRE_RESULT:
    case PB_WIRE_ERROR:
    case PB_WIRE_PONG:
    case PB_WIRE_KIND_COUNT:
        break;
    }
    return complain("a message that a worker does not expect now");
}

static enum step read_more(struct server *server)
{
    size_t room = 0;
    char *at = pb_wire_room(&server->reader, &room);
    ssize_t got;

    if (!at) {
        return complain("no memory for a message");
    }
    do {
        got = read(server->in, at, room);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return complain("cannot read standard input: %s", strerrordesc_np(errno));
    }
    if (got == 0) {
        return server->reader.end == server->reader.start ? PB_STEP_END
                                                          : complain("the input ends in a message");
    }
    pb_wire_came(&server->reader, (size_t)got);
    return PB_STEP_MORE;
}

/* The next message; PB_STEP_END: there is no more. */
static enum step next_message(struct server *server, struct pb_wire_message *ret_message)
{
    const char *why = "";
    struct pb_span text;

    for (;;) {
        enum pb_cut cut = pb_wire_cut(&server->reader, &text, &why);

        if (cut == PB_CUT_MORE) {
            enum step step = read_more(server);

            if (step != PB_STEP_MORE) {
                return step;
            }
        } else if (cut == PB_CUT_GARBAGE || !pb_wire_read(server->wire, text, ret_message, &why)) {
            return complain("was sent garbage: %s", why);
        } else {
            return PB_STEP_MORE;
        }
    }
}

/* The first byte tells the wire: the length of a frame that is allowed begins with 0 or 1. */
static enum step guess_wire(struct server *server)
{
    enum step step = read_more(server);

    if (step == PB_STEP_MORE) {
        server->wire = server->reader.data[0] <= 1 ? PB_WIRE_FRAMES : PB_WIRE_LINES;
        server->reader.wire = server->wire;
    }
    return step;
}

static enum step start_threads(struct server *server)
{
    uint32_t wanted =
        server->service->threads > THREADS_MAX ? THREADS_MAX : server->service->threads;

    for (uint32_t i = 0; wanted > 1 && i < wanted; i++) {
        int rc = pthread_create(&server->threads[i], NULL, thread_main, server);

        if (rc != 0) {
            return complain("cannot start a thread: %s", strerrordesc_np(rc));
        }
        server->thread_count = i + 1;
    }
    return PB_STEP_MORE;
}

static enum step call_init(struct server *server, struct pb_span settings)
{
    struct pb_error err = { .text = "init failed" };
    char *text =
        strndup(settings.len > 0 ? settings.at : "{}", settings.len > 0 ? settings.len : 2);

    if (!text) {
        return complain("no memory for the settings");
    }
    enum pb_status status = server->service->init(server->service->ctx, text, &err);

    free(text);
    return status == PB_OK ? PB_STEP_MORE : complain("%s", err.text);
}

static enum step greet(struct server *server)
{
    struct pb_wire_message message = { 0 }, ready = { .kind = PB_WIRE_READY };
    enum step step = guess_wire(server);

    if (step == PB_STEP_MORE) {
        step = next_message(server, &message);
    }
    if (step != PB_STEP_MORE) {
        return step;
    }
    if (message.kind != PB_WIRE_INIT) {
        return complain("was not sent init first");
    }
    step = server->service->init ? call_init(server, message.body) : PB_STEP_MORE;
    if (step == PB_STEP_MORE) {
        step = start_threads(server);
    }
    if (step == PB_STEP_MORE) {
        say(server, &ready);
    }
    return step;
}

static enum step serve(struct server *server)
{
    struct pb_wire_message message = { 0 };
    enum step step = greet(server);

    while (step == PB_STEP_MORE) {
        step = next_message(server, &message);
        if (step == PB_STEP_MORE) {
            step = take(server, &message);
        }
        if (atomic_load(&server->broken)) {
            return PB_STEP_FAIL;
        }
    }
    return step;
}

/* What waits is dropped, what runs is asked to stop and waited for. */
static void stop_threads(struct server *server)
{
    pb_mutex_lock(&server->lock);
    server->closing = true;
    for (struct job *job = server->running; job; job = job->next) {
        atomic_store(&job->cancelled, 1);
    }
    pb_cond_broadcast(&server->more);
    pb_mutex_unlock(&server->lock);
    for (uint32_t i = 0; i < server->thread_count; i++) {
        (void)pthread_join(server->threads[i], NULL);
    }
    while (server->queue) {
        struct job *next = server->queue->next;

        free(server->queue);
        server->queue = next;
    }
}

/* The protocol keeps the two ends for itself: what the program prints goes to standard error, and
 * what it reads, or a program that it starts, is the empty file. */
static bool take_channels(struct server *server)
{
    int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool done = false;

    server->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    server->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (server->in >= 0 && server->out >= 0 && empty >= 0) {
        done = dup2(empty, STDIN_FILENO) == STDIN_FILENO &&
               dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO;
    }
    if (empty >= 0) {
        (void)close(empty);
    }
    return done;
}

static void close_channels(const struct server *server)
{
    if (server->in >= 0) {
        (void)close(server->in);
    }
    if (server->out >= 0) {
        (void)close(server->out);
    }
}

int pb_worker_serve(const struct pb_worker_service *service)
{
    struct server *server = calloc(1, sizeof(*server));
    enum step step = PB_STEP_FAIL;

    if (!server) {
        (void)complain("no memory");
        return EXIT_FAILURE;
    }
    server->service = service;
    server->answer.cap = PB_FRAME_MAX_BYTES * 2;
    pb_mutex_init(&server->lock);
    pb_cond_init(&server->more);
    pb_mutex_init(&server->write_lock);
    if (take_channels(server)) {
        step = serve(server);
        stop_threads(server);
    } else {
        (void)complain("cannot take standard input and output over: %s", strerrordesc_np(errno));
    }
    close_channels(server);
    pb_wire_reader_done(&server->reader);
    pb_buf_done(&server->answer);
    pb_mutex_done(&server->write_lock);
    pb_cond_done(&server->more);
    pb_mutex_done(&server->lock);
    free(server);
    return step == PB_STEP_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
