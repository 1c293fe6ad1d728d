#include <math.h>
#include <string.h>

#include "base/quantity.h"
#include "harness/judge_internal.h"

char *pb_objective_format(const struct pb_objective *objective, double value, char *text)
{
    if (!isfinite(value)) {
        memcpy(text, "never", sizeof("never"));
        return text;
    }
    switch (objective->metric) {
    case PB_METRIC_LATENCY:
    case PB_METRIC_QUEUE_WAIT:
    case PB_METRIC_SERVICE:
    case PB_METRIC_SEND_LAG:
    case PB_METRIC_RECOVERY_TIME:
        return pb_format_duration(llround(value), text);
    case PB_METRIC_ERROR_RATE:
    case PB_METRIC_UTILIZATION:
    case PB_METRIC_CORE_UTILIZATION:
    case PB_METRIC_WORKER_CPU:
        return pb_format_percent(value, text);
    case PB_METRIC_THROUGHPUT:
    case PB_METRIC_ACHIEVED_RATE:
        return objective->of_offered ? pb_format_percent(value, text) : pb_format_rate(value, text);
    case PB_METRIC_WORKER_MEMORY:
    case PB_METRIC_MEMORY:
        return pb_format_size(llround(value), text);
    case PB_METRIC_PEAK_WORKERS:
    case PB_METRIC_PEAK_QUEUE:
    case PB_METRIC_MEAN_WORKERS:
    case PB_METRIC_COUNT:
        break;
    }
    return pb_format_number(value, text);
}

const char *pb_objective_phase_name(const struct pb_scenario *scenario,
                                    const struct pb_objective *objective)
{
    return objective->whole_run || objective->phase == PB_PHASE_ALL
               ? "all"
               : scenario->phases[objective->phase].name;
}

/* Bytes of the UTF-8 character at `p`; 0: it is none. */
static size_t character_length(const unsigned char *p)
{
    size_t len = *p < 0x80             ? 1
                 : (*p & 0xe0) == 0xc0 ? 2
                 : (*p & 0xf0) == 0xe0 ? 3
                 : (*p & 0xf8) == 0xf0 ? 4
                                       : 0;

    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

void pb_text_repair(char *text)
{
    while (*text) {
        size_t len = character_length((const unsigned char *)text);

        if (len == 0) {
            *text = '?';
            len = 1;
        }
        text += len;
    }
}
