#include <fcntl.h>
#include <poll.h>

#include "base/clock.h"
#include "pool/token.h"
#include "support/test.h"

PB_TEST(token_of_ones_own_is_set_and_reset)
{
    struct pb_token *token = pb_token_new();

    ck_assert_ptr_nonnull(token);
    ck_assert(!pb_token_cancelled(token));
    pb_token_set(token);
    ck_assert(pb_token_cancelled(token));
    /* Set, it ends a sleep at once, however long. */
    ck_assert(pb_token_sleep_until(token, INT64_MAX));
    pb_token_reset(token);
    ck_assert(!pb_token_cancelled(token));
    /* Not set, the sleep ends by its instant, which has been. */
    ck_assert(!pb_token_sleep_until(token, pb_now_ns()));
    pb_token_free(token);
    pb_token_free(NULL);
}

static bool is_readable(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };

    return poll(&look, 1, 0) == 1 && (look.revents & POLLIN);
}

PB_TEST(a_tokens_descriptor_is_readable_while_it_is_set)
{
    struct pb_token *token = pb_token_new();
    int fd = pb_token_fd(token);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd, pb_token_fd(token));
    ck_assert(!is_readable(fd));
    for (int i = 0; i < 3; i++) {
        pb_token_set(token);
        pb_token_set(token);
        ck_assert(is_readable(fd));
        pb_token_reset(token);
        ck_assert(!is_readable(fd));
    }
    pb_token_free(token);
    ck_assert_int_eq(-1, fcntl(fd, F_GETFD));
}

PB_TEST(a_descriptor_of_a_token_that_is_set_already_is_readable)
{
    struct pb_token *token = pb_token_new();

    pb_token_set(token);
    ck_assert(is_readable(pb_token_fd(token)));
    pb_token_free(token);
}
