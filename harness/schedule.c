#include "harness/schedule.h"

#include <math.h>

#include "base/clock.h"
#include "base/portable_math.h"
#include "base/rng.h"

/*
 * Arrivals by inversion (Cinlar 1975; Lewis and Shedler 1979): with L(t) the integral of the rate
 * over [0, t], the i-th arrival of a Poisson process of that rate is at L^-1(E_1 + ... + E_i), the
 * E standard exponentials; with even spacing it is at L^-1(i), i from 0.  Everything here uses + -
 * x / sqrt and base/portable_math.h alone, and rounds once to whole nanoseconds, so that a schedule
 * is the same to the last bit on every compiler.
 */

#define TWO_PI 6.283185307179586

/* Changes with the meaning of a schedule: hashes of another version must differ. */
#define HASH_VERSION 1

/* Of a closed phase the starts are not planned: its hash takes the thinks and demands of as many
 * requests, at least. */
#define CLOSED_HASHED_MIN 4096

static double scaled(const struct pb_schedule *schedule, double rate_per_s)
{
    return rate_per_s * schedule->load_factor;
}

static const struct pb_phase *phase_of(const struct pb_schedule *schedule, uint32_t phase)
{
    return &schedule->scenario->phases[phase];
}

static struct pb_rng_key key_of(const struct pb_schedule *schedule, uint32_t phase,
                                enum pb_stream stream)
{
    return (struct pb_rng_key){ .seed = schedule->seed, .phase = phase, .stream = stream };
}

/* A stretch of constant rate in a step or burst phase. */
struct segment {
    int64_t start_ns;
    int64_t end_ns;
    double rate_per_s; /* load factor included */
};

/* duration x k / steps without overflow. */
static int64_t share_ns(int64_t duration_ns, int64_t k, int64_t steps)
{
    return duration_ns / steps * k + duration_ns % steps * k / steps;
}

static struct segment step_segment(const struct pb_schedule *schedule, const struct pb_phase *phase,
                                   uint64_t k)
{
    double rise = phase->steps > 1 ? (phase->to - phase->from) / (double)(phase->steps - 1) : 0.0;

    return (struct segment){
        .start_ns = share_ns(phase->duration_ns, (int64_t)k, phase->steps),
        .end_ns = share_ns(phase->duration_ns, (int64_t)k + 1, phase->steps),
        .rate_per_s = scaled(schedule, phase->from + (double)k * rise),
    };
}

/* Base until `every`, then peaks of `length` at each multiple of it: segment 0 is [0, every), odd
 * ones are peaks, even ones the base after them. */
static struct segment burst_segment(const struct pb_schedule *schedule,
                                    const struct pb_phase *phase, uint64_t k)
{
    int64_t burst_ns = (int64_t)((k + 1) / 2) * phase->every_ns;

    if (k % 2 == 1) {
        return (struct segment){ burst_ns, burst_ns + phase->length_ns,
                                 scaled(schedule, phase->peak) };
    }
    return (struct segment){ k == 0 ? 0 : burst_ns + phase->length_ns, burst_ns + phase->every_ns,
                             scaled(schedule, phase->base) };
}

static struct segment segment_at(const struct pb_schedule *schedule, const struct pb_phase *phase,
                                 uint64_t k)
{
    return phase->arrival == PB_ARRIVAL_STEP ? step_segment(schedule, phase, k)
                                             : burst_segment(schedule, phase, k);
}

static double segment_arrivals(const struct segment *segment)
{
    return segment->rate_per_s * ((double)(segment->end_ns - segment->start_ns) / 1e9);
}

/* The inverse of the integral where the rate is constant in stretches; the cursor remembers the
 * stretch.  A result past the phase's end means that there is no such arrival. */
static double invert_segments(struct pb_cursor *cursor, const struct pb_phase *phase)
{
    struct segment segment = segment_at(cursor->schedule, phase, cursor->segment);

    while (cursor->cumulative - cursor->segment_cumulative >= segment_arrivals(&segment)) {
        if (segment.end_ns >= phase->duration_ns) {
            return HUGE_VAL;
        }
        cursor->segment_cumulative += segment_arrivals(&segment);
        cursor->segment++;
        segment = segment_at(cursor->schedule, phase, cursor->segment);
    }
    return (double)segment.start_ns +
           (cursor->cumulative - cursor->segment_cumulative) * 1e9 / segment.rate_per_s;
}

