/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

#include <string.h>

enum { VARS_MAX = 12 };

struct vars {
    const char *items[VARS_MAX]; /* NAME=VALUE, up to a NULL */
};

static const char *vars_get(void *arg, const char *name)
{
    const struct vars *v = arg;
    size_t n = strlen(name);

    for (size_t i = 0; i < VARS_MAX && v->items[i]; i++)
        if (strncmp(v->items[i], name, n) == 0 && v->items[i][n] == '=')
            return v->items[i] + n + 1;
    return NULL;
}

/* Fills *rq of vars and a GET; the kind of failure. */
static enum error_kind read_vars(struct http_request *rq, struct vars *v, struct arena *a)
{
    struct error e;
    size_t n = 0;

    *rq = (struct http_request){ .arena = a };
    while (n < VARS_MAX && v->items[n])
        n++;
    if (!vars_get(v, "REQUEST_METHOD") && n < VARS_MAX)
        v->items[n] = "REQUEST_METHOD=GET";
    return http_cgi_request(rq, vars_get, v, &e) == 0 ? ERROR_NONE : e.kind;
}

static const struct {
    const char *name;
    struct vars vars;
    const char *path, *prefix, *query; /* path NULL: refused */
} targets[] = {
    { "at the root", { { "REQUEST_URI=/v2/images?limit=1" } }, "/v2/images", "", "limit=1" },
    { "an empty query", { { "REQUEST_URI=/v2/images?" } }, "/v2/images", "", "" },
    { "below a prefix", { { "REQUEST_URI=/image/v2", "SCRIPT_NAME=/image" } }, "/v2", "/image", NULL },
    { "a prefix with a slash",
      { { "REQUEST_URI=/image/v2", "SCRIPT_NAME=/image/" } },
      "/v2",
      "/image",
      NULL },
    { "a prefix of two segments", { { "REQUEST_URI=/a/b/v2", "SCRIPT_NAME=/a/b" } }, "/v2", "/a/b", NULL },
    { "the prefix alone", { { "REQUEST_URI=/image?a", "SCRIPT_NAME=/image" } }, "/", "/image", "a" },
    { "the prefix and a slash", { { "REQUEST_URI=/image/", "SCRIPT_NAME=/image/" } }, "/", "/image", NULL },
    { "the root as prefix", { { "REQUEST_URI=/v2", "SCRIPT_NAME=/" } }, "/v2", "", NULL },
    { "an escaped prefix", { { "REQUEST_URI=/%69mage/v2", "SCRIPT_NAME=/image" } }, "/v2", "/image", NULL },
    { "a prefix with a blank", { { "REQUEST_URI=/a%20b/v2", "SCRIPT_NAME=/a b" } }, "/v2", "/a%20b", NULL },
    { "slashes before the prefix",
      { { "REQUEST_URI=//image/v2", "SCRIPT_NAME=/image" } },
      "/v2",
      "/image",
      NULL },
    { "slashes after it stay",
      { { "REQUEST_URI=/image//v2", "SCRIPT_NAME=/image" } },
      "//v2",
      "/image",
      NULL },
    { "a mount by hand",
      { { "REQUEST_URI=/a%20b/v2", "GLINT_MOUNT=/a b/", "SCRIPT_NAME=/a b/v", "PATH_INFO=/" } },
      "/v2",
      "/a%20b",
      NULL },
    { "a mount by hand that does not match",
      { { "REQUEST_URI=/v2", "GLINT_MOUNT=/image", "SCRIPT_NAME=", "PATH_INFO=/v2" } },
      NULL,
      NULL,
      NULL },
    { "a mount at the root by hand",
      { { "REQUEST_URI=/a/v2", "GLINT_MOUNT=/", "SCRIPT_NAME=/a" } },
      "/a/v2",
      "",
      NULL },
    { "a mount at the root by hand, said as nothing",
      { { "REQUEST_URI=/v2/images", "GLINT_MOUNT=", "SCRIPT_NAME=/v2/images", "PATH_INFO=/" } },
      "/v2/images",
      "",
      NULL },
    { "the whole path is no mount",
      { { "REQUEST_URI=/v2/images/a%2Fb?limit=1", "SCRIPT_NAME=/v2/images/a%2Fb", "PATH_INFO=/",
          "QUERY_STRING=limit=1" } },
      "/v2/images/a%2Fb",
      "",
      "limit=1" },
    { "the whole path is no mount, versions",
      { { "REQUEST_URI=/versions", "SCRIPT_NAME=/versions", "PATH_INFO=/" } },
      "/versions",
      "",
      NULL },
    { "a mount that begins like a path of the API",
      { { "REQUEST_URI=/v2img/", "SCRIPT_NAME=/v2img", "PATH_INFO=/" } },
      "/",
      "/v2img",
      NULL },
    { "a relative mount", { { "REQUEST_URI=/image/v2", "GLINT_MOUNT=image" } }, NULL, NULL, NULL },
    { "a client's mount", { { "REQUEST_URI=/a/v2", "HTTP_GLINT_MOUNT=/a" } }, "/a/v2", "", NULL },
    { "an encoded slash stays", { { "REQUEST_URI=/v2/a%2Fb", "PATH_INFO=/v2/a/b" } }, "/v2/a%2Fb", "", NULL },
    { "an encoded NUL stays", { { "REQUEST_URI=/v2/a%00b", "PATH_INFO=/v2/a" } }, "/v2/a%00b", "", NULL },
    { "a NUL is no prefix", { { "REQUEST_URI=/image%00/v2", "SCRIPT_NAME=/image" } }, NULL, NULL, NULL },
    { "a prefix is whole segments",
      { { "REQUEST_URI=/images/v2", "SCRIPT_NAME=/image" } },
      NULL,
      NULL,
      NULL },
    { "a longer prefix", { { "REQUEST_URI=/im", "SCRIPT_NAME=/image" } }, NULL, NULL, NULL },
    { "a bad escape in the prefix", { { "REQUEST_URI=/im%zz/v2", "SCRIPT_NAME=/image" } }, NULL, NULL, NULL },
    { "a rewritten path",
      { { "REQUEST_URI=/old/v2", "SCRIPT_NAME=/image", "PATH_INFO=/v2/a b", "QUERY_STRING=x" } },
      "/v2/a%20b",
      "/image",
      "x" },
    { "rewritten to the root",
      { { "REQUEST_URI=/old", "SCRIPT_NAME=/image", "PATH_INFO=" } },
      "/",
      "/image",
      NULL },
    { "the root without a raw path", { { "SCRIPT_NAME=/image", "PATH_INFO=" } }, "/", "/image", NULL },
    { "no raw path",
      { { "SCRIPT_NAME=/image", "PATH_INFO=/v2/\xC3\xA9", "QUERY_STRING=" } },
      "/v2/%C3%A9",
      "/image",
      NULL },
    { "gunicorn's raw path", { { "RAW_URI=/v2/a%2Fb", "PATH_INFO=/v2/a/b" } }, "/v2/a%2Fb", "", NULL },
    { "an absolute target", { { "REQUEST_URI=http://h/v2?q" } }, "/v2", "", "q" },
    { "an absolute target without path", { { "REQUEST_URI=http://h" } }, "/", "", NULL },
    { "an absolute target below",
      { { "REQUEST_URI=HTTPS://h/image/v2", "SCRIPT_NAME=/image" } },
      "/v2",
      "/image",
      NULL },
    { "a scheme in a path", { { "REQUEST_URI=/v2/http://h/x" } }, "/v2/http://h/x", "", NULL },
    { "the server", { { "REQUEST_METHOD=OPTIONS", "REQUEST_URI=*", "SCRIPT_NAME=/image" } }, "*", "", NULL },
    { "the server, asked by GET", { { "REQUEST_URI=*" } }, NULL, NULL, NULL },
    { "neither path", { { "SCRIPT_NAME=/image" } }, NULL, NULL, NULL },
    { "a blank", { { "REQUEST_URI=/v2 x" } }, NULL, NULL, NULL },
    { "a line break", { { "REQUEST_URI=/v2\r\nA: b" } }, NULL, NULL, NULL },
    { "a fragment", { { "REQUEST_URI=/v2#x" } }, NULL, NULL, NULL },
    { "a line break in the query", { { "PATH_INFO=/v2", "QUERY_STRING=a\nb" } }, NULL, NULL, NULL },
    { "a relative target", { { "REQUEST_URI=v2" } }, NULL, NULL, NULL },
    { "a relative prefix", { { "REQUEST_URI=/image/v2", "SCRIPT_NAME=image" } }, NULL, NULL, NULL },
    { "a relative PATH_INFO", { { "PATH_INFO=v2" } }, NULL, NULL, NULL },
    { "no authority", { { "REQUEST_URI=http:///v2" } }, NULL, NULL, NULL },
    { "a malformed authority", { { "REQUEST_URI=http://a@b/v2" } }, NULL, NULL, NULL },
    { "a malformed method", { { "REQUEST_METHOD=GET /", "REQUEST_URI=/v2" } }, NULL, NULL, NULL },
    { "an empty method", { { "REQUEST_METHOD=", "REQUEST_URI=/v2" } }, NULL, NULL, NULL },
};

