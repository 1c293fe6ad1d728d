#include "harness/conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/quantity.h"
#include "harness/conform_internal.h"

#define MANY          1000
#define LARGE_FRAME   ((size_t)1 << 20)
#define LARGE_LINE    ((size_t)64 << 10)
#define ID_LARGEST    (UINT64_C(1) << 53)
#define BETWEEN_NS    (30 * PB_NS_PER_MS)  /* the two halves of a message */
#define QUIET_NS      (100 * PB_NS_PER_MS) /* a worker that is not asked says nothing for so long */
#define PIPELINED_MAX 64

static const char *const check_names[] = {
    [PB_CHECK_PASS] = "PASS",
    [PB_CHECK_FAIL] = "FAIL",
    [PB_CHECK_SKIP] = "skip",
};
_Static_assert(PB_ARRAY_LEN(check_names) == PB_CHECK_COUNT, "a name for each result");

const char *pb_check_name(enum pb_check result)
{
    return check_names[result];
}

/* --- The checks --- */

static enum pb_check check_ready(struct pb_conformer *c)
{
    if (!pb_conform_have_worker(c)) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "ready");
    return PB_CHECK_PASS;
}

static enum pb_check check_request(struct pb_conformer *c)
{
    if (!pb_conform_request(c, ++c->id, pb_conform_args(c))) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "%s %s", pb_conform_command(c), pb_conform_args(c));
    return PB_CHECK_PASS;
}

static enum pb_check check_unknown_command(struct pb_conformer *c)
{
    struct pb_wire_message answer;
    char message[PB_CONFORM_SHOWN_MAX];

    if (!pb_conform_send(c, PB_WIRE_REQUEST, ++c->id, "no-such-command", "{}") ||
        !pb_conform_hear(c, "an error", &answer) || !pb_conform_check_id(c, c->id, &answer)) {
        return PB_CHECK_FAIL;
    }
    if (answer.kind != PB_WIRE_ERROR) {
        return pb_conform_fail(c, "a command that no worker has was not answered with an error");
    }
    pb_wire_plain(c->config->wire, answer.body, message, sizeof(message));
    pb_conform_say(c, "%s error: %s", answer.client ? "client" : "server", message);
    return PB_CHECK_PASS;
}

static enum pb_check check_ids(struct pb_conformer *c)
{
    static const uint64_t ids[] = { ID_LARGEST - 1, 1, 4294967297, 77 };

    for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++) {
        if (!pb_conform_request(c, ids[i], pb_conform_args(c))) {
            return PB_CHECK_FAIL;
        }
    }
    pb_conform_say(c, "up to 2^53 - 1");
    return PB_CHECK_PASS;
}

static enum pb_check check_many(struct pb_conformer *c)
{
    int64_t before_ns = pb_now_ns();
    char each[PB_QUANTITY_TEXT];

    for (int i = 0; i < MANY; i++) {
        if (!pb_conform_request(c, ++c->id, pb_conform_args(c))) {
            return PB_CHECK_FAIL;
        }
    }
    pb_conform_say(c, "%d, %s each", MANY,
                   pb_format_duration((pb_now_ns() - before_ns) / MANY, each));
    return PB_CHECK_PASS;
}

static bool hear_pong(struct pb_conformer *c, uint64_t id)
{
    struct pb_wire_message answer;

    if (!pb_conform_hear(c, "pong", &answer) || !pb_conform_check_id(c, id, &answer)) {
        return false;
    }
    if (answer.kind != PB_WIRE_PONG) {
        pb_conform_say(c, "a ping was answered with another kind of message");
        return false;
    }
    return true;
}

static enum pb_check check_ping(struct pb_conformer *c)
{
    uint64_t id = ++c->id;

    if (!pb_conform_send(c, PB_WIRE_PING, id, NULL, NULL) || !hear_pong(c, id)) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "pong");
    return PB_CHECK_PASS;
}

/* Of a request that is not there, and of one that is; the next message is answered all the same. */
static enum pb_check check_cancel(struct pb_conformer *c)
{
    uint64_t cancelled = ++c->id, id = ++c->id;

    c->cancelled = cancelled;
    if (!pb_conform_send(c, PB_WIRE_CANCEL, ID_LARGEST - 2, NULL, NULL) ||
        !pb_conform_send(c, PB_WIRE_REQUEST, cancelled, pb_conform_command(c),
                         pb_conform_args(c)) ||
        !pb_conform_send(c, PB_WIRE_CANCEL, cancelled, NULL, NULL) ||
        !pb_conform_send(c, PB_WIRE_PING, id, NULL, NULL) || !hear_pong(c, id)) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "also of a request that is not there");
    return PB_CHECK_PASS;
}

static enum pb_check check_unknown_key(struct pb_conformer *c)
{
    char frame[4 + 80];
    uint64_t id = ++c->id;

    if (c->config->wire == PB_WIRE_LINES) {
        pb_conform_say(c, "lines have no keys");
        return PB_CHECK_SKIP;
    }
    int len =
        snprintf(frame + 4, sizeof(frame) - 4,
                 "{\"later\":{\"a\":[1]}, \"id\":%llu,\"type\":\"ping\"}", (unsigned long long)id);

