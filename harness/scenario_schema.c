#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "harness/scenario_internal.h"

#define NUMBER "[0-9]+(\\.[0-9]+)?"

/* What a schema says of a type of quantity beside its range. */
static const struct {
    const char *types[2];
    const char *pattern; /* of its text */
} shapes[] = {
    [PB_FIELD_INTEGER] = { { "integer" }, NULL },
    [PB_FIELD_DURATION] = { { "string", "number" },
                            "^ *(0|(" NUMBER " *(ns|us|\xC2\xB5s|ms|s|m|h) *)+)$" },
    [PB_FIELD_SIZE] = { { "string", "integer" }, "^ *" NUMBER " *([kKMGT]?B|[KMGT]iB)? *$" },
    [PB_FIELD_RATE] = { { "number", "string" }, "^ *" NUMBER "[kM]? *(/[smh])? *$" },
    [PB_FIELD_RATIO] = { { "number", "string" }, "^ *" NUMBER " *%? *$" },
    [PB_FIELD_BOOL] = { { "boolean" }, NULL },
    [PB_FIELD_CHOICE] = { { "string" }, NULL },
    [PB_FIELD_TEXT] = { { "string" }, NULL },
    [PB_FIELD_COMPLEX] = { { "string" }, NULL },
};

/* A worker of a fault. */
#define WORKER_SCHEMA \
    "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0},{\"enum\":[\"any\",\"all\"]}]}"

/* What the table cannot say of fields that are read by code of their own. */
static const struct {
    const char *path;
    const char *schema;
} complex_schemas[] = {
    { "tags", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}" },
    { "$schema", "{\"type\":\"string\"}" },
    { "workload.command", "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}" },
    { "workload.env", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}" },
    { "workload.settings", "{\"type\":\"object\"}" },
    { "think", "{\"$ref\":\"#/definitions/demand\"}" },
    { "phases[].think", "{\"$ref\":\"#/definitions/demand\"}" },
    { "workload.service", "{\"$ref\":\"#/definitions/demand\"}" },
    { "retries.on", "{\"type\":\"array\",\"minItems\":1,\"items\":{\"enum\":[\"client_error\","
                    "\"error\",\"rejected\",\"checkout_timeout\",\"operation_timeout\","
                    "\"worker_lost\"]}}" },
    { "faults[].at", "{\"type\":\"string\",\"examples\":[\"6s\",\"spike+1s\"]}" },
    { "faults[].kill_worker", WORKER_SCHEMA },
    { "faults[].stop_worker", WORKER_SCHEMA },
    { "faults[].hang_worker", WORKER_SCHEMA },
    { "faults[].slow_worker", WORKER_SCHEMA },
    { "faults[].fail_worker", WORKER_SCHEMA },
    { "faults[].leak_worker", WORKER_SCHEMA },
    { "faults[].corrupt_worker", WORKER_SCHEMA },
    { "changes[].at", "{\"type\":\"string\",\"examples\":[\"6s\",\"spike+1s\"]}" },
    { "changes[].set",
      "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":false,\"properties\":{"
      "\"pool.size\":{},\"pool.max_overflow\":{},\"pool.queue_limit\":{},"
      "\"pool.overflow_ttl\":{},\"pool.overflow_after\":{},\"pool.checkout_timeout\":{},"
      "\"pool.operation_timeout\":{},\"pool.strategy\":{}}}" },
    { "slo", "{\"anyOf\":[{\"$ref\":\"#/definitions/objective\"},{\"type\":\"array\",\"items\":{"
             "\"anyOf\":[{\"$ref\":\"#/definitions/objective\"},{\"$ref\":"
             "\"#/definitions/objectiveObject\"}]}}]}" },
    { "abort", "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":"
               "\"string\",\"examples\":[\"error_rate > 20% for 2s\"]}}]}" },
    { "slo[].expr", "{\"$ref\":\"#/definitions/objective\"}" },
    { "slo[].why", "{\"type\":\"string\"}" },
};

struct writer {
    cJSON *root;
    cJSON *definitions;
    bool failed; /* no memory */
};

