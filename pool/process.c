#include "pool/process.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/process_internal.h"

#define LAST_LINE_BYTES 160

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* What is left when there is no child any more. */
static void free_process(struct pb_process *process)
{
    for (uint32_t i = 0; process->lanes && i < process->lane_count; i++) {
        close_fd(process->lanes[i].wake_fd);
        pb_buf_done(&process->lanes[i].out);
    }
    free(process->lanes);
    close_fd(process->fd);
    close_fd(process->pidfd);
    pb_wire_reader_done(&process->reader);
    pb_buf_done(&process->unsent);
    pb_mutex_done(&process->lock);
    pb_mutex_done(&process->write_lock);
    pb_mutex_done(&process->end_lock);
    free(process);
}

static struct pb_process *new_process(const struct pb_process_config *config)
{
    struct pb_process *process = calloc(1, sizeof(*process));

    if (!process) {
        return NULL;
    }
    process->fd = process->pidfd = -1;
    process->wire = process->reader.wire = config->wire;
    process->kill_after_ns = config->kill_after_ns;
    process->log = config->log;
    process->leader = PB_NO_LEADER;
    process->lane_count = config->lanes;
    atomic_init(&process->next_id, 1);
    pb_mutex_init(&process->lock);
    pb_mutex_init(&process->write_lock);
    pb_mutex_init(&process->end_lock);
    return process;
}

static enum pb_status make_lanes(struct pb_process *process, struct pb_error *err)
{
    size_t bytes = process->lane_count * sizeof(*process->lanes);

    process->lanes = aligned_alloc(PB_CACHELINE, bytes);
    if (!process->lanes) {
        return pb_fail(err, PB_ENOMEM, "no memory for a worker process");
    }
    memset(process->lanes, 0, bytes);
    for (uint32_t i = 0; i < process->lane_count; i++) {
        process->lanes[i].wake_fd = -1;
    }
    for (uint32_t i = 0; process->lane_count > 1 && i < process->lane_count; i++) {
        process->lanes[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (process->lanes[i].wake_fd < 0) {
            return pb_fail(err, PB_ESYS, "cannot make an eventfd for a worker process");
        }
    }
    return PB_OK;
}

static enum pb_status spawn(struct pb_process *process, const struct pb_process_config *config,
                            const struct pb_worker_id *id, struct pb_error *err)
{
    int error_fd = -1;

    if (config->log) {
        PB_TRY(pb_log_open(config->log, id, &process->stream, &error_fd, err));
    }
    enum pb_status status = pb_process_spawn(process, config, error_fd, err);

    close_fd(error_fd);
    return status;
}

/* Why it was not ready; its last words are added when it is gone. */
static enum pb_status not_ready(struct pb_process *process, enum pb_exchange end,
                                struct pb_error *err)
{
    switch (end) {
    case PB_EXCHANGE_TOKEN:
        return pb_fail(err, PB_ECLOSED, "was told to stop before it was ready");
    case PB_EXCHANGE_DEADLINE:
        return pb_fail(err, PB_ETIMEDOUT, "did not say that it is ready in time");
    case PB_EXCHANGE_NOMEM:
        return pb_fail(err, PB_ENOMEM, "no memory for its init");
    case PB_EXCHANGE_LOST:
    case PB_EXCHANGE_ANSWERED:
        break;
    }
    return pb_fail(err, PB_EPARSE, "%s before it was ready", pb_process_fate(process));
}

static enum pb_status say_hello(struct pb_process *process, const struct pb_process_config *config,
                                const struct pb_worker_id *id, struct pb_token *token,
                                int64_t deadline_ns, struct pb_error *err)
{
    struct pb_ask ask = { .token = token, .deadline_ns = deadline_ns };
    struct pb_wire_message init = { .kind = PB_WIRE_INIT,
                                    .worker = id->worker,
                                    .incarnation = id->incarnation };
    struct pb_reply reply;

    if (config->settings) {
        init.body = (struct pb_span){ config->settings, strlen(config->settings) };
    }
    enum pb_exchange end = pb_exchange(process, &ask, &init, &reply);

    /* The pool may set the token for the same reason. */
    if (end == PB_EXCHANGE_TOKEN && pb_now_ns() >= deadline_ns) {
        end = PB_EXCHANGE_DEADLINE;
    }
    return end == PB_EXCHANGE_ANSWERED ? PB_OK : not_ready(process, end, err);
}

/* Of a child that was none: "'worker.py' exited with code 1 before it was ready: ImportError". */
static void abort_start(struct pb_process *process, const struct pb_process_config *config,
                        struct pb_error *err)
{
    bool spawned = process->pid > 0;
    char last[LAST_LINE_BYTES] = "";

