#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "harness/recorder.h"
#include "support/test.h"

enum {
    LANES = 4,
    ROWS = 20000, /* of each lane */
    CHUNKS = 8
};

struct writer {
    struct pb_recorder *recorder;
    uint32_t lane;
};

static void *write_rows(void *ctx)
{
    const struct writer *writer = ctx;

    for (uint64_t i = 0; i < ROWS; i++) {
        struct pb_record r = { .index = i,
                               .intended_ns = (int64_t)(i * 7 + writer->lane),
                               .cpu_ns = -1,
                               .worker = (uint16_t)writer->lane,
                               .flags = PB_RECORD_LAST };

        pb_recorder_put(writer->recorder, writer->lane, &r);
    }
    return NULL;
}

/* The tick runs on the collector's thread: it makes each sweep slow. */
static void slow_down(void *ctx, int64_t now_ns)
{
    _Atomic int *ticks = ctx;

    atomic_fetch_add(ticks, 1);
    pb_clock_sleep_until(pb_clock_real(), now_ns + PB_NS_PER_MS);
}

static void check_log(const char *path)
{
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    struct pb_record rows[512];
    uint64_t next[LANES] = { 0 };
    size_t count = 0;

    PB_ASSERT_OK(pb_reqlog_open(path, &info, &reader, NULL));
    do {
        PB_ASSERT_OK(pb_reqlog_next(reader, rows, PB_ARRAY_LEN(rows), &count, NULL));
        for (size_t i = 0; i < count; i++) {
            uint16_t lane = rows[i].worker;

            ck_assert_uint_lt(lane, LANES);
            ck_assert_uint_eq(next[lane], rows[i].index); /* each once, in its lane's order */
            ck_assert_int_eq((int64_t)(rows[i].index * 7 + lane), rows[i].intended_ns);
            next[lane]++;
        }
    } while (count > 0);
    ck_assert(pb_reqlog_complete(reader));
    for (int i = 0; i < LANES; i++) {
        ck_assert_uint_eq(ROWS, next[i]);
    }
    pb_reqlog_reader_free(reader);
}

PB_TEST(recorder_loses_nothing_when_the_collector_starves)
{
    char path[128];
    struct pb_reqlog_info info = { 0 };
    struct pb_reqlog_writer *log = NULL;
    struct pb_recorder *recorder = NULL;
    struct pb_recorder_stats stats;
    _Atomic int ticks = 0;
    pthread_t threads[LANES];
    struct writer writers[LANES];

    (void)snprintf(path, sizeof(path), "%s/requests.pbr", pb_test_folder());
    PB_ASSERT_OK(pb_reqlog_create(path, &info, &log, NULL));
    struct pb_recorder_config config = {
        .lanes = LANES, .log = log, .chunks = CHUNKS, .tick = slow_down, .ctx = &ticks
    };

    PB_ASSERT_OK(pb_recorder_new(&config, &recorder));
    PB_ASSERT_OK(pb_recorder_start(recorder, NULL));
    for (uint32_t i = 0; i < LANES; i++) {
        writers[i] = (struct writer){ recorder, i };
        ck_assert_int_eq(0, pthread_create(&threads[i], NULL, write_rows, &writers[i]));
    }
    for (uint32_t i = 0; i < LANES; i++) {
        ck_assert_int_eq(0, pthread_join(threads[i], NULL));
    }
    pb_recorder_stop(recorder);
    pb_recorder_snapshot(recorder, &stats);
    ck_assert_uint_eq(LANES * ROWS, stats.records);
    ck_assert_uint_eq(LANES * ROWS, stats.collected);
    ck_assert_uint_gt(stats.stalls, 0);
    ck_assert_int_gt(stats.stall_ns, 0);
    ck_assert_int_gt(atomic_load(&ticks), 0);
    PB_ASSERT_OK(stats.log_status);
    pb_recorder_free(recorder);
    PB_ASSERT_OK(pb_reqlog_close(log, NULL));
    check_log(path);
}

/* The fewest chunks that a recorder can have: one for each lane and one to go around. */
PB_TEST(recorder_makes_progress_with_one_spare_chunk)
{
    struct pb_recorder *recorder = NULL;
    struct pb_recorder_config config = { .lanes = LANES, .chunks = 1 };
    struct pb_recorder_stats stats;
    pthread_t threads[LANES];
    struct writer writers[LANES];

    PB_ASSERT_OK(pb_recorder_new(&config, &recorder));
    PB_ASSERT_OK(pb_recorder_start(recorder, NULL));
    for (uint32_t i = 0; i < LANES; i++) {
        writers[i] = (struct writer){ recorder, i };
        ck_assert_int_eq(0, pthread_create(&threads[i], NULL, write_rows, &writers[i]));
    }
    for (uint32_t i = 0; i < LANES; i++) {
        ck_assert_int_eq(0, pthread_join(threads[i], NULL));
    }
    pb_recorder_stop(recorder);
    pb_recorder_snapshot(recorder, &stats);
    ck_assert_uint_eq(LANES * ROWS, stats.collected);
    pb_recorder_free(recorder);
}
