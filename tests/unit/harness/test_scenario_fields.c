/* The table itself, and what is generated from it. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "harness/scenario.h"
#include "harness/scenario_internal.h"
#include "support/alloc.h"
#include "support/test.h"

PB_TEST(each_row_is_whole_and_its_path_is_its_own)
{
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        ck_assert_msg(pb_field_find(field->path) == field, "%s is there twice", field->path);
        ck_assert_msg(field->help && *field->help, "%s: no help", field->path);
        ck_assert_msg(field->unit != NULL, "%s: no unit", field->path);
        ck_assert_msg(strlen(field->path) < 60, "%s: too long", field->path);
        if (field->type == PB_FIELD_CHOICE) {
            ck_assert_ptr_nonnull(field->choices);
        }
        if (field->tunable) {
            ck_assert_int_eq(PB_HOME_SCENARIO, field->home);
        }
    }
}

/* Parses the text of a default or preset and writes it back. */
static void check_text(const struct pb_field *field, const char *text)
{
    union pb_value value = { .integer = 0 };
    struct pb_error err = { .status = PB_OK };

    ck_assert_msg(pb_value_parse(field, text, &value, &err) == PB_OK, "%s: %s", field->path,
                  err.text);
    cJSON *json = pb_value_json(field, value);
    union pb_value again = { .integer = 0 };

    ck_assert_msg(pb_value_read(field, json, &again, &err) == PB_OK, "%s: %s", field->path,
                  err.text);
    if (field->type == PB_FIELD_TEXT) {
        ck_assert_str_eq(value.text, again.text);
    } else {
        ck_assert_int_eq(0, memcmp(&value, &again, sizeof(value)));
    }
    cJSON_Delete(json);
}

PB_TEST(each_default_and_preset_is_a_value_of_its_field)
{
    const struct pb_field *field;
    int presets = 0;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        const char *preset = pb_preset_value(1, field->path);

        if (field->def && field->type != PB_FIELD_COMPLEX) {
            check_text(field, field->def);
        }
        if (preset) {
            check_text(field, preset);
            presets++;
        }
    }
    ck_assert_int_eq(8, presets);
}

PB_TEST(the_ends_of_each_range_are_valid_and_beyond_is_not)
{
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        union pb_value value = { .integer = 0 };
        char text[48];

        if (field->min >= field->max || field->type == PB_FIELD_TEXT) {
            continue;
        }
        pb_field_number(field, field->min, text, sizeof(text));
        ck_assert_msg(pb_value_parse(field, text, &value, NULL) == PB_OK, "%s: %s", field->path,
                      text);
        pb_field_number(field, field->max, text, sizeof(text));
        ck_assert_msg(pb_value_parse(field, text, &value, NULL) == PB_OK, "%s: %s", field->path,
                      text);
        pb_field_number(field, field->max * 2, text, sizeof(text));
        ck_assert_msg(pb_value_parse(field, text, &value, NULL) != PB_OK, "%s: %s", field->path,
                      text);
    }
}

