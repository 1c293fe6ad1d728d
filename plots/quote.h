/*
 * plots/quote.h - user text on its way into a gnuplot script, a data cell or a page.
 *
 * gnuplot runs what stands in backticks inside double quotes and what follows a newline in any
 * quotes, so that no user text may reach a script but through pb_quote_gnuplot().  All three drop
 * control characters, direction overrides and what is not UTF-8.  Thread-safe.
 */
#ifndef PB_PLOTS_QUOTE_H
#define PB_PLOTS_QUOTE_H

#include "base/buf.h"

#define PB_QUOTE_MAX_BYTES 200 /* of user text that a script or a cell takes */

/* Adds 'text', cut after PB_QUOTE_MAX_BYTES, as a string that gnuplot neither expands nor executes:
 * single quotes become typographic apostrophes.  Not for tic labels, which are formats.  "]]>" is
 * broken up, because gnuplot writes it unescaped into an SVG, where it is not allowed. */
void pb_quote_gnuplot(struct pb_buf *out, const char *text);
/* Adds text as a cell of a TSV: no tab, no double quote, which gnuplot would take for syntax. */
void pb_quote_cell(struct pb_buf *out, const char *text);
/* Adds text for an element or an attribute of HTML: & < > " ' become references. */
void pb_quote_html(struct pb_buf *out, const char *text);
/* Adds text as one word of a shell, quoted where it has to be. */
void pb_quote_shell(struct pb_buf *out, const char *text);

#endif
