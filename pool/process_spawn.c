#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/process_internal.h"

#define FIRST_OTHER_FD 3
#define FILES_ENOUGH   65536

/* What one start needs; all of it goes when it is done. */
struct birth {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    const char **env;
    int fd; /* the child's end */
};

static void birth_done(struct birth *birth)
{
    (void)posix_spawn_file_actions_destroy(&birth->actions);
    (void)posix_spawnattr_destroy(&birth->attributes);
    free(birth->env);
    if (birth->fd >= 0) {
        (void)close(birth->fd);
    }
}

static size_t count_of(const char *const *texts)
{
    size_t count = 0;

    while (texts && texts[count]) {
        count++;
    }
    return count;
}

static bool names_same(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Ours, less what `added` sets, and then `added`. */
static enum pb_status make_env(struct birth *birth, const char *const *added, struct pb_error *err)
{
    const char *const *ours = (const char *const *)environ;
    size_t ours_count = count_of(ours), added_count = count_of(added), used = 0;

    birth->env = calloc(ours_count + added_count + 1, sizeof(*birth->env));
    if (!birth->env) {
        return pb_fail(err, PB_ENOMEM, "no memory to start a worker process");
    }
    for (size_t i = 0; i < ours_count; i++) {
        bool replaced = false;

        for (size_t k = 0; k < added_count && !replaced; k++) {
            replaced = names_same(added[k], ours[i]);
        }
        if (!replaced) {
            birth->env[used++] = ours[i];
        }
    }
    for (size_t k = 0; k < added_count; k++) {
        birth->env[used++] = added[k];
    }
    return PB_OK;
}

/* One socket as standard input and output, and nothing else of ours: also not what others in this
 * process forgot to close on exec.  `fd` and `error_fd` are above 2, so that no dup2 hits another.
 */
static int set_actions(posix_spawn_file_actions_t *actions, const char *folder, int fd,
                       int error_fd)
{
    int rc = folder ? posix_spawn_file_actions_addchdir_np(actions, folder) : 0;

    rc = rc ? rc : posix_spawn_file_actions_adddup2(actions, fd, STDIN_FILENO);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(actions, fd, STDOUT_FILENO);
    if (error_fd >= 0) {
        rc = rc ? rc : posix_spawn_file_actions_adddup2(actions, error_fd, STDERR_FILENO);
    }
    return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, FIRST_OTHER_FD);
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int rc;

    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnattr_setpgroup(attributes, 0);
    rc = rc ? rc : posix_spawnattr_setsigdefault(attributes, &all);
    return rc ? rc : posix_spawnattr_setsigmask(attributes, &none);
}

/* Why posix_spawnp failed, in the user's words. */
static enum pb_status tell_failure(const struct pb_process_config *config, int rc,
                                   struct pb_error *err)
{
    const char *program = config->argv[0];
    struct stat st;

    if (rc == ENOMEM) {
        return pb_fail(err, PB_ENOMEM, "no memory to start '%s'", program);
    }
    if (rc == EAGAIN || rc == EMFILE || rc == ENFILE) {
        errno = rc;
        return pb_fail(err, PB_ESYS, "cannot start '%s'", program);
    }
    if (config->folder && (stat(config->folder, &st) != 0 || !S_ISDIR(st.st_mode))) {
        return pb_fail(err, PB_EINVAL, "cannot start '%s': its folder '%s' is no folder", program,
                       config->folder);
    }
    if (rc == ENOENT) {
        return pb_fail(err, PB_EINVAL,
                       "cannot start '%s': no such program%s (or the interpreter that its first "
                       "line names)",
                       program, strchr(program, '/') ? "" : " in PATH");
    }
    if (rc == ENOEXEC) {
        return pb_fail(err, PB_EINVAL,
                       "cannot start '%s': not a program, and not a script whose first line is "
                       "like #!/bin/sh",
                       program);
    }
    return pb_fail(err, PB_EINVAL, "cannot start '%s': %s", program, strerrordesc_np(rc));
}

static void limit(pid_t pid, enum __rlimit_resource what, int64_t value)
{
    struct rlimit old, wanted = { (rlim_t)value, (rlim_t)value };

    /* No more than is allowed: an unprivileged process cannot go beyond its hard limit. */
    if (value > 0 && prlimit(pid, what, NULL, &old) == 0) {
        wanted.rlim_cur = wanted.rlim_cur < old.rlim_max ? wanted.rlim_cur : old.rlim_max;
        wanted.rlim_max = wanted.rlim_cur;
        (void)prlimit(pid, what, &wanted, NULL);
    }
}

