#include <pthread.h>

#include "pool/futex.h"
#include "pool/pool_internal.h"
#include "support/test.h"

PB_TEST(token_sleep_ends_at_the_instant_and_says_that_nobody_asked)
{
    struct pb_hand_clock hand;

    pb_hand_clock_init(&hand, 50);
    struct pb_token token = { .clock = &hand.clock };

    ck_assert(!pb_token_cancelled(&token));
    ck_assert(!pb_token_sleep_until(&token, 50));
    ck_assert(!pb_token_sleep_until(&token, -1));
}

PB_TEST(token_sleep_does_not_begin_once_it_was_asked_to_stop)
{
    struct pb_token token = { .clock = pb_clock_real() };

    atomic_store(&token.set, 1);
    ck_assert(pb_token_cancelled(&token));
    ck_assert(pb_token_sleep_until(&token, INT64_MAX));
}

static void *set_token(void *arg)
{
    struct pb_token *token = arg;

    atomic_store(&token->set, 1);
    pb_futex_wake(&token->set);
    return NULL;
}

static void sleep_until_set(const struct pb_clock *clock)
{
    struct pb_token token = { .clock = clock };
    pthread_t thread;

    ck_assert_int_eq(0, pthread_create(&thread, NULL, set_token, &token));
    ck_assert(pb_token_sleep_until(&token, INT64_MAX));
    ck_assert_int_eq(0, pthread_join(thread, NULL));
}

PB_TEST(token_wakes_its_sleeper)
{
    sleep_until_set(pb_clock_real());
}

PB_TEST(token_wakes_its_sleeper_on_a_clock_that_stands)
{
    struct pb_hand_clock hand;

    pb_hand_clock_init(&hand, 0);
    sleep_until_set(&hand.clock);
}
