/*
 * pool/drivers/libuv.c - drives libuv's work queue, uv_queue_work.
 *
 * Its threads are the process's: as many as UV_THREADPOOL_SIZE said at the first use, for good.
 * poolbench opens pools of one size after another (the tuner does), so each pool gets a libuv of
 * its own: a copy of the library's file, loaded under another name, and unloaded with the pool.
 *
 * uv_queue_work may be called on the loop's thread only.  Other threads leave their tasks on a
 * stack, which the loop's thread takes whole when uv_async_send has woken it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "poolbench/pool_driver.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define LIBUV_VERSION_TEXT \
    TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(UV_VERSION_PATCH)
#define MAX_THREADS   1024 /* libuv's own limit */
#define WORKS_AT_ONCE 256

/* The functions of the pool's own libuv. */
struct api {
    int (*loop_init)(uv_loop_t *loop);
    int (*loop_close)(uv_loop_t *loop);
    int (*run)(uv_loop_t *loop, uv_run_mode mode);
    int (*async_init)(uv_loop_t *loop, uv_async_t *async, uv_async_cb on_async);
    int (*async_send)(uv_async_t *async);
    void (*close)(uv_handle_t *handle, uv_close_cb on_close);
    int (*queue_work)(uv_loop_t *loop, uv_work_t *work, uv_work_cb on_work, uv_after_work_cb after);
    void (*library_shutdown)(void);
};

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    { "uv_loop_init", offsetof(struct api, loop_init) },
    { "uv_loop_close", offsetof(struct api, loop_close) },
    { "uv_run", offsetof(struct api, run) },
    { "uv_async_init", offsetof(struct api, async_init) },
    { "uv_async_send", offsetof(struct api, async_send) },
    { "uv_close", offsetof(struct api, close) },
    { "uv_queue_work", offsetof(struct api, queue_work) },
    { "uv_library_shutdown", offsetof(struct api, library_shutdown) },
};

struct work {
    uv_work_t request; /* its data: the task */
    struct work *next;
};

/* A slab of work requests, so that none is allocated for a task. */
struct works {
    struct works *next;
    struct work works[WORKS_AT_ONCE];
};

struct pool {
    struct api api;
    void *library;
    int file; /* of the library's copy: open as long as it is loaded, so that its name stays its own
               */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t async;
    sem_t ready;
    atomic_bool stopping;
    _Atomic(struct pb_driver_task *) inbox; /* linked by own[0], the latest first */
    /* Used by the loop's thread alone. */
    struct work *free;
    struct works *slabs;
};

/* --- A libuv of one's own --- */

static int copy_of(const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("libuv", MFD_CLOEXEC);
    struct stat st;
    off_t at = 0;

    if (from >= 0 && to >= 0 && fstat(from, &st) == 0) {
        while (at < st.st_size && sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0) {
        }
        if (at == st.st_size) {
            (void)close(from);
            return to;
        }
    }
    int why = errno;

    if (from >= 0) {
        (void)close(from);
    }
    if (to >= 0) {
        (void)close(to);
    }
    errno = why;
    return -1;
}

static void unload(struct pool *pool)
{
    if (pool->library) {
        (void)dlclose(pool->library);
    }
    if (pool->file >= 0) {
        (void)close(pool->file);
    }
}

static bool find_functions(struct pool *pool)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(pool->library, functions[i].name);

        if (!function) {
            return false;
        }
        memcpy((char *)&pool->api + functions[i].offset, &function, sizeof(function));
    }
    return true;
}

static bool load(struct pool *pool, char *ret_why, size_t why_size)
{
    void *function = NULL;
    Dl_info info;
    char name[64];

    *(unsigned (**)(void)) & function = uv_version;
    if (dladdr(function, &info) == 0 || !info.dli_fname) {
        (void)snprintf(ret_why, why_size, "the library's file is not known");
        return false;
    }
    pool->file = copy_of(info.dli_fname);
    if (pool->file < 0) {
        char text[80];

        (void)snprintf(ret_why, why_size, "cannot copy %s: %s", info.dli_fname,
                       strerror_r(errno, text, sizeof(text)));
        return false;
    }
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", pool->file);
    pool->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!pool->library || !find_functions(pool)) {
        const char *why = dlerror();

        (void)snprintf(ret_why, why_size, "cannot load a copy of %s: %s", info.dli_fname,
                       why ? why : "it lacks a function");
        return false;
    }
    return true;
}

/* --- The loop's thread --- */

static struct work *take_work(struct pool *pool)
{
    if (!pool->free) {
        struct works *slab = calloc(1, sizeof(*slab));

        if (!slab) {
            return NULL;
        }
        slab->next = pool->slabs;
        pool->slabs = slab;
        for (size_t i = 0; i < WORKS_AT_ONCE; i++) {
            slab->works[i].next = pool->free;
            pool->free = &slab->works[i];
        }
    }
    struct work *work = pool->free;

    pool->free = work->next;
    return work;
}

static void on_work(uv_work_t *request)
{
    struct pb_driver_task *task = request->data;

    task->run(task, PB_DRIVER_NO_SLOT);
}

