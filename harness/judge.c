#include "harness/judge.h"

#include <signal.h>
#include <string.h>

#include "harness/judge_internal.h"

static const char *const answer_names[] = {
    [PB_ANSWER_PASS] = "PASS",
    [PB_ANSWER_FAIL] = "FAIL",
    [PB_ANSWER_INCONCLUSIVE] = "INCONCLUSIVE",
    [PB_ANSWER_NO_DATA] = "NO DATA",
    [PB_ANSWER_NOT_APPLICABLE] = "NOT APPLICABLE",
};
_Static_assert(PB_ARRAY_LEN(answer_names) == PB_ANSWER_COUNT, "name every answer");

static const char *const verdict_names[] = {
    [PB_VERDICT_PASS] = "pass",
    [PB_VERDICT_FAIL] = "fail",
    [PB_VERDICT_INCONCLUSIVE] = "inconclusive",
    [PB_VERDICT_UNTRUSTED] = "untrusted",
    [PB_VERDICT_INTERRUPTED] = "interrupted",
};
_Static_assert(PB_ARRAY_LEN(verdict_names) == PB_VERDICT_COUNT, "name every verdict");

const char *pb_answer_name(enum pb_answer answer)
{
    return (unsigned)answer < PB_ANSWER_COUNT ? answer_names[answer] : "UNKNOWN";
}

const char *pb_verdict_name(enum pb_verdict verdict)
{
    return (unsigned)verdict < PB_VERDICT_COUNT ? verdict_names[verdict] : "unknown";
}

int pb_verdict_exit_code(enum pb_verdict verdict, int signal)
{
    switch (verdict) {
    case PB_VERDICT_PASS:
        return 0;
    case PB_VERDICT_FAIL:
        return 1;
    case PB_VERDICT_UNTRUSTED:
        return 3;
    case PB_VERDICT_INCONCLUSIVE:
        return 5;
    case PB_VERDICT_INTERRUPTED:
        return 128 + (signal > 0 ? signal : SIGINT);
    case PB_VERDICT_COUNT:
        break;
    }
    return 4;
}

void pb_judging_part(const struct pb_judging *judging, int phase, struct pb_part *ret_part)
{
    pb_part_init(ret_part, judging->evidence, phase,
                 phase == PB_PHASE_ALL ? &judging->total
                                       : &judging->evidence->aggregate->phases[phase]);
}

static bool any_answer(const struct pb_judgement *judgement, enum pb_answer answer)
{
    for (size_t i = 0; i < judgement->objective_count; i++) {
        const struct pb_objective_result *result = &judgement->objectives[i];

        if (result->answer == answer && result->objective->level == PB_LEVEL_FAIL) {
            return true;
        }
    }
    return false;
}

/* The worst that applies, in the order of the exit codes' table: 130/143, 3, 1, 5, 0. */
static enum pb_verdict decide(const struct pb_judging *judging)
{
    const struct pb_judgement *judgement = judging->judgement;

    if (judging->evidence->ending == PB_INTERRUPTED) {
        return PB_VERDICT_INTERRUPTED;
    }
    if (judging->serious) {
        return PB_VERDICT_UNTRUSTED;
    }
    if (judging->evidence->ending == PB_ABORTED || any_answer(judgement, PB_ANSWER_FAIL)) {
        return PB_VERDICT_FAIL;
    }
    if (any_answer(judgement, PB_ANSWER_INCONCLUSIVE) || any_answer(judgement, PB_ANSWER_NO_DATA)) {
        return PB_VERDICT_INCONCLUSIVE;
    }
    return PB_VERDICT_PASS;
}

enum pb_status pb_judge(const struct pb_evidence *evidence, struct pb_judgement *ret_judgement)
{
    struct pb_judging judging = { .evidence = evidence, .judgement = ret_judgement };

    PB_TRY(pb_aggregate_total(evidence->aggregate, &judging.total));
    memset(ret_judgement, 0, sizeof(*ret_judgement));
    ret_judgement->objective_count = evidence->scenario->objective_count;
    for (size_t i = 0; i < ret_judgement->objective_count; i++) {
        pb_judge_objective(&judging, &evidence->scenario->objectives[i],
                           &ret_judgement->objectives[i]);
    }
    pb_judge_warnings(&judging);
    ret_judgement->verdict = decide(&judging);
    pb_judge_reason(&judging);
    pb_phase_aggregate_done(&judging.total);
    return PB_OK;
}
