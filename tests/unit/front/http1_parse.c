/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/http1/http1.h"

/* Everything the parser found, as one line: method minor path ?query host length flags fields. */
static void render(const struct http1_head *h, int result, struct str *out)
{
    str_clear(out);
    if (result < 0) {
        str_addf(out, "%d", -result);
        return;
    }
    str_addf(out, "%s %u %s", h->method, h->minor, h->path);
    if (h->query)
        str_addf(out, " ?%s", h->query);
    str_addf(out, " @%s", h->host ? h->host : "-");
    if (h->content_length == HTTP_BODY_UNKNOWN)
        str_add(out, " chunked");
    else if (h->content_length >= 0)
        str_addf(out, " %lld", (long long)h->content_length);
    str_addf(out, "%s%s", h->keep_alive ? " keep" : " close", h->expect_continue ? " expect" : "");
    for (size_t i = 0; i < h->n_fields; i++) {
        assert_int_equal(strlen(h->fields[i].name), h->fields[i].name_len);
        assert_int_equal(strlen(h->fields[i].value), h->fields[i].value_len);
        if (str_starts(h->fields[i].name, "x"))
            str_addf(out, " [%s=%s]", h->fields[i].name, h->fields[i].value);
    }
}

#define H   "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define PUT "PUT /f HTTP/1.1\r\n" H
#define CASE(name, text, expected)                                                                           \
    {                                                                                                        \
        name, text, sizeof text - 1, expected                                                                \
    }

