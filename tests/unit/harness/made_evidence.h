/*
 * tests/unit/harness/made_evidence.h - the evidence of a run that never took place: planned by the
 * real schedule, answered request by request by the test.
 */
#ifndef PB_TESTS_MADE_EVIDENCE_H
#define PB_TESTS_MADE_EVIDENCE_H

#include "harness/evidence.h"
#include "harness/judge.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

struct made {
    struct pb_scenario scenario;
    struct pb_schedule schedule;
    struct pb_aggregate *aggregate;
    struct pb_evidence evidence;
    struct pb_judgement judgement;
    struct pb_loss losses[16];
    int64_t slip_ns[PB_PHASES_MAX]; /* a phase begins so much later than planned */
};

/* What became of a request; the fields are zeroed, the outcome is ok. */
struct made_fate {
    int64_t lag_ns, wait_ns, service_ns;
    enum pb_outcome outcome;
};
typedef void (*made_fate_fn)(uint32_t phase, uint64_t index, struct made_fate *fate);

/* A pool of four workers, 5 ms of service, no phase, no objective; `name` of the scenario "made".
 */
struct made *made_new(void);
void made_free(struct made *made);
/* Phases follow each other; the first may be a warm-up. */
void made_phase(struct made *made, const char *name, enum pb_arrival arrival, double rate,
                int64_t duration_ns, bool record);
/* An objective of level fail; change what differs. */
struct pb_objective *made_objective(struct made *made, const char *expression,
                                    enum pb_metric metric, enum pb_op op, double limit);
/* "latency.pQ < limit" */
struct pb_objective *made_latency(struct made *made, double quantile, int64_t limit_ns, int phase);
/* Plans, and lets every planned request happen as `fate` says (NULL: 5 ms of service). */
void made_run(struct made *made, made_fate_fn fate);
/* After made_run: a worker died at `since_ns`, and was followed after `recovery_ns`; change what
 * differs. */
struct pb_loss *made_loss(struct made *made, int64_t since_ns, int64_t recovery_ns);
/* made_run and pb_judge. */
const struct pb_judgement *made_judge(struct made *made, made_fate_fn fate);
/* The first warning of this kind; NULL: none. */
const struct pb_warning *made_warning(const struct pb_judgement *judgement, enum pb_warning_id id);

#endif
