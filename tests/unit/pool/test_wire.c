#include <stdio.h>
#include <stdlib.h>

#include "pool/wire.h"
#include "support/alloc.h"
#include "support/test.h"

#define SPAN(text)               \
    (struct pb_span)             \
    {                            \
        (text), sizeof(text) - 1 \
    }

/* One message of each kind, and how each wire writes it. */
static const struct written {
    struct pb_wire_message m;
    const char *json;
    const char *line;
} written[] = {
    { { .kind = PB_WIRE_INIT, .worker = 3, .incarnation = 12, .body = { "{\"a\":\n1}", 8 } },
      "{\"type\":\"init\",\"protocol\":1,\"worker\":3,\"incarnation\":12,\"settings\":{\"a\":\n1}}",
      "init 1 3 12 {\"a\": 1}\n" },
    { { .kind = PB_WIRE_INIT },
      "{\"type\":\"init\",\"protocol\":1,\"worker\":0,\"incarnation\":0,\"settings\":{}}",
      "init 1 0 0 {}\n" },
    { { .kind = PB_WIRE_READY }, "{\"type\":\"ready\"}", "ready\n" },
    { { .kind = PB_WIRE_REQUEST,
        .id = 7,
        .index = UINT64_MAX,
        .command = { "a \"b\"\n", 6 },
        .body = { "[1, 2]", 6 } },
      "{\"type\":\"request\",\"id\":7,\"index\":18446744073709551615,"
      "\"command\":\"a \\u0022b\\u0022\\u000a\",\"args\":[1, 2]}",
      "request 7 a_\"b\"_ [1, 2]\n" },
    { { .kind = PB_WIRE_REQUEST, .id = 1, .command = { "x\xff\xc3\xa9", 4 } },
      "{\"type\":\"request\",\"id\":1,\"index\":0,\"command\":\"x\xef\xbf\xbd\xc3\xa9\",\"args\":"
      "null}",
      "request 1 x\xef\xbf\xbd\xc3\xa9 null\n" },
    { { .kind = PB_WIRE_RESULT, .id = 9007199254740992, .body = { "{}", 2 } },
      "{\"type\":\"result\",\"id\":9007199254740992,\"value\":{}}",
      "ok 9007199254740992 {}\n" },
    { { .kind = PB_WIRE_RESULT, .id = 0 },
      "{\"type\":\"result\",\"id\":0,\"value\":null}",
      "ok 0\n" },
    { { .kind = PB_WIRE_ERROR, .id = 7, .client = true, .body = { "no\r\nway", 7 } },
      "{\"type\":\"error\",\"id\":7,\"kind\":\"client\",\"message\":\"no\\u000d\\u000away\"}",
      "client_error 7 no  way\n" },
    { { .kind = PB_WIRE_ERROR, .id = 8, .body = { "\xfe", 1 } },
      "{\"type\":\"error\",\"id\":8,\"kind\":\"server\",\"message\":\"\xef\xbf\xbd\"}",
      "error 8 \xef\xbf\xbd\n" },
    { { .kind = PB_WIRE_PING, .id = 10 }, "{\"type\":\"ping\",\"id\":10}", "ping 10\n" },
    { { .kind = PB_WIRE_PONG, .id = 10 }, "{\"type\":\"pong\",\"id\":10}", "pong 10\n" },
    { { .kind = PB_WIRE_CANCEL, .id = 10 }, "{\"type\":\"cancel\",\"id\":10}", "cancel 10\n" },
    { { .kind = PB_WIRE_SHUTDOWN }, "{\"type\":\"shutdown\"}", "shutdown\n" },
};

PB_TEST(messages_are_written_as_documented)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(written); i++) {
        struct pb_buf frame = { 0 }, line = { 0 };
        size_t len = strlen(written[i].json);

        pb_wire_put(&frame, PB_WIRE_FRAMES, &written[i].m);
        pb_wire_put(&line, PB_WIRE_LINES, &written[i].m);
        ck_assert_uint_eq(4 + len, frame.len);
        ck_assert_int_eq(0, memcmp(frame.data, "\0\0\0", 3));
        ck_assert_uint_eq(len, (unsigned char)frame.data[3]);
        ck_assert_str_eq(written[i].json, frame.data + 4);
        ck_assert_str_eq(written[i].line, line.data);
        pb_buf_done(&frame);
        pb_buf_done(&line);
    }
}

