#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/token.h"
#include "support/alloc.h"
#include "support/child.h"

/* Real children: starting them, asking them, ending them. */

PB_TEST(a_child_serves_and_leaves_nothing_behind)
{
    int fds = pb_child_open_fds();
    struct pb_process *process = pb_child_frames(1);
    int64_t pid = pb_process_pid(process);

    for (int i = 0; i < 100; i++) {
        char *payload = pb_child_ask(process, "echo", "{\"a\":[1,2,\"\\u00e9\"]}");

        ck_assert_ptr_nonnull(strstr(payload, "\"value\":{\"a\":[1,2,\"\\u00e9\"]}"));
        free(payload);
    }
    ck_assert_str_eq("lives", pb_process_fate(process));
    ck_assert(!pb_process_is_lost(process));
    ck_assert(pb_child_runs(pid));
    pb_process_stop(process, true);
    ck_assert(!pb_child_runs(pid));
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
    pb_process_stop(NULL, true);
}

PB_TEST(a_child_speaks_lines)
{
    struct pb_process_config config = pb_child_config("lines", NULL);
    struct pb_process *process = pb_child_start(&config);
    struct pb_reply reply = { 0 };
    char *payload = pb_child_ask(process, "echo", "{\n\"a\": 1}");

    ck_assert_str_eq("ok 1 { \"a\": 1}", payload);
    free(payload);
    ck_assert_int_eq(PB_CALL_ANSWERED,
                     pb_child_call_on(process, 0, NULL, "server_error", NULL, &reply));
    ck_assert_int_eq(PB_OUTCOME_ERROR, reply.outcome);
    ck_assert_str_eq("error 2 the \"work\" failed", reply.payload);
    free(reply.payload);
    ck_assert(pb_process_ping(process, 0, NULL, pb_now_ns() + 20 * PB_NS_PER_S));
    pb_process_stop(process, true);
}

PB_TEST(errors_say_whose_they_are)
{
    struct pb_process *process = pb_child_frames(1);
    struct pb_process_request request = { .command = "server_error" }; /* payload not wanted */
    struct pb_reply reply = { 0 };

    ck_assert_int_eq(PB_CALL_ANSWERED,
                     pb_child_call_on(process, 0, NULL, "client_error", "1", &reply));
    ck_assert_int_eq(PB_OUTCOME_CLIENT_ERROR, reply.outcome);
    free(reply.payload);
    ck_assert_int_eq(PB_CALL_ANSWERED, pb_process_call(process, 0, NULL, &request, &reply));
    ck_assert_int_eq(PB_OUTCOME_ERROR, reply.outcome);
    ck_assert_ptr_null(reply.payload);
    pb_process_stop(process, true);
}

static enum pb_call call_until(struct pb_process *process, const char *command, int64_t for_ns)
{
    struct pb_process_request request = { .command = command, .deadline_ns = pb_now_ns() + for_ns };
    struct pb_reply reply;

    return pb_process_call(process, 0, NULL, &request, &reply);
}

PB_TEST(a_command_has_its_time_and_may_be_waited_for_after_it)
{
    struct pb_process *process = pb_child_frames(2);

    ck_assert_int_eq(PB_CALL_CANCELLED, call_until(process, "hold", PB_NS_PER_MS));
    ck_assert(!pb_process_settle(process, 0, pb_now_ns() + PB_NS_PER_MS));
    ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call_on(process, 1, NULL, "release", NULL, NULL));
    ck_assert(pb_process_settle(process, 0, pb_now_ns() + 20 * PB_NS_PER_S));
    ck_assert(pb_process_settle(process, 0, pb_now_ns() + 20 * PB_NS_PER_S));
    ck_assert_int_eq(PB_CALL_ANSWERED, call_until(process, "client_error", 20 * PB_NS_PER_S));
    pb_process_stop(process, true);
}

PB_TEST(a_child_that_dies_never_settles)
{
    struct pb_process *process = pb_child_frames(1);

    ck_assert_int_eq(PB_CALL_CANCELLED, call_until(process, "hang", PB_NS_PER_MS));
    pb_process_signal(process, SIGKILL);
    ck_assert(!pb_process_settle(process, 0, pb_now_ns() + 20 * PB_NS_PER_S));
    pb_process_stop(process, false);
}