/* L(t) = from t + (to - from) t^2 / (2 D); the root that does not cancel. */
static double invert_ramp(const struct pb_cursor *cursor, const struct pb_phase *phase)
{
    double from = scaled(cursor->schedule, phase->from);
    double to = scaled(cursor->schedule, phase->to);
    double slope_per_s2 = (to - from) / ((double)phase->duration_ns / 1e9);
    double discriminant = from * from + 2.0 * slope_per_s2 * cursor->cumulative;

    if (cursor->cumulative <= 0.0) {
        return from > 0.0 || to > 0.0 ? 0.0 : HUGE_VAL;
    }
    if (!(discriminant >= 0.0)) {
        return HUGE_VAL;
    }
    return 2.0 * cursor->cumulative / (from + sqrt(discriminant)) * 1e9;
}

/* Solves x + a (1 - cos x) = y for x in [0, 2 pi], 0 <= a <= 1: Newton's method, with bisection
 * where a step leaves the bracket (the slope 1 + a sin x may be 0). */
static double solve_sine(double a, double y)
{
    double low = 0.0, high = TWO_PI, x = y < TWO_PI ? y : TWO_PI;

    for (int i = 0; i < 100 && high - low > 1e-15 * TWO_PI; i++) {
        double half_sin = pb_sin(x / 2.0);
        double error = x + 2.0 * a * half_sin * half_sin - y;
        double slope = 1.0 + a * pb_sin(x);

        if (error > 0.0) {
            high = x;
        } else {
            low = x;
        }
        double next = slope > 0.0 ? x - error / slope : low - 1.0;

        if (!(next > low && next < high)) {
            next = low + (high - low) / 2.0;
        }
        if (fabs(next - x) <= 1e-15 * TWO_PI) {
            return next;
        }
        x = next;
    }
    return x;
}

/* L(t) = mean t + amplitude P / (2 pi) (1 - cos(2 pi t / P)); whole periods are taken off first. */
static double invert_sine(const struct pb_cursor *cursor, const struct pb_phase *phase)
{
    double period_ns = (double)phase->period_ns;
    double mean = scaled(cursor->schedule, phase->mean);
    double per_period = mean * (period_ns / 1e9);

    if (!(per_period > 0.0)) {
        return HUGE_VAL;
    }
    double periods = (double)(uint64_t)(cursor->cumulative / per_period);
    double rest = cursor->cumulative - periods * per_period;
    double angle = solve_sine(phase->amplitude / phase->mean, rest / per_period * TWO_PI);

    return (periods + angle / TWO_PI) * period_ns;
}

/* Start of the arrival at which the integral of the rate is cursor->cumulative, ns from the phase's
 * start. */
static double invert(struct pb_cursor *cursor, const struct pb_phase *phase)
{
    double rate;

    switch (phase->arrival) {
    case PB_ARRIVAL_CONSTANT:
    case PB_ARRIVAL_POISSON:
        rate = scaled(cursor->schedule, phase->rate);
        return rate > 0.0 ? cursor->cumulative * 1e9 / rate : HUGE_VAL;
    case PB_ARRIVAL_RAMP:
        return invert_ramp(cursor, phase);
    case PB_ARRIVAL_STEP:
    case PB_ARRIVAL_BURST:
        return invert_segments(cursor, phase);
    case PB_ARRIVAL_SINE:
        return invert_sine(cursor, phase);
    case PB_ARRIVAL_CLOSED:
    case PB_ARRIVAL_COUNT:
        break;
    }
    return HUGE_VAL;
}

void pb_cursor_init(struct pb_cursor *cursor, const struct pb_schedule *schedule, uint32_t phase)
{
    *cursor = (struct pb_cursor){ .schedule = schedule, .phase = phase };
}

static void advance(struct pb_cursor *cursor, const struct pb_phase *phase)
{
    if (phase->arrival == PB_ARRIVAL_CONSTANT ||
        (phase->arrival != PB_ARRIVAL_POISSON && phase->even)) {
        cursor->cumulative = (double)cursor->index;
        return;
    }
    struct pb_rng_key key = key_of(cursor->schedule, cursor->phase, PB_STREAM_ARRIVAL);

    cursor->cumulative -= pb_log(pb_rng_uniform(&key, cursor->index, 0));
}

bool pb_cursor_next(struct pb_cursor *cursor, uint64_t *ret_index, int64_t *ret_offset_ns)
{
    const struct pb_phase *phase = phase_of(cursor->schedule, cursor->phase);

    advance(cursor, phase);
    double at_ns = invert(cursor, phase) + 0.5;

    if (!(at_ns < (double)phase->duration_ns)) {
        return false;
    }
    int64_t offset_ns = (int64_t)at_ns;

    /* The integral grows, but its computed inverse may step back by a rounding. */
    cursor->last_ns = offset_ns > cursor->last_ns ? offset_ns : cursor->last_ns;
    *ret_index = cursor->index++;
    *ret_offset_ns = cursor->last_ns;
    return true;
}