static void after_work(uv_work_t *request, int status)
{
    struct work *work = (struct work *)request;
    struct pool *pool = request->loop->data;

    (void)status; /* nothing is ever cancelled */
    work->next = pool->free;
    pool->free = work;
}

/* As first in, first out, as tasks would come from the loop's own thread. */
static struct pb_driver_task *take_inbox(struct pool *pool)
{
    struct pb_driver_task *task = atomic_exchange(&pool->inbox, NULL), *first = NULL;

    while (task) {
        struct pb_driver_task *next = task->own[0];

        task->own[0] = first;
        first = task;
        task = next;
    }
    return first;
}

static void on_async(uv_async_t *async)
{
    struct pool *pool = async->loop->data;
    struct pb_driver_task *task = take_inbox(pool);

    while (task) {
        struct pb_driver_task *next = task->own[0];
        struct work *work = take_work(pool);

        if (work) {
            work->request.data = task;
        }
        if (!work || pool->api.queue_work(&pool->loop, &work->request, on_work, after_work)) {
            task->expire(task);
        }
        task = next;
    }
    if (atomic_load(&pool->stopping)) {
        pool->api.close((uv_handle_t *)async, NULL);
    }
}

static void first_work(uv_work_t *request)
{
    struct pool *pool = request->data;

    (void)sem_post(&pool->ready);
}

static void *loop_main(void *arg)
{
    struct pool *pool = arg;
    struct work *first = take_work(pool);

    /* The first work makes libuv start its threads; open waits for it. */
    if (first) {
        first->request.data = pool;
        (void)pool->api.queue_work(&pool->loop, &first->request, first_work, after_work);
    } else {
        (void)sem_post(&pool->ready);
    }
    (void)pool->api.run(&pool->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* --- The driver --- */

static void release(struct pool *pool)
{
    while (pool->slabs) {
        struct works *next = pool->slabs->next;

        free(pool->slabs);
        pool->slabs = next;
    }
    unload(pool);
    (void)sem_destroy(&pool->ready);
    free(pool);
}

static bool start_loop(struct pool *pool)
{
    if (pool->api.loop_init(&pool->loop) != 0) {
        return false;
    }
    pool->loop.data = pool;
    if (pool->api.async_init(&pool->loop, &pool->async, on_async) == 0) {
        if (pthread_create(&pool->thread, NULL, loop_main, pool) == 0) {
            return true;
        }
        pool->api.close((uv_handle_t *)&pool->async, NULL);
        (void)pool->api.run(&pool->loop, UV_RUN_DEFAULT);
    }
    (void)pool->api.loop_close(&pool->loop);
    return false;
}

static bool libuv_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                       size_t why_size)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    const char *before = getenv("UV_THREADPOOL_SIZE");
    char *kept = before ? strdup(before) : NULL, size[16];
    bool started = false;

    if (!pool || (before && !kept)) {
        (void)snprintf(ret_why, why_size, "no memory");
        free(kept);
        free(pool);
        return false;
    }
    pool->file = -1;
    (void)sem_init(&pool->ready, 0, 0);
    (void)snprintf(size, sizeof(size), "%u", (unsigned)config->size);
    (void)setenv("UV_THREADPOOL_SIZE", size, 1);
    if (load(pool, ret_why, why_size)) {
        started = start_loop(pool);
        if (started) {
            while (sem_wait(&pool->ready) != 0) {
            }
        } else {
            (void)snprintf(ret_why, why_size, "no loop, or no thread for it, could be made");
        }
    }
    (void)(kept ? setenv("UV_THREADPOOL_SIZE", kept, 1) : unsetenv("UV_THREADPOOL_SIZE"));
    free(kept);
    if (!started) {
        release(pool);
        return false;
    }
    *ret_pool = pool;
    return true;
}

static enum pb_driver_answer libuv_submit(void *opaque, struct pb_driver_task *task)
{
    struct pool *pool = opaque;
    struct pb_driver_task *top = atomic_load_explicit(&pool->inbox, memory_order_relaxed);

    do {
        task->own[0] = top;
    } while (!atomic_compare_exchange_weak(&pool->inbox, &top, task));
    return pool->api.async_send(&pool->async) == 0 ? PB_DRIVER_OK : PB_DRIVER_FAILED;
}

static void libuv_close(void *opaque)
{
    struct pool *pool = opaque;

    atomic_store(&pool->stopping, true);
    (void)pool->api.async_send(&pool->async);
    (void)pthread_join(pool->thread, NULL);
    (void)pool->api.loop_close(&pool->loop);
    pool->api.library_shutdown(); /* ends its threads */
    release(pool);
}

const struct pb_pool_driver poolbench_pool_driver = {
    .version = PB_POOL_DRIVER_VERSION,
    .name = "libuv",
    .summary = "uv_queue_work of libuv " LIBUV_VERSION_TEXT,
    .max_size = MAX_THREADS,
    .open = libuv_open,
    .submit = libuv_submit,
    .close = libuv_close,
};
