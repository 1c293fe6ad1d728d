/*
 * harness/losses.h - workers that died or were killed at work, who took their place, and how long
 * that took: a pure function of the pool's events and the faults.
 *
 * recovery = (replacement ready - loss) + (its first success - that request's start): the time in
 * which the replacement stood ready and no request came is nobody's fault and does not count.  A
 * replacement that is lost itself before its first success has restored nothing: the recovery goes
 * on with its own replacement.
 */
#ifndef PB_HARNESS_LOSSES_H
#define PB_HARNESS_LOSSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/pool.h"

/* What befell a worker; instants in ns from the run's start. */
struct pb_worker_note {
    enum pb_pool_event_kind kind; /* LOST, UP, FIRST_OK, FAILED */
    int64_t at_ns;
    int64_t since_ns; /* FIRST_OK: when that request was started; LOST: > 0 when it never took part
                         and only stood by for another one */
    uint32_t worker, incarnation;
    bool overflow, replacement;
    uint32_t replaces; /* UP of a replacement: whose place it takes; PB_NO_WORKER: not told */
    uint32_t replaces_incarnation;
    const char *reason; /* static storage */
};

enum pb_loss_end {
    PB_LOSS_RECOVERED,
    PB_LOSS_UNUSED, /* the replacement stood ready and no request came its way: no failure, and no
                       proof either */
    PB_LOSS_OPEN,   /* nobody was ready by the end */
    PB_LOSS_END_COUNT
};
/* "recovered", "unused", "open"; static storage. */
const char *pb_loss_end_name(enum pb_loss_end end);

struct pb_loss {
    uint32_t worker, incarnation;
    bool stood_by;       /* it had not begun to take requests */
    bool overflow;       /* it was a temporary one, which may go without a replacement */
    int fault;           /* number of the fault that hit it; -1: it died by itself */
    const char *reason;  /* static storage */
    int64_t since_ns;    /* the fault, or, by itself, when it was noticed */
    int64_t detected_ns; /* noticed */
    int64_t ready_ns;    /* its replacement was ready, -1: nobody was */
    int64_t first_ok_ns; /* first success on the replacement, -1: none */
    int64_t recovery_ns; /* -1: not known */
    uint32_t successor;  /* who it was in the end; PB_NO_WORKER: nobody */
    uint32_t successor_incarnation;
    enum pb_loss_end end;
};

struct pb_loss_fault { /* a fault that hit a worker, of which it may have died */
    int64_t injected_ns;
    int64_t until_ns; /* not of a later death; <= 0: whenever it was */
    uint32_t worker;
    int number;
};

struct pb_losses_summary {
    uint64_t count, by_fault, recovered, unused, open;
    /* -1: none recovered. */
    int64_t detect_p50_ns, detect_max_ns; /* noticed - fault, of those by faults */
    int64_t ready_p50_ns, ready_max_ns;   /* replacement ready - loss */
    int64_t p50_ns, p99_ns, max_ns;       /* recovery */
};

/* Room for `note_count` losses is always enough.  Returns how many; sorted by time.  Notes are in
 * order of time. */
size_t pb_losses_match(const struct pb_worker_note *notes, size_t note_count,
                       const struct pb_loss_fault *faults, size_t fault_count,
                       struct pb_loss *ret_losses);
/* Drops what has nothing to do with losses: replacements of workers that were recycled, except
 * those of the last second, whose predecessor's loss may be told late.  Returns how many notes are
 * left, in their order. */
size_t pb_losses_compact(struct pb_worker_note *notes, size_t note_count, int64_t now_ns);
/* Without memory the times stay unknown. */
void pb_losses_sum(const struct pb_loss *losses, size_t count,
                   struct pb_losses_summary *ret_summary);

#endif
