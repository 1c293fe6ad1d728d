/*
 * poolbench/pool_driver.h - drive a pool of your own with poolbench's scenarios: one small
 * interface.  This header stands alone.
 *
 * Build a shared object that defines `const struct pb_pool_driver poolbench_pool_driver` and name
 * it in a scenario: "pool": { "driver": "./mypool.so" }.  docs/pool-driver.md wraps a pool step by
 * step.  The drivers builtin, glib and libuv come with poolbench.
 *
 * A driver hands each task to its pool; one of the pool's threads calls task->run(task, slot)
 * exactly once for each accepted task.  poolbench stamps the times, counts and records.  What a
 * driver cannot do is not imitated: it says in `abilities` what it can, and a scenario that asks
 * for more is refused before anything starts.
 */
#ifndef POOLBENCH_POOL_DRIVER_H
#define POOLBENCH_POOL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PB_POOL_DRIVER_VERSION 1

/* What a pool can do beyond running tasks on `size` threads; a bit each. */
#define PB_CAN_QUEUE_LIMIT       (1U << 0) /* submit answers PB_DRIVER_FULL beyond queue_limit */
#define PB_CAN_OVERFLOW          (1U << 1) /* max_overflow, overflow_ttl */
#define PB_CAN_CHECKOUT_TIMEOUT  (1U << 2) /* drops tasks that waited too long: task->expire */
#define PB_CAN_OPERATION_TIMEOUT (1U << 3) /* tells of tasks that run too long: task->overrun */
#define PB_CAN_RESIZE            (1U << 4) /* resize() */
#define PB_CAN_STRATEGY          (1U << 5) /* lifo and fifo differ */

/* Poolbench's; valid from submit until run or expire is called, and not touched by the driver after
 * that (but see overrun).  All functions of a task may take long (run does the work) and are called
 * holding no lock of the driver. */
struct pb_driver_task {
    /* Runs it.  `slot`: a number below `slots` that no other running task has at the time;
     * PB_DRIVER_NO_SLOT: the driver does not number its threads, poolbench does it by itself. */
    void (*run)(struct pb_driver_task *task, uint32_t slot);
    /* Instead of run: it will never run (waited too long, or the pool is stopping). */
    void (*expire)(struct pb_driver_task *task);
    /* With PB_CAN_OPERATION_TIMEOUT, from another thread while run is being executed: it takes too
     * long.  The work is asked to stop; run returns as ever.  `turn`: what the member of that name
     * was before run was called.  A call that comes too late does nothing. */
    void (*overrun)(struct pb_driver_task *task, uint32_t turn);
    uint32_t turn; /* another one each time the task is submitted */
    /* Two words for the driver's own use (queue links, a uv_work_t behind a pointer, ...). */
    void *own[2];
};
#define PB_DRIVER_NO_SLOT UINT32_MAX

/* What is not among the driver's abilities is 0 here. */
struct pb_driver_config {
    uint32_t size, max_overflow, queue_limit;
    uint32_t slots; /* at least size + max_overflow: the numbers that `run` may be given */
    int64_t overflow_ttl_ns, checkout_timeout_ns, operation_timeout_ns;
    bool lifo;
    /* With PB_CAN_OVERFLOW, called by the driver when an overflow thread has started (true) or is
     * about to end (false): told(teller, up); any thread, holding no lock of the driver. */
    void (*told)(void *teller, bool up);
    void *teller;
};

enum pb_driver_answer {
    PB_DRIVER_OK,    /* accepted: run or expire will be called, once; perhaps before this returns */
    PB_DRIVER_FULL,  /* not accepted; with PB_CAN_QUEUE_LIMIT */
    PB_DRIVER_FAILED /* not accepted, and none will be: the run ends */
};

struct pb_pool_driver {
    uint32_t version;    /* PB_POOL_DRIVER_VERSION */
    const char *name;    /* "glib": printable, up to 40 bytes */
    const char *summary; /* one line: what it drives, with the version of the library */
    uint32_t abilities;  /* PB_CAN_... */
    uint32_t max_size;   /* threads it can have; 0: no limit */
    /* Makes the pool with its threads.  False: `ret_why` (of `why_size` bytes) says why.  Several
     * pools may be open one after the other, also with different sizes. */
    bool (*open)(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                 size_t why_size);
    /* Hands a task over; from any of poolbench's generator threads, at once.  hot */
    enum pb_driver_answer (*submit)(void *pool, struct pb_driver_task *task);
    /* With PB_CAN_RESIZE; from any one thread, also under load.  False: not done. */
    bool (*resize)(void *pool, uint32_t size);
    /* Every accepted task has been run or expired; ends the threads and frees the pool.  None of
     * its threads touches it afterwards. */
    void (*close)(void *pool);
};

/* What a shared object defines.  In C++ this declaration gives it C linkage. */
extern __attribute__((visibility("default"))) const struct pb_pool_driver poolbench_pool_driver;

#ifdef __cplusplus
}
#endif

#endif
