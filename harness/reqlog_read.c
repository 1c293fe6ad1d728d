#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "harness/reqlog.h"
#include "harness/reqlog_format.h"

#define PIECE_ROWS 256

/* One column of the block that is being read; not in the block: at == NULL. */
struct column {
    const uint8_t *at, *end;
    int64_t last;
    int64_t zeros; /* deltas of 0 still to come */
};

struct pb_reqlog_reader {
    char *path;
    int fd;
    uint64_t offset; /* of the next block */
    bool ended, complete;
    /* The block that is being read. */
    uint32_t rows_left;
    struct column columns[PB_PBR_COLUMNS];
    uint8_t head[PB_PBR_HEAD_BYTES];
    uint8_t payload[PB_PBR_BLOCK_MAX_BYTES];
    /* Of the rows so far, to be compared with the trailer. */
    uint64_t rows, blocks, returns, requests[PB_OUTCOME_COUNT];
};

void pb_reqlog_reader_free(struct pb_reqlog_reader *reader)
{
    if (reader) {
        if (reader->fd >= 0) {
            (void)close(reader->fd);
        }
        free(reader->path);
        free(reader);
    }
}

static enum pb_status corrupt(const struct pb_reqlog_reader *reader, const char *what,
                              struct pb_error *err)
{
    return pb_fail(err, PB_ECORRUPT, "%s: at byte %llu: %s", reader->path,
                   (unsigned long long)reader->offset, what);
}

/* Reads up to `len` bytes; fewer only at the end of the file. */
static enum pb_status read_bytes(struct pb_reqlog_reader *reader, void *data, size_t len,
                                 size_t *ret_got, struct pb_error *err)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(reader->fd, (uint8_t *)data + got, len - got);

        if (n < 0 && errno != EINTR) {
            return pb_fail(err, PB_ESYS, "%s: cannot be read", reader->path);
        }
        if (n == 0) {
            break;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    *ret_got = got;
    return PB_OK;
}

static enum pb_status read_header(struct pb_reqlog_reader *reader, struct pb_reqlog_info *ret_info,
                                  struct pb_error *err)
{
    uint8_t header[PB_PBR_HEADER_BYTES];
    size_t got = 0;

    PB_TRY(read_bytes(reader, header, sizeof(header), &got, err));
    if (got < sizeof(header) || memcmp(header, pb_pbr_magic, sizeof(pb_pbr_magic)) != 0) {
        return corrupt(reader, "not a request log of poolbench", err);
    }
    if (pb_get_le32(header + 60) != pb_crc32c(0, header, 60)) {
        return corrupt(reader, "the header's checksum is wrong", err);
    }
    if (pb_get_le32(header + 8) != PB_PBR_VERSION ||
        pb_get_le32(header + 12) != PB_PBR_HEADER_BYTES) {
        return pb_fail(err, PB_ENOTSUP, "%s: format version %u; this program reads version %u",
                       reader->path, pb_get_le32(header + 8), PB_PBR_VERSION);
    }
    *ret_info = (struct pb_reqlog_info){ .seed = pb_get_le64(header + 16),
                                         .schedule_hash = pb_get_le64(header + 24),
                                         .start_wall_ns = (int64_t)pb_get_le64(header + 32),
                                         .columns = pb_get_le32(header + 40) };
    reader->offset = sizeof(header);
    return PB_OK;
}

static enum pb_status open_file(struct pb_reqlog_reader *reader, const char *path,
                                struct pb_reqlog_info *ret_info, struct pb_error *err)
{
    reader->path = strdup(path);
    if (!reader->path) {
        return pb_fail(err, PB_ENOMEM, "%s: no memory to read it", path);
    }
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
        return errno == ENOENT ? pb_fail(err, PB_ENOENT, "%s: there is no such file", path)
                               : pb_fail(err, PB_ESYS, "%s: cannot be opened", path);
    }
    return read_header(reader, ret_info, err);
}

enum pb_status pb_reqlog_open(const char *path, struct pb_reqlog_info *ret_info,
                              struct pb_reqlog_reader **ret_reader, struct pb_error *err)
{
    struct pb_reqlog_reader *reader = calloc(1, sizeof(*reader));

    if (!reader) {
        return pb_fail(err, PB_ENOMEM, "%s: no memory to read it", path);
    }
    reader->fd = -1;
    enum pb_status status = open_file(reader, path, ret_info, err);

    if (status != PB_OK) {
        pb_reqlog_reader_free(reader);
        return status;
    }
    *ret_reader = reader;
    return PB_OK;
}

