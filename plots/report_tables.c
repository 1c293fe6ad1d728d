#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "harness/pool_text.h"
#include "plots/nothing.h"
#include "plots/report_internal.h"

const char *pb_report_interval(const char *unit, double low, double high, char *text, size_t size)
{
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    if (isnan(low) || isnan(high)) {
        return "";
    }
    (void)snprintf(text, size, "%s … %s", pb_format_in_unit(unit, low, a),
                   pb_format_in_unit(unit, high, b));
    return text;
}

static const char *limit_text(const cJSON *objective, const char *unit, char *text, size_t size)
{
    const cJSON *limit = pb_json_at(objective, "limit");
    char value[PB_QUANTITY_TEXT];

    if (cJSON_IsArray(limit)) {
        return pb_report_interval(unit, pb_json_num(objective, "limit.0", PB_NOTHING),
                                  pb_json_num(objective, "limit.1", PB_NOTHING), text, size);
    }
    (void)snprintf(text, size, "%s %s", pb_json_str(objective, "op", ""),
                   pb_format_in_unit(unit, pb_json_num(objective, "limit", PB_NOTHING), value));
    return text;
}

static const char *tone_of(const cJSON *objective)
{
    const char *answer = pb_json_str(objective, "answer", "");

    if (strcmp(answer, "PASS") == 0) {
        return "good";
    }
    return strcmp(answer, "FAIL") == 0 && strcmp(pb_json_str(objective, "level", ""), "warn") != 0
               ? "bad"
               : "unsure";
}

/* "99.89 % ok in time, 99 % asked", of an objective on a quantile. */
static void good_share(const cJSON *objective, char *text, size_t size)
{
    double bad = pb_json_num(objective, "bad_ratio", PB_NOTHING);
    double allowed = pb_json_num(objective, "bad_limit", PB_NOTHING);
    char share[PB_QUANTITY_TEXT], asked[PB_QUANTITY_TEXT];

    text[0] = '\0';
    if (!isnan(bad) && !isnan(allowed) && strcmp(pb_json_str(objective, "unit", ""), "ns") == 0) {
        (void)snprintf(text, size, "%s ok in time (%s asked)", pb_format_percent(1 - bad, share),
                       pb_format_percent(1 - allowed, asked));
    }
}

/* A percentile that was never reached is null though requests were counted. */
static const char *measured_text(const cJSON *objective, const char *unit, char *text)
{
    double measured = pb_json_num(objective, "measured", PB_NOTHING);
    bool never = isnan(measured) && pb_json_num(objective, "bad_ratio", 0) > 0;

    return never ? "never" : pb_format_in_unit(unit, measured, text);
}

static void margin_text(double margin, char *text, size_t size)
{
    char number[PB_QUANTITY_TEXT];

    text[0] = '\0';
    if (margin < -1) {
        (void)snprintf(text, size, "%s x the limit", pb_format_number(1 - margin, number));
    } else if (!isnan(margin)) {
        (void)snprintf(text, size, "%s%s", pb_format_percent(fabs(margin), number),
                       margin < 0 ? " over" : "");
    }
}

static void objective_row(struct pb_page *page, const cJSON *objective)
{
    const char *unit = pb_json_str(objective, "unit", "");
    double margin = pb_json_num(objective, "margin_ratio", PB_NOTHING);
    char a[PB_QUANTITY_TEXT], wide[4 * PB_QUANTITY_TEXT];

    pb_buf_printf(&page->out, "<tr><td class=\"%s\"><b>", tone_of(objective));
    pb_page_text(page, pb_json_str(objective, "answer", "?"));
    pb_page_html(page, "</b></td><td>");
    pb_page_text(page, pb_json_str(objective, "expression", "?"));
    if (strcmp(pb_json_str(objective, "level", "fail"), "warn") == 0) {
        pb_page_html(page, " <span class=\"dim\">(warns only)</span>");
    }
    good_share(objective, wide, sizeof(wide));
    if (wide[0]) {
        pb_page_html(page, "<br><span class=\"dim\">");
        pb_page_text(page, wide);
        pb_page_html(page, "</span>");
    }
    pb_page_html(page, "</td>");
    pb_page_cell(page, false, pb_json_str(objective, "phase", "all"));
    pb_page_cell(page, true, measured_text(objective, unit, a));
    pb_page_cell(page, true,
                 pb_report_interval(unit, pb_json_num(objective, "ci_low", PB_NOTHING),
                                    pb_json_num(objective, "ci_high", PB_NOTHING), wide,
                                    sizeof(wide)));
    pb_page_cell(page, true, limit_text(objective, unit, wide, sizeof(wide)));
    margin_text(margin, wide, sizeof(wide));
    pb_page_cell(page, true, wide);
    pb_page_html(page, "</tr>\n");
}