static void targets_are_routed_raw(void **state)
{
    struct arena *a = arena_make(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct vars v = targets[i].vars;
        struct http_request rq;
        enum error_kind kind = read_vars(&rq, &v, a);

        CHECK_CASE(targets[i].name, kind == (targets[i].path ? ERROR_NONE : ERROR_INVALID));
        if (!targets[i].path)
            continue;
        CHECK_CASE(targets[i].name, str_eq(rq.path, targets[i].path));
        CHECK_CASE(targets[i].name, str_eq(rq.prefix, targets[i].prefix));
        CHECK_CASE(targets[i].name, str_eq(rq.query, targets[i].query));
    }
    arena_free(a);
}

static void long_targets_are_refused(void **state)
{
    CLEANUP(str_done) struct str uri = STR_INIT;
    struct arena *a = arena_make(4096);
    struct vars v = { { "REQUEST_METHOD=GET" } };
    struct http_request rq = { .arena = a };
    struct error e;

    (void)state;
    str_add(&uri, "REQUEST_URI=/");
    while (uri.len <= HTTP_TARGET_MAX + strlen("REQUEST_URI="))
        str_addc(&uri, 'x');
    v.items[1] = str_text(&uri);
    assert_int_equal(http_cgi_request(&rq, vars_get, &v, &e), -1);
    assert_int_equal(e.status, 414);
    uri.data[uri.len - 1] = '\0';
    assert_int_equal(http_cgi_request(&rq, vars_get, &v, &e), 0);
    arena_free(a);
}

