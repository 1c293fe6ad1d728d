#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/quantity.h"
#include "plots/axis.h"
#include "plots/nothing.h"
#include "plots/trajectory_internal.h"

static double word_value(const struct pb_param *param, const char *word)
{
    for (size_t i = 0; i < param->word_count; i++) {
        if (strcmp(param->words[i], word) == 0) {
            return (double)i;
        }
    }
    return PB_NOTHING;
}

double pb_param_value(const struct pb_param *param, const cJSON *setting)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(setting, param->path);
    int64_t ns;

    if (cJSON_IsNumber(value) && param->kind == PB_PARAM_NUMBER) {
        return value->valuedouble;
    }
    if (cJSON_IsString(value) && param->kind == PB_PARAM_WORD) {
        return word_value(param, value->valuestring);
    }
    if (cJSON_IsString(value) && param->kind == PB_PARAM_DURATION &&
        pb_parse_duration(value->valuestring, &ns, NULL) == PB_OK) {
        return (double)ns / PB_NS_PER_MS;
    }
    return PB_NOTHING;
}

/* Numbers, or durations, or words: what all values of the parameter have in common. */
static void find_kind(const struct pb_journal *journal, struct pb_param *param)
{
    int64_t ns;

    param->kind = PB_PARAM_DURATION;
    for (size_t i = 0; i < journal->count; i++) {
        const cJSON *value =
            cJSON_GetObjectItemCaseSensitive(journal->trials[i].setting, param->path);

        if (cJSON_IsNumber(value)) {
            param->kind = PB_PARAM_NUMBER;
            return;
        }
        if (cJSON_IsString(value) && pb_parse_duration(value->valuestring, &ns, NULL) != PB_OK) {
            param->kind = PB_PARAM_WORD;
        }
    }
}

static void find_words(const struct pb_journal *journal, struct pb_param *param)
{
    for (size_t i = 0; i < journal->count && param->kind == PB_PARAM_WORD; i++) {
        const cJSON *value =
            cJSON_GetObjectItemCaseSensitive(journal->trials[i].setting, param->path);

        if (cJSON_IsString(value) && param->word_count < PB_WORDS_MAX &&
            isnan(word_value(param, value->valuestring))) {
            param->words[param->word_count++] = value->valuestring;
        }
    }
}

static void find_range(const struct pb_journal *journal, struct pb_param *param)
{
    param->low = PB_ENDLESS;
    param->high = -PB_ENDLESS;
    for (size_t i = 0; i < journal->count; i++) {
        double value = pb_param_value(param, journal->trials[i].setting);

        param->low = fmin(param->low, value);
        param->high = fmax(param->high, value);
    }
}

static bool is_known(const struct pb_trajectory *t, const char *path)
{
    for (size_t p = 0; p < t->param_count; p++) {
        if (strcmp(t->params[p].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds the parameters of one setting: in the first pass those that varied, then the others. */
static void add_params(struct pb_trajectory *t, const cJSON *setting, bool varied)
{
    const cJSON *value;

    cJSON_ArrayForEach(value, setting)
    {
        struct pb_param param = { .path = value->string };

        if (!param.path || t->param_count == PB_PARAMS_SHOWN || is_known(t, param.path)) {
            continue;
        }
        find_kind(&t->journal, &param);
        find_words(&t->journal, &param);
        find_range(&t->journal, &param);
        if (param.high >= param.low && (param.high > param.low) == varied) {
            t->params[t->param_count++] = param;
        }
    }
}

void pb_params_find(struct pb_trajectory *t)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < t->journal.count; i++) {
            add_params(t, t->journal.trials[i].setting, pass == 0);
        }
    }
}

static void word_axis(struct pb_trajectory *t, const struct pb_param *param)
{
    char text[32];

    pb_sheet_line(t->sheet, "set yrange [-0.5:%.9g]; set ytics 0,1,%zu format ''",
                  (double)param->word_count - 0.5, param->word_count);
    for (size_t i = 0; i < param->word_count; i++) {
        pb_text_fit(param->words[i], 12, 84, text, sizeof(text));
        pb_sheet_label(t->sheet, text,
                       "at graph 0, first %zu right offset character -1,0 font ',12' "
                       "textcolor rgb '#333333'",
                       i);
    }
}

void pb_param_axis(struct pb_trajectory *t, const struct pb_param *param)
{
    struct pb_axis axis;

    if (param->kind == PB_PARAM_WORD) {
        word_axis(t, param);
    } else if (param->kind == PB_PARAM_DURATION && param->low > 0) {
        pb_axis_duration(&axis, param->low * 0.8, param->high * 1.1, true);
        pb_axis_emit_duration(t->sheet, &axis);
    } else if (param->kind == PB_PARAM_DURATION) {
        pb_axis_duration(&axis, 0, fmax(param->high, 1e-3), false);
        pb_axis_emit_duration(t->sheet, &axis);
    } else {
        pb_axis_emit_points(t->sheet, fmax(param->high, 1), 4);
    }
}
