#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/command.h"

static void print_table(void)
{
    const struct pb_field *field;

    for (size_t i = 0; (field = pb_field_at(i)) != NULL; i++) {
        printf("%-28s %-12s %s%s\n", field->path, field->def ? field->def : "-", field->help,
               field->tunable ? " (tunable)" : "");
    }
}

static int cmd_fields(const struct pb_args *args)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    if (pb_args_has(args, PB_OPT_JSON)) {
        cJSON *rows = pb_fields_json();
        char *text = rows ? pb_json_print(rows, true) : NULL;

        pb_buf_puts(&out, text ? text : "");
        pb_buf_puts(&out, "\n");
        free(text);
        cJSON_Delete(rows);
    } else if (pb_args_has(args, PB_OPT_MARKDOWN)) {
        pb_fields_markdown(&out);
    } else if (pb_args_has(args, PB_OPT_SCHEMA)) {
        pb_fields_schema(&out);
    } else {
        print_table();
    }
    if (pb_buf_status(&out) != PB_OK) {
        (void)fprintf(stderr, "poolbench fields: no memory to print them\n");
        return PB_EXIT_FAILED;
    }
    (void)fputs(pb_buf_text(&out), stdout);
    return PB_EXIT_YES;
}

const struct pb_command pb_command_fields = {
    .name = "fields",
    .usage = "[--json | --markdown | --schema]",
    .summary = "every scenario field: default, meaning, unit and range",
    .details =
        "The same table makes docs/scenario.md (--markdown) and scenarios/scenario.schema.json "
        "(--schema).",
    .options = PB_OPT(PB_OPT_JSON) | PB_OPT(PB_OPT_MARKDOWN) | PB_OPT(PB_OPT_SCHEMA),
    .words_min = 0,
    .words_max = 0,
    .run = cmd_fields,
};