#define ROOT "REQUEST_URI=/"

static const struct {
    const char *name;
    struct vars vars;
    int64_t length;
    enum error_kind kind;
} bodies[] = {
    { "no word of a body", { { ROOT } }, HTTP_BODY_NONE, ERROR_NONE },
    { "an empty length", { { ROOT, "CONTENT_LENGTH=" } }, HTTP_BODY_NONE, ERROR_NONE },
    { "a length of 0", { { ROOT, "CONTENT_LENGTH=0" } }, 0, ERROR_NONE },
    { "a length", { { ROOT, "CONTENT_LENGTH=9223372036854775807" } }, INT64_MAX, ERROR_NONE },
    { "too great a length", { { ROOT, "CONTENT_LENGTH=9223372036854775808" } }, 0, ERROR_INVALID },
    { "a negative length", { { ROOT, "CONTENT_LENGTH=-1" } }, 0, ERROR_INVALID },
    { "a signed length", { { ROOT, "CONTENT_LENGTH=+1" } }, 0, ERROR_INVALID },
    { "a length with blanks", { { ROOT, "CONTENT_LENGTH= 1" } }, 0, ERROR_INVALID },
    { "two lengths", { { ROOT, "CONTENT_LENGTH=1, 1" } }, 0, ERROR_INVALID },
    { "no number", { { ROOT, "CONTENT_LENGTH=x" } }, 0, ERROR_INVALID },
    { "chunked", { { ROOT, "HTTP_TRANSFER_ENCODING=Chunked" } }, HTTP_BODY_UNKNOWN, ERROR_NONE },
    { "chunked beside an empty length",
      { { ROOT, "CONTENT_LENGTH=", "HTTP_TRANSFER_ENCODING=chunked" } },
      HTTP_BODY_UNKNOWN,
      ERROR_NONE },
    { "spooled by the server",
      { { ROOT, "CONTENT_LENGTH=5", "HTTP_TRANSFER_ENCODING=chunked" } },
      5,
      ERROR_NONE },
    { "spooled, and empty",
      { { ROOT, "CONTENT_LENGTH=0", "HTTP_TRANSFER_ENCODING=chunked" } },
      0,
      ERROR_NONE },
    { "another coding", { { ROOT, "HTTP_TRANSFER_ENCODING=gzip, chunked" } }, 0, ERROR_UNIMPLEMENTED },
    { "our filter's framing",
      { { ROOT, "BODY_FRAMING=chunked", "CONTENT_LENGTH=9223372036854775807" } },
      HTTP_BODY_UNKNOWN,
      ERROR_NONE },
    { "an unknown framing", { { ROOT, "BODY_FRAMING=lines" } }, 0, ERROR_INVALID },
    { "an empty framing", { { ROOT, "BODY_FRAMING=", "CONTENT_LENGTH=5" } }, 5, ERROR_NONE },
    { "a client's framing", { { ROOT, "HTTP_BODY_FRAMING=chunked", "CONTENT_LENGTH=5" } }, 5, ERROR_NONE },
    { "a length that is withheld", { { ROOT, "HTTP_CONTENT_LENGTH=5" } }, 0, ERROR_INVALID },
    { "a length of 0 that is withheld", { { ROOT, "HTTP_CONTENT_LENGTH=0" } }, HTTP_BODY_NONE, ERROR_NONE },
};

