#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "harness/monitor.h"
#include "harness/proc.h"
#include "support/test.h"

PB_TEST(proc_stat_counts_guest_time_once_and_keeps_steal_apart)
{
    struct pb_cpu_times times = { 0 };

    PB_ASSERT_OK(pb_parse_proc_stat("cpu  100 20 30 4000 50 6 7 80 90 10\ncpu0 1 2 3 4\n", &times));
    ck_assert_uint_eq(times.busy, 100 + 20 + 30 + 6 + 7);
    ck_assert_uint_eq(times.idle, 4050);
    ck_assert_uint_eq(times.steal, 80);
    ck_assert_uint_eq(times.total, 163 + 4050 + 80);
}

PB_TEST(proc_stat_of_an_old_kernel_and_of_another_file)
{
    struct pb_cpu_times times = { .total = 77 };

    PB_ASSERT_STATUS(PB_EPARSE, pb_parse_proc_stat("intr 1 2 3 4", &times));
    PB_ASSERT_STATUS(PB_EPARSE, pb_parse_proc_stat("", &times));
    ck_assert_uint_eq(times.total, 77);
    PB_ASSERT_OK(pb_parse_proc_stat("cpu 1 2 3 4\n", &times));
    ck_assert_uint_eq(times.total, 10);
    ck_assert_uint_eq(times.steal, 0);
}

PB_TEST(status_lines_are_found_by_their_whole_key)
{
    const char *text = "Name:\tpoolbench\nVmHWMx:\t 1 kB\nVmHWM:\t    4096 kB\nVmRSS:\t 12 kB  \n"
                       "VmSwap:\t  9 MB\n";

    ck_assert_int_eq(pb_parse_status_bytes(text, "VmHWM"), 4096 * 1024);
    ck_assert_int_eq(pb_parse_status_bytes(text, "VmRSS"), 12 * 1024);
    ck_assert_int_eq(pb_parse_status_bytes(text, "VmSwap"), -1);
    ck_assert_int_eq(pb_parse_status_bytes(text, "VmPeak"), -1);
    ck_assert_int_eq(pb_parse_status_bytes("", "VmRSS"), -1);
}

PB_TEST(pressure_takes_the_some_line_only)
{
    ck_assert_int_eq(pb_parse_pressure_us("some avg10=0.00 avg60=1.2 avg300=0.5 total=123456\n"
                                          "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"),
                     123456);
    ck_assert_int_eq(pb_parse_pressure_us("some avg10=0.00\nfull total=99\n"), -1);
    ck_assert_int_eq(pb_parse_pressure_us(""), -1);
}

PB_TEST(cpu_model_has_a_fallback)
{
    char model[32];

    pb_parse_cpu_model("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2GHz\n", "x", model,
                       sizeof(model));
    ck_assert_str_eq(model, "Some CPU @ 2GHz");
    pb_parse_cpu_model("processor : 0\nBogoMIPS : 50.0\n", "aarch64", model, sizeof(model));
    ck_assert_str_eq(model, "aarch64");
}

static struct pb_monitor_sample reading(int64_t at_s)
{
    return (struct pb_monitor_sample){
        .at_ns = at_s * PB_NS_PER_S,
        .have_cpu = true,
        .cpu = { .busy = 1000, .idle = 5000, .steal = 10, .total = 6010 },
        .own_cpu_ns = 3 * PB_NS_PER_S,
        .rss_bytes = 1000,
        .peak_bytes = 9000,
        .pressure_us = 500000,
    };
}

