#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "harness/folder.h"

#define STAMP_FORM   "-20261121T031502Z-4fa2c1" /* the end of a name; digits stand for any */
#define STAMP_LENGTH (sizeof(STAMP_FORM) - 1)
#define NAMES_SHOWN  4 /* of those that match, in a message */

/* An entry while the list is put in order. */
struct found {
    struct pb_folder_entry entry;
    int64_t written_ns; /* decides between folders of one second */
};

struct found_list {
    struct found *items;
    size_t count;
    size_t size;
};

static void close_folder(DIR **folder)
{
    if (*folder) {
        (void)closedir(*folder);
    }
}

static void found_list_done(struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        pb_folder_entry_done(&list->items[i].entry);
    }
    free(list->items);
}

void pb_folder_entry_done(struct pb_folder_entry *entry)
{
    free(entry->id);
    free(entry->path);
    *entry = (struct pb_folder_entry){ .id = NULL };
}

void pb_folder_list_free(struct pb_folder_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pb_folder_entry_done(&entries[i]);
    }
    free(entries);
}

/* Tells by its files what the folder is; PB_ENOENT when it is no result. */
static enum pb_status read_kind(const char *path, enum pb_folder_kind *ret_kind,
                                int64_t *ret_written_ns)
{
    /* The first that is there decides: a tune folder has a journal before its recommendation. */
    static const struct {
        const char *file;
        enum pb_folder_kind kind;
    } marks[] = {
        { "set.json", PB_FOLDER_SET },
        { "run.json", PB_FOLDER_RUN },
        { "recommendation.json", PB_FOLDER_TUNE },
        { "journal.jsonl", PB_FOLDER_UNFINISHED_TUNE },
    };

    for (size_t i = 0; i < PB_ARRAY_LEN(marks); i++) {
        PB_CLEANUP(pb_text_free) char *file = pb_path_join(path, marks[i].file);
        struct stat st;

        if (!file) {
            return PB_ENOMEM;
        }
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
            *ret_kind = marks[i].kind;
            *ret_written_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
            return PB_OK;
        }
    }
    return PB_ENOENT;
}

/* Where "-20261121T031502Z-4fa2c1" begins at the end of a name; NULL when it does not end so. */
static const char *stamp_of(const char *id)
{
    size_t len = strlen(id);

    if (len < STAMP_LENGTH) {
        return NULL;
    }
    const char *stamp = id + len - STAMP_LENGTH;

    for (size_t i = 0; i < STAMP_LENGTH; i++) {
        bool letter = strchr("-TZ", STAMP_FORM[i]) != NULL;
        bool fits = letter ? stamp[i] == STAMP_FORM[i]
                           : strchr(i < 17 ? "0123456789" : "0123456789abcdef", stamp[i]) != NULL;

        if (!fits) {
            return NULL;
        }
    }
    return stamp;
}

/* By the time in the name, to the second; then by the time of writing.  Renamed folders, whose
 * names tell no time, come first. */
static int by_time(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    const char *left_stamp = stamp_of(left->entry.id), *right_stamp = stamp_of(right->entry.id);
    int order = (left_stamp != NULL) - (right_stamp != NULL);

    if (left_stamp && right_stamp) {
        order = strncmp(left_stamp, right_stamp, strlen("-20261121T031502Z"));
    }
    if (order == 0) {
        order = (left->written_ns > right->written_ns) - (left->written_ns < right->written_ns);
    }
    return order != 0 ? order : strcmp(left->entry.id, right->entry.id);
}

/* Appends results/`id` when it is a result folder. */
static enum pb_status add_found(struct found_list *list, const char *results, const char *id)
{
    PB_CLEANUP(pb_text_free) char *path = pb_path_join(results, id);
    struct found found = { .written_ns = 0 };

    if (!path) {
        return PB_ENOMEM;
    }
    enum pb_status status = read_kind(path, &found.entry.kind, &found.written_ns);

    if (status != PB_OK) {
        return status == PB_ENOENT ? PB_OK : status;
    }
    if (list->count == list->size) {
        size_t size = list->size > 0 ? list->size * 2 : 32;
        struct found *items = realloc(list->items, size * sizeof(*items));

        if (!items) {
            return PB_ENOMEM;
        }
        list->items = items;
        list->size = size;
    }
    found.entry.id = strdup(id);
    if (!found.entry.id) {
        return PB_ENOMEM;
    }
    found.entry.path = path;
    path = NULL;
    list->items[list->count++] = found;
    return PB_OK;
}

static enum pb_status read_results(const char *results, struct found_list *list,
                                   struct pb_error *err)
{
    PB_CLEANUP(close_folder) DIR *folder = opendir(results);

    if (!folder && errno == ENOENT) {
        return PB_OK;
    }
    if (!folder) {
        return pb_fail(err, PB_ESYS, "%s: cannot read this folder", results);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder); /* NOLINT(concurrency-mt-unsafe): own DIR */

