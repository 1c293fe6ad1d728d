/*
 * oneTBB: task_arena::enqueue, without a place for the calling thread, so that `workers` threads of
 * its own do the work.  It has no C interface: this is the only file of the project that is not C,
 * and is built only where g++ and libtbb-dev are.
 */
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "bench/peers/peer.h"

static tbb::global_control *control;
static tbb::task_arena *arena;
extern "C" {
const char *const pb_peer_generator_side = nullptr;
}

bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why)
{
    (void)variant;
    *ret_why = "no arena";
    /* One more than its own threads: the main thread counts. */
    control = new tbb::global_control(tbb::global_control::max_allowed_parallelism, workers + 1);
    arena = new tbb::task_arena(static_cast<int>(workers), 0);
    arena->initialize();
    return true;
}

void pb_peer_submit(uintptr_t sent)
{
    arena->enqueue([sent] { pb_peer_ran(sent); });
}

void pb_peer_poll(void)
{
}

bool pb_peer_close(void)
{
    return true;
}
