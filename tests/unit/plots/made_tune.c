#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "made_folder.h"
#include "support/test.h"

static void put_line(struct pb_buf *out, cJSON *line)
{
    char *text = pb_json_print(line, false);

    ck_assert_ptr_nonnull(text);
    pb_buf_puts(out, text);
    pb_buf_puts(out, "\n");
    free(text);
    cJSON_Delete(line);
}

static cJSON *setting_of(int size, bool many, const char *word)
{
    cJSON *setting = cJSON_CreateObject();

    cJSON_AddNumberToObject(setting, "pool.size", size);
    if (many) {
        cJSON_AddNumberToObject(setting, "pool.max_overflow", size % 5);
        cJSON_AddStringToObject(setting, "pool.checkout_timeout", size > 9 ? "1s" : "50ms");
        cJSON_AddStringToObject(setting, "pool.strategy", size > 10 ? "lifo" : word);
    }
    return setting;
}

static void put_decision(struct pb_buf *out, const char *type, cJSON *setting, const char *key,
                         cJSON *other)
{
    cJSON *line = cJSON_CreateObject();

    cJSON_AddStringToObject(line, "type", type);
    cJSON_AddItemToObject(line, "setting", setting);
    if (other) {
        cJSON_AddItemToObject(line, key, other);
    }
    put_line(out, line);
}

static void put_trial(struct pb_buf *out, int *number, const char *stage, cJSON *setting, int size,
                      bool valid)
{
    double p99_ms =
        (size >= 8 ? 25 : 25 * pow(8.0 / size, 6)) * (0.95 + 0.12 * pb_made_noise(*number, 1));
    cJSON *line = cJSON_CreateObject(), *objective = cJSON_CreateObject();

    cJSON_AddStringToObject(line, "type", "measured");
    cJSON_AddNumberToObject(line, "trial", ++*number);
    cJSON_AddStringToObject(line, "stage", stage);
    cJSON_AddItemToObject(line, "setting", setting);
    cJSON_AddBoolToObject(line, "valid", valid);
    cJSON_AddBoolToObject(line, "crashed", false);
    cJSON_AddNumberToObject(line, "p99_ns", floor(p99_ms * 1e6));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(line, "objectives"), objective);
    cJSON_AddStringToObject(objective, "answer", p99_ms < 50 ? "PASS" : "FAIL");
    cJSON_AddNumberToObject(objective, "limit", 50e6);
    cJSON_AddNumberToObject(objective, "bad_limit", 1 - 0.99);
    put_line(out, line);
}

static void put_search(struct pb_buf *out, int *number, bool many, const char *word)
{
    static const struct {
        int size;
        bool accepted;
    } steps[] = { { 10, true }, { 6, false }, { 8, true }, { 7, false }, { 9, false } };
    int incumbent = 16;

    for (size_t i = 0; i < PB_ARRAY_LEN(steps); i++) {
        int size = steps[i].size;

        for (int run = 0; run < 3; run++) {
            put_trial(out, number, "search", setting_of(size, many, word), size, run + (int)i != 3);
        }
        put_decision(out, steps[i].accepted ? "accepted" : "rolled_back",
                     setting_of(size, many, word), steps[i].accepted ? "from" : "to",
                     setting_of(incumbent, many, word));
        incumbent = steps[i].accepted ? size : incumbent;
    }
}

static cJSON *recommendation(const char *name, bool many)
{
    cJSON *root = cJSON_CreateObject(), *note = cJSON_CreateObject();

    cJSON_AddStringToObject(root, "answer", "improved");
    cJSON_AddStringToObject(root, "reason", name);
    cJSON_AddStringToObject(root, "scenario", name);
    cJSON_AddStringToObject(root, "scenario_path", name);
    cJSON_AddStringToObject(root, "id", "made-tune");
    cJSON_AddItemToObject(root, "recommended", setting_of(8, many, name));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "notes"), note);
    cJSON_AddStringToObject(note, "text", name);
    return root;
}

void pb_made_tune_folder(const char *folder, const char *name, bool many, bool finished)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    cJSON *header = cJSON_CreateObject();
    int number = 0;

    PB_ASSERT_OK(pb_dir_make(folder, NULL));
    cJSON_AddStringToObject(header, "type", "header");
    cJSON_AddStringToObject(header, "scenario", name);
    cJSON_AddItemToObject(header, "original", setting_of(16, many, name));
    put_line(&out, header);
    for (int i = 0; i < 5; i++) {
        put_trial(&out, &number, "noise floor", setting_of(16, many, name), 16, true);
    }
    put_decision(&out, "incumbent", setting_of(16, many, name), NULL, NULL);
    put_search(&out, &number, many, name);
    for (int i = 0; finished && i < 8; i++) {
        int size = i % 2 ? 8 : 16;

        put_trial(&out, &number, "confirmation", setting_of(size, many, name), size, true);
    }
    if (!finished) {
        pb_buf_puts(&out, "{\"type\":\"measured\",\"tri"); /* torn by a kill */
    }
    pb_made_write(folder, "journal.jsonl", pb_buf_text(&out), out.len);
    if (finished) {
        pb_made_write_json(folder, "recommendation.json", recommendation(name, many));
    }
}
