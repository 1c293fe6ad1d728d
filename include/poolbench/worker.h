/*
 * poolbench/worker.h - the worker's side of the protocol (docs/workers.md) for workers in C: a
 * main() of ten lines that poolbench can start as a process worker.
 *
 *     static enum pb_outcome echo(void *ctx, const struct pb_worker_request *request,
 *                                 struct pb_worker_reply *reply) { ... }
 *     int main(void) { return pb_worker_serve(&(struct pb_worker_service){ .handle = echo }); }
 */
#ifndef POOLBENCH_WORKER_H
#define POOLBENCH_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"
#include "poolbench/pool.h"

PB_C_BEGIN

/* Valid during the call. */
struct pb_worker_request {
    uint64_t id;
    const char *command;
    const char *args;                      /* JSON text; "null" when there are none */
    const PB_ATOMIC(uint32_t) * cancelled; /* non-zero: nobody waits for the answer any more.  With
                                              one thread nobody reads meanwhile: it stays 0. */
};

struct pb_worker_reply {
    char *value;       /* JSON text from malloc, freed by the library; NULL: null */
    char *stats;       /* the same: an object, such as {"cpu_ns":1500}; NULL: none */
    char message[160]; /* with an error */
};

struct pb_worker_service {
    /* Called once before the first request, with init's settings (JSON text).  Not PB_OK: the
     * worker says why and exits with 1.  May be NULL. */
    enum pb_status (*init)(void *ctx, const char *settings, struct pb_error *err);
    /* Serves one request: PB_OUTCOME_OK, _CLIENT_ERROR or _ERROR.  Called on `threads` threads at
     * once. */
    enum pb_outcome (*handle)(void *ctx, const struct pb_worker_request *request,
                              struct pb_worker_reply *reply);
    void *ctx;
    uint32_t threads; /* 0: one; 1 serves on the calling thread */
};

/* Serves standard input and output until shutdown or end of file; returns the exit code.  Standard
 * output belongs to the protocol: printf goes to standard error from here on. */
int pb_worker_serve(const struct pb_worker_service *service);

PB_C_END

#endif
