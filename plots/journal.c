#include "plots/journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "plots/nothing.h"

#define JOURNAL_MAX_BYTES ((size_t)64 << 20)

bool pb_setting_same(const cJSON *a, const cJSON *b)
{
    return a && b && cJSON_Compare(a, b, true);
}

static bool is_type(const cJSON *line, const char *type)
{
    return strcmp(pb_json_str(line, "type", ""), type) == 0;
}

/* Keeps a line that is a JSON object; others are torn or foreign. */
static enum pb_status take_line(const char *line, struct pb_journal *journal, struct pb_error *err)
{
    struct pb_problems problems = { 0 };
    struct pb_json *json = NULL;
    enum pb_status status = pb_json_parse(line, strlen(line), "journal.jsonl", &json, &problems);

    pb_problems_done(&problems);
    if (status == PB_ENOMEM) {
        return pb_fail(err, PB_ENOMEM, "no memory to read a journal");
    }
    if (status == PB_OK && cJSON_IsObject(pb_json_root(json))) {
        journal->lines[journal->line_count++] = json;
    } else if (status == PB_OK) {
        pb_json_free(json);
    }
    return PB_OK;
}

static enum pb_status split_lines(char *text, struct pb_journal *journal, struct pb_error *err)
{
    size_t count = 1;

    for (const char *at = text; *at; at++) {
        count += *at == '\n';
    }
    journal->lines = calloc(count, sizeof(struct pb_json *));
    journal->trials = calloc(count, sizeof(*journal->trials));
    if (!journal->lines || !journal->trials) {
        return pb_fail(err, PB_ENOMEM, "no memory to read a journal");
    }
    enum pb_status status = PB_OK;

    for (char *rest = text, *line; status == PB_OK && (line = strsep(&rest, "\n")) != NULL;) {
        status = *line ? take_line(line, journal, err) : PB_OK;
    }
    return status;
}

static enum pb_status read_lines(const char *folder, struct pb_journal *journal,
                                 struct pb_error *err)
{
    char *path = pb_path_join(folder, "journal.jsonl");
    char *text = NULL;
    size_t len = 0;

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to read a journal");
    }
    enum pb_status status = pb_file_read(path, JOURNAL_MAX_BYTES, &text, &len, err);

    free(path);
    PB_TRY(status);
    status = split_lines(text, journal, err);
    free(text);
    return status;
}

static const cJSON *line_at(const struct pb_journal *journal, size_t i)
{
    return pb_json_root(journal->lines[i]);
}

/* Did all objectives that were answered hold? */
static bool objectives_hold(const cJSON *measured)
{
    const cJSON *objective;

    cJSON_ArrayForEach(objective, pb_json_at(measured, "objectives"))
    {
        if (strcmp(pb_json_str(objective, "answer", ""), "FAIL") == 0) {
            return false;
        }
    }
    return true;
}

/* What the next decision about the setting of line `i` says.  A decision about another one in
 * between does not end the search: a setting may be measured again when it is compared. */
static enum pb_fate fate_of(const struct pb_journal *journal, size_t i, const cJSON *incumbent)
{
    const cJSON *measured = line_at(journal, i);
    const cJSON *setting = pb_json_at(measured, "setting");

    if (!pb_json_bool(measured, "valid", true) || pb_json_bool(measured, "crashed", false)) {
        return PB_FATE_INVALID;
    }
    for (size_t k = i + 1; k < journal->line_count; k++) {
        const cJSON *line = line_at(journal, k);

        if (!pb_setting_same(pb_json_at(line, "setting"), setting)) {
            continue;
        }
        if (is_type(line, "rolled_back")) {
            return objectives_hold(measured) ? PB_FATE_NO_BETTER : PB_FATE_ROLLED_BACK;
        }
        if (is_type(line, "accepted") && !pb_setting_same(setting, incumbent)) {
            return PB_FATE_ACCEPTED;
        }
    }
    if (pb_setting_same(setting, incumbent)) {
        return PB_FATE_INCUMBENT;
    }
    return pb_setting_same(setting, pb_json_at(journal->header, "original")) ? PB_FATE_ORIGINAL
                                                                             : PB_FATE_OPEN;
}

/* The setting that a decision leaves in force, or NULL. */
static const cJSON *incumbent_after(const cJSON *line)
{
    if (is_type(line, "header")) {
        return pb_json_at(line, "original");
    }
    if (is_type(line, "rolled_back")) {
        return pb_json_at(line, "to");
    }
    return is_type(line, "accepted") || is_type(line, "incumbent") || is_type(line, "confirmed")
               ? pb_json_at(line, "setting")
               : NULL;
}

static void take_trials(struct pb_journal *journal)
{
    const cJSON *incumbent = NULL;

    for (size_t i = 0; i < journal->line_count; i++) {
        const cJSON *line = line_at(journal, i);
        const cJSON *next = incumbent_after(line);

        journal->finished = journal->finished || is_type(line, "finished");
        if (is_type(line, "header") && !journal->header) {
            journal->header = line;
        }
        if (next) {
            incumbent = next;
        }
        if (!is_type(line, "measured")) {
            continue;
        }
        struct pb_journal_trial *trial = &journal->trials[journal->count++];

        *trial = (struct pb_journal_trial){
            .number = (int)pb_json_int(line, "trial", (int64_t)journal->count),
            .stage = pb_json_str(line, "stage", "?"),
            .setting = pb_json_at(line, "setting"),
            .incumbent = incumbent,
            .line = line,
            .fate = fate_of(journal, i, incumbent),
            .p99_ms = pb_json_num(line, "p99_ns", PB_NOTHING) / PB_NS_PER_MS,
        };
        if (trial->fate == PB_FATE_INVALID || !(trial->p99_ms > 0)) {
            trial->p99_ms = PB_NOTHING;
        }
    }
}

enum pb_status pb_journal_load(const char *folder, struct pb_journal *ret_journal,
                               struct pb_error *err)
{
    struct pb_journal journal = { 0 };
    enum pb_status status = read_lines(folder, &journal, err);

    if (status != PB_OK) {
        pb_journal_done(&journal);
        return status;
    }
    take_trials(&journal);
    *ret_journal = journal;
    return PB_OK;
}

void pb_journal_done(struct pb_journal *journal)
{
    for (size_t i = 0; i < journal->line_count; i++) {
        pb_json_free(journal->lines[i]);
    }
    free(journal->lines);
    free(journal->trials);
    *journal = (struct pb_journal){ 0 };
}
