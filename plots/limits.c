#include "plots/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/quantity.h"
#include "plots/nothing.h"

static int by_quantile(const void *a, const void *b)
{
    const struct pb_limit *left = a, *right = b;

    if (left->quantile != right->quantile) {
        return left->quantile < right->quantile ? -1 : 1;
    }
    return left->ms < right->ms ? -1 : left->ms > right->ms;
}

/* The share that may be late says which quantile a latency objective bounds. */
static bool take_latency(const cJSON *objective, struct pb_limit *ret_limit)
{
    double bad = pb_json_num(objective, "bad_limit", PB_NOTHING);
    double limit_ns = pb_json_num(objective, "limit", PB_NOTHING);
    char text[PB_QUANTITY_TEXT];

    if (strcmp(pb_json_str(objective, "metric", ""), "latency") != 0 ||
        strcmp(pb_json_str(objective, "op", "<"), "<") != 0 || !(bad > 0 && bad < 1) ||
        !(limit_ns > 0)) {
        return false;
    }
    *ret_limit = (struct pb_limit){ .quantile = 1 - bad,
                                    .ms = limit_ns / PB_NS_PER_MS,
                                    .phase = pb_json_str(objective, "phase", "all") };
    /* 1 - 0.01 is not 0.99: six digits are what a person wrote. */
    (void)snprintf(ret_limit->text, sizeof(ret_limit->text), "p%.6g < %s", 100 * (1 - bad),
                   pb_format_duration((int64_t)limit_ns, text));
    return true;
}

size_t pb_limits_latency(const cJSON *result, struct pb_limit *ret_limits)
{
    const cJSON *objective;
    size_t count = 0;

    cJSON_ArrayForEach(objective, pb_json_at(result, "objectives"))
    {
        if (count < PB_LIMITS_MAX && take_latency(objective, &ret_limits[count])) {
            count++;
        }
    }
    qsort(ret_limits, count, sizeof(*ret_limits), by_quantile);
    return count;
}

bool pb_limits_busy(const cJSON *result, double *ret_low, double *ret_high)
{
    const cJSON *objective;

    cJSON_ArrayForEach(objective, pb_json_at(result, "objectives"))
    {
        const char *op = pb_json_str(objective, "op", "");

        if (strcmp(pb_json_str(objective, "metric", ""), "utilization") != 0) {
            continue;
        }
        bool band = strcmp(op, "in") == 0;

        *ret_low = pb_json_num(objective,
                               band         ? "limit.0"
                               : *op == '>' ? "limit"
                                            : "none",
                               PB_NOTHING);
        *ret_high = pb_json_num(objective,
                                band         ? "limit.1"
                                : *op == '<' ? "limit"
                                             : "none",
                                PB_NOTHING);
        return true;
    }
    return false;
}
