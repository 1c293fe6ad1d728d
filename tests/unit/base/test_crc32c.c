#include "base/crc32c.h"
#include "support/test.h"

/* RFC 3720, appendix B.4, and the usual check value. */
PB_TEST(crc32c_gives_the_published_values)
{
    uint8_t zeros[32] = { 0 }, ones[32], rising[32];

    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < sizeof(rising); i++) {
        rising[i] = (uint8_t)i;
    }
    ck_assert_uint_eq(0xe3069283, pb_crc32c(0, "123456789", 9));
    ck_assert_uint_eq(0x8a9136aa, pb_crc32c(0, zeros, sizeof(zeros)));
    ck_assert_uint_eq(0x62a8ab43, pb_crc32c(0, ones, sizeof(ones)));
    ck_assert_uint_eq(0x46dd794e, pb_crc32c(0, rising, sizeof(rising)));
    ck_assert_uint_eq(0, pb_crc32c(0, NULL, 0));
}

PB_TEST(crc32c_is_the_same_in_parts_and_without_the_instruction)
{
    uint8_t data[101];

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 37 + 11);
    }
    uint32_t whole = pb_crc32c(0, data, sizeof(data));

    ck_assert_uint_eq(whole, pb_crc32c_portable(0, data, sizeof(data)));
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        ck_assert_uint_eq(whole,
                          pb_crc32c(pb_crc32c(0, data, cut), data + cut, sizeof(data) - cut));
    }
}
