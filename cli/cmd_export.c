#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/document.h"
#include "harness/recompute.h"
#include "harness/reqlog.h"

#define ROWS_AT_ONCE 1024

/* One line an attempt. */
typedef void (*row_fn)(FILE *out, const struct pb_record *row);

static void csv_row(FILE *out, const struct pb_record *row)
{
    (void)fprintf(out,
                  "%u,%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
                  ",%s,%d,%d,%u,%u,%" PRId64 ",%" PRId64 ",%d\n",
                  row->phase, row->index, row->intended_ns, row->lag_ns, row->wait_ns,
                  row->service_ns, pb_record_latency_ns(row),
                  pb_outcome_name(pb_record_outcome(row)),
                  row->worker == PB_RECORD_NO_WORKER ? -1 : (int)row->worker,
                  (row->flags & PB_RECORD_OVERFLOW) != 0, row->operation, row->attempt,
                  row->demand_ns, row->cpu_ns, (row->flags & PB_RECORD_LAST) != 0);
}

static void jsonl_row(FILE *out, const struct pb_record *row)
{
    (void)fprintf(out,
                  "{\"phase\":%u,\"index\":%" PRIu64 ",\"intended_ns\":%" PRId64
                  ",\"lag_ns\":%" PRId64 ",\"wait_ns\":%" PRId64 ",\"service_ns\":%" PRId64
                  ",\"latency_ns\":%" PRId64 ",\"outcome\":\"%s\",\"worker\":%d,\"overflow\":%s,"
                  "\"operation\":%u,\"attempt\":%u,\"demand_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64
                  ",\"last\":%s}\n",
                  row->phase, row->index, row->intended_ns, row->lag_ns, row->wait_ns,
                  row->service_ns, pb_record_latency_ns(row),
                  pb_outcome_name(pb_record_outcome(row)),
                  row->worker == PB_RECORD_NO_WORKER ? -1 : (int)row->worker,
                  (row->flags & PB_RECORD_OVERFLOW) ? "true" : "false", row->operation,
                  row->attempt, row->demand_ns, row->cpu_ns,
                  (row->flags & PB_RECORD_LAST) ? "true" : "false");
}

static const char csv_header[] =
    "phase,index,intended_ns,lag_ns,wait_ns,service_ns,latency_ns,"
    "outcome,worker,overflow,operation,attempt,demand_ns,cpu_ns,last\n";

static enum pb_status export_rows(const char *folder, FILE *out, row_fn print, struct pb_error *err)
{
    char *path = pb_path_join(folder, "requests.pbr");
    struct pb_record *rows = calloc(ROWS_AT_ONCE, sizeof(*rows));
    struct pb_reqlog_reader *reader = NULL;
    struct pb_reqlog_info info;
    size_t count = 1;
    enum pb_status status = path && rows ? pb_reqlog_open(path, &info, &reader, err)
                                         : pb_fail(err, PB_ENOMEM, "no memory to export");

    while (status == PB_OK && count > 0) {
        status = pb_reqlog_next(reader, rows, ROWS_AT_ONCE, &count, err);
        for (size_t i = 0; status == PB_OK && rows && i < count; i++) {
            /* A late return is the worker's business: no request, no line. */
            if (!(rows[i].flags & PB_RECORD_RETURN)) {
                print(out, &rows[i]);
            }
        }
    }
    pb_reqlog_reader_free(reader);
    free(rows);
    free(path);
    return status;
}

/* HdrHistogram's percentile spectrum, in milliseconds, of ok requests of the recorded phases. */
static enum pb_status export_hgrm(const char *folder, FILE *out, struct pb_error *err)
{
    struct pb_recomputed recomputed;
    struct pb_phase_aggregate total;
    struct pb_hist_iter iter;

    PB_TRY(pb_recompute(folder, &recomputed, err));
    enum pb_status status = pb_aggregate_total(recomputed.aggregate, &total);

