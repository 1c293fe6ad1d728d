#include <math.h>
#include <string.h>

#include "poolbench/macros.h"

#include "base/json.h"
#include "base/quantity.h"
#include "cli/print.h"

#define NO_NUMBER ((double)NAN)

static const struct answer_words {
    const char *answer, *word, *colour;
} answer_words[] = {
    { "improved", "USE", "\033[1;32m" },
    { "already_best", "KEEP", "\033[1;32m" },
    { "infeasible", "INFEASIBLE", "\033[1;31m" },
    { "unconfirmed", "UNCONFIRMED", "\033[1;33m" },
};

/* A setting's value as text: numbers and strings alike. */
static const char *value_text(const cJSON *value, char *text)
{
    if (cJSON_IsString(value)) {
        return value->valuestring;
    }
    return cJSON_IsNumber(value) ? pb_format_number(value->valuedouble, text) : "?";
}

/* "pool.size 8, pool.max_overflow 4"; the part before the dot only where it is not the pool's. */
static void print_setting(FILE *out, const cJSON *setting)
{
    const cJSON *value;
    char text[PB_QUANTITY_TEXT];
    const char *separator = "";

    cJSON_ArrayForEach(value, setting)
    {
        const char *path = value->string;

        path = strncmp(path, "pool.", 5) == 0 ? path + 5 : path;
        (void)fprintf(out, "%s%s %s", separator, path, value_text(value, text));
        separator = ", ";
    }
}

/* A share of busy time: one decimal, in a column. */
static const char *busy_text(double ratio, char *text)
{
    if (isnan(ratio)) {
        return "-";
    }
    (void)snprintf(text, PB_QUANTITY_TEXT, "%.1f %%", 100 * ratio);
    return text;
}

static void print_line_one(FILE *out, const cJSON *json)
{
    const char *answer = pb_json_str(json, "answer", "?");
    const cJSON *recommended = pb_json_at(json, "recommended");
    const cJSON *changed;
    char text[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < PB_ARRAY_LEN(answer_words); i++) {
        if (strcmp(answer, answer_words[i].answer) == 0) {
            bool coloured = pb_print_coloured(out);

            (void)fprintf(out, "%s%s%s ", coloured ? answer_words[i].colour : "",
                          answer_words[i].word, coloured ? "\033[0m" : "");
        }
    }
    print_setting(out, cJSON_IsObject(recommended) ? recommended : pb_json_at(json, "original"));
    if (strcmp(answer, "improved") == 0) {
        const char *separator = " (now ";

        cJSON_ArrayForEach(changed, pb_json_at(json, "changed"))
        {
            (void)fprintf(out, "%s%s", separator, value_text(pb_json_at(changed, "from"), text));
            separator = ", ";
        }
        (void)fputs(separator[0] == ',' ? ")" : "", out);
    }
    const char *driver = pb_json_str(json, "driver", "builtin");
    bool foreign = strcmp(driver, "builtin") != 0;

    (void)fprintf(out, "   %s%s%s: %lld real runs", pb_json_str(json, "scenario", "?"),
                  foreign ? ", driver " : "", foreign ? driver : "",
                  (long long)pb_json_int(json, "real_runs.total", 0));
    if (pb_json_int(json, "real_runs.invalid", 0) > 0) {
        (void)fprintf(out, " (%lld not used)",
                      (long long)pb_json_int(json, "real_runs.invalid", 0));
    }
    (void)fprintf(out, ", %s%s%s\n", pb_format_duration(pb_json_int(json, "elapsed_ns", 0), text),
                  pb_json_bool(json, "provisional", false) ? ", provisional: few repeats" : "",
                  pb_json_bool(json, "interrupted", false) ? ", interrupted" : "");
    (void)fprintf(out, "%s\n", pb_json_str(json, "reason", ""));
}

static void print_change(FILE *out, const cJSON *row)
{
    double change = pb_json_num(row, "change_ratio", NO_NUMBER);
    double low = pb_json_num(row, "ci_low", NO_NUMBER),
           high = pb_json_num(row, "ci_high", NO_NUMBER);

    if (isnan(change)) {
        (void)fputs("  no change seen", out);
        return;
    }
    (void)fprintf(out, "  %+.1f %%", 100 * change);
    if (!isnan(low) && !isnan(high)) {
        (void)fprintf(out, "  (%+.1f .. %+.1f %%)", 100 * low, 100 * high);
    }
}

