#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/file.h"
#include "harness/folder.h"
#include "support/test.h"

#define CREATORS 3
#define FOLDERS  40

struct race {
    char results[100];
    atomic_bool over;
    atomic_int committed;
    atomic_int failed;
};

static void *create_folders(void *arg)
{
    struct race *race = arg;

    for (int i = 0; i < FOLDERS; i++) {
        struct pb_folder folder = { 0 };
        bool whole = pb_folder_create(race->results, "x", "", INT64_C(1795230902000000000), &folder,
                                      NULL) == PB_OK &&
                     pb_folder_write(&folder, "run.json", "{}", 2, NULL) == PB_OK &&
                     pb_folder_commit(&folder, NULL) == PB_OK;

        atomic_fetch_add(whole ? &race->committed : &race->failed, 1);
        pb_folder_discard(&folder);
    }
    return NULL;
}

static void *sweep_folders(void *arg)
{
    struct race *race = arg;

    while (!atomic_load(&race->over)) {
        (void)pb_folder_sweep(race->results);
    }
    return NULL;
}

/* Between mkdir and flock a new folder looks like one that a dead process left. */
PB_TEST(a_sweep_never_takes_a_living_folder)
{
    struct race race = { .committed = 0 };
    pthread_t creators[CREATORS], sweeper;
    struct pb_folder_entry *entries = NULL;
    size_t count = 0;

    (void)snprintf(race.results, sizeof(race.results), "%s/results", pb_test_folder());
    ck_assert_int_eq(0, pthread_create(&sweeper, NULL, sweep_folders, &race));
    for (size_t i = 0; i < CREATORS; i++) {
        ck_assert_int_eq(0, pthread_create(&creators[i], NULL, create_folders, &race));
    }
    for (size_t i = 0; i < CREATORS; i++) {
        ck_assert_int_eq(0, pthread_join(creators[i], NULL));
    }
    atomic_store(&race.over, true);
    ck_assert_int_eq(0, pthread_join(sweeper, NULL));
    ck_assert_int_eq(0, atomic_load(&race.failed));
    ck_assert_int_eq(CREATORS * FOLDERS, atomic_load(&race.committed));
    PB_ASSERT_OK(pb_folder_list(race.results, &entries, &count, NULL));
    ck_assert_uint_eq(CREATORS * FOLDERS, count);
    pb_folder_list_free(entries, count);
    ck_assert_uint_eq(0, pb_folder_sweep(race.results));
}
