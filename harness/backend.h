/*
 * harness/backend.h - the pool that a load drives.  The built-in one is called directly.
 *
 * Everything in harness/ that submits, drains, disturbs or looks at a running load's pool goes
 * through here, so that another pool can stand in its place.
 */
#ifndef PB_HARNESS_BACKEND_H
#define PB_HARNESS_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"

struct pb_backend {
    struct pb_pool *pool;
};

/* A generator's own handle; one thread at a time may use it. */
struct pb_sender {
    struct pb_submitter *submitter;
};

/* All of these: as the function of the same name in poolbench/pool.h. */

static inline enum pb_status pb_backend_open(struct pb_backend *backend,
                                             const struct pb_pool_config *config,
                                             struct pb_error *err)
{
    return pb_pool_new(config, &backend->pool, err);
}

static inline enum pb_status pb_backend_attach(struct pb_backend *backend, void *user,
                                               struct pb_sender *ret_sender)
{
    return pb_pool_attach(backend->pool, user, &ret_sender->submitter);
}

/* hot */
static inline enum pb_status pb_backend_submit(struct pb_sender *sender,
                                               const struct pb_request *request)
{
    return pb_submit(sender->submitter, request, NULL);
}

static inline void pb_backend_snapshot(struct pb_backend *backend, struct pb_pool_stats *ret_stats)
{
    pb_pool_snapshot(backend->pool, ret_stats);
}

static inline bool pb_backend_wait_idle(struct pb_backend *backend, int64_t deadline_ns)
{
    return pb_pool_wait_idle(backend->pool, deadline_ns);
}

static inline enum pb_status pb_backend_drain(struct pb_backend *backend, int64_t deadline_ns)
{
    return pb_pool_drain(backend->pool, deadline_ns);
}

static inline void pb_backend_stall(struct pb_backend *backend, int64_t until_ns)
{
    pb_pool_stall(backend->pool, until_ns);
}

static inline enum pb_status pb_backend_kill_worker(struct pb_backend *backend, uint32_t ordinal,
                                                    uint32_t *ret_slot)
{
    return pb_pool_kill_worker(backend->pool, ordinal, ret_slot);
}

static inline enum pb_status pb_backend_worker_lost(struct pb_backend *backend, uint32_t worker,
                                                    uint32_t incarnation, const char *reason)
{
    return pb_pool_worker_lost(backend->pool, worker, incarnation, reason);
}

static inline enum pb_status pb_backend_reconfigure(struct pb_backend *backend,
                                                    const struct pb_pool_change *change,
                                                    struct pb_pool_config *ret_effective,
                                                    struct pb_error *err)
{
    return pb_pool_reconfigure(backend->pool, change, ret_effective, err);
}

static inline uint32_t pb_backend_workers(struct pb_backend *backend,
                                          struct pb_worker_stats *ret_rows, uint32_t max)
{
    return pb_pool_workers(backend->pool, ret_rows, max);
}

static inline enum pb_status pb_backend_close(struct pb_backend *backend, int64_t stuck_wait_ns)
{
    return pb_pool_free(backend->pool, stuck_wait_ns);
}

#endif
