#include "harness/conform_peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define STOP_POLL_NS (100 * PB_NS_PER_MS) /* it is looked so often whether to stop */

static bool stopping(const struct pb_peer *peer)
{
    return peer->stop && atomic_load_explicit(peer->stop, memory_order_relaxed) != 0;
}

/* Waits for `events` on a descriptor; false: not by the deadline. */
static bool wait_for(const struct pb_peer *peer, int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - pb_now_ns();
        struct pollfd waiting = { .fd = fd, .events = events };
        bool last = left_ns <= STOP_POLL_NS;

        left_ns = left_ns < 0 ? 0 : last ? left_ns : STOP_POLL_NS;
        /* Up to the next whole millisecond, so that the deadline has passed when nothing came. */
        int ready = poll(&waiting, 1, (int)((left_ns + PB_NS_PER_MS - 1) / PB_NS_PER_MS));

        if (ready > 0) {
            return true;
        }
        if ((ready < 0 && errno != EINTR) || (ready == 0 && last) || stopping(peer)) {
            return false;
        }
    }
}

/* Default signals, and a group of its own that can be ended as a whole. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);

    failed = failed ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    failed = failed ? failed : posix_spawnattr_setpgroup(attributes, 0);
    return failed ? failed
                  : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                             POSIX_SPAWN_SETSIGDEF |
                                                             POSIX_SPAWN_SETPGROUP);
}

/* Returns an errno. */
static int spawn(const char *const *argv, int theirs, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    union {
        const char *const *borrowed;
        char *const *passed; /* posix_spawnp does not write to the words */
    } words = { argv };
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
        failed =
            failed ? failed : posix_spawn_file_actions_adddup2(&actions, theirs, STDOUT_FILENO);
        failed = failed ? failed : set_attributes(&attributes);
        failed = failed
                     ? failed
                     : posix_spawnp(ret_pid, argv[0], &actions, &attributes, words.passed, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

enum pb_status pb_peer_start(struct pb_peer *peer, const char *const *argv, enum pb_wire wire,
                             struct pb_error *err)
{
    int ends[2];

    *peer = (struct pb_peer){
        .wire = wire, .fd = -1, .exit_fd = -1, .stop = peer->stop, .reader = { .wire = wire }
    };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return pb_fail(err, PB_ESYS, "no socket for a worker");
    }
    int failed = spawn(argv, ends[1], &peer->pid);

    (void)close(ends[1]);
    peer->fd = ends[0];
    if (!failed) {
        peer->exit_fd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
        failed = peer->exit_fd < 0 ? errno : 0;
    } else {
        peer->pid = 0;
    }
    if (failed) {
        pb_peer_stop(peer);
        return pb_fail(err, failed == EAGAIN || failed == ENOMEM ? PB_ENOMEM : PB_EINVAL,
                       "cannot start '%.100s': %s", argv[0], strerrordesc_np(failed));
    }
    return PB_OK;
}

void pb_peer_hang_up(struct pb_peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
    peer->fd = -1;
}

static void forget(struct pb_peer *peer)
{
    if (peer->exit_fd >= 0) {
        (void)close(peer->exit_fd);
    }
    peer->exit_fd = -1;
    peer->pid = 0;
}

void pb_peer_stop(struct pb_peer *peer)
{
    if (peer->pid > 0) {
        /* Not reaped yet, so the number is still this group's. */
        (void)kill(-peer->pid, SIGKILL);
        while (waitpid(peer->pid, NULL, 0) < 0 && errno == EINTR) {
            /* interrupted: wait on */
        }
    }
    forget(peer);
    pb_peer_hang_up(peer);
    pb_wire_reader_done(&peer->reader);
}

bool pb_peer_send(struct pb_peer *peer, const void *bytes, size_t len, int64_t deadline_ns)
{
    const char *at = bytes;

    while (len > 0 && peer->fd >= 0) {
        ssize_t sent = send(peer->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            if (!wait_for(peer, peer->fd, POLLOUT, deadline_ns)) {
                return false;
            }
        } else if (sent < 0 && errno != EINTR) {
            return false;
        }
    }
    return len == 0;
}

enum pb_peer_got pb_peer_receive(struct pb_peer *peer, int64_t deadline_ns,
                                 struct pb_wire_message *ret_message, const char **ret_why)
{
    for (;;) {
        struct pb_span text;
        enum pb_cut cut = pb_wire_cut(&peer->reader, &text, ret_why);
        size_t room = 0;

        if (cut == PB_CUT_MESSAGE) {
            return pb_wire_read(peer->wire, text, ret_message, ret_why) ? PB_PEER_MESSAGE
                                                                        : PB_PEER_GARBAGE;
        }
        if (cut == PB_CUT_GARBAGE) {
            return PB_PEER_GARBAGE;
        }
        char *into = pb_wire_room(&peer->reader, &room);

        if (!into || peer->fd < 0) {
            return PB_PEER_CLOSED;
        }
        if (!wait_for(peer, peer->fd, POLLIN, deadline_ns)) {
            return PB_PEER_NOTHING;
        }
        ssize_t came = recv(peer->fd, into, room, MSG_DONTWAIT);

        if (came > 0) {
            pb_wire_came(&peer->reader, (size_t)came);
        } else if (came == 0 || (errno != EINTR && errno != EAGAIN)) {
            return PB_PEER_CLOSED;
        }
    }
}

bool pb_peer_left(struct pb_peer *peer, int64_t deadline_ns, int *ret_status)
{
    int status = 0;

    if (peer->pid == 0 || !wait_for(peer, peer->exit_fd, POLLIN, deadline_ns)) {
        return false;
    }
    /* What it leaves behind in its group goes with it. */
    (void)kill(-peer->pid, SIGKILL);
    while (waitpid(peer->pid, &status, 0) < 0 && errno == EINTR) {
        /* interrupted: wait on */
    }
    forget(peer);
    *ret_status = status;
    return true;
}
