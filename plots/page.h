/*
 * plots/page.h - pieces of a self-contained HTML page: no network, no script, light and dark.
 *
 * Functions named _text escape; `html` arguments are markup of ours.  Failures stick in `out`.
 */
#ifndef PB_PLOTS_PAGE_H
#define PB_PLOTS_PAGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

struct pb_page {
    struct pb_buf out;
    const char *folder; /* whose charts are inlined */
    unsigned charts;    /* inlined so far, to keep their ids apart */
};

void pb_page_begin(struct pb_page *page, const char *title);
void pb_page_end(struct pb_page *page);
void pb_page_html(struct pb_page *page, const char *html);
void pb_page_text(struct pb_page *page, const char *text);
/* Escapes what was formatted. */
void pb_page_textf(struct pb_page *page, const char *fmt, ...) PB_PRINTF(2, 3);
/* A heading of a section. */
void pb_page_section(struct pb_page *page, const char *title);
/* The coloured word at the top; `tone`: "good", "bad", "unsure". */
void pb_page_badge(struct pb_page *page, const char *tone, const char *word);
/* A cell of a table: `number` aligns it right. */
void pb_page_cell(struct pb_page *page, bool number, const char *text);
/* A table's opening with its column names; close it with pb_page_table_end(). */
void pb_page_table(struct pb_page *page, const char *const *columns, unsigned count);
void pb_page_table_end(struct pb_page *page);
/* A line "name: value" of a definition list, left out when value is NULL or empty. */
void pb_page_fact(struct pb_page *page, const char *name, const char *value);
/* Inlines folder/charts/NAME.svg as a figure; when the picture is missing a note says why. */
void pb_page_chart(struct pb_page *page, const char *name, const char *caption);

/* Is this SVG a drawing and nothing else?  Only the elements that gnuplot writes, no handlers, no
 * references out of the document. */
bool pb_svg_is_plain(const char *svg);
/* Adds the SVG without its prolog, with `prefix` before each id. */
void pb_svg_inline(struct pb_buf *out, const char *svg, const char *prefix);

#endif
