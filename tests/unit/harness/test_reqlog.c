#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "harness/reqlog.h"
#include "harness/reqlog_format.h"
#include "support/test.h"

#define ALL_COLUMNS \
    (PB_COLUMN_OPERATION | PB_COLUMN_PHASE | PB_COLUMN_ATTEMPT | PB_COLUMN_CPU | PB_COLUMN_DEMAND)

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 16;
}

/* Rows as eight workers leave them at 1000 requests a second: chunks of neighbours of one worker,
 * service about 5 ms, some waits, lag of some 60 us. */
static void fill_realistic(struct pb_record *rows, size_t count)
{
    uint64_t state = 5;

    for (size_t i = 0; i < count; i++) {
        uint64_t chunk = i / 64, within = i % 64, worker = chunk % 8;
        uint64_t index = (chunk / 8 * 64 + within) * 8 + worker;
        bool waits = next_random(&state) % 4 == 0;

        rows[i] = (struct pb_record){
            .index = index,
            .intended_ns = (int64_t)(index * 1000000 + next_random(&state) % 900000),
            .lag_ns = (int64_t)(50000 + next_random(&state) % 20000),
            .wait_ns = (int64_t)(2000 + next_random(&state) % (waits ? 3000000 : 3000)),
            .service_ns = (int64_t)(2000000 + next_random(&state) % 6000000),
            .cpu_ns = -1,
            .worker = (uint16_t)worker,
            .flags = PB_RECORD_LAST | PB_OUTCOME_OK
        };
    }
}

/* Rows with every field at its extremes. */
static void fill_wild(struct pb_record *rows, size_t count)
{
    uint64_t state = 99;

    for (size_t i = 0; i < count; i++) {
        int shift = (int)(next_random(&state) % 48);

        rows[i] = (struct pb_record){
            .index = next_random(&state) << (shift % 16),
            .intended_ns = (int64_t)(next_random(&state) >> shift) - 1000,
            .lag_ns = (int64_t)(next_random(&state) >> shift),
            .wait_ns = (int64_t)(next_random(&state) >> shift),
            .service_ns = i % 5 ? (int64_t)(next_random(&state) >> shift) : 0,
            .demand_ns = i % 3 ? (int64_t)next_random(&state) : 0,
            .cpu_ns = i % 64 ? -1 : (int64_t)next_random(&state),
            .worker = i % 7 ? (uint16_t)next_random(&state) : PB_RECORD_NO_WORKER,
            .flags = (uint8_t)(next_random(&state) & 0x7f),
            .phase = (uint8_t)(next_random(&state) % 32),
            .operation = (uint8_t)next_random(&state),
            .attempt = (uint8_t)(next_random(&state) % 3),
        };
    }
}

static char *log_path(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", pb_test_folder(), name);
    return path;
}

static const struct pb_reqlog_info plain = { .seed = 42,
                                             .schedule_hash = UINT64_C(0xfedcba9876543210),
                                             .start_wall_ns = INT64_C(1795230902000000000) };

static uint64_t write_log(const char *path, unsigned columns, const struct pb_record *rows,
                          size_t count, size_t at_once)
{
    struct pb_reqlog_info info = plain;
    struct pb_reqlog_writer *writer = NULL;
    struct pb_error err;
    struct stat st;

    info.columns = columns;
    ck_assert_msg(pb_reqlog_create(path, &info, &writer, &err) == PB_OK, "%s", err.text);
    for (size_t i = 0; i < count; i += at_once) {
        size_t n = count - i < at_once ? count - i : at_once;

        PB_ASSERT_OK(pb_reqlog_add(writer, rows + i, n, &err));
    }
    PB_ASSERT_OK(pb_reqlog_close(writer, &err));
    ck_assert_int_eq(0, stat(path, &st));
    return (uint64_t)st.st_size;
}

/* Reads all rows of `path` into `rows` (room for `max`), in calls of `at_once`. */
static enum pb_status read_log(const char *path, struct pb_record *rows, size_t max, size_t at_once,
                               size_t *ret_count, bool *ret_complete)
{
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    enum pb_status status = pb_reqlog_open(path, &info, &reader, NULL);
    size_t got = 1, count = 0;

    while (status == PB_OK && got > 0 && count < max) {
        size_t room = max - count < at_once ? max - count : at_once;

        status = pb_reqlog_next(reader, rows + count, room, &got, NULL);
        count += status == PB_OK ? got : 0;
    }
    *ret_count = count;
    *ret_complete = reader && pb_reqlog_complete(reader);
    pb_reqlog_reader_free(reader);
    return status;
}

static void put_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(len, fwrite(data, 1, len, file));
    ck_assert_int_eq(0, fclose(file));
}

