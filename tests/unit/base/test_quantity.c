#include <math.h>
#include <stdlib.h>

#include "base/quantity.h"
#include "support/test.h"

static const struct duration_case {
    const char *text;
    int64_t ns;
} durations[] = {
    { "0", 0 },
    { "0s", 0 },
    { " 0 ", 0 },
    { "-0ms", 0 },
    { "1ns", 1 },
    { "250us", 250000 },
    { "250 us", 250000 },
    { "250\xC2\xB5s", 250000 },
    { "250\xCE\xBCs", 250000 },
    { "1.5ms", 1500000 },
    { "0.1s", 100000000 },
    { "1e3ms", 1000000000 },
    { "\t3s ", 3000000000 },
    { "2m", 120000000000 },
    { "1h", 3600000000000 },
    { "1m30s", 90000000000 },
    { "1h1m1s1ms1us1ns", 3661001001001 },
    { "2 m 05 s", 125000000000 },
    { "0.123456789s", 123456789 },
    { "0.1234567890123456789012345678901234567890s", 123456789 },
    { "1.0000000005s", 1000000001 },
    { "9223372036.854775807s", INT64_MAX },
    { "9223372036854775807ns", INT64_MAX },
    { "123456789012345678ns", 123456789012345678 },
    { "000000000000000000000000000000000000001s", 1000000000 },
};

PB_TEST(durations_are_read_exactly)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(durations); i++) {
        struct pb_error err = { .text = "" };
        int64_t ns = -1;
        enum pb_status status = pb_parse_duration(durations[i].text, &ns, &err);

        ck_assert_msg(status == PB_OK, "%s: %s", durations[i].text, err.text);
        ck_assert_msg(ns == durations[i].ns, "%s: want %lld, got %lld", durations[i].text,
                      (long long)durations[i].ns, (long long)ns);
    }
}

static const struct refusal {
    const char *text;
    enum pb_status status;
    const char *says;
} bad_durations[] = {
    { "", PB_EPARSE, "write it like 250us" },
    { "  ", PB_EPARSE, "write it like 250us" },
    { "5", PB_EPARSE, "no unit" },
    { "5 ", PB_EPARSE, "no unit" },
    { "ms", PB_EPARSE, "write it like" },
    { "5sec", PB_EPARSE, "units ns, us, ms, s, m, h" },
    { "5 s s", PB_EPARSE, "write it like" },
    { "1s1m", PB_EPARSE, "write it like" },
    { "1s1s", PB_EPARSE, "write it like" },
    { "1m30", PB_EPARSE, "write it like" },
    { "1.s", PB_EPARSE, "write it like" },
    { ".5s", PB_EPARSE, "write it like" },
    { "1,5s", PB_EPARSE, "write it like" },
    { "0x10s", PB_EPARSE, "write it like" },
    { "infs", PB_EPARSE, "write it like" },
    { "nan", PB_EPARSE, "write it like" },
    { "1s\n", PB_EPARSE, "write it like" },
    { "-1s", PB_EINVAL, "negative" },
    { "0.4ns", PB_EINVAL, "1ns to 292 years" },
    { "5e-3ns", PB_EINVAL, "1ns to 292 years" },
    { "9223372036854775808ns", PB_EINVAL, "292 years" },
    { "3000000h", PB_EINVAL, "292 years" },
    { "2562047h48m", PB_EINVAL, "292 years" },
    { "1e999999999999s", PB_EINVAL, "292 years" },
    { "999999999999999999999999999999999999999999999s", PB_EINVAL, "292 years" },
};

PB_TEST(bad_durations_are_refused_with_an_example)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(bad_durations); i++) {
        const struct refusal *bad = &bad_durations[i];
        struct pb_error err = { .text = "" };
        int64_t ns = -7;
        enum pb_status status = pb_parse_duration(bad->text, &ns, &err);

        ck_assert_msg(status == bad->status, "\"%s\": want %s, got %s", bad->text,
                      pb_status_name(bad->status), pb_status_name(status));
        ck_assert_msg(strstr(err.text, bad->says), "\"%s\": %s", bad->text, err.text);
        ck_assert_int_eq(-7, ns);
    }
}

