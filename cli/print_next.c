#include <string.h>

#include "poolbench/macros.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/print.h"
#include "plots/quote.h"

#define SET_MIN 6 /* runs from which a set is judged by its own interval */

void pb_print_text(FILE *out, const char *text)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf shown = { 0 };

    pb_utf8_escape(&shown, text, strlen(text));
    (void)fputs(pb_buf_text(&shown), out);
}

void pb_print_word(FILE *out, const char *word)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf quoted = { 0 };

    pb_quote_shell(&quoted, word);
    (void)fprintf(out, " %s", pb_buf_status(&quoted) == PB_OK ? pb_buf_text(&quoted) : word);
}

/* The scenario with everything that was overridden.  True: the seed was among it. */
static bool print_scenario(FILE *out, const cJSON *json)
{
    const char *path = pb_json_str(json, "scenario.path", NULL);
    const cJSON *override;
    bool seeded = false;

    if (path) {
        pb_print_word(out, path);
    }
    cJSON_ArrayForEach(override, pb_json_at(json, "overrides"))
    {
        PB_CLEANUP(pb_buf_done) struct pb_buf setting = { 0 };
        const char *name = pb_json_str(override, "path", "?");

        pb_buf_printf(&setting, "%s=%s", name, pb_json_str(override, "value", ""));
        seeded |= strcmp(name, "seed") == 0;
        (void)fputs(" --set", out);
        pb_print_word(out, pb_buf_text(&setting));
    }
    return seeded;
}

static void print_reproduce(FILE *out, const cJSON *json, const char *program)
{
    int runs = cJSON_GetArraySize(pb_json_at(json, "runs"));

    (void)fprintf(out, "reproduce: %s run", program);
    if (!print_scenario(out, json)) {
        (void)fprintf(out, " --seed %lld", (long long)pb_json_int(json, "seed", 0));
    }
    if (runs > 0) {
        (void)fprintf(out, " --runs %d", runs);
    }
    (void)fputc('\n', out);
}

void pb_print_next(FILE *out, const cJSON *json, const struct pb_print_place *place)
{
    bool inconclusive = strcmp(pb_json_str(json, "verdict", ""), "inconclusive") == 0;
    int runs = cJSON_GetArraySize(pb_json_at(json, "runs"));

    if (place->folder) {
        (void)fprintf(out, "%s\n", place->report ? place->report : place->folder);
    }
    print_reproduce(out, json, place->program);
    if (inconclusive) {
        (void)fprintf(out, "next: %s run", place->program);
        (void)print_scenario(out, json);
        (void)fprintf(out, " --runs %d\n", 2 * runs > SET_MIN ? 2 * runs : SET_MIN);
    } else if (pb_json_at(json, "scenario.requested.tune.vary")) {
        (void)fprintf(out, "next: %s tune", place->program);
        (void)print_scenario(out, json);
        (void)fputc('\n', out);
    } else if (place->folder) {
        (void)fprintf(out, "next: %s %s", place->program, runs > 0 ? "report" : "show --recompute");
        pb_print_word(out, place->folder);
        (void)fputc('\n', out);
    }
}
