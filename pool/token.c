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
