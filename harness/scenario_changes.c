#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "harness/driver.h"
#include "harness/scenario_internal.h"

/* What may change while a pool runs: struct pb_pool_change, by the fields' paths. */
static const struct {
    const char *path;
    size_t offset; /* of an int64_t in struct pb_pool_change */
} live[] = {
    { "pool.size", offsetof(struct pb_pool_change, size) },
    { "pool.max_overflow", offsetof(struct pb_pool_change, max_overflow) },
    { "pool.queue_limit", offsetof(struct pb_pool_change, queue_limit) },
    { "pool.overflow_ttl", offsetof(struct pb_pool_change, overflow_ttl_ns) },
    { "pool.overflow_after", offsetof(struct pb_pool_change, overflow_after_ns) },
    { "pool.checkout_timeout", offsetof(struct pb_pool_change, checkout_timeout_ns) },
    { "pool.operation_timeout", offsetof(struct pb_pool_change, operation_timeout_ns) },
    { "pool.strategy", offsetof(struct pb_pool_change, strategy) },
};
_Static_assert(PB_ARRAY_LEN(live) == sizeof(struct pb_pool_change) / sizeof(int64_t),
               "whatever a pool can change may be written down");

const char *pb_change_path(size_t i)
{
    return i < PB_ARRAY_LEN(live) ? live[i].path : NULL;
}

int64_t pb_change_value(const struct pb_pool_change *change, size_t i)
{
    int64_t value;

    memcpy(&value, (const char *)change + live[i].offset, sizeof(value));
    return value;
}

static void set_value(struct pb_pool_change *change, size_t i, int64_t value)
{
    memcpy((char *)change + live[i].offset, &value, sizeof(value));
}

/* Which row a name is; -1 with a problem. */
static int find_live(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const char *paths[PB_ARRAY_LEN(live)];

    for (size_t i = 0; i < PB_ARRAY_LEN(live); i++) {
        if (strcmp(live[i].path, node->string) == 0) {
            return (int)i;
        }
        paths[i] = live[i].path;
    }
    if (pb_field_find(node->string)) {
        pb_bind_name_problem(binder, node, path,
                             "%s cannot change while the pool runs; size, max_overflow, "
                             "queue_limit, overflow_ttl, overflow_after, checkout_timeout, "
                             "operation_timeout and strategy of the pool can",
                             node->string);
        return -1;
    }
    const char *near = pb_nearest(node->string, paths, PB_ARRAY_LEN(paths));

    pb_bind_name_problem(binder, node, path, "\"%.80s\" is not a field%s%s%s", node->string,
                         near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return -1;
}

/* The tuner and a change at a time cannot both say it. */
static void check_not_varied(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const struct pb_tune *tune = &binder->scenario->tune;

    for (size_t i = 0; i < tune->vary_count; i++) {
        if (tune->vary[i].path && strcmp(tune->vary[i].path, node->string) == 0) {
            pb_bind_name_problem(binder, node, path,
                                 "%s is varied by the tuner (tune.vary): a change of it would undo "
                                 "what is tried",
                                 node->string);
        }
    }
}

/* What another pool's driver can change while it runs is its size, if anything. */
static void check_driver(struct pb_binder *binder, const cJSON *node, const char *path)
{
    const struct pb_driver *driver = binder->scenario->driver;

    if (driver && ((driver->table->abilities & PB_CAN_RESIZE) == 0 ||
                   strcmp(node->string, "pool.size") != 0)) {
        pb_bind_name_problem(binder, node, path, "driver %s cannot change %s while the pool runs",
                             driver->table->name, node->string);
    }
}

/* Sizes stay within min_size and max_size, whatever is asked for: that is what they are for. */
static int64_t within_bounds(struct pb_binder *binder, const cJSON *node, const char *path,
                             int64_t size)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;

    if (size * pool->threads_per_worker > PB_POOL_MAX_SIZE) {
        pb_bind_problem(binder, node, path,
                        "%lld times threads_per_worker %lld is more than the %d requests that can "
                        "run at once",
                        (long long)size, (long long)pool->threads_per_worker, PB_POOL_MAX_SIZE);
    }
    if (size < pool->min_size) {
        return pool->min_size;
    }
    return pool->max_size > 0 && size > pool->max_size ? pool->max_size : size;
}

static void add_text(char *text, size_t size, const char *path, const char *value, const char *cut)
{
    size_t len = strlen(text);

    (void)snprintf(text + len, size - len, "%s%s %s%s", len > 0 ? ", " : "", path, value, cut);
}

static void bind_setting(struct pb_binder *binder, const cJSON *node, const char *shown,
                         struct pb_live_change *change, char *text, size_t text_size)
{
    union pb_value value = { .integer = 0 };
    struct pb_error err = { .status = PB_OK };
    char path[PB_PATH_MAX];
    const char *cut = "";

    (void)snprintf(path, sizeof(path), "%.120s.set.%.80s", shown, node->string);
    int row = find_live(binder, node, path);

    if (row < 0) {
        return;
    }
    if (pb_value_read(pb_field_find(node->string), node, &value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return;
    }
    check_not_varied(binder, node, path);
    check_driver(binder, node, path);
    if (live[row].offset == offsetof(struct pb_pool_change, size)) {
        int64_t asked = value.integer;

        value.integer = within_bounds(binder, node, path, asked);
        cut = value.integer < asked   ? " (cut to max_size)"
              : value.integer > asked ? " (raised to min_size)"
                                      : "";
    }
    set_value(&change->set, (size_t)row, value.integer);

    char *written = pb_node_text(node);

    if (!written) {
        pb_bind_no_memory(binder);
        return;
    }
    add_text(text, text_size, node->string, written, cut);
    free(written);
}

static void bind_set(struct pb_binder *binder, const struct pb_spot *spot,
                     struct pb_live_change *change)
{
    const cJSON *set = pb_spot_get(spot, "set"), *node, *at = pb_spot_get(spot, "at");
    char path[PB_PATH_MAX], text[512] = "";

