#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/version.h"
#include "harness/schedule.h"
#include "tuner/tuner_internal.h"

/* FNV-1a, 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv). */
static void hash_text(uint64_t *hash, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        *hash = (*hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    *hash = (*hash ^ '\n') * UINT64_C(0x100000001b3);
}

static void add_hash(struct pb_fill *fill, cJSON *object, const char *key, uint64_t hash)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    pb_fill_text(fill, object, key, text);
}

/* The effective scenario, with the name that the file's name would otherwise give it. */
static char *scenario_text(const struct pb_scenario *scenario)
{
    cJSON *copy = cJSON_Duplicate(scenario->effective, true);
    struct pb_fill fill = { false };
    char *text = NULL;

    if (copy != NULL && cJSON_GetObjectItemCaseSensitive(copy, "name") == NULL) {
        pb_fill_text(&fill, copy, "name", scenario->name);
    }
    if (scenario->pool.max_stuck < 0) {
        /* It follows the size, also of a candidate; spelled out it would not. */
        cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(copy, "pool"),
                                                "max_stuck");
    }
    if (copy != NULL && !fill.lost) {
        text = pb_json_print(copy, true);
    }
    cJSON_Delete(copy);
    return text;
}

/* Over all settings as they are used: the copy of the scenario in the folder has the same. */
static void add_scenario_hash(struct pb_fill *fill, cJSON *object,
                              const struct pb_scenario *scenario)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    PB_CLEANUP(pb_free_text) char *text = scenario_text(scenario);

    if (text == NULL) {
        fill->lost = true;
        return;
    }
    hash_text(&hash, text);
    add_hash(fill, object, "scenario_hash", hash);
}

/* Line 1 of a journal.  NULL: no memory. */
static cJSON *header_line(const struct pb_tuner *tuner)
{
    const struct pb_scenario *scenario = tuner->scenario;
    struct pb_fill *fill = tuner->fill;
    struct pb_schedule schedule;
    char created[21];
    cJSON *line = cJSON_CreateObject(), *chosen;
    struct pb_point original = pb_space_original(&tuner->space);

    fill->lost = false;
    pb_schedule_init(&schedule, scenario, (uint64_t)scenario->seed, 1);
    pb_wall_format(pb_wall_now_ns(), created);
    pb_fill_text(fill, line, "type", "header");
    pb_fill_number(fill, line, "schema", PB_TUNE_SCHEMA);
    pb_fill_text(fill, line, "scenario", scenario->name);
    pb_fill_item(fill, line, "scenario_path",
                 scenario->path != NULL ? cJSON_CreateString(scenario->path) : cJSON_CreateNull());
    add_scenario_hash(fill, line, scenario);
    add_hash(fill, line, "schedule_hash", schedule.hash);
    pb_fill_text(fill, line, "driver", tuner->driver->name);
    pb_fill_text(fill, line, "version", PB_VERSION);
    pb_fill_text(fill, line, "created", created);
    pb_fill_item(fill, line, "original", pb_space_json(&tuner->space, &original));
    pb_fill_text(fill, line, "minimize",
                 pb_minimize_name((enum pb_minimize)scenario->tune.minimize));
    pb_fill_number(fill, line, "load_factor", tuner->plan.load_factor);
    pb_fill_number(fill, line, "workers_lost", tuner->plan.workers_lost);
    chosen = pb_fill_object(fill, line, "options");
    pb_fill_bool(fill, chosen, "quick", tuner->options->quick);
    pb_fill_number(fill, chosen, "time_limit_ns", (double)tuner->options->time_limit_ns);
    if (fill->lost) {
        cJSON_Delete(line);
        return NULL;
    }
    return line;
}

/* A resumed tune must be the same tune: all of the header but when and by what version. */
static enum pb_status check_header(const struct pb_tuner *tuner, const cJSON *stored,
                                   struct pb_error *err)
{
    static const char *const keys[] = {
        "schema",   "scenario_hash", "schedule_hash", "driver",
        "original", "minimize",      "load_factor",   "workers_lost"
    };
    cJSON *mine = header_line(tuner);

