#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "pool/process_internal.h"

/* What a child wrote just before it died is read first, but not without end: a child of its own may
 * go on writing. */
#define LAST_WORDS_BYTES ((size_t)4 << 20)
/* How often a token is looked at that has no descriptor. */
#define TOKEN_LOOK_NS (10 * PB_NS_PER_MS)
/* Of what was garbage, shown in the fate. */
#define SHOWN_BYTES ((size_t)48)

/* An exchange under way. */
struct call {
    struct pb_process *process;
    struct pb_lane *lane;
    const struct pb_ask *ask;
    int token_fd;
    bool leads;
    enum pb_sent sent;
    int64_t broken_ns; /* sending failed: until when its death may take; INT64_MAX: it did not */
};

static void wake(const struct pb_lane *lane)
{
    static const uint64_t one = 1;

    if (lane->wake_fd >= 0) {
        (void)!write(lane->wake_fd, &one, sizeof(one));
    }
}

void pb_process_lose(struct pb_process *process, const char *fmt, ...)
{
    va_list args;

    pb_mutex_lock(&process->lock);
    if (!atomic_load(&process->lost)) {
        va_start(args, fmt);
        (void)vsnprintf(process->fate, sizeof(process->fate), fmt, args);
        va_end(args);
        atomic_store(&process->lost, true);
        for (uint32_t i = 0; i < process->lane_count; i++) {
            if (process->lanes[i].state == PB_LANE_WAITING) {
                wake(&process->lanes[i]);
            }
        }
    }
    pb_mutex_unlock(&process->lock);
}

static void lose_to_garbage(struct pb_process *process, const char *why, struct pb_span text)
{
    char shown[SHOWN_BYTES + 1];
    size_t len = text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES;

    for (size_t i = 0; i < len; i++) {
        bool plain = text.at[i] >= ' ' && text.at[i] < 0x7f;

        shown[i] = '.';
        if (plain) {
            shown[i] = text.at[i];
        }
    }
    shown[len] = '\0';
    pb_process_lose(process, "wrote garbage: %s: '%s%s'", why, shown, len < text.len ? "..." : "");
}

/* It hung up, or has exited. */
static void lose_to_end(struct pb_process *process)
{
    const char *where = process->reader.end > process->reader.start ? " inside a message" : "";
    char text[100];

    if (pb_process_wait(process, pb_now_ns() + PB_HANGUP_NS, false) &&
        pb_process_exit_text(process, text, sizeof(text))) {
        pb_process_lose(process, "%s%s", text, where);
    } else {
        pb_process_lose(process, "closed its standard output%s", where);
    }
}

/* True: the answer of `id` was expected once, and is not any more. */
static bool forgive(struct pb_abandoned *abandoned, uint64_t id)
{
    for (uint32_t i = 0; i < PB_ABANDONED_MAX && id != 0; i++) {
        if (abandoned->ids[i] == id) {
            abandoned->ids[i] = 0;
            return true;
        }
    }
    return id != 0 && id <= abandoned->forgotten;
}

static void abandon(struct pb_abandoned *abandoned, uint64_t id)
{
    uint64_t *place = &abandoned->ids[abandoned->next++ % PB_ABANDONED_MAX];

    abandoned->forgotten = *place > abandoned->forgotten ? *place : abandoned->forgotten;
    *place = id;
}

static void answer_locked(struct pb_process *process, struct pb_lane *lane,
                          const struct pb_wire_message *m, struct pb_span text)
    PB_REQUIRES(process->lock)
{
    enum pb_outcome failure = m->client ? PB_OUTCOME_CLIENT_ERROR : PB_OUTCOME_ERROR;

    lane->state = PB_LANE_ANSWERED;
    lane->reply =
        (struct pb_reply){ .outcome = m->kind == PB_WIRE_ERROR ? failure : PB_OUTCOME_OK };
    if (lane->want_payload) {
        lane->reply.payload = malloc(text.len + 1);
    }
    if (lane->reply.payload) {
        memcpy(lane->reply.payload, text.at, text.len);
        lane->reply.payload[text.len] = '\0';
        lane->reply.len = text.len;
    }
    if (process->leader != (uint32_t)(lane - process->lanes)) {
        wake(lane);
    }
}

