#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/test.h"

static struct pb_test *tests;

void pb_test_register(struct pb_test *test)
{
    struct pb_test **end = &tests;

    while (*end) {
        end = &(*end)->next;
    }
    *end = test;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

/* One folder a process, removed at its end, with one inside for each call. */
static char base_folder[32];
static pid_t base_owner;

static void remove_folder(void)
{
    if (base_owner == getpid()) {
        (void)nftw(base_folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

const char *pb_test_folder(void)
{
    static char folder[64];

    if (base_owner != getpid()) {
        base_owner = getpid();
        (void)snprintf(base_folder, sizeof(base_folder), "/tmp/pb-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(base_folder));
        (void)atexit(remove_folder);
    }
    (void)snprintf(folder, sizeof(folder), "%s/XXXXXX", base_folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

static void name_suite(struct pb_test *test)
{
    const char *base = strrchr(test->file, '/');

    (void)snprintf(test->suite_name, sizeof(test->suite_name), "%s", base ? base + 1 : test->file);
    test->suite_name[strcspn(test->suite_name, ".")] = '\0';
}

/* The suite of the test's file, made with its first test. */
static Suite *suite_of(const struct pb_test *test, SRunner *runner)
{
    for (const struct pb_test *other = tests; other != test; other = other->next) {
        if (other->suite && strcmp(other->file, test->file) == 0) {
            return other->suite;
        }
    }
    Suite *suite = suite_create(test->suite_name);

    srunner_add_suite(runner, suite);
    return suite;
}

static bool chosen(const struct pb_test *test, const char *word)
{
    return !word || !*word || strstr(test->suite_name, word) || strstr(test->name, word);
}

int main(void)
{
    const char *only = getenv("PB_TEST");
    SRunner *runner = srunner_create(NULL);

    for (struct pb_test *t = tests; t; t = t->next) {
        name_suite(t);
        if (!chosen(t, only)) {
            continue;
        }
        TCase *test_case = tcase_create(t->name);

        tcase_set_timeout(test_case, t->timeout_s);
        tcase_add_test(test_case, t->test);
        t->suite = suite_of(t, runner);
        suite_add_tcase(t->suite, test_case);
    }
    srunner_run_all(runner, CK_ENV);

    int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);

    printf("%d passed, %d failed\n", run - failed, failed);
    srunner_free(runner);
    return failed == 0 && (run > 0 || only) ? EXIT_SUCCESS : EXIT_FAILURE;
}
