#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "made_folder.h"
#include "plots/gnuplot.h"
#include "support/test.h"

/* A program of that text in a fresh folder, which it stands for; the folder. */
static const char *stand_in(const char *text, char *program)
{
    const char *folder = pb_test_folder();

    (void)snprintf(program, 128, "%s/gnuplot", folder);
    PB_ASSERT_OK(pb_file_replace(program, text, strlen(text), NULL));
    ck_assert_int_eq(0, chmod(program, 0755));
    return folder;
}

PB_TEST(gnuplot_gets_its_script_in_the_folder_and_no_home)
{
    char program[128];
    const char *folder =
        stand_in("#!/bin/sh\necho \"$#,$1,$2,$HOME,$SECRET\" > out.svg\n", program);

    ck_assert_int_eq(0, setenv("SECRET", "secret", 1));
    PB_ASSERT_OK(pb_gnuplot_run(program, folder, "a.gp", "out.svg", NULL));
    char *text = pb_made_read(folder, "out.svg");

    ck_assert_str_eq("2,-d,a.gp,,\n", text);
    free(text);
}

PB_TEST(a_failing_gnuplot_leaves_its_words_and_no_picture)
{
    char program[128], path[160];
    struct pb_error err = { 0 };
    const char *folder =
        stand_in("#!/bin/sh\necho half > out.svg\n"
                 "printf 'plot x\\n     ^\\nline 1: no such thing\\n' >&2\nexit 3\n",
                 program);

    PB_ASSERT_STATUS(PB_ECORRUPT, pb_gnuplot_run(program, folder, "a.gp", "out.svg", &err));
    ck_assert_str_eq("gnuplot could not draw a.gp: line 1: no such thing", err.text);
    (void)snprintf(path, sizeof(path), "%s/out.svg", folder);
    ck_assert_int_ne(0, access(path, F_OK));
}

PB_TEST(an_empty_or_missing_picture_is_a_failure)
{
    char program[128];
    struct pb_error err = { 0 };
    const char *folder = stand_in("#!/bin/sh\n: > out.svg\n", program);

    PB_ASSERT_STATUS(PB_ECORRUPT, pb_gnuplot_run(program, folder, "a.gp", "out.svg", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no picture and no message"));
    PB_ASSERT_STATUS(PB_ECORRUPT, pb_gnuplot_run(program, folder, "a.gp", "other.svg", &err));
    PB_ASSERT_STATUS(PB_ESYS, pb_gnuplot_run("/nowhere/gnuplot", folder, "a.gp", "out.svg", &err));
}

PB_TEST(gnuplot_is_found_by_absolute_entries_of_path_only)
{
    char program[128], path[400], *found = NULL, *before = strdup(getenv("PATH"));
    const char *folder = stand_in("#!/bin/sh\n", program);

    ck_assert_int_eq(0, setenv("PATH", ".:..:relative:tests:", 1));
    PB_ASSERT_STATUS(PB_ENOENT, pb_gnuplot_find(&found));
    (void)snprintf(path, sizeof(path), ".:/nowhere:%s", folder);
    ck_assert_int_eq(0, setenv("PATH", path, 1));
    PB_ASSERT_OK(pb_gnuplot_find(&found));
    ck_assert_str_eq(program, found);
    free(found);
    ck_assert_int_eq(0, setenv("PATH", before, 1));
    free(before);
}
