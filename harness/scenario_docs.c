#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "harness/scenario_internal.h"

/* One chapter: the rows under any of `prefixes` ("" is the top level), with words before the table
 * and after it. */
struct chapter {
    const char *title;
    const char *before;
    const char *prefixes[4];
    void (*after)(struct pb_buf *out);
};

static bool simple_name(const char *path)
{
    return !strpbrk(path, ".[");
}

/* Whether the row is shown in the chapter of `prefix`: directly, not in that of a longer prefix. */
static bool belongs(const struct pb_field *field, const char *prefix)
{
    static const char *const own_chapter[] = { "pool", "workload", "phases", "faults", "changes",
                                               "slo",  "abort",    "tune",   "retries" };
    size_t len = strlen(prefix);

    if (*prefix == '\0') {
        bool chapter = false;

        for (size_t i = 0; i < PB_ARRAY_LEN(own_chapter); i++) {
            chapter = chapter || strcmp(field->path, own_chapter[i]) == 0;
        }
        return simple_name(field->path) && !chapter;
    }
    if (strncmp(field->path, prefix, len) != 0) {
        return false;
    }
    return field->path[len] == '\0' ? prefix[len - 1] != '.' : simple_name(field->path + len);
}

static const char *type_word(const struct pb_field *field)
{
    static const char *const words[] = {
        [PB_FIELD_INTEGER] = "integer", [PB_FIELD_DURATION] = "duration",
        [PB_FIELD_SIZE] = "size",       [PB_FIELD_RATE] = "rate",
        [PB_FIELD_RATIO] = "ratio",     [PB_FIELD_BOOL] = "true or false",
        [PB_FIELD_CHOICE] = "word",     [PB_FIELD_TEXT] = "text",
        [PB_FIELD_COMPLEX] = "below",
    };

    return field->type == PB_FIELD_COMPLEX && field->choices ? "word" : words[field->type];
}

static void put_range(struct pb_buf *out, const struct pb_field *field)
{
    char range[96];

    for (size_t i = 0; field->choices && field->choices[i]; i++) {
        pb_buf_printf(out, "%s%s", i > 0 ? ", " : "", field->choices[i]);
    }
    pb_field_range(field, range, sizeof(range));
    pb_buf_puts(out, field->choices ? "" : range);
}

static void put_row(struct pb_buf *out, const struct pb_field *field)
{
    /* Durations carry their unit in the text, and ratios have none. */
    bool quantity = field->type == PB_FIELD_SIZE || field->type == PB_FIELD_RATE;

    pb_buf_printf(out, "| `%s` | %s%s%s%s | %s | ", field->path, type_word(field),
                  quantity ? " (" : "", quantity ? field->unit : "", quantity ? ")" : "",
                  field->def ? field->def : "-");
    put_range(out, field);
    pb_buf_printf(out, " | %s%s |\n", field->help, field->tunable ? " (tunable)" : "");
}

static void put_table(struct pb_buf *out, const char *const *prefixes, size_t count)
{
    const struct pb_field *field;

    pb_buf_puts(out, "| field | type | default | range | meaning |\n| --- | --- | --- | --- | --- "
                     "|\n");
    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        for (size_t p = 0; p < count && prefixes[p]; p++) {
            if (belongs(field, prefixes[p])) {
                put_row(out, field);
                break;
            }
        }
    }
}

/* --- Words after the tables --- */

static void after_pool(struct pb_buf *out)
{
    const struct pb_field *field;
    const char *value;

    pb_buf_puts(out, "\n`\"preset\": \"dspex\"` stands for");
    for (size_t i = 0, n = 0; (field = pb_field_at(i)) != NULL; i++) {
        value = pb_preset_value(pb_preset_find("dspex"), field->path);
        if (value) {
            pb_buf_printf(out, "%s `%s` %s", n++ > 0 ? "," : "", field->path + strlen("pool."),
                          value);
        }
    }
    pb_buf_puts(out,
                "; fields written beside it win.\n\n"
                "Overflow is by count: while more than `size` workers are alive and one has been "
                "idle for\n`overflow_ttl`, the longest idle one goes. A request is rejected if and "
                "only if the requests in the\nsystem are as many as the workers that live or may "
                "start, plus `queue_limit`. The checkout clock\nstarts when the request is sent, "
                "the operation clock when a worker takes it; at a timeout the\noutcome is decided, "
                "the worker stays occupied until it really returns.\n");
}

