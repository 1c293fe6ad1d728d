#include "base/rng.h"
#include "support/test.h"

/* Random123, examples/kat_vectors, philox4x32 with 10 rounds. */
static const struct {
    uint32_t counter[4];
    uint32_t key[2];
    uint32_t want[4];
} known_answers[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
      { 0xffffffff, 0xffffffff },
      { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
      { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

PB_TEST(rng_gives_the_published_answers)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(known_answers); i++) {
        uint32_t got[4];

        pb_philox4x32_10(known_answers[i].counter, known_answers[i].key, got);
        for (int word = 0; word < 4; word++) {
            ck_assert_uint_eq(known_answers[i].want[word], got[word]);
        }
    }
}

static int blocks_equal(const uint32_t *a, const uint32_t *b)
{
    return memcmp(a, b, 4 * sizeof(*a)) == 0;
}

PB_TEST(rng_every_part_of_the_address_matters)
{
    const struct pb_rng_key base = { .seed = 7, .phase = 2, .stream = PB_STREAM_SERVICE };
    const struct pb_rng_key others[] = {
        { 8, 2, PB_STREAM_SERVICE }, { 7 + (UINT64_C(1) << 40), 2, PB_STREAM_SERVICE },
        { 7, 3, PB_STREAM_SERVICE }, { 7, 2, PB_STREAM_FATE },
        { 2, 7, PB_STREAM_SERVICE },
    };
    uint32_t want[4], got[4];

    pb_rng_block(&base, 5, 0, want);
    pb_rng_block(&base, 5, 0, got);
    ck_assert(blocks_equal(want, got));
    for (size_t i = 0; i < PB_ARRAY_LEN(others); i++) {
        pb_rng_block(&others[i], 5, 0, got);
        ck_assert_msg(!blocks_equal(want, got), "key %zu gives the same block", i);
    }
    pb_rng_block(&base, 5, 1, got);
    ck_assert(!blocks_equal(want, got));
    pb_rng_block(&base, 6, 0, got);
    ck_assert(!blocks_equal(want, got));
    pb_rng_block(&base, 5 + (UINT64_C(1) << 32), 0, got);
    ck_assert(!blocks_equal(want, got));
}

/* The layout is part of the file formats: an old seed must give its old schedule for ever. */
PB_TEST(rng_layout_of_the_address_is_frozen)
{
    const struct pb_rng_key key = { UINT64_C(0x299f31d0a4093822), 0x03707344, 0x13 };
    uint32_t got[4];

    pb_rng_block(&key, UINT64_C(0x85a308d3243f6a88), 0x198a2e, got);
    for (int word = 0; word < 4; word++) {
        ck_assert_uint_eq(known_answers[2].want[word], got[word]);
    }
}

PB_TEST(rng_uniforms_are_uniform_and_open)
{
    const struct pb_rng_key key = { 42, 0, PB_STREAM_ARRIVAL };
    const int n = 200000;
    double sum = 0, squares = 0, product = 0;
    int deciles[10] = { 0 };

    for (int i = 0; i < n; i++) {
        double u[2];

        pb_rng_uniform2(&key, (uint64_t)i, 0, u);
        ck_assert(u[0] > 0 && u[0] < 1 && u[1] > 0 && u[1] < 1);
        ck_assert(u[0] == pb_rng_uniform(&key, (uint64_t)i, 0));
        sum += u[0] + u[1];
        squares += u[0] * u[0] + u[1] * u[1];
        product += u[0] * u[1];
        deciles[(int)(u[1] * 10)]++;
    }
    /* Five standard errors each. */
    PB_ASSERT_NEAR(0.5, sum / (2 * n), 5 * 0.2887 / 632);
    PB_ASSERT_NEAR(1.0 / 3, squares / (2 * n), 5 * 0.2981 / 632);
    PB_ASSERT_NEAR(0.25, product / n, 5 * 0.2205 / 447);
    for (int i = 0; i < 10; i++) {
        PB_ASSERT_NEAR(0.1, (double)deciles[i] / n, 5 * 0.3 / 447);
    }
}

PB_TEST(rng_below_stays_below_and_reaches_everything)
{
    const struct pb_rng_key key = { 1, 0, PB_STREAM_FAULT };
    int seen[7] = { 0 };

    for (uint64_t i = 0; i < 7000; i++) {
        uint64_t k = pb_rng_below(&key, i, 7);

        ck_assert_uint_lt(k, 7);
        seen[k]++;
        ck_assert_uint_eq(0, pb_rng_below(&key, i, 1));
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_int_ge(seen[i], 1000 - 150);
        ck_assert_int_le(seen[i], 1000 + 150);
    }
}

/* With a bound of 3/4 of the range, plain multiplication would hit some numbers twice as often: the
 * multiples of 3 would come in half of all draws, not in a third. */
PB_TEST(rng_below_has_no_bias_for_huge_bounds)
{
    const struct pb_rng_key key = { 1, 0, PB_STREAM_TUNER };
    const uint64_t bound = UINT64_C(3) << 62;
    int multiples = 0;

    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t k = pb_rng_below(&key, i, bound);

        ck_assert(k < bound);
        multiples += k % 3 == 0;
    }
    PB_ASSERT_NEAR(10000, multiples, 5 * 82);
}
