/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/http1/http1.h"

#define CASE(name, text, result, fields)                                                                     \
    {                                                                                                        \
        name, text, sizeof text - 1, result, fields                                                          \
    }

/* clang-format off */
static const struct {
    const char *name, *text;
    size_t      len;
    int         result;
    const char *fields; /* NAME=VALUE of each kept variable and a blank */
} packets[] = {
    CASE("no variables", "\0\0\0\0", 4, ""),
    CASE("one variable", "\0\x0A\0\0" "\5\0HTTPS\1\0x", 14 - 0, "HTTPS=x "),
    CASE("the body is left alone", "\0\x0A\0\0" "\5\0HTTPS\1\0xbody", 14, "HTTPS=x "),
    CASE("an empty value", "\0\x09\0\0" "\5\0HTTPS\0\0", 13, "HTTPS= "),
    CASE("a header", "\0\x0B\0\0" "\6\0HTTP_A\1\0\t", 15, "HTTP_A=\t "),
    CASE("a variable that is not ours", "\0\x13\0\0" "\5\0SSL_X\1\0\0\5\0HTTPS\0\0", 23, "HTTPS= "),
    CASE("the same again: the last", "\0\x14\0\0" "\5\0HTTPS\1\0a\5\0HTTPS\1\0b", 24, "HTTPS=b "),
    CASE("a header again: both", "\0\x16\0\0" "\6\0HTTP_A\1\0a\6\0HTTP_A\1\0b", 26, "HTTP_A=a HTTP_A=b "),
    CASE("the modifier of a mount", "\x1E\0\0\0", 4, ""),

    CASE("nothing", "", 0, ""),
    CASE("half a header", "\0\x0A", 0, ""),
    CASE("half a block", "\0\x0A\0\0" "\5\0HTT", 0, ""),
    CASE("all but one byte", "\0\x0A\0\0" "\5\0HTTPS\1\0", 0, ""),

    CASE("HTTP", "G", -400, ""),
    CASE("a request of HTTP", "GET / HTTP/1.1\r\n\r\n", -400, ""),
    CASE("another plugin", "\5\0\0\0", -400, ""),
    CASE("a second modifier", "\0\0\0\1", -400, ""),
    CASE("a name beyond the block", "\0\x07\0\0" "\6\0HTTPS", -400, ""),
    CASE("a size cut in half", "\0\x01\0\0" "\5", -400, ""),
    CASE("a name without a value", "\0\x07\0\0" "\5\0HTTPS", -400, ""),
    CASE("half a size of a value", "\0\x08\0\0" "\5\0HTTPS\1", -400, ""),
    CASE("a value beyond the block", "\0\x0A\0\0" "\5\0HTTPS\2\0xy", -400, ""),
    CASE("a value of 64 KiB", "\0\x0A\0\0" "\5\0HTTPS\xFF\xFFx", -400, ""),
    CASE("an empty name", "\0\x05\0\0" "\0\0\1\0x", -400, ""),
    CASE("NUL in a name", "\0\x0A\0\0" "\5\0HTT\0S\1\0x", -400, ""),
    CASE("NUL in a value", "\0\x0A\0\0" "\5\0HTTPS\1\0\0", -400, ""),
    CASE("a line break in a header", "\0\x0B\0\0" "\6\0HTTP_A\1\0\n", -400, ""),
    CASE("two lengths", "\0\x26\0\0" "\xE\0CONTENT_LENGTH\1\0001\xE\0CONTENT_LENGTH\1\0002", -400, ""),
    CASE("one length twice", "\0\x26\0\0" "\xE\0CONTENT_LENGTH\1\0001\xE\0CONTENT_LENGTH\1\0001", 42, "CONTENT_LENGTH=1 "),
};
/* clang-format on */

static char *fields_text(const struct http1_head *h)
{
    struct str s = STR_INIT;

    str_add(&s, "");
    for (size_t i = 0; i < h->n_fields; i++)
        str_addf(&s, "%s=%s ", h->fields[i].name, h->fields[i].value);
    if (!s.data)
        str_reserve(&s, 1);
    s.data[s.len] = '\0';
    return s.data;
}

