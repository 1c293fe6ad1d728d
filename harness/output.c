#include "harness/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "harness/measures.h"
#include "harness/output_internal.h"

static void put_program(struct pb_out *out, cJSON *root)
{
    cJSON *program = pb_out_object(out, root, "program");

    pb_out_str(out, program, "version", PB_VERSION);
    pb_out_str(out, program, "revision", pb_revision());
    pb_out_str(out, program, "compiler", pb_compiler());
    pb_out_str(out, program, "mode", pb_build_mode());
}

/* "open", "closed", or "mixed": by the recorded phases. */
static const char *loop_of(const struct pb_scenario *scenario)
{
    bool open = false, closed = false;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        if (scenario->phases[i].record) {
            closed = closed || scenario->phases[i].arrival == PB_ARRIVAL_CLOSED;
            open = open || scenario->phases[i].arrival != PB_ARRIVAL_CLOSED;
        }
    }
    return open && closed ? "mixed" : closed ? "closed" : "open";
}

static void put_scenario(struct pb_out *out, cJSON *root, const struct pb_scenario *scenario)
{
    cJSON *object = pb_out_object(out, root, "scenario");

    pb_out_str(out, object, "name", scenario->name);
    pb_out_str(out, object, "path", scenario->path);
    pb_out_str(out, object, "description", scenario->description);
    pb_out_str(out, object, "workload", scenario->workload ? scenario->workload->name : NULL);
    pb_out_str(out, object, "loop", loop_of(scenario));
    pb_out_int(out, object, "duration_ns", pb_scenario_duration_ns(scenario));
    if (scenario->document) {
        pb_out_item(out, object, "requested",
                    cJSON_Duplicate(pb_json_root(scenario->document), true));
    } else {
        pb_out_null(out, object, "requested");
    }
}

static void put_settings(struct pb_out *out, cJSON *root, const struct pb_scenario *scenario)
{
    if (scenario->effective) {
        pb_out_item(out, root, "settings", cJSON_Duplicate(scenario->effective, true));
    } else {
        pb_out_null(out, root, "settings");
    }
    cJSON *origins = pb_out_object(out, root, "settings_from");
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (!strstr(field->path, "[]")) {
            pb_out_str(out, origins, field->path,
                       pb_scenario_holds(scenario, field->path)
                           ? pb_origin_name(pb_scenario_origin(scenario, field->path))
                           : "not by this driver");
        }
    }
    cJSON *overrides = pb_out_array(out, root, "overrides");

    for (size_t i = 0; i < scenario->override_count; i++) {
        const struct pb_override *override = &scenario->overrides[i];
        cJSON *object = pb_out_object(out, overrides, NULL);

        pb_out_str(out, object, "path", override->path);
        pb_out_str(out, object, "value", override->value);
        pb_out_str(out, object, "origin", pb_origin_name(override->origin));
        pb_out_str(out, object, "replaced", override->replaced);
    }
}

static void put_workers(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_pool_stats *pool = &evidence->pool;
    int64_t threads = pb_evidence_threads(evidence);
    cJSON *object = pb_out_object(out, root, "workers");

    pb_out_int(out, object, "started", (int64_t)pool->workers_started);
    pb_out_int(out, object, "overflow_started", (int64_t)pool->overflow_started);
    pb_out_int(out, object, "failed", (int64_t)pool->workers_failed);
    /* The pool counts their threads. */
    pb_out_int(out, object, "stuck", (pool->stuck + threads - 1) / threads);
    pb_out_int(out, object, "peak", (pool->peak_alive + threads - 1) / threads);
}

