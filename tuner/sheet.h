/*
 * tuner/sheet.h - filling JSON objects without a check at every line: the first failure (no memory)
 * sticks and is asked for once, at the end.  A NULL parent is a failure before; all accept it.
 */
#ifndef PB_TUNER_SHEET_H
#define PB_TUNER_SHEET_H

#include <cjson/cJSON.h>
#include <stdbool.h>

struct pb_sheet {
    bool lost; /* something could not be added */
};

/* Takes `item` (NULL: no memory): adds it to an object under `key`, to an array when key is NULL.
 */
void pb_sheet_item(struct pb_sheet *sheet, cJSON *parent, const char *key, cJSON *item);
/* New containers inside `parent`; NULL after a failure. */
cJSON *pb_sheet_object(struct pb_sheet *sheet, cJSON *parent, const char *key);
cJSON *pb_sheet_array(struct pb_sheet *sheet, cJSON *parent, const char *key);
/* What is not finite becomes null; so does the stand-in for infinity that journals carry. */
void pb_sheet_number(struct pb_sheet *sheet, cJSON *parent, const char *key, double value);
void pb_sheet_text(struct pb_sheet *sheet, cJSON *parent, const char *key, const char *text);
void pb_sheet_bool(struct pb_sheet *sheet, cJSON *parent, const char *key, bool value);

#define PB_SHEET_INFINITY 1e300

#endif
