#include "harness/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define NAME_MAX_BYTES 60
#define CREATE_TRIES   16
#define ID_SIZE        128 /* name, infix of at most 8 bytes, time and hex digits */
#define SYNC_DEPTH     8   /* folders within a result folder */

static const char temporary_prefix[] = ".tmp-";

static void close_folder(DIR **folder)
{
    if (*folder) {
        (void)closedir(*folder);
    }
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* `name` as part of a file name: other bytes become one dash; it begins with a letter, digit or
 * underscore, so that it is neither hidden nor taken for an option. */
static void sanitise(const char *name, char *text)
{
    size_t len = 0;

    for (; *name && len < NAME_MAX_BYTES; name++) {
        char c = *name;

        if (!is_plain(c)) {
            c = '-';
        }
        if ((len == 0 && (c == '-' || c == '.')) || (c == '-' && text[len - 1] == '-')) {
            continue;
        }
        text[len++] = c;
    }
    while (len > 0 && (text[len - 1] == '-' || text[len - 1] == '.')) {
        len--;
    }
    text[len] = '\0';
    if (len == 0) {
        (void)snprintf(text, NAME_MAX_BYTES + 1, "run");
    }
}

static enum pb_status make_id(const char *name, const char *infix, int64_t wall_ns, char *id,
                              struct pb_error *err)
{
    char plain[NAME_MAX_BYTES + 1], utc[32] = "";
    time_t wall_s = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    unsigned char random[3];

    sanitise(name, plain);
    if (!gmtime_r(&wall_s, &tm) || strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &tm) == 0) {
        return pb_fail(err, PB_EINVAL, "the clock shows no time that a folder can be named by");
    }
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return pb_fail(err, PB_ESYS, "no random bytes for a folder's name");
    }
    (void)snprintf(id, ID_SIZE, "%s%s%.8s-%s-%02x%02x%02x", plain, *infix ? "-" : "", infix, utc,
                   random[0], random[1], random[2]);
    return PB_OK;
}

/* Locks the folder at `path`.  A lock that another holds, or a folder that was removed meanwhile,
 * is PB_EEXIST: try another.  Where the file system knows no locks, `ret_fd` is unlocked; the
 * sweeper cannot lock there either, and removes nothing. */
static enum pb_status lock_folder(const char *path, int *ret_fd, struct pb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        return errno == ENOENT ? PB_EEXIST : pb_fail(err, PB_ESYS, "%s: cannot open", path);
    }
    bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    /* Between mkdir and flock a sweeper may have locked and removed it. */
    if (taken || fstat(fd, &st) != 0 || st.st_nlink == 0) {
        (void)close(fd);
        return PB_EEXIST;
    }
    *ret_fd = fd;
    return PB_OK;
}

/* With errno. */
static enum pb_status cannot_write(const char *results, struct pb_error *err)
{
    return pb_fail(err, PB_ESYS,
                   "%s: results cannot be written here; choose another folder with --results",
                   results);
}

/* Makes and locks results/.tmp-<id>; PB_EEXIST: try another id. */
static enum pb_status make_temporary(struct pb_folder *folder, struct pb_error *err)
{
    struct stat st;

    if (lstat(folder->path, &st) == 0) {
        return PB_EEXIST;
    }
    if (mkdir(folder->temporary, 0777) != 0) {
        return errno == EEXIST ? PB_EEXIST : cannot_write(folder->results, err);
    }
    enum pb_status status = lock_folder(folder->temporary, &folder->lock_fd, err);

    if (status != PB_OK) {
        (void)rmdir(folder->temporary);
    }
    return status;
}

static void free_strings(struct pb_folder *folder)
{
    free(folder->results);
    free(folder->id);
    free(folder->temporary);
    free(folder->path);
    *folder = (struct pb_folder){ .lock_fd = -1 };
}

/* Names the folder's places and lets `take` make or lock it. */
static enum pb_status name_and_take(const char *results, const char *id, struct pb_folder *folder,
                                    enum pb_status (*take)(struct pb_folder *, struct pb_error *),
                                    struct pb_error *err)
{
    char hidden[ID_SIZE + sizeof(temporary_prefix)];

    (void)snprintf(hidden, sizeof(hidden), "%s%s", temporary_prefix, id);
    *folder = (struct pb_folder){ .results = strdup(results),
                                  .id = strdup(id),
                                  .temporary = pb_path_join(results, hidden),
                                  .path = pb_path_join(results, id),
                                  .lock_fd = -1 };
    enum pb_status status = PB_ENOMEM;

