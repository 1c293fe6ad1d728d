#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/stats.h"
#include "harness/output.h"
#include "harness/set_internal.h"

/* --- Numbers of the runs into one number --- */

enum merge {
    PB_MERGE_MEDIAN,
    PB_MERGE_SUM,
    PB_MERGE_MIN,
    PB_MERGE_MAX
};

static const struct {
    const char *key;
    enum merge merge;
} merge_rules[] = {
    { "sent", PB_MERGE_SUM },
    { "unsent", PB_MERGE_SUM },
    { "planned", PB_MERGE_SUM },
    { "retried", PB_MERGE_SUM },
    { "abandoned", PB_MERGE_SUM },
    { "given_up", PB_MERGE_SUM },
    { "count", PB_MERGE_SUM },
    { "ok", PB_MERGE_SUM },
    { "client_error", PB_MERGE_SUM },
    { "error", PB_MERGE_SUM },
    { "rejected", PB_MERGE_SUM },
    { "checkout_timeout", PB_MERGE_SUM },
    { "operation_timeout", PB_MERGE_SUM },
    { "worker_lost", PB_MERGE_SUM },
    { "cancelled", PB_MERGE_SUM },
    { "started", PB_MERGE_SUM },
    { "overflow_started", PB_MERGE_SUM },
    { "failed", PB_MERGE_SUM },
    { "stuck", PB_MERGE_SUM },
    { "behind", PB_MERGE_SUM },
    { "records", PB_MERGE_SUM },
    { "recorder_stalls", PB_MERGE_SUM },
    { "recorder_stall_ns", PB_MERGE_SUM },
    { "rescued_wakeups", PB_MERGE_SUM },
    { "events_dropped", PB_MERGE_SUM },
    { "replaced", PB_MERGE_SUM },
    { "lost", PB_MERGE_SUM },
    { "unhealthy", PB_MERGE_SUM },
    { "recycled_total", PB_MERGE_SUM },
    { "max_requests", PB_MERGE_SUM }, /* workers recycled for that */
    { "max_age", PB_MERGE_SUM },
    { "max_memory", PB_MERGE_SUM },
    { "health_checks", PB_MERGE_SUM },
    { "health_failures", PB_MERGE_SUM },
    { "prepared", PB_MERGE_SUM },
    { "prepare_failures", PB_MERGE_SUM },
    { "affinity_hits", PB_MERGE_SUM },
    { "affinity_misses", PB_MERGE_SUM },
    { "by_fault", PB_MERGE_SUM },
    { "recovered", PB_MERGE_SUM },
    { "unused", PB_MERGE_SUM },
    { "open", PB_MERGE_SUM },
    { "looks", PB_MERGE_SUM },
    { "lives", PB_MERGE_SUM },
    { "lives_dropped", PB_MERGE_SUM },
    { "detect_max_ns", PB_MERGE_MAX },
    { "ready_max_ns", PB_MERGE_MAX },
    { "rss_peak_bytes", PB_MERGE_MAX },
    { "pss_peak_bytes", PB_MERGE_MAX },
    { "fds_peak", PB_MERGE_MAX },
    { "min_ns", PB_MERGE_MIN },
    { "max_ns", PB_MERGE_MAX },
    { "peak", PB_MERGE_MAX },
    { "peak_workers", PB_MERGE_MAX },
    { "peak_queue", PB_MERGE_MAX },
    { "peak_rss_bytes", PB_MERGE_MAX },
    { "backlog", PB_MERGE_MAX },
    { "backlog_oldest_ns", PB_MERGE_MAX },
};

/* Counts are sums, extremes are extremes, everything else is the median over the runs. */
static enum merge merge_of(const char *key)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(merge_rules); i++) {
        if (strcmp(key, merge_rules[i].key) == 0) {
            return merge_rules[i].merge;
        }
    }
    return PB_MERGE_MEDIAN;
}

static double merge_values(double *values, size_t count, enum merge merge)
{
    double sum = 0;

    pb_sort(values, count);
    switch (merge) {
    case PB_MERGE_SUM:
        for (size_t i = 0; i < count; i++) {
            sum += values[i];
        }
        return sum;
    case PB_MERGE_MIN:
        return values[0];
    case PB_MERGE_MAX:
        return values[count - 1];
    case PB_MERGE_MEDIAN:
        break;
    }
    return pb_median_sorted(values, count);
}

