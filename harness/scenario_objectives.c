#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/quantity.h"
#include "harness/scenario_internal.h"

#define TEXT_MAX  200 /* bytes of an objective */
#define RATIO_MAX 1.0
#define ANY       1e15
#define OPEN_END  "p50, p90, p99, p99.9, mean, min or max"

static const struct pb_metric_kind kinds[] = {
    [PB_METRIC_LATENCY] = { "latency", PB_FIELD_DURATION, true, false, true, ANY,
                            "latency.p99 < 100ms",
                            "done - intended: what a user of the pool feels; a request that does "
                            "not end ok is late" },
    [PB_METRIC_QUEUE_WAIT] = { "queue_wait", PB_FIELD_DURATION, true, false, false, ANY,
                               "queue_wait.p99 < 20ms", "started - sent" },
    [PB_METRIC_SERVICE] = { "service", PB_FIELD_DURATION, true, false, false, ANY,
                            "service.p99 < 30ms", "done - started" },
    [PB_METRIC_SEND_LAG] = { "send_lag", PB_FIELD_DURATION, true, false, false, ANY,
                             "send_lag.p99 < 1ms", "sent - intended: the harness's own lateness" },
    [PB_METRIC_ERROR_RATE] = { "error_rate", PB_FIELD_RATIO, false, false, true, RATIO_MAX,
                               "error_rate < 0.1%",
                               "requests that did not end ok, client errors aside" },
    [PB_METRIC_THROUGHPUT] = { "throughput", PB_FIELD_RATE, false, false, true, ANY,
                               "throughput > 1000/s",
                               "ok outcomes a second; also > 99% of offered" },
    [PB_METRIC_ACHIEVED_RATE] = { "achieved_rate", PB_FIELD_RATE, false, false, true, ANY,
                                  "achieved_rate > 99% of offered", "outcomes a second" },
    [PB_METRIC_UTILIZATION] = { "utilization", PB_FIELD_RATIO, false, false, false, RATIO_MAX,
                                "utilization in 60%..80%", "busy time / alive time of workers" },
    [PB_METRIC_CORE_UTILIZATION] = { "core_utilization", PB_FIELD_RATIO, false, false, false, 1000,
                                     "core_utilization < 120%",
                                     "busy time / (size x duration); may exceed 1" },
    [PB_METRIC_RECOVERY_TIME] = { "recovery_time", PB_FIELD_DURATION, false, true, false, ANY,
                                  "recovery_time < 500ms",
                                  "kill_worker to the first success on the replacement" },
    [PB_METRIC_WORKER_MEMORY] = { "worker.memory", PB_FIELD_SIZE, false, true, false, ANY,
                                  "worker.memory < 50MB", "resident memory of a worker process" },
    [PB_METRIC_WORKER_CPU] = { "worker.cpu", PB_FIELD_RATIO, false, true, false, 1024,
                               "worker.cpu < 10%", "CPU time of a worker process / time" },
    [PB_METRIC_PEAK_WORKERS] = { "peak_workers", PB_FIELD_INTEGER, false, true, false, ANY,
                                 "peak_workers < 16", "most workers alive at once" },
    [PB_METRIC_PEAK_QUEUE] = { "peak_queue", PB_FIELD_INTEGER, false, true, false, ANY,
                               "peak_queue < 100", "most requests waiting at once" },
    [PB_METRIC_MEAN_WORKERS] = { "mean_workers", PB_FIELD_INTEGER, false, false, false, ANY,
                                 "mean_workers < 9.5", "alive worker-seconds per second" },
    [PB_METRIC_MEMORY] = { "memory", PB_FIELD_SIZE, false, true, false, ANY, "memory < 256MiB",
                           "peak resident memory of the whole process" },
};
_Static_assert(PB_ARRAY_LEN(kinds) == PB_METRIC_COUNT, "a row for each metric");

const struct pb_metric_kind *pb_metric_kind(enum pb_metric metric)
{
    return &kinds[metric];
}

const char *pb_metric_name(enum pb_metric metric)
{
    return kinds[metric].name;
}

void pb_objective_done(struct pb_objective *objective)
{
    free(objective->expression);
    free(objective->why);
    objective->expression = NULL;
    objective->why = NULL;
}

static const char *skip(const char *text)
{
    return text + strspn(text, " \t");
}

