#include "pool/token.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"

bool pb_token_cancelled(const struct pb_token *token)
{
    return atomic_load_explicit(&token->set, memory_order_acquire) != 0;
}

bool pb_token_sleep_until(struct pb_token *token, int64_t instant_ns)
{
    bool real = token->clock == pb_clock_real();

    while (!pb_token_cancelled(token)) {
        if (pb_clock_now_ns(token->clock) >= instant_ns) {
            return false;
        }
        /* A hand-turned clock says nothing of when it will be turned: look again now and then. */
        pb_futex_wait(&token->set, 0, real ? instant_ns : pb_now_ns() + PB_NS_PER_MS);
    }
    return true;
}

static void make_readable(int fd)
{
    /* It fails only when it is readable 2^64 times over. */
    (void)!write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

int pb_token_fd(struct pb_token *token)
{
    int32_t plus_1 = atomic_load(&token->fd_plus_1);

    if (plus_1 != 0) {
        return plus_1 - 1;
    }
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0) {
        return -1;
    }
    if (!atomic_compare_exchange_strong(&token->fd_plus_1, &plus_1, fd + 1)) {
        (void)close(fd); /* two threads asked at once */
        return plus_1 - 1;
    }
    /* Whoever sets the token stores `set`, then looks for a descriptor; we have stored the
     * descriptor and look at `set`.  All seq_cst: one of us makes it readable. */
    if (atomic_load(&token->set) != 0) {
        make_readable(fd);
    }
    return fd;
}

void pb_token_set(struct pb_token *token)
{
    atomic_store(&token->set, 1);
    pb_futex_wake(&token->set);

    int32_t plus_1 = atomic_load(&token->fd_plus_1);

    if (plus_1 != 0) {
        make_readable(plus_1 - 1);
    }
}

void pb_token_reset(struct pb_token *token)
{
    int32_t plus_1 = atomic_load(&token->fd_plus_1);
    uint64_t count;

    if (atomic_exchange(&token->set, 0) != 0 && plus_1 != 0) {
        (void)!read(plus_1 - 1, &count, sizeof(count));
    }
}

void pb_token_close(struct pb_token *token)
{
    int32_t plus_1 = atomic_load(&token->fd_plus_1);

    if (plus_1 != 0) {
        (void)close(plus_1 - 1);
    }
}
