#include "unit/pool/pool_rig.h"

static void refused(void (*change)(struct pb_pool_config *config), const char *name)
{
    struct pb_rig rig;
    struct pb_error err = { .text = "" };

    pb_rig_init(&rig, 1, 1);
    change(&rig.config);
    PB_ASSERT_STATUS(PB_EINVAL, pb_pool_new(&rig.config, &rig.pool, &err));
    ck_assert_ptr_null(rig.pool);
    ck_assert_int_eq(PB_EINVAL, err.status);
    ck_assert_msg(strstr(err.text, name) && strstr(err.text, "must be"), "%s: %s", name, err.text);
}

#define PB_REFUSES(field, value)                           \
    static void set_##field(struct pb_pool_config *config) \
    {                                                      \
        config->field = value;                             \
    }                                                      \
    PB_TEST(pool_refuses_a_wrong_##field)                  \
    {                                                      \
        refused(set_##field, #field);                      \
    }

PB_REFUSES(size, PB_POOL_MAX_SIZE + 1)
PB_REFUSES(max_overflow, PB_POOL_MAX_SIZE + 1)
PB_REFUSES(queue_limit, PB_POOL_MAX_QUEUE_LIMIT + 1)
PB_REFUSES(max_stuck, UINT32_MAX)
PB_REFUSES(strategy, PB_STRATEGY_COUNT)
PB_REFUSES(overflow_ttl_ns, -1)
PB_REFUSES(overflow_after_ns, -1)
PB_REFUSES(checkout_timeout_ns, 0)
PB_REFUSES(operation_timeout_ns, 0)
PB_REFUSES(init_timeout_ns, 0)
PB_REFUSES(stuck_after_ns, INT64_MAX)
PB_REFUSES(run, NULL)

static void set_no_workers(struct pb_pool_config *config)
{
    config->size = 0;
}

PB_TEST(pool_refuses_to_have_no_worker)
{
    refused(set_no_workers, "size is 0: it must be 1..1024");
}

PB_TEST(pool_defaults_are_the_documented_ones)
{
    struct pb_pool_config config;

    pb_pool_config_default(&config);
    ck_assert_uint_eq(10, config.size);
    ck_assert_uint_eq(0, config.max_overflow);
    ck_assert_uint_eq(1000, config.queue_limit);
    ck_assert_uint_eq(10, config.max_stuck);
    ck_assert_int_eq(PB_STRATEGY_LIFO, config.strategy);
    ck_assert(!config.lazy);
    ck_assert_int_eq(PB_NS_PER_S, config.overflow_ttl_ns);
    ck_assert_int_eq(0, config.overflow_after_ns);
    ck_assert_int_eq(5 * PB_NS_PER_S, config.checkout_timeout_ns);
    ck_assert_int_eq(60 * PB_NS_PER_S, config.operation_timeout_ns);
    ck_assert_int_eq(30 * PB_NS_PER_S, config.init_timeout_ns);
    ck_assert_int_eq(PB_NS_PER_S, config.stuck_after_ns);
    ck_assert_ptr_null(config.clock);
}

PB_TEST(pool_has_a_slot_for_everybody_who_may_be_there)
{
    struct pb_rig rig;

    pb_rig_init(&rig, 2, 0);
    rig.config.max_overflow = 3;
    rig.config.max_stuck = 4;
    pb_rig_start(&rig);
    ck_assert_uint_eq(9, pb_pool_slots(rig.pool));
    ck_assert_uint_eq(2, pb_rig_stats(&rig).alive); /* all of them ready */
    ck_assert_uint_eq(2, pb_rig_events(&rig, PB_POOL_WORKER_UP));
    pb_rig_stop(&rig);
}

PB_TEST(every_outcome_event_and_strategy_has_a_name_of_its_own)
{
    for (int i = 0; i < PB_OUTCOME_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(pb_outcome_name((enum pb_outcome)i),
                             pb_outcome_name((enum pb_outcome)j));
        }
    }
    ck_assert_str_eq("checkout_timeout", pb_outcome_name(PB_OUTCOME_CHECKOUT_TIMEOUT));
    ck_assert_str_eq("worker_first_ok", pb_pool_event_name(PB_POOL_WORKER_FIRST_OK));
    ck_assert_str_eq("fifo", pb_strategy_name(PB_STRATEGY_FIFO));
    ck_assert_str_eq("?", pb_outcome_name(PB_OUTCOME_COUNT));
    ck_assert_str_eq("?", pb_pool_event_name(PB_POOL_EVENT_COUNT));
    ck_assert_str_eq("?", pb_strategy_name(PB_STRATEGY_COUNT));
}