static void print_effect(FILE *out, const char *name, const char *unit, const cJSON *row)
{
    char now[PB_QUANTITY_TEXT], use[PB_QUANTITY_TEXT];

    (void)fprintf(out, "  %-34s %10s %10s", name,
                  pb_format_in_unit(unit, pb_json_num(row, "now", NO_NUMBER), now),
                  pb_format_in_unit(unit, pb_json_num(row, "use", NO_NUMBER), use));
    print_change(out, row);
}

static const char *unit_of_metric(const char *metric)
{
    static const struct {
        const char *prefix, *unit;
    } units[] = {
        { "latency", "ns" },          { "queue_wait", "ns" },          { "service", "ns" },
        { "send_lag", "ns" },         { "recovery_time", "ns" },       { "error_rate", "ratio" },
        { "utilization", "ratio" },   { "core_utilization", "ratio" }, { "throughput", "per_s" },
        { "achieved_rate", "per_s" }, { "worker.memory", "bytes" },    { "memory", "bytes" },
        { "worker.cpu", "ratio" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(units); i++) {
        if (strncmp(metric, units[i].prefix, strlen(units[i].prefix)) == 0) {
            return units[i].unit;
        }
    }
    return "";
}

static bool has_intervals(const cJSON *json)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.metrics"))
    {
        if (!isnan(pb_json_num(row, "ci_low", NO_NUMBER))) {
            return true;
        }
    }
    return false;
}

/* An objective on the same figure has a line already: "latency.p99 < 50ms" for "latency.p99". */
static bool said_above(const cJSON *json, const cJSON *metric)
{
    const char *name = pb_json_str(metric, "name", "?");
    const cJSON *row;

    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.objectives"))
    {
        const char *expression = pb_json_str(row, "expression", "");

        if (strncmp(expression, name, strlen(name)) == 0 && expression[strlen(name)] == ' ' &&
            pb_json_num(row, "now", NO_NUMBER) == pb_json_num(metric, "now", NO_NUMBER) &&
            pb_json_num(row, "use", NO_NUMBER) == pb_json_num(metric, "use", NO_NUMBER)) {
            return true;
        }
    }
    return false;
}

static void print_evidence(FILE *out, const cJSON *json)
{
    const cJSON *row;
    char now[PB_QUANTITY_TEXT], use[PB_QUANTITY_TEXT];
    const char *unit = pb_json_str(json, "cost.unit", "workers");

    if (!cJSON_IsObject(pb_json_at(json, "evidence"))) {
        return;
    }
    (void)fprintf(out, "  %-34s %10s %10s  change%s\n", "", "now", "use",
                  has_intervals(json) ? ", 95 % interval" : " (too few pairs for an interval)");
    (void)fprintf(out, "  %-34s %10s %10s  %+.1f %%\n", unit,
                  pb_format_in_unit(strcmp(unit, "workers") == 0 ? "" : unit,
                                    pb_json_num(json, "cost.now", NO_NUMBER), now),
                  pb_format_in_unit(strcmp(unit, "workers") == 0 ? "" : unit,
                                    pb_json_num(json, "cost.use", NO_NUMBER), use),
                  100 * pb_json_num(json, "cost.change_ratio", 0));
    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.objectives"))
    {
        print_effect(out, pb_json_str(row, "expression", "?"),
                     unit_of_metric(pb_json_str(row, "metric", "")), row);
        (void)fprintf(out, "   %s%s\n", pb_json_str(row, "answer_use", ""),
                      pb_json_bool(row, "binds", false) ? "  <- binds" : "");
    }
    cJSON_ArrayForEach(row, pb_json_at(json, "evidence.metrics"))
    {
        if (said_above(json, row)) {
            continue;
        }
        print_effect(out, pb_json_str(row, "name", "?"), pb_json_str(row, "unit", ""), row);
        (void)fputc('\n', out);
    }
}

/* "at 1.2 x load with 1 worker lost" */
static void print_conditions(FILE *out, const cJSON *stress)
{
    long long lost = (long long)pb_json_int(stress, "workers_lost", 0);

    (void)fprintf(out, "at %.3g x load", pb_json_num(stress, "load_factor", 1));
    if (lost > 0) {
        (void)fprintf(out, " with %lld worker%s lost", lost, lost == 1 ? "" : "s");
    }
}

