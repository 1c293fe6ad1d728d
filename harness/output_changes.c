#include "harness/evidence.h"
#include "harness/output_internal.h"
#include "harness/scenario_internal.h"

/* Settings as a scenario file writes them: { "pool.size": 8, "pool.checkout_timeout": "50ms" }. */
static void put_settings(struct pb_out *out, cJSON *parent, const char *key,
                         const struct pb_pool_change *settings)
{
    cJSON *object = pb_out_object(out, parent, key);
    const char *path;

    for (size_t i = 0; (path = pb_change_path(i)) != NULL; i++) {
        union pb_value value = { .integer = pb_change_value(settings, i) };

        pb_out_item(out, object, path, pb_value_json(pb_field_find(path), value));
    }
}

void pb_out_change(struct pb_out *out, cJSON *object, const struct pb_change_result *result)
{
    put_settings(out, object, "old", &result->before);
    put_settings(out, object, "new", &result->after);
    pb_out_str(out, object, "refused", result->refused[0] ? result->refused : NULL);
}

void pb_out_changes(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    cJSON *changes = pb_out_array(out, root, "changes");

    for (size_t i = 0; i < evidence->scenario->change_count; i++) {
        const struct pb_live_change *change = &evidence->scenario->changes[i];
        cJSON *object = pb_out_object(out, changes, NULL);

        pb_out_str(out, object, "change", change->text);
        pb_out_int(out, object, "planned_ns", change->at_ns);
        pb_out_known(out, object, "made_ns", evidence->changes[i].made_ns);
        if (evidence->changes[i].made_ns >= 0) {
            pb_out_change(out, object, &evidence->changes[i]);
        }
    }
}
