/*
 * base/hist.h - HdrHistogram in the published layout (Tene; hdrhistogram.org).
 *
 * Values are int64_t, 0 .. highest; negative ones count as 0, larger ones saturate at `highest`,
 * are counted in `saturated`, and never lost.  Single writer; a reader in
 * another thread needs its own copy or a lock.
 */
#ifndef PB_BASE_HIST_H
#define PB_BASE_HIST_H

#include <stdint.h>

#include "poolbench/error.h"

#define PB_HIST_HIGHEST_NS INT64_C(3600000000000) /* 1 h */
#define PB_HIST_DIGITS     3

struct pb_hist {
    /* Constant after _init. */
    int64_t highest;
    int digits;
    int sub_bucket_half_count_magnitude;
    int32_t sub_bucket_count;
    int32_t sub_bucket_half_count;
    int64_t sub_bucket_mask;
    int32_t counts_len;
    int64_t *counts; /* owned */
    /* Changed by recording. */
    int64_t total;
    int64_t saturated; /* of them, values over `highest` */
    int64_t min;       /* exact; INT64_MAX when empty */
    int64_t max;       /* exact (before saturation); 0 when empty */
    double sum;        /* exact sums up to 2^53 ns */
};

/* Lowest discernible value 1, `highest` >= 2, `digits` 1..5.  PB_EINVAL, PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_hist_init(struct pb_hist *hist, int64_t highest, int digits);
void pb_hist_done(struct pb_hist *hist);
void pb_hist_reset(struct pb_hist *hist);

/* Number of the bucket that `value` (>= 0; beyond `highest`: its bucket) falls into. */
int32_t pb_hist_index(const struct pb_hist *hist, int64_t value);
/* The highest value of that bucket. */
int64_t pb_hist_highest_equivalent(const struct pb_hist *hist, int64_t value);

/* Adds one value.  hot */
static inline void pb_hist_record(struct pb_hist *hist, int64_t value)
{
    int64_t v = value < 0 ? 0 : value;

    if (v < hist->min) {
        hist->min = v;
    }
    if (v > hist->max) {
        hist->max = v;
    }
    hist->sum += (double)v;
    hist->total++;
    if (v > hist->highest) {
        hist->saturated++;
        v = hist->highest;
    }
    /* Index of the bucket: the power of two above the sub-bucket's precision, then linear inside.
     */
    int power = 63 - __builtin_clzll((unsigned long long)(v | hist->sub_bucket_mask));
    int bucket = power - hist->sub_bucket_half_count_magnitude;
    int32_t sub = (int32_t)(v >> bucket);

    hist->counts[((bucket + 1) << hist->sub_bucket_half_count_magnitude) + sub -
                 hist->sub_bucket_half_count]++;
}

/* The same, `count` times. */
void pb_hist_record_n(struct pb_hist *hist, int64_t value, int64_t count);
/* Adds all of `from`; both must have the same highest and digits (PB_EINVAL). */
PB_MUST_USE enum pb_status pb_hist_merge(struct pb_hist *into, const struct pb_hist *from);

/* Value at quantile q (0..1): the highest value equivalent to x_(ceil(n q)), never over max;
 * 0 when empty. */
int64_t pb_hist_quantile(const struct pb_hist *hist, double q);
double pb_hist_mean(const struct pb_hist *hist); /* 0 when empty */
/* Values <= `value` (by bucket). */
int64_t pb_hist_count_le(const struct pb_hist *hist, int64_t value);

/* Walks the non-empty buckets upward. */
struct pb_hist_iter {
    const struct pb_hist *hist;
    int32_t index;
    int64_t value;      /* highest equivalent value of this bucket */
    int64_t low;        /* lowest value of this bucket */
    int64_t count;      /* in this bucket */
    int64_t cumulative; /* up to and with this bucket */
};
void pb_hist_iter_init(struct pb_hist_iter *iter, const struct pb_hist *hist);
/* 1 while there is another non-empty bucket, else 0. */
int pb_hist_iter_next(struct pb_hist_iter *iter);

#endif
