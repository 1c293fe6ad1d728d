#include <math.h>
#include <stdlib.h>

#include "base/stats.h"
#include "harness/schedule.h"
#include "support/load_text.h"
#include "support/scenario.h"

/* All starts of one open phase; the caller frees. */
static int64_t *arrivals(const struct pb_schedule *schedule, uint32_t phase, size_t *ret_count)
{
    size_t count = schedule->planned[phase];
    int64_t *at_ns = calloc(count + 1, sizeof(*at_ns)), offset_ns;
    struct pb_cursor cursor;
    uint64_t index;

    ck_assert_ptr_nonnull(at_ns);
    pb_cursor_init(&cursor, schedule, phase);
    for (size_t i = 0; pb_cursor_next(&cursor, &index, &offset_ns); i++) {
        ck_assert_uint_eq(index, i);
        ck_assert_uint_lt(i, count);
        ck_assert_int_ge(offset_ns, i ? at_ns[i - 1] : 0);
        ck_assert_int_lt(offset_ns, schedule->scenario->phases[phase].duration_ns);
        at_ns[i] = offset_ns;
    }
    ck_assert(!pb_cursor_next(&cursor, &index, &offset_ns));
    *ret_count = count;
    return at_ns;
}

static uint64_t hash_of(const struct pb_scenario *scenario, uint64_t seed)
{
    struct pb_schedule schedule;

    pb_schedule_init(&schedule, scenario, seed, 1.0);
    return schedule.hash;
}

/* One phase of each kind, at about `rate` a second. */
static void add_ramp(struct pb_scenario *scenario, double from, double to, int64_t duration_ns)
{
    struct pb_phase *phase = pb_test_add_phase(scenario, PB_ARRIVAL_RAMP, 0.0, duration_ns);

    phase->from = from;
    phase->to = to;
}

static void add_step(struct pb_scenario *scenario, double from, double to, int64_t steps,
                     int64_t duration_ns)
{
    struct pb_phase *phase = pb_test_add_phase(scenario, PB_ARRIVAL_STEP, 0.0, duration_ns);

    phase->from = from;
    phase->to = to;
    phase->steps = steps;
}

static void add_sine(struct pb_scenario *scenario, double mean, double amplitude, int64_t period_ns,
                     int64_t duration_ns)
{
    struct pb_phase *phase = pb_test_add_phase(scenario, PB_ARRIVAL_SINE, 0.0, duration_ns);

    phase->mean = mean;
    phase->amplitude = amplitude;
    phase->period_ns = period_ns;
}

static void add_burst(struct pb_scenario *scenario, double base, double peak, int64_t every_ns,
                      int64_t length_ns, int64_t duration_ns)
{
    struct pb_phase *phase = pb_test_add_phase(scenario, PB_ARRIVAL_BURST, 0.0, duration_ns);

    phase->base = base;
    phase->peak = peak;
    phase->every_ns = every_ns;
    phase->length_ns = length_ns;
}

static void every_arrival(struct pb_scenario *scenario)
{
    pb_test_scenario_init(scenario, 4);
    scenario->workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_lognormal_mean_p99(5e6, 25e6, &scenario->operations[0].service, NULL));
    scenario->operations[0].cpu_share = 0.04;
    scenario->operations[0].error_rate = 0.01;
    scenario->operations[0].client_error_rate = 0.02;
    scenario->operations[0].hang_rate = 0.005;
    scenario->operations[1] = scenario->operations[0];
    scenario->operations[1].weight = 3.0;
    PB_ASSERT_OK(pb_dist_exponential(1e6, &scenario->operations[1].service, NULL));
    scenario->operation_count = 2;
    pb_test_add_phase(scenario, PB_ARRIVAL_CONSTANT, 300.0, PB_NS_PER_S);
    pb_test_add_phase(scenario, PB_ARRIVAL_POISSON, 1000.0, 3 * PB_NS_PER_S);
    add_ramp(scenario, 0.0, 2000.0, 2 * PB_NS_PER_S);
    add_step(scenario, 100.0, 900.0, 5, 2 * PB_NS_PER_S);
    add_sine(scenario, 500.0, 500.0, 700 * PB_NS_PER_MS, 2 * PB_NS_PER_S);
    add_burst(scenario, 100.0, 3000.0, 500 * PB_NS_PER_MS, 70 * PB_NS_PER_MS, 2 * PB_NS_PER_S);
    struct pb_phase *closed = pb_test_add_phase(scenario, PB_ARRIVAL_CLOSED, 0.0, PB_NS_PER_S);

    closed->users = 7;
    PB_ASSERT_OK(pb_dist_lognormal_p50_p99(1e6, 9e6, &closed->think, NULL));
}

