#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "cli/print.h"

#define NO_NUMBER ((double)NAN)

/* Parts of one line, begun by the first of them. */
struct line {
    FILE *out;
    int parts;
};

static void part(struct line *line)
{
    (void)fputs(line->parts++ > 0 ? " · " : "  ", line->out);
}

static void end_line(struct line *line)
{
    if (line->parts > 0) {
        (void)fputc('\n', line->out);
    }
}

static const char *count_of(const cJSON *json, const char *path, char *text)
{
    return pb_format_count(pb_json_int(json, path, 0), text);
}

/* "workers lost 3 (2 by faults) · recovered 2: p50 4.1 ms, p99 7.0 ms, max 7.0 ms · 1 not yet" */
static void print_losses(FILE *out, const cJSON *recovery)
{
    struct line line = { .out = out };
    int64_t count = pb_json_int(recovery, "count", 0);
    int64_t by_fault = pb_json_int(recovery, "by_fault", 0);
    int64_t recovered = pb_json_int(recovery, "recovered", 0);
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT], c[PB_QUANTITY_TEXT], d[PB_QUANTITY_TEXT];

    if (count == 0) {
        return;
    }
    part(&line);
    (void)fprintf(out, "workers lost %s", pb_format_count(count, a));
    if (by_fault > 0 && by_fault < count) {
        (void)fprintf(out, " (%s by faults)", pb_format_count(by_fault, a));
    } else {
        (void)fputs(by_fault > 0 ? " (by faults)" : " (by themselves)", out);
    }
    if (recovered > 0) {
        part(&line);
        (void)fprintf(out, "recovered %s: p50 %s, p99 %s, max %s", pb_format_count(recovered, a),
                      pb_format_duration(pb_json_int(recovery, "p50_ns", 0), b),
                      pb_format_duration(pb_json_int(recovery, "p99_ns", 0), c),
                      pb_format_duration(pb_json_int(recovery, "max_ns", 0), d));
    }
    if (pb_json_int(recovery, "unused", 0) > 0) {
        part(&line);
        (void)fprintf(out, "%s replaced and not needed again", count_of(recovery, "unused", a));
    }
    if (pb_json_int(recovery, "open", 0) > 0) {
        part(&line);
        (void)fprintf(out, "%s not replaced", count_of(recovery, "open", a));
    }
    end_line(&line);
}

static void print_recycled(struct line *line, const cJSON *activity)
{
    const cJSON *reason;
    char text[PB_QUANTITY_TEXT];
    const char *sign = " (";

    if (pb_json_int(activity, "recycled_total", 0) == 0) {
        return;
    }
    part(line);
    (void)fprintf(line->out, "recycled %s", count_of(activity, "recycled_total", text));
    cJSON_ArrayForEach(reason, pb_json_at(activity, "recycled"))
    {
        if (reason->valuedouble > 0) {
            (void)fprintf(line->out, "%s%s %s", sign,
                          pb_format_count((int64_t)reason->valuedouble, text), reason->string);
            sign = ", ";
        }
    }
    (void)fputs(sign[0] == ',' ? ")" : "", line->out);
}

static void print_activity(FILE *out, const cJSON *activity)
{
    struct line line = { .out = out };
    double hits = pb_json_num(activity, "affinity_hit_ratio", NO_NUMBER);
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    print_recycled(&line, activity);
    if (pb_json_int(activity, "unhealthy", 0) + pb_json_int(activity, "health_failures", 0) > 0) {
        part(&line);
        (void)fprintf(out, "health checks %s, %s failed", count_of(activity, "health_checks", a),
                      count_of(activity, "health_failures", b));
        if (pb_json_int(activity, "unhealthy", 0) > 0) {
            (void)fprintf(out, ", %s unhealthy", count_of(activity, "unhealthy", a));
        }
    }
    if (!isnan(hits)) {
        part(&line);
        (void)fprintf(out, "sessions: %s of their requests on the worker that knew them",
                      pb_format_percent(hits, a));
    }
    end_line(&line);
}

/* " (worker 3)"; a set does not say who it was. */
static void print_who(FILE *out, const cJSON *who)
{
    if (cJSON_IsObject(who)) {
        (void)fprintf(out, " (worker %lld)", (long long)pb_json_int(who, "worker", 0));
    }
}

static void print_processes(FILE *out, const cJSON *json)
{
    const cJSON *resources = pb_json_at(json, "worker_resources");
    double cpu = pb_json_num(resources, "cpu_ratio", NO_NUMBER);
    char text[PB_QUANTITY_TEXT];

    if (strcmp(pb_json_str(json, "pool.profile", ""), "process") != 0 ||
        pb_json_int(resources, "looks", 0) == 0) {
        return;
    }
    (void)fprintf(out, "  worker processes: largest %s",
                  pb_format_size(pb_json_int(resources, "rss_peak_bytes", 0), text));
    print_who(out, pb_json_at(resources, "largest"));
    if (!isnan(cpu)) {
        (void)fprintf(out, ", busiest %s of a CPU", pb_format_percent(cpu, text));
        print_who(out, pb_json_at(resources, "busiest"));
    }
    (void)fprintf(out, ", all of them %s CPUs\n",
                  pb_format_number(pb_json_num(json, "resources.workers_cpus", 0), text));
}

void pb_print_workers(FILE *out, const cJSON *json)
{
    print_processes(out, json);
    print_losses(out, pb_json_at(json, "recovery"));
    print_activity(out, pb_json_at(json, "pool_activity"));
}
