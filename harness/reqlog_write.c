#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/varint.h"
#include "harness/reqlog.h"
#include "harness/reqlog_format.h"

/* Rows that are encoded at once; the worst bytes that they can add to all columns together. */
#define PIECE_ROWS      64
#define RUN_BYTES       4 /* a run of up to PB_PBR_ROWS_MAX zeros: 0, then its length */
#define PIECE_MAX_BYTES ((size_t)PB_PBR_COLUMNS * (PIECE_ROWS * PB_VARINT_MAX_BYTES + RUN_BYTES))
#define WRITEBACK_BYTES (UINT64_C(1) << 20)

/* One column of the block that is being gathered. */
struct column {
    uint8_t bytes[PB_PBR_BLOCK_MAX_BYTES];
    size_t len;
    int64_t last;   /* value of the row before */
    uint32_t zeros; /* deltas of 0 that are not in `bytes` yet */
    bool present;   /* some row differs from the field's `absent` */
};

struct index_entry {
    uint64_t offset;
    uint64_t first_row;
    int64_t min_intended_ns;
};

struct pb_reqlog_writer {
    char *path;
    int fd;
    unsigned wanted;         /* bits of enum pb_pbr_column */
    enum pb_status status;   /* sticks once the disk refused */
    struct pb_error error;   /* what it said then */
    uint64_t bytes, flushed; /* in the file; handed to the disk by writeback */
    /* The block that is being gathered. */
    uint32_t rows;
    int64_t min_intended_ns, max_intended_ns;
    struct column columns[PB_PBR_COLUMNS];
    uint8_t block[PB_PBR_BLOCK_MAX_BYTES];
    /* Of the whole file. */
    uint64_t total_rows, total_blocks, returns, requests[PB_OUTCOME_COUNT];
    int64_t first_intended_ns, last_intended_ns;
    struct index_entry entries[PB_PBR_INDEX_MAX];
    uint32_t entry_count, stride; /* every stride-th block has an entry */
};

static enum pb_status write_bytes(struct pb_reqlog_writer *writer, const void *data, size_t len)
{
    if (writer->status == PB_OK) {
        writer->status = pb_fd_write_all(writer->fd, data, len, &writer->error);
        if (writer->status != PB_OK) {
            struct pb_error cause = writer->error;

            errno = cause.sys_errno;
            (void)pb_fail(&writer->error, writer->status, "%s: cannot be written", writer->path);
        } else {
            writer->bytes += len;
        }
    }
    return writer->status;
}

/* What the caller is told while the writer is in error. */
static enum pb_status report(const struct pb_reqlog_writer *writer, struct pb_error *err)
{
    if (writer->status != PB_OK && err) {
        *err = writer->error;
    }
    return writer->status;
}

static enum pb_status write_header(struct pb_reqlog_writer *writer,
                                   const struct pb_reqlog_info *info)
{
    uint8_t header[PB_PBR_HEADER_BYTES] = { 0 };

    memcpy(header, pb_pbr_magic, sizeof(pb_pbr_magic));
    pb_put_le32(header + 8, PB_PBR_VERSION);
    pb_put_le32(header + 12, PB_PBR_HEADER_BYTES);
    pb_put_le64(header + 16, info->seed);
    pb_put_le64(header + 24, info->schedule_hash);
    pb_put_le64(header + 32, (uint64_t)info->start_wall_ns);
    pb_put_le32(header + 40, info->columns);
    pb_put_le32(header + 44, PB_PBR_BLOCK_MAX_BYTES);
    pb_put_le32(header + 60, pb_crc32c(0, header, 60));
    return write_bytes(writer, header, sizeof(header));
}

static void free_writer(struct pb_reqlog_writer *writer)
{
    if (writer) {
        if (writer->fd >= 0) {
            (void)close(writer->fd);
        }
        free(writer->path);
        free(writer);
    }
}

