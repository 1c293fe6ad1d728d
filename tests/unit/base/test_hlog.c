#include <stdio.h>
#include <stdlib.h>

#include "base/hlog.h"
#include "support/test.h"

static struct pb_hist some_values(void)
{
    struct pb_hist hist = { 0 };

    PB_ASSERT_OK(pb_hist_init(&hist, PB_HIST_HIGHEST_NS, 3));
    for (int64_t i = 1; i <= 3000; i++) {
        pb_hist_record_n(&hist, i * i * 97, i % 7 + 1);
    }
    pb_hist_record_n(&hist, 0, INT64_C(5000000000)); /* a count beyond 32 bits */
    pb_hist_record(&hist, PB_HIST_HIGHEST_NS);
    return hist;
}

static struct pb_hist decoded(const char *text)
{
    struct pb_hist hist = { 0 };
    struct pb_error err;

    ck_assert_msg(pb_hist_decode(text, &hist, &err) == PB_OK, "%s", err.text);
    return hist;
}

PB_TEST(hlog_brings_a_histogram_back)
{
    struct pb_hist hist = some_values();
    struct pb_buf text = { 0 };

    PB_ASSERT_OK(pb_hist_encode(&hist, &text));
    struct pb_hist back = decoded(pb_buf_text(&text));

    ck_assert_int_eq(hist.total, back.total);
    ck_assert_int_eq(hist.highest, back.highest);
    ck_assert_int_eq(hist.digits, back.digits);
    ck_assert_mem_eq(hist.counts, back.counts, (size_t)hist.counts_len * sizeof(hist.counts[0]));
    for (int i = 1; i < 100; i++) {
        ck_assert_int_eq(pb_hist_quantile(&hist, i / 100.0), pb_hist_quantile(&back, i / 100.0));
    }
    PB_ASSERT_NEAR(pb_hist_mean(&hist), pb_hist_mean(&back), pb_hist_mean(&hist) * 1e-3);
    pb_buf_done(&text);
    pb_hist_done(&hist);
    pb_hist_done(&back);
}

PB_TEST(hlog_brings_an_empty_histogram_back)
{
    struct pb_hist hist = { 0 };
    struct pb_buf text = { 0 };

    PB_ASSERT_OK(pb_hist_init(&hist, 1000, 2));
    PB_ASSERT_OK(pb_hist_encode(&hist, &text));
    struct pb_hist back = decoded(pb_buf_text(&text));

    ck_assert_int_eq(0, back.total);
    ck_assert_int_eq(0, pb_hist_quantile(&back, 0.5));
    pb_buf_done(&text);
    pb_hist_done(&hist);
    pb_hist_done(&back);
}

/* From the tests of HdrHistogramJS: one value, 42. */
PB_TEST(hlog_reads_what_hdr_histogram_js_wrote)
{
    struct pb_hist hist = decoded("HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUoz2X+AMIKZAEARAtM=");

    ck_assert_int_eq(1, hist.total);
    ck_assert_int_eq(42, pb_hist_quantile(&hist, 0.5));
    ck_assert_int_eq(42, hist.min);
    ck_assert_int_eq(42, hist.max);
    pb_hist_done(&hist);
}

PB_TEST(hlog_reads_the_log_of_jhiccup)
{
    struct pb_hist sum = { 0 };
    FILE *file = fopen("tests/data/hlog/jHiccup-2.0.7S.logV3.hlog", "re");
    struct pb_hist_iter iter;
    char line[4096];
    int count = 0;

    ck_assert_ptr_nonnull(file);
    PB_ASSERT_OK(pb_hist_init(&sum, PB_HIST_HIGHEST_NS, 3));
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || line[0] == '"') {
            continue;
        }
        struct pb_hist hist = decoded(strrchr(line, ',') + 1);

        count++;
        for (pb_hist_iter_init(&iter, &hist); pb_hist_iter_next(&iter);) {
            pb_hist_record_n(&sum, iter.low, iter.count); /* as hdr_add() does */
        }
        pb_hist_done(&hist);
    }
    (void)fclose(file);
    ck_assert_int_eq(62, count);
    ck_assert_int_eq(48761, sum.total);
    /* HdrHistogram_c rounds the rank of p99.9, 48712.24, to the nearest; we round it up. */
    ck_assert_int_eq(1745879039, pb_hist_quantile(&sum, 48712.0 / 48761));
    ck_assert_int_eq(1796210687, pb_hist_highest_equivalent(&sum, sum.max));
    pb_hist_done(&sum);
}

PB_TEST(hlog_writes_the_lines_that_other_tools_expect)
{
    struct pb_hist hist = { 0 };
    struct pb_buf text = { 0 };

    PB_ASSERT_OK(pb_hist_init(&hist, PB_HIST_HIGHEST_NS, 3));
    pb_hist_record(&hist, 2769000);
    pb_hlog_header(&text, "Logged with\npoolbench", INT64_C(1441812279474000000));
    PB_ASSERT_OK(pb_hlog_line(&text, "a, b\tc", 127000000, 1007000000, &hist));
    const char *want = "#[Logged with poolbench]\n"
                       "#[Histogram log format version 1.3]\n"
                       "#[StartTime: 1441812279.474 (seconds since epoch), "
                       "Wed Sep 09 15:24:39 UTC 2015]\n"
                       "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                       "\"Interval_Compressed_Histogram\"\n"
                       "Tag=a__b_c,0.127,1.007,2.769,HISTFAAAA";

    ck_assert_int_eq(0, strncmp(want, pb_buf_text(&text), strlen(want)));
    ck_assert_int_eq('\n', pb_buf_text(&text)[text.len - 1]);
    pb_buf_done(&text);
    pb_hist_done(&hist);
}

/* Every cut and every changed character is either refused or still a valid histogram. */
PB_TEST(hlog_survives_damage)
{
    struct pb_hist hist = { 0 };
    struct pb_buf text = { 0 };
    int refused = 0;

    PB_ASSERT_OK(pb_hist_init(&hist, 100000, 2));
    for (int64_t i = 0; i < 50; i++) {
        pb_hist_record(&hist, i * i * 31);
    }
    PB_ASSERT_OK(pb_hist_encode(&hist, &text));
    for (size_t i = 0; i < text.len; i++) {
        struct pb_hist back = { 0 };
        char *copy = strdup(pb_buf_text(&text));

        ck_assert_ptr_nonnull(copy);
        copy[i] = (char)(copy[i] == 'A' ? 'B' : 'A');
        refused += pb_hist_decode(copy, &back, NULL) != PB_OK;
        pb_hist_done(&back);
        copy[i] = '\0';
        PB_ASSERT_STATUS(PB_ECORRUPT, pb_hist_decode(copy, &back, NULL));
        free(copy);
    }
    ck_assert_int_gt(refused, (int)text.len * 9 / 10); /* zlib's Adler-32 sees nearly all */
    pb_buf_done(&text);
    pb_hist_done(&hist);
}
