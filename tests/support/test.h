/*
 * tests/support/test.h - PB_TEST defines a Check test and registers it: there is no list to forget.
 *
 *     PB_TEST(queue_refuses_when_full) { ck_assert_int_eq(...); }
 *
 * The suite is named after the test's file.  PB_TEST=word in the environment runs the tests whose
 * suite or name contains the word.
 */
#ifndef PB_TESTS_SUPPORT_TEST_H
#define PB_TESTS_SUPPORT_TEST_H

#include <check.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "poolbench/error.h"
#include "poolbench/macros.h"

struct pb_test {
    const char *file;
    const char *name;
    const TTest *test;
    double timeout_s;
    struct pb_test *next;
    char suite_name[48];
    Suite *suite; /* shared by the tests of one file */
};

void pb_test_register(struct pb_test *test);

/* A test with a limit of its own, in seconds. */
#define PB_TEST_TIMEOUT(id, seconds)                                                               \
    static void pb_body_##id(void);                                                                \
    START_TEST(id)                                                                                 \
    {                                                                                              \
        pb_body_##id();                                                                            \
    }                                                                                              \
    END_TEST                                                                                       \
    static struct pb_test pb_entry_##id = { .file = __FILE__, .name = #id, .timeout_s = seconds }; \
    __attribute__((constructor)) static void pb_register_##id(void)                                \
    {                                                                                              \
        pb_entry_##id.test = id;                                                                   \
        pb_test_register(&pb_entry_##id);                                                          \
    }                                                                                              \
    static void pb_body_##id(void)

#define PB_TEST(id) PB_TEST_TIMEOUT(id, 60)

/* Fails with the error's own text. */
#define PB_ASSERT_OK(expr)                                                         \
    do {                                                                           \
        enum pb_status pb_got_ = (expr);                                           \
        ck_assert_msg(pb_got_ == PB_OK, "%s: %s", #expr, pb_status_name(pb_got_)); \
    } while (0)
#define PB_ASSERT_STATUS(want, expr)                                                               \
    do {                                                                                           \
        enum pb_status pb_got_ = (expr), pb_want_ = (want);                                        \
        ck_assert_msg(pb_got_ == pb_want_, "%s: want %s, got %s", #expr, pb_status_name(pb_want_), \
                      pb_status_name(pb_got_));                                                    \
    } while (0)
#define PB_ASSERT_NEAR(want, got, tolerance)                                           \
    do {                                                                               \
        double pb_w_ = (want), pb_g_ = (got), pb_t_ = (tolerance);                     \
        ck_assert_msg(pb_g_ >= pb_w_ - pb_t_ && pb_g_ <= pb_w_ + pb_t_,                \
                      "%s: want %.12g +- %.3g, got %.12g", #got, pb_w_, pb_t_, pb_g_); \
    } while (0)

/* A fresh empty folder for this test, removed at exit.  Static storage. */
const char *pb_test_folder(void);

#endif
