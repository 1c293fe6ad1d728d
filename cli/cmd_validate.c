#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "cli/advice.h"
#include "cli/command.h"
#include "cli/print.h"

static void print_effective(const struct pb_scenario *scenario)
{
    char *text = pb_json_print(scenario->effective, true);

    puts(text ? text : "{}");
    free(text);
}

static int validate_one(const struct pb_args *args, const char *path)
{
    int code = PB_EXIT_INPUT;
    struct pb_scenario *scenario = pb_load_scenario(args, path, &code);

    if (!scenario) {
        return code;
    }
    if (pb_args_has(args, PB_OPT_EFFECTIVE)) {
        print_effective(scenario);
    } else {
        printf("ok  ");
        pb_print_text(stdout, path);
        printf(": ");
        pb_print_pool(stdout, scenario);
        printf("; %zu phase%s, %zu objective%s\n", scenario->phase_count,
               scenario->phase_count == 1 ? "" : "s", scenario->objective_count,
               scenario->objective_count == 1 ? "" : "s");
        pb_advise(stdout, scenario);
    }
    pb_scenario_free(scenario);
    return PB_EXIT_YES;
}

/* All files of scenarios/ at once: among them is the schema that editors read, which is no
 * scenario. */
static bool is_schema(const char *path)
{
    static const char ending[] = ".schema.json";
    size_t len = strlen(path);

    return len >= sizeof(ending) - 1 && strcmp(path + len - (sizeof(ending) - 1), ending) == 0;
}

static int cmd_validate(const struct pb_args *args)
{
    int worst = PB_EXIT_YES;

    for (size_t i = 0; i < args->word_count; i++) {
        if (is_schema(args->words[i])) {
            printf("--  %s: a schema for editors, no scenario\n", args->words[i]);
            continue;
        }
        int code = validate_one(args, args->words[i]);

        worst = code > worst ? code : worst;
    }
    return worst;
}

const struct pb_command pb_command_validate = {
    .name = "validate",
    .usage = "FILE... [--effective] [--set PATH=VALUE]...",
    .summary = "check scenario files, run nothing",
    .details =
        "All mistakes of a file at once, each with line and column; then the arithmetic: work\n"
        "against workers and cores, samples behind each asked percentile, objectives that no\n"
        "setting can meet, time and disk needed.",
    .options = PB_OPTS_SCENARIO | PB_OPT(PB_OPT_EFFECTIVE),
    .words_min = 1,
    .words_max = 1000,
    .run = cmd_validate,
};
