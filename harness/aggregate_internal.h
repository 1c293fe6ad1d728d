/*
 * harness/aggregate_internal.h - instants and stretches of time in the aggregate's windows and
 * phases: what aggregate.c and aggregate_time.c share, and nobody else includes.
 */
#ifndef PB_HARNESS_AGGREGATE_INTERNAL_H
#define PB_HARNESS_AGGREGATE_INTERNAL_H

#include "harness/aggregate.h"

/* What a stretch of time is: the time of ... */
enum pb_stretch {
    PB_STRETCH_BUSY,    /* a worker on a request */
    PB_STRETCH_WAIT,    /* a request in the queue */
    PB_STRETCH_ALIVE,   /* a core worker alive */
    PB_STRETCH_OVERFLOW /* an overflow worker alive */
};

/* Number of the window that holds an instant; what comes before the start counts in the first.  May
 * make the windows coarser, so that numbers of earlier instants change: ask for the latest first.
 */
uint32_t pb_aggregate_window_at(struct pb_aggregate *aggregate, int64_t at_ns);
/* The phase whose stretch holds an instant, from phase `first` on; NULL between and after them. */
struct pb_phase_aggregate *pb_aggregate_phase_at(struct pb_aggregate *aggregate, uint32_t first,
                                                 int64_t at_ns);
/* Shares the stretch from..to out to the windows and phases that it touches, from phase `first`
 * on. */
void pb_aggregate_spread(struct pb_aggregate *aggregate, enum pb_stretch what, uint32_t first,
                         int64_t from_ns, int64_t to_ns);
void pb_aggregate_add_ns(int64_t *sum_ns, int64_t ns);
void pb_aggregate_raise_peaks(uint32_t *queue, uint32_t *alive, uint32_t queued_now,
                              uint32_t alive_now);

#endif