static void put_resources(struct pb_out *out, cJSON *root, const struct pb_monitor_summary *monitor)
{
    cJSON *object = pb_out_object(out, root, "resources");

    pb_out_num(out, object, "process_cpus", monitor->process_cpus);
    pb_out_num(out, object, "workers_cpus", monitor->workers_cpus);
    pb_out_known(out, object, "peak_rss_bytes", monitor->peak_rss_bytes);
    pb_out_known(out, object, "start_rss_bytes", monitor->rss_start_bytes);
    pb_out_num(out, object, "steal_ratio", monitor->steal_ratio);
    pb_out_num(out, object, "foreign_cpu_ratio", monitor->foreign_cpu_ratio);
    pb_out_num(out, object, "pressure_ratio", monitor->pressure_ratio);
    pb_out_int(out, object, "duration_ns", monitor->duration_ns);
}

static void put_faults(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    cJSON *faults = pb_out_array(out, root, "faults");

    for (size_t i = 0; i < evidence->scenario->fault_count; i++) {
        const struct pb_fault *fault = &evidence->scenario->faults[i];
        const struct pb_fault_result *result = &evidence->faults[i];
        cJSON *object = pb_out_object(out, faults, NULL);

        pb_out_str(out, object, "fault", fault->text);
        pb_out_str(out, object, "kind", pb_fault_kind_name(fault->kind));
        pb_out_int(out, object, "planned_ns", fault->at_ns);
        pb_out_known(out, object, "stall_ns", fault->kind == PB_FAULT_STALL ? fault->stall_ns : -1);
        pb_out_known(out, object, "for_ns", fault->for_ns > 0 ? fault->for_ns : -1);
        pb_out_int(out, object, "workers", result->workers);
        pb_out_known(out, object, "worker",
                     result->slot == PB_NO_WORKER
                         ? -1
                         : (int64_t)result->slot / pb_evidence_threads(evidence));
        pb_out_known(out, object, "injected_ns", result->injected_ns);
        pb_out_known(out, object, "ended_ns", result->ended_ns);
        pb_out_known(out, object, "detected_ns", result->detected_ns);
        pb_out_known(out, object, "ready_ns", result->ready_ns);
        pb_out_known(out, object, "first_ok_ns", result->first_ok_ns);
        pb_out_known(out, object, "recovery_ns", result->recovery_ns);
    }
}

static void put_ending(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    pb_out_known(out, root, "signal", evidence->ending == PB_INTERRUPTED ? evidence->signal : -1);
    if (evidence->ending != PB_ABORTED) {
        pb_out_null(out, root, "aborted");
        return;
    }
    cJSON *aborted = pb_out_object(out, root, "aborted");

    pb_out_str(out, aborted, "rule", evidence->scenario->aborts[evidence->aborted_rule].expression);
    pb_out_int(out, aborted, "at_ns", evidence->aborted_at_ns);
}

static void put_lateness(struct pb_out *out, cJSON *parent, const char *key,
                         const struct pb_lateness *lateness)
{
    if (lateness->count == 0) {
        pb_out_null(out, parent, key);
        return;
    }
    cJSON *object = pb_out_object(out, parent, key);

    pb_out_int(out, object, "count", (int64_t)lateness->count);
    pb_out_int(out, object, "p50_ns", lateness->p50_ns);
    pb_out_int(out, object, "p99_ns", lateness->p99_ns);
    pb_out_int(out, object, "max_ns", lateness->max_ns);
}

