#include <string.h>

#include "harness/aggregate_internal.h"

#define LAST_WINDOW_END(a) ((a)->window_ns * PB_WINDOWS_MAX)

void pb_aggregate_phase_times(struct pb_aggregate *aggregate, uint32_t phase, int64_t start_ns,
                              int64_t end_ns)
{
    size_t count = aggregate->scenario->phase_count;

    if (phase >= count) {
        return;
    }
    aggregate->phases[phase].start_ns = start_ns;
    aggregate->phases[phase].end_ns = end_ns;
    for (size_t i = phase + 1; i < count; i++) {
        struct pb_phase_aggregate *later = &aggregate->phases[i];
        int64_t late_ns = aggregate->phases[i - 1].end_ns - later->start_ns;

        if (late_ns > 0) {
            later->start_ns += late_ns;
            later->end_ns += late_ns;
        }
    }
}

static void merge_window(struct pb_window *into, const struct pb_window *from)
{
    into->intended += from->intended;
    into->not_ok += from->not_ok;
    into->sent += from->sent;
    into->retries += from->retries;
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        into->done[i] += from->done[i];
    }
    into->busy_ns += from->busy_ns;
    into->wait_ns += from->wait_ns;
    into->alive_ns += from->alive_ns;
    into->overflow_alive_ns += from->overflow_alive_ns;
    into->peak_queue = from->peak_queue > into->peak_queue ? from->peak_queue : into->peak_queue;
    into->peak_alive = from->peak_alive > into->peak_alive ? from->peak_alive : into->peak_alive;
}

/* Windows 2i and 2i + 1 become window i. */
static void merge_pair(struct pb_aggregate *aggregate, size_t i)
{
    struct pb_small_hist *hists = aggregate->window_hists;
    struct pb_window *windows = aggregate->windows;
    size_t one = 2 * i, two = one + 1;
    bool any = windows[one].latency || windows[two].latency;

    merge_window(&windows[one], &windows[two]);
    pb_small_hist_merge(&hists[one], &hists[two]);
    if (i > 0) {
        windows[i] = windows[one];
        hists[i] = hists[one];
    }
    windows[i].latency = any ? &hists[i] : NULL;
    for (size_t l = 0; l < aggregate->late_count; l++) {
        uint32_t *bad = aggregate->late[l].window_bad;

        bad[i] = bad[one] + bad[two];
    }
}

/* Makes the windows twice as long. */
static void coarsen(struct pb_aggregate *aggregate)
{
    const uint32_t half = PB_WINDOWS_MAX / 2;

    for (size_t i = 0; i < half; i++) {
        merge_pair(aggregate, i);
    }
    memset(aggregate->windows + half, 0, half * sizeof(*aggregate->windows));
    memset(aggregate->window_hists + half, 0, half * sizeof(*aggregate->window_hists));
    for (size_t l = 0; l < aggregate->late_count; l++) {
        memset(aggregate->late[l].window_bad + half, 0, half * sizeof(uint32_t));
    }
    aggregate->window_count = (aggregate->window_count + 1) / 2;
    aggregate->window_ns *= 2;
}

/* Number of the window that holds an instant; what comes before the start counts in the first. */
uint32_t pb_aggregate_window_at(struct pb_aggregate *aggregate, int64_t at_ns)
{
    while (at_ns >= LAST_WINDOW_END(aggregate)) {
        coarsen(aggregate);
    }
    uint32_t i = at_ns < 0 ? 0 : (uint32_t)(at_ns / aggregate->window_ns);

    if (i >= aggregate->window_count) {
        aggregate->window_count = i + 1;
    }
    return i;
}

/* Sums stop at the end of int64_t: a log from elsewhere may hold any times. */
void pb_aggregate_add_ns(int64_t *sum_ns, int64_t ns)
{
    if (__builtin_add_overflow(*sum_ns, ns, sum_ns)) {
        *sum_ns = INT64_MAX;
    }
}

