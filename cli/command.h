/*
 * cli/command.h - subcommands and their options, as tables.
 *
 * Adding a subcommand: a file cli/cmd_NAME.c with a `const struct pb_command pb_command_NAME`, its
 * declaration here, its row in main.c, a test tests/cli/NAME.sh.  `-h` comes free.
 */
#ifndef PB_CLI_COMMAND_H
#define PB_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problems.h"
#include "harness/scenario.h"

/* Exit codes: one table, the same for every subcommand (DESIGN.md). */
enum pb_exit {
    PB_EXIT_YES = 0,
    PB_EXIT_NO = 1,
    PB_EXIT_INPUT = 2,
    PB_EXIT_UNTRUSTED = 3,
    PB_EXIT_FAILED = 4,
    PB_EXIT_UNDECIDED = 5
};

enum pb_option_id {
    PB_OPT_HELP,
    PB_OPT_JSON,
    PB_OPT_QUIET,
    PB_OPT_SOFT,
    PB_OPT_RESULTS,
    PB_OPT_SET,
    PB_OPT_RATE,
    PB_OPT_DURATION,
    PB_OPT_SIZE,
    PB_OPT_SEED,
    PB_OPT_RUNS,
    PB_OPT_TIME,
    PB_OPT_EFFECTIVE,
    PB_OPT_RESUME,
    PB_OPT_QUICK,
    PB_OPT_RECOMPUTE,
    PB_OPT_RECOVER,
    PB_OPT_FORMAT,
    PB_OPT_OUTPUT,
    PB_OPT_PNG,
    PB_OPT_REQUIRE_CHARTS,
    PB_OPT_NO_CHARTS,
    PB_OPT_MARKDOWN,
    PB_OPT_SCHEMA,
    PB_OPT_VERSION,
    PB_OPT_WIRE,
    PB_OPT_LANES,
    PB_OPT_TIMEOUT,
    PB_OPT_COMMAND,
    PB_OPT_ARGS,
    PB_OPT_COUNT
};

/* The parsed command line.  Strings are borrowed from argv. */
struct pb_args {
    const struct pb_command *command;
    const char
        *value[PB_OPT_COUNT]; /* last value given; "" for a flag that is on; NULL: not given */
    const char **words;       /* what is not an option; owned */
    size_t word_count;
    struct pb_override *overrides; /* of POOLBENCH_SET, --set and the shortcuts, in order; owned */
    size_t override_count;
    const char *program; /* argv[0] */
    int argc;            /* for the reproduce line */
    char **argv;
};

static inline bool pb_args_has(const struct pb_args *args, enum pb_option_id id)
{
    return args->value[id] != NULL;
}

struct pb_command {
    const char *name;
    const char *usage;   /* "SCENARIO [--runs N] ..." */
    const char *summary; /* one line, lower case, no full stop */
    const char *details; /* a paragraph or two for -h */
    uint64_t options;    /* bits 1 << enum pb_option_id */
    size_t words_min, words_max;
    bool hidden; /* poolbench's own: not listed */
    /* Returns the exit code. */
    int (*run)(const struct pb_args *args);
};

#define PB_OPT(id) (UINT64_C(1) << (id))
/* The options of every command that loads a scenario. */
#define PB_OPTS_SCENARIO                                                                        \
    (PB_OPT(PB_OPT_SET) | PB_OPT(PB_OPT_RATE) | PB_OPT(PB_OPT_DURATION) | PB_OPT(PB_OPT_SIZE) | \
     PB_OPT(PB_OPT_SEED))

extern const struct pb_command pb_command_run;
extern const struct pb_command pb_command_validate;
extern const struct pb_command pb_command_plan;
extern const struct pb_command pb_command_tune;
extern const struct pb_command pb_command_apply;
extern const struct pb_command pb_command_rollback;
extern const struct pb_command pb_command_report;
extern const struct pb_command pb_command_list;
extern const struct pb_command pb_command_show;
extern const struct pb_command pb_command_export;
extern const struct pb_command pb_command_fields;
extern const struct pb_command pb_command_check_worker;
extern const struct pb_command pb_command_worker;

/* Row `i` of the table, NULL past its end. */
const struct pb_command *pb_command_at(size_t i);

/* Parses argv[2..] for `command` and the environment's POOLBENCH_SET.  False: a line has been
 * printed to stderr and the exit code is PB_EXIT_INPUT. */
bool pb_args_parse(const struct pb_command *command, int argc, char **argv,
                   struct pb_args *ret_args);
void pb_args_done(struct pb_args *args);
void pb_command_help(const struct pb_command *command);

/* The number after an option, checked; prints a line and returns false when it is none. */
bool pb_args_count(const struct pb_args *args, enum pb_option_id id, int64_t min, int64_t max,
                   int64_t *value);
bool pb_args_duration(const struct pb_args *args, enum pb_option_id id, int64_t *value_ns);
/* "results" unless --results says otherwise. */
const char *pb_args_results(const struct pb_args *args);

/* Loads the scenario named by the first word (none: no file) with all overrides; prints every
 * problem to stderr.  NULL: the exit code is in *ret_exit. */
struct pb_scenario *pb_load_scenario(const struct pb_args *args, const char *path, int *ret_exit);

#endif
