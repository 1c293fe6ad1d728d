#include "pool/pool_internal.h"
#include "support/test.h"

/* Searches until the next yield is due; 0: at once. */
static uint32_t searches_until_due(struct pb_yield *yield)
{
    uint32_t count = 0;

    while (!pb_yield_is_due(yield)) {
        count++;
    }
    return count;
}

PB_TEST(yields_go_on_while_requests_come_fast)
{
    struct pb_yield yield = { .misses = 0 };

    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(0, searches_until_due(&yield));
        pb_yield_judge(&yield, 1000, 30000); /* a burst: 30 ns a request */
        ck_assert_uint_eq(0, searches_until_due(&yield));
        pb_yield_judge(&yield, 1, 700); /* one client that answers at once */
    }
}

PB_TEST(yields_end_soon_where_nothing_comes_of_them)
{
    static const struct {
        uint64_t found;
        int64_t took_ns;
    } misses[] = {
        { 0, 300 },     /* nobody else wanted the CPU */
        { 0, 3000000 }, /* somebody who does not submit */
        { 3, 3000000 }, /* a sender that computes for a millisecond between */
        { 1, 4000 },
    };

    for (size_t m = 0; m < PB_ARRAY_LEN(misses); m++) {
        struct pb_yield yield = { .misses = 0 };
        uint32_t yields = 0, searches = 0;

        while (searches < 1000000) {
            searches += searches_until_due(&yield) + 1;
            pb_yield_judge(&yield, misses[m].found, misses[m].took_ns);
            yields++;
        }
        ck_assert_uint_ge(yields, 1000000 / 16384);
        ck_assert_uint_le(yields, 1000000 / 16384 + 12);
    }
}

PB_TEST(one_yield_that_pays_off_makes_the_next_ones_due)
{
    struct pb_yield yield = { .misses = 0 };

    while (searches_until_due(&yield) < 2000) {
        pb_yield_judge(&yield, 0, 300);
    }
    pb_yield_judge(&yield, 16, 1000);
    ck_assert_uint_eq(0, searches_until_due(&yield));
    /* And when it ends, it tries again sooner than before. */
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(0, searches_until_due(&yield));
        pb_yield_judge(&yield, 0, 300);
    }
    ck_assert_uint_eq(256, searches_until_due(&yield));
}