static void bodies_are_framed_in_order(void **state)
{
    struct arena *a = arena_make(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct vars v = bodies[i].vars;
        struct http_request rq;
        enum error_kind kind = read_vars(&rq, &v, a);

        CHECK_CASE(bodies[i].name, kind == bodies[i].kind);
        CHECK_CASE(bodies[i].name, kind != ERROR_NONE || rq.content_length == bodies[i].length);
    }
    arena_free(a);
}

static const struct {
    const char *name;
    struct vars vars;
    const char *scheme, *host, *peer; /* scheme NULL: refused */
} names[] = {
    { "nothing", { { ROOT } }, "http", "localhost", "-" },
    { "Host", { { ROOT, "HTTP_HOST=a:81", "SERVER_NAME=b", "REMOTE_ADDR=::1" } }, "http", "a:81", "::1" },
    { "an empty Host", { { ROOT, "HTTP_HOST=", "SERVER_NAME=b", "SERVER_PORT=80" } }, "http", "b", "-" },
    { "a port of its own", { { ROOT, "SERVER_NAME=b", "SERVER_PORT=81" } }, "http", "b:81", "-" },
    { "https has port 443", { { ROOT, "SERVER_NAME=b", "SERVER_PORT=443", "HTTPS=on" } }, "https", "b", "-" },
    { "https on port 80", { { ROOT, "SERVER_NAME=b", "SERVER_PORT=80", "HTTPS=on" } }, "https", "b:80", "-" },
    { "an address of IPv6", { { ROOT, "SERVER_NAME=::1", "SERVER_PORT=81" } }, "http", "[::1]:81", "-" },
    { "one in brackets", { { ROOT, "SERVER_NAME=[::1]", "SERVER_PORT=81" } }, "http", "[::1]:81", "-" },
    { "a name that is none", { { ROOT, "SERVER_NAME=~^a$" } }, "http", "localhost", "-" },
    { "an absolute target", { { "REQUEST_URI=http://c/", "HTTP_HOST=a" } }, "http", "c", "-" },
    { "an absolute https", { { "REQUEST_URI=https://c/" } }, "http", "c", "-" },
    { "Apache's and nginx's scheme", { { ROOT, "REQUEST_SCHEME=https" } }, "https", "localhost", "-" },
    { "WSGI's", { { ROOT, "wsgi.url_scheme=https" } }, "https", "localhost", "-" },
    { "uWSGI's", { { ROOT, "UWSGI_SCHEME=https" } }, "https", "localhost", "-" },
    { "HTTPS by hand", { { ROOT, "REQUEST_SCHEME=http", "HTTPS=On" } }, "https", "localhost", "-" },
    { "HTTPS as a number", { { ROOT, "HTTPS=1" } }, "https", "localhost", "-" },
    { "HTTPS off", { { ROOT, "HTTPS=off" } }, "http", "localhost", "-" },
    { "a client's words",
      { { ROOT, "HTTP_HTTPS=on", "HTTP_REQUEST_SCHEME=https", "HTTP_REMOTE_ADDR=x" } },
      "http",
      "localhost",
      "-" },
    { "an unknown scheme", { { ROOT, "REQUEST_SCHEME=gopher" } }, "http", "localhost", "-" },
    { "a peer with a line break", { { ROOT, "REMOTE_ADDR=1\n2" } }, "http", "localhost", "-" },
    { "a malformed Host", { { ROOT, "HTTP_HOST=a/b" } }, NULL, NULL, NULL },
    { "two Hosts", { { ROOT, "HTTP_HOST=a, b" } }, NULL, NULL, NULL },
    { "a line break in Host", { { ROOT, "HTTP_HOST=a\r\nb" } }, NULL, NULL, NULL },
};

