#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/quantity.h"
#include "cli/command.h"

/* One row an option.  Adding one: its id in command.h, a row here, its bit in the commands' tables.
 */
static const struct option {
    const char *name;
    const char *argument; /* NULL: a flag */
    const char *help;
    const char *path; /* a shortcut for --set PATH=VALUE; NULL: none */
} options[] = {
    [PB_OPT_HELP] = { "--help", NULL, "this text; also -h", NULL },
    [PB_OPT_JSON] = { "--json", NULL, "print the result as JSON on stdout", NULL },
    [PB_OPT_QUIET] = { "--quiet", NULL, "no progress on stderr", NULL },
    [PB_OPT_SOFT] = { "--soft", NULL, "exit codes 3 and 5 become 0, the words unchanged", NULL },
    [PB_OPT_RESULTS] = { "--results", "DIR", "where results are stored (results)", NULL },
    [PB_OPT_SET] = { "--set", "PATH=VALUE", "override a setting, may be repeated", NULL },
    [PB_OPT_RATE] = { "--rate", "RATE", "short for --set rate=RATE", "rate" },
    [PB_OPT_DURATION] = { "--duration", "TIME", "short for --set duration=TIME", "duration" },
    [PB_OPT_SIZE] = { "--size", "N", "short for --set pool.size=N", "pool.size" },
    [PB_OPT_SEED] = { "--seed", "N", "short for --set seed=N", "seed" },
    [PB_OPT_RUNS] = { "--runs", "N", "repeat with seeds seed, seed + 1, ...: a run set", NULL },
    [PB_OPT_TIME] = { "--time", "LIMIT", "run: do not start what takes longer; tune: its budget",
                      NULL },
    [PB_OPT_EFFECTIVE] = { "--effective", NULL, "print all settings as they would be used", NULL },
    [PB_OPT_RESUME] = { "--resume", "DIR", "go on with an unfinished tune folder", NULL },
    [PB_OPT_QUICK] = { "--quick", NULL, "fewer repeats; the answer is provisional", NULL },
    [PB_OPT_RECOMPUTE] = { "--recompute", NULL,
                           "recompute every number from the request log and compare", NULL },
    [PB_OPT_RECOVER] = { "--recover", NULL, "finish runs left by a killed process, as interrupted",
                         NULL },
    [PB_OPT_FORMAT] = { "--format", "NAME", "csv, jsonl or hgrm (csv)", NULL },
    [PB_OPT_OUTPUT] = { "--output", "FILE", "write there instead of stdout", NULL },
    [PB_OPT_PNG] = { "--png", NULL, "charts as PNG too", NULL },
    [PB_OPT_REQUIRE_CHARTS] = { "--require-charts", NULL, "fail when gnuplot is missing", NULL },
    [PB_OPT_NO_CHARTS] = { "--no-charts", NULL, "draw no charts", NULL },
    [PB_OPT_MARKDOWN] = { "--markdown", NULL, "as a Markdown page", NULL },
    [PB_OPT_SCHEMA] = { "--schema", NULL, "as a JSON schema for editors", NULL },
    [PB_OPT_WIRE] = { "--wire", "NAME", "frames or lines (frames)", NULL },
    [PB_OPT_LANES] = { "--lanes", "N", "requests that it must take at a time (1)", NULL },
    [PB_OPT_TIMEOUT] = { "--timeout", "TIME", "for each answer, and for leaving (5s)", NULL },
    [PB_OPT_COMMAND] = { "--command", "NAME", "what it is asked for (echo)", NULL },
    [PB_OPT_ARGS] = { "--args", "JSON", "with --command: the arguments (null)", NULL },
    [PB_OPT_VERSION] = { "--version", NULL, "the program's version", NULL },
};
_Static_assert(PB_ARRAY_LEN(options) == PB_OPT_COUNT, "a row for every option");

static bool allowed(const struct pb_command *command, size_t id)
{
    return id == PB_OPT_HELP || (command->options & PB_OPT(id)) != 0;
}

