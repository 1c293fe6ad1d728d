#include "made_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hlog.h"
#include "base/json.h"
#include "base/portable_math.h"
#include "support/test.h"

#define SIGMA      0.845 /* of a lognormal with p50 3.5 ms and p99 25 ms */
#define MEDIAN_MS  3.5
#define PHASES_MAX 24

struct made_phase {
    char name[400];
    bool record;
    double start_s, end_s, rate, factor; /* factor: how much slower than the median */
};

struct made {
    const struct pb_made_run *how;
    struct made_phase phases[PHASES_MAX];
    int count;
    double end_s;
};

void pb_made_write(const char *folder, const char *name, const char *text, size_t len)
{
    char *path = pb_path_join(folder, name);

    ck_assert_ptr_nonnull(path);
    PB_ASSERT_OK(pb_file_replace(path, text, len, NULL));
    free(path);
}

void pb_made_write_json(const char *folder, const char *name, cJSON *json)
{
    char *text = pb_json_print(json, true);

    ck_assert_ptr_nonnull(text);
    pb_made_write(folder, name, text, strlen(text));
    free(text);
    cJSON_Delete(json);
}

char *pb_made_read(const char *folder, const char *name)
{
    char *path = pb_path_join(folder, name);
    char *text = NULL;
    size_t len = 0;

    if (pb_file_read(path, (size_t)16 << 20, &text, &len, NULL) != PB_OK) {
        text = NULL;
    }
    free(path);
    return text;
}

static void add_phase(struct made *made, const char *name, bool record, double length_s,
                      double rate, double factor)
{
    struct made_phase *phase = &made->phases[made->count++];

    *phase = (struct made_phase){ .record = record,
                                  .start_s = made->end_s,
                                  .rate = rate,
                                  .end_s = made->end_s + length_s,
                                  .factor = factor };
    (void)snprintf(phase->name, sizeof(phase->name), "%s", name);
    made->end_s = phase->end_s;
}

static void lay_out(struct made *made)
{
    char name[64];

    add_phase(made, "warmup", false, 2, 200, 1);
    add_phase(made, made->how->spikes == 0 ? made->how->name : "steady", true, 10, 1000, 1);
    for (int i = 0; i < made->how->spikes; i++) {
        (void)snprintf(name, sizeof(name), i == 0 ? "spike" : "spike %d", i + 1);
        add_phase(made, name, true, 3, 2000, 12);
        if (i == 0) {
            add_phase(made, "recover", true, 5, 900, 1.1);
        }
    }
}

static double quantile_ms(const struct made *made, const struct made_phase *phase, double p)
{
    return made->how->scale * phase->factor * MEDIAN_MS *
           exp(SIGMA / (phase->factor > 2 ? 2.2 : 1) * pb_normal_quantile(p > 0 ? p : 1e-6));
}

static void write_hlog(const struct made *made, const char *folder)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    pb_hlog_header(&out, "made from formulas", INT64_C(1763000000000000000));
    for (int i = 0; i < made->count; i++) {
        const struct made_phase *phase = &made->phases[i];
        int n = made->how->empty ? 0 : (int)(phase->rate * (phase->end_s - phase->start_s));
        struct pb_hist hist;

        if (!phase->record) {
            continue;
        }
        PB_ASSERT_OK(pb_hist_init(&hist, PB_HIST_HIGHEST_NS, PB_HIST_DIGITS));
        for (int k = 0; k < n; k++) {
            pb_hist_record(&hist, (int64_t)(1e6 * quantile_ms(made, phase, (k + 0.5) / n)));
        }
        PB_ASSERT_OK(pb_hlog_line(&out, phase->name, (int64_t)(phase->start_s * 1e9),
                                  (int64_t)((phase->end_s - phase->start_s) * 1e9), &hist));
        pb_hist_done(&hist);
    }
    PB_ASSERT_OK(pb_buf_status(&out));
    pb_made_write(folder, "latency.hlog", pb_buf_text(&out), out.len);
}

static const struct made_phase *phase_at(const struct made *made, double at_s)
{
    for (int i = 0; i < made->count; i++) {
        if (at_s < made->phases[i].end_s) {
            return &made->phases[i];
        }
    }
    return NULL;
}

