/*
 * base/version.h - which program this is: the only file that knows the revision.
 */
#ifndef PB_BASE_VERSION_H
#define PB_BASE_VERSION_H

#define PB_VERSION "0.1.0"

const char *pb_revision(void);   /* git describe at build time, "unknown" outside a checkout */
const char *pb_compiler(void);   /* "gcc 12.2.0" */
const char *pb_build_mode(void); /* "optimised", "unoptimised", with "+asan" or "+tsan" */

#endif
