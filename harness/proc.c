#include "harness/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool pb_proc_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    text[0] = '\0';
    if (fd < 0) {
        return false;
    }
    while (len < size - 1) {
        ssize_t got = read(fd, text + len, size - 1 - len);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    (void)close(fd);
    text[len] = '\0';
    return len > 0;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* Where the value of `line` begins when its key is `key`, else NULL. */
static const char *value_of(const char *line, const char *key)
{
    size_t key_len = strlen(key);

    if (strncmp(line, key, key_len) != 0) {
        return NULL;
    }
    const char *p = skip_blanks(line + key_len);

    return *p == ':' ? skip_blanks(p + 1) : NULL;
}

bool pb_proc_line(const char *text, const char *key, char *value, size_t size)
{
    for (const char *line = text; *line;) {
        size_t line_len = strcspn(line, "\n");
        const char *start = value_of(line, key);

        if (start && start <= line + line_len) {
            size_t len = line_len - (size_t)(start - line);

            while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t')) {
                len--;
            }
            (void)snprintf(value, size, "%.*s", (int)len, start);
            return true;
        }
        line += line_len;
        line += *line == '\n';
    }
    return false;
}
