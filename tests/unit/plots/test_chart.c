#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "made_folder.h"
#include "plots/chart.h"
#include "plots/gnuplot.h"
#include "plots/journal.h"
#include "support/alloc.h"
#include "support/test.h"

/* Where tests keep their pictures when a person wants to look at them. */
static const char *picture_folder(void)
{
    const char *kept = getenv("PB_KEEP_CHARTS");

    return kept ? kept : pb_test_folder();
}

static bool have_gnuplot(void)
{
    char *path = NULL;
    bool have = pb_gnuplot_find(&path) == PB_OK;

    free(path);
    return have;
}

static void in(const char *folder, const char *name, char *path)
{
    ck_assert_int_lt(snprintf(path, 300, "%s/%s", folder, name), 300);
}

static bool exists(const char *folder, const char *name)
{
    char path[300];

    in(folder, name, path);
    return access(path, F_OK) == 0;
}

/* Each of the three files is there, and the picture is XML with that many times `word`. */
static void assert_chart(const char *folder, const char *name, const char *word)
{
    char file[64];

    (void)snprintf(file, sizeof(file), "charts/%s.gp", name);
    ck_assert_msg(exists(folder, file), "%s", file);
    (void)snprintf(file, sizeof(file), "charts/%s.tsv", name);
    ck_assert_msg(exists(folder, file), "%s", file);
    if (!have_gnuplot()) {
        return;
    }
    (void)snprintf(file, sizeof(file), "charts/%s.svg", name);
    char *svg = pb_made_read(folder, file);

    ck_assert_msg(svg != NULL, "%s is missing", file);
    ck_assert_msg(pb_made_is_xml(svg), "%s is not XML", file);
    ck_assert_msg(strstr(svg, word) != NULL, "%s does not say \"%s\"", file, word);
    free(svg);
}

static void draw(const char *folder, struct pb_chart_report *report)
{
    struct pb_chart_options options = { .png = getenv("PB_KEEP_CHARTS") != NULL };
    struct pb_error err = { 0 };
    enum pb_status status = pb_charts_run(folder, &options, report, &err);

    ck_assert_msg(status == PB_OK, "%s: %s", pb_status_name(status), err.text);
}

static const struct pb_made_run plain = {
    .name = "checkout-spike", .scale = 1, .window_s = 0.2, .seed = 42, .spikes = 1
};

PB_TEST(a_run_gets_a_percentile_plot_and_a_timeline)
{
    char folder[300];
    struct pb_chart_report report = { 0 };

    in(picture_folder(), "run", folder);
    pb_made_run_folder(folder, &plain);
    draw(folder, &report);
    ck_assert_uint_eq(2, report.scripts);
    ck_assert_uint_eq(have_gnuplot() ? 2 : 0, report.written);
    assert_chart(folder, "percentiles", "steady");
    assert_chart(folder, "percentiles", "p99 &lt; 50 ms");
    assert_chart(folder, "timeline", "recover");
    assert_chart(folder, "timeline", "not recorded");
    assert_chart(folder, "timeline", "kill_worker 0");
    assert_chart(folder, "timeline", "slow_worker 1 x5");

    /* What lasts has a band from its beginning to its end; what comes and goes at once has none. */
    char *script = pb_made_read(folder, "charts/timeline.gp");

    ck_assert_ptr_nonnull(script);
    ck_assert_ptr_nonnull(
        strstr(script, "object 1000 rectangle from first 3, graph 0 to first 3.5, graph 1 "));
    ck_assert_ptr_null(strstr(script, "object 1001 "));
    free(script);
}

PB_TEST(a_tune_gets_its_trajectory)
{
    char folder[300];
    struct pb_chart_report report = { 0 };
    struct pb_chart_options options = { .png = getenv("PB_KEEP_CHARTS") != NULL };

    const char *top = picture_folder();

    for (int many = 0; many < 2; many++) {
        in(top, many ? "tune-many" : "tune", folder);
        pb_made_tune_folder(folder, "checkout", many != 0, many == 0);
        PB_ASSERT_OK(pb_charts_tune(folder, &options, &report, NULL));
        ck_assert_uint_eq(1, report.scripts);
        assert_chart(folder, "trajectory", "pool.size");
        assert_chart(folder, "trajectory", "rolled back");
        assert_chart(folder, "trajectory", many ? "not finished" : "confirmation");
    }
}

PB_TEST(a_set_shows_the_range_over_its_runs)
{
    char folder[300];
    struct pb_chart_report report = { 0 };

    in(picture_folder(), "set", folder);
    pb_made_set_folder(folder, &plain, 3);
    draw(folder, &report);
    ck_assert_uint_eq(8, report.scripts);
    assert_chart(folder, "percentiles", "in each of 3 runs");
}

