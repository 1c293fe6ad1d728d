#include "base/varint.h"
#include "support/test.h"

static size_t bytes_of(int64_t value)
{
    uint8_t text[PB_VARINT_MAX_BYTES];
    uint8_t *end = pb_varint_put(text, value);
    int64_t back = value ^ 1;

    ck_assert_ptr_eq(end, pb_varint_get(text, end, &back));
    ck_assert_int_eq(value, back);
    for (const uint8_t *cut = text; cut < end; cut++) { /* cut anywhere: no value */
        int64_t untouched = 42;

        ck_assert_ptr_null(pb_varint_get(text, cut, &untouched));
        ck_assert_int_eq(42, untouched);
    }
    return (size_t)(end - text);
}

PB_TEST(varint_brings_back_every_size)
{
    ck_assert_uint_eq(1, bytes_of(0));
    ck_assert_uint_eq(1, bytes_of(-64));
    ck_assert_uint_eq(1, bytes_of(63));
    ck_assert_uint_eq(2, bytes_of(64));
    ck_assert_uint_eq(9, bytes_of(INT64_MAX));
    ck_assert_uint_eq(9, bytes_of(INT64_MIN));
    for (int shift = 0; shift < 63; shift++) {
        int64_t power = INT64_C(1) << shift;

        /* The sign takes a bit; the ninth byte has room for all that is left. */
        size_t want = (size_t)(shift + 2 + 6) / 7;

        ck_assert_uint_eq(want < PB_VARINT_MAX_BYTES ? want : PB_VARINT_MAX_BYTES, bytes_of(power));
        (void)bytes_of(power - 1);
        (void)bytes_of(-power - 1);
    }
}

/* As ZigZagEncoding of HdrHistogram writes them. */
PB_TEST(varint_writes_the_published_bytes)
{
    uint8_t text[PB_VARINT_MAX_BYTES];

    ck_assert_ptr_eq(text + 1, pb_varint_put(text, -1));
    ck_assert_uint_eq(0x01, text[0]);
    ck_assert_ptr_eq(text + 2, pb_varint_put(text, 456));
    ck_assert_uint_eq(0x90, text[0]);
    ck_assert_uint_eq(0x07, text[1]);
}
