#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "harness/recorder.h"
#include "support/test.h"

static struct pb_scenario *one_phase(void)
{
    struct pb_scenario *scenario = calloc(1, sizeof(*scenario));

    ck_assert_ptr_nonnull(scenario);
    scenario->phase_count = 1;
    scenario->phases[0] = (struct pb_phase){ .duration_ns = PB_NS_PER_S, .record = true };
    return scenario;
}

static struct pb_record row(uint64_t index, uint16_t worker)
{
    return (struct pb_record){ .index = index,
                               .intended_ns = (int64_t)index * 1000,
                               .service_ns = 500,
                               .cpu_ns = -1,
                               .worker = worker,
                               .flags = PB_RECORD_LAST };
}

/* Without a collector thread, stopping sweeps: nothing here depends on time. */
PB_TEST(recorder_collects_whole_and_partial_chunks)
{
    struct pb_scenario *scenario = one_phase();
    struct pb_aggregate *aggregate = NULL;
    struct pb_recorder *recorder = NULL;
    struct pb_recorder_stats stats;

    PB_ASSERT_OK(pb_aggregate_new(scenario, &aggregate));
    struct pb_recorder_config config = { .lanes = 3, .aggregate = aggregate };

    PB_ASSERT_OK(pb_recorder_new(&config, &recorder));
    for (uint64_t i = 0; i < 64 * 3 + 7; i++) {
        struct pb_record r = row(i, 0);

        pb_recorder_put(recorder, 0, &r);
    }
    for (uint64_t i = 0; i < 64; i++) {
        struct pb_record r = row(i, 2);

        pb_recorder_put(recorder, 2, &r);
    }
    pb_recorder_snapshot(recorder, &stats);
    ck_assert_uint_eq(64 * 4 + 7, stats.records);
    ck_assert_uint_eq(0, stats.collected);
    pb_recorder_stop(recorder);
    pb_recorder_stop(recorder); /* once more does no harm */
    pb_recorder_snapshot(recorder, &stats);
    ck_assert_uint_eq(stats.records, stats.collected);
    ck_assert_uint_eq(0, stats.stalls);
    ck_assert_uint_eq(64 * 4 + 7, aggregate->phases[0].sent);
    pb_recorder_free(recorder);
    pb_aggregate_free(aggregate);
    free(scenario);
}

PB_TEST(recorder_writes_the_log_lane_by_lane)
{
    char path[128];
    struct pb_reqlog_info info = { 0 };
    struct pb_reqlog_writer *writer = NULL;
    struct pb_reqlog_reader *reader = NULL;
    struct pb_recorder *recorder = NULL;
    struct pb_record rows[400];
    size_t count = 0;

    (void)snprintf(path, sizeof(path), "%s/requests.pbr", pb_test_folder());
    PB_ASSERT_OK(pb_reqlog_create(path, &info, &writer, NULL));
    struct pb_recorder_config config = { .lanes = 2, .log = writer };

    PB_ASSERT_OK(pb_recorder_new(&config, &recorder));
    PB_ASSERT_OK(pb_recorder_start(recorder, NULL));
    for (uint64_t i = 0; i < 300; i++) {
        struct pb_record r = row(i, (uint16_t)(i % 2));

        pb_recorder_put(recorder, (uint32_t)(i % 2), &r);
    }
    pb_recorder_free(recorder);
    PB_ASSERT_OK(pb_reqlog_close(writer, NULL));
    PB_ASSERT_OK(pb_reqlog_open(path, &info, &reader, NULL));
    bool seen[300] = { false };
    size_t total = 0;

    do {
        PB_ASSERT_OK(pb_reqlog_next(reader, rows, PB_ARRAY_LEN(rows), &count, NULL));
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_lt(rows[i].index, 300);
            ck_assert(!seen[rows[i].index]);
            ck_assert_uint_eq(rows[i].index % 2, rows[i].worker);
            seen[rows[i].index] = true;
        }
        total += count;
    } while (count > 0);
    ck_assert_uint_eq(300, total);
    ck_assert(pb_reqlog_complete(reader));
    pb_reqlog_reader_free(reader);
}

PB_TEST(recorder_goes_on_when_the_disk_is_full)
{
    enum {
        ROWS = 20000
    };
    char path[128];
    struct pb_scenario *scenario = one_phase();
    struct pb_reqlog_info info = { 0 };
    struct pb_reqlog_writer *writer = NULL;
    struct pb_aggregate *aggregate = NULL;
    struct pb_recorder *recorder = NULL;
    struct pb_recorder_stats stats;
    struct rlimit old, small;

    (void)snprintf(path, sizeof(path), "%s/requests.pbr", pb_test_folder());
    PB_ASSERT_OK(pb_reqlog_create(path, &info, &writer, NULL));
    PB_ASSERT_OK(pb_aggregate_new(scenario, &aggregate));
    struct pb_recorder_config config = { .lanes = 1, .aggregate = aggregate, .log = writer };

    PB_ASSERT_OK(pb_recorder_new(&config, &recorder));
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(0, getrlimit(RLIMIT_FSIZE, &old));
    small = (struct rlimit){ .rlim_cur = 1000, .rlim_max = old.rlim_max };
    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &small));
    for (uint64_t i = 0; i < ROWS; i++) {
        struct pb_record r = row(i * 1000003 % 65536, 0);

        r.service_ns = (int64_t)(i * i % 1000000007);
        pb_recorder_put(recorder, 0, &r);
    }
    pb_recorder_stop(recorder);
    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &old));
    pb_recorder_snapshot(recorder, &stats);
    ck_assert_uint_eq(ROWS, stats.collected);
    ck_assert_uint_eq(ROWS, aggregate->phases[0].sent); /* nothing lost but the log */
    PB_ASSERT_STATUS(PB_ESYS, stats.log_status);
    ck_assert_ptr_nonnull(strstr(stats.log_error.text, path));
    pb_recorder_free(recorder);
    PB_ASSERT_STATUS(PB_ESYS, pb_reqlog_close(writer, NULL));
    pb_aggregate_free(aggregate);
    free(scenario);
}

PB_TEST(recorder_refuses_no_lanes)
{
    struct pb_recorder_config config = { 0 };
    struct pb_recorder *recorder = NULL;

    PB_ASSERT_STATUS(PB_EINVAL, pb_recorder_new(&config, &recorder));
    pb_recorder_free(NULL);
}
