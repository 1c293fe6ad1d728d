#include <stdio.h>

#include "plots/page.h"
#include "plots/quote.h"
#include "plots/sheet.h"
#include "support/test.h"

static void assert_quoted(void (*quote)(struct pb_buf *, const char *), const char *want,
                          const char *text)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    quote(&out, text);
    ck_assert_str_eq(want, pb_buf_text(&out));
}

PB_TEST(text_for_gnuplot_is_one_single_quoted_string)
{
    assert_quoted(pb_quote_gnuplot, "''", "");
    assert_quoted(pb_quote_gnuplot, "'it’s'", "it's");
    assert_quoted(pb_quote_gnuplot, "'’’b’’'", "''b''");
    assert_quoted(pb_quote_gnuplot, "'a`b`\"c\\'", "a`b`\"c\\");
    assert_quoted(pb_quote_gnuplot, "'ab'",
                  "a\n\r\t\x01\x7f"
                  "b");
    assert_quoted(pb_quote_gnuplot, "'µs'", "µs");
    assert_quoted(pb_quote_gnuplot, "'ab'",
                  "a\xff\xc3"
                  "b");
    assert_quoted(pb_quote_gnuplot, "']] >'", "]]>");
    assert_quoted(pb_quote_gnuplot, "']] >'", "]]\x01>");
}

PB_TEST(text_for_gnuplot_is_cut_between_characters)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };
    char text[401];

    for (size_t i = 0; i < 400; i += 2) {
        memcpy(text + i, "µ", 2);
    }
    text[400] = '\0';
    pb_quote_gnuplot(&out, text + 1); /* begins with half a character */
    ck_assert_uint_eq(PB_QUOTE_MAX_BYTES + 2, out.len);
    ck_assert_ptr_nonnull(strstr(out.data, "µ'"));
}

PB_TEST(text_for_a_page_holds_no_markup)
{
    assert_quoted(pb_quote_html, "&lt;b a=&quot;&#39;&quot;&gt;&amp;", "<b a=\"'\">&");
    assert_quoted(pb_quote_html, "ab",
                  "a\x1b\n"
                  "b");
    assert_quoted(pb_quote_html, "", "\xe2\x80\xae");
}

PB_TEST(text_for_a_cell_holds_no_separator)
{
    assert_quoted(pb_quote_cell, "ab'c#d", "a\tb\"c\n#d");
}

PB_TEST(text_for_a_shell_is_one_word)
{
    assert_quoted(pb_quote_shell, "scenarios/a-b.json", "scenarios/a-b.json");
    assert_quoted(pb_quote_shell, "''", "");
    assert_quoted(pb_quote_shell, "'a b'", "a b");
    assert_quoted(pb_quote_shell, "'it'\\''s $(x)'", "it's $(x)");
}

PB_TEST(only_drawings_are_inlined)
{
    static const char head[] = "<?xml version=\"1.0\"?><svg>";
    static const char *const refused[] = {
        "<script>x</script></svg>",
        "<rect onload='x'/></svg>",
        "<rect a='b'onload='x'/></svg>",
        "<use xlink:href='http://x'/></svg>",
        "<use xlink:href = 'x.svg'/></svg>",
        "<rect fill='url(http://x)'/></svg>",
        "<image href='#a'/></svg>",
        "<rect style='x'/></svg>",
        "<foreignObject/></svg>",
        "<rect",
    };
    char svg[200];

    (void)snprintf(svg, sizeof(svg), "%s<use xlink:href='#a'/><g id=\"a\"/></svg>", head);
    ck_assert(pb_svg_is_plain(svg));
    for (size_t i = 0; i < PB_ARRAY_LEN(refused); i++) {
        (void)snprintf(svg, sizeof(svg), "%s%s", head, refused[i]);
        ck_assert_msg(!pb_svg_is_plain(svg), "%s", refused[i]);
    }
    ck_assert(!pb_svg_is_plain("<html></html>"));
}

PB_TEST(ids_of_inlined_drawings_are_kept_apart)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf out = { 0 };

    pb_svg_inline(&out, "<?xml?>\n<svg><g id=\"a\"/><use xlink:href='#a' fill='url(#b)'/></svg>",
                  "c1-");
    ck_assert_str_eq("<svg><g id=\"c1-a\"/><use xlink:href='#c1-a' fill='url(#c1-b)'/></svg>",
                     pb_buf_text(&out));
}

PB_TEST(text_is_cut_to_its_place)
{
    char text[40];

    pb_text_fit("steady", 13, 400, text, sizeof(text));
    ck_assert_str_eq("steady", text);
    pb_text_fit("a very long name of a phase", 13, 100, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "…"));
    ck_assert(pb_text_width(text, 13) <= 100 + 13);
    pb_text_fit("spike", 13, 4, text, sizeof(text));
    ck_assert_str_eq("", text);
    pb_text_fit("0123456789012345678901234567890123456789012345", 13, 4000, text, sizeof(text));
    ck_assert_uint_lt(strlen(text), sizeof(text));
}
