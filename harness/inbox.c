#include "harness/inbox.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * Who puts and finds the owner asleep wakes it, and alone clears the word that it woke; the owner
 * looks at the stack again after announcing its sleep, so that no wake is lost.
 */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, until, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

void pb_inbox_wake(struct pb_inbox *inbox)
{
    if (atomic_load(&inbox->asleep) != 0 && atomic_exchange(&inbox->asleep, 0) != 0) {
        (void)futex(&inbox->asleep, FUTEX_WAKE, 1, NULL);
    }
}

void pb_inbox_put(struct pb_inbox *inbox, struct pb_inbox_item *item)
{
    struct pb_inbox_item *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);

    do {
        item->next = top;
    } while (!atomic_compare_exchange_weak(&inbox->top, &top, item));
    pb_inbox_wake(inbox);
}

struct pb_inbox_item *pb_inbox_take(struct pb_inbox *inbox)
{
    /* relaxed: what is put just now is seen at the next look */
    if (!atomic_load_explicit(&inbox->top, memory_order_relaxed)) {
        return NULL;
    }
    return atomic_exchange(&inbox->top, NULL);
}

void pb_inbox_sleep(struct pb_inbox *inbox, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / PB_NS_PER_S, .tv_nsec = until_ns % PB_NS_PER_S };

    atomic_store(&inbox->asleep, 1);
    if (!atomic_load(&inbox->top)) {
        (void)futex(&inbox->asleep, FUTEX_WAIT_BITSET, 1, &until);
    }
    atomic_store(&inbox->asleep, 0);
}