PB_TEST(constant_arrivals_are_evenly_spaced_from_zero)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t count;

    pb_test_scenario_init(&scenario, 1);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 3.0, 10 * PB_NS_PER_S);
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    int64_t *at_ns = arrivals(&schedule, 0, &count);

    ck_assert_uint_eq(count, 30);
    ck_assert_int_eq(at_ns[0], 0);
    ck_assert_int_eq(at_ns[1], 333333333);
    ck_assert_int_eq(at_ns[2], 666666667);
    ck_assert_int_eq(at_ns[3], 1000000000);
    ck_assert_int_eq(at_ns[29], 9666666667);
    free(at_ns);
}

PB_TEST(load_factor_multiplies_rates_and_users)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    pb_test_scenario_init(&scenario, 1);
    pb_test_add_phase(&scenario, PB_ARRIVAL_CONSTANT, 500.0, 10 * PB_NS_PER_S);
    add_ramp(&scenario, 100.0, 300.0, 10 * PB_NS_PER_S);
    scenario.phases[1].even = true;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, PB_NS_PER_S)->users = 100;
    pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, PB_NS_PER_S)->users = 3;
    pb_schedule_init(&schedule, &scenario, 1, 1.1);
    ck_assert_uint_eq(schedule.planned[0], 5500);
    ck_assert_uint_eq(schedule.planned[1], 2200);
    ck_assert_uint_eq(schedule.planned[2], 0);
    ck_assert_uint_eq(pb_schedule_users(&schedule, 2), 110); /* though 100 x 1.1 > 110 */
    ck_assert_uint_eq(pb_schedule_users(&schedule, 3), 4);
    PB_ASSERT_NEAR(550.0, pb_schedule_rate(&schedule, 0, 7), 1e-9);
}

PB_TEST(even_ramp_follows_the_square_root)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t count;

    pb_test_scenario_init(&scenario, 1);
    add_ramp(&scenario, 0.0, 100.0, 10 * PB_NS_PER_S);
    add_ramp(&scenario, 100.0, 0.0, 10 * PB_NS_PER_S);
    scenario.phases[0].even = scenario.phases[1].even = true;
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    int64_t *at_ns = arrivals(&schedule, 0, &count);

    ck_assert_uint_eq(count, 500);
    for (size_t i = 0; i < count; i++) { /* L(t) = 5 t^2 */
        PB_ASSERT_NEAR(sqrt((double)i / 5.0) * 1e9, (double)at_ns[i], 0.6);
    }
    free(at_ns);
    at_ns = arrivals(&schedule, 1, &count);
    ck_assert_uint_eq(count, 500);
    for (size_t i = 0; i < count; i++) { /* 100 t - 5 t^2 = i */
        PB_ASSERT_NEAR((10.0 - sqrt(100.0 - (double)i / 5.0)) * 1e9, (double)at_ns[i], 200.0);
    }
    free(at_ns);
}

PB_TEST(even_steps_change_at_their_boundaries)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t count, in_step[4] = { 0 };

    pb_test_scenario_init(&scenario, 1);
    add_step(&scenario, 0.0, 30.0, 4, 4 * PB_NS_PER_S);
    scenario.phases[0].even = true;
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    int64_t *at_ns = arrivals(&schedule, 0, &count);

    for (size_t i = 0; i < count; i++) {
        in_step[at_ns[i] / PB_NS_PER_S]++;
    }
    ck_assert_uint_eq(in_step[0], 0); /* a stretch of rate 0 is walked over */
    ck_assert_uint_eq(in_step[1], 10);
    ck_assert_uint_eq(in_step[2], 20);
    ck_assert_uint_eq(in_step[3], 30);
    ck_assert_int_eq(at_ns[0], PB_NS_PER_S);
    PB_ASSERT_NEAR(20.0, pb_schedule_rate(&schedule, 0, 2 * PB_NS_PER_S), 1e-9);
    free(at_ns);
}

