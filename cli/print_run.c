#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "poolbench/macros.h"

#define NO_NUMBER ((double)NAN)

#include "base/json.h"
#include "base/quantity.h"
#include "cli/print.h"
#include "harness/pool_text.h"

bool pb_print_coloured(FILE *out)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever sets a variable */
    const char *no_color = getenv("NO_COLOR");

    return isatty(fileno(out)) == 1 && !(no_color && *no_color);
}

static const struct verdict_words {
    const char *verdict, *word, *colour;
} verdict_words[] = {
    { "pass", "PASS", "\033[1;32m" },
    { "fail", "FAIL", "\033[1;31m" },
    { "inconclusive", "INCONCLUSIVE", "\033[1;33m" },
    { "untrusted", "UNTRUSTED", "\033[1;35m" },
    { "interrupted", "INTERRUPTED", "\033[1;33m" },
};

static void print_word(FILE *out, const char *word, const char *colour)
{
    if (pb_print_coloured(out)) {
        (void)fprintf(out, "%s%s\033[0m", colour, word);
    } else {
        (void)fputs(word, out);
    }
}

static void print_verdict_word(FILE *out, const cJSON *json, int binding)
{
    const char *verdict = pb_json_str(json, "verdict", "untrusted");

    if (strcmp(verdict, "pass") == 0 && binding == 0) {
        print_word(out,
                   cJSON_GetArraySize(pb_json_at(json, "objectives")) == 0
                       ? "DONE, no objectives"
                       : "DONE, no objective of level fail",
                   "\033[1m");
        return;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(verdict_words); i++) {
        if (strcmp(verdict, verdict_words[i].verdict) == 0) {
            print_word(out, verdict_words[i].word, verdict_words[i].colour);
            return;
        }
    }
    (void)fputs(verdict, out);
}

/* What line 1 counts. */
struct tally {
    int binding, passed; /* objectives of level fail that apply, and those that passed */
    int warned;          /* objectives of level warn that did not pass */
    int warnings, notes; /* of the measurement: serious ones and others */
};

static struct tally count_all(const cJSON *json)
{
    struct tally tally = { 0 };
    const cJSON *row;

    cJSON_ArrayForEach(row, pb_json_at(json, "objectives"))
    {
        const char *answer = pb_json_str(row, "answer", "");

        if (strcmp(pb_json_str(row, "level", "fail"), "fail") != 0) {
            tally.warned += strcmp(answer, "FAIL") == 0;
        } else if (strcmp(answer, "NOT APPLICABLE") != 0) {
            tally.binding++;
            tally.passed += strcmp(answer, "PASS") == 0;
        }
    }
    cJSON_ArrayForEach(row, pb_json_at(json, "warnings"))
    {
        *(pb_json_bool(row, "serious", false) ? &tally.warnings : &tally.notes) += 1;
    }
    return tally;
}

static void print_count(FILE *out, int count, const char *word, const char **separator)
{
    if (count > 0) {
        (void)fprintf(out, "%s%d %s%s", *separator, count, word, count == 1 ? "" : "s");
        *separator = ", ";
    }
}

static void print_line_one(FILE *out, const cJSON *json)
{
    int runs = cJSON_GetArraySize(pb_json_at(json, "runs"));
    struct tally tally = count_all(json);
    const char *separator = "   ";

    print_verdict_word(out, json, tally.binding);
    if (runs > 0) {
        (void)fprintf(out, " (%d run%s)", runs, runs == 1 ? "" : "s");
    } else if (tally.binding > 0) {
        (void)fputs(" (one run)", out);
    }
    (void)fprintf(out, "  %s", pb_json_str(json, "scenario.name", "?"));
    if (tally.binding > 0) {
        (void)fprintf(out, "%s%d of", separator, tally.passed);
        separator = " ";
    }
    print_count(out, tally.binding, "objective", &separator);
    if (tally.warned > 0) {
        (void)fprintf(out, "%s%d of level warn broke", separator, tally.warned);
        separator = ", ";
    }
    print_count(out, tally.warnings, "warning", &separator);
    print_count(out, tally.notes, "note", &separator);
    if (runs == 0 && tally.binding > 0) {
        (void)fputs("   describes this run; for a gate use --runs 6", out);
    }
    (void)fputc('\n', out);
}

