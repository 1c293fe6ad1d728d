#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "plots/gnuplot.h"
#include "plots/sheet.h"

#define FILE_NAME_SIZE 64

enum pb_status pb_studio_open(struct pb_studio *studio, const char *folder,
                              const struct pb_chart_options *options, struct pb_error *err)
{
    *studio = (struct pb_studio){ .gnuplot = NULL };
    if (options) {
        studio->options = *options;
    }
    bool found = pb_gnuplot_find(&studio->gnuplot) != PB_ENOENT;

    studio->report.no_gnuplot = !found;
    studio->folder = pb_path_join(folder, "charts");
    if (!studio->folder || (found && !studio->gnuplot)) {
        return pb_fail(err, PB_ENOMEM, "no memory for the charts of %s", folder);
    }
    if (!studio->gnuplot && studio->options.require) {
        return pb_fail(err, PB_ENOTSUP,
                       "gnuplot is not installed, and charts are required: "
                       "apt-get install gnuplot-nox");
    }
    return pb_dir_make(studio->folder, err);
}

void pb_studio_close(struct pb_studio *studio)
{
    free(studio->folder);
    free(studio->gnuplot);
}

static enum pb_status write_file(const struct pb_studio *studio, const char *name,
                                 const struct pb_buf *text, struct pb_error *err)
{
    if (pb_buf_status(text) != PB_OK) {
        return pb_fail(err, pb_buf_status(text), "no memory to write %s/%s", studio->folder, name);
    }
    char *path = pb_path_join(studio->folder, name);

    if (!path) {
        return pb_fail(err, PB_ENOMEM, "no memory to write %s/%s", studio->folder, name);
    }
    enum pb_status status = pb_file_replace(path, pb_buf_text(text), text->len, err);

    free(path);
    return status;
}

/* A path too long for this was too long for the file, too. */
static void forget(const struct pb_studio *studio, const char *name)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", studio->folder, name) < (int)sizeof(path)) {
        (void)unlink(path);
    }
}

/* The same script once more, told to make a PNG. */
static enum pb_status draw_png(const struct pb_sheet *sheet, const struct pb_studio *studio,
                               struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf script = { 0 };
    char name[FILE_NAME_SIZE], output[FILE_NAME_SIZE];

    (void)snprintf(name, sizeof(name), ".%s-png.gp", sheet->name);
    (void)snprintf(output, sizeof(output), "%s.png", sheet->name);
    pb_buf_printf(&script, "PB_PNG = 1\nload '%s.gp'\n", sheet->name);
    PB_TRY(write_file(studio, name, &script, err));
    enum pb_status status = pb_gnuplot_run(studio->gnuplot, studio->folder, name, output, err);

    forget(studio, name);
    return status;
}

enum pb_status pb_sheet_draw(struct pb_sheet *sheet, struct pb_studio *studio, struct pb_error *err)
{
    char script[FILE_NAME_SIZE], data[FILE_NAME_SIZE], svg[FILE_NAME_SIZE], png[FILE_NAME_SIZE];

    (void)snprintf(script, sizeof(script), "%s.gp", sheet->name);
    (void)snprintf(data, sizeof(data), "%s.tsv", sheet->name);
    (void)snprintf(svg, sizeof(svg), "%s.svg", sheet->name);
    (void)snprintf(png, sizeof(png), "%s.png", sheet->name);
    pb_sheet_line(sheet, "unset output");
    forget(studio, svg);
    forget(studio, png);
    PB_TRY(write_file(studio, data, &sheet->data, err));
    PB_TRY(write_file(studio, script, &sheet->script, err));
    studio->report.scripts++;
    if (!studio->gnuplot) {
        return PB_OK;
    }
    PB_TRY(pb_gnuplot_run(studio->gnuplot, studio->folder, script, svg, err));
    if (studio->options.png) {
        PB_TRY(draw_png(sheet, studio, err));
    }
    studio->report.written++;
    return PB_OK;
}
