#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "support/test.h"

/* A path below the test's folder. */
static char *below(const char *folder, const char *name)
{
    char *path = pb_path_join(folder, name);

    ck_assert_ptr_nonnull(path);
    return path;
}

static void assert_holds(const char *path, const char *want)
{
    char *data = NULL;
    size_t len = 0;

    PB_ASSERT_OK(pb_file_read(path, 1000000, &data, &len, NULL));
    ck_assert_str_eq(want, data);
    ck_assert_uint_eq(strlen(want), len);
    free(data);
}

/* How many entries a folder has, without "." and "..". */
static int entries(const char *path)
{
    struct stat st;
    char command[300];
    int count = -1;

    ck_assert_int_eq(0, stat(path, &st));
    (void)snprintf(command, sizeof(command), "ls -A '%s' | wc -l", path);
    FILE *pipe = popen(command, "r");

    ck_assert_ptr_nonnull(pipe);
    ck_assert_int_eq(1, fscanf(pipe, "%d", &count));
    ck_assert_int_eq(0, pclose(pipe));
    return count;
}

PB_TEST(a_replaced_file_is_read_back)
{
    const char *folder = pb_test_folder();
    char *path = below(folder, "a");

    PB_ASSERT_OK(pb_file_replace(path, "one", 3, NULL));
    assert_holds(path, "one");
    PB_ASSERT_OK(pb_file_replace(path, "", 0, NULL));
    assert_holds(path, "");
    ck_assert_int_eq(1, entries(folder));
    free(path);
}

PB_TEST(a_file_in_the_current_folder_is_replaced)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(here, 0);
    ck_assert_int_eq(0, chdir(pb_test_folder()));
    PB_ASSERT_OK(pb_file_replace("plain", "x", 1, NULL));
    assert_holds("plain", "x");
    ck_assert_int_eq(0, fchdir(here));
    ck_assert_int_eq(0, close(here));
}

PB_TEST(modes_and_links_survive_a_replacement)
{
    const char *folder = pb_test_folder();
    char *path = below(folder, "a"), *link_path = below(folder, "l");
    struct stat st;
    mode_t mask = umask(027);

    PB_ASSERT_OK(pb_file_replace(path, "one", 3, NULL));
    umask(mask);
    ck_assert_int_eq(0, stat(path, &st));
    ck_assert_uint_eq(0640, st.st_mode & 07777U);
    ck_assert_int_eq(0, chmod(path, 0604));
    ck_assert_int_eq(0, symlink("a", link_path));
    PB_ASSERT_OK(pb_file_replace(link_path, "two", 3, NULL));
    ck_assert_int_eq(0, lstat(link_path, &st));
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_int_eq(0, stat(path, &st));
    ck_assert_uint_eq(0604, st.st_mode & 07777U);
    assert_holds(path, "two");
    free(path);
    free(link_path);
}

PB_TEST(a_device_is_written_to_and_not_replaced)
{
    struct pb_error err;
    struct stat st;

    PB_ASSERT_OK(pb_file_replace("/dev/null", "x", 1, &err));
    ck_assert_int_eq(0, stat("/dev/null", &st));
    ck_assert(S_ISCHR(st.st_mode));
    PB_ASSERT_STATUS(PB_ESYS, pb_file_replace("/dev/full", "x", 1, &err));
    ck_assert_int_eq(ENOSPC, err.sys_errno);
    ck_assert_str_eq("/dev/full: cannot write: No space left on device", err.text);
}

PB_TEST(a_failed_replacement_leaves_the_old_file_and_nothing_else)
{
    const char *folder = pb_test_folder();
    char *path = below(folder, "a");
    static char large[100000];
    struct rlimit old, small = { 4096, 4096 };
    struct pb_error err;

    PB_ASSERT_OK(pb_file_replace(path, "old", 3, NULL));
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(0, getrlimit(RLIMIT_FSIZE, &old));
    small.rlim_max = old.rlim_max;
    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &small));
    enum pb_status status = pb_file_replace(path, large, sizeof(large), &err);

    ck_assert_int_eq(0, setrlimit(RLIMIT_FSIZE, &old));
    (void)signal(SIGXFSZ, SIG_DFL);
    PB_ASSERT_STATUS(PB_ESYS, status);
    ck_assert_int_eq(EFBIG, err.sys_errno);
    assert_holds(path, "old");
    ck_assert_int_eq(1, entries(folder));
    free(path);
}

PB_TEST(replacing_a_folder_or_below_a_file_is_refused)
{
    const char *folder = pb_test_folder();
    char *file = below(folder, "a"), *under = below(folder, "a/b"), *gone = below(folder, "x/y");
    struct pb_error err;

    PB_ASSERT_STATUS(PB_EINVAL, pb_file_replace(folder, "x", 1, &err));
    PB_ASSERT_OK(pb_file_replace(file, "old", 3, NULL));
    PB_ASSERT_STATUS(PB_ESYS, pb_file_replace(under, "x", 1, &err));
    ck_assert_int_eq(0, strncmp(under, err.text, strlen(under)));
    PB_ASSERT_STATUS(PB_ESYS, pb_file_replace(gone, "x", 1, &err));
    ck_assert_int_eq(ENOENT, err.sys_errno);
    free(file);
    free(under);
    free(gone);
}

