#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pool/token.h"
#include "support/child.h"

/* Several threads call one child at once. */

#define LANES_MAX 8

struct caller {
    struct pb_process *process;
    uint32_t lane;
    int count;
    const char *command;
    struct pb_token *token;
    pthread_t thread;
    bool large;   /* asks for large answers */
    int ended[3]; /* by enum pb_call */
    int wrong;    /* answers that were another's */
    _Atomic bool done;
};

/* What an answer to this caller holds. */
static const char *mine(const struct caller *caller, const char *args)
{
    if (caller->large) {
        return "xxxx";
    }
    return strcmp(caller->command, "hold") == 0 ? "\"held\"" : args;
}

static void *call_main(void *arg)
{
    struct caller *caller = arg;

    for (int i = 0; i < caller->count; i++) {
        struct pb_reply reply = { 0 };
        char args[64];

        (void)snprintf(args, sizeof(args), "\"lane %u, call %d\"", caller->lane, i);

        enum pb_call end = pb_child_call_on(caller->process, caller->lane, caller->token,
                                            caller->large ? "large" : caller->command,
                                            caller->large ? "1000000" : args, &reply);

        caller->ended[end]++;
        if (end == PB_CALL_ANSWERED) {
            caller->wrong += !reply.payload || !strstr(reply.payload, mine(caller, args));
            free(reply.payload);
        }
    }
    atomic_store(&caller->done, true);
    return NULL;
}

static void start_caller(struct caller *caller)
{
    ck_assert_int_eq(0, pthread_create(&caller->thread, NULL, call_main, caller));
}

static void join_caller(struct caller *caller)
{
    ck_assert_int_eq(0, pthread_join(caller->thread, NULL));
}

static struct pb_process *start_lanes(const char *mode, const char *threads, uint32_t lanes)
{
    struct pb_process_config config = pb_child_config(mode, threads);

    config.lanes = lanes;
    return pb_child_start(&config);
}

static void call_all(const char *mode, const char *threads, uint32_t lanes, int count)
{
    struct pb_process *process = start_lanes(mode, threads, lanes);
    struct caller callers[LANES_MAX];

    for (uint32_t i = 0; i < lanes; i++) {
        callers[i] =
            (struct caller){ .process = process, .lane = i, .count = count, .command = "echo" };
        start_caller(&callers[i]);
    }
    for (uint32_t i = 0; i < lanes; i++) {
        join_caller(&callers[i]);
        ck_assert_int_eq(count, callers[i].ended[PB_CALL_ANSWERED]);
        ck_assert_int_eq(0, callers[i].wrong);
    }
    pb_process_stop(process, true);
}

PB_TEST(each_lane_gets_its_own_answers)
{
    call_all("frames", NULL, 4, 1500);
    call_all("lines", NULL, 4, 1500);
    call_all("serve", "1", 3, 1500);
    call_all("serve", "4", 8, 1000);
}

static void start_holding(struct caller *caller, struct pb_process *process, uint32_t lane)
{
    *caller = (struct caller){
        .process = process, .lane = lane, .count = 1, .command = "hold", .token = pb_token_new()
    };
    ck_assert_ptr_nonnull(caller->token);
    start_caller(caller);
}

/* Releases what is held until these are through. */
static void release_until_done(struct pb_process *process, uint32_t lane, struct caller *callers,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while (!atomic_load(&callers[i].done)) {
            ck_assert_int_eq(PB_CALL_ANSWERED,
                             pb_child_call_on(process, lane, NULL, "release", "0", NULL));
        }
    }
}

static void end_holding(struct caller *caller, enum pb_call want)
{
    join_caller(caller);
    ck_assert_int_eq(1, caller->ended[want]);
    ck_assert_int_eq(0, caller->wrong);
    pb_token_free(caller->token);
}

/* The child answers the last first; the lanes that wait may be in the middle of anything. */
PB_TEST(answers_may_come_in_any_order)
{
    struct pb_process *process = pb_child_frames(4);

    for (int round = 0; round < 100; round++) {
        struct caller callers[3];

        for (uint32_t i = 0; i < 3; i++) {
            start_holding(&callers[i], process, i + 1);
        }
        release_until_done(process, 0, callers, 3);
        for (uint32_t i = 0; i < 3; i++) {
            end_holding(&callers[i], PB_CALL_ANSWERED);
        }
    }
    pb_process_stop(process, true);
}