static bool fits(enum pb_wire_kind expected, enum pb_wire_kind kind)
{
    return kind == expected || (expected == PB_WIRE_RESULT && kind == PB_WIRE_ERROR);
}

/* False: nobody asked for it. */
static bool deliver(struct pb_process *process, const struct pb_wire_message *m,
                    struct pb_span text)
{
    bool known = false;

    pb_mutex_lock(&process->lock);
    for (uint32_t i = 0; i < process->lane_count && !known; i++) {
        struct pb_lane *lane = &process->lanes[i];

        known = lane->state == PB_LANE_WAITING && lane->id == m->id && fits(lane->expects, m->kind);
        if (known) {
            answer_locked(process, lane, m, text);
        }
    }
    known = known || forgive(&process->abandoned, m->id);
    pb_mutex_unlock(&process->lock);
    return known;
}

/* Hands out every whole message that has come. */
static void deliver_all(struct pb_process *process)
{
    struct pb_wire_message message;
    struct pb_span text = { process->reader.data + process->reader.start,
                            process->reader.end - process->reader.start };
    const char *why = "an answer that nobody asked for";
    enum pb_cut cut;

    while ((cut = pb_wire_cut(&process->reader, &text, &why)) == PB_CUT_MESSAGE) {
        if (!pb_wire_read(process->wire, text, &message, &why) ||
            !deliver(process, &message, text)) {
            break;
        }
        text = (struct pb_span){ process->reader.data + process->reader.start,
                                 process->reader.end - process->reader.start };
    }
    if (cut != PB_CUT_MORE) {
        lose_to_garbage(process, why, text);
    }
}

/* The leader's: takes what has come; how much, and 0 where there was nothing or is no more. */
static size_t read_some(struct pb_process *process)
{
    size_t room = 0;
    char *at = pb_wire_room(&process->reader, &room);

    if (!at) {
        pb_process_lose(process, "its answer: no memory for it");
        return 0;
    }
    ssize_t got;

    do {
        got = recv(process->fd, at, room, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        pb_wire_came(&process->reader, (size_t)got);
        deliver_all(process);
        return (size_t)got;
    }
    if (got == 0 || errno != EAGAIN) {
        lose_to_end(process);
    }
    return 0;
}

/* The child has exited: what it had written still counts. */
static void read_last_words(struct pb_process *process)
{
    size_t got = 1;

    for (size_t sum = 0; got > 0 && sum < LAST_WORDS_BYTES; sum += got) {
        got = atomic_load(&process->lost) ? 0 : read_some(process);
    }
    if (!atomic_load(&process->lost)) {
        lose_to_end(process);
    }
}

/* Sends what of the request has not been sent. */
static void push(struct call *call)
{
    if (call->sent == PB_SENT_PART) {
        call->sent = pb_lanes_flush(call->process);
    } else {
        call->sent = pb_lanes_send(call->process, &call->lane->out);
    }
    if (call->sent == PB_SENT_BROKEN) {
        call->broken_ns = pb_now_ns() + PB_HANGUP_NS;
    }
}

static bool has_unsent(const struct call *call)
{
    return call->sent == PB_SENT_PART || call->sent == PB_SENT_NOTHING;
}

static int64_t wait_until(const struct call *call)
{
    int64_t until_ns = call->ask->deadline_ns;

    until_ns = call->broken_ns < until_ns ? call->broken_ns : until_ns;
    if (call->ask->token && call->token_fd < 0) {
        int64_t look_ns = pb_now_ns() + TOKEN_LOOK_NS;

        until_ns = look_ns < until_ns ? look_ns : until_ns;
    }
    return until_ns;
}

static void poll_until(struct pollfd *fds, nfds_t count, int64_t until_ns)
{
    struct timespec left = { 0 };

    if (until_ns != INT64_MAX) {
        int64_t left_ns = until_ns - pb_now_ns();

        left_ns = left_ns > 0 ? left_ns : 0;
        left.tv_sec = left_ns / PB_NS_PER_S;
        left.tv_nsec = left_ns % PB_NS_PER_S;
    }
    if (ppoll(fds, count, until_ns == INT64_MAX ? NULL : &left, NULL) <= 0) {
        for (nfds_t i = 0; i < count; i++) {
            fds[i].revents = 0; /* interrupted: nothing is said of them */
        }
    }
}

static void wait_as_leader(struct call *call)
{
    struct pb_process *process = call->process;
    short events = has_unsent(call) ? POLLIN | POLLOUT : POLLIN;
    uint64_t count;
    struct pollfd fds[] = { { .fd = process->fd, .events = events },
                            { .fd = process->pidfd, .events = POLLIN },
                            { .fd = call->token_fd, .events = POLLIN },
                            { .fd = call->lane->wake_fd, .events = POLLIN } };

    poll_until(fds, call->lane->wake_fd >= 0 ? 4 : 3, wait_until(call));
    if (fds[1].revents) {
        read_last_words(process);
    } else if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        (void)read_some(process);
    }
    if (fds[0].revents & POLLOUT && has_unsent(call)) {
        push(call);
    }
    if (fds[3].revents) { /* another lane found it lost, or woke this one when it was none yet */
        (void)!read(call->lane->wake_fd, &count, sizeof(count));
    }
}

