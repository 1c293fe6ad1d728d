/*
 * base/nearest.h - the nearest valid name, for "did you mean".
 */
#ifndef PB_BASE_NEAREST_H
#define PB_BASE_NEAREST_H

#include <stddef.h>

/* The one of `names` nearest to `word` by restricted Damerau-Levenshtein distance (upper and lower
 * case are the same; of several the first), NULL when even that is too far: over a third of the
 * longer word, at least 1.  Words over 64 bytes have no near name.  `names` is borrowed. */
const char *pb_nearest(const char *word, const char *const *names, size_t count);

#endif