static void begin_block(struct pb_reqlog_writer *writer)
{
    writer->rows = 0;
    writer->min_intended_ns = INT64_MAX;
    writer->max_intended_ns = INT64_MIN;
    for (int c = 0; c < PB_PBR_COLUMNS; c++) {
        struct column *column = &writer->columns[c];

        column->len = 0;
        column->last = 0;
        column->zeros = 0;
        column->present = (PB_PBR_REQUIRED >> c & 1) != 0;
    }
}

static enum pb_status create(struct pb_reqlog_writer *writer, const char *path,
                             const struct pb_reqlog_info *info, struct pb_error *err)
{
    writer->path = strdup(path);
    if (!writer->path) {
        return pb_fail(err, PB_ENOMEM, "%s: no memory for the log's writer", path);
    }
    writer->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer->fd < 0) {
        return errno == EEXIST ? pb_fail(err, PB_EEXIST, "%s: exists already", path)
                               : pb_fail(err, PB_ESYS, "%s: cannot be created", path);
    }
    writer->wanted = PB_PBR_REQUIRED | info->columns << PB_PBR_OPERATION;
    writer->stride = 1;
    writer->first_intended_ns = INT64_MAX;
    writer->last_intended_ns = INT64_MIN;
    begin_block(writer);
    if (write_header(writer, info) != PB_OK) {
        (void)unlink(path);
    }
    return report(writer, err);
}

enum pb_status pb_reqlog_create(const char *path, const struct pb_reqlog_info *info,
                                struct pb_reqlog_writer **ret_writer, struct pb_error *err)
{
    /* Zeroed pages that are never used are never resident: the columns share one block's bytes. */
    struct pb_reqlog_writer *writer = calloc(1, sizeof(*writer));

    if (!writer) {
        return pb_fail(err, PB_ENOMEM, "%s: no memory for the log's writer", path);
    }
    writer->fd = -1;
    enum pb_status status = create(writer, path, info, err);

    if (status != PB_OK) {
        free_writer(writer);
        return status;
    }
    *ret_writer = writer;
    return PB_OK;
}

/* The values of one column in `count` rows. */
static void gather(const struct pb_record *records, size_t count, const struct pb_pbr_field *field,
                   int64_t *values)
{
    const uint8_t *at = (const uint8_t *)records + field->offset;

    for (size_t i = 0; i < count; i++, at += sizeof(*records)) {
        uint16_t half;

        switch (field->width) {
        case 8:
            memcpy(&values[i], at, sizeof(values[i]));
            break;
        case 2:
            memcpy(&half, at, sizeof(half));
            values[i] = half;
            break;
        default:
            values[i] = *at;
        }
    }
}

static uint8_t *put_zeros(struct column *column, uint8_t *at)
{
    if (column->zeros > 0) {
        at = pb_varint_put(at, 0);
        at = pb_varint_put(at, column->zeros - 1);
        column->zeros = 0;
    }
    return at;
}

static void encode(struct column *column, const int64_t *values, size_t count, int64_t absent)
{
    uint8_t *at = column->bytes + column->len;
    int64_t last = column->last;

    for (size_t i = 0; i < count; i++) {
        /* Unsigned: the difference of any two values wraps around and back. */
        int64_t delta = (int64_t)((uint64_t)values[i] - (uint64_t)last);

        last = values[i];
        column->present |= last != absent;
        if (delta == 0) {
            column->zeros++;
            continue;
        }
        at = put_zeros(column, at);
        at = pb_varint_put(at, delta);
    }
    column->last = last;
    column->len = (size_t)(at - column->bytes);
}

/* All that the block would take, had it to be written now. */
static size_t block_bytes(const struct pb_reqlog_writer *writer)
{
    size_t bytes = PB_PBR_HEAD_BYTES;

    for (int c = 0; c < PB_PBR_COLUMNS; c++) {
        bytes += sizeof(uint32_t) + writer->columns[c].len + RUN_BYTES;
    }
    return bytes;
}

