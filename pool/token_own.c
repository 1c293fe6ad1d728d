#include <stdlib.h>

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

void pb_token_free(struct pb_token *token)
{
    if (token) {
        pb_token_close(token);
        free(token);
    }
}
