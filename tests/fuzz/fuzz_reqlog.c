/* Any bytes are either a log that reads to its end, or refused; whatever rows come out can be
 * aggregated. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "harness/aggregate.h"
#include "harness/reqlog.h"
#include "harness/reqlog_format.h"

#define ROWS_MAX 200000 /* a few crafted bytes can claim 65536 rows a block */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Checksums would keep a fuzzer out: they are made right first. */
static void repair(uint8_t *data, size_t size)
{
    size_t at = PB_PBR_HEADER_BYTES;

    if (size >= PB_PBR_HEADER_BYTES) {
        memcpy(data, pb_pbr_magic, sizeof(pb_pbr_magic));
        pb_put_le32(data + 60, pb_crc32c(0, data, 60));
    }
    while (at + PB_PBR_HEAD_BYTES <= size) {
        uint8_t *head = data + at;
        size_t left = size - at - PB_PBR_HEAD_BYTES, len = pb_get_le32(head + 4);

        if (len > left) {
            return;
        }
        pb_put_le32(head + 36, pb_crc32c(pb_crc32c(0, head, 36), head + PB_PBR_HEAD_BYTES, len));
        at += PB_PBR_HEAD_BYTES + len;
    }
}

static void read_all(const char *path, struct pb_aggregate *aggregate)
{
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    struct pb_record rows[300];
    size_t count = 0, total = 0;

    if (pb_reqlog_open(path, &info, &reader, NULL) != PB_OK) {
        return;
    }
    while (total < ROWS_MAX &&
           pb_reqlog_next(reader, rows, PB_ARRAY_LEN(rows), &count, NULL) == PB_OK && count > 0) {
        for (size_t i = 0; i < count; i++) {
            pb_aggregate_add(aggregate, &rows[i]);
        }
        total += count;
    }
    pb_reqlog_reader_free(reader);
}

static void read_copy(uint8_t *copy, size_t size, struct pb_aggregate *aggregate)
{
    char path[32];
    int fd = memfd_create("pbr", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, copy, size) == (ssize_t)size) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        read_all(path, aggregate);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pb_scenario *scenario = calloc(1, sizeof(*scenario));
    struct pb_aggregate *aggregate = NULL;
    uint8_t *copy = malloc(size + 1);

    if (scenario && copy) {
        scenario->phase_count = 2;
        scenario->phases[0].duration_ns = PB_NS_PER_S;
        scenario->phases[1].start_ns = PB_NS_PER_S;
        scenario->phases[1].duration_ns = PB_NS_PER_S;
        if (pb_aggregate_new(scenario, &aggregate) == PB_OK) {
            memcpy(copy, data, size);
            read_copy(copy, size, aggregate);
            repair(copy, size);
            read_copy(copy, size, aggregate);
        }
    }
    pb_aggregate_free(aggregate);
    free(copy);
    free(scenario);
    return 0;
}