    memcpy(frame, (const char[]){ 0, 0, 0, (char)len }, 4);
    if (!pb_conform_send_bytes(c, frame, (size_t)len + 4) || !hear_pong(c, id)) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "ignored");
    return PB_CHECK_PASS;
}

static enum pb_check check_large(struct pb_conformer *c)
{
    size_t len = c->config->wire == PB_WIRE_LINES ? LARGE_LINE : LARGE_FRAME;
    PB_CLEANUP(pb_text_free) char *args = malloc(len + 3);
    uint64_t id = ++c->id;
    struct pb_wire_message answer;

    if (!args) {
        return pb_conform_no_memory(c);
    }
    memset(args, 'x', len + 2);
    args[0] = args[len + 1] = '"';
    args[len + 2] = '\0';
    pb_conform_say(c, "%zu KiB", len >> 10);
    if (!c->config->command) {
        return pb_conform_request(c, id, args) ? PB_CHECK_PASS : PB_CHECK_FAIL;
    }
    /* Whether another command likes it is its own affair, as long as it answers. */
    bool answered = pb_conform_send(c, PB_WIRE_REQUEST, id, pb_conform_command(c), args) &&
                    pb_conform_hear(c, "an answer", &answer) && pb_conform_check_id(c, id, &answer);

    return answered ? PB_CHECK_PASS : PB_CHECK_FAIL;
}

static enum pb_check check_unicode(struct pb_conformer *c)
{
    static const char args[] = "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \\u00e9 \\ud83d\\ude00 "
                               "\\\" \\\\ \\n \\t ' $HOME `x` %s * \"";
    struct pb_wire_message answer;
    uint64_t id = ++c->id;

    pb_conform_say(c, "with escapes, quotes and characters beyond 16 bits");
    if (!c->config->command) {
        return pb_conform_request(c, id, args) ? PB_CHECK_PASS : PB_CHECK_FAIL;
    }
    bool answered = pb_conform_send(c, PB_WIRE_REQUEST, id, pb_conform_command(c), args) &&
                    pb_conform_hear(c, "an answer", &answer) && pb_conform_check_id(c, id, &answer);

    return answered ? PB_CHECK_PASS : PB_CHECK_FAIL;
}

/* A message in two halves, then two messages at once: a socket knows no messages. */
static enum pb_check check_pieces(struct pb_conformer *c)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    uint64_t halved = ++c->id, first = ++c->id, second = ++c->id;

    pb_conform_put(c, &out, PB_WIRE_PING, halved, NULL, NULL);
    size_t half = out.len / 2, whole = out.len;

    pb_conform_put(c, &out, PB_WIRE_PING, first, NULL, NULL);
    pb_conform_put(c, &out, PB_WIRE_PING, second, NULL, NULL);
    if (pb_buf_status(&out) != PB_OK) {
        return pb_conform_no_memory(c);
    }
    if (!pb_conform_send_bytes(c, out.data, half)) {
        return PB_CHECK_FAIL;
    }
    pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + BETWEEN_NS);
    if (!pb_conform_send_bytes(c, out.data + half, whole - half) || !hear_pong(c, halved) ||
        !pb_conform_send_bytes(c, out.data + whole, out.len - whole) || !hear_pong(c, first) ||
        !hear_pong(c, second)) {
        return PB_CHECK_FAIL;
    }
    pb_conform_say(c, "half a message, and two at once");
    return PB_CHECK_PASS;
}

/* Takes one answer off those that are due; false: told. */
static bool hear_one_of(struct pb_conformer *c, uint64_t first, uint32_t count, bool *heard)
{
    struct pb_wire_message answer;

    if (!pb_conform_hear(c, "an answer to each of several requests", &answer)) {
        return false;
    }
    if ((answer.kind != PB_WIRE_RESULT && answer.kind != PB_WIRE_ERROR) || answer.id < first ||
        answer.id >= first + count) {
        pb_conform_say(c, "answered something that nobody asked for");
        return false;
    }
    if (heard[answer.id - first]) {
        pb_conform_say(c, "answered one of several requests twice");
        return false;
    }
    heard[answer.id - first] = true;
    return true;
}

static enum pb_check check_lanes(struct pb_conformer *c)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    bool heard[PIPELINED_MAX] = { false };
    uint32_t count = c->config->lanes < PIPELINED_MAX ? c->config->lanes : PIPELINED_MAX;
    uint64_t first = c->id + 1;

    if (c->config->lanes < 2) {
        pb_conform_say(c, "--lanes is 1");
        return PB_CHECK_SKIP;
    }
    for (uint32_t i = 0; i < count; i++) {
        pb_conform_put(c, &out, PB_WIRE_REQUEST, ++c->id, pb_conform_command(c),
                       pb_conform_args(c));
    }
    if (pb_buf_status(&out) != PB_OK) {
        return pb_conform_no_memory(c);
    }
    if (!pb_conform_send_bytes(c, out.data, out.len)) {
        return PB_CHECK_FAIL;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!hear_one_of(c, first, count, heard)) {
            return PB_CHECK_FAIL;
        }
    }
    pb_conform_say(c, "%u at once, each answered once", count);
    return PB_CHECK_PASS;
}