/* "30 s at 1000/s poisson after 3 s warm-up" */
static void print_phases(FILE *out, const cJSON *json)
{
    const cJSON *phase;
    int64_t warmup_ns = 0, recorded_ns = 0;
    int recorded = 0;
    const cJSON *only = NULL;
    char text[PB_QUANTITY_TEXT], rate[PB_QUANTITY_TEXT];

    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        if (pb_json_bool(phase, "record", true)) {
            recorded_ns += pb_json_int(phase, "duration_ns", 0);
            only = phase;
            recorded++;
        } else if (recorded == 0) {
            warmup_ns += pb_json_int(phase, "duration_ns", 0);
        }
    }
    (void)fprintf(out, "%s", pb_format_duration(recorded_ns, text));
    if (recorded == 1) {
        (void)fprintf(out, " at %s %s",
                      pb_format_rate(pb_json_num(only, "offered_rate_per_s", 0), rate),
                      pb_json_str(only, "arrival", ""));
    } else {
        (void)fprintf(out, " in %d phases", recorded);
    }
    if (warmup_ns > 0) {
        (void)fprintf(out, " after %s warm-up", pb_format_duration(warmup_ns, text));
    }
}

/* " (pool.size = 4 instead of 8, rate = 500 from the command line)" */
static void print_overrides(FILE *out, const cJSON *json)
{
    const cJSON *override;
    const char *separator = " (";

    cJSON_ArrayForEach(override, pb_json_at(json, "overrides"))
    {
        const char *replaced = pb_json_str(override, "replaced", NULL);
        const char *origin = pb_json_str(override, "origin", "?");

        (void)fprintf(out, "%s%s = ", separator, pb_json_str(override, "path", "?"));
        pb_print_text(out, pb_json_str(override, "value", "?"));
        (void)fputs(replaced ? " instead of " : "", out);
        pb_print_text(out, replaced ? replaced : "");
        separator = ", ";
        if (!override->next || strcmp(origin, pb_json_str(override->next, "origin", "?")) != 0) {
            (void)fprintf(out, " from the %s)", origin);
            separator = " (";
        }
    }
}

static void print_settings(FILE *out, const cJSON *json)
{
    char pool[PB_POOL_TEXT];

    pb_pool_text(json, false, pool, sizeof(pool));
    (void)fputs(pool, out);
    print_overrides(out, json);
    (void)fputs(" · ", out);
    print_phases(out, json);
    (void)fprintf(out, " · seed %lld", (long long)pb_json_int(json, "seed", 0));

    const cJSON *warning;
    bool serious = false;

    cJSON_ArrayForEach(warning, pb_json_at(json, "warnings"))
    {
        serious |= pb_json_bool(warning, "serious", false);
    }
    (void)fprintf(out, " · measurement %s\n", serious ? "NOT to be trusted" : "ok");
}

static const char *format_interval(const char *unit, double low, double high, char *text,
                                   size_t size)
{
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    if (isnan(low) || isnan(high)) {
        return "";
    }
    (void)snprintf(text, size, "%s .. %s", pb_format_in_unit(unit, low, a),
                   pb_format_in_unit(unit, high, b));
    return text;
}

/* Widths of the objectives' table, from what stands in it. */
struct widths {
    int answer, name;
    bool with_phase;
};

static const char *answer_word(const cJSON *objective)
{
    const char *answer = pb_json_str(objective, "answer", "?");
    bool warn = strcmp(pb_json_str(objective, "level", "fail"), "warn") == 0;

    return warn && strcmp(answer, "FAIL") == 0 ? "warn" : answer;
}

static void objective_name(const cJSON *objective, bool with_phase, char *name, size_t size)
{
    const char *phase = pb_json_str(objective, "phase", "");

    (void)snprintf(name, size, "%s%s%s", with_phase ? phase : "", with_phase && *phase ? ": " : "",
                   pb_json_str(objective, "expression", "?"));
}

