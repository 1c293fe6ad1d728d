#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "harness/scenario_internal.h"
#include "workload/workload.h"

/* What a worker process is: workload.command and the fields around it. */

#define WORDS_MAX 256 /* of a command line, or names in env */
#define EXAMPLE   "such as [ \"python3\", \"worker.py\" ]"

static bool is_command(const struct pb_binder *binder)
{
    return binder->scenario->workload == &pb_workload_command;
}

static bool is_process(const struct pb_binder *binder)
{
    return binder->scenario->pool.profile == PB_PROFILE_PROCESS;
}

/* --- The profile --- */

void pb_bind_profile(struct pb_binder *binder, const struct pb_spot *pool)
{
    const cJSON *workload = cJSON_GetObjectItemCaseSensitive(binder->root, "workload");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(workload, "type");
    const cJSON *profile = pb_spot_get(pool, "profile");

    if (!cJSON_IsString(type) || strcmp(type->valuestring, pb_workload_command.name) != 0) {
        return;
    }
    if (!profile) {
        binder->scenario->pool.profile = PB_PROFILE_PROCESS;
    } else if (!is_process(binder)) {
        pb_bind_problem(binder, profile, "pool.profile",
                        "workload.type command needs \"process\": leave this out, or say so");
    }
}

/* --- Paths --- */

static bool is_whole(const char *path)
{
    return path[0] == '/';
}

/* "scenarios/x.json" -> the whole path of scenarios/; without a file, of the current folder.  The
 * caller frees; NULL: no memory, or no current folder. */
static char *home_folder(const struct pb_scenario *scenario)
{
    const char *path = scenario->path && strcmp(scenario->path, "-") != 0 ? scenario->path : "";
    const char *slash = strrchr(path, '/');
    PB_CLEANUP(pb_text_free) char *here = NULL;
    PB_CLEANUP(pb_text_free)
    char *folder = strndup(path, slash ? (size_t)(slash - path) + (slash == path) : 0);

    if (!folder || is_whole(folder)) {
        char *whole = folder;

        folder = NULL;
        return whole;
    }
    here = getcwd(NULL, 0);
    return here && *folder ? pb_path_join(here, folder) : (here ? strdup(here) : NULL);
}

