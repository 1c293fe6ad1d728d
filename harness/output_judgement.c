#include "harness/judge_internal.h"
#include "harness/output.h"
#include "harness/output_internal.h"

static const char *unit_of(const struct pb_objective *objective)
{
    switch (objective->metric) {
    case PB_METRIC_LATENCY:
    case PB_METRIC_QUEUE_WAIT:
    case PB_METRIC_SERVICE:
    case PB_METRIC_SEND_LAG:
    case PB_METRIC_RECOVERY_TIME:
        return "ns";
    case PB_METRIC_ERROR_RATE:
    case PB_METRIC_UTILIZATION:
    case PB_METRIC_CORE_UTILIZATION:
    case PB_METRIC_WORKER_CPU:
        return "ratio";
    case PB_METRIC_THROUGHPUT:
    case PB_METRIC_ACHIEVED_RATE:
        return objective->of_offered ? "ratio" : "per_s";
    case PB_METRIC_WORKER_MEMORY:
    case PB_METRIC_MEMORY:
        return "bytes";
    case PB_METRIC_PEAK_WORKERS:
    case PB_METRIC_PEAK_QUEUE:
    case PB_METRIC_MEAN_WORKERS:
    case PB_METRIC_COUNT:
        break;
    }
    return "count";
}

static void put_limit(struct pb_out *out, cJSON *object, const struct pb_objective_result *result)
{
    if (result->objective->op != PB_OP_IN) {
        pb_out_num(out, object, "limit", result->limit);
        return;
    }
    cJSON *band = pb_out_array(out, object, "limit");

    pb_out_num(out, band, NULL, result->limit);
    pb_out_num(out, band, NULL, result->limit_high);
}

static void put_objective(struct pb_out *out, cJSON *objectives, const struct pb_evidence *evidence,
                          const struct pb_objective_result *result)
{
    static const char *const op_names[] = {
        [PB_OP_LESS] = "<", [PB_OP_GREATER] = ">", [PB_OP_IN] = "in"
    };
    const struct pb_objective *objective = result->objective;
    cJSON *object = pb_out_object(out, objectives, NULL);

    pb_out_str(out, object, "expression", objective->expression);
    pb_out_str(out, object, "level", objective->level == PB_LEVEL_WARN ? "warn" : "fail");
    pb_out_str(out, object, "phase", pb_objective_phase_name(evidence->scenario, objective));
    pb_out_bool(out, object, "whole_run", objective->whole_run);
    pb_out_str(out, object, "metric", pb_metric_name(objective->metric));
    pb_out_str(out, object, "op", op_names[objective->op]);
    pb_out_str(out, object, "unit", unit_of(objective));
    pb_out_str(out, object, "answer", pb_answer_name(result->answer));
    pb_out_num(out, object, "measured", result->measured);
    put_limit(out, object, result);
    pb_out_num(out, object, "ci_low", result->ci_low);
    pb_out_num(out, object, "ci_high", result->ci_high);
    pb_out_num(out, object, "margin_ratio", result->margin);
    pb_out_num(out, object, "good_ratio", 1 - result->bad_ratio);
    pb_out_num(out, object, "bad_ratio", result->bad_ratio);
    pb_out_num(out, object, "bad_limit", result->bad_limit);
    pb_out_num(out, object, "bad_low", result->bad_low);
    pb_out_num(out, object, "bad_high", result->bad_high);
    pb_out_int(out, object, "count", (int64_t)result->count);
    pb_out_num(out, object, "effective_count", result->effective_count);
    pb_out_num(out, object, "more_seconds", result->more_seconds);
    pb_out_str(out, object, "why", objective->why);
    pb_out_known(out, object, "line", objective->line > 0 ? objective->line : -1);
}

void pb_out_judgement(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence,
                      const struct pb_judgement *judgement)
{
    cJSON *objectives = pb_out_array(out, root, "objectives");
    cJSON *warnings = pb_out_array(out, root, "warnings");

    for (size_t i = 0; i < judgement->objective_count; i++) {
        put_objective(out, objectives, evidence, &judgement->objectives[i]);
    }
    for (size_t i = 0; i < judgement->warning_count; i++) {
        const struct pb_warning *warning = &judgement->warnings[i];
        cJSON *object = pb_out_object(out, warnings, NULL);

        pb_out_str(out, object, "id", pb_warning_name(warning->id));
        pb_out_str(out, object, "text", warning->text);
        pb_out_bool(out, object, "serious", pb_warning_serious(warning->id));
    }
}
