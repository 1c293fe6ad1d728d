#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

#define PRINT_DEPTH 1000 /* levels printed; a tree of our own making that is deeper is a bug */
#define EXACT_MAX   9007199254740992.0 /* 2^53: integers up to here are exact in a double */

static const cJSON *element_at(const cJSON *array, const char *path)
{
    char *end = NULL;
    long index = *path >= '0' && *path <= '9' ? strtol(path, &end, 10) : -1;
    const cJSON *child = array->child;

    if (index < 0 || (*end != '\0' && *end != '.')) {
        return NULL;
    }
    for (; child && index > 0; index--) {
        child = child->next;
    }
    return child && *end == '.' ? pb_json_at(child, end + 1) : child;
}

const cJSON *pb_json_at(const cJSON *root, const char *path)
{
    if (cJSON_IsArray(root)) {
        return element_at(root, path);
    }
    if (!cJSON_IsObject(root)) {
        return NULL;
    }
    /* Keys may hold dots ("pool.size"): each member whose key begins the path is tried. */
    for (const cJSON *child = root->child; child; child = child->next) {
        size_t len = child->string ? strlen(child->string) : 0;

        if (!child->string || strncmp(child->string, path, len) != 0) {
            continue;
        }
        const cJSON *found = path[len] == '\0'  ? child
                             : path[len] == '.' ? pb_json_at(child, path + len + 1)
                                                : NULL;

        if (found) {
            return found;
        }
    }
    return NULL;
}

double pb_json_num(const cJSON *root, const char *path, double fallback)
{
    const cJSON *value = pb_json_at(root, path);

    return cJSON_IsNumber(value) ? value->valuedouble : fallback;
}

int64_t pb_json_int(const cJSON *root, const char *path, int64_t fallback)
{
    const cJSON *value = pb_json_at(root, path);

    if (!cJSON_IsNumber(value) || isnan(value->valuedouble)) {
        return fallback;
    }
    double rounded = round(value->valuedouble);

    if (rounded >= 0x1p63) {
        return INT64_MAX;
    }
    return rounded <= -0x1p63 ? INT64_MIN : (int64_t)rounded;
}

const char *pb_json_str(const cJSON *root, const char *path, const char *fallback)
{
    const cJSON *value = pb_json_at(root, path);

    return cJSON_IsString(value) && value->valuestring ? value->valuestring : fallback;
}

bool pb_json_bool(const cJSON *root, const char *path, bool fallback)
{
    const cJSON *value = pb_json_at(root, path);

    return cJSON_IsBool(value) ? (bool)cJSON_IsTrue(value) : fallback;
}

/* cJSON compares with a tolerance and so loses the last digits of 2^53 - 1, among others. */
static void print_number(struct pb_buf *out, double value)
{
    char text[40];

    if (!isfinite(value)) {
        pb_buf_puts(out, "null"); /* JSON has no word for it */
        return;
    }
    if (value == floor(value) && fabs(value) <= EXACT_MAX) {
        pb_buf_printf(out, "%.0f", value == 0 ? 0.0 : value);
        return;
    }
    /* 15 digits always survive, and 17 always suffice; below DBL_MIN fewer do. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    pb_buf_puts(out, text);
}

static void print_escape(struct pb_buf *out, unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const char *at = names;

    while (*at && (unsigned char)at[0] != c) {
        at += 2;
    }
    if (*at) {
        pb_buf_printf(out, "\\%c", at[1]);
    } else {
        pb_buf_printf(out, "\\u%04x", c);
    }
}

static void print_string(struct pb_buf *out, const char *text)
{
    size_t len = strlen(text), at = 0;

    pb_buf_puts(out, "\"");
    while (at < len) {
        unsigned char c = (unsigned char)text[at];
        size_t bytes = pb_utf8_decode(text + at, len - at, NULL);

        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
            print_escape(out, c);
        } else if (bytes == 0) {
            pb_buf_puts(out, "\xEF\xBF\xBD"); /* U+FFFD: what is printed can be parsed */
        } else {
            pb_buf_add(out, text + at, bytes);
        }
        at += bytes > 0 ? bytes : 1;
    }
    pb_buf_puts(out, "\"");
}

static void print_line(struct pb_buf *out, bool indented, int depth)
{
    if (indented) {
        pb_buf_printf(out, "\n%*s", depth * 2, "");
    }
}

static void print_value(struct pb_buf *out, const cJSON *value, bool indented, int depth);

static void print_members(struct pb_buf *out, const cJSON *value, bool indented, int depth)
{
    bool object = cJSON_IsObject(value);

    pb_buf_puts(out, object ? "{" : "[");
    for (const cJSON *child = value->child; child; child = child->next) {
        print_line(out, indented, depth + 1);
        if (object) {
            print_string(out, child->string ? child->string : "");
            pb_buf_puts(out, indented ? ": " : ":");
        }
        print_value(out, child, indented, depth + 1);
        pb_buf_puts(out, child->next ? "," : "");
    }
    if (value->child) {
        print_line(out, indented, depth);
    }
    pb_buf_puts(out, object ? "}" : "]");
}

static void print_value(struct pb_buf *out, const cJSON *value, bool indented, int depth)
{
    if (depth > PRINT_DEPTH) {
        out->status = PB_EFULL;
    } else if (cJSON_IsObject(value) || cJSON_IsArray(value)) {
        print_members(out, value, indented, depth);
    } else if (cJSON_IsString(value)) {
        print_string(out, value->valuestring ? value->valuestring : "");
    } else if (cJSON_IsNumber(value)) {
        print_number(out, value->valuedouble);
    } else if (cJSON_IsRaw(value)) {
        pb_buf_puts(out, value->valuestring ? value->valuestring : "null");
    } else if (cJSON_IsBool(value)) {
        pb_buf_puts(out, cJSON_IsTrue(value) ? "true" : "false");
    } else {
        pb_buf_puts(out, "null");
    }
}

char *pb_json_print(const cJSON *value, bool indented)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { .cap = (size_t)1 << 30 };

    print_value(&out, value, indented, 0);
    return pb_buf_detach(&out);
}
