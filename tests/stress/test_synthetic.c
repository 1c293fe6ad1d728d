#include <stdlib.h>

#include "base/clock.h"
#include "support/test.h"
#include "workload/workload.h"

/* The figures of a request that ran alone on this thread. */
struct timing {
    int64_t took_ns;
    int64_t cpu_ns;
};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The token is not looked at: the demands here ignore it. */
static struct timing run_once(void *state, const struct pb_demand *demand,
                              const _Atomic int64_t *give_up_ns)
{
    struct pb_work work = { .started_ns = pb_now_ns(), .cpu_ns = -1 };
    int64_t cpu_ns = pb_thread_cpu_ns();

    (void)pb_workload_synthetic.run(state, demand, &work, false, give_up_ns);
    return (struct timing){ .took_ns = pb_now_ns() - work.started_ns,
                            .cpu_ns = pb_thread_cpu_ns() - cpu_ns };
}

#define TRIES 41

static int64_t median_cpu_ns(void *state, int64_t cpu_ns, int64_t memory_bytes)
{
    const _Atomic int64_t never = INT64_MAX;
    struct pb_demand demand = {
        .service_ns = cpu_ns, .cpu_ns = cpu_ns, .memory_bytes = memory_bytes, .ignore_cancel = true
    };
    int64_t used_ns[TRIES];

    for (int i = 0; i < TRIES; i++) {
        used_ns[i] = run_once(state, &demand, &never).cpu_ns;
    }
    qsort(used_ns, TRIES, sizeof(used_ns[0]), by_value);
    return used_ns[TRIES / 2];
}

PB_TEST(burns_the_cpu_time_asked_for)
{
    void *state = NULL;

    PB_ASSERT_OK(pb_workload_synthetic.open(1, &state, NULL));
    /* 5 %, and what the clock itself costs. */
    PB_ASSERT_NEAR(20e3, (double)median_cpu_ns(state, 20000, 0), 1e3 + 2e3);
    PB_ASSERT_NEAR(200e3, (double)median_cpu_ns(state, 200000, 0), 10e3 + 2e3);
    PB_ASSERT_NEAR(5e6, (double)median_cpu_ns(state, 5000000, 0), 250e3);
    /* Touching memory is part of it, not on top. */
    PB_ASSERT_NEAR(1e6, (double)median_cpu_ns(state, 1000000, 256 << 10), 50e3 + 2e3);
    pb_workload_synthetic.close(state);
}

PB_TEST(waits_for_the_rest_of_the_service_time)
{
    const _Atomic int64_t never = INT64_MAX;
    struct pb_demand demand = { .service_ns = 3 * PB_NS_PER_MS, .ignore_cancel = true };
    int64_t took_ns[TRIES], cpu_ns = 0;
    void *state = NULL;

    PB_ASSERT_OK(pb_workload_synthetic.open(1, &state, NULL));
    for (int i = 0; i < TRIES; i++) {
        struct timing timing = run_once(state, &demand, &never);

        took_ns[i] = timing.took_ns;
        cpu_ns += timing.cpu_ns;
    }
    qsort(took_ns, TRIES, sizeof(took_ns[0]), by_value);
    ck_assert_int_ge(took_ns[0], 3 * PB_NS_PER_MS);
    ck_assert_int_lt(took_ns[TRIES / 2], 4 * PB_NS_PER_MS);
    ck_assert_int_lt(cpu_ns / TRIES, PB_NS_PER_MS); /* it slept */
    demand.cpu_ns = PB_NS_PER_MS;
    struct timing timing = run_once(state, &demand, &never);

    ck_assert_int_ge(timing.took_ns, 29 * PB_NS_PER_MS / 10);
    ck_assert_int_ge(timing.cpu_ns, 9 * PB_NS_PER_MS / 10);
    pb_workload_synthetic.close(state);
}

PB_TEST(a_deaf_hang_ends_when_it_must_give_up)
{
    struct pb_demand demand = { .fate = PB_FATE_HANG, .ignore_cancel = true };
    void *state = NULL;

    PB_ASSERT_OK(pb_workload_synthetic.open(1, &state, NULL));
    const _Atomic int64_t give_up_ns = pb_now_ns() + 30 * PB_NS_PER_MS;

    ck_assert_int_ge(run_once(state, &demand, &give_up_ns).took_ns, 29 * PB_NS_PER_MS);
    demand.fate = PB_FATE_OK;
    demand.cpu_ns = demand.service_ns = 100 * PB_NS_PER_S;
    ck_assert_int_lt(run_once(state, &demand, &give_up_ns).took_ns, PB_NS_PER_S);
    pb_workload_synthetic.close(state);
}