void pb_report_objectives(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = { "answer",         "objective", "phase",  "#measured",
                                           "#95 % interval", "#limit",    "#margin" };
    const cJSON *objectives = pb_json_at(json, "objectives"), *objective;

    pb_page_section(page, "Objectives");
    if (cJSON_GetArraySize(objectives) == 0) {
        pb_page_html(page, "<p>The scenario asks for none, so that nothing could fail.</p>\n");
        return;
    }
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    cJSON_ArrayForEach(objective, objectives)
    {
        objective_row(page, objective);
    }
    pb_page_table_end(page);
}

static void phase_row(struct pb_page *page, const cJSON *part, const char *name)
{
    static const char *const quantiles[] = { "latency.p50_ns", "latency.p90_ns",
                                             "latency.p99_ns", "latency.p999_ns",
                                             "latency.max_ns", "queue_wait.p99_ns",
                                             "service.p99_ns" };
    int64_t sent = pb_json_int(part, "sent", 0);
    char text[PB_QUANTITY_TEXT];

    pb_page_html(page, "<tr>");
    pb_page_cell(page, false, name);
    pb_page_cell(page, true, pb_format_count(sent, text));
    pb_page_cell(page, true, pb_format_count(sent - pb_json_int(part, "outcomes.ok", 0), text));
    pb_page_cell(page, true,
                 pb_format_in_unit("per_s", pb_json_num(part, "offered_rate_per_s", PB_NOTHING),
                                   text));
    pb_page_cell(page, true,
                 pb_format_in_unit("per_s", pb_json_num(part, "achieved_rate_per_s", PB_NOTHING),
                                   text));
    for (size_t i = 0; i < PB_ARRAY_LEN(quantiles); i++) {
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(part, quantiles[i], PB_NOTHING), text));
    }
    pb_page_cell(page, true,
                 pb_format_in_unit("ratio", pb_json_num(part, "utilization_ratio", PB_NOTHING),
                                   text));
    pb_page_cell(page, true, pb_format_count(pb_json_int(part, "peak_queue", 0), text));
    pb_page_html(page, "</tr>\n");
}

static void accounts(struct pb_page *page, const cJSON *totals)
{
    const cJSON *outcome;
    char text[PB_QUANTITY_TEXT];
    const char *sign = " = ";

    pb_page_html(page, "<p>");
    pb_page_textf(page, "%s sent", pb_format_count(pb_json_int(totals, "sent", 0), text));
    cJSON_ArrayForEach(outcome, pb_json_at(totals, "outcomes"))
    {
        pb_page_textf(page, "%s%s %s", sign, pb_format_count((int64_t)outcome->valuedouble, text),
                      outcome->string ? outcome->string : "?");
        sign = " + ";
    }
    pb_page_html(page, "</p>\n");
}

void pb_report_phases(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = { "phase",     "#sent",      "#not ok",   "#offered",
                                           "#achieved", "#p50",       "#p90",      "#p99",
                                           "#p99.9",    "#max",       "#wait p99", "#work p99",
                                           "#busy",     "#queue peak" };
    const cJSON *phase;
    char name[160];

    pb_page_section(page, "Phases");
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        (void)snprintf(name, sizeof(name), "%.120s%s", pb_json_str(phase, "name", "?"),
                       pb_json_bool(phase, "record", true) ? "" : " (not recorded)");
        phase_row(page, phase, name);
    }
    phase_row(page, pb_json_at(json, "totals"), "recorded phases together");
    pb_page_table_end(page);
    accounts(page, pb_json_at(json, "totals"));
    pb_page_html(page,
                 "<p class=\"dim\">Latency runs from the moment a request was meant to start; "
                 "percentiles are of requests that ended ok.</p>\n");
}

