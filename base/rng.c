#include "base/rng.h"

/* A 64 x 64 -> 128 bit product; ISO C has no such type. */
__extension__ typedef unsigned __int128 wide;

/*
 * How a draw is addressed.  Philox maps (counter, key) to 128 random bits, and for one key that map
 * is a bijection of the counter.  Every part of the address has bits of its own, so that no two
 * draws ever share a (counter, key):
 *
 *     key      [0] seed, low 32 bits       [1] seed, high 32 bits
 *     counter  [0] index, low 32 bits      [1] index, high 32 bits
 *              [2] attempt (low 24 bits), stream (high 8 bits)
 *              [3] phase
 */
#define ATTEMPT_BITS 24
#define ATTEMPT_MASK ((UINT32_C(1) << ATTEMPT_BITS) - 1)
_Static_assert(PB_STREAM_COUNT <= 256, "a stream has 8 bits of the counter");

static void philox_round(uint32_t c[static 4], uint32_t key0, uint32_t key1)
{
    uint64_t product0 = UINT64_C(0xd2511f53) * c[0];
    uint64_t product1 = UINT64_C(0xcd9e8d57) * c[2];
    uint32_t old1 = c[1], old3 = c[3];

    c[0] = (uint32_t)(product1 >> 32) ^ old1 ^ key0;
    c[1] = (uint32_t)product1;
    c[2] = (uint32_t)(product0 >> 32) ^ old3 ^ key1;
    c[3] = (uint32_t)product0;
}

void pb_philox4x32_10(const uint32_t counter[static 4], const uint32_t key[static 2],
                      uint32_t ret_words[static 4])
{
    uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] };
    uint32_t key0 = key[0], key1 = key[1];

    for (int round = 0; round < 10; round++) {
        philox_round(c, key0, key1);
        key0 += UINT32_C(0x9e3779b9); /* the golden ratio, and sqrt(3) - 1: Weyl sequences */
        key1 += UINT32_C(0xbb67ae85);
    }
    for (int i = 0; i < 4; i++) {
        ret_words[i] = c[i];
    }
}

void pb_rng_block(const struct pb_rng_key *key, uint64_t index, uint32_t attempt,
                  uint32_t ret_words[static 4])
{
    const uint32_t counter[4] = {
        (uint32_t)index,
        (uint32_t)(index >> 32),
        (attempt & ATTEMPT_MASK) | key->stream << ATTEMPT_BITS,
        key->phase,
    };
    const uint32_t words[2] = { (uint32_t)key->seed, (uint32_t)(key->seed >> 32) };

    pb_philox4x32_10(counter, words, ret_words);
}

static uint64_t join(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}

/* Zero, one draw in 2^53, becomes half the step above it. */
static double uniform_of(uint64_t bits)
{
    uint64_t k = bits >> 11;

    return k > 0 ? (double)k * 0x1p-53 : 0x1p-54;
}

void pb_rng_uniform2(const struct pb_rng_key *key, uint64_t index, uint32_t attempt,
                     double ret_u[static 2])
{
    uint32_t words[4];

    pb_rng_block(key, index, attempt, words);
    ret_u[0] = uniform_of(join(words[0], words[1]));
    ret_u[1] = uniform_of(join(words[2], words[3]));
}

double pb_rng_uniform(const struct pb_rng_key *key, uint64_t index, uint32_t attempt)
{
    double u[2];

    pb_rng_uniform2(key, index, attempt, u);
    return u[0];
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019): the high word of
 * a product, with the few low words rejected that would make the first numbers more likely. */
uint64_t pb_rng_below(const struct pb_rng_key *key, uint64_t index, uint64_t bound)
{
    const uint64_t reject_below = -bound % bound;
    uint32_t words[4];

    for (uint32_t attempt = 0;; attempt++) {
        pb_rng_block(key, index, attempt, words);
        wide product = (wide)join(words[0], words[1]) * bound;

        if ((uint64_t)product >= reject_below) {
            return (uint64_t)(product >> 64);
        }
    }
}
