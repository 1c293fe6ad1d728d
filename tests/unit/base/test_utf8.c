#include "base/utf8.h"
#include "support/test.h"

static const struct {
    const char *bytes;
    size_t length;
    uint32_t code;
} characters[] = {
    { "A", 1, 'A' },
    { "\x7F", 1, 0x7F },
    { "\xC2\x80", 2, 0x80 },
    { "\xDF\xBF", 2, 0x7FF },
    { "\xE0\xA0\x80", 3, 0x800 },
    { "\xED\x9F\xBF", 3, 0xD7FF },
    { "\xEE\x80\x80", 3, 0xE000 },
    { "\xEF\xBF\xBF", 3, 0xFFFF },
    { "\xF0\x90\x80\x80", 4, 0x10000 },
    { "\xF4\x8F\xBF\xBF", 4, 0x10FFFF },
};

PB_TEST(the_edges_of_utf8_are_decoded)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(characters); i++) {
        uint32_t code = 0;
        size_t length = characters[i].length;

        ck_assert_uint_eq(length, pb_utf8_decode(characters[i].bytes, length, &code));
        ck_assert_uint_eq(characters[i].code, code);
        for (size_t cut = 0; cut < length; cut++) {
            ck_assert_uint_eq(0, pb_utf8_decode(characters[i].bytes, cut, NULL));
        }
    }
}

PB_TEST(what_rfc_3629_forbids_is_refused)
{
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC2\x41",
        "\xE2\x82\x41",
        "\xF0\x90\x80\xC0",
    };
    uint32_t code = 7;

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_uint_eq(0, pb_utf8_decode(bad[i], strlen(bad[i]), &code));
    }
    ck_assert_uint_eq(7, code);
}

PB_TEST(every_code_point_is_decoded_once)
{
    /* All 3-byte sequences: exactly the code points 0x800..0xFFFF without surrogates are valid. */
    unsigned valid = 0;

    for (unsigned i = 0; i < 1U << 16; i++) {
        unsigned char bytes[3] = { (unsigned char)(0xE0U | (i >> 12)),
                                   (unsigned char)(0x80U | ((i >> 6) & 0x3FU)),
                                   (unsigned char)(0x80U | (i & 0x3FU)) };
        uint32_t code = 0;

        if (pb_utf8_decode((const char *)bytes, 3, &code) == 3) {
            ck_assert_uint_eq(i, code);
            valid++;
        }
    }
    ck_assert_uint_eq(0x10000 - 0x800 - 0x800, valid);
}

PB_TEST(a_cut_keeps_characters_whole)
{
    const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

    for (size_t max = 0; max < PB_ARRAY_LEN(want); max++) {
        ck_assert_uint_eq(want[max], pb_utf8_cut(text, 11, max));
    }
    ck_assert_uint_eq(6, pb_utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 6));
}

PB_TEST(escaped_text_stays_on_its_line)
{
    static const char text[] = "a\n\r\t\x1b[2J\x7f\0b \xC3\xA9 \xC2\x9B \xE2\x80\xAE \xE2\x81\xA6 "
                               "\xFF\xC3 \"\\";
    struct pb_buf buf = { 0 };

    pb_utf8_escape(&buf, text, sizeof(text) - 1);
    ck_assert_str_eq("a\\n\\r\\t\\x1b[2J\\x7f\\x00b \xC3\xA9 \\u009b \\u202e \\u2066 \\xff\\xc3 "
                     "\"\\",
                     pb_buf_text(&buf));
    pb_buf_done(&buf);
}
