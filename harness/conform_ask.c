#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/quantity.h"
#include "base/utf8.h"
#include "harness/conform_internal.h"

void pb_conform_say(struct pb_conformer *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->text, c->text_size, fmt, args);
    va_end(args);
}

enum pb_check pb_conform_fail(struct pb_conformer *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->text, c->text_size, fmt, args);
    va_end(args);
    return PB_CHECK_FAIL;
}

enum pb_check pb_conform_no_memory(struct pb_conformer *c)
{
    c->status = PB_ENOMEM;
    return pb_conform_fail(c, "no memory for a message");
}

/* --- Asking --- */

int64_t pb_conform_deadline(const struct pb_conformer *c)
{
    return pb_now_ns() + c->config->timeout_ns;
}

/* "left with exit code 1", "was killed by SIGSEGV"; it had closed its end. */
void pb_conform_tell_end(struct pb_conformer *c, const char *instead_of)
{
    int status = 0;

    if (!pb_peer_left(&c->peer, pb_conform_deadline(c), &status)) {
        pb_conform_say(c, "closed its output instead of %s", instead_of);
    } else if (WIFSIGNALED(status)) {
        pb_conform_say(c, "was killed by SIG%s instead of %s", sigabbrev_np(WTERMSIG(status)),
                       instead_of);
    } else {
        pb_conform_say(c, "left with exit code %d instead of %s", WEXITSTATUS(status), instead_of);
    }
}

/* Whether it is the answer of the cancelled request, which may come at any time, once, or never. */
static bool is_cancelled(struct pb_conformer *c, const struct pb_wire_message *message)
{
    bool late = c->cancelled > 0 && message->id == c->cancelled &&
                (message->kind == PB_WIRE_RESULT || message->kind == PB_WIRE_ERROR);

    c->cancelled = late ? 0 : c->cancelled;
    return late;
}

enum pb_peer_got pb_conform_receive(struct pb_conformer *c, int64_t deadline_ns,
                                    struct pb_wire_message *ret_message, const char **ret_why)
{
    enum pb_peer_got got;

    do {
        got = pb_peer_receive(&c->peer, deadline_ns, ret_message, ret_why);
    } while (got == PB_PEER_MESSAGE && is_cancelled(c, ret_message));
    return got;
}

/* Waits for the next message; false: what came instead is told. */
bool pb_conform_hear(struct pb_conformer *c, const char *wanted,
                     struct pb_wire_message *ret_message)
{
    char limit[PB_QUANTITY_TEXT];
    const char *why = "";

    switch (pb_conform_receive(c, pb_conform_deadline(c), ret_message, &why)) {
    case PB_PEER_MESSAGE:
        return true;
    case PB_PEER_NOTHING:
        pb_conform_say(c, "%s did not come within %s", wanted,
                       pb_format_duration(c->config->timeout_ns, limit));
        return false;
    case PB_PEER_CLOSED:
        pb_conform_tell_end(c, wanted);
        return false;
    case PB_PEER_GARBAGE:
        pb_conform_say(c, "wrote garbage instead of %s: %s", wanted, why);
        return false;
    }
    return false;
}

bool pb_conform_send_bytes(struct pb_conformer *c, const char *bytes, size_t len)
{
    int64_t until_ns = pb_conform_deadline(c);

    /* To one that has left: what is heard of it then tells more. */
    if (pb_peer_send(&c->peer, bytes, len, until_ns) || pb_now_ns() < until_ns) {
        return true;
    }
    pb_conform_say(c, "did not take what it was sent");
    return false;
}

void pb_conform_put(struct pb_conformer *c, struct pb_buf *out, enum pb_wire_kind kind, uint64_t id,
                    const char *command, const char *body)
{
    struct pb_wire_message message = { .kind = kind, .id = id };

    if (command) {
        message.command = (struct pb_span){ command, strlen(command) };
    }
    if (body) {
        message.body = (struct pb_span){ body, strlen(body) };
    }
    pb_wire_put(out, c->config->wire, &message);
}

