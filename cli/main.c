#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/version.h"
#include "cli/command.h"

static const struct pb_command *const commands[] = {
    &pb_command_run,    &pb_command_validate, &pb_command_plan,   &pb_command_tune,
    &pb_command_apply,  &pb_command_rollback, &pb_command_report, &pb_command_list,
    &pb_command_show,   &pb_command_export,   &pb_command_fields, &pb_command_check_worker,
    &pb_command_worker,
};

const struct pb_command *pb_command_at(size_t i)
{
    return i < PB_ARRAY_LEN(commands) ? commands[i] : NULL;
}

static void print_help(void)
{
    printf("poolbench " PB_VERSION " (%s): finds the smallest worker pool that meets your "
           "objectives, and proves it\n\n"
           "usage: poolbench COMMAND [OPTIONS]    poolbench COMMAND -h tells more\n\n",
           pb_revision());
    for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++) {
        if (!commands[i]->hidden) {
            printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
        }
    }
    printf("\nexit codes: 0 yes, 1 no, 2 wrong input, 3 measurement not to be trusted, 4 could not "
           "run,\n            5 undecided, 130 interrupted, 143 terminated\n"
           "start here: poolbench run --set pool.size=4 --set workload.service=5ms --rate 500 "
           "--duration 10s\n");
}

static int unknown_command(const char *name)
{
    const char *names[PB_ARRAY_LEN(commands)];

    for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++) {
        names[i] = commands[i]->name;
    }
    const char *nearest = pb_nearest(name, names, PB_ARRAY_LEN(names));

    if (nearest) {
        (void)fprintf(stderr, "poolbench: unknown command '%s'; did you mean '%s'?\n", name,
                      nearest);
    } else {
        (void)fprintf(stderr, "poolbench: unknown command '%s'; 'poolbench -h' lists them\n", name);
    }
    return PB_EXIT_INPUT;
}

/* Started with a standard stream closed, the program would open a result under its number and mix
 * its words into it. */
static void open_standard_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* What was said must have arrived: half a document is not one. */
static int check_stdout(const char *name, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    (void)fprintf(stderr, "poolbench %s: cannot write to stdout\n", name);
    return code > PB_EXIT_UNDECIDED ? code : PB_EXIT_FAILED;
}

static int run_command(const struct pb_command *command, int argc, char **argv)
{
    struct pb_args args;
    int code = PB_EXIT_YES;

    if (!pb_args_parse(command, argc, argv, &args)) {
        return PB_EXIT_INPUT;
    }
    if (pb_args_has(&args, PB_OPT_HELP)) {
        pb_command_help(command);
    } else {
        code = command->run(&args);
    }
    pb_args_done(&args);
    return check_stdout(command->name, code);
}

/* `help` alone, or of one command. */
static int help(const char *name)
{
    if (!name) {
        print_help();
        return PB_EXIT_YES;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i]->name) == 0) {
            pb_command_help(commands[i]);
            return PB_EXIT_YES;
        }
    }
    return unknown_command(name);
}

int main(int argc, char **argv)
{
    /* Histograms come from pages of their own, run after run: untouched buckets then cost no
     * memory. Left alone, the library would soon serve them from recycled, resident heap. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet */
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    open_standard_streams();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk: told, not died of */
    /* If who started us ignored it, worker processes could not be waited for. */
    (void)signal(SIGCHLD, SIG_DFL);
    if (argc < 2) {
        print_help();
        return PB_EXIT_INPUT;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return help(argc > 2 ? argv[2] : NULL);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("poolbench " PB_VERSION " (%s, %s, %s)\n", pb_revision(), pb_compiler(),
               pb_build_mode());
        return PB_EXIT_YES;
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i]->name) == 0) {
            return run_command(commands[i], argc, argv);
        }
    }
    return unknown_command(argv[1]);
}
