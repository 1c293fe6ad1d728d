#include <math.h>

#include "harness/output_internal.h"

void pb_out_item(struct pb_out *out, cJSON *parent, const char *key, cJSON *item)
{
    bool added = false;

    if (item && parent) {
        added = key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item);
    }
    if (!added) {
        cJSON_Delete(item);
        out->failed = true;
    }
}

/* The container as it now hangs in `parent`; NULL when it could not be added. */
static cJSON *add_container(struct pb_out *out, cJSON *parent, const char *key, cJSON *item)
{
    bool had_failed = out->failed;

    out->failed = false;
    pb_out_item(out, parent, key, item);

    cJSON *added = out->failed ? NULL : item;

    out->failed = out->failed || had_failed;
    return added;
}

cJSON *pb_out_object(struct pb_out *out, cJSON *parent, const char *key)
{
    return add_container(out, parent, key, cJSON_CreateObject());
}

cJSON *pb_out_array(struct pb_out *out, cJSON *parent, const char *key)
{
    return add_container(out, parent, key, cJSON_CreateArray());
}

void pb_out_num(struct pb_out *out, cJSON *parent, const char *key, double value)
{
    pb_out_item(out, parent, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void pb_out_int(struct pb_out *out, cJSON *parent, const char *key, int64_t value)
{
    pb_out_item(out, parent, key, cJSON_CreateNumber((double)value));
}

void pb_out_known(struct pb_out *out, cJSON *parent, const char *key, int64_t value)
{
    pb_out_item(out, parent, key,
                value >= 0 ? cJSON_CreateNumber((double)value) : cJSON_CreateNull());
}

void pb_out_str(struct pb_out *out, cJSON *parent, const char *key, const char *text)
{
    pb_out_item(out, parent, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void pb_out_bool(struct pb_out *out, cJSON *parent, const char *key, bool value)
{
    pb_out_item(out, parent, key, cJSON_CreateBool(value));
}

void pb_out_null(struct pb_out *out, cJSON *parent, const char *key)
{
    pb_out_item(out, parent, key, cJSON_CreateNull());
}
