#include <stdio.h>

#include "tuner/tuner_internal.h"

/*
 * The winner of a search is the best of many noisy measurements, and so looks better than it is.
 * It is measured again on seeds that the search has not used: in pairs against the original setting
 * at the load as written, order alternating, and at the stress.  What does not hold is rolled back,
 * and the next best that met the objectives has its turn.
 */

/* Why a setting does not hold; empty while it does. */
struct trouble {
    char text[280];
    bool no_fault; /* of the setting: the budget ended */
};

static size_t results_of(const struct pb_tuner *tuner, size_t candidate, bool stress,
                         const struct pb_trial_result *runs[PB_TUNE_PAIRS_MAX])
{
    const struct pb_trial_entry *entries[PB_TUNE_PAIRS_MAX];
    size_t n = pb_bench_results(tuner, candidate, true, stress, entries, PB_TUNE_PAIRS_MAX);

    for (size_t i = 0; i < n; i++) {
        runs[i] = &entries[i]->result;
    }
    return n;
}

static struct pb_ruling rule_fresh(const struct pb_tuner *tuner, size_t candidate, bool stress)
{
    const struct pb_trial_result *runs[PB_TUNE_PAIRS_MAX];
    size_t n = results_of(tuner, candidate, stress, runs);
    struct pb_ruling ruling;

    pb_rule(tuner->scenario, runs, n, 1, &ruling);
    return ruling;
}

/* One run of the setting under confirmation. */
static enum pb_status run_one(struct pb_tuner *tuner, size_t winner, int64_t seed, bool stress,
                              struct trouble *trouble, struct pb_error *err)
{
    const struct pb_trial_entry *entry = NULL;

    PB_TRY(pb_bench_run(tuner, winner, seed, stress, &entry, err));
    if (entry == NULL && !pb_bench_affords(tuner, 1)) {
        snprintf(trouble->text, sizeof(trouble->text), "the budget ended before it was confirmed");
        trouble->no_fault = true;
        return PB_OK;
    }
    if (entry == NULL) {
        snprintf(trouble->text, sizeof(trouble->text), "its runs could not be trusted");
        return PB_OK;
    }
    if (entry->result.crashed) {
        snprintf(trouble->text, sizeof(trouble->text), "%s", entry->result.crashed_why);
        return PB_OK;
    }
    struct pb_ruling ruling = rule_fresh(tuner, winner, stress);

    if (ruling.decision == PB_DECISION_FAILS) {
        snprintf(trouble->text, sizeof(trouble->text), "on a fresh seed %s", ruling.reason);
    }
    return PB_OK;
}

static enum pb_status run_pair(struct pb_tuner *tuner, size_t winner, uint32_t k,
                               struct trouble *trouble, struct pb_error *err)
{
    const struct pb_trial_entry *original = NULL;
    int64_t seed = pb_bench_seed(tuner, PB_TUNE_CONFIRM_SEED, k);

    if (winner != 0 && k % 2 == 0) {
        PB_TRY(pb_bench_run(tuner, 0, seed, false, &original, err));
    }
    PB_TRY(run_one(tuner, winner, seed, false, trouble, err));
    if (winner != 0 && k % 2 == 1) {
        PB_TRY(pb_bench_run(tuner, 0, seed, false, &original, err));
    }
    return PB_OK;
}

/* What all runs together say; single failures were seen before. */
static void sum_up(const struct pb_tuner *tuner, size_t winner, struct trouble *trouble)
{
    struct pb_ruling ruling = rule_fresh(tuner, winner, tuner->plan.stressed);

    if (ruling.decision != PB_DECISION_MEETS) {
        snprintf(trouble->text, sizeof(trouble->text), "on fresh seeds %s", ruling.reason);
    }
}

static uint32_t pairs_for(const struct pb_tuner *tuner, size_t winner)
{
    return winner == 0 ? tuner->plan.min_runs : tuner->plan.pairs;
}

/* Undecided is no answer while there is budget: as many runs again, of the winner alone. */
static enum pb_status ask_for_more(struct pb_tuner *tuner, size_t winner, struct trouble *trouble,
                                   struct pb_error *err)
{
    bool stress = tuner->plan.stressed;
    uint32_t first = stress ? tuner->plan.stress_runs : pairs_for(tuner, winner);

