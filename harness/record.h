/*
 * harness/record.h - what is kept of one request: one row of the log.
 *
 * latency = lag + wait + service, exactly.  A request that never started has wait = done - sent and
 * service = 0.  Of a retry, intended_ns is that of the first attempt, so that lag_ns holds all that
 * went before it, and the last attempt's latency is the request's.
 */
#ifndef PB_HARNESS_RECORD_H
#define PB_HARNESS_RECORD_H

#include <stdint.h>

#include "poolbench/pool.h"

enum pb_record_flags {
    PB_RECORD_OVERFLOW = 1 << 3, /* ran on a temporary worker */
    PB_RECORD_RETRY = 1 << 4,    /* attempt > 0 */
    PB_RECORD_LAST = 1 << 5,     /* the request's last attempt: its outcome counts */
    PB_RECORD_RETURN = 1 << 6,   /* not a request: a worker came back late; see occupied_ns */
    PB_RECORD_END = 1 << 7       /* not an attempt: the request ended without its next one */
};
#define PB_RECORD_OUTCOME_MASK 7 /* the low bits of flags: enum pb_outcome */
_Static_assert(PB_OUTCOME_COUNT <= PB_RECORD_OUTCOME_MASK + 1, "the outcome fits its bits");

#define PB_RECORD_NO_WORKER UINT16_MAX

struct pb_record {
    uint64_t index;      /* number within its phase */
    int64_t intended_ns; /* from the run's start (start of the first phase) */
    int64_t lag_ns;      /* sent - intended; >= 0 */
    int64_t wait_ns;     /* started - sent */
    int64_t service_ns;  /* done - started */
    int64_t demand_ns;   /* asked for; 0: unknown */
    int64_t cpu_ns;      /* thread CPU time used; -1: not measured */
    uint16_t worker;     /* slot, or PB_RECORD_NO_WORKER */
    uint8_t flags;
    uint8_t phase;
    uint8_t operation;
    uint8_t attempt;
    uint16_t reserved; /* 0 */
};
_Static_assert(sizeof(struct pb_record) == 64, "one cache line a request");

/* In a row with PB_RECORD_RETURN: index, intended_ns, phase, worker name the request that timed
 * out; lag_ns + wait_ns give its start; service_ns is how long the worker was occupied from its
 * start.
 *
 * A row with PB_RECORD_END (and PB_RECORD_LAST) repeats that of the request's last attempt, which
 * was to be followed by another when the run ended: its outcome became the request's. */

static inline enum pb_outcome pb_record_outcome(const struct pb_record *record)
{
    return (enum pb_outcome)(record->flags & PB_RECORD_OUTCOME_MASK);
}

static inline int64_t pb_record_latency_ns(const struct pb_record *record)
{
    return record->lag_ns + record->wait_ns + record->service_ns;
}

#endif
