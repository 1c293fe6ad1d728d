/* GLib's GThreadPool, exclusive: all its threads are started at once and stay. */
#include <glib.h>

#include "bench/peers/peer.h"

static GThreadPool *pool;
const char *const pb_peer_generator_side = NULL;

static void run(gpointer data, gpointer user_data)
{
    (void)user_data;
    pb_peer_ran((uintptr_t)data);
}

bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why)
{
    (void)variant;
    pool = g_thread_pool_new(run, NULL, (gint)workers, TRUE, NULL);
    *ret_why = "g_thread_pool_new failed";
    return pool != NULL;
}

void pb_peer_submit(uintptr_t sent)
{
    (void)g_thread_pool_push(pool, (gpointer)sent, NULL);
}

void pb_peer_poll(void)
{
}

bool pb_peer_close(void)
{
    return true;
}
