#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "plots/charts.h"
#include "plots/nothing.h"
#include "plots/quote.h"
#include "plots/report_internal.h"
#include "plots/timeline.h"

static const struct {
    const char *verdict, *word, *tone;
} verdicts[] = {
    { "pass", "PASS", "good" },
    { "fail", "FAIL", "bad" },
    { "inconclusive", "INCONCLUSIVE", "unsure" },
    { "untrusted", "UNTRUSTED", "unsure" },
    { "interrupted", "INTERRUPTED", "unsure" },
};

static int binding_objectives(const cJSON *json)
{
    const cJSON *objective;
    int binding = 0;

    cJSON_ArrayForEach(objective, pb_json_at(json, "objectives"))
    {
        binding += strcmp(pb_json_str(objective, "level", "fail"), "fail") == 0 &&
                   strcmp(pb_json_str(objective, "answer", ""), "NOT APPLICABLE") != 0;
    }
    return binding;
}

static void verdict_badge(struct pb_page *page, const cJSON *json)
{
    const char *verdict = pb_json_str(json, "verdict", "?");
    const char *word = verdict, *tone = "unsure";

    for (size_t i = 0; i < PB_ARRAY_LEN(verdicts); i++) {
        if (strcmp(verdict, verdicts[i].verdict) == 0) {
            word = verdicts[i].word;
            tone = verdicts[i].tone;
        }
    }
    if (strcmp(verdict, "pass") == 0 && binding_objectives(json) == 0) {
        word = cJSON_GetArraySize(pb_json_at(json, "objectives")) == 0
                   ? "DONE, no objectives"
                   : "DONE, no objective of level fail";
    }
    pb_page_badge(page, tone, word);
}

static void head(struct pb_page *page, const struct pb_stored *stored)
{
    const cJSON *json = pb_stored_json(stored);
    char subtitle[PB_TITLE_SIZE];

    pb_page_html(page, "<header><h1>");
    verdict_badge(page, json);
    pb_page_text(page, pb_json_str(json, "scenario.name", "?"));
    pb_page_html(page, "</h1>\n<p class=\"reason\">");
    pb_page_text(page, pb_json_str(json, "reason", ""));
    pb_page_html(page, "</p>\n<p class=\"dim\">");
    pb_chart_subtitle(json, subtitle, sizeof(subtitle));
    pb_page_text(page, subtitle);
    pb_page_textf(page, " · seed %lld", (long long)pb_json_int(json, "seed", 0));
    pb_page_html(page, "</p></header>\n");
}

static void warnings(struct pb_page *page, const cJSON *json)
{
    const cJSON *all = pb_json_at(json, "warnings"), *warning;

    pb_page_section(page, "Warnings");
    if (cJSON_GetArraySize(all) == 0) {
        pb_page_html(page, "<p>None: the measurement can be trusted.</p>\n");
        return;
    }
    pb_page_html(page, "<ul>\n");
    cJSON_ArrayForEach(warning, all)
    {
        bool serious = pb_json_bool(warning, "serious", false);

        pb_page_html(page, serious ? "<li class=\"bad\"><b>" : "<li><b>");
        pb_page_text(page, pb_json_str(warning, "id", "?"));
        pb_page_html(page, "</b> ");
        pb_page_text(page, pb_json_str(warning, "text", ""));
        pb_page_html(page, "</li>\n");
    }
    pb_page_html(page, "</ul>\n");
}

/* The runs of a set, one row each, from their own documents. */
static void runs(struct pb_page *page, const struct pb_stored *stored)
{
    static const char *const columns[] = { "run",  "verdict", "#seed", "#sent",
                                           "#p50", "#p99",    "#max",  "#busy" };
    char text[PB_QUANTITY_TEXT];

    pb_page_section(page, "Runs");
    pb_page_table(page, columns, PB_ARRAY_LEN(columns));
    for (size_t i = 0; i < stored->count; i++) {
        const cJSON *json = stored->runs[i].json;

        pb_page_html(page, "<tr>");
        pb_page_cell(page, false, stored->names[i]);
        pb_page_cell(page, false, pb_json_str(json, "verdict", "?"));
        pb_page_html(page, "<td class=\"n\">");
        pb_page_textf(page, "%lld", (long long)pb_json_int(json, "seed", 0));
        pb_page_html(page, "</td>");
        pb_page_cell(page, true, pb_format_count(pb_json_int(json, "totals.sent", 0), text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(json, "totals.latency.p50_ns", PB_NOTHING),
                                       text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(json, "totals.latency.p99_ns", PB_NOTHING),
                                       text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ns", pb_json_num(json, "totals.latency.max_ns", PB_NOTHING),
                                       text));
        pb_page_cell(page, true,
                     pb_format_in_unit("ratio",
                                       pb_json_num(json, "totals.utilization_ratio", PB_NOTHING),
                                       text));
        pb_page_html(page, "</tr>\n");
    }
    pb_page_table_end(page);
}

/* The command that runs it again, as it can be pasted into a shell. */
static void reproduce(struct pb_page *page, const cJSON *json)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf line = { 0 };
    const cJSON *override;
    const char *path = pb_json_str(json, "scenario.path", NULL);
    int count = cJSON_GetArraySize(pb_json_at(json, "runs"));
    bool seeded = false;

    pb_buf_puts(&line, "poolbench run");
    if (path) {
        pb_buf_puts(&line, " ");
        pb_quote_shell(&line, path);
    }
    cJSON_ArrayForEach(override, pb_json_at(json, "overrides"))
    {
        PB_CLEANUP(pb_buf_done) struct pb_buf word = { 0 };

        pb_buf_printf(&word, "%s=%s", pb_json_str(override, "path", "?"),
                      pb_json_str(override, "value", ""));
        seeded |= strcmp(pb_json_str(override, "path", ""), "seed") == 0;
        pb_buf_puts(&line, " --set ");
        pb_quote_shell(&line, pb_buf_text(&word));
        if (pb_buf_status(&word) != PB_OK) {
            line.status = word.status;
        }
    }
    if (!seeded) {
        pb_buf_printf(&line, " --seed %lld", (long long)pb_json_int(json, "seed", 0));
    }
    if (count > 0) {
        pb_buf_printf(&line, " --runs %d", count);
    }
    if (pb_buf_status(&line) != PB_OK) {
        page->out.status = line.status;
    }
    pb_page_section(page, "Reproduce");
    pb_page_html(page, "<pre>");
    pb_page_text(page, pb_buf_text(&line));
    pb_page_html(page, "</pre>\n");
}

void pb_report_run(struct pb_page *page, const struct pb_stored *stored, bool overlay)
{
    const cJSON *json = pb_stored_json(stored);

    pb_page_begin(page, pb_json_str(json, "scenario.name", "poolbench"));
    head(page, stored);
    pb_report_objectives(page, json);
    if (stored->set) {
        runs(page, stored);
    }
    pb_page_section(page, "What happened");
    pb_page_chart(page, PB_TIMELINE_NAME,
                  stored->set ? "The first run over time. Shaded: phases; grey: not recorded."
                              : "The run over time. Shaded: phases; grey: not recorded.");
    pb_page_chart(page, PB_PERCENTILE_NAME,
                  stored->set
                      ? "Latency by percentile: median and range over the runs."
                      : "Latency by percentile; each step to the right is ten times rarer.");
    if (overlay) {
        pb_page_chart(page, PB_OVERLAY_NAME, "The same beside the other runs.");
    }
    pb_report_phases(page, json);
    pb_report_workers(page, json);
    warnings(page, json);
    pb_report_facts(page, json);
    reproduce(page, json);
    pb_page_end(page);
}