/* Whoever reads for all may go at any time: another goes on reading. */
PB_TEST(the_reader_may_be_cancelled)
{
    struct pb_process *process = pb_child_frames(4);

    for (int round = 0; round < 100; round++) {
        struct caller callers[3];

        for (uint32_t i = 0; i < 3; i++) {
            start_holding(&callers[i], process, i);
        }
        if (round % 2 == 0) {
            pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + PB_NS_PER_MS);
        }
        pb_token_set(callers[round % 3].token);
        end_holding(&callers[round % 3], PB_CALL_CANCELLED);
        for (int i = 1; i < 3; i++) {
            release_until_done(process, 3, &callers[(round + i) % 3], 1);
            end_holding(&callers[(round + i) % 3], PB_CALL_ANSWERED);
        }
    }
    ck_assert_str_eq("lives", pb_process_fate(process));
    pb_process_stop(process, true);
}

PB_TEST(a_death_ends_the_calls_of_all_lanes)
{
    int fds = pb_child_open_fds();

    for (int round = 0; round < 30; round++) {
        struct pb_process *process = pb_child_frames(4);
        struct caller callers[4];

        for (uint32_t i = 0; i < 4; i++) {
            callers[i] = (struct caller){
                .process = process, .lane = i, .count = 300, .command = round % 2 ? "echo" : "hold"
            };
            start_caller(&callers[i]);
        }
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + round * 100 * PB_NS_PER_US);
        pb_process_signal(process, SIGKILL);
        for (uint32_t i = 0; i < 4; i++) {
            join_caller(&callers[i]);
            ck_assert_int_eq(300,
                             callers[i].ended[PB_CALL_LOST] + callers[i].ended[PB_CALL_ANSWERED]);
            ck_assert_int_eq(0, callers[i].wrong);
        }
        ck_assert_str_eq("killed by SIGKILL", pb_process_fate(process));
        pb_process_stop(process, true);
    }
    ck_assert_int_eq(0, pb_child_count());
    ck_assert_int_eq(fds, pb_child_open_fds());
}

/* Tokens fire while others call: nobody gets what was another's. */
PB_TEST(cancelled_calls_do_not_disturb_the_others)
{
    struct pb_process *process = start_lanes("serve", "4", 4);
    struct caller callers[3];

    for (uint32_t i = 0; i < 3; i++) {
        callers[i] =
            (struct caller){ .process = process, .lane = i, .count = 2000, .command = "echo" };
        start_caller(&callers[i]);
    }
    for (int i = 0; i < 100; i++) {
        struct pb_token *token = pb_token_new();
        struct caller waiter = {
            .process = process, .lane = 3, .count = 1, .command = "wait", .token = token
        };

        start_caller(&waiter);
        pb_clock_sleep_until(pb_clock_real(), pb_now_ns() + 100 * PB_NS_PER_US);
        pb_token_set(token);
        end_holding(&waiter, PB_CALL_CANCELLED);
        ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call_on(process, 3, NULL, "echo", "1", NULL));
    }
    for (uint32_t i = 0; i < 3; i++) {
        join_caller(&callers[i]);
        ck_assert_int_eq(2000, callers[i].ended[PB_CALL_ANSWERED]);
        ck_assert_int_eq(0, callers[i].wrong);
    }
    pb_process_stop(process, true);
}

PB_TEST(pings_are_answered_while_others_work)
{
    struct pb_process *process = start_lanes("serve", "2", 2);
    struct caller caller = {
        .process = process, .lane = 0, .count = 1, .command = "wait", .token = pb_token_new()
    };

    start_caller(&caller);
    for (int i = 0; i < 100; i++) {
        ck_assert(pb_process_ping(process, 1, NULL, pb_now_ns() + 20 * PB_NS_PER_S));
    }
    pb_token_set(caller.token);
    end_holding(&caller, PB_CALL_CANCELLED);
    pb_process_stop(process, true);
}

/* Large requests and answers both ways at once: nobody waits for the other for ever. */
PB_TEST(large_messages_pass_each_other)
{
    struct pb_process *process = pb_child_frames(4);
    struct caller callers[3];
    size_t len = (size_t)1 << 20;
    char *args = malloc(len + 1);

    ck_assert_ptr_nonnull(args);
    memset(args, ' ', len);
    args[0] = '1';
    args[len] = '\0';
    for (uint32_t i = 0; i < 3; i++) {
        callers[i] = (struct caller){ .process = process, .lane = i, .count = 20, .large = true };
        start_caller(&callers[i]);
    }
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(PB_CALL_ANSWERED, pb_child_call_on(process, 3, NULL, "echo", args, NULL));
    }
    for (uint32_t i = 0; i < 3; i++) {
        join_caller(&callers[i]);
        ck_assert_int_eq(20, callers[i].ended[PB_CALL_ANSWERED]);
    }
    free(args);
    pb_process_stop(process, true);
}