static size_t get_file(const char *path, uint8_t *data, size_t max)
{
    FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    size_t len = fread(data, 1, max, file);

    ck_assert_uint_lt(len, max);
    (void)fclose(file);
    return len;
}

PB_TEST(reqlog_brings_every_row_back_in_order)
{
    enum {
        ROWS = 20000
    };
    struct pb_record *rows = calloc(ROWS, sizeof(*rows)), *back = calloc(ROWS + 1, sizeof(*rows));
    const char *path = log_path("requests.pbr");
    const size_t at_once[] = { 1, 63, 64, 1000 };

    ck_assert(rows && back);
    fill_wild(rows, ROWS);
    for (size_t i = 0; i < PB_ARRAY_LEN(at_once); i++) {
        size_t count = 0;
        bool complete = false;

        (void)unlink(path);
        (void)write_log(path, ALL_COLUMNS, rows, ROWS, at_once[i]);
        PB_ASSERT_OK(read_log(path, back, ROWS + 1, 777, &count, &complete));
        ck_assert_uint_eq(ROWS, count);
        ck_assert(complete);
        ck_assert_mem_eq(rows, back, ROWS * sizeof(*rows));
    }
    free(rows);
    free(back);
}

PB_TEST(reqlog_leaves_out_optional_columns)
{
    struct pb_record rows[100], back[101];
    const char *path = log_path("requests.pbr");
    size_t count = 0;
    bool complete = false;

    fill_wild(rows, 100);
    (void)write_log(path, 0, rows, 100, 64);
    PB_ASSERT_OK(read_log(path, back, 101, 101, &count, &complete));
    ck_assert_uint_eq(100, count);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_int_eq(rows[i].service_ns, back[i].service_ns);
        ck_assert_uint_eq(rows[i].worker, back[i].worker);
        ck_assert_int_eq(-1, back[i].cpu_ns); /* not measured, rather than 0 */
        ck_assert_int_eq(0, back[i].demand_ns);
        ck_assert_uint_eq(0, back[i].phase);
    }
}

PB_TEST(reqlog_takes_at_most_16_bytes_a_request)
{
    enum {
        ROWS = 100000
    };
    struct pb_record *rows = calloc(ROWS, sizeof(*rows));

    ck_assert_ptr_nonnull(rows);
    fill_realistic(rows, ROWS);
    double bytes = (double)write_log(log_path("requests.pbr"), 0, rows, ROWS, 64) / ROWS;

    ck_assert_msg(bytes <= 16, "%.2f bytes a request", bytes);
    ck_assert_msg(bytes >= 8, "%.2f bytes a request: rows are missing", bytes);
    free(rows);
}

PB_TEST(reqlog_keeps_what_it_was_told_about_the_run)
{
    const char *path = log_path("requests.pbr");
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    struct pb_record row;
    size_t count = 9;

    (void)write_log(path, PB_COLUMN_CPU, NULL, 0, 1);
    PB_ASSERT_OK(pb_reqlog_open(path, &info, &reader, NULL));
    ck_assert_uint_eq(plain.seed, info.seed);
    ck_assert_uint_eq(plain.schedule_hash, info.schedule_hash);
    ck_assert_int_eq(plain.start_wall_ns, info.start_wall_ns);
    ck_assert_uint_eq(PB_COLUMN_CPU, info.columns);
    PB_ASSERT_OK(pb_reqlog_next(reader, &row, 1, &count, NULL));
    ck_assert_uint_eq(0, count);
    ck_assert(pb_reqlog_complete(reader));
    pb_reqlog_reader_free(reader);
}

PB_TEST(reqlog_never_overwrites_and_says_what_is_missing)
{
    const char *path = log_path("requests.pbr");
    struct pb_reqlog_writer *writer = NULL;
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    struct pb_error err;

    put_file(path, "x", 1);
    PB_ASSERT_STATUS(PB_EEXIST, pb_reqlog_create(path, &plain, &writer, &err));
    ck_assert_ptr_nonnull(strstr(err.text, path));
    PB_ASSERT_STATUS(PB_ECORRUPT, pb_reqlog_open(path, &info, &reader, &err));
    PB_ASSERT_STATUS(PB_ENOENT, pb_reqlog_open("/nonexistent/x", &info, &reader, &err));
    PB_ASSERT_STATUS(PB_ESYS, pb_reqlog_create("/nonexistent/x", &plain, &writer, &err));
    ck_assert_ptr_null(writer);
    ck_assert_ptr_null(reader);
}

