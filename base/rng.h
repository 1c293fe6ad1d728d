/*
 * base/rng.h - a counter-based random generator: Philox4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; known-answer
 * vectors from their Random123 library.  A draw is a pure function of its key and counter: (seed,
 * phase, stream, index, attempt), so that it never depends on threads, workers or pool settings,
 * and any request's demand can be recomputed alone.  Pure functions: thread-safe.
 */
#ifndef PB_BASE_RNG_H
#define PB_BASE_RNG_H

#include <stdint.h>

/* What a draw is for: independent streams of one seed.  Adding one: at the end, never renumber,
 * or old seeds give other schedules. */
enum pb_stream {
    PB_STREAM_ARRIVAL,   /* gaps between arrivals */
    PB_STREAM_OPERATION, /* which operation of the mix */
    PB_STREAM_SERVICE,   /* service demand */
    PB_STREAM_FATE,      /* error, client error, hang or none */
    PB_STREAM_THINK,     /* think times of closed-loop users */
    PB_STREAM_FAULT,     /* which worker a fault hits */
    PB_STREAM_TUNER,     /* order of trials */
    PB_STREAM_SESSION,   /* which session a request belongs to */
    PB_STREAM_RETRY,     /* jitter of the pause before an attempt */
    PB_STREAM_MISHAP,    /* whether a request on a faulty worker fails */
    PB_STREAM_RECYCLE,   /* by how much a worker's limits are raised */
    PB_STREAM_HEALTH,    /* when a worker is next asked for its health */
    PB_STREAM_COUNT
};

struct pb_rng_key {
    uint64_t seed;   /* 0 .. 2^53 - 1 */
    uint32_t phase;  /* number of the phase, from 0 */
    uint32_t stream; /* enum pb_stream */
};

/* Four 32-bit words for (key, index, attempt); attempt < 2^24.  Different addresses never share a
 * Philox input: rng.c shows the layout. */
void pb_rng_block(const struct pb_rng_key *key, uint64_t index, uint32_t attempt,
                  uint32_t ret_words[static 4]);
/* Two uniforms in (0, 1): 53 random bits each, never 0 or 1. */
void pb_rng_uniform2(const struct pb_rng_key *key, uint64_t index, uint32_t attempt,
                     double ret_u[static 2]);
/* The first of them. */
double pb_rng_uniform(const struct pb_rng_key *key, uint64_t index, uint32_t attempt);
/* A whole number in 0 .. bound - 1, each equally likely; bound >= 1. */
uint64_t pb_rng_below(const struct pb_rng_key *key, uint64_t index, uint64_t bound);

/* Philox itself, for tests against the published vectors. */
void pb_philox4x32_10(const uint32_t counter[static 4], const uint32_t key[static 2],
                      uint32_t ret_words[static 4]);

#endif
