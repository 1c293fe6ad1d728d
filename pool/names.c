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
    [PB_POOL_WORKER_LOST] = "worker_lost", [PB_POOL_WORKER_HEALTH] = "worker_health",
    [PB_POOL_CONFIGURED] = "configured",
};
_Static_assert(PB_ARRAY_LEN(event_names) == PB_POOL_EVENT_COUNT, "name every event");

static const char *const strategy_names[] = {
    [PB_STRATEGY_LIFO] = "lifo",
    [PB_STRATEGY_FIFO] = "fifo",
    [PB_STRATEGY_ROUND_ROBIN] = "round_robin",
    [PB_STRATEGY_LEAST_LOADED] = "least_loaded",
};
_Static_assert(PB_ARRAY_LEN(strategy_names) == PB_STRATEGY_COUNT, "name every strategy");

static const char *const health_names[] = {
    [PB_HEALTH_STARTING] = "starting", [PB_HEALTH_HEALTHY] = "healthy",
    [PB_HEALTH_DEGRADED] = "degraded", [PB_HEALTH_UNHEALTHY] = "unhealthy",
    [PB_HEALTH_DEAD] = "dead",
};
_Static_assert(PB_ARRAY_LEN(health_names) == PB_HEALTH_COUNT, "name every health");

static const char *const prepare_names[] = {
    [PB_PREPARE_PARALLEL] = "parallel",
    [PB_PREPARE_SEQUENTIAL] = "sequential",
    [PB_PREPARE_STAGED] = "staged",
};
_Static_assert(PB_ARRAY_LEN(prepare_names) == PB_PREPARE_COUNT, "name every way to prepare");

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

const char *pb_health_name(enum pb_health health)
{
    return (unsigned)health < PB_HEALTH_COUNT ? health_names[health] : "?";
}

const char *pb_prepare_name(enum pb_prepare prepare)
{
    return (unsigned)prepare < PB_PREPARE_COUNT ? prepare_names[prepare] : "?";
}
