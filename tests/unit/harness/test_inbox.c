#include "base/clock.h"
#include "harness/inbox.h"
#include "support/test.h"

PB_TEST(an_inbox_gives_all_at_once_the_latest_first)
{
    struct pb_inbox inbox = { .asleep = 0 };
    struct pb_inbox_item items[3];

    ck_assert_ptr_null(pb_inbox_take(&inbox));
    for (int i = 0; i < 3; i++) {
        pb_inbox_put(&inbox, &items[i]);
    }
    struct pb_inbox_item *item = pb_inbox_take(&inbox);

    for (int i = 2; i >= 0; i--, item = item->next) {
        ck_assert_ptr_eq(item, &items[i]);
    }
    ck_assert_ptr_null(item);
    ck_assert_ptr_null(pb_inbox_take(&inbox));
}

/* Were it to sleep, the test would time out. */
PB_TEST(who_has_something_in_the_inbox_does_not_sleep)
{
    struct pb_inbox inbox = { .asleep = 0 };
    struct pb_inbox_item item;

    pb_inbox_put(&inbox, &item);
    pb_inbox_sleep(&inbox, INT64_MAX);
    ck_assert_ptr_eq(&item, pb_inbox_take(&inbox));
    pb_inbox_sleep(&inbox, 1); /* long past */
}
