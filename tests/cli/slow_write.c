/*
 * tests/cli/slow_write.c - a disk that hangs: preloaded, the first large write of the program takes
 * SLOW_WRITE_MS.  (nothing_lost.sh compiles it.)
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LARGE_BYTES 16384

typedef ssize_t (*write_fn)(int fd, const void *bytes, size_t size);

ssize_t write(int fd, const void *bytes, size_t size)
{
    static atomic_flag slept = ATOMIC_FLAG_INIT;
    write_fn real = (write_fn)dlsym(RTLD_NEXT, "write");
    const char *text = getenv("SLOW_WRITE_MS");

    if (size >= LARGE_BYTES && text && !atomic_flag_test_and_set(&slept)) {
        long ms = strtol(text, NULL, 10);
        struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

        (void)nanosleep(&time, NULL);
    }
    return real(fd, bytes, size);
}
