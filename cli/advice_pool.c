#include <math.h>

#include "base/quantity.h"
#include "cli/advice.h"

static void advise_timeouts(FILE *out, const struct pb_scenario *scenario)
{
    const struct pb_scenario_pool *pool = &scenario->pool;
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    if (pool->checkout_timeout_ns > pool->operation_timeout_ns) {
        (void)fprintf(out,
                      "    a request may wait %s for a worker (checkout_timeout) and then work for "
                      "%s at most (operation_timeout): the outer deadline is usually the longer\n",
                      pb_format_duration(pool->checkout_timeout_ns, a),
                      pb_format_duration(pool->operation_timeout_ns, b));
    }
    if (pool->profile == PB_PROFILE_PROCESS && pool->kill_after_ns > pool->stuck_after_ns) {
        (void)
            fprintf(out,
                    "    a worker that does not end counts as stuck after %s (stuck_after), before "
                    "it is killed after %s (kill_after)\n",
                    pb_format_duration(pool->stuck_after_ns, a),
                    pb_format_duration(pool->kill_after_ns, b));
    }
    if (pool->health_check_interval_ns > 0 &&
        pool->health_check_timeout_ns > pool->health_check_interval_ns) {
        (void)fprintf(out,
                      "    a health check may last %s (health_check_timeout) and the next is due "
                      "every %s (health_check_interval)\n",
                      pb_format_duration(pool->health_check_timeout_ns, a),
                      pb_format_duration(pool->health_check_interval_ns, b));
    }
}

/* What each command may take must fit into what all of them together may. */
static void advise_prepare(FILE *out, const struct pb_scenario *scenario)
{
    const struct pb_scenario_worker *worker = &scenario->worker;
    double sum_ns = 0;
    char a[PB_QUANTITY_TEXT], b[PB_QUANTITY_TEXT];

    for (size_t i = 0; i < worker->prepare_count; i++) {
        sum_ns += (double)worker->prepare[i].timeout_ns;
    }
    if (sum_ns > (double)scenario->pool.prepare_timeout_ns) {
        (void)fprintf(out,
                      "    warming a worker may take %s by its commands' timeouts, and "
                      "pool.prepare_timeout ends it after %s\n",
                      pb_format_duration((int64_t)fmin(sum_ns, 9e18), a),
                      pb_format_duration(scenario->pool.prepare_timeout_ns, b));
    }
}

static void advise_sessions(FILE *out, const struct pb_scenario *scenario)
{
    if (scenario->pool.affinity_ttl_ns > 0 && scenario->sessions == 0) {
        (void)fprintf(out, "    pool.affinity_ttl has no effect: no request belongs to a session; "
                           "set sessions\n");
    } else if (scenario->sessions > 0 && scenario->pool.affinity_ttl_ns == 0) {
        (void)fprintf(out, "    sessions has no effect: no worker remembers any; set "
                           "pool.affinity_ttl\n");
    }
}

void pb_advise_pool(FILE *out, const struct pb_scenario *scenario)
{
    advise_timeouts(out, scenario);
    advise_prepare(out, scenario);
    advise_sessions(out, scenario);
}