static void check_same(enum pb_wire wire, const struct pb_wire_message *want,
                       const struct pb_wire_message *got)
{
    char command[40];

    ck_assert_int_eq(want->kind, got->kind);
    ck_assert_uint_eq(want->id, got->id);
    ck_assert_uint_eq(want->worker, got->worker);
    ck_assert_uint_eq(want->incarnation, got->incarnation);
    ck_assert_int_eq(want->client, got->client);
    if (want->kind != PB_WIRE_REQUEST) {
        return;
    }
    pb_wire_plain(wire, got->command, command, sizeof(command));
    if (want->id == 7) {
        ck_assert_str_eq(wire == PB_WIRE_FRAMES ? "a \"b\"\n" : "a_\"b\"_", command);
        ck_assert_uint_eq(wire == PB_WIRE_FRAMES ? want->index : 0, got->index);
        ck_assert_uint_eq(6, got->body.len);
        ck_assert_int_eq(0, memcmp("[1, 2]", got->body.at, 6));
    }
}

/* All messages of a wire in one stream. */
static void put_all(struct pb_buf *out, enum pb_wire wire)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(written); i++) {
        pb_wire_put(out, wire, &written[i].m);
    }
    PB_ASSERT_OK(pb_buf_status(out));
}

/* What comes, in pieces of `piece` bytes after a first one of `first`, is what was written. */
static void read_in_pieces(enum pb_wire wire, const struct pb_buf *stream, size_t first,
                           size_t piece)
{
    struct pb_wire_reader reader = { .wire = wire };
    struct pb_wire_message m;
    struct pb_span text;
    const char *why = "";
    size_t seen = 0;

    for (size_t at = 0; at < stream->len;) {
        size_t room = 0, len = at == 0 && first > 0 ? first : piece;
        char *to = pb_wire_room(&reader, &room);

        ck_assert_ptr_nonnull(to);
        len = len < stream->len - at ? len : stream->len - at;
        len = len < room ? len : room;
        memcpy(to, stream->data + at, len);
        pb_wire_came(&reader, len);
        at += len;
        while (pb_wire_cut(&reader, &text, &why) == PB_CUT_MESSAGE) {
            ck_assert_msg(pb_wire_read(wire, text, &m, &why), "%s: %.*s", why, (int)text.len,
                          text.at);
            check_same(wire, &written[seen++].m, &m);
        }
    }
    ck_assert_uint_eq(PB_ARRAY_LEN(written), seen);
    ck_assert_uint_eq(reader.start, reader.end);
    pb_wire_reader_done(&reader);
}

PB_TEST(messages_come_whole_whatever_the_pieces)
{
    for (enum pb_wire wire = 0; wire < PB_WIRE_COUNT; wire++) {
        struct pb_buf stream = { 0 };

        put_all(&stream, wire);
        for (size_t cut = 0; cut <= stream.len; cut++) {
            read_in_pieces(wire, &stream, cut, stream.len);
        }
        for (size_t piece = 1; piece < 20; piece++) {
            read_in_pieces(wire, &stream, 0, piece);
        }
        pb_buf_done(&stream);
    }
}

/* Every message cut short anywhere is no message, and every one with a byte too many is none. */
PB_TEST(a_part_of_a_message_is_no_message)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(written); i++) {
        struct pb_wire_message m;
        const char *why = "";
        char text[300];
        size_t len = strlen(written[i].json);

        for (size_t cut = 0; cut < len; cut++) {
            ck_assert_msg(!pb_wire_read(PB_WIRE_FRAMES, (struct pb_span){ written[i].json, cut },
                                        &m, &why),
                          "%.*s", (int)cut, written[i].json);
        }
        (void)snprintf(text, sizeof(text), "%s}", written[i].json);
        ck_assert(!pb_wire_read(PB_WIRE_FRAMES, (struct pb_span){ text, len + 1 }, &m, &why));
        ck_assert_str_eq("something behind the JSON object", why);
    }
}