    if (spawned) {
        pb_process_end(process, false, true);
    }
    pb_log_close(process->log, process->stream, last, sizeof(last));
    free_process(process);
    if (spawned && err) {
        struct pb_error why = *err;

        (void)snprintf(err->text, sizeof(err->text), "'%.40s' %.110s%s%.80s", config->argv[0],
                       why.text, last[0] ? ": " : "", last);
    }
}

enum pb_status pb_process_start(const struct pb_process_config *config,
                                const struct pb_worker_id *id, struct pb_token *token,
                                int64_t deadline_ns, struct pb_process **ret_process,
                                struct pb_error *err)
{
    if (!config->argv || !config->argv[0] || config->lanes < 1) {
        return pb_fail(err, PB_EINVAL, "a worker process needs a program and at least one lane");
    }
    struct pb_process *process = new_process(config);

    if (!process) {
        return pb_fail(err, PB_ENOMEM, "no memory for a worker process");
    }
    enum pb_status status = make_lanes(process, err);

    if (status == PB_OK) {
        status = spawn(process, config, id, err);
    }
    if (status == PB_OK) {
        status = say_hello(process, config, id, token, deadline_ns, err);
    }
    if (status != PB_OK) {
        abort_start(process, config, err);
        return status;
    }
    *ret_process = process;
    return PB_OK;
}

static struct pb_span span_of(const char *text)
{
    return (struct pb_span){ text, text ? strlen(text) : 0 };
}

enum pb_call pb_process_call(struct pb_process *process, uint32_t lane, struct pb_token *token,
                             const struct pb_process_request *request, struct pb_reply *ret_reply)
{
    struct pb_ask ask = { .lane = lane,
                          .token = token,
                          .deadline_ns = request->deadline_ns ? request->deadline_ns : INT64_MAX,
                          .want_payload = request->want_payload };
    struct pb_wire_message message = { .kind = PB_WIRE_REQUEST,
                                       .index = request->index,
                                       .command = span_of(request->command),
                                       .body = span_of(request->args) };

    switch (pb_exchange(process, &ask, &message, ret_reply)) {
    case PB_EXCHANGE_ANSWERED:
        return PB_CALL_ANSWERED;
    case PB_EXCHANGE_NOMEM:
        *ret_reply = (struct pb_reply){ .outcome = PB_OUTCOME_ERROR };
        return PB_CALL_ANSWERED;
    case PB_EXCHANGE_LOST:
        return PB_CALL_LOST;
    case PB_EXCHANGE_TOKEN:
    case PB_EXCHANGE_DEADLINE:
        break;
    }
    return PB_CALL_CANCELLED;
}

bool pb_process_settle(struct pb_process *process, uint32_t lane, int64_t deadline_ns)
{
    return pb_exchange_settle(process, lane, deadline_ns);
}

bool pb_process_ping(struct pb_process *process, uint32_t lane, struct pb_token *token,
                     int64_t deadline_ns)
{
    struct pb_ask ask = { .lane = lane, .token = token, .deadline_ns = deadline_ns };
    struct pb_wire_message ping = { .kind = PB_WIRE_PING };
    struct pb_reply reply;

    return pb_exchange(process, &ask, &ping, &reply) == PB_EXCHANGE_ANSWERED;
}

int64_t pb_process_pid(const struct pb_process *process)
{
    return process->pid;
}

int pb_process_fd(const struct pb_process *process)
{
    return process->pidfd;
}

bool pb_process_is_lost(const struct pb_process *process)
{
    return atomic_load(&process->lost) || pb_process_wait(process, 0, false);
}

/* Dead and not noticed is not lost yet: what it wrote before is still to be read by who waits. */
const char *pb_process_fate(struct pb_process *process)
{
    if (atomic_load(&process->lost)) {
        return process->fate;
    }
    if (!pb_process_wait(process, 0, false)) {
        return "lives";
    }
    pb_mutex_lock(&process->lock);
    if (!process->exit_text[0]) {
        (void)pb_process_exit_text(process, process->exit_text, sizeof(process->exit_text));
    }
    pb_mutex_unlock(&process->lock);
    return process->exit_text;
}

void pb_process_stop(struct pb_process *process, bool politely)
{
    char last[1];

    if (!process) {
        return;
    }
    pb_process_end(process, politely, false);
    pb_log_close(process->log, process->stream, last, sizeof(last));
    free_process(process);
}
