#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define REMOVE_DEPTH 64 /* folders within folders: one descriptor each */

static void close_folder(DIR **folder)
{
    if (*folder) {
        (void)closedir(*folder);
    }
}

/* Makes one folder; an existing one is fine. */
static enum pb_status make_one(const char *path, struct pb_error *err)
{
    struct stat st;

    if (mkdir(path, 0777) == 0) {
        return PB_OK;
    }
    int why = errno;

    /* A read-only file system answers EROFS for a folder that is there. */
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return PB_OK;
        }
        why = ENOTDIR;
    }
    errno = why;
    return pb_fail(err, PB_ESYS, "%s: cannot make this folder", path);
}

enum pb_status pb_dir_make(const char *path, struct pb_error *err)
{
    PB_CLEANUP(pb_text_free) char *part = strdup(path);

    if (!part) {
        return pb_fail(err, PB_ENOMEM, "%s: out of memory", path);
    }
    for (char *at = part + strspn(part, "/"); (at = strchr(at, '/')); at += strspn(at, "/")) {
        *at = '\0';
        enum pb_status status = make_one(part, err);

        *at = '/';
        PB_TRY(status);
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 ignores cleanup attributes */
    return make_one(path, err);
}

static int remove_at(int parent, const char *name, int depth);

/* Empties the folder behind `fd`, which is closed. */
static int empty_folder(int fd, int depth)
{
    PB_CLEANUP(close_folder) DIR *folder = fdopendir(fd);

    if (!folder) {
        int why = errno;

        (void)close(fd);
        errno = why;
        return -1;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder); /* NOLINT(concurrency-mt-unsafe): own DIR */

        if (!entry) {
            return errno == 0 ? 0 : -1;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            remove_at(fd, entry->d_name, depth) != 0) {
            return -1;
        }
    }
}

/* Removes `name` and all in it.  An entry that vanished meanwhile is fine. */
static int remove_at(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -1;
    }
    if (depth >= REMOVE_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || empty_folder(fd, depth + 1) != 0) {
        return fd < 0 && errno == ENOENT ? 0 : -1;
    }
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

enum pb_status pb_dir_remove(const char *path, struct pb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        return PB_OK;
    }
    if (fd < 0 || empty_folder(fd, 0) != 0 || (rmdir(path) != 0 && errno != ENOENT)) {
        return pb_fail(err, PB_ESYS, "%s: cannot remove this folder", path);
    }
    return PB_OK;
}

enum pb_status pb_dir_sync(const char *path, struct pb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot open this folder", path);
    }
    /* Not every file system knows how to sync a folder; those lose nothing by it. */
    bool synced = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    enum pb_status status = synced ? PB_OK : pb_fail(err, PB_ESYS, "%s: cannot sync", path);

    (void)close(fd);
    return status;
}
