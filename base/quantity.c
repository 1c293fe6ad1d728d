#include "base/quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define WIDE_MAX   (~(wide)0)
#define DIGITS_MAX 24      /* of a mantissa: 10^24 x 3.6 10^12 fits into `wide` */
#define EXP10_MAX  400     /* beyond what any double has */
#define SHOWN      "%.60s" /* how much of the user's text a message repeats */

/* mantissa x 10^exp10, exactly as it was written. */
struct decimal {
    wide mantissa;
    int exp10;
    bool negative;
};

struct unit {
    const char *name;
    int64_t scale;
};

static const struct unit duration_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xC2\xB5s", 1000 }, /* the micro sign, and the Greek letter that looks the same */
    { "\xCE\xBCs", 1000 },
    { "ms", 1000000 },
    { "s", 1000000000 },
    { "m", 60000000000 },
    { "h", 3600000000000 },
};

static const struct unit size_units[] = {
    { "", 1 },
    { "B", 1 },
    { "KB", 1000 },
    { "kB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "KiB", (int64_t)1 << 10 },
    { "MiB", (int64_t)1 << 20 },
    { "GiB", (int64_t)1 << 30 },
    { "TiB", (int64_t)1 << 40 },
};

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    return text;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool at_end(const char *text)
{
    return *skip_blanks(text) == '\0';
}

/* Takes "e-3" behind a number into `exp10`; what is no exponent is left for the caller. */
static void read_exponent(const char **text, int *exp10)
{
    const char *at = *text;
    int sign = 1, value = 0;

    if (*at != 'e' && *at != 'E') {
        return;
    }
    at++;
    if (*at == '+' || *at == '-') {
        sign = *at++ == '-' ? -1 : 1;
    }
    if (!is_digit(*at)) {
        return;
    }
    for (; is_digit(*at); at++) {
        value = value < EXP10_MAX * 2 ? value * 10 + (*at - '0') : value;
    }
    *exp10 += sign * value;
    *text = at;
}

/* Takes one digit.  Those after the 24th count only by their place: no result can show them. */
static void take_digit(struct decimal *number, char digit, bool fraction)
{
    static const wide full = (wide)1000000000000 * 100000000000; /* 10^(DIGITS_MAX - 1) */

    if (number->mantissa >= full) {
        number->exp10 += fraction ? 0 : 1;
        return;
    }
    number->mantissa = number->mantissa * 10 + (unsigned)(digit - '0');
    number->exp10 -= fraction ? 1 : 0;
}

/* Reads a decimal number such as "-12.5e3" and moves `text` behind it; false when none is there. */
static bool read_decimal(const char **text, struct decimal *ret)
{
    struct decimal number = { 0 };
    const char *at = *text;

    if (*at == '-' || *at == '+') {
        number.negative = *at++ == '-';
    }
    if (!is_digit(*at)) {
        return false;
    }
    for (; is_digit(*at); at++) {
        take_digit(&number, *at, false);
    }
    if (at[0] == '.' && is_digit(at[1])) {
        for (at++; is_digit(*at); at++) {
            take_digit(&number, *at, true);
        }
    }
    read_exponent(&at, &number.exp10);
    *ret = number;
    *text = at;
    return true;
}

/* number x scale, rounded half up to an integer; false beyond INT64_MAX.  What is not zero does
 * not become zero: that is false, too. */
static bool scale_to_integer(const struct decimal *number, int64_t scale, int64_t *ret)
{
    wide value = number->mantissa * (wide)(uint64_t)scale; /* < 10^24 x 3.6 10^12 */
    wide half = 0;

    if (value == 0) {
        *ret = 0;
        return true;
    }
    for (int e = number->exp10; e > 0; e--) {
        if (value > (wide)INT64_MAX) {
            return false;
        }
        value *= 10;
    }
    for (int e = number->exp10; e < 0; e++) {
        half = value % 10 >= 5;
        value /= 10;
    }
    value += half;
    if (value == 0 || value > (wide)INT64_MAX) {
        return false;
    }
    *ret = (int64_t)value;
    return true;
}

/* The nearest double, whatever the locale's decimal point is. */
static double to_double(const struct decimal *number)
{
    char digits[DIGITS_MAX + 16], *at = digits + DIGITS_MAX + 1;
    wide rest = number->mantissa;

    (void)snprintf(at, sizeof(digits) - (size_t)(at - digits), "e%d", number->exp10);
    do {
        *--at = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    double value = strtod(at, NULL);

    return number->negative ? -value : value;
}

/* The unit at `text`, which ends at the first character that cannot be part of one; NULL when it
 * is unknown.  `ret_end` is behind it. */
static const struct unit *read_unit(const struct unit *units, size_t count, const char *text,
                                    const char **ret_end)
{
    size_t len = 0;

    while (isalpha((unsigned char)text[len]) || (text[len] & '\x80')) {
        len++;
    }
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == len && strncmp(units[i].name, text, len) == 0) {
            *ret_end = text + len;
            return &units[i];
        }
    }
    return NULL;
}

