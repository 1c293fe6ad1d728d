#include "harness/load_internal.h"
#include "harness/pacing.h"

/* Makes the pool's changes at their times: a thread of its own, since a fault may take its time. */

/* The effective settings, in the terms of a change. */
static struct pb_pool_change settings_of(const struct pb_pool_config *config)
{
    return (struct pb_pool_change){ .size = config->size,
                                    .max_overflow = config->max_overflow,
                                    .queue_limit = config->queue_limit,
                                    .overflow_ttl_ns = config->overflow_ttl_ns,
                                    .overflow_after_ns = config->overflow_after_ns,
                                    .checkout_timeout_ns = config->checkout_timeout_ns,
                                    .operation_timeout_ns = config->operation_timeout_ns,
                                    .strategy = (int64_t)config->strategy };
}

static void make_change(struct pb_load *load, uint32_t number, struct pb_pool_config *now)
{
    const struct pb_live_change *change = &load->config.scenario->changes[number];
    struct pb_error err = { .text = "" };
    struct pb_load_event event = { .kind = PB_LOAD_CHANGE,
                                   .number = number,
                                   .backlog_oldest_ns = -1,
                                   .slot = PB_NO_WORKER,
                                   .before = settings_of(now) };

    event.at_ns = pb_now_ns() - atomic_load(&load->start_ns);
    if (pb_backend_reconfigure(&load->backend, &change->set, now, &err) != PB_OK) {
        event.refused = err.text;
    }
    event.after = settings_of(now);
    if (load->config.event) {
        load->config.event(load->config.ctx, &event);
    }
}

void *pb_changes_main(void *ctx)
{
    struct pb_load *load = ctx;
    struct pb_pool_config now;
    int64_t due_ns;

    pb_pacing_prepare_thread();
    pb_load_pool_config(&load->config, &now);
    for (uint32_t i = 0; i < load->config.scenario->change_count; i++) {
        if (!pb_load_wait_until(load, load->config.scenario->changes[i].at_ns, &due_ns)) {
            break;
        }
        make_change(load, i, &now);
    }
    return NULL;
}
