#include "poolbench/pool.h"

static const char *const outcome_names[] = {
    [PB_OUTCOME_OK] = "ok",
    [PB_OUTCOME_CLIENT_ERROR] = "client_error",
    [PB_OUTCOME_ERROR] = "error",
    [PB_OUTCOME_REJECTED] = "rejected",
    [PB_OUTCOME_CHECKOUT_TIMEOUT] = "checkout_timeout",
    [PB_OUTCOME_OPERATION_TIMEOUT] = "operation_timeout",
    [PB_OUTCOME_WORKER_LOST] = "worker_lost",
    [PB_OUTCOME_CANCELLED] = "cancelled",
};
_Static_assert(PB_ARRAY_LEN(outcome_names) == PB_OUTCOME_COUNT, "name every outcome");

static const char *const event_names[] = {
    [PB_POOL_WORKER_UP] = "worker_up",     [PB_POOL_WORKER_FIRST_OK] = "worker_first_ok",
    [PB_POOL_WORKER_DOWN] = "worker_down", [PB_POOL_WORKER_STUCK] = "worker_stuck",
    [PB_POOL_WORKER_BACK] = "worker_back", [PB_POOL_WORKER_FAILED] = "worker_failed",
};
_Static_assert(PB_ARRAY_LEN(event_names) == PB_POOL_EVENT_COUNT, "name every event");

static const char *const strategy_names[] = {
    [PB_STRATEGY_LIFO] = "lifo",
    [PB_STRATEGY_FIFO] = "fifo",
};
_Static_assert(PB_ARRAY_LEN(strategy_names) == PB_STRATEGY_COUNT, "name every strategy");

const char *pb_outcome_name(enum pb_outcome outcome)
{
    return (unsigned)outcome < PB_OUTCOME_COUNT ? outcome_names[outcome] : "?";
}

const char *pb_pool_event_name(enum pb_pool_event_kind kind)
{
    return (unsigned)kind < PB_POOL_EVENT_COUNT ? event_names[kind] : "?";
}

const char *pb_strategy_name(enum pb_strategy strategy)
{
    return (unsigned)strategy < PB_STRATEGY_COUNT ? strategy_names[strategy] : "?";
}