static void after_workload(struct pb_buf *out)
{
    const struct pb_dist_form *form;

    pb_buf_puts(out, "\nA distribution (`service`, `think`) is a duration, which is constant, or "
                     "an object:\n\n");
    for (size_t i = 0; (form = pb_dist_form_at(i)) != NULL; i++) {
        pb_buf_printf(out, "- `{ \"distribution\": \"%s\", \"%s\": ...", form->distribution,
                      form->params[0]);
        if (form->params[1]) {
            pb_buf_printf(out, ", \"%s\": ...", form->params[1]);
        }
        pb_buf_puts(out, " }`\n");
    }
    pb_buf_puts(
        out, "\nWithout `distribution` a p99 means lognormal: `{ \"p50\": \"3.5ms\", \"p99\": "
             "\"25ms\" }`. A lognormal by\nmean and p99 needs p99/mean below 14.97 and takes the "
             "smaller of the two solutions.\n\n"
             "A request first burns its CPU part (`cpu_share` of the demand, in thread CPU "
             "time), then waits for\nthe rest. The wait ends early when the request is asked to "
             "stop, unless `ignore_cancel`. A hang waits\nto be asked; with `ignore_cancel` it "
             "lasts until the run's final drain ends. The three probabilities\ntogether are at "
             "most 1.\n\n"
             "Each operation of a mix inherits every field above that it does not say itself:\n\n"
             "```json\n"
             "\"workload\": { \"cpu_share\": 0.1, \"operations\": [\n"
             "  { \"name\": \"read\",  \"weight\": 9, \"service\": \"2ms\" },\n"
             "  { \"name\": \"write\", \"weight\": 1, \"service\": { \"p50\": \"5ms\", \"p99\": "
             "\"40ms\" } } ] }\n"
             "```\n");
}

static void after_phases(struct pb_buf *out)
{
    pb_buf_puts(out, "\n| arrival | takes | meaning |\n| --- | --- | --- |\n");
    for (int i = 0; i < PB_ARRIVAL_COUNT; i++) {
        const struct pb_arrival_kind *kind = pb_arrival_kind((enum pb_arrival)i);

        pb_buf_printf(out, "| `%s` | ", kind->name);
        for (size_t p = 0; p < PB_ARRIVAL_PARAMS && kind->params[p]; p++) {
            pb_buf_printf(out, "%s`%s`", p > 0 ? ", " : "", kind->params[p]);
        }
        pb_buf_printf(out, "%s%s | %s |\n", kind->shaped ? ", `spacing`" : "",
                      i == PB_ARRIVAL_CLOSED ? ", `think`" : "", kind->meaning);
    }
    pb_buf_puts(
        out, "\nThe first six are open loop: arrivals never wait for completions. Phases follow "
             "without a gap\nunless one says `\"drain\": true`. A record belongs to the phase in "
             "which its request was meant to\nstart. In a closed phase user u of U starts at "
             "u/U of the mean think time, and none sends after the\nphase's end. At least one "
             "phase is recorded; a run plans at most 2^32 requests.\n");
}

static void after_retries(struct pb_buf *out)
{
    pb_buf_puts(
        out, "\nA request whose attempt ended in one of the outcomes `on` is tried again, up to "
             "`max` times, each time\nafter a pause: `delay`, then `backoff` times as long, at "
             "most `max_delay`, less what `jitter` takes off\n(with 1 anything from nothing to the "
             "whole pause). Each attempt draws a demand of its own, is one row of\nthe log, and "
             "goes through the queue like any other request. What counts is the request: its "
             "outcome is that of\nits last attempt, its latency runs from the moment at which the "
             "first was meant to start until the last was\ndecided, pauses included. A user of a "
             "closed loop goes on only then. After Ctrl-C nothing is tried again;\na request whose "
             "next attempt the run's end prevents ends as its last attempt did. The final drain "
             "lasts long\nenough for all attempts of a request, 30 s at most.\n");
}