/* Adds `value` (taken) under `key`; the value, or NULL. */
static cJSON *add(struct writer *writer, cJSON *object, const char *key, cJSON *value)
{
    if (!object || !value || !cJSON_AddItemToObject(object, key, value)) {
        cJSON_Delete(value);
        writer->failed = true;
        return NULL;
    }
    return value;
}

static void add_text(struct writer *writer, cJSON *object, const char *key, const char *text)
{
    (void)add(writer, object, key, cJSON_CreateString(text));
}

/* Makes `schema` that of an object: known members, notes, and nothing else. */
static void make_object(struct writer *writer, cJSON *schema)
{
    if (cJSON_GetObjectItemCaseSensitive(schema, "properties")) {
        return;
    }
    add_text(writer, schema, "type", "object");

    cJSON *properties = add(writer, schema, "properties", cJSON_CreateObject());
    cJSON *note = add(writer, properties, "description", cJSON_CreateObject());
    cJSON *patterns = add(writer, schema, "patternProperties", cJSON_CreateObject());

    add_text(writer, note, "type", "string");
    (void)add(writer, patterns, "^x-", cJSON_CreateObject());
    (void)add(writer, schema, "additionalProperties", cJSON_CreateFalse());
}

/* The schema of member `name` of an object's schema, made when it is not there. */
static cJSON *member(struct writer *writer, cJSON *schema, const char *name)
{
    make_object(writer, schema);

    cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    cJSON *found = cJSON_GetObjectItemCaseSensitive(properties, name);

    return found ? found : add(writer, properties, name, cJSON_CreateObject());
}

static cJSON *items_of(struct writer *writer, cJSON *schema)
{
    cJSON *items = cJSON_GetObjectItemCaseSensitive(schema, "items");

    if (!items) {
        add_text(writer, schema, "type", "array");
        items = add(writer, schema, "items", cJSON_CreateObject());
    }
    return items;
}

/* The schema of the field at `path` under `schema`. */
static cJSON *reach(struct writer *writer, cJSON *schema, const char *path)
{
    while (schema && *path && !writer->failed) {
        size_t len = strcspn(path, ".[");
        char name[PB_PATH_MAX];

        (void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
        schema = member(writer, schema, name);
        path += len;
        if (strncmp(path, "[]", 2) == 0) {
            schema = items_of(writer, schema);
            path += 2;
        }
        path += *path == '.' ? 1 : 0;
    }
    return schema;
}

static void add_word(struct writer *writer, cJSON *list, const char *word)
{
    cJSON *item = cJSON_CreateString(word);

    if (!list || !item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        writer->failed = true;
    }
}

static void add_words(struct writer *writer, cJSON *object, const char *key,
                      const char *const *words)
{
    cJSON *list = add(writer, object, key, cJSON_CreateArray());

    for (size_t i = 0; list && words[i]; i++) {
        add_word(writer, list, words[i]);
    }
}

static void describe_type(struct writer *writer, cJSON *schema, const struct pb_field *field)
{
    const char *const *types = shapes[field->type].types;

    if (field->choices) {
        add_words(writer, schema, "enum", field->choices);
        return;
    }
    (void)add(writer, schema, "type",
              types[1] ? cJSON_CreateStringArray(types, 2) : cJSON_CreateString(types[0]));
    if (shapes[field->type].pattern) {
        add_text(writer, schema, "pattern", shapes[field->type].pattern);
    }
    /* Of a duration only 0 may be a bare number. */
    if (field->type == PB_FIELD_DURATION) {
        (void)add(writer, schema, "minimum", cJSON_CreateNumber(0));
        (void)add(writer, schema, "maximum", cJSON_CreateNumber(0));
    } else if (field->min < field->max && field->type != PB_FIELD_TEXT) {
        (void)add(writer, schema, "minimum", cJSON_CreateNumber(field->min));
        (void)add(writer, schema, "maximum", cJSON_CreateNumber(field->max));
    }
}

static const char *complex_schema(const char *path)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(complex_schemas); i++) {
        if (strcmp(complex_schemas[i].path, path) == 0) {
            return complex_schemas[i].schema;
        }
    }
    return NULL;
}

