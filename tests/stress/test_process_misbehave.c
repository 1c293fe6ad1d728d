#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pool/token.h"
#include "support/child.h"

/* Whatever a child does, a call ends once, the child is lost or not, and nothing stays. */

static const struct trick {
    const char *command;
    const char *args;
    const char *fate; /* how it begins */
} tricks[] = {
    { "exit", "0", "exited with code 0" },
    { "exit", "3", "exited with code 3" },
    { "signal", "11", "killed by SIGSEGV" },
    { "signal", "9", "killed by SIGKILL" },
    { "signal", "6", "killed by SIGABRT" },
    { "garbage", NULL, "wrote garbage: a frame of more than 16 MiB: 'Traceback (most recent" },
    { "bad_json", NULL,
      "wrote garbage: not JSON: '{\"type\":\"result\",\"id\":1,\"value\":nope}'" },
    { "bad_utf8", NULL,
      "wrote garbage: not JSON: '{\"type\":\"result\",\"id\":1,\"value\":\".(\"}'" },
    { "deep", NULL, "wrote garbage: not JSON: '{\"type\":" },
    { "half_and_exit", NULL, "exited with code 0 inside a message" },
    { "four_gigabytes", NULL, "wrote garbage: a frame of more than 16 MiB: '....'" },
    { "empty_frame", NULL, "wrote garbage: a frame of no bytes" },
    { "unknown_id", NULL, "wrote garbage: an answer that nobody asked for" },
    { "pong", NULL, "wrote garbage: an answer that nobody asked for" },
    { "close_output", NULL, "closed its standard output" },
    { "fork_and_leave", NULL, "exited with code 3" },
    { "no-such-command", NULL, "exited with code 91" },
};

PB_TEST(a_call_ends_whatever_the_child_does)
{
    int fds = pb_child_open_fds();

    for (uint32_t lanes = 1; lanes <= 2; lanes++) {
        for (size_t i = 0; i < PB_ARRAY_LEN(tricks); i++) {
            const struct trick *trick = &tricks[i];
            struct pb_process *process = pb_child_frames(lanes);
            int64_t pid = pb_process_pid(process);

            ck_assert_msg(pb_child_call(process, trick->command, trick->args) == PB_CALL_LOST, "%s",
                          trick->command);
            ck_assert_msg(strncmp(trick->fate, pb_process_fate(process), strlen(trick->fate)) == 0,
                          "%s %s: want '%s', got '%s'", trick->command, trick->args, trick->fate,
                          pb_process_fate(process));
            ck_assert(pb_process_is_lost(process));
            ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "echo", "1"));
            ck_assert(!pb_process_ping(process, 0, NULL, INT64_MAX));
            pb_process_stop(process, true);
            ck_assert(!pb_child_runs(pid));
        }
    }
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

/* The answer counts; what follows it is the next call's business. */
PB_TEST(an_answer_counts_even_if_the_child_dies_of_it)
{
    struct pb_process *process;
    char *payload;

    for (int i = 0; i < 50; i++) {
        process = pb_child_frames(1);
        payload = pb_child_ask(process, "answer_and_exit", "\"last\"");
        ck_assert_ptr_nonnull(strstr(payload, "\"last\""));
        free(payload);
        ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "echo", "1"));
        ck_assert_str_eq("exited with code 0", pb_process_fate(process));
        pb_process_stop(process, true);
    }
    process = pb_child_frames(1);
    free(pb_child_ask(process, "twice", "1"));
    ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "echo", "1"));
    ck_assert_ptr_nonnull(strstr(pb_process_fate(process), "an answer that nobody asked for"));
    pb_process_stop(process, true);
}

PB_TEST(a_flood_of_answers_is_garbage)
{
    struct pb_process *process = pb_child_frames(1);

    free(pb_child_ask(process, "flood", "1"));
    ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "echo", "1"));
    ck_assert_ptr_nonnull(strstr(pb_process_fate(process), "an answer that nobody asked for"));
    pb_process_stop(process, false);
}

PB_TEST(a_large_answer_comes_whole)
{
    struct pb_process *process = pb_child_frames(1);
    char *payload = pb_child_ask(process, "large", "10000000");

    ck_assert_uint_gt(strlen(payload), 10000000);
    free(payload);
    free(pb_child_ask(process, "echo", "1"));
    ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "large", "17000000"));
    ck_assert_ptr_nonnull(strstr(pb_process_fate(process), "a frame of more than 16 MiB"));
    pb_process_stop(process, true);
}

struct setter {
    struct pb_token *token;
    int64_t after_ns;
    pthread_t thread;
};

static void *set_main(void *arg)
{
    struct setter *setter = arg;

    pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + setter->after_ns);
    pb_token_set(setter->token);
    return NULL;
}

static void set_soon(struct setter *setter)
{
    setter->token = pb_token_new();
    setter->after_ns = 20 * PB_NS_PER_MS;
    ck_assert_ptr_nonnull(setter->token);
    ck_assert_int_eq(0, pthread_create(&setter->thread, NULL, set_main, setter));
}

static void set_done(struct setter *setter)
{
    ck_assert_int_eq(0, pthread_join(setter->thread, NULL));
    pb_token_free(setter->token);
}

static enum pb_call call_with(struct pb_process *process, struct setter *setter,
                              const char *command, const char *args)
{
    return pb_child_call_on(process, 0, setter->token, command, args, NULL);
}

