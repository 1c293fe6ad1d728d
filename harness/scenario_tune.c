#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "harness/scenario_internal.h"

/* Integer ranges of at most so many values are taken whole; wider ones on the 1-2-5 grid. */
#define WHOLE_MAX 1025
/* A range of durations from 0 begins its grid at high / 1000, but not under 1 us. */
#define ZERO_RATIO 1000

static void add_value(struct pb_binder *binder, struct pb_vary *vary, const char *text)
{
    char **more = realloc(vary->values, (vary->count + 1) * sizeof(*more));

    if (!more) {
        pb_bind_no_memory(binder);
        return;
    }
    vary->values = more;
    vary->values[vary->count] = pb_bind_copy_text(binder, text);
    vary->count += vary->values[vary->count] ? 1 : 0;
}

static void add_number(struct pb_binder *binder, struct pb_vary *vary, int64_t value)
{
    char text[48];

    pb_field_number(vary->field, (double)value, text, sizeof(text));
    add_value(binder, vary, text);
}

/* The least of 1, 2, 5, 10, 20, 50, ... that is more than `value`. */
static int64_t next_step(int64_t value)
{
    int64_t decade = 1;

    while (decade <= INT64_MAX / 100 && decade * 10 <= value) {
        decade *= 10;
    }
    return value < 2 * decade ? 2 * decade : value < 5 * decade ? 5 * decade : 10 * decade;
}

/* Both ends, and the 1-2-5 steps between. */
static void add_grid(struct pb_binder *binder, struct pb_vary *vary, int64_t low, int64_t high,
                     int64_t first)
{
    int64_t step = low > 0 ? next_step(low) : first;

    add_number(binder, vary, low);
    for (; step < high && binder->status == PB_OK; step = next_step(step)) {
        add_number(binder, vary, step);
    }
    if (high > low) {
        add_number(binder, vary, high);
    }
}

static void add_range(struct pb_binder *binder, struct pb_vary *vary, int64_t low, int64_t high)
{
    if (vary->field->type == PB_FIELD_DURATION) {
        int64_t first = high / ZERO_RATIO > PB_NS_PER_US ? high / ZERO_RATIO : PB_NS_PER_US;

        add_grid(binder, vary, low, high, next_step(first - 1));
    } else if (high - low >= WHOLE_MAX) {
        add_grid(binder, vary, low, high, 1);
    } else {
        for (int64_t value = low; value <= high && binder->status == PB_OK; value++) {
            add_number(binder, vary, value);
        }
    }
}

static void bind_range(struct pb_binder *binder, const cJSON *node, const char *path,
                       struct pb_vary *vary)
{
    char low_text[64], high_text[64];
    union pb_value low = { .integer = 0 }, high = { .integer = 0 };
    struct pb_error err = { .status = PB_OK };

