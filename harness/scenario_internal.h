/*
 * harness/scenario_internal.h - what the parts of the scenario loader share; nobody else includes
 * it.
 *
 * Loading: the document is copied (each value of the copy knows which value of the document it came
 * from), the overrides are written into the copy, and the copy is bound to struct pb_scenario by
 * walking the field table.  So a setting is checked by the same code wherever it came from.
 * Single-threaded.
 */
#ifndef PB_HARNESS_SCENARIO_INTERNAL_H
#define PB_HARNESS_SCENARIO_INTERNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problems.h"
#include "harness/scenario.h"

#define PB_PATH_MAX      256 /* bytes of a path in a message, with its NUL */
#define PB_NAME_MAX      80  /* bytes of a scenario's, phase's or operation's name */
#define PB_REQUESTS_MAX  4294967296.0
#define PB_LATER_MESSAGE "not built in this version"

/* --- The table: scenario_fields.c --- */

/* Words of later versions: a field, or one value (`word`) of a field. */
struct pb_later {
    const char *path;
    const char *word; /* NULL: the field itself */
};

/* Whether `prefix` + `name` is a field, or `word` a value of `path`, of a later version. */
bool pb_later_field(const char *prefix, const char *name);
bool pb_later_word(const char *path, const char *word);
const struct pb_later *pb_later_at(size_t i);

/* The names that may stand directly under `prefix` ("pool.", "phases[].", ""), in the table's
 * order. `items` point into `text`: the struct is not to be copied. */
#define PB_NAMES_MAX  40
#define PB_NAME_BYTES 24
struct pb_names {
    char text[PB_NAMES_MAX][PB_NAME_BYTES];
    const char *items[PB_NAMES_MAX];
    size_t count;
};
void pb_names_under(const char *prefix, struct pb_names *ret_names);
bool pb_names_have(const struct pb_names *names, const char *name);
/* Row of `prefix` + `name`, NULL when there is none. */
const struct pb_field *pb_field_under(const char *prefix, const char *name);

/* The value that a pool preset gives to a path, NULL: none.  `preset` 0 is "no preset". */
const char *pb_preset_value(int preset, const char *path);
/* Number of a pool preset, 0 when unknown. */
int pb_preset_find(const char *name);

#define PB_ARRIVAL_PARAMS 4
struct pb_arrival_kind {
    const char *name;
    const char *takes;                     /* "a ramp takes from and to" */
    const char *params[PB_ARRIVAL_PARAMS]; /* required, NULL-terminated when fewer */
    bool shaped;                           /* takes `spacing` */
    const char *meaning;                   /* for the docs */
};
const struct pb_arrival_kind *pb_arrival_kind(enum pb_arrival arrival);

/* How one form of a distribution is written: which parameters, together. */
#define PB_DIST_FORM_PARAMS 2
struct pb_dist_form {
    const char *distribution;
    const char *params[PB_DIST_FORM_PARAMS];
    enum pb_status (*make)(const double *params, struct pb_dist *ret_dist, struct pb_error *err);
};
const struct pb_dist_form *pb_dist_form_at(size_t i);

/* What an objective on this metric may say. */
struct pb_metric_kind {
    const char *name;
    enum pb_field_type type; /* of the limit; PB_FIELD_INTEGER: a plain number */
    bool with_stat;          /* latency.p99, latency.mean, ... */
    bool whole_run;
    bool abortable;
    double max;          /* of the limit */
    const char *example; /* "latency.p99 < 100ms" */
    const char *meaning; /* for the docs */
};
const struct pb_metric_kind *pb_metric_kind(enum pb_metric metric);

/* --- Values: scenario_value.c --- */

union pb_value {
    int64_t integer; /* integer, duration, size, choice */
    double number;   /* rate, ratio */
    bool flag;
    const char *text; /* borrowed */
};

/* What the type wants: "a duration such as \"250ms\"". */
const char *pb_value_wanted(enum pb_field_type type);
PB_MUST_USE enum pb_status pb_value_parse(const struct pb_field *field, const char *text,
                                          union pb_value *ret_value, struct pb_error *err);
PB_MUST_USE enum pb_status pb_value_read(const struct pb_field *field, const cJSON *node,
                                         union pb_value *ret_value, struct pb_error *err);
/* Into or out of the member at field->offset of `home`.  Storing text copies it (PB_ENOMEM). */
PB_MUST_USE enum pb_status pb_value_store(const struct pb_field *field, union pb_value value,
                                          void *home);
