#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "support/alloc.h"
#include "support/child.h"
#include "support/threads.h"

/* Deaths that nobody waits for, and what children write to standard error. */

#define CHILDREN 40

struct deaths {
    struct pb_process_watch *watch;
    struct pb_process *children[CHILDREN];
    _Atomic int told[CHILDREN];
    _Atomic int all;
    _Atomic int wrong;
    bool remove_at_once;
    _Atomic bool slow;
};

static void note_death(void *ctx, struct pb_process *process, const struct pb_worker_id *id)
{
    struct deaths *deaths = ctx;

    if (id->worker >= CHILDREN || deaths->children[id->worker] != process ||
        !pb_process_is_lost(process) ||
        strcmp(pb_process_fate(process), "killed by SIGKILL") != 0) {
        atomic_fetch_add(&deaths->wrong, 1);
        return;
    }
    if (atomic_load(&deaths->slow)) {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 20 * PB_NS_PER_MS);
    }
    if (deaths->remove_at_once) {
        pb_process_watch_remove(deaths->watch, process);
    }
    atomic_fetch_add(&deaths->told[id->worker], 1);
    atomic_fetch_add(&deaths->all, 1);
}

static void start_deaths(struct deaths *deaths, uint32_t count)
{
    PB_ASSERT_OK(pb_process_watch_new(note_death, deaths, &deaths->watch, NULL));
    for (uint32_t i = 0; i < count; i++) {
        struct pb_worker_id id = { .worker = i };

        deaths->children[i] = pb_child_frames(1);
        PB_ASSERT_OK(pb_process_watch_add(deaths->watch, deaths->children[i], &id));
    }
}

static void wait_for_deaths(struct deaths *deaths, int count)
{
    for (int64_t until_ns = pb_now_ns() + 20 * PB_NS_PER_S;
         pb_now_ns() < until_ns && atomic_load(&deaths->all) < count;) {
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
    }
    ck_assert_int_eq(count, atomic_load(&deaths->all));
}

PB_TEST(every_death_is_told_once)
{
    int fds = pb_child_open_fds();

    for (int round = 0; round < 2; round++) {
        struct deaths deaths = { .remove_at_once = round == 1 };

        start_deaths(&deaths, CHILDREN);
        for (int i = 0; i < CHILDREN; i++) {
            pb_process_signal(deaths.children[i], SIGKILL);
        }
        wait_for_deaths(&deaths, CHILDREN);
        for (int i = 0; i < CHILDREN; i++) {
            ck_assert_int_eq(1, atomic_load(&deaths.told[i]));
            pb_process_watch_remove(deaths.watch, deaths.children[i]);
            pb_process_stop(deaths.children[i], true);
        }
        ck_assert_int_eq(0, atomic_load(&deaths.wrong));
        pb_process_watch_free(deaths.watch);
    }
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

PB_TEST(who_was_removed_is_not_told_of)
{
    struct deaths deaths = { .slow = true };

    start_deaths(&deaths, 20);
    for (int i = 0; i < 20; i++) {
        int told;

        if (i % 2) {
            pb_process_signal(deaths.children[i], SIGKILL);
            pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + (i % 5) * PB_NS_PER_MS);
        }
        pb_process_watch_remove(deaths.watch, deaths.children[i]);
        told = atomic_load(&deaths.told[i]);
        pb_process_stop(deaths.children[i], false);
        deaths.children[i] = NULL;
        ck_assert_int_eq(told, atomic_load(&deaths.told[i]));
    }
    ck_assert_int_eq(0, atomic_load(&deaths.wrong));
    pb_process_watch_remove(deaths.watch, NULL); /* not there: nothing */
    pb_process_watch_free(deaths.watch);
}

PB_TEST(a_watch_may_go_before_its_children)
{
    struct deaths deaths = { 0 };

    start_deaths(&deaths, 3);
    pb_process_watch_free(deaths.watch);
    pb_process_watch_free(NULL);
    for (int i = 0; i < 3; i++) {
        pb_process_stop(deaths.children[i], true);
    }
    ck_assert_int_eq(0, atomic_load(&deaths.all));
}

PB_TEST(without_threads_there_is_neither_watch_nor_log)
{
    struct pb_process_watch *watch = NULL;
    struct pb_process_log *log = NULL;
    int fds = pb_child_open_fds();

    pb_thread_fail_from(1);
    PB_ASSERT_STATUS(PB_ESYS, pb_process_watch_new(note_death, NULL, &watch, NULL));
    PB_ASSERT_STATUS(PB_ESYS, pb_process_log_new(&log, NULL));
    pb_thread_fail_off();
    ck_assert_int_eq(fds, pb_child_open_fds());
}

PB_TEST(without_memory_there_is_neither_watch_nor_log)
{
    struct deaths deaths = { 0 };
    struct pb_worker_id id = { 0 };
    int fds = pb_child_open_fds();

    deaths.children[0] = pb_child_frames(1);
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_process_watch *watch = NULL;
        struct pb_process_log *log = NULL;
        enum pb_status status = pb_process_watch_new(note_death, &deaths, &watch, NULL);

        if (status == PB_OK) {
            status = pb_process_watch_add(watch, deaths.children[0], &id);
        }
        if (status == PB_OK) {
            status = pb_process_log_new(&log, NULL);
        }
        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        pb_process_watch_free(watch);
        pb_process_log_free(log);
    }
    pb_process_stop(deaths.children[0], true);
    ck_assert_int_eq(fds, pb_child_open_fds());
}

static struct pb_process *start_logged(struct pb_process_log *log, uint32_t number)
{
    struct pb_process_config config = pb_child_config("frames", NULL);
    struct pb_worker_id id = { .worker = number };
    struct pb_process *process = NULL;

    config.log = log;
    PB_ASSERT_OK(
        pb_process_start(&config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S, &process, NULL));
    return process;
}

PB_TEST(lines_of_children_are_kept_apart)
{
    struct pb_process_log *log = NULL;
    struct pb_process *one, *two;

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    ck_assert_ptr_null(pb_process_log_text(log));
    one = start_logged(log, 1);
    two = start_logged(log, 22);
    free(pb_child_ask(one, "say", "\"hello \""));
    free(pb_child_ask(two, "say", "\"I am \\u001b[31m22\\n\""));
    free(pb_child_ask(one, "say", "\"world\\r\\n\\nno end\""));

    char *text = pb_process_log_text(log);

    ck_assert_str_eq("worker 22: I am \\x1b[31m22\nworker 1: hello world\nworker 1: \n", text);
    free(text);
    pb_process_stop(one, true);
    pb_process_stop(two, true);
    text = pb_process_log_text(log);
    ck_assert_ptr_nonnull(strstr(text, "worker 1: no end\n"));
    free(text);
    pb_process_log_free(log);
    pb_process_log_free(NULL);
}

/* The child is not held up, and only the last lines are kept. */
PB_TEST(a_flood_of_words_is_bounded)
{
    struct pb_process_log *log = NULL;
    struct pb_process *process;

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    process = start_logged(log, 0);
    free(pb_child_ask(process, "flood_stderr", "1"));

    char *text = pb_process_log_text(log);

    ck_assert_uint_gt(strlen(text), 30000);
    ck_assert_uint_le(strlen(text), 70000);
    ck_assert_ptr_nonnull(
        strstr(text, "\nworker 0: line 49999 of very many that nobody will ever read\n"));
    ck_assert_int_eq(0, strncmp(text, "worker 0: line 4", 16)); /* whole lines, the last ones */
    free(text);
    pb_process_stop(process, true);
    pb_process_log_free(log);
}