static void describe_default(struct writer *writer, cJSON *schema, const struct pb_field *field)
{
    union pb_value value = { .integer = 0 };

    if (!field->def) {
        return;
    }
    if (field->type != PB_FIELD_COMPLEX &&
        pb_value_parse(field, field->def, &value, NULL) == PB_OK) {
        (void)add(writer, schema, "default", pb_value_json(field, value));
    } else {
        add_text(writer, schema, "default", field->def);
    }
}

/* A reference stands alone in draft 7, so the words go around it. */
static void describe(struct writer *writer, cJSON *schema, const struct pb_field *field)
{
    const char *special = complex_schema(field->path);

    if (!schema) {
        return;
    }
    /* The `description` of the scenario itself is among its notes already. */
    if (cJSON_GetObjectItemCaseSensitive(schema, "type") &&
        strcmp(field->path, "description") == 0) {
        add_text(writer, schema, "description", field->help);
        return;
    }
    if (!cJSON_GetObjectItemCaseSensitive(schema, "description")) {
        add_text(writer, schema, "description", field->help);
    }
    describe_default(writer, schema, field);
    if (special) {
        cJSON *all = add(writer, schema, "allOf", cJSON_CreateArray()),
              *part = cJSON_Parse(special);

        if (!all || !part || !cJSON_AddItemToArray(all, part)) {
            cJSON_Delete(part);
            writer->failed = true;
        }
    } else if (field->type != PB_FIELD_COMPLEX || field->choices) {
        describe_type(writer, schema, field);
    }
}

/* --- Parts that stand in `definitions` --- */

static void define_demand(struct writer *writer)
{
    static const char demand[] =
        "{\"anyOf\":[{\"type\":[\"string\",\"number\"],\"pattern\":\"^ *[0-9]\",\"minimum\":0,"
        "\"maximum\":0},{\"$ref\":\"#/definitions/distribution\"}]}";

    (void)add(writer, writer->definitions, "demand", cJSON_Parse(demand));
}

static void define_objective(struct writer *writer)
{
    cJSON *objective = add(writer, writer->definitions, "objective", cJSON_CreateObject());
    cJSON *examples;
    const char *preset, *last = "";
    enum pb_level level;

    add_text(writer, objective, "type", "string");
    examples = add(writer, objective, "examples", cJSON_CreateArray());
    for (size_t i = 0; examples && pb_slo_preset_row(i, &preset, &level); i++) {
        if (strcmp(preset, last) != 0) {
            add_word(writer, examples, preset);
        }
        last = preset;
    }
    for (int i = 0; examples && i < PB_METRIC_COUNT; i++) {
        add_word(writer, examples, pb_metric_kind((enum pb_metric)i)->example);
    }
}

static void define_vary(struct writer *writer, cJSON *vary)
{
    const struct pb_field *field;
    cJSON *properties;

    add_text(writer, vary, "type", "object");
    properties = add(writer, vary, "properties", cJSON_CreateObject());
    (void)add(writer, vary, "additionalProperties", cJSON_CreateFalse());
    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (field->tunable) {
            cJSON *values = add(writer, properties, field->path, cJSON_CreateObject());

            add_text(writer, values, "description", field->help);
            (void)add(writer, values, "anyOf",
                      cJSON_Parse("[{\"type\":\"string\",\"pattern\":\"[.][.]\"},{\"type\":"
                                  "\"array\",\"minItems\":1}]"));
        }
    }
}

/* Where a row's schema goes: definitions for what stands in several places. */
static cJSON *home_of(struct writer *writer, const struct pb_field *field)
{
    static const struct {
        const char *prefix, *definition;
    } shared[] = { { "workload.service.", "distribution" }, { "slo[].", "objectiveObject" } };

    for (size_t i = 0; i < PB_ARRAY_LEN(shared); i++) {
        size_t len = strlen(shared[i].prefix);

        if (strncmp(field->path, shared[i].prefix, len) == 0) {
            cJSON *object =
                cJSON_GetObjectItemCaseSensitive(writer->definitions, shared[i].definition);

            object = object ? object
                            : add(writer, writer->definitions, shared[i].definition,
                                  cJSON_CreateObject());
            return reach(writer, object, field->path + len);
        }
    }
    return reach(writer, writer->root, field->path);
}

