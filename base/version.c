#include "base/version.h"

#ifndef PB_REVISION
#define PB_REVISION "unknown"
#endif

#ifdef __OPTIMIZE__
#define OPTIMISED "optimised"
#else
#define OPTIMISED "unoptimised"
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER "+asan"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER "+tsan"
#else
#define SANITIZER ""
#endif

const char *pb_revision(void)
{
    return PB_REVISION;
}

const char *pb_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *pb_build_mode(void)
{
    return OPTIMISED SANITIZER;
}