PB_TEST(a_long_wrong_text_is_cut_in_the_message)
{
    char text[5000];
    struct pb_error err = { .text = "" };
    int64_t ns;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    PB_ASSERT_STATUS(PB_EPARSE, pb_parse_duration(text, &ns, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "write it like 250us"));
}

PB_TEST(sizes_are_read)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        { "512", 512 },
        { "0", 0 },
        { "64KiB", 65536 },
        { "50MB", 50000000 },
        { "50 MB", 50000000 },
        { "1GiB", 1 << 30 },
        { "1.5MiB", 1572864 },
        { "2kB", 2000 },
        { "8388607TiB", INT64_C(8388607) << 40 },
        { "0.1KiB", 102 },
        { "3TB", 3000000000000 },
        { "7B", 7 },
    };
    static const char *const bad[] = { "",     "MB",  "5mb", "5 Mb", "5MBx", "5 5",
                                       "1..2", "5/s", "0x5", "KiB5", "5 %" };
    static const char *const absurd[] = { "-1", "8388608TiB", "1e30", "0.2", "0.0001KB" };
    int64_t bytes = -1;

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        PB_ASSERT_OK(pb_parse_size(good[i].text, &bytes, NULL));
        ck_assert_int_eq(good[i].bytes, bytes);
    }
    bytes = -7;
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        struct pb_error err;

        ck_assert_msg(pb_parse_size(bad[i], &bytes, &err) == PB_EPARSE, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "write it like 512, 64KiB or 50MB"));
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(absurd); i++) {
        ck_assert_msg(pb_parse_size(absurd[i], &bytes, NULL) == PB_EINVAL, "%s", absurd[i]);
    }
    ck_assert_int_eq(-7, bytes);
}

PB_TEST(rates_are_read)
{
    static const struct {
        const char *text;
        double per_s;
    } good[] = {
        { "2000/s", 2000 }, { "2000", 2000 },    { "120/m", 2 },
        { "90/h", 0.025 },  { "1.5k/s", 1500 },  { "2M/s", 2e6 },
        { "1.5k", 1500 },   { "1000 /s", 1000 }, { "0", 0 },
        { "0.1/s", 0.1 },   { "1e3/s", 1000 },   { "12.5k/s", 12500 },
        { "-0", 0 },        { "0.3/s", 0.3 },    { "123456.789", 123456.789 },
    };
    static const char *const bad[] = { "",    "/s",  "5/d",  "5/sec",   "5K/s", "1000/s/s",
                                       "k/s", "5kk", "five", "1 000/s", "5%",   "inf" };
    double per_s = -1;

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        PB_ASSERT_OK(pb_parse_rate(good[i].text, &per_s, NULL));
        ck_assert_msg(per_s == good[i].per_s && !signbit(per_s), "%s: %.17g", good[i].text, per_s);
    }
    per_s = -7;
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        struct pb_error err;

        ck_assert_msg(pb_parse_rate(bad[i], &per_s, &err) == PB_EPARSE, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "write it like 2000/s"));
    }
    PB_ASSERT_STATUS(PB_EINVAL, pb_parse_rate("-5/s", &per_s, NULL));
    PB_ASSERT_STATUS(PB_EINVAL, pb_parse_rate("1e400", &per_s, NULL));
    ck_assert(per_s == -7);
}

