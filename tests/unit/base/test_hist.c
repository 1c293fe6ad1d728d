#include <math.h>
#include <stdlib.h>

#include "base/hist.h"
#include "support/test.h"

static struct pb_hist new_hist(int64_t highest, int digits)
{
    struct pb_hist hist = { 0 };

    PB_ASSERT_OK(pb_hist_init(&hist, highest, digits));
    return hist;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Values over all powers of two up to twice the range, from a fixed linear congruence. */
static int64_t scattered(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)(*state >> (22 + (*state >> 33) % 41));
}

PB_TEST(hist_has_the_published_layout)
{
    struct pb_hist hist = new_hist(INT64_C(3600000000), 3);

    ck_assert_int_eq(23552, hist.counts_len); /* STATISTICS.md, 8: HDR */
    ck_assert_int_eq(2048, hist.sub_bucket_count);
    pb_hist_done(&hist);
    hist = new_hist(PB_HIST_HIGHEST_NS, PB_HIST_DIGITS);
    ck_assert_int_eq(33792, hist.counts_len);
    pb_hist_done(&hist);
}

PB_TEST(hist_finds_the_published_percentiles)
{
    struct pb_hist hist = new_hist(INT64_C(3600000000), 3);

    pb_hist_record_n(&hist, 1000, 10000);
    pb_hist_record(&hist, 100000000);
    ck_assert_int_eq(10001, hist.total);
    ck_assert_int_eq(1000, pb_hist_quantile(&hist, 0.9999));
    ck_assert_int_eq(100000000, pb_hist_quantile(&hist, 0.99999));
    /* Corrected for coordinated omission at an interval of 10 000, by hand. */
    for (int64_t missing = 100000000 - 10000; missing >= 10000; missing -= 10000) {
        pb_hist_record(&hist, missing);
    }
    ck_assert_int_eq(20000, hist.total);
    PB_ASSERT_NEAR(5e7, (double)pb_hist_quantile(&hist, 0.75), 5e4);
    PB_ASSERT_NEAR(8e7, (double)pb_hist_quantile(&hist, 0.90), 8e4);
    PB_ASSERT_NEAR(9.8e7, (double)pb_hist_quantile(&hist, 0.99), 9.8e4);
    pb_hist_done(&hist);
}

PB_TEST(hist_is_within_a_thousandth_of_sorted_samples_also_beyond_the_range)
{
    enum {
        SAMPLES = 20000
    };
    static int64_t samples[SAMPLES];
    const double quantiles[] = { 0, 1e-4, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1 };
    struct pb_hist hist = new_hist(PB_HIST_HIGHEST_NS, 3);
    int64_t beyond = 0, max = 0;
    uint64_t state = 7;

    for (int i = 0; i < SAMPLES; i++) {
        int64_t value = i == 5 ? PB_HIST_HIGHEST_NS : i == 6 ? 0 : scattered(&state);

        max = value > max ? value : max;
        beyond += value > PB_HIST_HIGHEST_NS;
        samples[i] = value > PB_HIST_HIGHEST_NS ? PB_HIST_HIGHEST_NS : value;
        pb_hist_record(&hist, value);
    }
    ck_assert_int_gt(beyond, 0);
    ck_assert_int_eq(beyond, hist.saturated);
    ck_assert_int_eq(max, hist.max);
    qsort(samples, SAMPLES, sizeof(samples[0]), compare_i64);
    for (size_t i = 0; i < PB_ARRAY_LEN(quantiles); i++) {
        int64_t rank = (int64_t)ceil(SAMPLES * quantiles[i]);
        double want = (double)samples[rank > 0 ? rank - 1 : 0];

        PB_ASSERT_NEAR(want, (double)pb_hist_quantile(&hist, quantiles[i]), want * 1e-3);
    }
    pb_hist_done(&hist);
}

