#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/live.h"
#include "cli/print.h"
#include "harness/conform.h"

#define LANES_MAX  64
#define TIMEOUT_NS (5 * PB_NS_PER_S)

static bool read_wire(const struct pb_args *args, enum pb_wire *wire)
{
    const char *name = args->value[PB_OPT_WIRE];

    for (int i = 0; name && i < PB_WIRE_COUNT; i++) {
        if (strcmp(name, pb_wire_name((enum pb_wire)i)) == 0) {
            *wire = (enum pb_wire)i;
            return true;
        }
    }
    if (name) {
        (void)fprintf(stderr, "poolbench check-worker: --wire %s: give frames or lines\n", name);
    }
    return !name;
}

/* The arguments without line ends, which a line could not hold.  False: told. */
static bool read_args(const struct pb_args *args, char **ret_json)
{
    const char *text = args->value[PB_OPT_ARGS];
    struct pb_problems problems = { .count = 0 };
    struct pb_json *json = NULL;

    if (!text) {
        return true;
    }
    if (!pb_args_has(args, PB_OPT_COMMAND)) {
        (void)fprintf(stderr, "poolbench check-worker: --args go with --command\n");
        return false;
    }
    if (pb_json_parse(text, strlen(text), "--args", &json, &problems) == PB_OK) {
        *ret_json = pb_json_print(pb_json_root(json), false);
    } else {
        char line[512];

        pb_problems_line(&problems, 0, line, sizeof(line));
        (void)fprintf(stderr, "poolbench check-worker: %s\n", line);
    }
    pb_json_free(json);
    pb_problems_done(&problems);
    return *ret_json != NULL;
}

static bool read_config(const struct pb_args *args, struct pb_conform_config *config,
                        char **ret_json)
{
    int64_t lanes = 1;

    *config = (struct pb_conform_config){ .argv = args->words,
                                          .command = args->value[PB_OPT_COMMAND],
                                          .timeout_ns = TIMEOUT_NS };
    if (!read_wire(args, &config->wire) ||
        !pb_args_count(args, PB_OPT_LANES, 1, LANES_MAX, &lanes) ||
        !pb_args_duration(args, PB_OPT_TIMEOUT, &config->timeout_ns) ||
        !read_args(args, ret_json)) {
        return false;
    }
    config->lanes = (uint32_t)lanes;
    config->args = *ret_json;
    return true;
}

/* --- The words --- */

static void print_command(const struct pb_conform_config *config)
{
    for (size_t i = 0; config->argv[i]; i++) {
        pb_print_word(stdout, config->argv[i]);
    }
}

/* A run of the worker as it is, to be pasted. */
static void print_next(const struct pb_args *args, const struct pb_conform_config *config)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf setting = { 0 };
    cJSON *words = cJSON_CreateArray();
    char *text;

    for (size_t i = 0; words && config->argv[i]; i++) {
        (void)cJSON_AddItemToArray(words, cJSON_CreateString(config->argv[i]));
    }
    text = words ? pb_json_print(words, false) : NULL;
    cJSON_Delete(words);
    if (!text) {
        return;
    }
    printf("next: %s run --rate 20 --duration 5s --set pool.size=2 --set workload.type=command",
           args->program);
    if (config->wire == PB_WIRE_LINES) {
        printf(" --set workload.wire=lines");
    }
    pb_buf_printf(&setting, "workload.command=%s", text);
    printf(" --set");
    pb_print_word(stdout, pb_buf_text(&setting));
    pb_buf_reset(&setting);
    pb_buf_printf(&setting, "workload.operations=[{\"name\":\"%s\"}]",
                  config->command ? config->command : "echo");
    printf(" --set");
    pb_print_word(stdout, pb_buf_text(&setting));
    printf("\n");
    free(text);
}

static void print_report(const struct pb_args *args, const struct pb_conform_config *config,
                         const struct pb_conform_report *report)
{
    size_t tried = report->passed + report->failed;

    printf("%s ", report->failed > 0 ? "FAIL" : "PASS");
    print_command(config);
    if (report->failed > 0) {
        printf(" does not keep to the protocol: %zu of %zu checks failed\n", report->failed, tried);
    } else {
        printf(" keeps to the protocol (%s): %zu of %zu checks\n", pb_wire_name(config->wire),
               report->passed, tried);
    }
    for (size_t i = 0; i < report->count; i++) {
        const struct pb_conform_check *check = &report->checks[i];
        char took[PB_QUANTITY_TEXT];

        printf("  %s  %-42s %8s  ", pb_check_name(check->result), check->name,
               check->result == PB_CHECK_SKIP ? "-" : pb_format_duration(check->took_ns, took));
        pb_print_text(stdout, check->text);
        printf("\n");
    }
    if (report->failed > 0) {
        printf("docs/workers.md has the protocol\n");
    } else {
        print_next(args, config);
    }
}

