/*
 * The built-in pool; with the variant "record" every request goes as a row through the harness's
 * recorder into aggregate and log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "bench/peers/peer.h"
#include "harness/recorder.h"

static struct pb_pool *pool;
static struct pb_submitter *submitter;
static struct pb_recorder *recorder;
static uint64_t sent_count;
static int64_t start_ns;
/* The collector is the harness's, as the generator is: it goes with it. */
const char *const pb_peer_generator_side = "pb-collect";

static enum pb_outcome run(void *ctx, struct pb_work *work)
{
    (void)ctx;
    pb_peer_ran((uintptr_t)work->request->data);
    return PB_OUTCOME_OK;
}

/* As harness/load.c makes it of a request that a worker decided. */
static void record(void *ctx, const struct pb_completion *completion)
{
    const struct pb_request *request = completion->request;
    const struct pb_record row = {
        .index = request->index,
        .intended_ns = request->sent_ns - start_ns,
        .wait_ns = completion->started_ns - request->sent_ns,
        .service_ns = completion->done_ns - completion->started_ns,
        .demand_ns = completion->demand_ns,
        .cpu_ns = completion->cpu_ns,
        .worker = (uint16_t)completion->worker,
        .flags = (uint8_t)((unsigned)completion->outcome | PB_RECORD_LAST),
    };

    (void)ctx;
    pb_recorder_put(recorder, completion->decider, &row);
}

static bool start_recorder(unsigned workers)
{
    static struct pb_scenario scenario = { .phase_count = 1 };
    struct pb_recorder_config config = { .lanes = workers };
    struct pb_reqlog_info info = { .columns = 0 };
    char path[64];

    scenario.phases[0] =
        (struct pb_phase){ .duration_ns = PB_NS_PER_S, .rate = 1e6, .record = true };
    (void)snprintf(path, sizeof(path), "/tmp/pb-peer-%ld.pbr", (long)getpid());
    bool made = pb_reqlog_create(path, &info, &config.log, NULL) == PB_OK &&
                pb_aggregate_new(&scenario, &config.aggregate) == PB_OK &&
                pb_recorder_new(&config, &recorder) == PB_OK &&
                pb_recorder_start(recorder, NULL) == PB_OK;

    (void)unlink(path);
    return made;
}

bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why)
{
    struct pb_pool_config config;
    struct pb_error err = { 0 };

    *ret_why = "the pool cannot be made";
    start_ns = pb_now_ns();
    pb_pool_config_default(&config);
    config.size = workers;
    config.max_stuck = 0;
    config.queue_limit = 2 * PB_PEER_BACKLOG;
    config.run = run;
    if (strcmp(variant, "record") == 0) {
        config.done = record;
        if (!start_recorder(workers)) {
            *ret_why = "the recorder cannot be made";
            return false;
        }
    }
    return pb_pool_new(&config, &pool, &err) == PB_OK &&
           pb_pool_attach(pool, NULL, &submitter) == PB_OK;
}

void pb_peer_submit(uintptr_t sent)
{
    const struct pb_request request = { .index = sent_count++, .data = (void *)sent };

    if (pb_submit(submitter, &request, NULL) != PB_OK) {
        abort();
    }
}

void pb_peer_poll(void)
{
}

/* Everything ended well, nothing was rescued, every row arrived. */
bool pb_peer_close(void)
{
    struct pb_recorder_stats rows = { .log_status = PB_OK };
    struct pb_pool_stats stats;
    bool drained = pb_pool_drain(pool, INT64_MAX) == PB_OK;

    pb_pool_snapshot(pool, &stats);
    if (recorder) {
        pb_recorder_stop(recorder);
        pb_recorder_snapshot(recorder, &rows);
        drained = drained && rows.collected == sent_count && rows.log_status == PB_OK;
    }
    return drained && stats.outcomes[PB_OUTCOME_OK] == sent_count && stats.rescued_wakeups == 0;
}