static const struct refusal {
    enum pb_wire wire;
    const char *text;
    const char *why;
} refusals[] = {
    { PB_WIRE_FRAMES, "", "not a JSON object" },
    { PB_WIRE_FRAMES, "[]", "not a JSON object" },
    { PB_WIRE_FRAMES, "{}", "no type" },
    { PB_WIRE_FRAMES, "{\"type\":1}", "an unknown type" },
    { PB_WIRE_FRAMES, "{\"type\":\"reddy\"}", "an unknown type" },
    { PB_WIRE_FRAMES, "{\"type\":\"ready\"} x", "something behind the JSON object" },
    { PB_WIRE_FRAMES, "{\"type\":\"ready\",\"type\":\"ready\"}", "a key twice" },
    { PB_WIRE_FRAMES, "{\"type\":\"ready\",}", "not JSON" },
    { PB_WIRE_FRAMES, "{\"type\":\"ready\" \"a\":1}", "not JSON" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\"}", "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":\"1\"}", "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":-1}", "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":1.0}", "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":9007199254740993}", "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":18446744073709551617}",
      "no id that is a number" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":1,\"value\":01}", "not JSON" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":1,\"value\":\"\xc3\"}", "not JSON" },
    { PB_WIRE_FRAMES, "{\"type\":\"result\",\"id\":1,\"value\":\"\n\"}", "not JSON" },
    { PB_WIRE_FRAMES, "{\"type\":\"error\",\"id\":1,\"kind\":\"mine\"}",
      "an error whose kind is neither client nor server" },
    { PB_WIRE_FRAMES, "{\"type\":\"error\",\"id\":1,\"kind\":1}",
      "an error whose kind is neither client nor server" },
    { PB_WIRE_FRAMES, "{\"type\":\"error\",\"id\":1,\"message\":1}",
      "an error whose message is no string" },
    { PB_WIRE_FRAMES, "{\"type\":\"request\",\"id\":1}", "a request without a command" },
    { PB_WIRE_FRAMES, "{\"type\":\"request\",\"id\":1,\"command\":\"x\",\"index\":-1}",
      "an index that is no number" },
    { PB_WIRE_FRAMES, "{\"type\":\"init\",\"protocol\":2,\"worker\":1,\"incarnation\":1}",
      "a protocol other than 1" },
    { PB_WIRE_FRAMES, "{\"type\":\"init\",\"protocol\":1,\"incarnation\":1}",
      "an init without worker and incarnation" },
    { PB_WIRE_FRAMES,
      "{\"type\":\"init\",\"protocol\":1,\"worker\":1,\"incarnation\":1,\"settings\":[]}",
      "settings that are no object" },
    { PB_WIRE_LINES, "hello world", "an unknown word" },
    { PB_WIRE_LINES, " ready", "an unknown word" },
    { PB_WIRE_LINES, "read\\u0079", "an unknown word" },
    { PB_WIRE_LINES, "ready now", "something behind the message" },
    { PB_WIRE_LINES, "ok", "no id that is a number" },
    { PB_WIRE_LINES, "ok x", "no id that is a number" },
    { PB_WIRE_LINES, "ok 07", "no id that is a number" },
    { PB_WIRE_LINES, "ok 7 hello", "not JSON" },
    { PB_WIRE_LINES, "ok 7 1 2", "not JSON" },
    { PB_WIRE_LINES, "error 7 \xff", "a message that is not UTF-8" },
    { PB_WIRE_LINES, "request 7", "a request without a command" },
    { PB_WIRE_LINES, "request 7 x {", "not JSON" },
    { PB_WIRE_LINES, "init 2 0 0 {}", "a protocol other than 1" },
    { PB_WIRE_LINES, "init 1 0", "an init without worker and incarnation" },
    { PB_WIRE_LINES, "init 1 0 0 []", "settings that are no object" },
};

