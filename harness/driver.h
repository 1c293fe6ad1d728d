/*
 * harness/driver.h - finding and loading the shared object behind "pool": { "driver": ... }.
 *
 * Loading a driver runs its constructors, so checking a scenario that names one does, too.  A
 * driver's code stays in the process once loaded: threads of the library that it drives may
 * outlive every pool.  Thread-safe.
 */
#ifndef PB_HARNESS_DRIVER_H
#define PB_HARNESS_DRIVER_H

#include <stdbool.h>

#include "poolbench/error.h"
#include "poolbench/pool_driver.h"

#define PB_DRIVER_BUILTIN "builtin"

struct pb_driver {
    const struct pb_pool_driver *table;
    void *handle; /* of the shared object */
};

/* `name` is a driver's, looked for beside the program (drivers/) and where `make install` puts it
 * (../lib/poolbench/drivers), or a path: then it has a slash in it.  PB_ENOENT: there is none, and
 * err lists those that are; PB_EINVAL: it is none, or one of another version; PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_driver_open(const char *name, struct pb_driver **ret_driver,
                                          struct pb_error *err);
/* NULL is fine. */
void pb_driver_close(struct pb_driver *driver);

/* What is wrong with a driver's table, NULL: nothing.  Static storage. */
const char *pb_driver_mistake(const struct pb_pool_driver *table);

#endif
