#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "harness/folder.h"
#include "harness/output.h"
#include "harness/run.h"

#define PLACE_SIZE 16                 /* "run-0001" */
#define SEEDS      (INT64_C(1) << 53) /* what a number of JSON holds exactly; after the last, 0 */

/* A run set in progress: the runs' documents and folder names, in order. */
struct run_set {
    struct pb_folder folder;
    cJSON **runs;
    char (*places)[PLACE_SIZE];
    size_t count;
    int signal; /* of the run that was interrupted, the last one */
};

static void set_done(struct run_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        cJSON_Delete(set->runs[i]);
    }
    free(set->runs);
    free(set->places);
    pb_folder_discard(&set->folder);
}

static enum pb_status one_run(const struct pb_scenario *scenario,
                              const struct pb_run_options *options, struct run_set *set,
                              struct pb_error *err)
{
    struct pb_run_options one = *options;
    struct pb_run_result result = { 0 };
    size_t i = set->count;

    (void)snprintf(set->places[i], PLACE_SIZE, "run-%02zu", i + 1);
    one.results = set->folder.temporary;
    one.place = set->places[i];
    one.seed = ((options->seed >= 0 ? options->seed : scenario->seed) + (int64_t)i) % SEEDS;
    one.run = (uint32_t)i + 1;
    PB_TRY(pb_run(scenario, &one, &result, err));

    set->runs[set->count++] = result.json;
    set->signal = result.signal;
    result.json = NULL;
    pb_run_result_done(&result);
    return PB_OK;
}

static enum pb_verdict verdict_of(const cJSON *json)
{
    const char *name = pb_json_str(json, "verdict", "untrusted");

    for (int i = 0; i < PB_VERDICT_COUNT; i++) {
        if (strcmp(name, pb_verdict_name((enum pb_verdict)i)) == 0) {
            return (enum pb_verdict)i;
        }
    }
    return PB_VERDICT_UNTRUSTED;
}

static enum pb_status store_set(const struct pb_scenario *scenario, struct run_set *set,
                                struct pb_run_result *result, struct pb_error *err)
{
    const char **folders = calloc(set->count, sizeof(*folders));

    if (!folders) {
        return pb_fail(err, PB_ENOMEM, "no memory for the run set");
    }
    for (size_t i = 0; i < set->count; i++) {
        folders[i] = set->places[i];
    }
    result->json = pb_set_json(scenario, (const cJSON *const *)set->runs, folders, set->count);
    free(folders);

    if (result->json && set->folder.id) {
        (void)cJSON_SetValuestring(cJSON_GetObjectItemCaseSensitive(result->json, "id"),
                                   set->folder.id);
    }
    if (result->json && set->folder.id) {
        cJSON_ReplaceItemInObjectCaseSensitive(result->json, "id",
                                               cJSON_CreateString(set->folder.id));
    }
    char *text = result->json ? pb_json_print(result->json, true) : NULL;

    if (!text) {
        return pb_fail(err, PB_ENOMEM, "no memory to print set.json");
    }
    result->verdict = verdict_of(result->json);
    result->signal = set->signal;

    enum pb_status status = PB_OK;

    if (set->folder.temporary) {
        status = pb_folder_write(&set->folder, "set.json", text, strlen(text), err);
        if (status == PB_OK) {
            status = pb_folder_commit(&set->folder, err);
        }
        if (status == PB_OK) {
            result->folder = strdup(set->folder.path);
        }
    }
    free(text);
    return status;
}

enum pb_status pb_run_set(const struct pb_scenario *scenario, uint32_t runs,
                          const struct pb_run_options *options, struct pb_run_result *ret_result,
                          struct pb_error *err)
{
    PB_CLEANUP(set_done) struct run_set set = { .folder = { .lock_fd = -1 } };
    struct pb_run_result result = { 0 };
    struct pb_run_options each = *options;

    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
    set.runs = calloc(runs, sizeof(cJSON *));
    set.places = calloc(runs, sizeof(*set.places));
    if (!set.runs || !set.places) {
        return pb_fail(err, PB_ENOMEM, "no memory for a set of %u runs", runs);
    }
    if (options->results) {
        PB_TRY(pb_folder_create(options->results, scenario->name, "", pb_wall_now_ns(), &set.folder,
                                err));
    }
    each.runs = runs;
    for (uint32_t i = 0; i < runs && set.signal == 0; i++) {
        PB_TRY(one_run(scenario, &each, &set, err));
    }
    enum pb_status status = store_set(scenario, &set, &result, err);

    if (status != PB_OK) {
        pb_run_result_done(&result);
        return status;
    }
    *ret_result = result;
    return PB_OK;
}
