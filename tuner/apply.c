#include "tuner/apply.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "harness/scenario.h"
#include "tuner/edit.h"

#define BACKUP_MARK ".poolbench-"
#define BACKUPS_MAX 1000000

static void free_text(char **text)
{
    free(*text);
}

/* The file itself where `path` is a link, so that the link stays one. */
static enum pb_status resolve(const char *path, char **ret_file, struct pb_error *err)
{
    struct stat info;
    char *file = NULL;

    if (lstat(path, &info) != 0 && errno != ENOENT) {
        (void)pb_fail(err, PB_ESYS, "cannot read '%s'", path);
        return PB_ESYS;
    }
    file = lstat(path, &info) == 0 && S_ISLNK(info.st_mode) ? realpath(path, NULL) : strdup(path);
    if (file == NULL) {
        (void)pb_fail(err, PB_ESYS, "cannot follow '%s'", path);
        return PB_ESYS;
    }
    *ret_file = file;
    return PB_OK;
}

/* The number in a backup's name, 0 when it is none of `base`. */
static long backup_number(const char *name, const char *base)
{
    size_t len = strlen(base);
    char *end = NULL;
    long number;

    if (strncmp(name, base, len) != 0 ||
        strncmp(name + len, BACKUP_MARK, sizeof(BACKUP_MARK) - 1) != 0 ||
        !isdigit((unsigned char)name[len + sizeof(BACKUP_MARK) - 1])) {
        return 0;
    }
    number = strtol(name + len + sizeof(BACKUP_MARK) - 1, &end, 10);
    return *end == '\0' && number < BACKUPS_MAX ? number : 0;
}

/* The highest number of a backup of `file`, 0 when there is none. */
static enum pb_status newest_backup(const char *file, long *ret_number, struct pb_error *err)
{
    const char *slash = strrchr(file, '/');
    PB_CLEANUP(free_text)
    char *folder =
        slash == NULL ? strdup(".") : strndup(file, slash == file ? 1 : (size_t)(slash - file));
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    long newest = 0;

    if (dir == NULL) {
        return pb_fail(err, PB_ESYS, "cannot read the folder of '%s'", file);
    }
    for (;;) {
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): own DIR */

        if (entry == NULL) {
            break;
        }
        long number = backup_number(entry->d_name, slash == NULL ? file : slash + 1);

        newest = number > newest ? number : newest;
    }
    closedir(dir);
    *ret_number = newest;
    return PB_OK;
}

static enum pb_status backup_name(const char *file, long number, char **ret_name,
                                  struct pb_error *err)
{
    size_t size = strlen(file) + sizeof(BACKUP_MARK) + 24;
    char *name = malloc(size);

    if (name == NULL) {
        (void)pb_fail(err, PB_ENOMEM, "no memory for a file name");
        return PB_ENOMEM;
    }
    snprintf(name, size, "%s" BACKUP_MARK "%ld", file, number);
    *ret_name = name;
    return PB_OK;
}

static enum pb_status sync_folder_of(const char *file, struct pb_error *err)
{
    const char *slash = strrchr(file, '/');
    PB_CLEANUP(free_text)
    char *folder =
        slash == NULL ? strdup(".") : strndup(file, slash == file ? 1 : (size_t)(slash - file));

    if (folder == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a file name");
    }
    return pb_dir_sync(folder, err);
}

/* Writes a new file with the bytes and the mode of the scenario file. */
static enum pb_status write_new(const char *name, mode_t mode, const char *text, size_t len,
                                struct pb_error *err)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum pb_status status;

    if (fd < 0) {
        return pb_fail(err, PB_ESYS, "cannot write '%s'", name);
    }
    status = pb_fd_write_all(fd, text, len, err);
    if (status == PB_OK && (fchmod(fd, mode & 07777) != 0 || fsync(fd) != 0)) {
        status = pb_fail(err, PB_ESYS, "cannot write '%s'", name);
    }
    close(fd);
    if (status != PB_OK) {
        unlink(name);
    }
    return status;
}

/* Loads the edited text from a file beside the scenario, where its relative names hold. */
static enum pb_status check(const char *file, mode_t mode, const char *text, size_t len,
                            struct pb_error *err)
{
    struct pb_scenario *scenario = NULL;
    struct pb_problems problems = { 0 };
    enum pb_status status;
    size_t size = strlen(file) + 40;
    PB_CLEANUP(free_text) char *name = malloc(size);

