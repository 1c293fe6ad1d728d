/*
 * poolbench/pool_driver.h - drive a pool of your own with poolbench's scenarios: one small
 * interface.
 *
 * Build a shared object that exports `const struct pb_pool_driver poolbench_pool_driver` and name
 * it in a scenario: "pool": { "driver": "./mypool.so" }.  docs/pool-driver.md wraps a pool step by
 * step.  The drivers builtin, glib and libuv come with poolbench.
 *
 * A driver hands each task to its pool; one of the pool's threads calls task->run(task, slot)
 * exactly once for each accepted task.  poolbench stamps the times, decides timeouts that the
 * driver does not, counts and records.  What a driver cannot do it says in `abilities`; a scenario
 * that asks for it is refused before anything starts.
 */
#ifndef POOLBENCH_POOL_DRIVER_H
#define POOLBENCH_POOL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PB_POOL_DRIVER_VERSION 1

/* What a pool can do beyond running tasks on `size` threads; a bit each. */
#define PB_CAN_QUEUE_LIMIT       (1U << 0) /* submit answers PB_DRIVER_FULL beyond queue_limit */
#define PB_CAN_OVERFLOW          (1U << 1) /* max_overflow, overflow_ttl */
#define PB_CAN_CHECKOUT_TIMEOUT  (1U << 2) /* drops tasks that waited too long: task->expire */
#define PB_CAN_OPERATION_TIMEOUT (1U << 3)
#define PB_CAN_RESIZE            (1U << 4) /* resize() */
#define PB_CAN_STRATEGY          (1U << 5) /* lifo and fifo differ */

struct pb_driver_task {
    /* Runs it.  `slot`: a number below `slots` that no other running task has at the time;
     * UINT32_MAX: the driver does not number its threads, poolbench does it by itself. */
    void (*run)(struct pb_driver_task *task, uint32_t slot);
    /* Instead of run: it will never run (waited too long, or the pool is stopping). */
    void (*expire)(struct pb_driver_task *task);
    /* Two words for the driver's own use (queue links, a uv_work_t behind a pointer, ...). */
    void *own[2];
};

struct pb_driver_config {
    uint32_t size, max_overflow, queue_limit, slots;
    int64_t overflow_ttl_ns, checkout_timeout_ns, operation_timeout_ns;
    bool lifo;
};

enum pb_driver_answer {
    PB_DRIVER_OK,   /* accepted: run or expire will be called, once */
    PB_DRIVER_FULL, /* not accepted */
    PB_DRIVER_FAILED
};

struct pb_pool_driver {
    uint32_t version;    /* PB_POOL_DRIVER_VERSION */
    const char *name;    /* "glib" */
    const char *summary; /* one line: what it drives, with the version of the library */
    uint32_t abilities;  /* PB_CAN_... */
    uint32_t max_size;   /* threads it can have; 0: no limit */
    /* Makes the pool with its threads.  False: `ret_why` (of `why_size` bytes) says why. */
    bool (*open)(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                 size_t why_size);
    /* Hands a task over; from any of poolbench's generator threads, at once.  hot */
    enum pb_driver_answer (*submit)(void *pool, struct pb_driver_task *task);
    /* With PB_CAN_RESIZE.  False: not done. */
    bool (*resize)(void *pool, uint32_t size);
    /* Every accepted task has been run or expired; ends the threads and frees the pool. */
    void (*close)(void *pool);
};

#endif