PB_TEST(a_row_is_found_by_a_path_with_names_in_it)
{
    static const struct {
        const char *path, *row;
    } cases[] = {
        { "pool.size", "pool.size" },
        { "phases[].rate", "phases[].rate" },
        { "phases.steady.rate", "phases[].rate" },
        { "phases.v1.2.rate", "phases[].rate" },
        { "phases.steady.think.mean", "workload.service.mean" },
        { "workload.operations.read.weight", "workload.operations[].weight" },
        { "workload.operations.read.cpu_share", "workload.cpu_share" },
        { "workload.operations.read.service.p99", "workload.service.p99" },
        { "faults.0.stall", "faults[].stall" },
        { "pool.sise", NULL },
        { "phases.steady", NULL },
        { "phases.steady.rte", NULL },
        { "workload.operations.read.type", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        const struct pb_field *field = pb_field_find(cases[i].path);

        if (cases[i].row) {
            ck_assert_msg(field != NULL, "%s", cases[i].path);
            ck_assert_str_eq(cases[i].row, field->path);
        } else {
            ck_assert_msg(field == NULL, "%s", cases[i].path);
        }
    }
}

/* Names under a prefix are kept in fixed room: here is where it would be too small. */
PB_TEST(all_names_of_an_object_fit)
{
    static const char *const prefixes[] = { "",          "pool.",     "workload.",
                                            "phases[].", "tune.",     "workload.operations[].",
                                            "slo[].",    "faults[].", "retries." };
    const struct pb_field *field;

    for (size_t p = 0; p < PB_ARRAY_LEN(prefixes); p++) {
        struct pb_names names;
        size_t len = strlen(prefixes[p]);

        pb_names_under(prefixes[p], &names);
        ck_assert_uint_gt(names.count, 1);
        for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
            char name[80];

            if (strncmp(field->path, prefixes[p], len) == 0) {
                (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(field->path + len, ".["),
                               field->path + len);
                ck_assert_msg(pb_names_have(&names, name), "%s%s", prefixes[p], name);
            }
        }
    }
}

PB_TEST(the_reference_shows_every_field)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    const struct pb_field *field;

    pb_fields_markdown(&out);
    PB_ASSERT_OK(pb_buf_status(&out));
    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        char row[80];

        (void)snprintf(row, sizeof(row), "\n| `%s` |", field->path);
        const char *first = strstr(pb_buf_text(&out), row);

        ck_assert_msg(first != NULL, "%s is not documented", field->path);
        ck_assert_msg(strstr(first + 1, row) == NULL, "%s is documented twice", field->path);
    }
}

PB_TEST(the_rows_are_printed_as_json)
{
    const struct pb_field *field;
    cJSON *rows = pb_fields_json();

    ck_assert_ptr_nonnull(rows);
    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, (int)i);

        ck_assert_str_eq(field->path, pb_json_str(row, "path", ""));
        ck_assert_int_eq(field->tunable, pb_json_bool(row, "tunable", !field->tunable));
    }
    cJSON_Delete(rows);
}

PB_TEST(the_schema_knows_every_field)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    pb_fields_schema(&out);
    PB_ASSERT_OK(pb_buf_status(&out));
    cJSON *schema = cJSON_Parse(pb_buf_text(&out));

    ck_assert_ptr_nonnull(schema);
    ck_assert_str_eq("http://json-schema.org/draft-07/schema#", pb_json_str(schema, "$schema", ""));
    PB_ASSERT_NEAR(1024, pb_json_num(schema, "properties.pool.properties.size.maximum", 0), 0);
    PB_ASSERT_NEAR(10, pb_json_num(schema, "properties.pool.properties.size.default", 0), 0);
    ck_assert(!pb_json_bool(schema, "properties.pool.additionalProperties", true));
    ck_assert_ptr_nonnull(
        pb_json_at(schema, "properties.phases.items.properties.amplitude.description"));
    ck_assert_ptr_nonnull(
        pb_json_at(schema, "properties.workload.properties.operations.items.properties.hang_rate"));
    ck_assert_ptr_nonnull(pb_json_at(schema, "definitions.distribution.properties.p99.pattern"));
    cJSON_Delete(schema);
}

PB_TEST(generating_without_memory_fails_cleanly)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        cJSON *rows = pb_fields_json();

        ck_assert((rows == NULL) == pb_alloc_failed());
        cJSON_Delete(rows);
    }
    /* The schema takes thousands of allocations: some of them in turn. */
    for (long n = 1; n < 4000; n += 97) {
        PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

        pb_alloc_fail_once(n);
        pb_fields_schema(&out);
        bool failed = pb_alloc_failed();

        pb_alloc_fail_off();
        ck_assert_msg((pb_buf_status(&out) != PB_OK) == failed, "allocation %ld", n);
    }
}
