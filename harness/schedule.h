/*
 * harness/schedule.h - when each request starts and what it has to do: a pure function of scenario
 * and seed, never of pool settings, threads or time.
 *
 * Within a phase requests are numbered from 0.  Open loop: the i-th arrival.  Closed loop: user u's
 * k-th request has number u + k x users.  Immutable after _init: any thread may read it.
 */
#ifndef PB_HARNESS_SCHEDULE_H
#define PB_HARNESS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/scenario.h"

struct pb_schedule {
    const struct pb_scenario *scenario; /* borrowed */
    uint64_t seed;
    double load_factor;              /* every rate, or number of users (rounded up), times this */
    uint64_t planned[PB_PHASES_MAX]; /* requests of each open phase; closed: 0 */
    uint64_t hash;                   /* over all planned starts and demands; closed phases: each
                                        user's start, and the first thinks and demands */
};

/* Walks the whole plan once (0.1 to 0.2 us a request) to count and to hash it. */
void pb_schedule_init(struct pb_schedule *schedule, const struct pb_scenario *scenario,
                      uint64_t seed, double load_factor);
/* Number of closed-loop users of a phase after the load factor. */
uint64_t pb_schedule_users(const struct pb_schedule *schedule, uint32_t phase);

/* What request `index` of `phase` has to do. */
void pb_schedule_demand(const struct pb_schedule *schedule, uint32_t phase, uint64_t index,
                        uint32_t attempt, struct pb_demand *ret_demand);
/* The session that the request belongs to, 1 .. scenario's sessions; 0: it has none. */
uint64_t pb_schedule_session(const struct pb_schedule *schedule, uint32_t phase, uint64_t index);
/* The pause before attempt `attempt` (from 1) of a request: retries.delay with back-off and jitter;
 * ns from the moment at which the attempt before was decided. */
int64_t pb_schedule_backoff_ns(const struct pb_schedule *schedule, uint32_t phase, uint64_t index,
                               uint32_t attempt);
/* Think time of a closed-loop user before request `index` (ns). */
int64_t pb_schedule_think_ns(const struct pb_schedule *schedule, uint32_t phase, uint64_t index);
/* When user `user` sends its first request, ns from the phase's start. */
int64_t pb_schedule_user_start_ns(const struct pb_schedule *schedule, uint32_t phase,
                                  uint64_t user);

/* Walks the arrivals of one open phase in order. */
struct pb_cursor {
    const struct pb_schedule *schedule;
    uint32_t phase;
    uint64_t index;            /* of the next arrival */
    double cumulative;         /* integral of the rate up to it, arrivals */
    uint64_t segment;          /* step, burst: the stretch of constant rate that it fell in */
    double segment_cumulative; /* the integral at that stretch's start */
    int64_t last_ns;           /* start of the arrival before */
};

void pb_cursor_init(struct pb_cursor *cursor, const struct pb_schedule *schedule, uint32_t phase);
/* The next arrival: its number and its start, ns from the phase's start; false: none left. */
bool pb_cursor_next(struct pb_cursor *cursor, uint64_t *ret_index, int64_t *ret_offset_ns);

/* Planned rate (per second, load factor included) at `offset_ns` in an open phase. */
double pb_schedule_rate(const struct pb_schedule *schedule, uint32_t phase, int64_t offset_ns);

#endif