/* An operation takes what the workload takes. */
static void inherit(struct writer *writer, const struct pb_field *field)
{
    const char *name = field->path + strlen("workload.");

    if (strncmp(field->path, "workload.", strlen("workload.")) == 0 && !strpbrk(name, ".[") &&
        (field->home == PB_HOME_OPERATION || strcmp(name, "service") == 0 ||
         strcmp(name, "args") == 0)) {
        char path[PB_PATH_MAX];
        struct pb_field row = *field;

        (void)snprintf(path, sizeof(path), "workload.operations[].%s", name);
        row.def = NULL;
        describe(writer, reach(writer, writer->root, path), &row);
    }
}

static void write_schema(struct writer *writer)
{
    const struct pb_field *field;

    add_text(writer, writer->root, "$schema", "http://json-schema.org/draft-07/schema#");
    add_text(writer, writer->root, "title", "poolbench scenario");
    writer->definitions = add(writer, writer->root, "definitions", cJSON_CreateObject());
    define_demand(writer);
    define_objective(writer);
    for (size_t i = 0; (field = pb_field_at(i)) != NULL && !writer->failed; i++) {
        cJSON *schema = home_of(writer, field);

        describe(writer, schema, field);
        inherit(writer, field);
        if (strcmp(field->path, "tune.vary") == 0) {
            define_vary(writer, schema);
        }
    }
}

void pb_fields_schema(struct pb_buf *out)
{
    struct writer writer = { .root = cJSON_CreateObject() };
    char *text = NULL;

    write_schema(&writer);
    if (!writer.failed) {
        text = pb_json_print(writer.root, true);
    }
    cJSON_Delete(writer.root);
    if (!text) {
        out->status = PB_ENOMEM;
        return;
    }
    pb_buf_puts(out, text);
    pb_buf_puts(out, "\n");
    free(text);
}

/* --- poolbench fields --json --- */

static const char *type_name(enum pb_field_type type)
{
    static const char *const names[] = {
        [PB_FIELD_INTEGER] = "integer", [PB_FIELD_DURATION] = "duration",
        [PB_FIELD_SIZE] = "size",       [PB_FIELD_RATE] = "rate",
        [PB_FIELD_RATIO] = "ratio",     [PB_FIELD_BOOL] = "boolean",
        [PB_FIELD_CHOICE] = "choice",   [PB_FIELD_TEXT] = "text",
        [PB_FIELD_COMPLEX] = "complex",
    };

    return names[type];
}

static void write_row(struct writer *writer, cJSON *row, const struct pb_field *field)
{
    bool ranged = field->min < field->max && field->type != PB_FIELD_TEXT;

    add_text(writer, row, "path", field->path);
    add_text(writer, row, "type", type_name(field->type));
    add_text(writer, row, "unit", field->unit);
    (void)add(writer, row, "default",
              field->def ? cJSON_CreateString(field->def) : cJSON_CreateNull());
    (void)add(writer, row, "min", ranged ? cJSON_CreateNumber(field->min) : cJSON_CreateNull());
    (void)add(writer, row, "max", ranged ? cJSON_CreateNumber(field->max) : cJSON_CreateNull());
    if (field->choices) {
        add_words(writer, row, "choices", field->choices);
    }
    (void)add(writer, row, "tunable", cJSON_CreateBool(field->tunable));
    add_text(writer, row, "meaning", field->help);
}

cJSON *pb_fields_json(void)
{
    struct writer writer = { .root = cJSON_CreateArray() };
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL && !writer.failed; i++) {
        cJSON *row = cJSON_CreateObject();

        if (!row || !cJSON_AddItemToArray(writer.root, row)) {
            cJSON_Delete(row);
            writer.failed = true;
            break;
        }
        write_row(&writer, row, field);
    }
    if (writer.failed) {
        cJSON_Delete(writer.root);
        return NULL;
    }
    return writer.root;
}
