#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "harness/output.h"
#include "harness/output_internal.h"

/* How workers were warmed: .prepare of run.json and a line of events.jsonl. */

static double success_ratio(const struct pb_load_prepare_stats *stats)
{
    return stats->total_workers > 0
               ? (double)stats->successful_workers / (double)stats->total_workers
               : 0;
}

static const char *strategy_name(const struct pb_evidence *evidence)
{
    return pb_prepare_name((enum pb_prepare)evidence->scenario->pool.prepare);
}

static void put_ratio(struct pb_out *out, cJSON *object, const char *key,
                      const struct pb_load_prepare_stats *stats)
{
    if (stats->total_workers > 0) {
        pb_out_num(out, object, key, success_ratio(stats));
    } else {
        pb_out_null(out, object, key);
    }
}

static void put_command(struct pb_out *out, cJSON *list, const struct pb_prepare_command *command,
                        const struct pb_prepare_tally *tally)
{
    cJSON *object = pb_out_object(out, list, NULL);

    pb_out_str(out, object, "command", command->command);
    pb_out_int(out, object, "count", (int64_t)tally->count);
    pb_out_int(out, object, "failures", (int64_t)tally->failures);
    pb_out_known(out, object, "mean_ns",
                 tally->count > 0 ? tally->sum_ns / (int64_t)tally->count : -1);
    pb_out_known(out, object, "max_ns", tally->count > 0 ? tally->max_ns : -1);
}

void pb_out_prepare(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence)
{
    const struct pb_scenario_worker *worker = &evidence->scenario->worker;
    const struct pb_load_prepare_stats *stats = &evidence->prepare;

    if (worker->prepare_count == 0) {
        pb_out_null(out, root, "prepare");
        return;
    }
    cJSON *object = pb_out_object(out, root, "prepare");

    pb_out_str(out, object, "strategy", strategy_name(evidence));
    pb_out_int(out, object, "total_workers", stats->total_workers);
    pb_out_int(out, object, "successful_workers", stats->successful_workers);
    put_ratio(out, object, "success_ratio", stats);
    pb_out_int(out, object, "duration_ns", stats->duration_ns);
    pb_out_int(out, object, "later_workers", stats->later_workers);
    pb_out_int(out, object, "later_successful", stats->later_successful);

    cJSON *commands = pb_out_array(out, object, "commands");

    for (size_t i = 0; i < worker->prepare_count; i++) {
        put_command(out, commands, &worker->prepare[i], &stats->commands[i]);
    }
}

void pb_out_warmup_event(const struct pb_evidence *evidence, struct pb_buf *buf)
{
    const struct pb_load_prepare_stats *stats = &evidence->prepare;
    struct pb_out out = { .failed = false };

    if (stats->total_workers == 0) {
        return;
    }
    cJSON *object = cJSON_CreateObject();

    pb_out_int(&out, object, "at_ns", stats->ended_ns - evidence->start_ns);
    pb_out_str(&out, object, "event", "pool.warmup");
    pb_out_num(&out, object, "duration_ms", (double)stats->duration_ns / (double)PB_NS_PER_MS);
    put_ratio(&out, object, "success_rate", stats);
    pb_out_str(&out, object, "pool_name", evidence->scenario->name);
    pb_out_str(&out, object, "strategy", strategy_name(evidence));
    pb_out_int(&out, object, "worker_count", stats->total_workers);

    char *text = out.failed ? NULL : pb_json_print(object, false);

    cJSON_Delete(object);
    if (!text) {
        buf->status = PB_ENOMEM;
        return;
    }
    pb_buf_puts(buf, text);
    pb_buf_puts(buf, "\n");
    pb_text_free(&text);
}
