#include "base/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

#define TEXT_MAX 480 /* bytes of a problem's text before escaping: one line stays readable */

static const char no_memory_text[] = "a mistake whose text could not be kept: out of memory";

void pb_problems_done(struct pb_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].where);
        free(problems->items[i].text);
    }
    problems->count = 0;
    problems->dropped = 0;
}

/* A fresh escaped copy; NULL when memory ran out. */
static char *escaped(const char *text, size_t len)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf buf = { 0 };

    pb_utf8_escape(&buf, text, len);
    return pb_buf_detach(&buf);
}

void pb_problems_add(struct pb_problems *problems, const char *where, int line, int column,
                     const char *fmt, ...)
{
    char text[TEXT_MAX + 8];
    va_list args;

    if (problems->count == PB_PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > TEXT_MAX) {
        size_t kept = pb_utf8_cut(text, TEXT_MAX + 1, TEXT_MAX);

        (void)snprintf(text + kept, sizeof(text) - kept, "...");
    }
    struct pb_problem *problem = &problems->items[problems->count++];

    problem->where = where ? escaped(where, strlen(where)) : NULL;
    problem->line = line;
    problem->column = column;
    problem->text = len >= 0 ? escaped(text, strlen(text)) : NULL;
}

void pb_problems_line(const struct pb_problems *problems, size_t i, char *text, size_t size)
{
    const struct pb_problem *problem = &problems->items[i];
    const char *words = problem->text ? problem->text : no_memory_text;
    int len;

    if (!problem->where) {
        len = snprintf(text, size, "%s", words);
    } else if (problem->line > 0) {
        len = snprintf(text, size, "%s:%d:%d: %s", problem->where, problem->line, problem->column,
                       words);
    } else {
        len = snprintf(text, size, "%s: %s", problem->where, words);
    }
    if (size > 0 && len >= 0 && (size_t)len >= size) {
        /* The byte that fell off is unknown here: a character that is not whole goes. */
        size_t kept = strlen(text), start = kept;

        while (start > 0 && kept - start < 4 && ((unsigned char)text[start - 1] & 0xC0U) == 0x80U) {
            start--;
        }
        if (start > 0 && (unsigned char)text[start - 1] >= 0xC0U &&
            pb_utf8_decode(text + start - 1, kept - start + 1, NULL) == 0) {
            text[start - 1] = '\0';
        }
    }
}