static void report(const char *folder, const char *const *others, unsigned count)
{
    char *path = NULL;
    struct pb_error err = { 0 };
    enum pb_status status = pb_report_html(folder, others, count, &path, &err);

    ck_assert_msg(status == PB_OK, "%s: %s", pb_status_name(status), err.text);
    ck_assert_ptr_nonnull(strstr(path, "/report.html"));
    free(path);
}

/* What a shell, gnuplot or a browser might act upon.  Each would leave the file `marker`. */
static const char *const nasty[] = {
    "`touch marker`",
    "$(touch marker)",
    "'; system('touch marker'); '",
    "\"; system(\"touch marker\"); \"",
    "x\n!touch marker\n",
    "x\nsystem('touch marker')\n",
    "@marker @x",
    "< touch marker",
    "|touch marker",
    "]]><script>alert(1)</script>]]>",
    "]]\x01>&amp;&#0;<b onclick='x'>",
    "<img src=x onerror=alert(1)>\\",
    "tab\tquote\"comma,semicolon;#comment",
    "{/Symbol a}_{b}^{c} %s %n %1 \\n \\",
    "\xe2\x80\xaeright to left\xe2\x80\xac \xef\xbf\xbe \xc2\x85",
    "EOD\nEOF\n$D << EOD\nset output '|touch marker'\n",
};

static void assert_harmless(const char *folder, const char *const *charts)
{
    static const char *const places[] = { "marker", "charts/marker" };
    char name[64];

    for (size_t i = 0; i < PB_ARRAY_LEN(places); i++) {
        ck_assert_msg(!exists(folder, places[i]), "%s was made", places[i]);
    }
    ck_assert_msg(access("marker", F_OK) != 0, "marker was made");
    for (; *charts; charts++) {
        assert_chart(folder, *charts, "");
    }
    char *html = pb_made_read(folder, "report.html");

    ck_assert_ptr_nonnull(html);
    ck_assert_ptr_null(strstr(html, "<script"));
    ck_assert_ptr_null(strstr(html, "<img"));
    ck_assert_ptr_null(strstr(html, "<b onclick"));
    (void)snprintf(name, sizeof(name), "</html>");
    ck_assert_ptr_nonnull(strstr(html, name));
    free(html);
}

PB_TEST_TIMEOUT(names_in_a_run_never_run_or_break_anything, 120)
{
    static const char *const charts[] = { "percentiles", "timeline", NULL };
    struct pb_chart_report drawn;
    char folder[300], name[16];
    const char *top = picture_folder();

    for (size_t i = 0; i < PB_ARRAY_LEN(nasty); i++) {
        struct pb_made_run made = { .name = nasty[i], .scale = 1, .window_s = 1, .seed = 1 };

        (void)snprintf(name, sizeof(name), "nasty-%zu", i);
        in(top, name, folder);
        pb_made_run_folder(folder, &made);
        draw(folder, &drawn);
        report(folder, NULL, 0);
        assert_harmless(folder, charts);
    }
}

PB_TEST(the_commands_of_a_tune_page_can_be_pasted_into_a_shell)
{
    char folder[300];

    in(picture_folder(), "tune-commands", folder);
    pb_made_tune_folder(folder, "it's $(x).json", false, true);
    report(folder, NULL, 0);
    char *html = pb_made_read(folder, "report.html");

    ck_assert_ptr_nonnull(html);
    /* Quoted for a shell, then as a page writes it, a line of its own for each command. */
    ck_assert_ptr_nonnull(strstr(html,
                                 " &#39;it&#39;\\&#39;&#39;s $(x).json&#39;\npoolbench rollback "
                                 "&#39;it"));
    free(html);
}

PB_TEST_TIMEOUT(names_in_a_tune_never_run_or_break_anything, 120)
{
    static const char *const charts[] = { "trajectory", NULL };
    struct pb_chart_options options = { .png = false };
    struct pb_chart_report drawn;
    char folder[300], name[32];
    const char *top = picture_folder();

    for (size_t i = 0; i < PB_ARRAY_LEN(nasty); i++) {
        (void)snprintf(name, sizeof(name), "nasty-tune-%zu", i);
        in(top, name, folder);
        pb_made_tune_folder(folder, nasty[i], true, true);
        PB_ASSERT_OK(pb_charts_tune(folder, &options, &drawn, NULL));
        report(folder, NULL, 0);
        assert_harmless(folder, charts);
    }
}