void pb_command_help(const struct pb_command *command)
{
    printf("usage: poolbench %s %s\n\n%s\n\n%s\n\n", command->name, command->usage,
           command->summary, command->details);
    for (size_t i = 0; i < PB_OPT_COUNT; i++) {
        if (allowed(command, i)) {
            char left[40];

            (void)snprintf(left, sizeof(left), "%s%s%s", options[i].name,
                           options[i].argument ? " " : "",
                           options[i].argument ? options[i].argument : "");
            printf("  %-20s %s\n", left, options[i].help);
        }
    }
}

static bool complain(const struct pb_command *command, const char *what, const char *word,
                     const char *nearest)
{
    if (nearest) {
        (void)fprintf(stderr, "poolbench %s: %s '%s'; did you mean '%s'?\n", command->name, what,
                      word, nearest);
    } else {
        (void)fprintf(stderr, "poolbench %s: %s '%s'; 'poolbench %s -h' tells more\n",
                      command->name, what, word, command->name);
    }
    return false;
}

static bool unknown_option(const struct pb_command *command, const char *word)
{
    const char *names[PB_OPT_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < PB_OPT_COUNT; i++) {
        if (allowed(command, i)) {
            names[count++] = options[i].name;
        }
    }
    return complain(command, "unknown option", word, pb_nearest(word, names, count));
}

static bool add_override(struct pb_args *args, const char *path, size_t path_len, const char *value,
                         enum pb_origin origin)
{
    struct pb_override *grown =
        realloc(args->overrides, (args->override_count + 1) * sizeof(*grown));

    if (!grown) {
        return false;
    }
    args->overrides = grown;
    grown[args->override_count] = (struct pb_override){ .path = strndup(path, path_len),
                                                        .value = strdup(value),
                                                        .origin = origin };
    args->override_count++;
    return grown[args->override_count - 1].path && grown[args->override_count - 1].value;
}

static bool add_setting(struct pb_args *args, const char *text, enum pb_origin origin)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text) {
        return complain(args->command,
                        origin == PB_ORIGIN_ENVIRONMENT
                            ? "POOLBENCH_SET wants PATH=VALUE, several with ';' between them, not"
                            : "--set wants PATH=VALUE, not",
                        text, NULL);
    }
    return add_override(args, text, (size_t)(equals - text), equals + 1, origin);
}

/* POOLBENCH_SET="pool.size=8;rate=500": settings with a semicolon between them. */
static bool read_environment(struct pb_args *args)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet, and none sets it */
    const char *text = getenv("POOLBENCH_SET");

    while (text && *text) {
        size_t len = strcspn(text, ";");
        char *one = strndup(text, len);
        bool good = one && (len == 0 || add_setting(args, one, PB_ORIGIN_ENVIRONMENT));

        free(one);
        if (!good) {
            return false;
        }
        text += len + (text[len] == ';');
    }
    return true;
}

static bool take_option(struct pb_args *args, size_t id, const char *value)
{
    args->value[id] = value;
    if (id == PB_OPT_SET) {
        return add_setting(args, value, PB_ORIGIN_COMMAND_LINE);
    }
    if (options[id].path) {
        return add_override(args, options[id].path, strlen(options[id].path), value,
                            PB_ORIGIN_COMMAND_LINE);
    }
    return true;
}

