/*
 * harness/proc.h - reads the small text files of /proc.  Thread-safe.
 */
#ifndef PB_HARNESS_PROC_H
#define PB_HARNESS_PROC_H

#include <stdbool.h>
#include <stddef.h>

/* The first `size` - 1 bytes of `path` into `text`, NUL-terminated; false: it cannot be read, and
 * `text` is "". */
bool pb_proc_read(const char *path, char *text, size_t size);
/* The value of a line "key<blanks>:<blanks>value" into `value`, without trailing blanks; false:
 * no such line. */
bool pb_proc_line(const char *text, const char *key, char *value, size_t size);

#endif
