#include "poolbench/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [PB_OK] = "PB_OK",
    [PB_EINVAL] = "PB_EINVAL",
    [PB_EPARSE] = "PB_EPARSE",
    [PB_EFULL] = "PB_EFULL",
    [PB_ECLOSED] = "PB_ECLOSED",
    [PB_ETIMEDOUT] = "PB_ETIMEDOUT",
    [PB_ENOENT] = "PB_ENOENT",
    [PB_EEXIST] = "PB_EEXIST",
    [PB_ECORRUPT] = "PB_ECORRUPT",
    [PB_ECANCELED] = "PB_ECANCELED",
    [PB_ENOTSUP] = "PB_ENOTSUP",
    [PB_ENOMEM] = "PB_ENOMEM",
    [PB_ESYS] = "PB_ESYS",
};
_Static_assert(PB_ARRAY_LEN(status_names) == PB_STATUS_COUNT, "name every status");

const char *pb_status_name(enum pb_status status)
{
    return (unsigned)status < PB_STATUS_COUNT ? status_names[status] : "PB_UNKNOWN";
}

enum pb_status pb_fail(struct pb_error *err, enum pb_status status, const char *fmt, ...)
{
    int saved_errno = errno;

    if (err) {
        va_list args;

        err->status = status;
        err->sys_errno = status == PB_ESYS ? saved_errno : 0;
        va_start(args, fmt);
        (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
        va_end(args);
        if (status == PB_ESYS) {
            char why[80] = "";
            size_t used = strlen(err->text);

            (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
                           strerror_r(saved_errno, why, sizeof(why)));
        }
    }
    return status;
}
