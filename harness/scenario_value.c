#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "base/utf8.h"
#include "harness/scenario_internal.h"

#define INTEGER_MAX 9007199254740992.0 /* 2^53: JSON numbers are exact up to here */

const char *pb_value_wanted(enum pb_field_type type)
{
    static const char *const wanted[] = {
        [PB_FIELD_INTEGER] = "a whole number such as 8",
        [PB_FIELD_DURATION] = "a duration such as \"250ms\"",
        [PB_FIELD_SIZE] = "a size such as \"64KiB\"",
        [PB_FIELD_RATE] = "a rate such as 1000 or \"2000/s\"",
        [PB_FIELD_RATIO] = "a number such as 0.2 or \"20%\"",
        [PB_FIELD_BOOL] = "true or false",
        [PB_FIELD_CHOICE] = "a word in quotes",
        [PB_FIELD_TEXT] = "text in quotes",
        [PB_FIELD_COMPLEX] = "an object",
    };

    return wanted[type];
}

const char *pb_node_kind(const cJSON *node)
{
    if (cJSON_IsString(node)) {
        return "text";
    }
    if (cJSON_IsNumber(node)) {
        return "a number";
    }
    if (cJSON_IsBool(node)) {
        return cJSON_IsTrue(node) ? "true" : "false";
    }
    if (cJSON_IsArray(node)) {
        return "a list";
    }
    return cJSON_IsObject(node) ? "an object" : "null";
}

void pb_field_number(const struct pb_field *field, double value, char *text, size_t size)
{
    char duration[PB_QUANTITY_TEXT];

    switch (field->type) {
    case PB_FIELD_DURATION:
        (void)snprintf(text, size, "%s", pb_format_duration_exact((int64_t)value, duration));
        return;
    case PB_FIELD_INTEGER:
    case PB_FIELD_SIZE:
    case PB_FIELD_CHOICE:
        (void)snprintf(text, size, fabs(value) > INTEGER_MAX ? "%.6g" : "%.0f", value);
        return;
    case PB_FIELD_RATE:
    case PB_FIELD_RATIO:
    case PB_FIELD_BOOL:
    case PB_FIELD_TEXT:
    case PB_FIELD_COMPLEX:
        break;
    }
    (void)snprintf(text, size, "%.15g", value);
}

void pb_field_range(const struct pb_field *field, char *text, size_t size)
{
    char low[40], high[40];

    *text = '\0';
    if (field->type == PB_FIELD_TEXT || field->min >= field->max) {
        return;
    }
    pb_field_number(field, field->min, low, sizeof(low));
    pb_field_number(field, field->max, high, sizeof(high));
    (void)snprintf(text, size, "%s..%s", low, high);
}

static enum pb_status check_range(const struct pb_field *field, double value, struct pb_error *err)
{
    char range[96], shown[40];

    if (value >= field->min && value <= field->max) {
        return PB_OK;
    }
    pb_field_range(field, range, sizeof(range));
    pb_field_number(field, value, shown, sizeof(shown));
    return pb_fail(err, PB_EINVAL, "%s is out of range: it must be in %s", shown, range);
}

static size_t word_count(const char *const *words)
{
    size_t count = 0;

    while (words[count]) {
        count++;
    }
    return count;
}

static enum pb_status fail_choice(const struct pb_field *field, const char *word,
                                  struct pb_error *err)
{
    char list[120] = "";
    size_t count = word_count(field->choices), used = 0;
    const char *near = pb_nearest(word, field->choices, count);

    if (pb_later_word(field->path, word)) {
        return pb_fail(err, PB_ENOTSUP, "\"%s\" is " PB_LATER_MESSAGE, word);
    }
    for (size_t i = 0; i < count && used < sizeof(list); i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "",
                                 field->choices[i]);
    }
    if (near) {
        return pb_fail(err, PB_EINVAL, "\"%.40s\" is not one of %s; did you mean \"%s\"?", word,
                       list, near);
    }
    return pb_fail(err, PB_EINVAL, "\"%.40s\" is not %s%s", word, count > 1 ? "one of " : "", list);
}

static enum pb_status parse_choice(const struct pb_field *field, const char *text,
                                   int64_t *ret_choice, struct pb_error *err)
{
    for (int64_t i = 0; field->choices[i]; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            *ret_choice = i;
            return PB_OK;
        }
    }
    return fail_choice(field, text, err);
}

