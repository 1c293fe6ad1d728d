#include "harness/aggregate.h"

#define FIRST_POWER 10 /* the first octave begins at 2^10 ns, about 1 us */
#define OCTAVE_BITS 5  /* 32 buckets an octave */

static uint32_t bucket_of(int64_t ns)
{
    if (ns < INT64_C(1) << FIRST_POWER) {
        return 0;
    }
    int power = 63 - __builtin_clzll((unsigned long long)ns);
    uint32_t within = (uint32_t)(ns >> (power - OCTAVE_BITS)) & ((1u << OCTAVE_BITS) - 1);
    uint32_t bucket = ((uint32_t)(power - FIRST_POWER) << OCTAVE_BITS) + within;

    return bucket < PB_SMALL_HIST_BUCKETS ? bucket : PB_SMALL_HIST_BUCKETS - 1;
}

void pb_small_hist_record(struct pb_small_hist *hist, int64_t ns)
{
    hist->counts[bucket_of(ns)]++;
    hist->total++;
}

int64_t pb_small_hist_quantile(const struct pb_small_hist *hist, double q)
{
    double rank = q * hist->total;
    uint64_t seen = 0;

    if (hist->total == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < PB_SMALL_HIST_BUCKETS; i++) {
        seen += hist->counts[i];
        /* The forgiven part is the rounding of q, as in pb_hist_quantile(). */
        if (seen > 0 && (double)seen >= rank * (1 - 1e-12)) {
            int shift = FIRST_POWER - OCTAVE_BITS + (int)(i >> OCTAVE_BITS);
            int64_t low = (int64_t)((i & ((1u << OCTAVE_BITS) - 1)) + (1u << OCTAVE_BITS)) << shift;

            return low + (INT64_C(1) << shift) / 2; /* the middle */
        }
    }
    return 0;
}

void pb_small_hist_merge(struct pb_small_hist *into, const struct pb_small_hist *from)
{
    for (uint32_t i = 0; i < PB_SMALL_HIST_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->total += from->total;
}
