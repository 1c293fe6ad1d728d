#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "harness/scenario_internal.h"

#define WARM_UP_RATIO  0.1
#define WARM_UP_MIN_NS PB_NS_PER_S

static const char *const short_fields[] = { "rate", "duration", "arrival", "users", "think" };

bool pb_short_field(const char *name)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(short_fields); i++) {
        if (strcmp(short_fields[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool takes(const struct pb_arrival_kind *kind, const char *name)
{
    for (size_t i = 0; i < PB_ARRIVAL_PARAMS && kind->params[i]; i++) {
        if (strcmp(kind->params[i], name) == 0) {
            return true;
        }
    }
    return (strcmp(name, "think") == 0 && strcmp(kind->name, "closed") == 0) ||
           (strcmp(name, "spacing") == 0 && kind->shaped);
}

/* Every parameter of every arrival, and each once. */
static const char *const params[] = { "rate",      "from",   "to",    "steps",  "mean",
                                      "amplitude", "period", "base",  "peak",   "every",
                                      "length",    "users",  "think", "spacing" };

static void check_params(struct pb_binder *binder, const struct pb_spot *spot,
                         const struct pb_arrival_kind *kind)
{
    char path[PB_PATH_MAX];

    for (size_t i = 0; i < PB_ARRAY_LEN(params); i++) {
        const cJSON *node = pb_spot_get(spot, params[i]);

        if (node && !takes(kind, params[i])) {
            pb_bind_name_problem(binder, node, pb_spot_path(spot, params[i], path), "%s, not %s",
                                 kind->takes, params[i]);
        }
    }
    for (size_t i = 0; i < PB_ARRIVAL_PARAMS && kind->params[i]; i++) {
        if (!pb_spot_get(spot, kind->params[i])) {
            pb_bind_problem(binder, spot->object, pb_spot_path(spot, kind->params[i], path),
                            "is missing: %s", kind->takes);
        }
    }
}

/* Arrivals whose parameters contradict each other.  Only of parameters that were read well. */
static void check_shape(struct pb_binder *binder, const struct pb_spot *spot,
                        const struct pb_phase *phase)
{
    if (phase->arrival == PB_ARRIVAL_SINE && phase->amplitude > phase->mean) {
        pb_bind_problem(binder, pb_spot_get(spot, "amplitude"), spot->shown,
                        "amplitude %.6g is more than mean %.6g: the rate would be negative",
                        phase->amplitude, phase->mean);
    }
    if (phase->arrival == PB_ARRIVAL_BURST && phase->length_ns > phase->every_ns) {
        pb_bind_problem(binder, pb_spot_get(spot, "length"), spot->shown,
                        "a burst is longer (length) than the time from one to the next (every)");
    }
    if (phase->arrival != PB_ARRIVAL_CLOSED && pb_phase_expected(phase) <= 0) {
        pb_bind_problem(binder, spot->object, spot->shown, "no request comes: every rate is 0");
    }
}

static enum pb_arrival bind_arrival(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_field *field = pb_field_find("phases[].arrival");
    const cJSON *node = pb_spot_get(spot, "arrival");
    char path[PB_PATH_MAX];

    if (!node) {
        return pb_spot_get(spot, "users") ? PB_ARRIVAL_CLOSED : PB_ARRIVAL_POISSON;
    }
    int choice = pb_bind_choice(binder, node, field, pb_spot_path(spot, "arrival", path));

    return choice >= 0 ? (enum pb_arrival)choice : PB_ARRIVAL_COUNT;
}

static void bind_think(struct pb_binder *binder, const struct pb_spot *spot, struct pb_phase *phase)
{
    const cJSON *node = pb_spot_get(spot, "think");
    char path[PB_PATH_MAX];

    phase->think = pb_bind_constant(0);
    if (node) {
        (void)pb_bind_dist(binder, node, pb_spot_path(spot, "think", path), &phase->think);
    }
}

static void bind_spacing(struct pb_binder *binder, const struct pb_spot *spot,
                         struct pb_phase *phase)
{
    const cJSON *node = pb_spot_get(spot, "spacing");
    char path[PB_PATH_MAX];

    if (node) {
        phase->even = pb_bind_choice(binder, node, pb_field_find("phases[].spacing"),
                                     pb_spot_path(spot, "spacing", path)) == 1;
    }
}

/* What a phase of the short form and one of `phases` have in common. */
static void bind_load(struct pb_binder *binder, const struct pb_spot *spot, struct pb_phase *phase)
{
    bool mistaken_before = binder->mistaken;
    enum pb_arrival arrival;

    binder->mistaken = false;
    pb_bind_fields(binder, spot, PB_HOME_PHASE, phase, false);
    bind_think(binder, spot, phase);
    bind_spacing(binder, spot, phase);
    arrival = bind_arrival(binder, spot);
    if (arrival != PB_ARRIVAL_COUNT) {
        phase->arrival = arrival;
        check_params(binder, spot, pb_arrival_kind(arrival));
    }
    if (!pb_spot_get(spot, "duration")) {
        char path[PB_PATH_MAX];

        pb_bind_problem(binder, spot->object, pb_spot_path(spot, "duration", path),
                        "is missing; write for example \"duration\": \"30s\"");
    }
    if (!binder->mistaken) {
        check_shape(binder, spot, phase);
    }
    binder->mistaken = binder->mistaken || mistaken_before;
}

/* --- The list of phases --- */

static void check_name(struct pb_binder *binder, const struct pb_spot *spot, size_t number)
{
    const cJSON *node = pb_spot_get(spot, "name");
    const char *name = cJSON_GetStringValue(node);
    char path[PB_PATH_MAX];

    pb_spot_path(spot, "name", path);
    if (!node) {
        pb_bind_problem(binder, spot->object, path, "is missing: each phase has a name of its own");
        return;
    }
    if (name && strcmp(name, "all") == 0) {
        pb_bind_problem(binder, node, path, "\"all\" means the recorded phases together");
    }
    for (size_t i = 0; name && i < number; i++) {
        const char *other = binder->scenario->phases[i].name;

        if (other && strcmp(other, name) == 0) {
            pb_bind_problem(binder, node, path, "\"%s\" is the name of another phase", name);
        }
    }
}

static void bind_phase(struct pb_binder *binder, const cJSON *node, size_t number)
{
    struct pb_phase *phase = &binder->scenario->phases[number];
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "name"));
    struct pb_spot spot;
    char shown[PB_PATH_MAX];

    (void)snprintf(shown, sizeof(shown), "phases[%zu]", number);
    if (!pb_bind_is_object(binder, node, shown)) {
        return;
    }
    if (name) {
        (void)snprintf(shown, sizeof(shown), "phases.%.80s", name);
    }
    pb_spot_init(&spot, node, "phases[].", shown);
    (void)pb_bind_check_names(binder, &spot);
    check_name(binder, &spot, number);
    bind_load(binder, &spot, phase);
    binder->phase_nodes[number] = node;
}

static void refuse_short_form(struct pb_binder *binder)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(short_fields); i++) {
        const cJSON *node = cJSON_GetObjectItemCaseSensitive(binder->root, short_fields[i]);

        if (node) {
            pb_bind_name_problem(binder, node, short_fields[i],
                                 "stands beside phases: write it in a phase, or leave phases out");
        }
    }
}