/* Repeatable noise in 0..1. */
double pb_made_noise(long long a, long long b)
{
    double x = sin((double)(a * 127 + b * 311)) * 43758.5453;

    return x - floor(x);
}

static void put_quoted(struct pb_buf *out, const char *text)
{
    pb_buf_puts(out, "\"");
    for (; *text; text++) {
        pb_buf_puts(out, *text == '"' ? "\"" : "");
        pb_buf_add(out, text, 1);
    }
    pb_buf_puts(out, "\"");
}

static void put_window(const struct made *made, struct pb_buf *out, long long i, double length_s)
{
    double start_s = (double)i * length_s;
    const struct made_phase *phase = phase_at(made, start_s + length_s / 2);
    bool spike = phase && phase->factor > 2, gap = !phase;
    double rate = gap ? 0 : phase->rate * (0.9 + 0.2 * pb_made_noise(i, made->how->seed));
    double done = rate * length_s * (spike ? 0.93 : 1);
    double into = spike ? (start_s - phase->start_s) / (phase->end_s - phase->start_s) : 0;
    double slow = gap ? 1 : 1 + (spike ? 14 * into : 0);
    double wobble = 0.9 + 0.25 * pb_made_noise(i, made->how->seed + 7);

    pb_buf_printf(out, "%.6g,%.6g,", start_s, length_s);
    put_quoted(out, gap ? "" : phase->name);
    pb_buf_printf(out, ",%.6g,%.0f,%.0f,0,%.0f,%.0f,0,0,0,0", rate, rate * length_s,
                  made->how->empty ? 0 : done, pb_made_noise(i, 3) > 0.9 ? 1.0 : 0.0,
                  made->how->empty ? done
                  : spike          ? 0.05 * done
                                   : 0);
    if (made->how->empty || done < 1) {
        pb_buf_puts(out, ",,,");
    } else {
        for (int q = 0; q < 3; q++) {
            static const double levels[] = { 1, 3.9, 7.1 };

            pb_buf_printf(out, ",%.0f",
                          1e6 * made->how->scale * MEDIAN_MS * wobble * slow *
                              (spike ? sqrt(levels[q]) : levels[q]));
        }
    }
    pb_buf_printf(out, ",%.4g,%.4g,%.0f,%.4g,%.4g,%d\n", spike ? 1.0 : rate / 1600 * wobble,
                  spike ? 350 * into : 0.4 * wobble, spike ? 30 + 370 * into : 3 + 9 * wobble,
                  spike ? 14.0 : 8.0, spike ? 6 * wobble : 0.0, spike ? 14 : 8);
}

static void write_timeline(const struct made *made, const char *folder)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    double length_s = made->how->empty ? made->end_s : made->how->window_s;

    pb_buf_puts(&out, "start_s,length_s,phase,offered_per_s,sent,ok,client_error,error,rejected,"
                      "checkout_timeout,operation_timeout,worker_lost,cancelled,p50_ns,p95_ns,"
                      "p99_ns,busy_ratio,queue_mean,queue_peak,workers_mean,overflow_mean,"
                      "workers_peak\n");
    for (long long i = 0; !made->how->no_windows && (double)i * length_s < made->end_s - 1e-9;
         i++) {
        put_window(made, &out, i, length_s);
    }
    PB_ASSERT_OK(pb_buf_status(&out));
    pb_made_write(folder, "timeline.csv", pb_buf_text(&out), out.len);
}

static void add_latency(cJSON *part, const struct made *made, const struct made_phase *phase)
{
    static const struct {
        const char *key;
        double p;
    } points[] = { { "min_ns", 0.0005 }, { "p50_ns", 0.5 },   { "p75_ns", 0.75 },
                   { "p90_ns", 0.9 },    { "p95_ns", 0.95 },  { "p99_ns", 0.99 },
                   { "p999_ns", 0.999 }, { "max_ns", 0.9999 } };
    cJSON *latency = cJSON_AddObjectToObject(part, "latency");
    double n = made->how->empty ? 0 : phase->rate * (phase->end_s - phase->start_s);

    cJSON_AddNumberToObject(latency, "count", n);
    for (size_t i = 0; i < PB_ARRAY_LEN(points); i++) {
        if (n > 0) {
            cJSON_AddNumberToObject(latency, points[i].key,
                                    floor(1e6 * quantile_ms(made, phase, points[i].p)));
        } else {
            cJSON_AddNullToObject(latency, points[i].key);
        }
    }
}

