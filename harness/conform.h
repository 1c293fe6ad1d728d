/*
 * harness/conform.h - whether a worker program keeps to the protocol of docs/workers.md.
 *
 * Speaks the protocol byte by byte, apart from pool/process.c, so that messages can come in pieces,
 * two at a time, with keys of later versions, or not at all.  One thread; the worker's standard
 * error stays ours.
 */
#ifndef PB_HARNESS_CONFORM_H
#define PB_HARNESS_CONFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#include "pool/process.h"

struct pb_conform_config {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    enum pb_wire wire;
    uint32_t lanes;      /* requests that it must take at a time, >= 1 */
    int64_t timeout_ns;  /* for each answer, and for leaving */
    const char *command; /* that it is asked for; NULL: echo, whose answer must be its arguments */
    const char *args;    /* JSON text for `command`; NULL: null */
    const _Atomic int *stop; /* non-zero: end it (Ctrl-C); may be NULL */
};

enum pb_check {
    PB_CHECK_PASS,
    PB_CHECK_FAIL,
    PB_CHECK_SKIP, /* does not apply */
    PB_CHECK_COUNT
};

/* "PASS", "FAIL", "skip"; static storage. */
const char *pb_check_name(enum pb_check result);

struct pb_conform_check {
    const char *name; /* what a worker must do; static storage */
    enum pb_check result;
    int64_t took_ns;
    char text[200]; /* what was seen, or why not */
};

#define PB_CONFORM_MAX 16

struct pb_conform_report {
    struct pb_conform_check checks[PB_CONFORM_MAX];
    size_t count; /* tried; fewer than there are when it never got ready */
    size_t passed, failed;
};

/* Starts the program as often as needed and tries everything; one that never gets ready, once.
 * PB_OK: the report tells, whatever it says.  PB_EINVAL: there is no such program; PB_ECANCELED:
 * stopped; PB_ESYS, PB_ENOMEM.  No process is left. */
PB_MUST_USE enum pb_status pb_conform(const struct pb_conform_config *config,
                                      struct pb_conform_report *ret_report, struct pb_error *err);

#endif
