#include <math.h>
#include <signal.h>

#include "harness/judge.h"
#include "made_evidence.h"
#include "support/test.h"

/* Twenty seconds at 100/s, evenly: 2000 requests in 20 windows of 1 s, after a warm-up of 1 s. */
static struct made *steady(void)
{
    struct made *made = made_new();

    made_phase(made, "warmup", PB_ARRIVAL_CONSTANT, 100, S, false);
    made_phase(made, "steady", PB_ARRIVAL_CONSTANT, 100, 20 * S, true);
    return made;
}

static void one_in_twenty_late(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->wait_ns = phase == 1 && index % 20 == 3 ? 100 * MS : 0;
}

static void one_in_hundred_late(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->wait_ns = phase == 1 && index % 100 == 3 ? 100 * MS : 0;
}

static void two_percent_rejected(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->outcome = phase == 1 && index % 50 == 9 ? PB_OUTCOME_REJECTED : PB_OUTCOME_OK;
}

static void client_errors_only(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    (void)phase;
    (void)index;
    fate->outcome = PB_OUTCOME_CLIENT_ERROR;
}

PB_TEST(fast_requests_pass_with_a_bound_that_shrinks_with_their_number)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    made_objective(made, "error_rate < 1%", PB_METRIC_ERROR_RATE, PB_OP_LESS, 0.01);
    const struct pb_judgement *got = made_judge(made, NULL);

    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass");
    ck_assert_uint_eq(got->objective_count, 2);
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "PASS");
    ck_assert_uint_eq(got->objectives[0].count, 2000);
    PB_ASSERT_NEAR(5e6, got->objectives[0].measured, 5e4);
    PB_ASSERT_NEAR(0.9, got->objectives[0].margin, 0.01);
    ck_assert_double_eq(got->objectives[0].bad_ratio, 0);
    /* 1 - 0.05^(1/2000) */
    PB_ASSERT_NEAR(0.0014967, got->objectives[0].bad_high, 1e-5);
    PB_ASSERT_NEAR(0.01, got->objectives[0].bad_limit, 1e-12);
    PB_ASSERT_NEAR(5e6, got->objectives[0].ci_low, 5e4);
    PB_ASSERT_NEAR(5e6, got->objectives[0].ci_high, 5e4);
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "PASS");
    ck_assert_ptr_nonnull(strstr(got->reason, "Limited by service time"));
    made_free(made);
}

PB_TEST(what_limits_a_passing_run_is_not_read_from_the_lucky_ones_alone)
{
    struct made *made = steady();
    const struct pb_judgement *got = made_judge(made, two_percent_rejected);

    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass"); /* nobody asked for more */
    ck_assert_ptr_nonnull(strstr(got->reason, "Limited by the number of workers: 2 %"));
    made_free(made);

    made = steady();
    made->evidence.null_floor = (struct pb_lateness){ .count = 100, .p50_ns = 3 * MS };
    got = made_judge(made, NULL); /* 5 ms of latency where nothing takes 3 */
    ck_assert_ptr_nonnull(strstr(got->reason, "Limited by the hand-over"));
    made_free(made);

    made = steady();
    made_run(made, two_percent_rejected);
    made->evidence.machine.cpus_usable = 2;
    made->evidence.monitor.process_cpus = 1.9;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, "Limited by this machine's CPUs"));
    made_free(made);
}

PB_TEST(five_percent_late_fail_one_percent)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    const struct pb_judgement *got = made_judge(made, one_in_twenty_late);

    ck_assert_str_eq(pb_verdict_name(got->verdict), "fail");
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "FAIL");
    PB_ASSERT_NEAR(0.05, got->objectives[0].bad_ratio, 1e-12);
    PB_ASSERT_NEAR(105e6, got->objectives[0].measured, 2e5);
    ck_assert_double_gt(got->objectives[0].bad_low, 0.01);
    ck_assert_ptr_nonnull(strstr(got->reason, "latency.p99 < 50ms broke in phase steady: "));
    ck_assert_ptr_nonnull(strstr(got->reason, "waited for a worker"));
    made_free(made);
}

PB_TEST(exactly_one_percent_late_is_undecided_and_says_so)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    const struct pb_judgement *got = made_judge(made, one_in_hundred_late);

    ck_assert_str_eq(pb_verdict_name(got->verdict), "inconclusive");
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "INCONCLUSIVE");
    ck_assert_double_lt(got->objectives[0].bad_low, 0.01);
    ck_assert_double_gt(got->objectives[0].bad_high, 0.01);
    ck_assert(isnan(got->objectives[0].more_seconds)); /* never: it sits on the limit */
    ck_assert_ptr_nonnull(strstr(got->reason, "undecided"));
    made_free(made);
}

