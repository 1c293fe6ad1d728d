/*
 * workload/demand.h - the work of one request as text, for workers that are processes: the `args`
 * of poolbench's own workers.
 */
#ifndef PB_WORKLOAD_DEMAND_H
#define PB_WORKLOAD_DEMAND_H

#include <stdbool.h>

#include "poolbench/workload.h"

#define PB_DEMAND_TEXT 240 /* bytes that any demand fits in, with its NUL */

/* A JSON object into `text`; returns `text`. */
char *pb_demand_print(const struct pb_demand *demand, bool measure_cpu, char *text);
/* Reads one; what it does not say is zero, ok and false.  PB_EPARSE: not an object, or a value out
 * of its range; err names it. */
PB_MUST_USE enum pb_status pb_demand_parse(const char *text, struct pb_demand *ret_demand,
                                           bool *ret_measure_cpu, struct pb_error *err);

#endif
