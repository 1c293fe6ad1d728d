#include "workload/workload.h"

/* The work is in a worker process of the user's, which harness/load_workers.c starts and asks. */
const struct pb_workload_kind pb_workload_command = {
    .name = "command",
    .summary = "requests to worker processes in any language",
};
