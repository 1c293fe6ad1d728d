#include "base/nearest.h"
#include "support/test.h"

static const char *const names[] = { "size",         "max_overflow",
                                     "overflow_ttl", "queue_limit",
                                     "strategy",     "checkout_timeout",
                                     "lazy",         "operation_timeout",
                                     "rate",         "a" };

static const struct {
    const char *word;
    const char *name;
} near[] = {
    { "sise", "size" },
    { "size", "size" },
    { "SIZE", "size" },
    { "szie", "size" }, /* two neighbours swapped: distance 1 */
    { "siz", "size" },
    { "sizes", "size" },
    { "rates", "rate" },
    { "maxoverflow", "max_overflow" },
    { "overflow", "max_overflow" }, /* four of twelve letters are missing: just a third */
    { "flow", NULL },
    { "que_limt", "queue_limit" },
    { "checkout_timout", "checkout_timeout" },
    { "checkoutTimeout", "checkout_timeout" },
    { "xy", NULL },
    { "b", NULL }, /* nothing in common with "a" */
    { "A", "a" },
    { "ba", "a" },
    { "completely_different", NULL },
    { "", NULL },
};

PB_TEST(the_nearest_name_is_found_or_none)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(near); i++) {
        const char *got = pb_nearest(near[i].word, names, PB_ARRAY_LEN(names));
        const char *want = near[i].name;

        ck_assert_msg(got == want || (got && want && strcmp(got, want) == 0), "%s: want %s, got %s",
                      near[i].word, want ? want : "none", got ? got : "none");
    }
}

PB_TEST(of_equally_near_names_the_first_is_taken)
{
    static const char *const same[] = { "cart", "card", "care" };

    ck_assert_str_eq("cart", pb_nearest("carx", same, 3));
    ck_assert_str_eq("card", pb_nearest("card", same, 3));
    ck_assert_ptr_null(pb_nearest("card", same, 0));
}

PB_TEST(very_long_words_have_no_near_name)
{
    char word[10001];
    const char *const itself[] = { word };

    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    ck_assert_ptr_null(pb_nearest(word, names, PB_ARRAY_LEN(names)));
    ck_assert_ptr_null(pb_nearest("aaaa", itself, 1));
    word[64] = '\0';
    ck_assert_ptr_eq(word, pb_nearest(word, itself, 1));
}
