#include "workload/demand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53: JSON numbers are exact up to here */

static const char *const fates[] = {
    [PB_FATE_OK] = "ok",
    [PB_FATE_ERROR] = "error",
    [PB_FATE_CLIENT_ERROR] = "client_error",
    [PB_FATE_HANG] = "hang",
};
_Static_assert(PB_ARRAY_LEN(fates) == PB_FATE_COUNT, "a name for each fate");

char *pb_demand_print(const struct pb_demand *demand, bool measure_cpu, char *text)
{
    char leaks[40] = "";

    if (demand->leak_bytes > 0) {
        (void)snprintf(leaks, sizeof(leaks), ",\"leak_bytes\":%" PRId64, demand->leak_bytes);
    }
    (void)snprintf(text, PB_DEMAND_TEXT,
                   "{\"service_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64 ",\"memory_bytes\":%" PRId64
                   "%s,\"fate\":\"%s\",\"ignore_cancel\":%s,\"measure_cpu\":%s}",
                   demand->service_ns, demand->cpu_ns, demand->memory_bytes, leaks,
                   fates[demand->fate], demand->ignore_cancel ? "true" : "false",
                   measure_cpu ? "true" : "false");
    return text;
}

static enum pb_status read_amount(const cJSON *object, const char *name, int64_t *amount,
                                  struct pb_error *err)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!node) {
        return PB_OK;
    }
    if (!cJSON_IsNumber(node) || !(node->valuedouble >= 0 && node->valuedouble <= EXACT_MAX)) {
        return pb_fail(err, PB_EPARSE, "%s must be a number from 0", name);
    }
    *amount = (int64_t)node->valuedouble;
    return PB_OK;
}

static enum pb_status read_flag(const cJSON *object, const char *name, bool *flag,
                                struct pb_error *err)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, name);

    if (node && !cJSON_IsBool(node)) {
        return pb_fail(err, PB_EPARSE, "%s must be true or false", name);
    }
    *flag = cJSON_IsTrue(node);
    return PB_OK;
}

static enum pb_status read_fate(const cJSON *object, enum pb_fate *fate, struct pb_error *err)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, "fate");
    const char *name = cJSON_GetStringValue(node);

    if (!node) {
        return PB_OK;
    }
    for (int i = 0; name && i < PB_FATE_COUNT; i++) {
        if (strcmp(name, fates[i]) == 0) {
            *fate = (enum pb_fate)i;
            return PB_OK;
        }
    }
    return pb_fail(err, PB_EPARSE, "fate must be one of ok, error, client_error, hang");
}

static enum pb_status read_object(const cJSON *object, struct pb_demand *demand, bool *measure_cpu,
                                  struct pb_error *err)
{
    if (!cJSON_IsObject(object)) {
        return pb_fail(err, PB_EPARSE,
                       "the arguments must be an object such as {\"service_ns\": "
                       "5000000}");
    }
    PB_TRY(read_amount(object, "service_ns", &demand->service_ns, err));
    PB_TRY(read_amount(object, "cpu_ns", &demand->cpu_ns, err));
    PB_TRY(read_amount(object, "memory_bytes", &demand->memory_bytes, err));
    PB_TRY(read_amount(object, "leak_bytes", &demand->leak_bytes, err));
    PB_TRY(read_flag(object, "ignore_cancel", &demand->ignore_cancel, err));
    PB_TRY(read_flag(object, "measure_cpu", measure_cpu, err));
    return read_fate(object, &demand->fate, err);
}

enum pb_status pb_demand_parse(const char *text, struct pb_demand *ret_demand,
                               bool *ret_measure_cpu, struct pb_error *err)
{
    struct pb_demand demand = { .fate = PB_FATE_OK };
    bool measure_cpu = false;
    cJSON *object = cJSON_Parse(text);
    enum pb_status status = read_object(object, &demand, &measure_cpu, err);

    cJSON_Delete(object);
    if (status == PB_OK) {
        *ret_demand = demand;
        *ret_measure_cpu = measure_cpu;
    }
    return status;
}
