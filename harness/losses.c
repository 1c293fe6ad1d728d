#include "harness/losses.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* The pool tells of a kill while it happens, the load tells of the fault just after. */
#define TOLD_BEFORE_NS (1 * PB_NS_PER_MS)

static const char *const end_names[] = {
    [PB_LOSS_RECOVERED] = "recovered",
    [PB_LOSS_UNUSED] = "unused",
    [PB_LOSS_OPEN] = "open",
};
_Static_assert(PB_ARRAY_LEN(end_names) == PB_LOSS_END_COUNT, "name every end");

const char *pb_loss_end_name(enum pb_loss_end end)
{
    return end_names[end];
}

/* --- Who was lost --- */

static size_t list_losses(const struct pb_worker_note *notes, size_t note_count,
                          struct pb_loss *losses)
{
    size_t count = 0;

    for (size_t i = 0; i < note_count; i++) {
        if (notes[i].kind == PB_POOL_WORKER_LOST) {
            losses[count++] =
                (struct pb_loss){ .worker = notes[i].worker,
                                  .incarnation = notes[i].incarnation,
                                  .stood_by = notes[i].since_ns > 0,
                                  .overflow = notes[i].overflow,
                                  .fault = -1,
                                  .reason = notes[i].reason ? notes[i].reason : "lost",
                                  .since_ns = notes[i].at_ns,
                                  .detected_ns = notes[i].at_ns,
                                  .ready_ns = -1,
                                  .first_ok_ns = -1,
                                  .recovery_ns = -1,
                                  .successor = PB_NO_WORKER,
                                  .end = PB_LOSS_OPEN };
        }
    }
    return count;
}

/* A fault took the first life under its worker's number that was lost from then on. */
static void blame(struct pb_loss *losses, size_t count, const struct pb_loss_fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        struct pb_loss *loss = &losses[i];

        if (loss->fault < 0 && loss->worker == fault->worker &&
            loss->detected_ns >= fault->injected_ns - TOLD_BEFORE_NS &&
            (fault->until_ns <= 0 || loss->detected_ns <= fault->until_ns + TOLD_BEFORE_NS)) {
            loss->fault = fault->number;
            loss->since_ns = fault->injected_ns;
            loss->detected_ns =
                loss->detected_ns > fault->injected_ns ? loss->detected_ns : fault->injected_ns;
            return;
        }
    }
}

/* --- Who followed --- */

static bool follows(const struct pb_worker_note *up, const struct pb_loss *loss)
{
    if (up->replaces != PB_NO_WORKER) {
        return up->replaces == loss->worker && up->replaces_incarnation == loss->incarnation;
    }
    return up->at_ns >= loss->detected_ns;
}

/* The pool replaces in order: the first replacement nobody has yet. */
static size_t find_successor(const struct pb_worker_note *notes, size_t count,
                             const struct pb_loss *loss, const bool *taken)
{
    for (size_t i = 0; i < count; i++) {
        if (!taken[i] && notes[i].kind == PB_POOL_WORKER_UP && notes[i].replacement &&
            follows(&notes[i], loss)) {
            return i;
        }
    }
    return count;
}

static const struct pb_worker_note *first_ok_of(const struct pb_worker_note *notes, size_t count,
                                                const struct pb_loss *loss)
{
    for (size_t i = 0; i < count; i++) {
        if (notes[i].kind == PB_POOL_WORKER_FIRST_OK && notes[i].worker == loss->successor &&
            notes[i].incarnation == loss->successor_incarnation) {
            return &notes[i];
        }
    }
    return NULL;
}

static void follow(const struct pb_worker_note *notes, size_t count, struct pb_loss *loss,
                   bool *taken)
{
    size_t up = find_successor(notes, count, loss, taken);

    if (up == count) {
        return;
    }
    taken[up] = true;
    loss->successor = notes[up].worker;
    loss->successor_incarnation = notes[up].incarnation;
    /* It may have stood there already, as the successor of a worker that was to be recycled. */
    loss->ready_ns = notes[up].at_ns > loss->since_ns ? notes[up].at_ns : loss->since_ns;
    loss->end = PB_LOSS_UNUSED;

    const struct pb_worker_note *ok = first_ok_of(notes, count, loss);

    if (ok) {
        int64_t since_ns = ok->since_ns > loss->ready_ns ? ok->since_ns : loss->ready_ns;

        loss->first_ok_ns = ok->at_ns;
        loss->recovery_ns = (loss->ready_ns - loss->since_ns) + (ok->at_ns - since_ns);
        loss->end = PB_LOSS_RECOVERED;
    }
}

/* The loss of a replacement that had not yet succeeded; NULL: it lived on, or unused. */
static const struct pb_loss *loss_of_successor(const struct pb_loss *losses, size_t count,
                                               const struct pb_loss *loss)
{
    for (size_t i = 0; i < count; i++) {
        if (losses[i].worker == loss->successor &&
            losses[i].incarnation == loss->successor_incarnation) {
            return &losses[i];
        }
    }
    return NULL;
}

/* From the last to the first, so that a successor's own recovery is known already. */
static void go_on(struct pb_loss *losses, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct pb_loss *loss = &losses[i];
        const struct pb_loss *next =
            loss->end == PB_LOSS_UNUSED ? loss_of_successor(losses, count, loss) : NULL;

        if (next) {
            loss->successor = next->successor;
            loss->successor_incarnation = next->successor_incarnation;
            loss->ready_ns = next->ready_ns;
            loss->first_ok_ns = next->first_ok_ns;
            loss->end = next->end;
            loss->recovery_ns =
                next->recovery_ns >= 0 ? next->since_ns - loss->since_ns + next->recovery_ns : -1;
        }
    }
}