    pb_spot_path(spot, "set", path);
    if (!cJSON_IsObject(set) || !set->child) {
        pb_bind_problem(binder, set ? set : spot->object, path,
                        "must say what changes, such as { \"pool.size\": 8 }");
        return;
    }
    cJSON_ArrayForEach(node, set)
    {
        bind_setting(binder, node, spot->shown, change, text, sizeof(text));
    }
    size_t len = strlen(text);

    (void)snprintf(text + len, sizeof(text) - len, " at %.100s",
                   cJSON_IsString(at) ? at->valuestring : "?");
    change->text = pb_bind_copy_text(binder, text);
}

static void bind_change(struct pb_binder *binder, const cJSON *node, size_t number)
{
    struct pb_live_change *change = &binder->scenario->changes[number];
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    change->set = PB_POOL_NO_CHANGE;
    (void)snprintf(shown, sizeof(shown), "changes[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    pb_spot_init(&spot, node, "changes[].", shown);
    (void)pb_bind_check_names(binder, &spot);
    pb_bind_at(binder, &spot, &change->at_ns);
    bind_set(binder, &spot, change);
}

/* By insertion: changes at one instant keep the file's order. */
static void sort_changes(struct pb_scenario *scenario)
{
    for (size_t i = 1; i < scenario->change_count; i++) {
        struct pb_live_change change = scenario->changes[i];
        size_t at = i;

        for (; at > 0 && scenario->changes[at - 1].at_ns > change.at_ns; at--) {
            scenario->changes[at] = scenario->changes[at - 1];
        }
        scenario->changes[at] = change;
    }
}

void pb_bind_changes(struct pb_binder *binder)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "changes"), *node;

    if (!list || binder->scenario->phase_count == 0) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        pb_bind_problem(binder, list, "changes",
                        "must be a list such as [{ \"at\": \"6s\", \"set\": { \"pool.size\": 8 } "
                        "}], not %s",
                        pb_node_kind(list));
        return;
    }
    if (cJSON_GetArraySize(list) > PB_CHANGES_MAX) {
        pb_bind_problem(binder, list, "changes", "has %d changes, at most %d fit",
                        cJSON_GetArraySize(list), PB_CHANGES_MAX);
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        bind_change(binder, node, binder->scenario->change_count++);
    }
    sort_changes(binder->scenario);
}

void pb_scenario_room(const struct pb_scenario *scenario, int64_t *ret_workers,
                      int64_t *ret_queue_limit)
{
    int64_t size = scenario->pool.size, overflow = scenario->pool.max_overflow;
    int64_t workers = size + overflow, queue_limit = scenario->pool.queue_limit;

    if (scenario->pool.max_size > size) {
        workers = scenario->pool.max_size + overflow;
    }
    for (size_t i = 0; i < scenario->change_count; i++) {
        const struct pb_pool_change *set = &scenario->changes[i].set;

        size = set->size >= 0 ? set->size : size;
        overflow = set->max_overflow >= 0 ? set->max_overflow : overflow;
        workers = size + overflow > workers ? size + overflow : workers;
        queue_limit = set->queue_limit > queue_limit ? set->queue_limit : queue_limit;
    }
    *ret_workers = workers;
    *ret_queue_limit = queue_limit;
}

void pb_scenario_longest_timeouts(const struct pb_scenario *scenario, int64_t *ret_checkout_ns,
                                  int64_t *ret_operation_ns)
{
    int64_t checkout_ns = scenario->pool.checkout_timeout_ns;
    int64_t operation_ns = scenario->pool.operation_timeout_ns;

    for (size_t i = 0; i < scenario->change_count; i++) {
        const struct pb_pool_change *set = &scenario->changes[i].set;

        checkout_ns =
            set->checkout_timeout_ns > checkout_ns ? set->checkout_timeout_ns : checkout_ns;
        operation_ns =
            set->operation_timeout_ns > operation_ns ? set->operation_timeout_ns : operation_ns;
    }
    *ret_checkout_ns = checkout_ns;
    *ret_operation_ns = operation_ns;
}

int64_t pb_scenario_slots_in(const struct pb_scenario *scenario, size_t phase)
{
    int64_t size = scenario->pool.size, overflow = scenario->pool.max_overflow;
    int64_t from_ns = scenario->phases[phase].start_ns;
    int64_t end_ns = from_ns + scenario->phases[phase].duration_ns, length_ns = end_ns - from_ns;
    double workers = 0;

    for (size_t i = 0; i <= scenario->change_count; i++) {
        const struct pb_live_change *change =
            i < scenario->change_count ? &scenario->changes[i] : NULL;
        int64_t until_ns = change && change->at_ns < end_ns ? change->at_ns : end_ns;

        if (until_ns > from_ns) {
            workers += (double)(size + overflow) * (double)(until_ns - from_ns) / (double)length_ns;
            from_ns = until_ns;
        }
        size = change && change->set.size >= 0 ? change->set.size : size;
        overflow = change && change->set.max_overflow >= 0 ? change->set.max_overflow : overflow;
    }
    return (int64_t)(workers + 0.5) * scenario->pool.threads_per_worker;
}
