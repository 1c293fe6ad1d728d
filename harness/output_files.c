#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hlog.h"
#include "base/json.h"
#include "harness/judge_internal.h"
#include "harness/output.h"
#include "harness/output_internal.h"

/* --- timeline.csv --- */

/* A cell as RFC 4180 wants it. */
static void put_cell(struct pb_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        pb_buf_puts(out, text);
        return;
    }
    pb_buf_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '"') {
            pb_buf_puts(out, "\"");
        }
        pb_buf_add(out, text, 1);
    }
    pb_buf_puts(out, "\"");
}

/* The phase at an instant, "" outside all of them (gaps of a drain, the final drain). */
static const char *phase_at(const struct pb_evidence *evidence, int64_t at_ns)
{
    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        int64_t start_ns, end_ns;

        pb_phase_stretch(evidence, i, &start_ns, &end_ns);
        if (at_ns >= start_ns && at_ns < end_ns) {
            return evidence->scenario->phases[i].name;
        }
    }
    return "";
}

static void put_ratio(struct pb_buf *out, double num, double den)
{
    pb_buf_puts(out, ",");
    if (den > 0) {
        pb_buf_printf(out, "%.6g", num / den);
    }
}

static void put_window(const struct pb_evidence *evidence, uint32_t w, struct pb_buf *out)
{
    static const double quantiles[] = { 0.5, 0.95, 0.99 };
    const struct pb_aggregate *aggregate = evidence->aggregate;
    const struct pb_window *window = &aggregate->windows[w];
    int64_t start_ns = w * aggregate->window_ns, length_ns = aggregate->window_ns;

    /* The run's end cuts the last window short. */
    if (evidence->elapsed_ns > start_ns && evidence->elapsed_ns < start_ns + length_ns) {
        length_ns = evidence->elapsed_ns - start_ns;
    }
    double length_s = (double)length_ns / (double)PB_NS_PER_S;
    int64_t threads = pb_evidence_threads(evidence);

    pb_buf_printf(out, "%.6g,%.6g,", (double)start_ns / (double)PB_NS_PER_S, length_s);
    put_cell(out, phase_at(evidence, start_ns + length_ns / 2));
    put_ratio(out, window->intended, length_s);
    pb_buf_printf(out, ",%" PRIu32, window->sent);
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        pb_buf_printf(out, ",%" PRIu32, window->done[o]);
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(quantiles); i++) {
        pb_buf_puts(out, ",");
        if (window->latency && window->latency->total > 0) {
            pb_buf_printf(out, "%" PRId64, pb_small_hist_quantile(window->latency, quantiles[i]));
        }
    }
    put_ratio(out, (double)window->busy_ns, (double)window->alive_ns);
    put_ratio(out, (double)window->wait_ns, (double)length_ns);
    pb_buf_printf(out, ",%" PRIu32, window->peak_queue);
    put_ratio(out, (double)window->alive_ns, (double)(length_ns * threads));
    put_ratio(out, (double)window->overflow_alive_ns, (double)(length_ns * threads));
    pb_buf_printf(out, ",%" PRIu32 ",%" PRIu32 "\n", window->peak_alive, window->retries);
}

void pb_timeline_csv(const struct pb_evidence *evidence, struct pb_buf *out)
{
    pb_buf_puts(out, "start_s,length_s,phase,offered_per_s,sent");
    for (int o = 0; o < PB_OUTCOME_COUNT; o++) {
        pb_buf_printf(out, ",%s", pb_outcome_name((enum pb_outcome)o));
    }
    pb_buf_puts(out, ",p50_ns,p95_ns,p99_ns,busy_ratio,queue_mean,queue_peak,workers_mean,"
                     "overflow_mean,workers_peak,retries\n");
    for (uint32_t w = 0; w < evidence->aggregate->window_count; w++) {
        put_window(evidence, w, out);
    }
}

/* --- latency.hlog --- */

enum pb_status pb_latency_hlog(const struct pb_evidence *evidence, struct pb_buf *out)
{
    pb_hlog_header(out, "poolbench: latency of ok requests in ns, one line a recorded phase",
                   evidence->start_wall_ns);
    for (uint32_t i = 0; i < evidence->scenario->phase_count; i++) {
        const struct pb_phase *phase = &evidence->scenario->phases[i];
        int64_t start_ns, end_ns;

        if (!phase->record) {
            continue;
        }
        pb_phase_stretch(evidence, i, &start_ns, &end_ns);
        PB_TRY(pb_hlog_line(out, phase->name, start_ns, end_ns - start_ns,
                            &evidence->aggregate->phases[i].latency));
    }
    return pb_buf_status(out);
}

/* --- events.jsonl --- */

static void put_event(const struct pb_evidence *evidence, const struct pb_event *event,
                      struct pb_buf *out)
{
    struct pb_out json = { .failed = false };
    cJSON *object = cJSON_CreateObject();
    char detail[sizeof(event->detail)];

    memcpy(detail, event->detail, sizeof(detail));
    pb_text_repair(detail);
    pb_out_int(&json, object, "at_ns", event->at_ns);
    pb_out_str(&json, object, "event", event->kind);
    pb_out_str(&json, object, "detail", detail);
    pb_out_known(&json, object, "number", event->number);
    if (event->of_worker) {
        pb_out_int(&json, object, "incarnation", event->incarnation);
        pb_out_known(&json, object, "pid", event->pid > 0 ? event->pid : -1);
    }
    if (strcmp(event->kind, PB_EVENT_RESIZE) == 0 || strcmp(event->kind, PB_EVENT_CHANGE) == 0) {
        pb_out_change(&json, object, &evidence->changes[event->number]);
    }

    char *text = json.failed ? NULL : pb_json_print(object, false);

    cJSON_Delete(object);
    if (!text) {
        out->status = PB_ENOMEM;
        return;
    }
    pb_buf_puts(out, text);
    pb_buf_puts(out, "\n");
    free(text);
}

void pb_events_jsonl(const struct pb_evidence *evidence, struct pb_buf *out)
{
    pb_out_warmup_event(evidence, out);
    for (size_t i = 0; i < evidence->event_count; i++) {
        put_event(evidence, &evidence->events[i], out);
    }
}