static void after_faults(struct pb_buf *out)
{
    pb_buf_puts(
        out, "\nA fault says `at` and exactly one kind. `at` counts from the start of the first "
             "phase, warm-up\nincluded, or from a phase's start (`\"spike+1s\"`). A worker is "
             "the n-th of those alive at that moment, from\n0; `\"any\"` is one drawn from the "
             "seed, `\"all\"` is all of them. A fault with `for` ends after it; without, it "
             "lasts\nuntil its worker is replaced. Workers that come later do not have it. Two "
             "faults of one kind on one worker: the\nlater one counts.\n\n"
             "A stopped or hanging worker keeps its request until the operation timeout, and is "
             "then replaced: a process is\nkilled, a thread stays behind as stuck. A worker that "
             "leaks keeps the memory until it is replaced. Garbage ends\nthe request as "
             "worker_lost, and its worker with it.\n");
}

static void after_changes(struct pb_buf *out)
{
    pb_buf_puts(
        out,
        "\n```json\n\"changes\": [ { \"at\": \"spike+1s\", \"set\": { \"pool.size\": 16, "
        "\"pool.checkout_timeout\": \"50ms\" } } ]\n```\n\n"
        "At most 32, each at its instant (as a fault's). A growing pool starts workers at once; a "
        "shrinking one lets idle\nworkers go and busy ones finish their request: none is lost. "
        "`size` stays within `min_size` and `max_size`. A\nlowered timeout is for requests sent "
        "from then on, a raised one also for those waiting. What the pool made of\nit is in "
        "`events.jsonl` and in `changes` of `run.json`; the chart marks the instant. The twin of "
        "`tune` and\n`simulate` knows no changes.\n");
}

static void put_metrics(struct pb_buf *out)
{
    pb_buf_puts(out, "\n| metric | for example | meaning |\n| --- | --- | --- |\n");
    for (int i = 0; i < PB_METRIC_COUNT; i++) {
        const struct pb_metric_kind *kind = pb_metric_kind((enum pb_metric)i);

        pb_buf_printf(out, "| `%s%s` | `%s` | %s%s |\n", kind->name, kind->with_stat ? ".p99" : "",
                      kind->example, kind->meaning, kind->whole_run ? " (whole run)" : "");
    }
}

static void put_slo_presets(struct pb_buf *out)
{
    const char *preset, *expression, *last = NULL;
    enum pb_level level;

    for (size_t i = 0; (expression = pb_slo_preset_row(i, &preset, &level)) != NULL; i++) {
        if (!last || strcmp(last, preset) != 0) {
            pb_buf_printf(out, "%s- `\"%s\"`: `%s`", last ? "\n" : "", preset, expression);
        } else {
            pb_buf_printf(out, ", `%s`", expression);
        }
        pb_buf_puts(out, level == PB_LEVEL_WARN ? " (warn)" : "");
        last = preset;
    }
    pb_buf_puts(out, "\n");
}

static void after_slo(struct pb_buf *out)
{
    put_metrics(out);
    pb_buf_puts(out,
                "\nAfter a dot come a percentile (`p50`, `p99`, `p99.9`), `mean`, `min` or `max`. "
                "`<=` is read as `<`.\nA band is `in LOW..HIGH`. `99% ok within 100ms` is "
                "`latency.p99 < 100ms`: of all requests, client\nerrors aside, 99 % must end well "
                "within that time, so that rejecting is never rewarded.\n\n"
                "`steady: latency.p99 < 50ms` is about one phase, `all: ...` about the recorded "
                "phases together;\nwithout either, the objective is judged in each recorded phase "
                "and must hold in all.\n\nPresets:\n\n");
    put_slo_presets(out);
    pb_buf_puts(
        out, "\nAn objective of a preset without a subject here (recovery without a killed "
             "worker, `worker.*` on\nthreads) is NOT APPLICABLE; written out, it is a mistake.\n\n"
             "`abort` is a list of rules on `error_rate`, a latency percentile, `throughput` or "
             "`achieved_rate`:\n`\"error_rate > 20% for 2s\"` ends the run, as failed, once the "
             "last two seconds were like that.\nWithout `for` it is one second.\n");
}

