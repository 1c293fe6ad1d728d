/*
 * harness/foreign.h - somebody else's pool behind a driver (poolbench/pool_driver.h), seen as
 * poolbench/pool.h shows the built-in one: every request ends in exactly one outcome, told to
 * `done` once.
 *
 * Added here is what every pool needs to be measured: times, outcomes, slot numbers for threads
 * that have none, tokens, counters, drain.  Not added is what makes one pool differ from another:
 * a bounded queue, timeouts, overflow.  A driver that cannot do these is not asked to.
 *
 * A task of the pool that is not back when a drain ends cannot be taken out of it: its outcome is
 * decided (cancelled), its token set, and when it never comes back, everything it may still touch
 * is leaked on purpose.
 */
#ifndef PB_HARNESS_FOREIGN_H
#define PB_HARNESS_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/pool.h"
#include "poolbench/pool_driver.h"

struct pb_foreign;
struct pb_foreign_sender;

/* Opens the pool with its threads.  Of the config count what the driver is able to, and the
 * callbacks.  PB_EINVAL: more threads than it can have; PB_ENOTSUP: the driver says why not;
 * PB_ENOMEM, PB_ESYS.  `driver` stays the caller's. */
PB_MUST_USE enum pb_status pb_foreign_open(const struct pb_pool_driver *driver,
                                           const struct pb_pool_config *config,
                                           struct pb_foreign **ret_foreign, struct pb_error *err);
/* As pb_pool_attach. */
PB_MUST_USE enum pb_status pb_foreign_attach(struct pb_foreign *foreign, void *user,
                                             struct pb_foreign_sender **ret_sender);
/* As pb_submit.  PB_ECLOSED also when the driver failed: pb_foreign_fault says how.  hot */
PB_MUST_USE enum pb_status pb_foreign_submit(struct pb_foreign_sender *sender,
                                             const struct pb_request *request);

/* What the driver did that it must not, or could not; static storage.  NULL: nothing. */
const char *pb_foreign_fault(const struct pb_foreign *foreign);
/* Requests that the driver accepted and has neither run nor expired. */
uint64_t pb_foreign_unreturned(struct pb_foreign *foreign);

/* These as their namesakes in pool.h.  After a drain, `stuck` counts the threads that are not back
 * from a request. */
void pb_foreign_snapshot(struct pb_foreign *foreign, struct pb_pool_stats *ret_stats);
uint32_t pb_foreign_workers(struct pb_foreign *foreign, struct pb_worker_stats *ret_rows,
                            uint32_t max);
bool pb_foreign_wait_idle(struct pb_foreign *foreign, int64_t deadline_ns);
void pb_foreign_stall(struct pb_foreign *foreign, int64_t until_ns);
/* PB_ENOTSUP: something is to change that the driver cannot change, or does not. */
PB_MUST_USE enum pb_status pb_foreign_reconfigure(struct pb_foreign *foreign,
                                                  const struct pb_pool_change *change,
                                                  struct pb_pool_config *ret_effective,
                                                  struct pb_error *err);
PB_MUST_USE enum pb_status pb_foreign_drain(struct pb_foreign *foreign, int64_t deadline_ns);
/* NULL is fine. */
enum pb_status pb_foreign_close(struct pb_foreign *foreign, int64_t stuck_wait_ns);

#endif
