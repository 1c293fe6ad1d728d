/*
 * harness/reqlog_format.h - the bytes of requests.pbr, shared by its writer and its reader alone.
 *
 * docs/requests-pbr.md describes them for everybody else.  Little-endian throughout.
 */
#ifndef PB_HARNESS_REQLOG_FORMAT_H
#define PB_HARNESS_REQLOG_FORMAT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "harness/record.h"

#define PB_PBR_VERSION         1
#define PB_PBR_HEADER_BYTES    64
#define PB_PBR_BLOCK_MAX_BYTES 65536 /* with its head */
#define PB_PBR_HEAD_BYTES      40
#define PB_PBR_FOOTER_BYTES    16
#define PB_PBR_ROWS_MAX        65536 /* in a block */
#define PB_PBR_INDEX_MAX       2048  /* entries in a trailer */
#define PB_PBR_TRAILER_BYTES   96    /* before the index */
#define PB_PBR_ENTRY_BYTES     24

/* A first byte that is no text, and line ends that a transfer as text would damage (as PNG). */
static const uint8_t pb_pbr_magic[8] = { 0x89, 'P', 'B', 'R', '\r', '\n', 0x1a, '\n' };
static const uint8_t pb_pbr_end_magic[8] = { 'P', 'B', 'R', '-', 'e', 'n', 'd', '\n' };

enum pb_pbr_block {
    PB_PBR_ROWS = 1,
    PB_PBR_TRAILER = 2
};

/* Bits of a block's column bitmap, in the order in which columns are stored. */
enum pb_pbr_column {
    PB_PBR_INDEX,
    PB_PBR_INTENDED,
    PB_PBR_LAG,
    PB_PBR_WAIT,
    PB_PBR_SERVICE,
    PB_PBR_WORKER,
    PB_PBR_FLAGS,
    PB_PBR_OPERATION, /* from here on: optional, bit n of enum pb_reqlog_columns is bit n + 7 */
    PB_PBR_PHASE,
    PB_PBR_ATTEMPT,
    PB_PBR_CPU,
    PB_PBR_DEMAND,
    PB_PBR_COLUMNS
};
#define PB_PBR_REQUIRED 0x7fu

/* Where a column's value stands in struct pb_record.  Adding one: at the end, never renumber. */
struct pb_pbr_field {
    uint8_t offset;
    uint8_t width;  /* bytes: 8 (signed), 2 or 1 (unsigned) */
    int16_t absent; /* value of a row in a block without this column */
    uint8_t timing; /* a duration or instant: must stay within +-PB_PBR_TIME_MAX_NS */
};
/* 36 years; three of them add up without overflow. */
#define PB_PBR_TIME_MAX_NS (INT64_C(1) << 60)
#define PB_PBR_FIELD(member, absent, timing)                                                 \
    {                                                                                        \
        offsetof(struct pb_record, member), sizeof(((struct pb_record *)0)->member), absent, \
            timing                                                                           \
    }
static const struct pb_pbr_field pb_pbr_fields[PB_PBR_COLUMNS] = {
    [PB_PBR_INDEX] = PB_PBR_FIELD(index, 0, 0),
    [PB_PBR_INTENDED] = PB_PBR_FIELD(intended_ns, 0, 1),
    [PB_PBR_LAG] = PB_PBR_FIELD(lag_ns, 0, 1),
    [PB_PBR_WAIT] = PB_PBR_FIELD(wait_ns, 0, 1),
    [PB_PBR_SERVICE] = PB_PBR_FIELD(service_ns, 0, 1),
    [PB_PBR_WORKER] = PB_PBR_FIELD(worker, 0, 0),
    [PB_PBR_FLAGS] = PB_PBR_FIELD(flags, 0, 0),
    [PB_PBR_OPERATION] = PB_PBR_FIELD(operation, 0, 0),
    [PB_PBR_PHASE] = PB_PBR_FIELD(phase, 0, 0),
    [PB_PBR_ATTEMPT] = PB_PBR_FIELD(attempt, 0, 0),
    [PB_PBR_CPU] = PB_PBR_FIELD(cpu_ns, -1, 1),
    [PB_PBR_DEMAND] = PB_PBR_FIELD(demand_ns, 0, 1),
};

static inline void pb_put_le32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static inline void pb_put_le64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static inline uint32_t pb_get_le32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static inline uint64_t pb_get_le64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

#endif