static void add_to_window(struct pb_window *window, enum pb_stretch what, int64_t ns)
{
    switch (what) {
    case PB_STRETCH_BUSY:
        pb_aggregate_add_ns(&window->busy_ns, ns);
        break;
    case PB_STRETCH_WAIT:
        pb_aggregate_add_ns(&window->wait_ns, ns);
        break;
    case PB_STRETCH_OVERFLOW:
        pb_aggregate_add_ns(&window->overflow_alive_ns, ns);
        pb_aggregate_add_ns(&window->alive_ns, ns);
        break;
    case PB_STRETCH_ALIVE:
        pb_aggregate_add_ns(&window->alive_ns, ns);
        break;
    }
}

static void add_to_phase(struct pb_phase_aggregate *phase, enum pb_stretch what, int64_t ns)
{
    switch (what) {
    case PB_STRETCH_BUSY:
        pb_aggregate_add_ns(&phase->busy_ns, ns);
        break;
    case PB_STRETCH_WAIT:
        pb_aggregate_add_ns(&phase->wait_ns, ns);
        break;
    case PB_STRETCH_OVERFLOW:
    case PB_STRETCH_ALIVE:
        pb_aggregate_add_ns(&phase->alive_ns, ns);
        break;
    }
}

/* Shares the stretch from..to out to the windows and phases that it touches, from phase `first`
 * on. */
void pb_aggregate_spread(struct pb_aggregate *aggregate, enum pb_stretch what, uint32_t first,
                         int64_t from_ns, int64_t to_ns)
{
    from_ns = from_ns > 0 ? from_ns : 0;
    if (to_ns <= from_ns) {
        return;
    }
    uint32_t last =
        pb_aggregate_window_at(aggregate, to_ns - 1); /* first: it may make windows coarser */

    for (uint32_t i = pb_aggregate_window_at(aggregate, from_ns); i <= last; i++) {
        int64_t begin_ns = i * aggregate->window_ns, end_ns = begin_ns + aggregate->window_ns;

        add_to_window(&aggregate->windows[i], what,
                      (to_ns < end_ns ? to_ns : end_ns) -
                          (from_ns > begin_ns ? from_ns : begin_ns));
    }
    for (uint32_t i = first; i < aggregate->scenario->phase_count; i++) {
        struct pb_phase_aggregate *phase = &aggregate->phases[i];
        int64_t begin_ns = from_ns > phase->start_ns ? from_ns : phase->start_ns;
        int64_t end_ns = to_ns < phase->end_ns ? to_ns : phase->end_ns;

        if (phase->start_ns >= to_ns) {
            break;
        }
        if (end_ns > begin_ns) {
            add_to_phase(phase, what, end_ns - begin_ns);
        }
    }
}

/* The phase whose stretch holds an instant, from phase `first` on; NULL between and after them. */
struct pb_phase_aggregate *pb_aggregate_phase_at(struct pb_aggregate *aggregate, uint32_t first,
                                                 int64_t at_ns)
{
    for (uint32_t i = first; i < aggregate->scenario->phase_count; i++) {
        struct pb_phase_aggregate *phase = &aggregate->phases[i];

        if (at_ns < phase->start_ns) {
            break;
        }
        if (at_ns < phase->end_ns) {
            return phase;
        }
    }
    return NULL;
}

void pb_aggregate_alive(struct pb_aggregate *aggregate, int64_t from_ns, int64_t to_ns,
                        bool overflow)
{
    pb_aggregate_spread(aggregate, overflow ? PB_STRETCH_OVERFLOW : PB_STRETCH_ALIVE, 0, from_ns,
                        to_ns);
}

void pb_aggregate_raise_peaks(uint32_t *queue, uint32_t *alive, uint32_t queued_now,
                              uint32_t alive_now)
{
    *queue = queued_now > *queue ? queued_now : *queue;
    *alive = alive_now > *alive ? alive_now : *alive;
}

void pb_aggregate_sample(struct pb_aggregate *aggregate, int64_t at_ns, uint32_t queued,
                         uint32_t alive)
{
    struct pb_window *window = &aggregate->windows[pb_aggregate_window_at(aggregate, at_ns)];
    struct pb_phase_aggregate *phase = pb_aggregate_phase_at(aggregate, 0, at_ns);

    pb_aggregate_raise_peaks(&window->peak_queue, &window->peak_alive, queued, alive);
    if (phase) {
        pb_aggregate_raise_peaks(&phase->peak_queue, &phase->peak_alive, queued, alive);
    }
}
