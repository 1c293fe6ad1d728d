#include "base/nearest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64 /* longer words have no near name */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: insert, delete, replace and swap two neighbours cost 1 each, and no
 * part is edited twice (Damerau 1964, restricted).  Both words are at most WORD_MAX long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1]; /* row i of the matrix is rows[i % 3] */

    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0U : 1U),
                           least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
                row[j] = least(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

const char *pb_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 0, word_len = strlen(word);

    for (size_t i = 0; i < count && word_len <= WORD_MAX; i++) {
        size_t name_len = strlen(names[i]);
        size_t longer = word_len > name_len ? word_len : name_len;
        size_t limit = longer / 3 > 1 ? longer / 3 : 1;

        if (name_len > WORD_MAX) {
            continue;
        }
        size_t d = distance(word, word_len, names[i], name_len);

        /* Words without anything in common are not near, however short they are. */
        if (d <= limit && d < longer && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
