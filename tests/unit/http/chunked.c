/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "http/http.h"

#define CASE(name, text, result, body, rest)                                                                 \
    {                                                                                                        \
        name, text, sizeof text - 1, result, body, rest                                                      \
    }

/* clang-format off */
static const struct {
    const char *name, *text;
    size_t      len;
    int         result;
    const char *body;
    size_t      rest; /* bytes after the body, to be left alone */
} cases[] = {
    CASE("nothing", "0\r\n\r\n", 1, "", 0),
    CASE("one chunk", "5\r\nhello\r\n0\r\n\r\n", 1, "hello", 0),
    CASE("two chunks", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 1, "hello", 0),
    CASE("sizes in both cases", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 1, "01234567890123456789", 0),
    CASE("leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n", 1, "hello", 0),
    CASE("a next request", "1\r\na\r\n0\r\n\r\nGET /", 1, "a", 5),
    CASE("extensions", "5;a\r\nhello\r\n0;b=c;d=\"e;f\"\r\n\r\n", 1, "hello", 0),
    CASE("blanks before an extension", "5 \t;a = b\r\nhello\r\n0\r\n\r\n", 1, "hello", 0),
    CASE("trailers", "1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n", 1, "a", 0),
    CASE("data with line ends", "4\r\n\r\n\r\n\r\n0\r\n\r\n", 1, "\r\n\r\n", 0),
    CASE("the end is missing", "1\r\na\r\n0\r\n", 0, "a", 0),
    CASE("data is missing", "5\r\nhel", 0, "hel", 0),

    CASE("no size", "\r\nhello\r\n", -1, "", 0),
    CASE("an extension without size", ";a\r\n", -1, "", 0),
    CASE("no hexadecimal digit", "g\r\n", -1, "", 0),
    CASE("a sign", "+5\r\nhello\r\n0\r\n\r\n", -1, "", 0),
    CASE("0x", "0x5\r\nhello\r\n0\r\n\r\n", -1, "", 0),
    CASE("a blank first", " 5\r\nhello\r\n", -1, "", 0),
    CASE("a blank after the size", "5 \r\nhello\r\n", -1, "", 0),
    CASE("too many leading zeros", "00000000000000005\r\nhello\r\n", -1, "", 0),
    CASE("a size beyond 63 bits", "8000000000000000\r\n", -1, "", 0),
    CASE("a size of 17 digits", "10000000000000000\r\n", -1, "", 0),
    CASE("a bare LF after the size", "5\nhello\r\n", -1, "", 0),
    CASE("a bare CR after the size", "5\rhello\r\n", -1, "", 0),
    CASE("a bare LF in an extension", "5;a\nhello\r\n", -1, "", 0),
    CASE("NUL in an extension", "5;\0\r\nhello\r\n", -1, "", 0),
    CASE("data without CR LF", "5\r\nhello0\r\n\r\n", -1, "hello", 0),
    CASE("data with a bare LF", "5\r\nhello\n0\r\n\r\n", -1, "hello", 0),
    CASE("data with a bare CR", "5\r\nhello\r0\r\n\r\n", -1, "hello", 0),
    CASE("data longer than its size", "3\r\nhello\r\n0\r\n\r\n", -1, "hel", 0),
    CASE("a bare LF at the end", "0\r\n\n", -1, "", 0),
    CASE("a bare CR at the end", "0\r\n\rx", -1, "", 0),
    CASE("a trailer with a bare LF", "0\r\nA: b\n\r\n", -1, "", 0),
    CASE("a trailer without colon", "0\r\nA\r\n\r\n", -1, "", 0),
    CASE("a trailer with a blank before the colon", "0\r\nA : b\r\n\r\n", -1, "", 0),
    CASE("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", -1, "", 0),
    CASE("NUL in a trailer", "0\r\nA: \0\r\n\r\n", -1, "", 0),
};
/* clang-format on */

/* Decodes text in pieces of at most `piece` bytes with room for `room` bytes at a time, like a reader whose
 * buffers are that small; pieces end at `cut`, too. */
static int decode(const char *text, size_t len, size_t piece, size_t room, size_t cut, struct str *body,
                  size_t *used)
{
    struct http_chunked c;
    char out[64];
    int result = 0;

    http_chunked_init(&c);
    str_clear(body);
    *used = 0;
    while (result == 0 && *used < len) {
        size_t n = len - *used < piece ? len - *used : piece, made = room;

        if (*used<cut && * used + n> cut)
            n = cut - *used;
        result = http_chunked_decode(&c, text + *used, &n, out, &made);
        assert_true(n > 0 || made == room || result != 0);
        str_addn(body, out, made);
        *used += n;
    }
    return result;
}

