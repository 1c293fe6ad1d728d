#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rng.h"
#include "harness/load_internal.h"

/*
 * Faults that stay with a worker.  Each worker has a cell for each kind: which fault, and of which
 * incarnation.  The faults' thread fills cells; the worker's threads read them after each request,
 * and only in scenarios that have such faults; whoever hears that the worker went empties them.  A
 * cell of another incarnation, or of a fault whose time is over, means nothing.
 */

/* Waits that do not obey the token look at give_up_ns so often. */
#define GIVE_UP_SLICE_NS (10 * PB_NS_PER_MS)

/* Kinds that have a cell. */
enum cell {
    PB_CELL_STOP,
    PB_CELL_HANG,
    PB_CELL_SLOW,
    PB_CELL_FAIL,
    PB_CELL_LEAK,
    PB_CELL_CORRUPT,
    PB_CELL_COUNT
};
#define NO_CELL PB_CELL_COUNT

static const enum cell cell_of_kind[] = {
    [PB_FAULT_STALL] = NO_CELL,
    [PB_FAULT_KILL_WORKER] = NO_CELL,
    [PB_FAULT_STOP_WORKER] = PB_CELL_STOP,
    [PB_FAULT_HANG_WORKER] = PB_CELL_HANG,
    [PB_FAULT_SLOW_WORKER] = PB_CELL_SLOW,
    [PB_FAULT_FAIL_WORKER] = PB_CELL_FAIL,
    [PB_FAULT_LEAK_WORKER] = PB_CELL_LEAK,
    [PB_FAULT_CORRUPT_WORKER] = PB_CELL_CORRUPT,
};
_Static_assert(PB_ARRAY_LEN(cell_of_kind) == PB_FAULT_COUNT, "every kind has a cell or none");

/* Memory that a worker keeps.  Never read. */
struct leak {
    struct leak *next;
};

struct mishap_worker {
    /* (incarnation + 1) << 8 | fault + 1; 0: none.  Filled by the faults' thread. */
    _Alignas(PB_CACHELINE) _Atomic uint64_t cells[PB_CELL_COUNT];
    _Atomic(struct leak *) leaks; /* put by its threads; taken whole by who hears that it went */
    int stopped_fd;               /* the faults' thread's: of the stopped process; -1: none */
    uint32_t stopped_by;          /* number of the fault */
};

struct pb_mishaps {
    uint32_t count;
    struct mishap_worker *workers;
    struct pb_worker_stats *rows; /* the faults' thread's */
};
_Static_assert(PB_FAULTS_MAX < 256, "a fault's number fits its byte");

static uint64_t word_of(uint32_t incarnation, uint32_t fault)
{
    return ((uint64_t)incarnation + 1) << 8 | (fault + 1);
}

static uint32_t fault_of(uint64_t word)
{
    return (uint32_t)(word & 0xff) - 1;
}

/* --- On a worker's threads --- */

static struct mishap_worker *worker_of(struct pb_load *load, const struct pb_work *work)
{
    return &load->mishaps->workers[work->worker / load->threads];
}

/* The fault of this kind that the request's worker has now; NULL: none. */
static const struct pb_fault *fault_now(struct pb_load *load, const struct pb_work *work,
                                        enum cell cell, uint32_t *ret_number)
{
    /* acquire: pairs with the release in pb_mishaps_hit, so that end_ns is known */
    uint64_t word = atomic_load_explicit(&worker_of(load, work)->cells[cell], memory_order_acquire);

    if (word == 0 || word >> 8 != (uint64_t)work->incarnation + 1) {
        return NULL;
    }
    uint32_t number = fault_of(word);
    int64_t end_ns = atomic_load_explicit(&load->fault_states[number].end_ns, memory_order_relaxed);

    if (end_ns != INT64_MAX && pb_now_ns() >= end_ns) {
        return NULL;
    }
    *ret_number = number;
    return &load->config.scenario->faults[number];
}

static bool drawn(const struct pb_load *load, const struct pb_work *work, uint32_t number,
                  double probability)
{
    const struct pb_request *request = work->request;
    struct pb_rng_key key = { .seed = load->config.schedule->seed,
                              .phase = request->phase,
                              .stream = PB_STREAM_MISHAP };

    return pb_rng_uniform(&key, request->index, request->attempt | number << 8) < probability;
}

int64_t pb_mishaps_leak_bytes(struct pb_load *load, const struct pb_work *work)
{
    uint32_t number;
    const struct pb_fault *fault = fault_now(load, work, PB_CELL_LEAK, &number);

    return fault ? fault->bytes : 0;
}

/* Every page is written to, else it would not be resident. */
static void leak(struct mishap_worker *worker, size_t bytes)
{
    struct leak *leak = malloc(bytes > sizeof(*leak) ? bytes : sizeof(*leak));

    if (!leak) {
        return; /* a machine without memory: this fault can make it no worse */
    }
    memset(leak, 1, bytes > sizeof(*leak) ? bytes : sizeof(*leak));
    leak->next = atomic_load_explicit(&worker->leaks, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&worker->leaks, &leak->next, leak)) {
    }
}

