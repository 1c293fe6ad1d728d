/*
 * base/mutex.h - a mutex and a condition variable whose ownership clang can check.
 *
 * None of these can fail: an error from pthread here is a bug in this program, and aborts.
 */
#ifndef PB_BASE_MUTEX_H
#define PB_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "poolbench/macros.h"

struct PB_CAPABILITY pb_mutex {
    pthread_mutex_t os;
};

struct pb_cond {
    pthread_cond_t os; /* waits against CLOCK_MONOTONIC */
};

void pb_mutex_init(struct pb_mutex *mutex);
void pb_mutex_done(struct pb_mutex *mutex);
void pb_mutex_lock(struct pb_mutex *mutex) PB_ACQUIRE(*mutex);
void pb_mutex_unlock(struct pb_mutex *mutex) PB_RELEASE(*mutex);

void pb_cond_init(struct pb_cond *cond);
void pb_cond_done(struct pb_cond *cond);
void pb_cond_signal(struct pb_cond *cond);
void pb_cond_broadcast(struct pb_cond *cond);

/* Waits on `cond`; `mutex` is released while waiting and held again on return. */
void pb_cond_wait(struct pb_cond *cond, struct pb_mutex *mutex) PB_REQUIRES(*mutex);

/* The same until the absolute CLOCK_MONOTONIC instant `deadline_ns`; false when it passed. */
bool pb_cond_wait_until(struct pb_cond *cond, struct pb_mutex *mutex, int64_t deadline_ns)
    PB_REQUIRES(*mutex);

#endif
