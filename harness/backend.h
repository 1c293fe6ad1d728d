/*
 * harness/backend.h - the pool that a load drives: the built-in one, called directly, or one behind
 * a driver (harness/foreign.h).
 *
 * Everything in harness/ that submits, drains, disturbs or looks at a running load's pool goes
 * through here.
 */
#ifndef PB_HARNESS_BACKEND_H
#define PB_HARNESS_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"

#include "harness/foreign.h"

/* One of the two is not NULL. */
struct pb_backend {
    struct pb_pool *pool;
    struct pb_foreign *foreign;
};

/* A generator's own handle, of the same kind; one thread at a time may use it. */
struct pb_sender {
    struct pb_submitter *submitter;
    struct pb_foreign_sender *foreign;
};

/* `driver` NULL: the built-in pool. */
static inline enum pb_status pb_backend_open(struct pb_backend *backend,
                                             const struct pb_pool_driver *driver,
                                             const struct pb_pool_config *config,
                                             struct pb_error *err)
{
    return driver ? pb_foreign_open(driver, config, &backend->foreign, err)
                  : pb_pool_new(config, &backend->pool, err);
}

/* What the driver did that it must not; static storage.  NULL: nothing, or the built-in pool. */
static inline const char *pb_backend_fault(const struct pb_backend *backend)
{
    return backend->foreign ? pb_foreign_fault(backend->foreign) : NULL;
}

/* Requests that a driver accepted and has neither run nor expired. */
static inline uint64_t pb_backend_unreturned(struct pb_backend *backend)
{
    return backend->foreign ? pb_foreign_unreturned(backend->foreign) : 0;
}

/* All of these: as the function of the same name in poolbench/pool.h.  PB_ENOTSUP: a driver cannot
 * do that; scenarios that ask for it are refused when they are loaded. */

static inline enum pb_status pb_backend_attach(struct pb_backend *backend, void *user,
                                               struct pb_sender *ret_sender)
{
    return backend->foreign ? pb_foreign_attach(backend->foreign, user, &ret_sender->foreign)
                            : pb_pool_attach(backend->pool, user, &ret_sender->submitter);
}

/* hot */
static inline enum pb_status pb_backend_submit(struct pb_sender *sender,
                                               const struct pb_request *request)
{
    return sender->submitter ? pb_submit(sender->submitter, request, NULL)
                             : pb_foreign_submit(sender->foreign, request);
}

static inline void pb_backend_snapshot(struct pb_backend *backend, struct pb_pool_stats *ret_stats)
{
    if (backend->foreign) {
        pb_foreign_snapshot(backend->foreign, ret_stats);
    } else {
        pb_pool_snapshot(backend->pool, ret_stats);
    }
}

static inline bool pb_backend_wait_idle(struct pb_backend *backend, int64_t deadline_ns)
{
    return backend->foreign ? pb_foreign_wait_idle(backend->foreign, deadline_ns)
                            : pb_pool_wait_idle(backend->pool, deadline_ns);
}

static inline enum pb_status pb_backend_drain(struct pb_backend *backend, int64_t deadline_ns)
{
    return backend->foreign ? pb_foreign_drain(backend->foreign, deadline_ns)
                            : pb_pool_drain(backend->pool, deadline_ns);
}

static inline void pb_backend_stall(struct pb_backend *backend, int64_t until_ns)
{
    if (backend->foreign) {
        pb_foreign_stall(backend->foreign, until_ns);
    } else {
        pb_pool_stall(backend->pool, until_ns);
    }
}

static inline enum pb_status pb_backend_kill_worker(struct pb_backend *backend, uint32_t ordinal,
                                                    uint32_t *ret_slot)
{
    return backend->foreign ? PB_ENOTSUP : pb_pool_kill_worker(backend->pool, ordinal, ret_slot);
}

static inline enum pb_status pb_backend_worker_lost(struct pb_backend *backend, uint32_t worker,
                                                    uint32_t incarnation, const char *reason)
{
    return backend->foreign ? PB_ENOTSUP
                            : pb_pool_worker_lost(backend->pool, worker, incarnation, reason);
}

static inline enum pb_status pb_backend_reconfigure(struct pb_backend *backend,
                                                    const struct pb_pool_change *change,
                                                    struct pb_pool_config *ret_effective,
                                                    struct pb_error *err)
{
    return backend->foreign ? pb_foreign_reconfigure(backend->foreign, change, ret_effective, err)
                            : pb_pool_reconfigure(backend->pool, change, ret_effective, err);
}

static inline uint32_t pb_backend_workers(struct pb_backend *backend,
                                          struct pb_worker_stats *ret_rows, uint32_t max)
{
    return backend->foreign ? pb_foreign_workers(backend->foreign, ret_rows, max)
                            : pb_pool_workers(backend->pool, ret_rows, max);
}

static inline enum pb_status pb_backend_close(struct pb_backend *backend, int64_t stuck_wait_ns)
{
    return backend->foreign ? pb_foreign_close(backend->foreign, stuck_wait_ns)
                            : pb_pool_free(backend->pool, stuck_wait_ns);
}

#endif
