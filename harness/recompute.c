#include "harness/recompute.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "harness/reqlog.h"

#define ROWS_AT_ONCE 1024

void pb_recomputed_done(struct pb_recomputed *recomputed)
{
    pb_aggregate_free(recomputed->aggregate);
    pb_scenario_free(recomputed->scenario);
    *recomputed = (struct pb_recomputed){ 0 };
}

static void free_text(char **text)
{
    free(*text);
}

static void free_reader(struct pb_reqlog_reader **reader)
{
    pb_reqlog_reader_free(*reader);
}

static void free_rows(struct pb_record **rows)
{
    free(*rows);
}

static enum pb_status load_scenario(const char *folder, struct pb_recomputed *recomputed,
                                    struct pb_error *err)
{
    PB_CLEANUP(free_text) char *path = pb_path_join(folder, "scenario.json");
    struct pb_problems problems = { 0 };

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to recompute");
    }
    enum pb_status status = pb_scenario_load(path, NULL, 0, &recomputed->scenario, &problems);

    if (status != PB_OK) {
        char line[200] = "";

        if (pb_problems_any(&problems)) {
            pb_problems_line(&problems, 0, line, sizeof(line));
        }
        (void)pb_fail(err, status, "%s cannot be loaded: %s", path, line);
    }
    pb_problems_done(&problems);
    return status;
}

static enum pb_status read_rows(const char *folder, struct pb_recomputed *recomputed,
                                struct pb_error *err)
{
    PB_CLEANUP(free_text) char *path = pb_path_join(folder, "requests.pbr");
    PB_CLEANUP(free_reader) struct pb_reqlog_reader *reader = NULL;
    PB_CLEANUP(free_rows) struct pb_record *rows = calloc(ROWS_AT_ONCE, sizeof(*rows));
    struct pb_reqlog_info info;
    size_t count = 0;

    if (!path || !rows) {
        return pb_fail(err, PB_ENOMEM, "no memory to recompute");
    }
    PB_TRY(pb_reqlog_open(path, &info, &reader, err));
    recomputed->start_wall_ns = info.start_wall_ns;
    do {
        enum pb_status status = pb_reqlog_next(reader, rows, ROWS_AT_ONCE, &count, err);

        if (status == PB_ECORRUPT) {
            break; /* all rows before were good; `complete` says that it is not all */
        }
        PB_TRY(status);
        for (size_t i = 0; i < count; i++) {
            int64_t end_ns = rows[i].intended_ns + pb_record_latency_ns(&rows[i]);

            pb_aggregate_add(recomputed->aggregate, &rows[i]);
            recomputed->last_ns = end_ns > recomputed->last_ns ? end_ns : recomputed->last_ns;
        }
        recomputed->rows += count;
    } while (count > 0);
    recomputed->complete = pb_reqlog_complete(reader);
    return PB_OK;
}

/* Phases that waited for a drain began later than planned: the document knows when. */
static void restore_phase_times(const char *folder, struct pb_aggregate *aggregate)
{
    PB_CLEANUP(free_text) char *path = pb_path_join(folder, "run.json");
    struct pb_problems problems = { 0 };
    struct pb_json *json = NULL;
    const cJSON *phase;
    uint32_t i = 0;

    if (path && pb_json_read(path, &json, &problems) == PB_OK) {
        cJSON_ArrayForEach(phase, pb_json_at(pb_json_root(json), "phases"))
        {
            int64_t start_ns = pb_json_int(phase, "start_ns", -1);
            int64_t end_ns = pb_json_int(phase, "end_ns", -1);

            if (i < aggregate->scenario->phase_count && start_ns >= 0 && end_ns > start_ns) {
                pb_aggregate_phase_times(aggregate, i, start_ns, end_ns);
            }
            i++;
        }
    }
    pb_problems_done(&problems);
    pb_json_free(json);
}

enum pb_status pb_recompute(const char *folder, struct pb_recomputed *ret_recomputed,
                            struct pb_error *err)
{
    PB_CLEANUP(pb_recomputed_done) struct pb_recomputed recomputed = { 0 };

    PB_TRY(load_scenario(folder, &recomputed, err));
    if (pb_aggregate_new(recomputed.scenario, &recomputed.aggregate) != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory to recompute");
    }
    restore_phase_times(folder, recomputed.aggregate);
    PB_TRY(read_rows(folder, &recomputed, err));
    *ret_recomputed = recomputed;
    recomputed = (struct pb_recomputed){ 0 };
    return PB_OK;
}

struct comparison {
    const cJSON *phase; /* of the document */
    const char *name;
    struct pb_buf *out;
    unsigned compared, different;
};

static void compare(struct comparison *c, const char *path, int64_t recomputed)
{
    int64_t stored = pb_json_int(c->phase, path, -1);

    c->compared++;
    if (stored != recomputed) {
        c->different++;
        pb_buf_printf(c->out, "phase %s: %s is %lld in run.json, %lld by the log\n", c->name, path,
                      (long long)stored, (long long)recomputed);
    }
}

static void compare_summary(struct comparison *c, const char *what, const struct pb_hist *hist)
{
    static const struct {
        const char *key;
        double q;
    } quantiles[] = { { "p50_ns", 0.5 },  { "p75_ns", 0.75 }, { "p90_ns", 0.9 },
                      { "p95_ns", 0.95 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 } };
    char path[64];

    if (!hist->counts || hist->total == 0) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s.count", what);
    compare(c, path, hist->total);
    (void)snprintf(path, sizeof(path), "%s.max_ns", what);
    compare(c, path, hist->max);
    for (size_t i = 0; i < PB_ARRAY_LEN(quantiles); i++) {
        (void)snprintf(path, sizeof(path), "%s.%s", what, quantiles[i].key);
        compare(c, path, pb_hist_quantile(hist, quantiles[i].q));
    }
}

void pb_recompute_compare(const struct pb_recomputed *recomputed, const cJSON *run,
                          struct pb_buf *out, unsigned *ret_compared, unsigned *ret_different)
{
    const struct pb_scenario *scenario = recomputed->scenario;
    struct comparison c = { .out = out };

    for (size_t i = 0; i < scenario->phase_count; i++) {
        const struct pb_phase_aggregate *phase = &recomputed->aggregate->phases[i];
        char path[64];

        (void)snprintf(path, sizeof(path), "phases.%zu", i);
        c.phase = pb_json_at(run, path);
        c.name = scenario->phases[i].name;
        compare(&c, "sent", (int64_t)phase->sent);
        for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
            (void)snprintf(path, sizeof(path), "outcomes.%s", pb_outcome_name((enum pb_outcome)o));
            compare(&c, path, (int64_t)phase->outcomes[o]);
            (void)snprintf(path, sizeof(path), "attempts.outcomes.%s",
                           pb_outcome_name((enum pb_outcome)o));
            compare(&c, path, (int64_t)phase->attempt_outcomes[o]);
        }
        compare(&c, "attempts.sent", (int64_t)phase->attempts);
        compare(&c, "attempts.retried", (int64_t)phase->retried);
        compare(&c, "attempts.abandoned", (int64_t)phase->abandoned);
        compare_summary(&c, "latency", &phase->latency);
        compare_summary(&c, "queue_wait", &phase->queue_wait);
        compare_summary(&c, "service", &phase->service);
        compare_summary(&c, "send_lag", &phase->send_lag);
    }
    *ret_compared = c.compared;
    *ret_different = c.different;
}
