#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "support/test.h"
#include "tuner/apply.h"

static const char scenario[] = "// a spike\n"
                               "{\n"
                               "  \"rate\": 100, \"duration\": \"2s\", /* short */\n"
                               "  \"workload\": { \"service\": \"1ms\" },\n"
                               "  \"pool\": { \"size\": 16 }, // too many?\n"
                               "}\n";

static char *write_scenario(const char *folder)
{
    char *path = pb_path_join(folder, "spike.json");

    PB_ASSERT_OK(pb_file_replace(path, scenario, strlen(scenario), NULL));
    return path;
}

static void expect_text(const char *path, const char *want)
{
    char *data = NULL;
    size_t len = 0;

    PB_ASSERT_OK(pb_file_read(path, 100000, &data, &len, NULL));
    ck_assert_str_eq(want, data);
    free(data);
}

static cJSON *settings_of(const char *text)
{
    cJSON *settings = cJSON_Parse(text);

    ck_assert_ptr_nonnull(settings);
    return settings;
}

static enum pb_status apply_text(const char *path, const char *text, char **ret_backup,
                                 struct pb_error *err)
{
    cJSON *settings = settings_of(text);
    enum pb_status status = pb_apply(settings, path, ret_backup, err);

    cJSON_Delete(settings);
    return status;
}

/* As `folder` was: nothing but the named file. */
static void expect_entries(const char *folder, unsigned want)
{
    char command[300], got[16] = "";

    (void)snprintf(command, sizeof(command), "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");

    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(got, sizeof(got), pipe));
    (void)pclose(pipe);
    ck_assert_uint_eq(want, (unsigned)strtoul(got, NULL, 10));
}

PB_TEST(apply_changes_values_and_keeps_the_rest)
{
    char *path = write_scenario(pb_test_folder()), *backup = NULL;

    PB_ASSERT_OK(apply_text(path, "{ \"pool.size\": 8, \"pool.checkout_timeout\": \"250ms\" }",
                            &backup, NULL));
    expect_text(path, "// a spike\n"
                      "{\n"
                      "  \"rate\": 100, \"duration\": \"2s\", /* short */\n"
                      "  \"workload\": { \"service\": \"1ms\" },\n"
                      "  \"pool\": { \"size\": 8, \"checkout_timeout\": \"250ms\" }, // too many?\n"
                      "}\n");
    ck_assert_str_eq(".poolbench-1", backup + strlen(path));
    expect_text(backup, scenario);
    free(backup);
    free(path);
}

PB_TEST(two_applies_and_two_rollbacks_lead_back)
{
    const char *folder = pb_test_folder();
    char *path = write_scenario(folder), *backup = NULL, *once = NULL;
    struct stat before, after;
    size_t len = 0;

    ck_assert_int_eq(0, chmod(path, 0640));
    ck_assert_int_eq(0, stat(path, &before));
    PB_ASSERT_OK(apply_text(path, "{ \"pool.size\": 8 }", &backup, NULL));
    free(backup);
    PB_ASSERT_OK(pb_file_read(path, 100000, &once, &len, NULL));
    PB_ASSERT_OK(apply_text(path, "{ \"pool.max_overflow\": 3 }", &backup, NULL));
    ck_assert_str_eq(".poolbench-2", backup + strlen(path));
    free(backup);
    ck_assert_int_eq(0, stat(path, &after));
    ck_assert_uint_eq(before.st_mode, after.st_mode);
    PB_ASSERT_OK(pb_rollback(path, &backup, NULL));
    free(backup);
    expect_text(path, once);
    PB_ASSERT_OK(pb_rollback(path, &backup, NULL));
    free(backup);
    expect_text(path, scenario);
    ck_assert_int_eq(0, stat(path, &after));
    ck_assert_uint_eq(before.st_mode, after.st_mode);
    PB_ASSERT_STATUS(PB_ENOENT, pb_rollback(path, &backup, NULL));
    expect_entries(folder, 1);
    free(once);
    free(path);
}

PB_TEST(apply_follows_a_link_and_leaves_it_one)
{
    const char *folder = pb_test_folder();
    char *path = write_scenario(folder), *link = pb_path_join(folder, "link.json"), *backup = NULL;
    struct stat info;

    ck_assert_int_eq(0, symlink("spike.json", link));
    PB_ASSERT_OK(apply_text(link, "{ \"pool.size\": 9 }", &backup, NULL));
    free(backup);
    ck_assert_int_eq(0, lstat(link, &info));
    ck_assert(S_ISLNK(info.st_mode));
    PB_ASSERT_OK(pb_rollback(link, &backup, NULL));
    free(backup);
    expect_text(path, scenario);
    ck_assert_int_eq(0, lstat(link, &info));
    ck_assert(S_ISLNK(info.st_mode));
    free(link);
    free(path);
}

PB_TEST(apply_refuses_what_would_not_be_valid)
{
    static const char *const settings[] = { "{ \"pool.size\": 0 }", "{ \"pool.sise\": 4 }",
                                            "{ \"pool.checkout_timeout\": \"soon\" }",
                                            "{ \"rate.x\": 4 }", "{}" };
    const char *folder = pb_test_folder();
    char *path = write_scenario(folder), *backup = NULL;

    for (size_t i = 0; i < PB_ARRAY_LEN(settings); i++) {
        struct pb_error err = { 0 };

        ck_assert_int_ne(PB_OK, apply_text(path, settings[i], &backup, &err));
        ck_assert_ptr_nonnull(strstr(err.text, "spike.json"));
        ck_assert_ptr_null(backup);
        expect_text(path, scenario);
        expect_entries(folder, 1);
    }
    free(path);
}

PB_TEST(apply_in_a_read_only_folder_changes_nothing)
{
    const char *folder = pb_test_folder();
    char *path = write_scenario(folder), *backup = NULL;
    struct pb_error err = { 0 };

    if (geteuid() != 0) { /* root may write anywhere */
        ck_assert_int_eq(0, chmod(folder, 0555));
        PB_ASSERT_STATUS(PB_ESYS, apply_text(path, "{ \"pool.size\": 8 }", &backup, &err));
        expect_text(path, scenario);
        ck_assert_int_eq(0, chmod(folder, 0755));
    }
    (void)unlink(path);
    PB_ASSERT_STATUS(PB_ENOENT, apply_text(path, "{ \"pool.size\": 8 }", &backup, &err));
    free(path);
}
