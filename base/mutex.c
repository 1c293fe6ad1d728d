#include "base/mutex.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

void pb_mutex_init(struct pb_mutex *mutex)
{
    must(pthread_mutex_init(&mutex->os, NULL));
}

void pb_mutex_done(struct pb_mutex *mutex)
{
    must(pthread_mutex_destroy(&mutex->os));
}

void pb_mutex_lock(struct pb_mutex *mutex) PB_NO_LOCK_CHECK
{
    must(pthread_mutex_lock(&mutex->os));
}

void pb_mutex_unlock(struct pb_mutex *mutex) PB_NO_LOCK_CHECK
{
    must(pthread_mutex_unlock(&mutex->os));
}

void pb_cond_init(struct pb_cond *cond)
{
    pthread_condattr_t attr;

    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must(pthread_cond_init(&cond->os, &attr));
    must(pthread_condattr_destroy(&attr));
}

void pb_cond_done(struct pb_cond *cond)
{
    must(pthread_cond_destroy(&cond->os));
}

void pb_cond_signal(struct pb_cond *cond)
{
    must(pthread_cond_signal(&cond->os));
}

void pb_cond_broadcast(struct pb_cond *cond)
{
    must(pthread_cond_broadcast(&cond->os));
}

void pb_cond_wait(struct pb_cond *cond, struct pb_mutex *mutex)
{
    must(pthread_cond_wait(&cond->os, &mutex->os));
}

bool pb_cond_wait_until(struct pb_cond *cond, struct pb_mutex *mutex, int64_t deadline_ns)
{
    struct timespec deadline = { .tv_sec = deadline_ns / 1000000000,
                                 .tv_nsec = deadline_ns % 1000000000 };
    int rc = pthread_cond_timedwait(&cond->os, &mutex->os, &deadline);

    if (rc == ETIMEDOUT) {
        return false;
    }
    must(rc);
    return true;
}