static int find_option(const struct pb_command *command, const char *word, size_t name_len)
{
    for (size_t i = 0; i < PB_OPT_COUNT; i++) {
        if (allowed(command, i) && strlen(options[i].name) == name_len &&
            strncmp(word, options[i].name, name_len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Handles argv[*at], and its argument when that is a word of its own. */
static bool parse_option(struct pb_args *args, int *at)
{
    const char *word = strcmp(args->argv[*at], "-h") == 0 ? "--help" : args->argv[*at];
    size_t name_len = strcspn(word, "=");
    int id = find_option(args->command, word, name_len);

    if (id < 0) {
        return unknown_option(args->command, word);
    }
    if (!options[id].argument) {
        return word[name_len] ? complain(args->command, "this option takes no value:", word, NULL)
                              : take_option(args, (size_t)id, "");
    }
    if (word[name_len]) {
        return take_option(args, (size_t)id, word + name_len + 1);
    }
    if (*at + 1 >= args->argc) {
        return complain(args->command, "a value must follow", word, NULL);
    }
    return take_option(args, (size_t)id, args->argv[++*at]);
}

static bool check_words(const struct pb_args *args)
{
    const struct pb_command *command = args->command;

    if (pb_args_has(args, PB_OPT_HELP)) {
        return true;
    }
    if (args->word_count < command->words_min || args->word_count > command->words_max) {
        (void)fprintf(stderr, "poolbench %s: usage: poolbench %s %s\n", command->name,
                      command->name, command->usage);
        return false;
    }
    return true;
}

bool pb_args_parse(const struct pb_command *command, int argc, char **argv,
                   struct pb_args *ret_args)
{
    struct pb_args args = { .command = command, .program = argv[0], .argc = argc, .argv = argv };
    bool options_end = false;

    args.words = calloc((size_t)argc, sizeof(*args.words));
    bool good = args.words && (!(command->options & PB_OPT(PB_OPT_SET)) || read_environment(&args));

    for (int i = 2; good && i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            good = parse_option(&args, &i);
        } else {
            args.words[args.word_count++] = argv[i];
        }
    }
    if (!good || !check_words(&args)) {
        pb_args_done(&args);
        return false;
    }
    *ret_args = args;
    return true;
}

void pb_args_done(struct pb_args *args)
{
    for (size_t i = 0; i < args->override_count; i++) {
        free(args->overrides[i].path);
        free(args->overrides[i].value);
    }
    free(args->overrides);
    free(args->words);
}

bool pb_args_count(const struct pb_args *args, enum pb_option_id id, int64_t min, int64_t max,
                   int64_t *value)
{
    struct pb_error err = { 0 };
    int64_t count = 0;

    if (!pb_args_has(args, id)) {
        return true;
    }
    if (pb_parse_count(args->value[id], &count, &err) != PB_OK || count < min || count > max) {
        (void)fprintf(stderr, "poolbench %s: %s %s: give a whole number, %lld..%lld\n",
                      args->command->name, options[id].name, args->value[id], (long long)min,
                      (long long)max);
        return false;
    }
    *value = count;
    return true;
}

bool pb_args_duration(const struct pb_args *args, enum pb_option_id id, int64_t *value_ns)
{
    struct pb_error err = { 0 };

    if (!pb_args_has(args, id)) {
        return true;
    }
    if (pb_parse_duration(args->value[id], value_ns, &err) != PB_OK || *value_ns <= 0) {
        (void)fprintf(stderr, "poolbench %s: %s %s: give a time such as 90s or 10m\n",
                      args->command->name, options[id].name, args->value[id]);
        return false;
    }
    return true;
}

const char *pb_args_results(const struct pb_args *args)
{
    return pb_args_has(args, PB_OPT_RESULTS) ? args->value[PB_OPT_RESULTS] : "results";
}

struct pb_scenario *pb_load_scenario(const struct pb_args *args, const char *path, int *ret_exit)
{
    struct pb_problems problems = { 0 };
    struct pb_scenario *scenario = NULL;
    enum pb_status status =
        pb_scenario_load(path, args->overrides, args->override_count, &scenario, &problems);

    for (size_t i = 0; i < problems.count; i++) {
        char line[1024];

        pb_problems_line(&problems, i, line, sizeof(line));
        (void)fprintf(stderr, "%s\n", line);
    }
    if (problems.dropped > 0) {
        (void)fprintf(stderr, "... and %zu more problems\n", problems.dropped);
    }
    if (status != PB_OK && problems.count == 0) {
        (void)fprintf(stderr, "poolbench %s: cannot load %s: %s\n", args->command->name,
                      path ? path : "the settings", pb_status_name(status));
    }
    pb_problems_done(&problems);
    if (status != PB_OK) {
        *ret_exit = status == PB_ENOMEM ? PB_EXIT_FAILED : PB_EXIT_INPUT;
        return NULL;
    }
    return scenario;
}
