/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fetch/fetch.h"

static const struct {
    const char *value;
    bool part;
    uint64_t first, last, total;
    bool total_known;
} ranges[] = {
    { "bytes 0-9/10", true, 0, 9, 10, true },
    { "Bytes 5-5/6", true, 5, 5, 6, true },
    { "bytes  0-9/10", true, 0, 9, 10, true },
    { "bytes 0-9/*", true, 0, 9, 0, false },
    { "bytes */10", false, 0, 0, 10, true },
    { "bytes 0-9223372036854775806/9223372036854775807", true, 0, INT64_MAX - 1, INT64_MAX, true },
    { "bytes 0-9/9", .part = false },
    { "bytes 5-4/10", .part = false },
    { "bytes 0-9/10x", .part = false },
    { "bytes 0-9", .part = false },
    { "bytes 0-/10", .part = false },
    { "bytes -9/10", .part = false },
    { "bytes 0-9/", .part = false },
    { "bytes */*", .part = false },
    { "bytes 0--9/10", .part = false },
    { "bytes 0-+9/10", .part = false },
    { "bytes 0-18446744073709551615/18446744073709551616", .part = false },
    { "bytes 0-99999999999999999999999999999/10", .part = false },
    { "bytes", .part = false },
    { "items 0-9/10", .part = false },
    { "bytes=0-9/10", .part = false },
    { "", .part = false },
};

static void line(struct fetch_head *h, const char *text)
{
    fetch_head_line(h, text, strlen(text));
}

static void parts_are_read(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(ranges); i++) {
        CLEANUP(str_done) struct str text = STR_INIT;
        struct fetch_head h = { .part = false };

        str_addf(&text, "content-RANGE: %s\r\n", ranges[i].value);
        line(&h, str_text(&text));
        CHECK_CASE(ranges[i].value,
                   h.part_seen && h.part == ranges[i].part && h.total_known == ranges[i].total_known);
        if (h.part)
            CHECK_CASE(ranges[i].value, h.part_first == ranges[i].first && h.part_last == ranges[i].last);
        if (h.total_known)
            CHECK_CASE(ranges[i].value, h.total == ranges[i].total);
    }
}

static void two_parts_are_none_unless_equal(void **state UNUSED)
{
    struct fetch_head h = { .part = false };

    line(&h, "Content-Range: bytes 0-9/10\r\n");
    line(&h, "Content-Range: bytes 0-9/10\r\n");
    assert_true(h.part);
    line(&h, "Content-Range: bytes 1-9/10\r\n");
    assert_false(h.part);
    assert_true(h.part_seen);
    line(&h, "Content-Range: bytes 1-9/10\r\n");
    assert_false(h.part);
    line(&h, "HTTP/1.1 200 OK\r\n");
    assert_false(h.part_seen);
}

static void lengths_that_are_none(void **state UNUSED)
{
    struct fetch_head h = { .part = false };

    line(&h, "Content-Length: 10\r\n");
    assert_false(h.length_junk);
    line(&h, "Content-Length: 9223372036854775808\r\n");
    assert_true(h.length_junk);
    line(&h, "HTTP/1.1 200 OK\r\n");
    assert_false(h.length_junk);
}

static void codings_are_seen(void **state UNUSED)
{
    char big[FETCH_LINE_MAX + 64];
    struct fetch_head h = { .part = false };

    line(&h, "X-Transfer-Encoding: chunked\r\n");
    line(&h, "Transfer: chunked\r\n");
    assert_false(h.coded);
    line(&h, "transfer-encoding : chunked\r\n");
    assert_true(h.coded);
    line(&h, "HTTP/1.1 200 OK\r\n");
    assert_false(h.coded);
    snprintf(big, sizeof big, "Transfer-Encoding: %*s\r\n", FETCH_LINE_MAX, "chunked");
    line(&h, big);
    assert_true(h.coded);
}

