#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/stats.h"
#include "harness/judge.h"
#include "harness/set_internal.h"

#define NONE ((double)NAN)

/* One objective over the runs. */
struct over_runs {
    struct pb_set *set;
    cJSON *object; /* in the set's document */
    size_t answers[PB_ANSWER_COUNT];
    size_t count;     /* runs that know a value */
    double *measured; /* infinite where the run says null but has data */
    double *bad;      /* shares of bad requests */
};

static enum pb_answer answer_in(const cJSON *objective)
{
    const char *name = pb_json_str(objective, "answer", "");

    for (int a = 0; a < PB_ANSWER_COUNT; a++) {
        if (strcmp(name, pb_answer_name((enum pb_answer)a)) == 0) {
            return (enum pb_answer)a;
        }
    }
    return PB_ANSWER_NO_DATA;
}

static void collect(struct over_runs *o, int index)
{
    for (size_t i = 0; i < o->set->count; i++) {
        const cJSON *objective =
            cJSON_GetArrayItem(pb_json_at(o->set->runs[i], "objectives"), index);
        enum pb_answer answer = answer_in(objective);

        o->answers[answer]++;
        if (answer == PB_ANSWER_NO_DATA || answer == PB_ANSWER_NOT_APPLICABLE) {
            continue;
        }
        o->measured[o->count] = pb_json_num(objective, "measured", (double)INFINITY);
        o->bad[o->count] = pb_json_num(objective, "bad_ratio", NONE);
        o->count++;
    }
}

static void put(struct over_runs *o, const char *key, double value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o->object, key);
    pb_out_num(&o->set->out, o->object, key, value);
}

static double median_of(const struct over_runs *o, const double *values)
{
    double *sorted = calloc(o->count + 1, sizeof(*sorted));
    double median = NONE;

    if (!sorted) {
        o->set->out.failed = true;
        return NONE;
    }
    if (o->count > 0) {
        memcpy(sorted, values, o->count * sizeof(*sorted));
        pb_sort(sorted, o->count);
        median = pb_median_sorted(sorted, o->count);
    }
    free(sorted);
    return median;
}

static struct pb_interval interval_of(const struct over_runs *o, const double *values)
{
    struct pb_interval interval = { NONE, NONE, 0 };

    if (o->count < PB_RUNS_FOR_INTERVAL) {
        return interval;
    }
    if (pb_median_interval(values, o->count, 0.95, &interval) != PB_OK) {
        o->set->out.failed = true;
    }
    return interval;
}

static enum pb_answer compare(const cJSON *objective, const struct pb_interval *interval)
{
    const char *op = pb_json_str(objective, "op", "<");
    double limit = pb_json_num(objective, "limit", NONE);
    double low = pb_json_num(objective, "limit.0", NONE);
    double high = pb_json_num(objective, "limit.1", NONE);
    bool pass, fail;

    if (strcmp(op, "in") == 0) {
        pass = interval->low >= low && interval->high <= high;
        fail = interval->high < low || interval->low > high;
    } else if (strcmp(op, ">") == 0) {
        pass = interval->low > limit;
        fail = interval->high <= limit;
    } else {
        pass = interval->high < limit;
        fail = interval->low >= limit;
    }
    return pass ? PB_ANSWER_PASS : fail ? PB_ANSWER_FAIL : PB_ANSWER_INCONCLUSIVE;
}

/* Six runs and more: the interval of the median over runs decides. */
static enum pb_answer answer_by_interval(struct over_runs *o, const struct pb_interval *measured,
                                         const struct pb_interval *bad)
{
    double bad_limit = pb_json_num(o->object, "bad_limit", NONE);

    if (isnan(bad_limit)) {
        return compare(o->object, measured);
    }
    if (bad->high < bad_limit || (bad_limit <= 0 && bad->high <= 0)) {
        return PB_ANSWER_PASS;
    }
    return bad->low > bad_limit ? PB_ANSWER_FAIL : PB_ANSWER_INCONCLUSIVE;
}

/* Two to five runs: only if every run agrees. */
static enum pb_answer answer_by_agreement(const struct over_runs *o)
{
    if (o->answers[PB_ANSWER_PASS] == o->set->count) {
        return PB_ANSWER_PASS;
    }
    return o->answers[PB_ANSWER_FAIL] == o->set->count ? PB_ANSWER_FAIL : PB_ANSWER_INCONCLUSIVE;
}

