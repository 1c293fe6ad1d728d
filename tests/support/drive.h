/*
 * tests/support/drive.h - runs a hand-made scenario through the real load generator and pool, and
 * gives back what was counted and recorded.
 */
#ifndef PB_TESTS_SUPPORT_DRIVE_H
#define PB_TESTS_SUPPORT_DRIVE_H

#include <stdio.h>
#include <stdlib.h>

#include "harness/backend.h"
#include "harness/load.h"
#include "support/scenario.h"

#define PB_DRIVE_EVENTS 256

struct pb_drive {
    /* Set before. */
    uint32_t generators; /* 0: 1 */
    uint32_t lose_workers;
    bool record;
    uint64_t seed;
    const _Atomic int *stop;
    void (*on_event)(void *ctx, const struct pb_load_event *event); /* may be NULL */
    void *ctx;
    /* Found after. */
    struct pb_schedule schedule;
    struct pb_load_stats load;
    struct pb_lateness retry_lag;
    struct pb_pool_stats pool;
    struct pb_recorder_stats recorder;
    struct pb_load_event events[PB_DRIVE_EVENTS];
    _Atomic uint32_t event_count;
    int64_t drain_ns;       /* how long the final drain took */
    struct pb_record *rows; /* in order of the log; owned: pb_drive_done */
    size_t row_count;
};

static inline void pb_drive_note(void *ctx, const struct pb_load_event *event)
{
    struct pb_drive *drive = ctx;
    uint32_t at = atomic_fetch_add(&drive->event_count, 1);

    ck_assert_uint_lt(at, PB_DRIVE_EVENTS);
    drive->events[at] = *event;
    if (drive->on_event) {
        drive->on_event(drive->ctx, event);
    }
}

static inline void pb_drive_read(struct pb_drive *drive, const char *path)
{
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    size_t size = (size_t)drive->recorder.records + 1, got;

    drive->rows = calloc(size, sizeof(*drive->rows));
    ck_assert_ptr_nonnull(drive->rows);
    PB_ASSERT_OK(pb_reqlog_open(path, &info, &reader, NULL));
    do {
        PB_ASSERT_OK(pb_reqlog_next(reader, &drive->rows[drive->row_count], size - drive->row_count,
                                    &got, NULL));
        drive->row_count += got;
    } while (got > 0);
    ck_assert(pb_reqlog_complete(reader));
    ck_assert_uint_eq(drive->row_count, drive->recorder.records);
    pb_reqlog_reader_free(reader);
}

/* The whole life of a load; fails the test when anything of it fails. */
static inline void pb_drive_run(struct pb_drive *drive, const struct pb_scenario *scenario)
{
    struct pb_load_config config = { .scenario = scenario,
                                     .schedule = &drive->schedule,
                                     .generators = drive->generators ? drive->generators : 1,
                                     .lose_workers = drive->lose_workers,
                                     .cpu_every = 1,
                                     .stop = drive->stop,
                                     .event = pb_drive_note,
                                     .ctx = drive };
    struct pb_recorder_config recording = { .lanes = pb_load_lanes(&config) };
    struct pb_reqlog_info info = { .columns = PB_COLUMN_OPERATION | PB_COLUMN_PHASE |
                                              PB_COLUMN_CPU | PB_COLUMN_DEMAND |
                                              PB_COLUMN_ATTEMPT };
    struct pb_load *load = NULL;
    struct pb_error err = { .text = "" };
    char path[96];

    pb_schedule_init(&drive->schedule, scenario, drive->seed, 1.0);
    if (drive->record) {
        (void)snprintf(path, sizeof(path), "%s/requests.pbr", pb_test_folder());
        PB_ASSERT_OK(pb_reqlog_create(path, &info, &recording.log, NULL));
        PB_ASSERT_OK(pb_recorder_new(&recording, &config.recorder));
        PB_ASSERT_OK(pb_recorder_start(config.recorder, NULL));
    }
    enum pb_status status = pb_load_new(&config, &load, &err);

    ck_assert_msg(status == PB_OK, "%s", err.text);
    status = pb_load_run(load, &err);
    ck_assert_msg(status == PB_OK, "%s", err.text);
    int64_t drain_ns = pb_now_ns();

    pb_load_drain(load);
    drive->drain_ns = pb_now_ns() - drain_ns;
    pb_load_snapshot(load, &drive->load);
    pb_load_retry_lag(load, &drive->retry_lag);
    pb_backend_snapshot(pb_load_backend(load), &drive->pool);
    if (drive->record) {
        pb_recorder_stop(config.recorder);
        pb_recorder_snapshot(config.recorder, &drive->recorder);
        PB_ASSERT_OK(pb_reqlog_close(recording.log, NULL));
        pb_drive_read(drive, path);
    }
    pb_load_free(load);
    pb_recorder_free(config.recorder);
}

static inline void pb_drive_done(struct pb_drive *drive)
{
    free(drive->rows);
}

/* Requests of `phase` that ended, however. */
static inline uint64_t pb_drive_ended(const struct pb_drive *drive, uint32_t phase)
{
    uint64_t sum = 0;

    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        sum += drive->load.outcomes[phase][o];
    }
    return sum;
}

#endif
