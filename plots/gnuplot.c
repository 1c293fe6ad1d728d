#include "plots/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define LIMIT_NS   (30 * PB_NS_PER_S)
#define WORDS_SIZE 160 /* of its own complaint that a message takes */

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

enum pb_status pb_gnuplot_find(char **ret_path)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever sets a variable */
    const char *at = getenv("PATH");
    char path[PATH_MAX];

    while (at && *at) {
        size_t length = strcspn(at, ":");
        int needed = snprintf(path, sizeof(path), "%.*s/gnuplot", (int)length, at);

        /* A relative entry would let the current folder decide which program runs. */
        if (*at == '/' && needed < (int)sizeof(path) && is_program(path)) {
            char *copy = strdup(path);

            if (!copy) {
                return PB_ENOMEM;
            }
            *ret_path = copy;
            return PB_OK;
        }
        at += length;
        at += *at == ':';
    }
    return PB_ENOENT;
}

/* What the child of posix_spawn is given. */
struct child {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *environment[4];
    char *path;
    bool actions_made, attributes_made;
    int words[2]; /* a pipe: its standard error */
    pid_t pid;    /* 0: not running */
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void child_done(struct child *child)
{
    if (child->actions_made) {
        posix_spawn_file_actions_destroy(&child->actions);
    }
    if (child->attributes_made) {
        posix_spawnattr_destroy(&child->attributes);
    }
    close_fd(&child->words[0]);
    close_fd(&child->words[1]);
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, NULL, 0);
    }
    free(child->path);
}

/* 0, or the errno of what failed. */
static int prepare_files(struct child *child, const char *folder)
{
    int failed = posix_spawn_file_actions_init(&child->actions);

    if (failed != 0) {
        return failed;
    }
    child->actions_made = true;
    failed = posix_spawn_file_actions_addopen(&child->actions, 0, "/dev/null", O_RDONLY, 0);
    if (failed == 0) {
        failed = posix_spawn_file_actions_addopen(&child->actions, 1, "/dev/null", O_WRONLY, 0);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&child->actions, child->words[1], 2);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addchdir_np(&child->actions, folder);
    }
    return failed;
}

/* The child starts with no signal blocked or ignored, whatever the caller does with them. */
static int prepare_signals(struct child *child)
{
    sigset_t none, all;
    int failed = posix_spawnattr_init(&child->attributes);

    if (failed != 0) {
        return failed;
    }
    child->attributes_made = true;
    sigemptyset(&none);
    sigfillset(&all);
    failed = posix_spawnattr_setsigmask(&child->attributes, &none);
    if (failed == 0) {
        failed = posix_spawnattr_setsigdefault(&child->attributes, &all);
    }
    if (failed == 0) {
        failed = posix_spawnattr_setflags(&child->attributes,
                                          POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return failed;
}

static int start(struct child *child, const char *program, const char *folder, const char *script)
{
    static char no_home[] = "HOME=", locale[] = "LC_ALL=C.UTF-8", dash_d[] = "-d";
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever sets a variable */
    const char *path = getenv("PATH");
    char *name = strdup(program), *last = strdup(script);
    char *arguments[] = { name, dash_d, last, NULL };
    int failed = pipe2(child->words, O_CLOEXEC) == 0 ? 0 : errno;

    if (!name || !last || asprintf(&child->path, "PATH=%s", path ? path : "") < 0) {
        failed = ENOMEM;
        child->path = NULL;
    }
    child->environment[0] = no_home;
    child->environment[1] = locale;
    child->environment[2] = child->path;
    if (failed == 0) {
        failed = prepare_files(child, folder);
    }
    if (failed == 0) {
        failed = prepare_signals(child);
    }
    if (failed == 0) {
        failed = posix_spawn(&child->pid, program, &child->actions, &child->attributes, arguments,
                             child->environment);
        child->pid = failed == 0 ? child->pid : 0;
    }
    close_fd(&child->words[1]);
    free(name);
    free(last);
    return failed;
}

/* Keeps the last bytes of what it says until it closes its end: it repeats the command first and
 * complains then.  False: not within the limit. */
static bool listen_until_done(struct child *child, int64_t deadline_ns, char *words, size_t size)
{
    size_t len = 0;
    char bytes[512];

    words[0] = '\0';
    for (;;) {
        struct pollfd waiting = { .fd = child->words[0], .events = POLLIN };
        int64_t left_ms = (deadline_ns - pb_now_ns()) / PB_NS_PER_MS;
        int ready = left_ms > 0 ? poll(&waiting, 1, (int)left_ms) : 0;

        if (ready == 0) {
            return false;
        }
        ssize_t got = ready > 0 ? read(child->words[0], bytes, sizeof(bytes)) : -1;

        if (got == 0 || (got < 0 && errno != EINTR)) {
            return true;
        }
        for (ssize_t i = 0; i < got; i++) {
            if (len + 1 == size) {
                memmove(words, words + 1, --len);
            }
            words[len++] = bytes[i];
            words[len] = '\0';
        }
    }
}

/* Its complaint, which follows the last caret that points into the script, as one line. */
static void trim(char *words)
{
    const char *caret = strrchr(words, '^');
    char *out = words;

    for (const char *at = caret ? caret + 1 : words; *at; at++) {
        if ((unsigned char)*at > ' ') {
            *out++ = *at;
        } else if (out > words && out[-1] != ' ') {
            *out++ = ' ';
        }
    }
    out -= out > words && out[-1] == ' ';
    *out = '\0';
}

static enum pb_status check(const char *folder, const char *script, const char *output, int wstatus,
                            const char *words, struct pb_error *err)
{
    char *path = pb_path_join(folder, output);
    struct stat st;

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to check %s", output);
    }
    bool fine =
        WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0 && stat(path, &st) == 0 && st.st_size > 0;

    if (!fine) {
        (void)unlink(path);
    }
    free(path);
    if (fine) {
        return PB_OK;
    }
    return pb_fail(err, PB_ECORRUPT, "gnuplot could not draw %s: %s", script,
                   words[0] ? words : "it left no picture and no message");
}

enum pb_status pb_gnuplot_run(const char *program, const char *folder, const char *script,
                              const char *output, struct pb_error *err)
{
    PB_CLEANUP(child_done) struct child child = { .words = { -1, -1 } };
    char words[WORDS_SIZE];
    int wstatus = 0;
    int failed = start(&child, program, folder, script);

    if (failed != 0) {
        errno = failed;
        return pb_fail(err, failed == ENOMEM ? PB_ENOMEM : PB_ESYS, "%s cannot be started",
                       program);
    }
    if (!listen_until_done(&child, pb_now_ns() + LIMIT_NS, words, sizeof(words))) {
        (void)kill(child.pid, SIGKILL);
        (void)waitpid(child.pid, &wstatus, 0);
        child.pid = 0;
        (void)check(folder, script, output, -1, words, NULL);
        return pb_fail(err, PB_ETIMEDOUT, "gnuplot needed more than 30 s for %s", script);
    }
    while (waitpid(child.pid, &wstatus, 0) < 0 && errno == EINTR) {
    }
    child.pid = 0;
    trim(words);
    return check(folder, script, output, wstatus, words, err);
}
