#include <stdio.h>
#include <string.h>

#include "plots/page.h"

/* The elements that gnuplot's svg terminal writes. */
static const char *const elements[] = { "svg",      "title",   "desc",    "g",           "rect",
                                        "defs",     "circle",  "path",    "use",         "filter",
                                        "text",     "feFlood", "tspan",   "feComposite", "polygon",
                                        "polyline", "line",    "pattern", "clipPath" };

static bool is_known(const char *name, size_t len)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(elements); i++) {
        if (strlen(elements[i]) == len && strncmp(elements[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The first character of an attribute's value, which begins after `name`. */
static char value_begins(const char *name_end)
{
    const char *at = name_end + strspn(name_end, " \t\r\n");

    at += *at == '=';
    at += strspn(at, " \t\r\n");
    at += *at == '"' || *at == '\'';
    return *at;
}

/* Attributes: no handler (on...), no style, and references only to ids of the same drawing. */
static bool tag_is_plain(const char *tag, const char *end)
{
    for (const char *at = tag + 1; at < end; at++) {
        bool begins = strchr(" \t\r\n/'\"", at[-1]) != NULL;

        if (begins && (strncasecmp(at, "on", 2) == 0 || strncasecmp(at, "style", 5) == 0)) {
            return false;
        }
        if (strncasecmp(at, "href", 4) == 0 && value_begins(at + 4) != '#') {
            return false;
        }
        if (strncasecmp(at, "url(", 4) == 0 && at[4] != '#') {
            return false;
        }
    }
    return true;
}

bool pb_svg_is_plain(const char *svg)
{
    const char *at = svg;

    if (strncmp(svg, "<?xml", 5) != 0 || !strstr(svg, "<svg") || !strstr(svg, "</svg>")) {
        return false;
    }
    while ((at = strchr(at, '<')) != NULL) {
        const char *end = strchr(at, '>');
        const char *name = at + 1 + (at[1] == '/');
        size_t len = strcspn(name, " \t\r\n/>");
        bool prolog = at == svg;

        if (!end || (!prolog && !is_known(name, len)) || !tag_is_plain(at, end)) {
            return false;
        }
        at = end;
    }
    return true;
}

void pb_svg_inline(struct pb_buf *out, const char *svg, const char *prefix)
{
    /* Where an id is defined or used; the text of a label may look like one, which does no harm. */
    static const char *const marks[] = { " id='", " id=\"", "href='#", "href=\"#", "url(#" };
    const char *at = strstr(svg, "<svg");

    while (at && *at) {
        size_t step = 1;

        for (size_t i = 0; i < PB_ARRAY_LEN(marks); i++) {
            if (strncmp(at, marks[i], strlen(marks[i])) == 0) {
                step = strlen(marks[i]);
                pb_buf_add(out, at, step);
                pb_buf_puts(out, prefix);
                at += step;
                step = 0;
                break;
            }
        }
        if (step > 0) {
            pb_buf_add(out, at++, 1);
        }
    }
}
