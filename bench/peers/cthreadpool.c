/* J. Hanssen Seferidis' C-Thread-Pool, as Debian's cthreadpool-dev has it: a header, and a source
 * file that is compiled from where the package puts it. */
#include <cthreadpool/thpool.h>
#include <stddef.h>

#include "bench/peers/peer.h"

static threadpool pool;
const char *const pb_peer_generator_side = NULL;

static void run(void *sent)
{
    pb_peer_ran((uintptr_t)sent);
}

bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why)
{
    (void)variant;
    pool = thpool_init((int)workers);
    *ret_why = "thpool_init failed";
    return pool != NULL;
}

void pb_peer_submit(uintptr_t sent)
{
    (void)thpool_add_work(pool, run, (void *)sent);
}

void pb_peer_poll(void)
{
}

bool pb_peer_close(void)
{
    return true;
}
