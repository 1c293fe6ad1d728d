#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"

#define NS_PER_S   UINT64_C(1000000000)
#define NS_PER_MIN (60 * NS_PER_S)
#define NS_PER_H   (60 * NS_PER_MIN)

struct scale {
    const char *name;
    uint64_t value;
};

static char *print_text(char *text, const char *words)
{
    (void)snprintf(text, PB_QUANTITY_TEXT, "%s", words);
    return text;
}

/* |value| without the overflow of INT64_MIN. */
static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* `value` in units of `unit` with three significant digits, in integers all the way, so that no
 * binary fraction decides a rounding: 2.675 becomes "2.68".  Exact multiples have no fraction.
 * False when rounding reaches `limit`: the next unit reads better. */
static bool print_scaled(char *text, const char *sign, uint64_t value, const struct scale *unit,
                         uint64_t limit)
{
    uint64_t whole = value / unit->value, rest = value % unit->value;
    uint64_t factor = whole < 10 ? 100 : whole < 100 ? 10 : 1;
    const char *blank = unit->name[0] == '\0' ? "" : " ";

    if (rest == 0 && whole < limit) {
        (void)snprintf(text, PB_QUANTITY_TEXT, "%s%llu%s%s", sign, (unsigned long long)whole, blank,
                       unit->name);
        return true;
    }
    /* rest < 2^42 for the largest unit, so that rest x 100 fits. */
    uint64_t parts = whole * factor + (rest * factor + unit->value / 2) / unit->value;

    if (factor > 1 && parts >= 1000) { /* 9.996 is 10.0, and 99.96 is 100 */
        parts /= 10;
        factor /= 10;
    }
    if (parts / factor >= limit) {
        return false;
    }
    int decimals = factor == 100 ? 2 : factor == 10 ? 1 : 0;

    (void)snprintf(text, PB_QUANTITY_TEXT, "%s%llu%s%.*llu%s%s", sign,
                   (unsigned long long)(parts / factor), decimals > 0 ? "." : "", decimals,
                   (unsigned long long)(parts % factor), blank, unit->name);
    return true;
}

static char *print_minutes(char *text, const char *sign, uint64_t ns)
{
    uint64_t s = ns / NS_PER_S + (ns % NS_PER_S >= NS_PER_S / 2 ? 1 : 0);

    if (s < 3600) {
        (void)snprintf(text, PB_QUANTITY_TEXT, "%s%d m %02d s", sign, (int)(s / 60), (int)(s % 60));
        return text;
    }
    uint64_t minutes = ns / NS_PER_MIN + (ns % NS_PER_MIN >= NS_PER_MIN / 2 ? 1 : 0);

    (void)snprintf(text, PB_QUANTITY_TEXT, "%s%llu h %02d m", sign,
                   (unsigned long long)(minutes / 60), (int)(minutes % 60));
    return text;
}

char *pb_format_duration(int64_t ns, char *text)
{
    static const struct scale units[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "ms", 1000000 },
        { "s", NS_PER_S },
    };
    const char *sign = ns < 0 ? "-" : "";
    uint64_t size_ns = magnitude(ns);

    if (ns == 0) {
        return print_text(text, "0");
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(units); i++) {
        uint64_t limit = units[i].value == NS_PER_S ? 60 : 1000;

        if (size_ns / units[i].value < limit &&
            print_scaled(text, sign, size_ns, &units[i], limit)) {
            return text;
        }
    }
    return print_minutes(text, sign, size_ns);
}

char *pb_format_duration_exact(int64_t ns, char *text)
{
    static const struct scale units[] = {
        { "h", NS_PER_H }, { "m", NS_PER_MIN }, { "s", NS_PER_S },
        { "ms", 1000000 }, { "us", 1000 },      { "ns", 1 },
    };
    uint64_t size_ns = magnitude(ns);

    if (ns == 0) {
        return print_text(text, "0");
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(units); i++) {
        if (size_ns % units[i].value == 0) {
            (void)snprintf(text, PB_QUANTITY_TEXT, "%s%llu%s", ns < 0 ? "-" : "",
                           (unsigned long long)(size_ns / units[i].value), units[i].name);
            break;
        }
    }
    return text;
}

char *pb_format_size(int64_t bytes, char *text)
{
    static const struct scale units[] = {
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
    };
    const char *sign = bytes < 0 ? "-" : "";
    uint64_t size = magnitude(bytes);
    size_t last = PB_ARRAY_LEN(units) - 1;

    for (size_t i = 0; i <= last; i++) {
        uint64_t limit = i == last ? UINT64_MAX : 1024;

        if (size / units[i].value < limit && print_scaled(text, sign, size, &units[i], limit)) {
            break;
        }
    }
    return text;
}