    if (folder->results && folder->id && folder->temporary && folder->path) {
        status = take(folder, err);
    } else {
        (void)pb_fail(err, PB_ENOMEM, "%s: out of memory", results);
    }
    if (status != PB_OK) {
        free_strings(folder);
    }
    return status;
}

static enum pb_status try_create(const char *results, const char *id, struct pb_folder *folder,
                                 struct pb_error *err)
{
    return name_and_take(results, id, folder, make_temporary, err);
}

static enum pb_status take_over(struct pb_folder *folder, struct pb_error *err)
{
    struct stat st;

    if (lstat(folder->temporary, &st) != 0) {
        return pb_fail(err, PB_ENOENT, "%s: no such folder", folder->temporary);
    }
    return lock_folder(folder->temporary, &folder->lock_fd, err);
}

enum pb_status pb_folder_adopt(const char *results, const char *id, struct pb_folder *ret_folder,
                               struct pb_error *err)
{
    struct pb_folder folder;

    PB_TRY(name_and_take(results, id, &folder, take_over, err));
    *ret_folder = folder;
    return PB_OK;
}

/* A folder whose name the caller chose: a run of a set, a trial of a tune. */
static enum pb_status create_named(const char *results, const char *name,
                                   struct pb_folder *ret_folder, struct pb_error *err)
{
    char id[NAME_MAX_BYTES + 1];
    struct pb_folder folder;

    sanitise(name, id);
    enum pb_status status = try_create(results, id, &folder, err);

    if (status == PB_EEXIST) {
        return pb_fail(err, PB_EEXIST, "%s/%s: is there already", results, id);
    }
    PB_TRY(status);
    *ret_folder = folder;
    return PB_OK;
}

enum pb_status pb_folder_create(const char *results, const char *name, const char *infix,
                                int64_t wall_ns, struct pb_folder *ret_folder, struct pb_error *err)
{
    char id[ID_SIZE];
    struct pb_error why;
    enum pb_status made = pb_dir_make(results, &why);

    if (made != PB_OK) {
        errno = why.sys_errno;
        return made == PB_ESYS ? cannot_write(results, err) : pb_fail(err, made, "%s", why.text);
    }
    if (!infix) {
        return create_named(results, name, ret_folder, err);
    }
    for (int i = 0; i < CREATE_TRIES; i++) {
        struct pb_folder folder;

        PB_TRY(make_id(name, infix, wall_ns, id, err));
        enum pb_status status = try_create(results, id, &folder, err);

        if (status == PB_OK) {
            *ret_folder = folder;
        }
        if (status != PB_EEXIST) {
            return status;
        }
    }
    return pb_fail(err, PB_EEXIST, "%s: no free name like %s found", results, id);
}

/* A file of a folder is named by a relative path that stays inside it. */
static bool is_inside(const char *file)
{
    size_t len = 0;

    for (; *file; file += len + (file[len] == '/' ? 1 : 0)) {
        len = strcspn(file, "/");
        if (len == 0 || (len == 1 && file[0] == '.') || (len == 2 && memcmp(file, "..", 2) == 0)) {
            return false;
        }
    }
    return len > 0 && file[-1] != '/';
}

static enum pb_status make_parent(char *path, struct pb_error *err)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    enum pb_status status = pb_dir_make(path, err);

    *slash = '/';
    return status;
}

/* Without fsync: pb_folder_commit does that for all files at once. */
static enum pb_status write_file(const char *path, const void *data, size_t len,
                                 struct pb_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot make this file", path);
    }
    enum pb_status status = pb_fd_write_all(fd, data, len, NULL);

    if (status != PB_OK) {
        status = pb_fail(err, PB_ESYS, "%s: cannot write", path);
        (void)close(fd);
    } else if (close(fd) != 0) {
        status = pb_fail(err, PB_ESYS, "%s: cannot write", path);
    }
    return status;
}

