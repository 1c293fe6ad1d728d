/*
 * harness/reqlog.h - requests.pbr, the per-request log: written as a stream, read block by block.
 *
 * docs/requests-pbr.md has the format byte by byte.  A file cut anywhere reads to its last good
 * block.  Memory is bounded whatever the number of requests.
 */
#ifndef PB_HARNESS_REQLOG_H
#define PB_HARNESS_REQLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "harness/record.h"

enum pb_reqlog_columns { /* the optional ones */
    PB_COLUMN_OPERATION = 1 << 0,
    PB_COLUMN_PHASE = 1 << 1,
    PB_COLUMN_ATTEMPT = 1 << 2,
    PB_COLUMN_CPU = 1 << 3,
    PB_COLUMN_DEMAND = 1 << 4
};

struct pb_reqlog_writer;

struct pb_reqlog_info {
    uint64_t seed;
    uint64_t schedule_hash;
    int64_t start_wall_ns;
    unsigned columns;
};

/* Creates `path` (PB_EEXIST when there).  Not thread-safe: one writer thread. */
PB_MUST_USE enum pb_status pb_reqlog_create(const char *path, const struct pb_reqlog_info *info,
                                            struct pb_reqlog_writer **ret_writer,
                                            struct pb_error *err);
/* Adds rows of one source thread: deltas are small when a call holds neighbours.  PB_ESYS when the
 * disk refuses; the writer is then in error and every later call says the same. */
PB_MUST_USE enum pb_status pb_reqlog_add(struct pb_reqlog_writer *writer,
                                         const struct pb_record *records, size_t count,
                                         struct pb_error *err);
/* Hands the rows gathered so far to the kernel as a block, so that they outlive this process. */
PB_MUST_USE enum pb_status pb_reqlog_flush(struct pb_reqlog_writer *writer, struct pb_error *err);
/* Writes the trailer, syncs, closes and frees; also after an error, without the trailer, which it
 * then returns again.  NULL is fine. */
enum pb_status pb_reqlog_close(struct pb_reqlog_writer *writer, struct pb_error *err);
/* Bytes in the file so far. */
uint64_t pb_reqlog_bytes(const struct pb_reqlog_writer *writer);

struct pb_reqlog_reader;

PB_MUST_USE enum pb_status pb_reqlog_open(const char *path, struct pb_reqlog_info *ret_info,
                                          struct pb_reqlog_reader **ret_reader,
                                          struct pb_error *err);
/* The next rows: up to `max` into `records`.  *ret_count 0: the end, also of a file that was cut.
 * PB_ECORRUPT: the rest cannot be read; all rows before were good. */
PB_MUST_USE enum pb_status pb_reqlog_next(struct pb_reqlog_reader *reader,
                                          struct pb_record *records, size_t max, size_t *ret_count,
                                          struct pb_error *err);
/* True when the trailer was there and its totals matched (after the last row was read). */
bool pb_reqlog_complete(const struct pb_reqlog_reader *reader);
void pb_reqlog_reader_free(struct pb_reqlog_reader *reader);

#endif
