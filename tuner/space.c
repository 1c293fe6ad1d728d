#include "tuner/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "tuner/fill.h"

#define VALUE_TEXT 128

/* The value of `text` as a number of the field's stored unit; false: it is not a quantity. */
static bool parse_number(const struct pb_field *field, const char *text, double *ret_number)
{
    int64_t whole = 0;

    switch (field->type) {
    case PB_FIELD_INTEGER:
        if (pb_parse_count(text, &whole, NULL) != PB_OK) {
            return false;
        }
        *ret_number = (double)whole;
        return true;
    case PB_FIELD_DURATION:
        if (pb_parse_duration(text, &whole, NULL) != PB_OK) {
            return false;
        }
        *ret_number = (double)whole;
        return true;
    case PB_FIELD_SIZE:
        if (pb_parse_size(text, &whole, NULL) != PB_OK) {
            return false;
        }
        *ret_number = (double)whole;
        return true;
    case PB_FIELD_RATE:
        return pb_parse_rate(text, ret_number, NULL) == PB_OK;
    case PB_FIELD_RATIO:
        return pb_parse_ratio(text, ret_number, NULL) == PB_OK;
    case PB_FIELD_BOOL:
    case PB_FIELD_CHOICE:
    case PB_FIELD_TEXT:
    case PB_FIELD_COMPLEX:
        break;
    }
    return false;
}

/* Insertion sort: the lists are short, and mostly sorted already. */
static void sort_values(struct pb_dimension *dim)
{
    for (size_t i = 1; i < dim->count; i++) {
        double number = dim->numbers[i];
        char *value = dim->values[i];
        size_t at = i;

        while (at > 0 && dim->numbers[at - 1] > number) {
            dim->numbers[at] = dim->numbers[at - 1];
            dim->values[at] = dim->values[at - 1];
            at--;
        }
        dim->numbers[at] = number;
        dim->values[at] = value;
    }
}

static enum pb_status init_dimension(const struct pb_scenario *scenario, const struct pb_vary *vary,
                                     struct pb_dimension *dim)
{
    char text[VALUE_TEXT];

    dim->path = vary->path;
    dim->field = vary->field;
    dim->count = vary->count;
    dim->values = calloc(vary->count, sizeof(*dim->values));
    dim->numbers = calloc(vary->count, sizeof(*dim->numbers));
    /* Every tunable field has a value in the effective scenario. */
    dim->written = pb_scenario_get(scenario, vary->path, text, sizeof(text)) ? strdup(text) : NULL;
    if (dim->values == NULL || dim->numbers == NULL || dim->written == NULL) {
        return PB_ENOMEM;
    }
    dim->ordered = true;
    for (size_t i = 0; i < vary->count; i++) {
        dim->values[i] = vary->values[i];
        dim->ordered = dim->ordered && parse_number(vary->field, vary->values[i], &dim->numbers[i]);
    }
    if (dim->ordered) {
        sort_values(dim);
    } else {
        free(dim->numbers);
        dim->numbers = NULL;
    }
    return PB_OK;
}

enum pb_status pb_space_init(const struct pb_scenario *scenario, struct pb_space *ret_space,
                             struct pb_error *err)
{
    struct pb_space space = {
        .scenario = scenario, .size_dim = -1, .overflow_dim = -1, .settings = 1
    };

    for (size_t i = 0; i < scenario->tune.vary_count; i++) {
        const struct pb_vary *vary = &scenario->tune.vary[i];

        if (vary->count == 0 || vary->count >= PB_AS_WRITTEN || vary->field == NULL) {
            pb_space_done(&space);
            return pb_fail(err, PB_EINVAL, "tune.vary: '%s' has no values to try", vary->path);
        }
        if (init_dimension(scenario, vary, &space.dims[space.count++]) != PB_OK) {
            pb_space_done(&space);
            return pb_fail(err, PB_ENOMEM, "no memory for the values of '%s'", vary->path);
        }
        if (strcmp(vary->path, "pool.size") == 0) {
            space.size_dim = (int)i;
        } else if (strcmp(vary->path, "pool.max_overflow") == 0) {
            space.overflow_dim = (int)i;
        }
        space.settings =
            space.settings > UINT64_MAX / vary->count ? UINT64_MAX : space.settings * vary->count;
    }
    if (space.count == 0) {
        return pb_fail(err, PB_EINVAL,
                       "the scenario says nothing to tune: add for example "
                       "\"tune\": { \"vary\": { \"pool.size\": \"2..32\" } }");
    }
    *ret_space = space;
    return PB_OK;
}