static bool add_check(cJSON *list, const struct pb_conform_check *check)
{
    static const char *const results[] = { "pass", "fail", "skip" };
    cJSON *row = cJSON_CreateObject();

    _Static_assert(PB_ARRAY_LEN(results) == PB_CHECK_COUNT, "a word for each result");
    if (!row || !cJSON_AddItemToArray(list, row)) {
        cJSON_Delete(row);
        return false;
    }
    return cJSON_AddStringToObject(row, "check", check->name) &&
           cJSON_AddStringToObject(row, "result", results[check->result]) &&
           cJSON_AddNumberToObject(row, "took_ns", (double)check->took_ns) &&
           cJSON_AddStringToObject(row, "seen", check->text);
}

static bool fill_json(cJSON *root, const struct pb_conform_config *config,
                      const struct pb_conform_report *report)
{
    bool good =
        cJSON_AddStringToObject(root, "verdict", report->failed > 0 ? "fail" : "pass") != NULL;
    cJSON *words = cJSON_AddArrayToObject(root, "command");

    for (size_t i = 0; words && config->argv[i]; i++) {
        cJSON *word = cJSON_CreateString(config->argv[i]);

        good = good && word && cJSON_AddItemToArray(words, word);
    }
    good = good && words && cJSON_AddStringToObject(root, "wire", pb_wire_name(config->wire)) &&
           cJSON_AddNumberToObject(root, "lanes", config->lanes) &&
           cJSON_AddNumberToObject(root, "passed", (double)report->passed) &&
           cJSON_AddNumberToObject(root, "failed", (double)report->failed);

    cJSON *list = good ? cJSON_AddArrayToObject(root, "checks") : NULL;

    for (size_t i = 0; list && i < report->count; i++) {
        good = good && add_check(list, &report->checks[i]);
    }
    return good && list;
}

static bool print_json(const struct pb_conform_config *config,
                       const struct pb_conform_report *report)
{
    cJSON *root = cJSON_CreateObject();
    char *text = root && fill_json(root, config, report) ? pb_json_print(root, true) : NULL;

    cJSON_Delete(root);
    if (text) {
        printf("%s\n", text);
    }
    free(text);
    return text != NULL;
}

static int cmd_check_worker(const struct pb_args *args)
{
    PB_CLEANUP(pb_text_free) char *json = NULL;
    struct pb_conform_config config;
    struct pb_conform_report report;
    struct pb_error err = { .status = PB_OK };

    if (!read_config(args, &config, &json)) {
        return PB_EXIT_INPUT;
    }
    (void)fflush(stdout);
    config.stop = pb_signals_catch();

    enum pb_status status = pb_conform(&config, &report, &err);

    if (status == PB_ECANCELED) {
        return 128 + atomic_load(config.stop);
    }
    if (status != PB_OK) {
        (void)fprintf(stderr, "poolbench check-worker: %s\n", err.text);
        return PB_EXIT_FAILED;
    }
    if (!pb_args_has(args, PB_OPT_JSON)) {
        print_report(args, &config, &report);
    } else if (!print_json(&config, &report)) {
        (void)fprintf(stderr, "poolbench check-worker: no memory for the report\n");
        return PB_EXIT_FAILED;
    }
    return report.failed > 0 ? PB_EXIT_NO : PB_EXIT_YES;
}

const struct pb_command pb_command_check_worker = {
    .name = "check-worker",
    .usage = "[--wire lines] [--lanes N] [--timeout TIME] -- PROGRAM [ARGUMENT]...",
    .summary = "whether a worker program keeps to the protocol of docs/workers.md",
    .details =
        "Starts the program as poolbench would, speaks the protocol with it and says what it "
        "did:\n"
        "  poolbench check-worker -- python3 worker.py\n"
        "The worker is asked for the command echo, which answers its arguments; for one that has "
        "no echo\n--command names another, whose answers are its own affair.",
    .options = PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_WIRE) | PB_OPT(PB_OPT_LANES) |
               PB_OPT(PB_OPT_TIMEOUT) | PB_OPT(PB_OPT_COMMAND) | PB_OPT(PB_OPT_ARGS),
    .words_min = 1,
    .words_max = SIZE_MAX,
    .run = cmd_check_worker,
};