PB_TEST(random_bytes_in_names_never_run_or_break_anything)
{
    static const char *const charts[] = { "percentiles", "timeline", NULL };
    static const char alphabet[] = "`'\"\\@<>|!$(){}&;#%\n\t]]>-/ax\x01\x7f";
    struct pb_chart_report drawn;
    char folder[300], text[48];
    unsigned state = 12345;

    in(picture_folder(), "random", folder);
    for (int round = 0; round < 12; round++) {
        for (size_t i = 0; i + 1 < sizeof(text); i++) {
            state = state * 1664525u + 1013904223u;
            text[i] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
        }
        text[sizeof(text) - 1] = '\0';
        struct pb_made_run made = { .name = text, .scale = 1, .window_s = 2, .seed = round };

        pb_made_run_folder(folder, &made);
        draw(folder, &drawn);
        report(folder, NULL, 0);
        assert_harmless(folder, charts);
    }
}

PB_TEST(a_run_without_any_ok_request_says_so)
{
    struct pb_made_run made = plain;
    struct pb_chart_report drawn;
    char folder[300];

    made.empty = true;
    in(picture_folder(), "empty", folder);
    pb_made_run_folder(folder, &made);
    draw(folder, &drawn);
    report(folder, NULL, 0);
    assert_chart(folder, "percentiles", "No request ended ok");
    assert_chart(folder, "timeline", "no request ended ok");
}

PB_TEST(a_run_without_windows_still_has_a_timeline)
{
    struct pb_made_run made = plain;
    struct pb_chart_report drawn;
    char folder[300];

    made.no_windows = true;
    in(picture_folder(), "no-windows", folder);
    pb_made_run_folder(folder, &made);
    draw(folder, &drawn);
    assert_chart(folder, "timeline", "no request ended ok");
}

PB_TEST(a_run_without_histograms_is_drawn_from_its_summary)
{
    struct pb_made_run made = plain;
    struct pb_chart_report drawn;
    char folder[300];

    made.no_hlog = true;
    in(picture_folder(), "summary", folder);
    pb_made_run_folder(folder, &made);
    draw(folder, &drawn);
    assert_chart(folder, "percentiles", "10 000 requests");
}

PB_TEST(many_windows_are_joined_and_many_phases_merged)
{
    struct pb_made_run made = { .name = "storm", .scale = 0.01, .window_s = 0.05, .spikes = 8 };
    struct pb_chart_report drawn;
    char folder[300];
    size_t lines = 0;

    in(picture_folder(), "storm", folder);
    pb_made_run_folder(folder, &made);
    draw(folder, &drawn);
    assert_chart(folder, "timeline", "each point joins 3 windows");
    assert_chart(folder, "percentiles", "all recorded phases together");
    char *data = pb_made_read(folder, "charts/timeline.tsv");

    for (const char *at = data; *at; at++) {
        lines += *at == '\n';
    }
    free(data);
    ck_assert_uint_le(lines, 302);
}

PB_TEST(runs_are_overlaid_with_their_names)
{
    struct pb_made_run made = plain;
    struct pb_chart_options options = { .png = getenv("PB_KEEP_CHARTS") != NULL };
    struct pb_chart_report drawn = { 0 };
    char one[300], other[300], set[300];
    const char *top = picture_folder();

    in(top, "overlaid", one);
    in(top, "other-run", other);
    in(top, "overlaid-set", set);
    pb_made_run_folder(one, &plain);
    made.scale = 0.7;
    pb_made_run_folder(other, &made);
    made.scale = 1.4;
    pb_made_set_folder(set, &made, 3);
    const char *folders[] = { one, other, set };

    PB_ASSERT_OK(pb_charts_overlay(folders, 3, one, &options, &drawn, NULL));
    ck_assert_uint_eq(1, drawn.scripts);
    assert_chart(one, "overlay", "in each of 3 runs");
    PB_ASSERT_STATUS(PB_EINVAL, pb_charts_overlay(folders, 1, one, &options, &drawn, NULL));
    draw(one, &drawn);
    report(one, &folders[1], 2);
    char *html = pb_made_read(one, "report.html");

    ck_assert_ptr_nonnull(html);
    ck_assert(!have_gnuplot() || strstr(html, "id=\"c2-gnuplot_canvas\"") != NULL);
    free(html);
}

PB_TEST(a_png_is_drawn_on_request_from_the_same_script)
{
    struct pb_chart_options options = { .png = true };
    struct pb_chart_report drawn = { 0 };
    char folder[300];

    in(pb_test_folder(), "png", folder);
    pb_made_run_folder(folder, &plain);
    PB_ASSERT_OK(pb_charts_run(folder, &options, &drawn, NULL));
    ck_assert(exists(folder, "charts/percentiles.png") == have_gnuplot());
    ck_assert(exists(folder, "charts/timeline.png") == have_gnuplot());
    ck_assert(!exists(folder, "charts/.percentiles-png.gp"));
    /* A later drawing without it leaves no older picture behind. */
    options.png = false;
    PB_ASSERT_OK(pb_charts_run(folder, &options, &drawn, NULL));
    ck_assert(!exists(folder, "charts/percentiles.png"));
}