static void half_a_percent_late(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->wait_ns = phase == 1 && index % 167 == 3 ? 100 * MS : 0;
}

PB_TEST(too_few_clean_requests_are_undecided_not_a_pass)
{
    struct made *made = steady();

    made_objective(made, "error_rate < 0.1%", PB_METRIC_ERROR_RATE, PB_OP_LESS, 0.001);
    const struct pb_judgement *got = made_judge(made, NULL);

    /* 2995 clean requests are needed: 1 - 0.05^(1/n) < 0.001. */
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "INCONCLUSIVE");
    ck_assert_double_ge(got->objectives[0].more_seconds, 9.9);
    ck_assert_double_lt(got->objectives[0].more_seconds, 13);
    ck_assert_ptr_nonnull(strstr(got->reason, "none of 2 000 requests was bad"));
    made_free(made);
}

PB_TEST(an_undecided_objective_tells_how_many_seconds_would_decide)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    const struct pb_judgement *got = made_judge(made, half_a_percent_late);

    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "INCONCLUSIVE");
    /* 0.6 % of n: Clopper-Pearson's upper end falls under 1 % near n = 3300: 13 s more than 20 s.
     */
    ck_assert_double_gt(got->objectives[0].more_seconds, 4);
    ck_assert_double_lt(got->objectives[0].more_seconds, 25);
    ck_assert_ptr_nonnull(strstr(got->reason, "more would decide"));
    made_free(made);
}

PB_TEST(rejecting_requests_is_never_rewarded)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    made_latency(made, 0.5, 50 * MS, 1);
    const struct pb_judgement *got = made_judge(made, two_percent_rejected);

    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "FAIL");
    PB_ASSERT_NEAR(0.02, got->objectives[0].bad_ratio, 1e-12);
    ck_assert(isinf(got->objectives[0].measured)); /* p99 lies among requests that never ended ok */
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "PASS");
    PB_ASSERT_NEAR(5e6, got->objectives[1].measured, 5e4);
    ck_assert_ptr_nonnull(strstr(got->reason, "rejected"));
    made_free(made);
}

PB_TEST(a_limit_without_a_counter_is_judged_by_the_histogram)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    made_run(made, one_in_twenty_late);
    made->scenario.objectives[0].limit = 60e6; /* nobody counted for this one */
    ck_assert_ptr_null(pb_aggregate_late(made->aggregate, 60 * MS));
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    PB_ASSERT_NEAR(0.05, made->judgement.objectives[0].bad_ratio, 1e-12);
    made_free(made);
}

PB_TEST(no_data_is_never_a_pass)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    made_objective(made, "error_rate < 1%", PB_METRIC_ERROR_RATE, PB_OP_LESS, 0.01);
    const struct pb_judgement *got = made_judge(made, client_errors_only);

    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "NO DATA");
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "NO DATA");
    ck_assert_str_eq(pb_verdict_name(got->verdict), "inconclusive");
    ck_assert_ptr_nonnull(strstr(got->reason, "no data"));
    made_free(made);
}

static void late_in_two_seconds(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->wait_ns = phase == 1 && index >= 500 && index < 600 ? 100 * MS : 0;
}

PB_TEST(late_requests_that_hang_together_count_for_less)
{
    struct made *spread = steady(), *bunched = steady();

    made_latency(spread, 0.9, 50 * MS, 1);
    made_latency(bunched, 0.9, 50 * MS, 1);
    const struct pb_objective_result *a = made_judge(spread, one_in_twenty_late)->objectives;
    const struct pb_objective_result *b = made_judge(bunched, late_in_two_seconds)->objectives;

    ck_assert_double_eq(a->bad_ratio, b->bad_ratio);
    PB_ASSERT_NEAR(2000, a->effective_count, 1);
    ck_assert_double_lt(b->effective_count, 100);
    ck_assert_double_gt(b->bad_high, 2 * a->bad_high);
    ck_assert_str_eq(pb_answer_name(a->answer), "PASS");
    ck_assert_str_eq(pb_answer_name(b->answer), "INCONCLUSIVE");
    made_free(spread);
    made_free(bunched);
}

