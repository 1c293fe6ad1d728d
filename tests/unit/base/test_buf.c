#include <stdlib.h>

#include "base/buf.h"
#include "support/test.h"

PB_TEST(an_empty_buffer_is_an_empty_text)
{
    struct pb_buf buf = { 0 };

    ck_assert_str_eq("", pb_buf_text(&buf));
    PB_ASSERT_OK(pb_buf_status(&buf));
    char *text = pb_buf_detach(&buf);

    ck_assert_str_eq("", text);
    free(text);
    pb_buf_done(&buf);
    pb_buf_done(&buf);
}

PB_TEST(a_buffer_grows_with_what_is_added)
{
    struct pb_buf buf = { 0 };

    for (int i = 0; i < 1000; i++) {
        pb_buf_printf(&buf, "%03d", i);
        pb_buf_puts(&buf, ",");
        pb_buf_add(&buf, "\0!", 2);
    }
    PB_ASSERT_OK(pb_buf_status(&buf));
    ck_assert_uint_eq(6000, buf.len);
    ck_assert_mem_eq("000,\0!001,", buf.data, 10);
    ck_assert_mem_eq("999,\0!", buf.data + 5994, 7);
    char *text = pb_buf_detach(&buf);

    ck_assert_uint_eq(0, buf.len);
    ck_assert_str_eq("", pb_buf_text(&buf));
    free(text);
}

PB_TEST(one_addition_may_be_longer_than_the_buffer)
{
    struct pb_buf buf = { 0 };

    pb_buf_printf(&buf, "%0500d|%s", 7, "end");
    PB_ASSERT_OK(pb_buf_status(&buf));
    ck_assert_uint_eq(504, buf.len);
    ck_assert_str_eq("7|end", pb_buf_text(&buf) + 499);
    pb_buf_done(&buf);
}

PB_TEST(the_cap_sticks_and_nothing_is_added_in_part)
{
    struct pb_buf buf = { .cap = 10 };

    pb_buf_puts(&buf, "0123456");
    pb_buf_printf(&buf, "%s", "789x");
    PB_ASSERT_STATUS(PB_EFULL, pb_buf_status(&buf));
    pb_buf_puts(&buf, "7");
    ck_assert_str_eq("0123456", pb_buf_text(&buf));
    ck_assert_ptr_null(pb_buf_detach(&buf));

    pb_buf_reset(&buf);
    pb_buf_puts(&buf, "0123456");
    pb_buf_printf(&buf, "%s", "789");
    PB_ASSERT_OK(pb_buf_status(&buf));
    ck_assert_str_eq("0123456789", pb_buf_text(&buf));
    pb_buf_puts(&buf, "x");
    PB_ASSERT_STATUS(PB_EFULL, pb_buf_status(&buf));
    pb_buf_done(&buf);
}

PB_TEST(a_reset_buffer_keeps_its_memory)
{
    struct pb_buf buf = { 0 };

    pb_buf_puts(&buf, "text");
    const char *data = buf.data;

    pb_buf_reset(&buf);
    ck_assert_str_eq("", pb_buf_text(&buf));
    pb_buf_puts(&buf, "new");
    ck_assert_ptr_eq(data, buf.data);
    pb_buf_done(&buf);
    pb_buf_reset(&buf);
    ck_assert_str_eq("", pb_buf_text(&buf));
}