static void bind_list(struct pb_binder *binder, const cJSON *list)
{
    struct pb_scenario *scenario = binder->scenario;
    const cJSON *node;
    bool recorded = false;

    refuse_short_form(binder);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0) {
        pb_bind_problem(binder, list, "phases",
                        "must be a list of phases such as { \"name\": \"steady\", \"duration\": "
                        "\"10s\", \"rate\": 1000 }, not %s",
                        cJSON_IsArray(list) ? "an empty one" : pb_node_kind(list));
        return;
    }
    if (cJSON_GetArraySize(list) > PB_PHASES_MAX) {
        pb_bind_problem(binder, list, "phases", "has %d phases, at most %d fit",
                        cJSON_GetArraySize(list), PB_PHASES_MAX);
        return;
    }
    cJSON_ArrayForEach(node, list)
    {
        scenario->phase_count++;
        bind_phase(binder, node, scenario->phase_count - 1);
        recorded = recorded || scenario->phases[scenario->phase_count - 1].record;
    }
    if (!recorded && !binder->mistaken) {
        pb_bind_problem(binder, list, "phases", "none is recorded: each has \"record\": false");
    }
}

/* --- The short form --- */

/* The warm-up: the same arrivals, not recorded, before the duration. */
static void make_warm_up(struct pb_binder *binder, const struct pb_phase *main_phase,
                         struct pb_phase *warm_up)
{
    double part = WARM_UP_RATIO * (double)main_phase->duration_ns;

    *warm_up = *main_phase;
    warm_up->name = pb_bind_copy_text(binder, "warmup");
    warm_up->duration_ns = part > (double)WARM_UP_MIN_NS ? llround(part) : WARM_UP_MIN_NS;
    warm_up->record = false;
}

/* An arrival whose parameters only a phase has. */
static bool needs_phases(const char *arrival)
{
    for (int i = 0; i < PB_ARRIVAL_COUNT; i++) {
        const struct pb_arrival_kind *kind = pb_arrival_kind((enum pb_arrival)i);

        if (strcmp(kind->name, arrival) == 0) {
            return kind->shaped;
        }
    }
    return false;
}

