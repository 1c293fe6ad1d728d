#include "support/child.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define START_NS (20 * PB_NS_PER_S)

const char *pb_child_program(void)
{
    static char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);

    ck_assert_int_gt(len, 0);
    path[len] = '\0';
    (void)snprintf(strrchr(path, '/'), 64, "/programs/test_worker");
    return path;
}

struct pb_process_config pb_child_config(const char *mode, const char *more)
{
    static const char *argv[4];

    argv[0] = pb_child_program();
    argv[1] = mode;
    argv[2] = more;
    return (struct pb_process_config){
        .argv = argv,
        .wire = strcmp(mode, "lines") == 0 ? PB_WIRE_LINES : PB_WIRE_FRAMES,
        .lanes = 1,
        .kill_after_ns = 10 * PB_NS_PER_S,
    };
}

struct pb_process *pb_child_start(const struct pb_process_config *config)
{
    struct pb_worker_id id = { .worker = 3 };
    struct pb_error err = { .text = "" };
    struct pb_process *process = NULL;
    enum pb_status status =
        pb_process_start(config, &id, NULL, pb_now_ns() + START_NS, &process, &err);

    ck_assert_msg(status == PB_OK, "%s: %s", pb_status_name(status), err.text);
    return process;
}

struct pb_process *pb_child_frames(uint32_t lanes)
{
    struct pb_process_config config = pb_child_config("frames", NULL);

    config.lanes = lanes;
    return pb_child_start(&config);
}

enum pb_call pb_child_call_on(struct pb_process *process, uint32_t lane, struct pb_token *token,
                              const char *command, const char *args, struct pb_reply *ret_reply)
{
    struct pb_process_request request = { .command = command,
                                          .args = args,
                                          .want_payload = ret_reply != NULL };
    struct pb_reply unwanted;

    return pb_process_call(process, lane, token, &request, ret_reply ? ret_reply : &unwanted);
}

enum pb_call pb_child_call(struct pb_process *process, const char *command, const char *args)
{
    return pb_child_call_on(process, 0, NULL, command, args, NULL);
}

char *pb_child_ask(struct pb_process *process, const char *command, const char *args)
{
    struct pb_reply reply = { 0 };
    enum pb_call end = pb_child_call_on(process, 0, NULL, command, args, &reply);

    ck_assert_msg(end == PB_CALL_ANSWERED, "%s: %d, %s", command, (int)end,
                  pb_process_fate(process));
    ck_assert_int_eq(PB_OUTCOME_OK, reply.outcome);
    ck_assert_ptr_nonnull(reply.payload);
    ck_assert_uint_eq(strlen(reply.payload), reply.len);
    return reply.payload;
}

int pb_child_open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

int pb_child_count(void)
{
    char path[64], text[4096];
    int count = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, sizeof(text), file);

    (void)fclose(file);
    for (size_t i = 0; i < len; i++) {
        count += text[i] == ' ';
    }
    return count;
}

bool pb_child_runs(int64_t pid)
{
    char path[64], text[512];

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    FILE *file = fopen(path, "r");

    if (!file) {
        return false;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);

    const char *state = strrchr(text, ')');

    return state && state[2] != 'Z' && state[2] != 'X';
}

bool pb_child_gone(int64_t pid)
{
    for (int64_t until_ns = pb_now_ns() + 20 * PB_NS_PER_S; pb_now_ns() < until_ns;) {
        if (!pb_child_runs(pid)) {
            return true;
        }
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
    }
    return false;
}
