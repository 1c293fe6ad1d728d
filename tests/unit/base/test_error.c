#include <errno.h>

#include "support/test.h"

PB_TEST(fail_keeps_status_text_and_errno)
{
    struct pb_error err;

    errno = ENOSPC;
    PB_ASSERT_STATUS(PB_ESYS, pb_fail(&err, PB_ESYS, "cannot write '%s'", "x"));
    ck_assert_int_eq(ENOSPC, err.sys_errno);
    ck_assert_str_eq("cannot write 'x': No space left on device", err.text);
    PB_ASSERT_STATUS(PB_EINVAL, pb_fail(NULL, PB_EINVAL, "nobody listens"));
}

PB_TEST(every_status_has_a_name)
{
    for (int i = 0; i < PB_STATUS_COUNT; i++) {
        ck_assert_int_eq(0, strncmp("PB_", pb_status_name((enum pb_status)i), 3));
    }
    ck_assert_str_eq("PB_UNKNOWN", pb_status_name((enum pb_status)99));
}