PB_TEST(garbage_is_refused_and_named)
{
    for (size_t i = 0; i < PB_ARRAY_LEN(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct pb_wire_message m;
        const char *why = "";

        ck_assert_msg(!pb_wire_read(r->wire, (struct pb_span){ r->text, strlen(r->text) }, &m,
                                    &why),
                      "%s", r->text);
        ck_assert_msg(strcmp(r->why, why) == 0, "%s: want '%s', got '%s'", r->text, r->why, why);
    }
}

PB_TEST(what_other_libraries_write_is_read)
{
    static const char *const results[] = {
        "{\"type\":\"result\",\"id\":7,\"value\":1}",
        " \r\n{ \"id\" : 7 , \"value\" : { } , \"type\" : \"result\" }\t",
        "{\"type\":\"result\",\"id\":7,\"stats\":{\"a\":[1,2,{}]},\"more\":null}",
        "{\"\\u0074ype\":\"re\\u0073ult\",\"\\u0069d\":7}",
        "{\"type\":\"result\",\"id\":7,\"value\":[-0.5e+10,1E5,0,\"\\ud83d\\ude00\\/\",true,false]}",
    };
    static const char *const lines[] = { "ok 7", "ok 7 ", "ok\t7  {\"a\": 1} ", "ok 7 null" };
    struct pb_wire_message m;
    const char *why = "";

    for (size_t i = 0; i < PB_ARRAY_LEN(results); i++) {
        struct pb_span text = { results[i], strlen(results[i]) };

        ck_assert_msg(pb_wire_read(PB_WIRE_FRAMES, text, &m, &why), "%s: %s", results[i], why);
        ck_assert_uint_eq(7, m.id);
        ck_assert_int_eq(PB_WIRE_RESULT, m.kind);
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(lines); i++) {
        ck_assert_msg(pb_wire_read(PB_WIRE_LINES, (struct pb_span){ lines[i], strlen(lines[i]) },
                                   &m, &why),
                      "%s: %s", lines[i], why);
        ck_assert_uint_eq(7, m.id);
    }
    ck_assert(pb_wire_read(PB_WIRE_FRAMES, SPAN("{\"type\":\"error\",\"id\":7}"), &m, &why));
    ck_assert(!m.client);
}

PB_TEST(a_text_loses_its_escapes)
{
    char text[16];

    pb_wire_plain(PB_WIRE_FRAMES, SPAN("a\\n\\u00e9\\ud83d\\ude00\\\\"), text, sizeof(text));
    ck_assert_str_eq("a\n\xc3\xa9\xf0\x9f\x98\x80\\", text);
    pb_wire_plain(PB_WIRE_FRAMES, SPAN("a\\ud83d\\ude00"), text, 4); /* no half a character */
    ck_assert_str_eq("a", text);
    pb_wire_plain(PB_WIRE_LINES, SPAN("a\\n\xc3\xa9"), text, 5);
    ck_assert_str_eq("a\\n", text);
    pb_wire_plain(PB_WIRE_LINES, SPAN(""), text, 1);
    ck_assert_str_eq("", text);
}

PB_TEST(json_is_checked_strictly)
{
    static const char *const good[] = { "1",  " [ ] ", "{\"a\":{}}",    "\"\\u0001\"",
                                        "-0", "1.5e3", "[[],[{}],\"\"]" };
    static const char *const bad[] = { "",
                                       " ",
                                       "[",
                                       "]",
                                       "[1,]",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{1:2}",
                                       "[}",
                                       "{]",
                                       "1 2",
                                       "tru",
                                       "nulL",
                                       "+1",
                                       ".5",
                                       "1.",
                                       "1e",
                                       "--1",
                                       "\"",
                                       "\"\\x\"",
                                       "\"\\u12\"",
                                       "\"\\u0000\"",
                                       "\"\\ud800\"",
                                       "\"\\udc00\"",
                                       "\"\\ud800\\u0041\"",
                                       "[1 2]",
                                       "{\"a\":1 \"b\":2}",
                                       "'a'" };

    for (size_t i = 0; i < PB_ARRAY_LEN(good); i++) {
        ck_assert_msg(pb_wire_is_json((struct pb_span){ good[i], strlen(good[i]) }), "%s", good[i]);
    }
    for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++) {
        ck_assert_msg(!pb_wire_is_json((struct pb_span){ bad[i], strlen(bad[i]) }), "%s", bad[i]);
    }
}

PB_TEST(nesting_has_an_end)
{
    for (int object = 0; object < 2; object++) {
        for (size_t depth = PB_WIRE_DEPTH - 1; depth <= PB_WIRE_DEPTH + 1; depth++) {
            struct pb_buf text = { 0 };

            for (size_t i = 0; i < depth; i++) {
                pb_buf_puts(&text, object ? "{\"a\":" : "[");
            }
            pb_buf_puts(&text, "1");
            for (size_t i = 0; i < depth; i++) {
                pb_buf_puts(&text, object ? "}" : "]");
            }
            ck_assert_int_eq(depth <= PB_WIRE_DEPTH,
                             pb_wire_is_json((struct pb_span){ text.data, text.len }));
            pb_buf_done(&text);
        }
    }
}

static void come(struct pb_wire_reader *reader, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t room = 0;
        char *to = pb_wire_room(reader, &room);
        size_t part = room < len - at ? room : len - at;

        ck_assert_ptr_nonnull(to);
        memcpy(to, bytes + at, part);
        pb_wire_came(reader, part);
        at += part;
    }
}

