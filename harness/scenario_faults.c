#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "harness/scenario_internal.h"
#include "workload/workload.h"

/* What else a fault of a kind says. */
#define SAYS_FOR         1U
#define SAYS_FACTOR      2U
#define SAYS_PROBABILITY 4U
#define SAYS_BYTES       8U

static const struct {
    const char *name;
    unsigned says;
    bool process; /* takes profile process */
    bool loses;   /* its worker may be lost and replaced */
} kinds[] = {
    [PB_FAULT_STALL] = { "stall", 0, false, false },
    [PB_FAULT_KILL_WORKER] = { "kill_worker", 0, false, true },
    [PB_FAULT_STOP_WORKER] = { "stop_worker", SAYS_FOR, true, true },
    [PB_FAULT_HANG_WORKER] = { "hang_worker", SAYS_FOR, false, true },
    [PB_FAULT_SLOW_WORKER] = { "slow_worker", SAYS_FOR | SAYS_FACTOR, false, false },
    [PB_FAULT_FAIL_WORKER] = { "fail_worker", SAYS_FOR | SAYS_PROBABILITY, false, false },
    [PB_FAULT_LEAK_WORKER] = { "leak_worker", SAYS_FOR | SAYS_BYTES, false, false },
    [PB_FAULT_CORRUPT_WORKER] = { "corrupt_worker", SAYS_FOR | SAYS_PROBABILITY, true, true },
};
_Static_assert(PB_ARRAY_LEN(kinds) == PB_FAULT_COUNT, "a row for each kind of fault");

static const struct {
    const char *name;
    unsigned bit;
    bool required; /* by the kinds that may say it */
    const char *example;
} details[] = {
    { "for", SAYS_FOR, false, "\"for\": \"2s\"" },
    { "factor", SAYS_FACTOR, true, "\"factor\": 5" },
    { "probability", SAYS_PROBABILITY, false, "\"probability\": \"20%\"" },
    { "bytes", SAYS_BYTES, true, "\"bytes\": \"64KiB\"" },
};

const char *pb_fault_kind_name(enum pb_fault_kind kind)
{
    return kinds[kind].name;
}

bool pb_fault_kind_loses(enum pb_fault_kind kind)
{
    return kinds[kind].loses;
}

/* "6s", or a phase's name with "+1s" or nothing behind it. */
static bool parse_at(struct pb_binder *binder, const cJSON *node, const char *path,
                     int64_t *ret_at_ns)
{
    const struct pb_scenario *scenario = binder->scenario;
    const char *text = cJSON_GetStringValue(node), *rest = NULL;
    struct pb_error err = { .status = PB_OK };
    int64_t offset_ns = 0;

    if (!text) {
        pb_bind_problem(binder, node, path,
                        "must be an instant such as \"6s\" or \"spike+1s\", not %s",
                        pb_node_kind(node));
        return false;
    }
    text += strspn(text, " \t");
    int phase = pb_phase_prefix(scenario, text, "+", &rest);

    if (phase < 0 && !strchr("0123456789-.", *text)) {
        char name[PB_NAME_MAX + 1];

        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "+ "), text);
        const char *near = pb_phase_nearest(scenario, name);

        pb_bind_problem(binder, node, path, "there is no phase \"%s\"%s%s%s", name,
                        near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        return false;
    }
    if (phase >= 0 && *rest == '+') {
        text = rest + 1;
    }
    if ((phase < 0 || *rest == '+') && pb_parse_duration(text, &offset_ns, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return false;
    }
    *ret_at_ns = offset_ns + (phase >= 0 ? scenario->phases[phase].start_ns : 0);
    return true;
}

void pb_bind_at(struct pb_binder *binder, const struct pb_spot *spot, int64_t *ret_at_ns)
{
    const cJSON *node = pb_spot_get(spot, "at");
    int64_t total_ns = pb_scenario_duration_ns(binder->scenario);
    char path[PB_PATH_MAX], lasts[PB_QUANTITY_TEXT];

    pb_spot_path(spot, "at", path);
    if (!node) {
        pb_bind_problem(binder, spot->object, path,
                        "is missing; write for example \"at\": \"6s\" or \"at\": \"spike+1s\"");
        return;
    }
    if (parse_at(binder, node, path, ret_at_ns) && total_ns > 0 && *ret_at_ns >= total_ns) {
        pb_bind_problem(binder, node, path,
                        "is after the end: the phases last %s, warm-up included",
                        pb_format_duration_exact(total_ns, lasts));
    }
}