/* "at 1.2 x load with 1 worker lost: p99 31 ms, busy 80.1 %, PASS (measured, 2 runs)" */
static void print_stress(FILE *out, const cJSON *json)
{
    const cJSON *stress = pb_json_at(json, "evidence.stress");
    char p99[PB_QUANTITY_TEXT], busy[PB_QUANTITY_TEXT];

    if (!cJSON_IsObject(stress)) {
        return;
    }
    (void)fputs("  ", out);
    print_conditions(out, stress);
    (void)fprintf(out, ": p99 %s, busy %s, %s (measured, %lld runs)\n",
                  pb_format_in_unit("ns", pb_json_num(stress, "p99_ns", NO_NUMBER), p99),
                  busy_text(pb_json_num(stress, "utilization_ratio", NO_NUMBER), busy),
                  pb_json_str(stress, "answer", "?"), (long long)pb_json_int(stress, "runs", 0));
}

static void print_tried(FILE *out, const cJSON *json)
{
    const cJSON *row;
    char busy[PB_QUANTITY_TEXT], p99[PB_QUANTITY_TEXT];
    const cJSON *stress = pb_json_at(json, "stress");
    bool confirmed = strcmp(pb_json_str(json, "answer", ""), "unconfirmed") != 0;

    (void)fputs("What was tried, cheapest first", out);
    if (pb_json_num(stress, "load_factor", 1) != 1 || pb_json_int(stress, "workers_lost", 0) > 0) {
        (void)fputs(", ", out);
        print_conditions(out, stress);
    }
    (void)fprintf(out, " (%s search, %lld of %lld settings)\n", pb_json_str(json, "search", "?"),
                  (long long)pb_json_int(json, "space.tried", 0),
                  (long long)pb_json_int(json, "space.settings", 0));
    (void)fprintf(out, "  %7s %10s %5s  %-13s %s\n", "busy", "p99", "runs", "answer", "setting");
    cJSON_ArrayForEach(row, pb_json_at(json, "settings"))
    {
        (void)fprintf(out, "  %7s %10s %5lld  %-13s ",
                      busy_text(pb_json_num(row, "utilization_ratio", NO_NUMBER), busy),
                      pb_format_in_unit("ns", pb_json_num(row, "p99_ns", NO_NUMBER), p99),
                      (long long)pb_json_int(row, "runs", 0), pb_json_str(row, "answer", "?"));
        print_setting(out, pb_json_at(row, "setting"));
        if (pb_json_bool(row, "recommended", false)) {
            (void)fputs(confirmed ? "  <- use" : "  (best so far)", out);
        } else if (pb_json_bool(row, "original", false)) {
            (void)fputs("  (now)", out);
        }
        const char *reason = pb_json_str(row, "reason", "");

        (void)fprintf(out, "%s%s\n", reason[0] ? "  " : "", reason);
    }
}

static void print_notes(FILE *out, const cJSON *json)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, pb_json_at(json, "notes"))
    {
        /* How much was searched stands above the table of what was tried. */
        if (strcmp(pb_json_str(row, "topic", ""), "search") == 0) {
            continue;
        }
        (void)fprintf(out, "%s\n", pb_json_str(row, "text", ""));
    }
    cJSON_ArrayForEach(row, pb_json_at(json, "dead_settings"))
    {
        (void)fprintf(out, "Dead setting: %s: %s\n", pb_json_str(row, "path", "?"),
                      pb_json_str(row, "reason", ""));
    }
}

static void print_next(FILE *out, const cJSON *json, const struct pb_print_place *place)
{
    const char *folder = place->folder ? place->folder : pb_json_str(json, "id", "RUN");
    const char *path = pb_json_str(json, "scenario_path", NULL);

    if (place->folder) {
        (void)fprintf(out, "%s\n", place->report ? place->report : place->folder);
    }
    if (strcmp(pb_json_str(json, "answer", ""), "improved") == 0 && path) {
        (void)fprintf(out, "apply: %s apply", place->program);
        pb_print_word(out, folder);
        pb_print_word(out, path);
        (void)fprintf(out, "\nundo: %s rollback", place->program);
        pb_print_word(out, path);
    } else if (pb_json_bool(json, "interrupted", false)) {
        (void)fprintf(out, "go on: %s tune --resume", place->program);
        pb_print_word(out, folder);
    } else if (path) {
        (void)fprintf(out, "next: %s run", place->program);
        pb_print_word(out, path);
        (void)fputs(" --runs 6", out);
    } else {
        return;
    }
    (void)fputc('\n', out);
}

void pb_print_tune(FILE *out, const cJSON *json, const struct pb_print_place *place)
{
    print_line_one(out, json);
    print_evidence(out, json);
    print_stress(out, json);
    print_tried(out, json);
    print_notes(out, json);
    print_next(out, json, place);
}