/* Points the columns into the payload; those that this program does not know are skipped. */
static enum pb_status lay_out(struct pb_reqlog_reader *reader, size_t len, struct pb_error *err)
{
    const uint8_t *at = reader->payload, *end = at + len;
    uint32_t bitmap = pb_get_le32(reader->head + 8), rows = pb_get_le32(reader->head + 12);

    if ((bitmap & PB_PBR_REQUIRED) != PB_PBR_REQUIRED || rows == 0 || rows > PB_PBR_ROWS_MAX) {
        return corrupt(reader, "a block without its columns or rows", err);
    }
    memset(reader->columns, 0, sizeof(reader->columns));
    for (uint32_t c = 0; c < 32; c++) {
        if (!(bitmap >> c & 1)) {
            continue;
        }
        size_t left = (size_t)(end - at);
        size_t bytes = left >= sizeof(uint32_t) ? pb_get_le32(at) : 0;

        if (left < sizeof(uint32_t) || left - sizeof(uint32_t) < bytes) {
            return corrupt(reader, "a column is longer than its block", err);
        }
        at += sizeof(uint32_t);
        if (c < PB_PBR_COLUMNS) {
            reader->columns[c] = (struct column){ .at = at, .end = at + bytes };
        }
        at += bytes;
    }
    reader->rows_left = rows;
    reader->blocks++;
    return at == end ? PB_OK : corrupt(reader, "bytes after the last column", err);
}

/* The trailer is the last thing but the footer, and says what was read. */
static enum pb_status check_trailer(struct pb_reqlog_reader *reader, size_t len,
                                    struct pb_error *err)
{
    const uint8_t *at = reader->payload;
    uint8_t footer[PB_PBR_FOOTER_BYTES + 1];
    size_t got = 0;
    bool same = len >= PB_PBR_TRAILER_BYTES && pb_get_le64(at) == reader->rows &&
                pb_get_le64(at + 72) == reader->returns && pb_get_le64(at + 80) == reader->blocks;

    for (int i = 0; same && i < PB_OUTCOME_COUNT; i++) {
        same = pb_get_le64(at + 8 + 8 * (size_t)i) == reader->requests[i];
    }
    if (!same) {
        return corrupt(reader, "the trailer's totals are not those of the rows", err);
    }
    PB_TRY(read_bytes(reader, footer, sizeof(footer), &got, err));
    reader->ended = true;
    reader->complete = got == PB_PBR_FOOTER_BYTES && pb_get_le64(footer) == reader->offset &&
                       memcmp(footer + 8, pb_pbr_end_magic, sizeof(pb_pbr_end_magic)) == 0;
    return PB_OK;
}

/* Reads the next block whole and checks it.  *ret_len: its payload; `ended`: none is left. */
static enum pb_status read_block(struct pb_reqlog_reader *reader, size_t *ret_len,
                                 struct pb_error *err)
{
    size_t got = 0;

    PB_TRY(read_bytes(reader, reader->head, PB_PBR_HEAD_BYTES, &got, err));
    size_t len = got == PB_PBR_HEAD_BYTES ? pb_get_le32(reader->head + 4) : 0;

    if (got == PB_PBR_HEAD_BYTES && len > PB_PBR_BLOCK_MAX_BYTES - PB_PBR_HEAD_BYTES) {
        return corrupt(reader, "a block of more than 64 KiB", err);
    }
    if (got == PB_PBR_HEAD_BYTES) {
        PB_TRY(read_bytes(reader, reader->payload, len, &got, err));
        got += PB_PBR_HEAD_BYTES;
    }
    if (got < PB_PBR_HEAD_BYTES + len) {
        reader->ended = true; /* the file was cut here */
        return PB_OK;
    }
    uint32_t crc = pb_crc32c(pb_crc32c(0, reader->head, 36), reader->payload, len);

    if (pb_get_le32(reader->head + 36) != crc) {
        return corrupt(reader, "a block's checksum is wrong", err);
    }
    *ret_len = len;
    return PB_OK;
}

/* Takes a block that was read: rows are laid out, the trailer is checked, other kinds are for later
 * versions. */
static enum pb_status take_block(struct pb_reqlog_reader *reader, size_t len, struct pb_error *err)
{
    uint32_t type = pb_get_le32(reader->head);

    if (type == PB_PBR_TRAILER) {
        return check_trailer(reader, len, err);
    }
    if (type == PB_PBR_ROWS) {
        PB_TRY(lay_out(reader, len, err));
    }
    reader->offset += PB_PBR_HEAD_BYTES + len;
    return PB_OK;
}

