#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "support/test.h"
#include "tuner/journal.h"

static cJSON *line_of(const char *type, double number)
{
    cJSON *line = cJSON_CreateObject();

    cJSON_AddStringToObject(line, "type", type);
    cJSON_AddNumberToObject(line, "number", number);
    return line;
}

/* A journal of lines a 0, a 1, ... in a fresh folder; its text in `ret_text`. */
static char *make_journal(unsigned lines, struct pb_buf *ret_text)
{
    char *path = pb_path_join(pb_test_folder(), "journal.jsonl");

    for (unsigned i = 0; i < lines; i++) {
        cJSON *line = line_of("a", 0.1 + i);

        PB_ASSERT_OK(pb_journal_format(line, ret_text));
        cJSON_Delete(line);
    }
    PB_ASSERT_OK(pb_file_replace(path, pb_buf_text(ret_text), ret_text->len, NULL));
    return path;
}

PB_TEST(journal_replays_then_appends)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };
    char *path = make_journal(2, &text), *data = NULL;
    struct pb_journal *journal = NULL;
    size_t len = 0;

    PB_ASSERT_OK(pb_journal_open(path, &journal, NULL));
    ck_assert(pb_journal_replaying(journal));
    PB_ASSERT_OK(pb_journal_note(journal, line_of("a", 0.1), NULL));
    ck_assert_ptr_null(pb_journal_take(journal, "b"));
    PB_ASSERT_NEAR(1.1, pb_json_num(pb_journal_take(journal, "a"), "number", 0), 0);
    ck_assert(!pb_journal_replaying(journal));
    ck_assert_ptr_null(pb_journal_take(journal, "a"));
    PB_ASSERT_OK(pb_journal_note(journal, line_of("c", 3), NULL));
    pb_journal_free(journal);
    PB_ASSERT_OK(pb_file_read(path, 10000, &data, &len, NULL));
    ck_assert_uint_gt(len, text.len);
    ck_assert_int_eq(0, memcmp(data, pb_buf_text(&text), text.len));
    ck_assert_ptr_nonnull(strstr(data + text.len, "{\"type\":\"c\",\"number\":3,\"crc32c\":\""));
    free(data);
    free(path);
}

PB_TEST(journal_of_another_search_is_refused)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };
    char *path = make_journal(1, &text);
    struct pb_journal *journal = NULL;

    PB_ASSERT_OK(pb_journal_open(path, &journal, NULL));
    PB_ASSERT_STATUS(PB_ECORRUPT, pb_journal_note(journal, line_of("a", 0.2), NULL));
    PB_ASSERT_STATUS(PB_ENOMEM, pb_journal_note(journal, NULL, NULL));
    pb_journal_free(journal);
    free(path);
}

PB_TEST(journal_cut_anywhere_keeps_its_whole_lines)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };
    char *path = make_journal(3, &text);
    size_t line = text.len / 3;

    ck_assert_uint_eq(text.len, 3 * line);
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct pb_journal *journal = NULL;
        unsigned lines = 0;

        PB_ASSERT_OK(pb_file_replace(path, pb_buf_text(&text), cut, NULL));
        PB_ASSERT_OK(pb_journal_open(path, &journal, NULL));
        while (pb_journal_take(journal, "a") != NULL) {
            lines++;
        }
        ck_assert_uint_eq(cut / line, lines);
        PB_ASSERT_OK(pb_journal_note(journal, line_of("z", 1), NULL));
        pb_journal_free(journal);
        /* What was torn is gone: the journal is whole again. */
        PB_ASSERT_OK(pb_journal_open(path, &journal, NULL));
        pb_journal_free(journal);
    }
    free(path);
}

PB_TEST(journal_with_a_damaged_line_is_refused)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };
    char *path = make_journal(3, &text), *damaged = strdup(pb_buf_text(&text));
    struct pb_journal *journal = NULL;
    struct pb_error err = { 0 };

    strstr(damaged, "1.1")[0] = '7';
    PB_ASSERT_OK(pb_file_replace(path, damaged, text.len, NULL));
    PB_ASSERT_STATUS(PB_ECORRUPT, pb_journal_open(path, &journal, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "journal.jsonl:2"));
    ck_assert_ptr_null(journal);
    free(damaged);
    free(path);
}

PB_TEST(journal_belongs_to_one_process)
{
    PB_CLEANUP(pb_buf_done) struct pb_buf text = { 0 };
    char *path = make_journal(1, &text);
    struct pb_journal *first = NULL, *second = NULL;

    PB_ASSERT_OK(pb_journal_open(path, &first, NULL));
    PB_ASSERT_STATUS(PB_EEXIST, pb_journal_open(path, &second, NULL));
    pb_journal_free(first);
    PB_ASSERT_OK(pb_journal_open(path, &second, NULL));
    pb_journal_free(second);
    (void)unlink(path);
    PB_ASSERT_STATUS(PB_ENOENT, pb_journal_open(path, &first, NULL));
    free(path);
}