PB_TEST(ratios_are_the_nearest_doubles)
{
    static const struct {
        const char *text;
        double ratio;
    } good[] = {
        { "0.1%", 0.001 }, { "0.001", 0.001 },     { "100%", 1 },  { "99.9 %", 0.999 },
        { "0", 0 },        { "7%", 0.07 },         { "60%", 0.6 }, { "150%", 1.5 },
        { "1e-5", 1e-5 },  { "0.047 %", 0.00047 },
    };
    static const char *const bad[] = { "", "%", "5%%", "5 percent", "0,1%", "-", "%5" };
    double ratio = -1;

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        PB_ASSERT_OK(pb_parse_ratio(good[i].text, &ratio, NULL));
        ck_assert_msg(ratio == good[i].ratio, "%s: %.17g", good[i].text, ratio);
    }
    ratio = -7;
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_msg(pb_parse_ratio(bad[i], &ratio, NULL) == PB_EPARSE, "%s", bad[i]);
    }
    PB_ASSERT_STATUS(PB_EINVAL, pb_parse_ratio("-1%", &ratio, NULL));
    ck_assert(ratio == -7);
}

PB_TEST(counts_are_whole)
{
    static const struct {
        const char *text;
        int64_t count;
    } good[] = {
        { "12", 12 }, { "30k", 30000 }, { "2M", 2000000 },
        { " 7 ", 7 }, { "-3", -3 },     { "9223372036854775807", INT64_MAX },
        { "0", 0 },
    };
    static const char *const bad[] = { "",     "1.5", "1.5k", "1 000", "12 k",
                                       "0x10", "1e3", "k",    "-",     "2kk" };
    int64_t count = -7;

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        PB_ASSERT_OK(pb_parse_count(good[i].text, &count, NULL));
        ck_assert_int_eq(good[i].count, count);
    }
    count = -7;
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_msg(pb_parse_count(bad[i], &count, NULL) == PB_EPARSE, "%s", bad[i]);
    }
    PB_ASSERT_STATUS(PB_EINVAL, pb_parse_count("9223372036854775808", &count, NULL));
    PB_ASSERT_STATUS(PB_EINVAL, pb_parse_count("9223372036854775807k", &count, NULL));
    PB_ASSERT_STATUS(PB_EINVAL,
                     pb_parse_count("99999999999999999999999999999999999999999999", &count, NULL));
    ck_assert_int_eq(-7, count);
}

PB_TEST(ranges_are_cut_in_two)
{
    static const char *const bad[] = { "", "..", "2..", "..32", "2", "2...32", "2..3..4", "2. .3" };
    char low[16] = "low", high[16] = "high";

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_msg(pb_split_range(bad[i], low, high, sizeof(low), NULL) == PB_EPARSE, "%s",
                      bad[i]);
    }
    PB_ASSERT_STATUS(PB_EINVAL,
                     pb_split_range("1..1234567890123456", low, high, sizeof(low), NULL));
    ck_assert_str_eq("low", low);
    ck_assert_str_eq("high", high);
    PB_ASSERT_OK(pb_split_range(" 60% .. 80% ", low, high, sizeof(low), NULL));
    ck_assert_str_eq("60%", low);
    ck_assert_str_eq("80%", high);
    PB_ASSERT_OK(pb_split_range("0.5..1.5", low, high, sizeof(low), NULL));
    ck_assert_str_eq("0.5", low);
    ck_assert_str_eq("1.5", high);
}

