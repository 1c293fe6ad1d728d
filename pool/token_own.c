#include <stdlib.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "pool/token.h"

struct pb_token *pb_token_new(void)
{
    struct pb_token *token = calloc(1, sizeof(*token));

    if (token) {
        token->clock = pb_clock_real();
    }
    return token;
}

void pb_token_set(struct pb_token *token)
{
    atomic_store_explicit(&token->set, 1, memory_order_release);
    pb_futex_wake(&token->set);
}

void pb_token_reset(struct pb_token *token)
{
    atomic_store_explicit(&token->set, 0, memory_order_relaxed);
}

void pb_token_free(struct pb_token *token)
{
    free(token);
}
