/* What a pool and its workers give cause to warn of, and what run.json says of them. */
#include <cjson/cJSON.h>
#include <math.h>

#include "base/json.h"
#include "harness/judge_internal.h"
#include "harness/output.h"
#include "made_evidence.h"
#include "support/test.h"

static struct made *processes(void)
{
    struct made *made = made_new();

    made_phase(made, "steady", PB_ARRIVAL_POISSON, 200, 20 * S, true);
    made->scenario.pool.profile = PB_PROFILE_PROCESS;
    made->scenario.pool.max_health_failures = 3;
    made->scenario.pool.recycle.max_memory_bytes = 64 << 20;
    made->scenario.pool.max_restarts = 100;
    made_run(made, NULL);
    return made;
}

static const char *warned(struct made *made, enum pb_warning_id id)
{
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));

    const struct pb_warning *warning = made_warning(&made->judgement, id);

    ck_assert_msg(warning != NULL, "no warning %s", pb_warning_name(id));
    ck_assert(!pb_warning_serious(id));
    return warning->text;
}

PB_TEST(a_quiet_pool_of_processes_is_not_warned_of)
{
    struct made *made = processes();

    made->evidence.workers.jain_workers = 4;
    made->evidence.workers.jain_busy = 0.9;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_msg(made->judgement.warning_count == 0, "%s", made->judgement.warnings[0].text);
    made_free(made);
}

PB_TEST(workers_that_died_by_themselves_are_told_with_their_usual_reason)
{
    struct made *made = processes();
    const char *text;

    made_loss(made, 2 * S, 5 * MS)->reason = "killed by SIGSEGV";
    made_loss(made, 3 * S, 5 * MS)->reason = "exited with code 3";
    made_loss(made, 4 * S, 5 * MS)->reason = "exited with code 3";
    made_loss(made, 5 * S, 5 * MS)->fault = 0;
    pb_losses_sum(made->losses, 4, &made->evidence.recovery);
    text = warned(made, PB_WARN_WORKERS_LOST);
    ck_assert_msg(strstr(text, "3 workers died without a fault of the scenario, mostly: exited "
                               "with code 3") == text,
                  "%s", text);
    made_free(made);
}

PB_TEST(workers_killed_by_faults_are_no_surprise)
{
    struct made *made = processes();

    made_loss(made, 5 * S, 5 * MS)->fault = 0;
    pb_losses_sum(made->losses, 1, &made->evidence.recovery);
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_ptr_null(made_warning(&made->judgement, PB_WARN_WORKERS_LOST));
    made_free(made);
}

PB_TEST(what_befell_the_workers_is_told_with_a_remedy)
{
    struct made *made = processes();
    struct pb_evidence *evidence = &made->evidence;

    evidence->pool.starts_held = 2;
    evidence->pool.unhealthy = 1;
    evidence->pool.prepare_failures = 4;
    evidence->workers.ended[0] = (struct pb_reason_count){ "max_memory", 7 };
    evidence->workers.ended_count = 1;
    evidence->workers.lives = 5000;
    evidence->workers.dropped = 904;
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_STARTS_HELD), "pool.max_restarts"));
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_UNHEALTHY), "3 checks in a row"));
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_PREPARE_FAILED), "pool.prepare_timeout"));
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_MEMORY_GROWTH), "7 workers grew beyond 64"));
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_HISTORY_CUT), "904"));
    made_free(made);
}

PB_TEST(lopsided_work_is_told_of_processes_and_not_of_threads)
{
    struct made *made = processes();

    made->evidence.workers.jain_workers = 8;
    made->evidence.workers.jain_busy = 0.2;
    ck_assert_ptr_nonnull(strstr(warned(made, PB_WARN_UNEVEN_WORKERS), "pool.strategy="));
    made->scenario.pool.profile = PB_PROFILE_THREAD;
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    ck_assert_ptr_null(made_warning(&made->judgement, PB_WARN_UNEVEN_WORKERS));
    made_free(made);
}

static cJSON *document(struct made *made)
{
    PB_ASSERT_OK(pb_judge(&made->evidence, &made->judgement));
    cJSON *json = pb_run_json(&made->evidence, &made->judgement);

    ck_assert_ptr_nonnull(json);
    return json;
}

