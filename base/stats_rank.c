/* The signed-rank test and the Hodges-Lehmann estimate of base/stats.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "poolbench/macros.h"

#include "base/portable_math.h"
#include "base/stats.h"

/* Up to here exact.  Ranks are doubled, so that midranks are whole; 2^50 counts are exact in a
 * double, and the doubled ranks add up to at most 50 x 51. */
#define EXACT_MAX  50
#define EXACT_SUMS (EXACT_MAX * (EXACT_MAX + 1) + 1)

static void free_doubles(double **x)
{
    free(*x);
}

static int compare_sizes(const void *left, const void *right)
{
    double a = fabs(*(const double *)left), b = fabs(*(const double *)right);

    return (a > b) - (a < b);
}

/* A copy of the values, without the zeros if asked; NULL only without memory. */
static double *copy_of(const double *d, size_t n, bool drop_zeros, size_t *ret_n)
{
    double *copy = malloc((n + 1) * sizeof(*copy));
    size_t kept = 0;

    if (!copy) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!drop_zeros || d[i] != 0) {
            copy[kept++] = d[i];
        }
    }
    *ret_n = kept;
    return copy;
}

static bool all_finite(const double *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(d[i])) {
            return false;
        }
    }
    return true;
}

/* What the ranks of the sizes |d| amount to. */
struct ranking {
    size_t n;
    double doubled_v;            /* twice the sum of the positive ranks */
    double ties;                 /* sum of t^3 - t over groups of t equal sizes */
    unsigned doubled[EXACT_MAX]; /* doubled midranks in ascending order, n <= EXACT_MAX only */
};

/* Ranks `d`, which is sorted by size. */
static void rank_by_size(const double *d, size_t n, struct ranking *ret_ranking)
{
    struct ranking ranking = { .n = n };

    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && fabs(d[end]) == fabs(d[start]); end++) {
        }
        size_t doubled = start + 1 + end; /* 2 x mean of ranks start + 1 .. end */
        double t = (double)(end - start);

        ranking.ties += t * t * t - t;
        for (size_t i = start; i < end; i++) {
            if (d[i] > 0) {
                ranking.doubled_v += (double)doubled;
            }
            if (n <= EXACT_MAX) {
                ranking.doubled[i] = (unsigned)doubled;
            }
        }
    }
    *ret_ranking = ranking;
}

/* P(sum = s) for s = 0 .. when each of the doubled ranks joins the sum with probability 1/2: one
 * pass a rank over the sums reached so far.  Returns the largest sum. */
static size_t sum_distribution(const unsigned *doubled, size_t n, double *ret_probability)
{
    size_t largest = 0;

    memset(ret_probability, 0, EXACT_SUMS * sizeof(*ret_probability));
    ret_probability[0] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t rank = doubled[i];

        largest += rank;
        for (size_t s = largest + 1; s-- > 0;) {
            double with = s >= rank ? ret_probability[s - rank] : 0;

            ret_probability[s] = 0.5 * (ret_probability[s] + with);
        }
    }
    return largest;
}

static void test_exactly(const struct ranking *ranking, struct pb_signed_rank *test)
{
    double probability[EXACT_SUMS];
    size_t largest = sum_distribution(ranking->doubled, ranking->n, probability);
    size_t v = (size_t)ranking->doubled_v;
    double at_most = 0, at_least = 0;

    for (size_t s = 0; s <= largest; s++) {
        at_most += s <= v ? probability[s] : 0;
        at_least += s >= v ? probability[s] : 0;
    }
    test->p_greater = at_least;
    test->p_two_sided = fmin(1, 2 * fmin(at_most, at_least));
}

/* sigma^2 = n (n + 1) (2 n + 1) / 24 - sum (t^3 - t) / 48; continuity 1/2. */
static void test_by_normal(const struct ranking *ranking, struct pb_signed_rank *test)
{
    double n = (double)ranking->n;
    double off = test->v - n * (n + 1) / 4;
    double sigma = sqrt(n * (n + 1) * (2 * n + 1) / 24 - ranking->ties / 48);

    test->p_greater = pb_normal_cdf((0.5 - off) / sigma);
    test->p_two_sided = fmin(1, 2 * pb_normal_cdf((0.5 - fabs(off)) / sigma));
}

enum pb_status pb_signed_rank_test(const double *d, size_t n, struct pb_signed_rank *ret_test)
{
    struct pb_signed_rank test = { .p_two_sided = 1, .p_greater = 1 };
    struct ranking ranking;
    size_t kept;