/* A thread cannot be made to let go of what it waits for: deaf to its token until the fault is over
 * or the run ends. */
static void hang_thread(const struct pb_load *load, int64_t end_ns)
{
    for (;;) {
        int64_t now_ns = pb_now_ns();
        int64_t until_ns = atomic_load_explicit(&load->give_up_ns, memory_order_relaxed);

        until_ns = end_ns < until_ns ? end_ns : until_ns;
        if (now_ns >= until_ns) {
            return;
        }
        pb_clock_sleep_until(pb_clock_real(), until_ns - now_ns > GIVE_UP_SLICE_NS
                                                  ? now_ns + GIVE_UP_SLICE_NS
                                                  : until_ns);
    }
}

/* A process that hangs is ended once nobody waits for its request any more. */
static void hang(struct pb_load *load, struct pb_work *work, uint32_t number)
{
    int64_t end_ns = atomic_load_explicit(&load->fault_states[number].end_ns, memory_order_relaxed);

    if (load->config.scenario->pool.profile != PB_PROFILE_PROCESS) {
        hang_thread(load, end_ns);
    } else if (pb_token_sleep_until(work->token, end_ns)) {
        work->lost = true;
        work->lost_reason = "hung";
    }
}

static void slow_down(const struct pb_work *work, double factor)
{
    int64_t took_ns = pb_now_ns() - work->started_ns;

    (void)pb_token_sleep_until(work->token, work->started_ns + (int64_t)((double)took_ns * factor));
}

enum pb_outcome pb_mishaps_apply(struct pb_load *load, struct pb_work *work,
                                 enum pb_outcome outcome)
{
    const struct pb_fault *fault;
    uint32_t number;

    if (work->lost) {
        return outcome; /* its process is gone */
    }
    if (load->config.scenario->pool.profile != PB_PROFILE_PROCESS &&
        (fault = fault_now(load, work, PB_CELL_LEAK, &number)) != NULL) {
        leak(worker_of(load, work), (size_t)fault->bytes);
    }
    if (fault_now(load, work, PB_CELL_HANG, &number)) {
        hang(load, work, number);
    }
    if ((fault = fault_now(load, work, PB_CELL_SLOW, &number)) != NULL) {
        slow_down(work, fault->factor);
    }
    if ((fault = fault_now(load, work, PB_CELL_CORRUPT, &number)) != NULL &&
        drawn(load, work, number, fault->probability)) {
        work->lost = true;
        work->lost_reason = "garbage";
        return PB_OUTCOME_WORKER_LOST;
    }
    if ((fault = fault_now(load, work, PB_CELL_FAIL, &number)) != NULL &&
        outcome == PB_OUTCOME_OK && drawn(load, work, number, fault->probability)) {
        return PB_OUTCOME_ERROR;
    }
    return outcome;
}

/* --- Workers that go --- */

static void free_leaks(struct mishap_worker *worker)
{
    struct leak *leak = atomic_exchange(&worker->leaks, NULL);

    while (leak) {
        struct leak *next = leak->next;

        free(leak);
        leak = next;
    }
}

/* Takes what an incarnation has in a cell away; true: it was the fault's last victim. */
static bool clear(struct pb_load *load, struct mishap_worker *worker, enum cell cell,
                  uint32_t incarnation, uint32_t *ret_number)
{
    uint64_t word = atomic_load(&worker->cells[cell]);

    if (word == 0 || word >> 8 != (uint64_t)incarnation + 1 ||
        !atomic_compare_exchange_strong(&worker->cells[cell], &word, 0)) {
        return false;
    }
    *ret_number = fault_of(word);
    return atomic_fetch_sub(&load->fault_states[*ret_number].victims, 1) == 1;
}

void pb_mishaps_pool_event(struct pb_load *load, const struct pb_pool_event *event)
{
    bool gone = event->kind == PB_POOL_WORKER_LOST || event->kind == PB_POOL_WORKER_STUCK ||
                event->kind == PB_POOL_WORKER_DOWN;
    uint32_t number;

    if (!gone || event->worker >= load->mishaps->count) {
        return;
    }
    struct mishap_worker *worker = &load->mishaps->workers[event->worker];

    for (int cell = 0; cell < PB_CELL_COUNT; cell++) {
        if (clear(load, worker, (enum cell)cell, event->incarnation, &number)) {
            pb_fault_tell_end(load, number, event->at_ns);
        }
    }
    if (event->kind == PB_POOL_WORKER_DOWN) {
        free_leaks(worker);
    }
}

/* --- The faults' thread --- */

uint32_t pb_mishaps_alive(struct pb_load *load, const struct pb_worker_stats **ret_rows)
{
    struct pb_mishaps *mishaps = load->mishaps;
    uint32_t count = pb_backend_workers(&load->backend, mishaps->rows, mishaps->count), alive = 0;

    count = count < mishaps->count ? count : mishaps->count;
    for (uint32_t i = 0; i < count; i++) {
        if (mishaps->rows[i].ready_ns > 0) {
            mishaps->rows[alive++] = mishaps->rows[i];
        }
    }
    *ret_rows = mishaps->rows;
    return alive;
}