/* How many more runs about would decide; NaN: too close to say. */
static double more_runs(const struct over_runs *o, const struct pb_interval *interval,
                        double median, double limit)
{
    double distance = fabs(limit - median), half = (interval->high - interval->low) / 2;

    if (o->count < PB_RUNS_FOR_INTERVAL) {
        return (double)(PB_RUNS_FOR_INTERVAL - o->count);
    }
    /* The interval shrinks with the square root of the number of runs. */
    double more = (double)o->count * (half * half / (distance * distance) - 1);

    return distance > 0 && more < 1000 ? fmax(1, ceil(more)) : NONE;
}

static void put_margin(struct over_runs *o, double median)
{
    double limit = pb_json_num(o->object, "limit", NONE);
    const char *op = pb_json_str(o->object, "op", "<");

    put(o, "margin_ratio",
        limit > 0 ? (strcmp(op, ">") == 0 ? median - limit : limit - median) / limit : NONE);
}

static void put_values(struct over_runs *o, enum pb_answer answer,
                       const struct pb_interval *measured, const struct pb_interval *bad)
{
    double median = median_of(o, o->measured), bad_median = median_of(o, o->bad);
    double bad_limit = pb_json_num(o->object, "bad_limit", NONE);
    bool by_share = !isnan(bad_limit);
    double more = by_share ? more_runs(o, bad, bad_median, bad_limit)
                           : more_runs(o, measured, median, pb_json_num(o->object, "limit", NONE));

    put(o, "measured", median);
    put(o, "ci_low", measured->low);
    put(o, "ci_high", measured->high);
    put(o, "bad_ratio", bad_median);
    put(o, "good_ratio", 1 - bad_median);
    put(o, "bad_low", bad->low);
    put(o, "bad_high", bad->high);
    put(o, "effective_count", NONE);
    put(o, "more_seconds", NONE);
    put(o, "more_runs", answer == PB_ANSWER_INCONCLUSIVE ? more : NONE);
    put_margin(o, median);
}

static void put_answers(struct over_runs *o, int index, enum pb_answer answer)
{
    cJSON *answers;
    double count = 0;

    cJSON_DeleteItemFromObjectCaseSensitive(o->object, "answer");
    pb_out_str(&o->set->out, o->object, "answer", pb_answer_name(answer));
    answers = pb_out_array(&o->set->out, o->object, "answers");
    for (size_t i = 0; i < o->set->count; i++) {
        const cJSON *objective =
            cJSON_GetArrayItem(pb_json_at(o->set->runs[i], "objectives"), index);

        pb_out_str(&o->set->out, answers, NULL, pb_answer_name(answer_in(objective)));
        count += pb_json_num(objective, "count", 0);
    }
    put(o, "count", count);
}

static void judge_objective(struct over_runs *o, int index)
{
    struct pb_interval measured, bad;
    enum pb_answer answer;

    collect(o, index);
    measured = interval_of(o, o->measured);
    bad = interval_of(o, o->bad);
    if (o->answers[PB_ANSWER_NOT_APPLICABLE] == o->set->count) {
        answer = PB_ANSWER_NOT_APPLICABLE;
    } else if (o->count < o->set->count) {
        answer = PB_ANSWER_NO_DATA; /* a run without data proves nothing */
    } else if (o->count >= PB_RUNS_FOR_INTERVAL) {
        answer = answer_by_interval(o, &measured, &bad);
    } else {
        answer = answer_by_agreement(o);
    }
    put_values(o, answer, &measured, &bad);
    put_answers(o, index, answer);
}

void pb_set_objectives(struct pb_set *set)
{
    cJSON *objectives =
        set->root ? cJSON_GetObjectItemCaseSensitive(set->root, "objectives") : NULL;
    double *values = calloc(2 * set->count, sizeof(*values));
    cJSON *object;
    int index = 0;

    if (!objectives || !values) {
        set->out.failed = true;
        free(values);
        return;
    }
    if (set->count > 1) { /* a single run's answers stand */
        cJSON_ArrayForEach(object, objectives)
        {
            struct over_runs o = {
                .set = set, .object = object, .measured = values, .bad = values + set->count
            };

            judge_objective(&o, index++);
        }
    }
    free(values);
}

/* --- The verdict --- */

/* Number of runs with this verdict, and (1-based) which was the first. */
static size_t count_runs(const struct pb_set *set, enum pb_verdict verdict, size_t *ret_first)
{
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(pb_json_str(set->runs[i], "verdict", "untrusted"), pb_verdict_name(verdict)) ==
            0) {
            if (count++ == 0) {
                *ret_first = i + 1;
            }
        }
    }
    return count;
}

/* The first binding objective of the set with this answer. */
static const cJSON *first_objective(const struct pb_set *set, enum pb_answer answer)
{
    const cJSON *objective;

    cJSON_ArrayForEach(objective, pb_json_at(set->root, "objectives"))
    {
        if (answer_in(objective) == answer &&
            strcmp(pb_json_str(objective, "level", "fail"), "fail") == 0) {
            return objective;
        }
    }
    return NULL;
}

