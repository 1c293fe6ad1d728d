#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/utf8.h"
#include "pool/process_internal.h"

/* Each child has a pipe of its own, so that lines are told apart, and one thread reads them all: a
 * child whose standard error nobody reads would stop. */

#define KEPT_BYTES  ((size_t)64 << 10) /* of lines; when they are more, the older half goes */
#define LINE_BYTES  ((size_t)1000)     /* of one line; the rest is cut off */
#define READ_BYTES  ((size_t)4096)
#define DRAIN_BYTES ((size_t)256 << 10) /* more than a pipe holds */
#define STOP_SERIAL 0                   /* the serial of what ends the thread */

struct pb_log_stream {
    uint64_t serial; /* not its address: an event may be older than what stands there now */
    int fd;
    char name[32];
    char line[LINE_BYTES]; /* that has no end yet */
    size_t len;
    char last[LINE_BYTES]; /* last line that was not empty */
    struct pb_log_stream *next;
};

struct pb_process_log {
    /* Constant after _new. */
    int epoll_fd;
    int stop_fd;
    pthread_t thread;

    struct pb_mutex lock;
    struct pb_log_stream *streams PB_GUARDED_BY(lock);
    uint64_t last_serial PB_GUARDED_BY(lock);
    struct pb_buf kept PB_GUARDED_BY(lock);
};

/* Room for a line: the older half of all lines goes at once, so that most additions are cheap. */
static void forget_locked(struct pb_process_log *log) PB_REQUIRES(log->lock)
{
    struct pb_buf *kept = &log->kept;

    if (kept->len < KEPT_BYTES) {
        return;
    }
    const char *half = memchr(kept->data + KEPT_BYTES / 2, '\n', kept->len - KEPT_BYTES / 2);
    size_t from = half ? (size_t)(half - kept->data) + 1 : kept->len;

    kept->len -= from;
    memmove(kept->data, kept->data + from, kept->len + 1);
}

static void end_line_locked(struct pb_process_log *log, struct pb_log_stream *stream)
    PB_REQUIRES(log->lock)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf shown = { 0 };

    if (stream->len > 0 && stream->line[stream->len - 1] == '\r') {
        stream->len--;
    }
    pb_utf8_escape(&shown, stream->line, stream->len);
    forget_locked(log);
    pb_buf_printf(&log->kept, "%s: %s\n", stream->name, pb_buf_text(&shown));
    if (pb_buf_status(&log->kept) != PB_OK) { /* no memory: this line is lost, the next may fit */
        log->kept.status = PB_OK;
    }
    if (stream->len > 0) {
        (void)snprintf(stream->last, sizeof(stream->last), "%s", pb_buf_text(&shown));
    }
    stream->len = 0;
}

static void take_locked(struct pb_process_log *log, struct pb_log_stream *stream, const char *bytes,
                        size_t len) PB_REQUIRES(log->lock)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            end_line_locked(log, stream);
        } else if (stream->len < sizeof(stream->line)) {
            stream->line[stream->len++] = bytes[i];
        }
    }
}

/* How much has been read; 0: nothing for now, or it has ended. */
static size_t read_locked(struct pb_process_log *log, struct pb_log_stream *stream)
    PB_REQUIRES(log->lock)
{
    char bytes[READ_BYTES];
    ssize_t got = read(stream->fd, bytes, sizeof(bytes));

    if (got > 0) {
        take_locked(log, stream, bytes, (size_t)got);
        return (size_t)got;
    }
    if (got == 0) {
        (void)epoll_ctl(log->epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
    }
    return 0;
}

static void drain_locked(struct pb_process_log *log, struct pb_log_stream *stream)
    PB_REQUIRES(log->lock)
{
    size_t got = 1;

    for (size_t sum = 0; got > 0 && sum < DRAIN_BYTES; sum += got) {
        got = read_locked(log, stream);
    }
}

static void read_stream(struct pb_process_log *log, uint64_t serial)
{
    pb_mutex_lock(&log->lock);
    for (struct pb_log_stream *s = log->streams; s; s = s->next) {
        if (s->serial == serial) {
            (void)read_locked(log, s);
        }
    }
    pb_mutex_unlock(&log->lock);
}

static void *log_main(void *arg)
{
    struct pb_process_log *log = arg;

    for (;;) {
        struct epoll_event event = { 0 };
        int count = epoll_wait(log->epoll_fd, &event, 1, -1);

        if (count > 0 && event.data.u64 == STOP_SERIAL) {
            return NULL;
        }
        if (count > 0) {
            read_stream(log, event.data.u64);
        }
    }
}

static bool listen_to(int epoll_fd, int fd, uint64_t serial)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = serial };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void free_log(struct pb_process_log *log)
{
    close_fd(log->epoll_fd);
    close_fd(log->stop_fd);
    pb_mutex_done(&log->lock);
    pb_buf_done(&log->kept);
    free(log);
}

