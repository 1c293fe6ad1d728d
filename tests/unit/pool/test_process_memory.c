#include "pool/process_internal.h"
#include "support/test.h"

PB_TEST(memory_is_the_proportional_share)
{
    ck_assert_int_eq(1234 * 1024, pb_memory_from_rollup("5580e0000000-7ffd00000000 ---p 00000000 "
                                                        "00:00 0    [rollup]\n"
                                                        "Rss:                2000 kB\n"
                                                        "Pss:                1234 kB\n"
                                                        "Pss_Anon:           1000 kB\n"));
    ck_assert_int_eq(0, pb_memory_from_rollup("x\nPss: 0 kB\n"));
    ck_assert_int_eq(-1, pb_memory_from_rollup("x\nPss_Anon: 12 kB\n"));
    ck_assert_int_eq(-1, pb_memory_from_rollup("x\nPss: many kB\n"));
    ck_assert_int_eq(-1, pb_memory_from_rollup(""));
}

PB_TEST(memory_is_else_what_is_resident)
{
    ck_assert_int_eq(300 * 4096, pb_memory_from_statm("1000 300 200 1 0 50 0\n", 4096));
    ck_assert_int_eq(-1, pb_memory_from_statm("1000\n", 4096));
    ck_assert_int_eq(-1, pb_memory_from_statm("", 4096));
}

PB_TEST(a_group_is_found_behind_any_name)
{
    ck_assert_int_eq(77, pb_memory_group_from_stat("4 (sh) S 1 77 5 0 -1"));
    ck_assert_int_eq(77, pb_memory_group_from_stat("4 (a) S 1 2) ) R 1 77 5 0 -1"));
    ck_assert_int_eq(-1, pb_memory_group_from_stat("4 sh S 1 77"));
    ck_assert_int_eq(-1, pb_memory_group_from_stat("4 (sh) S 1"));
}
