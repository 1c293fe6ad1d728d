/*
 * mypool.c - a thread pool as many programs have one, and the driver that lets poolbench drive it.
 *
 *     cc -O2 -shared -fPIC -pthread $(pkg-config --cflags poolbench) -o mypool.so mypool.c
 *     poolbench run scenario.json --set pool.driver=./mypool.so
 */
#include <poolbench/pool_driver.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* --- The pool: threads around one list, a mutex and a condition variable --- */

struct mypool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pb_driver_task *first, *last; /* linked by own[0] */
    bool stopping;
    uint32_t size;
    pthread_t threads[];
};

static void *thread_main(void *arg)
{
    struct mypool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->stopping) {
            pthread_cond_wait(&pool->changed, &pool->lock);
        }
        struct pb_driver_task *task = pool->first;

        if (!task) {
            break; /* stopping, and nothing is left */
        }
        pool->first = task->own[0];
        pthread_mutex_unlock(&pool->lock);
        task->run(task, PB_DRIVER_NO_SLOT);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* --- The driver --- */

static void mypool_close(void *opaque)
{
    struct mypool *pool = opaque;

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->size; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static bool mypool_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                        size_t why_size)
{
    struct mypool *pool = calloc(1, sizeof(*pool) + config->size * sizeof(pthread_t));

    if (!pool) {
        snprintf(ret_why, why_size, "no memory");
        return false;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (; pool->size < config->size; pool->size++) {
        if (pthread_create(&pool->threads[pool->size], NULL, thread_main, pool) != 0) {
            snprintf(ret_why, why_size, "only %u threads could be started", pool->size);
            mypool_close(pool);
            return false;
        }
    }
    *ret_pool = pool;
    return true;
}

static enum pb_driver_answer mypool_submit(void *opaque, struct pb_driver_task *task)
{
    struct mypool *pool = opaque;

    task->own[0] = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->first) {
        pool->last->own[0] = task;
    } else {
        pool->first = task;
    }
    pool->last = task;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    return PB_DRIVER_OK;
}

const struct pb_pool_driver poolbench_pool_driver = {
    .version = PB_POOL_DRIVER_VERSION,
    .name = "mypool",
    .summary = "a list, a mutex and a condition variable",
    .open = mypool_open,
    .submit = mypool_submit,
    .close = mypool_close,
};