/* False, and the word for it in `text`, when `value` is no number to speak of. */
static bool is_finite_or_word(double value, char *text)
{
    if (!isfinite(value)) {
        (void)print_text(text, isnan(value) ? "-" : value > 0 ? "infinite" : "-infinite");
        return false;
    }
    return true;
}

/* Decimals that show `digits` significant digits of `value` > 0 after rounding to them. */
static int decimals_for(double value, int digits)
{
    char rounded[40];

    /* printf rounds correctly where log10 would be off by one near a power of ten. */
    (void)snprintf(rounded, sizeof(rounded), "%.*e", digits - 1, value);
    int exponent = (int)strtol(strchr(rounded, 'e') + 1, NULL, 10);

    return exponent >= digits - 1 ? 0 : digits - 1 - exponent;
}

/* `value` with `digits` significant digits and no exponent, whole numbers without fraction. */
static void print_digits(char *text, double value, int digits, const char *suffix)
{
    double size = fabs(value);

    if (value == 0) {
        (void)snprintf(text, PB_QUANTITY_TEXT, "0%s", suffix);
    } else if (size >= 1e18 || size < 1e-15) {
        (void)snprintf(text, PB_QUANTITY_TEXT, "%.*e%s", digits - 1, value, suffix);
    } else {
        int decimals = floor(value) == value ? 0 : decimals_for(size, digits);

        (void)snprintf(text, PB_QUANTITY_TEXT, "%.*f%s", decimals, value, suffix);
    }
}

char *pb_format_number(double value, char *text)
{
    if (is_finite_or_word(value, text)) {
        print_digits(text, value, 3, "");
    }
    return text;
}

char *pb_format_rate(double per_s, char *text)
{
    if (!is_finite_or_word(per_s, text)) {
        return text;
    }
    double size = fabs(per_s);

    /* From 9999.5 on the whole number has five digits. */
    if (size < 9999.5) {
        print_digits(text, per_s, size < 999.5 ? 3 : 4, "/s");
    } else if (size < 999500) {
        print_digits(text, per_s / 1e3, 3, "k/s");
    } else {
        print_digits(text, per_s / 1e6, 3, "M/s");
    }
    return text;
}

/* Zeros behind the point say nothing when the number is exactly what is left without them. */
static void strip_exact_zeros(char *text, double value)
{
    double shown = strtod(text, NULL);

    if (!strchr(text, '.') || strchr(text, 'e') || fabs(shown - value) > 1e-12 * fabs(value)) {
        return;
    }
    size_t len = strlen(text);

    while (text[len - 1] == '0') {
        len--;
    }
    text[text[len - 1] == '.' ? len - 1 : len] = '\0';
}

char *pb_format_percent(double ratio, char *text)
{
    if (!is_finite_or_word(ratio, text)) {
        return text;
    }
    double percent = ratio * 100, size = fabs(percent);

    if (ratio > 0.99 && ratio < 1) {
        /* Near 100 the distance to it is the news: two digits of that. */
        (void)snprintf(text, PB_QUANTITY_TEXT, "%.*f", decimals_for((1 - ratio) * 100, 2), percent);
    } else {
        print_digits(text, percent, size < 0.1 ? 2 : 3, "");
    }
    strip_exact_zeros(text, percent);
    size_t used = strlen(text);

    (void)snprintf(text + used, PB_QUANTITY_TEXT - used, " %%");
    return text;
}

char *pb_format_count(int64_t count, char *text)
{
    char digits[24];
    size_t len =
        (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)magnitude(count));
    char *at = text;

    if (count < 0) {
        *at++ = '-';
    }
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *at++ = ' ';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

const char *pb_format_in_unit(const char *unit, double value, char *text)
{
    if (isnan(value)) {
        return "-";
    }
    if (strcmp(unit, "ns") == 0) {
        return pb_format_duration((int64_t)value, text);
    }
    if (strcmp(unit, "ratio") == 0) {
        return pb_format_percent(value, text);
    }
    if (strcmp(unit, "bytes") == 0) {
        return pb_format_size((int64_t)value, text);
    }
    return strcmp(unit, "per_s") == 0 ? pb_format_rate(value, text) : pb_format_number(value, text);
}