/* Three blocks of a few rows each. */
static size_t small_log(const char *path, struct pb_record *rows, size_t per_block, uint8_t *data,
                        size_t max)
{
    struct pb_reqlog_writer *writer = NULL;
    struct pb_reqlog_info info = plain;

    info.columns = ALL_COLUMNS;
    fill_wild(rows, 3 * per_block);
    (void)unlink(path);
    PB_ASSERT_OK(pb_reqlog_create(path, &info, &writer, NULL));
    for (size_t i = 0; i < 3; i++) {
        PB_ASSERT_OK(pb_reqlog_add(writer, rows + i * per_block, per_block, NULL));
        PB_ASSERT_OK(pb_reqlog_flush(writer, NULL));
    }
    PB_ASSERT_OK(pb_reqlog_close(writer, NULL));
    return get_file(path, data, max);
}

PB_TEST(reqlog_cut_at_any_byte_reads_to_its_last_good_block)
{
    enum {
        PER_BLOCK = 5
    };
    struct pb_record rows[3 * PER_BLOCK], back[3 * PER_BLOCK + 1];
    static uint8_t data[8192];
    const char *path = log_path("requests.pbr");
    size_t len = small_log(path, rows, PER_BLOCK, data, sizeof(data)), last = 0;

    for (size_t cut = 0; cut <= len; cut++) {
        size_t count = 0;
        bool complete = true;

        put_file(path, data, cut);
        enum pb_status status = read_log(path, back, PB_ARRAY_LEN(back), 4, &count, &complete);

        PB_ASSERT_STATUS(cut < PB_PBR_HEADER_BYTES ? PB_ECORRUPT : PB_OK, status);
        ck_assert_uint_eq(0, count % PER_BLOCK);
        ck_assert_uint_ge(count, last);
        ck_assert_mem_eq(rows, back, count * sizeof(rows[0]));
        ck_assert_int_eq(cut == len, complete);
        last = count;
    }
    ck_assert_uint_eq(3 * PER_BLOCK, last);
}

PB_TEST(reqlog_sees_every_flipped_bit_of_its_blocks)
{
    enum {
        PER_BLOCK = 5
    };
    struct pb_record rows[3 * PER_BLOCK], back[3 * PER_BLOCK + 1];
    static uint8_t data[8192];
    const char *path = log_path("requests.pbr");
    size_t len = small_log(path, rows, PER_BLOCK, data, sizeof(data));

    for (size_t bit = 0; bit < 8 * len; bit++) {
        size_t count = 0;
        bool complete = true;

        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        put_file(path, data, len);
        enum pb_status status = read_log(path, back, PB_ARRAY_LEN(back), 100, &count, &complete);

        ck_assert_msg(status != PB_OK || !complete, "bit %zu flipped unseen", bit);
        ck_assert_mem_eq(rows, back, count * sizeof(rows[0]));
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* A block as a later version might write it: one more column, unknown here, behind the others. */
PB_TEST(reqlog_skips_columns_and_blocks_that_it_does_not_know)
{
    struct pb_record rows[15], back[16];
    static uint8_t data[8192], out[8192];
    const char *path = log_path("requests.pbr");
    const uint8_t extra[] = { 3, 0, 0, 0, 0xaa, 0xbb, 0xcc };
    size_t len = small_log(path, rows, 5, data, sizeof(data)), count = 0;
    uint8_t *block = out + PB_PBR_HEADER_BYTES;
    uint32_t payload = pb_get_le32(data + PB_PBR_HEADER_BYTES + 4);
    size_t first = PB_PBR_HEADER_BYTES + PB_PBR_HEAD_BYTES + payload;
    bool complete = false;

    memcpy(out, data, first);
    memcpy(out + first, extra, sizeof(extra));
    pb_put_le32(block + 4, payload + (uint32_t)sizeof(extra));
    pb_put_le32(block + 8, pb_get_le32(block + 8) | UINT32_C(1) << 20);
    pb_put_le32(block + 36, pb_crc32c(pb_crc32c(0, block, 36), block + PB_PBR_HEAD_BYTES,
                                      payload + sizeof(extra)));
    /* And a whole block of an unknown kind after it. */
    uint8_t *unknown = out + first + sizeof(extra);

    memset(unknown, 0, PB_PBR_HEAD_BYTES);
    pb_put_le32(unknown, 77);
    pb_put_le32(unknown + 36, pb_crc32c(0, unknown, 36));
    memcpy(unknown + PB_PBR_HEAD_BYTES, data + first, len - first);
    put_file(path, out, len + sizeof(extra) + PB_PBR_HEAD_BYTES);
    PB_ASSERT_OK(read_log(path, back, 16, 16, &count, &complete));
    ck_assert_uint_eq(15, count);
    ck_assert_mem_eq(rows, back, sizeof(rows));
}

PB_TEST(reqlog_refuses_a_later_version_by_its_number)
{
    struct pb_record rows[3];
    static uint8_t data[8192];
    const char *path = log_path("requests.pbr");
    size_t len = small_log(path, rows, 1, data, sizeof(data));
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    struct pb_error err;

    pb_put_le32(data + 8, 2);
    pb_put_le32(data + 60, pb_crc32c(0, data, 60));
    put_file(path, data, len);
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_reqlog_open(path, &info, &reader, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
}

/* A file-size limit stands in for a full disk: the write comes back short, then fails. */
PB_TEST(reqlog_on_a_full_disk_says_so_once_and_for_all)
{
    enum {
        ROWS = 30000
    };
    struct pb_record *rows = calloc(ROWS, sizeof(*rows)), *back = calloc(ROWS, sizeof(*rows));
    const char *path = log_path("requests.pbr");
    struct pb_reqlog_writer *writer = NULL;
    struct rlimit old, small;
    struct pb_error err = { .text = "" }, again = { .text = "" };
    size_t count = 0;
    bool complete = true;

    ck_assert(rows && back);
    fill_realistic(rows, ROWS);
    PB_ASSERT_OK(pb_reqlog_create(path, &plain, &writer, NULL));
    ck_assert_int_eq(0, getrlimit(RLIMIT_FSIZE, &old));
    small = (struct rlimit){ .rlim_cur = 100000, .rlim_max = old.rlim_max };
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &small));
    PB_ASSERT_STATUS(PB_ESYS, pb_reqlog_add(writer, rows, ROWS, &err));
    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &old));
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_int_eq(EFBIG, err.sys_errno);
    PB_ASSERT_STATUS(PB_ESYS, pb_reqlog_add(writer, rows, 1, &again));
    ck_assert_str_eq(err.text, again.text);
    PB_ASSERT_STATUS(PB_ESYS, pb_reqlog_close(writer, &again));
    /* What had been written before is there. */
    PB_ASSERT_OK(read_log(path, back, ROWS, 100, &count, &complete));
    ck_assert_uint_gt(count, 3000);
    ck_assert(!complete);
    ck_assert_mem_eq(rows, back, count * sizeof(*rows));
    free(rows);
    free(back);
}