        if (!entry) {
            return errno == 0 ? PB_OK
                              : pb_fail(err, PB_ESYS, "%s: cannot read this folder", results);
        }
        /* Temporary folders are hidden, and so is ".". */
        if (entry->d_name[0] != '.' && add_found(list, results, entry->d_name) != PB_OK) {
            return pb_fail(err, PB_ENOMEM, "%s: out of memory", results);
        }
    }
}

enum pb_status pb_folder_list(const char *results, struct pb_folder_entry **ret_entries,
                              size_t *ret_count, struct pb_error *err)
{
    PB_CLEANUP(found_list_done) struct found_list list = { .count = 0 };

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 ignores cleanup attributes */
    PB_TRY(read_results(results, &list, err));
    struct pb_folder_entry *entries = calloc(list.count + 1, sizeof(*entries));

    if (!entries) {
        return pb_fail(err, PB_ENOMEM, "%s: out of memory", results);
    }
    if (list.count > 0) {
        qsort(list.items, list.count, sizeof(*list.items), by_time);
    }
    for (size_t i = 0; i < list.count; i++) {
        entries[i] = list.items[i].entry;
    }
    *ret_entries = entries;
    *ret_count = list.count;
    list.count = 0; /* the entries have moved */
    return PB_OK;
}

/* The folder at `path` itself; PB_ENOENT, without a text, when it is none. */
static enum pb_status find_path(const char *path, struct pb_folder_entry *ret_entry)
{
    int64_t written_ns;
    enum pb_folder_kind kind;

    PB_TRY(read_kind(path, &kind, &written_ns));
    PB_CLEANUP(pb_text_free) char *whole = realpath(path, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    struct pb_folder_entry entry = { .id = slash ? strdup(slash + 1) : NULL,
                                     .path = strdup(path),
                                     .kind = kind };

    if (!entry.id || !entry.path) {
        pb_folder_entry_done(&entry);
        return PB_ENOMEM;
    }
    *ret_entry = entry;
    return PB_OK;
}

/* The index of the entry that RUN names; `count` when none or several do, and `ret_matches` says
 * how many begin so. */
static size_t choose(const struct pb_folder_entry *entries, size_t count, const char *run,
                     size_t *ret_matches)
{
    size_t chosen = count;

    *ret_matches = 0;
    if (strcmp(run, "latest") == 0) {
        return count > 0 ? count - 1 : count;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].id, run) == 0) {
            return i;
        }
        if (strncmp(entries[i].id, run, strlen(run)) == 0) {
            chosen = i;
            ++*ret_matches;
        }
    }
    return *ret_matches == 1 ? chosen : count;
}

static enum pb_status several_match(const struct pb_folder_entry *entries, size_t count,
                                    const char *run, size_t matches, struct pb_error *err)
{
    char names[150];
    size_t used = 0, listed = 0;

    names[0] = '\0';
    /* The newest come first: they are the likely ones. */
    for (size_t i = count; i > 0 && listed < NAMES_SHOWN; i--) {
        const char *id = entries[i - 1].id;

        if (strncmp(id, run, strlen(run)) != 0 || used + strlen(id) + 3 > sizeof(names)) {
            continue;
        }
        used +=
            (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "", id);
        listed++;
    }
    return pb_fail(err, PB_EINVAL, "'%.40s' begins %zu names: %s%s", run, matches, names,
                   listed < matches ? ", ..." : "");
}

static enum pb_status none_match(const char *results, const struct pb_folder_entry *entries,
                                 size_t count, const char *run, struct pb_error *err)
{
    if (count == 0) {
        return pb_fail(err, PB_ENOENT, "'%.60s': there is no result in %.60s yet", run, results);
    }
    return pb_fail(err, PB_ENOENT,
                   "'%.60s' is no result folder and begins no name in %.60s; the newest of %zu is "
                   "%.80s",
                   run, results, count, entries[count - 1].id);
}

enum pb_status pb_folder_find(const char *results, const char *run,
                              struct pb_folder_entry *ret_entry, struct pb_error *err)
{
    struct pb_folder_entry *entries = NULL;
    size_t count = 0, matches = 0;

    if (*run == '\0') {
        return pb_fail(err, PB_EINVAL,
                       "no result is named: give a folder, the beginning of a name, or latest");
    }
    enum pb_status status = strcmp(run, "latest") == 0 ? PB_ENOENT : find_path(run, ret_entry);

    if (status != PB_ENOENT) {
        return status == PB_OK ? PB_OK : pb_fail(err, status, "%s: out of memory", run);
    }
    PB_TRY(pb_folder_list(results, &entries, &count, err));
    size_t chosen = choose(entries, count, run, &matches);

    if (chosen < count) {
        *ret_entry = entries[chosen];
        entries[chosen] = (struct pb_folder_entry){ .id = NULL };
    } else if (matches > 1) {
        status = several_match(entries, count, run, matches, err);
    } else {
        status = none_match(results, entries, count, run, err);
    }
    pb_folder_list_free(entries, count);
    return chosen < count ? PB_OK : status;
}