/* What is taken, and what is refused before a byte of its body is read. */
static const struct {
    const char *what;
    const char *lines[3];
    unsigned status;
    bool asked, refused; /* for a part */
} heads[] = {
    { "no body", { NULL }, 204, false, false },
    { "chunked", { "Transfer-Encoding: chunked\r\n" }, 200, false, false },
    { "chunked, otherwise spelled", { "TRANSFER-ENCODING:\tChunked \r\n" }, 200, false, false },
    { "a content coding is data", { "Content-Encoding: gzip\r\n" }, 200, false, false },
    { "gzip", { "Transfer-Encoding: gzip\r\n" }, 200, false, true },
    { "gzip twice, chunked", { "Transfer-Encoding: gzip, gzip, chunked\r\n" }, 200, false, true },
    { "gzip, then chunked",
      { "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n" },
      200,
      false,
      true },
    { "chunked twice",
      { "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n" },
      200,
      false,
      true },
    { "nothing", { "Transfer-Encoding:\r\n" }, 200, false, true },
    { "over two lines", { "Transfer-Encoding: chunked\r\n", " , gzip\r\n" }, 200, false, true },
    { "a blank before the colon", { "Transfer-Encoding : chunked\r\n" }, 200, false, true },
    { "another field over two lines", { "X: y\r\n", " z\r\n" }, 200, false, false },
    { "one length twice", { "Content-Length: 5\r\n", "content-length: 5\r\n" }, 200, false, false },
    { "two lengths", { "Content-Length: 5\r\n", "Content-Length: 10\r\n" }, 200, false, true },
    { "two lengths in a line", { "Content-Length: 5, 10\r\n" }, 200, false, true },
    { "a length over two lines", { "Content-Length: 5\r\n", "\t0\r\n" }, 200, false, true },
    { "a negative length", { "Content-Length: -5\r\n" }, 200, false, true },
    { "a part without a range, which the reader finds", { "Content-Length: 5\r\n" }, 206, true, false },
    { "nor was it asked for", { "Content-Length: 5\r\n" }, 206, false, true },
    { "a part", { "Content-Range: bytes 5-9/10\r\n" }, 206, true, false },
    { "a part that was not asked for", { "Content-Range: bytes 5-9/10\r\n" }, 206, false, true },
    { "all of it, as a part", { "Content-Range: bytes 0-9/10\r\n" }, 206, false, false },
    { "of a whole of unknown size", { "Content-Range: bytes 0-9/*\r\n" }, 206, false, true },
};

static void doubtful_heads_are_refused(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(heads); i++) {
        struct fetch_head h = { .part = false };

        line(&h, "HTTP/1.1 103 Early Hints\r\n");
        line(&h, "Transfer-Encoding: gzip\r\n");
        line(&h, "HTTP/1.1 200 OK\r\n");
        for (size_t k = 0; k < COUNT(heads[i].lines) && heads[i].lines[k]; k++)
            line(&h, heads[i].lines[k]);
        line(&h, "\r\n");
        CHECK_CASE(heads[i].what,
                   !fetch_head_refused(&h, heads[i].status, heads[i].asked) == !heads[i].refused);
    }
}

static void validators_are_kept(void **state UNUSED)
{
    char big[FETCH_VALIDATOR_MAX + 32];
    struct fetch_head h = { .part = false };

    line(&h, "etag:\"first\"  \r\n");
    line(&h, "ETag: \"second\"\r\n");
    line(&h, "Last-Modified: \t Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    line(&h, "Date: Sun, 06 Nov 1994 08:50:37 GMT\n");
    line(&h, "Retry-After: 120\r\n");
    line(&h, "Retry-After\r\n");
    line(&h, ": x\r\n");
    line(&h, "\r\n");
    assert_string_equal(h.etag, "\"first\"");
    assert_string_equal(h.last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(h.date, "Sun, 06 Nov 1994 08:50:37 GMT");
    assert_string_equal(h.retry_after, "120");
    memset(&h, 0, sizeof h);
    memset(big, 'x', sizeof big);
    memcpy(big, "ETag: ", 6);
    fetch_head_line(&h, big, sizeof big);
    assert_string_equal(h.etag, "");
    fetch_head_line(&h, "ETag: \"a\0b\"", 11);
    assert_string_equal(h.etag, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(parts_are_read),
                                        cmocka_unit_test(lengths_that_are_none),
                                        cmocka_unit_test(two_parts_are_none_unless_equal),
                                        cmocka_unit_test(codings_are_seen),
                                        cmocka_unit_test(doubtful_heads_are_refused),
                                        cmocka_unit_test(validators_are_kept) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