PB_TEST(what_a_fault_makes_late_is_no_chance)
{
    struct made *made = steady();
    static char text[] = "stall 1s at steady+5s";

    /* The same 100 late requests in one bunch, once by chance, once by a stall of the scenario. */
    made_latency(made, 0.99, 50 * MS, 1);
    made_run(made, late_in_two_seconds);
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_str_eq(pb_answer_name(made->judgement.objectives[0].answer), "INCONCLUSIVE");
    made->scenario.fault_count = 1;
    made->scenario.faults[0] =
        (struct pb_fault){ .kind = PB_FAULT_STALL, .stall_ns = S, .text = text };
    made->evidence.faults[0].injected_ns = 6 * S;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_str_eq(pb_answer_name(made->judgement.objectives[0].answer), "FAIL");
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, text));
    made_free(made);
}

PB_TEST(a_limit_of_no_errors_is_a_fact_not_an_estimate)
{
    struct made *clean = steady(), *dirty = steady();

    made_objective(clean, "error_rate <= 0", PB_METRIC_ERROR_RATE, PB_OP_LESS, 0);
    made_objective(dirty, "error_rate <= 0", PB_METRIC_ERROR_RATE, PB_OP_LESS, 0);
    ck_assert_str_eq(pb_answer_name(made_judge(clean, NULL)->objectives[0].answer), "PASS");
    ck_assert_str_eq(pb_answer_name(made_judge(dirty, two_percent_rejected)->objectives[0].answer),
                     "FAIL");
    made_free(clean);
    made_free(dirty);
}

PB_TEST(utilization_is_judged_against_its_band)
{
    struct made *made = steady();
    struct pb_objective *band =
        made_objective(made, "utilization in 10%..15%", PB_METRIC_UTILIZATION, PB_OP_IN, 0.10);

    band->limit_high = 0.15;
    band = made_objective(made, "utilization in 20%..30%", PB_METRIC_UTILIZATION, PB_OP_IN, 0.20);
    band->limit_high = 0.30;
    band->level = PB_LEVEL_WARN;
    const struct pb_judgement *got = made_judge(made, NULL);

    /* 100/s of 5 ms on 4 workers: 12.5 % */
    PB_ASSERT_NEAR(0.125, got->objectives[0].measured, 1e-3);
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "PASS");
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "FAIL");
    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass"); /* level warn never binds */
    ck_assert(isnan(got->objectives[0].margin));
    made_free(made);
}

PB_TEST(throughput_is_judged_as_a_rate_and_as_a_share_of_what_was_offered)
{
    struct made *made = steady();

    made_objective(made, "throughput > 90/s", PB_METRIC_THROUGHPUT, PB_OP_GREATER, 90);
    made_objective(made, "throughput > 99% of offered", PB_METRIC_THROUGHPUT, PB_OP_GREATER, 0.99)
        ->of_offered = true;
    made_objective(made, "throughput > 120/s", PB_METRIC_THROUGHPUT, PB_OP_GREATER, 120);
    const struct pb_judgement *got = made_judge(made, two_percent_rejected);

    PB_ASSERT_NEAR(98, got->objectives[0].measured, 0.2);
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "PASS");
    PB_ASSERT_NEAR(0.98, got->objectives[1].measured, 0.002);
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "FAIL");
    ck_assert_str_eq(pb_answer_name(got->objectives[2].answer), "FAIL");
    made_free(made);
}

PB_TEST(means_and_extremes_of_times)
{
    struct made *made = steady();

    made_objective(made, "latency.mean < 12ms", PB_METRIC_LATENCY, PB_OP_LESS, 12e6)->stat =
        PB_STAT_MEAN;
    made_objective(made, "latency.max < 50ms", PB_METRIC_LATENCY, PB_OP_LESS, 50e6)->stat =
        PB_STAT_MAX;
    made_objective(made, "queue_wait.max < 200ms", PB_METRIC_QUEUE_WAIT, PB_OP_LESS, 200e6)->stat =
        PB_STAT_MAX;
    const struct pb_judgement *got = made_judge(made, one_in_twenty_late);

    PB_ASSERT_NEAR(10e6, got->objectives[0].measured, 1e4);
    /* sd 21.8 ms over sqrt(2000): 0.49 ms, times 1.96 */
    PB_ASSERT_NEAR(10e6 - 0.96e6, got->objectives[0].ci_low, 3e4);
    ck_assert_str_eq(pb_answer_name(got->objectives[0].answer), "PASS");
    ck_assert_str_eq(pb_answer_name(got->objectives[1].answer), "FAIL");
    ck_assert_str_eq(pb_answer_name(got->objectives[2].answer), "PASS");
    PB_ASSERT_NEAR(100e6, got->objectives[2].measured, 1);
    made_free(made);
}

static struct made *with_kill(bool from_preset)
{
    struct made *made = steady();
    struct pb_objective *objective =
        made_objective(made, "recovery_time < 500ms", PB_METRIC_RECOVERY_TIME, PB_OP_LESS, 500e6);

