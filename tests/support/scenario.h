/*
 * tests/support/scenario.h - scenarios built by hand, for tests that do not go through a file.
 *
 * A scenario made here owns nothing but what its literals are: it needs no release and must not be
 * given to pb_scenario_free().
 */
#ifndef PB_TESTS_SUPPORT_SCENARIO_H
#define PB_TESTS_SUPPORT_SCENARIO_H

#include "base/clock.h"
#include "harness/scenario.h"
#include "support/test.h"
#include "workload/workload.h"

/* Names are char * in the structs, which own them elsewhere. */
PB_UNUSED static char pb_test_phase_name[] = "main";
PB_UNUSED static char pb_test_operation_name[] = "default";

/* A pool of `size` workers, the null workload, one operation of no service time, no phases. */
static inline void pb_test_scenario_init(struct pb_scenario *scenario, uint32_t size)
{
    *scenario = (struct pb_scenario){ .name = pb_test_phase_name,
                                      .workload = &pb_workload_null,
                                      .operation_count = 1 };
    scenario->pool = (struct pb_scenario_pool){ .size = size,
                                                .threads_per_worker = 1,
                                                .prepare_timeout_ns = 30 * PB_NS_PER_S,
                                                .health_check_timeout_ns = 5 * PB_NS_PER_S,
                                                .max_health_failures = 3,
                                                .max_restarts = 100,
                                                .restart_window_ns = 10 * PB_NS_PER_S,
                                                .restart_delay_ns = 10 * PB_NS_PER_MS,
                                                .restart_max_delay_ns = PB_NS_PER_S,
                                                .queue_limit = 1000,
                                                .max_stuck = -1,
                                                .overflow_ttl_ns = PB_NS_PER_S,
                                                .checkout_timeout_ns = 5 * PB_NS_PER_S,
                                                .operation_timeout_ns = 60 * PB_NS_PER_S,
                                                .init_timeout_ns = 30 * PB_NS_PER_S,
                                                .stuck_after_ns = PB_NS_PER_S };
    scenario->operations[0] =
        (struct pb_operation){ .name = pb_test_operation_name, .weight = 1.0 };
}

/* Appends a phase, closed ones with one user who does not think; its start follows from those
 * before. */
static inline struct pb_phase *pb_test_add_phase(struct pb_scenario *scenario,
                                                 enum pb_arrival arrival, double rate,
                                                 int64_t duration_ns)
{
    struct pb_phase *phase = &scenario->phases[scenario->phase_count];

    *phase = (struct pb_phase){ .name = pb_test_phase_name,
                                .duration_ns = duration_ns,
                                .arrival = arrival,
                                .rate = rate,
                                .users = 1,
                                .record = true };
    if (scenario->phase_count > 0) {
        phase->start_ns = phase[-1].start_ns + phase[-1].duration_ns;
    }
    scenario->phase_count++;
    return phase;
}

#endif
