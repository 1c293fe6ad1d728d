/*
 * tests/cli/bad_driver.c - drivers that break their word, one for each -D: what poolbench says of
 * them.  Their pool runs each task at once, on the thread that submits it.
 */
#include <poolbench/pool_driver.h>
#include <stdio.h>

#ifndef VERSION
#define VERSION PB_POOL_DRIVER_VERSION
#endif

static int pool;

static bool bad_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                     size_t why_size)
{
    (void)config;
    (void)snprintf(ret_why, why_size, "it is Sunday");
    *ret_pool = &pool;
#ifdef REFUSES
    return false;
#else
    return true;
#endif
}

static enum pb_driver_answer bad_submit(void *opaque, struct pb_driver_task *task)
{
    static unsigned count;

    (void)opaque;
    count++;
#if defined(LOSES)
    if (count < 100 || count % 10 != 0) { /* the calibration goes well */
        task->run(task, 0);
    }
#elif defined(TWICE)
    task->run(task, 0);
    task->run(task, 0);
#elif defined(FULL)
    if (count > 20) {
        return PB_DRIVER_FULL;
    }
    task->run(task, 0);
#else
    task->run(task, 0);
#endif
    return PB_DRIVER_OK;
}

static void bad_close(void *opaque)
{
    (void)opaque;
}

#ifndef NO_TABLE
const struct pb_pool_driver poolbench_pool_driver = {
    .version = VERSION,
    .name = "bad",
    .summary = "for a test",
    .max_size = 16,
    .open = bad_open,
#ifndef NO_SUBMIT
    .submit = bad_submit,
#endif
    .close = bad_close,
};
#endif
