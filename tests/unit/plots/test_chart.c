#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "made_folder.h"
#include "plots/chart.h"
#include "plots/gnuplot.h"
#include "support/test.h"

/* Where tests keep their pictures when a person wants to look at them. */
static const char *picture_folder(void)
{
    const char *kept = getenv("PB_KEEP_CHARTS");

    return kept ? kept : pb_test_folder();
}

static bool have_gnuplot(void)
{
    char *path = pb_gnuplot_find();
    bool have = path != NULL;

    free(path);
    return have;
}

static void in(const char *folder, const char *name, char *path)
{
    (void)snprintf(path, 300, "%s/%s", folder, name);
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
}

PB_TEST(a_tune_gets_its_trajectory)
{
    char folder[300];
    struct pb_chart_report report = { 0 };
    struct pb_chart_options options = { .png = getenv("PB_KEEP_CHARTS") != NULL };

    for (int many = 0; many < 2; many++) {
        in(picture_folder(), many ? "tune-many" : "tune", folder);
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
