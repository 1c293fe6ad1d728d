/*
 * pool/futex.h - the two futex calls that parking needs, on CLOCK_MONOTONIC.
 */
#ifndef PB_POOL_FUTEX_H
#define PB_POOL_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Sleeps while *word == expected, until woken or until `deadline_ns` (absolute; INT64_MAX: for
 * ever). May return early: the caller looks again. */
static inline void pb_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec at = { .tv_sec = deadline_ns / PB_NS_PER_S,
                           .tv_nsec = deadline_ns % PB_NS_PER_S };

    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                  deadline_ns == INT64_MAX ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

static inline void pb_futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
