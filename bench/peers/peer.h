/*
 * bench/peers/peer.h - one worker pool beside which the built-in one is measured.
 *
 * Each peer is a program of its own (build/release/bench/peer-NAME: this interface, implemented
 * once, and main.c), because some of these pools exist once a process.  bench_peers runs them in
 * turn.  All of them do the same work: pb_peer_ran().
 */
#ifndef PB_BENCH_PEERS_PEER_H
#define PB_BENCH_PEERS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What travels with a request: when it was sent (CLOCK_MONOTONIC), or PB_PEER_UNTIMED. */
#define PB_PEER_UNTIMED ((uintptr_t)1)

/* The work: counts itself for the thread it runs on, and takes the hand-over time of a request that
 * carries a time.  On the pool's threads. */
void pb_peer_ran(uintptr_t sent);

/* Makes the pool with `workers` threads.  `variant` is what bench_peers asks for, may be empty;
 * nobody else reads it.  Threads may be started here or with the first requests.  False: it cannot;
 * `ret_why` (static storage) says why. */
bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why);
/* Hands one request over: the pool calls pb_peer_ran(sent) once.  On the main thread. */
void pb_peer_submit(uintptr_t sent);
/* What the pool's owner has to do from time to time (libuv's loop).  On the main thread. */
void pb_peer_poll(void);
/* After the last request has run; false when the pool found fault with itself.  The process ends
 * right after it: threads and memory may stay. */
bool pb_peer_close(void);
/* A thread of this name stays with the generator; NULL: none. */
extern const char *const pb_peer_generator_side;

/* What a run prints, one line of numbers in this order. */
enum pb_peer_figure {
    PB_PEER_FLAT_PER_S, /* open loop, as fast as the pool takes them, bounded backlog */
    PB_PEER_FLAT_CPU_NS,
    PB_PEER_CLOSED_PER_S, /* closed loop, PB_PEER_IN_FLIGHT a worker */
    PB_PEER_CLOSED_CPU_NS,
    PB_PEER_CLOSED_P50_NS, /* hand-over: submit to start on the worker */
    PB_PEER_CLOSED_P99_NS,
    PB_PEER_PACED_CPU_NS, /* open loop, PB_PEER_RATE a second */
    PB_PEER_PACED_P50_NS,
    PB_PEER_PACED_P99_NS,
    PB_PEER_FIGURES
};

#define PB_PEER_BACKLOG   1000  /* requests waiting at most, as in the pool's default */
#define PB_PEER_IN_FLIGHT 2     /* a worker: one runs, one waits */
#define PB_PEER_RATE      10000 /* a second, of the paced loop */

#ifdef __cplusplus
}
#endif

#endif