bool pb_conform_send(struct pb_conformer *c, enum pb_wire_kind kind, uint64_t id,
                     const char *command, const char *body)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    pb_conform_put(c, &out, kind, id, command, body);
    if (pb_buf_status(&out) != PB_OK) {
        (void)pb_conform_no_memory(c);
        return false;
    }
    return pb_conform_send_bytes(c, out.data, out.len);
}

const char *pb_conform_command(const struct pb_conformer *c)
{
    return c->config->command ? c->config->command : "echo";
}

/* An echo must be what was sent, as JSON; what another command answers is its own affair. */
static bool is_echo(struct pb_conformer *c, const char *args, const struct pb_wire_message *answer)
{
    if (c->config->command) {
        return true;
    }
    cJSON *sent = cJSON_Parse(args);
    cJSON *got = answer->body.len > 0 ? cJSON_ParseWithLength(answer->body.at, answer->body.len)
                                      : cJSON_CreateNull();
    bool same = sent && got && cJSON_Compare(sent, got, true);

    cJSON_Delete(sent);
    cJSON_Delete(got);
    if (!same) {
        int shown = answer->body.len < PB_CONFORM_SHOWN_MAX
                        ? (int)answer->body.len
                        : (int)pb_utf8_cut(answer->body.at, answer->body.len, PB_CONFORM_SHOWN_MAX);

        pb_conform_say(c, "echo answered %.*s%s, not what it was sent", shown,
                       answer->body.at ? answer->body.at : "nothing",
                       answer->body.len > (size_t)shown ? "..." : "");
    }
    return same;
}

bool pb_conform_check_id(struct pb_conformer *c, uint64_t id, const struct pb_wire_message *answer)
{
    if (answer->kind == PB_WIRE_READY || answer->id != id) {
        pb_conform_say(c, "answered id %llu when asked with id %llu",
                       (unsigned long long)(answer->kind == PB_WIRE_READY ? 0 : answer->id),
                       (unsigned long long)id);
        return false;
    }
    return true;
}

/* Waits for the answer to a request that must succeed. */
static bool hear_result(struct pb_conformer *c, uint64_t id, const char *args)
{
    struct pb_wire_message answer;
    char message[PB_CONFORM_SHOWN_MAX];

    if (!pb_conform_hear(c, "an answer", &answer) || !pb_conform_check_id(c, id, &answer)) {
        return false;
    }
    if (answer.kind == PB_WIRE_ERROR) {
        pb_wire_plain(c->config->wire, answer.body, message, sizeof(message));
        pb_conform_say(c, "%s was answered with an error: %s", pb_conform_command(c), message);
        return false;
    }
    if (answer.kind != PB_WIRE_RESULT) {
        pb_conform_say(c, "a request was answered with another kind of message");
        return false;
    }
    return is_echo(c, args, &answer);
}

const char *pb_conform_args(const struct pb_conformer *c)
{
    return c->config->command ? (c->config->args ? c->config->args : "null") : "{\"hello\":[1,2]}";
}

bool pb_conform_request(struct pb_conformer *c, uint64_t id, const char *args)
{
    return pb_conform_send(c, PB_WIRE_REQUEST, id, pb_conform_command(c), args) &&
           hear_result(c, id, args);
}

/* --- The worker --- */

static bool hear_ready(struct pb_conformer *c)
{
    struct pb_wire_message answer;

    if (!pb_conform_send(c, PB_WIRE_INIT, 0, NULL, NULL) || !pb_conform_hear(c, "ready", &answer)) {
        return false;
    }
    if (answer.kind != PB_WIRE_READY) {
        pb_conform_say(c, "answered init with something other than ready");
        return false;
    }
    return true;
}

/* A fresh worker, where there is none.  False: told. */
bool pb_conform_have_worker(struct pb_conformer *c)
{
    struct pb_error err = { .status = PB_OK };

    if (c->peer.pid > 0) {
        return true;
    }
    pb_peer_stop(&c->peer);
    c->cancelled = 0;
    enum pb_status status = pb_peer_start(&c->peer, c->config->argv, c->config->wire, &err);

    if (status != PB_OK) {
        c->status = status;
        pb_conform_say(c, "%s", err.text);
        return false;
    }
    return hear_ready(c);
}
