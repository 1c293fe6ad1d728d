#include <sched.h>

#include "base/cpus.h"
#include "support/test.h"

PB_TEST(usable_cpus_follow_the_affinity_mask)
{
    cpu_set_t before, one;

    ck_assert_int_eq(0, sched_getaffinity(0, sizeof(before), &before));
    ck_assert_int_eq(CPU_COUNT(&before), pb_usable_cpus());
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(one), &one));
    ck_assert_int_eq(1, pb_usable_cpus());
    ck_assert_int_eq(0, sched_setaffinity(0, sizeof(before), &before));
}