static void after_tune(struct pb_buf *out)
{
    const struct pb_field *field;

    pb_buf_puts(out,
                "\n`vary` maps a path to its candidates: a list of values, or a range "
                "`\"2..32\"`. Integer ranges of up to\n1025 values are taken whole. Wider ones "
                "and ranges of durations are their two ends and the steps\n1, 2, 5, 10, 20, "
                "50, ... (of the unit) between them; a range of durations from 0 has its first "
                "step at\na thousandth of the upper end. Tunable are");
    for (size_t i = 0, n = 0; (field = pb_field_at(i)) != NULL; i++) {
        if (field->tunable) {
            pb_buf_printf(out, "%s `%s`", n++ > 0 ? "," : "", field->path);
        }
    }
    pb_buf_puts(out,
                ".\n\nCandidates are judged with every rate (or number of users) raised by "
                "`headroom` and with `survive`\nworkers lost. Only objectives of level fail bind. "
                "Ties go to the larger margin of the tightest\nobjective, then to fewer mean "
                "workers, then to fewer changes.\n");
}

static const struct chapter chapters[] = {
    { "Top level",
      "The short form: `rate` (or `users`) and `duration` make two phases, `warmup` (not recorded,\n"
      "max(1 s, 10 %) long) and `main`. With `phases` nothing is added; both together is a "
      "mistake.\n",
      { "" },
      NULL },
    { "Pool", NULL, { "pool.", "pool.recycle." }, after_pool },
    { "Workload",
      NULL,
      { "workload.", "workload.operations[].", "workload.service.", "workload.prepare[]." },
      after_workload },
    { "Phases", NULL, { "phases", "phases[]." }, after_phases },
    { "Retries", NULL, { "retries", "retries." }, after_retries },
    { "Faults", NULL, { "faults", "faults[]." }, after_faults },
    { "Changes", NULL, { "changes", "changes[]." }, after_changes },
    { "Objectives",
      "`slo` is the name of a preset, or a list of presets, objectives as text, and objects.\n",
      { "slo", "slo[].", "abort" },
      after_slo },
    { "Tuning", NULL, { "tune.", "tune.budget." }, after_tune },
};

static const char opening[] =
    "# A scenario\n\n"
    "This page is generated from the table that also parses and checks scenario files\n"
    "(`make docs`; `poolbench fields` shows the same). The smallest useful file:\n\n"
    "```json\n"
    "{ \"rate\": \"1000/s\", \"duration\": \"30s\",\n"
    "  \"pool\": { \"size\": 8 },\n"
    "  \"workload\": { \"service\": { \"p50\": \"3.5ms\", \"p99\": \"25ms\" } },\n"
    "  \"slo\": [ \"latency.p99 < 50ms\", \"error_rate < 0.1%\" ] }\n"
    "```\n\n"
    "JSON, with `//` and `/* */` comments and trailing commas. `description` and names that begin\n"
    "with `x-` may stand in any object. Every mistake of a file is reported at once, one line each\n"
    "with its place, and nothing is started.\n\n"
    "Quantities: a duration is text with a unit (`\"250us\"`, `\"1.5ms\"`, `\"1m30s\"`); a size "
    "`512` or\n`\"64KiB\"`; a rate `1000` or `\"2000/s\"`; a ratio `0.001` or `\"0.1%\"`. Any field "
    "can be set beside the file,\n`--set pool.size=12`, `--set phases.steady.rate=500`, or in the "
    "environment variable `POOLBENCH_SET`.\nThe later wins: default, preset, file, environment, "
    "command line. `--set rate=...` and `duration` need\nexactly one recorded phase.\n";

static void put_laters(struct pb_buf *out)
{
    const struct pb_later *later;

    pb_buf_puts(out, "\n## Not built in this version\n\nThese words are known and refused: ");
    for (size_t i = 0; (later = pb_later_at(i)) != NULL; i++) {
        pb_buf_printf(out, "%s`%s%s%s`", i > 0 ? ", " : "", later->path, later->word ? " " : "",
                      later->word ? later->word : "");
    }
    pb_buf_puts(out, ".\n");
}

void pb_fields_markdown(struct pb_buf *out)
{
    pb_buf_puts(out, opening);
    for (size_t i = 0; i < PB_ARRAY_LEN(chapters); i++) {
        const struct chapter *chapter = &chapters[i];

        pb_buf_printf(out, "\n## %s\n\n", chapter->title);
        if (chapter->before) {
            pb_buf_printf(out, "%s\n", chapter->before);
        }
        put_table(out, chapter->prefixes, PB_ARRAY_LEN(chapter->prefixes));
        if (chapter->after) {
            chapter->after(out);
        }
    }
    put_laters(out);
}
