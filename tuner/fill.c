#include "tuner/fill.h"

#include <math.h>
#include <stddef.h>

void pb_fill_item(struct pb_fill *fill, cJSON *parent, const char *key, cJSON *item)
{
    bool added = false;

    if (item != NULL && parent != NULL) {
        added = key != NULL ? cJSON_AddItemToObject(parent, key, item)
                            : cJSON_AddItemToArray(parent, item);
    }
    if (!added) {
        cJSON_Delete(item);
        fill->lost = true;
    }
}

static cJSON *add_container(struct pb_fill *fill, cJSON *parent, const char *key, cJSON *item)
{
    struct pb_fill added = { false };

    pb_fill_item(&added, parent, key, item);
    fill->lost = fill->lost || added.lost;
    return added.lost ? NULL : item;
}

cJSON *pb_fill_object(struct pb_fill *fill, cJSON *parent, const char *key)
{
    return add_container(fill, parent, key, cJSON_CreateObject());
}

cJSON *pb_fill_array(struct pb_fill *fill, cJSON *parent, const char *key)
{
    return add_container(fill, parent, key, cJSON_CreateArray());
}

void pb_fill_number(struct pb_fill *fill, cJSON *parent, const char *key, double value)
{
    bool known = isfinite(value) && fabs(value) < PB_FILL_INFINITY;

    pb_fill_item(fill, parent, key, known ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void pb_fill_text(struct pb_fill *fill, cJSON *parent, const char *key, const char *text)
{
    pb_fill_item(fill, parent, key, cJSON_CreateString(text));
}

void pb_fill_bool(struct pb_fill *fill, cJSON *parent, const char *key, bool value)
{
    pb_fill_item(fill, parent, key, cJSON_CreateBool(value));
}