static enum pb_status check_text(const struct pb_field *field, const char *text,
                                 struct pb_error *err)
{
    size_t len = strlen(text);

    /* The fields of that length are names. */
    if (field->max <= PB_NAME_MAX) {
        return pb_name_check(text, err);
    }
    if ((double)len > field->max) {
        return pb_fail(err, PB_EINVAL, "the text has %zu bytes; at most %.0f are kept", len,
                       field->max);
    }
    return PB_OK;
}

static enum pb_status parse_bool(const char *text, bool *ret_flag, struct pb_error *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return pb_fail(err, PB_EINVAL, "\"%.40s\" must be true or false", text);
    }
    *ret_flag = text[0] == 't';
    return PB_OK;
}

enum pb_status pb_value_parse(const struct pb_field *field, const char *text,
                              union pb_value *ret_value, struct pb_error *err)
{
    union pb_value value = { .integer = 0 };

    switch (field->type) {
    case PB_FIELD_INTEGER:
        PB_TRY(pb_parse_count(text, &value.integer, err));
        PB_TRY(check_range(field, (double)value.integer, err));
        break;
    case PB_FIELD_DURATION:
        PB_TRY(pb_parse_duration(text, &value.integer, err));
        PB_TRY(check_range(field, (double)value.integer, err));
        break;
    case PB_FIELD_SIZE:
        PB_TRY(pb_parse_size(text, &value.integer, err));
        PB_TRY(check_range(field, (double)value.integer, err));
        break;
    case PB_FIELD_RATE:
        PB_TRY(pb_parse_rate(text, &value.number, err));
        PB_TRY(check_range(field, value.number, err));
        break;
    case PB_FIELD_RATIO:
        PB_TRY(pb_parse_ratio(text, &value.number, err));
        PB_TRY(check_range(field, value.number, err));
        break;
    case PB_FIELD_BOOL:
        PB_TRY(parse_bool(text, &value.flag, err));
        break;
    case PB_FIELD_CHOICE:
        PB_TRY(parse_choice(field, text, &value.integer, err));
        break;
    case PB_FIELD_TEXT:
        PB_TRY(check_text(field, text, err));
        value.text = text;
        break;
    case PB_FIELD_COMPLEX:
        return pb_fail(err, PB_EINVAL, "not a simple value");
    }
    *ret_value = value;
    return PB_OK;
}

static enum pb_status read_number(const struct pb_field *field, double number,
                                  union pb_value *ret_value, struct pb_error *err)
{
    bool whole = field->type == PB_FIELD_INTEGER || field->type == PB_FIELD_SIZE;

    if (field->type == PB_FIELD_DURATION) {
        if (number != 0) {
            return pb_fail(err, PB_EINVAL, "%.15g has no unit; write for example \"%.15gms\"",
                           number, number < 0 ? 1.0 : number);
        }
        PB_TRY(check_range(field, 0, err));
        ret_value->integer = 0;
        return PB_OK;
    }
    if (whole && (floor(number) != number || fabs(number) > INTEGER_MAX)) {
        if (fabs(number) > INTEGER_MAX) {
            return check_range(field, number, err);
        }
        return pb_fail(err, PB_EINVAL, "%.15g is not a whole number", number);
    }
    PB_TRY(check_range(field, number, err));
    if (whole) {
        ret_value->integer = (int64_t)number;
    } else {
        ret_value->number = number;
    }
    return PB_OK;
}

enum pb_status pb_value_read(const struct pb_field *field, const cJSON *node,
                             union pb_value *ret_value, struct pb_error *err)
{
    bool numeric = field->type == PB_FIELD_INTEGER || field->type == PB_FIELD_DURATION ||
                   field->type == PB_FIELD_SIZE || field->type == PB_FIELD_RATE ||
                   field->type == PB_FIELD_RATIO;

    if (cJSON_IsNumber(node) && numeric) {
        return read_number(field, node->valuedouble, ret_value, err);
    }
    if (cJSON_IsBool(node) && field->type == PB_FIELD_BOOL) {
        ret_value->flag = cJSON_IsTrue(node);
        return PB_OK;
    }
    if (cJSON_IsString(node) && field->type != PB_FIELD_INTEGER && field->type != PB_FIELD_BOOL) {
        return pb_value_parse(field, node->valuestring, ret_value, err);
    }
    return pb_fail(err, PB_EINVAL, "must be %s, not %s", pb_value_wanted(field->type),
                   pb_node_kind(node));
}

