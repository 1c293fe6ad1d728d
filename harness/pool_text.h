/*
 * harness/pool_text.h - words about the pool of a result (run.json or set.json), for all who show
 * it.  Pure.
 */
#ifndef PB_HARNESS_POOL_TEXT_H
#define PB_HARNESS_POOL_TEXT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define PB_POOL_TEXT 128 /* bytes of these texts, with their NUL */

/* Whether another pool than the built-in one was driven. */
bool pb_pool_is_foreign(const cJSON *result);
/* "size 4, overflow 0", "glib, size 4"; `with_builtin`: "builtin, size 4". */
void pb_pool_text(const cJSON *result, bool with_builtin, char *text, size_t size);
/* The better known settings that the driver does not have: "queue_limit, strategy"; "": none. */
void pb_pool_lacks(const cJSON *result, char *text, size_t size);

#endif