static void add_part(cJSON *part, const struct made *made, const struct made_phase *phase)
{
    double sent = phase->rate * (phase->end_s - phase->start_s);
    cJSON *outcomes;

    cJSON_AddNumberToObject(part, "sent", sent);
    outcomes = cJSON_AddObjectToObject(part, "outcomes");
    cJSON_AddNumberToObject(outcomes, "ok", made->how->empty ? 0 : sent - 5);
    cJSON_AddNumberToObject(outcomes, "error", made->how->empty ? 0 : 5);
    cJSON_AddNumberToObject(outcomes, "rejected", made->how->empty ? sent : 0);
    cJSON_AddNumberToObject(part, "offered_rate_per_s", phase->rate);
    cJSON_AddNumberToObject(part, "achieved_rate_per_s", phase->rate * 0.98);
    cJSON_AddNumberToObject(part, "utilization_ratio", phase->factor > 2 ? 1 : phase->rate / 1600);
    cJSON_AddNumberToObject(part, "peak_queue", phase->factor > 2 ? 400 : 12);
    add_latency(part, made, phase);
}

static void add_objective(cJSON *objectives, const char *expression, const char *metric,
                          const char *phase, const char *op, const char *unit, double limit,
                          double bad_limit)
{
    cJSON *objective = cJSON_CreateObject();

    cJSON_AddItemToArray(objectives, objective);
    cJSON_AddStringToObject(objective, "expression", expression);
    cJSON_AddStringToObject(objective, "level", "fail");
    cJSON_AddStringToObject(objective, "phase", phase);
    cJSON_AddStringToObject(objective, "metric", metric);
    cJSON_AddStringToObject(objective, "op", op);
    cJSON_AddStringToObject(objective, "unit", unit);
    cJSON_AddStringToObject(objective, "answer", "PASS");
    cJSON_AddNumberToObject(objective, "measured", limit / 2);
    cJSON_AddNumberToObject(objective, "ci_low", limit / 2.1);
    cJSON_AddNumberToObject(objective, "ci_high", limit / 1.9);
    cJSON_AddNumberToObject(objective, "margin_ratio", 0.5);
    if (strcmp(op, "in") == 0) {
        cJSON *band = cJSON_AddArrayToObject(objective, "limit");

        cJSON_AddItemToArray(band, cJSON_CreateNumber(limit));
        cJSON_AddItemToArray(band, cJSON_CreateNumber(bad_limit));
    } else {
        cJSON_AddNumberToObject(objective, "limit", limit);
        cJSON_AddNumberToObject(objective, "bad_limit", bad_limit);
        cJSON_AddNumberToObject(objective, "bad_ratio", bad_limit / 3);
    }
}

static void add_objectives(cJSON *root, const struct made *made)
{
    cJSON *objectives = cJSON_AddArrayToObject(root, "objectives");
    char expression[460];

    for (int i = 0; i < made->count; i++) {
        const char *name = made->phases[i].name;

        if (made->phases[i].record) {
            (void)snprintf(expression, sizeof(expression), "%s: latency.p99 < 50ms", name);
            add_objective(objectives, expression, "latency", name, "<", "ns", 50e6, 1 - 0.99);
            add_objective(objectives, "latency.p50 < 10ms", "latency", name, "<", "ns", 10e6, 0.5);
        }
    }
    add_objective(objectives, "utilization in 40%..80%", "utilization", "all", "in", "ratio", 0.4,
                  0.8);
}

static void add_faults(cJSON *root, const struct made *made)
{
    cJSON *faults = cJSON_AddArrayToObject(root, "faults");
    char text[460];
    cJSON *slow = cJSON_CreateObject();

    cJSON_AddItemToArray(faults, slow);
    cJSON_AddStringToObject(slow, "fault", "slow_worker 1 x5 for 500ms at 3s");
    cJSON_AddStringToObject(slow, "kind", "slow_worker");
    cJSON_AddNumberToObject(slow, "injected_ns", 3e9);
    cJSON_AddNumberToObject(slow, "ended_ns", 3.5e9);
    cJSON_AddNumberToObject(slow, "workers", 1);

    for (int i = 0; i < 3; i++) {
        cJSON *fault = cJSON_CreateObject();

        cJSON_AddItemToArray(faults, fault);
        (void)snprintf(text, sizeof(text), "kill_worker %d at %s+%ds", i, made->phases[1].name, i);
        cJSON_AddStringToObject(fault, "fault", text);
        cJSON_AddNumberToObject(fault, "injected_ns", 6e9 + 1.0e9 * i);
    }
}

