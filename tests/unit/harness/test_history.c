/* Lives of workers, from events and looks. */
#include <math.h>
#include <stdio.h>

#include "harness/history.h"
#include "support/test.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)
#define T0 (100 * S) /* the run's start, somewhere on the clock */

struct ended {
    const struct pb_life *lives;
    size_t count;
    struct pb_workers_summary summary;
};

static void tell(struct pb_history *history, struct pb_pool_event event)
{
    pb_history_event(history, &event);
}

static void up(struct pb_history *history, uint32_t worker, uint32_t incarnation, int64_t at_ns)
{
    tell(history, (struct pb_pool_event){ .kind = PB_POOL_WORKER_UP,
                                          .at_ns = at_ns,
                                          .since_ns = at_ns - 2 * MS,
                                          .worker = worker,
                                          .incarnation = incarnation,
                                          .replacement = incarnation > 0,
                                          .pid = 1000 + worker + 10 * incarnation,
                                          .reason = "start" });
}

static void down(struct pb_history *history, uint32_t worker, uint32_t incarnation, int64_t at_ns,
                 const char *reason, uint64_t requests)
{
    tell(history, (struct pb_pool_event){ .kind = PB_POOL_WORKER_DOWN,
                                          .at_ns = at_ns,
                                          .worker = worker,
                                          .incarnation = incarnation,
                                          .requests = requests,
                                          .busy_ns = (int64_t)requests * MS,
                                          .reason = reason });
}

static void look(struct pb_history *history, uint32_t worker, uint32_t incarnation, int64_t at_ns,
                 int64_t cpu_ns, int64_t rss_bytes)
{
    struct pb_look seen = { .worker = worker,
                            .incarnation = incarnation,
                            .at_ns = at_ns,
                            .cpu_ns = cpu_ns,
                            .rss_bytes = rss_bytes,
                            .rss_peak_bytes = rss_bytes + 5,
                            .pss_bytes = rss_bytes / 2,
                            .fds = 7,
                            .threads = 2 };

    pb_history_look(history, &seen);
}

static struct ended close_at(struct pb_history *history, int64_t end_ns)
{
    struct ended ended;

    pb_history_close(history, end_ns, &ended.lives, &ended.count, &ended.summary);
    return ended;
}

static struct pb_worker_stats stats(uint32_t worker, uint64_t requests, int64_t busy_ns)
{
    return (struct pb_worker_stats){
        .worker = worker, .requests = requests, .busy_ns = busy_ns, .capacity = 1, .ready_ns = T0
    };
}

PB_TEST(each_incarnation_has_a_row_of_its_own)
{
    struct pb_history *history = pb_history_new(4);

    ck_assert_ptr_nonnull(history);
    up(history, 2, 0, T0);
    down(history, 2, 0, T0 + S, "max_requests", 100);
    up(history, 2, 1, T0 + S + MS);

    struct ended ended = close_at(history, T0 + 3 * S);

    ck_assert_uint_eq(2, ended.count);
    ck_assert_uint_eq(0, ended.lives[0].incarnation);
    ck_assert_str_eq("max_requests", ended.lives[0].reason);
    ck_assert_int_eq(T0 - 2 * MS, ended.lives[0].started_ns);
    ck_assert_int_eq(T0, ended.lives[0].ready_ns);
    ck_assert_int_eq(T0 + S, ended.lives[0].ended_ns);
    ck_assert_uint_eq(100, ended.lives[0].requests);
    ck_assert_int_eq(1002, ended.lives[0].pid);
    PB_ASSERT_NEAR(0.1, ended.lives[0].utilization_ratio, 1e-9);
    ck_assert_int_eq(PB_HEALTH_DEAD, ended.lives[0].health);
    ck_assert_uint_eq(1, ended.lives[1].incarnation);
    ck_assert_ptr_null(ended.lives[1].reason);
    ck_assert_int_eq(0, ended.lives[1].ended_ns);
    ck_assert(ended.lives[1].replacement);
    ck_assert_uint_eq(1, pb_workers_ended(&ended.summary, "max_requests"));
    ck_assert_uint_eq(0, pb_workers_ended(&ended.summary, "lost"));
    ck_assert_uint_eq(1, ended.summary.replaced);
    pb_history_free(history);
}

