#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "harness/folder.h"
#include "support/alloc.h"
#include "support/test.h"

#define WALL_NS INT64_C(1795230902123456789) /* 2026-11-21T03:15:02Z */

static char results[100];

/* An empty "results" that does not exist yet. */
static const char *fresh_results(void)
{
    (void)snprintf(results, sizeof(results), "%s/results", pb_test_folder());
    return results;
}

static void write_text(const char *path, const char *text)
{
    PB_ASSERT_OK(pb_file_replace(path, text, strlen(text), NULL));
}

/* A result folder of a given name with one empty file in it. */
static void make_result(const char *id, const char *file)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", results, id);
    PB_ASSERT_OK(pb_dir_make(path, NULL));
    (void)snprintf(path, sizeof(path), "%s/%s/%s", results, id, file);
    write_text(path, "{}");
}

static size_t count_results(void)
{
    struct pb_folder_entry *entries = NULL;
    size_t count = 0;

    PB_ASSERT_OK(pb_folder_list(results, &entries, &count, NULL));
    pb_folder_list_free(entries, count);
    return count;
}

PB_TEST(a_folder_is_seen_only_when_it_is_whole)
{
    struct pb_folder folder = { 0 };
    char path[300];

    PB_ASSERT_OK(pb_folder_create(fresh_results(), "check out", "", WALL_NS, &folder, NULL));
    ck_assert_int_eq(0, strncmp("check-out-20261121T031502Z-", folder.id, 27));
    ck_assert_uint_eq(33, strlen(folder.id));
    ck_assert_str_eq(results, folder.results);
    PB_ASSERT_OK(pb_folder_write(&folder, "run.json", "{}", 2, NULL));
    PB_ASSERT_OK(pb_folder_write(&folder, "charts/a.svg", "<svg/>", 6, NULL));
    ck_assert(!pb_path_exists(folder.path));
    ck_assert_uint_eq(0, count_results());
    ck_assert_uint_eq(0, pb_folder_sweep(results)); /* it is locked */

    PB_ASSERT_OK(pb_folder_commit(&folder, NULL));
    ck_assert_ptr_null(folder.temporary);
    ck_assert_uint_eq(1, count_results());
    PB_ASSERT_OK(pb_folder_write(&folder, "charts/b.svg", "<svg/>", 6, NULL));
    (void)snprintf(path, sizeof(path), "%s/charts/b.svg", folder.path);
    ck_assert(pb_path_exists(path));
    PB_ASSERT_STATUS(PB_EINVAL, pb_folder_commit(&folder, NULL));
    pb_folder_discard(&folder);
    ck_assert(pb_path_exists(path));
    ck_assert_uint_eq(0, pb_folder_sweep(results));
}

PB_TEST(a_discarded_folder_leaves_nothing)
{
    struct pb_folder folder = { 0 };

    int open_before = fcntl(0, F_GETFD);

    pb_folder_discard(&folder); /* of zeros: must not close descriptor 0 */
    ck_assert_int_eq(open_before, fcntl(0, F_GETFD));
    PB_ASSERT_OK(pb_folder_create(fresh_results(), "x", "", WALL_NS, &folder, NULL));
    PB_ASSERT_OK(pb_folder_write(&folder, "run-01/run.json", "{}", 2, NULL));
    char *temporary = strdup(folder.temporary);

    ck_assert(pb_path_exists(temporary));
    pb_folder_discard(&folder);
    ck_assert(!pb_path_exists(temporary));
    pb_folder_discard(&folder);
    free(temporary);
}