/* Cuts blanks off both ends, into `out` of TEXT_MAX + 1 bytes. */
static enum pb_status trim(const char *text, char *out, struct pb_error *err)
{
    text = skip(text);
    size_t len = strlen(text);

    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    if (len == 0 || len > TEXT_MAX) {
        return pb_fail(err, PB_EPARSE, "an objective has 1..%d bytes, such as \"%s\"", TEXT_MAX,
                       kinds[PB_METRIC_LATENCY].example);
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return PB_OK;
}

/* --- The phase in front --- */

static enum pb_status unknown_phase(const struct pb_scenario *scenario, const char *text,
                                    size_t len, struct pb_error *err)
{
    char name[PB_NAME_MAX + 1];

    (void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
    const char *near = pb_phase_nearest(scenario, name);

    return pb_fail(err, PB_EINVAL, "there is no phase \"%s\"%s%s%s", name,
                   near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* Reads "steady:" or "all:"; `ret_rest` points behind it. */
static enum pb_status parse_phase(const char *text, const struct pb_scenario *scenario,
                                  struct pb_objective *objective, bool *ret_all_phases,
                                  const char **ret_rest, struct pb_error *err)
{
    const char *rest = text, *colon = strchr(text, ':');
    int phase = pb_phase_prefix(scenario, text, ":", &rest);

    objective->phase = PB_PHASE_ALL;
    *ret_all_phases = false;
    if (phase >= 0 && *rest == ':') {
        if (!scenario->phases[phase].record) {
            return pb_fail(err, PB_EINVAL, "phase \"%s\" is not recorded, so it cannot be judged",
                           scenario->phases[phase].name);
        }
        objective->phase = phase;
        *ret_rest = skip(rest + 1);
        return PB_OK;
    }
    if (!colon) {
        *ret_all_phases = true;
        *ret_rest = text;
        return PB_OK;
    }
    size_t len = (size_t)(colon - text);

    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    if (len != strlen("all") || strncmp(text, "all", len) != 0) {
        return unknown_phase(scenario, text, len, err);
    }
    *ret_rest = skip(colon + 1);
    return PB_OK;
}

/* --- The metric --- */

static enum pb_status unknown_metric(const char *word, struct pb_error *err)
{
    const char *names[PB_METRIC_COUNT];
    char stem[48];

    for (int i = 0; i < PB_METRIC_COUNT; i++) {
        names[i] = kinds[i].name;
    }
    (void)snprintf(stem, sizeof(stem), "%.40s", word);
    const char *near = pb_nearest(stem, names, PB_METRIC_COUNT);

    if (!near) { /* perhaps a part behind the dot is there and hides the likeness */
        stem[strcspn(stem, ".")] = '\0';
        near = pb_nearest(stem, names, PB_METRIC_COUNT);
    }
    if (near) {
        return pb_fail(err, PB_EINVAL, "\"%.40s\" is not a metric; did you mean \"%s\"?", word,
                       kinds[PB_METRIC_LATENCY].name == near ? "latency.p99" : near);
    }
    return pb_fail(err, PB_EINVAL,
                   "\"%.40s\" is not a metric; metrics are latency.p99, error_rate, throughput, "
                   "utilization, recovery_time and others (poolbench fields)",
                   word);
}

/* "p99" and "p99.9" are percent; "p999" and "p9999" are 99.9 and 99.99, as in result files.  The
 * digits go behind "0.", so that p99.9 is the number nearest to 0.999. */
static bool parse_quantile(const char *text, double *ret_quantile)
{
    size_t digits = strspn(text, "0123456789"), nines = strspn(text, "9");
    const char *fraction = text[digits] == '.' ? text + digits + 1 : "";
    char decimal[24];

    if (digits == 0 || strlen(text) > 9 || fraction[strspn(fraction, "0123456789")] != '\0' ||
        (text[digits] != '\0' && *fraction == '\0')) {
        return false;
    }
    if (digits > 2 && (nines != digits || *fraction)) {
        return false;
    }
    (void)snprintf(decimal, sizeof(decimal), "0.%s%.*s%s", digits == 1 ? "0" : "", (int)digits,
                   text, fraction);
    *ret_quantile = strtod(decimal, NULL);
    return *ret_quantile > 0 && *ret_quantile < 1;
}

static enum pb_status parse_stat(const char *word, const char *stat, struct pb_objective *objective,
                                 struct pb_error *err)
{
    if (strcmp(stat, "mean") == 0) {
        objective->stat = PB_STAT_MEAN;
    } else if (strcmp(stat, "min") == 0) {
        objective->stat = PB_STAT_MIN;
    } else if (strcmp(stat, "max") == 0) {
        objective->stat = PB_STAT_MAX;
    } else if (stat[0] == 'p' && parse_quantile(stat + 1, &objective->quantile)) {
        objective->stat = PB_STAT_QUANTILE;
    } else {
        return pb_fail(err, PB_EINVAL, "\"%.40s\": what follows the dot is " OPEN_END, word);
    }
    return PB_OK;
}

static enum pb_status parse_metric(const char *word, struct pb_objective *objective,
                                   struct pb_error *err)
{
    for (int i = 0; i < PB_METRIC_COUNT; i++) {
        size_t len = strlen(kinds[i].name);

        if (strncmp(word, kinds[i].name, len) != 0 || (word[len] != '\0' && word[len] != '.')) {
            continue;
        }
        if (word[len] == '.' && !kinds[i].with_stat) {
            continue;
        }
        objective->metric = (enum pb_metric)i;
        objective->whole_run = kinds[i].whole_run;
        if (!kinds[i].with_stat) {
            return PB_OK;
        }
        if (word[len] == '\0') {
            return pb_fail(err, PB_EINVAL, "%s of what? write %s.p99, or %s.mean", word, word,
                           word);
        }
        return parse_stat(word, word + len + 1, objective, err);
    }
    return unknown_metric(word, err);
}

/* --- The limit --- */

static enum pb_status parse_plain(const char *text, double *ret_value, struct pb_error *err)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !isdigit((unsigned char)text[0]) || !isfinite(value)) {
        return pb_fail(err, PB_EPARSE, "\"%.40s\" is not a number such as 12", text);
    }
    *ret_value = value;
    return PB_OK;
}

static enum pb_status parse_limit(const struct pb_metric_kind *kind, const char *text,
                                  double *ret_limit, struct pb_error *err)
{
    int64_t whole = 0;
    double limit = 0;

    if (kind->type == PB_FIELD_DURATION) {
        PB_TRY(pb_parse_duration(text, &whole, err));
        limit = (double)whole;
    } else if (kind->type == PB_FIELD_SIZE) {
        PB_TRY(pb_parse_size(text, &whole, err));
        limit = (double)whole;
    } else if (kind->type == PB_FIELD_RATE) {
        PB_TRY(pb_parse_rate(text, &limit, err));
    } else if (kind->type == PB_FIELD_RATIO) {
        PB_TRY(pb_parse_ratio(text, &limit, err));
    } else {
        PB_TRY(parse_plain(text, &limit, err));
    }
    if (limit > kind->max) {
        return pb_fail(err, PB_EINVAL, "%s is never that much; write for example \"%s\"",
                       kind->name, kind->example);
    }
    *ret_limit = limit;
    return PB_OK;
}

/* "99% of offered": the limit is a part of the offered rate. */
static enum pb_status parse_of_offered(const char *text, struct pb_objective *objective,
                                       bool *ret_is, struct pb_error *err)
{
    const char *of = strstr(text, " of ");
    char part[TEXT_MAX + 1];

    *ret_is = false;
    if (kinds[objective->metric].type != PB_FIELD_RATE || !of) {
        return PB_OK;
    }
    if (strcmp(skip(of + strlen(" of ")), "offered") != 0) {
        return pb_fail(err, PB_EPARSE, "\"%.60s\": write for example \"99%% of offered\"", text);
    }
    (void)snprintf(part, sizeof(part), "%.*s", (int)(of - text), text);
    PB_TRY(pb_parse_ratio(part, &objective->limit, err));
    if (objective->limit > 1) {
        return pb_fail(err, PB_EINVAL, "more than 100%% of the offered rate cannot be reached");
    }
    objective->of_offered = true;
    *ret_is = true;
    return PB_OK;
}

static enum pb_status parse_band(const char *text, struct pb_objective *objective,
                                 struct pb_error *err)
{
    const struct pb_metric_kind *kind = &kinds[objective->metric];
    char low[TEXT_MAX + 1], high[TEXT_MAX + 1];

    PB_TRY(pb_split_range(text, low, high, sizeof(low), err));
    PB_TRY(parse_limit(kind, low, &objective->limit, err));
    PB_TRY(parse_limit(kind, high, &objective->limit_high, err));
    if (objective->limit >= objective->limit_high) {
        return pb_fail(err, PB_EINVAL, "\"%.60s\": the lower end comes first", text);
    }
    objective->op = PB_OP_IN;
    return PB_OK;
}

static enum pb_status parse_comparison(const char *text, struct pb_objective *objective,
                                       struct pb_error *err)
{
    bool of_offered = false;

    objective->op = *text == '<' ? PB_OP_LESS : PB_OP_GREATER;
    text += text[1] == '=' ? 2 : 1;
    text = skip(text);
    PB_TRY(parse_of_offered(text, objective, &of_offered, err));
    if (of_offered) {
        return PB_OK;
    }
    PB_TRY(parse_limit(&kinds[objective->metric], text, &objective->limit, err));
    if (kinds[objective->metric].type == PB_FIELD_DURATION && objective->limit <= 0) {
        return pb_fail(err, PB_EINVAL, "a limit of 0 means nothing; write for example \"%s\"",
                       kinds[objective->metric].example);
    }
    return PB_OK;
}

/* "99% ok within 100ms": the same as latency.p99 < 100ms. */
static enum pb_status parse_within(const char *text, const char *ok, struct pb_objective *objective,
                                   struct pb_error *err)
{
    const char *rest = skip(ok + strlen(" ok"));
    char share[TEXT_MAX + 1];

    (void)snprintf(share, sizeof(share), "%.*s", (int)(ok - text), text);
    PB_TRY(pb_parse_ratio(share, &objective->quantile, err));
    if (objective->quantile <= 0 || objective->quantile >= 1) {
        return pb_fail(err, PB_EINVAL, "\"%s\": the share must be between 0%% and 100%%", text);
    }
    if (strncmp(rest, "within ", strlen("within ")) != 0) {
        return pb_fail(err, PB_EPARSE, "\"%.60s\": write for example \"99%% ok within 100ms\"",
                       text);
    }
    objective->metric = PB_METRIC_LATENCY;
    objective->stat = PB_STAT_QUANTILE;
    objective->op = PB_OP_LESS;
    return parse_limit(&kinds[PB_METRIC_LATENCY], rest + strlen("within "), &objective->limit, err);
}

static enum pb_status parse_body(const char *text, struct pb_objective *objective,
                                 struct pb_error *err)
{
    const char *ok = strstr(text, " ok");
    size_t len = strcspn(text, " \t<>=!");
    char word[TEXT_MAX + 1];

    if (isdigit((unsigned char)*text) && ok) {
        return parse_within(text, ok, objective, err);
    }
    (void)snprintf(word, sizeof(word), "%.*s", (int)len, text);
    PB_TRY(parse_metric(word, objective, err));

    const char *rest = skip(text + len);

    if (strncmp(rest, "in", 2) == 0 && (rest[2] == ' ' || rest[2] == '\t')) {
        return parse_band(skip(rest + 2), objective, err);
    }
    if (*rest != '<' && *rest != '>') {
        return pb_fail(err, PB_EPARSE,
                       "\"%.80s\": after %.40s comes <, > or in; for example \"%s\"", text, word,
                       kinds[objective->metric].example);
    }
    return parse_comparison(rest, objective, err);
}

/* --- All of it --- */

enum pb_status pb_objective_parse(const char *text, const struct pb_scenario *scenario,
                                  struct pb_objective *ret_objective, bool *ret_all_phases,
                                  struct pb_error *err)
{
    struct pb_objective objective = { .level = PB_LEVEL_FAIL };
    char trimmed[TEXT_MAX + 1] = "";
    const char *rest = trimmed;
    bool all_phases = false;

    PB_TRY(trim(text, trimmed, err));
    PB_TRY(parse_phase(trimmed, scenario, &objective, &all_phases, &rest, err));
    PB_TRY(parse_body(rest, &objective, err));
    if (objective.whole_run && objective.phase != PB_PHASE_ALL) {
        return pb_fail(err, PB_EINVAL, "%s concerns the whole run: write it without a phase",
                       kinds[objective.metric].name);
    }
    objective.expression = strdup(rest);
    if (!objective.expression) {
        return pb_fail(err, PB_ENOMEM, "out of memory");
    }
    *ret_objective = objective;
    *ret_all_phases = all_phases;
    return PB_OK;
}
