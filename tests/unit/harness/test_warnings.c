#include <math.h>

#include "harness/judge_internal.h"
#include "made_evidence.h"
#include "support/test.h"

static struct made *poisson(void)
{
    struct made *made = made_new();

    made_phase(made, "warmup", PB_ARRIVAL_POISSON, 200, S, false);
    made_phase(made, "steady", PB_ARRIVAL_POISSON, 200, 20 * S, true);
    made_latency(made, 0.99, 50 * MS, 1);
    return made;
}

/* Judges again after the test changed the evidence. */
static const struct pb_judgement *judge(struct made *made)
{
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    return &made->judgement;
}

static void assert_warned(const struct pb_judgement *got, enum pb_warning_id id)
{
    const struct pb_warning *warning = made_warning(got, id);

    ck_assert_msg(warning != NULL, "no warning %s", pb_warning_name(id));
    ck_assert_uint_gt(strlen(warning->text), 20);
    ck_assert_msg(!pb_warning_serious(id) || got->verdict == PB_VERDICT_UNTRUSTED,
                  "%s leaves the run %s", pb_warning_name(id), pb_verdict_name(got->verdict));
}

PB_TEST(a_sound_run_has_no_warnings)
{
    struct made *made = poisson();
    const struct pb_judgement *got = made_judge(made, NULL);

    ck_assert_msg(got->warning_count == 0, "%s", got->warnings[0].text);
    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass");
    made_free(made);
}

static void lag_two_ms(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->lag_ns = phase == 1 && index % 50 == 0 ? 2 * MS : 10000;
}

PB_TEST(late_sending_makes_a_run_untrusted)
{
    struct made *made = poisson();
    const struct pb_judgement *got = made_judge(made, lag_two_ms);

    assert_warned(got, PB_WARN_SEND_LAG);
    ck_assert_ptr_nonnull(strstr(got->reason, "cannot be trusted"));
    made_free(made);
}

PB_TEST(the_allowance_for_send_lag_grows_with_the_tightest_limit)
{
    struct made *made = poisson();

    /* 2 % of 200 ms is 4 ms; of the 50 ms that stands beside it, 1 ms. */
    made->scenario.objectives[0].limit = 200e6;
    ck_assert_ptr_null(made_warning(made_judge(made, lag_two_ms), PB_WARN_SEND_LAG));
    made->scenario.objectives[0].limit = 50e6;
    assert_warned(judge(made), PB_WARN_SEND_LAG);
    made_free(made);
}

PB_TEST(requests_that_were_never_sent_make_a_run_untrusted)
{
    struct made *made = poisson();

    made_run(made, NULL);
    made->schedule.planned[1] = made->schedule.planned[1] * 102 / 100;
    assert_warned(judge(made), PB_WARN_SENT_SHORT);
    made->evidence.ending = PB_ABORTED; /* then it is no fault of the generator */
    made->evidence.aborted_rule = 0;
    made->scenario.aborts[0].expression = made->scenario.name;
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_SENT_SHORT));
    made_free(made);
}

PB_TEST(each_serious_fault_of_the_machinery_is_named)
{
    struct made *made = poisson();

    made_run(made, NULL);
    made->evidence.monitor.steal_ratio = 0.02;
    assert_warned(judge(made), PB_WARN_STEAL);
    made->evidence.monitor.steal_ratio = 0.005;
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_STEAL));

    made->evidence.recorder.stalls = made->evidence.recorder.records / 500;
    assert_warned(judge(made), PB_WARN_RECORDER_STALL);
    made->evidence.recorder.stalls = made->evidence.recorder.records / 2000;
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_RECORDER_STALL));
    ck_assert_ptr_nonnull(made_warning(&made->judgement, PB_WARN_RECORDER_WAIT));
    made->evidence.recorder.stalls = 1; /* once, but for long */
    made->evidence.recorder.stall_ns = made->evidence.elapsed_ns / 100;
    assert_warned(judge(made), PB_WARN_RECORDER_STALL);
    ck_assert_ptr_null(made_warning(&made->judgement, PB_WARN_RECORDER_WAIT));
    made->evidence.recorder.stalls = 0;
    made->evidence.recorder.stall_ns = 0;
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_RECORDER_WAIT));

    made->evidence.recorder.log_status = PB_ESYS;
    assert_warned(judge(made), PB_WARN_LOG_FAILED);
    made->evidence.recorder.log_status = PB_OK;
    made->evidence.pool.rescued_wakeups = 1;
    assert_warned(judge(made), PB_WARN_RESCUED_WAKEUP);
    made->evidence.pool.rescued_wakeups = 0;
    made->evidence.load.outcomes[1][PB_OUTCOME_OK]--;
    assert_warned(judge(made), PB_WARN_ACCOUNTING);
    made_free(made);
}

