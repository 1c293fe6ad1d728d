/* A worker for poolbench in C, with the library's half of the protocol
 * (include/poolbench/worker.h). `make` builds it as build/workers/echo.  Its first argument is how
 * many requests it serves at a time (1).
 *
 * echo ARGS        answers ARGS
 * sleep {"ms": 5}  answers after so long; a cancel ends it early
 * fail {"kind": "client" or "server"}
 * leak {"bytes": 1048576}   keeps so much memory for good, and answers how much it has by now
 * crash            does not answer: the process dies
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "poolbench/worker.h"

#define SLICE_MS 10 /* a sleeper looks so often whether anybody still waits */

/* The whole number behind "KEY": in the arguments; 0: none. */
static long number_of(const char *args, const char *key)
{
    const char *at = strstr(args, key);
    const char *colon = at ? strchr(at, ':') : NULL;

    return colon ? strtol(colon + 1, NULL, 10) : 0;
}

static void sleep_ms(long ms, const _Atomic uint32_t *cancelled)
{
    while (ms > 0 && atomic_load(cancelled) == 0) {
        long slice_ms = ms < SLICE_MS ? ms : SLICE_MS;
        struct timespec slice = { .tv_nsec = slice_ms * 1000000 };

        (void)nanosleep(&slice, NULL);
        ms -= slice_ms;
    }
}

static enum pb_outcome leak(_Atomic long *kept_bytes, long bytes, struct pb_worker_reply *reply)
{
    char *block = bytes > 0 ? malloc((size_t)bytes) : NULL;

    if (!block) {
        (void)snprintf(reply->message, sizeof(reply->message), "no memory for that");
        return PB_OUTCOME_ERROR;
    }
    memset(block, 1, (size_t)bytes); /* touched, and forgotten on purpose */
    reply->value = malloc(32);
    if (reply->value) {
        (void)snprintf(reply->value, 32, "%ld", atomic_fetch_add(kept_bytes, bytes) + bytes);
    }
    return PB_OUTCOME_OK;
}

static enum pb_outcome handle(void *ctx, const struct pb_worker_request *request,
                              struct pb_worker_reply *reply)
{
    if (strcmp(request->command, "echo") == 0) {
        reply->value = strdup(request->args);
        return PB_OUTCOME_OK;
    }
    if (strcmp(request->command, "sleep") == 0) {
        sleep_ms(number_of(request->args, "\"ms\""), request->cancelled);
        return PB_OUTCOME_OK;
    }
    if (strcmp(request->command, "leak") == 0) {
        return leak(ctx, number_of(request->args, "\"bytes\""), reply);
    }
    if (strcmp(request->command, "crash") == 0) {
        abort();
    }
    if (strcmp(request->command, "fail") == 0) {
        (void)snprintf(reply->message, sizeof(reply->message), "as asked for");
        return strstr(request->args, "\"client\"") ? PB_OUTCOME_CLIENT_ERROR : PB_OUTCOME_ERROR;
    }
    (void)snprintf(reply->message, sizeof(reply->message), "unknown command %.100s",
                   request->command);
    return PB_OUTCOME_CLIENT_ERROR;
}

int main(int argc, char **argv)
{
    _Atomic long kept_bytes = 0;
    long threads = argc > 1 ? strtol(argv[1], NULL, 10) : 1;

    return pb_worker_serve(&(struct pb_worker_service){
        .handle = handle, .ctx = &kept_bytes, .threads = threads > 0 ? (uint32_t)threads : 1 });
}