PB_TEST(names_are_made_harmless)
{
    static const struct {
        const char *name, *infix, *start;
    } names[] = {
        { "spike", "", "spike-20261121T031502Z-" },
        { "spike", "tune", "spike-tune-20261121T031502Z-" },
        { "../../etc/passwd", "", "etc-passwd-2026" },
        { ".tmp-x", "", "tmp-x-2026" },
        { "-rf", "", "rf-2026" },
        { "a\n\"b`c$(d)", "", "a-b-c-d-2026" },
        { "caf\xC3\xA9", "", "caf-2026" },
        { "", "", "run-2026" },
        { "...", "", "run-2026" },
        { "a.b_c", "", "a.b_c-2026" },
        { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxyyyyy", "tune",
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-tune-2026" },
    };

    (void)fresh_results();
    for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
        struct pb_folder folder = { 0 };

        PB_ASSERT_OK(
            pb_folder_create(results, names[i].name, names[i].infix, WALL_NS, &folder, NULL));
        ck_assert_msg(strncmp(folder.id, names[i].start, strlen(names[i].start)) == 0, "%s: %s",
                      names[i].name, folder.id);
        pb_folder_discard(&folder);
    }
}

PB_TEST(a_chosen_name_is_taken_once)
{
    struct pb_folder folder = { 0 }, second = { 0 };

    PB_ASSERT_OK(pb_folder_create(fresh_results(), "run-01", NULL, WALL_NS, &folder, NULL));
    ck_assert_str_eq("run-01", folder.id);
    PB_ASSERT_STATUS(PB_EEXIST, pb_folder_create(results, "run-01", NULL, WALL_NS, &second, NULL));
    PB_ASSERT_OK(pb_folder_commit(&folder, NULL));
    PB_ASSERT_STATUS(PB_EEXIST, pb_folder_create(results, "run-01", NULL, WALL_NS, &second, NULL));
    ck_assert_ptr_null(second.id);
    pb_folder_discard(&folder);
}

PB_TEST(files_stay_inside_the_folder)
{
    static const char *const bad[] = { "",   "/etc/x", "../x", "a/../x", "a//b",
                                       "a/", ".",      "..",   "./a",    "a/." };
    static const char *const good[] = { "a", "a/b/c", "..a", "a..b/.c" };
    struct pb_folder folder = { 0 };

    PB_ASSERT_OK(pb_folder_create(fresh_results(), "x", "", WALL_NS, &folder, NULL));
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_msg(pb_folder_write(&folder, bad[i], "", 0, NULL) == PB_EINVAL, "%s", bad[i]);
    }
    PB_ASSERT_OK(pb_folder_write(&folder, good[1], "", 0, NULL));
    PB_ASSERT_OK(pb_folder_write(&folder, good[2], "", 0, NULL));
    PB_ASSERT_OK(pb_folder_write(&folder, good[3], "", 0, NULL));
    pb_folder_discard(&folder);
}

PB_TEST(what_a_killed_process_left_is_swept)
{
    (void)fresh_results();
    ck_assert_uint_eq(0, pb_folder_sweep(results));
    make_result("done-20261121T031502Z-000000", "run.json");
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct pb_folder folder = { 0 };
        bool made = pb_folder_create(results, "x", "", WALL_NS, &folder, NULL) == PB_OK &&
                    pb_folder_write(&folder, "a/b", "x", 1, NULL) == PB_OK;

        (void)raise(made ? SIGKILL : SIGTERM);
    }
    int how = 0;

    ck_assert_int_eq(child, waitpid(child, &how, 0));
    ck_assert(WIFSIGNALED(how));
    ck_assert_int_eq(SIGKILL, WTERMSIG(how));
    struct pb_folder mine = { 0 };

    PB_ASSERT_OK(pb_folder_create(results, "mine", "", WALL_NS, &mine, NULL));
    ck_assert_uint_eq(1, pb_folder_sweep(results));
    ck_assert_uint_eq(0, pb_folder_sweep(results));
    ck_assert(pb_path_exists(mine.temporary));
    ck_assert_uint_eq(1, count_results());
    pb_folder_discard(&mine);
}

PB_TEST(a_sweep_leaves_files_and_links_alone)
{
    char path[300], kept[300];

    (void)fresh_results();
    make_result("kept", "run.json");
    (void)snprintf(path, sizeof(path), "%s/.tmp-file", results);
    write_text(path, "x");
    (void)snprintf(kept, sizeof(kept), "%s/kept", results);
    (void)snprintf(path, sizeof(path), "%s/.tmp-link", results);
    ck_assert_int_eq(0, symlink(kept, path));
    ck_assert_uint_eq(0, pb_folder_sweep(results));
    ck_assert_uint_eq(1, count_results());
}

