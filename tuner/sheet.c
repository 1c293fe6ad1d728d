#include "tuner/sheet.h"

#include <math.h>
#include <stddef.h>

void pb_sheet_item(struct pb_sheet *sheet, cJSON *parent, const char *key, cJSON *item)
{
    bool added = false;

    if (item != NULL && parent != NULL) {
        added = key != NULL ? cJSON_AddItemToObject(parent, key, item)
                            : cJSON_AddItemToArray(parent, item);
    }
    if (!added) {
        cJSON_Delete(item);
        sheet->lost = true;
    }
}

static cJSON *add_container(struct pb_sheet *sheet, cJSON *parent, const char *key, cJSON *item)
{
    struct pb_sheet added = { false };

    pb_sheet_item(&added, parent, key, item);
    sheet->lost = sheet->lost || added.lost;
    return added.lost ? NULL : item;
}

cJSON *pb_sheet_object(struct pb_sheet *sheet, cJSON *parent, const char *key)
{
    return add_container(sheet, parent, key, cJSON_CreateObject());
}

cJSON *pb_sheet_array(struct pb_sheet *sheet, cJSON *parent, const char *key)
{
    return add_container(sheet, parent, key, cJSON_CreateArray());
}

void pb_sheet_number(struct pb_sheet *sheet, cJSON *parent, const char *key, double value)
{
    bool known = isfinite(value) && fabs(value) < PB_SHEET_INFINITY;

    pb_sheet_item(sheet, parent, key, known ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void pb_sheet_text(struct pb_sheet *sheet, cJSON *parent, const char *key, const char *text)
{
    pb_sheet_item(sheet, parent, key, cJSON_CreateString(text));
}

void pb_sheet_bool(struct pb_sheet *sheet, cJSON *parent, const char *key, bool value)
{
    pb_sheet_item(sheet, parent, key, cJSON_CreateBool(value));
}
