/* Workers that keep to the protocol, and workers that each break one rule of it: the check of that
 * rule says so, and the others do not. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness/conform.h"
#include "support/test.h"

/* A worker of lines in which one case of the loop may be replaced. */
#define LOOP(cases)                                                                     \
    "while read -r word id command args; do case $word in " cases " init) echo ready;;" \
    " request) case $command in"                                                        \
    "   echo) printf 'ok %s %s\\n' $id \"$args\";;"                                     \
    "   *) echo client_error $id unknown;; esac;;"                                      \
    " ping) echo pong $id;;"                                                            \
    " shutdown) exit 0;;"                                                               \
    " esac; done"

static struct pb_conform_report try_worker(const char *script)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    struct pb_conform_config config = {
        .argv = argv, .wire = PB_WIRE_LINES, .lanes = 4, .timeout_ns = 2 * PB_NS_PER_S
    };
    struct pb_conform_report report;
    struct pb_error err = { .text = "" };

    ck_assert_msg(pb_conform(&config, &report, &err) == PB_OK, "%s", err.text);
    return report;
}

PB_TEST(a_worker_that_keeps_to_the_protocol_passes)
{
    struct pb_conform_report report = try_worker(LOOP(""));

    for (size_t i = 0; i < report.count; i++) {
        ck_assert_msg(report.checks[i].result != PB_CHECK_FAIL, "%s: %s", report.checks[i].name,
                      report.checks[i].text);
    }
    ck_assert_uint_eq(0, report.failed);
    ck_assert_uint_ge(report.passed, 13);
}

PB_TEST(each_broken_rule_is_found_by_its_check)
{
    static const struct {
        const char *script, *check, *text;
    } cases[] = {
        { LOOP("init) echo hello;;"), "answers init with ready", "wrote garbage instead of ready" },
        { LOOP("init) exit 3;;"), "answers init with ready", "left with exit code 3" },
        { LOOP("init) kill -9 $$;;"), "answers init with ready", "was killed by SIGKILL" },
        { LOOP("request) [ $command = echo ] && printf 'ok %s %s\\n' $id \"$args\" || exit 1;;"),
          "answers an unknown command with an error", "left with exit code 1" },
        { LOOP("request) printf 'ok %s %s\\n' $id \"$args\";;"),
          "answers an unknown command with an error", "was not answered with an error" },
        { LOOP("ping) echo ok $id;;"), "answers ping", "with another kind" },
        { LOOP("ping) echo pong 5;;"), "answers ping", "answered id 5 when asked with id" },
        { LOOP("cancel) echo cancelled;;"), "tolerates cancel", "wrote garbage" },
        { LOOP("cancel) echo ok 3;;"), "tolerates cancel", "answered id 3" },
        { LOOP("shutdown) exit 7;;"), "leaves at shutdown with exit code 0", "exit code 7" },
        { LOOP("shutdown) echo bye; kill -TERM $$;;"), "leaves at shutdown with exit code 0",
          "was killed by SIGTERM, wanted exit code 0" },
        { LOOP("shutdown) ;;"), "leaves at shutdown with exit code 0", "still there after 2 s" },
        { LOOP("") "; sleep 1000", "leaves at end of file", "still there after 2 s" },
        { LOOP("request) [ $command = echo ] && echo \"ok $id 5\" || echo error $id;;"),
          "answers a request", "echo answered 5, not what it was sent" },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(cases); i++) {
        struct pb_conform_report report = try_worker(cases[i].script);
        bool found = false;

        ck_assert_uint_gt(report.failed, 0);
        for (size_t k = 0; k < report.count; k++) {
            const struct pb_conform_check *check = &report.checks[k];

            if (strcmp(check->name, cases[i].check) == 0) {
                found = true;
                ck_assert_msg(check->result == PB_CHECK_FAIL, "%s passed: %s", check->name,
                              cases[i].script);
                ck_assert_msg(strstr(check->text, cases[i].text) != NULL,
                              "%s\n wanted: %s\n got:    %s", check->name, cases[i].text,
                              check->text);
            }
        }
        ck_assert_msg(found, "no check \"%s\"", cases[i].check);
    }
}

PB_TEST(a_program_that_does_not_exist_is_no_report)
{
    const char *const argv[] = { "no-such-program-anywhere", NULL };
    struct pb_conform_config config = { .argv = argv, .lanes = 1, .timeout_ns = PB_NS_PER_S };
    struct pb_conform_report report;
    struct pb_error err = { .text = "" };

    ck_assert_int_eq(PB_EINVAL, pb_conform(&config, &report, &err));
    ck_assert_str_eq("cannot start 'no-such-program-anywhere': No such file or directory",
                     err.text);
}

PB_TEST(a_stop_ends_the_waiting)
{
    const char *const argv[] = { "sleep", "1000", NULL };
    static const _Atomic int stop = SIGINT;
    struct pb_conform_config config = {
        .argv = argv, .lanes = 1, .timeout_ns = 1000 * PB_NS_PER_S, .stop = &stop
    };
    struct pb_conform_report report;

    ck_assert_int_eq(PB_ECANCELED, pb_conform(&config, &report, NULL));
}
