#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/child.h"

/* The worker's side of the protocol: pb_worker_serve in a child. */

PB_TEST(a_service_answers)
{
    static const char *const threads[] = { "0", "1", "4" };

    for (size_t i = 0; i < PB_ARRAY_LEN(threads); i++) {
        struct pb_process_config config = pb_child_config("serve", threads[i]);
        struct pb_process *process = pb_child_start(&config);
        struct pb_reply reply = { 0 };
        char *payload = pb_child_ask(process, "echo", "[1,2]");

        ck_assert_str_eq("{\"type\":\"result\",\"id\":1,\"value\":[1,2]}", payload);
        free(payload);
        payload = pb_child_ask(process, "echo", NULL);
        ck_assert_str_eq("{\"type\":\"result\",\"id\":2,\"value\":null}", payload);
        free(payload);
        ck_assert_int_eq(PB_CALL_ANSWERED,
                         pb_child_call_on(process, 0, NULL, "refuse", NULL, &reply));
        ck_assert_int_eq(PB_OUTCOME_CLIENT_ERROR, reply.outcome);
        ck_assert_ptr_nonnull(strstr(reply.payload, "on command"));
        free(reply.payload);
        ck_assert_int_eq(PB_CALL_ANSWERED,
                         pb_child_call_on(process, 0, NULL, "nonsense", NULL, &reply));
        ck_assert_int_eq(PB_OUTCOME_ERROR, reply.outcome);
        ck_assert_ptr_nonnull(strstr(reply.payload, "its value is not JSON"));
        free(reply.payload);
        ck_assert(pb_process_ping(process, 0, NULL, pb_now_ns() + 20 * PB_NS_PER_S));
        pb_process_stop(process, true);
    }
}

PB_TEST(what_a_service_prints_does_not_spoil_its_answers)
{
    struct pb_process_log *log = NULL;
    struct pb_process_config config = pb_child_config("serve", "1");

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    config.log = log;

    struct pb_process *process = pb_child_start(&config);

    free(pb_child_ask(process, "print", "1"));

    char *text = pb_process_log_text(log);

    ck_assert_str_eq("worker 3: printed\n", text);
    free(text);
    pb_process_stop(process, true);
    pb_process_log_free(log);
}

PB_TEST(a_service_may_refuse_its_settings)
{
    struct pb_process_log *log = NULL;
    struct pb_process_config config = pb_child_config("serve", "1");
    struct pb_worker_id id = { 0 };
    struct pb_process *process = NULL;
    struct pb_error err = { .text = "" };

    PB_ASSERT_OK(pb_process_log_new(&log, NULL));
    config.log = log;
    config.settings = "{\"how\":\"refuse\"}";
    PB_ASSERT_STATUS(PB_EPARSE, pb_process_start(&config, &id, NULL, pb_now_ns() + 20 * PB_NS_PER_S,
                                                 &process, &err));
    ck_assert_msg(strstr(err.text, "exited with code 1 before it was ready: worker: these settings "
                                   "are refused: {\"how\":\"refuse\"}") != NULL,
                  "%s", err.text);
    pb_process_log_free(log);
}

/* Feeds a service some bytes from a pipe; its exit code, and what it wrote. */
static int feed(const char *bytes, size_t len, char *ret_text, size_t size)
{
    char command[5000];

    (void)snprintf(command, sizeof(command), "'%s' serve 1 2>&1 < '%s/in'", pb_child_program(),
                   pb_test_folder());

    char *path = strdup(strstr(command, "< '") + 3);

    path[strlen(path) - 1] = '\0';

    FILE *in = fopen(path, "w");

    ck_assert_ptr_nonnull(in);
    ck_assert_uint_eq(len, fwrite(bytes, 1, len, in));
    ck_assert_int_eq(0, fclose(in));
    free(path);

    FILE *out = popen(command, "r");

    ck_assert_ptr_nonnull(out);
    ret_text[fread(ret_text, 1, size - 1, out)] = '\0';
    return WEXITSTATUS(pclose(out));
}

PB_TEST(a_service_can_be_run_by_hand)
{
    static const char lines[] = "init 1 0 0 {}\nrequest 7 echo [1]\nping 8\ncancel 7\nshutdown\n";
    char text[500];

    ck_assert_int_eq(0, feed(lines, sizeof(lines) - 1, text, sizeof(text)));
    ck_assert_str_eq("ready\nok 7 [1]\npong 8\n", text);
    ck_assert_int_eq(0, feed(lines, sizeof(lines) - 1 - 9, text, sizeof(text))); /* just the end */
    ck_assert_int_eq(0, feed("", 0, text, sizeof(text)));
    ck_assert_int_eq(1, feed("init 1 0 0 {}\nrequ", 18, text, sizeof(text)));
    ck_assert_str_eq("ready\nworker: the input ends in a message\n", text);
    ck_assert_int_eq(1, feed("ready\n", 6, text, sizeof(text)));
    ck_assert_str_eq("worker: was not sent init first\n", text);
    ck_assert_int_eq(1, feed("nonsense\n", 9, text, sizeof(text)));
    ck_assert_str_eq("worker: was sent garbage: an unknown word\n", text);
    ck_assert_int_eq(1, feed("init 1 0 0\nready\n", 17, text, sizeof(text)));
    ck_assert_str_eq("ready\nworker: a message that a worker does not expect now\n", text);
}
