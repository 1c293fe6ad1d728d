#include "tuner/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/json.h"

#define CHECK_KEY     ",\"crc32c\":\""
#define CHECK_DIGITS  8
#define JOURNAL_BYTES ((size_t)256 << 20)

struct pb_journal {
    int fd;
    char *path;
    cJSON **lines; /* read at opening; owned */
    size_t count;
    size_t next; /* the first that has not been replayed */
};

static uint32_t checksum(const char *text, size_t len)
{
    return pb_crc32c(0, text, len);
}

enum pb_status pb_journal_format(const cJSON *line, struct pb_buf *out)
{
    char *text = pb_json_print(line, false);
    size_t len = text != NULL ? strlen(text) : 0;

    if (len < 2) {
        free(text);
        return PB_ENOMEM;
    }
    len--; /* without the closing brace: the checksum is the last member */
    pb_buf_add(out, text, len);
    pb_buf_printf(out, CHECK_KEY "%08" PRIx32 "\"}\n", checksum(text, len));
    free(text);
    return pb_buf_status(out);
}

/* Is this, without the line's end, a whole line of ours? */
static bool whole_line(const char *text, size_t len)
{
    static const size_t tail = sizeof(CHECK_KEY) - 1 + CHECK_DIGITS + 2;
    char digits[CHECK_DIGITS + 1] = "";
    char *end = NULL;

    if (len <= tail || memcmp(text + len - tail, CHECK_KEY, sizeof(CHECK_KEY) - 1) != 0 ||
        memcmp(text + len - 2, "\"}", 2) != 0) {
        return false;
    }
    memcpy(digits, text + len - 2 - CHECK_DIGITS, CHECK_DIGITS);
    unsigned long stored = strtoul(digits, &end, 16);

    return end == digits + CHECK_DIGITS && stored == checksum(text, len - tail);
}

/* Parses and keeps a line whose checksum was right. */
static enum pb_status keep_line(struct pb_journal *journal, const char *text, size_t len,
                                struct pb_error *err)
{
    cJSON *line = cJSON_ParseWithLength(text, len);
    cJSON **grown = realloc(journal->lines, (journal->count + 1) * sizeof(void *));

    journal->lines = grown != NULL ? grown : journal->lines;
    if (line == NULL || grown == NULL) {
        cJSON_Delete(line);
        return pb_fail(err, PB_ENOMEM, "no memory for the journal '%s'", journal->path);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(line, "crc32c");
    journal->lines[journal->count++] = line;
    return PB_OK;
}

/* Reads every line; `ret_good` is the length of the undamaged beginning. */
static enum pb_status read_lines(struct pb_journal *journal, const char *text, size_t len,
                                 size_t *ret_good, struct pb_error *err)
{
    size_t at = 0;

    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t length = end != NULL ? (size_t)(end - (text + at)) : len - at;
        bool whole = end != NULL && whole_line(text + at, length);

        if (!whole && end != NULL && at + length + 1 < len) {
            return pb_fail(err, PB_ECORRUPT,
                           "%s:%zu: this line is damaged: the tune cannot be resumed",
                           journal->path, journal->count + 1);
        }
        if (!whole) {
            break; /* torn: the process or the machine stopped while it was written */
        }
        PB_TRY(keep_line(journal, text + at, length, err));
        at += length + 1;
    }
    *ret_good = at;
    return PB_OK;
}

static enum pb_status open_and_read(struct pb_journal *journal, struct pb_error *err)
{
    char *text = NULL;
    size_t len = 0, good = 0;

    journal->fd = open(journal->path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (journal->fd < 0) {
        return pb_fail(err, errno == ENOENT ? PB_ENOENT : PB_ESYS, "cannot open '%s'",
                       journal->path);
    }
    if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0) {
        return pb_fail(err, PB_EEXIST, "another process is tuning with '%s'", journal->path);
    }
    PB_TRY(pb_file_read(journal->path, JOURNAL_BYTES, &text, &len, err));
    enum pb_status status = read_lines(journal, text, len, &good, err);

    free(text);
    if (status == PB_OK && good < len && ftruncate(journal->fd, (off_t)good) != 0) {
        return pb_fail(err, PB_ESYS, "cannot cut the torn last line off '%s'", journal->path);
    }
    return status;
}

enum pb_status pb_journal_open(const char *path, struct pb_journal **ret_journal,
                               struct pb_error *err)
{
    struct pb_journal *journal = calloc(1, sizeof(*journal));

    if (journal == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the journal '%s'", path);
    }
    journal->fd = -1;
    journal->path = strdup(path);
    enum pb_status status = journal->path != NULL
                                ? open_and_read(journal, err)
                                : pb_fail(err, PB_ENOMEM, "no memory for '%s'", path);

    if (status != PB_OK) {
        pb_journal_free(journal);
        return status;
    }
    *ret_journal = journal;
    return PB_OK;
}

void pb_journal_free(struct pb_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    if (journal->fd >= 0) {
        close(journal->fd);
    }
    for (size_t i = 0; i < journal->count; i++) {
        cJSON_Delete(journal->lines[i]);
    }
    free(journal->lines);
    free(journal->path);
    free(journal);
}

static enum pb_status replay(struct pb_journal *journal, const cJSON *line, struct pb_error *err)
{
    const cJSON *stored = journal->lines[journal->next];

    if (!cJSON_Compare(stored, line, true)) {
        return pb_fail(err, PB_ECORRUPT,
                       "%s:%zu: this journal was written by another search (\"%s\" stands where "
                       "\"%s\" is due): start a new tune",
                       journal->path, journal->next + 1, pb_json_str(stored, "type", "?"),
                       pb_json_str(line, "type", "?"));
    }
    journal->next++;
    return PB_OK;
}

static enum pb_status append(struct pb_journal *journal, const cJSON *line, struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    if (pb_journal_format(line, &out) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for a line of '%s'", journal->path);
    }
    PB_TRY(pb_fd_write_all(journal->fd, pb_buf_text(&out), out.len, err));
    if (fdatasync(journal->fd) != 0) {
        return pb_fail(err, PB_ESYS, "cannot sync '%s'", journal->path);
    }
    return PB_OK;
}

enum pb_status pb_journal_note(struct pb_journal *journal, cJSON *line, struct pb_error *err)
{
    enum pb_status status;

    if (line == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a line of '%s'", journal->path);
    }
    status =
        pb_journal_replaying(journal) ? replay(journal, line, err) : append(journal, line, err);
    cJSON_Delete(line);
    return status;
}

const cJSON *pb_journal_take(struct pb_journal *journal, const char *type)
{
    if (!pb_journal_replaying(journal) ||
        strcmp(pb_json_str(journal->lines[journal->next], "type", ""), type) != 0) {
        return NULL;
    }
    return journal->lines[journal->next++];
}

bool pb_journal_replaying(const struct pb_journal *journal)
{
    return journal->next < journal->count;
}