static void names_are_the_servers(void **state)
{
    struct arena *a = arena_make(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct vars v = names[i].vars;
        struct http_request rq;
        enum error_kind kind = read_vars(&rq, &v, a);

        CHECK_CASE(names[i].name, kind == (names[i].scheme ? ERROR_NONE : ERROR_INVALID));
        if (!names[i].scheme)
            continue;
        CHECK_CASE(names[i].name, str_eq(rq.scheme, names[i].scheme));
        CHECK_CASE(names[i].name, str_eq(rq.host, names[i].host));
        CHECK_CASE(names[i].name, str_eq(rq.peer, names[i].peer));
    }
    arena_free(a);
}

static void the_callers_defaults_stand(void **state)
{
    struct arena *a = arena_make(4096);
    struct vars v = { { "REQUEST_METHOD=PUT", "REQUEST_URI=/x" } };
    struct http_request rq = { .arena = a, .host = "here:1", .peer = "unix" };
    struct error e;

    (void)state;
    assert_int_equal(http_cgi_request(&rq, vars_get, &v, &e), 0);
    assert_string_equal(rq.method, "PUT");
    assert_string_equal(rq.host, "here:1");
    assert_string_equal(rq.peer, "unix");
    arena_free(a);
}

static void headers_have_variables(void **state)
{
    struct arena *a = arena_make(4096);
    struct vars v = { { "HTTP_X_IMAGE_META_STORE=fast", "CONTENT_TYPE=a/b", "CONTENT_LENGTH=5",
                        "HTTP_CONTENT_LENGTH=6", "HTTP_RANGE=", "REMOTE_USER=admin",
                        "HTTP_CONTENT_RANGE=x" } };

    (void)state;
    assert_string_equal(http_cgi_header(vars_get, &v, a, "x-image-meta-store"), "fast");
    assert_string_equal(http_cgi_header(vars_get, &v, a, "Content-Type"), "a/b");
    assert_string_equal(http_cgi_header(vars_get, &v, a, "content-LENGTH"), "5");
    assert_string_equal(http_cgi_header(vars_get, &v, a, "Content-Range"), "x");
    assert_string_equal(http_cgi_header(vars_get, &v, a, "Range"), "");
    assert_null(http_cgi_header(vars_get, &v, a, "Remote-User"));
    v.items[1] = "CONTENT_TYPE=";
    assert_null(http_cgi_header(vars_get, &v, a, "Content-Type"));
    v.items[1] = "HTTP_CONTENT_TYPE=c/d";
    assert_string_equal(http_cgi_header(vars_get, &v, a, "Content-Type"), "c/d");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_routed_raw),     cmocka_unit_test(long_targets_are_refused),
        cmocka_unit_test(bodies_are_framed_in_order), cmocka_unit_test(names_are_the_servers),
        cmocka_unit_test(the_callers_defaults_stand), cmocka_unit_test(headers_have_variables),
    };

    return cmocka_run_group_tests_name("http-cgi", tests, NULL, NULL);
}