PB_TEST(a_child_has_what_it_was_given_and_nothing_of_ours)
{
    const char *env[] = { "POOLBENCH_TEST=here", NULL };
    struct pb_process_config config = pb_child_config("frames", NULL);
    const char *folder = pb_test_folder();
    char want[200];
    sigset_t one;

    /* Not close-on-exec, and signals that a child must not inherit. */
    ck_assert_int_ge(dup(0), 0);
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGTERM);
    ck_assert_int_eq(0, sigprocmask(SIG_BLOCK, &one, NULL));
    ck_assert(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    config.env = env;
    config.folder = folder;
    config.max_files = 77;

    struct pb_process *process = pb_child_start(&config);
    char *payload = pb_child_ask(process, "describe", NULL);

    (void)snprintf(want, sizeof(want), "\"folder\":\"%s\",\"env\":\"here\",\"path\":true", folder);
    ck_assert_msg(strstr(payload, want) != NULL, "%s", payload);
    ck_assert_msg(strstr(payload, "\"open\":3,\"leader\":true,\"odd_signals\":0") != NULL, "%s",
                  payload);
    ck_assert_msg(strstr(payload, "\"files\":77") != NULL, "%s", payload);
    free(payload);
    pb_process_stop(process, true);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they need all memory */
PB_TEST(a_child_with_a_memory_limit_dies_of_it)
{
    struct pb_process_config config = pb_child_config("frames", NULL);

    config.max_memory_bytes = 64 << 20;

    struct pb_process *process = pb_child_start(&config);
    char *payload = pb_child_ask(process, "touch_memory", "1000000");

    free(payload);
    ck_assert_int_eq(PB_CALL_LOST, pb_child_call(process, "touch_memory", "100000000"));
    ck_assert_str_eq("killed by SIGSEGV", pb_process_fate(process));
    pb_process_stop(process, false);
}
#endif

PB_TEST(memory_counts_the_child_and_its_children)
{
    struct pb_process *process = pb_child_frames(1);
    int64_t before = pb_process_memory_bytes(process);

    ck_assert_int_gt(before, 0);
    free(pb_child_ask(process, "touch_memory", "50000000"));

    int64_t after = pb_process_memory_bytes(process);

    ck_assert_int_gt(after, before + 45000000);
    /* Its child shares all pages with it: the sum is about the same, not twice as much. */
    free(pb_child_ask(process, "fork", NULL));
    ck_assert_int_lt(pb_process_memory_bytes(process), after + 30000000);
    ck_assert_int_gt(pb_process_memory_bytes(process), before + 45000000);
    pb_process_stop(process, true);
}

/* Starts what does not start, and says why. */
static void refuse(const struct pb_process_config *config, enum pb_status want, const char *words)
{
    struct pb_worker_id id = { 0 };
    struct pb_error err = { .text = "" };
    struct pb_process *process = NULL;
    int fds = pb_child_open_fds();

    PB_ASSERT_STATUS(want, pb_process_start(config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S,
                                            &process, &err));
    ck_assert_ptr_null(process);
    ck_assert_msg(strstr(err.text, words) != NULL, "want '%s', got '%s'", words, err.text);
    ck_assert_int_eq(fds, pb_child_open_fds());
    ck_assert_int_eq(0, pb_child_count());
}

PB_TEST(what_cannot_start_says_why)
{
    const char *nothing[] = { NULL }, *absent[] = { "no-such-program", NULL },
               *there[] = { "/nowhere/program", NULL }, *folder[] = { "/tmp", NULL },
               *truth[] = { "true", NULL };
    struct pb_process_config config = pb_child_config("frames", NULL);

    config.argv = nothing;
    refuse(&config, PB_EINVAL, "needs a program");
    config.argv = absent;
    refuse(&config, PB_EINVAL, "cannot start 'no-such-program': no such program in PATH");
    config.argv = there;
    refuse(&config, PB_EINVAL, "cannot start '/nowhere/program': no such program (or");
    config.argv = folder;
    refuse(&config, PB_EINVAL, "cannot start '/tmp': Permission denied");
    config.argv = truth;
    refuse(&config, PB_EPARSE, "'true' exited with code 0 before it was ready");
    config.folder = "/nowhere";
    refuse(&config, PB_EINVAL, "cannot start 'true': its folder '/nowhere' is no folder");
    config.folder = NULL;
    ck_assert(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    refuse(&config, PB_EINVAL, "SIGCHLD is ignored");
}

PB_TEST(what_is_not_ready_says_its_last_words)
{
    struct pb_process_log *log = NULL;
    struct pb_process_config config = pb_child_config("at-start", "exit");

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    config.log = log;
    refuse(&config, PB_EPARSE,
           "exited with code 7 before it was ready: ModuleNotFoundError: no module");
    config = pb_child_config("at-start", "print");
    refuse(
        &config, PB_EPARSE,
        "wrote garbage: a frame of more than 16 MiB: 'hello, world, I am a worker that prints.'");
    config = pb_child_config("at-start", "wrong-answer");
    refuse(&config, PB_EPARSE, "an answer that nobody asked for");
    pb_process_log_free(log);
}

PB_TEST(a_start_ends_by_its_deadline_and_by_its_token)
{
    struct pb_process_config config = pb_child_config("at-start", "hang");
    struct pb_token *token = pb_token_new();
    struct pb_process *process = NULL;
    struct pb_worker_id id = { 0 };

    PB_ASSERT_STATUS(PB_ETIMEDOUT,
                     pb_process_start(&config, &id, token, pb_now_ns() + 20 * PB_NS_PER_MS,
                                      &process, NULL));
    pb_token_set(token);
    PB_ASSERT_STATUS(PB_ECLOSED, pb_process_start(&config, &id, token, INT64_MAX, &process, NULL));
    ck_assert_int_eq(0, pb_child_count());
    pb_token_free(token);
}

PB_TEST(a_start_without_memory_leaves_nothing)
{
    struct pb_process_config config = pb_child_config("frames", NULL);
    struct pb_worker_id id = { 0 };
    int fds = pb_child_open_fds();

    config.lanes = 2;
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_process *process = NULL;
        enum pb_status status =
            pb_process_start(&config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S, &process, NULL);

        /* Of a reader that gets no memory for the answer the child is lost. */
        ck_assert_int_eq(pb_alloc_failed(), status != PB_OK);
        ck_assert(status == PB_OK || status == PB_ENOMEM || status == PB_EPARSE);
        pb_process_stop(process, false);
        ck_assert_int_eq(fds, pb_child_open_fds());
        ck_assert_int_eq(0, pb_child_count());
    }
}

PB_TEST(a_start_without_descriptors_leaves_nothing)
{
    struct pb_process_log *log = NULL;
    struct pb_process_config config = pb_child_config("frames", NULL);
    struct pb_worker_id id = { 0 };
    int failed = 0;

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    config.log = log;
    config.lanes = 2;

    int fds = pb_child_open_fds();

    for (int room = 0; room < 12; room++) {
        struct rlimit files = { (rlim_t)(fds - 2 + room), (rlim_t)(fds + 100) };
        struct pb_process *process = NULL;
        struct pb_error err = { .text = "" };

        ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &files));

        enum pb_status status =
            pb_process_start(&config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S, &process, &err);

        files.rlim_cur = files.rlim_max;
        ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &files));
        /* A child that inherits such a limit may also die of it. */
        ck_assert_msg(status == PB_OK || status == PB_ESYS || status == PB_EPARSE, "%s", err.text);
        failed += status == PB_ESYS;
        pb_process_stop(process, true);
        ck_assert_int_eq(fds, pb_child_open_fds());
        ck_assert_int_eq(0, pb_child_count());
    }
    ck_assert_int_ge(failed, 4);
    pb_process_log_free(log);
}

