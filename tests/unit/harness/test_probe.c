/* What /proc says of a process, and how often it is asked. */
#include <stdlib.h>
#include <unistd.h>

#include "harness/probe.h"
#include "harness/worker_watch.h"
#include "support/test.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

PB_TEST(a_stat_line_is_read_whatever_the_program_is_called)
{
    static const char text[] =
        "4711 (evil) R 1 (x) S 1 4711 4711 0 -1 4194560 1000 2000 0 0 120 30 7 5 20 0 9 0 123456 "
        "10000000 500 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    struct pb_pid_stat stat;

    PB_ASSERT_OK(pb_parse_pid_stat(text, &stat));
    ck_assert_int_eq('S', stat.state);
    ck_assert_uint_eq(150, stat.own_ticks);
    ck_assert_uint_eq(12, stat.reaped_ticks);
    ck_assert_int_eq(9, stat.threads);
    ck_assert_uint_eq(123456, stat.started_ticks);
}

PB_TEST(what_is_no_stat_line_is_refused)
{
    static const char *const broken[] = { "",
                                          "4711",
                                          "4711 (a)",
                                          "4711 (a) ",
                                          "4711 (a) S",
                                          "4711 (a) S 1 2 3",
                                          "4711 (a) S 1 2 x 4 5 6 7 8 9 10" };
    struct pb_pid_stat stat;

    for (size_t i = 0; i < PB_ARRAY_LEN(broken); i++) {
        PB_ASSERT_STATUS(PB_EPARSE, pb_parse_pid_stat(broken[i], &stat));
    }
}

PB_TEST(this_process_is_seen)
{
    struct pb_look look = { .worker = 0 };

    ck_assert(pb_probe_process(getpid(), true, &look));
    ck_assert_int_gt(look.rss_bytes, 1 << 16);
    ck_assert_int_ge(look.rss_peak_bytes, look.rss_bytes);
    ck_assert_int_gt(look.fds, 2);
    ck_assert_int_ge(look.threads, 1);
    ck_assert_int_ge(look.cpu_ns, 0);
    ck_assert(pb_probe_process(getpid(), false, &look));
    ck_assert_int_eq(-1, look.pss_bytes);
    ck_assert(!pb_probe_process(0, true, &look));
    ck_assert(!pb_probe_process(INT32_MAX, true, &look));
    ck_assert_int_ge(pb_probe_thread_cpu_ns((int32_t)gettid()), 0);
    ck_assert_int_eq(-1, pb_probe_thread_cpu_ns(0));
}

/* --- Rationing: each look costs what the test says. --- */

struct made_pool {
    struct pb_worker_stats rows[300];
    uint32_t count;
};

static int64_t spent_ns, cost_ns;
static uint32_t looks_at[300], whole_looks;

static uint32_t list(void *ctx, struct pb_worker_stats *ret_rows, uint32_t max)
{
    const struct made_pool *pool = ctx;

    memcpy(ret_rows, pool->rows, sizeof(*ret_rows) * (pool->count < max ? pool->count : max));
    return pool->count;
}

static bool probe(int64_t pid, bool whole, struct pb_look *ret_look)
{
    ret_look->rss_bytes = 1000;
    ret_look->cpu_ns = 0;
    spent_ns += cost_ns;
    looks_at[pid - 1]++;
    whole_looks += whole;
    return true;
}

static int64_t own_cpu_ns(void)
{
    return spent_ns;
}

static void make_pool(struct made_pool *pool, uint32_t count)
{
    pool->count = count;
    for (uint32_t i = 0; i < count; i++) {
        pool->rows[i] = (struct pb_worker_stats){
            .worker = i, .pid = i + 1, .capacity = 1, .ready_ns = 1, .started_ns = 1
        };
    }
    spent_ns = 0;
    whole_looks = 0;
    memset(looks_at, 0, sizeof(looks_at));
}

PB_TEST(looks_take_a_hundredth_of_a_cpu_and_come_around)
{
    struct made_pool pool;
    struct pb_history *history = pb_history_new(300);

    make_pool(&pool, 200);
    cost_ns = MS / 2;
    const struct pb_worker_watch_config config = { .history = history,
                                                   .workers = 300,
                                                   .threads = 1,
                                                   .list = list,
                                                   .probe = probe,
                                                   .own_cpu_ns = own_cpu_ns,
                                                   .ctx = &pool };
    struct pb_worker_watch *watch = pb_worker_watch_new(&config);

    ck_assert_ptr_nonnull(watch);
    for (int64_t at_ns = S; at_ns < 41 * S; at_ns += 250 * MS) {
        pb_worker_watch_tick(watch, at_ns);
    }
    /* 160 ticks, 40 s: 400 ms, which are 800 looks, four at each worker. */
    ck_assert_int_le(spent_ns, 40 * S / 100 + 3 * MS);
    ck_assert_int_ge(spent_ns, 40 * S / 100 - 5 * MS);
    for (uint32_t i = 0; i < 200; i++) {
        ck_assert_uint_ge(looks_at[i], 3);
        ck_assert_uint_le(looks_at[i], 5);
    }
    ck_assert_uint_eq(200, whole_looks);
    pb_worker_watch_free(watch);
    pb_history_free(history);
}

PB_TEST(a_small_pool_is_looked_at_at_each_tick)
{
    struct made_pool pool;
    struct pb_history *history = pb_history_new(4);

    make_pool(&pool, 4);
    cost_ns = 50000;
    pool.rows[3].ready_ns = 0; /* on its way */
    const struct pb_worker_watch_config config = { .history = history,
                                                   .workers = 4,
                                                   .threads = 1,
                                                   .list = list,
                                                   .probe = probe,
                                                   .own_cpu_ns = own_cpu_ns,
                                                   .ctx = &pool };
    struct pb_worker_watch *watch = pb_worker_watch_new(&config);

    for (int i = 0; i < 16; i++) {
        pb_worker_watch_tick(watch, S + i * 250 * MS);
    }
    ck_assert_uint_eq(16, looks_at[0]);
    ck_assert_uint_eq(16, looks_at[2]);
    ck_assert_uint_eq(0, looks_at[3]);
    ck_assert_uint_eq(3 * 2, whole_looks);
    pb_worker_watch_free(watch);
    pb_history_free(history);
}

PB_TEST(a_look_that_costs_too_much_is_paid_off_later)
{
    struct made_pool pool;
    struct pb_history *history = pb_history_new(4);

    make_pool(&pool, 4);
    cost_ns = 6 * MS; /* a process of gigabytes */
    const struct pb_worker_watch_config config = { .history = history,
                                                   .workers = 4,
                                                   .threads = 1,
                                                   .list = list,
                                                   .probe = probe,
                                                   .own_cpu_ns = own_cpu_ns,
                                                   .ctx = &pool };
    struct pb_worker_watch *watch = pb_worker_watch_new(&config);

    for (int i = 0; i < 400; i++) {
        pb_worker_watch_tick(watch, S + i * 250 * MS);
    }
    ck_assert_int_le(spent_ns, 100 * S / 100 + 12 * MS);
    ck_assert_int_ge(spent_ns, 100 * S / 100 - 20 * MS);
    pb_worker_watch_free(watch);
    pb_history_free(history);
}