static void packets_are_taken_apart(void **state)
{
    static struct http1_head h;

    (void)state;
    for (size_t i = 0; i < COUNT(packets); i++) {
        char *buf = malloc(packets[i].len + 1), *fields;
        int result;

        memcpy(buf, packets[i].text, packets[i].len);
        result = uwsgi_packet_parse(buf, packets[i].len, &h);
        if (result != packets[i].result)
            fail_msg("%s: %d, not %d", packets[i].name, result, packets[i].result);
        if (result > 0) {
            fields = fields_text(&h);
            CHECK_CASE(packets[i].name, strcmp(fields, packets[i].fields) == 0);
            CHECK_CASE(packets[i].name,
                       memcmp(buf + result, packets[i].text + result, packets[i].len - (size_t)result) == 0);
            free(fields);
        }
        CHECK_CASE(packets[i].name, result >= 0 || h.problem);
        free(buf);
    }
}

/* Of an incomplete packet nothing may be changed: it is parsed again with more. */
static void pieces_are_left_alone(void **state)
{
    static struct http1_head h;

    (void)state;
    for (size_t i = 0; i < COUNT(packets); i++) {
        for (size_t n = 0; packets[i].result > 0 && n < (size_t)packets[i].result; n++) {
            char *buf = malloc(n + 1);

            memcpy(buf, packets[i].text, n);
            CHECK_CASE(packets[i].name, uwsgi_packet_parse(buf, n, &h) == 0);
            CHECK_CASE(packets[i].name, memcmp(buf, packets[i].text, n) == 0);
            free(buf);
        }
    }
}

static void put(struct str *s, const char *name, const char *value)
{
    const char *texts[] = { name, value };

    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t n = strlen(texts[i]);

        str_addc(s, (char)(n & 0xFF));
        str_addc(s, (char)(n >> 8));
        str_addn(s, texts[i], n);
    }
    s->data[1] = (char)((s->len - 4) & 0xFF);
    s->data[2] = (char)((s->len - 4) >> 8);
}

static int parse_with(unsigned headers, unsigned others, struct http1_head *ret)
{
    CLEANUP(str_done) struct str s = STR_INIT;
    char name[32];

    str_addn(&s, "\0\0\0\0", 4);
    for (unsigned i = 0; i < headers; i++) {
        snprintf(name, sizeof name, "HTTP_X_%u", i);
        put(&s, name, "");
    }
    for (unsigned i = 0; i < others; i++) {
        snprintf(name, sizeof name, "X_%u", i);
        put(&s, name, "");
    }
    put(&s, "HTTPS", "on");
    return uwsgi_packet_parse(s.data, s.len, ret);
}

static void headers_are_counted(void **state)
{
    static struct http1_head h;

    (void)state;
    assert_true(parse_with(HTTP_HEADERS_MAX, 1000, &h) > 0);
    assert_int_equal(h.n_fields, HTTP_HEADERS_MAX + 1);
    assert_int_equal(parse_with(HTTP_HEADERS_MAX + 1, 0, &h), -431);
}

static void the_greatest_packet(void **state)
{
    static struct http1_head h;
    char *buf = calloc(1, UWSGI_PACKET_MAX);
    enum { VALUE = 65535 - 4 - 6 };

    (void)state;
    memcpy(buf, "\0\xFF\xFF\0\6\0HTTP_A", 12);
    buf[12] = (char)(VALUE & 0xFF);
    buf[13] = (char)(VALUE >> 8);
    memset(buf + 14, 'x', VALUE);
    assert_int_equal(uwsgi_packet_parse(buf, UWSGI_PACKET_MAX - 1, &h), 0);
    assert_int_equal(uwsgi_packet_parse(buf, UWSGI_PACKET_MAX, &h), UWSGI_PACKET_MAX);
    assert_int_equal(h.fields[0].value_len, VALUE);
    free(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_taken_apart),
        cmocka_unit_test(pieces_are_left_alone),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(the_greatest_packet),
    };

    return cmocka_run_group_tests_name("front-uwsgi-packet", tests, NULL, NULL);
}