static void bind_short_form(struct pb_binder *binder)
{
    struct pb_scenario *scenario = binder->scenario;
    const cJSON *arrival = cJSON_GetObjectItemCaseSensitive(binder->root, "arrival");
    struct pb_spot spot;
    struct pb_phase load = { .record = true };

    pb_spot_init(&spot, binder->root, "", "");
    scenario->short_form = true;
    if (!pb_spot_get(&spot, "rate") && !pb_spot_get(&spot, "users")) {
        pb_bind_problem(binder, binder->root, "",
                        "no load: give rate (or users) and duration, or phases");
        return;
    }
    if (cJSON_IsString(arrival) && needs_phases(arrival->valuestring)) {
        pb_bind_problem(binder, arrival, "arrival",
                        "\"%s\" needs phases: beside rate stand constant, poisson and closed",
                        arrival->valuestring);
        return;
    }
    bind_load(binder, &spot, &load);
    if (load.duration_ns > 0) {
        make_warm_up(binder, &load, &scenario->phases[0]);
        scenario->phase_count = 1;
    }
    load.name = pb_bind_copy_text(binder, "main");
    scenario->phases[scenario->phase_count++] = load;
}

/* --- All together --- */

static void check_requests(struct pb_binder *binder, const cJSON *node)
{
    const struct pb_scenario *scenario = binder->scenario;
    double sum = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        double expected = pb_phase_expected(&scenario->phases[i]);

        sum += expected > 0 ? expected : 0;
    }
    if (sum > PB_REQUESTS_MAX) {
        pb_bind_problem(
            binder, node, scenario->short_form ? "" : "phases",
            "%.3g requests are planned, a run takes at most %.0f: lower the rate or the "
            "duration",
            sum, PB_REQUESTS_MAX);
    }
}

void pb_bind_phases(struct pb_binder *binder)
{
    struct pb_scenario *scenario = binder->scenario;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(binder->root, "phases");
    int64_t start_ns = 0;

    if (list) {
        bind_list(binder, list);
    } else {
        bind_short_form(binder);
    }
    for (size_t i = 0; i < scenario->phase_count; i++) {
        scenario->phases[i].start_ns = start_ns;
        start_ns += scenario->phases[i].duration_ns;
    }
    if (!binder->mistaken) {
        const cJSON *rate = cJSON_GetObjectItemCaseSensitive(binder->root, "rate");

        check_requests(binder, list ? list : rate);
    }
}

/* --- Questions about phases --- */

/* Integral of the rate over the phase. */
double pb_phase_expected(const struct pb_phase *phase)
{
    double seconds = (double)phase->duration_ns / 1e9;

    switch (phase->arrival) {
    case PB_ARRIVAL_CONSTANT:
    case PB_ARRIVAL_POISSON:
        return phase->rate * seconds;
    case PB_ARRIVAL_RAMP:
    case PB_ARRIVAL_STEP:
        return (phase->from + phase->to) / 2 * seconds;
    case PB_ARRIVAL_SINE: {
        double period = (double)phase->period_ns / 1e9, turn = 2 * acos(-1) / period;

        return phase->mean * seconds + phase->amplitude / turn * (1 - cos(turn * seconds));
    }
    case PB_ARRIVAL_BURST: {
        int64_t whole = phase->duration_ns / phase->every_ns;
        int64_t rest_ns = phase->duration_ns - whole * phase->every_ns;
        double in_burst_ns = 0;

        if (whole > 0) {
            in_burst_ns = (double)(whole - 1) * (double)phase->length_ns +
                          (double)(rest_ns < phase->length_ns ? rest_ns : phase->length_ns);
        }
        return phase->base * seconds + (phase->peak - phase->base) * in_burst_ns / 1e9;
    }
    case PB_ARRIVAL_CLOSED:
    case PB_ARRIVAL_COUNT:
        break;
    }
    return -1;
}

int pb_phase_prefix(const struct pb_scenario *scenario, const char *text, const char *ends,
                    const char **ret_rest)
{
    int best = -1;
    size_t best_len = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        const char *name = scenario->phases[i].name;
        size_t len = name ? strlen(name) : 0;

        if (len <= best_len || strncmp(text, name, len) != 0) {
            continue;
        }
        const char *rest = text + len + strspn(text + len, " \t");

        if (*rest == '\0' || strchr(ends, *rest)) {
            best = (int)i;
            best_len = len;
            *ret_rest = rest;
        }
    }
    return best;
}

const char *pb_phase_nearest(const struct pb_scenario *scenario, const char *name)
{
    const char *names[PB_PHASES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < scenario->phase_count; i++) {
        if (scenario->phases[i].name) {
            names[count++] = scenario->phases[i].name;
        }
    }
    return pb_nearest(name, names, count);
}