/* Every stride-th block has an entry; when they are too many, every second one is dropped. */
static void add_entry(struct pb_reqlog_writer *writer)
{
    if (writer->total_blocks % writer->stride != 0) {
        return;
    }
    if (writer->entry_count == PB_PBR_INDEX_MAX) {
        for (uint32_t i = 0; i < PB_PBR_INDEX_MAX / 2; i++) {
            writer->entries[i] = writer->entries[2 * (size_t)i];
        }
        writer->entry_count /= 2;
        writer->stride *= 2;
    }
    writer->entries[writer->entry_count++] =
        (struct index_entry){ writer->bytes, writer->total_rows, writer->min_intended_ns };
}

/* Fills the head of the block in `writer->block`, whose payload is there, and writes it. */
static enum pb_status write_block(struct pb_reqlog_writer *writer, enum pb_pbr_block type,
                                  uint32_t columns, size_t len)
{
    uint8_t *head = writer->block;
    int64_t min_ns = type == PB_PBR_ROWS ? writer->min_intended_ns : writer->first_intended_ns;
    int64_t max_ns = type == PB_PBR_ROWS ? writer->max_intended_ns : writer->last_intended_ns;

    pb_put_le32(head, type);
    pb_put_le32(head + 4, (uint32_t)(len - PB_PBR_HEAD_BYTES));
    pb_put_le32(head + 8, columns);
    pb_put_le32(head + 12, type == PB_PBR_ROWS ? writer->rows : 0);
    pb_put_le64(head + 16, (uint64_t)min_ns);
    pb_put_le64(head + 24, (uint64_t)max_ns);
    pb_put_le32(head + 32, 0);
    pb_put_le32(head + 36, pb_crc32c(pb_crc32c(0, head, 36), head + PB_PBR_HEAD_BYTES,
                                     len - PB_PBR_HEAD_BYTES));
    return write_bytes(writer, head, len);
}

/* Starts the disk now and then, so that closing a long log does not have to write it all. */
static void start_writeback(struct pb_reqlog_writer *writer)
{
    if (writer->bytes - writer->flushed >= WRITEBACK_BYTES) {
        /* Advice only: what it cannot do, closing does. */
        (void)sync_file_range(writer->fd, (off_t)writer->flushed,
                              (off_t)(writer->bytes - writer->flushed), SYNC_FILE_RANGE_WRITE);
        writer->flushed = writer->bytes;
    }
}

static enum pb_status finish_block(struct pb_reqlog_writer *writer)
{
    uint8_t *at = writer->block + PB_PBR_HEAD_BYTES;
    uint32_t bitmap = 0;

    if (writer->rows == 0) {
        return writer->status;
    }
    for (uint32_t c = 0; c < PB_PBR_COLUMNS; c++) {
        struct column *column = &writer->columns[c];

        if (!column->present) {
            continue;
        }
        column->len = (size_t)(put_zeros(column, column->bytes + column->len) - column->bytes);
        pb_put_le32(at, (uint32_t)column->len);
        memcpy(at + sizeof(uint32_t), column->bytes, column->len);
        at += sizeof(uint32_t) + column->len;
        bitmap |= UINT32_C(1) << c;
    }
    add_entry(writer);
    if (write_block(writer, PB_PBR_ROWS, bitmap, (size_t)(at - writer->block)) == PB_OK) {
        writer->total_blocks++;
        writer->total_rows += writer->rows;
        start_writeback(writer);
    }
    begin_block(writer);
    return writer->status;
}

/* Counts and the range of intended times of `count` rows. */
static void tally(struct pb_reqlog_writer *writer, const struct pb_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pb_record *r = &records[i];

        if (r->flags & PB_RECORD_RETURN) {
            writer->returns++;
        } else if (r->flags & PB_RECORD_LAST) {
            writer->requests[pb_record_outcome(r)]++;
        }
        if (r->intended_ns < writer->min_intended_ns) {
            writer->min_intended_ns = r->intended_ns;
        }
        if (r->intended_ns > writer->max_intended_ns) {
            writer->max_intended_ns = r->intended_ns;
        }
    }
    if (writer->min_intended_ns < writer->first_intended_ns) {
        writer->first_intended_ns = writer->min_intended_ns;
    }
    if (writer->max_intended_ns > writer->last_intended_ns) {
        writer->last_intended_ns = writer->max_intended_ns;
    }
}