enum pb_status pb_value_store(const struct pb_field *field, union pb_value value, void *home)
{
    char *slot = (char *)home + field->offset;

    switch (field->type) {
    case PB_FIELD_INTEGER:
    case PB_FIELD_DURATION:
    case PB_FIELD_SIZE:
    case PB_FIELD_CHOICE:
        memcpy(slot, &value.integer, sizeof(value.integer));
        return PB_OK;
    case PB_FIELD_RATE:
    case PB_FIELD_RATIO:
        memcpy(slot, &value.number, sizeof(value.number));
        return PB_OK;
    case PB_FIELD_BOOL:
        memcpy(slot, &value.flag, sizeof(value.flag));
        return PB_OK;
    case PB_FIELD_TEXT: {
        char *copy = strdup(value.text), *old;

        if (!copy) {
            return PB_ENOMEM;
        }
        memcpy(&old, slot, sizeof(old));
        free(old);
        memcpy(slot, &copy, sizeof(copy));
        return PB_OK;
    }
    case PB_FIELD_COMPLEX:
        break;
    }
    return PB_EINVAL;
}

union pb_value pb_value_load(const struct pb_field *field, const void *home)
{
    const char *slot = (const char *)home + field->offset;
    union pb_value value = { .integer = 0 };

    switch (field->type) {
    case PB_FIELD_RATE:
    case PB_FIELD_RATIO:
        memcpy(&value.number, slot, sizeof(value.number));
        break;
    case PB_FIELD_BOOL:
        memcpy(&value.flag, slot, sizeof(value.flag));
        break;
    case PB_FIELD_TEXT:
        memcpy(&value.text, slot, sizeof(value.text));
        break;
    case PB_FIELD_INTEGER:
    case PB_FIELD_DURATION:
    case PB_FIELD_SIZE:
    case PB_FIELD_CHOICE:
    case PB_FIELD_COMPLEX:
        memcpy(&value.integer, slot, sizeof(value.integer));
        break;
    }
    return value;
}

cJSON *pb_value_json(const struct pb_field *field, union pb_value value)
{
    char text[PB_QUANTITY_TEXT];

    switch (field->type) {
    case PB_FIELD_INTEGER:
    case PB_FIELD_SIZE:
        return cJSON_CreateNumber((double)value.integer);
    case PB_FIELD_DURATION:
        return cJSON_CreateString(pb_format_duration_exact(value.integer, text));
    case PB_FIELD_RATE:
    case PB_FIELD_RATIO:
        return cJSON_CreateNumber(value.number);
    case PB_FIELD_BOOL:
        return cJSON_CreateBool(value.flag);
    case PB_FIELD_CHOICE:
        return cJSON_CreateString(field->choices[value.integer]);
    case PB_FIELD_TEXT:
    case PB_FIELD_COMPLEX:
        break;
    }
    return cJSON_CreateString(value.text);
}

char *pb_node_text(const cJSON *node)
{
    return cJSON_IsString(node) ? strdup(node->valuestring) : pb_json_print(node, false);
}

/* Control characters of both ranges, and the line and paragraph separators. */
static bool unprintable(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

enum pb_status pb_name_check(const char *name, struct pb_error *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > PB_NAME_MAX) {
        return pb_fail(err, PB_EINVAL, "a name has 1..%d bytes, not %zu", PB_NAME_MAX, len);
    }
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t bytes = pb_utf8_decode(name + at, len - at, &code);

        if (bytes == 0 || unprintable(code)) {
            return pb_fail(err, PB_EINVAL, "a name is printable UTF-8, without control characters");
        }
        /* Names become part of paths, commands and scripts, where these would act. */
        if (code < 0x80 && strchr("/\\\"'`", (int)code)) {
            return pb_fail(err, PB_EINVAL, "\"%s\" has a %c in it; a name is without / \\ \" ' `",
                           name, (int)code);
        }
        at += bytes;
    }
    if (name[0] == '.' || name[0] == ' ' || name[len - 1] == ' ') {
        return pb_fail(err, PB_EINVAL,
                       "\"%s\": a name does not begin with a dot, nor begin or end "
                       "with a blank",
                       name);
    }
    return PB_OK;
}
