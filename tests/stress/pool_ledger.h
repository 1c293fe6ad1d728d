/*
 * tests/stress/pool_ledger.h - what the stress tests of the pool share: every request carries its
 * number, `done` marks it once.  A request marked twice or never is what they look for.
 */
#ifndef PB_TESTS_POOL_LEDGER_H
#define PB_TESTS_POOL_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "poolbench/pool.h"

#include "base/clock.h"
#include "support/test.h"

#define PB_LEDGER_MAX 200000

struct pb_ledger {
    _Atomic uint8_t *ended; /* by number: how often `done` was called */
    _Atomic uint64_t outcomes[PB_OUTCOME_COUNT];
    _Atomic uint64_t returned;
    _Atomic uint64_t wrong;  /* instants out of order, workers that left without a reason */
    _Atomic int64_t late_ns; /* the latest checkout timeout */
    int64_t checkout_ns;     /* > 0: checkout timeouts are checked against it */
    _Atomic bool may_stop;   /* draining: workers leave for no reason of their own */
    int64_t work_ns;         /* how long a request takes */
    uint32_t hang_one_in;    /* that many wait for their token; 0: none */
    uint32_t fail_one_in;
    bool ignore_token;
};

/* Everything zero: requests of no work. */
void pb_ledger_init(struct pb_ledger *ledger);
void pb_ledger_done(struct pb_ledger *ledger);
/* The default configuration with the ledger's functions. */
void pb_ledger_config(struct pb_ledger *ledger, struct pb_pool_config *ret_config);
/* After a drain: every request below `sent` ended exactly once, pool and ledger agree, and, once
 * all workers are back, every place was given back exactly once. */
void pb_ledger_check(struct pb_ledger *ledger, struct pb_pool *pool, uint64_t sent);
uint64_t pb_ledger_outcome(struct pb_ledger *ledger, enum pb_outcome outcome);
/* Drains, checks, and frees the pool and the ledger. */
void pb_ledger_end(struct pb_ledger *ledger, struct pb_pool *pool, uint64_t sent);

struct pb_producer {
    struct pb_pool *pool;
    uint64_t first, count;
    int64_t gap_ns;
    uint64_t *tickets; /* may be NULL */
};

void *pb_producer_main(void *arg);
/* `threads` (at most 8) submit `each` requests, numbered on; returns when they are through. */
void pb_produce(struct pb_pool *pool, int threads, uint64_t each, int64_t gap_ns);

int64_t pb_in_seconds(double seconds);

#endif
