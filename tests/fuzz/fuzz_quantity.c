/*
 * Any text is either refused with a message or becomes a quantity in range, and what is formatted
 * can be read again.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_refusal(enum pb_status status, const struct pb_error *err)
{
    must(status == PB_EPARSE || status == PB_EINVAL);
    must(err->status == status && err->text[0] != '\0');
}

static void check_duration(const char *text)
{
    struct pb_error err = { .text = "" };
    char shown[PB_QUANTITY_TEXT];
    int64_t ns = -1, again = -1;
    enum pb_status status = pb_parse_duration(text, &ns, &err);

    if (status != PB_OK) {
        must(ns == -1);
        check_refusal(status, &err);
        return;
    }
    must(ns >= 0);
    must(pb_parse_duration(pb_format_duration_exact(ns, shown), &again, &err) == PB_OK);
    must(again == ns);
    must(pb_parse_duration(pb_format_duration(ns, shown), &again, &err) == PB_OK);
    /* Three digits: within half a percent; minutes and seconds are better. */
    must(fabs((double)again - (double)ns) <= 0.00834 * (double)ns);
}

static void check_size(const char *text)
{
    struct pb_error err = { .text = "" };
    char shown[PB_QUANTITY_TEXT];
    int64_t bytes = -1, again = -1;
    enum pb_status status = pb_parse_size(text, &bytes, &err);

    if (status != PB_OK) {
        must(bytes == -1);
        check_refusal(status, &err);
        return;
    }
    must(bytes >= 0);
    status = pb_parse_size(pb_format_size(bytes, shown), &again, &err);
    must(status == PB_OK || bytes > INT64_MAX - INT64_MAX / 100);
    must(status != PB_OK || fabs((double)again - (double)bytes) <= 0.00501 * (double)bytes);
}

static void check_rate_and_ratio(const char *text)
{
    struct pb_error err = { .text = "" };
    char shown[PB_QUANTITY_TEXT];
    double value = -1, again = -1;
    enum pb_status status = pb_parse_rate(text, &value, &err);

    if (status == PB_OK) {
        must(isfinite(value) && value >= 0);
        must(pb_parse_rate(pb_format_rate(value, shown), &again, &err) == PB_OK);
        must(value < 1e-300 || fabs(again - value) <= 0.00501 * value);
        (void)pb_format_number(value, shown);
    } else {
        must(value == -1);
        check_refusal(status, &err);
    }
    value = -1;
    status = pb_parse_ratio(text, &value, &err);
    if (status == PB_OK) {
        must(isfinite(value) && value >= 0);
        (void)pb_format_percent(value, shown);
        must(strlen(shown) < PB_QUANTITY_TEXT);
    } else {
        must(value == -1);
        check_refusal(status, &err);
    }
}

static void check_count_and_range(const char *text)
{
    struct pb_error err = { .text = "" };
    char low[24] = "", high[24] = "", shown[PB_QUANTITY_TEXT];
    int64_t count = -1;
    enum pb_status status = pb_parse_count(text, &count, &err);

    if (status == PB_OK) {
        (void)pb_format_count(count, shown);
        (void)pb_format_duration(count, shown);
        (void)pb_format_size(count, shown);
    } else {
        check_refusal(status, &err);
    }
    status = pb_split_range(text, low, high, sizeof(low), &err);
    if (status == PB_OK) {
        must(low[0] != '\0' && high[0] != '\0' && !strstr(high, ".."));
    } else {
        must(low[0] == '\0' && high[0] == '\0');
        check_refusal(status, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    must(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    check_duration(text);
    check_size(text);
    check_rate_and_ratio(text);
    check_count_and_range(text);
    free(text);
    return 0;
}