PB_TEST(even_bursts_come_from_the_second_period_on)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t count, base = 0, peak = 0;

    pb_test_scenario_init(&scenario, 1);
    add_burst(&scenario, 0.0, 1000.0, PB_NS_PER_S, 100 * PB_NS_PER_MS, 3 * PB_NS_PER_S);
    scenario.phases[0].even = true;
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    int64_t *at_ns = arrivals(&schedule, 0, &count);

    for (size_t i = 0; i < count; i++) {
        bool in_burst = at_ns[i] >= PB_NS_PER_S && at_ns[i] % PB_NS_PER_S < 100 * PB_NS_PER_MS;

        *(in_burst ? &peak : &base) += 1;
    }
    ck_assert_uint_eq(peak, 200);
    ck_assert_uint_eq(base, 0);
    PB_ASSERT_NEAR(0.0, pb_schedule_rate(&schedule, 0, 50 * PB_NS_PER_MS), 0.0);
    PB_ASSERT_NEAR(1000.0, pb_schedule_rate(&schedule, 0, PB_NS_PER_S + 1), 0.0);
    free(at_ns);
}

PB_TEST(even_sine_solves_its_integral)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t count;

    pb_test_scenario_init(&scenario, 1);
    add_sine(&scenario, 200.0, 200.0, PB_NS_PER_S, 2500 * PB_NS_PER_MS);
    scenario.phases[0].even = true;
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    int64_t *at_ns = arrivals(&schedule, 0, &count);
    double pi = acos(-1.0);

    /* 2.5 periods of 200, and the positive half wave once more: 200 x 1 / pi. */
    ck_assert_uint_eq(count, (size_t)ceil(500.0 + 200.0 / pi));
    for (size_t i = 0; i < count; i++) {
        double t = (double)at_ns[i] / 1e9;

        PB_ASSERT_NEAR((double)i, 200.0 * t + 200.0 / (2.0 * pi) * (1.0 - cos(2.0 * pi * t)), 1e-6);
    }
    free(at_ns);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Given their number, Poisson arrivals are uniform in L(t) / L(D): the law of each phase. */
static void assert_poisson(const struct pb_schedule *schedule, uint32_t phase, double expected,
                           double (*share)(double t_s))
{
    size_t count;
    int64_t *at_ns = arrivals(schedule, phase, &count);
    double *u = calloc(count + 1, sizeof(*u));

    ck_assert_ptr_nonnull(u);
    PB_ASSERT_NEAR(expected, (double)count, 4.0 * sqrt(expected));
    for (size_t i = 0; i < count; i++) {
        u[i] = share((double)at_ns[i] / 1e9);
        ck_assert(u[i] >= 0.0 && u[i] <= 1.0);
    }
    qsort(u, count, sizeof(*u), by_value);
    ck_assert_double_gt(pb_ks_pvalue(pb_ks_uniform(u, count), count), 0.001);
    /* Index of dispersion of the counts in 100 equal shares: 1, +- 4 of its standard errors. */
    double windows[100] = { 0 }, mean = (double)count / 100.0, square = 0.0;

    for (size_t i = 0; i < count; i++) {
        windows[(size_t)(u[i] * 99.999999)] += 1.0;
    }
    for (size_t i = 0; i < 100; i++) {
        square += (windows[i] - mean) * (windows[i] - mean);
    }
    PB_ASSERT_NEAR(1.0, square / 99.0 / mean, 4.0 * sqrt(2.0 / 99.0));
    free(u);
    free(at_ns);
}

static double share_poisson(double t)
{
    return t / 20.0;
}

static double share_ramp(double t)
{
    return t * t / 400.0;
}

static double share_step(double t)
{
    return (t < 10.0 ? 100.0 * t : 1000.0 + 900.0 * (t - 10.0)) / 10000.0;
}

static double share_sine(double t)
{
    double pi = acos(-1.0);

    return (500.0 * t + 400.0 * 5.0 / (2.0 * pi) * (1.0 - cos(2.0 * pi * t / 5.0))) / 10000.0;
}