/* 0: this process. */
static void set_soft_files(pid_t pid, int64_t soft_files)
{
    struct rlimit files;

    if (soft_files > 0 && prlimit(pid, RLIMIT_NOFILE, NULL, &files) == 0) {
        files.rlim_cur = (rlim_t)soft_files < files.rlim_max ? (rlim_t)soft_files : files.rlim_max;
        (void)prlimit(pid, RLIMIT_NOFILE, &files, NULL);
    }
}

/* posix_spawn knows no limits.  It returns when the child runs the new program, and the limits are
 * set from here then: before init is sent, so before the child has work, but a program may have
 * mapped or opened something by then; it keeps that, and gets no more. */
static void set_limits(pid_t pid, const struct pb_process_config *config)
{
    limit(pid, RLIMIT_AS, config->max_memory_bytes);
    limit(pid, RLIMIT_NOFILE, config->max_files);
    if (config->max_files == 0) {
        set_soft_files(pid, config->soft_files);
    }
}

int64_t pb_process_raise_files(void)
{
    struct rlimit before;

    if (getrlimit(RLIMIT_NOFILE, &before) != 0 || before.rlim_cur >= FILES_ENOUGH ||
        before.rlim_cur == before.rlim_max) {
        return 0;
    }
    set_soft_files(0, FILES_ENOUGH);
    return (int64_t)before.rlim_cur;
}

void pb_process_lower_files(int64_t soft_files)
{
    set_soft_files(0, soft_files);
}

/* Above 2, where dup2 will not put another on it. */
static int move_up(int fd)
{
    if (fd >= FIRST_OTHER_FD) {
        return fd;
    }
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
    int reason = errno;

    (void)close(fd);
    errno = reason;
    return moved;
}

static enum pb_status open_sockets(struct pb_process *process, struct birth *birth,
                                   struct pb_error *err)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return pb_fail(err, PB_ESYS, "cannot make a socket for a worker process");
    }
    process->fd = fds[0];
    birth->fd = move_up(fds[1]);
    return birth->fd >= 0 ? PB_OK : pb_fail(err, PB_ESYS, "cannot make a socket for a worker");
}

/* A child whose end cannot be watched is none. */
static enum pb_status open_pidfd(struct pb_process *process, struct pb_error *err)
{
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd >= 0) {
        return PB_OK;
    }
    enum pb_status status =
        pb_fail(err, PB_ESYS, "cannot watch a worker process (pidfd_open, Linux 5.4)");

    (void)kill(-process->pid, SIGKILL);
    (void)waitpid(process->pid, NULL, 0);
    process->pid = 0;
    return status;
}

/* Where SIGCHLD is ignored the kernel reaps: pids would be given away under us. */
static bool children_are_kept(void)
{
    struct sigaction now;

    return sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler != SIG_IGN &&
           !(now.sa_flags & SA_NOCLDWAIT);
}

enum pb_status pb_process_spawn(struct pb_process *process, const struct pb_process_config *config,
                                int error_fd, struct pb_error *err)
{
    PB_CLEANUP(birth_done) struct birth birth = { .fd = -1 };
    union {
        const char *const *borrowed;
        char *const *passed; /* posix_spawn does not write to them */
    } argv = { config->argv }, env;
    int rc =
        posix_spawn_file_actions_init(&birth.actions) | posix_spawnattr_init(&birth.attributes);

    if (rc != 0) {
        return pb_fail(err, PB_ENOMEM, "no memory to start a worker process");
    }
    if (!children_are_kept()) {
        return pb_fail(err, PB_EINVAL,
                       "SIGCHLD is ignored here: worker processes need its default");
    }
    PB_TRY(make_env(&birth, config->env, err));
    PB_TRY(open_sockets(process, &birth, err));
    rc = set_actions(&birth.actions, config->folder, birth.fd, error_fd);
    rc = rc ? rc : set_attributes(&birth.attributes);
    if (rc != 0) {
        return pb_fail(err, PB_ENOMEM, "no memory to start a worker process");
    }
    env.borrowed = birth.env;
    rc = posix_spawnp(&process->pid, config->argv[0], &birth.actions, &birth.attributes,
                      argv.passed, env.passed);
    if (rc != 0) {
        process->pid = 0;
        return tell_failure(config, rc, err);
    }
    set_limits(process->pid, config);
    return open_pidfd(process, err);
}
