#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "plots/nothing.h"
#include "plots/report_internal.h"

#define ROWS_MAX 30

static void unit_cell(struct pb_page *page, const cJSON *row, const char *unit, const char *key)
{
    double value = pb_json_num(row, key, PB_NOTHING);
    char text[PB_QUANTITY_TEXT];

    pb_page_cell(page, true, isnan(value) ? "" : pb_format_in_unit(unit, value, text));
}

static void count_cell(struct pb_page *page, const cJSON *row, const char *key)
{
    char text[PB_QUANTITY_TEXT];

    pb_page_cell(page, true,
                 cJSON_IsNumber(pb_json_at(row, key))
                     ? pb_format_count(pb_json_int(row, key, 0), text)
                     : "");
}

/* An instant of the run; workers that were there before it have none. */
static void instant_cell(struct pb_page *page, const cJSON *row, const char *key)
{
    double at_ns = pb_json_num(row, key, PB_NOTHING);
    char text[PB_QUANTITY_TEXT];

    if (isnan(at_ns)) {
        pb_page_cell(page, true, "");
    } else {
        pb_page_cell(page, true, at_ns < 0 ? "before" : pb_format_duration((int64_t)at_ns, text));
    }
}

/* Who was lost or failed is of more interest than who was there all the time. */
static bool ended_badly(const cJSON *life)
{
    static const char *const fine[] = { "idle",    "resized",    "max_requests", "max_age",
                                        "stopped", "max_memory", "retired" };
    const char *reason = pb_json_str(life, "reason", NULL);

    for (size_t i = 0; reason && i < PB_ARRAY_LEN(fine); i++) {
        if (strcmp(reason, fine[i]) == 0) {
            return false;
        }
    }
    return reason != NULL;
}

static void life_row(struct pb_page *page, const cJSON *life)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%lld.%lld%s", (long long)pb_json_int(life, "worker", 0),
                   (long long)pb_json_int(life, "incarnation", 0),
                   pb_json_bool(life, "overflow", false) ? " (overflow)" : "");
    pb_page_html(page, ended_badly(life) ? "<tr><td class=\"bad\">" : "<tr><td>");
    pb_page_text(page, name);
    pb_page_html(page, "</td>");
    if (cJSON_IsNumber(pb_json_at(life, "pid"))) {
        pb_page_html(page, "<td class=\"n\">");
        pb_page_textf(page, "%lld", (long long)pb_json_int(life, "pid", 0));
        pb_page_html(page, "</td>");
    } else {
        pb_page_cell(page, true, "");
    }
    instant_cell(page, life, "ready_at_ns");
    instant_cell(page, life, "ended_at_ns");
    pb_page_cell(page, false, pb_json_str(life, "reason", ""));
    pb_page_cell(page, false, pb_json_str(life, "health", ""));
    count_cell(page, life, "requests");
    unit_cell(page, life, "ratio", "utilization_ratio");
    unit_cell(page, life, "ratio", "cpu_ratio");
    unit_cell(page, life, "bytes", "rss_peak_bytes");
    unit_cell(page, life, "bytes", "pss_peak_bytes");
    count_cell(page, life, "fds_peak");
    pb_page_html(page, "</tr>\n");
}

static int life_rows(struct pb_page *page, const cJSON *history, bool bad, int room)
{
    const cJSON *life;
    int rows = 0;

    cJSON_ArrayForEach(life, history)
    {
        if (ended_badly(life) == bad && rows < room) {
            life_row(page, life);
            rows++;
        }
    }
    return rows;
}

static void facts(struct pb_page *page, const cJSON *json)
{
    const cJSON *activity = pb_json_at(json, "pool_activity");
    double balance = pb_json_num(activity, "jain_busy", PB_NOTHING);
    double share = pb_json_num(json, "worker_resources.estimated_share_bytes", PB_NOTHING);
    double hits = pb_json_num(activity, "affinity_hit_ratio", PB_NOTHING);
    char text[PB_QUANTITY_TEXT];

    pb_page_html(page, "<p class=\"dim\">");
    if (!isnan(balance)) {
        pb_page_textf(page, "Balance (Jain's index of busy time, 1: even): %s. ",
                      pb_format_number(balance, text));
    }
    if (!isnan(hits)) {
        pb_page_textf(page, "Requests of a session on the worker that knew it: %s. ",
                      pb_format_percent(hits, text));
    }
    if (!isnan(share)) {
        pb_page_textf(page, "An even share of the process's memory, an estimate: %s. ",
                      pb_format_size((int64_t)share, text));
    }
    pb_page_html(page, "</p>\n");
}