static uint64_t step_at(const struct pb_phase *phase, double done_ratio)
{
    uint64_t step = (uint64_t)(done_ratio * (double)phase->steps);

    return step < (uint64_t)phase->steps ? step : (uint64_t)phase->steps - 1;
}

double pb_schedule_rate(const struct pb_schedule *schedule, uint32_t phase_number,
                        int64_t offset_ns)
{
    const struct pb_phase *phase = phase_of(schedule, phase_number);
    double done_ratio = (double)offset_ns / (double)phase->duration_ns;
    int64_t into_ns;

    switch (phase->arrival) {
    case PB_ARRIVAL_CONSTANT:
    case PB_ARRIVAL_POISSON:
        return scaled(schedule, phase->rate);
    case PB_ARRIVAL_RAMP:
        return scaled(schedule, phase->from + (phase->to - phase->from) * done_ratio);
    case PB_ARRIVAL_STEP:
        return step_segment(schedule, phase, step_at(phase, done_ratio)).rate_per_s;
    case PB_ARRIVAL_SINE:
        into_ns = offset_ns % phase->period_ns;
        return scaled(schedule, phase->mean + phase->amplitude * pb_sin(TWO_PI * (double)into_ns /
                                                                        (double)phase->period_ns));
    case PB_ARRIVAL_BURST:
        into_ns = offset_ns % phase->every_ns;
        return scaled(schedule, offset_ns >= phase->every_ns && into_ns < phase->length_ns
                                    ? phase->peak
                                    : phase->base);
    case PB_ARRIVAL_CLOSED:
    case PB_ARRIVAL_COUNT:
        break;
    }
    return 0.0;
}

uint64_t pb_schedule_users(const struct pb_schedule *schedule, uint32_t phase)
{
    /* Rounded up, but 100 x 1.1 = 110.00000000000001 is 110. */
    double users = ceil((double)phase_of(schedule, phase)->users * schedule->load_factor - 1e-6);

    return users < 1.0 ? 1 : (uint64_t)users;
}

static int64_t sample_ns(const struct pb_schedule *schedule, const struct pb_dist *dist,
                         uint32_t phase, enum pb_stream stream, uint64_t index, uint32_t attempt)
{
    struct pb_rng_key key = key_of(schedule, phase, stream);

    /* A constant needs no draw; draws are keyed, so that skipping one changes no other. */
    if (dist->kind == PB_DIST_CONSTANT) {
        return pb_dist_sample_ns(dist, 0.5);
    }
    return pb_dist_sample_ns(dist, pb_rng_uniform(&key, index, attempt));
}

int64_t pb_schedule_think_ns(const struct pb_schedule *schedule, uint32_t phase, uint64_t index)
{
    return sample_ns(schedule, &phase_of(schedule, phase)->think, phase, PB_STREAM_THINK, index, 0);
}

uint64_t pb_schedule_session(const struct pb_schedule *schedule, uint32_t phase, uint64_t index)
{
    uint64_t sessions = (uint64_t)schedule->scenario->sessions;
    struct pb_rng_key key = key_of(schedule, phase, PB_STREAM_SESSION);

    return sessions > 0 ? 1 + pb_rng_below(&key, index, sessions) : 0;
}

int64_t pb_schedule_backoff_ns(const struct pb_schedule *schedule, uint32_t phase, uint64_t index,
                               uint32_t attempt)
{
    const struct pb_retries *retries = &schedule->scenario->retries;
    int64_t pause_ns = pb_retries_pause_ns(retries, attempt);

    if (retries->jitter > 0.0 && pause_ns > 0) {
        struct pb_rng_key key = key_of(schedule, phase, PB_STREAM_RETRY);

        /* With jitter 1: "full jitter", Brooker 2015 (Exponential Backoff And Jitter). */
        pause_ns -=
            (int64_t)((double)pause_ns * retries->jitter * pb_rng_uniform(&key, index, attempt));
    }
    return pause_ns;
}

/* exp() of the C library differs in the last bit, so the lognormal mean is computed here. */
static double portable_mean_ns(const struct pb_dist *dist)
{
    return dist->kind == PB_DIST_LOGNORMAL ? pb_exp(dist->p[0] + dist->p[1] * dist->p[1] / 2.0)
                                           : pb_dist_mean_ns(dist);
}

int64_t pb_schedule_user_start_ns(const struct pb_schedule *schedule, uint32_t phase, uint64_t user)
{
    double mean_ns = portable_mean_ns(&phase_of(schedule, phase)->think);

    return (int64_t)(mean_ns * (double)user / (double)pb_schedule_users(schedule, phase) + 0.5);
}