/* Who died while it stood by for a worker that served on was missed by nobody. */
static size_t leave_out_idle(struct pb_loss *losses, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!losses[i].stood_by || losses[i].end != PB_LOSS_OPEN) {
            losses[kept++] = losses[i];
        }
    }
    return kept;
}

size_t pb_losses_match(const struct pb_worker_note *notes, size_t note_count,
                       const struct pb_loss_fault *faults, size_t fault_count,
                       struct pb_loss *ret_losses)
{
    size_t count = list_losses(notes, note_count, ret_losses);
    bool *taken = calloc(note_count + 1, sizeof(*taken));

    for (size_t i = 0; i < fault_count; i++) {
        blame(ret_losses, count, &faults[i]);
    }
    for (size_t i = 0; taken && i < count; i++) {
        follow(notes, note_count, &ret_losses[i], taken);
    }
    free(taken);
    go_on(ret_losses, count);
    return leave_out_idle(ret_losses, count);
}

/* --- Fewer notes --- */

#define TOLD_LATE_NS (1 * PB_NS_PER_S)

/* The note of `kind` about a worker's incarnation among the first `count`. */
static bool has_note(const struct pb_worker_note *notes, size_t count, enum pb_pool_event_kind kind,
                     uint32_t worker, uint32_t incarnation)
{
    for (size_t i = 0; i < count; i++) {
        if (notes[i].kind == kind && notes[i].worker == worker &&
            notes[i].incarnation == incarnation) {
            return true;
        }
    }
    return false;
}

/* Losses first, so that the many others are looked up among few; then by their place again. */
size_t pb_losses_compact(struct pb_worker_note *notes, size_t note_count, int64_t now_ns)
{
    struct pb_worker_note *lost = calloc(note_count + 1, sizeof(*lost));
    size_t lost_count = 0, kept = 0;

    if (!lost) {
        return note_count;
    }
    for (size_t i = 0; i < note_count; i++) {
        if (notes[i].kind == PB_POOL_WORKER_LOST) {
            lost[lost_count++] = notes[i];
        }
    }
    for (size_t i = 0; i < note_count; i++) {
        struct pb_worker_note note = notes[i];
        bool keep = note.kind == PB_POOL_WORKER_LOST;

        if (note.kind == PB_POOL_WORKER_UP) {
            keep = note.replaces == PB_NO_WORKER || note.at_ns > now_ns - TOLD_LATE_NS ||
                   has_note(lost, lost_count, PB_POOL_WORKER_LOST, note.replaces,
                            note.replaces_incarnation);
        } else if (note.kind == PB_POOL_WORKER_FIRST_OK) {
            keep = has_note(notes, kept, PB_POOL_WORKER_UP, note.worker, note.incarnation);
        }
        if (keep) {
            notes[kept++] = note;
        }
    }
    free(lost);
    return kept;
}

/* --- Their sum --- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank, as everywhere: x_(ceil(n q)). */
static int64_t quantile(const int64_t *sorted, size_t n, size_t percent)
{
    return n > 0 ? sorted[(n * percent + 99) / 100 - 1] : -1;
}

static int64_t detect_time(const struct pb_loss *loss)
{
    return loss->fault >= 0 ? loss->detected_ns - loss->since_ns : -1;
}

static int64_t ready_time(const struct pb_loss *loss)
{
    return loss->ready_ns >= 0 ? loss->ready_ns - loss->since_ns : -1;
}

static int64_t recovery_time(const struct pb_loss *loss)
{
    return loss->recovery_ns;
}

/* Those that are known, sorted. */
static size_t take_times(const struct pb_loss *losses, size_t count,
                         int64_t (*time_of)(const struct pb_loss *loss), int64_t *times)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t time_ns = time_of(&losses[i]);

        if (time_ns >= 0) {
            times[n++] = time_ns;
        }
    }
    qsort(times, n, sizeof(*times), by_value);
    return n;
}

void pb_losses_sum(const struct pb_loss *losses, size_t count,
                   struct pb_losses_summary *ret_summary)
{
    struct pb_losses_summary summary = { .count = count,
                                         .detect_p50_ns = -1,
                                         .detect_max_ns = -1,
                                         .ready_p50_ns = -1,
                                         .ready_max_ns = -1,
                                         .p50_ns = -1,
                                         .p99_ns = -1,
                                         .max_ns = -1 };
    int64_t *times = calloc(count + 1, sizeof(*times));

    for (size_t i = 0; i < count; i++) {
        summary.by_fault += losses[i].fault >= 0;
        summary.recovered += losses[i].end == PB_LOSS_RECOVERED;
        summary.unused += losses[i].end == PB_LOSS_UNUSED;
        summary.open += losses[i].end == PB_LOSS_OPEN;
    }
    if (times) {
        size_t n = take_times(losses, count, detect_time, times);

        summary.detect_p50_ns = quantile(times, n, 50);
        summary.detect_max_ns = quantile(times, n, 100);
        n = take_times(losses, count, ready_time, times);
        summary.ready_p50_ns = quantile(times, n, 50);
        summary.ready_max_ns = quantile(times, n, 100);
        n = take_times(losses, count, recovery_time, times);
        summary.p50_ns = quantile(times, n, 50);
        summary.p99_ns = quantile(times, n, 99);
        summary.max_ns = quantile(times, n, 100);
    }
    free(times);
    *ret_summary = summary;
}