static void wait_as_follower(struct call *call)
{
    uint64_t count;
    struct pollfd fds[] = { { .fd = call->lane->wake_fd, .events = POLLIN },
                            { .fd = has_unsent(call) ? call->process->fd : -1, .events = POLLOUT },
                            { .fd = call->token_fd, .events = POLLIN } };

    poll_until(fds, PB_ARRAY_LEN(fds), wait_until(call));
    if (fds[0].revents) {
        (void)!read(call->lane->wake_fd, &count, sizeof(count));
    }
    if (fds[1].revents) {
        push(call);
    }
}

/* Whether the exchange is over; else whether this thread reads from now on. */
static bool look(struct call *call, enum pb_exchange *ret_end)
{
    struct pb_process *process = call->process;
    uint32_t lane = call->ask->lane;
    bool over = true;

    pb_mutex_lock(&process->lock);
    if (call->lane->state == PB_LANE_ANSWERED) {
        *ret_end = PB_EXCHANGE_ANSWERED;
    } else if (atomic_load(&process->lost)) {
        *ret_end = PB_EXCHANGE_LOST;
    } else {
        if (process->leader == PB_NO_LEADER) {
            process->leader = lane;
        }
        call->leads = process->leader == lane;
        over = false;
    }
    pb_mutex_unlock(&process->lock);
    return over;
}

static enum pb_exchange await(struct call *call)
{
    enum pb_exchange end = PB_EXCHANGE_LOST;
    const struct pb_ask *ask = call->ask;

    while (!look(call, &end)) {
        if (ask->token && pb_token_cancelled(ask->token)) {
            return PB_EXCHANGE_TOKEN;
        }
        if (ask->deadline_ns != INT64_MAX && pb_now_ns() >= ask->deadline_ns) {
            return PB_EXCHANGE_DEADLINE;
        }
        if (call->broken_ns != INT64_MAX && pb_now_ns() >= call->broken_ns) {
            pb_process_lose(call->process, "closed its standard input");
        } else if (call->leads) {
            wait_as_leader(call);
        } else {
            wait_as_follower(call);
        }
    }
    return end;
}

/* Some lane must read while any waits. */
static void hand_over_locked(struct pb_process *process, uint32_t lane) PB_REQUIRES(process->lock)
{
    if (process->leader == lane) {
        process->leader = PB_NO_LEADER;
    }
    for (uint32_t i = 0; i < process->lane_count && process->leader == PB_NO_LEADER; i++) {
        if (process->lanes[i].state == PB_LANE_WAITING) {
            wake(&process->lanes[i]);
            return;
        }
    }
}

/* Frees the lane.  An answer that came at the last moment counts. */
static enum pb_exchange leave(struct call *call, enum pb_exchange end, struct pb_reply *ret_reply)
{
    struct pb_process *process = call->process;
    struct pb_lane *lane = call->lane;

