#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/quantity.h"
#include "plots/charts.h"
#include "plots/nothing.h"
#include "plots/quote.h"
#include "plots/report_internal.h"

static const struct {
    const char *answer, *word, *tone;
} answers[] = {
    { "improved", "USE", "good" },
    { "already_best", "KEEP", "good" },
    { "infeasible", "INFEASIBLE", "bad" },
    { "unconfirmed", "UNCONFIRMED", "unsure" },
};

/* "pool.size 8, pool.max_overflow 4" */
static void setting_text(struct pb_page *page, const cJSON *setting)
{
    const cJSON *value;
    char text[PB_QUANTITY_TEXT];
    const char *separator = "";

    cJSON_ArrayForEach(value, setting)
    {
        pb_page_textf(page, "%s%s %s", separator, value->string ? value->string : "?",
                      cJSON_IsString(value)   ? value->valuestring
                      : cJSON_IsNumber(value) ? pb_format_number(value->valuedouble, text)
                                              : "?");
        separator = ", ";
    }
}

static void head(struct pb_page *page, const cJSON *json)
{
    const char *answer = pb_json_str(json, "answer", "?");
    const cJSON *recommended = pb_json_at(json, "recommended");
    char text[PB_QUANTITY_TEXT];

    pb_page_html(page, "<header><h1>");
    for (size_t i = 0; i < PB_ARRAY_LEN(answers); i++) {
        if (strcmp(answer, answers[i].answer) == 0) {
            pb_page_badge(page, answers[i].tone, answers[i].word);
        }
    }
    if (cJSON_IsObject(recommended)) {
        setting_text(page, recommended);
    } else {
        pb_page_text(page, pb_json_str(json, "scenario", "?"));
    }
    pb_page_html(page, "</h1>\n<p class=\"reason\">");
    pb_page_text(page, pb_json_str(json, "reason", ""));
    pb_page_html(page, "</p>\n<p class=\"dim\">");
    const char *driver = pb_json_str(json, "driver", "builtin");
    bool foreign = strcmp(driver, "builtin") != 0;

    pb_page_textf(page, "%s%s%s · %lld real runs · %s%s%s", pb_json_str(json, "scenario", "?"),
                  foreign ? ", driver " : "", foreign ? driver : "",
                  (long long)pb_json_int(json, "real_runs.total", 0),
                  pb_format_duration(pb_json_int(json, "elapsed_ns", 0), text),
                  pb_json_bool(json, "provisional", false) ? " · provisional: few repeats" : "",
                  pb_json_bool(json, "interrupted", false) ? " · interrupted" : "");
    pb_page_html(page, "</p></header>\n");
}

static void change_cell(struct pb_page *page, const cJSON *row)
{
    double change = pb_json_num(row, "change_ratio", PB_NOTHING);
    double low = pb_json_num(row, "ci_low", PB_NOTHING),
           high = pb_json_num(row, "ci_high", PB_NOTHING);
    char text[96];

    if (isnan(change)) {
        (void)snprintf(text, sizeof(text), "no change seen");
    } else if (isnan(low) || isnan(high)) {
        (void)snprintf(text, sizeof(text), "%+.1f %%", 100 * change);
    } else {
        (void)snprintf(text, sizeof(text), "%+.1f %% (%+.1f … %+.1f %%)", 100 * change, 100 * low,
                       100 * high);
    }
    pb_page_cell(page, true, text);
}

static void change_row(struct pb_page *page, const char *name, const char *unit, const cJSON *row,
                       const char *answer)
{
    char text[PB_QUANTITY_TEXT];

    pb_page_html(page, "<tr>");
    pb_page_cell(page, false, name);
    pb_page_cell(page, true, pb_format_in_unit(unit, pb_json_num(row, "now", PB_NOTHING), text));
    pb_page_cell(page, true, pb_format_in_unit(unit, pb_json_num(row, "use", PB_NOTHING), text));
    change_cell(page, row);
    pb_page_cell(page, false, answer);
    pb_page_html(page, "</tr>\n");
}

