#include "support/threads.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

/* The linker sends each call of pthread_create to __wrap_pthread_create (Makefile). */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *),
                          void *arg);

static atomic_long left = LONG_MAX; /* threads that may still be created */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *),
                          void *arg)
{
    if (atomic_load(&left) != LONG_MAX && atomic_fetch_sub(&left, 1) <= 0) {
        return EAGAIN;
    }
    return __real_pthread_create(thread, attr, body, arg);
}

void pb_thread_fail_from(long n)
{
    atomic_store(&left, n - 1);
}

void pb_thread_fail_off(void)
{
    atomic_store(&left, LONG_MAX);
}