PB_TEST(without_gnuplot_scripts_and_data_are_still_written)
{
    char folder[300], *path = strdup(getenv("PATH"));
    struct pb_chart_options options = { .require = false };
    struct pb_chart_report drawn = { 0 };

    in(pb_test_folder(), "bare", folder);
    pb_made_run_folder(folder, &plain);
    ck_assert_int_eq(0, setenv("PATH", "/nowhere::relative", 1));
    PB_ASSERT_OK(pb_charts_run(folder, &options, &drawn, NULL));
    ck_assert(drawn.no_gnuplot);
    ck_assert_uint_eq(2, drawn.scripts);
    ck_assert_uint_eq(0, drawn.written);
    ck_assert(exists(folder, "charts/percentiles.gp") && exists(folder, "charts/timeline.tsv"));
    ck_assert(!exists(folder, "charts/percentiles.svg"));
    report(folder, NULL, 0);
    options.require = true;
    PB_ASSERT_STATUS(PB_ENOTSUP, pb_charts_run(folder, &options, &drawn, NULL));
    ck_assert_int_eq(0, setenv("PATH", path, 1));
    free(path);
}

PB_TEST(a_folder_without_a_result_is_an_error)
{
    struct pb_chart_options options = { .require = false };
    struct pb_chart_report drawn = { 0 };
    struct pb_error err = { 0 };
    char *path = NULL;
    const char *folder = pb_test_folder();

    PB_ASSERT_STATUS(PB_ENOENT, pb_charts_run(folder, &options, &drawn, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "run.json"));
    PB_ASSERT_STATUS(PB_ENOENT, pb_charts_tune(folder, &options, &drawn, &err));
    PB_ASSERT_STATUS(PB_ENOENT, pb_report_html(folder, NULL, 0, &path, &err));
}

/* Running out of memory is told, wherever it happens: never a page with a hole in it. */
PB_TEST(without_memory_a_run_is_not_half_drawn)
{
    struct pb_chart_options options = { .require = false };
    struct pb_made_run made = { .name = "x", .scale = 1, .empty = true, .no_windows = true };
    char run[300], *path = strdup(getenv("PATH"));

    in(pb_test_folder(), "run", run);
    pb_made_run_folder(run, &made);
    ck_assert_int_eq(0, setenv("PATH", "/nowhere", 1));
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_chart_report drawn = { 0 };
        char *page = NULL;
        enum pb_status status = pb_charts_run(run, &options, &drawn, NULL);

        if (status == PB_OK) {
            status = pb_report_html(run, NULL, 0, &page, NULL);
        }
        /* realpath() says it with errno, as a failed system call. */
        ck_assert_msg(pb_alloc_failed() ? status == PB_ENOMEM || status == PB_ESYS
                                        : status == PB_OK,
                      "%s", pb_status_name(status));
        free(page);
    }
    ck_assert_int_eq(0, setenv("PATH", path, 1));
    free(path);
}

PB_TEST(without_memory_a_journal_is_not_half_read)
{
    char folder[300];

    in(pb_test_folder(), "tune", folder);
    pb_made_tune_folder(folder, "x", false, true);
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_journal journal = { 0 };
        enum pb_status status = pb_journal_load(folder, &journal, NULL);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        ck_assert_uint_eq(status == PB_OK ? 28 : 0, journal.count);
        pb_journal_done(&journal);
    }
}

PB_TEST(a_journal_tells_what_became_of_each_trial)
{
    struct pb_journal journal = { 0 };
    unsigned fates[PB_FATE_COUNT] = { 0 };
    char folder[300];

    in(pb_test_folder(), "tune", folder);
    pb_made_tune_folder(folder, "x", false, true);
    PB_ASSERT_OK(pb_journal_load(folder, &journal, NULL));
    for (size_t i = 0; i < journal.count; i++) {
        fates[journal.trials[i].fate]++;
    }
    /* 5 of the noise floor and 4 of the winner; 10 and 8 accepted; 9 no better; 6 and 7 broken. */
    ck_assert_uint_eq(9, fates[PB_FATE_INCUMBENT]);
    ck_assert_uint_eq(4, fates[PB_FATE_ORIGINAL]);
    ck_assert_uint_eq(5, fates[PB_FATE_ACCEPTED]);
    ck_assert_uint_eq(3, fates[PB_FATE_NO_BETTER]);
    ck_assert_uint_eq(4, fates[PB_FATE_ROLLED_BACK]);
    ck_assert_uint_eq(3, fates[PB_FATE_INVALID]);
    ck_assert_uint_eq(0, fates[PB_FATE_OPEN]);
    pb_journal_done(&journal);
}
