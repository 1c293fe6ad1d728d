#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plots/chart.h"
#include "plots/charts.h"
#include "plots/report_internal.h"

static enum pb_status fill_run(struct pb_page *page, const char *folder, bool overlay,
                               struct pb_error *err)
{
    PB_CLEANUP(pb_stored_done) struct pb_stored stored = { 0 };

    PB_TRY(pb_stored_load(folder, &stored, err));
    pb_report_run(page, &stored, overlay);
    return PB_OK;
}

static enum pb_status fill_tune(struct pb_page *page, const char *folder, struct pb_error *err)
{
    struct pb_json *json = NULL;

    if (pb_stored_has(folder, "recommendation.json")) {
        PB_TRY(pb_stored_json_read(folder, "recommendation.json", &json, err));
    }
    pb_report_tune(page, json ? pb_json_root(json) : NULL);
    pb_json_free(json);
    return PB_OK;
}

static void page_done(struct pb_page *page)
{
    pb_buf_done(&page->out);
}

enum pb_status pb_report_html(const char *folder, const char *const *others, unsigned other_count,
                              char **ret_path, struct pb_error *err)
{
    PB_CLEANUP(page_done) struct pb_page page = { .folder = folder };
    bool overlay = others != NULL && other_count > 0;

    if (pb_stored_has(folder, "journal.jsonl")) {
        PB_TRY(fill_tune(&page, folder, err));
    } else {
        PB_TRY(fill_run(&page, folder, overlay, err));
    }
    char *path = pb_path_join(folder, "report.html");

    if (!path || pb_buf_status(&page.out) != PB_OK) {
        free(path);
        return pb_fail(err, PB_ENOMEM, "no memory for the report of %s", folder);
    }
    enum pb_status status = pb_file_replace(path, pb_buf_text(&page.out), page.out.len, err);

    if (status != PB_OK) {
        free(path);
        return status;
    }
    *ret_path = path;
    return PB_OK;
}