static struct widths measure_objectives(const cJSON *json)
{
    const cJSON *objective, *phase;
    struct widths widths = { .answer = 4, .name = 24 };
    int recorded = 0;

    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        recorded += pb_json_bool(phase, "record", true);
    }
    widths.with_phase = recorded > 1;
    cJSON_ArrayForEach(objective, pb_json_at(json, "objectives"))
    {
        char name[160];
        int answer_len = (int)strlen(answer_word(objective));

        objective_name(objective, widths.with_phase, name, sizeof(name));
        widths.answer = answer_len > widths.answer ? answer_len : widths.answer;
        widths.name = (int)strlen(name) > widths.name ? (int)strlen(name) : widths.name;
    }
    return widths;
}

static void format_limit(const cJSON *objective, const char *unit, char *text, size_t size)
{
    const cJSON *limit = pb_json_at(objective, "limit");
    char one[PB_QUANTITY_TEXT];

    if (cJSON_IsArray(limit)) {
        (void)format_interval(unit, pb_json_num(objective, "limit.0", NO_NUMBER),
                              pb_json_num(objective, "limit.1", NO_NUMBER), text, size);
    } else {
        (void)snprintf(text, size, "%s",
                       cJSON_IsNumber(limit) ? pb_format_in_unit(unit, limit->valuedouble, one)
                                             : "");
    }
}

/* Beyond twice the limit a factor says more than a percentage. */
static void format_margin(const cJSON *objective, char *text, size_t size)
{
    double margin = pb_json_num(objective, "margin_ratio", NO_NUMBER);
    char one[PB_QUANTITY_TEXT];

    text[0] = '\0';
    if (margin < -1) {
        (void)snprintf(text, size, "%s x limit", pb_format_number(1 - margin, one));
    } else if (!isnan(margin)) {
        (void)snprintf(text, size, "%s%s", pb_format_percent(fabs(margin), one),
                       margin < 0 ? " over" : "");
    }
}

/* A latency quantile is judged by the share of requests within the limit: say both. */
static void print_good_share(FILE *out, const cJSON *objective, const struct widths *widths)
{
    double bad = pb_json_num(objective, "bad_ratio", NO_NUMBER);
    char share[PB_QUANTITY_TEXT], limit[PB_QUANTITY_TEXT], interval[2 * PB_QUANTITY_TEXT];

    if (isnan(bad) || strcmp(pb_json_str(objective, "unit", ""), "ns") != 0) {
        return;
    }
    (void)fprintf(out, "  %*s  %-*s %10s  %-20s %12s\n", widths->answer, "", widths->name,
                  "  = ok within the limit", pb_format_percent(1 - bad, share),
                  format_interval("ratio", 1 - pb_json_num(objective, "bad_high", NO_NUMBER),
                                  1 - pb_json_num(objective, "bad_low", NO_NUMBER), interval,
                                  sizeof(interval)),
                  pb_format_percent(1 - pb_json_num(objective, "bad_limit", 0), limit));
}

static const char *answer_colour(const char *word)
{
    return strcmp(word, "PASS") == 0   ? "\033[32m"
           : strcmp(word, "FAIL") == 0 ? "\033[31m"
                                       : "\033[33m";
}

static void print_objective(FILE *out, const cJSON *objective, const struct widths *widths)
{
    const char *unit = pb_json_str(objective, "unit", ""), *word = answer_word(objective);
    bool lost = cJSON_IsNull(pb_json_at(objective, "measured")) &&
                pb_json_num(objective, "bad_ratio", 0) > 0;
    char name[160], value[PB_QUANTITY_TEXT], interval[2 * PB_QUANTITY_TEXT],
        limit[2 * PB_QUANTITY_TEXT], margin[2 * PB_QUANTITY_TEXT];
    const char *why = pb_json_str(objective, "why", NULL);

    objective_name(objective, widths->with_phase, name, sizeof(name));
    format_limit(objective, unit, limit, sizeof(limit));
    format_margin(objective, margin, sizeof(margin));
    (void)fputs("  ", out);
    print_word(out, word, answer_colour(word));
    (void)fprintf(out, "%*s  %-*s %10s  %-20s %12s", widths->answer - (int)strlen(word), "",
                  widths->name, name,
                  /* The request at that percentile is one of those that did not end ok. */
                  lost ? "never"
                       : pb_format_in_unit(unit, pb_json_num(objective, "measured", NO_NUMBER),
                                           value),
                  format_interval(unit, pb_json_num(objective, "ci_low", NO_NUMBER),
                                  pb_json_num(objective, "ci_high", NO_NUMBER), interval,
                                  sizeof(interval)),
                  limit);
    why = why && strcmp(word, "PASS") != 0 ? why : "";
    if (margin[0] || why[0]) {
        (void)fprintf(out, "  %8s%s%s", margin, why[0] ? "  " : "", why);
    }
    (void)fputc('\n', out);
    print_good_share(out, objective, widths);
    if (strcmp(word, "INCONCLUSIVE") == 0 &&
        !isnan(pb_json_num(objective, "more_seconds", NO_NUMBER))) {
        (void)fprintf(out, "  %*s    about %.0f more seconds would decide\n", widths->answer, "",
                      ceil(pb_json_num(objective, "more_seconds", 0)));
    }
}

