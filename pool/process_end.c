#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "pool/process_internal.h"

#define DISCARD_BYTES 4096

bool pb_process_exit_text(const struct pb_process *process, char *ret_text, size_t size)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        (void)snprintf(ret_text, size, "ended, and somebody else reaped it");
        return true;
    }
    if (info.si_pid == 0) {
        return false;
    }
    if (info.si_code == CLD_EXITED) {
        (void)snprintf(ret_text, size, "exited with code %d", info.si_status);
        return true;
    }
    const char *name = sigabbrev_np(info.si_status);

    if (name) {
        (void)snprintf(ret_text, size, "killed by SIG%s", name);
    } else {
        (void)snprintf(ret_text, size, "killed by signal %d", info.si_status);
    }
    return true;
}

/* Throws away what came: a child that cannot write does not come to its end.  False: there will be
 * no more. */
static bool discard_some(const struct pb_process *process)
{
    char bytes[DISCARD_BYTES];
    ssize_t got = recv(process->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool pb_process_wait(const struct pb_process *process, int64_t deadline_ns, bool discard)
{
    for (;;) {
        struct pollfd fds[] = { { .fd = process->pidfd, .events = POLLIN },
                                { .fd = discard ? process->fd : -1, .events = POLLIN } };
        int64_t left_ns = deadline_ns - (deadline_ns > 0 ? pb_now_ns() : 0);
        struct timespec left = { 0 };

        if (left_ns > 0) {
            left.tv_sec = left_ns / PB_NS_PER_S;
            left.tv_nsec = left_ns % PB_NS_PER_S;
        }
        int count = ppoll(fds, PB_ARRAY_LEN(fds), deadline_ns == INT64_MAX ? NULL : &left, NULL);

        if (count > 0 && fds[0].revents) {
            return true;
        }
        if (count > 0) {
            discard = discard_some(process);
        }
        if (left_ns <= 0) {
            return false;
        }
    }
}

/* Which pid the group's is as long as its leader has not been reaped. */
static void signal_locked(const struct pb_process *process, int signal)
    PB_REQUIRES(process->end_lock)
{
    if (!process->reaped) {
        (void)kill(-process->pid, signal);
    }
}

void pb_process_signal(struct pb_process *process, int signal)
{
    pb_mutex_lock(&process->end_lock);
    signal_locked(process, signal);
    pb_mutex_unlock(&process->end_lock);
}

static void ask_to_leave(struct pb_process *process)
{
    struct pb_wire_message shutdown_message = { .kind = PB_WIRE_SHUTDOWN };
    struct pb_buf *out = &process->lanes[0].out;

    pb_buf_reset(out);
    pb_wire_put(out, process->wire, &shutdown_message);
    if (pb_buf_status(out) == PB_OK) {
        pb_lanes_send_later(process, out);
    }
    /* Who does not know that message sees the end of its input. */
    (void)shutdown(process->fd, SHUT_WR);
}

static int64_t patience_ends(const struct pb_process *process)
{
    int64_t now_ns = pb_now_ns();

    return process->kill_after_ns < INT64_MAX - now_ns ? now_ns + process->kill_after_ns
                                                       : INT64_MAX - 1;
}

static bool end_itself(struct pb_process *process, bool politely)
{
    if (politely && !atomic_load(&process->lost)) {
        ask_to_leave(process);
        if (pb_process_wait(process, patience_ends(process), true)) {
            return true;
        }
    }
    pb_process_signal(process, SIGTERM);
    pb_process_signal(process, SIGCONT); /* a stopped one hears nothing else */
    return pb_process_wait(process, patience_ends(process), true);
}

void pb_process_end(struct pb_process *process, bool politely, bool kill_now)
{
    siginfo_t info;

    if (kill_now || !end_itself(process, politely)) {
        pb_process_signal(process, SIGKILL);
        (void)pb_process_wait(process, INT64_MAX, true);
    }
    pb_mutex_lock(&process->end_lock);
    /* What it leaves behind in its group has no owner any more.  Before the leader is reaped: then
     * the group's number is ours for sure. */
    signal_locked(process, SIGKILL);
    (void)waitid(P_PID, (id_t)process->pid, &info, WEXITED);
    process->reaped = true;
    pb_mutex_unlock(&process->end_lock);
}