PB_TEST(durations_read_well_at_night)
{
    static const struct {
        int64_t ns;
        const char *text;
    } shown[] = {
        { 0, "0" },
        { 1, "1 ns" },
        { 999, "999 ns" },
        { 1000, "1 us" },
        { 1001, "1.00 us" },
        { 47000, "47 us" },
        { 47010, "47.0 us" },
        { 46999, "47.0 us" },
        { 999499, "999 us" },
        { 999500, "1.00 ms" },
        { 999600, "1.00 ms" },
        { 999999, "1.00 ms" },
        { 1500000, "1.50 ms" },
        { 2675000, "2.68 ms" },
        { 9994999, "9.99 ms" },
        { 9995000, "10.0 ms" },
        { 9999000, "10.0 ms" },
        { 25100000, "25.1 ms" },
        { 50000000, "50 ms" },
        { 50000001, "50.0 ms" },
        { 99960000, "100 ms" },
        { 100000000, "100 ms" },
        { 123456789, "123 ms" },
        { 1000000000, "1 s" },
        { 1500000000, "1.50 s" },
        { 59900000000, "59.9 s" },
        { 59960000000, "1 m 00 s" },
        { 60000000000, "1 m 00 s" },
        { 125000000000, "2 m 05 s" },
        { 119600000000, "2 m 00 s" },
        { 3599600000000, "1 h 00 m" },
        { 3720000000000, "1 h 02 m" },
        { -25100000, "-25.1 ms" },
        { INT64_MAX, "2562047 h 47 m" },
        { INT64_MIN, "-2562047 h 47 m" },
    };
    char text[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < PB_ARRAY_LEN(shown); i++) {
        ck_assert_str_eq(shown[i].text, pb_format_duration(shown[i].ns, text));
    }
}

PB_TEST(every_shown_duration_can_be_pasted_back)
{
    char text[PB_QUANTITY_TEXT];

    for (int64_t ns = 1; ns < INT64_C(1) << 60; ns = ns * 3 + 7) {
        int64_t back = 0, exact = 0;

        PB_ASSERT_OK(pb_parse_duration(pb_format_duration(ns, text), &back, NULL));
        ck_assert_msg(llabs(back - ns) <= ns / 100, "%lld: %s", (long long)ns, text);
        PB_ASSERT_OK(pb_parse_duration(pb_format_duration_exact(ns, text), &exact, NULL));
        ck_assert_int_eq(ns, exact);
    }
    ck_assert_str_eq("0", pb_format_duration_exact(0, text));
    ck_assert_str_eq("1500us", pb_format_duration_exact(1500000, text));
    ck_assert_str_eq("90s", pb_format_duration_exact(90000000000, text));
    ck_assert_str_eq("2m", pb_format_duration_exact(120000000000, text));
    ck_assert_str_eq("9223372036854775807ns", pb_format_duration_exact(INT64_MAX, text));
}

PB_TEST(percentages_never_round_into_a_lie)
{
    static const struct {
        double ratio;
        const char *text;
    } shown[] = {
        { 0, "0 %" },
        { 14.0 / 30012, "0.047 %" },
        { 0.00047, "0.047 %" },
        { 0.0005, "0.05 %" },
        { 0.001, "0.1 %" },
        { 0.00123456, "0.123 %" },
        { 0.0000001234, "0.000012 %" },
        { 0.07, "7 %" },
        { 0.626, "62.6 %" },
        { 0.62034, "62.0 %" },
        { 0.6, "60 %" },
        { 0.5, "50 %" },
        { 0.989, "98.9 %" },
        { 0.98999, "99.0 %" },
        { 0.99, "99 %" },
        { 0.9989, "99.89 %" },
        { 0.999, "99.9 %" },
        { 0.99987, "99.987 %" },
        { 0.9999999, "99.99999 %" },
        { 1, "100 %" },
        { 1.043, "104 %" },
        { 12.5, "1250 %" },
        { -0.012, "-1.2 %" },
    };
    char text[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < PB_ARRAY_LEN(shown); i++) {
        ck_assert_str_eq(shown[i].text, pb_format_percent(shown[i].ratio, text));
    }
    ck_assert_str_eq("-", pb_format_percent((double)NAN, text));
    ck_assert_str_eq("infinite", pb_format_percent((double)INFINITY, text));
    for (double distance = 0.5; distance > 1.2e-16; distance /= 2) {
        double below = 1 - distance;

        ck_assert_str_ne("100 %", pb_format_percent(below, text));
        ck_assert_msg(strtod(text, NULL) < 100, "%.17g: %s", below, text);
        ck_assert_str_ne("0 %", pb_format_percent(distance, text));
    }
}