    for (uint32_t k = first; k < first + tuner->plan.pairs && trouble->text[0] == '\0'; k++) {
        if (rule_fresh(tuner, winner, stress).decision != PB_DECISION_OPEN ||
            !pb_bench_affords(tuner, 1)) {
            break;
        }
        PB_TRY(run_one(tuner, winner, pb_bench_seed(tuner, PB_TUNE_CONFIRM_SEED, k), stress,
                       trouble, err));
    }
    return PB_OK;
}

static enum pb_status put_to_test(struct pb_tuner *tuner, size_t winner, struct trouble *trouble,
                                  struct pb_error *err)
{
    for (uint32_t k = 0; k < pairs_for(tuner, winner) && trouble->text[0] == '\0'; k++) {
        PB_TRY(run_pair(tuner, winner, k, trouble, err));
    }
    for (uint32_t k = 0; k < tuner->plan.stress_runs && trouble->text[0] == '\0'; k++) {
        PB_TRY(run_one(tuner, winner, pb_bench_seed(tuner, PB_TUNE_CONFIRM_SEED, k), true, trouble,
                       err));
    }
    PB_TRY(ask_for_more(tuner, winner, trouble, err));
    if (trouble->text[0] == '\0') {
        sum_up(tuner, winner, trouble);
    }
    return PB_OK;
}

/* The best that met the objectives in the search and has not been dropped; the original when it is
 * that, or when nothing is left. */
static size_t next_best(const struct pb_tuner *tuner)
{
    size_t best = 0;
    bool found =
        tuner->candidates[0].ruling.decision == PB_DECISION_MEETS && !tuner->candidates[0].dropped;

    for (size_t i = 1; i < tuner->candidate_count; i++) {
        const struct pb_candidate *candidate = &tuner->candidates[i];

        if (candidate->ruling.decision == PB_DECISION_MEETS && !candidate->dropped &&
            !candidate->too_far && (!found || pb_better(tuner, i, best))) {
            best = i;
            found = true;
        }
    }
    return best;
}

/* Runs that putting `winner` to the test takes; pairs measured before are not run again. */
static uint32_t runs_needed(const struct pb_tuner *tuner, size_t winner)
{
    const struct pb_trial_result *runs[PB_TUNE_PAIRS_MAX];
    uint32_t pairs = pairs_for(tuner, winner);
    uint32_t originals = (uint32_t)results_of(tuner, 0, false, runs);
    uint32_t missing = winner == 0 || originals >= pairs ? 0 : pairs - originals;

    return pairs + missing + tuner->plan.stress_runs;
}

static bool may_stand(const struct pb_tuner *tuner, size_t number)
{
    const struct pb_candidate *candidate = &tuner->candidates[number];

    return candidate->ruling.decision == PB_DECISION_MEETS && !candidate->dropped;
}

enum pb_status pb_confirm(struct pb_tuner *tuner, struct pb_error *err)
{
    tuner->stage = PB_STAGE_CONFIRMATION;
    for (uint32_t i = 0; i < tuner->plan.confirm_tries && may_stand(tuner, tuner->incumbent); i++) {
        size_t winner = tuner->incumbent;
        struct trouble trouble = { "", false };

        if (!pb_bench_affords(tuner, runs_needed(tuner, winner))) {
            return PB_OK;
        }
        PB_TRY(put_to_test(tuner, winner, &trouble, err));
        if (trouble.text[0] == '\0') {
            struct pb_ruling ruling = rule_fresh(tuner, winner, tuner->plan.stressed);

            tuner->confirmed = true;
            return pb_bench_note(tuner, &(struct pb_note){ "confirmed", winner, NULL, 0 },
                                 ruling.reason, err);
        }
        if (trouble.no_fault) {
            return PB_OK;
        }
        tuner->candidates[winner].dropped = true;
        tuner->incumbent = next_best(tuner);
        PB_TRY(pb_bench_note(tuner,
                             &(struct pb_note){ "rolled_back", winner, "to", tuner->incumbent },
                             trouble.text, err));
    }
    if (!may_stand(tuner, tuner->incumbent)) {
        tuner->incumbent = 0;
    }
    return PB_OK;
}
