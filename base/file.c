#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define NAME_TRIES 16 /* random names tried before giving up */

static void close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

enum pb_status pb_fd_read_all(int fd, const char *path, size_t max_bytes, char **ret_data,
                              size_t *ret_len, struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf buf = { .cap = max_bytes > 0 ? max_bytes : 1 };
    char chunk[16384];

    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got == 0) {
            break;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return pb_fail(err, PB_ESYS, "%s: cannot read", path);
        }
        pb_buf_add(&buf, chunk, (size_t)got);
        if (pb_buf_status(&buf) != PB_OK) {
            break;
        }
    }
    if (pb_buf_status(&buf) == PB_EFULL || buf.len > max_bytes) {
        return pb_fail(err, PB_EINVAL, "%s: too large: at most %zu bytes are read", path,
                       max_bytes);
    }
    size_t len = buf.len;
    char *data = pb_buf_detach(&buf);

    if (!data) {
        return pb_fail(err, PB_ENOMEM, "%s: out of memory while reading", path);
    }
    *ret_data = data;
    *ret_len = len;
    return PB_OK;
}

enum pb_status pb_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                            struct pb_error *err)
{
    PB_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return pb_fail(err, PB_ENOENT, "%s: no such file", path);
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot open", path);
    }
    if (S_ISDIR(st.st_mode)) {
        return pb_fail(err, PB_EINVAL, "%s: is a folder; a file is needed", path);
    }
    /* A large file is refused before its bytes are read; pipes have no size. */
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max_bytes) {
        return pb_fail(err, PB_EINVAL, "%s: has %lld bytes; at most %zu are read", path,
                       (long long)st.st_size, max_bytes);
    }
    return pb_fd_read_all(fd, path, max_bytes, ret_data, ret_len, err);
}

/* 0, or -1 with errno. */
static int write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t put = write(fd, at, len);

        if (put > 0) {
            at += put;
            len -= (size_t)put;
        } else if (put == 0) {
            errno = ENOSPC;
            return -1;
        } else if (errno == EAGAIN) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };

            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

enum pb_status pb_fd_write_all(int fd, const void *data, size_t len, struct pb_error *err)
{
    return write_all(fd, data, len) == 0 ? PB_OK : pb_fail(err, PB_ESYS, "cannot write");
}

/* Makes `path`.tmp-XXXXXX, kept in `temporary`; -1 with errno.  The kernel applies the umask:
 * asking for it here would change it for the other threads. */
static int open_temporary(const char *path, char *temporary, size_t size)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        uint32_t random = 0;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            return -1;
        }
        (void)snprintf(temporary, size, "%s.tmp-%06x", path, random & 0xFFFFFFU);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);

        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

/* fsync, where the file system knows it. */
static int sync_fd(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS ? 0 : -1;
}

static enum pb_status sync_parent(const char *path, struct pb_error *err)
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        return pb_dir_sync(".", err);
    }
    PB_CLEANUP(pb_text_free)
    char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 ignores cleanup attributes */
    return folder ? pb_dir_sync(folder, err) : pb_fail(err, PB_ENOMEM, "%s: out of memory", path);
}

/* A pipe or device is written to as it is: a rename would replace it by a file. */
static enum pb_status write_special(const char *path, const void *data, size_t len,
                                    struct pb_error *err)
{
    PB_CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || write_all(fd, data, len) != 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot write", path);
    }
    return PB_OK;
}

/* `old` is what stands at `path`, NULL when nothing does. */
static enum pb_status replace_regular(const char *path, const struct stat *old, const void *data,
                                      size_t len, struct pb_error *err)
{
    size_t size = strlen(path) + sizeof(".tmp-XXXXXX");
    PB_CLEANUP(pb_text_free) char *temporary = malloc(size);

    if (!temporary) {
        return pb_fail(err, PB_ENOMEM, "%s: out of memory", path);
    }
    int fd = open_temporary(path, temporary, size);

    if (fd < 0) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 ignores cleanup attributes */
        return pb_fail(err, PB_ESYS, "%s: cannot write beside it", path);
    }
    bool written = (!old || fchmod(fd, old->st_mode & 07777) == 0) &&
                   write_all(fd, data, len) == 0 && sync_fd(fd) == 0;

    /* A delayed write error shows at close; it must not be hidden by a later errno. */
    if (!written) {
        int why = errno;

        (void)close(fd);
        errno = why;
    } else if (close(fd) != 0) {
        written = false;
    }
    if (!written || rename(temporary, path) != 0) {
        enum pb_status status = pb_fail(err, PB_ESYS, "%s: cannot write", path);

        (void)unlink(temporary);
        return status;
    }
    return sync_parent(path, err);
}

enum pb_status pb_file_replace(const char *path, const void *data, size_t len, struct pb_error *err)
{
    struct stat old;

    if (stat(path, &old) != 0) {
        return replace_regular(path, NULL, data, len, err);
    }
    if (S_ISDIR(old.st_mode)) {
        return pb_fail(err, PB_EINVAL, "%s: is a folder; a file is needed", path);
    }
    if (!S_ISREG(old.st_mode)) {
        return write_special(path, data, len, err);
    }
    /* The rename would succeed on a file that its owner protected. */
    if (access(path, W_OK) != 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot write", path);
    }
    /* Behind a link the file is replaced, not the link. */
    PB_CLEANUP(pb_text_free) char *target = realpath(path, NULL);

    return target ? replace_regular(target, &old, data, len, err)
                  : pb_fail(err, PB_ESYS, "%s: cannot write", path);
}

bool pb_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *pb_path_join(const char *folder, const char *name)
{
    size_t len = strlen(folder), size = len + strlen(name) + 2;
    const char *slash = len > 0 && folder[len - 1] != '/' ? "/" : "";
    char *path = malloc(size);

    if (path) {
        (void)snprintf(path, size, "%s%s%s", folder, slash, name);
    }
    return path;
}
