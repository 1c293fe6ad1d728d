#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "harness/folder.h"
#include "harness/output.h"

static enum pb_status write_json(const struct pb_folder *folder, const cJSON *json,
                                 struct pb_error *err)
{
    char *text = pb_json_print(json, true);

    if (!text) {
        return pb_fail(err, PB_ENOMEM, "no memory to print run.json");
    }
    enum pb_status status = pb_folder_write(folder, "run.json", text, strlen(text), err);

    free(text);
    return status;
}

static enum pb_status write_buf(const struct pb_folder *folder, const char *file,
                                const struct pb_buf *buf, struct pb_error *err)
{
    if (pb_buf_status(buf) != PB_OK) {
        return pb_fail(err, pb_buf_status(buf), "no memory to write %s", file);
    }
    return pb_folder_write(folder, file, pb_buf_text(buf), buf->len, err);
}

enum pb_status pb_run_store(struct pb_folder *folder, const struct pb_evidence *evidence,
                            const cJSON *json, struct pb_error *err)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf timeline = { 0 };
    PB_CLEANUP(pb_buf_done) struct pb_buf events = { 0 };
    PB_CLEANUP(pb_buf_done) struct pb_buf hlog = { 0 };

    pb_timeline_csv(evidence, &timeline);
    PB_TRY(write_buf(folder, "timeline.csv", &timeline, err));
    pb_events_jsonl(evidence, &events);
    PB_TRY(write_buf(folder, "events.jsonl", &events, err));
    if (evidence->scenario->keep != PB_KEEP_SUMMARY) {
        PB_TRY(pb_latency_hlog(evidence, &hlog));
        PB_TRY(write_buf(folder, "latency.hlog", &hlog, err));
    }
    PB_TRY(write_json(folder, json, err));
    if (evidence->worker_log) {
        PB_TRY(pb_folder_write(folder, "workers.log", evidence->worker_log,
                               strlen(evidence->worker_log), err));
    }
    return pb_folder_commit(folder, err);
}
