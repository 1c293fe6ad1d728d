#include "harness/recorder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mutex.h"

#define CHUNK_ROWS     64u
#define CHUNKS_DEFAULT 4096u
#define NO_CHUNK       UINT32_MAX
#define SWEEP_NS       (2 * PB_NS_PER_MS)
#define LOG_FLUSH_NS   PB_NS_PER_S

struct chunk {
    _Alignas(PB_CACHELINE) struct pb_record rows[CHUNK_ROWS];
};
_Static_assert(sizeof(struct chunk) == 4096, "a chunk is one page");

/*
 * A lane's chunks form a chain from the one that the collector reads to the one that the writer
 * fills.  The writer links a fresh chunk to the last before it publishes the first row in it, so
 * one counter, `published`, tells the collector all: row n of a lane stands in the (n / 64)-th
 * chunk of its chain.
 */
struct lane {
    /* Written by the lane's writer alone. */
    _Alignas(PB_CACHELINE) struct chunk *filling; /* NULL before the first row */
    uint32_t filling_id;
    uint32_t first_id;          /* of the chain; published with the first row */
    _Atomic uint64_t published; /* rows that the collector may read */
    _Atomic uint64_t stalls;    /* read by anyone, relaxed */
    _Atomic int64_t stall_ns;
    /* Written by the collector alone. */
    _Alignas(PB_CACHELINE) uint64_t consumed;
    uint32_t reading_id;
};

struct pb_recorder { /* NOLINT(clang-analyzer-optin.performance.Padding): owners kept apart */
    /* Constant after _new. */
    struct pb_recorder_config config;
    struct lane *lanes;
    struct chunk *chunks;
    _Atomic uint32_t *links; /* of each chunk: the next of its lane's chain, or of the free ones */
    /* Free chunks: a stack (Treiber 1986) whose head carries a tag against ABA in its upper half.
     * Writers pop, the collector pushes. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t free_head;
    /* Writers that wait for a chunk. */
    _Alignas(PB_CACHELINE) _Atomic uint32_t waiting;
    struct pb_mutex lock;
    struct pb_cond freed; /* a chunk has become free */
    struct pb_cond wake;  /* the collector has a reason not to sleep */
    bool stopping PB_GUARDED_BY(lock);
    enum pb_status log_status PB_GUARDED_BY(lock);
    struct pb_error log_error PB_GUARDED_BY(lock);
    _Atomic uint64_t collected;
    /* The collector's own. */
    int64_t ticked_ns, flushed_ns;
    bool log_failed;
    /* The owner's. */
    pthread_t thread;
    bool started, stopped;
};