PB_TEST(lengths_that_cannot_be_are_garbage_at_once)
{
    static const struct {
        const char *head;
        enum pb_cut want;
    } heads[] = { { "\xff\xff\xff\xff", PB_CUT_GARBAGE }, { "\x01\x00\x00\x01", PB_CUT_GARBAGE },
                  { "\x01\x00\x00\x00", PB_CUT_MORE },    { "\x00\x00\x00\x00", PB_CUT_GARBAGE },
                  { "\x00\x00\x00\x01", PB_CUT_MORE },    { "hell", PB_CUT_GARBAGE } };
    struct pb_span text;
    const char *why;

    for (size_t i = 0; i < PB_ARRAY_LEN(heads); i++) {
        struct pb_wire_reader reader = { .wire = PB_WIRE_FRAMES };

        come(&reader, heads[i].head, 4);
        ck_assert_int_eq(heads[i].want, pb_wire_cut(&reader, &text, &why));
        ck_assert_uint_le(reader.size, 4096); /* a promise is no reason to allocate */
        pb_wire_reader_done(&reader);
    }
}

PB_TEST(lines_have_an_end_and_something_in_them)
{
    struct pb_wire_reader reader = { .wire = PB_WIRE_LINES };
    static char block[65536];
    struct pb_span text;
    const char *why = "";

    come(&reader, "\n", 1);
    ck_assert_int_eq(PB_CUT_GARBAGE, pb_wire_cut(&reader, &text, &why));
    ck_assert_str_eq("an empty line", why);
    pb_wire_reader_done(&reader);
    come(&reader, "ready\r\nok", 9);
    ck_assert_int_eq(PB_CUT_MESSAGE, pb_wire_cut(&reader, &text, &why));
    ck_assert_uint_eq(5, text.len);
    ck_assert_int_eq(PB_CUT_MORE, pb_wire_cut(&reader, &text, &why));
    pb_wire_reader_done(&reader);
    memset(block, 'x', sizeof(block));
    for (size_t sum = 0; sum < PB_FRAME_MAX_BYTES; sum += sizeof(block)) {
        come(&reader, block, sizeof(block));
        ck_assert_int_eq(PB_CUT_MORE, pb_wire_cut(&reader, &text, &why));
    }
    come(&reader, "x", 1);
    ck_assert_int_eq(PB_CUT_GARBAGE, pb_wire_cut(&reader, &text, &why));
    ck_assert_str_eq("a line of more than 16 MiB", why);
    pb_wire_reader_done(&reader);
}

PB_TEST(a_large_message_comes_whole_and_its_memory_goes)
{
    struct pb_wire_reader reader = { .wire = PB_WIRE_FRAMES };
    size_t len = PB_FRAME_MAX_BYTES, room;
    char *large = malloc(len + 4);
    struct pb_span text;
    const char *why;

    ck_assert_ptr_nonnull(large);
    memset(large, ' ', len + 4);
    memcpy(large, "\x01\0\0\0", 4);
    come(&reader, large, len + 4);
    come(&reader,
         "\0\0\0\x01"
         "1",
         5);
    ck_assert_int_eq(PB_CUT_MESSAGE, pb_wire_cut(&reader, &text, &why));
    ck_assert_uint_eq(len, text.len);
    ck_assert_int_eq(PB_CUT_MESSAGE, pb_wire_cut(&reader, &text, &why));
    ck_assert_uint_eq(1, text.len);
    ck_assert_int_eq(PB_CUT_MORE, pb_wire_cut(&reader, &text, &why));
    ck_assert_ptr_nonnull(pb_wire_room(&reader, &room));
    ck_assert_uint_le(reader.size, 4096);
    pb_wire_reader_done(&reader);
    free(large);
}

PB_TEST(a_reader_without_memory_says_so)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_wire_reader reader = { .wire = PB_WIRE_FRAMES };
        size_t room = 0;
        char *at = pb_wire_room(&reader, &room);

        ck_assert_int_eq(pb_alloc_failed(), at == NULL);
        pb_wire_reader_done(&reader);
    }
}

PB_TEST(wires_have_names)
{
    ck_assert_str_eq("frames", pb_wire_name(PB_WIRE_FRAMES));
    ck_assert_str_eq("lines", pb_wire_name(PB_WIRE_LINES));
}
