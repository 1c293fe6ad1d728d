#include "plots/stored.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hlog.h"
#include "plots/stored_internal.h"

#define TEXT_MAX_BYTES ((size_t)256 << 20)

bool pb_stored_has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

    return length < (int)sizeof(path) && pb_path_exists(path);
}

enum pb_status pb_stored_json_read(const char *folder, const char *name, struct pb_json **ret_json,
                                   struct pb_error *err)
{
    struct pb_problems problems = { 0 };
    char line[160];

    if (!pb_stored_has(folder, name)) {
        return pb_fail(err, PB_ENOENT, "%s holds no %s", folder, name);
    }
    char *path = pb_path_join(folder, name);
    enum pb_status status = path ? pb_json_read(path, ret_json, &problems) : PB_ENOMEM;

    if (status != PB_OK) {
        pb_problems_line(&problems, 0, line, sizeof(line));
        status = pb_fail(err, status == PB_EPARSE ? PB_ECORRUPT : status, "%s",
                         pb_problems_any(&problems) ? line : "no memory to read a result");
    }
    pb_problems_done(&problems);
    free(path);
    return status;
}

/* Absent: PB_OK and NULL. */
static enum pb_status read_text(const char *folder, const char *name, char **ret_text,
                                struct pb_error *err)
{
    size_t len = 0;

    *ret_text = NULL;
    if (!pb_stored_has(folder, name)) {
        return PB_OK;
    }
    char *path = pb_path_join(folder, name);

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to read %s/%s", folder, name);
    }
    enum pb_status status = pb_file_read(path, TEXT_MAX_BYTES, ret_text, &len, err);

    free(path);
    return status;
}

static enum pb_status take_phases(struct pb_stored_run *run, struct pb_error *err)
{
    const cJSON *phases = pb_json_at(run->json, "phases"), *phase;
    int count = cJSON_IsArray(phases) ? cJSON_GetArraySize(phases) : 0;

    run->phases = calloc((size_t)count + 1, sizeof(*run->phases));
    if (!run->phases) {
        return pb_fail(err, PB_ENOMEM, "no memory for %d phases", count);
    }
    cJSON_ArrayForEach(phase, phases)
    {
        run->phases[run->phase_count++] = (struct pb_stored_phase){
            .json = phase,
            .name = pb_json_str(phase, "name", "?"),
            .record = pb_json_bool(phase, "record", true),
            .start_s = pb_json_num(phase, "start_ns", 0) / PB_NS_PER_S,
            .end_s = pb_json_num(phase, "end_ns", 0) / PB_NS_PER_S,
        };
    }
    return PB_OK;
}

/* The next recorded phase without a histogram, or NULL. */
static struct pb_stored_phase *next_recorded(struct pb_stored_run *run)
{
    for (size_t i = 0; i < run->phase_count; i++) {
        if (run->phases[i].record && !run->phases[i].has_hist) {
            return &run->phases[i];
        }
    }
    return NULL;
}

/* Lines of a log stand in the order of the recorded phases; the payload is the last field. */
static enum pb_status parse_hlog(char *text, const char *folder, struct pb_stored_run *run,
                                 struct pb_error *err)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        char *payload = strrchr(line, ',');
        struct pb_stored_phase *phase = next_recorded(run);

        if (*line == '#' || *line == '"' || !payload) {
            continue;
        }
        if (!phase) {
            return pb_fail(err, PB_ECORRUPT,
                           "%s/latency.hlog has more lines than run.json has recorded phases",
                           folder);
        }
        payload[1 + strcspn(payload + 1, "\r")] = '\0';
        PB_TRY(pb_hist_decode(payload + 1, &phase->hist, err));
        phase->has_hist = true;
    }
    return PB_OK;
}

static enum pb_status load_run(const char *folder, struct pb_stored_run *run, struct pb_error *err)
{
    char *text = NULL;
    enum pb_status status = PB_OK;

    PB_TRY(pb_stored_json_read(folder, "run.json", &run->document, err));
    run->json = pb_json_root(run->document);
    PB_TRY(take_phases(run, err));
    PB_TRY(read_text(folder, "latency.hlog", &text, err));
    if (text) {
        status = parse_hlog(text, folder, run, err);
    }
    free(text);
    PB_TRY(status);
    PB_TRY(read_text(folder, "timeline.csv", &text, err));
    if (text) {
        status = pb_stored_windows_parse(text, folder, run, err);
    }
    free(text);
    return status;
}