static void history_table(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = { "worker", "#pid",    "#ready",     "#ended",
                                           "why",    "health",  "#requests",  "#busy",
                                           "#CPU",   "#memory", "#its share", "#files" };
    const cJSON *history = pb_json_at(json, "workers_history");
    int all = cJSON_GetArraySize(history);

    if (all == 0) {
        return;
    }
    pb_page_section(page, "Workers");
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    int rows = life_rows(page, history, true, ROWS_MAX);

    rows += life_rows(page, history, false, ROWS_MAX - rows);
    pb_page_table_end(page);
    if (rows < all) {
        pb_page_html(page, "<p class=\"dim\">");
        pb_page_textf(page, "%d of %d; all of them in run.json, .workers_history.", rows, all);
        pb_page_html(page, "</p>\n");
    }
    facts(page, json);
}

static void loss_row(struct pb_page *page, const cJSON *loss)
{
    const char *end = pb_json_str(loss, "end", "");
    double since_ns = pb_json_num(loss, "lost_at_ns", PB_NOTHING);
    double ready_ns = pb_json_num(loss, "ready_ns", PB_NOTHING);
    char name[48], text[PB_QUANTITY_TEXT];

    (void)snprintf(name, sizeof(name), "%lld.%lld", (long long)pb_json_int(loss, "worker", 0),
                   (long long)pb_json_int(loss, "incarnation", 0));
    pb_page_html(page, "<tr>");
    pb_page_cell(page, false, name);
    instant_cell(page, loss, "lost_at_ns");
    pb_page_cell(page, false, cJSON_IsNumber(pb_json_at(loss, "fault")) ? "fault" : "by itself");
    pb_page_cell(page, false, pb_json_str(loss, "reason", ""));
    pb_page_cell(page, true,
                 isnan(ready_ns) ? "" : pb_format_duration((int64_t)(ready_ns - since_ns), text));
    unit_cell(page, loss, "ns", "recovery_ns");
    pb_page_cell(page, false,
                 strcmp(end, "unused") == 0 ? "replaced, no request came"
                 : strcmp(end, "open") == 0 ? "not replaced"
                                            : "recovered");
    pb_page_html(page, "</tr>\n");
}

static void losses_table(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = { "worker",       "#lost at",  "by", "why",
                                           "#ready after", "#recovery", "end" };
    const cJSON *recovery = pb_json_at(json, "recovery"), *loss;
    int all = cJSON_GetArraySize(pb_json_at(recovery, "losses")), rows = 0;
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT], c[PB_QUANTITY_TEXT];

    if (all == 0) {
        return;
    }
    pb_page_section(page, "Workers lost");
    if (cJSON_IsNumber(pb_json_at(recovery, "p50_ns"))) {
        pb_page_html(page, "<p>");
        pb_page_textf(page, "Recovery of %lld of %lld: p50 %s, p99 %s, slowest %s.",
                      (long long)pb_json_int(recovery, "recovered", 0),
                      (long long)pb_json_int(recovery, "count", 0),
                      pb_format_duration(pb_json_int(recovery, "p50_ns", 0), a),
                      pb_format_duration(pb_json_int(recovery, "p99_ns", 0), b),
                      pb_format_duration(pb_json_int(recovery, "max_ns", 0), c));
        pb_page_html(page, "</p>\n");
    }
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    cJSON_ArrayForEach(loss, pb_json_at(recovery, "losses"))
    {
        if (rows++ < ROWS_MAX) {
            loss_row(page, loss);
        }
    }
    pb_page_table_end(page);
    if (all > ROWS_MAX) {
        pb_page_html(page, "<p class=\"dim\">");
        pb_page_textf(page, "%d of %d; the others in run.json, .recovery.losses.", ROWS_MAX, all);
        pb_page_html(page, "</p>\n");
    }
}

void pb_report_workers(struct pb_page *page, const cJSON *json)
{
    losses_table(page, json);
    history_table(page, json);
}
