/*
 * poolbench/macros.h - the few macros the whole project uses.  Leaf: includes no project header.
 */
#ifndef POOLBENCH_MACROS_H
#define POOLBENCH_MACROS_H

/* The public headers are C11, and C++ reads them too: as the C++23 standard has it, _Atomic(T)
 * there is std::atomic<T>. */
#ifdef __cplusplus
#include <atomic>
#define PB_C_BEGIN      extern "C" {
#define PB_C_END        }
#define PB_ATOMIC(type) std::atomic<type>
#else
#define PB_C_BEGIN
#define PB_C_END
#define PB_ATOMIC(type) _Atomic(type)
#endif

#define PB_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define PB_MUST_USE           __attribute__((warn_unused_result))
#define PB_UNUSED             __attribute__((unused))
#define PB_ARRAY_LEN(a)       (sizeof(a) / sizeof((a)[0]))

/* The size of a cache line: data of different writers stand at least this far apart. */
#define PB_CACHELINE 64

/* Runs fn(&variable) when the variable leaves scope, on every path. */
#define PB_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Returns from the calling function when `expr` is not PB_OK. */
#define PB_TRY(expr)                            \
    do {                                        \
        enum pb_status pb_try_status_ = (expr); \
        if (pb_try_status_ != PB_OK) {          \
            return pb_try_status_;              \
        }                                       \
    } while (0)

/*
 * Lock ownership.  PB_GUARDED_BY is a note for the reader: in C, clang 14 cannot resolve a
 * sibling field inside the attribute.  The other three are checked by `make lint`
 * (clang -Wthread-safety) and vanish under gcc.
 */
#define PB_GUARDED_BY(lock)
#if defined(__clang__)
#define PB_CAPABILITY     __attribute__((capability("mutex")))
#define PB_REQUIRES(lock) __attribute__((requires_capability(lock)))
#define PB_ACQUIRE(lock)  __attribute__((acquire_capability(lock)))
#define PB_RELEASE(lock)  __attribute__((release_capability(lock)))
#define PB_NO_LOCK_CHECK  __attribute__((no_thread_safety_analysis))
#else
#define PB_CAPABILITY
#define PB_REQUIRES(lock)
#define PB_ACQUIRE(lock)
#define PB_RELEASE(lock)
#define PB_NO_LOCK_CHECK
#endif

#endif