static void count_fact(struct pb_page *page, const cJSON *json, const char *name, const char *path)
{
    char text[PB_QUANTITY_TEXT];

    if (cJSON_IsNumber(pb_json_at(json, path))) {
        pb_page_fact(page, name, pb_format_count(pb_json_int(json, path, 0), text));
    }
}

static void duration_fact(struct pb_page *page, const cJSON *json, const char *name,
                          const char *path)
{
    char text[PB_QUANTITY_TEXT];

    if (cJSON_IsNumber(pb_json_at(json, path))) {
        pb_page_fact(page, name, pb_format_duration(pb_json_int(json, path, 0), text));
    }
}

void pb_report_facts(struct pb_page *page, const cJSON *json)
{
    char text[PB_QUANTITY_TEXT];

    pb_page_section(page, "Settings and environment");
    pb_page_html(page, "<dl>\n");
    pb_page_fact(page, "scenario", pb_json_str(json, "scenario.path", NULL));
    pb_page_fact(page, "description", pb_json_str(json, "scenario.description", NULL));
    pb_page_fact(page, "pool", pb_json_str(json, "pool.driver.summary", NULL));
    if (pb_pool_is_foreign(json)) {
        char names[PB_POOL_TEXT];

        pb_pool_lacks(json, names, sizeof(names));
        pb_page_fact(page, "not by this driver", names);
    }
    pb_page_fact(page, "workers are",
                 strcmp(pb_json_str(json, "pool.profile", "thread"), "process") == 0 ? "processes"
                                                                                     : "threads");
    count_fact(page, json, "pool size", "pool.size");
    if (pb_json_int(json, "pool.threads_per_worker", 1) > 1) {
        count_fact(page, json, "requests at a time, a worker", "pool.threads_per_worker");
    }
    count_fact(page, json, "overflow workers, at most", "pool.max_overflow");
    count_fact(page, json, "queue limit", "pool.queue_limit");
    pb_page_fact(page, "strategy", pb_json_str(json, "pool.strategy", NULL));
    duration_fact(page, json, "checkout timeout", "pool.checkout_timeout_ns");
    duration_fact(page, json, "operation timeout", "pool.operation_timeout_ns");
    pb_page_fact(page, "started", pb_json_str(json, "started_at", NULL));
    pb_page_fact(page, "schedule hash", pb_json_str(json, "schedule_hash", NULL));
    duration_fact(page, json, "send lag p99", "totals.send_lag.p99_ns");
    duration_fact(page, json, "null pool p50 (the instrument itself)",
                  "instrument.null_floor.p50_ns");
    pb_page_fact(page, "pacing", pb_json_str(json, "instrument.pacing", NULL));
    pb_page_fact(page, "kernel", pb_json_str(json, "environment.kernel", NULL));
    pb_page_fact(page, "CPU", pb_json_str(json, "environment.cpu", NULL));
    count_fact(page, json, "usable CPUs", "environment.cpus_usable");
    if (cJSON_IsNumber(pb_json_at(json, "resources.peak_rss_bytes"))) {
        pb_page_fact(page, "peak memory",
                     pb_format_size(pb_json_int(json, "resources.peak_rss_bytes", 0), text));
    }
    if (cJSON_IsNumber(pb_json_at(json, "resources.steal_ratio"))) {
        pb_page_fact(page, "CPU steal",
                     pb_format_percent(pb_json_num(json, "resources.steal_ratio", 0), text));
    }
    pb_page_fact(page, "poolbench", pb_json_str(json, "program.version", NULL));
    pb_page_fact(page, "revision", pb_json_str(json, "program.revision", NULL));
    pb_page_fact(page, "compiler", pb_json_str(json, "program.compiler", NULL));
    pb_page_html(page, "</dl>\n");
}