/* clang-format off */
static const struct {
    const char *name, *text;
    size_t      len;
    const char *expected;
} cases[] = {
    CASE("the plainest", GET H "\r\n", "GET 1 / @h keep"),
    CASE("a query", "GET /a/b?c=d?e HTTP/1.1\r\n" H "\r\n", "GET 1 /a/b ?c=d?e @h keep"),
    CASE("an empty query", "GET /a? HTTP/1.1\r\n" H "\r\n", "GET 1 /a ? @h keep"),
    CASE("raw UTF-8 in the target", "GET /\xC3\xA4?{|} HTTP/1.1\r\n" H "\r\n", "GET 1 /\xC3\xA4 ?{|} @h keep"),
    CASE("fields", GET H "x-a:1\r\nx-b: \t two words \t\r\nx-c:\r\nx-d: \r\n\r\n",
         "GET 1 / @h keep [x-a=1] [x-b=two words] [x-c=] [x-d=]"),
    CASE("obs-text in a value", GET H "x-a: \xFF\r\n\r\n", "GET 1 / @h keep [x-a=\xFF]"),
    CASE("any token is a method", "M-S!#$%&'*+.^_`|~ / HTTP/1.1\r\n" H "\r\n", "M-S!#$%&'*+.^_`|~ 1 / @h keep"),
    CASE("methods are case-sensitive", "get / HTTP/1.1\r\n" H "\r\n", "get 1 / @h keep"),
    CASE("one empty line first", "\r\n" GET H "\r\n", "GET 1 / @h keep"),
    CASE("two empty lines first", "\r\n\r\n" GET H "\r\n", "GET 1 / @h keep"),
    CASE("a later minor version", "GET / HTTP/1.9\r\n" H "\r\n", "GET 1 / @h keep"),
    CASE("1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET 0 / @- close"),
    CASE("1.0 that wants to stay", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET 0 / @- keep"),
    CASE("1.1 that wants to go", GET H "Connection: x, Close\r\n\r\n", "GET 1 / @h close"),
    CASE("close wins", GET H "Connection: keep-alive\r\nConnection: close\r\n\r\n", "GET 1 / @h close"),
    CASE("an unknown connection option", GET H "Connection: closed\r\n\r\n", "GET 1 / @h keep"),
    CASE("a length", PUT "Content-Length: 17\r\n\r\n", "PUT 1 /f @h 17 keep"),
    CASE("length zero", PUT "content-length: 0\r\n\r\n", "PUT 1 /f @h 0 keep"),
    CASE("the longest length", PUT "Content-Length: 9223372036854775807\r\n\r\n", "PUT 1 /f @h 9223372036854775807 keep"),
    CASE("chunked", PUT "Transfer-Encoding: chunked\r\n\r\n", "PUT 1 /f @h chunked keep"),
    CASE("chunked in any case", PUT "transfer-encoding:\tChUnKeD \r\n\r\n", "PUT 1 /f @h chunked keep"),
    CASE("100-continue", PUT "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n", "PUT 1 /f @h 1 keep expect"),
    CASE("100-continue, chunked", PUT "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
         "PUT 1 /f @h chunked keep expect"),
    CASE("100-continue without a body", PUT "Expect: 100-continue\r\n\r\n", "PUT 1 /f @h keep"),
    CASE("100-continue of a 1.0 client", "PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
         "PUT 0 / @- 1 close"),
    CASE("a port", GET "Host: example.org:9292\r\n\r\n", "GET 1 / @example.org:9292 keep"),
    CASE("an empty port", GET "Host: h:\r\n\r\n", "GET 1 / @h: keep"),
    CASE("an IPv6 address", GET "Host: [::1]:80\r\n\r\n", "GET 1 / @[::1]:80 keep"),
    CASE("an empty Host", GET "Host:\r\n\r\n", "GET 1 / @ keep"),
    CASE("absolute form", "GET http://other:81/p?q HTTP/1.1\r\n" H "\r\n", "GET 1 /p ?q @other:81 keep"),
    CASE("absolute form without path", "GET HTTP://other HTTP/1.1\r\n" H "\r\n", "GET 1 / @other keep"),
    CASE("absolute form with query only", "GET https://other?q HTTP/1.1\r\n" H "\r\n", "GET 1 / ?q @other keep"),
    CASE("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS 1 * @h keep"),

    CASE("three empty lines first", "\r\n\r\n\r\n" GET H "\r\n", "400"),
    CASE("both framings", PUT "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    CASE("both framings, the other way", PUT "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", "400"),
    CASE("two lengths", PUT "Content-Length: 4\r\nContent-Length: 5\r\n\r\n", "400"),
    CASE("the same length twice", PUT "Content-Length: 4\r\nContent-Length: 4\r\n\r\n", "400"),
    CASE("a list of lengths", PUT "Content-Length: 4, 4\r\n\r\n", "400"),
    CASE("a length with a sign", PUT "Content-Length: +4\r\n\r\n", "400"),
    CASE("a negative length", PUT "Content-Length: -4\r\n\r\n", "400"),
    CASE("a hexadecimal length", PUT "Content-Length: 0x4\r\n\r\n", "400"),
    CASE("an empty length", PUT "Content-Length:\r\n\r\n", "400"),
    CASE("a length with a blank inside", PUT "Content-Length: 1 0\r\n\r\n", "400"),
    CASE("a length beyond 63 bits", PUT "Content-Length: 9223372036854775808\r\n\r\n", "400"),
    CASE("a length that wraps round", PUT "Content-Length: 18446744073709551617\r\n\r\n", "400"),
    CASE("a bare LF after the request line", "GET / HTTP/1.1\n" H "\r\n", "400"),
    CASE("a bare LF after a field", GET "Host: h\n\r\n", "400"),
    CASE("a bare LF at the end", GET H "\n", "400"),
    CASE("a bare LF first", "\n" GET H "\r\n", "400"),
    CASE("a bare CR in a value", GET H "x-a: b\rc\r\n\r\n", "400"),
    CASE("a bare CR in the request line", "GET /\r HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("CR CR LF", GET H "x-a: b\r\r\n\r\n", "400"),
    CASE("a bare CR first", "\rGET / HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a folded field", GET H "x-a: b\r\n c\r\n\r\n", "400"),
    CASE("a field folded with a tab", GET H "x-a: b\r\n\tc\r\n\r\n", "400"),
    CASE("a folded first field", GET " " H "\r\n", "400"),
    CASE("a blank before the colon", GET H "x-a : b\r\n\r\n", "400"),
    CASE("a tab before the colon", GET H "Content-Length\t: 1\r\n\r\n", "400"),
    CASE("no colon", GET H "x-a\r\n\r\n", "400"),
    CASE("no name", GET H ": b\r\n\r\n", "400"),
    CASE("a bad byte in a name", GET H "x(a): b\r\n\r\n", "400"),
    CASE("obs-text in a name", GET H "x\xFF: b\r\n\r\n", "400"),
    CASE("NUL in a value", GET H "x-a: b\0c\r\n\r\n", "400"),
    CASE("NUL in a name", GET H "x\0a: b\r\n\r\n", "400"),
    CASE("NUL in the target", "GET /\0 HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a control character in a value", GET H "x-a: \x0B\r\n\r\n", "400"),
    CASE("DEL in a value", GET H "x-a: \x7F\r\n\r\n", "400"),
    CASE("two Hosts", GET H H "\r\n", "400"),
    CASE("two different Hosts", GET H "host: i\r\n\r\n", "400"),
    CASE("two Hosts in 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", "400"),
    CASE("no Host", GET "\r\n", "400"),
    CASE("absolute form, no Host", "GET http://h/ HTTP/1.1\r\n\r\n", "400"),
    CASE("two names in Host", GET "Host: a b\r\n\r\n", "400"),
    CASE("a path in Host", GET "Host: a/b\r\n\r\n", "400"),
    CASE("a user in Host", GET "Host: u@a\r\n\r\n", "400"),
    CASE("a port that is none", GET "Host: a:b\r\n\r\n", "400"),
    CASE("a port that is too long", GET "Host: a:123456\r\n\r\n", "400"),
    CASE("an open bracket", GET "Host: [::1\r\n\r\n", "400"),
    CASE("a bracket in the middle", GET "Host: a[::1]\r\n\r\n", "400"),
    CASE("text after the bracket", GET "Host: [::1]a\r\n\r\n", "400"),
    CASE("an unknown coding", PUT "Transfer-Encoding: xchunked\r\n\r\n", "501"),
    CASE("a coding before chunked", PUT "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"),
    CASE("identity", PUT "Transfer-Encoding: identity\r\n\r\n", "501"),
    CASE("chunked with a parameter", PUT "Transfer-Encoding: chunked;a=b\r\n\r\n", "501"),
    CASE("chunked in quotes", PUT "Transfer-Encoding: \"chunked\"\r\n\r\n", "501"),
    CASE("chunked is not the last", PUT "Transfer-Encoding: chunked, gzip\r\n\r\n", "400"),
    CASE("chunked twice", PUT "Transfer-Encoding: chunked, chunked\r\n\r\n", "400"),
    CASE("chunked in two fields", PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    CASE("chunked, then something, in two fields", PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
    CASE("no coding", PUT "Transfer-Encoding:\r\n\r\n", "400"),
    CASE("an empty list element", PUT "Transfer-Encoding: chunked,\r\n\r\n", "400"),
    CASE("a vertical tab before chunked", PUT "Transfer-Encoding: \x0B" "chunked\r\n\r\n", "400"),
    CASE("a coding in 1.0", "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    CASE("a method that is no token", "G(T / HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("no method", " / HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("no target", "GET  HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("two blanks", "GET  / HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a tab for a blank", "GET\t/ HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a blank in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a blank after the version", "GET / HTTP/1.1 \r\n" H "\r\n", "400"),
    CASE("a fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("a target without slash", "GET a HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("* for GET", "GET * HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("authority form", "GET h:80 HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("another scheme", "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("absolute form without authority", "GET http:///p HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("absolute form with a user", "GET http://u@h/ HTTP/1.1\r\n" H "\r\n", "400"),
    CASE("CONNECT", "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", "501"),
    CASE("HTTP/0.9", "GET /\r\n" H "\r\n", "400"),
    CASE("version 0", "GET / HTTP/0.9\r\n" H "\r\n", "400"),
    CASE("version 2", "PRI * HTTP/2.0\r\n\r\n", "505"),
    CASE("version 3", "GET / HTTP/3.0\r\n" H "\r\n", "505"),
    CASE("a version in lower case", "GET / http/1.1\r\n" H "\r\n", "400"),
    CASE("a version of three digits", "GET / HTTP/1.11\r\n" H "\r\n", "400"),
    CASE("a version of one digit", "GET / HTTP/1\r\n" H "\r\n", "400"),
    CASE("another protocol", "GET / ICY/1.1\r\n" H "\r\n", "400"),
    CASE("another expectation", PUT "Expect: 200-ok\r\n\r\n", "417"),
    CASE("two expectations", PUT "Content-Length: 1\r\nExpect: 100-continue, x\r\n\r\n", "417"),
    CASE("the start of a TLS handshake", "\x16\x03\x01\x02\n\x01\x00", "400"),
};
/* clang-format on */

static int parse_copy(const char *text, size_t len, size_t *scanned, struct http1_head *h, char *copy)
{
    memcpy(copy, text, len);
    return http1_head_parse(copy, len, scanned, h);
}

static void whole_and_in_pieces(void **state)
{
    static struct http1_head h;
    static char copy[4096];
    CLEANUP(str_done) struct str got = STR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t scanned = 0, len = cases[i].len;
        int whole = parse_copy(cases[i].text, len, &scanned, &h, copy);

        render(&h, whole, &got);
        if (!str_eq(got.data, cases[i].expected))
            fail_msg("%s: got %s, expected %s", cases[i].name, got.data, cases[i].expected);
        CHECK_CASE(cases[i].name, whole < 0 || whole == (int)len);
        CHECK_CASE(cases[i].name, whole >= 0 || h.problem != NULL);
        for (size_t cut = 0; cut < len; cut++) {
            int part;

            scanned = 0;
            part = parse_copy(cases[i].text, cut, &scanned, &h, copy);
            CHECK_CASE(cases[i].name, scanned <= cut && memcmp(copy, cases[i].text, cut) == 0);
            CHECK_CASE(cases[i].name, part == 0 || part == whole);
            if (part == 0)
                part = parse_copy(cases[i].text, len, &scanned, &h, copy);
            render(&h, part, &got);
            CHECK_CASE(cases[i].name, str_eq(got.data, cases[i].expected));
        }
    }
}

/* What follows the head is left alone, byte by byte as well. */
static void byte_by_byte_with_a_rest(void **state)
{
    static const char text[] = "\r\n" GET H "x-a: b\r\n\r\nGET /next";
    static struct http1_head h;
    char buf[sizeof text];
    size_t scanned = 0, head = sizeof text - 1 - 9;

    (void)state;
    for (size_t n = 0; n < head; n++) {
        memcpy(buf, text, n);
        assert_int_equal(http1_head_parse(buf, n, &scanned, &h), 0);
        assert_memory_equal(buf, text, n);
    }
    memcpy(buf, text, sizeof text);
    assert_int_equal(http1_head_parse(buf, sizeof text - 1, &scanned, &h), head);
    assert_string_equal(buf + head, "GET /next");
    assert_string_equal(h.fields[1].value, "b");
}

/* Limits: a head of the given shape is taken or refused, whole and as it arrives. */
static const struct {
    const char *name;
    size_t target, value, fields; /* lengths; number of fields besides Host */
    int status;
} limits[] = {
    { "the longest target", HTTP_TARGET_MAX, 1, 0, 0 },
    { "a target too long", HTTP_TARGET_MAX + 1, 1, 0, 414 },
    { "a request line too long", HTTP_LINE_MAX, 1, 0, 414 },
    { "the longest line", 1, HTTP_LINE_MAX - 5, 1, 0 },
    { "a line too long", 1, HTTP_LINE_MAX - 4, 1, 431 },
    { "the most fields", 1, 1, HTTP_HEADERS_MAX - 1, 0 },
    { "too many fields", 1, 1, HTTP_HEADERS_MAX, 431 },
    { "a head too long", 1, 1000, 70, 431 },
};

static void size_limits(void **state)
{
    static struct http1_head h;

    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        CLEANUP(str_done) struct str text = STR_INIT;
        size_t scanned = 0, n;
        int got = 0;

        str_add(&text, "GET /");
        for (n = 1; n < limits[i].target; n++)
            str_addc(&text, 'a');
        str_add(&text, " HTTP/1.1\r\nHost: h\r\n");
        for (size_t f = 0; f < limits[i].fields; f++) {
            str_add(&text, "x: ");
            for (n = 0; n < limits[i].value; n++)
                str_addc(&text, 'v');
            str_add(&text, "\r\n");
        }
        str_add(&text, "\r\n");
        for (n = 1; n <= text.len && got == 0; n += 1 + text.len / 997)
            got = http1_head_parse(text.data, n, &scanned, &h);
        if (got == 0)
            got = http1_head_parse(text.data, text.len, &scanned, &h);
        CHECK_CASE(limits[i].name, limits[i].status == 0 ? got == (int)text.len : got == -limits[i].status);
    }
}

/* Neither a client that never ends its line nor one that never ends its head makes us keep more than the
 * limit. */
static void endless_heads(void **state)
{
    static struct http1_head h;
    static char buf[HTTP_HEAD_MAX];
    size_t scanned = 0, n;
    int got = 0;

    (void)state;
    memset(buf, 'a', sizeof buf);
    for (n = 1; n <= sizeof buf && got == 0; n++)
        got = http1_head_parse(buf, n, &scanned, &h);
    assert_int_equal(got, -414);
    memcpy(buf, GET, 16);
    for (n = 16; n + 8 <= sizeof buf; n += 8)
        memcpy(buf + n, "x: abc\r\n", 8);
    scanned = 0;
    for (n = 1, got = 0; n <= sizeof buf && got == 0; n++)
        got = http1_head_parse(buf, n, &scanned, &h);
    assert_int_equal(got, -431);
    assert_int_equal(n, sizeof buf + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_in_pieces),
        cmocka_unit_test(byte_by_byte_with_a_rest),
        cmocka_unit_test(size_limits),
        cmocka_unit_test(endless_heads),
    };

    return cmocka_run_group_tests_name("front-http1-parse", tests, NULL, NULL);
}
