#include <poolbench/pool.h>
#include <stdio.h>

static enum pb_outcome square(void *ctx, struct pb_work *work)
{
    int *number = (int *)work->request->data;

    (void)ctx;
    *number *= *number;
    return PB_OUTCOME_OK;
}

int main(void)
{
    int numbers[] = { 3, 4, 5 };
    struct pb_pool_config config;
    struct pb_error err;
    struct pb_pool *pool;

    pb_pool_config_default(&config);
    config.size = 2;
    config.run = square;
    if (pb_pool_new(&config, &pool, &err) != PB_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        struct pb_request request = { 0 };

        request.data = &numbers[i];
        if (pb_pool_submit(pool, &request, NULL) != PB_OK) {
            return 1;
        }
    }
    pb_pool_wait_idle(pool, INT64_MAX);
    printf("%d %d %d\n", numbers[0], numbers[1], numbers[2]);
    return pb_pool_free(pool, 0) == PB_OK ? 0 : 1;
}
