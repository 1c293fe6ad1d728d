/*
 * libuv's work queue.  A uv_work_t belongs to libuv until its after-work callback has run on the
 * loop's thread, so that the generator, whose loop it is, runs the loop to get them back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "bench/peers/peer.h"

/* As many as may be on their way, and those whose return the loop has not told yet. */
#define WORKS ((size_t)8 * PB_PEER_BACKLOG)

static uv_loop_t loop;
static uv_work_t *works[WORKS], *storage; /* works[0 .. unused - 1] are free */
static size_t unused;
const char *const pb_peer_generator_side = NULL;

static void run(uv_work_t *work)
{
    pb_peer_ran((uintptr_t)work->data);
}

static void after(uv_work_t *work, int status)
{
    (void)status;
    works[unused++] = work;
}

bool pb_peer_open(unsigned workers, const char *variant, const char **ret_why)
{
    char size[16];

    (void)variant;
    (void)snprintf(size, sizeof(size), "%u", workers);
    *ret_why = "no loop";
    storage = calloc(WORKS, sizeof(*storage));
    for (; storage && unused < WORKS; unused++) {
        works[unused] = &storage[unused];
    }
    return storage && setenv("UV_THREADPOOL_SIZE", size, 1) == 0 && uv_loop_init(&loop) == 0;
}

void pb_peer_submit(uintptr_t sent)
{
    while (unused == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    uv_work_t *work = works[--unused];

    work->data = (void *)sent;
    if (uv_queue_work(&loop, work, run, after) != 0) {
        abort();
    }
}

void pb_peer_poll(void)
{
    if (unused < WORKS) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
}

bool pb_peer_close(void)
{
    return true;
}
