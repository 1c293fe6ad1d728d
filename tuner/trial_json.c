#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tuner/tuner_internal.h"

/* NaN is written as null, infinity as a number that no measurement reaches. */
static void add_number(struct pb_fill *fill, cJSON *object, const char *key, double value)
{
    pb_fill_item(fill, object, key,
                 isnan(value) ? cJSON_CreateNull()
                              : cJSON_CreateNumber(isinf(value) ? PB_FILL_INFINITY : value));
}

static void add_objective(const struct pb_trial_objective *o, struct pb_fill *fill, cJSON *array)
{
    cJSON *item = pb_fill_object(fill, array, NULL);

    pb_fill_text(fill, item, "answer", pb_answer_name(o->answer));
    add_number(fill, item, "measured", o->measured);
    add_number(fill, item, "limit", o->limit);
    add_number(fill, item, "limit_high", o->limit_high);
    add_number(fill, item, "bad_ratio", o->bad_ratio);
    add_number(fill, item, "bad_limit", o->bad_limit);
    add_number(fill, item, "bad_low", o->bad_low);
    add_number(fill, item, "bad_high", o->bad_high);
}

void pb_trial_to_json(const struct pb_trial_result *result, struct pb_fill *fill, cJSON *line)
{
    const char *why = result->crashed ? result->crashed_why : result->invalid_why;
    cJSON *array;

    pb_fill_bool(fill, line, "valid", result->valid);
    pb_fill_bool(fill, line, "crashed", result->crashed);
    pb_fill_text(fill, line, "why", why);
    add_number(fill, line, "p50_ns", (double)result->p50_ns);
    add_number(fill, line, "p99_ns", (double)result->p99_ns);
    add_number(fill, line, "mean_workers", result->mean_workers);
    add_number(fill, line, "throughput_per_s", result->throughput_per_s);
    add_number(fill, line, "utilization_ratio", result->utilization_ratio);
    add_number(fill, line, "peak_rss_bytes", (double)result->peak_rss_bytes);
    add_number(fill, line, "requests", (double)result->requests);
    add_number(fill, line, "elapsed_ns", (double)result->elapsed_ns);
    array = pb_fill_array(fill, line, "objectives");
    for (size_t i = 0; i < result->objective_count; i++) {
        add_objective(&result->objectives[i], fill, array);
    }
}

static enum pb_answer answer_of(const char *name)
{
    for (int i = 0; i < PB_ANSWER_COUNT; i++) {
        if (strcmp(pb_answer_name((enum pb_answer)i), name) == 0) {
            return (enum pb_answer)i;
        }
    }
    return PB_ANSWER_NO_DATA;
}

enum pb_status pb_trial_from_json(const cJSON *line, size_t objective_count,
                                  struct pb_trial_result *ret_result, struct pb_error *err)
{
    const cJSON *array = pb_json_at(line, "objectives"), *item = NULL;
    struct pb_trial_result result = { 0 };

    result.valid = pb_json_bool(line, "valid", false);
    result.crashed = pb_json_bool(line, "crashed", false);
    snprintf(result.crashed ? result.crashed_why : result.invalid_why,
             result.crashed ? sizeof(result.crashed_why) : sizeof(result.invalid_why), "%s",
             pb_json_str(line, "why", ""));
    result.p50_ns = pb_json_int(line, "p50_ns", 0);
    result.p99_ns = pb_json_int(line, "p99_ns", 0);
    result.mean_workers = pb_json_num(line, "mean_workers", PB_NO_NUMBER);
    result.throughput_per_s = pb_json_num(line, "throughput_per_s", PB_NO_NUMBER);
    result.utilization_ratio = pb_json_num(line, "utilization_ratio", PB_NO_NUMBER);
    result.peak_rss_bytes = pb_json_int(line, "peak_rss_bytes", -1);
    result.requests = (uint64_t)pb_json_int(line, "requests", 0);
    result.elapsed_ns = pb_json_int(line, "elapsed_ns", 0);
    if (!cJSON_IsArray(array) || (size_t)cJSON_GetArraySize(array) > PB_OBJECTIVES_MAX ||
        (result.valid && !result.crashed && (size_t)cJSON_GetArraySize(array) != objective_count)) {
        return pb_fail(err, PB_ECORRUPT,
                       "the journal's trial %" PRId64 " was judged by other objectives",
                       pb_json_int(line, "trial", 0));
    }
    cJSON_ArrayForEach(item, array)
    {
        result.objectives[result.objective_count++] = (struct pb_trial_objective){
            .answer = answer_of(pb_json_str(item, "answer", "")),
            .measured = pb_json_num(item, "measured", PB_NO_NUMBER),
            .limit = pb_json_num(item, "limit", PB_NO_NUMBER),
            .limit_high = pb_json_num(item, "limit_high", PB_NO_NUMBER),
            .bad_ratio = pb_json_num(item, "bad_ratio", PB_NO_NUMBER),
            .bad_limit = pb_json_num(item, "bad_limit", PB_NO_NUMBER),
            .bad_low = pb_json_num(item, "bad_low", PB_NO_NUMBER),
            .bad_high = pb_json_num(item, "bad_high", PB_NO_NUMBER),
        };
    }
    *ret_result = result;
    return PB_OK;
}