static enum pb_status start_log(struct pb_process_log *log, struct pb_error *err)
{
    log->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    log->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (log->epoll_fd < 0 || log->stop_fd < 0 ||
        !listen_to(log->epoll_fd, log->stop_fd, STOP_SERIAL)) {
        return pb_fail(err, PB_ESYS, "cannot listen to worker processes");
    }
    int rc = pthread_create(&log->thread, NULL, log_main, log);

    if (rc != 0) {
        errno = rc;
        return pb_fail(err, PB_ESYS, "cannot start a thread that listens to worker processes");
    }
    (void)pthread_setname_np(log->thread, "pb-log");
    return PB_OK;
}

enum pb_status pb_process_log_new(struct pb_process_log **ret_log, struct pb_error *err)
{
    struct pb_process_log *log = calloc(1, sizeof(*log));

    if (!log) {
        return pb_fail(err, PB_ENOMEM, "no memory for the log of worker processes");
    }
    log->epoll_fd = log->stop_fd = -1;
    log->kept.cap = 2 * KEPT_BYTES;
    pb_mutex_init(&log->lock);

    enum pb_status status = start_log(log, err);

    if (status != PB_OK) {
        free_log(log);
        return status;
    }
    *ret_log = log;
    return PB_OK;
}

char *pb_process_log_text(struct pb_process_log *log)
{
    char *text = NULL;

    pb_mutex_lock(&log->lock);
    for (struct pb_log_stream *s = log->streams; s; s = s->next) {
        drain_locked(log, s);
    }
    if (log->kept.len > 0) {
        text = strndup(log->kept.data, log->kept.len);
    }
    pb_mutex_unlock(&log->lock);
    return text;
}

void pb_process_log_free(struct pb_process_log *log)
{
    static const uint64_t one = 1;

    if (!log) {
        return;
    }
    (void)!write(log->stop_fd, &one, sizeof(one));
    (void)pthread_join(log->thread, NULL);
    free_log(log);
}

static void join_log(struct pb_process_log *log, struct pb_log_stream *stream)
{
    pb_mutex_lock(&log->lock);
    stream->serial = ++log->last_serial;
    stream->next = log->streams;
    log->streams = stream;
    pb_mutex_unlock(&log->lock);
}

enum pb_status pb_log_open(struct pb_process_log *log, const struct pb_worker_id *id,
                           struct pb_log_stream **ret_stream, int *ret_write_fd,
                           struct pb_error *err)
{
    struct pb_log_stream *stream = calloc(1, sizeof(*stream));
    int fds[2] = { -1, -1 };

    if (!stream) {
        return pb_fail(err, PB_ENOMEM, "no memory for the log of a worker process");
    }
    /* Not to be waited for at our end only: the child's is a pipe like any. */
    if (pipe2(fds, O_CLOEXEC) != 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
        enum pb_status status = pb_fail(err, PB_ESYS, "cannot make a pipe for a worker process");

        close_fd(fds[0]);
        close_fd(fds[1]);
        free(stream);
        return status;
    }
    stream->fd = fds[0];
    (void)snprintf(stream->name, sizeof(stream->name), "worker %" PRIu32, id->worker);
    join_log(log, stream);
    /* Where this fails the lines are read later, by pb_process_log_text or at the end. */
    (void)listen_to(log->epoll_fd, stream->fd, stream->serial);
    *ret_stream = stream;
    *ret_write_fd = fds[1];
    return PB_OK;
}

void pb_log_close(struct pb_process_log *log, struct pb_log_stream *stream, char *ret_last,
                  size_t size)
{
    if (!stream) {
        return;
    }
    pb_mutex_lock(&log->lock);
    for (struct pb_log_stream **at = &log->streams; *at; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    drain_locked(log, stream);
    if (stream->len > 0) {
        end_line_locked(log, stream);
    }
    pb_mutex_unlock(&log->lock);
    (void)snprintf(ret_last, size, "%s", stream->last);
    close_fd(stream->fd);
    free(stream);
}
