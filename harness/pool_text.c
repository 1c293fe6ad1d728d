#include "harness/pool_text.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "harness/driver.h"

bool pb_pool_is_foreign(const cJSON *result)
{
    return strcmp(pb_json_str(result, "pool.driver.name", PB_DRIVER_BUILTIN), PB_DRIVER_BUILTIN) !=
           0;
}

void pb_pool_text(const cJSON *result, bool with_builtin, char *text, size_t size)
{
    bool foreign = pb_pool_is_foreign(result);
    int64_t overflow = pb_json_int(result, "pool.max_overflow", 0);
    bool processes = strcmp(pb_json_str(result, "pool.profile", "thread"), "process") == 0;
    long long threads = (long long)pb_json_int(result, "pool.threads_per_worker", 1);
    char tail[40] = "", kind[48] = "";

    if (overflow > 0 || (!foreign && !with_builtin)) {
        (void)snprintf(tail, sizeof(tail), ", overflow %lld", (long long)overflow);
    }
    if (threads > 1) {
        (void)snprintf(kind, sizeof(kind), ", %lld requests each", threads);
    }
    (void)snprintf(text, size, "%.40s%ssize %lld%s%s%s",
                   foreign || with_builtin
                       ? pb_json_str(result, "pool.driver.name", PB_DRIVER_BUILTIN)
                       : "",
                   foreign || with_builtin ? ", " : "",
                   (long long)pb_json_int(result, "pool.size", 0), tail,
                   processes ? ", processes" : "", kind);
}

void pb_pool_lacks(const cJSON *result, char *text, size_t size)
{
    /* Those that people choose a pool for; the whole list is in the result. */
    static const char *const known[] = { "max_overflow", "queue_limit", "checkout_timeout",
                                         "operation_timeout", "strategy" };
    const cJSON *name;
    size_t used = 0;

    *text = '\0';
    cJSON_ArrayForEach(name, pb_json_at(result, "pool.driver.not_by_driver"))
    {
        for (size_t i = 0; i < PB_ARRAY_LEN(known); i++) {
            if (cJSON_IsString(name) && strcmp(name->valuestring, known[i]) == 0 && used < size) {
                used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                                         known[i]);
            }
        }
    }
}