static void print_objectives(FILE *out, const cJSON *json)
{
    const cJSON *objective;
    struct widths widths = measure_objectives(json);

    if (cJSON_GetArraySize(pb_json_at(json, "objectives")) > 0) {
        (void)fprintf(out, "  %*s  %-*s %10s  %-20s %12s  %8s\n", widths.answer, "", widths.name,
                      "objective", "measured", "95 % interval", "limit", "margin");
    }
    cJSON_ArrayForEach(objective, pb_json_at(json, "objectives"))
    {
        print_objective(out, objective, &widths);
    }
}

/* One line of the table of percentiles. */
static void print_percentiles(FILE *out, const cJSON *part, const char *path, const char *label)
{
    static const char *const columns[] = { "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns" };
    const cJSON *summary = pb_json_at(part, path);
    char text[PB_QUANTITY_TEXT];

    if (pb_json_int(summary, "count", 0) == 0) {
        (void)fprintf(out, "  %-16s %s\n", label, "no request ended ok");
        return;
    }
    (void)fprintf(out, "  %-16s", label);
    for (size_t i = 0; i < PB_ARRAY_LEN(columns); i++) {
        (void)fprintf(out, " %9s", pb_format_duration(pb_json_int(summary, columns[i], 0), text));
    }
    (void)fputc('\n', out);
}

static void print_latencies(FILE *out, const cJSON *json)
{
    const cJSON *phase;
    char floor_text[PB_QUANTITY_TEXT], lag[PB_QUANTITY_TEXT], label[64];
    int recorded = 0;

    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        recorded += pb_json_bool(phase, "record", true);
    }
    (void)fprintf(out, "  %-16s %9s %9s %9s %9s %9s\n", "", "p50", "p90", "p99", "p99.9", "max");
    print_percentiles(out, json, "totals.latency", "latency (ok)");
    print_percentiles(out, json, "totals.queue_wait", "  waiting");
    print_percentiles(out, json, "totals.service", "  working");
    cJSON_ArrayForEach(phase, pb_json_at(json, "phases"))
    {
        if (recorded > 1 && pb_json_bool(phase, "record", true)) {
            (void)snprintf(label, sizeof(label), "in %.13s", pb_json_str(phase, "name", "?"));
            print_percentiles(out, phase, "latency", label);
        }
    }
    (void)fprintf(out, "  instrument: null pool p50 %s, send lag p99 %s, pacing %s\n",
                  pb_format_duration(pb_json_int(json, "instrument.null_floor.p50_ns", 0),
                                     floor_text),
                  pb_format_duration(pb_json_int(json, "totals.send_lag.p99_ns", 0), lag),
                  pb_json_str(json, "instrument.pacing", "?"));
}