/* Reads a value by the table's row of "faults[].NAME"; false, with a problem, when it is none. */
static bool read_value(struct pb_binder *binder, const cJSON *node, const char *name,
                       const char *path, union pb_value *ret_value)
{
    const struct pb_field *field = pb_field_under("faults[].", name);
    struct pb_error err = { .status = PB_OK };

    if (pb_value_read(field, node, ret_value, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return false;
    }
    return true;
}

static void bind_worker(struct pb_binder *binder, const cJSON *node, const char *path,
                        struct pb_fault *fault)
{
    const struct pb_scenario_pool *pool = &binder->scenario->pool;
    const char *word = cJSON_GetStringValue(node);
    double number = cJSON_IsNumber(node) ? node->valuedouble : -1;
    int64_t workers = pool->size + pool->max_overflow;

    fault->worker = PB_FAULT_ANY;
    if (word && (strcmp(word, "any") == 0 || strcmp(word, "all") == 0)) {
        fault->worker = strcmp(word, "any") == 0 ? PB_FAULT_ANY : PB_FAULT_ALL;
        return;
    }
    if (number < 0 || number != floor(number) || number >= 2 * PB_POOL_MAX_SIZE) {
        pb_bind_problem(binder, node, path,
                        "must be a worker's number, counted from 0, or \"any\" or \"all\"");
        return;
    }
    /* A smaller pool that the tuner tries may well lack the worker: then nothing is hit. */
    if ((int64_t)number >= workers && !binder->tuning && pool->size > 0) {
        pb_bind_problem(binder, node, path,
                        "there is no worker %.0f: size and max_overflow make %lld, numbered from 0",
                        number, (long long)workers);
    }
    fault->worker = (int64_t)number;
}

static void store_detail(struct pb_fault *fault, unsigned bit, union pb_value value)
{
    switch (bit) {
    case SAYS_FOR:
        fault->for_ns = value.integer;
        break;
    case SAYS_FACTOR:
        fault->factor = value.number;
        break;
    case SAYS_PROBABILITY:
        fault->probability = value.number;
        break;
    case SAYS_BYTES:
        fault->bytes = value.integer;
        break;
    default:
        break;
    }
}

static void bind_details(struct pb_binder *binder, const struct pb_spot *spot,
                         struct pb_fault *fault)
{
    const char *kind = kinds[fault->kind].name;
    char path[PB_PATH_MAX];

    fault->probability = 1;
    fault->factor = 1;
    for (size_t i = 0; i < PB_ARRAY_LEN(details); i++) {
        const cJSON *node = pb_spot_get(spot, details[i].name);
        bool says = (kinds[fault->kind].says & details[i].bit) != 0;
        union pb_value value = { .integer = 0 };

        pb_spot_path(spot, details[i].name, path);
        if (node && !says) {
            pb_bind_name_problem(binder, node, path, "%s does not go with %s%s", details[i].name,
                                 kind,
                                 fault->kind == PB_FAULT_STALL && details[i].bit == SAYS_FOR
                                     ? ": \"stall\" itself says how long"
                                     : "");
        } else if (node && read_value(binder, node, details[i].name, path, &value)) {
            store_detail(fault, details[i].bit, value);
        } else if (!node && says && details[i].required) {
            pb_bind_problem(binder, spot->object, path,
                            "is missing: %s needs it; write for example "
                            "%s",
                            kind, details[i].example);
        }
    }
}

/* What the profile and the workload cannot do. */
static void check_possible(struct pb_binder *binder, const cJSON *node, const char *path,
                           const struct pb_fault *fault)
{
    const struct pb_scenario *scenario = binder->scenario;

    if (kinds[fault->kind].process && scenario->pool.profile != PB_PROFILE_PROCESS) {
        pb_bind_name_problem(binder, node, path, "%s needs profile process: %s",
                             kinds[fault->kind].name,
                             fault->kind == PB_FAULT_STOP_WORKER
                                 ? "a thread cannot be stopped alone"
                                 : "a thread sends no replies that could be garbage");
    }
    if (fault->kind == PB_FAULT_LEAK_WORKER && scenario->workload == &pb_workload_command) {
        pb_bind_name_problem(
            binder, node, path,
            "leak_worker works with type synthetic and null: a program of your own "
            "has its own memory");
    }
}

static char *describe(struct pb_binder *binder, const struct pb_spot *spot,
                      const struct pb_fault *fault)
{
    const char *at = cJSON_GetStringValue(pb_spot_get(spot, "at"));
    char text[240], quantity[PB_QUANTITY_TEXT], worker[24], detail[PB_QUANTITY_TEXT + 4] = "";
    char lasts[PB_QUANTITY_TEXT + 8] = "";

    if (fault->kind == PB_FAULT_STALL) {
        (void)snprintf(text, sizeof(text), "stall %s at %.100s",
                       pb_format_duration_exact(fault->stall_ns, quantity), at ? at : "?");
        return pb_bind_copy_text(binder, text);
    }
    (void)snprintf(worker, sizeof(worker), "%lld", (long long)fault->worker);
    if (kinds[fault->kind].says & SAYS_FACTOR) {
        (void)snprintf(detail, sizeof(detail), " x%s", pb_format_number(fault->factor, quantity));
    } else if ((kinds[fault->kind].says & SAYS_PROBABILITY) != 0 && fault->probability < 1) {
        (void)snprintf(detail, sizeof(detail), " %s",
                       pb_format_percent(fault->probability, quantity));
    } else if (kinds[fault->kind].says & SAYS_BYTES) {
        (void)snprintf(detail, sizeof(detail), " %s", pb_format_size(fault->bytes, quantity));
    }
    if (fault->for_ns > 0) {
        (void)snprintf(lasts, sizeof(lasts), " for %s",
                       pb_format_duration_exact(fault->for_ns, quantity));
    }
    (void)snprintf(text, sizeof(text), "%s %s%s%s at %.100s", kinds[fault->kind].name,
                   fault->worker == PB_FAULT_ANY   ? "any"
                   : fault->worker == PB_FAULT_ALL ? "all"
                                                   : worker,
                   detail, lasts, at ? at : "?");
    return pb_bind_copy_text(binder, text);
}

/* The kind that a fault says; PB_FAULT_COUNT, with a problem, when it is not exactly one.  `known`:
 * all its names are. */
static enum pb_fault_kind find_kind(struct pb_binder *binder, const struct pb_spot *spot,
                                    bool known)
{
    enum pb_fault_kind found = PB_FAULT_COUNT;
    char list[200] = "";
    size_t used = 0;
    int count = 0;

    for (int k = 0; k < PB_FAULT_COUNT; k++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
                                 k == 0                    ? ""
                                 : k + 1 == PB_FAULT_COUNT ? " and "
                                                           : ", ",
                                 kinds[k].name);
        if (pb_spot_get(spot, kinds[k].name)) {
            found = (enum pb_fault_kind)k;
            count++;
        }
    }
    if (count == 1) {
        return found;
    }
    if (count == 0 && !known) {
        return PB_FAULT_COUNT; /* the name that is not known was to be it */
    }
    pb_bind_problem(binder, spot->object, spot->shown, "a fault says exactly one of %s, not %s",
                    list,
                    count == 0   ? "none"
                    : count == 2 ? "two"
                                 : "several");
    return PB_FAULT_COUNT;
}