    if (name == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a file name");
    }
    snprintf(name, size, "%s" BACKUP_MARK "check-%ld", file, (long)getpid());
    PB_TRY(write_new(name, mode, text, len, err));
    status = pb_scenario_load(name, NULL, 0, &scenario, &problems);
    unlink(name);
    pb_scenario_free(scenario);
    if (status != PB_OK) {
        const struct pb_problem *first = &problems.items[0];

        status = pb_fail(err, status, "%s would not be valid: %d:%d: %s", file,
                         pb_problems_any(&problems) ? first->line : 0,
                         pb_problems_any(&problems) ? first->column : 0,
                         pb_problems_any(&problems) && first->text != NULL ? first->text : "");
    }
    pb_problems_done(&problems);
    return status;
}

struct bytes {
    char *text; /* owned, NUL-terminated */
    size_t len;
};

static void bytes_done(struct bytes *bytes)
{
    free(bytes->text);
}

/* Sets every path of `settings`, one after the other. */
static enum pb_status edit_all(const cJSON *settings, const char *file, struct bytes *bytes,
                               struct pb_error *err)
{
    const cJSON *setting = NULL;

    cJSON_ArrayForEach(setting, settings)
    {
        PB_CLEANUP(pb_buf_done) struct pb_buf edited = { 0 };
        PB_CLEANUP(free_text) char *value = pb_json_print(setting, false);

        if (value == NULL) {
            return pb_fail(err, PB_ENOMEM, "no memory for the value of '%s'", setting->string);
        }
        PB_TRY(pb_edit_set(bytes->text, bytes->len, file,
                           &(struct pb_edit){ setting->string, value }, &edited, err));
        free(bytes->text);
        bytes->len = edited.len;
        bytes->text = pb_buf_detach(&edited);
        if (bytes->text == NULL) {
            return pb_fail(err, PB_ENOMEM, "no memory for the edited '%s'", file);
        }
    }
    return PB_OK;
}

/* Keeps the old bytes as a backup, then replaces the file. */
static enum pb_status store(const char *file, mode_t mode, const struct bytes *before,
                            const struct bytes *after, char **ret_backup, struct pb_error *err)
{
    char *backup = NULL;
    long newest = 0;
    enum pb_status status;

    PB_TRY(newest_backup(file, &newest, err));
    PB_TRY(backup_name(file, newest + 1, &backup, err));
    status = write_new(backup, mode, before->text, before->len, err);
    if (status == PB_OK) {
        status = pb_file_replace(file, after->text, after->len, err);
        if (status != PB_OK) {
            unlink(backup);
        }
    }
    if (status != PB_OK) {
        free(backup);
        return status;
    }
    *ret_backup = backup;
    return PB_OK;
}

enum pb_status pb_apply(const cJSON *settings, const char *path, char **ret_backup,
                        struct pb_error *err)
{
    PB_CLEANUP(free_text) char *file = NULL;
    PB_CLEANUP(bytes_done) struct bytes before = { NULL, 0 };
    PB_CLEANUP(bytes_done) struct bytes after = { NULL, 0 };
    struct stat info;

    if (!cJSON_IsObject(settings) || settings->child == NULL) {
        return pb_fail(err, PB_EINVAL, "there are no settings to apply to '%s'", path);
    }
    PB_TRY(resolve(path, &file, err));
    PB_TRY(pb_file_read(file, PB_JSON_MAX_BYTES, &before.text, &before.len, err));
    if (stat(file, &info) != 0) {
        return pb_fail(err, PB_ESYS, "cannot read '%s'", file);
    }
    after.text = malloc(before.len + 1);
    if (after.text == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the edited '%s'", path);
    }
    memcpy(after.text, before.text, before.len + 1);
    after.len = before.len;
    PB_TRY(edit_all(settings, file, &after, err));
    PB_TRY(check(file, info.st_mode, after.text, after.len, err));
    return store(file, info.st_mode, &before, &after, ret_backup, err);
}

enum pb_status pb_rollback(const char *path, char **ret_backup, struct pb_error *err)
{
    PB_CLEANUP(free_text) char *file = NULL;
    char *backup = NULL;
    long newest = 0;

    PB_TRY(resolve(path, &file, err));
    PB_TRY(newest_backup(file, &newest, err));
    if (newest == 0) {
        return pb_fail(err, PB_ENOENT, "nothing to undo: there is no %s" BACKUP_MARK "N", file);
    }
    PB_TRY(backup_name(file, newest, &backup, err));
    /* One step restores bytes and mode and removes the backup. */
    if (rename(backup, file) != 0) {
        enum pb_status status = pb_fail(err, PB_ESYS, "cannot move '%s' back", backup);

        free(backup);
        return status;
    }
    enum pb_status synced = sync_folder_of(file, err);

    if (synced != PB_OK) {
        free(backup);
        return synced;
    }
    *ret_backup = backup;
    return PB_OK;
}