enum pb_status pb_stored_run_load(const char *folder, struct pb_stored_run *ret_run,
                                  struct pb_error *err)
{
    struct pb_stored_run run = { 0 };
    enum pb_status status = load_run(folder, &run, err);

    if (status != PB_OK) {
        pb_stored_run_done(&run);
        return status;
    }
    *ret_run = run;
    return PB_OK;
}

void pb_stored_run_done(struct pb_stored_run *run)
{
    for (size_t i = 0; i < run->phase_count; i++) {
        if (run->phases[i].has_hist) {
            pb_hist_done(&run->phases[i].hist);
        }
    }
    free(run->phases);
    free(run->windows);
    pb_json_free(run->document);
    *run = (struct pb_stored_run){ 0 };
}

/* A folder's name from set.json is a name, not a path. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

static enum pb_status load_member(const char *folder, const char *name, struct pb_stored *stored,
                                  struct pb_error *err)
{
    char *path = pb_path_join(folder, name);
    char *copy = strdup(name);

    if (!path || !copy) {
        free(path);
        free(copy);
        return pb_fail(err, PB_ENOMEM, "no memory for the runs of %s", folder);
    }
    enum pb_status status = pb_stored_run_load(path, &stored->runs[stored->count], err);

    free(path);
    if (status != PB_OK) {
        free(copy);
        return status;
    }
    stored->names[stored->count++] = copy;
    return PB_OK;
}

static enum pb_status load_set(const char *folder, struct pb_stored *stored, struct pb_error *err)
{
    const cJSON *runs, *run;

    PB_TRY(pb_stored_json_read(folder, "set.json", &stored->set, err));
    runs = pb_json_at(pb_json_root(stored->set), "runs");

    size_t count = cJSON_IsArray(runs) ? (size_t)cJSON_GetArraySize(runs) : 0;

    stored->runs = calloc(count + 1, sizeof(*stored->runs));
    stored->names = calloc(count + 1, sizeof(*stored->names));
    if (!stored->runs || !stored->names) {
        return pb_fail(err, PB_ENOMEM, "no memory for the runs of %s", folder);
    }
    cJSON_ArrayForEach(run, runs)
    {
        const char *name = pb_json_str(run, "folder", "");

        if (!is_plain_name(name)) {
            return pb_fail(err, PB_ECORRUPT, "%s/set.json names no folder for one of its runs",
                           folder);
        }
        PB_TRY(load_member(folder, name, stored, err));
    }
    return count > 0 ? PB_OK : pb_fail(err, PB_ECORRUPT, "%s/set.json lists no runs", folder);
}

static enum pb_status load_single(const char *folder, struct pb_stored *stored,
                                  struct pb_error *err)
{
    stored->runs = calloc(1, sizeof(*stored->runs));
    stored->names = calloc(1, sizeof(*stored->names));
    if (!stored->runs || !stored->names) {
        return pb_fail(err, PB_ENOMEM, "no memory to read %s", folder);
    }
    PB_TRY(pb_stored_run_load(folder, &stored->runs[0], err));
    stored->count = 1;
    return PB_OK;
}

enum pb_status pb_stored_load(const char *folder, struct pb_stored *ret_stored,
                              struct pb_error *err)
{
    struct pb_stored stored = { 0 };
    enum pb_status status = pb_stored_has(folder, "set.json") ? load_set(folder, &stored, err)
                                                              : load_single(folder, &stored, err);

    if (status != PB_OK) {
        pb_stored_done(&stored);
        return status;
    }
    *ret_stored = stored;
    return PB_OK;
}

void pb_stored_done(struct pb_stored *stored)
{
    for (size_t i = 0; i < stored->count; i++) {
        pb_stored_run_done(&stored->runs[i]);
        free(stored->names[i]);
    }
    free(stored->runs);
    free(stored->names);
    pb_json_free(stored->set);
    *stored = (struct pb_stored){ 0 };
}

const cJSON *pb_stored_json(const struct pb_stored *stored)
{
    return stored->set ? pb_json_root(stored->set) : stored->runs[0].json;
}