static enum pb_status bad_duration(struct pb_error *err, const char *text)
{
    return pb_fail(err, PB_EPARSE,
                   "\"" SHOWN "\" is not a duration: write it like 250us, 1.5ms, 3s, 2m or 1m30s "
                   "(units ns, us, ms, s, m, h)",
                   text);
}

/* One "30s" of "1m30s", added to `sum_ns`; units come in falling order. */
static enum pb_status add_part(const char *text, const char **at, int64_t *sum_ns,
                               int64_t *smallest, struct pb_error *err)
{
    struct decimal number;
    int64_t part_ns;

    if (!read_decimal(at, &number)) {
        return bad_duration(err, text);
    }
    if (number.negative && number.mantissa > 0) {
        return pb_fail(err, PB_EINVAL,
                       "\"" SHOWN "\" is negative: a duration is 0 or more, such as 250us", text);
    }
    *at = skip_blanks(*at);
    if (**at == '\0' && *smallest == INT64_MAX) {
        if (number.mantissa == 0) {
            return PB_OK;
        }
        return pb_fail(err, PB_EPARSE,
                       "\"" SHOWN "\" has no unit: write ns, us, ms, s, m or h behind the number",
                       text);
    }
    const struct unit *unit = read_unit(duration_units, PB_ARRAY_LEN(duration_units), *at, at);

    if (!unit || unit->scale >= *smallest) {
        return bad_duration(err, text);
    }
    if (!scale_to_integer(&number, unit->scale, &part_ns) ||
        __builtin_add_overflow(*sum_ns, part_ns, sum_ns)) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "\" is out of range: 0, or 1ns to 292 years",
                       text);
    }
    *smallest = unit->scale;
    return PB_OK;
}

enum pb_status pb_parse_duration(const char *text, int64_t *ret_ns, struct pb_error *err)
{
    const char *at = skip_blanks(text);
    int64_t sum_ns = 0, smallest = INT64_MAX;

    do {
        PB_TRY(add_part(text, &at, &sum_ns, &smallest, err));
        at = skip_blanks(at);
    } while (*at);
    *ret_ns = sum_ns;
    return PB_OK;
}

enum pb_status pb_parse_size(const char *text, int64_t *ret_bytes, struct pb_error *err)
{
    const char *at = skip_blanks(text);
    struct decimal number;
    const struct unit *unit = NULL;
    int64_t bytes;

    if (read_decimal(&at, &number)) {
        at = skip_blanks(at);
        unit = read_unit(size_units, PB_ARRAY_LEN(size_units), at, &at);
    }
    if (!unit || !at_end(at)) {
        return pb_fail(err, PB_EPARSE,
                       "\"" SHOWN "\" is not a size: write it like 512, 64KiB or 50MB "
                       "(units B, KB MB GB TB, KiB MiB GiB TiB)",
                       text);
    }
    if ((number.negative && number.mantissa > 0) ||
        !scale_to_integer(&number, unit->scale, &bytes)) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "\" is out of range: 0, or 1B to 8388607TiB",
                       text);
    }
    *ret_bytes = bytes;
    return PB_OK;
}