/* Whether a worker is still the one that it was. */
static bool is_alive(struct pb_load *load, uint32_t number, uint32_t incarnation)
{
    struct pb_mishaps *mishaps = load->mishaps;
    struct pb_worker_stats *rows = mishaps->rows + mishaps->count; /* the second half */
    uint32_t count = pb_backend_workers(&load->backend, rows, mishaps->count);

    for (uint32_t i = 0; i < count && i < mishaps->count; i++) {
        if (rows[i].worker == number && rows[i].incarnation == incarnation) {
            return true;
        }
    }
    return false;
}

static void close_stopped(struct mishap_worker *worker)
{
    if (worker->stopped_fd >= 0) {
        (void)close(worker->stopped_fd);
        worker->stopped_fd = -1;
    }
}

/* Stops the worker's process.  The pid is looked at again once a descriptor holds it: the pool
 * reaps a process only after it has left the pool's list, so that it can be nobody else's. */
static bool stop_process(struct pb_load *load, uint32_t fault, const struct pb_worker_stats *row)
{
    struct mishap_worker *worker = &load->mishaps->workers[row->worker];

    close_stopped(worker);
    if (row->pid <= 0) {
        return false;
    }
    worker->stopped_fd = (int)syscall(SYS_pidfd_open, (pid_t)row->pid, 0U);
    worker->stopped_by = fault;
    if (worker->stopped_fd < 0 || !is_alive(load, row->worker, row->incarnation) ||
        syscall(SYS_pidfd_send_signal, worker->stopped_fd, SIGSTOP, NULL, 0U) != 0) {
        close_stopped(worker);
        return false;
    }
    return true;
}

bool pb_mishaps_hit(struct pb_load *load, uint32_t number, const struct pb_worker_stats *row)
{
    struct pb_mishaps *mishaps = load->mishaps;
    enum pb_fault_kind kind = load->config.scenario->faults[number].kind;
    enum cell cell = cell_of_kind[kind];
    uint32_t other;

    if (cell == NO_CELL || row->worker >= mishaps->count ||
        (kind == PB_FAULT_STOP_WORKER && !stop_process(load, number, row))) {
        return false;
    }
    struct mishap_worker *worker = &mishaps->workers[row->worker];
    uint64_t before;

    atomic_fetch_add(&load->fault_states[number].victims, 1);
    /* release: pairs with the acquire in fault_now */
    before = atomic_exchange(&worker->cells[cell], word_of(row->incarnation, number));
    if (before != 0 && atomic_fetch_sub(&load->fault_states[fault_of(before)].victims, 1) == 1) {
        pb_fault_tell_end(load, fault_of(before), pb_now_ns()); /* the later one of a kind counts */
    }
    if (is_alive(load, row->worker, row->incarnation)) {
        return true;
    }
    /* Whether it went before or after the cell was filled, the cell is empty afterwards. */
    (void)clear(load, worker, cell, row->incarnation, &other);
    return false;
}

void pb_mishaps_release(struct pb_load *load, uint32_t number)
{
    for (uint32_t i = 0; load->mishaps && i < load->mishaps->count; i++) {
        struct mishap_worker *worker = &load->mishaps->workers[i];

        if (worker->stopped_fd >= 0 && worker->stopped_by == number) {
            /* Not ESRCH only, but nothing can be done about any failure. */
            (void)syscall(SYS_pidfd_send_signal, worker->stopped_fd, SIGCONT, NULL, 0U);
            close_stopped(worker);
        }
    }
}

/* --- Life --- */

static bool any_of_workers(const struct pb_scenario *scenario)
{
    for (size_t i = 0; i < scenario->fault_count; i++) {
        if (scenario->faults[i].kind != PB_FAULT_STALL) {
            return true;
        }
    }
    return false;
}

enum pb_status pb_mishaps_new(struct pb_load *load, uint32_t workers)
{
    if (!any_of_workers(load->config.scenario)) {
        return PB_OK;
    }
    struct pb_mishaps *mishaps = calloc(1, sizeof(*mishaps));

    if (!mishaps) {
        return PB_ENOMEM;
    }
    load->mishaps = mishaps;
    mishaps->workers = aligned_alloc(PB_CACHELINE, sizeof(*mishaps->workers) * workers);
    mishaps->rows = calloc(2 * (size_t)workers, sizeof(*mishaps->rows));
    if (!mishaps->workers || !mishaps->rows) {
        return PB_ENOMEM;
    }
    memset(mishaps->workers, 0, sizeof(*mishaps->workers) * workers);
    for (uint32_t i = 0; i < workers; i++) {
        mishaps->workers[i].stopped_fd = -1;
    }
    mishaps->count = workers;
    return PB_OK;
}

void pb_mishaps_free(struct pb_load *load)
{
    struct pb_mishaps *mishaps = load->mishaps;

    if (!mishaps) {
        return;
    }
    for (uint32_t i = 0; i < mishaps->count; i++) {
        close_stopped(&mishaps->workers[i]);
        free_leaks(&mishaps->workers[i]);
    }
    free(mishaps->workers);
    free(mishaps->rows);
    free(mishaps);
    load->mishaps = NULL;
}
