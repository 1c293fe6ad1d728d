#include <stdlib.h>

#include "base/base64.h"
#include "support/test.h"

static void decodes_to(const char *want, const char *text)
{
    uint8_t *bytes = NULL;
    size_t len = 99;

    PB_ASSERT_OK(pb_base64_decode(text, strlen(text), &bytes, &len));
    ck_assert_uint_eq(strlen(want), len);
    ck_assert_mem_eq(want, bytes, len);
    free(bytes);
}

/* RFC 4648, section 10. */
PB_TEST(base64_matches_the_published_vectors)
{
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(pairs); i++) {
        struct pb_buf buf = { 0 };

        pb_base64_encode(pairs[i][0], strlen(pairs[i][0]), &buf);
        ck_assert_str_eq(pairs[i][1], pb_buf_text(&buf));
        decodes_to(pairs[i][0], pairs[i][1]);
        pb_buf_done(&buf);
    }
    decodes_to("\xfb\xff\xfe", "+//+");
}

PB_TEST(base64_refuses_what_is_not_base64)
{
    static const char *const bad[] = { "A",    "AB",   "ABC",  "A===",     "====",
                                       "AB=C", "AB-_", "AB C", "Zg==Zg==", "\xff\xff\xff\xff" };

    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        uint8_t *bytes = NULL;
        size_t len = 7;

        PB_ASSERT_STATUS(PB_ECORRUPT, pb_base64_decode(bad[i], strlen(bad[i]), &bytes, &len));
        ck_assert_ptr_null(bytes);
        ck_assert_uint_eq(7, len);
    }
}