PB_TEST(two_readings_give_ratios)
{
    struct pb_monitor_sample from = reading(100), to = reading(110);
    struct pb_monitor_summary got;

    /* 10 s on 2 CPUs = 2000 ticks: 800 busy, of them 500 ours, 40 stolen. */
    to.cpu = (struct pb_cpu_times){ .busy = 1800, .idle = 6160, .steal = 50, .total = 8010 };
    to.own_cpu_ns += 5 * PB_NS_PER_S;
    to.pressure_us += 2500000;
    to.rss_bytes = 800;
    pb_monitor_between(&from, &to, 100, &got);
    PB_ASSERT_NEAR(0.02, got.steal_ratio, 1e-12);
    PB_ASSERT_NEAR(0.15, got.foreign_cpu_ratio, 1e-12);
    PB_ASSERT_NEAR(0.5, got.process_cpus, 1e-12);
    PB_ASSERT_NEAR(0.25, got.pressure_ratio, 1e-12);
    ck_assert_int_eq(got.peak_rss_bytes, 1000);
    ck_assert_int_eq(got.rss_start_bytes, 1000);
    ck_assert_int_eq(got.duration_ns, 10 * PB_NS_PER_S);

    to.peak_bytes = 9500;
    pb_monitor_between(&from, &to, 100, &got);
    ck_assert_int_eq(got.peak_rss_bytes, 9500);
}

PB_TEST(what_workers_use_of_the_cpu_is_not_foreign)
{
    struct pb_monitor_sample from = reading(100), to = from;
    struct pb_monitor_summary got;

    to.at_ns += 10 * PB_NS_PER_S;
    to.cpu.total += 2000;
    to.cpu.busy += 800;
    to.own_cpu_ns += 1 * PB_NS_PER_S;
    to.children_cpu_ns += 5 * PB_NS_PER_S;
    pb_monitor_between(&from, &to, 100, &got);
    PB_ASSERT_NEAR(0.1, got.foreign_cpu_ratio, 1e-12);
    PB_ASSERT_NEAR(0.1, got.process_cpus, 1e-12);
}

PB_TEST(the_cpu_time_of_a_process_is_found_behind_any_name)
{
    static const char tail[] =
        "S 1 2 3 0 -1 4194560 1 0 0 0 70 30 5 2 20 0 1 0 123 456 789 18446744073709551615";
    static const char *const names[] = { "sh", "a b", "(x) y)", ") 1 2 3" };
    char text[200];

    for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
        (void)snprintf(text, sizeof(text), "4711 (%s) %s", names[i], tail);
        ck_assert_int_eq(107, pb_parse_stat_cpu_ticks(text));
    }
    ck_assert_int_eq(-1, pb_parse_stat_cpu_ticks(""));
    ck_assert_int_eq(-1, pb_parse_stat_cpu_ticks("4711 (sh) S 1 2 3"));
    ck_assert_int_ge(pb_children_cpu_ns(), 0);
}

PB_TEST(what_proc_does_not_say_stays_unknown)
{
    struct pb_monitor_sample from = reading(100), to = reading(101);
    struct pb_monitor_summary got;

    from.have_cpu = false;
    to.pressure_us = -1;
    pb_monitor_between(&from, &to, 100, &got);
    ck_assert(isnan(got.steal_ratio));
    ck_assert(isnan(got.foreign_cpu_ratio));
    ck_assert(isnan(got.pressure_ratio));

    from = to = reading(100);
    pb_monitor_between(&from, &to, 100, &got);
    ck_assert(isnan(got.steal_ratio));
    ck_assert(isnan(got.process_cpus));
}

PB_TEST(monitor_measures_this_process)
{
    struct pb_monitor *monitor = NULL;
    struct pb_monitor_summary got;

    PB_ASSERT_OK(pb_monitor_start(&monitor, NULL));
    pb_monitor_mark(monitor);
    pb_monitor_stop(monitor, &got);
    ck_assert_int_gt(got.peak_rss_bytes, 0);
    ck_assert_int_ge(got.duration_ns, 0);
    pb_monitor_free(monitor);
    pb_monitor_free(NULL);
}

PB_TEST(machine_is_described)
{
    struct pb_machine machine;

    pb_machine_read(&machine);
    ck_assert_int_ge(machine.cpus_online, 1);
    ck_assert_int_ge(machine.cpus_usable, 1);
    ck_assert_int_gt(machine.memory_bytes, 0);
    ck_assert_uint_eq(strlen(machine.hostname_hash), 16);
    ck_assert_ptr_eq(strstr(machine.kernel, "Linux"), machine.kernel);
    ck_assert_uint_gt(strlen(machine.cpu), 0);
}