static void print_accounts(FILE *out, const cJSON *json)
{
    const cJSON *outcome, *totals = pb_json_at(json, "totals");
    char text[PB_QUANTITY_TEXT], attempts[PB_QUANTITY_TEXT];
    const char *sign = " = ";

    (void)fprintf(out, "  %s sent", pb_format_count(pb_json_int(totals, "sent", 0), text));
    cJSON_ArrayForEach(outcome, pb_json_at(totals, "outcomes"))
    {
        (void)fprintf(out, "%s%s %s", sign, pb_format_count((int64_t)outcome->valuedouble, text),
                      outcome->string);
        sign = " + ";
    }
    (void)fputc('\n', out);
    if (pb_json_int(totals, "attempts.sent", 0) > pb_json_int(totals, "sent", 0)) {
        (void)fprintf(out, "  %s were tried again: %s attempts in all\n",
                      pb_format_count(pb_json_int(totals, "attempts.retried", 0), text),
                      pb_format_count(pb_json_int(totals, "attempts.sent", 0), attempts));
    }
    if (pb_json_int(totals, "unsent", 0) > 0) {
        (void)fprintf(out, "  %s planned requests were not sent\n",
                      pb_format_count(pb_json_int(totals, "unsent", 0), text));
    }
}

static void print_resources(FILE *out, const cJSON *json)
{
    const cJSON *totals = pb_json_at(json, "totals");
    double utilization = pb_json_num(totals, "utilization_ratio", NO_NUMBER);
    double workers = pb_json_num(totals, "mean_workers", NO_NUMBER);
    double steal = pb_json_num(json, "resources.steal_ratio", NO_NUMBER);
    char busy[PB_QUANTITY_TEXT], alive[PB_QUANTITY_TEXT], share[PB_QUANTITY_TEXT],
        cpu[PB_QUANTITY_TEXT], memory[PB_QUANTITY_TEXT];

    (void)fprintf(out, "  workers busy %s of %s (%s, peak %lld) · queue peak %lld",
                  isnan(utilization) ? "?" : pb_format_number(utilization * workers, busy),
                  isnan(workers) ? "?" : pb_format_number(workers, alive),
                  isnan(utilization) ? "?" : pb_format_percent(utilization, share),
                  (long long)pb_json_int(totals, "peak_workers", 0),
                  (long long)pb_json_int(totals, "peak_queue", 0));
    if (cJSON_IsNumber(pb_json_at(json, "pool.queue_limit"))) {
        (void)fprintf(out, " of %lld", (long long)pb_json_int(json, "pool.queue_limit", 0));
    }
    (void)fprintf(out, " · CPU %s of %lld cores · memory %s",
                  pb_format_number(pb_json_num(json, "resources.process_cpus", 0), cpu),
                  (long long)pb_json_int(json, "environment.cpus_usable", 0),
                  pb_format_size(pb_json_int(json, "resources.peak_rss_bytes", 0), memory));
    if (!isnan(steal)) {
        (void)fprintf(out, " · steal %s", pb_format_percent(steal, share));
    }
    (void)fputc('\n', out);
}

/* Which pool it was, when not poolbench's own, and what it cannot do. */
static void print_driver(FILE *out, const cJSON *json)
{
    char names[PB_POOL_TEXT];

    if (pb_pool_is_foreign(json)) {
        pb_pool_lacks(json, names, sizeof(names));
        (void)fprintf(out, "  driver %s: %s%s%s\n", pb_json_str(json, "pool.driver.name", "?"),
                      pb_json_str(json, "pool.driver.summary", "?"),
                      *names ? " · not by this driver: " : "", names);
    }
}

static void print_warnings(FILE *out, const cJSON *json)
{
    const cJSON *warning;

    cJSON_ArrayForEach(warning, pb_json_at(json, "warnings"))
    {
        (void)fprintf(out, "  %s %s: %s\n",
                      pb_json_bool(warning, "serious", false) ? "WARNING" : "note",
                      pb_json_str(warning, "id", "?"), pb_json_str(warning, "text", ""));
    }
}

void pb_print_run(FILE *out, const cJSON *json, const struct pb_print_place *place)
{
    print_line_one(out, json);
    print_settings(out, json);
    (void)fprintf(out, "%s\n", pb_json_str(json, "reason", ""));
    print_objectives(out, json);
    print_latencies(out, json);
    print_accounts(out, json);
    print_resources(out, json);
    print_driver(out, json);
    pb_print_workers(out, json);
    print_warnings(out, json);
    pb_print_next(out, json, place);
}