/* Child of `parent` that stands where `child` stands in its own parent. */
static const cJSON *counterpart(const cJSON *parent, const cJSON *child, int index)
{
    return child->string ? cJSON_GetObjectItemCaseSensitive(parent, child->string)
                         : cJSON_GetArrayItem(parent, index);
}

/* Replaces each number of `into` (a copy of runs[0]'s part) by what the same place of all the parts
 * says.  A place that is a number in one run and null in another is merged over the numbers. */
static bool merge_tree(cJSON *into, const cJSON **parts, size_t count, double *values)
{
    const cJSON **children = calloc(count, sizeof(cJSON *));
    cJSON *child;
    int index = 0;
    bool ok = children != NULL;

    for (child = into->child; ok && child; child = child->next, index++) {
        size_t have = 0;

        for (size_t i = 0; i < count; i++) {
            children[i] = parts[i] ? counterpart(parts[i], child, index) : NULL;
            if (children[i] && cJSON_IsNumber(children[i])) {
                values[have++] = children[i]->valuedouble;
            }
        }
        if (cJSON_IsObject(child) || cJSON_IsArray(child)) {
            ok = merge_tree(child, children, count, values);
        } else if (have > 0 && (cJSON_IsNumber(child) || cJSON_IsNull(child))) {
            child->type = (child->type & ~0xff) | cJSON_Number; /* keeps the flags */
            (void)cJSON_SetNumberHelper(child,
                                        merge_values(values, have,
                                                     merge_of(child->string ? child->string : "")));
        }
    }
    free(children);
    return ok;
}

static bool merge_part(struct pb_set *set, const char *key)
{
    const cJSON **parts = calloc(set->count, sizeof(cJSON *));
    double *values = calloc(set->count, sizeof(*values));
    cJSON *into = cJSON_GetObjectItemCaseSensitive(set->root, key);
    bool ok = parts && values;

    for (size_t i = 0; ok && i < set->count; i++) {
        parts[i] = cJSON_GetObjectItemCaseSensitive(set->runs[i], key);
    }
    ok = ok && (!into || merge_tree(into, parts, set->count, values));
    free(parts);
    free(values);
    return ok;
}

/* --- The rest of the document --- */

void pb_set_replace(struct pb_set *set, const char *key, cJSON *item)
{
    if (!item || !set->root) {
        cJSON_Delete(item);
        set->out.failed = true;
        return;
    }
    /* In its place, so that the document reads in run.json's order. */
    if (cJSON_GetObjectItemCaseSensitive(set->root, key)) {
        if (!cJSON_ReplaceItemInObjectCaseSensitive(set->root, key, item)) {
            cJSON_Delete(item);
            set->out.failed = true;
        }
        return;
    }
    pb_out_item(&set->out, set->root, key, item);
}

static void put_runs(struct pb_set *set, const char *const *folders)
{
    cJSON *runs = pb_out_array(&set->out, set->root, "runs");

    for (size_t i = 0; i < set->count; i++) {
        const cJSON *run = set->runs[i];
        cJSON *object = pb_out_object(&set->out, runs, NULL);

        pb_out_str(&set->out, object, "folder", folders[i]);
        pb_out_int(&set->out, object, "seed", pb_json_int(run, "seed", 0));
        pb_out_str(&set->out, object, "schedule_hash", pb_json_str(run, "schedule_hash", ""));
        pb_out_str(&set->out, object, "verdict", pb_json_str(run, "verdict", "untrusted"));
        pb_out_str(&set->out, object, "reason", pb_json_str(run, "reason", ""));
        pb_out_int(&set->out, object, "elapsed_ns", pb_json_int(run, "elapsed_ns", 0));
        pb_out_num(&set->out, object, "p50_ns",
                   pb_json_num(run, "totals.latency.p50_ns", (double)NAN));
        pb_out_num(&set->out, object, "p99_ns",
                   pb_json_num(run, "totals.latency.p99_ns", (double)NAN));
    }
}

