/*
 * base/cpus.h - how many CPUs this thread may run on.
 */
#ifndef PB_BASE_CPUS_H
#define PB_BASE_CPUS_H

/* By the calling thread's affinity mask; at least 1.  Thread-safe. */
int pb_usable_cpus(void);

#endif