PB_TEST(rates_sizes_counts_and_numbers_read_well)
{
    static const struct {
        double value;
        const char *rate, *number;
    } shown[] = {
        { 0, "0/s", "0" },
        { 1000, "1000/s", "1000" },
        { 0.5, "0.500/s", "0.500" },
        { 33.333, "33.3/s", "33.3" },
        { 99.96, "100/s", "100" },
        { 200, "200/s", "200" },
        { 1234.4, "1234/s", "1234" },
        { 9999.4, "9999/s", "9999" },
        { 9999.7, "10.0k/s", "10000" },
        { 12500, "12.5k/s", "12500" },
        { 20000, "20k/s", "20000" },
        { 999400, "999k/s", "999400" },
        { 999600, "1.00M/s", "999600" },
        { 1000000, "1M/s", "1000000" },
        { 1200000, "1.20M/s", "1200000" },
        { 0.00012345, "0.000123/s", "0.000123" },
        { -2.5, "-2.50/s", "-2.50" },
    };
    char text[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < PB_ARRAY_LEN(shown); i++) {
        ck_assert_str_eq(shown[i].rate, pb_format_rate(shown[i].value, text));
        ck_assert_str_eq(shown[i].number, pb_format_number(shown[i].value, text));
    }
    ck_assert_str_eq("512 B", pb_format_size(512, text));
    ck_assert_str_eq("1023 B", pb_format_size(1023, text));
    ck_assert_str_eq("1 KiB", pb_format_size(1024, text));
    ck_assert_str_eq("1.50 MiB", pb_format_size(1572864, text));
    ck_assert_str_eq("1.00 MiB", pb_format_size((1 << 20) - 1, text));
    ck_assert_str_eq("64 MiB", pb_format_size(64 << 20, text));
    ck_assert_str_eq("-1 KiB", pb_format_size(-1024, text));
    ck_assert_str_eq("8388608 TiB", pb_format_size(INT64_MAX, text));
    ck_assert_str_eq("30 012", pb_format_count(30012, text));
    ck_assert_str_eq("999", pb_format_count(999, text));
    ck_assert_str_eq("-1 000", pb_format_count(-1000, text));
    ck_assert_str_eq("-9 223 372 036 854 775 808", pb_format_count(INT64_MIN, text));
}

PB_TEST(no_formatted_number_outgrows_its_text)
{
    static const double extremes[] = { 1.7e308, -1.7e308, 5e-324, -5e-324,
                                       1e17,    -1e17,    1e-14,  -1.2345678e-14 };

    for (size_t i = 0; i < PB_ARRAY_LEN(extremes); i++) {
        char text[PB_QUANTITY_TEXT + 1];

        text[PB_QUANTITY_TEXT] = '!';
        (void)pb_format_number(extremes[i], text);
        ck_assert_msg(strlen(text) < PB_QUANTITY_TEXT - 1, "%s", text);
        (void)pb_format_rate(extremes[i], text);
        ck_assert_msg(strstr(text, "/s"), "%s", text);
        (void)pb_format_percent(extremes[i], text);
        ck_assert_msg(text[strlen(text) - 1] == '%', "%s", text);
        ck_assert_int_eq('!', text[PB_QUANTITY_TEXT]);
    }
}

PB_TEST(a_value_is_written_by_its_unit)
{
    char text[PB_QUANTITY_TEXT];

    ck_assert_str_eq("25 ms", pb_format_in_unit("ns", 25e6, text));
    ck_assert_str_eq("62.6 %", pb_format_in_unit("ratio", 0.626, text));
    ck_assert_str_eq("1000/s", pb_format_in_unit("per_s", 1000, text));
    ck_assert_str_eq("7", pb_format_in_unit("", 7, text));
    ck_assert_str_eq("-", pb_format_in_unit("ns", (double)__builtin_nanf(""), text));
}