PB_TEST(a_child_that_ignores_term_is_killed)
{
    struct pb_process_config config = pb_child_config("frames", NULL);

    config.kill_after_ns = 30 * PB_NS_PER_MS;

    struct pb_process *process = pb_child_start(&config);
    int64_t pid = pb_process_pid(process), from_ns;

    ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call(process, "ignore_term", NULL));
    from_ns = pb_now_ns();
    pb_process_stop(process, true);
    ck_assert_int_ge(pb_now_ns() - from_ns, 2 * config.kill_after_ns); /* asked, TERM, KILL */
    ck_assert(!pb_child_runs(pid));
}

PB_TEST(a_stopped_child_ends)
{
    struct pb_process *process = pb_child_frames(1);
    int64_t pid = pb_process_pid(process);

    pb_process_signal(process, SIGSTOP);
    pb_process_stop(process, false); /* TERM, which it hears when it goes on; kill_after is 10 s */
    ck_assert(!pb_child_runs(pid));
    process = pb_child_frames(1);
    pid = pb_process_pid(process);
    pb_process_signal(process, SIGSTOP);
    pb_process_signal(process, SIGKILL);
    pb_process_stop(process, true);
    ck_assert(!pb_child_runs(pid));
}

PB_TEST(grandchildren_in_the_group_end_with_it)
{
    for (int politely = 0; politely < 2; politely++) {
        struct pb_process *process = pb_child_frames(1);
        char *payload = pb_child_ask(process, "fork", NULL);
        int64_t pid = strtoll(strstr(payload, "\"value\":") + strlen("\"value\":"), NULL, 10);

        free(payload);
        ck_assert_int_gt(pid, 1);
        ck_assert(pb_child_runs(pid));
        pb_process_stop(process, politely == 1);
        ck_assert(pb_child_gone(pid));
    }
}