static void every_split(void **state)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = cases[i].len;

        for (size_t cut = 0; cut < len; cut++) {
            static const size_t rooms[] = { 64, 3, 1 };

            for (size_t r = 0; r < COUNT(rooms); r++) {
                int result = decode(cases[i].text, len, len, rooms[r], cut, &body, &used);

                CHECK_CASE(cases[i].name, result == cases[i].result);
                CHECK_CASE(cases[i].name, str_eq(str_text(&body), cases[i].body));
                CHECK_CASE(cases[i].name, result != 1 || used == len - cases[i].rest);
            }
        }
        CHECK_CASE(cases[i].name, decode(cases[i].text, len, 1, 1, 0, &body, &used) == cases[i].result);
        CHECK_CASE(cases[i].name, str_eq(str_text(&body), cases[i].body));
    }
}

static void in_place(void **state)
{
    char buf[] = "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\nnext";
    struct http_chunked c;
    size_t in = sizeof buf - 1, out = sizeof buf - 1;

    (void)state;
    http_chunked_init(&c);
    assert_int_equal(http_chunked_decode(&c, buf, &in, buf, &out), 1);
    assert_int_equal(out, 5);
    assert_memory_equal(buf, "hello", 5);
    assert_string_equal(buf + in, "next");
    in = 4;
    out = 4;
    assert_int_equal(http_chunked_decode(&c, "next", &in, buf, &out), 1);
    assert_int_equal(in, 0);
}

static void sizes_are_added_up(void **state)
{
    static const char *const texts[] = { "5\r\nhello\r\n7FFFFFFFFFFFFFFF\r\n", "4\r\nhell\r\n2\r\n",
                                         "6\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct http_request rq = { .body_max = 5 };
        size_t used = strlen(texts[i]), made = used;
        struct http_chunked c;
        char out[64];

        http_chunked_init(&c);
        assert_int_equal(http_chunked_decode(&c, texts[i], &used, out, &made), 0);
        CHECK_CASE(texts[i], http_chunked_over(&c, &rq) && rq.body_over);
        rq.body_max = c.announced;
        CHECK_CASE(texts[i], !http_chunked_over(&c, &rq) && !rq.body_over);
        rq.body_max = 0;
        CHECK_CASE(texts[i], !http_chunked_over(&c, &rq));
    }
}

/* A sum that does not wrap: the third chunk would make it small again. */
static void sizes_never_wrap(void **state)
{
    struct http_chunked c = { .announced = UINT64_MAX - 1 };
    size_t used = 3, made = 3;
    char out[8];

    (void)state;
    assert_int_equal(http_chunked_decode(&c, "5\r\n", &used, out, &made), 0);
    assert_true(c.announced == UINT64_MAX);
}

/* n times `text` between a start and an end. */
static int decode_long(const char *start, const char *text, size_t n, const char *end)
{
    CLEANUP(str_done) struct str all = STR_INIT, body = STR_INIT;
    size_t used;

    str_add(&all, start);
    while (n--)
        str_add(&all, text);
    str_add(&all, end);
    return decode(all.data, all.len, 100, 64, 0, &body, &used);
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(decode_long("0;", "a", HTTP_CHUNK_LINE_MAX - 3, "\r\n\r\n"), 1);
    assert_int_equal(decode_long("0;", "a", HTTP_CHUNK_LINE_MAX, "\r\n\r\n"), -1);
    assert_int_equal(decode_long("0 ", " ", HTTP_CHUNK_LINE_MAX, ";a\r\n\r\n"), -1);
    assert_int_equal(decode_long("0\r\n", "A: b\r\n", HTTP_TRAILER_MAX / 6, "\r\n"), 1);
    assert_int_equal(decode_long("0\r\n", "A: b\r\n", HTTP_TRAILER_MAX / 4, "\r\n"), -1);
    assert_int_equal(decode_long("0\r\nA: ", "b", HTTP_TRAILER_MAX, "\r\n\r\n"), -1);
    assert_int_equal(decode_long("", "1;abc\r\na\r\n", 5000, "0\r\n\r\n"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),      cmocka_unit_test(in_place), cmocka_unit_test(sizes_are_added_up),
        cmocka_unit_test(sizes_never_wrap), cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests_name("http-chunked", tests, NULL, NULL);
}