PB_TEST(a_lost_worker_keeps_why_it_was_lost_and_counts_no_time_after)
{
    struct pb_history *history = pb_history_new(1);

    up(history, 0, 0, T0);
    tell(history, (struct pb_pool_event){ .kind = PB_POOL_WORKER_LOST,
                                          .at_ns = T0 + S,
                                          .reason = "killed by SIGSEGV" });
    down(history, 0, 0, T0 + 9 * S, "gone", 500);

    struct ended ended = close_at(history, T0 + 10 * S);

    ck_assert_uint_eq(1, ended.count);
    ck_assert_str_eq("killed by SIGSEGV", ended.lives[0].reason);
    ck_assert_int_eq(T0 + S, ended.lives[0].lost_ns);
    ck_assert_int_eq(T0 + 9 * S, ended.lives[0].ended_ns);
    PB_ASSERT_NEAR(0.5, ended.lives[0].utilization_ratio, 1e-9);
    ck_assert_uint_eq(1, pb_workers_ended(&ended.summary, "killed by SIGSEGV"));
    pb_history_free(history);
}

PB_TEST(a_worker_that_never_came_up_is_told_as_well)
{
    struct pb_history *history = pb_history_new(1);

    tell(history, (struct pb_pool_event){ .kind = PB_POOL_WORKER_FAILED,
                                          .at_ns = T0 + 30 * S,
                                          .since_ns = T0,
                                          .reason = "init_timeout" });
    struct ended ended = close_at(history, T0 + 60 * S);

    ck_assert_uint_eq(1, ended.count);
    ck_assert_int_eq(T0, ended.lives[0].started_ns);
    ck_assert_int_eq(0, ended.lives[0].ready_ns);
    ck_assert_str_eq("init_timeout", ended.lives[0].reason);
    ck_assert(isnan(ended.lives[0].utilization_ratio));
    pb_history_free(history);
}

PB_TEST(the_largest_and_the_busiest_worker_are_named)
{
    struct pb_history *history = pb_history_new(3);

    for (uint32_t worker = 0; worker < 3; worker++) {
        up(history, worker, 0, T0);
        look(history, worker, 0, T0, 50 * MS, 1000);
        look(history, worker, 0, T0 + S, 50 * MS + worker * 100 * MS, worker == 1 ? 9000 : 500);
    }
    struct ended ended = close_at(history, T0 + 2 * S);

    ck_assert_int_eq(9005, ended.summary.rss_peak_bytes);
    ck_assert_uint_eq(1, ended.summary.memory_worker);
    ck_assert_int_eq(1001, ended.summary.memory_pid);
    ck_assert_int_eq(4500, ended.summary.pss_peak_bytes);
    ck_assert_uint_eq(2, ended.summary.cpu_worker);
    PB_ASSERT_NEAR(0.2, ended.summary.cpu_ratio, 1e-9);
    ck_assert_int_eq(7, ended.summary.fds_peak);
    ck_assert_int_eq(S, ended.summary.look_every_ns);
    ck_assert_uint_eq(6, ended.summary.looks);
    pb_history_free(history);
}

PB_TEST(without_looks_nothing_is_known)
{
    struct pb_history *history = pb_history_new(1);

    up(history, 0, 0, T0);
    struct ended ended = close_at(history, T0 + S);

    ck_assert_int_eq(-1, ended.summary.rss_peak_bytes);
    ck_assert_uint_eq(PB_NO_WORKER, ended.summary.memory_worker);
    ck_assert(isnan(ended.summary.cpu_ratio));
    ck_assert(isnan(ended.summary.jain_requests));
    ck_assert_int_eq(-1, ended.lives[0].cpu_ns);
    pb_history_free(history);
}

/* One look, or two close together, measure the kernel's ticks. */
PB_TEST(a_short_look_gives_no_cpu_ratio)
{
    struct pb_history *history = pb_history_new(1);

    up(history, 0, 0, T0);
    look(history, 0, 0, T0, 0, 10);
    look(history, 0, 0, T0 + 50 * MS, 20 * MS, 10);
    struct ended ended = close_at(history, T0 + S);

    ck_assert(isnan(ended.lives[0].cpu_ratio));
    ck_assert_int_eq(20 * MS, ended.lives[0].cpu_ns);
    pb_history_free(history);
}

PB_TEST(what_came_before_the_mark_is_not_measured)
{
    struct pb_history *history = pb_history_new(1);
    struct pb_worker_stats row = stats(0, 1000, S);

    up(history, 0, 0, T0);
    pb_history_stats(history, T0 + S, &row, 1);
    look(history, 0, 0, T0 + S, S, 100);
    pb_history_mark(history, T0 + S);
    row = stats(0, 1100, S + 200 * MS);
    pb_history_stats(history, T0 + 3 * S, &row, 1);
    look(history, 0, 0, T0 + 3 * S, S + 500 * MS, 50);
    struct ended ended = close_at(history, T0 + 3 * S);

    PB_ASSERT_NEAR(0.1, ended.lives[0].utilization_ratio, 1e-9);
    PB_ASSERT_NEAR(0.25, ended.lives[0].cpu_ratio, 1e-9);
    ck_assert_uint_eq(1100, ended.lives[0].requests); /* of its whole life */
    ck_assert_int_eq(105, ended.lives[0].rss_peak_bytes);
    pb_history_free(history);
}

