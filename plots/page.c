#include "plots/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plots/quote.h"

#define SVG_MAX_BYTES ((size_t)8 << 20)

/* Charts are drawn on white; in the dark their lightness is turned and their hue kept.  Wide things
 * scroll inside their own box, so that a phone shows the page at its own width. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1c1e21;--dim:#5b6169;--line:#d9dde2;"
    "--card:#f6f7f9;--good:#00704f;--bad:#b3261e;--unsure:#8a5a00;--accent:#0072b2}",
    "@media(prefers-color-scheme:dark){:root{--bg:#121212;--fg:#e7e7e7;--dim:#a3a9b0;--line:#33373c;"
    "--card:#1c1e21;--good:#37c597;--bad:#ff8a80;--unsure:#f0b54a;--accent:#6bbcec}"
    "@media screen{figure svg{filter:invert(.93) hue-rotate(180deg)}}}",
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:1.2rem;background:var(--bg);"
    "color:var(--fg);font:16px/1.5 'DejaVu Sans',Verdana,system-ui,sans-serif}",
    "h1{font-size:1.45rem;line-height:1.3;margin:.2rem 0 .4rem;overflow-wrap:anywhere}"
    "h2{font-size:1.1rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line);"
    "padding-bottom:.25rem}",
    ".badge{display:inline-block;padding:.1rem .6rem;margin-right:.6rem;border-radius:.35rem;"
    "border:2px solid currentColor;font-weight:700}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".unsure{color:var(--unsure)}.dim{color:var(--dim)}",
    ".reason{font-size:1.1rem;margin:.4rem 0;overflow-wrap:anywhere}p{margin:.4rem 0}",
    ".wide{overflow-x:auto;-webkit-overflow-scrolling:touch}table{border-collapse:collapse;"
    "width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}",
    "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--dim);font-weight:600;white-space:nowrap}"
    "td.n,th.n{text-align:right;white-space:nowrap}td:nth-child(2):not(.n){min-width:11rem}",
    "figure{margin:0 0 1rem}figure .wide{border:1px solid var(--line);border-radius:.4rem}"
    "figure svg{display:block;width:100%;height:auto;min-width:760px}"
    "figure svg text{font-family:'DejaVu Sans',Verdana,sans-serif}"
    "figcaption{color:var(--dim);font-size:.9rem;margin-top:.3rem}",
    "code,pre{font-family:'DejaVu Sans Mono',Consolas,monospace;font-size:.92em}"
    "pre{background:var(--card);padding:.7rem;border-radius:.4rem;white-space:pre-wrap;"
    "overflow-wrap:anywhere;margin:.4rem 0}",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}"
    "dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}ul{margin:.4rem 0;padding-left:1.2rem}",
    "@media(max-width:600px){body{padding:.7rem;font-size:15px}dl{grid-template-columns:1fr}"
    "dd{margin-bottom:.4rem}}",
    "@media print{body{max-width:none;padding:0;font-size:11px}figure,tr{break-inside:avoid}"
    "figure svg{min-width:0}.wide{overflow:visible}}",
};

void pb_page_begin(struct pb_page *page, const char *title)
{
    pb_page_html(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                       /* Nothing may be loaded and nothing may run, whatever a name contains. */
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"
                       " style-src 'unsafe-inline'; img-src data:\">\n<title>");
    pb_page_text(page, title);
    pb_page_html(page, "</title>\n<style>\n");
    for (size_t i = 0; i < PB_ARRAY_LEN(style); i++) {
        pb_page_html(page, style[i]);
        pb_page_html(page, "\n");
    }
    pb_page_html(page, "</style>\n</head>\n<body>\n");
}

void pb_page_end(struct pb_page *page)
{
    pb_page_html(page, "</body>\n</html>\n");
}

void pb_page_html(struct pb_page *page, const char *html)
{
    pb_buf_puts(&page->out, html);
}

void pb_page_text(struct pb_page *page, const char *text)
{
    pb_quote_html(&page->out, text);
}

void pb_page_textf(struct pb_page *page, const char *fmt, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, fmt);
    int length = vasprintf(&text, fmt, arguments);
    va_end(arguments);
    if (length < 0) {
        page->out.status = PB_ENOMEM;
        return;
    }
    pb_page_text(page, text);
    free(text);
}

void pb_page_section(struct pb_page *page, const char *title)
{
    pb_page_html(page, "<h2>");
    pb_page_text(page, title);
    pb_page_html(page, "</h2>\n");
}

void pb_page_badge(struct pb_page *page, const char *tone, const char *word)
{
    pb_buf_printf(&page->out, "<span class=\"badge %s\">", tone);
    pb_page_text(page, word);
    pb_page_html(page, "</span>");
}

void pb_page_cell(struct pb_page *page, bool number, const char *text)
{
    pb_page_html(page, number ? "<td class=\"n\">" : "<td>");
    pb_page_text(page, text);
    pb_page_html(page, "</td>");
}

/* A name that begins with '#' heads a column of numbers. */
void pb_page_table(struct pb_page *page, const char *const *columns, unsigned count)
{
    pb_page_html(page, "<div class=\"wide\"><table>\n<thead><tr>");
    for (unsigned i = 0; i < count; i++) {
        bool number = columns[i][0] == '#';

        pb_page_html(page, number ? "<th class=\"n\">" : "<th>");
        pb_page_text(page, columns[i] + number);
        pb_page_html(page, "</th>");
    }
    pb_page_html(page, "</tr></thead>\n<tbody>\n");
}

void pb_page_table_end(struct pb_page *page)
{
    pb_page_html(page, "</tbody></table></div>\n");
}

void pb_page_fact(struct pb_page *page, const char *name, const char *value)
{
    if (!value || !*value) {
        return;
    }
    pb_page_html(page, "<dt>");
    pb_page_text(page, name);
    pb_page_html(page, "</dt><dd>");
    pb_page_text(page, value);
    pb_page_html(page, "</dd>\n");
}

/* NULL: there is none. */
static char *read_svg(struct pb_page *page, const char *name)
{
    char *path = NULL, *svg = NULL;
    size_t len;

    if (asprintf(&path, "%s/charts/%s.svg", page->folder, name) < 0) {
        page->out.status = PB_ENOMEM;
        return NULL;
    }
    if (pb_file_read(path, SVG_MAX_BYTES, &svg, &len, NULL) == PB_ENOMEM) {
        page->out.status = PB_ENOMEM;
    }
    free(path);
    return svg;
}

void pb_page_chart(struct pb_page *page, const char *name, const char *caption)
{
    char *svg = read_svg(page, name);
    char prefix[16];

    pb_page_html(page, "<figure>");
    if (svg && pb_svg_is_plain(svg)) {
        (void)snprintf(prefix, sizeof(prefix), "c%u-", page->charts++);
        pb_page_html(page, "<div class=\"wide\">\n");
        pb_svg_inline(&page->out, svg, prefix);
        pb_page_html(page, "</div>");
        pb_page_html(page, "<figcaption>");
        pb_page_text(page, caption);
    } else {
        pb_page_html(page, "<figcaption>");
        pb_page_textf(page,
                      svg ? "charts/%s.svg is not a drawing of ours and is left out."
                          : "The picture charts/%s.svg is missing: install gnuplot "
                            "(apt-get install gnuplot-nox) and run `poolbench report` again; its "
                            "data and script are in charts/.",
                      name);
    }
    pb_page_html(page, "</figcaption></figure>\n");
    free(svg);
}