    pb_mutex_lock(&process->lock);
    if (lane->state == PB_LANE_ANSWERED) {
        end = PB_EXCHANGE_ANSWERED;
        *ret_reply = lane->reply;
    } else if (call->sent != PB_SENT_NOTHING && lane->id != 0) {
        abandon(&process->abandoned, lane->id);
    }
    lane->state = PB_LANE_FREE;
    hand_over_locked(process, call->ask->lane);
    pb_mutex_unlock(&process->lock);
    return end;
}

/* The child is told that nobody waits for that answer any more. */
static void tell_cancelled(struct call *call, uint64_t id)
{
    struct pb_wire_message cancel = { .kind = PB_WIRE_CANCEL, .id = id };

    pb_buf_reset(&call->lane->out);
    pb_wire_put(&call->lane->out, call->process->wire, &cancel);
    if (pb_buf_status(&call->lane->out) == PB_OK) {
        pb_lanes_send_later(call->process, &call->lane->out);
    }
}

static bool enter(struct call *call, const struct pb_wire_message *message)
{
    struct pb_process *process = call->process;
    struct pb_lane *lane = call->lane;

    pb_mutex_lock(&process->lock);

    bool lost = atomic_load(&process->lost);

    lane->id = message->id;
    lane->expects = message->kind == PB_WIRE_INIT   ? PB_WIRE_READY
                    : message->kind == PB_WIRE_PING ? PB_WIRE_PONG
                                                    : PB_WIRE_RESULT;
    lane->want_payload = call->ask->want_payload;
    lane->state = lost ? PB_LANE_FREE : PB_LANE_WAITING;
    pb_mutex_unlock(&process->lock);
    return !lost;
}

enum pb_exchange pb_exchange(struct pb_process *process, const struct pb_ask *ask,
                             struct pb_wire_message *message, struct pb_reply *ret_reply)
{
    struct call call = { .process = process,
                         .lane = &process->lanes[ask->lane],
                         .ask = ask,
                         .token_fd = ask->token ? pb_token_fd(ask->token) : -1,
                         .sent = PB_SENT_NOTHING,
                         .broken_ns = INT64_MAX };

    if (message->kind != PB_WIRE_INIT) {
        message->id = atomic_fetch_add_explicit(&process->next_id, 1, memory_order_relaxed);
    }
    pb_buf_reset(&call.lane->out);
    pb_wire_put(&call.lane->out, process->wire, message);
    if (pb_buf_status(&call.lane->out) != PB_OK) {
        return PB_EXCHANGE_NOMEM;
    }
    if (!enter(&call, message)) {
        return PB_EXCHANGE_LOST;
    }
    if (!ask->token || !pb_token_cancelled(ask->token)) {
        push(&call);
    }
    enum pb_exchange end = leave(&call, await(&call), ret_reply);

    if ((end == PB_EXCHANGE_TOKEN || end == PB_EXCHANGE_DEADLINE) && call.sent != PB_SENT_NOTHING &&
        message->kind == PB_WIRE_REQUEST) {
        tell_cancelled(&call, message->id);
    }
    return end;
}

/* True: its answer has not come; it is expected again. */
static bool expect_again(struct pb_process *process, struct pb_lane *lane)
{
    bool waiting = false;

    pb_mutex_lock(&process->lock);
    for (uint32_t i = 0; i < PB_ABANDONED_MAX && !waiting; i++) {
        if (process->abandoned.ids[i] == lane->id) {
            process->abandoned.ids[i] = 0;
            waiting = true;
        }
    }
    if (waiting) {
        lane->expects = PB_WIRE_RESULT;
        lane->want_payload = false;
        lane->state = PB_LANE_WAITING;
    }
    pb_mutex_unlock(&process->lock);
    return waiting;
}

bool pb_exchange_settle(struct pb_process *process, uint32_t lane, int64_t deadline_ns)
{
    struct pb_ask ask = { .lane = lane, .deadline_ns = deadline_ns };
    struct call call = { .process = process,
                         .lane = &process->lanes[lane],
                         .ask = &ask,
                         .token_fd = -1,
                         .sent = PB_SENT_ALL,
                         .broken_ns = INT64_MAX };
    struct pb_reply reply;

    if (!expect_again(process, call.lane)) {
        return !atomic_load(&process->lost);
    }
    return leave(&call, await(&call), &reply) == PB_EXCHANGE_ANSWERED;
}