    if (mine == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for the journal's header");
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(keys); i++) {
        if (!cJSON_Compare(pb_json_at(stored, keys[i]), pb_json_at(mine, keys[i]), true)) {
            cJSON_Delete(mine);
            return pb_fail(err, PB_EINVAL,
                           "'%s' was tuned for another scenario (%s differs): resume with the one "
                           "it was started with, or start a new tune",
                           tuner->folder, keys[i]);
        }
    }
    cJSON_Delete(mine);
    return PB_OK;
}

static enum pb_status fill_folder(const struct pb_tuner *tuner, struct pb_folder *folder,
                                  struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf line = { 0 };
    PB_CLEANUP(pb_free_text) char *scenario = scenario_text(tuner->scenario);
    cJSON *header = header_line(tuner);
    enum pb_status status =
        header != NULL && scenario != NULL ? pb_journal_format(header, &line) : PB_ENOMEM;

    cJSON_Delete(header);
    if (status != PB_OK) {
        return pb_fail(err, PB_ENOMEM, "no memory for the journal's header");
    }
    PB_TRY(pb_folder_write(folder, "journal.jsonl", pb_buf_text(&line), line.len, err));
    PB_TRY(pb_folder_write(folder, "scenario.json", scenario, strlen(scenario), err));
    return pb_folder_commit(folder, err);
}

enum pb_status pb_tune_folder_make(struct pb_tuner *tuner, struct pb_error *err)
{
    struct pb_folder folder = { .lock_fd = -1 };
    enum pb_status status;

    PB_TRY(pb_folder_create(tuner->options->results, tuner->scenario->name, "tune",
                            pb_wall_now_ns(), &folder, err));
    status = fill_folder(tuner, &folder, err);
    if (status == PB_OK) {
        tuner->folder = strdup(folder.path);
        status = tuner->folder != NULL ? PB_OK : pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    pb_folder_discard(&folder);
    return status;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

enum pb_status pb_tune_folder_open(struct pb_tuner *tuner, struct pb_tune_options *options,
                                   struct pb_error *err)
{
    PB_CLEANUP(pb_free_text) char *path = pb_path_join(tuner->folder, "journal.jsonl");

    tuner->trials = pb_path_join(tuner->folder, "trials");
    tuner->id = strdup(last_part(tuner->folder));
    if (path == NULL || tuner->trials == NULL || tuner->id == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    PB_TRY(pb_journal_open(path, &tuner->journal, err));
    const cJSON *header = pb_journal_take(tuner->journal, "header");

    if (header == NULL) {
        return pb_fail(err, PB_ECORRUPT, "'%s' has no header: start a new tune", path);
    }
    const char *path_then = pb_json_str(header, "scenario_path", NULL);

    /* When resumed the scenario may come from the copy in the folder. */
    tuner->scenario_path = path_then != NULL ? strdup(path_then) : NULL;
    if (path_then != NULL && tuner->scenario_path == NULL) {
        return pb_fail(err, PB_ENOMEM, "no memory for a path");
    }
    options->quick = pb_json_bool(header, "options.quick", false);
    options->time_limit_ns = pb_json_int(header, "options.time_limit_ns", 0);
    tuner->plan = pb_plan_make(tuner->scenario, options);
    PB_TRY(check_header(tuner, header, err));
    PB_TRY(pb_dir_make(tuner->trials, err));
    pb_folder_sweep(tuner->trials);
    return PB_OK;
}

enum pb_status pb_tune_folder_find(struct pb_tuner *tuner, const struct pb_tune_options *options,
                                   struct pb_error *err)
{
    struct pb_folder_entry entry;

    PB_TRY(pb_folder_find(options->results, options->resume, &entry, err));
    tuner->folder = strdup(entry.path);
    pb_folder_entry_done(&entry);
    return tuner->folder != NULL ? PB_OK : pb_fail(err, PB_ENOMEM, "no memory for a path");
}