PB_TEST(folders_are_listed_oldest_first)
{
    static const struct {
        const char *id, *file;
        enum pb_folder_kind kind;
    } in_order[] = {
        { "renamed", "run.json", PB_FOLDER_RUN },
        { "z-20251231T235959Z-ffffff", "run.json", PB_FOLDER_RUN },
        { "a-20261121T031502Z-4fa2c1", "set.json", PB_FOLDER_SET },
        { "b-tune-20261121T031503Z-000000", "journal.jsonl", PB_FOLDER_UNFINISHED_TUNE },
        { "a-tune-20261121T031504Z-000000", "recommendation.json", PB_FOLDER_TUNE },
    };
    struct pb_folder_entry *entries = NULL;
    size_t count = 9;

    (void)fresh_results();
    PB_ASSERT_OK(pb_folder_list(results, &entries, &count, NULL));
    ck_assert_uint_eq(0, count);
    pb_folder_list_free(entries, count);
    for (size_t i = PB_ARRAY_LEN(in_order); i > 0; i--) {
        make_result(in_order[i - 1].id, in_order[i - 1].file);
    }
    make_result("a-tune-20261121T031504Z-000000", "journal.jsonl");
    make_result("not-a-result", "notes.txt");
    make_result(".tmp-x-20261121T031502Z-4fa2c1", "run.json");
    PB_ASSERT_OK(pb_folder_list(results, &entries, &count, NULL));
    ck_assert_uint_eq(PB_ARRAY_LEN(in_order), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(in_order[i].id, entries[i].id);
        ck_assert_int_eq(in_order[i].kind, entries[i].kind);
        ck_assert(pb_path_exists(entries[i].path));
    }
    pb_folder_list_free(entries, count);
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/not-a-result/notes.txt", results);
    struct pb_error err;

    PB_ASSERT_STATUS(PB_ESYS, pb_folder_list(path, &entries, &count, &err));
    ck_assert_int_eq(ENOTDIR, err.sys_errno);
}

static void assert_found(const char *run, const char *id)
{
    struct pb_folder_entry entry = { .id = NULL };
    struct pb_error err = { .text = "" };
    enum pb_status status = pb_folder_find(results, run, &entry, &err);

    ck_assert_msg(status == PB_OK, "%s: %s", run, err.text);
    ck_assert_str_eq(id, entry.id);
    pb_folder_entry_done(&entry);
}

