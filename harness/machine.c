#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "harness/monitor.h"
#include "harness/proc.h"

/* FNV-1a (Fowler, Noll, Vo), 64 bits: tells machines apart without naming them. */
static uint64_t fnv1a(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int count_usable(int fallback)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : fallback;
}

void pb_parse_cpu_model(const char *text, const char *fallback, char *model, size_t size)
{
    /* x86 says "model name", other architectures one of the rest or nothing. */
    static const char *const keys[] = { "model name", "Model", "cpu model", "Hardware" };

    for (size_t i = 0; i < PB_ARRAY_LEN(keys); i++) {
        if (pb_proc_line(text, keys[i], model, size) && *model) {
            return;
        }
    }
    (void)snprintf(model, size, "%s", fallback);
}

void pb_machine_read(struct pb_machine *ret_machine)
{
    struct pb_machine machine = { 0 };
    struct utsname system;
    char text[8192];

    if (uname(&system) != 0) {
        memset(&system, 0, sizeof(system));
    }
    (void)snprintf(machine.kernel, sizeof(machine.kernel), "%.20s %.60s %.40s", system.sysname,
                   system.release, system.machine);
    (void)pb_proc_read("/proc/cpuinfo", text, sizeof(text));
    pb_parse_cpu_model(text, system.machine, machine.cpu, sizeof(machine.cpu));
    (void)snprintf(machine.hostname_hash, sizeof(machine.hostname_hash), "%016llx",
                   (unsigned long long)fnv1a(system.nodename));

    long online = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);

    machine.cpus_online = online > 0 ? (int)online : 1;
    machine.cpus_usable = count_usable(machine.cpus_online);
    machine.memory_bytes = pages > 0 && page_bytes > 0 ? (int64_t)pages * page_bytes : -1;
    *ret_machine = machine;
}