void pb_bind_whole_path(struct pb_binder *binder, char **path)
{
    const char *name = *path;

    if (is_whole(name)) {
        return;
    }
    PB_CLEANUP(pb_text_free) char *home = home_folder(binder->scenario);

    while (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    char *whole = home ? pb_path_join(home, name) : NULL;

    if (!whole) {
        pb_bind_no_memory(binder);
        return;
    }
    free(*path);
    *path = whole;
}

static void bind_folder(struct pb_binder *binder)
{
    struct pb_scenario_worker *worker = &binder->scenario->worker;

    if (worker->folder) {
        pb_bind_whole_path(binder, &worker->folder);
        return;
    }
    worker->folder = home_folder(binder->scenario);
    if (!worker->folder) {
        pb_bind_no_memory(binder);
    }
}

/* --- The program --- */

static bool bind_words(struct pb_binder *binder, const cJSON *node)
{
    struct pb_scenario_worker *worker = &binder->scenario->worker;
    const cJSON *word;
    size_t count = 0;

    worker->argv = calloc((size_t)cJSON_GetArraySize(node) + 1, sizeof(*worker->argv));
    if (!worker->argv) {
        pb_bind_no_memory(binder);
        return false;
    }
    cJSON_ArrayForEach(word, node)
    {
        if (!cJSON_IsString(word)) {
            pb_bind_problem(binder, word, "workload.command",
                            "must be a list of texts " EXAMPLE ", but %s is in it",
                            pb_node_kind(word));
            return false;
        }
        worker->argv[count] = pb_bind_copy_text(binder, word->valuestring);
        if (!worker->argv[count++]) {
            return false;
        }
    }
    return true;
}

static void bind_program(struct pb_binder *binder, const struct pb_spot *spot)
{
    struct pb_scenario_worker *worker = &binder->scenario->worker;
    const cJSON *node = pb_spot_get(spot, "command");
    int count = cJSON_GetArraySize(node);

    if (!node) {
        pb_bind_problem(binder, pb_spot_get(spot, "type"), "workload.command",
                        "type command needs the worker's program and its arguments, " EXAMPLE);
        return;
    }
    if (!cJSON_IsArray(node) || count == 0) {
        pb_bind_problem(binder, node, "workload.command", "must be a list " EXAMPLE ", not %s",
                        cJSON_IsArray(node) ? "an empty one" : pb_node_kind(node));
        return;
    }
    if (count > WORDS_MAX) {
        pb_bind_problem(binder, node, "workload.command", "has %d words, at most %d fit", count,
                        WORDS_MAX);
        return;
    }
    if (!bind_words(binder, node)) {
        return;
    }
    const char *program = worker->argv[0];

    if (!program || *program == '\0') {
        pb_bind_problem(binder, node, "workload.command",
                        "begins with an empty text: the first is "
                        "the program");
    } else if (strchr(program, '/')) {
        pb_bind_whole_path(binder, &worker->argv[0]);
    }
}

static void bind_variable(struct pb_binder *binder, const cJSON *node, size_t number)
{
    char **slot = &binder->scenario->worker.env[number], path[PB_PATH_MAX];

    (void)snprintf(path, sizeof(path), "workload.env.%.80s", node->string);
    if (*node->string == '\0' || strchr(node->string, '=')) {
        pb_bind_name_problem(binder, node, path,
                             "a variable's name is not empty and has no = in "
                             "it");
    } else if (!cJSON_IsString(node)) {
        pb_bind_problem(binder, node, path, "must be text in quotes, not %s", pb_node_kind(node));
    } else if (asprintf(slot, "%s=%s", node->string, node->valuestring) < 0) {
        *slot = NULL;
        pb_bind_no_memory(binder);
    }
}

static void bind_env(struct pb_binder *binder, const cJSON *node)
{
    const cJSON *variable;
    size_t number = 0;

    if (!node || !pb_bind_is_object(binder, node, "workload.env")) {
        return;
    }
    if (cJSON_GetArraySize(node) > WORDS_MAX) {
        pb_bind_problem(binder, node, "workload.env", "has %d variables, at most %d fit",
                        cJSON_GetArraySize(node), WORDS_MAX);
        return;
    }
    binder->scenario->worker.env = calloc((size_t)cJSON_GetArraySize(node) + 1, sizeof(char *));
    if (!binder->scenario->worker.env) {
        pb_bind_no_memory(binder);
        return;
    }
    cJSON_ArrayForEach(variable, node)
    {
        bind_variable(binder, variable, number);
        number += binder->scenario->worker.env[number] != NULL;
    }
}

/* The text of a JSON value; NULL, with its cause noted: no memory. */
static char *text_of(struct pb_binder *binder, const cJSON *node)
{
    char *text = pb_json_print(node, false);

    if (!text) {
        pb_bind_no_memory(binder);
    }
    return text;
}

static void bind_settings(struct pb_binder *binder, const cJSON *node)
{
    if (node && pb_bind_is_object(binder, node, "workload.settings")) {
        binder->scenario->worker.settings = text_of(binder, node);
    }
}

/* --- What is asked of it --- */

void pb_bind_request(struct pb_binder *binder, const struct pb_spot *spot,
                     const struct pb_spot *workload, struct pb_operation *operation)
{
    const cJSON *args = pb_spot_get(spot, "args");

    args = args ? args : pb_spot_get(workload, "args");
    if (!is_command(binder)) {
        free(operation->command); /* of a file whose type was overridden */
        operation->command = NULL;
        return;
    }
    if (!operation->command && operation->name) {
        operation->command = pb_bind_copy_text(binder, operation->name);
    }
    if (args) {
        operation->args = text_of(binder, args);
    }
    /* The work is the worker's: nothing of it is drawn here. */
    operation->service = pb_bind_constant(0);
    operation->cpu_share = 0;
    operation->memory_bytes = 0;
    operation->error_rate = operation->client_error_rate = operation->hang_rate = 0;
    operation->ignore_cancel = false;
}

/* A simple member of an entry of prepare, or its default; false, with a problem, when it is none.
 */
static bool read_member(struct pb_binder *binder, const struct pb_spot *spot, const char *name,
                        union pb_value *value)
{
    const struct pb_field *field = pb_field_under(spot->prefix, name);
    const cJSON *node = pb_spot_get(spot, name);
    struct pb_error err = { .status = PB_OK };
    char path[PB_PATH_MAX];

    if (!node && !field->def) {
        pb_bind_problem(binder, spot->object, spot->shown, "needs a %s", name);
        return false;
    }
    enum pb_status status = node ? pb_value_read(field, node, value, &err)
                                 : pb_value_parse(field, field->def, value, &err);

    if (status != PB_OK) {
        pb_bind_problem(binder, node, pb_spot_path(spot, name, path), "%s", err.text);
    }
    return status == PB_OK;
}

static void bind_prepare_command(struct pb_binder *binder, const cJSON *node, size_t number)
{
    struct pb_scenario_worker *worker = &binder->scenario->worker;
    struct pb_prepare_command *prepare = &worker->prepare[worker->prepare_count];
    union pb_value command = { .text = NULL }, timeout = { .integer = 0 };
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    (void)snprintf(shown, sizeof(shown), "workload.prepare[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    pb_spot_init(&spot, node, "workload.prepare[].", shown);
    (void)pb_bind_check_names(binder, &spot);
    if (!read_member(binder, &spot, "command", &command) ||
        !read_member(binder, &spot, "timeout", &timeout)) {
        return;
    }
    const cJSON *args = pb_spot_get(&spot, "args");

    worker->prepare_count++;
    prepare->command = pb_bind_copy_text(binder, command.text);
    prepare->args = args ? text_of(binder, args) : NULL;
    prepare->timeout_ns = timeout.integer;
}

static void bind_prepare(struct pb_binder *binder, const cJSON *list)
{
    const cJSON *node;
    size_t number = 0;

    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        pb_bind_problem(binder, list, "workload.prepare",
                        "must be a list of commands such as { \"command\": \"load\", \"timeout\": "
                        "\"10s\" }, not %s",
                        pb_node_kind(list));
        return;
    }
    if (cJSON_GetArraySize(list) > PB_PREPARE_MAX) {
        pb_bind_problem(binder, list, "workload.prepare", "has %d commands, at most %d fit",
                        cJSON_GetArraySize(list), PB_PREPARE_MAX);
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        bind_prepare_command(binder, node, number++);
    }
}

/* --- What does not go together --- */

/* Whether `node` is of the type and profile that were asked for.  One of them given beside the file
 * makes what the file says of another a remainder, not a mistake. */
static bool is_meant(const struct pb_binder *binder, const struct pb_spot *workload,
                     const cJSON *node)
{
    const cJSON *pool = cJSON_GetObjectItemCaseSensitive(binder->root, "pool");
    const cJSON *type = pb_spot_get(workload, "type");
    const cJSON *profile = cJSON_GetObjectItemCaseSensitive(pool, "profile");

    return node && !(type && pb_bind_override_of(binder, type)) &&
           !(profile && pb_bind_override_of(binder, profile));
}

static void refuse(struct pb_binder *binder, const struct pb_spot *workload,
                   const struct pb_spot *spot, const char *name, const char *reason)
{
    const cJSON *node = pb_spot_get(spot, name);
    char path[PB_PATH_MAX];

    if (is_meant(binder, workload, node)) {
        pb_bind_name_problem(binder, node, pb_spot_path(spot, name, path), "%s", reason);
    }
}

const char *const *pb_bind_foreign(const struct pb_binder *binder)
{
    static const char *const drawn[] = {
        "service",           "cpu_share", "memory",        "error_rate",
        "client_error_rate", "hang_rate", "ignore_cancel", NULL
    };

    static const char *const asked[] = { "command", "args", NULL };

    return is_command(binder) ? drawn : asked;
}

void pb_bind_check_request(struct pb_binder *binder, const struct pb_spot *workload,
                           const struct pb_spot *spot)
{
    const char *const *foreign = pb_bind_foreign(binder);

    for (size_t i = 0; foreign[i]; i++) {
        refuse(binder, workload, spot, foreign[i],
               is_command(binder)
                   ? "a command's worker decides this: leave it out, or take type synthetic"
                   : "is for workload.type command");
    }
}

static void check_fit(struct pb_binder *binder, const struct pb_spot *spot)
{
    static const char *const of_command[] = { "wire", "folder", "env", "settings" };
    static const char *const of_process[] = { "max_memory", "max_files", "prepare" };

    for (size_t i = 0; !is_command(binder) && i < PB_ARRAY_LEN(of_command); i++) {
        refuse(binder, spot, spot, of_command[i], "is for workload.type command");
    }
    for (size_t i = 0; !is_process(binder) && i < PB_ARRAY_LEN(of_process); i++) {
        refuse(binder, spot, spot, of_process[i], "is for pool.profile process");
    }
    pb_bind_check_request(binder, spot, spot);
}

void pb_bind_worker(struct pb_binder *binder, const struct pb_spot *spot)
{
    struct pb_scenario_worker *worker = &binder->scenario->worker;

    check_fit(binder, spot);
    pb_bind_fields(binder, spot, PB_HOME_SCENARIO, binder->scenario, false);
    if (is_process(binder)) {
        bind_prepare(binder, pb_spot_get(spot, "prepare"));
    }
    if (is_command(binder)) {
        bind_program(binder, spot);
        bind_folder(binder);
        bind_env(binder, pb_spot_get(spot, "env"));
        bind_settings(binder, pb_spot_get(spot, "settings"));
    } else {
        free(worker->folder);
        worker->folder = NULL;
    }
}

/* --- Release --- */

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++) {
        free(words[i]);
    }
    free(words);
}

void pb_scenario_worker_done(struct pb_scenario_worker *worker)
{
    free_words(worker->argv);
    free_words(worker->env);
    free(worker->folder);
    free(worker->settings);
    for (size_t i = 0; i < worker->prepare_count; i++) {
        free(worker->prepare[i].command);
        free(worker->prepare[i].args);
    }
}