void pb_space_done(struct pb_space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        free(space->dims[i].values);
        free(space->dims[i].numbers);
        free(space->dims[i].written);
    }
    space->count = 0;
}

static uint32_t index_of_text(const struct pb_dimension *dim, const char *text)
{
    double number = 0;
    bool quantity = dim->ordered && parse_number(dim->field, text, &number);

    for (size_t i = 0; i < dim->count; i++) {
        bool same = quantity ? fabs(dim->numbers[i] - number) <= 1e-12 * fabs(number)
                             : strcmp(dim->values[i], text) == 0;

        if (same) {
            return (uint32_t)i;
        }
    }
    return PB_AS_WRITTEN;
}

struct pb_point pb_space_original(const struct pb_space *space)
{
    struct pb_point point = { { 0 } };

    for (size_t i = 0; i < space->count; i++) {
        point.index[i] = index_of_text(&space->dims[i], space->dims[i].written);
    }
    return point;
}

static uint32_t nearest_index(const struct pb_dimension *dim)
{
    double number = 0;
    size_t best = 0;

    if (!dim->ordered || !parse_number(dim->field, dim->written, &number)) {
        return 0;
    }
    for (size_t i = 1; i < dim->count; i++) {
        if (fabs(dim->numbers[i] - number) < fabs(dim->numbers[best] - number)) {
            best = i;
        }
    }
    return (uint32_t)best;
}

struct pb_point pb_space_nearest(const struct pb_space *space, const struct pb_point *point)
{
    struct pb_point nearest = *point;

    for (size_t i = 0; i < space->count; i++) {
        if (nearest.index[i] >= space->dims[i].count) {
            nearest.index[i] = nearest_index(&space->dims[i]);
        }
    }
    return nearest;
}

bool pb_space_same(const struct pb_space *space, const struct pb_point *a, const struct pb_point *b)
{
    return pb_space_changes(space, a, b) == 0;
}

bool pb_space_inside(const struct pb_space *space, const struct pb_point *point)
{
    for (size_t i = 0; i < space->count; i++) {
        if (point->index[i] >= space->dims[i].count) {
            return false;
        }
    }
    return true;
}

struct pb_point pb_space_at(const struct pb_space *space, uint64_t i)
{
    struct pb_point point = { { 0 } };

    for (size_t d = 0; d < space->count; d++) {
        point.index[d] = (uint32_t)(i % space->dims[d].count);
        i /= space->dims[d].count;
    }
    return point;
}

static int64_t workers_part(const struct pb_space *space, int dim, const struct pb_point *point,
                            int64_t written)
{
    if (dim < 0 || point->index[dim] == PB_AS_WRITTEN) {
        return written;
    }
    return (int64_t)space->dims[dim].numbers[point->index[dim]];
}

int64_t pb_space_workers(const struct pb_space *space, const struct pb_point *point)
{
    return workers_part(space, space->size_dim, point, space->scenario->pool.size) +
           workers_part(space, space->overflow_dim, point, space->scenario->pool.max_overflow);
}

size_t pb_space_changes(const struct pb_space *space, const struct pb_point *a,
                        const struct pb_point *b)
{
    size_t changes = 0;

    for (size_t i = 0; i < space->count; i++) {
        changes += a->index[i] != b->index[i];
    }
    return changes;
}

bool pb_space_is_cost(const struct pb_space *space, size_t dim)
{
    return ((int)dim == space->size_dim || (int)dim == space->overflow_dim) &&
           space->dims[dim].ordered;
}