struct starter {
    struct pb_process_config config;
    _Atomic int wrong;
};

/* Starts, asks and stops; the child has three descriptors, whoever else was being started. */
static void *start_and_stop_main(void *arg)
{
    static const char words[] = "\"open\":3,";
    struct starter *starter = arg;

    for (int i = 0; i < 10; i++) {
        struct pb_worker_id id = { 0 };
        struct pb_process *process = NULL;
        struct pb_process_request request = { .command = "describe", .want_payload = true };
        struct pb_reply reply = { .payload = NULL };

        if (pb_process_start(&starter->config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S, &process,
                             NULL) != PB_OK ||
            pb_process_call(process, 0, NULL, &request, &reply) != PB_CALL_ANSWERED ||
            !strstr(reply.payload, words)) {
            atomic_fetch_add(&starter->wrong, 1);
        }
        free(reply.payload);
        pb_process_stop(process, i % 2 == 0);
    }
    return NULL;
}

PB_TEST(threads_start_children_at_once)
{
    pthread_t threads[4];
    struct starter starter = { .config = pb_child_config("frames", NULL) };
    int fds = pb_child_open_fds();

    for (size_t i = 0; i < PB_ARRAY_LEN(threads); i++) {
        ck_assert_int_eq(0, pthread_create(&threads[i], NULL, start_and_stop_main, &starter));
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(threads); i++) {
        ck_assert_int_eq(0, pthread_join(threads[i], NULL));
    }
    ck_assert_int_eq(0, atomic_load(&starter.wrong));
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

PB_TEST(more_files_for_us_are_not_more_for_children)
{
    struct pb_process_config config = pb_child_config("frames", NULL);
    struct rlimit files = { 300, 3000 };

    ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &files));
    config.soft_files = pb_process_raise_files();
    ck_assert_int_eq(300, config.soft_files);
    ck_assert_int_eq(0, getrlimit(RLIMIT_NOFILE, &files));
    ck_assert_uint_eq(3000, files.rlim_cur);
    ck_assert_int_eq(0, pb_process_raise_files());

    struct pb_process *process = pb_child_start(&config);
    char *payload = pb_child_ask(process, "describe", NULL);

    ck_assert_msg(strstr(payload, "\"files\":300,\"files_hard\":3000") != NULL, "%s", payload);
    free(payload);
    pb_process_stop(process, true);
    pb_process_lower_files(300);
    ck_assert_int_eq(0, getrlimit(RLIMIT_NOFILE, &files));
    ck_assert_uint_eq(300, files.rlim_cur);
    ck_assert_uint_eq(3000, files.rlim_max);
}

PB_TEST_TIMEOUT(two_hundred_children_start_serve_and_stop, 120)
{
    enum {
        CHILDREN = 200
    };
    static struct pb_process *children[CHILDREN];
    int fds = pb_child_open_fds();

    (void)pb_process_raise_files();
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = pb_child_frames(1);
    }
    for (int i = 0; i < CHILDREN; i++) {
        free(pb_child_ask(children[i], "echo", "1"));
    }
    for (int i = 0; i < CHILDREN; i++) {
        pb_process_stop(children[i], true);
    }
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}