PB_TEST(retries_that_make_much_of_the_load_are_told)
{
    struct made *made = poisson();

    made_run(made, NULL);
    struct pb_phase_aggregate *phase = &made->aggregate->phases[1];
    uint64_t sent = phase->sent;

    made->evidence.load.attempts[1] = phase->attempts = sent + sent / 11;
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_RETRY_LOAD));
    made->evidence.load.attempts[1] = phase->attempts = sent + sent / 8;
    const struct pb_warning *warning = made_warning(judge(made), PB_WARN_RETRY_LOAD);

    ck_assert_ptr_nonnull(warning);
    ck_assert_ptr_nonnull(strstr(warning->text, "retries made 12.5 % more load"));
    ck_assert(!pb_warning_serious(PB_WARN_RETRY_LOAD));
    ck_assert_ptr_null(made_warning(&made->judgement, PB_WARN_ACCOUNTING));

    made->evidence.load.attempts[1]++;
    assert_warned(judge(made), PB_WARN_ACCOUNTING);
    made->evidence.load.attempts[1]--;
    made->evidence.load.given_up = 3;
    ck_assert_ptr_nonnull(made_warning(judge(made), PB_WARN_RETRY_LIMIT));
    made_free(made);
}

PB_TEST(lesser_matters_are_told_and_do_not_condemn)
{
    struct made *made = poisson();

    made_run(made, NULL);
    made->evidence.monitor.foreign_cpu_ratio = 0.3;
    made->evidence.monitor.pressure_ratio = 0.4;
    made->evidence.pool.stuck = 1;
    made->evidence.pool.workers_failed = 2;
    made->evidence.null_floor =
        (struct pb_lateness){ .p50_ns = 4 * MS, .p99_ns = 5 * MS, .count = 100 };
    const struct pb_judgement *got = judge(made);

    assert_warned(got, PB_WARN_FOREIGN_CPU);
    assert_warned(got, PB_WARN_CPU_PRESSURE);
    assert_warned(got, PB_WARN_STUCK_WORKERS);
    assert_warned(got, PB_WARN_WORKER_FAILED);
    assert_warned(got, PB_WARN_NEAR_FLOOR);
    ck_assert_str_eq(pb_verdict_name(got->verdict), "pass");
    made_free(made);
}

PB_TEST(unknown_machine_figures_are_not_warned_of)
{
    struct made *made = poisson();

    made_run(made, NULL);
    made->evidence.monitor.steal_ratio = PB_NAN;
    made->evidence.monitor.foreign_cpu_ratio = PB_NAN;
    made->evidence.monitor.pressure_ratio = PB_NAN;
    ck_assert_uint_eq(judge(made)->warning_count, 0);
    made_free(made);
}

PB_TEST(a_short_run_says_that_its_windows_are_short_and_its_tail_thin)
{
    struct made *made = made_new();

    made_phase(made, "main", PB_ARRIVAL_CONSTANT, 50, 4 * S, true);
    made_latency(made, 0.99, 50 * MS, 0);
    const struct pb_judgement *got = made_judge(made, NULL);

    assert_warned(got, PB_WARN_SHORT_WINDOWS);
    assert_warned(got, PB_WARN_FEW_SAMPLES);
    made_free(made);
}

PB_TEST(a_warm_up_that_leaks_a_backlog_is_told)
{
    struct made *made = poisson();

    made_run(made, NULL);
    made->aggregate->phases[0].backlog = 60;
    assert_warned(judge(made), PB_WARN_BACKLOG);
    made->aggregate->phases[0].backlog = 6; /* no more than what is at work, and a few */
    ck_assert_ptr_null(made_warning(judge(made), PB_WARN_BACKLOG));
    made_free(made);
}

static void rising(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->wait_ns = phase == 1 ? (int64_t)index * 2000 : 0;
}

PB_TEST(a_phase_that_drifts_is_not_steady)
{
    struct made *made = poisson();
    const struct pb_judgement *got = made_judge(made, rising);

    assert_warned(got, PB_WARN_NOT_STEADY);
    ck_assert_ptr_nonnull(strstr(made_warning(got, PB_WARN_NOT_STEADY)->text, "rises"));
    made_free(made);
}

