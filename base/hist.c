#include "base/hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t power_of_ten(int digits)
{
    int64_t power = 1;

    while (digits-- > 0) {
        power *= 10;
    }
    return power;
}

/* Powers of two needed so that the last bucket reaches `highest`. */
static int32_t buckets_for(int64_t highest, int32_t sub_bucket_count)
{
    int64_t beyond = sub_bucket_count; /* the smallest value that does not fit */
    int32_t buckets = 1;

    while (beyond <= highest) {
        buckets++;
        if (beyond > INT64_MAX / 2) {
            break;
        }
        beyond *= 2;
    }
    return buckets;
}

enum pb_status pb_hist_init(struct pb_hist *hist, int64_t highest, int digits)
{
    if (highest < 2 || digits < 1 || digits > 5) {
        return PB_EINVAL;
    }
    /* The layout of HdrHistogram: 2 x 10^digits values have single-unit resolution, rounded up to
     * a power of two; each further power of two adds half as many buckets of doubled width. */
    int64_t single_unit = 2 * power_of_ten(digits);
    int magnitude = 64 - __builtin_clzll((unsigned long long)single_unit - 1);
    int32_t sub_bucket_count = (int32_t)1 << magnitude;
    int32_t counts_len = (buckets_for(highest, sub_bucket_count) + 1) * (sub_bucket_count / 2);
    int64_t *counts = calloc((size_t)counts_len, sizeof(*counts));

    if (!counts) {
        return PB_ENOMEM;
    }
    *hist = (struct pb_hist){ .highest = highest,
                              .digits = digits,
                              .sub_bucket_half_count_magnitude = magnitude - 1,
                              .sub_bucket_count = sub_bucket_count,
                              .sub_bucket_half_count = sub_bucket_count / 2,
                              .sub_bucket_mask = sub_bucket_count - 1,
                              .counts_len = counts_len,
                              .counts = counts,
                              .min = INT64_MAX };
    return PB_OK;
}

void pb_hist_done(struct pb_hist *hist)
{
    free(hist->counts);
    *hist = (struct pb_hist){ .min = INT64_MAX };
}

int32_t pb_hist_index(const struct pb_hist *hist, int64_t value)
{
    int64_t v = value > hist->highest ? hist->highest : value;
    int power = 63 - __builtin_clzll((unsigned long long)(v | hist->sub_bucket_mask));
    int bucket = power - hist->sub_bucket_half_count_magnitude;

    return (int32_t)(((bucket + 1) << hist->sub_bucket_half_count_magnitude) + (v >> bucket) -
                     hist->sub_bucket_half_count);
}

/* The non-empty part: untouched buckets are never read, so that they cost no memory. */
static void used_range(const struct pb_hist *hist, int32_t *ret_first, int32_t *ret_end)
{
    *ret_first = hist->total ? pb_hist_index(hist, hist->min) : 0;
    *ret_end = hist->total ? pb_hist_index(hist, hist->max) + 1 : 0;
}

void pb_hist_reset(struct pb_hist *hist)
{
    int32_t first, end;

    used_range(hist, &first, &end);
    if (end > first) {
        memset(hist->counts + first, 0, (size_t)(end - first) * sizeof(*hist->counts));
    }
    hist->total = 0;
    hist->saturated = 0;
    hist->min = INT64_MAX;
    hist->max = 0;
    hist->sum = 0;
}

void pb_hist_record_n(struct pb_hist *hist, int64_t value, int64_t count)
{
    if (count <= 0) {
        return;
    }
    pb_hist_record(hist, value);
    int64_t v = value < 0 ? 0 : value;

    hist->counts[pb_hist_index(hist, v)] += count - 1;
    hist->total += count - 1;
    hist->sum += (double)v * (double)(count - 1);
    if (v > hist->highest) {
        hist->saturated += count - 1;
    }
}

enum pb_status pb_hist_merge(struct pb_hist *into, const struct pb_hist *from)
{
    int32_t first, end;

    if (into->highest != from->highest || into->digits != from->digits) {
        return PB_EINVAL;
    }
    used_range(from, &first, &end);
    for (int32_t i = first; i < end; i++) {
        if (from->counts[i]) {
            into->counts[i] += from->counts[i];
        }
    }
    into->total += from->total;
    into->saturated += from->saturated;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->sum += from->sum;
    return PB_OK;
}

/* Lowest value and width of a bucket. */
static void bucket_at(const struct pb_hist *hist, int32_t index, int64_t *ret_low,
                      int64_t *ret_width)
{
    int shift = (index >> hist->sub_bucket_half_count_magnitude) - 1;
    int64_t sub = (index & (hist->sub_bucket_half_count - 1)) + hist->sub_bucket_half_count;

    if (shift < 0) {
        sub -= hist->sub_bucket_half_count;
        shift = 0;
    }
    *ret_low = sub << shift;
    *ret_width = INT64_C(1) << shift;
}

static int64_t highest_in(const struct pb_hist *hist, int32_t index)
{
    int64_t low, width;

    bucket_at(hist, index, &low, &width);
    return low + (width - 1);
}

int64_t pb_hist_highest_equivalent(const struct pb_hist *hist, int64_t value)
{
    return highest_in(hist, pb_hist_index(hist, value));
}

/* ceil(n q), forgiving the rounding of q: 0.07 x 100 is 7, not 7.000000000000001. */
static int64_t rank_of(int64_t total, double q)
{
    double exact = q * (double)total, near = nearbyint(exact);
    double rank = fabs(exact - near) <= 1e-12 * exact ? near : ceil(exact);

    if (!(rank > 1)) {
        return 1;
    }
    return rank >= (double)total ? total : (int64_t)rank;
}

int64_t pb_hist_quantile(const struct pb_hist *hist, double q)
{
    if (hist->total == 0) {
        return 0;
    }
    int64_t rank = rank_of(hist->total, q), seen = 0;
    int32_t first, end;

    used_range(hist, &first, &end);
    for (int32_t i = first; i < end; i++) {
        seen += hist->counts[i];
        if (seen >= rank) {
            int64_t value = highest_in(hist, i);

            return value < hist->max ? value : hist->max;
        }
    }
    return hist->max;
}

double pb_hist_mean(const struct pb_hist *hist)
{
    return hist->total ? hist->sum / (double)hist->total : 0;
}

int64_t pb_hist_count_le(const struct pb_hist *hist, int64_t value)
{
    if (hist->total == 0 || value < 0) {
        return 0;
    }
    int32_t first, end, last = pb_hist_index(hist, value);
    int64_t count = 0;

    used_range(hist, &first, &end);
    for (int32_t i = first; i < end && i <= last; i++) {
        count += hist->counts[i];
    }
    return count;
}

void pb_hist_iter_init(struct pb_hist_iter *iter, const struct pb_hist *hist)
{
    int32_t first, end;

    used_range(hist, &first, &end);
    *iter = (struct pb_hist_iter){ .hist = hist, .index = first - 1 };
}

int pb_hist_iter_next(struct pb_hist_iter *iter)
{
    const struct pb_hist *hist = iter->hist;
    int32_t first, end;

    used_range(hist, &first, &end);
    while (iter->index + 1 < end) {
        iter->index++;
        if (hist->counts[iter->index]) {
            int64_t width;

            bucket_at(hist, iter->index, &iter->low, &width);
            iter->value = iter->low + (width - 1);
            iter->count = hist->counts[iter->index];
            iter->cumulative += iter->count;
            return 1;
        }
    }
    return 0;
}
