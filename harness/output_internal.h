/*
 * harness/output_internal.h - filling JSON objects without a check at every line; shared by
 * output*.c, nobody else includes it.
 */
#ifndef PB_HARNESS_OUTPUT_INTERNAL_H
#define PB_HARNESS_OUTPUT_INTERNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* The first failure (no memory) sticks and is asked for once, at the end. */
struct pb_out {
    bool failed;
};

/* Takes `item`: adds it to an object under `key` (a literal), or to an array when key is NULL. */
void pb_out_item(struct pb_out *out, cJSON *parent, const char *key, cJSON *item);
/* A new object or array inside `parent`; borrowed, may be NULL after a failure (accepted by all).
 */
cJSON *pb_out_object(struct pb_out *out, cJSON *parent, const char *key);
cJSON *pb_out_array(struct pb_out *out, cJSON *parent, const char *key);
/* NaN and infinities become null. */
void pb_out_num(struct pb_out *out, cJSON *parent, const char *key, double value);
void pb_out_int(struct pb_out *out, cJSON *parent, const char *key, int64_t value);
/* Negative means unknown and becomes null. */
void pb_out_known(struct pb_out *out, cJSON *parent, const char *key, int64_t value);
/* NULL becomes null. */
void pb_out_str(struct pb_out *out, cJSON *parent, const char *key, const char *text);
void pb_out_bool(struct pb_out *out, cJSON *parent, const char *key, bool value);
void pb_out_null(struct pb_out *out, cJSON *parent, const char *key);

struct pb_evidence;
struct pb_judgement;
struct pb_judging;

/* output_phases.c: .phases and .totals. */
void pb_out_phases(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
bool pb_out_totals(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
/* output_prepare.c: .prepare, and its line of events.jsonl. */
struct pb_buf;
void pb_out_prepare(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_warmup_event(const struct pb_evidence *evidence, struct pb_buf *buf);
/* output_driver.c: .pool.driver; settings of .pool that the driver does not have become null. */
void pb_out_driver(struct pb_out *out, cJSON *pool, const struct pb_evidence *evidence);
/* output_workers.c: .pool, .pool_activity, .recovery, .worker_resources, .workers_history. */
void pb_out_pool(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_activity(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_recovery(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_worker_resources(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_history(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
/* output_changes.c: .changes; old, new and refused of one of them, into `object`. */
struct pb_change_result;
void pb_out_changes(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence);
void pb_out_change(struct pb_out *out, cJSON *object, const struct pb_change_result *result);
/* output_judgement.c: .objectives and .warnings. */
void pb_out_judgement(struct pb_out *out, cJSON *root, const struct pb_evidence *evidence,
                      const struct pb_judgement *judgement);

#endif
