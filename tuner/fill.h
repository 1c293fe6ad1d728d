/*
 * tuner/fill.h - filling JSON objects without a check at every line: the first failure (no memory)
 * sticks and is asked for once, at the end.  A NULL parent is a failure before; all accept it.
 */
#ifndef PB_TUNER_FILL_H
#define PB_TUNER_FILL_H

#include <cjson/cJSON.h>
#include <stdbool.h>

struct pb_fill {
    bool lost; /* something could not be added */
};

/* Takes `item` (NULL: no memory): adds it to an object under `key`, to an array when key is NULL.
 */
void pb_fill_item(struct pb_fill *fill, cJSON *parent, const char *key, cJSON *item);
/* New containers inside `parent`; NULL after a failure. */
cJSON *pb_fill_object(struct pb_fill *fill, cJSON *parent, const char *key);
cJSON *pb_fill_array(struct pb_fill *fill, cJSON *parent, const char *key);
/* What is not finite becomes null; so does the stand-in for infinity that journals carry. */
void pb_fill_number(struct pb_fill *fill, cJSON *parent, const char *key, double value);
void pb_fill_text(struct pb_fill *fill, cJSON *parent, const char *key, const char *text);
void pb_fill_bool(struct pb_fill *fill, cJSON *parent, const char *key, bool value);

#define PB_FILL_INFINITY 1e300

#endif