union pb_value pb_value_load(const struct pb_field *field, const void *home);
/* In the file's syntax; NULL: no memory. */
cJSON *pb_value_json(const struct pb_field *field, union pb_value value);
/* "1..1024", "1us..24h"; "" when there is no range. */
void pb_field_range(const struct pb_field *field, char *text, size_t size);
/* A number of the field's unit, as it is written in a file. */
void pb_field_number(const struct pb_field *field, double value, char *text, size_t size);
/* The text of a JSON value as an override would write it (caller frees); NULL: no memory. */
char *pb_node_text(const cJSON *node);
/* "a list", "text", "a number", ... */
const char *pb_node_kind(const cJSON *node);
/* Whether a name can be one: 1..PB_NAME_MAX bytes of printable UTF-8 without / \ and quotes. */
PB_MUST_USE enum pb_status pb_name_check(const char *name, struct pb_error *err);

/* --- Binding: scenario_bind.c --- */

struct pb_node_source {
    const cJSON *node;
    const cJSON *original; /* in the document */
};
struct pb_node_override {
    const cJSON *node;
    size_t override; /* number in scenario->overrides */
};

struct pb_binder {
    struct pb_scenario *scenario;
    struct pb_problems *problems;
    cJSON *root;                   /* the copy; owned */
    struct pb_node_source *copied; /* sorted by node; owned */
    size_t copied_count;
    struct pb_node_override *written; /* values that overrides wrote, the latest last; owned */
    size_t written_count, written_size;
    enum pb_status status; /* PB_ENOMEM sticks */
    bool mistaken;         /* a problem was added */
    bool tuning;           /* an override of the tuner is among them */
    int preset;
    struct pb_operation base;                /* workload's own fields; its name stays NULL */
    const cJSON *phase_nodes[PB_PHASES_MAX]; /* NULL: made by the short form */
};

/* Where in the copy something is read: an object, its place in the table and in messages. */
struct pb_spot {
    const cJSON *object;
    const char *prefix;      /* in the table: "pool.", "phases[].", "" */
    char shown[PB_PATH_MAX]; /* in messages: "pool", "phases.steady", "" */
};

void pb_bind_done(struct pb_binder *binder);
/* Copies the document and remembers where each value came from. */
void pb_bind_copy(struct pb_binder *binder);
/* Remembers that an override wrote `node` and all under it. */
void pb_bind_written(struct pb_binder *binder, const cJSON *node, size_t override);
/* The override that wrote `node`; NULL: it is from the file. */
const struct pb_override *pb_bind_override_of(const struct pb_binder *binder, const cJSON *node);
/* How messages call the place that an override came from: "--set", "POOLBENCH_SET", "tuner". */
const char *pb_bind_source(const struct pb_override *override);
/* Line in the file; 0: not from the file. */
int pb_bind_line(const struct pb_binder *binder, const cJSON *node);

/* Adds "WHERE: PATH: text" to the problems; `node` says where (NULL: the whole file). */
void pb_bind_problem(struct pb_binder *binder, const cJSON *node, const char *path, const char *fmt,
                     ...) PB_PRINTF(4, 5);
/* The same with the position of the member's name instead of its value. */
void pb_bind_name_problem(struct pb_binder *binder, const cJSON *node, const char *path,
                          const char *fmt, ...) PB_PRINTF(4, 5);
/* The same about override `number` itself, whose value stands nowhere yet. */
void pb_bind_override_problem(struct pb_binder *binder, size_t number, const char *fmt, ...)
    PB_PRINTF(3, 4);
/* Notes that memory ran out. */
void pb_bind_no_memory(struct pb_binder *binder);
/* Copies text, noting PB_ENOMEM. */
char *pb_bind_copy_text(struct pb_binder *binder, const char *text);

void pb_spot_init(struct pb_spot *spot, const cJSON *object, const char *prefix, const char *shown);
const cJSON *pb_spot_get(const struct pb_spot *spot, const char *name);
/* "pool.size" for messages, into `text` of PB_PATH_MAX bytes; returns `text`. */
char *pb_spot_path(const struct pb_spot *spot, const char *name, char *text);
/* False, with a problem, when `object` is not an object. */
bool pb_bind_is_object(struct pb_binder *binder, const cJSON *node, const char *path);
/* Reports members that the table does not know; false when there is one. */
bool pb_bind_check_names(struct pb_binder *binder, const struct pb_spot *spot);
/* Reads every simple field of `home` directly under the spot into `target`.  Absent ones take the
 * preset's or the table's default, or stay as they are with `inherit`. */