/* All that only the token ends. */
PB_TEST(the_token_ends_what_hangs)
{
    static const char *const hanging[] = { "hang", "half", "hold" };

    for (size_t i = 0; i < PB_ARRAY_LEN(hanging); i++) {
        struct pb_process *process = pb_child_frames(1);
        struct setter setter;

        set_soon(&setter);
        ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, hanging[i], NULL));
        ck_assert_str_eq("lives", pb_process_fate(process));
        /* Set already: nothing is even sent. */
        ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, "exit", "0"));
        ck_assert(!pb_process_is_lost(process));
        set_done(&setter);
        pb_process_stop(process, false);
    }
}

PB_TEST(the_token_ends_a_call_of_a_stopped_child)
{
    struct pb_process *process = pb_child_frames(1);
    struct setter setter;

    pb_process_signal(process, SIGSTOP);
    set_soon(&setter);
    ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, "echo", "1"));
    set_done(&setter);
    pb_process_signal(process, SIGCONT);
    free(pb_child_ask(process, "echo", "2"));
    pb_process_stop(process, true);
}

/* The child reads nothing: a request larger than the socket holds is begun and not finished. */
PB_TEST(the_token_ends_a_request_that_nobody_reads)
{
    struct pb_process *process = pb_child_frames(1);
    size_t len = (size_t)4 << 20;
    char *args = malloc(len + 1);
    struct setter setter;

    ck_assert_ptr_nonnull(args);
    memset(args, ' ', len);
    args[0] = '1';
    args[len] = '\0';
    free(pb_child_ask(process, "deaf", NULL));
    for (int i = 0; i < 3; i++) { /* the first is begun; the others find no room at all */
        set_soon(&setter);
        ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, "echo", args));
        set_done(&setter);
    }
    ck_assert(!pb_process_ping(process, 0, NULL, pb_now_ns() + 20 * PB_NS_PER_MS));
    ck_assert_str_eq("lives", pb_process_fate(process));
    free(args);
    pb_process_stop(process, false);
}

/* What was begun is finished before anything else goes out. */
PB_TEST(a_request_cut_short_does_not_spoil_the_next)
{
    struct pb_process *process = pb_child_frames(1);
    size_t len = (size_t)1 << 20;
    char *args = malloc(len + 1), *payload;
    struct setter setter;

    ck_assert_ptr_nonnull(args);
    memset(args, ' ', len);
    args[0] = '1';
    args[len] = '\0';
    for (int i = 0; i < 5; i++) {
        pb_process_signal(process, SIGSTOP);
        set_soon(&setter);
        ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, "echo", args));
        set_done(&setter);
        pb_process_signal(process, SIGCONT);
        payload = pb_child_ask(process, "echo", "\"next\"");
        ck_assert_ptr_nonnull(strstr(payload, "\"next\""));
        free(payload);
    }
    free(args);
    pb_process_stop(process, true);
}

PB_TEST(a_child_that_will_not_read_any_more_is_lost)
{
    struct pb_process *process = pb_child_frames(1);

    free(pb_child_ask(process, "close_input", NULL));
    /* One that is sent before the child has closed it just hangs. */
    while (!pb_process_is_lost(process)) {
        ck_assert(!pb_process_ping(process, 0, NULL, pb_now_ns() + 300 * PB_NS_PER_MS));
    }
    ck_assert_str_eq("closed its standard input", pb_process_fate(process));
    pb_process_stop(process, false);
}

/* The answer of a cancelled call comes late, and is given to nobody. */
PB_TEST(a_late_answer_is_thrown_away)
{
    struct pb_process *process = pb_child_frames(1);
    struct pb_token *token = pb_token_new();
    struct setter setter;
    char *payload;

    for (int i = 0; i < 10; i++) {
        set_soon(&setter);
        ck_assert_int_eq(PB_CALL_CANCELLED, call_with(process, &setter, "hold", NULL));
        set_done(&setter);
    }
    payload = pb_child_ask(process, "release", "\"mine\"");
    ck_assert_ptr_nonnull(strstr(payload, "\"mine\""));
    free(payload);
    /* More than are remembered: still no harm. */
    for (int i = 0; i < 2; i++) {
        ck_assert(!pb_process_ping(process, 0, token, 0));
    }
    pb_token_free(token);
    ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call_on(process, 0, NULL, "echo", "1", NULL));
    pb_process_stop(process, true);
}

PB_TEST(pings_have_a_deadline_and_do_not_hurt)
{
    struct pb_process *process = pb_child_frames(1);

    for (int i = 0; i < 600; i++) { /* more than are remembered */
        (void)pb_process_ping(process, 0, NULL, 0);
    }
    ck_assert(pb_process_ping(process, 0, NULL, pb_now_ns() + 20 * PB_NS_PER_S));
    free(pb_child_ask(process, "echo", "1"));
    ck_assert_str_eq("lives", pb_process_fate(process));
    pb_process_stop(process, true);
}

/* kill -9 at any moment of a call. */
PB_TEST(killed_at_any_moment_a_call_ends)
{
    int fds = pb_child_open_fds();
    int64_t calls = 0;

    for (int i = 0; i < 60; i++) {
        struct pb_process *process = pb_child_frames(1);
        int64_t kill_ns = pb_now_ns() + (int64_t)(i % 20) * 50 * PB_NS_PER_US;

        while (pb_now_ns() < kill_ns) {
            ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call(process, "echo", "1"));
            calls++;
        }
        pb_process_signal(process, SIGKILL);
        while (pb_child_call(process, "echo", "1") != PB_CALL_LOST) {
        }
        ck_assert_str_eq("killed by SIGKILL", pb_process_fate(process));
        pb_process_stop(process, i % 2 == 0);
    }
    ck_assert_int_gt(calls, 0);
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}
