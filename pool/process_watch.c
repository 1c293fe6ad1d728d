#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pool/process_internal.h"

#define STOP_SERIAL 0 /* the serial of what ends the thread */

struct watched {
    uint64_t serial; /* not its address: an event may be older than what stands there now */
    struct pb_process *process;
    struct pb_worker_id id;
    struct watched *next;
};

struct pb_process_watch {
    /* Constant after _new. */
    void (*died)(void *ctx, struct pb_process *process, const struct pb_worker_id *id);
    void *ctx;
    int epoll_fd;
    int stop_fd;
    pthread_t thread;

    struct pb_mutex lock;
    struct pb_cond told; /* no call is under way any more */
    struct watched *all PB_GUARDED_BY(lock);
    struct pb_process *telling PB_GUARDED_BY(lock); /* whose `died` runs; NULL: none does */
    uint64_t last_serial PB_GUARDED_BY(lock);
};

/* Its place in the list; what it points at is NULL when it is not there. */
static struct watched **find_locked(struct pb_process_watch *watch,
                                    const struct pb_process *process, uint64_t serial)
    PB_REQUIRES(watch->lock)
{
    struct watched **at = &watch->all;

    while (*at && (*at)->process != process && (*at)->serial != serial) {
        at = &(*at)->next;
    }
    return at;
}

static void tell(struct pb_process_watch *watch, uint64_t serial)
{
    struct watched dead = { 0 };

    pb_mutex_lock(&watch->lock);

    const struct watched *found = *find_locked(watch, NULL, serial);

    if (found) {
        dead = *found;
        watch->telling = found->process;
    }
    pb_mutex_unlock(&watch->lock);
    if (!dead.process) {
        return;
    }
    watch->died(watch->ctx, dead.process, &dead.id);
    pb_mutex_lock(&watch->lock);
    watch->telling = NULL;
    pb_cond_broadcast(&watch->told);
    pb_mutex_unlock(&watch->lock);
}

static void *watch_main(void *arg)
{
    struct pb_process_watch *watch = arg;

    for (;;) {
        struct epoll_event event = { 0 };
        int count = epoll_wait(watch->epoll_fd, &event, 1, -1);

        if (count > 0 && event.data.u64 == STOP_SERIAL) {
            return NULL;
        }
        if (count > 0) {
            tell(watch, event.data.u64);
        }
    }
}

/* Tells once: a death does not go away. */
static bool listen_to(int epoll_fd, int fd, uint64_t serial)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = serial };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void free_watch(struct pb_process_watch *watch)
{
    while (watch->all) {
        struct watched *next = watch->all->next;

        free(watch->all);
        watch->all = next;
    }
    if (watch->epoll_fd >= 0) {
        (void)close(watch->epoll_fd);
    }
    if (watch->stop_fd >= 0) {
        (void)close(watch->stop_fd);
    }
    pb_cond_done(&watch->told);
    pb_mutex_done(&watch->lock);
    free(watch);
}

static enum pb_status start_watch(struct pb_process_watch *watch, struct pb_error *err)
{
    watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (watch->epoll_fd < 0 || watch->stop_fd < 0 ||
        !listen_to(watch->epoll_fd, watch->stop_fd, STOP_SERIAL)) {
        return pb_fail(err, PB_ESYS, "cannot watch worker processes");
    }
    int rc = pthread_create(&watch->thread, NULL, watch_main, watch);

    if (rc != 0) {
        errno = rc;
        return pb_fail(err, PB_ESYS, "cannot start a thread that watches worker processes");
    }
    (void)pthread_setname_np(watch->thread, "pb-watch");
    return PB_OK;
}

enum pb_status pb_process_watch_new(void (*died)(void *ctx, struct pb_process *process,
                                                 const struct pb_worker_id *id),
                                    void *ctx, struct pb_process_watch **ret_watch,
                                    struct pb_error *err)
{
    struct pb_process_watch *watch = calloc(1, sizeof(*watch));

    if (!watch) {
        return pb_fail(err, PB_ENOMEM, "no memory to watch worker processes");
    }
    watch->died = died;
    watch->ctx = ctx;
    watch->epoll_fd = watch->stop_fd = -1;
    pb_mutex_init(&watch->lock);
    pb_cond_init(&watch->told);

    enum pb_status status = start_watch(watch, err);

    if (status != PB_OK) {
        free_watch(watch);
        return status;
    }
    *ret_watch = watch;
    return PB_OK;
}

enum pb_status pb_process_watch_add(struct pb_process_watch *watch, struct pb_process *process,
                                    const struct pb_worker_id *id)
{
    struct watched *one = calloc(1, sizeof(*one));

    if (!one) {
        return PB_ENOMEM;
    }
    one->process = process;
    one->id = *id;
    pb_mutex_lock(&watch->lock);
    one->serial = ++watch->last_serial;
    one->next = watch->all;
    watch->all = one;

    bool heard = listen_to(watch->epoll_fd, process->pidfd, one->serial);

    if (!heard) {
        watch->all = one->next;
        free(one);
    }
    pb_mutex_unlock(&watch->lock);
    return heard ? PB_OK : PB_ESYS;
}

void pb_process_watch_remove(struct pb_process_watch *watch, struct pb_process *process)
{
    pb_mutex_lock(&watch->lock);

    struct watched **at = find_locked(watch, process, UINT64_MAX);
    struct watched *one = *at;

    if (one) {
        (void)epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, process->pidfd, NULL);
        *at = one->next;
    }
    /* From inside `died` the call under way is its own. */
    while (process && watch->telling == process && !pthread_equal(pthread_self(), watch->thread)) {
        pb_cond_wait(&watch->told, &watch->lock);
    }
    pb_mutex_unlock(&watch->lock);
    free(one);
}

void pb_process_watch_free(struct pb_process_watch *watch)
{
    static const uint64_t one = 1;

    if (!watch) {
        return;
    }
    (void)!write(watch->stop_fd, &one, sizeof(one));
    (void)pthread_join(watch->thread, NULL);
    free_watch(watch);
}
