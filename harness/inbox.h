/*
 * harness/inbox.h - where any thread leaves things for one thread, which sleeps until there are
 * some: a stack (Treiber 1986) that its owner takes whole, and a futex word.
 *
 * Putting takes no lock and allocates nothing; it makes a system call only when the owner sleeps.
 */
#ifndef PB_HARNESS_INBOX_H
#define PB_HARNESS_INBOX_H

#include <stdatomic.h>
#include <stdint.h>

#include "poolbench/macros.h"

/* The first member of whatever is put. */
struct pb_inbox_item {
    struct pb_inbox_item *next;
};

struct pb_inbox { /* all zero: empty */
    _Alignas(PB_CACHELINE) _Atomic(struct pb_inbox_item *) top;
    _Atomic uint32_t asleep; /* futex word */
};

/* Puts an item, from any thread; from here on it is the owner's.  Wakes the owner. */
void pb_inbox_put(struct pb_inbox *inbox, struct pb_inbox_item *item);
/* Everything that is there, the latest first; NULL: nothing.  The owner's thread. */
struct pb_inbox_item *pb_inbox_take(struct pb_inbox *inbox);
/* Sleeps until `until_ns` (CLOCK_MONOTONIC), until something is there or until woken.  The owner's
 * thread. */
void pb_inbox_sleep(struct pb_inbox *inbox, int64_t until_ns);
/* Ends a sleep under way, from any thread. */
void pb_inbox_wake(struct pb_inbox *inbox);

#endif