/* Goes on to the next block with rows, or to the end. */
static enum pb_status next_block(struct pb_reqlog_reader *reader, struct pb_error *err)
{
    while (!reader->ended && reader->rows_left == 0) {
        size_t len = 0;
        enum pb_status status = read_block(reader, &len, err);

        if (status == PB_OK && !reader->ended) {
            status = take_block(reader, len, err);
        }
        if (status != PB_OK) {
            return status;
        }
    }
    return PB_OK;
}

/* The next difference of a column: from a run of zeros, or from its bytes, which may begin one. */
static bool next_delta(struct column *column, int64_t *ret_delta)
{
    *ret_delta = 0;
    if (column->zeros > 0) {
        column->zeros--;
        return true;
    }
    column->at = pb_varint_get(column->at, column->end, ret_delta);
    if (column->at && *ret_delta == 0) {
        column->at = pb_varint_get(column->at, column->end, &column->zeros);
    }
    return column->at && column->zeros >= 0;
}

/* The next `count` values of a column; false when its bytes do not hold them. */
static bool decode(struct column *column, size_t count, int64_t *values)
{
    int64_t last = column->last;

    for (size_t i = 0; i < count; i++) {
        int64_t delta;

        if (!next_delta(column, &delta)) {
            return false;
        }
        last = (int64_t)((uint64_t)last + (uint64_t)delta);
        values[i] = last;
    }
    column->last = last;
    return true;
}

/* Whether a value fits its field; times small enough to be added up without overflow. */
static bool fits(const struct pb_pbr_field *field, int64_t value)
{
    if (field->width < 8) {
        return value >= 0 && value < INT64_C(1) << (8 * field->width);
    }
    return !field->timing || (value >= -PB_PBR_TIME_MAX_NS && value <= PB_PBR_TIME_MAX_NS);
}

static bool scatter(struct pb_record *records, size_t count, const struct pb_pbr_field *field,
                    const int64_t *values)
{
    uint8_t *at = (uint8_t *)records + field->offset;

    for (size_t i = 0; i < count; i++, at += sizeof(*records)) {
        uint16_t half = (uint16_t)values[i];

        if (!fits(field, values[i])) {
            return false;
        }
        switch (field->width) {
        case 8:
            memcpy(at, &values[i], sizeof(values[i]));
            break;
        case 2:
            memcpy(at, &half, sizeof(half));
            break;
        default:
            *at = (uint8_t)values[i];
        }
    }
    return true;
}

/* After its last row a block's columns must be used up. */
static bool used_up(const struct pb_reqlog_reader *reader)
{
    for (int c = 0; c < PB_PBR_COLUMNS; c++) {
        const struct column *column = &reader->columns[c];

        if (column->at && (column->at != column->end || column->zeros > 0)) {
            return false;
        }
    }
    return true;
}

static void tally(struct pb_reqlog_reader *reader, const struct pb_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (records[i].flags & PB_RECORD_RETURN) {
            reader->returns++;
        } else if (records[i].flags & PB_RECORD_LAST) {
            reader->requests[pb_record_outcome(&records[i])]++;
        }
    }
    reader->rows += count;
}

static enum pb_status read_rows(struct pb_reqlog_reader *reader, struct pb_record *records,
                                size_t count, struct pb_error *err)
{
    int64_t values[PIECE_ROWS];

    memset(records, 0, count * sizeof(*records));
    for (int c = 0; c < PB_PBR_COLUMNS; c++) {
        struct column *column = &reader->columns[c];

        if (!column->at) {
            for (size_t i = 0; i < count; i++) {
                values[i] = pb_pbr_fields[c].absent;
            }
        } else if (!decode(column, count, values)) {
            return corrupt(reader, "a column of the block before this byte is damaged", err);
        }
        if (!scatter(records, count, &pb_pbr_fields[c], values)) {
            return corrupt(reader, "an impossible value in the block before this byte", err);
        }
    }
    reader->rows_left -= (uint32_t)count;
    if (reader->rows_left == 0 && !used_up(reader)) {
        return corrupt(reader, "the block before this byte has more values than rows", err);
    }
    tally(reader, records, count);
    return PB_OK;
}

enum pb_status pb_reqlog_next(struct pb_reqlog_reader *reader, struct pb_record *records,
                              size_t max, size_t *ret_count, struct pb_error *err)
{
    size_t filled = 0;

    PB_TRY(next_block(reader, err));
    while (filled < max && reader->rows_left > 0) {
        size_t piece = max - filled < PIECE_ROWS ? max - filled : PIECE_ROWS;

        piece = piece < reader->rows_left ? piece : reader->rows_left;
        PB_TRY(read_rows(reader, records + filled, piece, err));
        filled += piece;
    }
    *ret_count = filled;
    return PB_OK;
}

bool pb_reqlog_complete(const struct pb_reqlog_reader *reader)
{
    return reader->complete;
}
