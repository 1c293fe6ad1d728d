#include <stdio.h>
#include <string.h>

#include "harness/driver.h"
#include "harness/evidence.h"
#include "harness/output.h"
#include "harness/output_internal.h"

#define POOL "pool."

/* Whether `key` of a result is the scenario's field `name`, with its unit. */
static bool is_field(const char *key, const char *name)
{
    size_t len = strlen(name);

    return strncmp(key, name, len) == 0 &&
           (key[len] == '\0' || strcmp(key + len, "_ns") == 0 || strcmp(key + len, "_bytes") == 0);
}

/* A setting that the driver does not have is no number that it kept to. */
static void blank(struct pb_out *out, cJSON *pool, const char *name)
{
    char group[24];
    cJSON *item;

    (void)snprintf(group, sizeof(group), "%.*s", (int)strcspn(name, "."), name);
    cJSON_ArrayForEach(item, pool)
    {
        if (is_field(item->string, group)) {
            char key[48];
            cJSON *nothing = cJSON_CreateNull();

            (void)snprintf(key, sizeof(key), "%.40s", item->string);
            if (!nothing || !cJSON_ReplaceItemInObjectCaseSensitive(pool, key, nothing)) {
                cJSON_Delete(nothing);
                out->failed = true;
            }
            return;
        }
    }
}

void pb_out_driver(struct pb_out *out, cJSON *pool, const struct pb_evidence *evidence)
{
    const struct pb_scenario *scenario = evidence->scenario;
    const struct pb_driver *driver = scenario->driver;
    cJSON *object = pb_out_object(out, pool, "driver"), *list;
    const struct pb_field *field;

    pb_out_str(out, object, "name", driver ? driver->table->name : PB_DRIVER_BUILTIN);
    pb_out_str(out, object, "summary", driver ? driver->table->summary : "poolbench's own pool");
    list = pb_out_array(out, object, "not_by_driver");
    for (size_t i = 0; driver && (field = pb_field_at(i)) != NULL; i++) {
        if (!pb_scenario_holds(scenario, field->path)) {
            pb_out_item(out, list, NULL, cJSON_CreateString(field->path + strlen(POOL)));
            blank(out, pool, field->path + strlen(POOL));
        }
    }
}