void pb_bind_fields(struct pb_binder *binder, const struct pb_spot *spot, enum pb_field_home home,
                    void *target, bool inherit);
/* Reads a word out of a NULL-terminated list: its number, or -1 with a problem. */
int pb_bind_choice(struct pb_binder *binder, const cJSON *node, const struct pb_field *field,
                   const char *path);

/* --- The parts --- */

void pb_override_apply(struct pb_binder *binder); /* scenario_override.c */
void pb_bind_pool(struct pb_binder *binder);      /* scenario_pool.c */
/* scenario_driver.c: loads the pool's driver and refuses what it cannot do; the same for faults,
 * and for a field that is to vary, under `path` in messages: false when it is refused. */
void pb_bind_driver(struct pb_binder *binder, const struct pb_spot *pool);
void pb_bind_driver_faults(struct pb_binder *binder);
/* Refuses a size that is more than the driver can have. */
void pb_bind_driver_size(struct pb_binder *binder, const cJSON *node, const char *path,
                         int64_t size);
bool pb_bind_driver_varies(struct pb_binder *binder, const cJSON *node, const char *path);
struct pb_dist pb_bind_constant(int64_t value_ns); /* scenario_dist.c */
void pb_bind_workload(struct pb_binder *binder);   /* scenario_workload.c */
/* scenario_command.c: the profile that the workload wants; the worker processes' program; the
 * request of one operation, with checks of what does not go together. */
void pb_bind_profile(struct pb_binder *binder, const struct pb_spot *pool);
/* Makes `*path` whole, seen from the scenario file's folder. */
void pb_bind_whole_path(struct pb_binder *binder, char **path);
void pb_bind_worker(struct pb_binder *binder, const struct pb_spot *spot);
/* What a request of this type does not take, NULL-terminated. */
const char *const *pb_bind_foreign(const struct pb_binder *binder);
void pb_bind_check_request(struct pb_binder *binder, const struct pb_spot *workload,
                           const struct pb_spot *spot);
void pb_bind_request(struct pb_binder *binder, const struct pb_spot *spot,
                     const struct pb_spot *workload, struct pb_operation *operation);
void pb_scenario_worker_done(struct pb_scenario_worker *worker);
bool pb_bind_dist(struct pb_binder *binder, const cJSON *node, const char *path,
                  struct pb_dist *ret_dist);    /* scenario_dist.c */
void pb_bind_phases(struct pb_binder *binder);  /* scenario_phases.c */
void pb_bind_retries(struct pb_binder *binder); /* scenario_retries.c */
void pb_bind_faults(struct pb_binder *binder);  /* scenario_faults.c */
/* Reads `at` of a fault or a change: an instant before the end of the phases. */
void pb_bind_at(struct pb_binder *binder, const struct pb_spot *spot, int64_t *ret_at_ns);
void pb_bind_changes(struct pb_binder *binder);   /* scenario_changes.c */
void pb_bind_slo(struct pb_binder *binder);       /* scenario_slo.c */
void pb_bind_aborts(struct pb_binder *binder);    /* scenario_slo.c */
void pb_bind_tune(struct pb_binder *binder);      /* scenario_tune.c */
void pb_bind_effective(struct pb_binder *binder); /* scenario_effective.c */

/* Row `i` of the presets of objectives, NULL past the end. */
const char *pb_slo_preset_row(size_t i, const char **ret_preset, enum pb_level *ret_level);
/* Whether `name` is one of the short form's fields: rate, duration, arrival, users, think. */
bool pb_short_field(const char *name);
/* A phase by name at the start of `text`, which must go on with one of `ends` (after blanks) or
 * end: the longest that fits, or -1.  `ret_rest` points behind the name and blanks. */
int pb_phase_prefix(const struct pb_scenario *scenario, const char *text, const char *ends,
                    const char **ret_rest);
/* The nearest phase name, NULL: none. */
const char *pb_phase_nearest(const struct pb_scenario *scenario, const char *name);

/* The value at a dotted path, where array elements are named by their "name" or number; NULL:
 * none. */
const cJSON *pb_tree_find(const cJSON *root, const char *path);
/* "rate" and the like of a scenario whose one recorded phase is "main" -> "phases.main.rate";
 * other paths unchanged.  `text` has PB_PATH_MAX bytes; returns `text`. */
char *pb_path_normal(const struct pb_scenario *scenario, const char *path, char *text);

#endif
