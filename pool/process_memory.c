#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "pool/process_internal.h"

#define PROC_BYTES   ((size_t)64 << 10)
#define FAMILY_MAX   256 /* processes of one worker */
#define BYTES_PER_KB 1024

/* The `skip`-th number or word, from 0, of a text; -1: that is no number. */
static int64_t number_at(const char *text, int skip)
{
    char *end;

    text += strspn(text, " ");
    for (; skip > 0; skip--) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    long long value = strtoll(text, &end, 10);

    return end > text && value >= 0 ? value : -1;
}

/* The proportional set size: pages that several processes share count in each for its part, so that
 * the sum over a worker that forks, or over 200 alike, is what they take. */
int64_t pb_memory_from_rollup(const char *text)
{
    static const char key[] = "\nPss:";
    const char *line = strstr(text, key);
    int64_t kb = line ? number_at(line + sizeof(key) - 1, 0) : -1;

    return kb >= 0 ? kb * BYTES_PER_KB : -1;
}

int64_t pb_memory_from_statm(const char *text, int64_t page_bytes)
{
    int64_t pages = number_at(text, 1); /* behind the size of all that is mapped */

    return pages >= 0 ? pages * page_bytes : -1;
}

int64_t pb_memory_group_from_stat(const char *text)
{
    const char *name_end = strrchr(text, ')'); /* the name may hold any */

    return name_end ? number_at(name_end + 1, 2) : -1; /* behind the state and the parent */
}

static char *read_proc(int64_t pid, const char *name)
{
    char path[96], *text = NULL;
    size_t len;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s", pid, name);
    return pb_file_read(path, PROC_BYTES, &text, &len, NULL) == PB_OK ? text : NULL;
}

static int64_t memory_of(int64_t pid)
{
    PB_CLEANUP(pb_text_free) char *rollup = read_proc(pid, "smaps_rollup");
    int64_t bytes = rollup ? pb_memory_from_rollup(rollup) : -1;

    if (bytes >= 0) {
        return bytes;
    }
    /* Not ours to look into (another user's, by setuid): all that is resident. */
    PB_CLEANUP(pb_text_free) char *statm = read_proc(pid, "statm");

    return statm ? pb_memory_from_statm(statm, sysconf(_SC_PAGESIZE)) : -1;
}

struct family {
    int64_t pids[FAMILY_MAX];
    size_t count;
};

static void add_children(struct family *family, int64_t group, const char *list)
{
    for (char *end; family->count < FAMILY_MAX; list = end) {
        int64_t pid = strtoll(list, &end, 10);

        if (end == list) {
            return;
        }
        PB_CLEANUP(pb_text_free) char *stat = read_proc(pid, "stat");

        if (stat && pb_memory_group_from_stat(stat) == group) {
            family->pids[family->count++] = pid;
        }
    }
}

/* The children of each thread of a process. */
static void add_family(struct family *family, int64_t group, int64_t pid)
{
    char path[64];
    struct dirent *entry;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/task", pid);
    DIR *dir = opendir(path);

    while (dir && (entry = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): own DIR */
        char name[48];
        int64_t thread = strtoll(entry->d_name, NULL, 10);

        (void)snprintf(name, sizeof(name), "task/%" PRId64 "/children", thread);
        PB_CLEANUP(pb_text_free) char *list = thread > 0 ? read_proc(pid, name) : NULL;

        if (list) {
            add_children(family, group, list);
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
}

int64_t pb_process_memory_bytes(const struct pb_process *process)
{
    struct family family = { .pids = { process->pid }, .count = 1 };
    int64_t sum = memory_of(process->pid);

    for (size_t i = 0; sum >= 0 && i < family.count; i++) {
        int64_t bytes = i > 0 ? memory_of(family.pids[i]) : 0;

        sum += bytes > 0 ? bytes : 0; /* gone meanwhile: nothing */
        add_family(&family, process->pid, family.pids[i]);
    }
    return sum;
}