static double share_burst(double t)
{
    double whole = floor(t / 5.0), into = t - 5.0 * whole;
    double peaks = whole < 1.0 ? 0.0 : whole - 1.0 + (into < 1.0 ? into : 1.0);

    return (200.0 * t + 2000.0 * peaks) / (4000.0 + 6000.0);
}

PB_TEST(random_arrivals_follow_their_law)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    pb_test_scenario_init(&scenario, 1);
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 500.0, 20 * PB_NS_PER_S);
    add_ramp(&scenario, 0.0, 1000.0, 20 * PB_NS_PER_S);
    add_step(&scenario, 100.0, 900.0, 2, 20 * PB_NS_PER_S);
    add_sine(&scenario, 500.0, 400.0, 5 * PB_NS_PER_S, 20 * PB_NS_PER_S);
    add_burst(&scenario, 200.0, 2200.0, 5 * PB_NS_PER_S, PB_NS_PER_S, 20 * PB_NS_PER_S);
    pb_schedule_init(&schedule, &scenario, 7, 1.0);
    assert_poisson(&schedule, 0, 10000.0, share_poisson);
    assert_poisson(&schedule, 1, 10000.0, share_ramp);
    assert_poisson(&schedule, 2, 10000.0, share_step);
    assert_poisson(&schedule, 3, 10000.0, share_sine);
    assert_poisson(&schedule, 4, 10000.0, share_burst);
}

PB_TEST(demands_have_the_mixture_asked_for)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    size_t operations[2] = { 0 }, fates[PB_FATE_COUNT] = { 0 };
    double sum[2] = { 0 };
    const size_t count = 40000;

    every_arrival(&scenario);
    pb_schedule_init(&schedule, &scenario, 3, 1.0);
    for (size_t i = 0; i < count; i++) {
        struct pb_demand demand;

        pb_schedule_demand(&schedule, 1, i, 0, &demand);
        operations[demand.operation]++;
        fates[demand.fate]++;
        sum[demand.operation] += (double)demand.service_ns;
        PB_ASSERT_NEAR(0.04 * (double)demand.service_ns, (double)demand.cpu_ns, 0.51);
    }
    PB_ASSERT_NEAR(0.75, (double)operations[1] / (double)count, 0.01);
    PB_ASSERT_NEAR(5e6, sum[0] / (double)operations[0], 2.5e5);
    PB_ASSERT_NEAR(1e6, sum[1] / (double)operations[1], 2.5e4);
    PB_ASSERT_NEAR(0.01, (double)fates[PB_FATE_ERROR] / (double)count, 0.002);
    PB_ASSERT_NEAR(0.02, (double)fates[PB_FATE_CLIENT_ERROR] / (double)count, 0.003);
    PB_ASSERT_NEAR(0.005, (double)fates[PB_FATE_HANG] / (double)count, 0.0015);
}

PB_TEST(an_attempt_draws_its_own_service_of_the_same_operation)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    every_arrival(&scenario);
    pb_schedule_init(&schedule, &scenario, 3, 1.0);
    for (uint64_t i = 0; i < 100; i++) {
        struct pb_demand first, second;

        pb_schedule_demand(&schedule, 1, i, 0, &first);
        pb_schedule_demand(&schedule, 1, i, 1, &second);
        ck_assert_uint_eq(first.operation, second.operation);
        ck_assert_int_ne(first.service_ns, second.service_ns);
    }
}

PB_TEST(users_start_spread_over_the_mean_think_time)
{
    struct pb_scenario scenario;
    struct pb_schedule schedule;

    pb_test_scenario_init(&scenario, 1);
    struct pb_phase *phase = pb_test_add_phase(&scenario, PB_ARRIVAL_CLOSED, 0.0, PB_NS_PER_S);

    phase->users = 4;
    PB_ASSERT_OK(pb_dist_exponential(100e6, &phase->think, NULL));
    pb_schedule_init(&schedule, &scenario, 1, 1.0);
    ck_assert_int_eq(pb_schedule_user_start_ns(&schedule, 0, 0), 0);
    ck_assert_int_eq(pb_schedule_user_start_ns(&schedule, 0, 1), 25000000);
    ck_assert_int_eq(pb_schedule_user_start_ns(&schedule, 0, 3), 75000000);
    double sum = 0.0;

    for (uint64_t i = 0; i < 10000; i++) {
        sum += (double)pb_schedule_think_ns(&schedule, 0, i);
    }
    PB_ASSERT_NEAR(100e6, sum / 1e4, 4e6);
}