PB_TEST(a_run_is_found_by_path_prefix_or_latest)
{
    struct pb_folder_entry entry = { .id = NULL };
    struct pb_error err;
    char path[300];

    (void)fresh_results();
    PB_ASSERT_STATUS(PB_ENOENT, pb_folder_find(results, "latest", &entry, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no result in"));
    make_result("spike-20261121T031502Z-4fa2c1", "run.json");
    make_result("spike-20261122T031502Z-000000", "set.json");
    make_result("spike", "run.json");
    make_result("latest-20251122T031502Z-000000", "run.json");
    assert_found("latest", "spike-20261122T031502Z-000000");
    assert_found("latest-", "latest-20251122T031502Z-000000");
    assert_found("spike", "spike"); /* the whole name, though others begin so */
    assert_found("spike-20261121", "spike-20261121T031502Z-4fa2c1");
    (void)snprintf(path, sizeof(path), "%s/spike-20261121T031502Z-4fa2c1/", results);
    assert_found(path, "spike-20261121T031502Z-4fa2c1");

    PB_ASSERT_STATUS(PB_EINVAL, pb_folder_find(results, "spike-", &entry, &err));
    ck_assert_str_eq("'spike-' begins 2 names: spike-20261122T031502Z-000000, "
                     "spike-20261121T031502Z-4fa2c1",
                     err.text);
    PB_ASSERT_STATUS(PB_ENOENT, pb_folder_find(results, "nosuch", &entry, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "the newest of 4 is spike-20261122"));
    PB_ASSERT_STATUS(PB_EINVAL, pb_folder_find(results, "", &entry, &err));
    PB_ASSERT_STATUS(PB_ENOENT, pb_folder_find(results, results, &entry, &err));
    ck_assert_ptr_null(entry.id);
}

PB_TEST(unwritable_places_are_answered_with_a_way_out)
{
    struct pb_folder folder = { .results = NULL };
    struct pb_error err;
    char path[300];

    (void)fresh_results();
    PB_ASSERT_STATUS(PB_ESYS, pb_folder_create("/proc/results", "x", "", WALL_NS, &folder, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "--results"));
    PB_ASSERT_OK(pb_dir_make(results, NULL));
    (void)snprintf(path, sizeof(path), "%s/file", results);
    write_text(path, "x");
    PB_ASSERT_STATUS(PB_ESYS, pb_folder_create(path, "x", "", WALL_NS, &folder, &err));
    ck_assert_int_eq(ENOTDIR, err.sys_errno);
    ck_assert_int_eq(0, strncmp(path, err.text, strlen(path)));
    if (geteuid() != 0) { /* root may write anywhere */
        ck_assert_int_eq(0, chmod(results, 0500));
        PB_ASSERT_STATUS(PB_ESYS, pb_folder_create(results, "x", "", WALL_NS, &folder, &err));
        ck_assert_int_eq(EACCES, err.sys_errno);
        ck_assert_int_eq(0, chmod(results, 0700));
    }
    ck_assert_ptr_null(folder.results);
}

PB_TEST(a_full_disk_is_named_with_the_file)
{
    struct pb_folder folder = { 0 };
    struct pb_error err;
    char path[300];

    PB_ASSERT_OK(pb_folder_create(fresh_results(), "x", "", WALL_NS, &folder, NULL));
    (void)snprintf(path, sizeof(path), "%s/run.json", folder.temporary);
    ck_assert_int_eq(0, symlink("/dev/full", path));
    PB_ASSERT_STATUS(PB_ESYS, pb_folder_write(&folder, "run.json", "x", 1, &err));
    ck_assert_int_eq(ENOSPC, err.sys_errno);
    ck_assert_ptr_nonnull(strstr(err.text, "run.json: cannot write: No space left on device"));
    pb_folder_discard(&folder);
}

PB_TEST(folders_without_memory_leave_nothing_behind)
{
    (void)fresh_results();
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_folder folder = { 0 };
        struct pb_error err = { .status = PB_OK };
        enum pb_status status = pb_folder_create(results, "x", "", WALL_NS, &folder, &err);

        if (status == PB_OK) {
            status = pb_folder_write(&folder, "run.json", "{}", 2, &err);
        }
        if (status == PB_OK) {
            status = pb_folder_commit(&folder, &err);
        }
        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_int_eq(status, err.status);
        pb_alloc_fail_off();
        pb_folder_discard(&folder);
        ck_assert_uint_eq(0, pb_folder_sweep(results));
    }
    ck_assert_uint_eq(2, count_results()); /* one whole run in each round of the walk */
}

PB_TEST(finding_without_memory_fails_cleanly)
{
    (void)fresh_results();
    make_result("a-20261121T031502Z-4fa2c1", "run.json");
    make_result("b-20261121T031502Z-4fa2c1", "set.json");
    static const char *const names[] = { "latest", "a", results };

    for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
        PB_FOR_EACH_FAILING_ALLOC
        {
            struct pb_folder_entry entry = { .id = NULL };
            enum pb_status status = pb_folder_find(results, names[i], &entry, NULL);
            enum pb_status whole = names[i] == results ? PB_ENOENT : PB_OK;

            ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : whole, status);
            ck_assert_int_eq(status == PB_OK, entry.id != NULL);
            pb_folder_entry_done(&entry);
        }
    }
}