void pb_space_order(const struct pb_space *space, size_t ret_order[PB_VARY_MAX])
{
    size_t count = 0;

    for (int cost = 1; cost >= 0; cost--) {
        for (size_t i = 0; i < space->count; i++) {
            if (pb_space_is_cost(space, i) == (cost == 1)) {
                ret_order[count++] = i;
            }
        }
    }
}

uint32_t pb_space_reach(const struct pb_space *space, size_t dim, uint32_t from, bool up)
{
    const struct pb_dimension *d = &space->dims[dim];
    int64_t max_change = space->scenario->tune.max_change;
    uint32_t last = up ? (uint32_t)d->count - 1 : 0;

    if (!pb_space_is_cost(space, dim)) {
        return last;
    }
    double here = d->numbers[from];
    double bound = max_change > 0 ? (double)max_change : fmax(2, floor(here / 2));
    uint32_t reach = from;

    while (reach != last) {
        uint32_t next = up ? reach + 1 : reach - 1;

        if (fabs(d->numbers[next] - here) > bound) {
            break;
        }
        reach = next;
    }
    if (reach == from && from != last && max_change == 0) {
        reach = up ? from + 1 : from - 1; /* a coarse list says itself how far a step goes */
    }
    return reach;
}

bool pb_space_within_step(const struct pb_space *space, const struct pb_point *from,
                          const struct pb_point *to)
{
    for (size_t i = 0; i < space->count; i++) {
        uint32_t a = from->index[i], b = to->index[i];

        if (a == b || a == PB_AS_WRITTEN) {
            continue;
        }
        if (b > a ? b > pb_space_reach(space, i, a, true)
                  : b < pb_space_reach(space, i, a, false)) {
            return false;
        }
    }
    return true;
}

size_t pb_space_overrides(const struct pb_space *space, const struct pb_point *point,
                          struct pb_override *ret_overrides)
{
    size_t count = 0;

    for (size_t i = 0; i < space->count; i++) {
        if (point->index[i] < space->dims[i].count) {
            ret_overrides[count++] =
                (struct pb_override){ .path = space->dims[i].path,
                                      .value = space->dims[i].values[point->index[i]],
                                      .origin = PB_ORIGIN_TUNER };
        }
    }
    return count;
}

/* A declared value, or the scenario's own. */
static const char *value_text(const struct pb_space *space, const struct pb_point *point,
                              size_t dim)
{
    const struct pb_dimension *d = &space->dims[dim];

    return point->index[dim] < d->count ? d->values[point->index[dim]] : d->written;
}

static cJSON *value_json(const struct pb_field *field, const char *text)
{
    char *end = NULL;
    double number = 0;

    if (field->type == PB_FIELD_INTEGER && parse_number(field, text, &number)) {
        return cJSON_CreateNumber(number);
    }
    if (field->type == PB_FIELD_BOOL) {
        return cJSON_CreateBool(strcmp(text, "true") == 0);
    }
    if (field->type == PB_FIELD_RATE || field->type == PB_FIELD_RATIO) {
        number = strtod(text, &end);
        if (end != text && *end == '\0') {
            return cJSON_CreateNumber(number);
        }
    }
    return cJSON_CreateString(text);
}

cJSON *pb_space_json(const struct pb_space *space, const struct pb_point *point)
{
    cJSON *object = cJSON_CreateObject();
    struct pb_fill fill = { object == NULL };

    for (size_t i = 0; i < space->count; i++) {
        pb_fill_item(&fill, object, space->dims[i].path,
                     value_json(space->dims[i].field, value_text(space, point, i)));
    }
    if (fill.lost) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

void pb_space_text(const struct pb_space *space, const struct pb_point *point, char *text,
                   size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < space->count && len < size; i++) {
        const char *path = space->dims[i].path;
        const char *name = strncmp(path, "pool.", 5) == 0 ? path + 5 : path;
        int n = snprintf(text + len, size - len, "%s%s %s", i == 0 ? "" : ", ", name,
                         value_text(space, point, i));

        len += n > 0 ? (size_t)n : 0;
    }
}