    objective->whole_run = true;
    objective->from_preset = from_preset;
    return made;
}

static const struct pb_objective_result *judge_losses(struct made *made)
{
    pb_losses_sum(made->losses, made->evidence.loss_count, &made->evidence.recovery);
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    return &made->judgement.objectives[0];
}

PB_TEST(recovery_is_the_slowest_of_all_losses)
{
    struct made *made = with_kill(false);

    made_run(made, NULL);
    (void)made_loss(made, 5 * S, 30 * MS);
    (void)made_loss(made, 6 * S, 80 * MS);
    (void)made_loss(made, 7 * S, 10 * MS);
    ck_assert_str_eq("PASS", pb_answer_name(judge_losses(made)->answer));
    PB_ASSERT_NEAR(80e6, made->judgement.objectives[0].measured, 0);
    made_free(made);
}

PB_TEST(a_worker_that_is_never_replaced_is_a_failure)
{
    struct made *made = with_kill(true);

    made_run(made, NULL);
    (void)made_loss(made, 5 * S, 30 * MS);
    made_loss(made, 6 * S, -1)->end = PB_LOSS_OPEN;
    ck_assert_str_eq("FAIL", pb_answer_name(judge_losses(made)->answer));
    ck_assert(isinf(made->judgement.objectives[0].measured));
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, "lost worker's place"));
    made_free(made);
}

