#include "workload/workload.h"

/* No work at all: what remains is the harness itself, whose cost it measures. */
static enum pb_outcome run_null(void *state, const struct pb_demand *demand, struct pb_work *work,
                                bool measure_cpu, const _Atomic int64_t *give_up_ns)
{
    (void)state;
    (void)demand;
    (void)give_up_ns;
    work->demand_ns = 0;
    if (measure_cpu) {
        work->cpu_ns = 0;
    }
    return PB_OUTCOME_OK;
}

static enum pb_status open_null(uint32_t slots, void **ret_state, struct pb_error *err)
{
    (void)slots;
    (void)err;
    *ret_state = NULL;
    return PB_OK;
}

static void close_null(void *state)
{
    (void)state;
}

const struct pb_workload_kind pb_workload_null = {
    .name = "null",
    .summary = "no work at all: measures the harness itself",
    .open = open_null,
    .run = run_null,
    .close = close_null,
};
