#include "support/alloc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"

/* The linker sends each call of NAME to __wrap_NAME, and __real_NAME to the original (Makefile). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **ret, size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
int __real_vasprintf(char **ret, const char *fmt, va_list args) PB_PRINTF(2, 0);
char *__real_realpath(const char *path, char *resolved);
void __real__mark_point(const char *file, int line);
_Noreturn void __real__ck_assert_failed(const char *file, int line, const char *expr,
                                        const char *msg, ...) PB_PRINTF(4, 5);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **ret, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
int __wrap_vasprintf(char **ret, const char *fmt, va_list args) PB_PRINTF(2, 0);
int __wrap_asprintf(char **ret, const char *fmt, ...) PB_PRINTF(2, 3);
char *__wrap_realpath(const char *path, char *resolved);
void __wrap__mark_point(const char *file, int line);
_Noreturn void __wrap__ck_assert_failed(const char *file, int line, const char *expr,
                                        const char *msg, ...) PB_PRINTF(4, 5);

static struct {
    atomic_bool armed;
    atomic_bool failed;
    atomic_long count; /* allocations since armed */
    long first, last;  /* those that fail; written while not armed */
} state;

static _Thread_local bool paused; /* in Check's own code */

static bool must_fail(void)
{
    if (!atomic_load(&state.armed) || paused) {
        return false;
    }
    long number = atomic_fetch_add(&state.count, 1) + 1;

    if (number < state.first || number > state.last) {
        return false;
    }
    atomic_store(&state.failed, true);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return must_fail() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **ret, size_t alignment, size_t size)
{
    return must_fail() ? ENOMEM : __real_posix_memalign(ret, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t max)
{
    return must_fail() ? NULL : __real_strndup(text, max);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list args)
{
    return must_fail() ? -1 : __real_vasprintf(ret, fmt, args);
}

int __wrap_asprintf(char **ret, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = __wrap_vasprintf(ret, fmt, args);
    va_end(args);
    return len;
}

char *__wrap_realpath(const char *path, char *resolved)
{
    return !resolved && must_fail() ? NULL : __real_realpath(path, resolved);
}

/* Check tells its parent about each assertion that passed, and gives up without memory for it. */
void __wrap__mark_point(const char *file, int line)
{
    paused = true;
    __real__mark_point(file, line);
    paused = false;
}

_Noreturn void __wrap__ck_assert_failed(const char *file, int line, const char *expr,
                                        const char *msg, ...)
{
    char text[2000] = "";
    va_list args;

    pb_alloc_fail_off();
    if (msg) {
        va_start(args, msg);
        (void)vsnprintf(text, sizeof(text), msg, args);
        va_end(args);
        __real__ck_assert_failed(file, line, expr, "%s", text);
    }
    __real__ck_assert_failed(file, line, expr, NULL);
}

/* cJSON is a shared library, out of the linker's reach.  The block is the same one that malloc
 * gives, so that it does not matter with which hooks it is freed. */
static void *hook_malloc(size_t size)
{
    return malloc(size);
}

static void arm(long first, long last)
{
    static cJSON_Hooks hooks = { hook_malloc, free };

    pb_alloc_fail_off();
    cJSON_InitHooks(&hooks);
    state.first = first;
    state.last = last;
    atomic_store(&state.count, 0);
    atomic_store(&state.failed, false);
    atomic_store(&state.armed, true);
}

void pb_alloc_fail_at(long n)
{
    arm(n, LONG_MAX);
}

void pb_alloc_fail_once(long n)
{
    arm(n, n);
}

void pb_alloc_fail_off(void)
{
    if (atomic_exchange(&state.armed, false)) {
        cJSON_InitHooks(NULL);
    }
}

bool pb_alloc_failed(void)
{
    return atomic_load(&state.failed);
}

bool pb_alloc_walk_next(struct pb_alloc_walk *walk)
{
    pb_alloc_fail_off();
    if (walk->n > 0 && !pb_alloc_failed()) {
        if (walk->once) {
            return false;
        }
        walk->once = true;
        walk->n = 0;
    }
    walk->n++;
    ck_assert_msg(walk->n < 100000, "the body of the walk allocates without end");
    if (walk->once) {
        pb_alloc_fail_once(walk->n);
    } else {
        pb_alloc_fail_at(walk->n);
    }
    return true;
}
