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