/* Computed once; the same in every build mode, with gcc and clang, at -O0 and -O3. */
PB_TEST(hashes_are_the_golden_ones)
{
    static const struct {
        uint64_t seed, hash;
    } golden[] = { { 42, UINT64_C(0x23660a7b2880a24a) },
                   { 43, UINT64_C(0x7374478d656a4020) },
                   { (UINT64_C(1) << 53) - 1, UINT64_C(0x9a328908387c985a) } };
    struct pb_scenario scenario;

    every_arrival(&scenario);
    for (size_t i = 0; i < PB_ARRAY_LEN(golden); i++) {
        uint64_t hash = hash_of(&scenario, golden[i].seed);

        ck_assert_msg(hash == golden[i].hash, "seed %" PRIu64 ": %#" PRIx64 ", want %#" PRIx64,
                      golden[i].seed, hash, golden[i].hash);
    }
}

PB_TEST(pool_settings_do_not_change_the_schedule)
{
    struct pb_scenario scenario;

    every_arrival(&scenario);
    uint64_t hash = hash_of(&scenario, 42);

    scenario.pool.size = 99;
    scenario.pool.max_overflow = 5;
    scenario.pool.queue_limit = 3;
    scenario.pool.checkout_timeout_ns = 1;
    scenario.pool.strategy = PB_STRATEGY_FIFO;
    scenario.generators = 3;
    scenario.pacing = PB_PACING_SPIN;
    ck_assert_uint_eq(hash_of(&scenario, 42), hash);
}

/* Every one of these changes the plan, and so the hash. */
PB_TEST(anything_planned_changes_the_hash)
{
    struct pb_scenario scenario, other;

    every_arrival(&scenario);
    uint64_t hash = hash_of(&scenario, 42);

    ck_assert_uint_ne(hash_of(&scenario, 43), hash);
    other = scenario;
    other.operations[0].cpu_share = 0.05;
    ck_assert_uint_ne(hash_of(&other, 42), hash);
    other = scenario;
    other.operations[1].hang_rate = 0.006;
    ck_assert_uint_ne(hash_of(&other, 42), hash);
    other = scenario;
    other.phases[6].users = 8;
    ck_assert_uint_ne(hash_of(&other, 42), hash);
    other = scenario;
    PB_ASSERT_OK(pb_dist_constant(1e6, &other.phases[6].think, NULL));
    ck_assert_uint_ne(hash_of(&other, 42), hash);
    other = scenario;
    other.phases[5].length_ns += PB_NS_PER_MS;
    ck_assert_uint_ne(hash_of(&other, 42), hash);
}

PB_TEST(sessions_come_from_the_seed_and_are_equally_likely)
{
    struct pb_scenario *scenario =
        pb_test_scenario("{ \"rate\": 100, \"duration\": \"2s\", \"sessions\": 8 }");
    struct pb_schedule schedule, other;
    uint32_t counts[9] = { 0 };
    uint32_t differ = 0;

    pb_schedule_init(&schedule, scenario, 1, 1);
    pb_schedule_init(&other, scenario, 2, 1);
    for (uint64_t i = 0; i < 8000; i++) {
        uint64_t session = pb_schedule_session(&schedule, 1, i);

        ck_assert(session >= 1 && session <= 8);
        ck_assert_uint_eq(session, pb_schedule_session(&schedule, 1, i));
        counts[session]++;
        differ += session != pb_schedule_session(&other, 1, i);
    }
    for (int s = 1; s <= 8; s++) {
        ck_assert_uint_gt(counts[s], 850);
        ck_assert_uint_lt(counts[s], 1150);
    }
    ck_assert_uint_gt(differ, 6000);
    pb_scenario_free(scenario);
}

PB_TEST(without_sessions_no_request_has_one)
{
    struct pb_scenario *scenario = pb_test_scenario("{ \"rate\": 100, \"duration\": \"2s\" }");
    struct pb_schedule schedule;

    pb_schedule_init(&schedule, scenario, 1, 1);
    ck_assert_uint_eq(0, pb_schedule_session(&schedule, 1, 5));
    pb_scenario_free(scenario);
}