PB_TEST(hist_merge_equals_recording_the_union)
{
    struct pb_hist one = new_hist(1000000, 3), two = new_hist(1000000, 3);
    struct pb_hist both = new_hist(1000000, 3), other = new_hist(1000001, 3);
    uint64_t state = 11;

    for (int i = 0; i < 5000; i++) {
        int64_t value = scattered(&state) & 0x1fffff;

        pb_hist_record(i % 3 ? &one : &two, value);
        pb_hist_record(&both, value);
    }
    PB_ASSERT_OK(pb_hist_merge(&one, &two));
    ck_assert_int_eq(both.total, one.total);
    ck_assert_int_eq(both.saturated, one.saturated);
    ck_assert_int_eq(both.min, one.min);
    ck_assert_int_eq(both.max, one.max);
    PB_ASSERT_NEAR(both.sum, one.sum, 0);
    ck_assert_mem_eq(both.counts, one.counts, (size_t)both.counts_len * sizeof(both.counts[0]));
    PB_ASSERT_STATUS(PB_EINVAL, pb_hist_merge(&one, &other));
    pb_hist_done(&one);
    pb_hist_done(&two);
    pb_hist_done(&both);
    pb_hist_done(&other);
}

PB_TEST(hist_iterates_over_what_was_recorded_and_forgets_on_reset)
{
    struct pb_hist hist = new_hist(PB_HIST_HIGHEST_NS, 3);
    struct pb_hist_iter iter;
    int64_t total = 0, last = -1;

    pb_hist_record(&hist, 0);
    pb_hist_record_n(&hist, 5000, 3);
    pb_hist_record(&hist, INT64_C(9000000000));
    ck_assert_int_eq(4, pb_hist_count_le(&hist, 5001)); /* 5000..5003 share a bucket */
    ck_assert_int_eq(1, pb_hist_count_le(&hist, 4999));
    ck_assert_int_eq(0, pb_hist_count_le(&hist, -1));
    for (pb_hist_iter_init(&iter, &hist); pb_hist_iter_next(&iter);) {
        ck_assert_int_gt(iter.low, last);
        ck_assert_int_ge(iter.value, iter.low);
        total += iter.count;
        ck_assert_int_eq(total, iter.cumulative);
        last = iter.value;
    }
    ck_assert_int_eq(5, total);
    pb_hist_reset(&hist);
    ck_assert_int_eq(0, hist.total);
    for (int32_t i = 0; i < hist.counts_len; i++) {
        ck_assert_int_eq(0, hist.counts[i]);
    }
    pb_hist_done(&hist);
}

PB_TEST(hist_without_values_answers_zero)
{
    struct pb_hist hist = new_hist(100, 1);

    ck_assert_int_eq(0, pb_hist_quantile(&hist, 0.5));
    PB_ASSERT_NEAR(0, pb_hist_mean(&hist), 0);
    ck_assert_int_eq(0, pb_hist_count_le(&hist, 50));
    pb_hist_done(&hist);
    pb_hist_done(&hist); /* once more does no harm */
}

PB_TEST(hist_takes_ranks_without_rounding_up_by_accident)
{
    struct pb_hist hist = new_hist(1000, 3);

    for (int i = 1; i <= 100; i++) {
        pb_hist_record(&hist, i);
    }
    for (int i = 1; i <= 100; i++) { /* 0.07 x 100 is a little over 7 in binary */
        ck_assert_int_eq(i, pb_hist_quantile(&hist, i / 100.0));
    }
    PB_ASSERT_NEAR(50.5, pb_hist_mean(&hist), 1e-12);
    pb_hist_done(&hist);
}

PB_TEST(hist_refuses_absurd_shapes)
{
    struct pb_hist hist;

    PB_ASSERT_STATUS(PB_EINVAL, pb_hist_init(&hist, 1, 3));
    PB_ASSERT_STATUS(PB_EINVAL, pb_hist_init(&hist, 1000, 0));
    PB_ASSERT_STATUS(PB_EINVAL, pb_hist_init(&hist, 1000, 6));
}

PB_TEST(hist_covers_all_of_int64)
{
    struct pb_hist hist = new_hist(INT64_MAX, 2);

    pb_hist_record(&hist, INT64_MAX);
    pb_hist_record(&hist, -5);
    ck_assert_int_eq(0, hist.min);
    ck_assert_int_eq(INT64_MAX, pb_hist_quantile(&hist, 1));
    ck_assert_int_eq(0, hist.saturated);
    pb_hist_done(&hist);
}