static uint32_t pop_free(struct pb_recorder *recorder)
{
    /* seq_cst: see push_free.  As an acquire it also pairs with the swap there, so that what the
     * collector read of the chunk's last life is done before the writer fills it again. */
    uint64_t head = atomic_load(&recorder->free_head);

    for (;;) {
        uint32_t id = (uint32_t)head;

        if (id == NO_CHUNK) {
            return NO_CHUNK;
        }
        /* Stale when another writer was faster; then the tag differs and the swap fails. */
        uint32_t next = atomic_load_explicit(&recorder->links[id], memory_order_relaxed);
        uint64_t want = ((head >> 32) + 1) << 32 | next;

        if (atomic_compare_exchange_weak_explicit(&recorder->free_head, &head, want,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return id;
        }
    }
}

static void push_free(struct pb_recorder *recorder, uint32_t id)
{
    uint64_t head = atomic_load_explicit(&recorder->free_head, memory_order_relaxed), want;

    do {
        atomic_store_explicit(&recorder->links[id], (uint32_t)head, memory_order_relaxed);
        want = ((head >> 32) + 1) << 32 | id;
        /* seq_cst: a writer that announced itself in `waiting` after this sees the chunk, and one
         * that announced itself before is seen by wake_waiting. */
    } while (!atomic_compare_exchange_weak(&recorder->free_head, &head, want));
}

/* No chunk is free: rouses the collector and waits.  The only lock on a writer's way. */
static uint32_t wait_for_chunk(struct pb_recorder *recorder, struct lane *lane)
{
    int64_t begin_ns = pb_now_ns();
    uint32_t id;

    atomic_fetch_add(&recorder->waiting, 1);
    pb_mutex_lock(&recorder->lock);
    pb_cond_signal(&recorder->wake);
    while ((id = pop_free(recorder)) == NO_CHUNK) {
        pb_cond_wait(&recorder->freed, &recorder->lock);
    }
    pb_mutex_unlock(&recorder->lock);
    atomic_fetch_sub(&recorder->waiting, 1);
    /* relaxed: counts, exact once the writer has stopped */
    atomic_fetch_add_explicit(&lane->stalls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&lane->stall_ns, pb_now_ns() - begin_ns, memory_order_relaxed);
    return id;
}

static void next_chunk(struct pb_recorder *recorder, struct lane *lane)
{
    uint32_t id = pop_free(recorder);

    if (id == NO_CHUNK) {
        id = wait_for_chunk(recorder, lane);
    }
    if (lane->filling) {
        /* relaxed: the release of `published` after the next row covers it */
        atomic_store_explicit(&recorder->links[lane->filling_id], id, memory_order_relaxed);
    } else {
        lane->first_id = id;
    }
    lane->filling_id = id;
    lane->filling = &recorder->chunks[id];
}

void pb_recorder_put(struct pb_recorder *recorder, uint32_t lane_number,
                     const struct pb_record *record)
{
    struct lane *lane = &recorder->lanes[lane_number];
    /* relaxed: this thread alone writes it */
    uint64_t n = atomic_load_explicit(&lane->published, memory_order_relaxed);

    if (n % CHUNK_ROWS == 0) {
        next_chunk(recorder, lane);
    }
    lane->filling->rows[n % CHUNK_ROWS] = *record;
    /* release: pairs with the acquire in sweep_lane */
    atomic_store_explicit(&lane->published, n + 1, memory_order_release);
}

static void fail_log(struct pb_recorder *recorder, enum pb_status status,
                     const struct pb_error *err)
{
    recorder->log_failed = true;
    pb_mutex_lock(&recorder->lock);
    recorder->log_status = status;
    recorder->log_error = *err;
    pb_mutex_unlock(&recorder->lock);
}

static void collect_rows(struct pb_recorder *recorder, const struct pb_record *rows, size_t count)
{
    const struct pb_recorder_config *config = &recorder->config;
    struct pb_error err = { 0 };

    if (config->aggregate) {
        for (size_t i = 0; i < count; i++) {
            pb_aggregate_add(config->aggregate, &rows[i]);
        }
    }
    if (config->log && !recorder->log_failed) {
        enum pb_status status = pb_reqlog_add(config->log, rows, count, &err);

        if (status != PB_OK) { /* the run goes on without its log, and says so */
            fail_log(recorder, status, &err);
        }
    }
    /* relaxed: a count */
    atomic_fetch_add_explicit(&recorder->collected, count, memory_order_relaxed);
}

static void wake_waiting(struct pb_recorder *recorder)
{
    if (atomic_load(&recorder->waiting) > 0) {
        pb_mutex_lock(&recorder->lock);
        pb_cond_broadcast(&recorder->freed);
        pb_mutex_unlock(&recorder->lock);
    }
}

/* The chunk that holds the lane's next row; the one before is free again. */
static void advance(struct pb_recorder *recorder, struct lane *lane)
{
    if (lane->consumed == 0) {
        lane->reading_id = lane->first_id;
        return;
    }
    uint32_t done = lane->reading_id;

    /* relaxed: written before the row that brought us here was published */
    lane->reading_id = atomic_load_explicit(&recorder->links[done], memory_order_relaxed);
    push_free(recorder, done);
    wake_waiting(recorder);
}

static void sweep_lane(struct pb_recorder *recorder, struct lane *lane)
{
    /* acquire: pairs with the release in pb_recorder_put */
    uint64_t published = atomic_load_explicit(&lane->published, memory_order_acquire);

    while (lane->consumed < published) {
        uint64_t within = lane->consumed % CHUNK_ROWS, count = published - lane->consumed;

        if (within == 0) {
            advance(recorder, lane);
        }
        if (count > CHUNK_ROWS - within) {
            count = CHUNK_ROWS - within;
        }
        collect_rows(recorder, &recorder->chunks[lane->reading_id].rows[within], count);
        lane->consumed += count;
    }
}

static void sweep(struct pb_recorder *recorder)
{
    for (uint32_t i = 0; i < recorder->config.lanes; i++) {
        sweep_lane(recorder, &recorder->lanes[i]);
    }
}

/* What is due after a sweep: the tick, and once a second the log's rows to the kernel. */
static void after_sweep(struct pb_recorder *recorder)
{
    const struct pb_recorder_config *config = &recorder->config;
    int64_t now_ns = pb_now_ns();
    struct pb_error err = { 0 };

    if (config->tick && now_ns - recorder->ticked_ns >= SWEEP_NS) {
        recorder->ticked_ns = now_ns;
        config->tick(config->ctx, now_ns);
    }
    if (config->log && !recorder->log_failed && now_ns - recorder->flushed_ns >= LOG_FLUSH_NS) {
        enum pb_status status = pb_reqlog_flush(config->log, &err);

        recorder->flushed_ns = now_ns;
        if (status != PB_OK) {
            fail_log(recorder, status, &err);
        }
    }
}

/* Sleeps until the next sweep is due or somebody waits for a chunk; false: it is time to stop. */
static bool rest(struct pb_recorder *recorder, int64_t until_ns)
{
    bool due = false;

    pb_mutex_lock(&recorder->lock);
    while (!recorder->stopping && !due && atomic_load(&recorder->waiting) == 0) {
        due = !pb_cond_wait_until(&recorder->wake, &recorder->lock, until_ns);
    }
    bool go_on = !recorder->stopping;

    pb_mutex_unlock(&recorder->lock);
    return go_on;
}

static void *collect(void *ctx)
{
    struct pb_recorder *recorder = ctx;
    int64_t next_ns = pb_now_ns();

    recorder->flushed_ns = next_ns;
    do {
        sweep(recorder);
        after_sweep(recorder);
        next_ns += recorder->config.sweep_ns;
        if (next_ns < pb_now_ns()) { /* a sweep took longer: no burst of sweeps to catch up */
            next_ns = pb_now_ns();
        }
    } while (rest(recorder, next_ns));
    sweep(recorder); /* what was put before the stop */
    return NULL;
}

static void chain_free_chunks(struct pb_recorder *recorder)
{
    uint32_t count = recorder->config.chunks;

    for (uint32_t i = 0; i < count; i++) {
        atomic_init(&recorder->links[i], i + 1 < count ? i + 1 : NO_CHUNK);
    }
    atomic_init(&recorder->free_head, 0);
}

static void release(struct pb_recorder *recorder)
{
    pb_cond_done(&recorder->freed);
    pb_cond_done(&recorder->wake);
    pb_mutex_done(&recorder->lock);
    free(recorder->lanes);
    free(recorder->chunks);
    free(recorder->links);
    free(recorder);
}

enum pb_status pb_recorder_new(const struct pb_recorder_config *config,
                               struct pb_recorder **ret_recorder)
{
    if (config->lanes == 0 || config->lanes > UINT16_MAX || config->sweep_ns < 0) {
        return PB_EINVAL;
    }
    struct pb_recorder *recorder = aligned_alloc(PB_CACHELINE, sizeof(*recorder));

    if (!recorder) {
        return PB_ENOMEM;
    }
    *recorder = (struct pb_recorder){ .config = *config };
    uint32_t *chunks = &recorder->config.chunks;

    if (*chunks == 0) {
        *chunks = CHUNKS_DEFAULT;
    }
    if (*chunks <= config->lanes) { /* each lane keeps one; one more must go around */
        *chunks = config->lanes + 1;
    }
    if (config->sweep_ns == 0) {
        recorder->config.sweep_ns = SWEEP_NS;
    }
    pb_mutex_init(&recorder->lock);
    pb_cond_init(&recorder->freed);
    pb_cond_init(&recorder->wake);
    recorder->lanes = aligned_alloc(PB_CACHELINE, config->lanes * sizeof(*recorder->lanes));
    /* Not cleared: the stack of free chunks is last in, first out, so that those which are never
     * needed are never resident. */
    recorder->chunks = aligned_alloc(sizeof(struct chunk), *chunks * sizeof(struct chunk));
    recorder->links = malloc(*chunks * sizeof(*recorder->links));
    if (!recorder->lanes || !recorder->chunks || !recorder->links) {
        release(recorder);
        return PB_ENOMEM;
    }
    for (uint32_t i = 0; i < config->lanes; i++) {
        recorder->lanes[i] = (struct lane){ .filling_id = NO_CHUNK };
    }
    chain_free_chunks(recorder);
    *ret_recorder = recorder;
    return PB_OK;
}

enum pb_status pb_recorder_start(struct pb_recorder *recorder, struct pb_error *err)
{
    int failed = pthread_create(&recorder->thread, NULL, collect, recorder);

    if (failed) {
        return pb_fail(err, PB_ESYS, "the collector's thread cannot be started (error %d)", failed);
    }
    (void)pthread_setname_np(recorder->thread, "pb-collect");
    recorder->started = true;
    return PB_OK;
}

void pb_recorder_stop(struct pb_recorder *recorder)
{
    if (recorder->stopped) {
        return;
    }
    recorder->stopped = true;
    if (recorder->started) {
        pb_mutex_lock(&recorder->lock);
        recorder->stopping = true;
        pb_cond_signal(&recorder->wake);
        pb_mutex_unlock(&recorder->lock);
        (void)pthread_join(recorder->thread, NULL);
    } else {
        sweep(recorder);
    }
}

void pb_recorder_snapshot(struct pb_recorder *recorder, struct pb_recorder_stats *ret_stats)
{
    struct pb_recorder_stats stats = { 0 };

    for (uint32_t i = 0; i < recorder->config.lanes; i++) {
        struct lane *lane = &recorder->lanes[i];

        /* relaxed: exact for lanes whose writers have stopped, else a moment old */
        stats.records += atomic_load_explicit(&lane->published, memory_order_relaxed);
        stats.stalls += atomic_load_explicit(&lane->stalls, memory_order_relaxed);
        stats.stall_ns += atomic_load_explicit(&lane->stall_ns, memory_order_relaxed);
    }
    stats.collected = atomic_load_explicit(&recorder->collected, memory_order_relaxed);
    pb_mutex_lock(&recorder->lock);
    stats.log_status = recorder->log_status;
    stats.log_error = recorder->log_error;
    pb_mutex_unlock(&recorder->lock);
    *ret_stats = stats;
}

void pb_recorder_free(struct pb_recorder *recorder)
{
    if (recorder) {
        pb_recorder_stop(recorder);
        release(recorder);
    }
}