/* The warning of `id` in the list; NULL: none yet. */
static cJSON *find_warning(cJSON *warnings, const char *id)
{
    cJSON *warning;

    cJSON_ArrayForEach(warning, warnings)
    {
        if (strcmp(pb_json_str(warning, "id", ""), id) == 0) {
            return warning;
        }
    }
    return NULL;
}

/* Each kind of warning once, with the text of the first run that had it and the numbers of all. */
static void put_warnings(struct pb_set *set)
{
    cJSON *warnings = cJSON_CreateArray();

    for (size_t i = 0; i < set->count; i++) {
        const cJSON *warning;

        cJSON_ArrayForEach(warning, pb_json_at(set->runs[i], "warnings"))
        {
            const char *id = pb_json_str(warning, "id", "");
            cJSON *known = find_warning(warnings, id);
            cJSON *numbers = known ? cJSON_GetObjectItemCaseSensitive(known, "runs") : NULL;
            int last = cJSON_GetArraySize(numbers) - 1;

            if (!known) {
                known = cJSON_Duplicate(warning, true);
                pb_out_item(&set->out, warnings, NULL, known);
                numbers = set->out.failed ? NULL : pb_out_array(&set->out, known, "runs");
            }
            /* Several phases of one run may warn of the same. */
            if (last < 0 || cJSON_GetArrayItem(numbers, last)->valuedouble != (double)(i + 1)) {
                pb_out_int(&set->out, numbers, NULL, (int64_t)i + 1);
            }
        }
    }
    pb_set_replace(set, "warnings", warnings);
}

/* What the first run with something else than null says. */
static void put_first(struct pb_set *set, const char *key)
{
    for (size_t i = 0; i < set->count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(set->runs[i], key);

        if (value && !cJSON_IsNull(value)) {
            pb_set_replace(set, key, cJSON_Duplicate(value, true));
            return;
        }
    }
}

static void put_elapsed(struct pb_set *set)
{
    double sum = 0;

    for (size_t i = 0; i < set->count; i++) {
        sum += pb_json_num(set->runs[i], "elapsed_ns", 0);
    }
    pb_set_replace(set, "elapsed_ns", cJSON_CreateNumber(sum));
}

/* Faults and single workers are told run by run: they do not average. */
static void leave_out(cJSON *root)
{
    static const struct {
        const char *object, *key; /* object NULL: of the document itself */
    } parts[] = {
        { NULL, "faults" },
        { NULL, "changes" },
        { NULL, "workers_history" },
        { "recovery", "losses" },
        { "pool_activity", "ended" },
        { "worker_resources", "largest" },
        { "worker_resources", "busiest" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(parts); i++) {
        cJSON *object =
            parts[i].object ? cJSON_GetObjectItemCaseSensitive(root, parts[i].object) : root;

        cJSON_DeleteItemFromObjectCaseSensitive(object, parts[i].key);
    }
}

cJSON *pb_set_json(const struct pb_scenario *scenario, const cJSON *const *runs,
                   const char *const *folders, size_t count)
{
    static const char *const merged[] = { "phases",        "totals",    "workers",
                                          "pool_activity", "recovery",  "worker_resources",
                                          "resources",     "instrument" };
    struct pb_set set = { .runs = runs, .count = count };
    bool ok;

    (void)scenario; /* whatever a set says of its scenario stands in its runs' documents */
    if (count == 0) {
        return NULL;
    }
    set.root = cJSON_Duplicate(runs[0], true);
    ok = set.root != NULL;
    for (size_t i = 0; ok && i < PB_ARRAY_LEN(merged); i++) {
        ok = merge_part(&set, merged[i]);
    }
    pb_set_replace(&set, "id", cJSON_CreateString("")); /* the set's folder is not known here */
    put_elapsed(&set);
    put_first(&set, "signal");
    put_first(&set, "aborted");
    put_warnings(&set);
    pb_set_objectives(&set);
    pb_set_verdict(&set);
    put_runs(&set, folders);
    leave_out(set.root);
    if (!ok || set.out.failed) {
        cJSON_Delete(set.root);
        return NULL;
    }
    return set.root;
}