PB_TEST(reqlog_keeps_its_index_bounded)
{
    enum {
        BLOCKS = 5000
    };
    struct pb_record row = { .cpu_ns = -1, .flags = PB_RECORD_LAST };
    struct pb_reqlog_writer *writer = NULL;
    const char *path = log_path("requests.pbr");
    static uint8_t data[1 << 20];
    uint64_t last_row = 0;

    PB_ASSERT_OK(pb_reqlog_create(path, &plain, &writer, NULL));
    for (uint64_t i = 0; i < BLOCKS; i++) {
        row.index = i;
        row.intended_ns = (int64_t)(i * 1000);
        PB_ASSERT_OK(pb_reqlog_add(writer, &row, 1, NULL));
        PB_ASSERT_OK(pb_reqlog_flush(writer, NULL));
    }
    PB_ASSERT_OK(pb_reqlog_close(writer, NULL));
    size_t len = get_file(path, data, sizeof(data));
    uint64_t trailer = pb_get_le64(data + len - PB_PBR_FOOTER_BYTES);
    const uint8_t *at = data + trailer + PB_PBR_HEAD_BYTES;
    uint32_t entries = pb_get_le32(at + 88), stride = pb_get_le32(at + 92);

    ck_assert_uint_eq(PB_PBR_TRAILER, pb_get_le32(data + trailer));
    ck_assert_uint_eq(BLOCKS, pb_get_le64(at));
    ck_assert_uint_le(entries, PB_PBR_INDEX_MAX);
    ck_assert_uint_eq((BLOCKS + stride - 1) / stride, entries);
    for (uint32_t i = 0; i < entries; i++) {
        const uint8_t *entry = at + PB_PBR_TRAILER_BYTES + (size_t)i * PB_PBR_ENTRY_BYTES;

        ck_assert_uint_eq(PB_PBR_ROWS, pb_get_le32(data + pb_get_le64(entry)));
        last_row = pb_get_le64(entry + 8);
        ck_assert_uint_eq((uint64_t)i * stride, last_row);
        ck_assert_int_eq((int64_t)last_row * 1000, (int64_t)pb_get_le64(entry + 16));
    }
}

/* The example of docs/requests-pbr.md. */
PB_TEST(reqlog_encodes_a_column_as_documented)
{
    const uint16_t workers[] = { 3, 3, 3, 5 };
    const uint8_t column[] = { 4, 0, 0, 0, 0x06, 0x00, 0x02, 0x04 };
    const char *path = log_path("requests.pbr");
    struct pb_record rows[4] = { 0 };
    uint8_t data[1024];

    for (size_t i = 0; i < 4; i++) {
        rows[i].worker = workers[i];
        rows[i].index = i;
    }
    (void)write_log(path, 0, rows, 4, 4);
    size_t len = get_file(path, data, sizeof(data));

    ck_assert_ptr_nonnull(memmem(data, len, column, sizeof(column)));
}