PB_TEST(the_document_has_losses_lives_and_what_the_pool_did)
{
    static const struct pb_life lives[] = {
        { .worker = 2,
          .incarnation = 0,
          .pid = 4711,
          .started_ns = 90,
          .ready_ns = 95,
          .lost_ns = 300,
          .ended_ns = 350,
          .reason = "killed",
          .health = PB_HEALTH_DEAD,
          .capacity = 1,
          .requests = 12,
          .rss_peak_bytes = 1000,
          .pss_peak_bytes = -1,
          .cpu_ns = 77,
          .cpu_ratio = 0.25,
          .fds_peak = 5,
          .threads_peak = 1,
          .utilization_ratio = 0.5 },
    };
    struct made *made = processes();

    made_loss(made, 2 * S, 5 * MS)->fault = 0;
    pb_losses_sum(made->losses, 1, &made->evidence.recovery);
    made->evidence.lives = lives;
    made->evidence.life_count = 1;
    made->evidence.start_ns = 100;
    made->evidence.pool.affinity_hits = 30;
    made->evidence.pool.affinity_misses = 10;
    made->evidence.workers.ended[0] = (struct pb_reason_count){ "max_requests", 7 };
    made->evidence.workers.ended_count = 1;

    cJSON *json = document(made);

    ck_assert_int_eq(1, pb_json_int(json, "recovery.by_fault", -1));
    ck_assert_int_eq(5 * MS, pb_json_int(json, "recovery.p99_ns", -1));
    ck_assert_int_eq(2 * S, pb_json_int(json, "recovery.losses.0.lost_at_ns", -1));
    ck_assert_int_eq(0, pb_json_int(json, "recovery.losses.0.fault", -1));
    ck_assert_str_eq("recovered", pb_json_str(json, "recovery.losses.0.end", ""));
    ck_assert_int_eq(-10, pb_json_int(json, "workers_history.0.started_at_ns", 1));
    ck_assert_int_eq(250, pb_json_int(json, "workers_history.0.ended_at_ns", 1));
    ck_assert_str_eq("dead", pb_json_str(json, "workers_history.0.health", ""));
    ck_assert(cJSON_IsNull(pb_json_at(json, "workers_history.0.pss_peak_bytes")));
    ck_assert_str_eq("process", pb_json_str(json, "workers_history.0.profile", ""));
    ck_assert_int_eq(7, pb_json_int(json, "pool_activity.recycled.max_requests", -1));
    ck_assert_int_eq(0, pb_json_int(json, "pool_activity.recycled.max_age", -1));
    PB_ASSERT_NEAR(0.75, pb_json_num(json, "pool_activity.affinity_hit_ratio", 0), 1e-12);
    PB_ASSERT_NEAR(pb_json_num(json, "pool_activity.capacity_available", 1),
                   pb_json_num(json, "pool_activity.capacity_total", 2) -
                       pb_json_num(json, "pool_activity.capacity_used", 3),
                   0);
    ck_assert_str_eq("process", pb_json_str(json, "pool.profile", ""));
    cJSON_Delete(json);
    made_free(made);
}

PB_TEST(a_set_sums_what_the_pools_did_and_tells_no_single_worker)
{
    struct made *made = processes();
    const char *const folders[] = { "run-01", "run-02" };
    const cJSON *runs[2];

    made->evidence.pool.recycled = 4;
    made_loss(made, 2 * S, 5 * MS)->fault = 0;
    pb_losses_sum(made->losses, 1, &made->evidence.recovery);
    made->evidence.workers.rss_peak_bytes = 1000;
    cJSON *one = document(made);

    made->evidence.workers.rss_peak_bytes = 5000;
    made->losses[0].recovery_ns = 9 * MS;
    pb_losses_sum(made->losses, 1, &made->evidence.recovery);
    cJSON *two = document(made);

    runs[0] = one;
    runs[1] = two;
    cJSON *set = pb_set_json(&made->scenario, runs, folders, 2);

    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(8, pb_json_int(set, "pool_activity.recycled_total", -1));
    ck_assert_int_eq(2, pb_json_int(set, "recovery.count", -1));
    ck_assert_int_eq(9 * MS, pb_json_int(set, "recovery.max_ns", -1));
    ck_assert_int_eq(5000, pb_json_int(set, "worker_resources.rss_peak_bytes", -1));
    ck_assert_ptr_null(pb_json_at(set, "workers_history"));
    ck_assert_ptr_null(pb_json_at(set, "recovery.losses"));
    ck_assert_ptr_null(pb_json_at(set, "worker_resources.largest"));
    cJSON_Delete(set);
    cJSON_Delete(two);
    cJSON_Delete(one);
    made_free(made);
}