    if (status != PB_OK) {
        pb_recomputed_done(&recomputed);
        return pb_fail(err, status, "no memory to export");
    }
    (void)fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
                  "1/(1-Percentile)");
    pb_hist_iter_init(&iter, &total.latency);
    while (total.latency.total > 0 && pb_hist_iter_next(&iter)) {
        double p = (double)iter.cumulative / (double)total.latency.total;

        (void)fprintf(out, "%12.6f %.12f %10" PRId64, (double)iter.value / 1e6, p, iter.cumulative);
        if (iter.cumulative < total.latency.total) {
            (void)fprintf(out, " %14.2f", 1 / (1 - p));
        }
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "#[Mean    = %12.6f, Total count    = %10" PRId64 "]\n#[Max     = %12.6f]\n",
                  pb_hist_mean(&total.latency) / 1e6, total.latency.total,
                  (double)total.latency.max / 1e6);
    pb_phase_aggregate_done(&total);
    pb_recomputed_done(&recomputed);
    return PB_OK;
}

static enum pb_status export_as(const char *format, const char *folder, FILE *out,
                                struct pb_error *err)
{
    if (strcmp(format, "csv") == 0) {
        (void)fputs(csv_header, out);
        return export_rows(folder, out, csv_row, err);
    }
    if (strcmp(format, "jsonl") == 0) {
        return export_rows(folder, out, jsonl_row, err);
    }
    if (strcmp(format, "hgrm") == 0) {
        return export_hgrm(folder, out, err);
    }
    return pb_fail(err, PB_EINVAL, "--format %s: give csv, jsonl or hgrm", format);
}

static int export_document(const struct pb_args *args, const struct pb_document *document)
{
    const char *format = pb_args_has(args, PB_OPT_FORMAT) ? args->value[PB_OPT_FORMAT] : "csv";
    const char *file = args->value[PB_OPT_OUTPUT];
    struct pb_error err = { 0 };
    FILE *out = file ? fopen(file, "we") : stdout;

    if (!out) {
        (void)fprintf(stderr, "poolbench export: cannot write %s\n", file);
        return PB_EXIT_FAILED;
    }
    enum pb_status status = export_as(format, document->entry.path, out, &err);
    bool written = true; /* stdout is checked for every command alike */

    if (file) {
        written = !ferror(out);
        written = fclose(out) == 0 && written;
    }
    if (status != PB_OK || !written) {
        (void)fprintf(stderr, "poolbench export: %s\n",
                      status != PB_OK ? err.text : "the output could not be written");
        return status == PB_OK || status == PB_ENOMEM || status == PB_ESYS ? PB_EXIT_FAILED
                                                                           : PB_EXIT_INPUT;
    }
    return PB_EXIT_YES;
}

static int cmd_export(const struct pb_args *args)
{
    struct pb_document document;
    int code = PB_EXIT_INPUT;

    if (!pb_document_find(args, args->words[0], &document, &code)) {
        return code;
    }
    if (document.entry.kind == PB_FOLDER_RUN) {
        code = export_document(args, &document);
    } else {
        (void)fprintf(stderr, "poolbench export: give a single run, such as %s/run-01\n",
                      document.entry.path);
    }
    pb_document_done(&document);
    return code;
}

const struct pb_command pb_command_export = {
    .name = "export",
    .usage = "RUN [--format csv|jsonl|hgrm] [--output FILE]",
    .summary = "requests as csv or jsonl, percentiles as hgrm",
    .details =
        "csv and jsonl hold one line an attempt, all phases, warm-up too; `last` marks the one whose outcome\n"
        "is the request's. Where the run's end kept a request from its next attempt, the line of its last one\n"
        "stands there again, marked so. hgrm is HdrHistogram's percentile spectrum of ok requests in\n"
        "milliseconds.",
    .options = PB_OPT(PB_OPT_RESULTS) | PB_OPT(PB_OPT_FORMAT) | PB_OPT(PB_OPT_OUTPUT),
    .words_min = 1,
    .words_max = 1,
    .run = cmd_export,
};