PB_TEST(drift_needs_size_and_significance)
{
    double flat[20], small[20], large[40], change = 0;

    for (size_t i = 0; i < 40; i++) {
        double noise = (double)(i * 7919 % 13) / 13;

        if (i < 20) {
            flat[i] = 100 + 10 * noise;
            small[i] = 100 + 0.1 * (double)i; /* significant, and only 2 % */
        }
        large[i] = 100 - (double)i + noise;
    }
    ck_assert(!pb_series_drifts(flat, 20, &change));
    ck_assert(!pb_series_drifts(small, 20, &change));
    ck_assert(!pb_series_drifts(large, 7, &change)); /* too few to tell */
    ck_assert(pb_series_drifts(large, 40, &change));
    PB_ASSERT_NEAR(-0.5, change, 0.02); /* falls by 40 of a median of 80 */
}

/* Everything planned for the first half of the phase is sent in its second half. */
static void held_back(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->lag_ns = phase == 1 && index < 400 ? 4 * S : 0;
}

PB_TEST(arrivals_that_stray_from_their_plan_make_a_run_untrusted)
{
    struct made *made = poisson();
    struct pb_part part;
    struct pb_arrival_check check;

    made_run(made, NULL);
    pb_part_init(&part, &made->evidence, 1, &made->aggregate->phases[1]);
    pb_check_arrivals(&part, &check);
    ck_assert(check.checked && !check.broken);
    ck_assert_double_lt(check.sent_distance, 0.002);
    ck_assert_double_lt(check.ks_distance, 0.03);
    ck_assert_double_gt(check.dispersion_index, 0.3);
    ck_assert_double_lt(check.dispersion_index, 2.2);
    made_free(made);

    made = poisson();
    assert_warned(made_judge(made, held_back), PB_WARN_ARRIVAL_LAW);
    made_free(made);
}

PB_TEST(arrivals_of_another_law_than_planned_make_a_run_untrusted)
{
    struct made *made = poisson();
    struct pb_part part;
    struct pb_arrival_check check;

    made_run(made, NULL);
    /* The plan in memory now says twice the rate in the second half of what took place. */
    made->scenario.phases[1].arrival = PB_ARRIVAL_RAMP;
    made->scenario.phases[1].from = 100;
    made->scenario.phases[1].to = 300;
    pb_part_init(&part, &made->evidence, 1, &made->aggregate->phases[1]);
    pb_check_arrivals(&part, &check);
    ck_assert(check.checked && check.broken);
    ck_assert_double_gt(check.ks_distance, 0.1);
    ck_assert_double_lt(check.ks_p_value, 1e-6);
    made_free(made);
}

PB_TEST(a_closed_loop_is_labelled)
{
    struct made *made = made_new();

    made_phase(made, "users", PB_ARRIVAL_CLOSED, 0, 20 * S, true);
    made->scenario.phases[0].users = 10;
    PB_ASSERT_OK(pb_dist_constant(1e9, &made->scenario.phases[0].think, NULL));
    assert_warned(made_judge(made, NULL), PB_WARN_CLOSED_LOOP);
    made_free(made);
}

static void a_few_cancelled(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->outcome = phase == 1 && index < 3 ? PB_OUTCOME_CANCELLED : PB_OUTCOME_OK;
}

static void hours(uint32_t phase, uint64_t index, struct made_fate *fate)
{
    fate->service_ns = phase == 1 && index == 5 ? 2 * 3600 * S : 5 * MS;
}

PB_TEST(unfinished_and_endless_requests_are_told)
{
    struct made *made = poisson();

    assert_warned(made_judge(made, a_few_cancelled), PB_WARN_CANCELLED);
    made_free(made);
    made = poisson();
    assert_warned(made_judge(made, hours), PB_WARN_SATURATED_VALUES);
    made_free(made);
}

PB_TEST(every_warning_has_a_name_of_its_own)
{
    for (int i = 0; i < PB_WARN_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(pb_warning_name((enum pb_warning_id)i),
                             pb_warning_name((enum pb_warning_id)j));
        }
    }
}

PB_TEST(cut_characters_are_repaired)
{
    char text[] = "na\xc3\xafve \xc3"; /* ends within a character */

    pb_text_repair(text);
    ck_assert_str_eq(text, "na\xc3\xafve ?");
}