PB_TEST(reading_says_why_it_cannot)
{
    const char *folder = pb_test_folder();
    char *path = below(folder, "a"), *data = NULL;
    size_t len = 7;
    struct pb_error err;

    PB_ASSERT_STATUS(PB_ENOENT, pb_file_read(path, 10, &data, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no such file"));
    PB_ASSERT_STATUS(PB_EINVAL, pb_file_read(folder, 10, &data, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "is a folder"));
    PB_ASSERT_OK(pb_file_replace(path, "0123456789", 10, NULL));
    PB_ASSERT_STATUS(PB_EINVAL, pb_file_read(path, 9, &data, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "has 10 bytes; at most 9 are read"));
    PB_ASSERT_STATUS(PB_EINVAL, pb_file_read("/dev/zero", 100000, &data, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "too large: at most 100000"));
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(7, len);
    PB_ASSERT_OK(pb_file_read(path, 10, &data, &len, &err));
    ck_assert_uint_eq(10, len);
    free(data);
    PB_ASSERT_OK(pb_file_read("/dev/null", 0, &data, &len, &err));
    ck_assert_uint_eq(0, len);
    free(data);
    free(path);
}

PB_TEST(writing_goes_on_when_a_pipe_takes_only_a_part)
{
    int ends[2];
    static char data[300000];

    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(0, pipe2(ends, O_CLOEXEC));
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct pb_error err;

        (void)close(ends[0]);
        (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
        _exit(pb_fd_write_all(ends[1], data, sizeof(data), &err) == PB_OK ? 0 : 1);
    }
    (void)close(ends[1]);
    char *got = NULL;
    size_t len = 0;

    PB_ASSERT_OK(pb_fd_read_all(ends[0], "pipe", sizeof(data), &got, &len, NULL));
    ck_assert_uint_eq(sizeof(data), len);
    free(got);
    (void)close(ends[0]);
    ck_assert_int_eq(0, pipe2(ends, O_CLOEXEC));
    (void)close(ends[0]);
    struct pb_error err;

    PB_ASSERT_STATUS(PB_ESYS, pb_fd_write_all(ends[1], data, 1, &err));
    (void)signal(SIGPIPE, SIG_DFL);
    ck_assert_int_eq(EPIPE, err.sys_errno);
    (void)close(ends[1]);
}

PB_TEST(folders_are_made_with_their_parents)
{
    const char *folder = pb_test_folder();
    char *deep = below(folder, "a//b/c/"), *file = below(folder, "f"),
         *under = below(folder, "f/g");
    struct pb_error err;

    PB_ASSERT_OK(pb_dir_make(deep, NULL));
    PB_ASSERT_OK(pb_dir_make(deep, NULL));
    ck_assert(pb_path_exists(deep));
    PB_ASSERT_OK(pb_dir_make("/", NULL));
    PB_ASSERT_OK(pb_dir_sync(deep, NULL));
    PB_ASSERT_OK(pb_file_replace(file, "x", 1, NULL));
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_make(file, &err));
    ck_assert_int_eq(ENOTDIR, err.sys_errno);
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_make(under, &err));
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_make("", &err));
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_sync(under, &err));
    free(deep);
    free(file);
    free(under);
}

PB_TEST(removing_a_folder_does_not_follow_links)
{
    const char *folder = pb_test_folder();
    char *keep = below(folder, "keep"), *kept = below(folder, "keep/file");
    char *gone = below(folder, "gone"), *deep = below(folder, "gone/a/b");
    char *link_path = below(folder, "gone/a/link"), *file = below(folder, "gone/a/b/file");
    struct pb_error err;

    PB_ASSERT_OK(pb_dir_make(keep, NULL));
    PB_ASSERT_OK(pb_file_replace(kept, "x", 1, NULL));
    PB_ASSERT_OK(pb_dir_make(deep, NULL));
    PB_ASSERT_OK(pb_file_replace(file, "x", 1, NULL));
    ck_assert_int_eq(0, symlink(keep, link_path));
    PB_ASSERT_OK(pb_dir_remove(gone, NULL));
    ck_assert(!pb_path_exists(gone));
    assert_holds(kept, "x");
    PB_ASSERT_OK(pb_dir_remove(gone, NULL));
    ck_assert_int_eq(0, symlink(keep, gone));
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_remove(gone, &err));
    PB_ASSERT_STATUS(PB_ESYS, pb_dir_remove(kept, &err));
    assert_holds(kept, "x");
    free(keep);
    free(kept);
    free(gone);
    free(deep);
    free(link_path);
    free(file);
}

PB_TEST(paths_are_joined_with_one_slash)
{
    static const char *const parts[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "/", "b", "/b" },
        { "", "b", "b" },    { "a", "", "a/" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(parts); i++) {
        char *path = pb_path_join(parts[i][0], parts[i][1]);

        ck_assert_str_eq(parts[i][2], path);
        free(path);
    }
}
