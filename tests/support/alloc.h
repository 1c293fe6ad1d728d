/*
 * tests/support/alloc.h - makes memory run out, at each allocation in turn.
 *
 *     PB_FOR_EACH_FAILING_ALLOC
 *     {
 *         struct pb_thing *thing = NULL;
 *         enum pb_status status = pb_thing_new(&thing);
 *
 *         ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
 *         pb_thing_free(thing);
 *     }
 *
 * The body runs with the first allocation failing, then the second, and so on until one run needs
 * none of the failing ones; first with all later allocations failing, too (memory stays short),
 * then with only that one (others must not hide it).  So the last run of each round is a success.
 * Run it under MODE=asan to see what the error paths leak.
 *
 * Counted are malloc, calloc, realloc, aligned_alloc, posix_memalign, strdup, strndup, asprintf,
 * vasprintf and realpath, called from this project, from any thread, and cJSON's; not those inside
 * libc.  Assertions inside the body are safe.  Off, everything passes through.  At most one walk
 * at a time.
 */
#ifndef PB_TESTS_SUPPORT_ALLOC_H
#define PB_TESTS_SUPPORT_ALLOC_H

#include <stdbool.h>

/* From now on allocation number `n` (from 1) and all later ones fail. */
void pb_alloc_fail_at(long n);
/* From now on allocation number `n` (from 1) fails, and no other. */
void pb_alloc_fail_once(long n);
/* Everything succeeds again. */
void pb_alloc_fail_off(void);
/* Has an allocation failed since the last pb_alloc_fail_at() or _once()? */
bool pb_alloc_failed(void);

struct pb_alloc_walk {
    long n;
    bool once;
};

/* Prepares the next run of the body; false when there is none. */
bool pb_alloc_walk_next(struct pb_alloc_walk *walk);

#define PB_FOR_EACH_FAILING_ALLOC \
    for (struct pb_alloc_walk pb_walk_ = { 0 }; pb_alloc_walk_next(&pb_walk_);)

#endif
