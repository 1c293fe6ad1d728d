/*
 * workload/workload.h - the table of workload kinds.
 */
#ifndef PB_WORKLOAD_WORKLOAD_H
#define PB_WORKLOAD_WORKLOAD_H

#include <stddef.h>

#include "poolbench/workload.h"

extern const struct pb_workload_kind pb_workload_null;
extern const struct pb_workload_kind pb_workload_synthetic;
extern const struct pb_workload_kind pb_workload_command;

/* Row `i` of the table, NULL past its end. */
const struct pb_workload_kind *pb_workload_kind_at(size_t i);
/* By name; NULL when unknown. */
const struct pb_workload_kind *pb_workload_kind_find(const char *name);

#endif