static void put_instrument(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_recorder_stats *recorder = &evidence->recorder;
    cJSON *object = pb_out_object(out, root, "instrument");

    pb_out_str(out, object, "pacing", evidence->pacing.spin ? "spin" : "sleep");
    pb_out_str(out, object, "pacing_why", evidence->pacing.why);
    pb_out_int(out, object, "generators", evidence->generators);
    put_lateness(out, object, "sleep_lateness", &evidence->pacing.sleep);
    put_lateness(out, object, "spin_lateness", &evidence->pacing.spinning);
    put_lateness(out, object, "warmup_lag", &evidence->warmup_lag);
    put_lateness(out, object, "retry_lag", &evidence->retry_lag);
    put_lateness(out, object, "null_floor", &evidence->null_floor);
    pb_out_int(out, object, "behind", (int64_t)evidence->load.behind);
    pb_out_int(out, object, "given_up", (int64_t)evidence->load.given_up);
    pb_out_int(out, object, "records", (int64_t)recorder->records);
    pb_out_int(out, object, "recorder_stalls", (int64_t)recorder->stalls);
    pb_out_int(out, object, "recorder_stall_ns", recorder->stall_ns);
    pb_out_str(out, object, "log_error",
               recorder->log_status == PB_OK ? NULL
               : recorder->log_error.text[0] ? recorder->log_error.text
                                             : pb_status_name(recorder->log_status));
    pb_out_int(out, object, "rescued_wakeups", (int64_t)evidence->pool.rescued_wakeups);
    pb_out_int(out, object, "events_dropped", (int64_t)evidence->events_dropped);
    pb_out_int(out, object, "window_ns", evidence->aggregate->window_ns);
}

static void put_environment(struct pb_out *out, cJSON *root, const struct pb_machine *machine)
{
    cJSON *object = pb_out_object(out, root, "environment");

    pb_out_str(out, object, "kernel", machine->kernel);
    pb_out_str(out, object, "cpu", machine->cpu);
    pb_out_int(out, object, "cpus", machine->cpus_online);
    pb_out_int(out, object, "cpus_usable", machine->cpus_usable);
    pb_out_known(out, object, "memory_bytes", machine->memory_bytes);
    pb_out_str(out, object, "machine", machine->hostname_hash);
}

static void put_head(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence,
                     const struct pb_judgement *judgement)
{
    char started_at[21];

    pb_wall_format(evidence->start_wall_ns, started_at);
    pb_out_int(out, root, "schema", PB_RESULT_SCHEMA);
    pb_out_str(out, root, "id", evidence->id);
    pb_out_str(out, root, "source", "real");
    pb_out_str(out, root, "verdict", pb_verdict_name(judgement->verdict));
    pb_out_str(out, root, "reason", judgement->reason);
    pb_out_str(out, root, "started_at", started_at);
    pb_out_int(out, root, "elapsed_ns", evidence->elapsed_ns);
    put_ending(out, root, evidence);
}

static void put_seed(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    char hash[17];

    /* 64 bits do not fit a JSON number. */
    (void)snprintf(hash, sizeof(hash), "%016" PRIx64, evidence->schedule->hash);
    pb_out_int(out, root, "seed", (int64_t)evidence->schedule->seed);
    pb_out_str(out, root, "schedule_hash", hash);
    pb_out_num(out, root, "load_factor", evidence->load_factor);
    pb_out_int(out, root, "workers_lost", evidence->workers_lost);
}

cJSON *pb_run_json(const struct pb_evidence *evidence, const struct pb_judgement *judgement)
{
    struct pb_out out = { .failed = false };
    cJSON *root = cJSON_CreateObject();

    put_head(&out, root, evidence, judgement);
    put_scenario(&out, root, evidence->scenario);
    put_seed(&out, root, evidence);
    pb_out_pool(&out, root, evidence);
    pb_out_judgement(&out, root, evidence, judgement);
    pb_out_phases(&out, root, evidence);
    bool totals = pb_out_totals(&out, root, evidence);

    put_faults(&out, root, evidence);
    pb_out_changes(&out, root, evidence);
    pb_out_recovery(&out, root, evidence);
    put_workers(&out, root, evidence);
    pb_out_activity(&out, root, evidence);
    pb_out_worker_resources(&out, root, evidence);
    pb_out_history(&out, root, evidence);
    pb_out_prepare(&out, root, evidence);
    put_resources(&out, root, &evidence->monitor);
    put_instrument(&out, root, evidence);
    put_environment(&out, root, &evidence->machine);
    put_program(&out, root);
    put_settings(&out, root, evidence->scenario);
    if (out.failed || !totals) {
        cJSON_Delete(root);
        return NULL;
    }
    return root;
}