/* Jain, Chiu, Hawe 1984: equal shares 1, one of n taking all 1/n. */
PB_TEST(balance_is_by_jains_index)
{
    static const struct {
        uint64_t requests[4];
        double index;
    } cases[] = {
        { { 10, 10, 10, 10 }, 1 },
        { { 40, 0, 0, 0 }, 0.25 },
        { { 1, 2, 3, 4 }, 100.0 / 120 },
    };

    for (size_t c = 0; c < PB_ARRAY_LEN(cases); c++) {
        struct pb_history *history = pb_history_new(4);
        struct pb_worker_stats rows[4];

        for (uint32_t i = 0; i < 4; i++) {
            up(history, i, 0, T0);
            rows[i] = stats(i, cases[c].requests[i], (int64_t)cases[c].requests[i] * MS);
        }
        pb_history_stats(history, T0 + S, rows, 4);
        struct ended ended = close_at(history, T0 + S);

        ck_assert_uint_eq(4, ended.summary.jain_workers);
        PB_ASSERT_NEAR(cases[c].index, ended.summary.jain_requests, 1e-9);
        PB_ASSERT_NEAR(cases[c].index, ended.summary.jain_busy, 1e-9);
        pb_history_free(history);
    }
}

PB_TEST(workers_that_came_and_went_do_not_spoil_the_balance)
{
    struct pb_history *history = pb_history_new(3);
    struct pb_worker_stats rows[2] = { stats(0, 10, S), stats(1, 10, S) };

    up(history, 0, 0, T0);
    up(history, 1, 0, T0);
    pb_history_stats(history, T0 + S, rows, 2);
    up(history, 2, 0, T0 + S);
    down(history, 2, 0, T0 + S + 100 * MS, "idle", 1000);
    struct ended ended = close_at(history, T0 + 10 * S);

    ck_assert_uint_eq(2, ended.summary.jain_workers);
    PB_ASSERT_NEAR(1, ended.summary.jain_requests, 1e-9);
    pb_history_free(history);
}

PB_TEST(a_look_at_an_earlier_incarnation_is_nobodys)
{
    struct pb_history *history = pb_history_new(1);

    up(history, 0, 1, T0);
    look(history, 0, 0, T0 + S, S, 12345678);
    look(history, 5, 0, T0 + S, S, 12345678);
    struct ended ended = close_at(history, T0 + S);

    ck_assert_int_eq(-1, ended.summary.rss_peak_bytes);
    pb_history_free(history);
}

PB_TEST(lives_beyond_the_bound_are_counted_and_the_living_are_kept)
{
    struct pb_history *history = pb_history_new(1);
    uint32_t n = PB_LIVES_MAX + 50;

    for (uint32_t i = 0; i < n; i++) {
        up(history, 0, i, T0 + i * MS);
        look(history, 0, i, T0 + i * MS, 0, i);
        down(history, 0, i, T0 + i * MS + MS / 2, "max_requests", 1);
    }
    up(history, 0, n, T0 + n * MS);
    struct ended ended = close_at(history, T0 + n * MS + S);

    ck_assert_uint_eq(PB_LIVES_MAX + 1, ended.count);
    ck_assert_uint_eq(50, ended.summary.dropped);
    ck_assert_uint_eq(n + 1, ended.summary.lives);
    ck_assert_uint_eq(n, ended.lives[PB_LIVES_MAX].incarnation);
    ck_assert_uint_eq(n, pb_workers_ended(&ended.summary, "max_requests"));
    ck_assert_int_eq(n - 1 + 5, ended.summary.rss_peak_bytes); /* of one that was dropped */
    pb_history_free(history);
}

PB_TEST(good_byes_after_the_end_change_nothing)
{
    struct pb_history *history = pb_history_new(1);

    up(history, 0, 0, T0);
    (void)close_at(history, T0 + S);
    down(history, 0, 0, T0 + 2 * S, "stopped", 1);
    struct ended ended = close_at(history, T0 + 3 * S);

    ck_assert_uint_eq(1, ended.count);
    ck_assert_int_eq(0, ended.lives[0].ended_ns);
    ck_assert_uint_eq(0, ended.summary.ended_count);
    pb_history_free(history);
}