static enum pb_check check_quiet(struct pb_conformer *c)
{
    struct pb_wire_message message;
    const char *why = "";

    switch (pb_conform_receive(c, pb_now_ns() + QUIET_NS, &message, &why)) {
    case PB_PEER_NOTHING:
        pb_conform_say(c, "nothing unasked on its output");
        return PB_CHECK_PASS;
    case PB_PEER_MESSAGE:
        return pb_conform_fail(c, "sent a message that nobody asked for");
    case PB_PEER_GARBAGE:
        return pb_conform_fail(c, "wrote garbage: %s", why);
    case PB_PEER_CLOSED:
        break;
    }
    pb_conform_tell_end(c, "waiting");
    return PB_CHECK_FAIL;
}

/* Waits for a worker that has been told to go. */
static enum pb_check see_off(struct pb_conformer *c, bool with_success)
{
    int64_t from_ns = pb_now_ns();
    char limit[PB_QUANTITY_TEXT];
    int status = 0;

    if (!pb_peer_left(&c->peer, pb_conform_deadline(c), &status)) {
        return pb_conform_fail(c, "still there after %s",
                               pb_format_duration(c->config->timeout_ns, limit));
    }
    if (with_success && WIFSIGNALED(status)) {
        return pb_conform_fail(c, "was killed by SIG%s, wanted exit code 0",
                               sigabbrev_np(WTERMSIG(status)));
    }
    if (with_success && WEXITSTATUS(status) != 0) {
        return pb_conform_fail(c, "exit code %d, wanted 0", WEXITSTATUS(status));
    }
    pb_conform_say(c, "after %s", pb_format_duration(pb_now_ns() - from_ns, limit));
    return PB_CHECK_PASS;
}

static enum pb_check check_shutdown(struct pb_conformer *c)
{
    return pb_conform_send(c, PB_WIRE_SHUTDOWN, 0, NULL, NULL) ? see_off(c, true) : PB_CHECK_FAIL;
}

static enum pb_check check_end_of_file(struct pb_conformer *c)
{
    pb_peer_hang_up(&c->peer);
    return see_off(c, false);
}

/* Adding one: its function above, a row here.  The last two end the worker. */
static const struct {
    const char *name;
    enum pb_check (*run)(struct pb_conformer *c);
} checks[] = {
    { "answers init with ready", check_ready },
    { "answers a request", check_request },
    { "answers an unknown command with an error", check_unknown_command },
    { "echoes ids", check_ids },
    { "answers many requests", check_many },
    { "answers ping", check_ping },
    { "tolerates cancel", check_cancel },
    { "ignores unknown keys", check_unknown_key },
    { "takes a large message", check_large },
    { "keeps text as it is", check_unicode },
    { "reads messages, not pieces", check_pieces },
    { "takes several requests at a time", check_lanes },
    { "is silent when not asked", check_quiet },
    { "leaves at shutdown with exit code 0", check_shutdown },
    { "leaves at end of file", check_end_of_file },
};
_Static_assert(PB_ARRAY_LEN(checks) <= PB_CONFORM_MAX, "room for every check");

/* One check; a worker that failed is not asked again, the next check gets a fresh one. */
static void run_check(struct pb_conformer *c, size_t number, struct pb_conform_report *report)
{
    struct pb_conform_check *check = &report->checks[number];
    int64_t from_ns = pb_now_ns();

    check->name = checks[number].name;
    c->text = check->text;
    c->text_size = sizeof(check->text);
    check->result = pb_conform_have_worker(c) ? checks[number].run(c) : PB_CHECK_FAIL;
    check->took_ns = pb_now_ns() - from_ns;
    report->count++;
    report->passed += check->result == PB_CHECK_PASS;
    report->failed += check->result == PB_CHECK_FAIL;
    if (check->result == PB_CHECK_FAIL) {
        pb_peer_stop(&c->peer);
    }
}

enum pb_status pb_conform(const struct pb_conform_config *config,
                          struct pb_conform_report *ret_report, struct pb_error *err)
{
    struct pb_conformer c = { .config = config,
                              .peer = { .fd = -1, .exit_fd = -1, .stop = config->stop } };
    struct pb_conform_report report = { .count = 0 };

    for (size_t i = 0; i < PB_ARRAY_LEN(checks) && c.status == PB_OK; i++) {
        run_check(&c, i, &report);
        if (config->stop && atomic_load(config->stop) != 0) {
            c.status = PB_ECANCELED;
        }
        /* One that never gets ready would be waited for again and again. */
        if (report.checks[0].result != PB_CHECK_PASS) {
            break;
        }
    }
    pb_peer_stop(&c.peer);
    if (c.status != PB_OK) {
        return pb_fail(err, c.status, "%s", c.text);
    }
    *ret_report = report;
    return PB_OK;
}