enum pb_status pb_folder_write(const struct pb_folder *folder, const char *file, const void *data,
                               size_t len, struct pb_error *err)
{
    if (!is_inside(file)) {
        return pb_fail(err, PB_EINVAL, "'%s' is no file name inside a result folder", file);
    }
    PB_CLEANUP(pb_text_free)
    char *path = pb_path_join(folder->temporary ? folder->temporary : folder->path, file);

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "%s: out of memory", file);
    }
    if (strchr(file, '/')) {
        PB_TRY(make_parent(path, err));
    }
    /* Once others can see the folder, its files are whole or absent one by one. */
    return folder->temporary ? write_file(path, data, len, err)
                             : pb_file_replace(path, data, len, err);
}

static int sync_tree(int parent, const char *name, int depth);

static int sync_entries(DIR *folder, int depth)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder); /* NOLINT(concurrency-mt-unsafe): own DIR */

        if (!entry) {
            return errno == 0 ? 0 : -1;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            sync_tree(dirfd(folder), entry->d_name, depth + 1) != 0) {
            return -1;
        }
    }
}

/* fsync of a file, or of a folder and all in it; what is neither is passed over. */
static int sync_tree(int parent, const char *name, int depth)
{
    struct stat st;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return -1;
    }
    if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || depth > SYNC_DEPTH) {
        return 0;
    }
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
    PB_CLEANUP(close_folder) DIR *folder = NULL;

    if (rc == 0 && S_ISDIR(st.st_mode)) {
        folder = fdopendir(fd);
        rc = folder ? sync_entries(folder, depth) : -1;
    }
    if (!folder) {
        int why = errno;

        (void)close(fd);
        errno = why;
    }
    return rc;
}

enum pb_status pb_folder_commit(struct pb_folder *folder, struct pb_error *err)
{
    if (!folder->temporary) {
        return pb_fail(err, PB_EINVAL, "%s is in its place already", folder->path);
    }
    if (sync_tree(AT_FDCWD, folder->temporary, 0) != 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot store these files", folder->temporary);
    }
    if (rename(folder->temporary, folder->path) != 0) {
        return pb_fail(err, PB_ESYS, "%s: cannot rename to %s", folder->temporary, folder->path);
    }
    free(folder->temporary);
    folder->temporary = NULL;
    return pb_dir_sync(folder->results, err);
}

void pb_folder_discard(struct pb_folder *folder)
{
    if (!folder->id) {
        return;
    }
    if (folder->temporary) {
        /* What cannot be removed is left for the next sweep. */
        enum pb_status removed = pb_dir_remove(folder->temporary, NULL);

        (void)removed;
    }
    if (folder->lock_fd >= 0) {
        (void)close(folder->lock_fd);
    }
    free_strings(folder);
}

/* Is the folder behind `fd` still the one at `path`? */
static bool stands_at(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/* Removes the folder `path` when nobody holds its lock.  Its owner may have renamed it and gone
 * between open and flock. */
static bool sweep_one(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    bool removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && stands_at(fd, path) &&
                   pb_dir_remove(path, NULL) == PB_OK;

    (void)close(fd);
    return removed;
}

size_t pb_folder_sweep(const char *results)
{
    PB_CLEANUP(close_folder) DIR *folder = opendir(results);
    const struct dirent *entry;
    size_t count = 0;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): own DIR */
    while (folder && (entry = readdir(folder))) {
        if (strncmp(entry->d_name, temporary_prefix, strlen(temporary_prefix)) != 0) {
            continue;
        }
        PB_CLEANUP(pb_text_free) char *path = pb_path_join(results, entry->d_name);

        count += path && sweep_one(path) ? 1 : 0;
    }
    return count;
}

enum pb_status pb_folder_temporaries(const char *results, char ***ret_ids, size_t *ret_count)
{
    PB_CLEANUP(close_folder) DIR *folder = opendir(results);
    const struct dirent *entry;
    char **ids = NULL;
    size_t count = 0;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): own DIR */
    while (folder && (entry = readdir(folder))) {
        size_t skip = strlen(temporary_prefix);

        if (strncmp(entry->d_name, temporary_prefix, skip) != 0) {
            continue;
        }
        char **grown = realloc(ids, (count + 1) * sizeof(*ids));
        char *id = strdup(entry->d_name + skip);

        ids = grown ? grown : ids;
        if (!grown || !id) {
            free(id);
            while (count > 0) {
                free(ids[--count]);
            }
            free(ids);
            return PB_ENOMEM;
        }
        ids[count++] = id;
    }
    *ret_ids = ids;
    *ret_count = count;
    return PB_OK;
}