static void add_phases(cJSON *root, const struct made *made)
{
    cJSON *phases = cJSON_AddArrayToObject(root, "phases");

    for (int i = 0; i < made->count; i++) {
        const struct made_phase *phase = &made->phases[i];
        cJSON *object = cJSON_CreateObject();

        cJSON_AddItemToArray(phases, object);
        cJSON_AddStringToObject(object, "name", phase->name);
        cJSON_AddBoolToObject(object, "record", phase->record);
        cJSON_AddStringToObject(object, "arrival", "poisson");
        cJSON_AddNumberToObject(object, "start_ns", phase->start_s * 1e9);
        cJSON_AddNumberToObject(object, "end_ns", phase->end_s * 1e9);
        cJSON_AddNumberToObject(object, "duration_ns", (phase->end_s - phase->start_s) * 1e9);
        add_part(object, made, phase);
    }
}

static void add_text(cJSON *root, const struct made *made)
{
    cJSON *scenario = cJSON_AddObjectToObject(root, "scenario");
    cJSON *warning = cJSON_CreateObject(), *override = cJSON_CreateObject();
    cJSON *pool = cJSON_AddObjectToObject(root, "pool");

    cJSON_AddStringToObject(scenario, "name", made->how->name);
    cJSON_AddStringToObject(scenario, "path", made->how->name);
    cJSON_AddStringToObject(scenario, "description", made->how->name);
    cJSON_AddNumberToObject(pool, "size", 8);
    cJSON_AddNumberToObject(pool, "max_overflow", 6);
    cJSON_AddNumberToObject(pool, "queue_limit", 500);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "warnings"), warning);
    cJSON_AddStringToObject(warning, "id", "few_samples");
    cJSON_AddStringToObject(warning, "text", made->how->name);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "overrides"), override);
    cJSON_AddStringToObject(override, "path", "pool.size");
    cJSON_AddStringToObject(override, "value", made->how->name);
}

static cJSON *result_json(const struct made *made, const char *id)
{
    cJSON *root = cJSON_CreateObject();

    cJSON_AddStringToObject(root, "id", id);
    cJSON_AddStringToObject(root, "verdict", made->how->empty ? "inconclusive" : "pass");
    cJSON_AddStringToObject(root, "reason", made->how->name);
    cJSON_AddNumberToObject(root, "seed", (double)made->how->seed);
    add_text(root, made);
    add_phases(root, made);
    add_part(cJSON_AddObjectToObject(root, "totals"), made, &made->phases[1]);
    add_objectives(root, made);
    add_faults(root, made);
    return root;
}

void pb_made_run_folder(const char *folder, const struct pb_made_run *how)
{
    struct made made = { .how = how };

    lay_out(&made);
    PB_ASSERT_OK(pb_dir_make(folder, NULL));
    pb_made_write_json(folder, "run.json", result_json(&made, "made-20261121T031502Z-4fa2c1"));
    write_timeline(&made, folder);
    if (!how->no_hlog) {
        write_hlog(&made, folder);
    }
}

void pb_made_set_folder(const char *folder, const struct pb_made_run *how, unsigned runs)
{
    struct made made = { .how = how };
    char name[32], path[256];

    lay_out(&made);
    PB_ASSERT_OK(pb_dir_make(folder, NULL));
    cJSON *root = result_json(&made, "made-set"), *list = cJSON_AddArrayToObject(root, "runs");

    for (unsigned i = 0; i < runs; i++) {
        struct pb_made_run one = *how;
        cJSON *run = cJSON_CreateObject();

        one.seed += i;
        one.scale *= 0.9 + 0.05 * i;
        (void)snprintf(name, sizeof(name), "run-%02u", i + 1);
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        pb_made_run_folder(path, &one);
        cJSON_AddItemToArray(list, run);
        cJSON_AddStringToObject(run, "folder", name);
    }
    pb_made_write_json(folder, "set.json", root);
}