/* Objectives of a recommendation carry their metric, whose prefix tells the unit. */
static const char *unit_of(const char *metric)
{
    static const struct {
        const char *prefix, *unit;
    } units[] = {
        { "latency", "ns" },          { "queue_wait", "ns" },       { "service", "ns" },
        { "send_lag", "ns" },         { "recovery_time", "ns" },    { "error_rate", "ratio" },
        { "utilization", "ratio" },   { "core_util", "ratio" },     { "throughput", "per_s" },
        { "achieved_rate", "per_s" }, { "worker.memory", "bytes" }, { "memory", "bytes" },
        { "worker.cpu", "ratio" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(units); i++) {
        if (strncmp(metric, units[i].prefix, strlen(units[i].prefix)) == 0) {
            return units[i].unit;
        }
    }
    return "";
}

static void evidence(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = { "", "#now", "#use", "#change (95 % interval)", "" };
    const cJSON *row;

    if (!cJSON_IsObject(pb_json_at(json, "evidence"))) {
        return;
    }
    pb_page_section(page, "Before and after");
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    change_row(page, pb_json_str(json, "cost.unit", "cost"),
               strcmp(pb_json_str(json, "cost.unit", ""), "workers") == 0
                   ? ""
                   : pb_json_str(json, "cost.unit", ""),
               pb_json_at(json, "cost"), "");
    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.objectives"))
    {
        change_row(page, pb_json_str(row, "expression", "?"),
                   unit_of(pb_json_str(row, "metric", "")), row,
                   pb_json_str(row, "answer_use", ""));
    }
    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.metrics"))
    {
        change_row(page, pb_json_str(row, "name", "?"), pb_json_str(row, "unit", ""), row, "");
    }
    pb_page_table_end(page);
}

static void tried(struct pb_page *page, const cJSON *json)
{
    static const char *const columns[] = {
        "setting", "#runs", "#busy", "#p50", "#p99", "answer", ""
    };
    const cJSON *row;
    char text[PB_QUANTITY_TEXT];

    if (cJSON_GetArraySize(pb_json_at(json, "settings")) == 0) {
        return;
    }
    pb_page_section(page, "What was tried, cheapest first");
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    cJSON_ArrayForEach(row, pb_json_at(json, "settings"))
    {
        bool use = pb_json_bool(row, "recommended", false);

        pb_page_html(page, use ? "<tr><td><b>" : "<tr><td>");
        setting_text(page, pb_json_at(row, "setting"));
        pb_page_html(page, use ? "</b></td>" : "</td>");
        pb_page_cell(page, true, pb_format_count(pb_json_int(row, "runs", 0), text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ratio", pb_json_num(row, "utilization_ratio", PB_NOTHING),
                                       text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(row, "p50_ns", PB_NOTHING), text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(row, "p99_ns", PB_NOTHING), text));
        pb_page_cell(page, false, pb_json_str(row, "answer", "?"));
        pb_page_html(page, "<td>");
        pb_page_textf(page, "%s%s",
                      use                                    ? "use this. "
                      : pb_json_bool(row, "original", false) ? "now. "
                                                             : "",
                      pb_json_str(row, "reason", ""));
        pb_page_html(page, "</td></tr>\n");
    }
    pb_page_table_end(page);
}

static void notes(struct pb_page *page, const cJSON *json)
{
    const cJSON *row;

    if (cJSON_GetArraySize(pb_json_at(json, "notes")) +
            cJSON_GetArraySize(pb_json_at(json, "dead_settings")) ==
        0) {
        return;
    }
    pb_page_section(page, "Why");
    pb_page_html(page, "<ul>\n");
    cJSON_ArrayForEach(row, pb_json_at(json, "notes"))
    {
        pb_page_html(page, "<li>");
        pb_page_text(page, pb_json_str(row, "text", ""));
        pb_page_html(page, "</li>\n");
    }
    cJSON_ArrayForEach(row, pb_json_at(json, "dead_settings"))
    {
        pb_page_html(page, "<li>");
        pb_page_textf(page, "Without effect: %s. %s", pb_json_str(row, "path", "?"),
                      pb_json_str(row, "reason", ""));
        pb_page_html(page, "</li>\n");
    }
    pb_page_html(page, "</ul>\n");
}

/* A line to paste into a shell; `first` and `second` are words of it, NULL: none. */
static void command_line(struct pb_page *page, const char *command, const char *first,
                         const char *second)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf line = { 0 };

    pb_buf_printf(&line, "poolbench %s ", command);
    pb_quote_shell(&line, first);
    if (second) {
        pb_buf_puts(&line, " ");
        pb_quote_shell(&line, second);
    }
    if (pb_buf_status(&line) != PB_OK) {
        page->out.status = line.status;
        return;
    }
    pb_page_text(page, pb_buf_text(&line));
    /* Text loses its control characters on the way into a page, a newline too. */
    pb_page_html(page, "\n");
}

static void next_step(struct pb_page *page, const cJSON *json)
{
    const char *path = pb_json_str(json, "scenario_path", NULL);

    if (strcmp(pb_json_str(json, "answer", ""), "improved") != 0 || !path) {
        return;
    }
    pb_page_section(page, "Apply, and undo");
    pb_page_html(page, "<pre>");
    command_line(page, "apply", page->folder, path);
    command_line(page, "rollback", path, NULL);
    pb_page_html(page, "</pre>\n");
}

static void unfinished(struct pb_page *page)
{
    const char *slash = strrchr(page->folder, '/');

    pb_page_html(page, "<header><h1>");
    pb_page_badge(page, "unsure", "UNFINISHED");
    pb_page_text(page, slash && slash[1] ? slash + 1 : page->folder);
    pb_page_html(page,
                 "</h1>\n<p class=\"reason\">This tune has not come to an answer yet; what it "
                 "has measured is below, and it can go on where it stopped.</p>\n<pre>");
    command_line(page, "tune --resume", page->folder, NULL);
    pb_page_html(page, "</pre></header>\n");
}

void pb_report_tune(struct pb_page *page, const cJSON *json)
{
    pb_page_begin(page, json ? pb_json_str(json, "scenario", "tune") : "unfinished tune");
    if (json) {
        head(page, json);
        evidence(page, json);
    } else {
        unfinished(page);
    }
    pb_page_section(page, "How it was found");
    pb_page_chart(page, PB_TRAJECTORY_NAME,
                  "Every trial is a real run. Upper panel: its p99; below: the settings tried.");
    if (json) {
        tried(page, json);
        notes(page, json);
        next_step(page, json);
    }
    pb_page_end(page);
}