static const char *run_reason(const struct pb_set *set, size_t number)
{
    return pb_json_str(set->runs[number - 1], "reason", "");
}

static char *format_value(const char *unit, double value, char *text)
{
    if (!isfinite(value)) {
        memcpy(text, "never", sizeof("never"));
        return text;
    }
    if (strcmp(unit, "ns") == 0) {
        return pb_format_duration(llround(value), text);
    }
    if (strcmp(unit, "ratio") == 0) {
        return pb_format_percent(value, text);
    }
    if (strcmp(unit, "bytes") == 0) {
        return pb_format_size(llround(value), text);
    }
    return strcmp(unit, "per_s") == 0 ? pb_format_rate(value, text) : pb_format_number(value, text);
}

static void say_objective(const struct pb_set *set, const cJSON *objective, enum pb_answer answer,
                          char *text, size_t size)
{
    const char *unit = pb_json_str(objective, "unit", "");
    double more = pb_json_num(objective, "more_runs", NONE);
    size_t passed = 0, failed = 0;
    const cJSON *one;
    char value[PB_QUANTITY_TEXT], hint[48] = "";

    cJSON_ArrayForEach(one, pb_json_at(objective, "answers"))
    {
        passed += cJSON_IsString(one) && strcmp(one->valuestring, "PASS") == 0;
        failed += cJSON_IsString(one) && strcmp(one->valuestring, "FAIL") == 0;
    }
    if (answer == PB_ANSWER_INCONCLUSIVE && !isnan(more)) {
        (void)snprintf(hint, sizeof(hint), "; about %.0f more run%s would decide", more,
                       more > 1 ? "s" : "");
    }
    (void)snprintf(text, size,
                   "%.80s in phase %.40s %s: of %zu runs %zu passed and %zu failed, median %s%s.",
                   pb_json_str(objective, "expression", "?"),
                   pb_json_str(objective, "phase", "all"),
                   answer == PB_ANSWER_FAIL      ? "broke"
                   : answer == PB_ANSWER_NO_DATA ? "has no data in some run"
                                                 : "is undecided",
                   set->count, passed, failed,
                   format_value(unit, pb_json_num(objective, "measured", (double)INFINITY), value),
                   hint);
}

static enum pb_verdict decide(const struct pb_set *set, char *reason, size_t size)
{
    static const struct {
        enum pb_answer answer;
        enum pb_verdict verdict;
    } order[] = { { PB_ANSWER_FAIL, PB_VERDICT_FAIL },
                  { PB_ANSWER_NO_DATA, PB_VERDICT_INCONCLUSIVE },
                  { PB_ANSWER_INCONCLUSIVE, PB_VERDICT_INCONCLUSIVE } };
    size_t first = 1;

    if (count_runs(set, PB_VERDICT_INTERRUPTED, &first) > 0) {
        (void)snprintf(reason, size, "Interrupted in run %zu: %s", first, run_reason(set, first));
        return PB_VERDICT_INTERRUPTED;
    }
    if (count_runs(set, PB_VERDICT_UNTRUSTED, &first) > 0) {
        (void)snprintf(reason, size, "Run %zu: %s", first, run_reason(set, first));
        return PB_VERDICT_UNTRUSTED;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (pb_json_at(set->runs[i], "aborted.rule")) {
            (void)snprintf(reason, size, "Run %zu: %s", i + 1, run_reason(set, i + 1));
            return PB_VERDICT_FAIL;
        }
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(order); i++) {
        const cJSON *objective = first_objective(set, order[i].answer);

        if (objective) {
            say_objective(set, objective, order[i].answer, reason, size);
            return order[i].verdict;
        }
    }
    if (count_runs(set, PB_VERDICT_PASS, &first) == 0) {
        /* Alone, each run was too short; a run's own sentence would say so and mislead. */
        (void)snprintf(reason, size,
                       "Every objective holds over %zu runs, which no run alone shows.",
                       set->count);
    } else {
        (void)snprintf(reason, size, "Over %zu runs: %s", set->count, run_reason(set, first));
    }
    return PB_VERDICT_PASS;
}

void pb_set_verdict(struct pb_set *set)
{
    char reason[400];
    enum pb_verdict verdict;

    if (!set->root || set->count == 1) {
        return; /* a single run's verdict stands */
    }
    verdict = decide(set, reason, sizeof(reason));
    pb_set_replace(set, "verdict", cJSON_CreateString(pb_verdict_name(verdict)));
    pb_set_replace(set, "reason", cJSON_CreateString(reason));
}
