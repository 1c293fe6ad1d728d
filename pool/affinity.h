/*
 * pool/affinity.h - which worker ran a session's last request.
 *
 * A bounded table: sets of a few sessions, each set under a lock of its own, which only requests of
 * sessions take.  A set that is full forgets the session that has not been seen for longest.
 */
#ifndef PB_POOL_AFFINITY_H
#define PB_POOL_AFFINITY_H

#include <stdbool.h>
#include <stdint.h>

#include "poolbench/error.h"
#include "poolbench/macros.h"

/* So many sessions are remembered in the best case; the worst is a set's 8. */
#define PB_AFFINITY_SESSIONS 16384

struct pb_affinity;

/* Which worker: number and incarnation. */
struct pb_affinity_worker {
    uint32_t number;
    uint32_t incarnation;
};

enum pb_affinity_result {
    PB_AFFINITY_NEW, /* the session was not remembered */
    PB_AFFINITY_HIT,
    PB_AFFINITY_MISS
};

/* A session is remembered for `ttl_ns` after its last request.  NULL: no memory. */
struct pb_affinity *pb_affinity_new(int64_t ttl_ns);
/* NULL is fine. */
void pb_affinity_free(struct pb_affinity *affinity);
/* The worker of `session` (not 0), of which a request was sent then; false: it is not remembered.
 */
bool pb_affinity_find(struct pb_affinity *affinity, uint64_t session, int64_t sent_ns,
                      struct pb_affinity_worker *ret_worker);
/* A request of `session`, sent then, begins to run on `worker`, which is its worker from now on. */
enum pb_affinity_result pb_affinity_note(struct pb_affinity *affinity, uint64_t session,
                                         int64_t sent_ns, int64_t now_ns,
                                         struct pb_affinity_worker worker);

#endif