    if (!all_finite(d, n)) {
        return PB_EINVAL;
    }
    PB_CLEANUP(free_doubles) double *copy = copy_of(d, n, true, &kept);

    if (!copy) {
        return PB_ENOMEM;
    }
    qsort(copy, kept, sizeof(*copy), compare_sizes);
    rank_by_size(copy, kept, &ranking);
    test.v = ranking.doubled_v / 2;
    test.zeros = n - kept;
    if (kept > EXACT_MAX) {
        test_by_normal(&ranking, &test);
    } else {
        test_exactly(&ranking, &test);
    }
    *ret_test = test;
    return PB_OK;
}

/* The k of the interval [k-th smallest, k-th largest Walsh average]: the smallest k with
 * P(V <= k) >= tail; P(V <= k - 1), the real tail, beside it. */
static size_t exact_order(size_t n, double tail, double *ret_tail)
{
    double probability[EXACT_SUMS];
    unsigned doubled[EXACT_MAX];
    double below = 0;
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        doubled[i] = 2 * (unsigned)(i + 1);
    }
    size_t largest = sum_distribution(doubled, n, probability);

    while (2 * k < largest && below + probability[2 * k] < tail * (1 - 1e-12)) {
        below += probability[2 * k];
        k++;
    }
    *ret_tail = below;
    return k;
}

static size_t normal_order(size_t count, double tail, double *ret_tail)
{
    double n = (double)count;
    double mean = n * (n + 1) / 4, sigma = sqrt(n * (n + 1) * (2 * n + 1) / 24);
    double k = ceil(mean - 0.5 + sigma * pb_normal_quantile(tail));

    k = fmax(k, 0);
    *ret_tail = pb_normal_cdf((k - 0.5 - mean) / sigma);
    return (size_t)k;
}

/* Doubles and integers in the same order, so that values can be bisected to the last bit. */
static int64_t order_of(double x)
{
    int64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits >= 0 ? bits : INT64_MIN - bits;
}

static double at_order(int64_t order)
{
    int64_t bits = order >= 0 ? order : INT64_MIN - order;
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static double walsh(double a, double b)
{
    return 0.5 * a + 0.5 * b;
}

/* How many Walsh averages (i <= j) of sorted values are at most `limit`. */
static uint64_t averages_up_to(const double *sorted, size_t n, double limit)
{
    uint64_t count = 0;
    size_t end = n; /* averages of i with j < end are at most the limit; it falls as i rises */

    for (size_t i = 0; i < n; i++) {
        while (end > i && walsh(sorted[i], sorted[end - 1]) > limit) {
            end--;
        }
        if (end <= i) {
            break;
        }
        count += end - i;
    }
    return count;
}

/* The k-th smallest Walsh average, k from 1, without writing the n (n + 1) / 2 of them down: the
 * smallest double that k of them do not exceed. */
static double nth_average(const double *sorted, size_t n, uint64_t k)
{
    int64_t low = order_of(sorted[0]), high = order_of(sorted[n - 1]);

    while (low < high) {
        /* The average rounded down, without overflow. */
        int64_t middle = (low & high) + ((low ^ high) >> 1);

        if (averages_up_to(sorted, n, at_order(middle)) >= k) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return at_order(low);
}

enum pb_status pb_hodges_lehmann(const double *d, size_t n, double confidence, double *ret_estimate,
                                 struct pb_interval *ret_interval)
{
    double tail;
    size_t kept;

    if (n == 0 || !all_finite(d, n)) {
        return PB_EINVAL;
    }
    PB_CLEANUP(free_doubles) double *sorted = copy_of(d, n, false, &kept);

    if (!sorted) {
        return PB_ENOMEM;
    }
    pb_sort(sorted, n);
    uint64_t count = (uint64_t)n * (n + 1) / 2;
    double wanted = 0.5 * (1 - confidence);
    uint64_t k = n > EXACT_MAX ? normal_order(n, wanted, &tail) : exact_order(n, wanted, &tail);

    *ret_estimate =
        walsh(nth_average(sorted, n, (count + 1) / 2), nth_average(sorted, n, count / 2 + 1));
    if (k == 0) {
        *ret_interval = (struct pb_interval){ (double)NAN, (double)NAN, 0 };
    } else {
        *ret_interval = (struct pb_interval){ nth_average(sorted, n, k),
                                              nth_average(sorted, n, count + 1 - k), 1 - 2 * tail };
    }
    return PB_OK;
}
