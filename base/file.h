/*
 * base/file.h - files that are whole or absent, and folders.
 *
 * Every error begins "PATH: " and names the errno.  Descriptors are close-on-exec.  Thread-safe.
 */
#ifndef PB_BASE_FILE_H
#define PB_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "poolbench/error.h"

/* Reads a whole file of at most `max_bytes` into a fresh NUL-terminated buffer (caller frees).
 * PB_ENOENT, PB_EINVAL (too large, or a folder), PB_ENOMEM, PB_ESYS. */
PB_MUST_USE enum pb_status pb_file_read(const char *path, size_t max_bytes, char **ret_data,
                                        size_t *ret_len, struct pb_error *err);
/* The same from a descriptor to its end; `path` names it in messages. */
PB_MUST_USE enum pb_status pb_fd_read_all(int fd, const char *path, size_t max_bytes,
                                          char **ret_data, size_t *ret_len, struct pb_error *err);
/* Replaces `path` by `len` bytes atomically: temporary file beside it, fsync, rename, fsync of the
 * folder.  Keeps the mode of an existing file, else 0666 less umask; behind a symbolic link the
 * file is replaced; a pipe or device is written to directly; a read-only file is refused.  On
 * failure the old file stands and nothing is left behind. */
PB_MUST_USE enum pb_status pb_file_replace(const char *path, const void *data, size_t len,
                                           struct pb_error *err);
/* Writes `len` bytes to `fd`, going on after short writes, EINTR and EAGAIN. */
PB_MUST_USE enum pb_status pb_fd_write_all(int fd, const void *data, size_t len,
                                           struct pb_error *err);
/* Makes a folder and its missing parents; an existing folder is fine. */
PB_MUST_USE enum pb_status pb_dir_make(const char *path, struct pb_error *err);
/* Removes a folder and all in it, not following links; an absent one is fine. */
PB_MUST_USE enum pb_status pb_dir_remove(const char *path, struct pb_error *err);
/* fsync of a folder, after entries in it were renamed. */
PB_MUST_USE enum pb_status pb_dir_sync(const char *path, struct pb_error *err);
bool pb_path_exists(const char *path);
/* "a/b" into a fresh string (caller frees); NULL: no memory. */
char *pb_path_join(const char *folder, const char *name);

#endif