/* "k" and "M" in front of a unit or at the end. */
static int read_prefix(const char **at)
{
    if (**at == 'k' || **at == 'M') {
        return *(*at)++ == 'k' ? 3 : 6;
    }
    return 0;
}

enum pb_status pb_parse_rate(const char *text, double *ret_per_s, struct pb_error *err)
{
    static const struct unit per[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };
    const char *at = skip_blanks(text);
    struct decimal number;
    const struct unit *unit = &per[0];
    bool valid = read_decimal(&at, &number);

    if (valid) {
        number.exp10 += read_prefix(&at);
        at = skip_blanks(at);
        if (*at == '/') {
            unit = read_unit(per, PB_ARRAY_LEN(per), at + 1, &at);
        }
    }
    if (!valid || !unit || !at_end(at)) {
        return pb_fail(err, PB_EPARSE,
                       "\"" SHOWN "\" is not a rate: write it like 2000/s, 1.5k/s, 120/m or 90/h",
                       text);
    }
    double per_s = to_double(&number) / (double)unit->scale;

    if (!isfinite(per_s) || per_s < 0) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "\" is out of range: a rate is 0/s or more",
                       text);
    }
    *ret_per_s = fabs(per_s); /* no negative zero */
    return PB_OK;
}

enum pb_status pb_parse_ratio(const char *text, double *ret_ratio, struct pb_error *err)
{
    const char *at = skip_blanks(text);
    struct decimal number;
    bool valid = read_decimal(&at, &number);

    if (valid) {
        at = skip_blanks(at);
        if (*at == '%') {
            at++;
            number.exp10 -= 2;
        }
    }
    if (!valid || !at_end(at)) {
        return pb_fail(err, PB_EPARSE, "\"" SHOWN "\" is not a ratio: write it like 0.1%% or 0.001",
                       text);
    }
    double ratio = to_double(&number);

    if (!isfinite(ratio) || ratio < 0) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "\" is out of range: a ratio is 0 or more", text);
    }
    *ret_ratio = fabs(ratio);
    return PB_OK;
}

enum pb_status pb_parse_count(const char *text, int64_t *ret_count, struct pb_error *err)
{
    const char *at = skip_blanks(text);
    wide value = 0;
    bool negative = *at == '-';
    const char *digits = at + (*at == '-' || *at == '+' ? 1 : 0);

    for (at = digits; is_digit(*at); at++) {
        value = value < WIDE_MAX / 100 ? value * 10 + (unsigned)(*at - '0') : value;
    }
    bool valid = at > digits;
    int exp10 = read_prefix(&at);

    if (!valid || !at_end(at)) {
        return pb_fail(err, PB_EPARSE,
                       "\"" SHOWN "\" is not a whole number: write it like 12, 30k or 2M", text);
    }
    for (; exp10 > 0 && value <= (wide)INT64_MAX; exp10--) {
        value *= 10;
    }
    if (value > (wide)INT64_MAX) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "\" is too large: at most 9223372036854775807",
                       text);
    }
    *ret_count = negative ? -(int64_t)value : (int64_t)value;
    return PB_OK;
}

static size_t trimmed_length(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    return len;
}

enum pb_status pb_split_range(const char *text, char *ret_low, char *ret_high, size_t size,
                              struct pb_error *err)
{
    const char *low = skip_blanks(text), *dots = strstr(low, "..");
    const char *high = dots ? skip_blanks(dots + 2) : NULL;
    size_t low_len = dots ? trimmed_length(low, (size_t)(dots - low)) : 0;
    size_t high_len = high ? trimmed_length(high, strlen(high)) : 0;

    if (low_len == 0 || high_len == 0 || *high == '.' || strstr(high, "..")) {
        return pb_fail(err, PB_EPARSE,
                       "\"" SHOWN "\" is not a range: write it like 2..32 or 60%%..80%%", text);
    }
    if (low_len >= size || high_len >= size) {
        return pb_fail(err, PB_EINVAL, "\"" SHOWN "...\" is too long for a range such as 2..32",
                       text);
    }
    (void)snprintf(ret_low, size, "%.*s", (int)low_len, low);
    (void)snprintf(ret_high, size, "%.*s", (int)high_len, high);
    return PB_OK;
}
