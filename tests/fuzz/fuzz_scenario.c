/* Any bytes are either a scenario whose effective settings load again as the same, or refused with
 * problems of one line each.  What stands before a NUL is an override, "PATH=VALUE". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "harness/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum pb_status load(const void *text, size_t len, const struct pb_override *override,
                           struct pb_scenario **ret_scenario, struct pb_problems *problems)
{
    char path[64];
    int fd = memfd_create("scenario", MFD_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd < 0 || pb_fd_write_all(fd, text, len, NULL) != PB_OK) {
        abort();
    }
    enum pb_status status =
        pb_scenario_load(path, override, override ? 1 : 0, ret_scenario, problems);

    (void)close(fd);
    return status;
}

static void check_problems(const struct pb_problems *problems)
{
    char line[1024];

    if (problems->count == 0) {
        abort();
    }
    for (size_t i = 0; i < problems->count; i++) {
        pb_problems_line(problems, i, line, sizeof(line));
        if (strpbrk(line, "\n\r\t\x1b")) {
            abort();
        }
    }
}

static void check_again(const struct pb_scenario *scenario)
{
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *again = NULL;
    char *text = pb_json_print(scenario->effective, true), *twice;

    if (!text || load(text, strlen(text), NULL, &again, &problems) != PB_OK) {
        abort();
    }
    twice = pb_json_print(again->effective, true);
    if (!twice || strcmp(text, twice) != 0 || scenario->objective_count != again->objective_count ||
        pb_scenario_duration_ns(scenario) != pb_scenario_duration_ns(again)) {
        abort();
    }
    free(text);
    free(twice);
    pb_scenario_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    char setting[256] = "";
    struct pb_override override = { setting, NULL, PB_ORIGIN_COMMAND_LINE, NULL };
    struct pb_problems problems = { .count = 0 };
    struct pb_scenario *scenario = NULL;

    if (end && (size_t)(end - data) < sizeof(setting)) {
        memcpy(setting, data, (size_t)(end - data) + 1);
        size -= (size_t)(end - data) + 1;
        data = end + 1;
        override.value = strchr(setting, '=');
    }
    if (override.value) {
        *override.value++ = '\0';
    }
    if (load(data, size, override.value ? &override : NULL, &scenario, &problems) == PB_OK) {
        check_again(scenario);
    } else {
        check_problems(&problems);
    }
    pb_scenario_free(scenario);
    pb_problems_done(&problems);
    return 0;
}
