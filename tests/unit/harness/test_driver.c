#include <stdio.h>

#include "harness/driver.h"
#include "support/test.h"

static bool no_open(const struct pb_driver_config *config, void **ret_pool, char *ret_why,
                    size_t why_size)
{
    (void)config, (void)ret_pool, (void)ret_why, (void)why_size;
    return false;
}

static enum pb_driver_answer no_submit(void *pool, struct pb_driver_task *task)
{
    (void)pool, (void)task;
    return PB_DRIVER_FAILED;
}

static void no_close(void *pool)
{
    (void)pool;
}

PB_TEST(driver_tables_are_checked)
{
    const struct pb_pool_driver good = { .version = PB_POOL_DRIVER_VERSION,
                                         .name = "good",
                                         .summary = "a pool",
                                         .open = no_open,
                                         .submit = no_submit,
                                         .close = no_close };
    struct pb_pool_driver bad = good;

    ck_assert_ptr_null(pb_driver_mistake(&good));
    bad.name = NULL;
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad.name = "two\nlines";
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad.name = "12345678901234567890123456789012345678901";
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad.name = "builtin";
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad = good;
    bad.summary = "";
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad = good;
    bad.submit = NULL;
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
    bad = good;
    bad.abilities = PB_CAN_RESIZE;
    ck_assert_ptr_nonnull(pb_driver_mistake(&bad));
}

PB_TEST(driver_files_that_are_none_are_told_apart)
{
    struct pb_driver *loaded = NULL;
    struct pb_error err;
    char path[120];
    FILE *file;

    PB_ASSERT_STATUS(PB_ENOENT, pb_driver_open("no/such/file.so", &loaded, &err));
    ck_assert_str_eq("\"no/such/file.so\": there is no such file", err.text);
    PB_ASSERT_STATUS(PB_EINVAL, pb_driver_open("/tmp", &loaded, &err));
    ck_assert_str_eq("\"/tmp\" is not a file", err.text);
    (void)snprintf(path, sizeof(path), "%s/text.so", pb_test_folder());
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("this is no library\n", file), 0);
    ck_assert_int_eq(0, fclose(file));
    PB_ASSERT_STATUS(PB_EINVAL, pb_driver_open(path, &loaded, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "cannot be loaded: "));
    PB_ASSERT_STATUS(PB_ENOENT, pb_driver_open("builtln", &loaded, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "did you mean \"builtin\"?"));
    ck_assert_ptr_null(loaded);
    pb_driver_close(NULL);
}
