#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "harness/scenario_internal.h"

static enum pb_status make_constant(const double *p, struct pb_dist *ret_dist, struct pb_error *err)
{
    return pb_dist_constant(p[0], ret_dist, err);
}

static enum pb_status make_uniform(const double *p, struct pb_dist *ret_dist, struct pb_error *err)
{
    return pb_dist_uniform(p[0], p[1], ret_dist, err);
}

static enum pb_status make_exponential(const double *p, struct pb_dist *ret_dist,
                                       struct pb_error *err)
{
    return pb_dist_exponential(p[0], ret_dist, err);
}

static enum pb_status make_mean_p99(const double *p, struct pb_dist *ret_dist, struct pb_error *err)
{
    return pb_dist_lognormal_mean_p99(p[0], p[1], ret_dist, err);
}

static enum pb_status make_p50_p99(const double *p, struct pb_dist *ret_dist, struct pb_error *err)
{
    return pb_dist_lognormal_p50_p99(p[0], p[1], ret_dist, err);
}

static enum pb_status make_median_sigma(const double *p, struct pb_dist *ret_dist,
                                        struct pb_error *err)
{
    return pb_dist_lognormal_median_sigma(p[0], p[1], ret_dist, err);
}

static const struct pb_dist_form dist_forms[] = {
    { "constant", { "value" }, make_constant },
    { "uniform", { "min", "max" }, make_uniform },
    { "exponential", { "mean" }, make_exponential },
    { "lognormal", { "mean", "p99" }, make_mean_p99 },
    { "lognormal", { "p50", "p99" }, make_p50_p99 },
    { "lognormal", { "median", "sigma" }, make_median_sigma },
};

const struct pb_dist_form *pb_dist_form_at(size_t i)
{
    return i < PB_ARRAY_LEN(dist_forms) ? &dist_forms[i] : NULL;
}

static bool form_takes(const struct pb_dist_form *form, const char *name)
{
    for (size_t i = 0; i < PB_DIST_FORM_PARAMS && form->params[i]; i++) {
        if (strcmp(form->params[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* "lognormal takes mean and p99, or p50 and p99, or median and sigma". */
static void describe_forms(const char *distribution, char *text, size_t size)
{
    const struct pb_dist_form *form;
    size_t used = (size_t)snprintf(text, size, "%s takes ", distribution);
    bool first = true;

    for (size_t i = 0; (form = pb_dist_form_at(i)) != NULL && used < size; i++) {
        if (strcmp(form->distribution, distribution) == 0) {
            used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", first ? "" : ", or ",
                                     form->params[0], form->params[1] ? " and " : "",
                                     form->params[1] ? form->params[1] : "");
            first = false;
        }
    }
}

/* Whether the members of the object are the form's parameters, no more and no less. */
static bool form_fits(const struct pb_dist_form *form, const struct pb_spot *spot)
{
    const struct pb_dist_form *other;
    bool fits = pb_spot_get(spot, form->params[0]) &&
                (!form->params[1] || pb_spot_get(spot, form->params[1]));

    for (size_t i = 0; fits && (other = pb_dist_form_at(i)) != NULL; i++) {
        for (size_t p = 0; p < PB_DIST_FORM_PARAMS && other->params[p]; p++) {
            fits = fits &&
                   (form_takes(form, other->params[p]) || !pb_spot_get(spot, other->params[p]));
        }
    }
    return fits;
}

static bool make_form(struct pb_binder *binder, const struct pb_dist_form *form,
                      const struct pb_spot *spot, struct pb_dist *ret_dist)
{
    double params[PB_DIST_FORM_PARAMS] = { 0 };
    struct pb_error err = { .status = PB_OK };
    bool good = true;

    for (size_t p = 0; p < PB_DIST_FORM_PARAMS && form->params[p]; p++) {
        const struct pb_field *field = pb_field_under(spot->prefix, form->params[p]);
        const cJSON *node = pb_spot_get(spot, form->params[p]);
        union pb_value value = { .integer = 0 };
        char path[PB_PATH_MAX];

        if (pb_value_read(field, node, &value, &err) != PB_OK) {
            pb_bind_problem(binder, node, pb_spot_path(spot, form->params[p], path), "%s",
                            err.text);
            good = false;
        }
        params[p] = field->type == PB_FIELD_RATIO ? value.number : (double)value.integer;
    }
    if (good && form->make(params, ret_dist, &err) != PB_OK) {
        pb_bind_problem(binder, spot->object, spot->shown, "%s", err.text);
        good = false;
    }
    return good;
}

/* The name of the distribution meant, NULL with a problem. */
static const char *distribution_of(struct pb_binder *binder, const struct pb_spot *spot)
{
    const struct pb_field *field = pb_field_under(spot->prefix, "distribution");
    const cJSON *node = pb_spot_get(spot, "distribution");
    char path[PB_PATH_MAX];

    if (node) {
        int choice = pb_bind_choice(binder, node, field, pb_spot_path(spot, "distribution", path));

        return choice >= 0 ? field->choices[choice] : NULL;
    }
    if (pb_spot_get(spot, "p99")) {
        return "lognormal";
    }
    pb_bind_problem(binder, spot->object, spot->shown,
                    "does not say its distribution: constant, uniform, exponential or lognormal "
                    "(a p99 alone means lognormal)");
    return NULL;
}

static bool bind_object(struct pb_binder *binder, const struct pb_spot *spot,
                        struct pb_dist *ret_dist)
{
    const struct pb_dist_form *form;
    char takes[160];

    bool known = pb_bind_check_names(binder, spot);
    const char *distribution = distribution_of(binder, spot);

    if (!known || !distribution) {
        return false;
    }
    for (size_t i = 0; (form = pb_dist_form_at(i)) != NULL; i++) {
        if (strcmp(form->distribution, distribution) == 0 && form_fits(form, spot)) {
            return make_form(binder, form, spot, ret_dist);
        }
    }
    describe_forms(distribution, takes, sizeof(takes));
    pb_bind_problem(binder, spot->object, spot->shown, "%s, and nothing else", takes);
    return false;
}

struct pb_dist pb_bind_constant(int64_t value_ns)
{
    struct pb_dist dist = { .kind = PB_DIST_CONSTANT };
    enum pb_status status = pb_dist_constant((double)value_ns, &dist, NULL);

    assert(status == PB_OK);
    (void)status;
    return dist;
}

bool pb_bind_dist(struct pb_binder *binder, const cJSON *node, const char *path,
                  struct pb_dist *ret_dist)
{
    const struct pb_field *value_field = pb_field_find("workload.service.value");
    struct pb_error err = { .status = PB_OK };
    union pb_value value = { .integer = 0 };

    if (cJSON_IsObject(node)) {
        struct pb_spot spot;

        pb_spot_init(&spot, node, "workload.service.", path);
        return bind_object(binder, &spot, ret_dist);
    }
    if (!cJSON_IsString(node) && !cJSON_IsNumber(node)) {
        pb_bind_problem(binder, node, path,
                        "must be a duration such as \"5ms\" or a distribution such as "
                        "{ \"p50\": \"3ms\", \"p99\": \"25ms\" }, not %s",
                        pb_node_kind(node));
        return false;
    }
    if (pb_value_read(value_field, node, &value, &err) != PB_OK ||
        pb_dist_constant((double)value.integer, ret_dist, &err) != PB_OK) {
        pb_bind_problem(binder, node, path, "%s", err.text);
        return false;
    }
    return true;
}
