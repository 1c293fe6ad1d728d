#include "harness/driver.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/utf8.h"

#define SYMBOL      "poolbench_pool_driver"
#define ENDING      ".so"
#define NAME_BYTES  40  /* bytes of a driver's name */
#define SUMMARY_MAX 160 /* bytes of its summary */
#define LISTED_MAX  32

/* Where drivers are, seen from the program's folder: in a build, and installed. */
static const char *const folders[] = { "drivers", "../lib/poolbench/drivers" };

/* The folder of this program; the caller frees.  NULL: /proc does not tell, or no memory. */
static char *program_folder(void)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (len <= 0) {
        return NULL;
    }
    path[len] = '\0';
    char *slash = strrchr(path, '/');

    return slash ? strndup(path, (size_t)(slash - path)) : NULL;
}

/* --- Names --- */

struct listing {
    char *names[LISTED_MAX];
    size_t count;
};

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        free(listing->names[i]);
    }
}

/* In alphabetical order, each once; what does not fit is left out. */
static void list_name(struct listing *listing, const char *name, size_t len)
{
    size_t at = listing->count;

    for (size_t i = 0; i < listing->count; i++) {
        if (strncmp(listing->names[i], name, len) == 0 && listing->names[i][len] == '\0') {
            return;
        }
    }
    if (listing->count == LISTED_MAX || !(listing->names[at] = strndup(name, len))) {
        return;
    }
    listing->count++;
    for (; at > 0 && strcmp(listing->names[at - 1], listing->names[at]) > 0; at--) {
        char *later = listing->names[at - 1];

        listing->names[at - 1] = listing->names[at];
        listing->names[at] = later;
    }
}

static void close_folder(DIR **folder)
{
    if (*folder) {
        (void)closedir(*folder);
    }
}

static void list_folder(struct listing *listing, const char *path)
{
    PB_CLEANUP(close_folder) DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) { /* NOLINT(concurrency-mt-unsafe): own */
        size_t len = strlen(entry->d_name), ending = strlen(ENDING);

        if (len > ending && len - ending <= NAME_BYTES &&
            strcmp(entry->d_name + len - ending, ENDING) == 0) {
            list_name(listing, entry->d_name, len - ending);
        }
    }
}

static enum pb_status fail_unknown(const char *name, const char *program, struct pb_error *err)
{
    PB_CLEANUP(listing_done) struct listing listing = { .count = 0 };
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };

    for (size_t i = 0; program && i < PB_ARRAY_LEN(folders); i++) {
        PB_CLEANUP(pb_text_free) char *path = pb_path_join(program, folders[i]);

        list_folder(&listing, path ? path : "");
    }
    list_name(&listing, PB_DRIVER_BUILTIN, strlen(PB_DRIVER_BUILTIN));
    const char *near = pb_nearest(name, (const char *const *)listing.names, listing.count);

    for (size_t i = 0; i < listing.count; i++) {
        pb_buf_puts(&text, i > 0 ? ", " : "");
        pb_utf8_escape(&text, listing.names[i], strlen(listing.names[i]));
    }
    return pb_fail(err, PB_ENOENT, "there is no driver \"%.40s\": there are %.100s%s%s%s", name,
                   pb_buf_text(&text), near ? "; did you mean \"" : "", near ? near : "",
                   near ? "\"?" : "");
}

/* --- Loading --- */

static bool printable(const char *text, size_t most)
{
    size_t len = strnlen(text, most + 1);

    if (len == 0 || len > most) {
        return false;
    }
    PB_CLEANUP(pb_buf_done) struct pb_buf shown = { 0 };

    pb_utf8_escape(&shown, text, len);
    return strcmp(pb_buf_text(&shown), text) == 0;
}

const char *pb_driver_mistake(const struct pb_pool_driver *table)
{
    if (!table->name || !printable(table->name, NAME_BYTES)) {
        return "has no name of 1 to 40 printable bytes";
    }
    if (strcmp(table->name, PB_DRIVER_BUILTIN) == 0) {
        return "calls itself builtin, which is poolbench's own pool";
    }
    if (!table->summary || !printable(table->summary, SUMMARY_MAX)) {
        return "has no summary of 1 to 160 printable bytes";
    }
    if (!table->open || !table->submit || !table->close) {
        return "lacks open, submit or close";
    }
    if ((table->abilities & PB_CAN_RESIZE) && !table->resize) {
        return "says that it can resize, and has no resize";
    }
    return NULL;
}

static enum pb_status load(const char *path, struct pb_driver *driver, struct pb_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return pb_fail(err, errno == ENOENT ? PB_ENOENT : PB_EINVAL, "\"%.150s\": %s", path,
                       errno == ENOENT ? "there is no such file" : "it cannot be read");
    }
    if (!S_ISREG(st.st_mode)) {
        return pb_fail(err, PB_EINVAL, "\"%.150s\" is not a file", path);
    }
    driver->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!driver->handle) {
        const char *why = dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc keeps it by thread */

        return pb_fail(err, PB_EINVAL, "cannot be loaded: %.200s", why ? why : path);
    }
    driver->table = dlsym(driver->handle, SYMBOL);
    if (!driver->table) {
        return pb_fail(err, PB_EINVAL, "\"%.150s\" does not define " SYMBOL, path);
    }
    if (driver->table->version != PB_POOL_DRIVER_VERSION) {
        return pb_fail(err, PB_EINVAL,
                       "\"%.100s\" speaks version %u of the driver interface, this poolbench "
                       "speaks %d: compile it again",
                       path, (unsigned)driver->table->version, PB_POOL_DRIVER_VERSION);
    }
    const char *mistake = pb_driver_mistake(driver->table);

    return mistake ? pb_fail(err, PB_EINVAL, "\"%.120s\" %s", path, mistake) : PB_OK;
}

static enum pb_status find_and_load(const char *name, struct pb_driver *driver,
                                    struct pb_error *err)
{
    if (strchr(name, '/')) {
        return load(name, driver, err);
    }
    PB_CLEANUP(pb_text_free) char *program = program_folder();

    for (size_t i = 0; program && *name && i < PB_ARRAY_LEN(folders); i++) {
        char relative[PATH_MAX];

        (void)snprintf(relative, sizeof(relative), "%s/%.200s" ENDING, folders[i], name);
        PB_CLEANUP(pb_text_free) char *path = pb_path_join(program, relative);

        if (!path) {
            return pb_fail(err, PB_ENOMEM, "no memory to look for driver %.40s", name);
        }
        if (pb_path_exists(path)) {
            return load(path, driver, err);
        }
    }
    return fail_unknown(name, program, err);
}

enum pb_status pb_driver_open(const char *name, struct pb_driver **ret_driver, struct pb_error *err)
{
    struct pb_driver *driver = calloc(1, sizeof(*driver));

    if (!driver) {
        return pb_fail(err, PB_ENOMEM, "no memory for driver %.40s", name);
    }
    enum pb_status status = find_and_load(name, driver, err);

    if (status != PB_OK) {
        pb_driver_close(driver);
        return status;
    }
    *ret_driver = driver;
    return PB_OK;
}

void pb_driver_close(struct pb_driver *driver)
{
    if (driver && driver->handle) {
        (void)dlclose(driver->handle);
    }
    free(driver);
}
