/*
 * pool/token.h - tokens as seen by who asks work to stop.  pool.h has the side of the work itself.
 * _new makes one for who runs work without a pool of this folder: another pool's threads, a test;
 * on the real clock.
 */
#ifndef PB_POOL_TOKEN_H
#define PB_POOL_TOKEN_H

#include "poolbench/pool.h"

/* Not set; NULL: no memory. */
struct pb_token *pb_token_new(void);
/* Asks the work to stop, now and until reset; any thread. */
void pb_token_set(struct pb_token *token);
/* Between two runs of work: nobody looks at the token, and nobody sets it. */
void pb_token_reset(struct pb_token *token);
/* Closes its descriptor, if it has one. */
void pb_token_close(struct pb_token *token);
/* NULL is fine. */
void pb_token_free(struct pb_token *token);

#endif