/* The run's end came before the limit did. */
PB_TEST(a_recovery_that_the_end_cut_short_proves_nothing)
{
    struct made *made = with_kill(true);

    made_run(made, NULL);
    made_loss(made, made->evidence.elapsed_ns - 400 * MS, -1)->end = PB_LOSS_OPEN;
    ck_assert_str_eq("NO DATA", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(an_overflow_worker_may_go_without_a_replacement)
{
    struct made *made = with_kill(true);
    struct pb_loss *loss;

    made_run(made, NULL);
    (void)made_loss(made, 5 * S, 30 * MS);
    loss = made_loss(made, 6 * S, -1);
    loss->end = PB_LOSS_OPEN;
    loss->overflow = true;
    ck_assert_str_eq("PASS", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(a_replacement_that_nobody_needed_is_no_data)
{
    struct made *made = with_kill(true);

    made_run(made, NULL);
    (void)made_loss(made, 5 * S, 30 * MS);
    made_loss(made, 6 * S, -1)->end = PB_LOSS_UNUSED;
    ck_assert_str_eq("NO DATA", pb_answer_name(judge_losses(made)->answer));
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, "no request came"));
    made_free(made);
}

PB_TEST(a_slow_recovery_fails_whatever_else_is_not_known)
{
    struct made *made = with_kill(true);

    made_run(made, NULL);
    (void)made_loss(made, 5 * S, 800 * MS);
    made_loss(made, 6 * S, -1)->end = PB_LOSS_UNUSED;
    ck_assert_str_eq("FAIL", pb_answer_name(judge_losses(made)->answer));
    PB_ASSERT_NEAR(800e6, made->judgement.objectives[0].measured, 0);
    made_free(made);
}

/* --- worker.memory, worker.cpu --- */

static struct made *with_workers(enum pb_metric metric, double limit, bool from_preset)
{
    struct made *made = steady();
    struct pb_objective *objective =
        made_objective(made,
                       metric == PB_METRIC_WORKER_CPU ? "worker.cpu < 10%" : "worker.memory < 50MB",
                       metric, PB_OP_LESS, limit);

    objective->whole_run = true;
    objective->from_preset = from_preset;
    made->scenario.pool.profile = PB_PROFILE_PROCESS;
    made_run(made, NULL);
    return made;
}

PB_TEST(the_largest_worker_decides_and_is_named)
{
    struct made *made = with_workers(PB_METRIC_WORKER_MEMORY, 50e6, false);

    made->evidence.workers.rss_peak_bytes = 60 * 1000 * 1000;
    made->evidence.workers.memory_worker = 3;
    made->evidence.workers.memory_incarnation = 1;
    made->evidence.workers.memory_pid = 4711;
    ck_assert_str_eq("FAIL", pb_answer_name(judge_losses(made)->answer));
    PB_ASSERT_NEAR(6e7, made->judgement.objectives[0].measured, 0);
    ck_assert_msg(strstr(made->judgement.reason, "worker 3 (incarnation 1, pid 4711) had") != NULL,
                  "%s", made->judgement.reason);
    made->evidence.workers.rss_peak_bytes = 40 * 1000 * 1000;
    ck_assert_str_eq("PASS", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(the_busiest_worker_decides)
{
    struct made *made = with_workers(PB_METRIC_WORKER_CPU, 0.1, false);

    made->evidence.workers.cpu_ratio = 0.97;
    made->evidence.workers.cpu_worker = 1;
    ck_assert_str_eq("FAIL", pb_answer_name(judge_losses(made)->answer));
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, "worker 1 "));
    made->evidence.workers.cpu_ratio = 0.02;
    ck_assert_str_eq("PASS", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(workers_that_nobody_looked_at_are_no_data)
{
    struct made *made = with_workers(PB_METRIC_WORKER_CPU, 0.1, false);

    ck_assert_str_eq("NO DATA", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(threads_have_no_memory_of_their_own_in_a_preset)
{
    struct made *made = with_workers(PB_METRIC_WORKER_MEMORY, 50e6, true);

    made->scenario.pool.profile = PB_PROFILE_THREAD;
    made->evidence.workers.cpu_ratio = 0.5;
    ck_assert_str_eq("NOT APPLICABLE", pb_answer_name(judge_losses(made)->answer));
    made_free(made);
}

PB_TEST(recovery_without_a_fault_has_no_data_or_does_not_apply)
{
    struct made *written = with_kill(false), *preset = with_kill(true);

    ck_assert_str_eq(pb_answer_name(made_judge(written, NULL)->objectives[0].answer), "NO DATA");
    ck_assert_str_eq(pb_verdict_name(written->judgement.verdict), "inconclusive");
    ck_assert_str_eq(pb_answer_name(made_judge(preset, NULL)->objectives[0].answer),
                     "NOT APPLICABLE");
    ck_assert_str_eq(pb_verdict_name(preset->judgement.verdict), "pass");
    made_free(written);
    made_free(preset);
}

PB_TEST(overload_is_explained_in_workers)
{
    struct made *made = made_new();

    made_phase(made, "spike", PB_ARRIVAL_CONSTANT, 1000, 20 * S, true);
    made_latency(made, 0.99, 50 * MS, 0);
    const struct pb_judgement *got = made_judge(made, one_in_hundred_late);

    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass"); /* that one is for phase 1 only */
    made_free(made);

    made = made_new();
    made_phase(made, "warmup", PB_ARRIVAL_CONSTANT, 100, S, false);
    made_phase(made, "spike", PB_ARRIVAL_CONSTANT, 1000, 20 * S, true);
    made_latency(made, 0.99, 50 * MS, 1);
    got = made_judge(made, one_in_twenty_late);
    ck_assert_str_eq(pb_verdict_name(got->verdict), "fail");
    ck_assert_msg(strstr(got->reason, "Overload: 5") != NULL, "%s", got->reason);
    ck_assert_msg(strstr(got->reason, "workers' work arrived for 4 workers") != NULL, "%s",
                  got->reason);
    made_free(made);
}

PB_TEST(an_interrupted_run_is_interrupted_whatever_it_measured)
{
    struct made *made = steady();

    made_latency(made, 0.99, 50 * MS, 1);
    made_run(made, one_in_twenty_late);
    made->evidence.ending = PB_INTERRUPTED;
    made->evidence.signal = SIGTERM;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_str_eq(pb_verdict_name(made->judgement.verdict), "interrupted");
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, "SIGTERM"));
    made_free(made);
}

PB_TEST(a_broken_abort_rule_fails_the_run)
{
    struct made *made = steady();
    static char rule[] = "error_rate > 20% for 2s";

    made_run(made, NULL);
    made->scenario.abort_count = 1;
    made->scenario.aborts[0].expression = rule;
    made->evidence.ending = PB_ABORTED;
    made->evidence.aborted_rule = 0;
    made->evidence.aborted_at_ns = 3 * S;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_str_eq(pb_verdict_name(made->judgement.verdict), "fail");
    ck_assert_ptr_nonnull(strstr(made->judgement.reason, rule));
    made_free(made);
}

PB_TEST(without_objectives_the_verdict_is_pass)
{
    struct made *made = steady();

    ck_assert_str_eq(pb_verdict_name(made_judge(made, NULL)->verdict), "pass");
    ck_assert_uint_eq(made->judgement.objective_count, 0);
    made_free(made);
}

PB_TEST(exit_codes_follow_the_one_table)
{
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_PASS, 0), 0);
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_FAIL, 0), 1);
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_UNTRUSTED, 0), 3);
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_INCONCLUSIVE, 0), 5);
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_INTERRUPTED, SIGINT), 130);
    ck_assert_int_eq(pb_verdict_exit_code(PB_VERDICT_INTERRUPTED, SIGTERM), 143);
}
