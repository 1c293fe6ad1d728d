#include "support/drive.h"

static int by_sent(const void *a, const void *b)
{
    const struct pb_record *x = a, *y = b;
    int64_t p = x->intended_ns + x->lag_ns, q = y->intended_ns + y->lag_ns;

    return p != q ? (p > q) - (p < q) : (x->index > y->index) - (x->index < y->index);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median_of(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[(count + 1) / 2 - 1];
}

#define SERVERS 4

/* Kiefer and Wolfowitz 1955: a request starts when it is sent or when the first of c servers is
 * free, in order of sending; waits of the record minus those of the recursion. */
static int64_t median_wait_error_ns(struct pb_drive *drive)
{
    int64_t free_ns[SERVERS] = { 0 };
    int64_t *error_ns = calloc(drive->row_count, sizeof(*error_ns));

    ck_assert_ptr_nonnull(error_ns);
    qsort(drive->rows, drive->row_count, sizeof(*drive->rows), by_sent);
    for (size_t i = 0; i < drive->row_count; i++) {
        const struct pb_record *row = &drive->rows[i];
        int64_t sent_ns = row->intended_ns + row->lag_ns, *first = &free_ns[0];

        for (int s = 1; s < SERVERS; s++) {
            first = free_ns[s] < *first ? &free_ns[s] : first;
        }
        int64_t started_ns = sent_ns > *first ? sent_ns : *first;

        *first = started_ns + row->service_ns;
        error_ns[i] = row->wait_ns - (started_ns - sent_ns);
    }
    int64_t median_ns = median_of(error_ns, drive->row_count);

    free(error_ns);
    return median_ns;
}

static int64_t null_floor_ns(void)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true };

    pb_test_scenario_init(&scenario, SERVERS);
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 2000.0, 400 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    int64_t *latency_ns = calloc(drive.row_count, sizeof(*latency_ns));

    ck_assert_ptr_nonnull(latency_ns);
    for (size_t i = 0; i < drive.row_count; i++) {
        latency_ns[i] = pb_record_latency_ns(&drive.rows[i]);
    }
    int64_t floor_ns = median_of(latency_ns, drive.row_count);

    free(latency_ns);
    pb_drive_done(&drive);
    return floor_ns;
}

PB_TEST(recorded_waits_are_those_of_the_gg_c_recursion)
{
    struct pb_scenario scenario;
    struct pb_drive drive = { .record = true, .seed = 3 };
    int64_t floor_ns = null_floor_ns();

    pb_test_scenario_init(&scenario, SERVERS);
    scenario.workload = &pb_workload_synthetic;
    PB_ASSERT_OK(pb_dist_exponential(1.6e6, &scenario.operations[0].service, NULL));
    pb_test_add_phase(&scenario, PB_ARRIVAL_POISSON, 2000.0, 1200 * PB_NS_PER_MS);
    pb_drive_run(&drive, &scenario);
    ck_assert_uint_eq(drive.load.outcomes[0][PB_OUTCOME_OK], drive.row_count);
    int64_t error_ns = median_wait_error_ns(&drive);

    ck_assert_msg(error_ns >= -floor_ns && error_ns <= 3 * floor_ns,
                  "median wait error %" PRId64 " ns, null floor %" PRId64 " ns", error_ns,
                  floor_ns);
    pb_drive_done(&drive);
}
