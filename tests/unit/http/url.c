/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

#include <string.h>

static void query_rows(void **state)
{
    struct arena *a = arena_make(1024);
    struct http_param *p;

    (void)state;
    assert_int_equal(http_query_parse(a, NULL, &p), 0);
    assert_int_equal(http_query_parse(a, "a=1&b&&c=x+y%20z;d=%zz&e=%C3%A9&f=%00", &p), 6);
    assert_string_equal(p[0].value, "1");
    assert_string_equal(p[1].name, "b");
    assert_string_equal(p[1].value, "");
    assert_string_equal(p[2].value, "x y z");
    assert_string_equal(p[3].value, "%zz");
    assert_string_equal(p[4].value, "\xC3\xA9");
    assert_string_equal(p[5].value, "\xEF\xBF\xBD");
    assert_int_equal(http_query_parse(a, "f=%ff", &p), HTTP_QUERY_UNDECODABLE);
    assert_int_equal(http_query_parse(a, "%ff=1", &p), HTTP_QUERY_UNDECODABLE);
    arena_free(a);
}

static void query_is_bounded(void **state)
{
    CLEANUP(str_done) struct str q = STR_INIT;
    struct arena *a = arena_make(1024);
    struct http_param *p;

    (void)state;
    for (int i = 0; i <= HTTP_PARAMS_MAX; i++)
        str_add(&q, "a=1&");
    assert_int_equal(http_query_parse(a, str_text(&q), &p), HTTP_QUERY_TOO_MANY);
    arena_free(a);
}

static void path_segments(void **state)
{
    struct arena *a = arena_make(1024);
    char *out;

    (void)state;
    assert_true(http_path_decode(a, "a%2Fb%20c", 9, &out));
    assert_string_equal(out, "a/b c");
    assert_false(http_path_decode(a, "a%2", 3, &out));
    assert_false(http_path_decode(a, "%zz", 3, &out));
    assert_false(http_path_decode(a, "a%00b", 5, &out));
    arena_free(a);
}

static void quoting_is_pythons(void **state)
{
    CLEANUP(str_done) struct str s = STR_INIT;

    (void)state;
    http_quote_plus(&s, "a b:c/d~e_f\xC3\xA9&");
    assert_string_equal(str_text(&s), "a+b%3Ac%2Fd~e_f%C3%A9%26");
    str_clear(&s);
    http_quote_path(&s, "/a b/c");
    assert_string_equal(str_text(&s), "/a%20b/c");
}

static const struct {
    const char *url, *scheme, *host;
    unsigned port;
} urls[] = {
    { "http://Example.ORG:8080/x?y#z", "http", "example.org", 8080 },
    { "HTTPS://u:p@h/", "https", "h", 0 },
    { "http://a@b@c:1", "http", "c", 1 },
    { "  \thttp://h", "http", "h", 0 },
    { "ht\ntp://h", "http", "h", 0 },
    { "http://h:", "http", "h", 0 },
    { "http://[::1]:9", "http", "::1", 9 },
    { "http://[FE80::1%25eth0]", "http", "fe80::1%25eth0", 0 },
    { "http://h?x:1", "http", "h", 0 },
    { "file:///etc/passwd", "file", "", 0 },
    { "swift+config://a/b", "swift+config", "a", 0 },
    { "http:/h", "http", "", 0 },
    { "1http://h", "", "", 0 },
    { "//h:2", "", "h", 2 },
    { "x", "", "", 0 },
    { "", "", "", 0 },
    { "http://h:x", NULL, NULL, 0 },
    { "http://h:65536", NULL, NULL, 0 },
    { "http://h:-1", NULL, NULL, 0 },
    { "http://[::1", NULL, NULL, 0 },
    { "http://[::1]x:1", NULL, NULL, 0 },
    { "http://[127.0.0.1]", NULL, NULL, 0 },
};

static const struct {
    const char *url, *rest;
    bool port, user;
} rests[] = {
    { "http://h/x?y#z", "/x?y#z", false, false },
    { "http://h:0", "", true, false },
    { "http://h:/", "/", false, false },
    { "http://@h?x", "?x", false, true },
    { "http://u:p@[::1]:1#x", "#x", true, true },
    { "http:/h", "/h", false, false },
    { "x", "x", false, false },
};

static void urls_are_split(void **state UNUSED)
{
    struct arena *a = arena_make(1024);
    struct http_url u;

    for (size_t i = 0; i < COUNT(rests); i++)
        CHECK_CASE(rests[i].url, http_url_split(a, rests[i].url, &u) && str_eq(u.rest, rests[i].rest) &&
                                     u.port_told == rests[i].port && u.user_told == rests[i].user);

    for (size_t i = 0; i < COUNT(urls); i++) {
        struct http_url got;
        bool split = http_url_split(a, urls[i].url, &got);

        CHECK_CASE(urls[i].url, split == (urls[i].scheme != NULL));
        if (split)
            CHECK_CASE(urls[i].url, str_eq(got.scheme, urls[i].scheme) && str_eq(got.host, urls[i].host) &&
                                        got.port == urls[i].port);
    }
    arena_free(a);
}

static const struct {
    const char *url, *canonical; /* NULL: it has none */
} spellings[] = {
    { "http://h/%4%341", "http://h/%25441" },
    { "http://h/%", "http://h/%25" },
    { "HTTP://Example.ORG", "http://example.org/" },
    { "http://example.org:80/a", "http://example.org/a" },
    { "https://example.org:443/a", "https://example.org/a" },
    { "http://example.org:443/a", "http://example.org:443/a" },
    { "http://example.org:/a", "http://example.org/a" },
    { "http://e/%7eu/%2f%C3%a9%zz%4", "http://e/~u/%2F%C3%A9%25zz%254" },
    { "http://e/a/./b/../c/%2E%2e/d#f", "http://e/a/d" },
    { "http://e/../..", "http://e/" },
    { "http://e/a/..", "http://e/" },
    { "http://e/a/.", "http://e/a/" },
    { "http://e//a", "http://e//a" },
    { "http://e?q=../%61%2b#f", "http://e/?q=../a%2B" },
    { "http://U:P@E/a", "http://U:P@e/a" },
    { "http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a" },
    { "file:///a", NULL },
    { "http:///a", NULL },
    { "http://e:x/", NULL },
    { "", NULL },
};

static void urls_have_one_spelling(void **state)
{
    struct arena *a = arena_make(1024);

    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        const char *got = http_url_canonical(a, spellings[i].url);

        CHECK_CASE(spellings[i].url, str_eq(got, spellings[i].canonical));
        CHECK_CASE(spellings[i].url, !got || str_eq(http_url_canonical(a, got), got));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_have_one_spelling),
        cmocka_unit_test(urls_are_split),
        cmocka_unit_test(query_rows),
        cmocka_unit_test(query_is_bounded),
        cmocka_unit_test(path_segments),
        cmocka_unit_test(quoting_is_pythons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
