#include "workload/workload.h"

#include <string.h>

/* Adding a kind: a file workload/KIND.c that defines its row, a declaration in workload.h, and the
 * row's address here. */
static const struct pb_workload_kind *const kinds[] = {
    &pb_workload_synthetic,
    &pb_workload_null,
    &pb_workload_command,
};

const struct pb_workload_kind *pb_workload_kind_at(size_t i)
{
    return i < PB_ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

const struct pb_workload_kind *pb_workload_kind_find(const char *name)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}