static void bind_kind(struct pb_binder *binder, const struct pb_spot *spot, struct pb_fault *fault)
{
    const char *name = kinds[fault->kind].name;
    const cJSON *node = pb_spot_get(spot, name);
    union pb_value value = { .integer = 0 };
    char path[PB_PATH_MAX];

    pb_spot_path(spot, name, path);
    if (fault->kind != PB_FAULT_STALL) {
        bind_worker(binder, node, path, fault);
    } else if (read_value(binder, node, name, path, &value)) {
        fault->stall_ns = value.integer;
    }
    bind_details(binder, spot, fault);
    check_possible(binder, node, path, fault);
}

static void bind_fault(struct pb_binder *binder, const cJSON *node, size_t number)
{
    struct pb_fault *fault = &binder->scenario->faults[number];
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    (void)snprintf(shown, sizeof(shown), "faults[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    pb_spot_init(&spot, node, "faults[].", shown);
    bool known = pb_bind_check_names(binder, &spot);

    pb_bind_at(binder, &spot, &fault->at_ns);

    enum pb_fault_kind kind = find_kind(binder, &spot, known);

    if (kind != PB_FAULT_COUNT) {
        fault->kind = kind;
        bind_kind(binder, &spot, fault);
    }
    fault->text = describe(binder, &spot, fault);
}

/* By insertion: faults at one instant keep the file's order. */
static void sort_faults(struct pb_scenario *scenario)
{
    for (size_t i = 1; i < scenario->fault_count; i++) {
        struct pb_fault fault = scenario->faults[i];
        size_t at = i;

        for (; at > 0 && scenario->faults[at - 1].at_ns > fault.at_ns; at--) {
            scenario->faults[at] = scenario->faults[at - 1];
        }
        scenario->faults[at] = fault;
    }
}

void pb_bind_faults(struct pb_binder *binder)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "faults"), *node;

    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        pb_bind_problem(binder, list, "faults",
                        "must be a list such as [{ \"at\": \"6s\", \"kill_worker\": 0 }], not %s",
                        pb_node_kind(list));
        return;
    }
    if (cJSON_GetArraySize(list) > PB_FAULTS_MAX) {
        pb_bind_problem(binder, list, "faults", "has %d faults, at most %d fit",
                        cJSON_GetArraySize(list), PB_FAULTS_MAX);
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        bind_fault(binder, node, binder->scenario->fault_count++);
    }
    sort_faults(binder->scenario);
}
