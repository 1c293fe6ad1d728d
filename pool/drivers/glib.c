/*
 * pool/drivers/glib.c - drives GLib's GThreadPool, with threads of its own ("exclusive"), all of
 * them started when the pool is opened.
 */
#include <glib.h>
#include <stdio.h>

#include "poolbench/pool_driver.h"

#define GLIB_VERSION_TEXT           \
    G_STRINGIFY(GLIB_MAJOR_VERSION) \
    "." G_STRINGIFY(GLIB_MINOR_VERSION) "." G_STRINGIFY(GLIB_MICRO_VERSION)

static void run_task(gpointer data, gpointer unused)
{
    struct pb_driver_task *task = data;

    (void)unused;
    task->run(task, PB_DRIVER_NO_SLOT);
}

static bool glib_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                      size_t why_size)
{
    GError *error = NULL;
    GThreadPool *pool = g_thread_pool_new(run_task, NULL, (gint)config->size, TRUE, &error);

    if (error) {
        (void)snprintf(ret_why, why_size, "%s", error->message);
        g_error_free(error);
        g_thread_pool_free(pool, TRUE, TRUE);
        return false;
    }
    *ret_pool = pool;
    return true;
}

static enum pb_driver_answer glib_submit(void *pool, struct pb_driver_task *task)
{
    /* False would mean that one more thread could not be started; the task is queued all the
     * same. */
    (void)g_thread_pool_push(pool, task, NULL);
    return PB_DRIVER_OK;
}

static bool glib_resize(void *pool, uint32_t size)
{
    return g_thread_pool_set_max_threads(pool, (gint)size, NULL);
}

static void glib_close(void *pool)
{
    g_thread_pool_free(pool, FALSE, TRUE);
}

const struct pb_pool_driver poolbench_pool_driver = {
    .version = PB_POOL_DRIVER_VERSION,
    .name = "glib",
    .summary = "GThreadPool (exclusive) of GLib " GLIB_VERSION_TEXT,
    .abilities = PB_CAN_RESIZE,
    .open = glib_open,
    .submit = glib_submit,
    .resize = glib_resize,
    .close = glib_close,
};
