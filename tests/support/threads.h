/*
 * tests/support/threads.h - makes threads run out: pthread_create from this project fails with
 * EAGAIN.
 */
#ifndef PB_TESTS_SUPPORT_THREADS_H
#define PB_TESTS_SUPPORT_THREADS_H

/* From now on thread number `n` (from 1) and all later ones cannot be created. */
void pb_thread_fail_from(long n);
/* Threads can be had again. */
void pb_thread_fail_off(void);

#endif