    if (vary->field->type != PB_FIELD_INTEGER && vary->field->type != PB_FIELD_DURATION) {
        pb_bind_problem(binder, node, path, "takes a list of values such as [\"%s\"], not a range",
                        vary->field->def ? vary->field->def : "");
        return;
    }
    if (pb_split_range(node->valuestring, low_text, high_text, sizeof(low_text), &err) != PB_OK ||
        pb_value_parse(vary->field, low_text, &low, &err) != PB_OK ||
        pb_value_parse(vary->field, high_text, &high, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return;
    }
    if (low.integer > high.integer) {
        pb_bind_problem(binder, node, path, "\"%.60s\": the lower end comes first",
                        node->valuestring);
        return;
    }
    vary->range = true;
    add_range(binder, vary, low.integer, high.integer);
}

static bool has_value(const struct pb_vary *vary, const char *text)
{
    for (size_t i = 0; i < vary->count; i++) {
        if (strcmp(vary->values[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static void bind_list_value(struct pb_binder *binder, const cJSON *node, const char *path,
                            struct pb_vary *vary)
{
    union pb_value value = { .integer = 0 };
    struct pb_error err = { .status = PB_OK };

    if (pb_value_read(vary->field, node, &value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return;
    }
    /* One way of writing for equal values, so that "1s" and "1000ms" are seen to be the same. */
    cJSON *canonical = pb_value_json(vary->field, value);
    char *text = canonical ? pb_node_text(canonical) : NULL;

    if (!text) {
        pb_bind_no_memory(binder);
    } else if (has_value(vary, text)) {
        pb_bind_problem(binder, node, path, "%.40s stands in the list twice", text);
    } else {
        add_value(binder, vary, text);
    }
    free(text);
    cJSON_Delete(canonical);
}

static void bind_values(struct pb_binder *binder, const cJSON *node, const char *path,
                        struct pb_vary *vary)
{
    const cJSON *item;

    if (cJSON_IsString(node)) {
        bind_range(binder, node, path, vary);
        return;
    }
    if (!cJSON_IsArray(node) || cJSON_GetArraySize(node) == 0 ||
        cJSON_GetArraySize(node) > WHOLE_MAX) {
        pb_bind_problem(binder, node, path,
                        "must be a range such as \"2..32\" or a list of 1..%d values, not %s",
                        WHOLE_MAX,
                        cJSON_IsArray(node) && !node->child ? "an empty one" : pb_node_kind(node));
        return;
    }
    cJSON_ArrayForEach(item, node)
    {
        bind_list_value(binder, item, path, vary);
    }
}

static void refuse_path(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const struct pb_field *field;
    const char *tunable[64];
    char list[200] = "";
    size_t count = 0, used = 0;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL && count < PB_ARRAY_LEN(tunable); i++) {
        if (field->tunable) {
            tunable[count++] = field->path;
        }
    }
    const char *near = pb_nearest(node->string, tunable, count);

    for (size_t i = 0; !near && i < count && used < sizeof(list); i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "",
                                 tunable[i]);
    }
    pb_bind_name_problem(binder, node, path, "%s%s%s%s",
                         pb_field_find(node->string) ? "is not tunable" : "is no field",
                         near ? "; did you mean \"" : "; tunable are ", near ? near : list,
                         near ? "\"?" : "");
}

static void bind_vary(struct pb_binder *binder, const cJSON *node)
{
    struct pb_tune *tune = &binder->scenario->tune;
    const struct pb_field *field = pb_field_find(node->string);
    char path[PB_PATH_MAX];

    (void)snprintf(path, sizeof(path), "tune.vary.%.100s", node->string);
    if (!field || !field->tunable) {
        refuse_path(binder, node, path);
        return;
    }
    if (!pb_bind_driver_varies(binder, node, path)) {
        return;
    }
    if (tune->vary_count == PB_VARY_MAX) {
        pb_bind_name_problem(binder, node, path, "at most %d fields can vary", PB_VARY_MAX);
        return;
    }
    struct pb_vary *vary = &tune->vary[tune->vary_count++];

    vary->field = field;
    vary->path = pb_bind_copy_text(binder, node->string);
    bind_values(binder, node, path, vary);
}

/* The least and most that any candidate, or the file itself, says of an integer field. */
static void extent(const struct pb_scenario *scenario, const char *path, int64_t value,
                   int64_t *ret_least, int64_t *ret_most)
{
    int64_t least = value, most = value;

    for (size_t i = 0; i < scenario->tune.vary_count; i++) {
        const struct pb_vary *vary = &scenario->tune.vary[i];

        for (size_t v = 0; strcmp(vary->path, path) == 0 && v < vary->count; v++) {
            int64_t tried = strtoll(vary->values[v], NULL, 10);

            least = tried < least ? tried : least;
            most = tried > most ? tried : most;
        }
    }
    *ret_least = least;
    *ret_most = most;
}

/* What the tuner may combine must be pools, too. */
static void check_candidates(struct pb_binder *binder, const cJSON *vary)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;
    int64_t least, most, none, threads, overflow;

    extent(binder->scenario, "pool.size", pool->size, &least, &most);
    extent(binder->scenario, "pool.threads_per_worker", pool->threads_per_worker, &none, &threads);
    extent(binder->scenario, "pool.max_overflow", pool->max_overflow, &none, &overflow);
    if (least < pool->min_size) {
        pb_bind_problem(binder, vary, "tune.vary", "tries size %lld, and pool.min_size is %lld",
                        (long long)least, (long long)pool->min_size);
    }
    if (pool->max_size > 0 && most > pool->max_size) {
        pb_bind_problem(binder, vary, "tune.vary", "tries size %lld, and pool.max_size is %lld",
                        (long long)most, (long long)pool->max_size);
    }
    pb_bind_driver_size(binder, vary, "tune.vary", most);
    most = most > overflow ? most : overflow;
    if (threads > 1 && most * threads > PB_POOL_MAX_SIZE) {
        pb_bind_problem(binder, vary, "tune.vary",
                        "tries %lld workers of %lld threads: at most %d requests can run at once",
                        (long long)most, (long long)threads, PB_POOL_MAX_SIZE);
    }
}

static void bind_budget(struct pb_binder *binder, const struct pb_spot *tune)
{
    const cJSON *node = pb_spot_get(tune, "budget");
    struct pb_spot spot;

    if (node && pb_bind_is_object(binder, node, "tune.budget")) {
        pb_spot_init(&spot, node, "tune.budget.", "tune.budget");
        (void)pb_bind_check_names(binder, &spot);
        pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, binder->scenario, false);
    }
}

void pb_bind_tune(struct pb_binder *binder)
{
    struct pb_scenario *scenario = binder->scenario;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(binder->root, "tune"), *item;
    struct pb_spot spot;

    if (node && !pb_bind_is_object(binder, node, "tune")) {
        return;
    }
    pb_spot_init(&spot, node, "tune.", "tune");
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_fields(binder, &spot, PB_HOME_SCENARIO, scenario, false);
    bind_budget(binder, &spot);

    const cJSON *vary = pb_spot_get(&spot, "vary");

    if (vary && pb_bind_is_object(binder, vary, "tune.vary")) {
        cJSON_ArrayForEach(item, vary)
        {
            bind_vary(binder, item);
        }
    }
    if (binder->status != PB_OK) {
        return;
    }
    int64_t least, most;

    extent(scenario, "pool.size", scenario->pool.size, &least, &most);
    /* A pool that is itself mistaken says so itself. */
    if (scenario->tune.vary_count > 0 && !binder->mistaken && scenario->pool.min_size > 0 &&
        !binder->tuning) {
        check_candidates(binder, vary);
    }

    if (most > 0 && !binder->tuning && scenario->tune.survive >= most) {
        pb_bind_problem(binder, pb_spot_get(&spot, "survive"), "tune.survive",
                        "a pool of at most %lld workers cannot lose %lld of them", (long long)most,
                        (long long)scenario->tune.survive);
    }
}
