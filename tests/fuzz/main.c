/*
 * tests/fuzz/main.c - runs a fuzz target over the files given, where libFuzzer does not drive it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES ((size_t)1 << 20)

static int run_file(const char *path)
{
    struct pb_error err;
    char *text = NULL;
    size_t len = 0;

    if (pb_file_read(path, INPUT_MAX_BYTES, &text, &len, &err) != PB_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    /* A block of exactly this size: AddressSanitizer sees a read of one byte more. */
    uint8_t *data = malloc(len > 0 ? len : 1);

    if (data) {
        memcpy(data, text, len);
        (void)LLVMFuzzerTestOneInput(data, len);
    }
    free(text);
    free(data);
    return data ? 0 : -1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i]) != 0) {
            return EXIT_FAILURE;
        }
    }
    printf("%d files, no crash\n", argc - 1);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