/* Which operation of the mix: every attempt of a request is of the same kind. */
static uint32_t operation_of(const struct pb_schedule *schedule, uint32_t phase, uint64_t index)
{
    const struct pb_scenario *scenario = schedule->scenario;
    struct pb_rng_key key = key_of(schedule, phase, PB_STREAM_OPERATION);
    uint32_t count = (uint32_t)scenario->operation_count;
    double total = 0.0, seen = 0.0;

    if (count == 1) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        total += scenario->operations[i].weight;
    }
    double at = pb_rng_uniform(&key, index, 0) * total;

    for (uint32_t i = 0; i + 1 < count; i++) {
        seen += scenario->operations[i].weight;
        if (at < seen) {
            return i;
        }
    }
    return count - 1;
}

static enum pb_fate fate_of(const struct pb_schedule *schedule,
                            const struct pb_operation *operation, uint32_t phase, uint64_t index,
                            uint32_t attempt)
{
    double error = operation->error_rate;
    double client_error = error + operation->client_error_rate;
    double hang = client_error + operation->hang_rate;

    if (!(hang > 0.0)) {
        return PB_FATE_OK;
    }
    struct pb_rng_key key = key_of(schedule, phase, PB_STREAM_FATE);
    double u = pb_rng_uniform(&key, index, attempt);

    if (u < error) {
        return PB_FATE_ERROR;
    }
    if (u < client_error) {
        return PB_FATE_CLIENT_ERROR;
    }
    return u < hang ? PB_FATE_HANG : PB_FATE_OK;
}

void pb_schedule_demand(const struct pb_schedule *schedule, uint32_t phase, uint64_t index,
                        uint32_t attempt, struct pb_demand *ret_demand)
{
    uint32_t number = operation_of(schedule, phase, index);
    const struct pb_operation *operation = &schedule->scenario->operations[number];
    int64_t service_ns =
        sample_ns(schedule, &operation->service, phase, PB_STREAM_SERVICE, index, attempt);

    *ret_demand = (struct pb_demand){
        .service_ns = service_ns,
        .cpu_ns = (int64_t)(operation->cpu_share * (double)service_ns + 0.5),
        .memory_bytes = operation->memory_bytes,
        .operation = number,
        .fate = fate_of(schedule, operation, phase, index, attempt),
        .ignore_cancel = operation->ignore_cancel,
    };
}

/* Folds one word in: invertible in `hash` for every word, and every bit reaches the low half. */
static uint64_t fold(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 32);
}

static uint64_t fold_request(const struct pb_schedule *schedule, uint64_t hash, uint32_t phase,
                             uint64_t index, int64_t start_ns)
{
    struct pb_demand demand;

    pb_schedule_demand(schedule, phase, index, 0, &demand);
    hash =
        fold(hash, (uint64_t)phase | (uint64_t)demand.fate << 8 | (uint64_t)demand.operation << 32);
    hash = fold(hash, index);
    hash = fold(hash, (uint64_t)start_ns);
    hash = fold(hash, (uint64_t)demand.service_ns);
    return fold(hash, (uint64_t)demand.cpu_ns);
}

static void walk_open(struct pb_schedule *schedule, uint32_t phase)
{
    int64_t start_ns = phase_of(schedule, phase)->start_ns, offset_ns;
    struct pb_cursor cursor;
    uint64_t index;

    pb_cursor_init(&cursor, schedule, phase);
    while (pb_cursor_next(&cursor, &index, &offset_ns)) {
        schedule->hash = fold_request(schedule, schedule->hash, phase, index, start_ns + offset_ns);
    }
    schedule->planned[phase] = cursor.index;
}

static void walk_closed(struct pb_schedule *schedule, uint32_t phase)
{
    uint64_t users = pb_schedule_users(schedule, phase);
    uint64_t count = users > CLOSED_HASHED_MIN ? users : CLOSED_HASHED_MIN;
    uint64_t hash = fold(schedule->hash, users);

    for (uint64_t i = 0; i < count; i++) {
        hash = fold_request(schedule, hash, phase, i,
                            i < users ? pb_schedule_user_start_ns(schedule, phase, i)
                                      : pb_schedule_think_ns(schedule, phase, i));
    }
    schedule->hash = hash;
}

void pb_schedule_init(struct pb_schedule *schedule, const struct pb_scenario *scenario,
                      uint64_t seed, double load_factor)
{
    *schedule = (struct pb_schedule){ .scenario = scenario,
                                      .seed = seed,
                                      .load_factor = load_factor > 0.0 ? load_factor : 1.0,
                                      .hash = HASH_VERSION };
    for (uint32_t p = 0; p < scenario->phase_count; p++) {
        if (scenario->phases[p].arrival == PB_ARRIVAL_CLOSED) {
            walk_closed(schedule, p);
        } else {
            walk_open(schedule, p);
        }
    }
}
