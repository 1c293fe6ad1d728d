#include "support/alloc.h"
#include "support/test.h"
#include "workload/workload.h"

PB_TEST(kinds_are_found_by_name)
{
    ck_assert_ptr_eq(pb_workload_kind_find("null"), &pb_workload_null);
    ck_assert_ptr_eq(pb_workload_kind_find("synthetic"), &pb_workload_synthetic);
    ck_assert_ptr_null(pb_workload_kind_find("nul"));
    ck_assert_ptr_null(pb_workload_kind_find(""));
}

PB_TEST(every_row_is_whole_and_the_table_ends)
{
    size_t rows = 0;

    for (const struct pb_workload_kind *kind; (kind = pb_workload_kind_at(rows)); rows++) {
        ck_assert_ptr_eq(pb_workload_kind_find(kind->name), kind);
        ck_assert_uint_gt(strlen(kind->summary), 0);
        ck_assert(kind == &pb_workload_command || (kind->open && kind->run && kind->close));
        if (kind->close) {
            kind->close(NULL);
        }
    }
    ck_assert_uint_eq(rows, 3);
    ck_assert_ptr_null(pb_workload_kind_at(SIZE_MAX));
}

static enum pb_outcome run_once(const struct pb_workload_kind *kind, const struct pb_demand *demand,
                                bool measure_cpu, struct pb_work *work)
{
    const _Atomic int64_t give_up_ns = INT64_MAX;
    struct pb_error err;
    void *state = NULL;

    *work = (struct pb_work){ .worker = 2, .cpu_ns = -1, .demand_ns = demand->service_ns };
    PB_ASSERT_OK(kind->open(3, &state, &err));
    enum pb_outcome outcome = kind->run(state, demand, work, measure_cpu, &give_up_ns);

    kind->close(state);
    return outcome;
}

PB_TEST(null_does_nothing_and_asks_for_nothing)
{
    struct pb_demand demand = { .service_ns = 1000000, .fate = PB_FATE_ERROR };
    struct pb_work work;

    ck_assert_int_eq(run_once(&pb_workload_null, &demand, true, &work), PB_OUTCOME_OK);
    ck_assert_int_eq(work.demand_ns, 0);
    ck_assert_int_eq(work.cpu_ns, 0);
}

PB_TEST(a_synthetic_request_ends_by_its_fate)
{
    struct pb_work work;
    struct pb_demand demand = { .fate = PB_FATE_OK };

    ck_assert_int_eq(run_once(&pb_workload_synthetic, &demand, false, &work), PB_OUTCOME_OK);
    ck_assert_int_eq(work.cpu_ns, -1);
    demand.fate = PB_FATE_ERROR;
    ck_assert_int_eq(run_once(&pb_workload_synthetic, &demand, true, &work), PB_OUTCOME_ERROR);
    ck_assert_int_ge(work.cpu_ns, 0);
    demand.fate = PB_FATE_CLIENT_ERROR;
    ck_assert_int_eq(run_once(&pb_workload_synthetic, &demand, false, &work),
                     PB_OUTCOME_CLIENT_ERROR);
}

PB_TEST(memory_is_touched_and_freed)
{
    struct pb_demand demand = { .memory_bytes = 100001 }; /* under ASan: no line past its end */
    struct pb_work work;

    ck_assert_int_eq(run_once(&pb_workload_synthetic, &demand, false, &work), PB_OUTCOME_OK);
}

PB_TEST(a_lack_of_memory_is_an_error_of_the_request)
{
    struct pb_demand demand = { .memory_bytes = 4096 };
    const _Atomic int64_t give_up_ns = INT64_MAX;

    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_work work = { .worker = 0 };
        void *state = NULL;
        enum pb_status status = pb_workload_synthetic.open(1, &state, NULL);

        if (status == PB_OK) {
            enum pb_outcome outcome =
                pb_workload_synthetic.run(state, &demand, &work, false, &give_up_ns);

            ck_assert_int_eq(outcome, pb_alloc_failed() ? PB_OUTCOME_ERROR : PB_OUTCOME_OK);
        } else {
            ck_assert_int_eq(status, PB_ENOMEM);
            ck_assert(pb_alloc_failed());
        }
        pb_workload_synthetic.close(state);
    }
}
