/*
 * poolbench/error.h - how a function in this project says that it failed.
 *
 * A function that can fail returns enum pb_status and, when the caller may want the
 * story, takes a `struct pb_error *err` as its last argument.  `err` may be NULL.
 * On success `*err` is untouched.  No function here allocates; all are thread-safe.
 */
#ifndef POOLBENCH_ERROR_H
#define POOLBENCH_ERROR_H

#include "poolbench/macros.h"

PB_C_BEGIN

enum pb_status {
    PB_OK = 0,
    PB_EINVAL,    /* the caller or the user passed a value outside the documented range */
    PB_EPARSE,    /* text could not be understood; err says where */
    PB_EFULL,     /* a bounded structure is full; nothing was changed */
    PB_ECLOSED,   /* the object is shutting down and takes no more work */
    PB_ETIMEDOUT, /* the deadline passed first */
    PB_ENOENT,    /* what was named does not exist */
    PB_EEXIST,    /* what was to be made exists already */
    PB_ECORRUPT,  /* stored data does not have the form it claims (checksum, length, version) */
    PB_ECANCELED, /* the user asked to stop (SIGINT, SIGTERM) before it could finish */
    PB_ENOTSUP,   /* known, but not built in this version or not available on this machine */
    PB_ENOMEM,    /* malloc failed */
    PB_ESYS,      /* a system call failed; err->sys_errno says which */
    PB_STATUS_COUNT
};

struct pb_error {
    enum pb_status status;
    int sys_errno; /* errno at the failure, 0 when no system call was involved */
    char text[240];
};

/* The constant's own name, such as "PB_EPARSE".  Never NULL; static storage. */
const char *pb_status_name(enum pb_status status);

/* Records the failure in `err` (when not NULL) and returns `status`, so that a
 * function can fail in one line: `return pb_fail(err, PB_EPARSE, "...", ...);`
 * With PB_ESYS the errno of the moment is kept and its text is appended. */
enum pb_status pb_fail(struct pb_error *err, enum pb_status status, const char *fmt, ...)
    PB_PRINTF(3, 4);

PB_C_END

#endif