static void add_piece(struct pb_reqlog_writer *writer, const struct pb_record *records,
                      size_t count)
{
    int64_t values[PIECE_ROWS];

    for (int c = 0; c < PB_PBR_COLUMNS; c++) {
        if (writer->wanted >> c & 1) {
            gather(records, count, &pb_pbr_fields[c], values);
            encode(&writer->columns[c], values, count, pb_pbr_fields[c].absent);
        }
    }
    tally(writer, records, count);
    writer->rows += (uint32_t)count;
}

enum pb_status pb_reqlog_add(struct pb_reqlog_writer *writer, const struct pb_record *records,
                             size_t count, struct pb_error *err)
{
    while (count > 0 && writer->status == PB_OK) {
        size_t piece = count < PIECE_ROWS ? count : PIECE_ROWS;

        if (block_bytes(writer) + PIECE_MAX_BYTES > PB_PBR_BLOCK_MAX_BYTES ||
            writer->rows + piece > PB_PBR_ROWS_MAX) {
            (void)finish_block(writer);
        }
        add_piece(writer, records, piece);
        records += piece;
        count -= piece;
    }
    return report(writer, err);
}

enum pb_status pb_reqlog_flush(struct pb_reqlog_writer *writer, struct pb_error *err)
{
    (void)finish_block(writer);
    return report(writer, err);
}

static enum pb_status write_trailer(struct pb_reqlog_writer *writer)
{
    uint64_t offset = writer->bytes;
    uint8_t *at = writer->block + PB_PBR_HEAD_BYTES, footer[PB_PBR_FOOTER_BYTES];

    pb_put_le64(at, writer->total_rows);
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        pb_put_le64(at + 8 + 8 * (size_t)i, writer->requests[i]);
    }
    pb_put_le64(at + 72, writer->returns);
    pb_put_le64(at + 80, writer->total_blocks);
    pb_put_le32(at + 88, writer->entry_count);
    pb_put_le32(at + 92, writer->stride);
    at += PB_PBR_TRAILER_BYTES;
    for (uint32_t i = 0; i < writer->entry_count; i++, at += PB_PBR_ENTRY_BYTES) {
        pb_put_le64(at, writer->entries[i].offset);
        pb_put_le64(at + 8, writer->entries[i].first_row);
        pb_put_le64(at + 16, (uint64_t)writer->entries[i].min_intended_ns);
    }
    PB_TRY(write_block(writer, PB_PBR_TRAILER, 0, (size_t)(at - writer->block)));
    pb_put_le64(footer, offset);
    memcpy(footer + 8, pb_pbr_end_magic, sizeof(pb_pbr_end_magic));
    return write_bytes(writer, footer, sizeof(footer));
}

enum pb_status pb_reqlog_close(struct pb_reqlog_writer *writer, struct pb_error *err)
{
    if (!writer) {
        return PB_OK;
    }
    (void)finish_block(writer);
    if (writer->status == PB_OK) {
        (void)write_trailer(writer);
    }
    int fd = writer->fd, sync_failed = fsync(fd) != 0;

    writer->fd = -1;
    if ((close(fd) != 0 || sync_failed) && writer->status == PB_OK) {
        writer->status = pb_fail(&writer->error, PB_ESYS, "%s: cannot be stored", writer->path);
    }
    enum pb_status status = report(writer, err);

    free_writer(writer);
    return status;
}

uint64_t pb_reqlog_bytes(const struct pb_reqlog_writer *writer)
{
    return writer->bytes;
}
